//! What the operator knows at one moment, as plain data: the planner's only input; and the planner's output per
//! node, which is also what the agent judges against.

use crate::chrony::ChronyVersion;
use crate::fsm::failover::Figures;
use crate::hash::fnv;
use crate::policy::{Mode, PolicySpec};
use crate::source::{Endpoint, PollRange, Scope, SourceSpec, Timescale};
use crate::tolerances::Tolerances;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

/// Everything that planning may look at. Complete by construction: a caller that has not synced all its caches
/// has no snapshot (absent is not empty).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// All declared sources that could be decoded.
    pub sources: Vec<SourceSpec>,
    /// All declared policies that could be decoded.
    pub policies: Vec<PolicySpec>,
    /// All nodes.
    pub nodes: Vec<NodeFacts>,
    /// Objects that are there but could not be decoded. A policy among them keeps its nodes (absent is not empty).
    pub undecodable: Vec<Undecodable>,
}

/// An object of ours that this build could not decode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undecodable {
    /// What it is.
    pub kind: ObjectKind,
    /// Object name.
    pub name: String,
    /// The decoder's words.
    pub why: String,
}

/// The kinds that users declare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// A source of time.
    TimeSource,
    /// A policy.
    TimeSyncPolicy,
}

/// What planning knows of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeFacts {
    /// Node name.
    pub name: String,
    /// Node uid.
    pub uid: String,
    /// Node labels.
    pub labels: BTreeMap<String, String>,
    /// What its chronyd is, once its agent has said so.
    pub chrony: Option<ChronyVersion>,
    /// The plan that stands in its NodeTime now; kept when the sources are selected away to nothing.
    pub previous: Option<Arc<NodePlan>>,
    /// Where its agent can be asked: its InternalIP.
    pub address: Option<IpAddr>,
    /// Its NodeTime has it take part in the peers' checks now; kept when its policy stands still.
    pub peering: bool,
}

impl NodeFacts {
    /// Its zone, from the well-known label.
    pub fn zone(&self) -> Option<&str> {
        self.labels.get(crate::names::LABEL_ZONE).map(String::as_str)
    }
    /// Its way out: its label, else its zone; nodes without either share one.
    pub fn egress(&self) -> Option<&str> {
        self.labels.get(crate::names::LABEL_EGRESS).map(String::as_str).or_else(|| self.zone())
    }
}

/// The part that an association plays on one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    /// In the driving tier: `prefer`.
    Driver,
    /// Selectable, outvotes liars.
    Voter,
    /// `noselect`: measured, never steered by.
    Witness,
}

/// One source on one node, as planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedAssociation {
    /// TimeSource name.
    pub source: String,
    /// TimeSource tier.
    pub tier: u8,
    /// Its part.
    pub role: Role,
    /// Where packets go, in canonical spelling (see [`crate::validate::Address`]); a pool with the number of its
    /// servers that there was room for.
    pub endpoint: Endpoint,
    /// Poll bounds.
    pub polls: PollRange,
    /// Four fast packets at the start.
    pub iburst: bool,
    /// How near it is.
    pub scope: Scope,
    /// What stands for its independence (two with the same value count as one root).
    pub independence: String,
    /// The scale it serves.
    pub timescale: Timescale,
    /// When it drives: 1 = by the plan, 2 when nobody of 1 can, …; none = never (`use: Vote`, witnesses; plans of an
    /// older operator, where the role alone tells).
    #[serde(default)]
    pub drive_order: Option<u8>,
    /// Rank among equals, 0…100; multiplies its score.
    #[serde(default = "whole")]
    pub weight: u8,
    /// Its power is failing (declared): it drives last, and is probed closely.
    #[serde(default)]
    pub power_failing: bool,
}

const fn whole() -> u8 {
    crate::source::FULL_WEIGHT
}

impl PlannedAssociation {
    /// [`Self::drive_order`], also of plans that do not have it.
    pub fn order(&self) -> Option<u8> {
        self.drive_order.or((self.role == Role::Driver).then_some(1))
    }
    /// Stands for this one server, whichever address its name has: the source and the address as declared. None for a pool:
    /// its members are different servers.
    pub fn server(&self) -> Option<u64> {
        let Endpoint::Server { address, port } = &self.endpoint else { return None };
        Some(fnv(format!("{}\0{address}\0{port}", self.source).as_bytes()))
    }
    /// What stands for the independence of the association that it became at `address`. The members of a pool
    /// without a declared `independence` are different servers of different people, each its own root; a pool
    /// with one is one root however many members it has.
    pub fn root_at(&self, address: Option<IpAddr>) -> String {
        match (&self.endpoint, address) {
            (Endpoint::Pool { .. }, Some(address)) if self.independence == self.source => {
                format!("{}/{address}", self.source)
            }
            (Endpoint::Pool { .. } | Endpoint::Server { .. }, _) => self.independence.clone(),
        }
    }
    /// How many independent roots it may bring, by the same rule.
    pub fn roots(&self) -> u32 {
        if self.independence == self.source { self.endpoint.weight() } else { 1 }
    }
}

/// One object that another one points at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectRef {
    /// Object name.
    pub name: String,
    /// Object uid.
    pub uid: String,
    /// Object generation that was used.
    pub generation: i64,
}

/// The plan for one node: what NodeTime.spec carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodePlan {
    /// The policy that won this node.
    pub policy: ObjectRef,
    /// What may be done to the node.
    pub mode: Mode,
    /// At most [`crate::names::MAX_ASSOCIATIONS`] by weight, ordered by tier, then source name.
    pub associations: Vec<PlannedAssociation>,
    /// The figures in force.
    pub tolerances: Tolerances,
    /// The figures of failover in force.
    #[serde(default)]
    pub failover: Figures,
    /// chrony's main text, policy part (the agent puts its own paths before it). Ends in a newline.
    pub main: String,
    /// chrony's sources text. Ends in a newline.
    pub sources: String,
    /// SHA-256 over all of the above but the policy's generation, first 16 hex digits. Equal hash = nothing to do,
    /// though the policy was edited. Compare it, never recompute it: another version may hash more fields.
    pub hash: String,
}
