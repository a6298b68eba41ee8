//! Whose clock is wrong: one node's own, or which of two groups.
//!
//! No two machines' clocks are compared: each node measured the same sources, and a source's time is the yardstick. What
//! one node says of a source, less what another says of the same one, is how far their clocks are apart.

use super::claim::Claim;
use super::digest::{Digest, Reporter};
use super::finding::{Kind, Subject};
use super::reach::Cut;
use crate::conditions::{ConditionKind, Reason, Status};
use crate::units::Nanos;
use std::collections::BTreeMap;

/// At most so many nodes are called faulty at once: one, or one in ten. More at once is no node's own fault.
fn most(nodes: usize) -> usize {
    (nodes / 10).max(1)
}

/// Its own agent says that its clock is off, and by how much.
fn is_off(reporter: &Reporter<'_>) -> bool {
    let word = ConditionKind::TimeSynchronized;
    reporter.report.status(word) == Some(Status::False)
        && matches!(
            reporter.report.reason(word),
            Some(Reason::OffsetExceeded | Reason::BoundContradicted | Reason::ErrorBoundExceeded)
        )
        && reporter.report.offset.is_some_and(|offset| offset.abs() > reporter.report.max_offset)
}

fn is_right(reporter: &Reporter<'_>) -> bool {
    reporter.report.status(ConditionKind::TimeSynchronized) == Some(Status::True)
}

/// Nodes whose own clock is wrong, where others prove it.
pub(super) fn faulty<'f>(digest: &Digest<'f>, cut: &Cut<'f>) -> Vec<Claim> {
    let right: Vec<Reporter<'f>> = digest.reporters.iter().copied().filter(is_right).collect();
    let mut fine: BTreeMap<&str, usize> = BTreeMap::new();
    for other in &right {
        let limit = other.report.max_offset;
        for (source, ..) in other.offsets().filter(|(_, offset, half)| offset.abs() <= limit.max(*half)) {
            *fine.entry(source).or_default() += 1;
        }
    }
    let suspects: Vec<Reporter<'f>> = digest
        .reporters
        .iter()
        .copied()
        .filter(|one| is_off(one) && !cut.excused.contains(one.name))
        .filter(|one| is_alone_with_it(one, right.len(), &fine))
        .collect();
    let mut whole = BTreeMap::new();
    for node in digest.fleet.nodes.values() {
        *whole.entry(node.zone.as_deref()).or_insert(0_usize) += 1;
    }
    let too_many = suspects.len() > most(digest.fleet.nodes.len());
    let zone_wide = suspects.first().is_some_and(|first| {
        let zone = first.node.zone.as_deref();
        let of_it = suspects.iter().filter(|one| one.node.zone.as_deref() == zone).count();
        zone.is_some() && of_it >= 2 && whole.get(&zone) == Some(&of_it)
    });
    if too_many || zone_wide {
        return Vec::new();
    }
    let claim = |one: &Reporter<'f>| Claim {
        kind: Kind::NodeClockFaulty,
        subject: Subject::Node(one.name.to_owned()),
        coverage: digest.coverage(&digest.reporters),
        evidence: vec![format!(
            "{} is {} off (limit {}) by all of its sources; {} nodes that use the same ones are right",
            one.name,
            one.report.offset.unwrap_or(Nanos::ZERO).signed(),
            one.report.max_offset,
            right.len()
        )],
        nodes: vec![one.name.to_owned()],
    };
    suspects.iter().map(claim).collect()
}

/// All its sources say the same of it, and at least two of them – or its only one – are found right by two nodes that
/// are right themselves, or by all there are.
fn is_alone_with_it(one: &Reporter<'_>, right: usize, fine: &BTreeMap<&str, usize>) -> bool {
    let limit = one.report.max_offset;
    let own: Vec<(&str, Nanos, Nanos)> = one.offsets().collect();
    let beyond = |ahead: bool| {
        own.iter()
            .filter(|(_, offset, half)| offset.abs() > limit.max(*half) && (offset.0 > 0) == ahead)
            .count()
    };
    if own.is_empty() || beyond(true).max(beyond(false)) * 3 < own.len() * 2 {
        return false;
    }
    let enough = right.clamp(1, 2);
    let vouched = own.iter().filter(|(source, ..)| fine.get(source).is_some_and(|nodes| *nodes >= enough));
    vouched.count() >= own.len().min(2)
}

/// One node's measurement of a source: offset, half-width, the node, its limit.
type Seen<'f> = (Nanos, Nanos, &'f str, Nanos);

/// Two groups of nodes, each of one mind, apart by more than is tolerated.
pub(super) fn groups<'f>(digest: &Digest<'f>, cut: &Cut<'f>) -> Option<Claim> {
    let all: Vec<Reporter<'f>> =
        digest.reporters.iter().copied().filter(|one| !cut.excused.contains(one.name)).collect();
    let mut seen: BTreeMap<&str, Vec<Seen<'f>>> = BTreeMap::new();
    for one in &all {
        for (source, offset, half) in one.offsets() {
            seen.entry(source).or_default().push((offset, half, one.name, one.report.max_offset));
        }
    }
    let mut best: Option<(Nanos, &str, Vec<&str>, Vec<&str>)> = None;
    for (source, mut seen) in seen {
        seen.sort_unstable();
        let found = seen.windows(2).enumerate().filter_map(|(index, pair)| {
            let [(low, low_half, _, limit), (high, high_half, _, other_limit)] = pair else { return None };
            let gap = (*high - *low) - *low_half - *high_half;
            (gap > (*limit).max(*other_limit)).then_some((gap, index + 1))
        });
        if let Some((gap, at)) = found.max() {
            let (left, right) = seen.split_at(at);
            let name = |one: &Seen<'f>| one.2;
            let smaller = left.len().min(right.len());
            if smaller >= 2
                && smaller > most(digest.fleet.nodes.len())
                && best.as_ref().is_none_or(|best| best.0 < gap)
            {
                best = Some((gap, source, left.iter().map(name).collect(), right.iter().map(name).collect()));
            }
        }
    }
    let (gap, source, behind, ahead) = best?;
    let mut nodes: Vec<String> = behind.iter().chain(&ahead).map(|name| (*name).to_owned()).collect();
    nodes.sort_unstable();
    Some(Claim {
        kind: Kind::ClockGroupsDisagree,
        subject: Subject::Cluster,
        coverage: digest.coverage(&all),
        evidence: vec![format!(
            "measured against {source}, {} nodes ({}) and {} nodes ({}) are at least {gap} apart",
            behind.len(),
            behind.join(", "),
            ahead.len(),
            ahead.join(", ")
        )],
        nodes,
    })
}
