//! Plans translated into the API's words, once for all nodes that share them.

use meantime_core::snapshot::NodePlan;
use meantime_crds::nodetime::Plan;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Plans in the API's words: nodes of one policy and zone share a plan, so it is translated once.
#[derive(Default)]
pub struct Texts {
    known: BTreeMap<String, Plan>,
}

impl Texts {
    /// The plan in the API's words.
    pub(super) fn of(&mut self, plan: &Arc<NodePlan>) -> Plan {
        // the hash leaves the policy's generation out, which `same` ignores too, but names are in it
        let key = format!("{} {}", plan.hash, plan.policy.generation);
        self.known.entry(key).or_insert_with(|| Plan::from(&**plan)).clone()
    }
}
