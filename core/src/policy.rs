//! A declared TimeSyncPolicy and the label selectors in it.

use crate::fsm::failover::Figures;
use crate::tolerances::{Overrides, Preset};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What Meantime may do to the nodes of a policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Mode {
    /// Our chronyd runs `-x` as a measuring instrument; nothing on the host is touched.
    #[default]
    Observe,
    /// Our chronyd disciplines the host's clock, where the chart allows that and nobody else does it.
    Managed,
}

/// Whether the agents of a policy's nodes ask each other for the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Peers {
    /// They ask and answer.
    #[default]
    Enabled,
    /// They neither ask nor answer, and nobody asks them.
    Disabled,
}

/// One label requirement, as in Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    /// Label key.
    pub key: String,
    /// How it is compared.
    pub operator: SelectorOperator,
    /// Values for `In` and `NotIn`.
    pub values: Vec<String>,
}

/// Kubernetes' four set operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SelectorOperator {
    /// The label's value is one of the values.
    In,
    /// The label is absent or its value is none of the values.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is not there.
    DoesNotExist,
}

/// A label selector; empty matches everything, as in Kubernetes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selector {
    /// All of these labels must be there with these values.
    pub labels: BTreeMap<String, String>,
    /// And all of these requirements must hold.
    pub requirements: Vec<Requirement>,
}

impl Selector {
    /// Whether `labels` satisfy it.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.labels.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self.requirements.iter().all(|requirement| {
                let value = labels.get(&requirement.key);
                match requirement.operator {
                    SelectorOperator::In => value.is_some_and(|value| requirement.values.contains(value)),
                    SelectorOperator::NotIn => value.is_none_or(|value| !requirement.values.contains(value)),
                    SelectorOperator::Exists => value.is_some(),
                    SelectorOperator::DoesNotExist => value.is_none(),
                }
            })
    }
}

/// A TimeSyncPolicy as declared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicySpec {
    /// Object name.
    pub name: String,
    /// Object uid.
    pub uid: String,
    /// Object generation.
    pub generation: i64,
    /// Creation, seconds since 1970 by the API server: only ever compared with other objects of the same server.
    pub created: i64,
    /// Which nodes: none = no node; empty selector = all.
    pub node_selector: Option<Selector>,
    /// Higher wins; at equal priority the oldest, then the name.
    pub priority: i32,
    /// Which sources; empty selector = all.
    pub sources: Selector,
    /// What may be done.
    pub mode: Mode,
    /// Where the tolerances start from.
    pub preset: Preset,
    /// What is different from the preset.
    pub overrides: Overrides,
    /// When to leave a source and when to come back to it.
    pub failover: Figures,
    /// Whether its nodes cross-check each other. No part of a node's plan: chronyd has nothing to do with it.
    pub peers: Peers,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn an_empty_selector_matches_everything() {
        assert!(Selector::default().matches(&labels(&[])));
    }

    #[test]
    fn not_in_takes_an_absent_label_as_kubernetes_does() {
        let selector = Selector {
            requirements: vec![Requirement {
                key: "site".into(),
                operator: SelectorOperator::NotIn,
                values: vec!["internet".into()],
            }],
            ..Selector::default()
        };
        assert!(selector.matches(&labels(&[])));
        assert!(selector.matches(&labels(&[("site", "dc1")])));
        assert!(!selector.matches(&labels(&[("site", "internet")])));
    }
}
