//! What all nodes together prove: joins the world to core's [`diagnose`], and keeps its memory.
//!
//! **In.** NodeTimes, TimeSources, Nodes' labels, and which agents are heard. **Out.** Findings; told in the log when they
//! begin and end. **Must never** look while agents could not be heard: what was last seen then is of another time.

use crate::gather::World;
use crate::silence::Tracker;
use meantime_core::clocks::BootTime;
use meantime_core::diagnose::finding::{Finding, Kind, Subject};
use meantime_core::diagnose::fleet::{Declared, Fleet, Heard, Node};
use meantime_core::diagnose::{self, Figures};
use meantime_core::names::{LABEL_EGRESS, LABEL_ZONE};
use meantime_core::units::Nanos;
use meantime_crds::NodeTime;
use meantime_crds::convert::fleet::{Place, declared, node};
use meantime_crds::nodetime::Desired;
use std::collections::{BTreeMap, BTreeSet};
use tracing::{info, warn};

/// Findings between passes.
#[derive(Debug, Default)]
pub struct Findings {
    memory: diagnose::Memory,
    figures: Figures,
    standing: Vec<Finding>,
}

impl Findings {
    /// One look. Out of contact what stood stands.
    pub fn look(&mut self, world: &World, tracker: &Tracker, in_contact: bool, now: BootTime) {
        if !in_contact {
            return;
        }
        let (memory, findings) = diagnose::diagnose(&self.memory, &fleet(world, tracker, now), &self.figures);
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
}

/// What is found of one source as a whole, the first word if there are two.
pub fn of_source<'f>(findings: &'f [Finding], name: &str) -> Option<&'f Finding> {
    findings.iter().find(|one| matches!(&one.subject, Subject::Source(source) if source == name))
}

fn fleet(world: &World, tracker: &Tracker, now: BootTime) -> Fleet {
    let sources: BTreeMap<String, Declared> = world
        .sources
        .iter()
        .filter_map(|(name, source)| Some((name.clone(), declared(source).ok()?)))
        .collect();
    let nodes: BTreeMap<String, Node> = world
        .nodes
        .iter()
        .filter_map(|(name, object)| {
            let node_time = world.node_time(name).filter(|one| is_active(one))?;
            let labels = object.metadata.labels.as_ref();
            let label = |key: &str| labels.and_then(|labels| labels.get(key)).cloned();
            let place = Place { zone: label(LABEL_ZONE), egress: label(LABEL_EGRESS) };
            let quiet = tracker.quiet_for(name, now).unwrap_or(Nanos::ZERO);
            let heard = match (tracker.silent(name), &node_time.status) {
                (Some(_), _) => Heard::Silent(quiet),
                (None, Some(_)) => Heard::Fresh,
                (None, None) => Heard::Starting,
            };
            Some((name.clone(), node(node_time, place, heard, now - quiet)))
        })
        .collect();
    Fleet { now, sources, nodes }
}

fn is_active(node_time: &NodeTime) -> bool {
    node_time.spec.desired == Desired::Active && node_time.spec.plan.is_some()
}
