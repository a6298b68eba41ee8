//! One cluster by hand: objects as users write them, reports as agents write them, operators that can be killed.

use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use meantime_core::incident::Figures;
use meantime_core::units::Nanos;
use meantime_operator::election::Timing;
use meantime_operator::gather::Scope;
use meantime_operator::run::{Config, run};
use meantime_operator::silence::Limits;
use meantime_tests::apiserver::{ApiServer, Options};
use serde_json::{Value, json};
use std::future::Future;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub const NAMESPACE: &str = "meantime-system";
/// The operator as the chart's ServiceAccount, with the chart's rights and no more.
pub const ACCOUNT: &str = "system:serviceaccount:meantime-system:meantime-operator";
/// Polls of 100 ms: 60 s, for machines that do much else.
const POLLS: u32 = 600;

/// The protocol's shape at a pace for tests. Whole seconds, as a Lease keeps them.
pub const TIMING: Timing = Timing {
    duration: Nanos::from_secs(6),
    renew_deadline: Nanos::from_secs(4),
    retry: Nanos::from_millis(500),
    request: Nanos::from_millis(1_500),
};

pub struct Cluster {
    pub server: ApiServer,
    pub admin: kube::Client,
}

/// A running operator. Dropping it kills it: no farewell, the Lease stays held.
pub struct Operator {
    end: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Operator {
    pub fn start(client: kube::Client, identity: &str) -> Self {
        Self::with_limits(client, identity, Limits::default())
    }

    pub fn with_limits(client: kube::Client, identity: &str, limits: Limits) -> Self {
        Self::turning(client, identity, limits, meantime_core::peers::keys::ROTATION)
    }

    /// One that turns the peers' keys so often.
    pub fn turning(client: kube::Client, identity: &str, limits: Limits, key_rotation: Nanos) -> Self {
        // Incidents have tests of their own: elsewhere a breach must not become one while writes are counted.
        let incidents = Figures { settle: Nanos::from_secs(3_600), ..Figures::default() };
        Self::started(client, identity, limits, incidents, key_rotation)
    }

    pub fn with(client: kube::Client, identity: &str, limits: Limits, incidents: Figures) -> Self {
        Self::started(client, identity, limits, incidents, meantime_core::peers::keys::ROTATION)
    }

    fn started(
        client: kube::Client,
        identity: &str,
        limits: Limits,
        incidents: Figures,
        key_rotation: Nanos,
    ) -> Self {
        let config = Config {
            scope: Scope {
                namespace: NAMESPACE.into(),
                agent_selector: "app.kubernetes.io/component=agent".into(),
                watch_seconds: 200,
            },
            identity: identity.into(),
            listen: "127.0.0.1:0".parse().unwrap(),
            timing: TIMING,
            limits,
            incidents,
            peer_port: meantime_core::peers::PORT,
            key_rotation,
            deployment: "meantime-operator".into(),
        };
        let (end, ended) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let asked = async {
                let _ = ended.await;
            };
            if let Err(error) = Box::pin(run(client, config, asked)).await {
                panic!("the operator ended: {error}");
            }
        });
        Self { end: Some(end), task }
    }

    /// Asks it to end and waits until it has given the Lease back.
    pub async fn end(mut self) {
        let _ = self.end.take().unwrap().send(());
        tokio::time::timeout(Duration::from_secs(10), &mut self.task).await.expect("ends in time").unwrap();
    }

    pub fn is_running(&self) -> bool {
        !self.task.is_finished()
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Cluster {
    pub async fn start() -> Self {
        let server = ApiServer::start(Options { audit: true, ..Options::default() }).await.unwrap();
        server.install_crds().await.unwrap();
        let admin = server.admin().await.unwrap();
        let cluster = Self { server, admin };
        cluster.apply("v1", "Namespace", "namespaces", None, json!({"metadata": {"name": NAMESPACE}})).await;
        cluster.grant();
        cluster
    }

    /// The rights in the chart, word for word.
    fn grant(&self) {
        let template = include_str!("../../../charts/meantime/templates/operator-rbac.yaml");
        let text = template
            .replace("{{ $account }}", "meantime-operator")
            .replace("{{ .Release.Namespace }}", NAMESPACE);
        let text = text.lines().filter(|line| !line.contains("{{")).collect::<Vec<_>>().join("\n");
        let path = self.server.dir().join("rbac.yaml");
        std::fs::write(&path, text).unwrap();
        let output = self.server.kubectl(&["apply", "-f", path.to_str().unwrap()]).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    pub async fn operator_client(&self) -> kube::Client {
        self.server.user(ACCOUNT, &["system:serviceaccounts", "system:authenticated"]).await.unwrap()
    }

    pub fn api(
        &self,
        api_version: &str,
        kind: &str,
        plural: &str,
        namespace: Option<&str>,
    ) -> Api<DynamicObject> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let resource = ApiResource {
            group: group.into(),
            version: version.into(),
            api_version: api_version.into(),
            kind: kind.into(),
            plural: plural.into(),
        };
        match namespace {
            Some(namespace) => Api::namespaced_with(self.admin.clone(), namespace, &resource),
            None => Api::all_with(self.admin.clone(), &resource),
        }
    }
    pub fn nodes(&self) -> Api<DynamicObject> {
        self.api("v1", "Node", "nodes", None)
    }
    pub fn node_times(&self) -> Api<DynamicObject> {
        self.api("meantime.dev/v1alpha1", "NodeTime", "nodetimes", None)
    }
    pub fn sources(&self) -> Api<DynamicObject> {
        self.api("meantime.dev/v1alpha1", "TimeSource", "timesources", None)
    }
    pub fn policies(&self) -> Api<DynamicObject> {
        self.api("meantime.dev/v1alpha1", "TimeSyncPolicy", "timesyncpolicies", None)
    }
    pub fn incidents(&self) -> Api<DynamicObject> {
        self.api("meantime.dev/v1alpha1", "TimeIncident", "timeincidents", None)
    }
    pub fn leases(&self) -> Api<DynamicObject> {
        self.api("coordination.k8s.io/v1", "Lease", "leases", Some(NAMESPACE))
    }

    pub async fn apply(
        &self,
        api_version: &str,
        kind: &str,
        plural: &str,
        namespace: Option<&str>,
        mut body: Value,
    ) {
        body["apiVersion"] = json!(api_version);
        body["kind"] = json!(kind);
        let name = body["metadata"]["name"].as_str().unwrap().to_owned();
        let api = self.api(api_version, kind, plural, namespace);
        api.patch(&name, &PatchParams::apply("a-user").force(), &Patch::Apply(&body)).await.unwrap();
    }
    pub async fn source(&self, name: &str, address: &str) {
        let spec = json!({"tier": 1, "server": {"address": address, "minPoll": 4, "maxPoll": 6}});
        let body = json!({"metadata": {"name": name}, "spec": spec});
        self.apply("meantime.dev/v1alpha1", "TimeSource", "timesources", None, body).await;
    }
    pub async fn four_sources(&self) {
        for (name, address) in [("a", "10.1.0.1"), ("b", "10.1.0.2"), ("c", "10.1.0.3"), ("d", "10.1.0.4")] {
            self.source(name, address).await;
        }
    }
    pub async fn policy(&self, name: &str, node_selector: Value) {
        let spec = json!({"nodeSelector": node_selector, "sources": {"selector": {}}});
        let body = json!({"metadata": {"name": name}, "spec": spec});
        self.apply("meantime.dev/v1alpha1", "TimeSyncPolicy", "timesyncpolicies", None, body).await;
    }
    pub async fn node(&self, name: &str) {
        let body = json!({"metadata": {"name": name, "labels": {"has": "time"}}});
        self.apply("v1", "Node", "nodes", None, body).await;
    }
    pub async fn delete(&self, api: &Api<DynamicObject>, name: &str) {
        api.delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// What the agent of `node` would write: its plan applied, all sources answering, this verdict.
    pub async fn report(&self, node: &str, sequence: i64, synchronized: (&str, &str), more: Value) {
        let object = self.node_times().get(node).await.unwrap();
        let plan = &object.data["spec"]["plan"];
        let conditions: Vec<Value> = [
            ("TimeSynchronized", synchronized.0, synchronized.1),
            ("TimeOffsetHigh", if synchronized.0 == "False" { "True" } else { "False" }, synchronized.1),
            ("TimeSourcesLow", "False", "Enough"),
            ("TimePartitioned", "False", "SourceUsable"),
            ("TimeDaemonDown", "False", "Answering"),
        ]
        .map(|(kind, status, reason)| {
            json!({"type": kind, "status": status, "reason": reason, "message": "12µs ± 410µs (50ms)",
                   "lastTransitionTime": "2026-11-21T23:25:00Z"})
        })
        .into();
        let associations: Vec<Value> = plan["associations"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|planned| association(&planned["source"], false))
            .collect();
        let mut status = json!({
            "observedGeneration": object.metadata.generation, "bootID": "boot-1", "sequence": sequence,
            "agent": {"version": "0.1.0"}, "chrony": {"version": "4.6.1"}, "conditions": conditions,
            "associations": associations, "headroomNanoseconds": 49_988_000,
            "applied": {"state": "Applied", "hash": plan["hash"], "generation": object.metadata.generation},
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            status[key] = value.clone();
        }
        let body = json!({"apiVersion": "meantime.dev/v1alpha1", "kind": "NodeTime", "metadata": {"name": node}, "status": status});
        self.node_times()
            .patch_status(node, &PatchParams::apply("meantime-agent-status").force(), &Patch::Apply(&body))
            .await
            .unwrap();
    }

    /// Our conditions on a Node: type, status, reason.
    pub async fn conditions(&self, node: &str) -> Vec<(String, String, String)> {
        let node = self.nodes().get(node).await.unwrap();
        let conditions = node.data["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        conditions
            .iter()
            .filter(|condition| text(&condition["type"]).starts_with("meantime.dev/"))
            .map(|condition| {
                (text(&condition["type"]), text(&condition["status"]), text(&condition["reason"]))
            })
            .collect()
    }
    pub async fn synchronized(&self, node: &str) -> String {
        let conditions = self.conditions(node).await;
        let found = conditions.iter().find(|(kind, _, _)| kind == "meantime.dev/TimeSynchronized");
        found.map(|(_, status, reason)| format!("{status} {reason}")).unwrap_or_default()
    }
    /// A condition of one of our kinds: `"True Reason"`.
    pub async fn condition(&self, api: &Api<DynamicObject>, name: &str, kind: &str) -> String {
        let object = api.get(name).await.unwrap();
        let conditions = object.data["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let found = conditions.iter().find(|condition| condition["type"] == kind);
        found
            .map(|c| format!("{} {}", c["status"].as_str().unwrap(), c["reason"].as_str().unwrap()))
            .unwrap_or_default()
    }
    /// Events about an object: reasons, in the order of their names' creation.
    pub async fn events(&self, kind: &str, name: &str) -> Vec<String> {
        let events =
            self.api("v1", "Event", "events", Some("default")).list(&ListParams::default()).await.unwrap();
        events
            .items
            .iter()
            .filter(|event| {
                event.data["involvedObject"]["kind"] == kind && event.data["involvedObject"]["name"] == name
            })
            .map(|event| event.data["reason"].as_str().unwrap().to_owned())
            .collect()
    }
    /// Spec of a NodeTime; null if there is none.
    pub async fn spec(&self, node: &str) -> Value {
        self.node_times()
            .get_opt(node)
            .await
            .unwrap()
            .map(|object| object.data["spec"].clone())
            .unwrap_or_default()
    }

    /// Successful writes in the audit log: (user, verb, resource/subresource, name). Lease renewals are left out.
    pub fn writes(&self) -> Vec<(String, String, String, String)> {
        let log = std::fs::read_to_string(self.server.audit_log()).unwrap_or_default();
        log.lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|event| event["stage"] == "ResponseComplete")
            .filter(|event| event["responseStatus"]["code"].as_i64().is_some_and(|code| code < 300))
            .filter(|event| ["create", "update", "patch", "delete"].iter().any(|verb| event["verb"] == *verb))
            .filter_map(|event| {
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                let user = if event["impersonatedUser"].is_object() {
                    &event["impersonatedUser"]
                } else {
                    &event["user"]
                };
                let object = &event["objectRef"];
                let resource = match object["subresource"].as_str() {
                    Some(subresource) => format!("{}/{subresource}", text(&object["resource"])),
                    None => text(&object["resource"]),
                };
                (resource != "leases")
                    .then(|| (text(&user["username"]), text(&event["verb"]), resource, text(&object["name"])))
            })
            .collect()
    }
    /// The writes that a leading `user` has made once it makes no more. A leader makes the peers' keys at its first look at
    /// them, which may be seconds after all else is said.
    pub async fn settled(&self, user: &str) -> Vec<(String, String, String)> {
        until("the peers' keys", true, || async {
            self.writes_by(user).iter().any(|write| write.1 == "secrets")
        })
        .await;
        let mut before = self.writes_by(user);
        for _ in 0..30 {
            tokio::time::sleep(Duration::from_secs(2)).await;
            let now = self.writes_by(user);
            if now == before {
                return now;
            }
            before = now;
        }
        panic!("{user} never stops writing: {before:?}");
    }
    pub fn writes_by(&self, user: &str) -> Vec<(String, String, String)> {
        self.writes()
            .into_iter()
            .filter(|write| write.0 == user)
            .map(|(_, verb, what, name)| (verb, what, name))
            .collect()
    }
}

pub fn association(source: &Value, rejected: bool) -> Value {
    json!({
        "source": source, "role": "Driver", "state": if rejected { "Falseticker" } else { "Selected" },
        "letter": if rejected { "x" } else { "*" }, "usable": !rejected, "rejected": rejected, "unanswered": 0,
        "reachability": "Answering",
    })
}

/// Waits until `look` gives `expected`; shows what it gave last otherwise.
pub async fn until<T, F>(what: &str, expected: T, mut look: impl FnMut() -> F)
where
    T: PartialEq + std::fmt::Debug,
    F: Future<Output = T>,
{
    let mut last = look().await;
    for _ in 0..POLLS {
        if last == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        last = look().await;
    }
    panic!("{what}: expected {expected:?}, last seen {last:?}");
}

/// Looks for `seconds` that nothing becomes different from `expected`.
pub async fn stays<T, F>(what: &str, seconds: u32, expected: T, mut look: impl FnMut() -> F)
where
    T: PartialEq + std::fmt::Debug,
    F: Future<Output = T>,
{
    for _ in 0..seconds * 5 {
        let seen = look().await;
        assert_eq!(seen, expected, "{what}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
