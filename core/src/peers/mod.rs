//! Agents that cross-check each other's clocks: whom each asks, when, what it makes of the answers, and under which keys.
//!
//! **In.** Nodes with zones and addresses; outcomes of questions; the moment. **Out.** Neighbours per node; who is due;
//! what is told of each peer; whether a question may be answered; what to do with the cluster's keys.
//!
//! **Must never** steer a clock: nothing here is read by [`crate::judge`] or [`crate::fsm::failover`]. Offsets between two
//! nodes are measured, as NTP measures them, and told; only [`crate::diagnose`] makes something of them. Must never ask
//! faster because somebody does not answer, nor take a pair that never worked for evidence.

pub mod ask;
pub mod choose;
pub mod keys;
pub mod limit;

use crate::hash::fnv;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Most peers that one node asks.
pub const NEIGHBOURS: usize = 3;
/// Most peers that ask one node, and most others whose peers change when one node joins or leaves.
pub const TOUCHED: usize = 2 * NEIGHBOURS + 1;
/// UDP port of the agents' own responders, unless the chart names another.
pub const PORT: u16 = 9925;

/// A peer to ask.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Planned {
    /// Its Node.
    pub node: String,
    /// Its InternalIP.
    pub address: IpAddr,
    /// Its responder's UDP port.
    pub port: u16,
}

/// What stands for a node in a packet: who asks means this node, whatever machine has its address by now.
pub fn mark(node: &str) -> u64 {
    mixed(fnv(node.as_bytes()))
}

/// The finisher of SplitMix64 (Steele, Lea, Flood 2014): FNV leaves names that differ in their last letter side by side.
const fn mixed(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}
