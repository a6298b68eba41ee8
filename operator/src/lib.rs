//! # Meantime's operator
//!
//! **Role.** Plans for all nodes, brings each plan to its NodeTime, and tells what the nodes report: conditions and
//! Events on Nodes, status on sources and policies.
//!
//! **In.** Seven watches ([`gather`]). **Out.** NodeTime specs ([`apply`]), Node [`conditions`], [`events`], [`status`],
//! [`incidents`].
//! Decisions are pure functions of a whole [`gather::World`]; [`reconcile`] is the one loop that joins them, and it
//! writes only while this replica leads ([`election`]).
//!
//! **Must never** act on a cache that has not synced; compare two machines' wall clocks; judge a clock (the agents
//! do: the operator only ages their word to Unknown and adds up); write what is written already.
#![deny(missing_docs)]

pub mod apply;
pub mod args;
pub mod clock;
pub mod conditions;
pub mod election;
pub mod events;
pub mod fleet;
pub mod gather;
pub mod http;
pub mod incidents;
pub mod maintenance;
pub mod metrics;
pub mod peer_keys;
pub mod planned;
pub mod policy_metrics;
pub mod reconcile;
pub mod retire;
pub mod run;
pub mod silence;
pub mod spread;
pub mod status;
pub mod wake;
