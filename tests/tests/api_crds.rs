//! The CRDs on a real API server: what it takes and refuses, with which words; columns, explain, sizes.
//! Layer "api": etcd and kube-apiserver alone (`meantime_tests::apiserver`).

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at what it did not expect")]

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DynamicObject, Patch, PatchParams, ValidationDirective};
use kube::{Client, ResourceExt};
use meantime_crds::NodeTime;
use meantime_tests::{apiserver, size};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All objects of a YAML file of the repository.
fn objects(file: &str) -> Vec<Value> {
    let text = fs::read_to_string(top().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    let documents = serde_yaml::Deserializer::from_str(&text);
    documents.map(|document| serde::Deserialize::deserialize(document).unwrap()).collect()
}

const KINDS: [(&str, &str); 4] = [
    ("TimeSource", "timesources"),
    ("TimeSyncPolicy", "timesyncpolicies"),
    ("NodeTime", "nodetimes"),
    ("TimeIncident", "timeincidents"),
];

fn api(client: &Client, kind: &str) -> Api<DynamicObject> {
    let plural =
        KINDS.iter().find(|(known, _)| *known == kind).unwrap_or_else(|| panic!("unknown kind {kind}")).1;
    let gvk = kube::core::GroupVersionKind::gvk("meantime.dev", "v1alpha1", kind);
    Api::all_with(client.clone(), &kube::discovery::ApiResource::from_gvk_with_plural(&gvk, plural))
}

/// Server-side apply as `kubectl apply --server-side` does it: unknown fields are errors.
async fn apply(client: &Client, object: &Value) -> Result<DynamicObject, String> {
    let how =
        PatchParams { field_validation: Some(ValidationDirective::Strict), ..PatchParams::apply("case") };
    let name = object["metadata"]["name"].as_str().unwrap();
    api(client, object["kind"].as_str().unwrap())
        .patch(name, &how, &Patch::Apply(object))
        .await
        .map_err(words)
}

/// A plain create, as `kubectl create` does it: unknown fields are errors.
async fn create(client: &Client, object: &Value) -> Result<Value, String> {
    let plural = api(client, object["kind"].as_str().unwrap()).resource_url().to_owned();
    let url = format!("{plural}?fieldValidation=Strict");
    let request = http::Request::post(url).header("content-type", "application/json");
    let request = request.body(serde_json::to_vec(object).unwrap()).unwrap();
    client.request(request).await.map_err(words)
}

/// What the API server said; anything else is no answer, and no test passes on that.
fn words(error: kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => panic!("no answer: {other}"),
    }
}

#[tokio::test]
async fn every_accepting_case_comes_back_as_it_was_written() {
    let server = apiserver::shared().await.unwrap();
    let client = server.admin().await.unwrap();
    let mut count = 0;
    for (_, plural) in KINDS {
        for object in objects(&format!("crds/tests/cases/accept-{plural}.yaml")) {
            let stored =
                apply(&client, &object).await.unwrap_or_else(|words| panic!("{object}\nrefused: {words}"));
            assert_eq!(stored.data["spec"], object["spec"], "{plural} {}", stored.name_any());
            count += 1;
        }
    }
    println!("{count} accepting cases");
    assert!(count > 30);
}

#[tokio::test]
async fn every_refusing_case_is_refused_in_the_words_promised() {
    let server = apiserver::shared().await.unwrap();
    let client = server.admin().await.unwrap();
    let mut wrong = Vec::new();
    let mut heard = String::new();
    let mut count = 0;
    for (_, plural) in KINDS {
        for object in objects(&format!("crds/tests/cases/refuse-{plural}.yaml")) {
            count += 1;
            let promised = object["metadata"]["annotations"]["refused"].as_str().unwrap();
            match create(&client, &object).await {
                Ok(_) => wrong.push(format!("taken: {object}")),
                Err(words) if !words.contains(promised) => {
                    wrong.push(format!("{promised:?} is not in: {words}"));
                }
                Err(words) if words.contains("conversion error") || words.contains("evaluation") => {
                    wrong.push(format!("raw CEL words: {words}"));
                }
                Err(words) => heard.push_str(&words),
            }
        }
    }
    for rule in rules() {
        // A message made by an expression holds values; its rule is told by the two fields that it names.
        let message = rule["message"].as_str().unwrap();
        let told = if rule["messageExpression"].is_string() {
            let (warn, max) = message.split_once(" must not be above ").unwrap();
            heard.contains(&format!("{warn} (")) && heard.contains(&format!("above {max} ("))
        } else {
            heard.contains(message)
        };
        if !told {
            wrong.push(format!("no case for the rule {message:?}"));
        }
    }
    println!("{count} refusing cases, {} rules", rules().len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// All CEL rules of the schemas.
fn rules() -> Vec<Value> {
    fn collect(value: &Value, rules: &mut Vec<Value>) {
        match value {
            Value::Object(fields) => {
                for (key, inner) in fields {
                    match inner.as_array() {
                        Some(found) if key == "x-kubernetes-validations" => {
                            rules.extend(found.iter().cloned());
                        }
                        Some(_) | None => collect(inner, rules),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, rules)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let definitions = meantime_crds::schema::definitions().unwrap();
    let mut rules = Vec::new();
    collect(&serde_json::to_value(definitions.as_slice()).unwrap(), &mut rules);
    rules
}

#[tokio::test]
async fn the_quickstart_is_taken_and_planned() {
    let server = apiserver::shared().await.unwrap();
    let client = server.admin().await.unwrap();
    let mut kinds = BTreeMap::new();
    for file in ["examples/quickstart/sources.yaml", "examples/quickstart/policy.yaml"] {
        for object in objects(file) {
            let stored = apply(&client, &object).await.unwrap_or_else(|words| panic!("{file}: {words}"));
            *kinds.entry(stored.types.unwrap().kind).or_insert(0) += 1;
        }
    }
    assert_eq!(
        kinds.into_iter().collect::<Vec<_>>(),
        [("TimeSource".into(), 5), ("TimeSyncPolicy".into(), 1)]
    );
}

#[tokio::test]
async fn the_yaml_in_git_is_what_the_server_has() {
    let server = apiserver::shared().await.unwrap();
    let api: Api<CustomResourceDefinition> = Api::all(server.admin().await.unwrap());
    for (_, plural) in KINDS {
        let stored = api.get(&format!("{plural}.meantime.dev")).await.unwrap();
        let written: CustomResourceDefinition =
            serde_yaml::from_str(&fs::read_to_string(top().join(format!("crds/{plural}.yaml"))).unwrap())
                .unwrap();
        // A difference would be one for ever in every GitOps tool: a default that the server fills in.
        let (stored, written) = (serde_json::to_value(stored.spec), serde_json::to_value(written.spec));
        let (mut stored, written) = (stored.unwrap(), written.unwrap());
        // The API server's own defaults for any CRD, which GitOps tools know.
        stored.as_object_mut().unwrap().remove("conversion");
        stored["names"].as_object_mut().unwrap().remove("listKind");
        let mut expected = written;
        expected["names"].as_object_mut().unwrap().remove("listKind");
        assert!(stored == expected, "{plural}.yaml is not what the server stores; is it new? (make crds)");
    }
}

#[tokio::test]
async fn whatever_may_be_empty_can_be_emptied() {
    let server = apiserver::shared().await.unwrap();
    let client = server.admin().await.unwrap();
    let object = |kind: &str, spec: Value| {
        json!({
            "apiVersion": "meantime.dev/v1alpha1", "kind": kind, "metadata": {"name": "emptied"}, "spec": spec,
        })
    };
    let source =
        |location: Value| json!({"tier": 1, "server": {"address": "10.0.0.1"}, "location": location});
    let policy = |selector: Value, tolerances: Value| json!({"nodeSelector": selector, "sources": {"selector": selector}, "tolerances": tolerances});
    let labels = json!({"matchLabels": {"a": "b"}});
    for (full, empty) in [
        (object("TimeSource", source(json!({"zone": "a"}))), object("TimeSource", source(json!({})))),
        (
            object("TimeSyncPolicy", policy(labels, json!({"maxOffset": "5ms"}))),
            object("TimeSyncPolicy", policy(json!({}), json!({}))),
        ),
    ] {
        apply(&client, &full).await.unwrap();
        let stored = apply(&client, &empty).await.unwrap_or_else(|words| panic!("{empty}: {words}"));
        assert_eq!(stored.data["spec"], empty["spec"]);
    }
}

#[tokio::test]
async fn a_status_write_touches_no_spec_and_a_repeated_one_nothing() {
    let server = apiserver::shared().await.unwrap();
    let api: Api<NodeTime> = Api::all(server.admin().await.unwrap());
    let spec = json!({
        "apiVersion": "meantime.dev/v1alpha1", "kind": "NodeTime",
        "metadata": {"name": "status-only"}, "spec": {"desired": "Active"},
    });
    let created = api.patch("status-only", &PatchParams::apply("op"), &Patch::Apply(&spec)).await.unwrap();
    let status = json!({
        "apiVersion": "meantime.dev/v1alpha1", "kind": "NodeTime", "metadata": {"name": "status-only"},
        "spec": {"desired": "Retired"}, "status": {"sequence": 1},
    });
    let how = PatchParams::apply("agent");
    let written = api.patch_status("status-only", &how, &Patch::Apply(&status)).await.unwrap();
    assert_eq!((written.spec, written.metadata.generation), (created.spec, created.metadata.generation));
    let again = api.patch_status("status-only", &how, &Patch::Apply(&status)).await.unwrap();
    assert_eq!(again.metadata.resource_version, written.metadata.resource_version);
}

/// Agents are rolled out node by node, and CRDs by hand: a status is not lost for a word that the CRD has not heard of.
#[tokio::test]
async fn an_older_crd_takes_the_words_of_a_newer_agent() {
    let server = apiserver::shared().await.unwrap();
    let api: Api<NodeTime> = Api::all(server.admin().await.unwrap());
    let object = |part: &str, value: Value| {
        json!({
            "apiVersion": "meantime.dev/v1alpha1", "kind": "NodeTime", "metadata": {"name": "newer-agent"}, part: value,
        })
    };
    let how = PatchParams::apply("agent");
    let spec = object("spec", json!({"desired": "Active"}));
    api.patch("newer-agent", &how, &Patch::Apply(&spec)).await.unwrap();
    let status = object(
        "status",
        json!({
            "applied": {"state": "Canary"}, "clock": {"profile": "Adopted", "reason": "HostDaemon"},
            "associations": [{"role": "Peer", "state": "Elected", "letter": "§", "usable": true, "reachability": "Relayed"}],
            "request": {"verb": "drill", "id": "1", "state": "Underway", "message": "wait"},
        }),
    );
    let stored = api.patch_status("newer-agent", &how, &Patch::Apply(&status)).await.unwrap();
    assert_eq!(stored.status.unwrap().associations.len(), 1);
}

#[tokio::test]
async fn policies_that_may_touch_clocks_are_found_by_a_field_selector() {
    let server = apiserver::shared().await.unwrap();
    let client = server.admin().await.unwrap();
    for (name, mode) in [("selectable-managed", "Managed"), ("selectable-observe", "Observe")] {
        let policy = json!({
            "apiVersion": "meantime.dev/v1alpha1", "kind": "TimeSyncPolicy",
            "metadata": {"name": name}, "spec": {"mode": mode, "sources": {"selector": {}}},
        });
        apply(&client, &policy).await.unwrap();
    }
    let found = kubectl(&server, &["get", "tsp", "--field-selector", "spec.mode=Managed", "-o", "name"]);
    assert!(found.contains("selectable-managed") && !found.contains("selectable-observe"), "{found}");
}

#[tokio::test]
async fn kubectl_shows_who_is_off_and_explains_every_field() {
    let server = apiserver::shared().await.unwrap();
    let client = server.admin().await.unwrap();
    for (name, headroom, offset, synced) in
        [("n1", 49_988_000, "+12µs", "True"), ("n2", -11_000_000, "-91ms", "False")]
    {
        let node = size::node_time(name, 4);
        let mut object = serde_json::to_value(&node).unwrap();
        object["metadata"]["labels"] = json!({"shown": "yes"});
        apply(&client, &object).await.unwrap();
        let mut status = serde_json::to_value(node.status.unwrap()).unwrap();
        status["headroomNanoseconds"] = json!(headroom);
        status["offset"] = json!(offset);
        status["conditions"][1]["status"] = json!(synced);
        let object = json!({
            "apiVersion": "meantime.dev/v1alpha1", "kind": "NodeTime", "metadata": {"name": name}, "status": status,
        });
        let api = api(&client, "NodeTime");
        api.patch_status(name, &PatchParams::apply("agent"), &Patch::Apply(&object)).await.unwrap();
    }
    let text = kubectl(&server, &["get", "nt", "-l", "shown=yes", "--sort-by=.status.headroomNanoseconds"]);
    println!("{text}");
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        rows[0],
        ["NAME", "POLICY", "SYNCED", "OFFSET", "BOUND", "SOURCE", "TIER", "VOTERS", "REASON", "SEEN", "AGE"]
    );
    assert_eq!(
        rows[1][..9],
        ["n2", "databases", "False", "-91ms", "410µs", "source-0", "1", "4/4", "InTolerance"]
    );
    assert_eq!(rows[2][..4], ["n1", "databases", "True", "+12µs"]);
    let explained = explain(&server, &["explain", "nodetimes.status.headroomNanoseconds"]);
    assert!(
        explained.contains("negative = breach") && explained.contains("Example: 49988000"),
        "{explained}"
    );
    let explained = explain(&server, &["explain", "tsp.spec.tolerances.maxOffset"]);
    assert!(explained.contains("Example: \"80ms\""), "{explained}");
    let category = kubectl(&server, &["get", "meantime", "-o", "name"]);
    assert!(category.contains("nodetime.meantime.dev/n1"), "{category}");
}

/// The API server publishes a new kind's schema some seconds after it has accepted the kind.
fn explain(server: &apiserver::ApiServer, arguments: &[&str]) -> String {
    for _ in 0..60 {
        if server.kubectl(arguments).unwrap().status.success() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(500));
    }
    kubectl(server, arguments)
}

fn kubectl(server: &apiserver::ApiServer, arguments: &[&str]) -> String {
    let output = server.kubectl(arguments).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "kubectl {arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_nodetime_stays_small() {
    let server = apiserver::shared().await.unwrap();
    for (sources, most) in [(4, 6_000), (12, 10_000)] {
        let object = size::node_time(&format!("size-{sources}"), sources);
        let with_peers = size::stored_bytes(&server, &object).await.unwrap();
        let bytes = size::stored_bytes(&server, &size::without_peers(object)).await.unwrap();
        let peers = with_peers.whole - bytes.whole;
        println!("{peers} bytes more with three peers of 51 letters, of the 2500 reserved");
        assert!(
            (1..1_200).contains(&peers),
            "{peers} bytes for peers; switches and forecasts need some of the 2500"
        );
        println!("nodetime_bytes_{sources}: {bytes:?}, metadata and names the rest");
        let whole = bytes.whole;
        assert!(whole <= most, "{whole} bytes with {sources} associations, at most {most} promised");
    }
}
