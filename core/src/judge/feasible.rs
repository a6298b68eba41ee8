//! Row 9: is the limit below what the path to the sources allows?
//!
//! Floor = best voter's lowest (RTT/2 + root distance) in 24 h + guaranteed rate × 3 × 2^maxPoll. Decided once per
//! plan after eight samples. A node that was in tolerance under this plan is never infeasible later: whatever
//! comes then is a breach.

use super::polls::Polls;
use crate::observation::Association;
use crate::snapshot::{NodePlan, Role};
use crate::units::Nanos;
use serde::{Deserialize, Serialize};

/// Samples of the best voter before it is decided (DESIGN, row 9).
const SAMPLES: u32 = 8;
/// Polls that may be missed before failover: the last term's factor (DESIGN, row 9).
const MISSED_POLLS: i64 = 3;

/// What is decided under one plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Feasibility {
    /// The plan's hash: another plan is decided anew.
    plan: String,
    /// Was the clock ever in tolerance under this plan?
    proven: bool,
    /// The floor by which it was decided, if it was.
    decided: Option<Nanos>,
}

impl Feasibility {
    /// A fresh look. `in_tolerance`: offset and guaranteed bound are inside their limits now.
    pub fn look(&mut self, plan: &NodePlan, associations: &[Association], polls: &Polls, in_tolerance: bool) {
        if self.plan != plan.hash {
            *self = Self { plan: plan.hash.clone(), ..Self::default() };
        }
        self.proven |= in_tolerance;
        if self.proven || self.decided.is_some() {
            return;
        }
        self.decided = associations
            .iter()
            .filter(|one| one.role != Role::Witness)
            .filter_map(|voter| {
                let track = polls.of(voter).filter(|track| track.samples >= SAMPLES)?;
                let planned =
                    plan.associations.iter().find(|it| Some(&it.source) == voter.source.as_ref())?;
                let coasting = Nanos::from_log2_seconds(planned.polls.max).times(MISSED_POLLS);
                Some(track.floor()? + plan.tolerances.guaranteed_rate.over(coasting))
            })
            .min();
    }

    /// The floor, when the limit lies below it.
    pub fn infeasible(&self, plan: &NodePlan) -> Option<Nanos> {
        let floor = self.decided.filter(|_| !self.proven && self.plan == plan.hash)?;
        (floor > plan.tolerances.max_error_bound).then_some(floor)
    }
}
