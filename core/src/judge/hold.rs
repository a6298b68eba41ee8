//! Hold times: a breach is told when it has lasted, and taken back when it has been gone for long enough.
//!
//! Counted on CLOCK_BOOTTIME. A moment of which nothing is known neither starts nor ends anything.

use crate::clocks::BootTime;
use crate::tolerances::Tolerances;
use serde::{Deserialize, Serialize};

/// One told state with its pending change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Whether the breach is told.
    pub told: bool,
    /// Since when the opposite has been seen without a break.
    turning: Option<BootTime>,
}

/// How fast a change is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// After the policy's hold times.
    Held,
    /// Now: nothing was told before that a hold time would defend, or the evidence is a hold of its own.
    AtOnce,
}

impl Hold {
    /// Takes in whether there is a breach at this look; none = not known.
    pub fn step(&mut self, breach: Option<bool>, now: BootTime, tolerances: &Tolerances, pace: Pace) -> bool {
        let Some(breach) = breach else { return self.told };
        if breach == self.told {
            self.turning = None;
            return self.told;
        }
        let since = *self.turning.get_or_insert(now);
        let hold = if breach { tolerances.breach_hold } else { tolerances.clear_hold };
        if pace == Pace::AtOnce || now - since >= hold {
            *self = Self { told: breach, turning: None };
        }
        self.told
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tolerances::Preset;
    use crate::units::Nanos;
    use proptest::prelude::*;

    fn at(seconds: i64) -> BootTime {
        BootTime(Nanos::from_secs(seconds).0)
    }

    #[test]
    fn told_after_the_hold_and_cleared_after_its_own() {
        let limits = Preset::Kubernetes.tolerances(); // 30 s and 60 s
        let mut hold = Hold::default();
        assert!(!hold.step(Some(true), at(0), &limits, Pace::Held));
        assert!(!hold.step(Some(true), at(29), &limits, Pace::Held));
        assert!(!hold.step(None, at(29), &limits, Pace::Held));
        assert!(hold.step(Some(true), at(30), &limits, Pace::Held));
        assert!(hold.step(Some(false), at(40), &limits, Pace::Held));
        assert!(hold.step(Some(true), at(90), &limits, Pace::Held));
        assert!(hold.step(Some(false), at(100), &limits, Pace::Held));
        assert!(!hold.step(Some(false), at(160), &limits, Pace::Held));
    }

    proptest! {
        /// Whatever comes in, two changes are never closer than the hold time of the later one.
        #[test]
        fn never_flaps_inside_the_hold_times(looks in prop::collection::vec((1_i64..40, any::<Option<bool>>()), 1..200)) {
            let limits = Preset::Kubernetes.tolerances();
            let (mut hold, mut now, mut changed) = (Hold::default(), 0, i64::MIN / 2);
            for (gap, breach) in looks {
                now += gap;
                let before = hold.told;
                if hold.step(breach, at(now), &limits, Pace::Held) != before {
                    let least = if hold.told { 30 } else { 60 };
                    prop_assert!(now - changed >= least);
                    changed = now;
                }
            }
        }
    }
}
