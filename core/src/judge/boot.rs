//! The first minutes: booting (nothing is known yet) and settling (a later start of chronyd: what was told is
//! carried until a majority has three fresh samples, law 4). Row 3 of the conditions table.

use crate::clocks::BootTime;
use crate::snapshot::{NodePlan, Role};
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
    },
    /// A later start of chronyd.
    Settling {
        /// First look at the new daemon.
        since: BootTime,
    },
    /// Judged by what it says.
    Running,
}

impl Startup {
    /// The next phase. `majority_fresh`: a majority of voters has [`FRESH_SAMPLES`]; none = chronyd said nothing.
    pub fn step(self, restarted: bool, majority_fresh: Option<bool>, now: BootTime, patience: Nanos) -> Self {
        let phase = match (self, restarted) {
            (Self::New, _) => Self::Booting { since: now },
            (Self::Settling { .. } | Self::Running, true) => Self::Settling { since: now },
            (Self::Booting { .. } | Self::Settling { .. } | Self::Running, _) => self,
        };
        match phase {
            Self::Booting { since } | Self::Settling { since } => {
                if majority_fresh == Some(true) || now - since > patience { Self::Running } else { phase }
            }
            Self::New | Self::Running => phase,
        }
    }
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

    #[test]
    fn booting_ends_with_samples_or_with_patience() {
        let booting = Startup::New.step(false, None, at(5), AT_MOST);
        assert_eq!(booting, Startup::Booting { since: at(5) });
        assert_eq!(booting.step(false, Some(true), at(9), AT_MOST), Startup::Running);
        assert_eq!(booting.step(true, Some(false), at(125), AT_MOST), booting);
        assert_eq!(booting.step(false, Some(false), at(126), AT_MOST), Startup::Running);
    }

    #[test]
    fn a_later_start_settles_and_never_boots() {
        let settling = Startup::Running.step(true, Some(false), at(50), AT_MOST);
        assert_eq!(settling, Startup::Settling { since: at(50) });
        assert_eq!(settling.step(true, Some(false), at(60), AT_MOST), Startup::Settling { since: at(60) });
        assert_eq!(settling.step(false, None, at(171), AT_MOST), Startup::Running);
    }
}
