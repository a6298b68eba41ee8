//! Undo is explicit and whole: a node that leaves its policy, and a whole cluster that is left.

use crate::harness::{ACCOUNT, Cluster, NAMESPACE, Operator, TIMING, stays, until};
use kube::api::ListParams;
use meantime_core::units::Nanos;
use meantime_operator::retire::{Config, Report, retire};
use serde_json::json;

async fn one_node(name: &str) -> (Cluster, Operator) {
    let cluster = Cluster::start().await;
    cluster.four_sources().await;
    cluster.node(name).await;
    cluster.policy("all", json!({"matchLabels": {"has": "time"}})).await;
    let operator = Operator::start(cluster.operator_client().await, "op-1");
    report(&cluster, name).await;
    (cluster, operator)
}

async fn report(cluster: &Cluster, name: &str) {
    until("a plan", true, || async { cluster.spec(name).await["plan"]["hash"].is_string() }).await;
    cluster.report(name, 1, ("True", "InTolerance"), json!({})).await;
    until("told", "True InTolerance".to_owned(), || cluster.synchronized(name)).await;
}

#[tokio::test]
async fn a_node_that_leaves_its_policy_is_restored_before_it_is_forgotten() {
    let (cluster, _operator) = one_node("n1").await;
    cluster.policy("all", json!({"matchLabels": {"has": "something-else"}})).await;
    until("asked", json!("Retired"), || async { cluster.spec("n1").await["desired"].clone() }).await;
    stays("and waited for", 2, 6, || async { cluster.conditions("n1").await.len() }).await;
    let restored = json!({"retired": {"restored": true, "message": "nothing had been changed"}});
    cluster.report("n1", 2, ("True", "InTolerance"), restored).await;
    until("forgotten", json!(null), || cluster.spec("n1")).await;
    until("no condition", 0, || async { cluster.conditions("n1").await.len() }).await;
    until("told", true, || async { cluster.events("Node", "n1").await.contains(&"TimeRetired".to_owned()) })
        .await;
    // and it may come back (a selector by server-side apply goes from labels to all)
    cluster.policy("all", json!({})).await;
    until("asked again", json!("Active"), || async { cluster.spec("n1").await["desired"].clone() }).await;
}

#[tokio::test]
async fn retire_leaves_no_trace_though_operators_run_and_an_agent_is_lost() {
    let (cluster, operator) = one_node("n1").await;
    cluster.node("lost").await;
    report(&cluster, "lost").await;
    let deployment = json!({
        "metadata": {"name": "meantime-operator"},
        "spec": {
            "selector": {"matchLabels": {"app": "m"}},
            "template": {"metadata": {"labels": {"app": "m"}}, "spec": {"containers": [{"name": "c", "image": "none"}]}},
        },
    });
    cluster.apply("apps/v1", "Deployment", "deployments", Some(NAMESPACE), deployment).await;

    let mut config = Config::new(NAMESPACE.into(), "retire-1".into(), "meantime-operator".into(), true);
    config.timing = TIMING;
    config.patience = Nanos::from_secs(5);
    let retiring = tokio::spawn(retire(cluster.operator_client().await, config));
    until("asked", json!("Retired"), || async { cluster.spec("n1").await["desired"].clone() }).await;
    let restored = json!({"retired": {"restored": true, "message": "chronyd stopped"}});
    cluster.report("n1", 2, ("True", "InTolerance"), restored).await;
    let report = retiring.await.unwrap().unwrap();
    let lost = ("lost".to_owned(), "its agent was silent for two minutes".to_owned());
    assert_eq!(report, Report { restored: vec!["n1".into()], not_restored: vec![lost], asked: vec![] });
    assert!(cluster.events("Node", "lost").await.contains(&"TimeNotRestored".to_owned()));
    assert!(cluster.events("Node", "n1").await.contains(&"TimeRetired".to_owned()));

    // nothing is left, and nothing comes back though the operator still runs
    let traces = || async {
        let node_times = cluster.node_times().list(&ListParams::default()).await.unwrap().items.len();
        let lease = cluster.leases().get_opt("meantime-operator").await.unwrap().is_some();
        (node_times, cluster.conditions("n1").await.len(), cluster.conditions("lost").await.len(), lease)
    };
    stays("no trace", 8, (0, 0, 0, false), traces).await;
    assert!(operator.is_running());

    // the mark goes with the Deployment, whose garbage collection is the cluster's
    let marks = cluster.api("v1", "ConfigMap", "configmaps", Some(NAMESPACE));
    let mark = marks.get("meantime-retired").await.unwrap();
    let owner = &mark.metadata.owner_references.as_ref().unwrap()[0];
    assert_eq!((owner.kind.as_str(), owner.name.as_str()), ("Deployment", "meantime-operator"));
    // a person who removes it by hand gets everything back
    cluster.delete(&marks, "meantime-retired").await;
    until("planned again", true, || async { cluster.spec("n1").await["plan"]["hash"].is_string() }).await;
    assert!(!cluster.writes_by(ACCOUNT).is_empty());
}

/// The second pod of the chart's Job must not find a clean cluster and call that success.
#[tokio::test]
async fn a_strict_retire_keeps_what_it_could_not_restore_and_goes_on_from_there() {
    let (cluster, _operator) = one_node("n1").await;
    cluster.node("lost").await;
    report(&cluster, "lost").await;
    let mut config = Config::new(NAMESPACE.into(), "retire-1".into(), "meantime-operator".into(), true);
    (config.timing, config.patience, config.strict) = (TIMING, Nanos::from_secs(5), true);
    let first = tokio::spawn(retire(cluster.operator_client().await, config.clone()));
    until("asked", json!("Retired"), || async { cluster.spec("n1").await["desired"].clone() }).await;
    let restored = json!({"retired": {"restored": true, "message": "chronyd stopped"}});
    cluster.report("n1", 2, ("True", "InTolerance"), restored.clone()).await;
    let lost = ("lost".to_owned(), "its agent was silent for two minutes".to_owned());
    let wanted = Report { restored: vec!["n1".into()], not_restored: vec![lost.clone()], asked: vec![] };
    assert_eq!(first.await.unwrap().unwrap(), wanted);
    let again = retire(cluster.operator_client().await, config.clone()).await.unwrap();
    assert_eq!(again, Report { not_restored: vec![lost], ..Report::default() }, "as often as it is tried");
    assert_eq!(cluster.spec("lost").await["desired"], "Retired");
    assert_eq!(cluster.conditions("lost").await.len(), 6);
    assert_eq!(cluster.synchronized("lost").await, "Unknown NotRestored", "nobody ages what stands there");
    assert!(cluster.events("Node", "lost").await.contains(&"TimeNotRestored".to_owned()));
    cluster.report("lost", 2, ("True", "InTolerance"), restored).await;
    let last = retire(cluster.operator_client().await, config).await.unwrap();
    assert_eq!(last, Report { restored: vec!["lost".into()], ..Report::default() });
    assert_eq!(cluster.conditions("lost").await.len(), 0);
}
