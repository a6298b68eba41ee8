//! One way down, one way up: from declared objects to plans, from reports to conditions, Events and status.

use crate::harness::{ACCOUNT, Cluster, Operator, association, stays, until};
use kube::api::{Patch, PatchParams};
use meantime_core::units::Nanos;
use meantime_operator::silence::Limits;
use serde_json::{Value, json};

const SIX: [&str; 6] = [
    "meantime.dev/TimeSynchronized",
    "meantime.dev/TimeOffsetHigh",
    "meantime.dev/TimeSourcesLow",
    "meantime.dev/TimePartitioned",
    "meantime.dev/TimeDaemonDown",
    "meantime.dev/NodeClockFaulty",
];

async fn two_nodes_in_tolerance() -> (Cluster, Operator) {
    let cluster = Cluster::start().await;
    cluster.four_sources().await;
    cluster.node("n1").await;
    cluster.node("n2").await;
    cluster.policy("all", json!({})).await;
    let operator = Operator::start(cluster.operator_client().await, "op-1");
    for node in ["n1", "n2"] {
        until("a plan", 4, || async { plan_size(&cluster, node).await }).await;
        cluster.report(node, 1, ("True", "InTolerance"), json!({})).await;
    }
    for node in ["n1", "n2"] {
        until("in tolerance", "True InTolerance".to_owned(), || cluster.synchronized(node)).await;
    }
    (cluster, operator)
}

async fn plan_size(cluster: &Cluster, node: &str) -> usize {
    cluster.spec(node).await["plan"]["associations"].as_array().map_or(0, Vec::len)
}

#[tokio::test]
async fn declared_objects_become_plans_and_reports_become_conditions() {
    let (cluster, _operator) = two_nodes_in_tolerance().await;
    // down
    let node_time = cluster.node_times().get("n1").await.unwrap();
    let node = cluster.nodes().get("n1").await.unwrap();
    let owner = &node_time.metadata.owner_references.as_ref().unwrap()[0];
    assert_eq!((owner.kind.as_str(), Some(&owner.uid)), ("Node", node.metadata.uid.as_ref()));
    assert_eq!(owner.block_owner_deletion, None, "OpenShift refuses it");
    assert!(
        node_time.data["spec"]["plan"]["chrony"]["sources"].as_str().unwrap().contains("server 10.1.0.1")
    );
    // up: all six, by one manager
    let kinds: Vec<String> = cluster.conditions("n1").await.into_iter().map(|(kind, _, _)| kind).collect();
    assert_eq!(kinds, SIX);
    let managers: Vec<_> =
        node.metadata.managed_fields.iter().flatten().filter_map(|entry| entry.manager.clone()).collect();
    assert!(managers.contains(&"meantime-operator-conditions".to_owned()), "{managers:?}");
    let status = || async { cluster.policies().get("all").await.unwrap().data["status"].clone() };
    until("applied", json!({"selected": 2, "planned": 2, "applied": 2, "compliant": 2}), || async {
        status().await["nodes"].clone()
    })
    .await;
    assert_eq!(cluster.condition(&cluster.policies(), "all", "Ready").await, "True Applied");
    assert_eq!(cluster.condition(&cluster.policies(), "all", "Compliant").await, "True InTolerance");
    assert_eq!(status().await["effective"]["maxOffset"], "50ms");
    until("reached", json!("reaching 2/2"), || async {
        cluster.sources().get("a").await.unwrap().data["status"]["summary"].clone()
    })
    .await;

    // one node breaches: its own conditions, one Event each, the policy is applied all the same
    cluster.report("n2", 2, ("False", "OffsetExceeded"), json!({"headroomNanoseconds": -11_000_000})).await;
    until("a breach", "False OffsetExceeded".to_owned(), || cluster.synchronized("n2")).await;
    assert_eq!(cluster.synchronized("n1").await, "True InTolerance");
    until("not compliant", "False OutOfTolerance".to_owned(), || async {
        cluster.condition(&cluster.policies(), "all", "Compliant").await
    })
    .await;
    assert_eq!(cluster.condition(&cluster.policies(), "all", "Ready").await, "True Applied");
    assert_eq!(
        status().await["worst"],
        json!({"node": "n2", "headroom": "-11ms", "headroomNanoseconds": -11_000_000})
    );
    let told = ["InTolerance", "OffsetExceeded", "OffsetExceeded"].map(str::to_owned).to_vec();
    until("two Events more", told, || async { sorted(cluster.events("Node", "n2").await) }).await;

    // everything has been said: nothing is written any more
    let before = cluster.settled(ACCOUNT).await;
    stays("quiet", 3, before, || async { cluster.writes_by(ACCOUNT) }).await;
}

#[tokio::test]
async fn a_lying_source_is_one_event_on_that_source_and_no_condition() {
    let (cluster, _operator) = two_nodes_in_tolerance().await;
    let lying = |rejected: bool| {
        let all: Vec<Value> = ["a", "b", "c", "d"]
            .iter()
            .map(|name| association(&json!(name), rejected && *name == "a"))
            .collect();
        json!({"associations": all})
    };
    for node in ["n1", "n2"] {
        cluster.report(node, 2, ("True", "InTolerance"), lying(true)).await;
    }
    let summary = || async { cluster.sources().get("a").await.unwrap().data["status"]["summary"].clone() };
    until("rejected by all", json!("rejecting 2/2"), summary).await;
    until("one Event", vec!["SourceDisagrees".to_owned()], || cluster.events("TimeSource", "a")).await;
    until("not healthy", "False SourceDisagrees".to_owned(), || async {
        cluster.condition(&cluster.sources(), "a", "Healthy").await
    })
    .await;
    assert_eq!(cluster.synchronized("n1").await, "True InTolerance");
    for node in ["n1", "n2"] {
        cluster.report(node, 3, ("True", "InTolerance"), lying(false)).await;
    }
    until("reached", json!("reaching 2/2"), summary).await;
    until("healthy again", "True Agreeing".to_owned(), || async {
        cluster.condition(&cluster.sources(), "a", "Healthy").await
    })
    .await;
    assert_eq!(
        cluster.events("TimeSource", "a").await,
        ["SourceDisagrees"],
        "its end is told when it has lasted"
    );
    assert_eq!(cluster.events("Node", "n1").await, ["InTolerance"]);
}

#[tokio::test]
async fn what_people_do_to_objects_is_put_right() {
    let (cluster, _operator) = two_nodes_in_tolerance().await;
    let plan = cluster.spec("n1").await;

    // edited by hand: changed, and added
    let edit = json!({"spec": {
        "plan": {"chrony": {"sources": "server 203.0.113.9\n"}, "tolerances": {"maxUpdateIntervals": 9}},
        "request": {"verb": "step", "id": "1"},
    }});
    let by_hand = PatchParams { field_manager: Some("kubectl-edit".into()), ..PatchParams::default() };
    cluster.node_times().patch("n1", &by_hand, &Patch::Merge(&edit)).await.unwrap();
    until("put right", plan.clone(), || cluster.spec("n1")).await;

    // a request by annotation gets through, a slip does not stop anything
    let annotate = |text: &str| json!({"metadata": {"annotations": {"meantime.dev/request": text}}});
    cluster.node_times().patch("n1", &by_hand, &Patch::Merge(annotate("acknowledge/2026-1"))).await.unwrap();
    until("copied", json!({"verb": "acknowledge", "id": "2026-1"}), || async {
        cluster.spec("n1").await["request"].clone()
    })
    .await;
    cluster.node_times().patch("n1", &by_hand, &Patch::Merge(annotate("Acknowledge please"))).await.unwrap();
    until("taken back", plan.clone(), || cluster.spec("n1")).await;

    // NodeTime deleted: created again; its agent reports again
    cluster.delete(&cluster.node_times(), "n1").await;
    until("created again", plan.clone(), || cluster.spec("n1")).await;
    assert_eq!(cluster.synchronized("n1").await, "True InTolerance", "conditions stay meanwhile");
    cluster.report("n1", 5, ("True", "InTolerance"), json!({})).await;

    // Node deleted and created again (no garbage collector here: the NodeTime stays): conditions and owner follow
    cluster.delete(&cluster.nodes(), "n1").await;
    cluster.node("n1").await;
    until("conditions again", "True InTolerance".to_owned(), || cluster.synchronized("n1")).await;
    let uid = cluster.nodes().get("n1").await.unwrap().metadata.uid;
    until("owned anew", uid.into_iter().collect::<Vec<_>>(), || async {
        let object = cluster.node_times().get("n1").await.unwrap();
        object.metadata.owner_references.into_iter().flatten().map(|owner| owner.uid).collect()
    })
    .await;

    // a condition of ours removed by hand comes back
    let drop_all = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}, "status": {}});
    let as_us = PatchParams::apply("meantime-operator-conditions").force();
    cluster.nodes().patch_status("n1", &as_us, &Patch::Apply(&drop_all)).await.unwrap();
    until("six again", 6, || async { cluster.conditions("n1").await.len() }).await;
}

#[tokio::test]
async fn a_silent_agent_makes_its_node_unknown_and_its_next_word_ends_that() {
    let cluster = Cluster::start().await;
    cluster.four_sources().await;
    cluster.node("n1").await;
    cluster.policy("all", json!({})).await;
    let limits =
        Limits { overdue: Nanos::from_secs(6), fresh: Nanos::from_secs(3), never_heard: Nanos::from_secs(4) };
    let _operator = Operator::with_limits(cluster.operator_client().await, "op-1", limits);
    until("a plan", 4, || plan_size(&cluster, "n1")).await;
    until("never heard", "Unknown AgentSilent".to_owned(), || cluster.synchronized("n1")).await;
    cluster.report("n1", 1, ("True", "InTolerance"), json!({})).await;
    until("heard", "True InTolerance".to_owned(), || cluster.synchronized("n1")).await;
    until("silent", "Unknown AgentSilent".to_owned(), || cluster.synchronized("n1")).await;
    until("not compliant", "Unknown NodesUnknown".to_owned(), || async {
        cluster.condition(&cluster.policies(), "all", "Compliant").await
    })
    .await;
    cluster.report("n1", 2, ("True", "InTolerance"), json!({})).await;
    until("heard again", "True InTolerance".to_owned(), || cluster.synchronized("n1")).await;
}

fn sorted(mut reasons: Vec<String>) -> Vec<String> {
    reasons.sort();
    reasons
}
