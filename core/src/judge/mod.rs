//! # The judge: how wrong is this clock, how sure is that, and which five conditions follow
//!
//! **Role.** Turns what one node's chronyd says ([`Observation`]) into a [`Verdict`], remembering what is needed
//! from look to look in a [`JudgeState`].
//! **In.** The state of the last look, one observation, the plan in force.
//! **Out.** The next state and the verdict.
//! **Must never** read a clock, do I/O, compare two machines' clocks, or call missing data healthy.

use crate::conditions::{Conditions, Reason};
use crate::observation::Observation;
use crate::snapshot::NodePlan;
use crate::verdict::Verdict;
use serde::{Deserialize, Serialize};

/// What the judge remembers between two looks. Lives in the agent's ledger; unknown or missing fields are taken
/// as "not known". It belongs to one boot of one machine: a new boot_id drops what the old boot knew.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JudgeState {}

/// One look: judges `observation` against `plan`, knowing what earlier looks left in `state`.
pub fn judge(state: &JudgeState, observation: &Observation, plan: &NodePlan) -> (JudgeState, Verdict) {
    let _ = (observation, plan);
    let verdict = Verdict {
        conditions: Conditions::unknown(Reason::Booting, "not judged yet"),
        offset: None,
        residual: None,
        disagreement: None,
        bound: None,
        headroom: None,
        selected: None,
        tier: None,
        usable_voters: 0,
        voters: 0,
        associations: Vec::new(),
    };
    (state.clone(), verdict)
}

/// A person has looked at a `BoundContradicted` and accepts what the sources say now: the latch and the baseline
/// it rests on are dropped, a new baseline is built from the next updates. Without a latch nothing changes.
pub fn acknowledge(state: &JudgeState) -> JudgeState {
    state.clone()
}
