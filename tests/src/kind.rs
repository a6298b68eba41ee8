//! Small helpers for tests on the kind cluster of `$KUBECONFIG`, which `tests/demo/run --setup-only` has made.

pub mod audit;
pub mod monitoring;
pub mod quiet;

use std::process::{Command, Stdio};

/// Namespace of the release.
pub const NAMESPACE: &str = "meantime-system";
/// Name of the release.
pub const RELEASE: &str = "meantime";

/// Runs a shell command; its output, or what it said when it failed.
pub fn sh(script: &str) -> Result<String, String> {
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", script])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("bash: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
    if output.status.success() {
        Ok(text)
    } else {
        Err(format!("`{script}` failed: {text}{}", String::from_utf8_lossy(&output.stderr)))
    }
}

/// All node names, sorted.
pub fn nodes() -> Result<Vec<String>, String> {
    Ok(sh("kubectl get nodes -o name | sed 's#^node/##' | sort")?.lines().map(str::to_owned).collect())
}

/// The control-plane's node.
pub fn control_plane() -> Result<String, String> {
    let found = nodes()?.into_iter().find(|node| node.ends_with("control-plane"));
    found.ok_or_else(|| "no control-plane node: is this a kind cluster?".to_owned())
}

/// Runs a shell command inside a node's container (the node's own namespaces).
pub fn on_node(node: &str, script: &str) -> Result<String, String> {
    sh(&format!("docker exec {node} bash -c {}", quote(script)))
}

/// The agent's pod on a node.
pub fn agent_pod(node: &str) -> Result<String, String> {
    sh(&format!(
        "kubectl -n {NAMESPACE} get pods -l app.kubernetes.io/component=agent --field-selector spec.nodeName={node} \
         -o jsonpath='{{.items[0].metadata.name}}'"
    ))
}

/// One metric of the agent on a node, summed over its labels; none when it is not exported.
pub fn agent_metric(node: &str, name: &str) -> Result<Option<f64>, String> {
    let text = on_node(node, "curl -fsS http://127.0.0.1:9923/metrics")?;
    let values: Vec<f64> = text
        .lines()
        .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{'])))
        .filter_map(|line| line.rsplit(' ').next()?.parse().ok())
        .collect();
    Ok(if values.is_empty() { None } else { Some(values.iter().sum()) })
}

/// Quotes for bash.
pub fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// All Node conditions of ours as `node type status`, sorted: what must not move in a quiet test.
pub fn conditions() -> Result<String, String> {
    sh(
        r#"kubectl get nodes -o json | jq -r '.items[] | .metadata.name as $n | .status.conditions[] | select(.type | startswith("meantime.dev/")) | "\($n) \(.type) \(.status)"' | sort"#,
    )
}

/// The cluster's API server, stopped until this is dropped: its manifest is out of the kubelet's sight.
#[derive(Debug)]
pub struct Outage {
    node: String,
}

const MANIFEST: &str = "/etc/kubernetes/manifests/kube-apiserver.yaml";
const ASIDE: &str = "/etc/kubernetes/kube-apiserver.yaml.aside";

impl Outage {
    /// Stops it and waits until its process has ended.
    pub fn begin(node: &str) -> Result<Self, String> {
        let outage = Self { node: node.to_owned() };
        on_node(node, &format!("mv {MANIFEST} {ASIDE}"))?;
        on_node(
            node,
            "for i in $(seq 120); do pgrep -x kube-apiserver >/dev/null || exit 0; sleep 1; done; exit 1",
        )?;
        Ok(outage)
    }

    /// Starts it again and waits until it is ready.
    pub fn end(self) -> Result<(), String> {
        self.put_back()?;
        sh(
            "for i in $(seq 180); do kubectl get --raw /readyz >/dev/null 2>&1 && exit 0; sleep 1; done; exit 1",
        )?;
        Ok(())
    }

    fn put_back(&self) -> Result<(), String> {
        on_node(&self.node, &format!("[ ! -e {ASIDE} ] || mv {ASIDE} {MANIFEST}")).map(drop)
    }
}

impl Drop for Outage {
    fn drop(&mut self) {
        let _ = self.put_back();
    }
}
