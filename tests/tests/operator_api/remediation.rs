//! What robots make of our conditions: the real Node Readiness Controller with the rules of `examples/remediation`, and
//! what we ship for other robots against their real schemas.
//!
//! **In:** `MEANTIME_REMEDIATION`, a folder with the command `node-readiness-controller` and the CRDs of NodeReadinessRule,
//! NodeHealthCheck and MachineHealthCheck as their projects publish them. Neither comes with Go modules that tests could build
//! from, so these two are `#[ignore]`d and in no layer; without the folder they fail:
//! `MEANTIME_REMEDIATION=FOLDER cargo test -p meantime-tests --test operator_api remediation -- --ignored --nocapture`.
//! That the examples name our conditions, and the right ones, is held in the operator's `conditions/robots.rs`, in every run.

use crate::harness::{Cluster, Operator, stays, until};
use kube::api::{Patch, PatchParams};
use meantime_core::conditions::Status;
use meantime_core::units::Nanos;
use meantime_operator::apply::write::{Outcome, Write, Writer};
use meantime_operator::clock;
use meantime_operator::conditions::{NodeCondition, Told};
use meantime_operator::election::gate::Gate;
use meantime_operator::metrics::Metrics;
use meantime_tests::apiserver::Process;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

const GATE: &str = "readiness.k8s.io/meantime-first-sync:NoSchedule";
const SOFT: &str = "readiness.k8s.io/meantime-faulty-clock:PreferNoSchedule";

fn folder() -> PathBuf {
    PathBuf::from(std::env::var_os("MEANTIME_REMEDIATION").expect(
        "MEANTIME_REMEDIATION: a folder with node-readiness-controller and the CRDs; see the top of this file",
    ))
}

fn example(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/remediation").join(name).display().to_string()
}

/// kubectl as admin; what it says, on success.
fn kubectl(cluster: &Cluster, arguments: &[&str]) -> String {
    let output = cluster.server.kubectl(arguments).unwrap();
    let words = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    assert!(output.status.success(), "kubectl {}: {}", arguments.join(" "), words(&output.stderr));
    words(&output.stdout)
}

/// The CRDs of the folder, served.
fn install_crds(cluster: &Cluster) {
    let mut found = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "yaml") {
            kubectl(cluster, &["apply", "--server-side", "-f", path.to_str().unwrap()]);
            found += 1;
        }
    }
    assert!(found >= 3, "{found} CRDs in {}", folder().display());
    kubectl(cluster, &["wait", "crd", "--all", "--for=condition=Established", "--timeout=30s"]);
}

/// Sends an example as a user does, refusing what the schema does not know.
fn ship(cluster: &Cluster, name: &str) -> String {
    kubectl(cluster, &["apply", "--server-side", "--validate=strict", "-f", &example(name)])
}

fn start_controller(cluster: &Cluster) -> Process {
    let arguments = [
        format!("--kubeconfig={}", cluster.server.kubeconfig().display()),
        "--health-probe-bind-address=0".to_owned(),
    ];
    let log = cluster.server.dir().join("node-readiness-controller.log");
    Process::spawn(&folder().join("node-readiness-controller"), &arguments, &log).unwrap()
}

async fn worker(cluster: &Cluster, name: &str) {
    let labels = json!({"kubernetes.io/os": "linux", "has": "time"});
    let body = json!({"metadata": {"name": name, "labels": labels}});
    cluster.apply("v1", "Node", "nodes", None, body).await;
    // admission's own, which a node controller would take away
    kubectl(cluster, &["taint", "node", name, "node.kubernetes.io/not-ready:NoSchedule-"]);
}

async fn taints(cluster: &Cluster, node: &str) -> Vec<String> {
    let node = cluster.nodes().get(node).await.unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    node.data["spec"]["taints"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|taint| format!("{}:{}", text(&taint["key"]), text(&taint["effect"])))
        .collect()
}

async fn faulty(cluster: &Cluster, node: &str) -> String {
    let all = cluster.conditions(node).await;
    let found = all.into_iter().find(|(kind, _, _)| kind == "meantime.dev/NodeClockFaulty");
    found.map(|(_, status, reason)| format!("{status} {reason}")).unwrap_or_default()
}

/// What a user sees; printed for docs/remediation.md.
fn show(cluster: &Cluster, title: &str) {
    let of = |kind: &str| format!(".status.conditions[?(@.type==\"meantime.dev/{kind}\")]");
    let (sync, faulty) = (of("TimeSynchronized"), of("NodeClockFaulty"));
    let columns = format!(
        "custom-columns=NODE:.metadata.name,SYNC:{sync}.status,FAULTY:{faulty}.status,WHY:{faulty}.reason,TAINTS:.spec.taints[*].key"
    );
    println!("== {title}\n{}", kubectl(cluster, &["get", "nodes", "-o", &columns]));
}

/// All six as our operator writes them, with its own writer, for a node whose clock is off.
async fn write_off(cluster: &Cluster, node: &str, faulty: (Status, &str)) {
    let gate = Gate::default();
    gate.open(clock::boot() + Nanos::from_secs(60));
    let client = cluster.operator_client().await;
    let writer = Writer::new(client, gate, Metrics::default(), Duration::from_secs(5));
    let uid = cluster.nodes().get(node).await.unwrap().metadata.uid.unwrap();
    let told = |kind: NodeCondition| {
        let (status, reason) = match kind.name() {
            "TimeSynchronized" => (Status::False, "OffsetExceeded"),
            "TimeOffsetHigh" => (Status::True, "OffsetExceeded"),
            "NodeClockFaulty" => faulty,
            _ => (kind.healthy(), "Enough"),
        };
        Told { status, reason: reason.to_owned(), message: "a test".to_owned() }
    };
    let conditions = NodeCondition::ALL.map(|kind| (kind, told(kind), clock::wall())).to_vec();
    let outcome = writer.send(&Write::Conditions { node: node.to_owned(), uid, conditions }).await;
    assert!(matches!(outcome, Outcome::Written(Some(_))));
}

#[tokio::test]
#[ignore = "needs MEANTIME_REMEDIATION, a folder with node-readiness-controller and CRDs"]
async fn the_gate_opens_once_and_unknown_is_a_taint() {
    let cluster = Cluster::start().await;
    install_crds(&cluster);
    for name in ["n1", "n2", "n3"] {
        worker(&cluster, name).await;
    }
    println!("{}", ship(&cluster, "readiness-gate.yaml"));
    println!("{}", ship(&cluster, "readiness-faulty-clock.yaml"));
    let _controller = start_controller(&cluster);
    let is = |taints: &[&str]| taints.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();

    // No condition: the gate is shut, the problem is not there.
    for node in ["n1", "n2", "n3"] {
        until("shut", is(&[GATE]), || taints(&cluster, node)).await;
    }
    show(&cluster, "no agent has said anything");

    // The real operator: Unknown is not yet.
    cluster.four_sources().await;
    cluster.policy("all", json!({})).await;
    let operator = Operator::start(cluster.operator_client().await, "op-1");
    until("a plan", true, || async { cluster.spec("n1").await["plan"]["hash"].is_string() }).await;
    cluster.report("n1", 1, ("Unknown", "Booting"), json!({})).await;
    until("booting", "Unknown Booting".to_owned(), || cluster.synchronized("n1")).await;
    until("Unknown is a taint", is(&[GATE, SOFT]), || taints(&cluster, "n1")).await;
    stays("Unknown opens no gate", 2, true, || async {
        taints(&cluster, "n1").await.contains(&GATE.to_owned())
    })
    .await;
    show(&cluster, "n1 boots");

    // In tolerance: it opens, and what is Unknown no more is no problem either.
    for node in ["n1", "n2", "n3"] {
        until("a plan", true, || async { cluster.spec(node).await["plan"]["hash"].is_string() }).await;
        cluster.report(node, 2, ("True", "InTolerance"), json!({})).await;
    }
    for node in ["n1", "n2", "n3"] {
        until("compared", "False ClockAgrees".to_owned(), || faulty(&cluster, node)).await;
        until("open", is(&[]), || taints(&cluster, node)).await;
    }
    show(&cluster, "all in tolerance");
    let annotations = cluster.nodes().get("n1").await.unwrap().metadata.annotations.unwrap_or_default();
    println!("n1: {annotations:?}");
    assert!(annotations.keys().any(|key| key.starts_with("readiness.k8s.io/bootstrap-completed-")));

    // A source fails for all: the gate is not looked at again; every node gets what Unknown means to the controller.
    // With NoSchedule, as somebody may write it, the whole fleet takes no pod any more.
    let hard = json!({
        "metadata": {"name": "as-somebody-may-write-it"},
        "spec": {
            "enforcementMode": "continuous",
            "conditions": [{"type": "meantime.dev/NodeClockFaulty", "requiredStatus": "False", "defaultStatus": "False"}],
            "taint": {"key": "readiness.k8s.io/hard", "effect": "NoSchedule"},
            "nodeSelector": {"matchLabels": {"has": "time"}},
        },
    });
    cluster
        .apply("readiness.node.x-k8s.io/v1alpha1", "NodeReadinessRule", "nodereadinessrules", None, hard)
        .await;
    for node in ["n1", "n2", "n3"] {
        cluster
            .report(node, 3, ("False", "OffsetExceeded"), json!({"headroomNanoseconds": -11_000_000}))
            .await;
    }
    for node in ["n1", "n2", "n3"] {
        until("not proven", "Unknown NotProven".to_owned(), || faulty(&cluster, node)).await;
        until("both", 2, || async {
            let all = taints(&cluster, node).await;
            assert!(!all.contains(&GATE.to_owned()), "{all:?}");
            all.len()
        })
        .await;
    }
    show(
        &cluster,
        "the source of all is off, and somebody wrote a rule with NoSchedule (readiness.k8s.io/hard)",
    );
    kubectl(&cluster, &["delete", "nodereadinessrule", "as-somebody-may-write-it", "--timeout=30s"]);
    until("a rule that goes takes its taints", is(&[SOFT]), || taints(&cluster, "n3")).await;

    // Proven, written by the operator's own writer.
    for node in ["n1", "n2", "n3"] {
        cluster.report(node, 4, ("True", "InTolerance"), json!({})).await;
    }
    for node in ["n1", "n2", "n3"] {
        until("all is well", is(&[]), || taints(&cluster, node)).await;
    }
    operator.end().await;
    write_off(&cluster, "n2", (Status::True, "NodeClockFaulty")).await;
    until("avoided", is(&[SOFT]), || taints(&cluster, "n2")).await;
    show(&cluster, "the clock of n2 is wrong");
    assert_eq!(taints(&cluster, "n1").await, is(&[]));
    write_off(&cluster, "n2", (Status::False, "ClockAgrees")).await;
    until("not avoided", is(&[]), || taints(&cluster, "n2")).await;

    // A heartbeat is no news.
    let rules =
        cluster.api("readiness.node.x-k8s.io/v1alpha1", "NodeReadinessRule", "nodereadinessrules", None);
    let version = || async {
        let rule = rules.get("meantime-faulty-clock").await.unwrap();
        rule.metadata.resource_version.unwrap()
    };
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = version().await;
    write_off(&cluster, "n2", (Status::False, "ClockAgrees")).await;
    stays("the controller writes nothing", 2, before, version).await;

    // A machine that is made anew is gated again; a dry run says what it would do; the rule's end opens all gates.
    cluster.delete(&cluster.nodes(), "n3").await;
    worker(&cluster, "n3").await;
    until("shut again", is(&[GATE]), || taints(&cluster, "n3")).await;
    let dry = PatchParams { field_manager: Some("a-user".into()), ..PatchParams::default() };
    let body = Patch::Merge(json!({"spec": {"dryRun": true}}));
    rules.patch("meantime-faulty-clock", &dry, &body).await.unwrap();
    let summary = || async {
        let rule = rules.get("meantime-faulty-clock").await.unwrap();
        rule.data["status"]["dryRunResults"]["summary"].as_str().unwrap_or_default().to_owned()
    };
    until("told", "1 nodes have missing conditions".to_owned(), summary).await;
    kubectl(&cluster, &["delete", "nodereadinessrule", "meantime-first-sync", "--timeout=30s"]);
    until("open", is(&[]), || taints(&cluster, "n3")).await;
    let columns = "custom-columns=REASON:.reason,NODE:.involvedObject.name,MESSAGE:.message";
    let of = "--field-selector=involvedObject.name=n2";
    println!("{}", kubectl(&cluster, &["get", "events", "-A", of, "-o", columns]));
}

#[tokio::test]
#[ignore = "needs MEANTIME_REMEDIATION, a folder with node-readiness-controller and CRDs"]
async fn what_is_shipped_is_what_the_schemas_take() {
    let cluster = Cluster::start().await;
    install_crds(&cluster);
    for name in [
        "readiness-gate.yaml",
        "readiness-faulty-clock.yaml",
        "node-health-check.yaml",
        "machine-health-check.yaml",
    ] {
        println!("{}", ship(&cluster, name));
    }
    // that strict means something
    let text = std::fs::read_to_string(example("node-health-check.yaml")).unwrap();
    let path = cluster.server.dir().join("mistyped.yaml");
    std::fs::write(&path, text.replace("maxUnhealthy", "maxUnhealty")).unwrap();
    let mistyped = ["apply", "--server-side", "--validate=strict", "-f", path.to_str().unwrap()];
    let output = cluster.server.kubectl(&mistyped).unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("maxUnhealty"), "{output:?}");
}
