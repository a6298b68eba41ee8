//! The six conditions on the core Node (five are the agent's, one is the fleet's): what they should be, and whether that is worth a write.
//!
//! **In.** What a node's agent told (or its silence), what stands on the Node, this machine's BOOTTIME.
//! **Out.** All six conditions with their times, or their removal, or nothing to do; and the transitions, from which
//! Events are made. **Must never** send fewer than six (server-side apply drops an omitted one), move
//! lastTransitionTime while a status stays, or write the same again and again.

use crate::silence::Silence;
use jiff::Timestamp;
use meantime_core::clocks::BootTime;
use meantime_core::conditions::{ConditionKind, Reason, Status};
use meantime_core::hash::fnv;
use meantime_core::names::{CONDITION_DOMAIN, REASON_NO_DAEMON};
use meantime_core::units::Nanos;
use std::collections::BTreeMap;

/// lastHeartbeatTime is refreshed this often, so that a dead operator shows, and no oftener.
pub const HEARTBEAT: Nanos = Nanos::from_secs(600);

/// A condition on the core Node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeCondition {
    /// One of the five that the node's agent judges.
    Agents(ConditionKind),
    /// `NodeClockFaulty`: this node's own clock is wrong, as all nodes together prove. The one made for robots.
    ClockFaulty,
}

impl NodeCondition {
    /// All six, in writing order.
    pub const ALL: [Self; 6] = [
        Self::Agents(ConditionKind::TimeSynchronized),
        Self::Agents(ConditionKind::TimeOffsetHigh),
        Self::Agents(ConditionKind::TimeSourcesLow),
        Self::Agents(ConditionKind::TimePartitioned),
        Self::Agents(ConditionKind::TimeDaemonDown),
        Self::ClockFaulty,
    ];
    /// The bare name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agents(kind) => kind.name(),
            Self::ClockFaulty => "NodeClockFaulty",
        }
    }
    /// The type on the core Node: `meantime.dev/NodeClockFaulty`.
    pub fn node_type(self) -> String {
        format!("{CONDITION_DOMAIN}{}", self.name())
    }
    /// The state in which nobody needs to look.
    pub const fn healthy(self) -> Status {
        match self {
            Self::Agents(kind) => kind.healthy(),
            Self::ClockFaulty => Status::False,
        }
    }
}

/// One condition as told by an agent, or as it stands on a Node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// True, False, Unknown.
    pub status: Status,
    /// One word. Text, not [`Reason`]: an agent newer than this operator may know more words.
    pub reason: String,
    /// One line.
    pub message: String,
}

/// One of ours as it stands on a Node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What it says.
    pub told: Told,
    /// lastTransitionTime as it stands.
    pub since: Option<Timestamp>,
}

/// Conditions as they should be on one Node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Nothing new is known (a plan, and no word yet): what stands there stays.
    Keep,
    /// These.
    Set(BTreeMap<NodeCondition, Told>),
    /// None of ours.
    Remove,
}

/// What a node should show. `told` is what its agent last wrote, none = no verdict yet.
pub fn wish(planned: bool, told: Option<&BTreeMap<NodeCondition, Told>>, silence: Option<Silence>) -> Wish {
    if !planned {
        return Wish::Remove;
    }
    if let Some(silence) = silence {
        return all_unknown(Reason::AgentSilent.as_str(), silence.explain());
    }
    match told {
        None => Wish::Keep,
        Some(told) => Wish::Set(
            NodeCondition::ALL
                .map(|kind| {
                    let missing = || Told {
                        status: Status::Unknown,
                        reason: "NotReported".to_owned(),
                        message: "this node's agent does not report this condition; are agent and operator of one version?".to_owned(),
                    };
                    (kind, told.get(&kind).cloned().unwrap_or_else(missing))
                })
                .into(),
        ),
    }
}

/// What a node should show whose agent reports and gives no verdict: why its plan is not in force is all that is known.
/// What stands on the Node is of a time before (an image whose chronyd can't be run comes with an update). `ready` is the
/// NodeTime's condition `Ready`.
pub fn wish_wordless(ready: Option<&Told>) -> Wish {
    let Some(ready) = ready else {
        return all_unknown("NotReported", "its agent reports, and says nothing of the clock");
    };
    let wish = all_unknown(&ready.reason, &ready.message);
    let Wish::Set(mut all) = wish else { return wish };
    if ready.reason == REASON_NO_DAEMON {
        let down = Told { status: Status::True, ..ready.clone() };
        all.insert(NodeCondition::Agents(ConditionKind::TimeDaemonDown), down);
    }
    Wish::Set(all)
}

/// What a node should show that could not be restored and whose NodeTime stays.
pub fn wish_not_restored(why: &str) -> Wish {
    all_unknown("NotRestored", why)
}

/// What a node should show whose NodeTime is there and can't be decoded: what stands there may be long past.
pub fn wish_undecodable(why: &str, standing: &BTreeMap<NodeCondition, Standing>) -> Wish {
    if standing.is_empty() {
        return Wish::Keep;
    }
    // The decoder's words go on for as long as the object does; the Event on the NodeTime has more of them.
    let why: String = why.chars().take(160).collect();
    all_unknown(
        "Undecodable",
        &format!("this operator can not read NodeTime: {why}; bring CRDs, agent and operator to one version"),
    )
}

fn all_unknown(reason: &str, why: &str) -> Wish {
    let message = format!("nothing is known of this node's time: {why}");
    let told = Told { status: Status::Unknown, reason: reason.to_owned(), message };
    Wish::Set(NodeCondition::ALL.map(|kind| (kind, told.clone())).into())
}

/// A condition that changed its status or reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// Which.
    pub kind: NodeCondition,
    /// What stood there; none = none of ours.
    pub from: Option<Told>,
    /// What is written now.
    pub to: Told,
}

/// What to write to one Node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    Nothing,
    /// All six, with lastTransitionTime each; and what changed by it (empty = a heartbeat).
    Set {
        /// In writing order: kind, what it says, since when.
        conditions: Vec<(NodeCondition, Told, Timestamp)>,
        /// What changed.
        transitions: Vec<Transition>,
    },
    /// Take ours away.
    Remove,
}

/// Compares wish and Node. `written` is when this operator last wrote them (or first saw this Node), `wall` goes into
/// lastTransitionTime where a status changes.
pub fn change(
    wish: &Wish,
    standing: &BTreeMap<NodeCondition, Standing>,
    written: BootTime,
    now: BootTime,
    wall: Timestamp,
) -> Change {
    let wanted = match wish {
        Wish::Keep => return Change::Nothing,
        Wish::Remove if standing.is_empty() => return Change::Nothing,
        Wish::Remove => return Change::Remove,
        Wish::Set(wanted) => wanted,
    };
    let transitions: Vec<Transition> = wanted
        .iter()
        .filter_map(|(kind, to)| {
            let from = standing.get(kind).map(|standing| &standing.told);
            let same = from.is_some_and(|from| from.status == to.status && from.reason == to.reason);
            (!same).then(|| Transition { kind: *kind, from: from.cloned(), to: to.clone() })
        })
        .collect();
    if transitions.is_empty() && now - written < HEARTBEAT {
        return Change::Nothing;
    }
    let conditions = wanted
        .iter()
        .map(|(kind, to)| {
            let kept = standing.get(kind).filter(|standing| standing.told.status == to.status);
            (*kind, to.clone(), kept.and_then(|standing| standing.since).unwrap_or(wall))
        })
        .collect();
    Change::Set { conditions, transitions }
}

/// Where in its ten minutes a node's heartbeat falls, from its name: a new operator does not write to all nodes at once.
pub fn heartbeat_phase(node: &str) -> Nanos {
    let seconds = i64::try_from(fnv(node.as_bytes()) % 600).unwrap_or(0);
    Nanos::from_secs(seconds)
}

#[cfg(test)]
mod robots;
#[cfg(test)]
mod tests;
