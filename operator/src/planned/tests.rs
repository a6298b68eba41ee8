//! What is kept is what would be made anew; and it is kept.

use super::*;
use crate::gather::{Broken, BrokenKind};
use meantime_crds::{NodeTimeSpec, NodeTimeStatus, TimeSource, TimeSyncPolicy};
use rstest::rstest;
use serde_json::json;

const PORT: u16 = 9925;

fn object<T: serde::de::DeserializeOwned>(value: serde_json::Value) -> Arc<T> {
    Arc::new(serde_json::from_value(value).unwrap())
}

fn source(address: &str) -> Arc<TimeSource> {
    object(json!({
        "apiVersion": "meantime.dev/v1alpha1", "kind": "TimeSource",
        "metadata": {"name": address, "uid": format!("src-{address}"), "generation": 1},
        "spec": {"tier": 1, "server": {"address": address, "minPoll": 4, "maxPoll": 6}},
    }))
}

fn policy(preset: &str) -> Arc<TimeSyncPolicy> {
    object(json!({
        "apiVersion": "meantime.dev/v1alpha1", "kind": "TimeSyncPolicy",
        "metadata": {"name": "all", "uid": "p", "generation": 1, "creationTimestamp": "2026-11-21T23:25:00Z"},
        "spec": {"nodeSelector": {"matchLabels": {"has": "time"}}, "sources": {"selector": {}}, "tolerances": {"preset": preset}},
    }))
}

fn node(name: &str, has: &str, address: &str) -> Arc<Node> {
    object(json!({
        "metadata": {"name": name, "uid": format!("uid-{name}"), "labels": {"has": has}},
        "status": {"addresses": [{"type": "InternalIP", "address": address}]},
    }))
}

/// With the plans written, as they are after a first pass.
fn world() -> World {
    let mut world = World::default();
    for address in ["10.1.0.1", "10.1.0.2", "10.1.0.3"] {
        world.sources.insert(address.to_owned(), source(address));
    }
    world.policies.insert("all".to_owned(), policy("kubernetes"));
    for (name, address) in [("n1", "10.0.0.1"), ("n2", "10.0.0.2"), ("n3", "10.0.0.3")] {
        world.nodes.insert(name.to_owned(), node(name, "time", address));
    }
    let mut known = Known::default();
    let planned = known.look(&world, PORT);
    let specs: Vec<_> = world.nodes.keys().map(|name| (name.clone(), spec(planned, name))).collect();
    for (name, spec) in specs {
        let node_time = NodeTime::new(&name, spec);
        world.node_times.insert(name, Arc::new(DeserializeGuard(Ok(node_time))));
    }
    world
}

fn spec(planned: &Planned, name: &str) -> NodeTimeSpec {
    let plan = planned.plan.nodes[name].plan().map(|plan| (*planned.text(plan)).clone());
    let peers = planned.peers(name).map(<[_]>::to_vec);
    NodeTimeSpec { desired: nodetime::Desired::Active, plan, request: None, peers }
}

fn edit(world: &mut World, name: &str, how: impl FnOnce(&mut NodeTime)) {
    let mut node_time = world.node_time(name).unwrap().clone();
    how(&mut node_time);
    world.node_times.insert(name.to_owned(), Arc::new(DeserializeGuard(Ok(node_time))));
}

fn says_more(world: &mut World) {
    edit(world, "n2", |node_time| {
        node_time.status = Some(NodeTimeStatus { sequence: Some(8), ..NodeTimeStatus::default() });
    });
}

fn is_written_to(world: &mut World) {
    let mut node = (*world.nodes["n2"]).clone();
    node.status.get_or_insert_default().conditions = serde_json::from_value(json!([
        {"type": "meantime.dev/TimeSynchronized", "status": "True"}
    ]))
    .ok();
    world.nodes.insert("n2".to_owned(), Arc::new(node));
}

fn another_source(world: &mut World) {
    world.sources.insert("10.1.0.4".to_owned(), source("10.1.0.4"));
}

fn one_source_less(world: &mut World) {
    world.sources.remove("10.1.0.3");
}

fn another_preset(world: &mut World) {
    world.policies.insert("all".to_owned(), policy("ceph"));
}

fn unreadable_policy(world: &mut World) {
    world.policies.clear();
    world.broken.push(Broken {
        kind: BrokenKind::TimeSyncPolicy,
        name: "all".to_owned(),
        uid: "p".to_owned(),
        generation: 2,
        why: "junk".to_owned(),
    });
}

fn another_label(world: &mut World) {
    world.nodes.insert("n2".to_owned(), node("n2", "none", "10.0.0.2"));
}

fn another_address(world: &mut World) {
    world.nodes.insert("n2".to_owned(), node("n2", "time", "10.0.0.9"));
}

fn another_node(world: &mut World) {
    world.nodes.insert("n4".to_owned(), node("n4", "time", "10.0.0.4"));
}

fn one_node_for_another(world: &mut World) {
    world.nodes.remove("n1");
    another_node(world);
}

fn one_node_less(world: &mut World) {
    world.nodes.remove("n1");
}

fn edited_by_hand(world: &mut World) {
    edit(world, "n2", |node_time| {
        node_time.spec.plan.as_mut().unwrap().chrony.sources = "server evil.example\n".to_owned();
    });
}

fn another_chronyd(world: &mut World) {
    edit(world, "n2", |node_time| {
        let status = json!({"chrony": {"version": "4.0", "relation": "Managed"}});
        node_time.status = Some(serde_json::from_value(status).unwrap());
    });
}

fn node_time_gone(world: &mut World) {
    world.node_times.remove("n2");
}

fn node_time_unreadable(world: &mut World) {
    world.node_times.remove("n2");
    world.broken.push(Broken {
        kind: BrokenKind::NodeTime,
        name: "n2".to_owned(),
        uid: "u".to_owned(),
        generation: 2,
        why: "junk".to_owned(),
    });
}

fn retired(world: &mut World) {
    edit(world, "n2", |node_time| node_time.spec.desired = nodetime::Desired::Retired);
}

fn made_anew(world: &mut World) {
    let mut node = (*world.nodes["n2"]).clone();
    node.metadata.uid = Some("another".to_owned());
    world.nodes.insert("n2".to_owned(), Arc::new(node));
}

#[rstest]
#[case::says_more(says_more, false)]
#[case::is_written_to(is_written_to, false)]
#[case::another_source(another_source, true)]
#[case::one_source_less(one_source_less, true)]
#[case::another_preset(another_preset, true)]
#[case::unreadable_policy(unreadable_policy, true)]
#[case::another_label(another_label, true)]
#[case::another_address(another_address, true)]
#[case::another_node(another_node, true)]
#[case::one_node_for_another(one_node_for_another, true)]
#[case::one_node_less(one_node_less, true)]
#[case::edited_by_hand(edited_by_hand, true)]
#[case::another_chronyd(another_chronyd, true)]
#[case::node_time_gone(node_time_gone, true)]
#[case::node_time_unreadable(node_time_unreadable, true)]
#[case::retired(retired, true)]
#[case::made_anew(made_anew, true)]
fn what_is_kept_is_what_would_be_made_anew(#[case] change: fn(&mut World), #[case] counts: bool) {
    let mut world = world();
    let mut known = Known::default();
    known.look(&world, PORT);
    known.look(&world.clone(), PORT);
    assert_eq!(known.made(), 1, "nothing has changed");
    change(&mut world);
    let mut blank = Known::default();
    let anew = blank.look(&world, PORT);
    let kept = known.look(&world, PORT);
    assert_eq!(kept.plan, anew.plan);
    for name in world.nodes.keys() {
        assert_eq!(kept.peers(name), anew.peers(name), "{name}");
        assert_eq!(spec(kept, name), spec(anew, name), "{name}");
    }
    assert_eq!(known.made(), 1 + u64::from(counts));
}

#[test]
fn another_port_of_the_agents_is_told() {
    let world = world();
    let mut known = Known::default();
    assert_eq!(known.look(&world, PORT).peers("n1").unwrap()[0].port, 9925);
    assert_eq!(known.look(&world, 9926).peers("n1").unwrap()[0].port, 9926);
}

/// The plan that a node has and the one that it gets are the same object in memory, and one of many nodes.
#[test]
fn equal_plans_are_kept_once() {
    let (world, mut known) = (world(), Known::default());
    known.look(&world, PORT);
    let has: Vec<_> = known.snapshot.nodes.iter().map(|facts| facts.previous.clone().unwrap()).collect();
    for (facts, has) in known.snapshot.nodes.iter().zip(&has) {
        assert!(Arc::ptr_eq(has, known.planned.plan.nodes[&facts.name].plan().unwrap()), "{}", facts.name);
    }
    known.look(&world, PORT);
    assert_eq!(known.made(), 1, "and that is no reason to plan anew");
}
