//! Whether the tolerances can be kept at all, as far as that is known before a packet was sent.
//!
//! The floor of a node's guaranteed error bound is its best voter's (RTT/2 + root distance), known to the agent only,
//! plus what its oscillator may do between two clock updates: guaranteed rate × 3 × 2^maxPoll. The second
//! term alone is checked here.

use super::finding::{Finding, Infeasible};
use crate::snapshot::{PlannedAssociation, Role};
use crate::tolerances::{Preset, Tolerances};
use crate::units::Nanos;
use crate::validate::{MAX_POLL, MIN_POLL};

/// Three polls: one answered, one lost, one on its way.
const POLLS: i64 = 3;

/// What the oscillator may do while polls are 2^`poll` seconds apart.
fn drift(tolerances: &Tolerances, poll: i8) -> Nanos {
    tolerances.guaranteed_rate.over(Nanos::from_log2_seconds(poll).times(POLLS))
}

/// Infeasible figures, or such as will always warn. The slowest poll of the *fastest* driver counts (chronyd moves the
/// clock when its selected source answers, and which of several drivers that is it decides itself): what is
/// refused here is beyond doubt.
pub(super) fn check(tolerances: &Tolerances, associations: &[PlannedAssociation]) -> Option<Finding> {
    if tolerances.preset == Preset::Mifid2 {
        return Some(Finding::Infeasible(Infeasible::NeedsHardware));
    }
    let slowest = |role| associations.iter().filter(|a| a.role == role).map(|a| a.polls.max).min();
    let max_poll = slowest(Role::Driver).or_else(|| slowest(Role::Voter))?;
    let drift_now = drift(tolerances, max_poll);
    let workable = |limit| (MIN_POLL..=MAX_POLL).rev().find(|poll| drift(tolerances, *poll) <= limit);
    let (rate, drift) = (tolerances.guaranteed_rate, drift_now);
    if drift > tolerances.max_error_bound {
        let limit = tolerances.max_error_bound;
        let workable = workable(limit);
        Some(Finding::Infeasible(Infeasible::Drift { max_poll, rate, drift, limit, workable }))
    } else if drift > tolerances.warn_error_bound {
        let limit = tolerances.warn_error_bound;
        Some(Finding::AlwaysWarns { max_poll, rate, drift, limit, workable: workable(limit) })
    } else {
        None
    }
}
