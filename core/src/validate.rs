//! Sorts what users declared into what can be planned with and what is set aside, object by object.
//!
//! **In:** a [`Snapshot`]. **Out:** [`Validated`], which only this module can make: every source in it can be
//! rendered without harm, every policy has resolved tolerances or is known to be faulty. **Must never** let a fault
//! of one object change what becomes of another, nor lose an object without a [`Problem`] that says why.
//!
//! The API server refuses most of this already (CEL in `crds/`). It is checked again because a CRD can be older
//! than the operator, and because what comes out of here reaches a root daemon's configuration.

pub mod address;
mod problem;

pub use address::{Address, AddressFault, BadAddress};
pub use problem::Problem;

use crate::policy::{PolicySpec, Selector, SelectorOperator};
use crate::snapshot::{NodeFacts, ObjectKind, Snapshot};
use crate::source::{Endpoint, Scope, SourceSpec, Timescale};
use crate::tolerances::Tolerances;
use std::collections::BTreeMap;

/// Highest tier number.
pub const MAX_TIER: u8 = 9;
/// Fastest poll that may be declared, log2 seconds (chrony takes −6, from 4.3 on −7; below −4 nothing is gained).
pub const MIN_POLL: i8 = -4;
/// Slowest poll that may be declared, log2 seconds (36 h; chrony takes 24).
pub const MAX_POLL: i8 = 17;
/// Fastest poll of somebody else's server (pool.ntp.org's rules of engagement: not below 64 s).
pub const PUBLIC_MIN_POLL: i8 = 6;
/// Smallest budget that may be declared: one way out with 8,000 nodes fits into it at [`MAX_POLL`].
pub const MIN_PACKETS: u32 = 4;
/// Largest one: a thousand polls a second.
pub const MAX_PACKETS: u32 = 60_000;
/// Longest independence, zone and timescale text (as Kubernetes' label values).
const MAX_WORD: usize = 63;

/// A source that can be rendered.
#[derive(Clone, Debug)]
pub struct ValidSource<'a> {
    spec: &'a SourceSpec,
    address: Address,
}

impl<'a> ValidSource<'a> {
    /// As declared.
    pub const fn spec(&self) -> &'a SourceSpec {
        self.spec
    }
    /// Its address, checked and canonical. Only this may be rendered, never the declared text.
    pub const fn address(&self) -> &Address {
        &self.address
    }
}

/// A policy and whether it can be planned with. A faulty policy still claims its nodes: they keep their plan, and
/// no other policy takes them over because of a typing error.
#[derive(Clone, Debug)]
pub struct CheckedPolicy<'a> {
    spec: &'a PolicySpec,
    tolerances: Option<Tolerances>,
    selector_sound: bool,
}

impl<'a> CheckedPolicy<'a> {
    /// As declared.
    pub const fn spec(&self) -> &'a PolicySpec {
        self.spec
    }
    /// The figures in force; none when the policy is faulty.
    pub const fn tolerances(&self) -> Option<&Tolerances> {
        self.tolerances.as_ref()
    }
    /// Whether the node is one of its nodes. With a faulty nodeSelector: the nodes that it holds now.
    pub fn claims(&self, node: &NodeFacts) -> bool {
        if self.selector_sound {
            self.spec.node_selector.as_ref().is_some_and(|selector| selector.matches(&node.labels))
        } else {
            node.previous.as_ref().is_some_and(|plan| plan.policy.uid == self.spec.uid)
        }
    }
}

/// What can be planned with, what can not, and why. Ordered, so that the order of the input is forgotten.
#[derive(Clone, Debug, Default)]
pub struct Validated<'a> {
    sources: Vec<ValidSource<'a>>,
    policies: Vec<CheckedPolicy<'a>>,
    nodes: Vec<&'a NodeFacts>,
    lost_policies: Vec<&'a str>,
    source_problems: BTreeMap<String, Vec<Problem>>,
    policy_problems: BTreeMap<String, Vec<Problem>>,
}

impl<'a> Validated<'a> {
    /// The sound sources, by name.
    pub fn sources(&self) -> &[ValidSource<'a>] {
        &self.sources
    }
    /// All readable policies in order of precedence: priority, then oldest, then name.
    pub fn policies(&self) -> &[CheckedPolicy<'a>] {
        &self.policies
    }
    /// All nodes, by name.
    pub fn nodes(&self) -> &[&'a NodeFacts] {
        &self.nodes
    }
    /// Names of policies that are there but could not be read, sorted: their nodes keep their plan.
    pub fn unreadable_policies(&self) -> &[&'a str] {
        &self.lost_policies
    }
    /// Faults of TimeSources, by object name. A source with one is not in [`Validated::sources`].
    pub const fn source_problems(&self) -> &BTreeMap<String, Vec<Problem>> {
        &self.source_problems
    }
    /// Faults of TimeSyncPolicies, by object name. Such a policy has no tolerances and is not planned with.
    pub const fn policy_problems(&self) -> &BTreeMap<String, Vec<Problem>> {
        &self.policy_problems
    }
}

/// Checks every object on its own. What spans objects (duplicates, overlaps, mixed timescales) is
/// [`crate::plan`]'s to find.
pub fn validate(snapshot: &Snapshot) -> Validated<'_> {
    let mut valid = Validated::default();
    for spec in &snapshot.sources {
        match check_source(spec) {
            Ok(address) => valid.sources.push(ValidSource { spec, address }),
            Err(problems) => valid.source_problems.entry(spec.name.clone()).or_default().extend(problems),
        }
    }
    for spec in &snapshot.policies {
        let (policy, problems) = check_policy(spec);
        valid.policies.push(policy);
        if !problems.is_empty() {
            valid.policy_problems.entry(spec.name.clone()).or_default().extend(problems);
        }
    }
    for lost in &snapshot.undecodable {
        let problems = match lost.kind {
            ObjectKind::TimeSource => &mut valid.source_problems,
            ObjectKind::TimeSyncPolicy => {
                valid.lost_policies.push(&lost.name);
                &mut valid.policy_problems
            }
        };
        problems.entry(lost.name.clone()).or_default().push(Problem::Undecodable { why: lost.why.clone() });
    }
    valid.nodes = snapshot.nodes.iter().collect();
    valid.sources.sort_by(|a, b| (&a.spec.name, &a.spec.uid).cmp(&(&b.spec.name, &b.spec.uid)));
    valid.policies.sort_by(|a, b| precedence(a.spec).cmp(&precedence(b.spec)));
    valid.nodes.sort_by(|a, b| (&a.name, &a.uid).cmp(&(&b.name, &b.uid)));
    valid.lost_policies.sort_unstable();
    valid
}

/// Smaller = takes precedence: highest priority, then oldest, then name (then uid, so that the order is total).
fn precedence(policy: &PolicySpec) -> (std::cmp::Reverse<i32>, i64, &str, &str) {
    (std::cmp::Reverse(policy.priority), policy.created, &policy.name, &policy.uid)
}

fn check_source(spec: &SourceSpec) -> Result<Address, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut range = |field, value: i64, min, max| {
        if value < min || value > max {
            problems.push(Problem::OutOfRange { field, value, min, max });
        }
    };
    range("tier", spec.tier.into(), 1, MAX_TIER.into());
    let (low, high) = (MIN_POLL.into(), MAX_POLL.into());
    range("minPoll", spec.polls.min.into(), low, high);
    range("maxPoll", spec.polls.max.into(), low, high);
    if let Some(packets) = spec.packets_per_minute {
        range("packetsPerMinute", packets.into(), MIN_PACKETS.into(), MAX_PACKETS.into());
    }
    let (port_field, field, address) = match &spec.endpoint {
        Endpoint::Server { address, .. } => ("server.port", "server.address", Address::parse(address)),
        Endpoint::Pool { name, max_sources, .. } => {
            let limit = crate::names::MAX_ASSOCIATIONS.into();
            range("pool.maxSources", (*max_sources).into(), 1, limit);
            ("pool.port", "pool.name", Address::parse_name(name))
        }
    };
    range(port_field, spec.endpoint.port().into(), 1, u16::MAX.into());
    if spec.polls.min > spec.polls.max {
        problems.push(Problem::PollsInverted { min: spec.polls.min, max: spec.polls.max });
    }
    if spec.scope == Scope::Public && (MIN_POLL..PUBLIC_MIN_POLL).contains(&spec.polls.min) {
        problems.push(Problem::PublicTooFast { min: spec.polls.min });
    }
    if let Timescale::Smear(name) = &spec.timescale {
        let reserved = name.eq_ignore_ascii_case("utc");
        let why = if reserved { Some("is not a smear; leave the name away for UTC") } else { word(name) };
        problems.extend(why.map(|why| text("timescale", name, why)));
    }
    for (field, value) in [("location.zone", &spec.zone), ("independence", &spec.independence)] {
        let Some(value) = value else { continue };
        problems.extend(word(value).map(|why| text(field, value, why)));
    }
    match address {
        Ok(address) if problems.is_empty() => Ok(address),
        Ok(_) => Err(problems),
        Err(fault) => {
            problems.push(Problem::Address { field, fault });
            Err(problems)
        }
    }
}

fn text(field: &'static str, text: &str, why: &'static str) -> Problem {
    Problem::Text { field, text: text.chars().take(MAX_WORD + 1).collect(), why }
}

/// What is wrong with a label-like word; none = nothing.
fn word(text: &str) -> Option<&'static str> {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    if text.is_empty() || text.len() > MAX_WORD {
        Some("needs 1 to 63 characters")
    } else if !text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')) {
        Some("may hold letters, digits, '-', '_' and '.' only")
    } else if !edge(text.chars().next()) || !edge(text.chars().next_back()) {
        Some("needs a letter or digit at both ends")
    } else {
        None
    }
}

fn check_policy(spec: &PolicySpec) -> (CheckedPolicy<'_>, Vec<Problem>) {
    let node_problems = spec.node_selector.as_ref().map(|selector| check_selector("nodeSelector", selector));
    let mut problems = node_problems.unwrap_or_default();
    let selector_sound = problems.is_empty();
    problems.extend(check_selector("sources.selector", &spec.sources));
    let given = &spec.overrides;
    let ranges = [
        ("tolerances.minSources", given.min_sources.map(i64::from), 1, crate::names::MAX_ASSOCIATIONS.into()),
        ("tolerances.maxUpdateIntervals", given.max_update_intervals.map(i64::from), 1, i64::from(u32::MAX)),
        ("tolerances.maxFrequencyError", given.max_frequency_error.map(|rate| rate.0), 1, i64::MAX),
        ("tolerances.breachHold", given.breach_hold.map(|hold| hold.0), 0, i64::MAX),
        ("tolerances.clearHold", given.clear_hold.map(|hold| hold.0), 0, i64::MAX),
        ("tolerances.maxSpread", given.max_spread.map(|span| span.0), 1, i64::MAX),
    ];
    for (field, value, min, max) in ranges {
        let Some(value) = value.filter(|value| !(min..=max).contains(value)) else { continue };
        problems.push(Problem::OutOfRange { field, value, min, max });
    }
    let tolerances = match given.resolve(spec.preset) {
        Ok(tolerances) => Some(tolerances),
        Err(fault) => {
            problems.push(fault.into());
            None
        }
    };
    let tolerances = tolerances.filter(|_| problems.is_empty());
    (CheckedPolicy { spec, tolerances, selector_sound }, problems)
}

/// Kubernetes' own rules for requirements. They matter: `NotIn` without values would select everything.
fn check_selector(field: &'static str, selector: &Selector) -> Vec<Problem> {
    let fault = |operator, values: &[String]| match operator {
        SelectorOperator::In | SelectorOperator::NotIn if values.is_empty() => Some("needs values"),
        SelectorOperator::Exists | SelectorOperator::DoesNotExist if !values.is_empty() => {
            Some("must not have values")
        }
        SelectorOperator::In
        | SelectorOperator::NotIn
        | SelectorOperator::Exists
        | SelectorOperator::DoesNotExist => None,
    };
    let requirements = selector.requirements.iter();
    requirements
        .filter_map(|requirement| {
            let why = fault(requirement.operator, &requirement.values)?;
            Some(Problem::Selector { field, key: requirement.key.clone(), why })
        })
        .collect()
}

#[cfg(test)]
pub(crate) mod mk;
#[cfg(test)]
mod tests;
