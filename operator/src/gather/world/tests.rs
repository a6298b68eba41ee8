//! From stores to plain data, and nothing lost on the way.

use super::*;
use meantime_core::conditions::Status;
use serde_json::json;

fn node(name: &str, conditions: &serde_json::Value) -> Arc<Node> {
    let node = json!({
        "metadata": {"name": name, "uid": format!("uid-{name}"), "labels": {"a": "b"}},
        "status": {"conditions": conditions},
    });
    Arc::new(serde_json::from_value(node).unwrap())
}

fn node_time(name: &str, status: &serde_json::Value) -> Arc<DeserializeGuard<NodeTime>> {
    let object = json!({
        "apiVersion": "meantime.dev/v1alpha1", "kind": "NodeTime",
        "metadata": {"name": name, "uid": format!("nt-{name}")}, "spec": {"desired": "Active"}, "status": status,
    });
    Arc::new(serde_json::from_value(object).unwrap())
}

#[test]
fn what_core_can_not_hold_is_set_aside_by_name() {
    let both = json!({
        "apiVersion": "meantime.dev/v1alpha1", "kind": "TimeSource", "metadata": {"name": "both"},
        "spec": {"tier": 1, "server": {"address": "10.1.0.5"}, "pool": {"name": "pool.example"}},
    });
    let mut world = World::default();
    world.sources.insert("both".into(), Arc::new(serde_json::from_value(both).unwrap()));
    world.broken.push(Broken {
        kind: BrokenKind::TimeSyncPolicy,
        name: "junk".into(),
        uid: "u".into(),
        generation: 1,
        why: "spec.priority is a list".into(),
    });
    let snapshot = world.declared();
    assert_eq!(snapshot.sources, []);
    let aside: Vec<_> = snapshot.undecodable.iter().map(|aside| (aside.kind, aside.name.as_str())).collect();
    assert_eq!(aside, [(ObjectKind::TimeSource, "both"), (ObjectKind::TimeSyncPolicy, "junk")]);
}

#[test]
fn an_undecodable_node_time_is_not_the_same_as_none() {
    let mut world = World::default();
    world.broken.push(Broken {
        kind: BrokenKind::NodeTime,
        name: "n1".into(),
        uid: "u".into(),
        generation: 1,
        why: "junk".into(),
    });
    assert_eq!(world.undecodable("n1"), Some("junk"));
    assert_eq!(world.undecodable("n2"), None);
    assert!(world.node_time("n1").is_none());
}

#[test]
fn heartbeats_carry_pods_and_what_is_declared_already() {
    let mut world = World::default();
    let silent = json!([{
        "type": "meantime.dev/TimeSynchronized", "status": "Unknown", "reason": "AgentSilent", "message": "m",
        "lastTransitionTime": "2026-11-21T23:25:00Z",
    }]);
    world.nodes.insert("n1".into(), node("n1", &silent));
    world.nodes.insert("n2".into(), node("n2", &json!([])));
    world.nodes.insert("n3".into(), node("n3", &json!([])));
    world.node_times.insert("n1".into(), node_time("n1", &json!({"bootID": "b", "sequence": 7})));
    world.node_times.insert("n2".into(), node_time("n2", &json!({})));
    world.agent_pod(
        &serde_json::from_value(json!({
            "metadata": {"name": "p"}, "spec": {"nodeName": "n2", "containers": []},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        }))
        .unwrap(),
    );
    let beats = world.beats();
    assert_eq!(beats.keys().collect::<Vec<_>>(), ["n1", "n2"]);
    assert_eq!(beats["n1"].rising, Some(Rising { boot_id: "b".into(), sequence: 7 }));
    assert!(beats["n1"].declared_silent && !beats["n1"].pod_ready);
    assert_eq!(beats["n2"].rising, None);
    assert!(!beats["n2"].declared_silent && beats["n2"].pod_ready);
}

#[test]
fn a_terminating_pod_speaks_for_nobody() {
    let mut world = World::default();
    world.agent_pod(&serde_json::from_value(json!({
        "metadata": {"name": "p", "deletionTimestamp": "2026-11-21T23:25:00Z"}, "spec": {"nodeName": "n2", "containers": []},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    })).unwrap());
    assert!(world.ready_agents.is_empty());
}

#[test]
fn only_our_conditions_stand() {
    let conditions = json!([
        {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "m"},
        {"type": "meantime.dev/TimeOffsetHigh", "status": "False", "reason": "InTolerance", "message": "m",
         "lastTransitionTime": "2026-11-21T23:25:00Z"},
    ]);
    let standing = standing(&node("n1", &conditions));
    assert_eq!(
        standing.keys().copied().collect::<Vec<_>>(),
        [NodeCondition::Agents(ConditionKind::TimeOffsetHigh)]
    );
    assert_eq!(standing[&NodeCondition::Agents(ConditionKind::TimeOffsetHigh)].told.status, Status::False);
}

#[test]
fn a_status_without_a_verdict_tells_nothing() {
    assert_eq!(told(&NodeTimeStatus::default()), None);
}

#[test]
fn a_nodes_agent_is_asked_at_its_first_internal_ip_and_kubelets_heartbeat_wakes_nobody() {
    let read = |addresses: serde_json::Value, beat: &str| -> Node {
        let mut node = serde_json::from_value(json!({
            "metadata": {"name": "n1", "uid": "u"},
            "status": {
                "addresses": addresses,
                "conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": beat}],
            },
        }))
        .unwrap();
        crate::gather::shed_node(&mut node);
        node
    };
    let addresses = json!([
        {"type": "Hostname", "address": "n1"}, {"type": "ExternalIP", "address": "192.0.2.1"},
        {"type": "InternalIP", "address": "10.0.0.2"}, {"type": "InternalIP", "address": "fd00::2"},
    ]);
    let first = read(addresses.clone(), "2026-11-21T23:25:00Z");
    let mut world = World::default();
    world.nodes.insert("n1".into(), Arc::new(first.clone()));
    world.nodes.insert("n2".into(), Arc::new(read(json!([]), "2026-11-21T23:25:00Z")));
    let found: Vec<_> = world.nodes.iter().map(|(name, node)| world.facts(name, node).address).collect();
    assert_eq!(found, [Some("10.0.0.2".parse().unwrap()), None]);
    assert!(crate::gather::same_node(&first, &read(addresses, "2026-11-21T23:30:00Z")));
    let moved = json!([{"type": "InternalIP", "address": "10.0.0.3"}]);
    assert!(
        !crate::gather::same_node(&first, &read(moved, "2026-11-21T23:25:00Z")),
        "it is planned with anew"
    );
}
