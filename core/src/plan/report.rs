//! Puts together what a plan has to say to the authors of policies and sources.

use super::egress::Shares;
use super::finding::{Concern, Finding, PolicyFinding, Sample, SourceFinding};
use super::group::{Group, Variant};
use super::{Draft, NodeOutcome, Plan, Ready, State};
use crate::snapshot::{ObjectRef, Role};
use crate::tolerances::Tolerances;
use crate::units::Nanos;
use crate::validate::{Problem, Validated};
use std::collections::{BTreeMap, BTreeSet};

/// What became of one policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyReport {
    /// What was looked at; none when it could not be decoded.
    pub policy: Option<ObjectRef>,
    /// Its own faults; not empty = it is not planned with.
    pub problems: Vec<Problem>,
    /// The figures in force; none with faults.
    pub tolerances: Option<Tolerances>,
    /// The largest difference between two of its clocks; none = not judged.
    pub max_spread: Option<Nanos>,
    /// Nodes that its selector takes (not known for an unreadable one: 0).
    pub selected: usize,
    /// Nodes planned by it now.
    pub planned: usize,
    /// Nodes that it won, but that keep the plan they had.
    pub kept: Sample,
    /// Nodes that it won, but that have no plan.
    pub stalled: Sample,
    /// All there is to say, worst first, then in a stable order.
    pub findings: Vec<PolicyFinding>,
}

impl PolicyReport {
    /// The findings that turn a condition.
    pub fn about(&self, concern: Concern) -> impl Iterator<Item = &PolicyFinding> {
        self.findings.iter().filter(move |finding| finding.what.concern() == concern)
    }
}

/// What became of one source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceReport {
    /// Its own faults; not empty = it is set aside.
    pub problems: Vec<Problem>,
    /// Policies that plan with it, sorted.
    pub policies: Vec<String>,
    /// Nodes planned with it (plans that are only kept do not count).
    pub nodes: usize,
    /// … as a driver.
    pub drives: usize,
    /// All there is to say, in a stable order.
    pub findings: Vec<SourceFinding>,
}

/// Puts the reports together once all nodes are dealt out.
pub(super) fn assemble(
    valid: &Validated<'_>,
    drafts: &[Draft<'_>],
    shares: &Shares<'_>,
    unreadable: &BTreeMap<&str, Sample>,
    nodes: BTreeMap<String, NodeOutcome>,
) -> Plan {
    let mut plan = Plan { nodes, ..Plan::default() };
    for source in valid.sources() {
        plan.sources.entry(source.spec().name.clone()).or_default();
    }
    for (name, problems) in valid.source_problems() {
        plan.sources.entry(name.clone()).or_default().problems.clone_from(problems);
    }
    for (name, kept) in unreadable {
        let kept = kept.clone();
        plan.policies.insert((*name).to_owned(), PolicyReport { kept, ..PolicyReport::default() });
    }
    for draft in drafts {
        let report = of_policy(draft);
        of_sources(draft, &mut plan.sources);
        plan.policies.insert(draft.policy.spec().name.clone(), report);
    }
    for (source, finding) in shares.findings() {
        plan.sources.entry(source.to_owned()).or_default().findings.push(finding);
    }
    for (name, problems) in valid.policy_problems() {
        plan.policies.entry(name.clone()).or_default().problems.clone_from(problems);
    }
    let selected: BTreeSet<&str> = drafts.iter().flat_map(Draft::candidates).collect();
    for (name, source) in &mut plan.sources {
        if source.problems.is_empty() && !selected.contains(name.as_str()) {
            source.findings.push(SourceFinding::Unselected);
        }
        source.policies.sort_unstable();
        source.findings.sort();
    }
    plan
}

impl Draft<'_> {
    /// Names of all sound sources that its selector takes, used or set aside.
    fn candidates(&self) -> Vec<&str> {
        let (State::Starved(candidates, _) | State::Ready(Ready { candidates, .. })) = &self.state else {
            return Vec::new();
        };
        let used = candidates.sources.iter().map(|source| source.spec().name.as_str());
        let left_out = candidates.duplicates.iter().map(|(left_out, _)| *left_out);
        let set_aside = candidates.smeared.iter().chain(&candidates.other_scale).copied();
        used.chain(left_out).chain(set_aside).collect()
    }
}

fn of_policy(draft: &Draft<'_>) -> PolicyReport {
    let spec = draft.policy.spec();
    let mut findings: BTreeMap<Finding, Sample> = BTreeMap::new();
    let mut planned = 0;
    if draft.selected == 0 {
        findings.insert(Finding::NoNodes { omitted: spec.node_selector.is_none() }, Sample::default());
    }
    for (with, nodes) in &draft.conflicts {
        findings.insert(Finding::Conflicted { with: (*with).to_owned() }, nodes.clone());
    }
    let candidates = match &draft.state {
        State::Faulty => None,
        State::Starved(candidates, cause) => {
            let mut nodes = draft.kept.clone();
            nodes.merge(&draft.stalled);
            findings.insert(Finding::WouldStarve(*cause), nodes);
            Some(candidates)
        }
        State::Ready(ready) => {
            for variant in ready.groups.values().flat_map(Group::variants) {
                planned += variant.nodes.count;
                for finding in &variant.findings {
                    findings.entry(finding.clone()).or_default().merge(&variant.nodes);
                }
            }
            Some(&ready.candidates)
        }
    };
    if let Some(candidates) = candidates {
        if !candidates.smeared.is_empty() {
            let left_out = Sample::of(candidates.smeared.iter().copied());
            findings.insert(Finding::SmearRefused { preset: spec.preset, left_out }, Sample::default());
        }
        if let Some(kept) = candidates.scale {
            let left_out = Sample::of(candidates.other_scale.iter().copied());
            findings.insert(Finding::MixedTimescales { kept: kept.clone(), left_out }, Sample::default());
        }
        for (left_out, kept) in &candidates.duplicates {
            let (kept, left_out) = ((*kept).to_owned(), (*left_out).to_owned());
            findings.insert(Finding::DuplicateAddress { kept, left_out }, Sample::default());
        }
    }
    let mut findings: Vec<PolicyFinding> =
        findings.into_iter().map(|(what, nodes)| PolicyFinding { what, nodes }).collect();
    findings.sort_by_key(|finding| finding.what.severity());
    PolicyReport {
        policy: Some(ObjectRef {
            name: spec.name.clone(),
            uid: spec.uid.clone(),
            generation: spec.generation,
        }),
        problems: Vec::new(),
        tolerances: draft.policy.tolerances().cloned(),
        max_spread: spec.overrides.max_spread.or(spec.preset.max_spread()),
        selected: draft.selected,
        planned,
        kept: draft.kept.clone(),
        stalled: draft.stalled.clone(),
        findings,
    }
}

fn of_sources(draft: &Draft<'_>, sources: &mut BTreeMap<String, SourceReport>) {
    let (State::Starved(candidates, _) | State::Ready(Ready { candidates, .. })) = &draft.state else {
        return;
    };
    let policy = || draft.policy.spec().name.clone();
    let mut say =
        |source: &str, finding| sources.entry(source.to_owned()).or_default().findings.push(finding);
    for (left_out, kept) in &candidates.duplicates {
        say(left_out, SourceFinding::DuplicateAddress { of: (*kept).to_owned(), policy: policy() });
    }
    for source in &candidates.smeared {
        say(source, SourceFinding::SmearRefused { policy: policy() });
    }
    if let Some(kept) = candidates.scale {
        for source in &candidates.other_scale {
            say(source, SourceFinding::OtherTimescale { kept: kept.clone(), policy: policy() });
        }
    }
    let State::Ready(ready) = &draft.state else { return };
    let mut over: BTreeMap<&str, Sample> = BTreeMap::new();
    for group in ready.groups.values() {
        for variant in group.variants() {
            of_variant(&draft.policy.spec().name, variant, sources);
            for source in &group.dropped {
                over.entry(source).or_default().merge(&variant.nodes);
            }
        }
    }
    for (source, nodes) in over {
        let finding = SourceFinding::OverLimit { policy: policy(), nodes };
        sources.entry(source.to_owned()).or_default().findings.push(finding);
    }
}

fn of_variant(policy: &str, variant: &Variant, sources: &mut BTreeMap<String, SourceReport>) {
    for association in &variant.plan.associations {
        let report = sources.entry(association.source.clone()).or_default();
        report.nodes += variant.nodes.count;
        if association.role == Role::Driver {
            report.drives += variant.nodes.count;
        }
        if !report.policies.iter().any(|known| known == policy) {
            report.policies.push(policy.to_owned());
        }
    }
}
