//! How far apart the clocks of a policy are: what agents published, made ready for core's [`spread`].
//!
//! **In.** NodeTimes, which agents are silent, since when their status is known. **Out.** Per policy what to tell and whether
//! the tolerance is exceeded, held for the policy's hold times. **Must never** count a silent agent's word.

use crate::gather::World;
use meantime_core::diagnose::fleet::{Fleet, Heard};
use meantime_core::judge::hold::{Hold, Pace};
use meantime_core::plan::PolicyReport;
use meantime_core::spread::{Spread, Told, spread, told};
use meantime_core::units::Nanos;
use meantime_crds::TimeSyncPolicyStatus;
use meantime_crds::timesyncpolicy::SpreadStatus;
use std::collections::{BTreeMap, BTreeSet};

/// The reason of `Compliant` while the tolerance is exceeded.
pub const EXCEEDED: &str = "SpreadExceeded";
/// While a hold time runs it is looked at this often.
pub const AGAIN: Nanos = Nanos::from_secs(5);

/// All nodes that can be compared, of all policies.
#[derive(Debug)]
pub struct Clocks {
    fleet: Fleet,
    pools: BTreeSet<String>,
}

impl Clocks {
    /// As they were last heard. What stood when this operator began is compared too: its age is bounded by its heartbeat.
    pub fn of(world: &World, fleet: &Fleet) -> Self {
        let pools = world.sources.iter().filter(|(_, source)| source.spec.pool.is_some());
        let mut fleet = fleet.clone();
        for node in fleet.nodes.values_mut().filter(|node| node.heard == Heard::Starting) {
            node.heard = Heard::Fresh;
        }
        Self { pools: pools.map(|(name, _)| name.clone()).collect(), fleet }
    }
}

/// One policy at one look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// As of now.
    pub exact: Spread,
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
        clocks: &Clocks,
    ) -> Option<Look> {
        let tolerances = report.tolerances.as_ref()?;
        let exact = spread(&clocks.fleet, &clocks.pools, members.iter().copied());
        if exact.nodes < 2 {
            self.0.remove(policy);
            return None;
        }
        let limit = report.max_spread;
        let before = standing.and_then(|status| status.spread.as_ref()).map(SpreadStatus::told);
        let told = told(before, &exact, limit.unwrap_or(tolerances.max_offset));
        let breach = limit.map(|limit| exact.proven_span() > limit);
        // A new operator goes on with what the last one told.
        let hold = self.0.entry(policy.to_owned()).or_insert_with(|| {
            let conditions = standing.map(|status| status.conditions.as_slice()).unwrap_or_default();
            let mut hold = Hold::default();
            hold.told = conditions.iter().any(|one| one.type_ == "Compliant" && one.reason == EXCEEDED);
            hold
        });
        let exceeded = hold.step(breach.or(Some(false)), clocks.fleet.now, tolerances, Pace::Held);
        Some(Look { exact, told, limit, exceeded, turning: breach.is_some_and(|breach| breach != exceeded) })
    }

    /// Forgets policies that are gone.
    pub fn keep_only(&mut self, there: impl Fn(&str) -> bool) {
        self.0.retain(|policy, _| there(policy));
    }
}
