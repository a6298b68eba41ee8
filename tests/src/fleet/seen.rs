//! What an operator sees of the fleet: what each agent published last, how fresh that is, and what is declared. The
//! only input of a diagnosis; nothing of the truth is in it.

use meantime_core::clocks::BootTime;
use meantime_core::diagnose::fleet::{Declared, Heard, Peer, Trouble};
use meantime_core::snapshot::NodePlan;
use meantime_crds::nodetime::NodeTimeStatus;
use std::collections::BTreeMap;
use std::sync::Arc;

/// All that was seen, moment by moment.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Declared sources by name.
    pub declared: BTreeMap<String, Declared>,
    /// What the operator planned for each node: tolerances, associations with roles and scales.
    pub plans: BTreeMap<String, Arc<NodePlan>>,
    /// One per tick, oldest first; begins before the usual first fault, and anew when the operator does.
    pub trail: Vec<Snapshot>,
}

/// One moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// By the operator's BOOTTIME.
    pub now: BootTime,
    /// Nodes by name.
    pub nodes: BTreeMap<String, SeenNode>,
}

/// One node at one moment.
#[derive(Clone, Debug)]
pub struct SeenNode {
    /// Zone label.
    pub zone: Option<String>,
    /// Nodes that share one way out.
    pub egress: Option<String>,
    /// Whether its agent is heard.
    pub heard: Heard,
    /// Its agent's pod is ready.
    pub ready: bool,
    /// When what it said was first seen, by the operator's BOOTTIME.
    pub seen: BootTime,
    /// What it said last; none = never anything.
    pub said: Option<Arc<Said>>,
}

/// What one agent publishes.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// The NodeTime's status.
    pub status: NodeTimeStatus,
    /// By source: why it cannot be used, as far as that agent can know. Beside the status until that has the field.
    pub trouble: BTreeMap<String, Trouble>,
    /// Its peers. Beside the status until that has them.
    pub peers: Vec<Peer>,
}

impl Seen {
    /// The last moment.
    pub fn last(&self) -> Option<&Snapshot> {
        self.trail.last()
    }
}
