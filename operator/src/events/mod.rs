//! Kubernetes Events: one line for a person at each transition, never in between.
//!
//! **In.** Transitions of node conditions, and of what the fleet says of a source. **Out.** [`Note`]s, pure data;
//! [`send`] writes them. Cluster-scoped objects have their Events in namespace `default`: Kubernetes refuses others.
//! **Must never** fail a reconcile, repeat itself without a transition, or tell five times what one line tells.

pub mod send;
pub mod switches;

use crate::conditions::{NodeCondition, Transition};
use meantime_core::conditions::{ConditionKind, Reason, Status};

/// The object that an Event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Regarding {
    /// `v1`, `meantime.dev/v1alpha1`.
    pub api_version: &'static str,
    /// `Node`, `TimeSource`, …
    pub kind: &'static str,
    /// Object name.
    pub name: String,
    /// Object uid.
    pub uid: String,
}

/// How loud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loudness {
    /// It got better, or is no trouble.
    Normal,
    /// Somebody should look.
    Warning,
}

/// One Event to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// About what.
    pub regarding: Regarding,
    /// What else is concerned: the policy.
    pub related: Option<Regarding>,
    /// How loud.
    pub loudness: Loudness,
    /// One word.
    pub reason: String,
    /// One line.
    pub message: String,
    /// Told once and never again, also by another operator: a suffix that makes the Event's name always the same.
    pub once: Option<String>,
}

/// The last Event about a node that Meantime leaves.
pub fn left(node: Regarding, restored: bool, message: &str) -> Note {
    let (loudness, reason) =
        if restored { (Loudness::Normal, "TimeRetired") } else { (Loudness::Warning, "TimeNotRestored") };
    Note {
        regarding: node,
        related: None,
        loudness,
        reason: reason.to_owned(),
        message: format!("Meantime has left this node: {message}"),
        once: None,
    }
}

/// What a node's transitions are worth telling. TimeSynchronized speaks at each of its transitions but the very first
/// `Booting`; the four others speak when their trouble begins (True) and when it ends (True → False). When everything
/// becomes Unknown at once, TimeSynchronized speaks for all.
pub fn of_node(transitions: &[Transition], node: &Regarding, policy: Option<&Regarding>) -> Vec<Note> {
    transitions
        .iter()
        .filter(|transition| worth_telling(transition))
        .map(|transition| Note {
            regarding: node.clone(),
            related: policy.cloned(),
            loudness: loudness(transition),
            reason: transition.to.reason.clone(),
            message: format!(
                "{} is {}{}: {}",
                transition.kind.name(),
                transition.to.status.as_str(),
                transition
                    .from
                    .as_ref()
                    .map(|from| format!(" (was {} {})", from.status.as_str(), from.reason))
                    .unwrap_or_default(),
                transition.to.message
            ),
            once: None,
        })
        .collect()
}

fn worth_telling(transition: &Transition) -> bool {
    let from = transition.from.as_ref().map(|from| from.status);
    match transition.kind {
        NodeCondition::Agents(ConditionKind::TimeSynchronized) => {
            !(transition.from.is_none() && transition.to.reason == Reason::Booting.as_str())
        }
        NodeCondition::Agents(
            ConditionKind::TimeOffsetHigh
            | ConditionKind::TimeSourcesLow
            | ConditionKind::TimePartitioned
            | ConditionKind::TimeDaemonDown,
        ) => match transition.to.status {
            Status::True => true,
            Status::False => from == Some(Status::True),
            Status::Unknown => false,
        },
        // Its finding is an incident, which tells of it on the Node.
        NodeCondition::ClockFaulty => false,
    }
}

fn loudness(transition: &Transition) -> Loudness {
    let quiet = transition.to.status == transition.kind.healthy()
        && transition.to.reason != Reason::Warning.as_str()
        || transition.to.reason == Reason::Booting.as_str();
    if quiet { Loudness::Normal } else { Loudness::Warning }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conditions::Told;

    fn told(status: Status, reason: &str) -> Told {
        Told { status, reason: reason.into(), message: "91ms".into() }
    }
    fn transition(kind: NodeCondition, from: Option<Told>, to: Told) -> Transition {
        Transition { kind, from, to }
    }
    fn notes(transitions: &[Transition]) -> Vec<(Loudness, String)> {
        let node = Regarding { api_version: "v1", kind: "Node", name: "n2".into(), uid: "u".into() };
        of_node(transitions, &node, None).into_iter().map(|note| (note.loudness, note.message)).collect()
    }

    #[test]
    fn a_breach_and_its_end_are_told() {
        const KIND: NodeCondition = NodeCondition::Agents(ConditionKind::TimeSynchronized);
        let good = || told(Status::True, "InTolerance");
        let bad = || told(Status::False, "OffsetExceeded");
        assert_eq!(
            notes(&[transition(KIND, Some(good()), bad())]),
            [(Loudness::Warning, "TimeSynchronized is False (was True InTolerance): 91ms".to_owned())]
        );
        assert_eq!(notes(&[transition(KIND, Some(bad()), good())])[0].0, Loudness::Normal);
        assert_eq!(
            notes(&[transition(KIND, Some(good()), told(Status::True, "Warning"))])[0].0,
            Loudness::Warning
        );
    }

    #[test]
    fn the_first_minutes_of_a_node_are_quiet() {
        let booting = || told(Status::Unknown, "Booting");
        let first: Vec<_> = NodeCondition::ALL.map(|kind| transition(kind, None, booting())).into();
        assert_eq!(notes(&first), []);
        let second: Vec<_> = NodeCondition::ALL
            .map(|kind| transition(kind, Some(booting()), told(kind.healthy(), "Fine")))
            .into();
        assert_eq!(notes(&second).len(), 1, "only TimeSynchronized speaks");
    }

    #[test]
    fn silence_is_one_event_not_five() {
        let all: Vec<_> = NodeCondition::ALL
            .map(|kind| {
                transition(kind, Some(told(kind.healthy(), "Fine")), told(Status::Unknown, "AgentSilent"))
            })
            .into();
        assert_eq!(notes(&all).len(), 1);
    }
}
