//! # Meantime's core: the product on one page
//!
//! **Role.** Every decision that Meantime takes is a function in this crate: which sources a node uses
//! ([`mod@plan`]), what chronyd is told ([`conf`]), how wrong a clock is and how sure that is (`judge`), and
//! which node conditions follow ([`conditions`]).
//!
//! **In.** Plain data: declared sources and policies and the nodes ([`snapshot`]), what one node's chronyd
//! said at one moment ([`observation`]).
//! **Out.** Plain data: a plan per node, a [`verdict`], the five node conditions, a report of why.
//!
//! **Must never** do I/O, read a clock, use randomness, await, or depend on Kubernetes crates or tokio. Whoever
//! calls brings the moment with the data ([`clocks::ClockReading`]). Floats live only in the wire codecs:
//! here time is [`units::Nanos`] and frequency [`units::Ppb`].
//!
//! ```text
//! TimeSource + TimeSyncPolicy + Node ─▶ Snapshot ─validate─▶ Validated ─plan─▶ NodePlan ─conf─▶ chronyd
//! Observation ─judge(state)─▶ Verdict ─▶ five conditions
//! ```
//!
//! **Sign, everywhere above the codecs:** offset > 0 means *this clock is ahead*.
#![deny(missing_docs)]

pub mod chrony;
pub mod clocks;
pub mod conditions;
pub mod conf;
pub mod diagnose;
pub mod duration;
pub mod fsm;
pub mod hash;
pub mod incident;
pub mod judge;
pub mod ledger;
pub mod maintenance;
pub mod names;
pub mod observation;
pub mod peers;
pub mod plan;
pub mod policy;
pub mod snapshot;
pub mod source;
pub mod spread;
pub mod tolerances;
pub mod units;
pub mod validate;
pub mod verdict;
