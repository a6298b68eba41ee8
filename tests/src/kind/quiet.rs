//! What must not move in a quiet test: each node's conditions with the time of their last transition, its chronyd's
//! process, and how often it was started and told to reload.

use super::{agent_metric, nodes, on_node, sh};
use serde_json::Value;
use std::collections::BTreeMap;

/// A node's daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// Process id of chronyd, as the node sees it.
    pub pid: String,
    /// Starts by the agent that runs now.
    pub starts: u64,
    /// `reload sources` by the agent that runs now.
    pub reloads: u64,
}

/// One moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quiet {
    /// Node → condition → status.
    pub statuses: BTreeMap<String, BTreeMap<String, String>>,
    /// Node → condition → lastTransitionTime.
    pub transitions: BTreeMap<String, BTreeMap<String, String>>,
    /// Node → daemon.
    pub daemons: BTreeMap<String, Daemon>,
}

/// Reads it.
pub fn take() -> Result<Quiet, String> {
    let list: Value =
        serde_json::from_str(&sh("kubectl get nodes -o json")?).map_err(|error| error.to_string())?;
    let mut quiet =
        Quiet { statuses: BTreeMap::new(), transitions: BTreeMap::new(), daemons: BTreeMap::new() };
    for node in list["items"].as_array().into_iter().flatten() {
        let name = node["metadata"]["name"].as_str().unwrap_or_default();
        for condition in node["status"]["conditions"].as_array().into_iter().flatten() {
            let word = |key: &str| condition[key].as_str().unwrap_or_default().to_owned();
            if word("type").starts_with("meantime.dev/") {
                quiet.statuses.entry(name.to_owned()).or_default().insert(word("type"), word("status"));
                let times = quiet.transitions.entry(name.to_owned()).or_default();
                times.insert(word("type"), word("lastTransitionTime"));
            }
        }
    }
    for node in nodes()? {
        let daemon = daemon(&node)?;
        quiet.daemons.insert(node, daemon);
    }
    Ok(quiet)
}

/// One node's daemon.
pub fn daemon(node: &str) -> Result<Daemon, String> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small counters")]
    let count = |name: &str| -> Result<u64, String> {
        agent_metric(node, name)?
            .map(|value| value as u64)
            .ok_or_else(|| format!("{node}: {name} is not exported"))
    };
    Ok(Daemon {
        pid: on_node(node, "pgrep -x chronyd")?,
        starts: count("meantime_chronyd_starts_total")?,
        reloads: count("meantime_chronyd_reloads_total")?,
    })
}
