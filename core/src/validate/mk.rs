//! Builders for the tests of validation and planning.

use crate::fsm::failover::Figures;
use crate::names::LABEL_ZONE;
use crate::policy::{Mode, Peers, PolicySpec, Selector};
use crate::snapshot::{NodeFacts, Snapshot};
use crate::source::{Endpoint, FULL_WEIGHT, PollRange, Scope, SourceSpec, Timescale, Use};
use crate::tolerances::{Overrides, Preset};
use std::collections::BTreeMap;

/// A sound server source of its own root.
pub(crate) fn server(name: &str, tier: u8, address: &str) -> SourceSpec {
    SourceSpec {
        name: name.to_owned(),
        uid: format!("uid-{name}"),
        generation: 1,
        labels: BTreeMap::new(),
        tier,
        usage: Use::Drive,
        endpoint: Endpoint::Server { address: address.to_owned(), port: 123 },
        polls: PollRange { min: 4, max: 6 },
        iburst: true,
        scope: Scope::Local,
        zone: None,
        independence: None,
        timescale: Timescale::Utc,
        weight: FULL_WEIGHT,
        power_failing: false,
        packets_per_minute: None,
    }
}

/// A sound public pool.
pub(crate) fn pool(name: &str, tier: u8, dns: &str, max_sources: u32) -> SourceSpec {
    SourceSpec {
        endpoint: Endpoint::Pool { name: dns.to_owned(), port: 123, max_sources },
        polls: PollRange::default(),
        scope: Scope::Public,
        ..server(name, tier, "")
    }
}

/// Server sources `name-1`… of one tier on 10.0.`tier`.x.
pub(crate) fn servers(name: &str, tier: u8, count: u8) -> Vec<SourceSpec> {
    (1..=count).map(|i| server(&format!("{name}-{i:02}"), tier, &format!("10.0.{tier}.{i}"))).collect()
}

pub(crate) fn in_zone(zone: &str, source: SourceSpec) -> SourceSpec {
    SourceSpec { zone: Some(zone.to_owned()), ..source }
}

/// A policy for all nodes and all sources.
pub(crate) fn policy(name: &str) -> PolicySpec {
    PolicySpec {
        name: name.to_owned(),
        uid: format!("uid-{name}"),
        generation: 1,
        created: 1_700_000_000,
        node_selector: Some(Selector::default()),
        priority: 0,
        sources: Selector::default(),
        mode: Mode::Observe,
        preset: Preset::Kubernetes,
        overrides: Overrides::default(),
        failover: Figures::default(),
        peers: Peers::default(),
    }
}

pub(crate) fn node(name: &str) -> NodeFacts {
    NodeFacts {
        name: name.to_owned(),
        uid: format!("uid-{name}"),
        labels: BTreeMap::new(),
        chrony: None,
        previous: None,
        address: None,
        peering: false,
    }
}

pub(crate) fn node_in(zone: &str, name: &str) -> NodeFacts {
    NodeFacts { labels: labels(&[(LABEL_ZONE, zone)]), ..node(name) }
}

pub(crate) fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

pub(crate) fn selector(pairs: &[(&str, &str)]) -> Selector {
    Selector { labels: labels(pairs), requirements: Vec::new() }
}

pub(crate) fn snapshot(
    sources: Vec<SourceSpec>,
    policies: Vec<PolicySpec>,
    nodes: Vec<NodeFacts>,
) -> Snapshot {
    Snapshot { sources, policies, nodes, undecodable: Vec::new() }
}
