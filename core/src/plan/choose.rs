//! The choice for the nodes of one zone: at most twelve associations, and what part each plays.
//!
//! **Who drives.** The *driving tier* is the lowest tier number with a source that may drive. Its drivers are those in
//! the node's own zone; if it has none there, all of the tier. Everybody else who is no witness votes, whatever
//! the tier: standbys that do not vote can not outvote a lying tier 1 (measured). Should all drivers fail, the agent
//! moves the drive by the *drive order*: the same tier's other zones, then the next tier, at home first. A source whose
//! power is failing comes after all others: it is used while it lasts, and not missed when it goes.
//!
//! **Who is left out** when the declared weight is above twelve: first each independent root gets one place –
//! twelve servers behind one antenna are one opinion – in the order driving tier's drivers, tier, zone (own, none
//! declared, another), name; then the others by the same order, pools last growing to their `maxSources`; witnesses
//! take what voters leave. A pool may so be planned with fewer servers than declared.

use super::finding::{Finding, Sample};
use crate::conf::{Kind, SourceLine, Sources};
use crate::names::MAX_ASSOCIATIONS;
use crate::snapshot::{PlannedAssociation, Role};
use crate::source::{Endpoint, SourceSpec, Use};
use crate::tolerances::Tolerances;
use crate::validate::ValidSource;
use std::collections::{BTreeMap, BTreeSet};

/// What the nodes of one zone run.
pub(super) struct Choice {
    /// By tier, then source name.
    pub associations: Vec<PlannedAssociation>,
    /// The same as lines for chronyd.
    pub lines: Sources,
    /// Sources for which there was no place, sorted.
    pub dropped: Vec<String>,
}

/// `sources` come by tier, then name, and at least one is no witness.
pub(super) fn choose(sources: &[&ValidSource<'_>], zone: Option<&str>) -> Choice {
    let places = places(sources, zone);
    let chosen =
        || sources.iter().zip(&places).filter(|(_, places)| **places > 0).map(|(source, _)| source.spec());
    let orders = Orders::of(chosen(), zone);

    let mut choice = Choice { associations: Vec::new(), lines: Sources::default(), dropped: Vec::new() };
    for (source, places) in sources.iter().zip(&places) {
        let spec = source.spec();
        if *places == 0 {
            choice.dropped.push(spec.name.clone());
            continue;
        }
        let order = orders.of_source(spec);
        let role = match spec.usage {
            Use::Witness => Role::Witness,
            Use::Drive if order == Some(1) => Role::Driver,
            Use::Drive | Use::Vote => Role::Voter,
        };
        let address = source.address().clone();
        let (kind, endpoint) = match spec.endpoint {
            Endpoint::Server { port, .. } => {
                (Kind::Server, Endpoint::Server { address: address.to_string(), port })
            }
            Endpoint::Pool { port, .. } => (
                Kind::Pool { max_sources: *places },
                Endpoint::Pool { name: address.to_string(), port, max_sources: *places },
            ),
        };
        let (port, polls, iburst) = (spec.endpoint.port(), spec.polls, spec.iburst);
        choice.lines.0.push(SourceLine { kind, address, port, polls, iburst, role });
        choice.associations.push(PlannedAssociation {
            source: spec.name.clone(),
            tier: spec.tier,
            role,
            endpoint,
            polls,
            iburst,
            scope: spec.scope,
            independence: spec.root().to_owned(),
            timescale: spec.timescale.clone(),
            drive_order: order,
            weight: spec.weight,
            power_failing: spec.power_failing,
        });
    }
    choice.dropped.sort_unstable();
    choice
}

/// Who drives first, who next: by failing power (those last), tier, and within a tier those at home before the others.
struct Orders<'z> {
    zone: Option<&'z str>,
    /// Tiers with a driver in the node's own zone.
    homes: BTreeSet<(bool, u8)>,
    steps: Vec<(bool, u8, bool)>,
}

impl<'z> Orders<'z> {
    fn of<'s>(chosen: impl Iterator<Item = &'s SourceSpec>, zone: Option<&'z str>) -> Self {
        let drivers: Vec<&SourceSpec> = chosen.filter(|spec| spec.usage == Use::Drive).collect();
        let at_home = |spec: &&&SourceSpec| zone.is_some() && spec.zone.as_deref() == zone;
        let homes = drivers.iter().filter(at_home).map(|spec| (spec.power_failing, spec.tier)).collect();
        let mut orders = Self { zone, homes, steps: Vec::new() };
        let steps: BTreeSet<_> = drivers.iter().map(|spec| orders.step(spec)).collect();
        orders.steps = steps.into_iter().collect();
        orders
    }

    fn step(&self, spec: &SourceSpec) -> (bool, u8, bool) {
        let tier = (spec.power_failing, spec.tier);
        let away = self.homes.contains(&tier) && spec.zone.as_deref() != self.zone;
        (tier.0, tier.1, away)
    }

    /// 1 = drives by the plan; none = never.
    fn of_source(&self, spec: &SourceSpec) -> Option<u8> {
        let at = self.steps.iter().position(|step| *step == self.step(spec))?;
        if spec.usage == Use::Drive { u8::try_from(at + 1).ok() } else { None }
    }
}

/// How many associations each source gets, in the order given; 0 = left out.
fn places(sources: &[&ValidSource<'_>], zone: Option<&str>) -> Vec<u32> {
    let weight = |index: usize| sources[index].spec().endpoint.weight();
    if (0..sources.len()).map(weight).sum::<u32>() <= MAX_ASSOCIATIONS {
        return (0..sources.len()).map(weight).collect();
    }
    let driving = sources.iter().map(|s| s.spec()).filter(|s| s.usage == Use::Drive).map(|s| s.tier).min();
    let mut order: Vec<usize> = (0..sources.len()).collect();
    order.sort_by_key(|index| {
        let spec = sources[*index].spec();
        let distance = match spec.zone.as_deref() {
            None => 1,
            own if own == zone => 0,
            Some(_) => 2,
        };
        let drives = spec.usage == Use::Drive && Some(spec.tier) == driving;
        (spec.usage == Use::Witness, !drives, spec.tier, distance, *index)
    });
    let mut places = vec![0; sources.len()];
    let mut left = MAX_ASSOCIATIONS;
    let mut grow = |index: usize, most: u32| {
        let more = most.saturating_sub(places[index]).min(left);
        places[index] += more;
        left -= more;
    };
    let witness = |index: usize| sources[index].spec().usage == Use::Witness;
    let mut roots = BTreeSet::new();
    for &index in order.iter().filter(|index| !witness(**index)) {
        if roots.insert(sources[index].spec().root()) {
            grow(index, 1);
        }
    }
    for witnesses in [false, true] {
        for &index in order.iter().filter(|index| witness(**index) == witnesses) {
            grow(index, 1);
        }
        for &index in order.iter().filter(|index| witness(**index) == witnesses) {
            grow(index, weight(index));
        }
    }
    places
}

impl Choice {
    fn voters(&self) -> impl Iterator<Item = &PlannedAssociation> {
        self.associations.iter().filter(|association| association.role != Role::Witness)
    }

    /// Different roots among the voters, each pool counting as one.
    pub(super) fn distinct_roots(&self) -> usize {
        self.voters().map(|association| &association.independence).collect::<BTreeSet<_>>().len()
    }

    /// What is weak about it.
    pub(super) fn findings(&self, tolerances: &Tolerances) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut roots: BTreeMap<&str, u32> = BTreeMap::new();
        for voter in self.voters() {
            let most = roots.entry(&voter.independence).or_default();
            *most = voter.roots().max(*most);
        }
        let roots = roots.values().sum();
        if roots < super::finding::ENOUGH_ROOTS {
            findings.push(Finding::FewRoots { roots });
        }
        let voters = self.voters().map(|voter| voter.endpoint.weight()).sum();
        if voters < tolerances.min_sources {
            findings.push(Finding::BelowMinSources { voters, min_sources: tolerances.min_sources });
        }
        if !self.associations.iter().any(|association| association.role == Role::Driver) {
            findings.push(Finding::NoDriver);
        }
        if !self.dropped.is_empty() {
            findings
                .push(Finding::OverLimit { left_out: Sample::of(self.dropped.iter().map(String::as_str)) });
        }
        findings
    }
}
