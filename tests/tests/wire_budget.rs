//! Law 11, counted where it hurts: at the server. Eight nodes of one way out, as many real `chronyd -x` (trixie) on the
//! texts that the planner rendered for them, one lab server with a budget: its own count of requests stays within it.
//!
//! Scaled by the shortest polls, since a Public source polls every 64 s at best: the server is declared Local at 1/4 s
//! with a budget of 960 packets a minute, where eight nodes without budget would send 1,920. The same figures, 256 times
//! slower, are eight nodes at 64 s with 3.75 packets a minute: what is proven is the arithmetic and that chronyd
//! keeps to minpoll, and both know no scale.

use meantime_core::fsm::failover::Figures;
use meantime_core::plan::{NodeOutcome, plan};
use meantime_core::policy::{Mode, PolicySpec, Selector};
use meantime_core::snapshot::{NodeFacts, Snapshot};
use meantime_core::source::{Endpoint, FULL_WEIGHT, PollRange, Scope, SourceSpec, Timescale, Use};
use meantime_core::tolerances::{Overrides, Preset};
use meantime_core::units::Nanos;
use meantime_core::validate::validate;
use meantime_tests::chronyd::{ChronyRoot, Chronyd};
use meantime_tests::lab::{Lab, clock};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

const NODES: usize = 8;
/// Packets a minute.
const BUDGET: u32 = 960;
/// The four packets of `iburst` and what begins with them are over by then.
const START: Duration = Duration::from_secs(12);
const COUNTED: Duration = Duration::from_secs(30);

fn source(name: &str, at: SocketAddr, usage: Use, budget: Option<u32>) -> SourceSpec {
    SourceSpec {
        name: name.to_owned(),
        uid: format!("uid-{name}"),
        generation: 1,
        labels: BTreeMap::new(),
        tier: 1,
        usage,
        endpoint: Endpoint::Server { address: at.ip().to_string(), port: at.port() },
        polls: PollRange { min: -2, max: -2 },
        iburst: true,
        scope: Scope::Local,
        zone: None,
        independence: None,
        timescale: Timescale::Utc,
        weight: FULL_WEIGHT,
        power_failing: false,
        packets_per_minute: budget,
    }
}

fn snapshot(sources: Vec<SourceSpec>) -> Snapshot {
    let node = |n: usize| NodeFacts {
        name: format!("n{n}"),
        uid: format!("uid-n{n}"),
        labels: BTreeMap::from([(meantime_core::names::LABEL_EGRESS.to_owned(), "nat-1".to_owned())]),
        chrony: None,
        previous: None,
        address: None,
        peering: false,
    };
    let policy = PolicySpec {
        peers: meantime_core::policy::Peers::default(),
        name: "p".to_owned(),
        uid: "uid-p".to_owned(),
        generation: 1,
        created: 0,
        node_selector: Some(Selector::default()),
        priority: 0,
        sources: Selector::default(),
        mode: Mode::Observe,
        preset: Preset::Kubernetes,
        overrides: Overrides::default(),
        failover: Figures::default(),
    };
    Snapshot {
        sources,
        policies: vec![policy],
        nodes: (0..NODES).map(node).collect(),
        undecodable: Vec::new(),
    }
}

#[test]
fn eight_nodes_behind_one_way_out_stay_within_a_servers_budget() {
    let lab = |last| Lab::start((Ipv4Addr::new(127, 61, 1, last), 0).into()).unwrap();
    let [own, shared, watched] = [lab(1), lab(2), lab(3)];
    let planned = plan(&validate(&snapshot(vec![
        source("own", own.address(), Use::Drive, None),
        source("shared", shared.address(), Use::Drive, Some(BUDGET)),
        source("watched", watched.address(), Use::Witness, None),
    ])));
    let root = ChronyRoot::of_suite("trixie").unwrap();
    let daemons: Vec<Chronyd> = planned
        .nodes
        .values()
        .enumerate()
        .map(|(at, outcome)| {
            let NodeOutcome::Planned(plan) = outcome else { panic!("{outcome:?}") };
            // An address of its own, by which the lab tells the nodes apart.
            let from = format!("bindacqaddress 127.61.0.{}\nport 0\n", at + 1);
            Chronyd::start(&root, &format!("{from}{}", plan.sources)).unwrap()
        })
        .collect();
    std::thread::sleep(START);
    let before = [own.requests(), shared.requests(), watched.requests()];
    let begin = clock::now().boot;
    std::thread::sleep(COUNTED);
    let took = clock::now().boot - begin;
    let counts: Vec<u64> =
        [&own, &shared, &watched].iter().zip(before).map(|(lab, before)| lab.requests() - before).collect();
    let per_minute = |count: u64| count * 60_000_000_000 / took.0.unsigned_abs();
    let [own_rate, shared_rate, watched_rate] = [counts[0], counts[1], counts[2]].map(per_minute);
    let clients = |lab: &Lab| lab.report().clients.keys().copied().collect::<BTreeSet<_>>().len();
    let line = format!(
        "budget: {NODES} chronyd {} of one way out, packets a minute at the server: {shared_rate} (budget {BUDGET}), \
         without budget {own_rate}, witness {watched_rate} from {} nodes; {} counted in {took}",
        root.version(),
        clients(&watched),
        counts.iter().sum::<u64>(),
    );
    let _ = writeln!(std::io::stderr(), "{line}");
    assert!(daemons.iter().all(|daemon| daemon.client().is_ok()), "{line}");
    assert_eq!((clients(&own), clients(&shared), clients(&watched)), (NODES, NODES, 2), "{line}");
    // One packet of each may fall on this side of the edge.
    let edge = per_minute(u64::try_from(NODES).unwrap());
    assert!(shared_rate <= u64::from(BUDGET) + edge, "{line}");
    assert!(shared_rate > u64::from(BUDGET) / 2, "they did poll: {line}");
    assert!(own_rate > u64::from(BUDGET) + edge, "without budget it is more: {line}");
    assert!(took > Nanos::from_secs(29), "{line}");
}
