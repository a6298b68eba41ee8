//! # The node agent
//!
//! **Role.** Runs chronyd on one node, applies the node's plan to it, looks at it, judges the node's clock and
//! reports. It goes on from its ledger when Kubernetes is away: time outlives Kubernetes.
//!
//! **In.** This node's NodeTime spec; chronyd's command socket; the machine's clocks; the ledger.
//! **Out.** A running chronyd, this node's NodeTime status, /metrics.
//!
//! **Must never** set or slew a clock itself, touch the host where the plan says Observe, write any object but its
//! own NodeTime's status, or decide anything outside pure functions (most are in meantime-core).
#![deny(missing_docs)]

pub mod apply;
pub mod args;
pub mod clock;
pub mod engine;
pub mod files;
pub mod hardware;
pub mod http;
pub mod ledger;
pub mod metrics;
pub mod observe;
pub mod peers;
pub mod probe;
pub mod publish;
pub mod run;
pub mod supervise;
