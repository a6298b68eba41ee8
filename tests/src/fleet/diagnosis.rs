//! The product's own diagnosis of what was seen: every moment of the trail, as an operator would pass over it.
//!
//! Must never know a fault or a label: its input is what was published.

use super::matrix::Word;
use super::seen::{Seen, SeenNode, Snapshot};
use meantime_core::diagnose::finding::Finding;
use meantime_core::diagnose::fleet::{Fleet, Node, Report};
use meantime_core::diagnose::{Figures, Memory, diagnose};
use meantime_core::snapshot::NodePlan;
use meantime_crds::convert::fleet::report;

/// What stands at the end.
pub fn findings(seen: &Seen) -> Vec<Finding> {
    let (mut memory, mut found) = (Memory::default(), Vec::new());
    for moment in &seen.trail {
        (memory, found) = diagnose(&memory, &fleet(seen, moment), &Figures::default());
    }
    found
}

/// The same as words.
pub fn words(seen: &Seen) -> Vec<Word> {
    findings(seen).into_iter().map(|one| (one.kind, one.subject)).collect()
}

/// One moment as the rules look at it.
pub fn fleet(seen: &Seen, moment: &Snapshot) -> Fleet {
    let nodes = moment.nodes.iter().map(|(name, node)| {
        let report = seen.plans.get(name).and_then(|plan| told(node, plan));
        let place = (node.zone.clone(), node.egress.clone());
        (name.clone(), Node { zone: place.0, egress: place.1, heard: node.heard, report })
    });
    Fleet { now: moment.now, sources: seen.declared.clone(), nodes: nodes.collect() }
}

fn told(node: &SeenNode, plan: &NodePlan) -> Option<Report> {
    let said = node.said.as_ref()?;
    let mut report = report(&said.status, &plan.tolerances, node.seen);
    for view in &mut report.views {
        view.trouble = view.trouble.or_else(|| said.trouble.get(&view.source).copied());
    }
    report.peers.clone_from(&said.peers);
    Some(report)
}
