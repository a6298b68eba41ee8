//! Two groups of nodes, each of one mind, further apart than is tolerated: the dangerous one, for each of them looks well.
//!
//! A yardstick is a server (its address, not its name) or a peer's answer. What two nodes measured of one server tells
//! how far their own clocks are apart, whatever that server's time is worth. Never across timescales.

use super::claim::{Claim, some};
use super::clocks::most;
use super::cut::Cut;
use super::digest::{Digest, Reporter};
use super::finding::{Kind, Subject};
use crate::snapshot::Role;
use crate::source::Timescale;
use crate::units::Nanos;
use std::collections::{BTreeMap, BTreeSet};

/// A server that has just begun to lie is polled by some nodes before others, and their statuses are minutes apart.
const POLLS: i64 = 4;

/// What one node measured of a server: offset, half-width, who.
type Measured = (Nanos, Nanos, usize);
/// By server: its source and address.
type Yardsticks<'f> = BTreeMap<(&'f str, Option<&'f str>), Vec<Measured>>;
/// Two groups: how far apart at least, who is of the one, who of the other.
type Split = (Nanos, Vec<usize>, Vec<usize>);

/// Nodes of one timescale, at least two groups of which are apart.
pub(super) fn groups<'f>(digest: &Digest<'f>, cut: &Cut<'f>) -> Option<Claim> {
    let mut scales: BTreeMap<&Timescale, Vec<&Reporter<'f>>> = BTreeMap::new();
    for one in digest.reporters.iter().filter(|one| !cut.excused.contains(one.name)) {
        if let Some(scale) = &one.node.timescale {
            scales.entry(scale).or_default().push(one);
        }
    }
    let worst = scales.into_values().filter_map(|nodes| {
        let yardsticks = yardsticks(&nodes);
        let split =
            by_servers(digest, &nodes, &yardsticks).or_else(|| by_all(digest, &nodes, &yardsticks))?;
        Some((split, nodes))
    });
    let ((gap, left, right), nodes) = worst.max_by_key(|((gap, ..), _)| *gap)?;
    let names = |members: &[usize]| -> Vec<String> {
        members.iter().filter_map(|index| nodes.get(*index)).map(|one| one.name.to_owned()).collect()
    };
    let (left, right) = (names(&left), names(&right));
    let evidence = vec![format!(
        "{} nodes ({}) and {} nodes ({}) are at least {gap} apart, by servers that both measure or by each other's word",
        left.len(),
        some(&left),
        right.len(),
        some(&right)
    )];
    let polls = nodes.iter().flat_map(|one| &one.words).map(super::digest::Word::poll);
    Some(Claim {
        kind: Kind::ClockGroupsDisagree,
        subject: Subject::Cluster,
        coverage: digest.coverage(nodes.iter().copied()),
        evidence,
        nodes: [left, right].concat(),
        patience: polls.max().unwrap_or_default().times(POLLS),
    })
}

/// What each server is to those who measure it and do not call it a liar: offset, half-width, who.
fn yardsticks<'f>(nodes: &[&Reporter<'f>]) -> Yardsticks<'f> {
    let mut all: Yardsticks<'f> = BTreeMap::new();
    for (index, one) in nodes.iter().enumerate() {
        for (view, offset, half) in one.measured() {
            if !view.rejected || view.role == Role::Witness {
                let yardstick = (view.source.as_str(), view.address.as_deref());
                all.entry(yardstick).or_default().push((offset, half, index));
            }
        }
    }
    for measured in all.values_mut() {
        measured.sort_unstable();
    }
    all
}

/// The two groups furthest apart by one server, if most servers that could tell say so too.
fn by_servers(digest: &Digest<'_>, nodes: &[&Reporter<'_>], yardsticks: &Yardsticks<'_>) -> Option<Split> {
    let few = most(digest.fleet.nodes.len());
    let (far, near) = limits(nodes)?;
    let best = yardsticks.values().filter_map(|measured| split(measured, few, far, near)).max()?;
    let (left, right): (BTreeSet<usize>, BTreeSet<usize>) =
        (best.1.iter().copied().collect(), best.2.iter().copied().collect());
    let (mut says, mut denies) = (0, 0);
    for measured in yardsticks.values() {
        let on = |side: &BTreeSet<usize>| measured.iter().filter(|(.., who)| side.contains(who)).count();
        if on(&left) <= few || on(&right) <= few {
            continue; // it does not know both
        }
        match split(measured, few, far, near) {
            Some(_) => says += 1,
            None => denies += 1,
        }
    }
    (says > denies).then_some(best)
}

/// Apart is beyond the widest limit, of one mind within the narrowest.
fn limits(nodes: &[&Reporter<'_>]) -> Option<(Nanos, Nanos)> {
    let limits = || nodes.iter().map(|one| one.report.max_offset);
    Some((limits().max()?, limits().min()?))
}

/// Where sorted measurements fall into two groups, each larger than `few` and of one mind but for `few` of its nodes, with at
/// most `few` between them.
fn split(measured: &[Measured], few: usize, far: Nanos, near: Nanos) -> Option<Split> {
    let least = (few + 1).max(2);
    let mut best: Option<(Nanos, usize, usize)> = None;
    for left in least..=measured.len().saturating_sub(least) {
        // No gap is wider than the offsets on both its sides: of 5,000 nodes of one mind none is looked at closer.
        let widest = (left + few).min(measured.len().saturating_sub(least));
        if measured.get(widest)?.0 - measured.get(left - 1)?.0 <= far {
            continue;
        }
        for right in left..=widest {
            let (low, high) = (measured.get(left - 1)?, measured.get(right)?);
            let gap = (high.0 - high.1) - (low.0 + low.1);
            let one_mind = |group: &[Measured]| {
                let spare = few.min(group.len() - least);
                let spread = |core: &[Measured]| {
                    let (Some(lowest), Some(highest)) = (core.first(), core.last()) else {
                        return Nanos::ZERO;
                    };
                    (highest.0 - highest.1) - (lowest.0 + lowest.1)
                };
                // The stray ones may be on either end.
                (0..=spare).any(|skip| spread(&group[skip..group.len() - (spare - skip)]) <= near)
            };
            if gap > far
                && best.is_none_or(|(known, ..)| gap > known)
                && one_mind(&measured[..left])
                && one_mind(&measured[right..])
            {
                best = Some((gap, left, right));
            }
        }
    }
    let who = |group: &[Measured]| group.iter().map(|(.., who)| *who).collect::<Vec<_>>();
    best.map(|(gap, left, right)| (gap, who(&measured[..left]), who(&measured[right..])))
}

/// By peers' answers, where no server is common to both groups: who is tied by a measurement is of one group, and two
/// observers at least have to say that the groups are apart.
fn by_all(digest: &Digest<'_>, nodes: &[&Reporter<'_>], yardsticks: &Yardsticks<'_>) -> Option<Split> {
    // Whoever is of one mind: if nobody is beyond anybody's limit there is nothing to tie.
    let (_, near) = limits(nodes)?;
    let beyond = |apart: Nanos, half: Nanos| apart.abs() - half > near;
    let pair = |pair: &[Measured]| match pair {
        [(low, low_half, _), (high, high_half, _)] => beyond(*high - *low, *low_half + *high_half),
        _ => false,
    };
    let by_pairs = || yardsticks.values().any(|measured| measured.windows(2).any(pair));
    let peers = || nodes.iter().flat_map(|one| &one.report.peers).filter(|peer| peer.answers);
    let by_peers =
        || peers().any(|peer| peer.offset.zip(peer.uncertainty).is_some_and(|(o, h)| beyond(o, h)));
    if !by_pairs() && !by_peers() {
        return None;
    }
    let mut ties = Ties::new(nodes.len());
    let limit = |one: usize, other: usize| {
        let of = |index: usize| nodes.get(index).map_or(Nanos::ZERO, |one| one.report.max_offset);
        (of(one).max(of(other)), of(one).min(of(other)))
    };
    for measured in yardsticks.values() {
        for pair in measured.windows(2) {
            let [(low, low_half, one), (high, high_half, other)] = pair else { continue };
            ties.tie(*one, *other, *high - *low, *low_half + *high_half, limit(*one, *other));
        }
    }
    let at: BTreeMap<&str, usize> = nodes.iter().enumerate().map(|(index, one)| (one.name, index)).collect();
    for (index, one) in nodes.iter().enumerate() {
        for peer in one.report.peers.iter().filter(|peer| peer.answers) {
            if let (Some(other), Some(offset), Some(half)) =
                (at.get(peer.node.as_str()), peer.offset, peer.uncertainty)
            {
                ties.tie(index, *other, offset, half, limit(index, *other));
            }
        }
    }
    ties.apart(most(digest.fleet.nodes.len()))
}

/// Who is of one mind with whom (union-find), and who measured to be far from whom.
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
    /// One measurement, by `one`, of how far two are apart.
    fn tie(&mut self, one: usize, other: usize, apart: Nanos, half: Nanos, (far, near): (Nanos, Nanos)) {
        let apart = apart.abs();
        if apart + half <= near {
            let (one, other) = (self.root(one), self.root(other));
            self.parent[one.max(other)] = one.min(other);
        } else if apart - half > far {
            self.far.push((apart - half, one, other));
        }
    }
    /// The two groups furthest apart, each of at least two nodes and more than `few`.
    fn apart(&self, few: usize) -> Option<Split> {
        let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for at in 0..self.parent.len() {
            members.entry(self.root(at)).or_default().push(at);
        }
        let mut between: BTreeMap<(usize, usize), (Nanos, BTreeSet<usize>)> = BTreeMap::new();
        for (gap, one, other) in &self.far {
            let (left, right) = (self.root(*one), self.root(*other));
            let big = |root| members.get(&root).is_some_and(|group| group.len() >= 2 && group.len() > few);
            if left != right && big(left) && big(right) {
                let entry = between.entry((left.min(right), left.max(right))).or_default();
                entry.0 = entry.0.max(*gap);
                entry.1.insert(*one);
            }
        }
        let proven = between.into_iter().filter(|(_, (_, observers))| observers.len() >= 2);
        let ((left, right), (gap, _)) = proven.max_by_key(|(_, (gap, _))| *gap)?;
        Some((gap, members.get(&left)?.clone(), members.get(&right)?.clone()))
    }
}
