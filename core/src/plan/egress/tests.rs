//! Budgets hold for every fleet, witnesses are few, and neither moves all plans for one node.

use super::{MAX_POLL, WITNESSES};
use crate::names::LABEL_EGRESS;
use crate::plan::{NodeOutcome, Plan, SourceFinding, plan};
use crate::policy::PolicySpec;
use crate::snapshot::{NodeFacts, Role, Snapshot};
use crate::source::{PollRange, Scope, SourceSpec, Use};
use crate::units::Nanos;
use crate::validate::mk::{labels, node, node_in, policy, pool, selector, server, servers, snapshot};
use crate::validate::{Address, validate};
use proptest::collection::vec;
use proptest::prelude::*;
use rstest::rstest;
use std::collections::{BTreeMap, BTreeSet};

fn run(snapshot: &Snapshot) -> Plan {
    plan(&validate(snapshot))
}

fn in_force(snapshot: &mut Snapshot, plan: &Plan) {
    for node in &mut snapshot.nodes {
        node.previous = plan.nodes.get(&node.name).and_then(NodeOutcome::plan).cloned();
    }
}

fn public(name: &str, address: &str) -> SourceSpec {
    SourceSpec { polls: PollRange::default(), scope: Scope::Public, ..server(name, 2, address) }
}

fn witness() -> SourceSpec {
    SourceSpec { usage: Use::Witness, ..server("watch", 3, "10.9.0.1") }
}

fn nodes(count: usize) -> Vec<NodeFacts> {
    (0..count).map(|n| node(&format!("n{n}"))).collect()
}

fn polls(plan: &Plan, node: &str, source: &str) -> Option<PollRange> {
    let plan = plan.nodes[node].plan().expect("the node has a plan");
    plan.associations.iter().find(|association| association.source == source).map(|one| one.polls)
}

fn measuring(plan: &Plan, source: &str) -> BTreeSet<String> {
    let has = |outcome: &NodeOutcome| {
        let plan = outcome.plan().expect("the node has a plan");
        plan.associations.iter().any(|one| one.source == source && one.role == Role::Witness)
    };
    plan.nodes.iter().filter(|(_, outcome)| has(outcome)).map(|(name, _)| name.clone()).collect()
}

#[test]
fn a_few_nodes_of_each_way_out_measure_a_witness() {
    let mut sources = servers("s", 1, 4);
    sources.push(witness());
    let mut nodes: Vec<NodeFacts> = (0..9).map(|n| node_in(["a", "b"][n % 2], &format!("n{n}"))).collect();
    nodes.push(node("alone"));
    nodes[0].labels.insert(LABEL_EGRESS.to_owned(), "nat-1".to_owned());
    let plan = run(&snapshot(sources, vec![policy("p")], nodes));
    let found = measuring(&plan, "watch");
    // One of nat-1, two of a, two of b, one of no zone.
    assert_eq!(found.len(), 1 + 2 + 2 + 1, "{found:?}");
    assert!(found.contains("n0") && found.contains("alone"), "{found:?}");
    assert_eq!(plan.sources["watch"].nodes, 6);
    let text = |node: &str| plan.nodes[node].plan().unwrap().sources.contains("10.9.0.1");
    assert!(plan.nodes.keys().all(|node| text(node) == found.contains(node)));
}

#[test]
fn who_joins_displaces_at_most_one_and_who_leaves_is_replaced() {
    let mut sources = servers("s", 1, 4);
    sources.push(witness());
    let of = |nodes: Vec<NodeFacts>| {
        measuring(&run(&snapshot(sources.clone(), vec![policy("p")], nodes)), "watch")
    };
    let mut displaced = 0;
    for count in 2..60 {
        let (before, after) = (of(nodes(count)), of(nodes(count + 1)));
        assert_eq!(after.len(), WITNESSES);
        let gone = before.difference(&after).count();
        assert!(gone <= 1, "{before:?} → {after:?}");
        displaced += gone;
    }
    // Expected: 2/n at the n-th join, about 7 in all; who moved them at each would have 58.
    assert!((1..=16).contains(&displaced), "{displaced}");
}

#[rstest]
#[case::what_one_way_out_may(7, 6)]
#[case::one_more(8, 7)]
#[case::a_rack(40, 9)]
#[case::a_cluster(1_000, 14)]
fn many_nodes_poll_a_public_server_more_slowly_and_that_is_said(#[case] count: usize, #[case] poll: i8) {
    let mut sources = servers("s", 1, 4);
    sources.push(public("cloud", "time.example.com"));
    let plan = run(&snapshot(sources, vec![policy("p")], nodes(count)));
    let wanted = PollRange { min: poll, max: poll.max(10) };
    assert!((0..count).all(|n| polls(&plan, &format!("n{n}"), "cloud") == Some(wanted)));
    assert_eq!(polls(&plan, "n0", "s-01"), Some(PollRange { min: 4, max: 6 }), "nobody counts one's own");
    let line = format!("server time.example.com minpoll {poll} maxpoll {} iburst", poll.max(10));
    assert!(plan.nodes["n0"].plan().unwrap().sources.contains(&line));
    let said: Vec<String> = plan.sources["cloud"].findings.iter().map(ToString::to_string).collect();
    if poll == 6 {
        assert_eq!(said, [""; 0]);
    } else {
        let reasons: Vec<_> = plan.sources["cloud"].findings.iter().map(SourceFinding::reason).collect();
        assert_eq!(reasons, ["PollsRaised"]);
        assert!(said[0].contains("instead of 64s") && said[0].contains("7 packets a minute"), "{said:?}");
    }
}

#[test]
fn a_declared_budget_counts_whatever_the_scope() {
    let mut sources = servers("s", 1, 4);
    sources[0].packets_per_minute = Some(30);
    sources.push(SourceSpec { packets_per_minute: Some(6_000), ..public("own", "time.example.com") });
    let plan = run(&snapshot(sources, vec![policy("p")], nodes(100)));
    assert_eq!(polls(&plan, "n7", "s-01"), Some(PollRange { min: 8, max: 8 }));
    assert_eq!(polls(&plan, "n7", "own"), Some(PollRange { min: 6, max: 10 }));
}

/// Two names here, one server there: both teams' nodes count.
#[test]
fn a_server_counts_by_its_address_over_all_policies() {
    let labelled =
        |source: SourceSpec, team: &str| SourceSpec { labels: labels(&[("team", team)]), ..source };
    let sources = vec![
        labelled(public("a", "192.0.2.1"), "a"),
        labelled(public("b", "192.0.2.1"), "b"),
        labelled(pool("c", 2, "pool.example.com", 4), "b"),
    ];
    let of = |team: &str| PolicySpec {
        node_selector: Some(selector(&[("team", team)])),
        sources: selector(&[("team", team)]),
        ..policy(team)
    };
    let mut nodes = nodes(10);
    for (at, node) in nodes.iter_mut().enumerate() {
        node.labels = labels(&[("team", ["a", "b"][at % 2])]);
    }
    let plan = run(&snapshot(sources, vec![of("a"), of("b")], nodes));
    assert_eq!(polls(&plan, "n0", "a").map(|polls| polls.min), Some(7));
    assert_eq!(polls(&plan, "n1", "b").map(|polls| polls.min), Some(7));
    assert_eq!(polls(&plan, "n1", "c").map(|polls| polls.min), Some(6), "five nodes have the pool");
}

#[test]
fn nodes_whose_plan_is_kept_are_paid_for_first() {
    let mut cluster = snapshot(vec![public("cloud", "192.0.2.1")], vec![policy("p")], nodes(6));
    let first = run(&cluster);
    assert_eq!(polls(&first, "n0", "cloud").map(|polls| polls.min), Some(6));
    in_force(&mut cluster, &first);
    // Half of them come under a policy that is then faulty: they go on at 64 s.
    for node in &mut cluster.nodes[..3] {
        node.labels = labels(&[("broken", "yes")]);
    }
    let mut broken =
        PolicySpec { node_selector: Some(selector(&[("broken", "yes")])), priority: 9, ..policy("broken") };
    broken.overrides.max_offset = Some(Nanos::ZERO);
    cluster.policies.push(broken);
    cluster.nodes.extend((6..10).map(|n| node(&format!("n{n}"))));
    let plan = run(&cluster);
    assert!(matches!(plan.nodes["n0"], NodeOutcome::Kept { .. }));
    // 3 at 64 s are 2.8 of 7 packets: the seven others, 6.6 by themselves, get 3.3 at 128 s.
    assert_eq!(polls(&plan, "n7", "cloud").map(|polls| polls.min), Some(7));
}

/// Law 9: up to a thousand nodes and back, one at a time, and then a week of one node coming and going.
#[test]
fn a_node_that_comes_and_goes_rewrites_nobodys_plan() {
    let source = vec![public("cloud", "192.0.2.1")];
    let mut standing = snapshot(source.clone(), vec![policy("p")], nodes(1));
    let mut rewrites = 0;
    let mut last = 6;
    let around = (0..40).map(|n| 8 - n % 2);
    for count in (1..=200).chain((1..200).rev()).chain(around) {
        let mut next = snapshot(source.clone(), vec![policy("p")], nodes(count));
        for (node, before) in next.nodes.iter_mut().zip(&standing.nodes) {
            node.previous.clone_from(&before.previous);
        }
        let plan = run(&next);
        let poll = polls(&plan, "n0", "cloud").unwrap().min;
        rewrites += u32::from(poll != last);
        last = poll;
        in_force(&mut next, &plan);
        standing = next;
    }
    // Five doublings up, five down, and one when the last pair begins to come and go.
    assert!(rewrites <= 11, "{rewrites} rewrites");
}

fn some_fleet() -> impl Strategy<Value = Snapshot> {
    let source = (0_u8..5, 6_i8..9, proptest::option::of(4_u32..200), prop::bool::weighted(0.2), 0_u8..3);
    let node = (0_u8..3, 0_u8..3, 0_u8..5);
    (vec(source, 1..6), vec(node, 1..120)).prop_map(|(sources, nodes)| {
        let sources =
            sources.into_iter().enumerate().map(|(at, (address, poll, budget, watches, team))| SourceSpec {
                polls: PollRange { min: poll, max: 10 },
                usage: if watches { Use::Witness } else { Use::Drive },
                packets_per_minute: budget,
                labels: labels(&[("team", ["x", "y", "z"][usize::from(team)])]),
                ..public(&format!("s{at}"), &format!("192.0.2.{address}"))
            });
        let nodes = nodes.into_iter().enumerate().map(|(at, (zone, egress, team))| {
            let mut one = node_in(["a", "b", "c"][usize::from(zone)], &format!("n{at}"));
            if egress > 0 {
                one.labels.insert(LABEL_EGRESS.to_owned(), format!("nat-{egress}"));
            }
            one.labels.insert("team".to_owned(), ["x", "y", "z", "z", "w"][usize::from(team)].to_owned());
            one
        });
        let mut own = server("own", 1, "10.0.0.1");
        own.labels = labels(&[("team", "x")]);
        let team = |name: &str| PolicySpec {
            node_selector: Some(selector(&[("team", name)])),
            sources: selector(&[("team", name)]),
            ..policy(name)
        };
        let rest = PolicySpec { priority: -1, ..policy("rest") };
        let sources = sources.chain([own]).collect();
        snapshot(sources, vec![team("x"), team("y"), team("z"), rest], nodes.collect())
    })
}

/// What the fleet sends each server from each way out, in packets per 2^17 minutes, and what it may.
fn spent(cluster: &Snapshot, plan: &Plan) -> Vec<(u64, u64, bool)> {
    let mut all: BTreeMap<(Option<&str>, String), (u64, u64, bool)> = BTreeMap::new();
    let declared: BTreeMap<&str, &SourceSpec> =
        cluster.sources.iter().map(|source| (source.name.as_str(), source)).collect();
    for node in &cluster.nodes {
        let Some(own) = plan.nodes[&node.name].plan() else { continue };
        for one in &own.associations {
            let Some(budget) = declared.get(one.source.as_str()).and_then(|source| source.budget()) else {
                continue;
            };
            let address = Address::parse(one.endpoint.address()).unwrap().identity();
            let entry = all.entry((node.egress(), address)).or_insert((0, u64::MAX, true));
            entry.0 += 60 << (17 - one.polls.min);
            entry.1 = entry.1.min(u64::from(budget) << 17);
            entry.2 &= one.polls.min == MAX_POLL;
        }
    }
    all.into_values().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Law 11, for a fleet and for what it grows or shrinks to.
    #[test]
    fn no_way_out_ever_asks_a_server_for_more_than_its_budget(mut cluster in some_fleet(), later in some_fleet()) {
        let first = run(&cluster);
        for (spent, may, _) in spent(&cluster, &first) {
            prop_assert!(spent <= may, "{spent} of {may}");
        }
        in_force(&mut cluster, &first);
        prop_assert_eq!(&run(&cluster).nodes, &first.nodes, "what stands is planned again");
        let mut grown = cluster;
        let before: BTreeMap<String, _> =
            grown.nodes.iter().map(|node| (node.name.clone(), node.previous.clone())).collect();
        grown.nodes = later.nodes;
        for node in &mut grown.nodes {
            node.previous = before.get(&node.name).cloned().flatten();
        }
        let second = run(&grown);
        // Nodes under a policy without sources keep what they have, also at the price of others.
        for (spent, may, slowest) in spent(&grown, &second) {
            prop_assert!(spent <= may || slowest, "{spent} of {may}");
        }
        in_force(&mut grown, &second);
        prop_assert_eq!(&run(&grown).nodes, &second.nodes);
    }

    #[test]
    fn a_witness_is_measured_by_as_many_as_there_are_up_to_two_per_way_out(cluster in some_fleet()) {
        let plan = run(&cluster);
        let mut measured: BTreeMap<(Option<&str>, &str), usize> = BTreeMap::new();
        for node in &cluster.nodes {
            for one in plan.nodes[&node.name].plan().into_iter().flat_map(|plan| &plan.associations) {
                if one.role == Role::Witness {
                    *measured.entry((node.egress(), &one.source)).or_default() += 1;
                }
            }
        }
        prop_assert!(measured.values().all(|count| (1..=WITNESSES).contains(count)));
    }
}
