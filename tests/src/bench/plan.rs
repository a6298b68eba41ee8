//! Planning a large cluster: 5,000 nodes, 50 sources, 20 policies, validated, chosen, rendered and hashed.
//!
//! **In:** a snapshot as a cluster of several teams and ten zones gives it, every node with the plan that stands.
//! **Out:** the median time of one whole pass, on one core, and how many different plans it rendered and hashed.

use super::spread::{Spread, begin, calmest, since};
use super::{Aim, Error, Row};
use meantime_core::fsm::failover::Figures;
use meantime_core::names::LABEL_ZONE;
use meantime_core::plan::{NodeOutcome, Plan, plan};
use meantime_core::policy::{Mode, Peers, PolicySpec, Requirement, Selector, SelectorOperator};
use meantime_core::snapshot::{NodeFacts, Snapshot};
use meantime_core::source::{Endpoint, FULL_WEIGHT, PollRange, Scope, SourceSpec, Timescale, Use};
use meantime_core::tolerances::{Overrides, Preset};
use meantime_core::validate::validate;
use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::sync::Arc;

const NODES: u32 = 5_000;
const SOURCES: u32 = 50;
const POLICIES: u32 = 20;
const ZONES: u32 = 10;
const RUNS: usize = 30;

/// One figure, named by the profile that this was built with.
pub async fn run() -> Result<Vec<Row>, Error> {
    let mut snapshot = cluster();
    let first = plan(&validate(&snapshot));
    if let Some(node) = first.nodes.iter().find(|(_, outcome)| !matches!(outcome, NodeOutcome::Planned(_))) {
        return Err(format!("node {} got no plan: the figure would be of something else", node.0).into());
    }
    let different = different(&first);
    for node in &mut snapshot.nodes {
        node.previous = first.nodes.get(&node.name).and_then(NodeOutcome::plan).cloned();
    }
    let spread = calmest("planning", Spread::unrest, async || {
        let mut times = Vec::with_capacity(RUNS);
        for _ in 0..RUNS {
            let start = begin();
            let planned = black_box(plan(&validate(black_box(&snapshot))));
            times.push(since(start));
            drop(planned);
        }
        Spread::of(times)
    })
    .await?;
    let (name, profile) =
        if cfg!(debug_assertions) { ("plan_5000_dev_ms", "dev") } else { ("plan_5000_ms", "release") };
    let how = format!(
        "{NODES} nodes, {SOURCES} sources, {POLICIES} policies, {different} different plans rendered and hashed, \
         validation included, one core, {profile} profile: {}",
        spread.times()
    );
    Ok(vec![Row::new(name, spread.median() / 1e6, "ms", spread.count(), Aim::AtMost(100.0), &how)])
}

fn different(plan: &Plan) -> usize {
    let plans = plan.nodes.values().filter_map(NodeOutcome::plan);
    plans.map(Arc::as_ptr).collect::<BTreeSet<_>>().len()
}

/// Three sources in each zone, twelve for all zones, eight public ones; a policy for each of nineteen teams, one more
/// for who is left.
fn cluster() -> Snapshot {
    Snapshot {
        sources: (0..SOURCES).map(source).collect(),
        policies: (0..POLICIES).map(policy).collect(),
        nodes: (0..NODES).map(node).collect(),
        undecodable: Vec::new(),
    }
}

fn labels<const N: usize>(pairs: [(&str, String); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn source(number: u32) -> SourceSpec {
    let public = number >= 42;
    let address = if public {
        format!("time{number}.example.com")
    } else {
        format!("10.{}.0.{}", number % 7, number + 1)
    };
    let site = if public { "internet" } else { "dc" };
    let tier = if number < 30 { 1 } else { 2 + u8::from(public) };
    SourceSpec {
        name: format!("source-{number:02}"),
        uid: format!("00000000-0000-0000-0001-{number:012}"),
        generation: 1,
        labels: labels([("site", site.to_owned()), ("rack", format!("r{}", number % 5))]),
        tier,
        usage: if number % 10 == 9 { Use::Vote } else { Use::Drive },
        endpoint: Endpoint::Server { address, port: 123 },
        polls: if public { PollRange::default() } else { PollRange { min: 4, max: 6 } },
        iburst: true,
        scope: if public { Scope::Public } else { Scope::Site },
        zone: (number < 30).then(|| format!("zone-{}", number % ZONES)),
        independence: Some(format!("provider-{}", number % 25)),
        timescale: Timescale::Utc,
        weight: FULL_WEIGHT,
        power_failing: false,
        packets_per_minute: None,
    }
}

fn policy(number: u32) -> PolicySpec {
    let last = number == POLICIES - 1;
    let team = Requirement {
        key: "team".to_owned(),
        operator: SelectorOperator::In,
        values: vec![format!("team-{number}"), format!("team-{number}-canary")],
    };
    let presets = [Preset::Kubernetes, Preset::Database, Preset::Newsql, Preset::Web];
    PolicySpec {
        name: format!("policy-{number:02}"),
        uid: format!("00000000-0000-0000-0002-{number:012}"),
        generation: 1,
        created: 1_700_000_000 + i64::from(number),
        node_selector: Some(Selector {
            requirements: if last { Vec::new() } else { vec![team] },
            ..Selector::default()
        }),
        priority: if last { 0 } else { 10 },
        sources: Selector {
            labels: if number.is_multiple_of(2) {
                BTreeMap::new()
            } else {
                labels([("site", "dc".to_owned())])
            },
            ..Selector::default()
        },
        mode: if number.is_multiple_of(3) { Mode::Observe } else { Mode::Managed },
        preset: presets[number as usize % presets.len()],
        overrides: Overrides::default(),
        failover: Figures::default(),
        peers: Peers::default(),
    }
}

/// With the labels that a cloud's node has.
fn node(number: u32) -> NodeFacts {
    NodeFacts {
        name: format!("node-{number:05}.cluster.example.com"),
        uid: format!("00000000-0000-0000-0003-{number:012}"),
        labels: labels([
            (LABEL_ZONE, format!("zone-{}", number % ZONES)),
            ("topology.kubernetes.io/region", "region-1".to_owned()),
            ("kubernetes.io/hostname", format!("node-{number:05}")),
            ("kubernetes.io/arch", "amd64".to_owned()),
            ("kubernetes.io/os", "linux".to_owned()),
            ("node.kubernetes.io/instance-type", format!("m{}.large", number % 4)),
            ("team", format!("team-{}", number / ZONES % (POLICIES + 1))),
        ]),
        chrony: Some(meantime_core::chrony::ChronyVersion::new(4, 6, 1)),
        previous: None,
        address: Some(std::net::Ipv4Addr::from(0x0a80_0000 + number).into()),
        peering: true,
    }
}
