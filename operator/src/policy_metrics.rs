//! What the operator counts of each policy. A policy's name is a label, a node's never is.

use meantime_core::clocks::BootTime;
use meantime_core::units::Nanos;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

/// One figure of a policy's spread.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
pub struct SpreadLabel {
    /// TimeSyncPolicy name.
    pub policy: String,
    /// `proven` or `possible`.
    pub kind: &'static str,
}

/// One acknowledged fault.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
pub struct AcknowledgedLabel {
    /// TimeSyncPolicy name.
    pub policy: String,
    /// The finding's word.
    pub finding: String,
    /// Of what.
    pub subject: String,
}

/// The nodes of a policy in one state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
pub struct ComplianceLabel {
    /// TimeSyncPolicy name.
    pub policy: String,
    /// `in`, `out` or `unknown`.
    pub state: &'static str,
}

/// What one pass knows of one policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyFacts {
    /// Its name.
    pub policy: String,
    /// (Finding, subject).
    pub acknowledged: Vec<(String, String)>,
    /// Proven and possible; none = not known.
    pub spread: [Option<Nanos>; 2],
    /// Nodes inside their tolerances, outside, unknown.
    pub nodes: [u64; 3],
}

const KINDS: [&str; 2] = ["proven", "possible"];
const STATES: [&str; 3] = ["in", "out", "unknown"];

/// What was known when.
type Pass = (BootTime, Vec<PolicyFacts>);

/// Cheap to clone: all clones are one set.
#[derive(Clone, Debug, Default)]
pub struct PolicyMetrics {
    acknowledged: Family<AcknowledgedLabel, Gauge>,
    spread: Family<SpreadLabel, Gauge<f64, AtomicU64>>,
    seconds: Family<ComplianceLabel, Counter<f64, AtomicU64>>,
    last: Arc<Mutex<Option<Pass>>>,
}

impl PolicyMetrics {
    /// Those under `meantime_operator_`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("acknowledged", "1 for each fault that is acknowledged", self.acknowledged.clone());
    }

    /// Those under `meantime_policy_`.
    pub fn register_policy(&self, registry: &mut Registry) {
        registry.register(
            "spread_seconds",
            "Largest difference between two clocks of the policy, as proven and as possible",
            self.spread.clone(),
        );
        registry.register(
            "node_seconds",
            "Seconds that nodes of the policy spent inside its tolerances, outside and unknown",
            self.seconds.clone(),
        );
    }

    /// One pass of a leader. The time since the last one counts for what was known then.
    pub fn set(&self, facts: Vec<PolicyFacts>, now: BootTime) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let before = last.take();
        if let Some((then, facts)) = &before {
            self.spend(facts, now - *then);
        }
        self.forget(before.iter().flat_map(|(_, facts)| facts), &facts);
        for one in &facts {
            let policy = || one.policy.clone();
            for (finding, subject) in &one.acknowledged {
                let (finding, subject) = (finding.clone(), subject.clone());
                self.acknowledged
                    .get_or_create(&AcknowledgedLabel { policy: policy(), finding, subject })
                    .set(1);
            }
            for (kind, span) in KINDS.into_iter().zip(one.spread) {
                if let Some(span) = span {
                    self.spread.get_or_create(&SpreadLabel { policy: policy(), kind }).set(seconds(span));
                }
            }
        }
        *last = Some((now, facts));
    }

    /// Another leads: what is not kept up any more must not be read as the state of things.
    pub fn follow(&self) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, facts)) = last.take() {
            self.forget(facts.iter(), &[]);
        }
    }

    fn spend(&self, facts: &[PolicyFacts], span: Nanos) {
        for one in facts {
            for (state, nodes) in STATES.into_iter().zip(one.nodes) {
                let label = ComplianceLabel { policy: one.policy.clone(), state };
                let nodes = u32::try_from(nodes).unwrap_or(u32::MAX);
                self.seconds.get_or_create(&label).inc_by(seconds(span.max(Nanos::ZERO)) * f64::from(nodes));
            }
        }
    }

    /// Takes out what is gone.
    fn forget<'f>(&self, before: impl Iterator<Item = &'f PolicyFacts>, now: &[PolicyFacts]) {
        for one in before {
            let same = now.iter().find(|same| same.policy == one.policy);
            for (finding, subject) in &one.acknowledged {
                if same.is_none_or(|same| {
                    !same.acknowledged.iter().any(|known| (&known.0, &known.1) == (finding, subject))
                }) {
                    let (policy, finding, subject) = (one.policy.clone(), finding.clone(), subject.clone());
                    self.acknowledged.remove(&AcknowledgedLabel { policy, finding, subject });
                }
            }
            for (kind, at) in KINDS.into_iter().zip(0..) {
                if same.is_none_or(|same| same.spread[at].is_none()) {
                    self.spread.remove(&SpreadLabel { policy: one.policy.clone(), kind });
                }
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure for a graph: 15 digits are enough")]
fn seconds(span: Nanos) -> f64 {
    span.0 as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use crate::metrics::Metrics;

    use super::*;

    fn at(seconds: i64) -> BootTime {
        BootTime(Nanos::from_secs(seconds).0)
    }

    fn facts() -> PolicyFacts {
        PolicyFacts {
            policy: "db".into(),
            acknowledged: vec![("SourceDead".into(), "gps-a".into())],
            spread: [Some(Nanos::from_millis(12)), Some(Nanos::from_millis(40))],
            nodes: [3, 1, 0],
        }
    }

    #[test]
    fn a_policy_is_counted_and_forgotten() {
        let metrics = Metrics::default();
        metrics.policies.set(vec![facts()], at(0));
        metrics.policies.set(vec![PolicyFacts { nodes: [4, 0, 0], ..facts() }], at(10));
        let page = metrics.text();
        for line in [
            r#"meantime_operator_acknowledged{policy="db",finding="SourceDead",subject="gps-a"} 1"#,
            r#"meantime_policy_spread_seconds{policy="db",kind="proven"} 0.012"#,
            r#"meantime_policy_spread_seconds{policy="db",kind="possible"} 0.04"#,
            r#"meantime_policy_node_seconds_total{policy="db",state="in"} 30.0"#,
            r#"meantime_policy_node_seconds_total{policy="db",state="out"} 10.0"#,
        ] {
            assert!(page.contains(line), "{line} is not in\n{page}");
        }
        assert_eq!(page.matches("# EOF").count(), 1, "{page}");
        metrics
            .policies
            .set(vec![PolicyFacts { spread: [None, None], acknowledged: Vec::new(), ..facts() }], at(20));
        let page = metrics.text();
        assert!(!page.contains("spread_seconds{") && !page.contains("acknowledged{"), "{page}");
        assert!(page.contains(r#"state="in"} 70.0"#), "{page}");
        metrics.policies.set(vec![facts()], at(20));
        assert!(metrics.text().contains("acknowledged{"));
        metrics.policies.follow();
        assert!(!metrics.text().contains("acknowledged{"));
        // What passes while another leads is not ours to count.
        metrics.policies.set(vec![facts()], at(1_000));
        assert!(metrics.text().contains(r#"state="in"} 70.0"#));
    }
}
