//! One operator writes at a time, and what one leaves unfinished the next one finishes.

use crate::harness::{Cluster, Operator, stays, until};
use kube::api::ListParams;
use serde_json::{Value, json};
use std::time::Duration;

const NODES: usize = 150;

async fn planned(cluster: &Cluster) -> usize {
    let all = cluster.node_times().list(&ListParams::default()).await.unwrap();
    all.items.iter().filter(|object| object.data["spec"]["plan"]["hash"].is_string()).count()
}

async fn holder(cluster: &Cluster) -> String {
    let lease = cluster.leases().get_opt("meantime-operator").await.unwrap();
    lease
        .and_then(|lease| lease.data["spec"]["holderIdentity"].as_str().map(str::to_owned))
        .unwrap_or_default()
}

#[tokio::test]
async fn a_leader_killed_in_the_middle_of_its_writes_is_followed_by_one_that_finishes() {
    let cluster = Cluster::start().await;
    cluster.four_sources().await;
    for number in 0..NODES {
        cluster.node(&format!("n{number:03}")).await;
    }
    let client = |name: &'static str| cluster.server.user(name, &["system:masters"]);
    let first = Operator::start(client("replica-a").await.unwrap(), "a");
    until("a leads", "a".to_owned(), || holder(&cluster)).await;
    let _second = Operator::start(client("replica-b").await.unwrap(), "b");
    cluster.policy("all", json!({})).await;
    // in the middle of the first round of writes
    while planned(&cluster).await == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(first);
    let when_killed = planned(&cluster).await;
    until("b leads", "b".to_owned(), || holder(&cluster)).await;
    until("all planned", NODES, || planned(&cluster)).await;
    println!("killed with {when_killed} of {NODES} NodeTimes written");

    let writes = cluster.writes();
    let specs = |user: &str| {
        writes
            .iter()
            .filter(|(by, _, what, _)| by == user && what == "nodetimes")
            .map(|write| write.3.clone())
            .collect::<Vec<_>>()
    };
    let (by_a, by_b) = (specs("replica-a"), specs("replica-b"));
    assert!(!by_a.is_empty(), "a wrote some");
    // each NodeTime by one of them, none twice (but what was in flight when a died may be written by both)
    let both = by_b.iter().filter(|name| by_a.contains(name)).count();
    assert!(both <= 16, "{both} NodeTimes were written by both");
    assert_eq!(by_b.iter().collect::<std::collections::BTreeSet<_>>().len(), by_b.len(), "b wrote one twice");
    // all of a's writes come before all of b's
    let order: Vec<&str> =
        writes.iter().map(|(by, ..)| by.as_str()).filter(|by| by.starts_with("replica")).collect();
    let last_a = order.iter().rposition(|by| *by == "replica-a").unwrap();
    let first_b = order.iter().position(|by| *by == "replica-b").unwrap();
    assert!(last_a < first_b, "both wrote at the same time");
    let plan = |object: &kube::api::DynamicObject| object.data["spec"]["plan"]["hash"].clone();
    let all = cluster.node_times().list(&ListParams::default()).await.unwrap();
    let hashes: std::collections::BTreeSet<String> =
        all.items.iter().map(|object| plan(object).to_string()).collect();
    assert_eq!(hashes.len(), 1, "one policy, one zone, one plan");
}

#[tokio::test]
async fn of_two_replicas_one_writes_and_a_graceful_end_hands_over_at_once() {
    let cluster = Cluster::start().await;
    cluster.four_sources().await;
    cluster.node("n1").await;
    cluster.policy("all", json!({})).await;
    let client = |name: &'static str| cluster.server.user(name, &["system:masters"]);
    let a = Operator::start(client("replica-a").await.unwrap(), "a");
    until("a leads", "a".to_owned(), || holder(&cluster)).await;
    let b = Operator::start(client("replica-b").await.unwrap(), "b");
    until("a plan", true, || async { cluster.spec("n1").await["plan"]["hash"].is_string() }).await;
    cluster.report("n1", 1, ("True", "InTolerance"), json!({})).await;
    until("told", "True InTolerance".to_owned(), || cluster.synchronized("n1")).await;
    stays("only a writes", 3, Vec::new(), || async { cluster.writes_by("replica-b") }).await;
    let told = cluster.events("Node", "n1").await;
    a.end().await;
    until("b leads", "b".to_owned(), || holder(&cluster)).await;
    // nothing has changed: the new leader has nothing to write and nothing to tell
    stays("nothing to say", 3, Vec::new(), || async { cluster.writes_by("replica-b") }).await;
    assert_eq!(cluster.events("Node", "n1").await, told);
    cluster.report("n1", 2, ("False", "OffsetExceeded"), json!({})).await;
    until("told by b", "False OffsetExceeded".to_owned(), || cluster.synchronized("n1")).await;
    assert!(b.is_running());
}

/// The API server away: no condition changes afterwards, no plan is written, nobody is called silent.
/// 20 s here; MEANTIME_OUTAGE_SECONDS=300 in `make test-long`.
#[tokio::test]
async fn an_outage_of_the_api_server_leaves_no_trace() {
    let seconds =
        std::env::var("MEANTIME_OUTAGE_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    let mut cluster = Cluster::start().await;
    cluster.four_sources().await;
    cluster.node("n1").await;
    cluster.policy("all", json!({})).await;
    let client = cluster.server.user("replica-a", &["system:masters"]).await.unwrap();
    // shorter than the outage: an operator that counted it would say AgentSilent
    let limits = meantime_operator::silence::Limits {
        overdue: meantime_core::units::Nanos::from_secs(15),
        fresh: meantime_core::units::Nanos::from_secs(12),
        ..Default::default()
    };
    let operator = Operator::with_limits(client, "a", limits);
    until("a plan", true, || async { cluster.spec("n1").await["plan"]["hash"].is_string() }).await;
    cluster.report("n1", 1, ("True", "InTolerance"), json!({})).await;
    until("told", "True InTolerance".to_owned(), || cluster.synchronized("n1")).await;
    until("Ready", "True Applied".to_owned(), || async {
        cluster.condition(&cluster.policies(), "all", "Ready").await
    })
    .await;
    until("reached", json!("reaching 1/1"), || async {
        cluster.sources().get("d").await.unwrap().data["status"]["summary"].clone()
    })
    .await;
    until("the peers' keys", true, || async {
        cluster.writes_by("replica-a").iter().any(|(verb, what, _)| verb == "create" && what == "secrets")
    })
    .await;
    let spec = cluster.spec("n1").await;
    let generation = cluster.node_times().get("n1").await.unwrap().metadata.generation;
    cluster.server.stop_server().await;
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    cluster.server.start_server().await.unwrap();
    let before = cluster.writes_by("replica-a");
    until("leads again", "a".to_owned(), || holder(&cluster)).await;
    stays("nothing is written", 8, before, || async { cluster.writes_by("replica-a") }).await;
    assert_eq!(cluster.synchronized("n1").await, "True InTolerance");
    assert_eq!(cluster.spec("n1").await, spec);
    assert_eq!(cluster.node_times().get("n1").await.unwrap().metadata.generation, generation);
    assert!(operator.is_running());
    // and it works on
    cluster.report("n1", 2, ("False", "OffsetExceeded"), Value::Null).await;
    until("told", "False OffsetExceeded".to_owned(), || cluster.synchronized("n1")).await;
}
