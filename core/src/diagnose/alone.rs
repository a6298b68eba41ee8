//! What a node's own word is enough for, and agents that say nothing.

use super::claim::Claim;
use super::digest::{Digest, Reporter, domain};
use super::finding::{Kind, Subject};
use super::fleet::{Heard, Node};
use super::reach::Cut;
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

/// Too few roots among a node's usable voters; not of nodes whose sources are away for a reason that is told.
pub(super) fn voters(digest: &Digest<'_>, cut: &Cut<'_>, told: &BTreeSet<String>) -> Vec<Claim> {
    let roots = |reporter: &Reporter<'_>| {
        let usable = reporter.report.views.iter().filter(|view| view.usable && !view.rejected);
        let root = |source: &str| digest.fleet.sources.get(source).map(|one| one.independence.clone());
        usable.filter_map(|view| root(&view.source)).collect::<BTreeSet<_>>().len()
    };
    let few: Vec<Reporter<'_>> = digest
        .reporters
        .iter()
        .copied()
        .filter(|one| !cut.excused.contains(one.name) && !told.contains(one.name) && roots(one) < VOTERS)
        .collect();
    let claim = |subject, few: &[Reporter<'_>]| Claim {
        kind: Kind::TooFewIndependentVoters,
        subject,
        coverage: digest.coverage(few),
        evidence: vec![format!(
            "{} nodes have fewer than {VOTERS} usable voters of different roots",
            few.len()
        )],
        nodes: few.iter().map(|one| one.name.to_owned()).collect(),
    };
    if few.len() >= 2 && few.len() == digest.reporters.len() {
        return vec![claim(Subject::Cluster, &few)];
    }
    few.iter().map(|one| claim(Subject::Node(one.name.to_owned()), std::slice::from_ref(one))).collect()
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
        domains.entry(domain(node)).or_default().push((name, node));
    }
    let answered = |name: &str| {
        digest
            .reporters
            .iter()
            .any(|one| one.report.peers.iter().any(|peer| peer.node == name && peer.answers))
    };
    let asked = |name: &str| {
        digest
            .reporters
            .iter()
            .filter(|one| one.report.peers.iter().any(|peer| peer.node == name && peer.ever))
            .count()
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
        let kind = if answered(name) {
            Kind::ControlPlaneCut
        } else if asked(name) >= 2 {
            Kind::NodeIsolated
        } else {
            Kind::AgentSilent
        };
        let why = match kind {
            Kind::ControlPlaneCut => format!("{name} is not heard here, and answers its peers"),
            Kind::NodeIsolated => format!("{name} is not heard here, nor by {} peers", asked(name)),
            _ => format!("{name} is not heard; what it is doing is not known"),
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
