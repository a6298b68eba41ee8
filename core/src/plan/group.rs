//! The nodes of one policy and zone: one choice for all, and a plan for each way in which that is tweaked.

use super::candidates::Candidates;
use super::egress::{Shared, Shares, Tweak};
use super::finding::{Finding, Sample};
use super::{choose, feasible, hash};
use crate::conf::{Main, Sources};
use crate::policy::PolicySpec;
use crate::snapshot::{NodeFacts, NodePlan, ObjectRef, Role};
use crate::tolerances::Tolerances;
use crate::validate::ValidSource;
use std::collections::BTreeMap;
use std::sync::Arc;

/// See the module's words.
pub(super) struct Group<'a> {
    /// Without a tweak; its texts and hash are made per variant.
    base: NodePlan,
    lines: Sources,
    findings: Vec<Finding>,
    /// Sources for which there was no place.
    pub dropped: Vec<String>,
    /// What its nodes have to agree on with others.
    pub shared: Vec<Shared<'a>>,
    variants: BTreeMap<Vec<Tweak>, Variant>,
}

/// One plan and who has it.
pub(super) struct Variant {
    pub plan: Arc<NodePlan>,
    pub findings: Vec<Finding>,
    pub nodes: Sample,
}

impl<'a> Group<'a> {
    pub(super) fn new(
        spec: &PolicySpec,
        tolerances: &Tolerances,
        candidates: &Candidates<'a>,
        zone: Option<&str>,
    ) -> Self {
        let choice = choose::choose(&candidates.sources, zone);
        let findings = choice.findings(tolerances);
        let main = Main::for_policy(spec.mode, tolerances, choice.distinct_roots()).render();
        let declared: BTreeMap<&str, &'a ValidSource<'a>> =
            candidates.sources.iter().map(|source| (source.spec().name.as_str(), *source)).collect();
        let shared = choice.associations.iter().enumerate().filter_map(|(at, association)| {
            let source = *declared.get(association.source.as_str())?;
            let (spec, witness) = (source.spec(), association.role == Role::Witness);
            let shared = Shared {
                at,
                source: &spec.name,
                identity: source.address().identity(),
                budget: spec.budget(),
                polls: spec.polls,
                witness,
            };
            (witness || shared.budget.is_some()).then_some(shared)
        });
        let shared = shared.collect();
        let policy =
            ObjectRef { name: spec.name.clone(), uid: spec.uid.clone(), generation: spec.generation };
        let base = NodePlan {
            policy,
            mode: spec.mode,
            associations: choice.associations,
            tolerances: tolerances.clone(),
            failover: spec.failover,
            main,
            sources: String::new(),
            hash: String::new(),
        };
        Self {
            base,
            lines: choice.lines,
            findings,
            dropped: choice.dropped,
            shared,
            variants: BTreeMap::new(),
        }
    }

    /// The plan of one of its nodes.
    pub(super) fn plan(&mut self, node: &'a NodeFacts, shares: &mut Shares<'a>) -> Arc<NodePlan> {
        let tweaks = shares.tweaks(node, &self.shared);
        let Self { base, lines, findings, variants, .. } = self;
        let variant =
            variants.entry(tweaks).or_insert_with_key(|tweaks| variant(base, lines, findings, tweaks));
        variant.nodes.add(&node.name);
        Arc::clone(&variant.plan)
    }

    /// All plans of it.
    pub(super) fn variants(&self) -> impl Iterator<Item = &Variant> {
        self.variants.values()
    }
}

fn variant(base: &NodePlan, lines: &Sources, findings: &[Finding], tweaks: &[Tweak]) -> Variant {
    let (mut plan, mut lines, mut findings) = (base.clone(), lines.clone(), findings.to_vec());
    for tweak in tweaks {
        let Tweak::Slower(at, poll) = *tweak else { continue };
        let polls = plan.associations[at].polls.at_least(poll);
        plan.associations[at].polls = polls;
        lines.0[at].polls = polls;
    }
    let left_out = |at: usize| tweaks.contains(&Tweak::LeftOut(at));
    keep(&mut plan.associations, |at| !left_out(at));
    keep(&mut lines.0, |at| !left_out(at));
    findings.extend(feasible::check(&plan.tolerances, &plan.associations));
    plan.sources = lines.render();
    plan.hash = hash::of(&plan);
    Variant { plan: Arc::new(plan), findings, nodes: Sample::default() }
}

/// As `retain`, by place.
fn keep<T>(list: &mut Vec<T>, stays: impl Fn(usize) -> bool) {
    let mut at = 0..;
    list.retain(|_| at.next().is_some_and(&stays));
}
