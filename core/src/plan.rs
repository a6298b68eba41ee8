//! Which node gets which sources, what its chronyd is told, and what is wrong with that.
//!
//! **In:** [`Validated`] objects and, per node, the plan that stands now. **Out:** an outcome per node, a report
//! per policy and per source. **Must never** depend on the order of its input, on anything but its input, or take
//! a node's sources away altogether: absent is not empty (law 7).
//!
//! How a node gets its plan:
//! 1. **Policy.** Of the policies that select the node the one with the highest priority wins, then the oldest, then
//!    by name. Losing at equal priority is reported as a conflict: it hangs on the date of birth.
//! 2. **Candidates** (`candidates`, once per policy). The sources its selector takes, without those of a smear
//!    that the preset refuses, those of another timescale than the majority of the best tier, and all but one of
//!    each address (lowest tier, then name, stays).
//! 3. **Choice** (`choose`, once per policy and zone). At most 12 associations; who is left out when that is too
//!    few, and who drives.
//! 4. **Way out** (`egress`, once for all). Which few nodes measure a witness, and how slowly a server is polled
//!    that many nodes of one way out share.
//! 5. **Text and hash** (once per policy, zone and what 4. made different; the nodes share it).
//!
//! 6. **Peers** (`peers`, once for all). Which other nodes' agents each asks for the time; apart from the plan and its hash,
//!    for chronyd has nothing to do with it.
//!
//! A policy that is faulty, unreadable, or would starve its nodes leaves them the plan they have – whoever's it is –
//! and never lets the next policy have them: a typing error must not turn an observed node into a managed one.

mod candidates;
mod choose;
mod egress;
mod feasible;
mod finding;
mod group;
mod hash;
mod peers;
mod report;

pub use finding::{
    Concern, Finding, Infeasible, PolicyFinding, Sample, Severity, SourceFinding, StarveCause,
};
pub use peers::Peer;
pub use report::{PolicyReport, SourceReport};

use crate::policy::PolicySpec;
use crate::snapshot::{NodeFacts, NodePlan};
use crate::tolerances::Tolerances;
use crate::validate::{CheckedPolicy, Validated};
use candidates::Candidates;
use egress::Shares;
use group::Group;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What follows from everything declared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Every node of the snapshot, by name.
    pub nodes: BTreeMap<String, NodeOutcome>,
    /// Whom the agent of each node asks for the time, by name; a node that is not in it neither asks nor answers.
    pub peers: BTreeMap<String, Vec<Peer>>,
    /// Every policy, faulty and unreadable ones too, by name.
    pub policies: BTreeMap<String, PolicyReport>,
    /// Every source, faulty and unreadable ones too, by name.
    pub sources: BTreeMap<String, SourceReport>,
}

/// What becomes of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeOutcome {
    /// It has a plan; nodes of one policy and zone share it.
    Planned(Arc<NodePlan>),
    /// Its policy gives none now; what it has stays, untouched.
    Kept {
        /// What it has.
        plan: Arc<NodePlan>,
        /// The policy that stands still (not always the one that made the plan).
        policy: String,
        /// Why.
        why: Standstill,
    },
    /// Its policy gives none now and it never had one: it gets none.
    Stalled {
        /// The policy that stands still.
        policy: String,
        /// Why.
        why: Standstill,
    },
    /// No policy selects it: it has no plan, and one that it had is to be retired.
    Unselected,
}

impl NodeOutcome {
    /// What the node is to run; none for `Stalled` and `Unselected`.
    pub const fn plan(&self) -> Option<&Arc<NodePlan>> {
        match self {
            Self::Planned(plan) | Self::Kept { plan, .. } => Some(plan),
            Self::Stalled { .. } | Self::Unselected => None,
        }
    }
    /// The policy in charge; none when unselected.
    pub fn policy(&self) -> Option<&str> {
        match self {
            Self::Planned(plan) => Some(&plan.policy.name),
            Self::Kept { policy, .. } | Self::Stalled { policy, .. } => Some(policy),
            Self::Unselected => None,
        }
    }
}

/// Why a policy gives its nodes no plan now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standstill {
    /// No source would be left that can steer the clock.
    WouldStarve,
    /// The policy has a [`crate::validate::Problem`].
    PolicyInvalid,
    /// The policy is there, but this operator can not decode it.
    PolicyUnreadable,
}

impl Standstill {
    /// One word for a condition's reason.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::WouldStarve => "WouldStarve",
            Self::PolicyInvalid => "PolicyInvalid",
            Self::PolicyUnreadable => "PolicyUnreadable",
        }
    }
}

/// Plans everything anew from what is declared; see the module's words.
pub fn plan(valid: &Validated<'_>) -> Plan {
    let mut drafts: Vec<Draft<'_>> =
        valid.policies().iter().map(|policy| Draft::new(policy, valid)).collect();
    let mut unreadable: BTreeMap<&str, Sample> =
        valid.unreadable_policies().iter().map(|name| (*name, Sample::default())).collect();
    let mut nodes = BTreeMap::new();
    let mut dealt = Vec::new();
    for &node in valid.nodes() {
        let outcome = match node
            .previous
            .as_ref()
            .and_then(|plan| Some((plan, unreadable.get_mut(&*plan.policy.name)?)))
        {
            Some((plan, kept)) => {
                kept.add(&node.name);
                let (plan, policy) = (Arc::clone(plan), plan.policy.name.clone());
                NodeOutcome::Kept { plan, policy, why: Standstill::PolicyUnreadable }
            }
            None => match winner(&mut drafts, node) {
                Some(draft) => match drafts[draft].deal(node) {
                    Ok(zone) => {
                        dealt.push(Dealt { node, draft, zone });
                        continue;
                    }
                    Err(standing) => standing,
                },
                None => NodeOutcome::Unselected,
            },
        };
        nodes.insert(node.name.clone(), outcome);
    }
    let mut shares = share(valid, &drafts, &dealt, &nodes);
    for Dealt { node, draft, zone } in dealt {
        let Some(group) = drafts[draft].groups_mut().and_then(|groups| groups.get_mut(&zone)) else {
            continue;
        };
        let plan = group.plan(node, &mut shares);
        nodes.insert(node.name.clone(), NodeOutcome::Planned(plan));
    }
    let peers = peers::of(valid, &nodes);
    Plan { peers, ..report::assemble(valid, &drafts, &shares, &unreadable, nodes) }
}

/// A node that gets a plan.
struct Dealt<'a> {
    node: &'a NodeFacts,
    draft: usize,
    zone: Option<&'a str>,
}

/// What the nodes of each way out share: first all stand, then all ask.
fn share<'a>(
    valid: &Validated<'a>,
    drafts: &[Draft<'a>],
    dealt: &[Dealt<'a>],
    nodes: &BTreeMap<String, NodeOutcome>,
) -> Shares<'a> {
    let group = |one: &Dealt<'a>| drafts[one.draft].groups().and_then(|groups| groups.get(&one.zone));
    let wanted = |one: &Dealt<'a>| group(one).map(|group| group.shared.as_slice()).unwrap_or_default();
    let mut shares = Shares::default();
    for one in dealt {
        shares.stand(one.node, wanted(one));
    }
    for one in dealt {
        shares.ask(one.node, wanted(one));
    }
    for &node in valid.nodes() {
        if let Some(NodeOutcome::Kept { plan, .. }) = nodes.get(&node.name) {
            shares.keep(node, plan);
        }
    }
    shares.settle();
    shares
}

/// Finds the policy that wins the node, and tells the others what they lost.
fn winner(drafts: &mut [Draft<'_>], node: &NodeFacts) -> Option<usize> {
    let first = drafts.iter().position(|draft| draft.policy.claims(node))?;
    let (won, lost) = drafts.split_at_mut(first + 1);
    let winner = won.last_mut()?;
    winner.selected += 1;
    for draft in lost.iter_mut().filter(|draft| draft.policy.claims(node)) {
        draft.selected += 1;
        if draft.policy.spec().priority == winner.policy.spec().priority {
            draft.conflicts.entry(&winner.policy.spec().name).or_default().add(&node.name);
        }
    }
    Some(first)
}

/// One policy while the nodes are dealt out.
struct Draft<'a> {
    policy: &'a CheckedPolicy<'a>,
    /// What it can plan with, or why it stands still.
    state: State<'a>,
    /// Nodes that it selects.
    selected: usize,
    /// Nodes lost to policies of the same priority.
    conflicts: BTreeMap<&'a str, Sample>,
    kept: Sample,
    stalled: Sample,
}

enum State<'a> {
    Faulty,
    Starved(Candidates<'a>, StarveCause),
    Ready(Ready<'a>),
}

struct Ready<'a> {
    candidates: Candidates<'a>,
    tolerances: &'a Tolerances,
    /// Zones that any candidate is in; nodes of all other zones are planned alike.
    zones: BTreeSet<&'a str>,
    groups: BTreeMap<Option<&'a str>, Group<'a>>,
}

impl<'a> Draft<'a> {
    fn new(policy: &'a CheckedPolicy<'a>, valid: &'a Validated<'a>) -> Self {
        let state = policy.tolerances().map_or(State::Faulty, |tolerances| {
            let candidates = Candidates::of(policy.spec(), valid);
            if let Some(cause) = candidates.starved() {
                return State::Starved(candidates, cause);
            }
            let zones =
                candidates.sources.iter().filter_map(|source| source.spec().zone.as_deref()).collect();
            State::Ready(Ready { candidates, tolerances, zones, groups: BTreeMap::new() })
        });
        let (kept, stalled) = (Sample::default(), Sample::default());
        Self { policy, state, selected: 0, conflicts: BTreeMap::new(), kept, stalled }
    }

    /// The zone as whose the node is planned, or what becomes of it without a plan of ours.
    fn deal(&mut self, node: &NodeFacts) -> Result<Option<&'a str>, NodeOutcome> {
        let why = match &mut self.state {
            State::Ready(ready) => return Ok(ready.deal(self.policy.spec(), node.zone())),
            State::Faulty => Standstill::PolicyInvalid,
            State::Starved(..) => Standstill::WouldStarve,
        };
        let policy = self.policy.spec().name.clone();
        if let Some(plan) = &node.previous {
            self.kept.add(&node.name);
            return Err(NodeOutcome::Kept { plan: Arc::clone(plan), policy, why });
        }
        self.stalled.add(&node.name);
        Err(NodeOutcome::Stalled { policy, why })
    }

    fn groups(&self) -> Option<&BTreeMap<Option<&'a str>, Group<'a>>> {
        if let State::Ready(ready) = &self.state { Some(&ready.groups) } else { None }
    }

    fn groups_mut(&mut self) -> Option<&mut BTreeMap<Option<&'a str>, Group<'a>>> {
        if let State::Ready(ready) = &mut self.state { Some(&mut ready.groups) } else { None }
    }
}

impl<'a> Ready<'a> {
    fn deal(&mut self, policy: &PolicySpec, zone: Option<&str>) -> Option<&'a str> {
        let zone = zone.and_then(|zone| self.zones.get(zone).copied());
        let (candidates, tolerances) = (&self.candidates, self.tolerances);
        self.groups.entry(zone).or_insert_with(|| Group::new(policy, tolerances, candidates, zone));
        zone
    }
}

#[cfg(test)]
mod props;
#[cfg(test)]
mod tests;
