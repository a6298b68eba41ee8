//! What the nodes behind one way out share: few of them measure a witness, and all of them together stay within what
//! a server may be asked.
//!
//! **In:** the nodes dealt out, with what each would run by itself, and what stands now. **Out:** per node the
//! [`Tweak`]s that its plan gets. **Must never** make one server's packets from one way out more than its budget
//! allows while slower polls can help, nor rewrite a way out's plans each time that a node joins or leaves.
//!
//! **Witnesses.** [`WITNESSES`] nodes per way out, those with the highest hash of node and source: whoever joins
//! displaces at most one, whoever leaves is replaced by one (rendezvous hashing).
//!
//! **Budgets** are kept here and nowhere else. A server counts by its address, whatever names it has here; a pool counts as
//! one server, for a resolver's cache gives all nodes the same few of its servers. A node costs 60 / 2^minPoll a
//! minute, the most that its chronyd polls in the long run (chronyd only ever waits longer than that); the four
//! packets of an `iburst` come once per start and are not counted. minPoll is raised in all plans of the way
//! out to the same power of two, and lowered again only when that leaves a quarter of the budget free: so a fleet must
//! grow or shrink by a quarter at least before all its plans are written again.
//! Nodes whose plan is kept go on as they are; they are paid for first.

use super::finding::{Sample, SourceFinding};
use crate::hash::fnv;
use crate::snapshot::{NodeFacts, NodePlan};
use crate::source::PollRange;
use crate::validate::{Address, MAX_POLL, MIN_POLL};
use std::collections::{BTreeMap, BTreeSet};

/// Nodes per way out that measure one witness: one may fail.
const WITNESSES: usize = 2;
/// One packet a minute, in units in which every power of two down to 2^[`MIN_POLL`] s is whole.
const PACKET: u64 = 1 << MAX_POLL;
/// Lower polls again when that leaves so much of the budget free: 3 of 4 parts may be used.
const SLACK: (u64, u64) = (3, 4);

/// An association that nodes of one way out have to agree on.
pub(super) struct Shared<'a> {
    /// Its place in the choice.
    pub at: usize,
    /// TimeSource name.
    pub source: &'a str,
    /// What stands for its address.
    pub identity: String,
    /// Packets a minute from one way out.
    pub budget: Option<u32>,
    /// As declared.
    pub polls: PollRange,
    /// It is a witness.
    pub witness: bool,
}

/// How one node's plan differs from its group's choice. The number is the association's place there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tweak {
    /// Other nodes measure this witness.
    LeftOut(usize),
    /// minPoll is at least this.
    Slower(usize, i8),
}

/// What all nodes behind one way out want of one server.
#[derive(Default)]
struct Demand {
    budget: u32,
    /// Spent by nodes whose plan is kept.
    kept: u64,
    /// Nodes by the minPoll that their source declares.
    declared: BTreeMap<i8, u64>,
    /// Nodes by the minPoll that stands, where that was raised.
    raised: BTreeMap<i8, u64>,
}

/// 60 / 2^poll packets.
const fn cost(poll: i8) -> u64 {
    let poll = if poll > MAX_POLL { MAX_POLL } else { poll };
    60 << (MAX_POLL - poll).unsigned_abs()
}

impl Demand {
    fn cost(&self, floor: i8) -> u64 {
        self.declared.iter().map(|(poll, nodes)| nodes * cost(floor.max(*poll))).sum::<u64>() + self.kept
    }

    /// The lowest minPoll with which the parts of the budget suffice.
    fn least(&self, (part, of): (u64, u64)) -> Option<i8> {
        let limit = u64::from(self.budget) * PACKET * part / of;
        (MIN_POLL..=MAX_POLL).find(|floor| self.cost(*floor) <= limit)
    }

    fn floor(&self) -> Floor {
        let Some(least) = self.least((1, 1)) else { return Floor { poll: MAX_POLL, fits: false } };
        let standing = self.raised.iter().max_by_key(|(_, nodes)| **nodes).map(|(poll, _)| *poll);
        let poll =
            standing.map_or(least, |standing| standing.min(self.least(SLACK).unwrap_or(MAX_POLL)).max(least));
        Floor { poll, fits: true }
    }
}

#[derive(Clone, Copy)]
struct Floor {
    poll: i8,
    fits: bool,
}

/// A way out by name; none = that of all nodes without label and zone.
type Egress<'a> = Option<&'a str>;
/// Nodes that measure one witness, best first.
type Elected<'a> = Vec<(u64, &'a str)>;
/// (Source, its finding's figures) → ways out.
type Said<'a> = BTreeMap<(&'a str, i8, i8, u32, bool), BTreeSet<Egress<'a>>>;

/// Who measures which witness, and how slowly which server is polled.
#[derive(Default)]
pub(super) struct Shares<'a> {
    witnesses: BTreeMap<(Egress<'a>, &'a str), Elected<'a>>,
    demands: BTreeMap<Egress<'a>, BTreeMap<String, Demand>>,
    floors: BTreeMap<Egress<'a>, BTreeMap<String, Floor>>,
    said: Said<'a>,
}

/// Spreads what FNV leaves close together for names that differ in their last digit (the finalizer of MurmurHash3).
const fn mixed(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

impl<'a> Shares<'a> {
    /// This node could measure the witnesses among these.
    pub(super) fn stand(&mut self, node: &'a NodeFacts, shared: &[Shared<'a>]) {
        for one in shared.iter().filter(|one| one.witness) {
            let rank = mixed(fnv(format!("{}\0{}", node.name, one.source).as_bytes()));
            let elected = self.witnesses.entry((node.egress(), one.source)).or_default();
            let place = elected.partition_point(|known| *known > (rank, node.name.as_str()));
            if place < WITNESSES {
                elected.insert(place, (rank, &node.name));
                elected.truncate(WITNESSES);
            }
        }
    }

    fn measures(&self, node: &NodeFacts, one: &Shared<'_>) -> bool {
        let elected = || self.witnesses.get(&(node.egress(), one.source));
        !one.witness || elected().is_some_and(|all| all.iter().any(|(_, name)| *name == node.name))
    }

    /// This node polls these. Only once all have stood.
    pub(super) fn ask(&mut self, node: &'a NodeFacts, shared: &[Shared<'a>]) {
        for one in shared {
            let Some(budget) = one.budget.filter(|_| self.measures(node, one)) else { continue };
            let demands = self.demands.entry(node.egress()).or_default();
            if !demands.contains_key(&one.identity) {
                demands.insert(one.identity.clone(), Demand { budget, ..Demand::default() });
            }
            let Some(demand) = demands.get_mut(&one.identity) else { continue };
            demand.budget = demand.budget.min(budget);
            *demand.declared.entry(one.polls.min).or_default() += 1;
            let standing = node.previous.as_ref().and_then(|plan| {
                plan.associations.iter().find(|association| association.source == one.source)
            });
            if let Some(standing) = standing.filter(|standing| standing.polls.min > one.polls.min) {
                *demand.raised.entry(standing.polls.min).or_default() += 1;
            }
        }
    }

    /// This node goes on with a plan that nobody changes now. Only once all have asked.
    pub(super) fn keep(&mut self, node: &'a NodeFacts, plan: &NodePlan) {
        let Some(demands) = self.demands.get_mut(&node.egress()) else { return };
        for association in &plan.associations {
            let Ok(address) = Address::parse(association.endpoint.address()) else { continue };
            if let Some(demand) = demands.get_mut(&address.identity()) {
                demand.kept += cost(association.polls.min);
            }
        }
    }

    /// All have asked: what they get.
    pub(super) fn settle(&mut self) {
        let floors = |demands: &BTreeMap<String, Demand>| {
            demands.iter().map(|(server, demand)| (server.clone(), demand.floor())).collect()
        };
        self.floors = self.demands.iter().map(|(egress, demands)| (*egress, floors(demands))).collect();
    }

    /// What is different on this node, in the order of `shared`.
    pub(super) fn tweaks(&mut self, node: &'a NodeFacts, shared: &[Shared<'a>]) -> Vec<Tweak> {
        let mut tweaks = Vec::new();
        for one in shared {
            if !self.measures(node, one) {
                tweaks.push(Tweak::LeftOut(one.at));
                continue;
            }
            let floors = self.floors.get(&node.egress());
            let floor = one.budget.zip(floors.and_then(|floors| floors.get(&one.identity)).copied());
            let Some((budget, floor)) = floor else { continue };
            if floor.poll > one.polls.min {
                tweaks.push(Tweak::Slower(one.at, floor.poll));
            }
            if floor.poll > one.polls.min || !floor.fits {
                let figures = (one.source, one.polls.min, floor.poll, budget, floor.fits);
                self.said.entry(figures).or_default().insert(node.egress());
            }
        }
        tweaks
    }

    /// What there is to say of sources.
    pub(super) fn findings(&self) -> impl Iterator<Item = (&'a str, SourceFinding)> {
        self.said.iter().map(|((source, from, to, budget, fits), ways)| {
            let ways = Sample::of(ways.iter().map(|way| way.unwrap_or("of nodes without label and zone")));
            let (from, to, budget) = (*from, *to, *budget);
            let finding = if *fits {
                SourceFinding::PollsRaised { from, to, budget, ways }
            } else {
                SourceFinding::OverBudget { to, budget, ways }
            };
            (*source, finding)
        })
    }
}

#[cfg(test)]
mod tests;
