//! What a kiss-o'-death makes us do (law 11): ask less often, or never again.

use super::KissKind;
use crate::clocks::BootTime;
use crate::units::Nanos;

/// First pause after `RATE`: the interval at which chronyd and ntpd poll by default (2⁶ s).
const FIRST: Nanos = Nanos::from_secs(64);
/// It doubles with each further one, up to here: 68 minutes.
const LONGEST: Nanos = Nanos::from_secs(64 << 6);
/// A server that was content for so long after a pause begins with the first pause again.
const FORGIVEN: Nanos = Nanos::from_secs(24 * 3_600);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Manners {
    #[default]
    Free,
    Paused {
        until: BootTime,
        pause: Nanos,
    },
    /// Until this process ends: whoever lifts it restarts the agent.
    Denied,
}

impl Manners {
    pub(super) fn kissed(&mut self, kind: KissKind, now: BootTime) {
        *self = match (kind, *self) {
            (_, Self::Denied) | (KissKind::Deny | KissKind::Restricted, _) => Self::Denied,
            (KissKind::Rate, before) => {
                let pause = match before {
                    Self::Paused { until, pause } if now - until < FORGIVEN => pause.times(2).min(LONGEST),
                    _ => FIRST,
                };
                Self::Paused { until: now + pause, pause }
            }
            // It has no time, or says what we do not know: no wish about how often it is asked.
            (KissKind::Unsynchronised | KissKind::Other(_), before) => before,
        };
    }

    /// No probe at this moment.
    pub(super) fn forbids(self, now: BootTime) -> bool {
        match self {
            Self::Free => false,
            Self::Paused { until, .. } => now < until,
            Self::Denied => true,
        }
    }

    /// The earliest moment, not before `at`, at which it may be asked; none = never.
    pub(super) fn earliest(self, at: BootTime) -> Option<BootTime> {
        match self {
            Self::Free => Some(at),
            Self::Paused { until, .. } => Some(at.max(until)),
            Self::Denied => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> BootTime {
        BootTime(Nanos::from_secs(seconds).0)
    }

    #[test]
    fn each_rate_doubles_the_pause_up_to_the_longest_and_a_day_forgives() {
        let mut manners = Manners::default();
        let mut now = at(1_000);
        for pause in [64, 128, 256, 512, 1_024, 2_048, 4_096, 4_096] {
            manners.kissed(KissKind::Rate, now);
            let until = now + Nanos::from_secs(pause);
            assert!(manners.forbids(until - Nanos(1)) && !manners.forbids(until), "{manners:?}");
            assert_eq!(manners.earliest(now), Some(until));
            now = until + Nanos::SECOND;
        }
        now = now + FORGIVEN;
        manners.kissed(KissKind::Rate, now);
        assert_eq!(manners.earliest(now), Some(now + FIRST));
    }

    #[test]
    fn denied_is_for_ever_and_other_kisses_are_no_wish() {
        for kind in [KissKind::Deny, KissKind::Restricted] {
            let mut manners = Manners::default();
            manners.kissed(kind, at(0));
            manners.kissed(KissKind::Rate, at(0));
            assert_eq!((manners, manners.earliest(at(1))), (Manners::Denied, None));
            assert!(manners.forbids(BootTime(i64::MAX)));
        }
        let mut manners = Manners::default();
        manners.kissed(KissKind::Unsynchronised, at(0));
        manners.kissed(KissKind::from_refid(u32::from_be_bytes(*b"XFUN")), at(0));
        assert_eq!(manners, Manners::Free);
    }
}
