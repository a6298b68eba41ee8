//! Agents that are not heard: whom nobody hears may be cut off, dead or switched off, all the same from here. Two others
//! that get answers from it prove that it lives.

use super::claim::Claim;
use super::digest::Digest;
use super::finding::{Kind, Subject};
use super::fleet::{Heard, Node, Peer};
use crate::units::Nanos;
use std::collections::{BTreeMap, BTreeSet};

/// A machine that boots anew is away for minutes, and its agent's pod with it: that is no finding. Its Node's conditions say
/// at once that nothing is known of it.
const REBOOT: Nanos = Nanos::from_secs(300);

/// Agents that are not heard, by zone where all of a zone are.
pub(super) fn silent(digest: &Digest<'_>) -> Vec<Claim> {
    let quiet = |node: &Node| matches!(node.heard, Heard::Silent(_));
    let nodes = digest.fleet.nodes.iter();
    let unheard: BTreeSet<&str> =
        nodes.filter(|(_, node)| quiet(node)).map(|(name, _)| name.as_str()).collect();
    if unheard.is_empty() {
        return Vec::new();
    }
    let mut observers: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for one in &digest.reporters {
        let told =
            |peer: &&Peer| peer.answers && peer.node != one.name && unheard.contains(peer.node.as_str());
        for peer in one.report.peers.iter().filter(told) {
            observers.entry(&peer.node).or_default().insert(one.name);
        }
    }
    // One observer may be misled, or mislead.
    let answers = |name: &str| observers.get(name).is_some_and(|who| who.len() >= 2);
    let mut claims = Vec::new();
    let mut explained: BTreeSet<&str> = BTreeSet::new();
    let mut zones: BTreeMap<&str, Vec<(&str, &Node)>> = BTreeMap::new();
    for (name, node) in &digest.fleet.nodes {
        if let Some(zone) = &node.zone {
            zones.entry(zone).or_default().push((name, node));
        }
    }
    for (zone, nodes) in &zones {
        let all = nodes.len() >= 2 && nodes.iter().all(|(_, node)| quiet(node));
        if !all || zones.len() < 2 || digest.reporters.is_empty() {
            continue;
        }
        let lives = nodes.iter().any(|(name, _)| answers(name));
        let mut evidence = vec![format!("none of its {} agents is heard, agents elsewhere are", nodes.len())];
        if lives {
            evidence.push(
                "agents elsewhere get answers from its nodes: it lives, the way to us is cut".to_owned(),
            );
        }
        explained.extend(nodes.iter().map(|(name, _)| *name));
        claims.push(Claim {
            kind: if lives { Kind::ZoneCut } else { Kind::ZoneSilent },
            subject: Subject::Zone((*zone).to_owned()),
            coverage: digest.coverage(&digest.reporters),
            evidence,
            nodes: nodes.iter().map(|(name, _)| (*name).to_owned()).collect(),
            patience: Nanos::ZERO,
        });
    }
    for (name, node) in &digest.fleet.nodes {
        if !quiet(node) || explained.contains(name.as_str()) {
            continue;
        }
        let (kind, why) = if answers(name) {
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
            patience: REBOOT,
        });
    }
    claims
}
