//! One trouble, one object: opened, annotated by a person, gone on with by another operator, recovered, closed, and what
//! becomes of it when somebody deletes it in use.

use crate::harness::{ACCOUNT, Cluster, Operator, stays, until};
use kube::api::{ListParams, Patch, PatchParams};
use meantime_core::incident::Figures;
use meantime_core::units::Nanos;
use meantime_operator::silence::Limits;
use serde_json::{Value, json};

/// The machine's shape at a pace for tests.
fn quick() -> Figures {
    Figures {
        settle: Nanos::from_secs(2),
        recover: Nanos::from_secs(2),
        warm: Nanos::from_secs(4),
        observe: Nanos::from_secs(6),
        reopen: Nanos::from_secs(6),
        ..Figures::default()
    }
}

async fn operator(cluster: &Cluster, identity: &str) -> Operator {
    Operator::with(cluster.operator_client().await, identity, Limits::default(), quick())
}

async fn two_nodes(cluster: &Cluster) {
    cluster.four_sources().await;
    for node in ["n1", "n2"] {
        cluster.node(node).await;
    }
    cluster.policy("all", json!({})).await;
    for node in ["n1", "n2"] {
        until("a plan", true, || async { cluster.spec(node).await["plan"]["hash"].is_string() }).await;
        cluster.report(node, 1, ("True", "InTolerance"), json!({})).await;
    }
}

/// Name, state, word and subject of all incidents.
async fn log(cluster: &Cluster) -> Vec<(String, String, String)> {
    let all = cluster.incidents().list(&ListParams::default()).await.unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    all.items
        .iter()
        .map(|one| &one.data["status"])
        .map(|status| (text(&status["state"]), text(&status["finding"]), text(&status["about"])))
        .collect()
}

fn one(state: &str) -> Vec<(String, String, String)> {
    vec![(state.to_owned(), "OffsetExceeded".to_owned(), "Node/n2".to_owned())]
}

async fn name(cluster: &Cluster) -> String {
    let all = cluster.incidents().list(&ListParams::default()).await.unwrap();
    assert_eq!(all.items.len(), 1);
    all.items[0].metadata.name.clone().unwrap()
}

async fn reasons(cluster: &Cluster, name: &str) -> Vec<String> {
    let mut reasons = cluster.events("TimeIncident", name).await;
    reasons.sort();
    reasons
}

fn breach() -> Value {
    json!({"offsetNanoseconds": 91_000_000, "errorBoundNanoseconds": 410_000, "headroomNanoseconds": -41_000_000})
}

#[tokio::test]
async fn a_breach_is_one_incident_over_two_operators_and_a_persons_note_survives() {
    let cluster = Cluster::start().await;
    let first = operator(&cluster, "op-1").await;
    two_nodes(&cluster).await;
    cluster.report("n2", 2, ("False", "OffsetExceeded"), breach()).await;
    until("opened", one("Open"), || log(&cluster)).await;
    let name = name(&cluster).await;
    let object = cluster.incidents().get(&name).await.unwrap();
    let status = &object.data["status"];
    assert_eq!(status["summary"], "Node/n2 OffsetExceeded: +91ms ± 410µs (limit 50ms)");
    assert_eq!(status["scope"]["summary"], "1/2");
    assert_eq!(status["severity"], "P3", "one node is wrong: {status}");
    let label = |key: &str| object.metadata.labels.as_ref().and_then(|labels| labels.get(key)).cloned();
    assert_eq!(label("meantime.dev/finding").as_deref(), Some("OffsetExceeded"));
    assert_eq!(label("meantime.dev/severity").as_deref(), Some("P3"));
    until("told", vec!["IncidentOpened".to_owned()], || reasons(&cluster, &name)).await;

    // a person takes it and writes down what is known
    let by_hand = PatchParams { field_manager: Some("kubectl-edit".into()), ..PatchParams::default() };
    let note = json!({"spec": {"notes": "fan of rack 4 died", "acknowledged": {"by": "jo"}}});
    cluster.incidents().patch(&name, &by_hand, &Patch::Merge(&note)).await.unwrap();
    let told = || async {
        let status = cluster.incidents().get(&name).await.unwrap().data["status"].clone();
        let entries = status["timeline"].as_array().cloned().unwrap_or_default();
        let what: Vec<String> = entries.iter().map(|one| one["what"].as_str().unwrap().to_owned()).collect();
        what.join(" ")
    };
    until("taken", "Detected Acknowledged FirstAction".to_owned(), told).await;

    // another operator: the same incident, nothing said or written again
    let writes = || async { cluster.writes_by(ACCOUNT) };
    let before = cluster.settled(ACCOUNT).await;
    first.end().await;
    let second = operator(&cluster, "op-2").await;
    until("led again", "op-2".to_owned(), || async {
        let lease = cluster.leases().get("meantime-operator").await.unwrap();
        lease.data["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
    })
    .await;
    stays("the same incident, and quiet", 8, one("Open"), || log(&cluster)).await;
    assert_eq!(writes().await, before);
    assert_eq!(reasons(&cluster, &name).await, ["IncidentOpened"]);

    // silence is no recovery
    cluster.report("n2", 3, ("Unknown", "ClockDisrupted"), json!({})).await;
    stays("not known is not over", 4, one("Open"), || log(&cluster)).await;
    cluster.report("n2", 4, ("True", "InTolerance"), json!({})).await;
    until("over", one("Recovered"), || log(&cluster)).await;
    let status = cluster.incidents().get(&name).await.unwrap().data["status"].clone();
    assert!(
        status["timeToRecover"].as_str().unwrap().starts_with(">="),
        "another operator went on: {status}"
    );

    // it comes back while it is watched: the same one
    cluster.report("n2", 5, ("False", "OffsetExceeded"), breach()).await;
    until("back", one("Open"), || log(&cluster)).await;
    cluster.report("n2", 6, ("True", "InTolerance"), json!({})).await;
    until("over again", one("Recovered"), || log(&cluster)).await;
    until("the all-clear", one("Closed"), || log(&cluster)).await;
    let object = cluster.incidents().get(&name).await.unwrap();
    assert_eq!(object.data["spec"], note["spec"], "people's part is as people left it");
    assert_eq!(object.data["status"]["relapses"], 1);
    let all =
        ["IncidentClosed", "IncidentOpened", "IncidentRecovered", "IncidentRecovered", "IncidentReopened"];
    until("each told once", all.map(str::to_owned).to_vec(), || reasons(&cluster, &name)).await;
    let before = cluster.settled(ACCOUNT).await;
    stays("quiet", 3, before, writes).await;
    cluster.report("n1", 2, ("False", "ErrorBoundExceeded"), breach()).await;
    until("another node's trouble is another incident", 2, || async { log(&cluster).await.len() }).await;
    until("both told", true, || async { log(&cluster).await.iter().all(|one| !one.0.is_empty()) }).await;
    print_log(&cluster);
    assert!(second.is_running());
}

/// The leader dies the moment the object is there, before or after it has told anything: the other one, which has watched
/// all along, goes on with the same object and says nothing twice.
#[tokio::test]
async fn a_leader_that_dies_in_the_middle_of_an_incident_is_followed_by_one_that_goes_on_with_it() {
    let cluster = Cluster::start().await;
    let first = operator(&cluster, "op-1").await;
    let holder = || async {
        let lease = cluster.leases().get_opt("meantime-operator").await.unwrap();
        lease.map(|lease| lease.data["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned())
    };
    until("op-1 leads", Some("op-1".to_owned()), holder).await;
    let second = operator(&cluster, "op-2").await;
    two_nodes(&cluster).await;
    cluster.report("n2", 2, ("False", "OffsetExceeded"), breach()).await;
    let objects = async || {
        let all = cluster.incidents().list(&ListParams::default()).await.unwrap();
        all.items.into_iter().filter_map(|one| one.metadata.uid).collect::<Vec<_>>()
    };
    while objects().await.is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    drop(first);
    let (made, told_when_killed) = (objects().await, log(&cluster).await);
    println!("killed when it told {told_when_killed:?}");
    until("op-2 leads", Some("op-2".to_owned()), holder).await;
    until("one, and it tells", one("Open"), || log(&cluster)).await;
    let name = name(&cluster).await;
    until("told", vec!["IncidentOpened".to_owned()], || reasons(&cluster, &name)).await;
    // The second one dies too, in the quiet of the same trouble.
    let before = cluster.settled(ACCOUNT).await;
    drop(second);
    let third = operator(&cluster, "op-3").await;
    until("op-3 leads", Some("op-3".to_owned()), holder).await;
    stays("the same incident, and quiet", 5, one("Open"), || log(&cluster)).await;
    assert_eq!(cluster.writes_by(ACCOUNT), before, "a new leader has nothing to write");
    cluster.report("n2", 3, ("True", "InTolerance"), json!({})).await;
    until("over", one("Recovered"), || log(&cluster)).await;
    until("the all-clear", one("Closed"), || log(&cluster)).await;
    assert_eq!(objects().await, made, "one object from the first to the last of three leaders");
    let all = ["IncidentClosed", "IncidentOpened", "IncidentRecovered"];
    until("each told once", all.map(str::to_owned).to_vec(), || reasons(&cluster, &name)).await;
    let status = cluster.incidents().get(&name).await.unwrap().data["status"].clone();
    let what: Vec<&str> =
        status["timeline"].as_array().unwrap().iter().filter_map(|one| one["what"].as_str()).collect();
    assert_eq!(what, ["Detected", "Recovered", "Closed"], "the timeline goes on: {status}");
    assert_eq!(status["relapses"], Value::Null, "{status}");
    assert!(third.is_running());
}

#[tokio::test]
async fn one_deleted_in_use_is_made_again_only_while_its_cause_stands() {
    let cluster = Cluster::start().await;
    let _operator = operator(&cluster, "op-1").await;
    two_nodes(&cluster).await;
    cluster.report("n2", 2, ("False", "OffsetExceeded"), breach()).await;
    until("opened", one("Open"), || log(&cluster)).await;
    let uid = async || {
        let all = cluster.incidents().list(&ListParams::default()).await.unwrap();
        all.items.first().and_then(|one| one.metadata.uid.clone())
    };
    let first = uid().await;
    cluster.delete(&cluster.incidents(), &name(&cluster).await).await;
    until("another one", one("Open"), || log(&cluster)).await;
    assert_ne!(uid().await, first);
    cluster.report("n2", 3, ("True", "InTolerance"), json!({})).await;
    until("over", one("Recovered"), || log(&cluster)).await;
    cluster.delete(&cluster.incidents(), &name(&cluster).await).await;
    stays("gone for good", 8, Vec::new(), || log(&cluster)).await;
}

/// One made by hand, and one of another version, are nobody's record and are left alone.
#[tokio::test]
async fn what_people_make_is_theirs() {
    let cluster = Cluster::start().await;
    let _operator = operator(&cluster, "op-1").await;
    two_nodes(&cluster).await;
    let by_hand = json!({"metadata": {"name": "roof-work"}, "spec": {"notes": "antenna is off on Sunday"}});
    cluster.apply("meantime.dev/v1alpha1", "TimeIncident", "timeincidents", None, by_hand.clone()).await;
    cluster.report("n2", 2, ("False", "OffsetExceeded"), breach()).await;
    until("opened beside it", 2, || async { log(&cluster).await.len() }).await;
    stays("left alone", 6, by_hand["spec"].clone(), || async {
        cluster.incidents().get("roof-work").await.unwrap().data["spec"].clone()
    })
    .await;
}

/// What a person sees; docs/incidents.md shows it.
fn print_log(cluster: &Cluster) {
    for arguments in [&["get", "tinc"][..], &["get", "tinc", "-o", "yaml"][..]] {
        let output = cluster.server.kubectl(arguments).unwrap();
        println!("$ kubectl {}\n{}", arguments.join(" "), String::from_utf8_lossy(&output.stdout));
    }
}
