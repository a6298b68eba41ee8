//! The product's own diagnosis of what was seen: every moment of the trail, as an operator would pass over it.
//!
//! Must never know a fault or a label: its input is what was published.

use super::matrix::Word;
use super::seen::{Seen, SeenNode, Snapshot};
use meantime_core::diagnose::finding::Finding;
use meantime_core::diagnose::fleet::{Fleet, Node, Report};
use meantime_core::diagnose::{Figures, Memory, diagnose};
use meantime_core::snapshot::NodePlan;
use meantime_crds::convert::fleet::{report, timescale};

/// What stands after each moment.
pub fn findings(seen: &Seen) -> Vec<Vec<Finding>> {
    let mut memory = Memory::default();
    let look = |moment| {
        let (next, found) = diagnose(std::mem::take(&mut memory), &fleet(seen, moment), &Figures::default());
        memory = next;
        found
    };
    seen.trail.iter().map(look).collect()
}

/// The same as words.
pub fn words(seen: &Seen) -> Vec<Vec<Word>> {
    let word = |one: Finding| (one.kind, one.subject);
    findings(seen).into_iter().map(|found| found.into_iter().map(word).collect()).collect()
}

/// One moment as the rules look at it.
pub fn fleet(seen: &Seen, moment: &Snapshot) -> Fleet {
    let nodes = moment.nodes.iter().map(|(name, node)| {
        let report = seen.plans.get(name).and_then(|plan| told(node, plan));
        let (zone, egress) = (node.zone.clone(), node.egress.clone());
        let timescale = seen.plans.get(name).and_then(|plan| timescale(plan));
        (name.clone(), Node { zone, egress, heard: node.heard, ready: node.ready, timescale, report })
    });
    Fleet { now: moment.now, sources: seen.declared.clone(), nodes: nodes.collect() }
}

fn told(node: &SeenNode, plan: &NodePlan) -> Option<Report> {
    let said = node.said.as_ref()?;
    let mut report = report(&said.status, plan, node.seen);
    for view in &mut report.views {
        view.trouble = view.trouble.or_else(|| said.trouble.get(&view.source).copied());
    }
    report.peers.clone_from(&said.peers);
    Some(report)
}
