//! How far apart the clocks of a policy are: what agents published, made ready for core's [`spread`].
//!
//! **In.** The fleet. **Out.** Per policy what to tell and whether the tolerance is exceeded, held for the policy's hold
//! times. **Must never** count a silent agent's word, or one of unknown age: what stands stays until all were heard anew.

use meantime_core::diagnose::fleet::{Fleet, Heard};
use meantime_core::judge::hold::{Hold, Pace};
use meantime_core::plan::PolicyReport;
use meantime_core::spread::{Spread, Told, spread, told};
use meantime_core::units::Nanos;
use meantime_crds::TimeSyncPolicyStatus;
use meantime_crds::timesyncpolicy::SpreadStatus;
use std::collections::BTreeMap;

/// The reason of `Compliant` while the tolerance is exceeded.
pub const EXCEEDED: &str = "SpreadExceeded";
/// While a hold time runs it is looked at this often.
pub const AGAIN: Nanos = Nanos::from_secs(5);

/// One policy at one look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// As of now; none = not all were heard since this operator began.
    pub exact: Option<Spread>,
    /// As it is told.
    pub told: Told,
    /// The tolerance; none = not judged.
    pub limit: Option<Nanos>,
    /// Proven above it, for longer than the hold time.
    pub exceeded: bool,
    /// A hold time runs.
    pub turning: bool,
}

/// What is held, per policy.
#[derive(Clone, Debug, Default)]
pub struct Holds(BTreeMap<String, Hold>);

impl Holds {
    /// Looks at one policy; none = it has no two nodes to compare, or no figures in force.
    pub fn look(
        &mut self,
        policy: &str,
        report: &PolicyReport,
        standing: Option<&TimeSyncPolicyStatus>,
        members: &[&str],
        fleet: &Fleet,
    ) -> Option<Look> {
        let tolerances = report.tolerances.as_ref()?;
        let limit = report.max_spread;
        let before = standing.and_then(|status| status.spread.as_ref()).map(SpreadStatus::told);
        // A new operator goes on with what the last one told.
        let hold = self.0.entry(policy.to_owned()).or_insert_with(|| {
            let conditions = standing.map(|status| status.conditions.as_slice()).unwrap_or_default();
            let mut hold = Hold::default();
            hold.told = conditions.iter().any(|one| one.type_ == "Compliant" && one.reason == EXCEEDED);
            hold
        });
        // A node that has said nothing yet is measured by nobody: it is not waited for.
        let of_unknown_age = |name: &&str| {
            let node = fleet.nodes.get(*name);
            node.is_some_and(|node| node.heard == Heard::Starting && node.report.is_some())
        };
        if members.iter().any(of_unknown_age) {
            let exceeded = hold.told;
            return before.map(|told| Look { exact: None, told, limit, exceeded, turning: false });
        }
        let exact = spread(fleet, members.iter().copied());
        if exact.nodes < 2 {
            self.0.remove(policy);
            return None;
        }
        let told = told(before, &exact, limit.unwrap_or(tolerances.max_offset));
        let breach = limit.map(|limit| exact.proven_span() > limit);
        let exceeded = hold.step(breach.or(Some(false)), fleet.now, tolerances, Pace::Held);
        let turning = breach.is_some_and(|breach| breach != exceeded);
        Some(Look { exact: Some(exact), told, limit, exceeded, turning })
    }

    /// Forgets policies that are gone.
    pub fn keep_only(&mut self, there: impl Fn(&str) -> bool) {
        self.0.retain(|policy, _| there(policy));
    }
}
