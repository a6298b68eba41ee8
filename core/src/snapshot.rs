//! What the operator knows at one moment, as plain data: the planner's only input; and the planner's output per
//! node, which is also what the agent judges against.

use crate::chrony::ChronyVersion;
use crate::policy::{Mode, PolicySpec};
use crate::source::{Endpoint, PollRange, Scope, SourceSpec, Timescale};
use crate::tolerances::Tolerances;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
    pub previous: Option<NodePlan>,
}

impl NodeFacts {
    /// Its zone, from the well-known label.
    pub fn zone(&self) -> Option<&str> {
        self.labels.get(crate::names::LABEL_ZONE).map(String::as_str)
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
    /// TimeSource uid.
    pub source_uid: String,
    /// TimeSource tier.
    pub tier: u8,
    /// Its part.
    pub role: Role,
    /// Where packets go.
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
    /// chrony's main text, policy part (the agent puts its own paths before it). Ends in a newline.
    pub main: String,
    /// chrony's sources text. Ends in a newline.
    pub sources: String,
    /// SHA-256 over all of the above, first 16 hex digits. Equal hash = nothing to do.
    pub hash: String,
}
