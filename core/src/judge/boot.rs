//! The first minutes: booting (nothing is known yet) and settling (a later start of chronyd: what was told is
//! carried until a majority has three fresh samples, law 4). Row 3 of the conditions table.

use crate::clocks::BootTime;
use crate::snapshot::{NodePlan, Role};
use crate::tolerances::Tolerances;
use crate::units::Nanos;
use serde::{Deserialize, Serialize};

/// Fresh samples that a majority must have (DESIGN: row 3 and law 4).
pub const FRESH_SAMPLES: u32 = 3;
/// Booting and settling last at most this, or eight polls (DESIGN, row 3).
const AT_MOST: Nanos = Nanos::from_secs(120);
const AT_MOST_POLLS: i64 = 8;

/// Where this machine's chronyd is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Startup {
    /// No look yet.
    #[default]
    New,
    /// First start after boot or first plan.
    Booting {
        /// First look.
        since: BootTime,
        /// Since when a majority has its samples, while the bound is still that of a first regression.
        #[serde(default)]
        rough_since: Option<BootTime>,
    },
    /// A later start of chronyd.
    Settling {
        /// First look at the new daemon.
        since: BootTime,
    },
    /// Judged by what it says.
    Running,
}

/// What a look says of the daemon's readiness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// A majority of voters has [`FRESH_SAMPLES`].
    pub majority_fresh: bool,
    /// Its error bound says more of the clock than of the first regression: see [`rough`].
    pub rough: bool,
}

impl Startup {
    /// The next phase. `readiness`: none = chronyd said nothing. `hold`: the policy's breach hold.
    pub fn step(
        self,
        restarted: bool,
        readiness: Option<Readiness>,
        now: BootTime,
        patience: Nanos,
        hold: Nanos,
    ) -> Self {
        let phase = match (self, restarted) {
            (Self::New, _) => Self::Booting { since: now, rough_since: None },
            (Self::Settling { .. } | Self::Running, true) => Self::Settling { since: now },
            (Self::Booting { .. } | Self::Settling { .. } | Self::Running, _) => self,
        };
        let fresh = readiness.is_some_and(|readiness| readiness.majority_fresh);
        match phase {
            Self::Booting { since, .. } | Self::Settling { since } if now - since > patience => Self::Running,
            Self::Settling { .. } if fresh => Self::Running,
            Self::Booting { since, rough_since } if fresh => {
                let began = rough_since.unwrap_or(now);
                if readiness.is_some_and(|readiness| readiness.rough) && now - began < hold {
                    Self::Booting { since, rough_since: Some(began) }
                } else {
                    Self::Running
                }
            }
            Self::Booting { .. } | Self::Settling { .. } | Self::New | Self::Running => phase,
        }
    }
}

/// chronyd's first regression over three samples may claim half a second of dispersion and be right to a
/// microsecond (570 ms, then 250 µs a poll later, on 4.3). Of a node that was never judged this would tell a breach
/// that a hold time is there to swallow: it stays booting for at most that hold time. An offset over its limit is
/// not a matter of samples and is told.
pub fn rough(offset: Nanos, width: Nanos, limits: &Tolerances) -> bool {
    offset.abs() <= limits.max_offset && offset.abs() + width > limits.warn_error_bound
}

/// How long booting and settling may last under this plan: max(2 min, 8 polls of the slowest voter at its fastest).
pub fn patience(plan: &NodePlan) -> Nanos {
    let slowest = plan
        .associations
        .iter()
        .filter(|planned| planned.role != Role::Witness)
        .map(|voter| Nanos::from_log2_seconds(voter.polls.min))
        .max()
        .unwrap_or(Nanos::ZERO);
    AT_MOST.max(slowest.times(AT_MOST_POLLS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> BootTime {
        BootTime(Nanos::from_secs(seconds).0)
    }

    const HOLD: Nanos = Nanos::from_secs(30);
    const FEW: Option<Readiness> = Some(Readiness { majority_fresh: false, rough: true });
    const ROUGH: Option<Readiness> = Some(Readiness { majority_fresh: true, rough: true });
    const READY: Option<Readiness> = Some(Readiness { majority_fresh: true, rough: false });

    #[test]
    fn booting_ends_with_samples_or_with_patience() {
        let booting = Startup::New.step(false, None, at(5), AT_MOST, HOLD);
        assert_eq!(booting, Startup::Booting { since: at(5), rough_since: None });
        assert_eq!(booting.step(false, READY, at(9), AT_MOST, HOLD), Startup::Running);
        assert_eq!(booting.step(true, FEW, at(125), AT_MOST, HOLD), booting);
        assert_eq!(booting.step(false, FEW, at(126), AT_MOST, HOLD), Startup::Running);
    }

    #[test]
    fn a_rough_first_bound_is_waited_for_no_longer_than_a_breach_is_held() {
        let booting = Startup::New.step(false, FEW, at(5), AT_MOST, HOLD);
        let rough = booting.step(false, ROUGH, at(9), AT_MOST, HOLD);
        assert_eq!(rough, Startup::Booting { since: at(5), rough_since: Some(at(9)) });
        assert_eq!(rough.step(false, READY, at(10), AT_MOST, HOLD), Startup::Running);
        assert_eq!(rough.step(false, ROUGH, at(38), AT_MOST, HOLD), rough);
        assert_eq!(rough.step(false, ROUGH, at(39), AT_MOST, HOLD), Startup::Running);
        assert_eq!(rough.step(false, ROUGH, at(20), Nanos::from_secs(10), HOLD), Startup::Running);
    }

    #[test]
    fn an_offset_over_its_limit_is_never_rough() {
        let limits = crate::tolerances::Preset::Kubernetes.tolerances(); // 50 ms, bound warn 250 ms
        assert!(rough(Nanos::from_millis(1), Nanos::from_millis(260), &limits));
        assert!(!rough(Nanos::from_millis(1), Nanos::from_millis(200), &limits));
        assert!(!rough(Nanos::from_millis(-51), Nanos::from_millis(260), &limits));
    }

    #[test]
    fn a_later_start_settles_and_never_boots() {
        let settling = Startup::Running.step(true, FEW, at(50), AT_MOST, HOLD);
        assert_eq!(settling, Startup::Settling { since: at(50) });
        assert_eq!(settling.step(true, FEW, at(60), AT_MOST, HOLD), Startup::Settling { since: at(60) });
        assert_eq!(settling.step(true, ROUGH, at(60), AT_MOST, HOLD), Startup::Running);
        assert_eq!(settling.step(false, None, at(171), AT_MOST, HOLD), Startup::Running);
    }
}
