//! Bad input: nothing is lost, nothing else is disturbed, and somebody is told.

use crate::harness::{ACCOUNT, Cluster, Operator, stays, until};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

#[tokio::test]
async fn a_policy_whose_sources_are_all_gone_keeps_the_plans_and_says_so() {
    let cluster = Cluster::start().await;
    cluster.four_sources().await;
    cluster.node("n1").await;
    cluster.policy("all", json!({})).await;
    let _operator = Operator::start(cluster.operator_client().await, "op-1");
    until("a plan", 4, || async { size(&cluster.spec("n1").await) }).await;
    let plan = cluster.spec("n1").await;
    for name in ["a", "b", "c", "d"] {
        cluster.delete(&cluster.sources(), name).await;
    }
    let stalled = || async { cluster.condition(&cluster.policies(), "all", "Stalled").await };
    until("stalled", "True WouldStarve".to_owned(), stalled).await;
    stays("the plan stays", 3, plan, || cluster.spec("n1")).await;
    // and goes on when there are sources again
    cluster.source("e", "10.1.0.9").await;
    until("planned anew", 1, || async { size(&cluster.spec("n1").await) }).await;
    until("not stalled", "False Valid".to_owned(), stalled).await;
}

/// Objects that break their own schema get into a cluster when a CRD was looser once.
#[tokio::test]
async fn an_undecodable_object_is_set_aside_and_told_of_and_disturbs_nothing() {
    let cluster = Cluster::start().await;
    cluster.four_sources().await;
    cluster.node("n1").await;
    cluster.node("n2").await;
    loosen(&cluster, "timesources.meantime.dev").await;
    loosen(&cluster, "timesyncpolicies.meantime.dev").await;
    loosen(&cluster, "nodetimes.meantime.dev").await;
    // a word of a later version, and one that no schema would ever take
    let server = json!({"address": "10.9.9.9"});
    let junk =
        json!({"metadata": {"name": "junk"}, "spec": {"tier": 1, "use": "Sometimes", "server": server}});
    cluster.apply("meantime.dev/v1alpha1", "TimeSource", "timesources", None, junk).await;
    let worse = json!({"metadata": {"name": "worse"}, "spec": {"tier": ["one"], "server": 5}});
    cluster.apply("meantime.dev/v1alpha1", "TimeSource", "timesources", None, worse).await;
    let junk =
        json!({"metadata": {"name": "junk"}, "spec": {"sources": {"selector": {}}, "mode": "Sometimes"}});
    cluster.apply("meantime.dev/v1alpha1", "TimeSyncPolicy", "timesyncpolicies", None, junk).await;
    let junk = json!({"metadata": {"name": "n2"}, "spec": {"desired": "Perhaps"}});
    cluster.apply("meantime.dev/v1alpha1", "NodeTime", "nodetimes", None, junk.clone()).await;
    cluster.server.install_crds().await.unwrap();
    cluster.policy("all", json!({})).await;

    let _operator = Operator::start(cluster.operator_client().await, "op-1");
    until("the others are planned", 4, || async { size(&cluster.spec("n1").await) }).await;
    for kind in ["TimeSource", "TimeSyncPolicy"] {
        until(kind, vec!["Undecodable".to_owned()], || cluster.events(kind, "junk")).await;
    }
    until("worse", vec!["Undecodable".to_owned()], || cluster.events("TimeSource", "worse")).await;
    until("NodeTime", vec!["Undecodable".to_owned()], || cluster.events("NodeTime", "n2")).await;
    until("told on itself", "True Undecodable".to_owned(), || async {
        cluster.condition(&cluster.sources(), "junk", "Stalled").await
    })
    .await;
    until("told on itself", "True Undecodable".to_owned(), || async {
        cluster.condition(&cluster.policies(), "junk", "Stalled").await
    })
    .await;
    assert_eq!(cluster.spec("n2").await, junk["spec"], "what can't be read is not touched");
    cluster.report("n1", 1, ("True", "InTolerance"), json!({})).await;
    until("the other node is told of", "True InTolerance".to_owned(), || cluster.synchronized("n1")).await;
    // Its NodeTime can't be read any more: what it said does not go on standing as if it were of now.
    loosen(&cluster, "nodetimes.meantime.dev").await;
    let desired = async |word: &str| {
        let patch = json!({"spec": {"desired": word}});
        cluster.node_times().patch("n1", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    };
    desired("Perhaps").await;
    until("not known", "Unknown Undecodable".to_owned(), || cluster.synchronized("n1")).await;
    desired("Active").await;
    until("known again", "True InTolerance".to_owned(), || cluster.synchronized("n1")).await;
    cluster.server.install_crds().await.unwrap();
    let before = cluster.settled(ACCOUNT).await;
    stays("no write is repeated", 3, before, || async { cluster.writes_by(ACCOUNT) }).await;
}

#[tokio::test]
async fn a_malformed_request_is_told_of_once_and_a_mended_one_is_passed_on() {
    let cluster = Cluster::start().await;
    cluster.four_sources().await;
    cluster.node("n1").await;
    cluster.policy("all", json!({})).await;
    let operator = Operator::start(cluster.operator_client().await, "op-1");
    until("a plan", 4, || async { size(&cluster.spec("n1").await) }).await;
    let annotate = async |value: &str| {
        let patch = json!({"metadata": {"annotations": {"meantime.dev/request": value}}});
        cluster.node_times().patch("n1", &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    };
    let events = || cluster.events("NodeTime", "n1");
    let once = vec!["RequestInvalid".to_owned()];
    annotate("Acknowledge!").await;
    until("told", once.clone(), events).await;
    assert_eq!(cluster.spec("n1").await["request"], Value::Null);
    // Neither a later pass nor another operator says it again.
    operator.end().await;
    let _second = Operator::start(cluster.operator_client().await, "op-2");
    cluster.report("n1", 1, ("True", "InTolerance"), json!({})).await;
    until("the second leads", "True InTolerance".to_owned(), || cluster.synchronized("n1")).await;
    stays("it is not told again", 2, once.clone(), events).await;
    annotate("acknowledge/1").await;
    until("passed on", json!({"verb": "acknowledge", "id": "1"}), || async {
        cluster.spec("n1").await["request"].clone()
    })
    .await;
    assert_eq!(events().await, once);
}

/// An operator that may not see one kind has no whole picture: it writes nothing, and leaves the Lease to others.
#[tokio::test]
async fn nothing_is_written_from_stores_that_have_not_synced() {
    let cluster = Cluster::start().await;
    cluster.four_sources().await;
    cluster.node("n1").await;
    cluster.policy("all", json!({})).await;
    let operator = Operator::start(cluster.operator_client().await, "op-1");
    until("a plan", 4, || async { size(&cluster.spec("n1").await) }).await;
    operator.end().await;

    // may do all that the operator may, but can't see policies: to it, no node has one
    let roles = cluster.api("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", None);
    let mut role = roles.get("meantime-operator").await.unwrap();
    for rule in role.data["rules"].as_array_mut().unwrap() {
        if let Some(resources) = rule["resources"].as_array_mut() {
            resources.retain(|resource| resource != "timesyncpolicies");
        }
    }
    let blinder = json!({"rules": role.data["rules"]});
    roles.patch("meantime-operator", &PatchParams::default(), &Patch::Merge(&blinder)).await.unwrap();
    cluster.node("n2").await;
    let before = cluster.writes_by(ACCOUNT);
    let blind = Operator::start(cluster.operator_client().await, "op-2");
    stays("nothing is written", 5, before, || async { cluster.writes_by(ACCOUNT) }).await;
    assert!(blind.is_running());
    let lease = cluster.leases().get("meantime-operator").await.unwrap();
    assert_eq!(
        lease.data["spec"]["holderIdentity"].as_str().unwrap_or_default(),
        "",
        "left to one that can see"
    );
}

async fn loosen(cluster: &Cluster, name: &str) {
    let definitions =
        cluster.api("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions", None);
    let definition = definitions.get(name).await.unwrap();
    let mut version = definition.data["spec"]["versions"][0].clone();
    version["schema"] =
        json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    for refers_to_fields in ["additionalPrinterColumns", "selectableFields"] {
        version.as_object_mut().unwrap().remove(refers_to_fields);
    }
    let patch = json!({"spec": {"versions": [version]}});
    definitions.patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    // the server serves the looser schema a moment later
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
}

fn size(spec: &Value) -> usize {
    spec["plan"]["associations"].as_array().map_or(0, Vec::len)
}
