//! What there is to compare: plain data, made of NodeTime statuses, declared sources and the operator's own ears.

use crate::clocks::BootTime;
use crate::conditions::{ConditionKind, Reason, Status};
use crate::snapshot::Role;
use crate::source::{Scope, Timescale};
use crate::units::{Nanos, Ppb};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fleet {
    /// Now, by the operator's BOOTTIME.
    pub now: BootTime,
    /// Declared sources by name.
    pub sources: BTreeMap<String, Declared>,
    /// Nodes with a plan, by name.
    pub nodes: BTreeMap<String, Node>,
}

/// What is declared of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// How near it is.
    pub scope: Scope,
    /// Where it stands.
    pub zone: Option<String>,
}

/// Whether an agent is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Its status is of now, as far as the heartbeat allows to know.
    Fresh,
    /// Overdue or its pod is gone, since so long.
    Silent(Nanos),
    /// Not long enough known to say either.
    Starting,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its zone; none = not labelled.
    pub zone: Option<String>,
    /// Nodes that share one way out: label `meantime.dev/egress`, else the zone.
    pub egress: Option<String>,
    /// Whether its agent is heard.
    pub heard: Heard,
    /// Its agent's pod is ready: what it does not tell, it would.
    pub ready: bool,
    /// The one scale that its plan keeps to; none = of none or of several.
    pub timescale: Option<Timescale>,
    /// What it says; none = it never said anything.
    pub report: Option<Report>,
}

/// One agent's last status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// When the operator first saw it, by its own BOOTTIME; never later than it was written by more than the way takes.
    pub seen: BootTime,
    /// Its conditions: status and reason of each; a reason of another version is none.
    pub conditions: BTreeMap<ConditionKind, (Status, Option<Reason>)>,
    /// This clock's error as published; > 0 = ahead.
    pub offset: Option<Nanos>,
    /// Its guaranteed bound …
    pub bound: Option<Nanos>,
    /// … and how fast that grows.
    pub growth: Ppb,
    /// What is tolerated on this node.
    pub max_offset: Nanos,
    /// The word that the agent has for why its chronyd moves the clock or does not (`CompetingDaemon`, …).
    pub clock: Option<String>,
    /// Its sources.
    pub views: Vec<View>,
    /// Its peers, where they are asked.
    pub peers: Vec<Peer>,
}

/// Why a source cannot be used, as one node sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Trouble {
    /// No answer.
    TimedOut,
    /// Its host says that nobody listens (ICMP port unreachable).
    Refused,
    /// A router says that it cannot be reached (ICMP host or net unreachable).
    Unreachable,
    /// A kiss-o'-death: RATE, DENY or RSTR.
    Kissed,
    /// Its name has no address.
    Unresolved,
    /// Its answers do not authenticate.
    NotAuthentic,
    /// It says that it is not synchronised.
    Unsynchronised,
    /// Its reference is older than the policy allows.
    Stale,
}

impl Trouble {
    /// No answer of any kind came back.
    pub const fn is_silence(self) -> bool {
        matches!(self, Self::TimedOut | Self::Refused | Self::Unreachable)
    }
}

/// One source as one node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// TimeSource name.
    pub source: String,
    /// Its address there: a pool has several, and a name may have another one elsewhere.
    pub address: Option<String>,
    /// [`crate::snapshot::PlannedAssociation::server`]: the same whichever address its name has there; none = of a pool.
    pub server: Option<u64>,
    /// What it shares with others that fail or lie together.
    pub root: String,
    /// Its part in this node's plan.
    pub role: Role,
    /// It counts as a usable voter (a witness never does).
    pub usable: bool,
    /// chronyd or the agreeing group says that it lies.
    pub rejected: bool,
    /// Why not, if it is not answering or not usable for a reason that is known.
    pub trouble: Option<Trouble>,
    /// It has answered this node before: pairs that never worked are no evidence.
    pub ever: bool,
    /// Age of its last sample when the report was written.
    pub sample_age: Option<Nanos>,
    /// Time between two polls, now or at most.
    pub poll: Nanos,
    /// The clock against it; > 0 = the clock is ahead.
    pub offset: Option<Nanos>,
    /// Half-width of that.
    pub uncertainty: Option<Nanos>,
    /// Round trip.
    pub delay: Option<Nanos>,
}

/// Another node's agent as this one sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its Node.
    pub node: String,
    /// It answered lately.
    pub answers: bool,
    /// It has answered before.
    pub ever: bool,
    /// This clock against its; > 0 = this one is ahead.
    pub offset: Option<Nanos>,
    /// Half-width of that.
    pub uncertainty: Option<Nanos>,
}

impl View {
    /// No answer of any kind comes from it.
    pub fn is_silent(&self) -> bool {
        self.trouble.is_some_and(Trouble::is_silence)
    }
}

impl Node {
    /// Its report, if it is of now.
    pub fn fresh(&self) -> Option<&Report> {
        self.report.as_ref().filter(|_| self.heard == Heard::Fresh)
    }
}

impl Report {
    /// The status of a condition.
    pub fn status(&self, condition: ConditionKind) -> Option<Status> {
        self.conditions.get(&condition).map(|(status, _)| *status)
    }
    /// Its reason.
    pub fn reason(&self, condition: ConditionKind) -> Option<Reason> {
        self.conditions.get(&condition).and_then(|(_, reason)| *reason)
    }
}
