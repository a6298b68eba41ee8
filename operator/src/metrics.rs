//! What the operator counts about itself. Never a node name as a label: per-node series come from the agents.

use crate::policy_metrics::PolicyMetrics;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::Arc;

/// One kind of object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct KindLabel {
    /// `TimeSource`, `NodeTime`, `Node`, …
    pub kind: &'static str,
}

/// One kind of write and how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct WriteLabel {
    /// What was written: `nodetime-spec`, `node-conditions`, `source-status`, …
    pub target: &'static str,
    /// `written`, `skipped` (equal to what is there), `failed`, `closed` (not leading any more), `deferred` (backing off).
    pub outcome: &'static str,
}

/// How many nodes are in which state.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StateLabel {
    /// Status of TimeSynchronized: `True`, `False`, `Unknown`.
    pub status: &'static str,
}

/// What all nodes together prove.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct FindingLabel {
    /// Its word: `SourceLying`, `ZoneCut`, …
    pub finding: &'static str,
}

/// How many incidents are how loud and in which state.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct IncidentLabel {
    /// `P1` to `P5`.
    pub severity: &'static str,
    /// `Open`, `Recovered`, `Closed`.
    pub state: &'static str,
}

/// Cheap to clone: all clones are one set of counters.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// 1 while this operator may write.
    pub leading: Gauge,
    /// Lease requests that failed.
    pub lease_failures: Counter,
    /// Watches that ended in an error and were begun anew.
    pub watch_errors: Family<KindLabel, Counter>,
    /// Objects in the caches.
    pub objects: Family<KindLabel, Gauge>,
    /// Objects that can't be decoded now.
    pub undecodable: Family<KindLabel, Gauge>,
    /// Whole passes from snapshot to writes.
    pub reconciles: Counter,
    /// Duration of the last pass's computation, without writes, in microseconds.
    pub reconcile_micros: Gauge,
    /// Writes by target and outcome.
    pub writes: Family<WriteLabel, Counter>,
    /// Events sent and failed.
    pub events: Family<WriteLabel, Counter>,
    /// Nodes by status of TimeSynchronized.
    pub nodes: Family<StateLabel, Gauge>,
    /// Agents that have fallen silent.
    pub silent: Gauge,
    /// Findings that stand, by word.
    pub findings: Family<FindingLabel, Gauge>,
    /// Those of them that a policy acknowledges.
    pub findings_acknowledged: Family<FindingLabel, Gauge>,
    /// TimeIncidents by severity and state.
    pub incidents: Family<IncidentLabel, Gauge>,
    /// What is counted of each policy.
    pub policies: PolicyMetrics,
    registry: Arc<std::sync::OnceLock<[Registry; 2]>>,
}

impl Metrics {
    /// The text that Prometheus scrapes (OpenMetrics).
    pub fn text(&self) -> String {
        let registry = self.registry.get_or_init(|| self.register());
        let mut out = String::new();
        // Writing into a String can't fail; an empty page would be noticed by the scraper.
        let whole = registry.iter().try_for_each(|part| text::encode_registry(&mut out, part));
        if whole.and_then(|()| text::encode_eof(&mut out)).is_err() {
            out.clear();
        }
        out
    }

    fn register(&self) -> [Registry; 2] {
        let mut registry = Registry::with_prefix("meantime_operator");
        registry.register("leading", "1 while this operator may write", self.leading.clone());
        registry.register("lease_failures", "Lease requests that failed", self.lease_failures.clone());
        registry.register(
            "watch_errors",
            "Watches that failed and were begun anew",
            self.watch_errors.clone(),
        );
        registry.register("objects", "Objects in the caches", self.objects.clone());
        registry.register("undecodable_objects", "Objects that can't be decoded", self.undecodable.clone());
        registry.register("reconciles", "Passes from snapshot to writes", self.reconciles.clone());
        registry.register(
            "reconcile_microseconds",
            "Computation of the last pass",
            self.reconcile_micros.clone(),
        );
        registry.register("writes", "Writes by target and outcome", self.writes.clone());
        registry.register("events", "Events by kind and outcome", self.events.clone());
        registry.register("nodes", "Nodes by status of TimeSynchronized", self.nodes.clone());
        registry.register("silent_agents", "Agents that have fallen silent", self.silent.clone());
        registry.register("findings", "What all nodes together prove, by word", self.findings.clone());
        registry.register(
            "findings_acknowledged",
            "Those of the findings that a policy acknowledges, by word",
            self.findings_acknowledged.clone(),
        );
        registry.register("incidents", "TimeIncidents by severity and state", self.incidents.clone());
        self.policies.register(&mut registry);
        let mut of_policies = Registry::with_prefix("meantime_policy");
        self.policies.register_policy(&mut of_policies);
        [registry, of_policies]
    }

    /// Counts one write.
    pub fn wrote(&self, target: &'static str, outcome: &'static str) {
        self.writes.get_or_create(&WriteLabel { target, outcome }).inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_tells_what_was_counted() {
        let metrics = Metrics::default();
        metrics.wrote("nodetime-spec", "written");
        metrics.leading.set(1);
        let page = metrics.text();
        assert!(page.contains("meantime_operator_leading 1"), "{page}");
        assert!(
            page.contains(r#"meantime_operator_writes_total{target="nodetime-spec",outcome="written"} 1"#),
            "{page}"
        );
    }
}
