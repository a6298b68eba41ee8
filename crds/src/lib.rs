//! # Meantime's API: TimeSource, TimeSyncPolicy, NodeTime, TimeIncident (`meantime.dev/v1alpha1`)
//!
//! **Role.** What users write and read: one kind per file, its schema with documentation, bounds and rules, and
//! the conversions to and from core's types ([`convert`]).
//!
//! **In.** Objects as the API server stores them. **Out.** Core's plain data and, the other way, status pieces.
//!
//! **Must never** decide anything, read a clock, or do I/O (the `crdgen` binary writes the YAML). Defaults are
//! resolved in the conversions, never in the schema: a `default:` makes GitOps tools see a difference for ever.
//!
//! Rules for every field: a description with unit, range and an `Example:`; a bound; no floats, no maps of
//! unknown things, no untagged enums; integers are i32 or i64. `tests/schema.rs` refuses a field without.
#![deny(missing_docs)]
#![expect(clippy::doc_link_with_quotes, reason = "examples are JSON, lists of strings among them")]
#![expect(
    clippy::duplicated_attributes,
    reason = "each printer column has a type and a name: clippy takes them for one"
)]

pub mod common;
pub mod convert;
pub mod failover;
pub mod maintenance;
pub mod nodetime;
mod rules;
pub mod schema;
pub mod timeincident;
pub mod timesource;
pub mod timesyncpolicy;

pub use nodetime::{NodeTime, NodeTimeSpec, NodeTimeStatus};
pub use timeincident::{TimeIncident, TimeIncidentSpec, TimeIncidentStatus};
pub use timesource::{TimeSource, TimeSourceSpec, TimeSourceStatus};
pub use timesyncpolicy::{TimeSyncPolicy, TimeSyncPolicySpec, TimeSyncPolicyStatus};
