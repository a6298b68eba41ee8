//! What all nodes together prove: joins the fleet to core's [`diagnose`], keeps its memory, and says what a finding means for
//! one source and for one node.
//!
//! **In.** The fleet at each pass. **Out.** Findings; told in the log when they begin and end. **Must never** look while
//! agents could not be heard: what was last seen then is of another time.

use crate::conditions::{NodeCondition, Told};
use meantime_core::clocks::BootTime;
use meantime_core::conditions::{ConditionKind, Status};
use meantime_core::diagnose::finding::{Finding, Kind, Subject};
use meantime_core::diagnose::fleet::{Fleet, Heard};
use meantime_core::diagnose::{self, Figures};
use std::collections::{BTreeMap, BTreeSet};
use tracing::{info, warn};

/// Findings between passes.
#[derive(Debug, Default)]
pub struct Findings {
    memory: diagnose::Memory,
    figures: Figures,
    standing: Vec<Finding>,
    /// Two thirds of the nodes are known to be heard or not: a new operator knows of no age.
    warm: bool,
    out_of_contact: bool,
}

/// What is found of one source.
#[derive(Clone, Copy, Debug, Default)]
pub struct Found<'f> {
    /// Of the source as a whole: the first word, if there are several.
    pub whole: Option<&'f Finding>,
    /// Of the source as one way out sees it: the first.
    pub from: Option<&'f Finding>,
    /// Enough is known to say anything, also that nothing is wrong.
    pub warm: bool,
}

impl Findings {
    /// Agents could not be heard for a while.
    pub fn gap(&mut self) {
        self.out_of_contact = true;
    }

    /// One look. Out of contact what stood stands.
    pub fn look(&mut self, fleet: &Fleet, in_contact: bool) {
        if !in_contact {
            self.out_of_contact = true;
            return;
        }
        if std::mem::take(&mut self.out_of_contact) {
            self.memory.after_gap(fleet.now);
        }
        let known = fleet.nodes.values().filter(|node| node.heard != Heard::Starting).count();
        self.warm = known * 3 >= fleet.nodes.len() * 2;
        let memory = std::mem::take(&mut self.memory);
        let (memory, findings) = diagnose::diagnose(memory, fleet, &self.figures);
        let keys = |findings: &[Finding]| -> BTreeSet<(Kind, Subject)> {
            findings.iter().map(|one| (one.kind, one.subject.clone())).collect()
        };
        let (before, after) = (keys(&self.standing), keys(&findings));
        for one in findings.iter().filter(|one| !before.contains(&(one.kind, one.subject.clone()))) {
            warn!(finding = one.kind.word(), subject = ?one.subject, evidence = ?one.evidence, "found");
        }
        for (kind, subject) in before.difference(&after) {
            info!(finding = kind.word(), ?subject, "no longer found");
        }
        (self.memory, self.standing) = (memory, findings);
    }

    /// What stands.
    pub fn standing(&self) -> &[Finding] {
        &self.standing
    }

    /// When something may become worth telling, or be over, though nothing else changes.
    pub fn next_look(&self) -> Option<BootTime> {
        self.memory.next_look(&self.figures)
    }

    /// Standing findings by word, for the metrics.
    pub fn counts(&self) -> BTreeMap<&'static str, i64> {
        let mut counts: BTreeMap<&'static str, i64> = Kind::ALL.iter().map(|kind| (kind.word(), 0)).collect();
        for one in &self.standing {
            *counts.entry(one.kind.word()).or_default() += 1;
        }
        counts
    }

    /// Standing findings of which (word, subject) is among those, by word. A source as one way out sees it goes by the source's
    /// name, what has no name by `Cluster`.
    pub fn acknowledged(&self, known: &BTreeSet<(String, String)>) -> BTreeMap<&'static str, i64> {
        let mut counts = BTreeMap::new();
        for one in &self.standing {
            let subject = match &one.subject {
                Subject::Source(name)
                | Subject::SourceFrom { source: name, .. }
                | Subject::Node(name)
                | Subject::Zone(name)
                | Subject::Egress(name) => name,
                Subject::Cluster => "Cluster",
            };
            if known.contains(&(one.kind.word().to_owned(), subject.to_owned())) {
                *counts.entry(one.kind.word()).or_default() += 1;
            }
        }
        counts
    }

    /// What is found of one source.
    pub fn of_source(&self, name: &str) -> Found<'_> {
        let of =
            |wanted: fn(&Subject, &str) -> bool| self.standing.iter().find(|one| wanted(&one.subject, name));
        Found {
            whole: of(|subject, name| matches!(subject, Subject::Source(source) if source == name)),
            from: of(|subject, name| matches!(subject, Subject::SourceFrom { source, .. } if source == name)),
            warm: self.warm,
        }
    }

    /// Whether it is this node's own clock that is wrong. None = nothing is known yet: what stands there stays.
    pub fn clock(&self, node: &str, told: &BTreeMap<ConditionKind, Told>) -> Option<Told> {
        let faulty = |one: &&Finding| {
            one.kind == Kind::NodeClockFaulty && one.subject == Subject::Node(node.to_owned())
        };
        if let Some(found) = self.standing.iter().find(faulty) {
            let message = format!(
                "{}: its oscillator, its virtualisation, or something on it that sets the clock; its sources are right, do not change them; next: cordon it, then kubectl describe nodetime {node}",
                found.evidence.join("; ")
            );
            return Some(Told { status: Status::True, reason: found.kind.word().to_owned(), message });
        }
        if !self.warm {
            return None;
        }
        let synchronized = told.get(&ConditionKind::TimeSynchronized).map(|told| told.status);
        let (status, reason, message) = if self.memory.unjudged().contains(node) {
            (
                Status::Unknown,
                "TooManyAtOnce",
                "so many clocks are off at once that it is no node's own fault; look at the incidents (kubectl get tinc) before you touch a node",
            )
        } else {
            match synchronized {
                Some(Status::True) => (
                    Status::False,
                    "ClockAgrees",
                    "this clock is within its tolerance of what its sources say",
                ),
                Some(Status::False) => (
                    Status::Unknown,
                    "NotProven",
                    "this node's time is out of tolerance; that its own clock is to blame is not proven",
                ),
                Some(Status::Unknown) | None => (
                    Status::Unknown,
                    "NotKnown",
                    "this node's time is not known, so nothing is known of its clock",
                ),
            }
        };
        Some(Told { status, reason: reason.to_owned(), message: message.to_owned() })
    }

    /// What cuts this node off, in the place of the agent's own word, which knows no more than that nothing answers.
    pub fn partition(&self, node: &str) -> Option<(&'static str, String)> {
        let explains = |one: &&Finding| {
            let of_it = match &one.subject {
                Subject::Node(name) => name == node,
                Subject::Zone(_) | Subject::Egress(_) => one.nodes.iter().any(|name| name == node),
                Subject::Source(_) | Subject::SourceFrom { .. } | Subject::Cluster => false,
            };
            of_it
                && matches!(
                    one.kind,
                    Kind::NodeCutOff
                        | Kind::NodeIsolated
                        | Kind::NtpBlockedOnNode
                        | Kind::ZoneCut
                        | Kind::ZoneSilent
                        | Kind::UplinkLost
                )
        };
        self.standing.iter().find(explains).map(|one| (one.kind.word(), one.evidence.join("; ")))
    }
}

/// An agent's word on its node, with what the fleet knows besides.
pub fn refine(
    findings: &Findings,
    node: &str,
    told: &BTreeMap<ConditionKind, Told>,
    standing: Option<&Told>,
) -> BTreeMap<NodeCondition, Told> {
    let mut all: BTreeMap<NodeCondition, Told> =
        told.iter().map(|(kind, told)| (NodeCondition::Agents(*kind), told.clone())).collect();
    if let Some(cut) = all.get_mut(&NodeCondition::Agents(ConditionKind::TimePartitioned))
        && cut.status == Status::True
        && let Some((word, evidence)) = findings.partition(node)
    {
        word.clone_into(&mut cut.reason);
        cut.message = format!("{}; {evidence}", cut.message);
    }
    let waiting = || Told {
        status: Status::Unknown,
        reason: "NotCompared".to_owned(),
        message: "this operator has not heard enough agents yet to compare clocks".to_owned(),
    };
    let clock = findings.clock(node, told).or_else(|| standing.cloned()).unwrap_or_else(waiting);
    all.insert(NodeCondition::ClockFaulty, clock);
    all
}

#[cfg(test)]
mod tests;
