//! Who wrote what, by the API server's own record (`provider up --audit`).
//!
//! In: the control-plane container's audit log. Out: the writes of our operator and agents since a mark. Never an
//! opinion of ours: every count is of lines that the API server wrote.

use super::{NAMESPACE, RELEASE, on_node};
use serde_json::Value;
use std::collections::BTreeMap;

const LOG: &str = "/var/log/kubernetes/meantime-audit.log";

/// A place in the log.
#[derive(Clone, Debug)]
pub struct Mark {
    node: String,
    lines: u64,
}

/// One write that the API server let through (2xx).
#[derive(Clone, Debug)]
pub struct Write {
    /// `operator`, `agent` or another user's name.
    pub user: String,
    /// create, update, patch, delete.
    pub verb: String,
    /// `nodetimes`, `nodetimes/status`, `nodes/status`, `events`, `leases`.
    pub resource: String,
    /// Name of the object; empty where the server gave it (creates).
    pub name: String,
    /// What was sent, where the policy keeps it (our operator's node statuses).
    pub body: Value,
}

/// The log's end now, on the control-plane node. Needs no API server.
pub fn mark(node: &str) -> Result<Mark, String> {
    let lines = on_node(node, &format!("wc -l <{LOG}"))
        .map_err(|error| format!("no audit log; make the cluster with --audit: {error}"))?;
    let lines = lines.trim().parse().map_err(|error| format!("wc said {lines:?}: {error}"))?;
    Ok(Mark { node: node.to_owned(), lines })
}

/// All writes to what concerns us since the mark.
pub fn writes_since(mark: &Mark) -> Result<Vec<Write>, String> {
    let text = on_node(&mark.node, &format!("tail -n +{} {LOG}", mark.lines + 1))?;
    let mut writes = Vec::new();
    for line in text.lines() {
        // The last line may be half written.
        let Ok(entry) = serde_json::from_str::<Value>(line) else { continue };
        let word = |pointer: &str| entry.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let code = entry.pointer("/responseStatus/code").and_then(Value::as_u64).unwrap_or(0);
        if !matches!(word("/verb"), "create" | "update" | "patch" | "delete") || !(200..300).contains(&code) {
            continue;
        }
        let ours = format!("system:serviceaccount:{NAMESPACE}:{RELEASE}-");
        let user = word("/user/username");
        let resource = match word("/objectRef/subresource") {
            "" => word("/objectRef/resource").to_owned(),
            sub => format!("{}/{sub}", word("/objectRef/resource")),
        };
        writes.push(Write {
            user: user.strip_prefix(&ours).unwrap_or(user).to_owned(),
            verb: word("/verb").to_owned(),
            resource,
            name: word("/objectRef/name").to_owned(),
            body: entry.get("requestObject").cloned().unwrap_or(Value::Null),
        });
    }
    Ok(writes)
}

/// Writes by user, verb and resource, for people.
pub fn counted(writes: &[Write]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for write in writes.iter().filter(|write| matches!(write.user.as_str(), "operator" | "agent")) {
        *counts.entry(format!("{} {} {}", write.user, write.verb, write.resource)).or_default() += 1;
    }
    counts
}

/// Condition changes that our operator sent, against what stood before: `node type: from → to`.
pub fn transitions(writes: &[Write], before: &BTreeMap<String, BTreeMap<String, String>>) -> Vec<String> {
    let mut known = before.clone();
    let mut seen = Vec::new();
    for write in writes.iter().filter(|write| write.user == "operator" && write.resource == "nodes/status") {
        let conditions = write.body.pointer("/status/conditions").and_then(Value::as_array);
        for condition in conditions.into_iter().flatten() {
            let word = |key: &str| condition[key].as_str().unwrap_or_default();
            if !word("type").starts_with("meantime.dev/") {
                continue;
            }
            let (kind, status) = (word("type").to_owned(), word("status").to_owned());
            let was = known.entry(write.name.clone()).or_default().insert(kind.clone(), status.clone());
            if was.as_ref() != Some(&status) {
                let was = was.unwrap_or_else(|| "absent".to_owned());
                seen.push(format!("{} {kind}: {was} → {status} ({})", write.name, word("message")));
            }
        }
    }
    seen
}
