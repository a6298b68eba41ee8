//! What a node's own word is enough for, and agents that say nothing.

use super::claim::Claim;
use super::cut::Cut;
use super::digest::{Digest, Reporter};
use super::finding::{Kind, Subject};
use super::fleet::{Heard, Node};
use crate::conditions::{ConditionKind, Status};
use crate::source::Timescale;
use std::collections::{BTreeMap, BTreeSet};

/// Fewer usable voters of different roots cannot outvote one liar.
const VOTERS: usize = 3;

/// Another program steers the clock.
pub(super) fn competing(digest: &Digest<'_>) -> Vec<Claim> {
    let one = |reporter: &Reporter<'_>| Claim {
        kind: Kind::CompetingDaemon,
        subject: Subject::Node(reporter.name.to_owned()),
        coverage: digest.coverage(&[*reporter]),
        evidence: vec![format!("the agent on {} found another program that steers its clock", reporter.name)],
        nodes: vec![reporter.name.to_owned()],
    };
    let competes = |reporter: &&Reporter<'_>| reporter.report.clock.as_deref() == Some("CompetingDaemon");
    digest.reporters.iter().filter(competes).map(one).collect()
}

/// Too few roots among a node's usable voters. Not of nodes that are cut off, whose chronyd does not answer, or that
/// believe nobody: their own trouble is another one.
pub(super) fn voters(digest: &Digest<'_>, cut: &Cut<'_>) -> Vec<Claim> {
    let few = |reporter: &&Reporter<'_>| {
        let views = &reporter.report.views;
        let down = reporter.report.status(ConditionKind::TimeDaemonDown) != Some(Status::False);
        let rejected = views.iter().filter(|view| view.rejected).count();
        let usable = views.iter().filter(|view| view.usable && !view.rejected);
        let root = |source: &str| digest.fleet.sources.get(source).map(|one| one.independence.as_str());
        let roots: BTreeSet<&str> = usable.filter_map(|view| root(&view.source)).collect();
        let knows = !down && !views.is_empty() && rejected * 2 <= views.len();
        knows && !cut.excused.contains(reporter.name) && roots.len() < VOTERS
    };
    let claim = |reporter: &Reporter<'_>| Claim {
        kind: Kind::TooFewIndependentVoters,
        subject: Subject::Node(reporter.name.to_owned()),
        coverage: digest.coverage(&[*reporter]),
        evidence: vec![format!("{} has fewer than {VOTERS} usable voters of different roots", reporter.name)],
        nodes: vec![reporter.name.to_owned()],
    };
    digest.reporters.iter().filter(few).map(claim).collect()
}

/// Nodes that are compared follow different timescales.
pub(super) fn timescales(digest: &Digest<'_>) -> Option<Claim> {
    let scale = |reporter: &Reporter<'_>| {
        let followed = reporter.report.views.iter().find(|view| view.usable)?;
        Some(digest.fleet.sources.get(&followed.source)?.timescale.clone())
    };
    let mut scales: BTreeMap<Timescale, Vec<Reporter<'_>>> = BTreeMap::new();
    for reporter in digest.reporters.iter().copied() {
        if let Some(scale) = scale(&reporter) {
            scales.entry(scale).or_default().push(reporter);
        }
    }
    (scales.len() >= 2).then(|| {
        let fewest = scales.values().min_by_key(|nodes| nodes.len()).cloned().unwrap_or_default();
        Claim {
            kind: Kind::MixedTimescales,
            subject: Subject::Cluster,
            coverage: digest.coverage(&digest.reporters),
            evidence: vec![format!(
                "{} timescales among the nodes: up to half a second apart for a day",
                scales.len()
            )],
            nodes: fewest.iter().map(|one| one.name.to_owned()).collect(),
        }
    })
}

/// Agents that are not heard.
pub(super) fn silent(digest: &Digest<'_>) -> Vec<Claim> {
    let quiet = |node: &Node| matches!(node.heard, Heard::Silent(_));
    let mut claims = Vec::new();
    let mut explained: BTreeSet<&str> = BTreeSet::new();
    let mut domains: BTreeMap<&str, Vec<(&str, &Node)>> = BTreeMap::new();
    for (name, node) in &digest.fleet.nodes {
        if let Some(zone) = &node.zone {
            domains.entry(zone).or_default().push((name, node));
        }
    }
    let answered = |name: &str| {
        digest
            .reporters
            .iter()
            .any(|one| one.report.peers.iter().any(|peer| peer.node == name && peer.answers))
    };
    for (domain, nodes) in &domains {
        let all = nodes.len() >= 2 && nodes.iter().all(|(_, node)| quiet(node));
        if all && domains.len() >= 2 && !digest.reporters.is_empty() {
            let lives = nodes.iter().any(|(name, _)| answered(name));
            let kind = if lives { Kind::ZoneCut } else { Kind::ZoneSilent };
            let mut evidence =
                vec![format!("none of its {} agents is heard, agents elsewhere are", nodes.len())];
            if lives {
                evidence.push(
                    "agents elsewhere get answers from its nodes: it lives, the way to us is cut".to_owned(),
                );
            }
            explained.extend(nodes.iter().map(|(name, _)| *name));
            claims.push(Claim {
                kind,
                subject: Subject::Zone((*domain).to_owned()),
                coverage: digest.coverage(&digest.reporters),
                evidence,
                nodes: nodes.iter().map(|(name, _)| (*name).to_owned()).collect(),
            });
        }
    }
    for (name, node) in &digest.fleet.nodes {
        if !quiet(node) || explained.contains(name.as_str()) {
            continue;
        }
        // Whom nobody hears may be cut off, dead or switched off: all the same from here.
        let (kind, why) = if answered(name) {
            (Kind::ControlPlaneCut, format!("{name} is not heard here, and answers its peers"))
        } else {
            (Kind::AgentSilent, format!("{name} is not heard; what it is doing is not known"))
        };
        claims.push(Claim {
            kind,
            subject: Subject::Node(name.clone()),
            coverage: digest.coverage(&digest.reporters),
            evidence: vec![why],
            nodes: vec![name.clone()],
        });
    }
    claims
}
