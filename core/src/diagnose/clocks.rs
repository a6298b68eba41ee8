//! Whose clock is wrong: one node's own, or which of two groups.
//!
//! No two machines' clocks are compared: each node measured the same sources, and a source's time is the yardstick. What
//! one node says of a source, less what another says of the same one, is how far their clocks are apart.

use super::claim::{Claim, some};
use super::cut::Cut;
use super::digest::{Digest, Reporter};
use super::finding::{Kind, Subject};
use crate::conditions::{ConditionKind, Reason, Status};
use crate::snapshot::Role;
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
    let mut fine: BTreeMap<&str, Vec<(Nanos, Nanos)>> = BTreeMap::new();
    for (source, offset, half) in right.iter().flat_map(Reporter::offsets) {
        fine.entry(source).or_default().push((offset.abs(), half));
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
    let zone_wide = suspects.iter().any(|one| {
        let zone = one.node.zone.as_deref();
        let of_it = suspects.iter().filter(|other| other.node.zone.as_deref() == zone).count();
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
            "{} is {} off (limit {}) by most of its sources; {} nodes are right",
            one.name,
            one.report.offset.unwrap_or(Nanos::ZERO).signed(),
            one.report.max_offset,
            right.len()
        )],
        nodes: vec![one.name.to_owned()],
    };
    suspects.iter().map(claim).collect()
}

/// Two thirds of its sources say that it is off, the same way; and of those at least two – or its only one – are found
/// right, within *its* limit, by two nodes that are right themselves, or by all there are.
fn is_alone_with_it(one: &Reporter<'_>, right: usize, fine: &BTreeMap<&str, Vec<(Nanos, Nanos)>>) -> bool {
    let limit = one.report.max_offset;
    let own: Vec<(&str, Nanos, Nanos)> = one.offsets().collect();
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
        of_it.filter(|(offset, half)| *offset <= limit.max(*half)).count() >= enough
    });
    vouched.count() >= accusing.len().min(2)
}

/// Two groups of nodes, each of one mind, apart by more than is tolerated: what two say of a source that both believe, or
/// of each other. Who is tied to a node of the other group by any such measurement is of that group as well.
pub(super) fn groups<'f>(digest: &Digest<'f>, cut: &Cut<'f>) -> Option<Claim> {
    let all: Vec<Reporter<'f>> =
        digest.reporters.iter().copied().filter(|one| !cut.excused.contains(one.name)).collect();
    let mut ties = Ties::new(all.len());
    let mut seen: BTreeMap<&str, Vec<(Nanos, Nanos, usize)>> = BTreeMap::new();
    for (index, one) in all.iter().enumerate() {
        for view in one.report.views.iter().filter(|view| !view.rejected || view.role == Role::Witness) {
            let silent = view.is_silent();
            if let (false, Some(offset), Some(half)) = (silent, view.offset, view.uncertainty) {
                seen.entry(&view.source).or_default().push((offset, half, index));
            }
        }
    }
    let limit = |one: usize, other: usize| all[one].report.max_offset.max(all[other].report.max_offset);
    for measured in seen.values_mut() {
        measured.sort_unstable();
        for pair in measured.windows(2) {
            let [(low, low_half, one), (high, high_half, other)] = pair else { continue };
            ties.tie(*one, *other, *high - *low, *low_half + *high_half, limit(*one, *other));
        }
    }
    let at: BTreeMap<&str, usize> = all.iter().enumerate().map(|(index, one)| (one.name, index)).collect();
    for (index, one) in all.iter().enumerate() {
        for peer in one.report.peers.iter().filter(|peer| peer.answers) {
            if let (Some(other), Some(offset), Some(half)) =
                (at.get(peer.node.as_str()), peer.offset, peer.uncertainty)
            {
                ties.tie(index, *other, offset, half, limit(index, *other));
            }
        }
    }
    let few = most(digest.fleet.nodes.len()).max(1);
    let (gap, one, other) = ties.apart(few)?;
    let name =
        |members: &[usize]| members.iter().map(|index| all[*index].name.to_owned()).collect::<Vec<_>>();
    let (left, right) = (name(&one), name(&other));
    let evidence = vec![format!(
        "{} nodes ({}) and {} nodes ({}) are at least {gap} apart, by sources that both believe or by each other's word",
        left.len(),
        some(&left),
        right.len(),
        some(&right)
    )];
    let mut nodes = [left, right].concat();
    nodes.sort_unstable();
    let coverage = digest.coverage(&all);
    Some(Claim { kind: Kind::ClockGroupsDisagree, subject: Subject::Cluster, coverage, evidence, nodes })
}

/// Who is of one mind with whom (union-find), and who is measured to be far from whom.
struct Ties {
    parent: Vec<usize>,
    far: Vec<(Nanos, usize, usize)>,
}

impl Ties {
    fn new(count: usize) -> Self {
        Self { parent: (0..count).collect(), far: Vec::new() }
    }
    fn root(&self, mut at: usize) -> usize {
        while self.parent[at] != at {
            at = self.parent[at];
        }
        at
    }
    /// One measurement of how far two are apart.
    fn tie(&mut self, one: usize, other: usize, apart: Nanos, half: Nanos, limit: Nanos) {
        let apart = apart.abs();
        if apart + half <= limit {
            let (one, other) = (self.root(one), self.root(other));
            self.parent[one.max(other)] = one.min(other);
        } else if apart - half > limit {
            self.far.push((apart - half, one, other));
        }
    }
    /// The two groups furthest apart, each of at least two nodes and more than `few`.
    fn apart(&self, few: usize) -> Option<(Nanos, Vec<usize>, Vec<usize>)> {
        let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for at in 0..self.parent.len() {
            members.entry(self.root(at)).or_default().push(at);
        }
        let group =
            |at: usize| members.get(&self.root(at)).filter(|group| group.len() >= 2 && group.len() > few);
        let split = |(gap, one, other): &(Nanos, usize, usize)| {
            let (left, right) = (group(*one)?, group(*other)?);
            (left != right).then(|| (*gap, left.clone(), right.clone()))
        };
        self.far.iter().filter_map(split).max()
    }
}
