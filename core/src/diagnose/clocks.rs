//! Whose own clock is wrong.
//!
//! No two machines' clocks are compared: each node measured the same sources, and a source's time is the yardstick.

use super::claim::Claim;
use super::cut::Cut;
use super::digest::{Digest, Reporter};
use super::finding::{Kind, Subject};
use super::vote::Proof;
use crate::clocks::BootTime;
use crate::conditions::{ConditionKind, Status};
use crate::units::Nanos;
use std::collections::{BTreeMap, BTreeSet};

/// At most so many nodes are called faulty at once: one, or one in ten. More at once is no node's own fault.
pub(super) fn most(nodes: usize) -> usize {
    (nodes / 10).max(1)
}

/// Nodes whose own clock is wrong.
#[derive(Debug, Default)]
pub(super) struct Faulty {
    pub claims: Vec<Claim>,
    /// So many at once, or a whole zone, that it is no node's own fault: nothing can be said of these.
    pub unjudged: BTreeSet<String>,
}

/// What a node that is right measures of one source.
type Fine = (Nanos, Nanos, Proof);

fn is_right(reporter: &Reporter<'_>) -> bool {
    reporter.report.status(ConditionKind::TimeSynchronized) == Some(Status::True)
}

/// Nodes whose own clock is wrong, where others prove it.
pub(super) fn faulty<'f>(digest: &Digest<'f>, cut: &Cut<'f>) -> Faulty {
    if digest.reporters.iter().all(|one| one.off.is_none()) {
        return Faulty::default();
    }
    let right: Vec<&Reporter<'f>> = digest.reporters.iter().filter(|one| is_right(one)).collect();
    let mut fine: BTreeMap<&str, Vec<Fine>> = BTreeMap::new();
    for one in &right {
        for (view, offset, half) in one.measured() {
            if let Some(word) = one.word(&view.source) {
                fine.entry(&view.source).or_default().push((offset.abs(), half, word.proof));
            }
        }
    }
    let suspects: Vec<&Reporter<'f>> = digest
        .reporters
        .iter()
        .filter(|one| !cut.excused.contains(one.name))
        .filter(|one| one.off.is_some_and(|off| is_alone_with_it(digest, one, off, right.len(), &fine)))
        .collect();
    let mut whole = BTreeMap::new();
    for node in digest.fleet.nodes.values() {
        *whole.entry(node.zone.as_deref()).or_insert(0_usize) += 1;
    }
    let mut of_zone = BTreeMap::new();
    for one in &suspects {
        *of_zone.entry(one.node.zone.as_deref()).or_insert(0_usize) += 1;
    }
    let zone_wide = of_zone
        .iter()
        .any(|(zone, suspects)| zone.is_some() && *suspects >= 2 && whole.get(zone) == Some(suspects));
    if suspects.len() > most(digest.fleet.nodes.len()) || zone_wide {
        let unjudged = suspects.iter().map(|one| one.name.to_owned()).collect();
        return Faulty { claims: Vec::new(), unjudged };
    }
    let claim = |one: &&Reporter<'f>| Claim {
        kind: Kind::NodeClockFaulty,
        subject: Subject::Node(one.name.to_owned()),
        coverage: digest.coverage(&digest.reporters),
        evidence: vec![format!(
            "{} is {} off (limit {}) by most of its sources; {} nodes are right",
            one.name,
            one.report.offset.unwrap_or(Nanos::ZERO).signed(),
            one.report.max_offset,
            right.len()
        )],
        nodes: vec![one.name.to_owned()],
        // A source that has just begun to lie is seen by one node first.
        patience: one.words.iter().map(super::digest::Word::poll).max().unwrap_or_default().times(2),
    };
    Faulty { claims: suspects.iter().map(claim).collect(), unjudged: BTreeSet::new() }
}

/// Two thirds of its sources say that it is off, the same way; and of those at least two – or its only one – were found
/// right since, within *its* limit, by two nodes that are right themselves, or by all there are.
fn is_alone_with_it(
    digest: &Digest<'_>,
    one: &Reporter<'_>,
    off: BootTime,
    right: usize,
    fine: &BTreeMap<&str, Vec<Fine>>,
) -> bool {
    let limit = one.report.max_offset;
    let own: Vec<(&str, Nanos, Nanos)> =
        one.measured().map(|(view, offset, half)| (view.source.as_str(), offset, half)).collect();
    let beyond = |ahead: bool| -> Vec<&str> {
        let off =
            own.iter().filter(|(_, offset, half)| offset.abs() > limit.max(*half) && (offset.0 > 0) == ahead);
        off.map(|(source, ..)| *source).collect()
    };
    let accusing = [beyond(true), beyond(false)].into_iter().max_by_key(Vec::len).unwrap_or_default();
    if accusing.is_empty() || accusing.len() * 3 < own.len() * 2 {
        return false;
    }
    let enough = right.clamp(1, 2);
    let vouched = accusing.iter().filter(|source| {
        let of_it = fine.get(**source).into_iter().flatten();
        let vouches =
            |(offset, half, proof): &&Fine| *offset <= limit.max(*half) && proof.stands(off, digest.now);
        of_it.filter(vouches).take(enough).count() >= enough
    });
    vouched.count() >= accusing.len().min(2)
}
