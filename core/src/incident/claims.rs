//! Who belongs to whom: findings under the finding that causes them, breaches under the finding that explains them.

use super::cause::{Cause, Family, Group, about};
use super::memory::Memory;
use super::record::State;
use super::severity::{Reach, severity};
use super::words::figures;
use super::{Breach, Claim, Figures, Look, record};
use std::collections::{BTreeMap, BTreeSet};

/// What stands, sorted.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    /// What each family of troubles gets.
    pub claims: BTreeMap<Family, Claim>,
    /// Open incidents that are part of another one.
    pub parts: BTreeMap<Family, Family>,
    /// Until when breaches wait for a finding, and what followed from another trouble to go with it.
    pub waiting: Vec<crate::clocks::BootTime>,
}

/// `open` = families with an open incident, and whether more nodes are in it than it names; `known` = families whose
/// incident would be gone on with.
pub(super) fn sort(
    memory: &mut Memory,
    look: &Look<'_>,
    figures: &Figures,
    open: &BTreeMap<Family, (Cause, bool)>,
    known: &BTreeSet<Family>,
) -> Sorted {
    let mut groups = Group::all(look.findings);
    // The loudest first; the order is the same at every look.
    groups.sort_by_key(|group| {
        (severity(Some(group.kind), Reach::default()), group.kind, group.subject.clone())
    });
    let above = |kind, subject: &_| {
        let mut top: Option<&Group> = None;
        // Each step is one level up in an order without circles, so it ends; the bound is for whoever edits that order.
        for _ in 0..groups.len() {
            let (kind, subject) = top.map_or((kind, subject), |top| (top.kind, &top.subject));
            let Some(next) = groups.iter().find(|group| group.explains(kind, subject)) else { break };
            top = Some(next);
        }
        top
    };
    let mut sorted = Sorted::default();
    let standing: BTreeSet<Family> = groups.iter().map(Group::family).collect();
    memory.followed.retain(|family, _| standing.contains(family));
    for group in &groups {
        let family = group.family();
        if above(group.kind, &group.subject).is_some() {
            memory.followed.insert(family, look.now);
            continue;
        }
        // Each finding is taken back on its own: what followed from another outlives it by seconds.
        let until = memory.followed.get(&family).map(|last| *last + figures.settle);
        if let Some(until) = until.filter(|until| look.now < *until && !open.contains_key(&family)) {
            sorted.waiting.push(until);
            continue;
        }
        let claim = Claim {
            cause: group.cause(),
            since: group.since,
            evidence: group.evidence.clone(),
            nodes: group.nodes.clone(),
            breaches: Vec::new(),
        };
        sorted.claims.insert(family, claim);
    }
    for group in &groups {
        let Some(claim) =
            above(group.kind, &group.subject).and_then(|top| sorted.claims.get_mut(&top.family()))
        else {
            continue;
        };
        claim.since = claim.since.min(group.since);
        if claim.evidence.len() < record::MAX_EVIDENCE {
            claim.evidence.push(format!("{} {} follows from this", about(&group.subject), group.kind.word()));
        }
    }
    for (family, (cause, _)) in open {
        if let Cause::Found { kind, subject } = cause
            && let Some(top) = above(*kind, subject)
            && top.family() != *family
        {
            sorted.parts.insert(family.clone(), top.family());
        }
    }
    breaches(memory, look, figures, (open, known), &groups, &mut sorted);
    sorted
}

fn breaches(
    memory: &mut Memory,
    look: &Look<'_>,
    figures: &Figures,
    (open, known): (&BTreeMap<Family, (Cause, bool)>, &BTreeSet<Family>),
    groups: &[Group],
    sorted: &mut Sorted,
) {
    let standing: BTreeSet<&str> = look.breaches.iter().map(|breach| breach.node.as_str()).collect();
    if look.in_contact {
        memory.breaching.retain(|node, _| standing.contains(node.as_str()) || look.unknown.contains(node));
        memory.held.retain(|node, _| standing.contains(node.as_str()) || look.unknown.contains(node));
    }
    let explaining = |node: &str, claims: &BTreeMap<Family, Claim>| {
        groups
            .iter()
            .filter(|group| group.explains_breach(node))
            .map(Group::family)
            .find(|family| claims.contains_key(family))
    };
    let explains = |family: &Family, node: &str| {
        groups.iter().any(|group| group.family() == *family && group.explains_breach(node))
    };
    let mut alone: Vec<&Breach> = Vec::new();
    let mut taken: Vec<(&Breach, Family)> = Vec::new();
    for breach in &look.breaches {
        let node = breach.node.as_str();
        memory.breaching.entry(node.to_owned()).or_insert(look.now);
        let held = memory.held.get(node).map(|family| sorted.parts.get(family).unwrap_or(family).clone());
        let stays = held.clone().filter(|family| {
            sorted.claims.contains_key(family)
                && (explains(family, node) || sorted.parts.values().any(|top| top == family))
        });
        // Its finding is gone and it is not: the same trouble still.
        let lasts =
            || held.clone().filter(|family| matches!(family, Family::Found(..)) && open.contains_key(family));
        // An operator that is new here does not know whom an incident held beyond those whom it names.
        let unnamed = || {
            let mut full =
                open.iter().filter(|(family, (_, more))| *more && matches!(family, Family::Found(..)));
            full.next().map(|(family, _)| family.clone()).filter(|_| held.is_none() && !memory.looked)
        };
        match stays.or_else(|| explaining(node, &sorted.claims)).or_else(lasts).or_else(unnamed) {
            Some(family) => taken.push((breach, family)),
            None => alone.push(breach),
        }
    }
    let settled = |breach: &Breach| {
        memory.breaching.get(&breach.node).is_some_and(|since| look.now - *since >= figures.settle)
    };
    let own = |breach: &Breach| Family::Breach(breach.node.clone());
    let apart = alone.iter().filter(|one| settled(one) || open.contains_key(&own(one))).count();
    let fleet = open.contains_key(&Family::Fleet) || apart > figures.apart;
    let mut waiting = Vec::new();
    for breach in alone {
        if fleet {
            taken.push((breach, Family::Fleet));
        } else if settled(breach) || known.contains(&own(breach)) {
            taken.push((breach, own(breach)));
        } else if let Some(since) = memory.breaching.get(&breach.node) {
            waiting.push(*since + figures.settle);
        }
    }
    sorted.waiting.extend(waiting);
    // What many nodes had in common is part of what most of them are part of now.
    let mut most: BTreeMap<&Family, usize> = BTreeMap::new();
    for (_, family) in &taken {
        *most.entry(family).or_default() += 1;
    }
    let most = most.into_iter().max_by_key(|(_, count)| *count).map(|(family, _)| family.clone());
    if let Some(most) = most.filter(|_| open.contains_key(&Family::Fleet)) {
        sorted.parts.insert(Family::Fleet, most);
    }
    for (breach, family) in taken {
        // An incident of its own that another one takes over is a part of that.
        let mine = own(breach);
        if mine != family && open.contains_key(&mine) {
            sorted.parts.insert(mine, family.clone());
        }
        let since = memory.breaching.get(&breach.node).copied().unwrap_or(look.now);
        let claim = sorted.claims.entry(family.clone()).or_insert_with(|| Claim {
            cause: match &family {
                Family::Breach(_) => {
                    Cause::Breach { node: breach.node.clone(), reason: breach.reason.clone() }
                }
                Family::Fleet => Cause::Fleet,
                Family::Found(..) => open.get(&family).map_or(Cause::Fleet, |(cause, _)| cause.clone()),
            },
            since,
            evidence: Vec::new(),
            nodes: BTreeSet::new(),
            breaches: Vec::new(),
        });
        claim.since = claim.since.min(since);
        claim.nodes.insert(breach.node.clone());
        if !matches!(family, Family::Found(..)) && claim.evidence.len() < record::MAX_EVIDENCE {
            claim.evidence.push(format!("Node/{} {}: {}", breach.node, breach.reason, line(breach)));
        }
        claim.breaches.push(breach.clone());
        memory.held.insert(breach.node.clone(), family);
    }
    // Who still has a claim of its own is no part of another.
    let own: BTreeSet<Family> = sorted.claims.keys().cloned().collect();
    sorted.parts.retain(|part, _| !own.contains(part));
}

fn line(breach: &Breach) -> String {
    figures(&breached(breach))
}

pub(super) fn breached(breach: &Breach) -> record::Breached {
    let Breach { node, reason, offset, bound, limit } = breach.clone();
    record::Breached { node, reason: record::line(&reason), offset, bound, limit }
}

/// Whether an incident in that state may be gone on with.
pub(super) const fn is_live(state: State) -> bool {
    matches!(state, State::Open | State::Recovered)
}
