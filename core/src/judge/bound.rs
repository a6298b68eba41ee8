//! The error bound of the judged clock, and how it is carried when there is none of now.
//!
//! *Expected*: |residual| + root delay/2 + root dispersion (chrony's own drift allowance is in the dispersion).
//! *Guaranteed*: that + the guaranteed rate × age. Age is this machine's own CLOCK_BOOTTIME since chronyd's
//! reference values last changed, never a difference of wall clocks: following a +600 s source, the reference
//! time lies 599 s in the future.

use crate::clocks::{BootTime, WallTime};
use crate::observation::{ClockProfile, Leap, Tracking};
use crate::units::{Nanos, Ppb};
use crate::verdict::ErrorBound;
use serde::{Deserialize, Serialize};

/// Reference id of chronyd's own `local` reference. Then leap is 0, root delay and dispersion are 0: "perfect"
/// (measured on 4.3).
pub const LOCAL_REFERENCE: u32 = 0x7f7f_0101;

/// What chronyd shows as root delay *and* as root dispersion when it is not synchronised (measured on 4.3, also
/// for the second in which a 2-versus-2 split begins, with leap still normal in some looks).
const PLACEHOLDER: Nanos = Nanos::SECOND;

/// chrony's own drift allowance: `maxclockerror`, 1 ppm unless configured (chrony.conf manual).
const CHRONY_DRIFT: Ppb = Ppb::from_ppm(1);

/// What TRACKING stands for, once its misleading fields are seen through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference {
    /// A real reference: its figures may be used.
    Good,
    /// None: leap 3, no reference id, year 1970, or both placeholders.
    None,
    /// Itself.
    Local,
}

/// Sees through TRACKING's misleading fields.
pub fn reference(tracking: &Tracking) -> Reference {
    if tracking.refid == LOCAL_REFERENCE {
        Reference::Local
    } else if tracking.leap == Leap::Unsynchronised
        || tracking.refid == 0
        || tracking.reference_time.0 <= 0
        || (tracking.root_delay == PLACEHOLDER && tracking.root_dispersion == PLACEHOLDER)
    {
        Reference::None
    } else {
        Reference::Good
    }
}

/// Half the root delay + the root dispersion: everything but the residual. DESIGN's w.
pub fn width(tracking: &Tracking) -> Nanos {
    tracking.root_delay.abs().half_up() + tracking.root_dispersion.abs()
}

/// What tells one clock update of chronyd from the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    refid: u32,
    time: WallTime,
}

impl Stamp {
    /// The stamp of what chronyd says now.
    pub const fn of(tracking: &Tracking) -> Self {
        Self { refid: tracking.refid, time: tracking.reference_time }
    }
}

/// chronyd's last clock update as we saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    /// Which one.
    pub stamp: Stamp,
    /// It happened at this moment or later: an age counted from here is never too small.
    pub not_before: BootTime,
}

impl Update {
    /// The update that `tracking` shows. `looked`: the moment of the look before, none at the first; then the
    /// age of the youngest sample stands in (`sample_age`, which chronyd counts in whole seconds).
    pub fn seen(
        before: Option<Self>,
        tracking: &Tracking,
        now: BootTime,
        looked: Option<BootTime>,
        sample_age: Option<Nanos>,
    ) -> Self {
        let stamp = Stamp::of(tracking);
        match (before, looked) {
            (Some(known), _) if known.stamp == stamp => known,
            (Some(_), Some(looked)) => Self { stamp, not_before: looked },
            (_, _) => Self { stamp, not_before: now - (sample_age.unwrap_or(Nanos::ZERO) + Nanos::SECOND) },
        }
    }
}

/// A bound in its parts, as it was at one moment: what is carried forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Good {
    /// When it was.
    at: BootTime,
    /// What chronyd had yet to correct.
    residual: Nanos,
    /// Everything but the residual, expected.
    expected: Nanos,
    /// Everything but the residual, guaranteed.
    guaranteed: Nanos,
    /// How fast the expected part grows without updates.
    expected_rate: Ppb,
    /// How fast the residual itself moves when nobody corrects it: under `-x` the host runs on uncorrected.
    drift: Ppb,
    /// Carried bounds only grow: the largest that was published since.
    floor: Nanos,
}

impl Good {
    /// The bound of now, from a good reference.
    pub fn now(
        tracking: &Tracking,
        residual: Nanos,
        age: Nanos,
        rate: Ppb,
        profile: ClockProfile,
        now: BootTime,
    ) -> Self {
        let expected = width(tracking);
        Self {
            at: now,
            residual,
            expected,
            guaranteed: expected + rate.abs().over(age.max(Nanos::ZERO)),
            expected_rate: CHRONY_DRIFT + tracking.skew.abs(),
            drift: match profile {
                ClockProfile::Virtual => tracking.frequency,
                ClockProfile::Real => Ppb::ZERO,
            },
            floor: Nanos::ZERO,
        }
    }
    /// As published while it is fresh.
    pub fn bound(&self, rate: Ppb) -> ErrorBound {
        ErrorBound {
            expected: self.residual.abs() + self.expected,
            guaranteed: self.residual.abs() + self.guaranteed,
            carried: false,
            growth: self.growth(rate),
        }
    }
    fn aged(&self, now: BootTime) -> Nanos {
        (now - self.at).max(Nanos::ZERO)
    }
    /// What chronyd will have to correct at `now`, as far as that is known without it.
    pub fn residual_at(&self, now: BootTime) -> Nanos {
        self.residual + self.drift.over(self.aged(now))
    }
    /// Everything but the residual, grown to `now`; this is ± of [`Good::residual_at`].
    pub fn guaranteed_at(&self, now: BootTime, rate: Ppb) -> Nanos {
        self.guaranteed + rate.abs().over(self.aged(now))
    }
    /// Carried to `now`; never smaller than it was when carried before. `residual`: chronyd's own word, where it
    /// still has one.
    pub fn carry(&mut self, now: BootTime, residual: Option<Nanos>, rate: Ppb) -> ErrorBound {
        let residual = residual.unwrap_or_else(|| self.residual_at(now)).abs();
        let expected = residual + self.expected + self.expected_rate.over(self.aged(now));
        self.floor = self.floor.max(residual + self.guaranteed_at(now, rate));
        ErrorBound {
            expected: expected.min(self.floor),
            guaranteed: self.floor,
            carried: true,
            growth: self.growth(rate),
        }
    }
    /// Other evidence (the agreeing group, the baseline) asked for a wider bound: carried, it stays that wide.
    pub fn widen(&mut self, bound: ErrorBound) {
        self.floor = self.floor.max(bound.guaranteed);
    }
    /// How fast the clock moves when nobody corrects it.
    pub const fn drift(&self) -> Ppb {
        self.drift
    }
    /// How fast the expected bound grows, by what is known of this oscillator.
    pub fn expected_growth(&self) -> Ppb {
        self.expected_rate + self.drift.abs()
    }
    /// How fast a carried bound may grow.
    pub fn growth(&self, rate: Ppb) -> Ppb {
        rate.abs() + self.drift.abs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::tests::build::tracking;
    use rstest::rstest;

    #[rstest]
    #[case::following(|_: &mut Tracking| {}, Reference::Good)]
    #[case::leap_3(|t: &mut Tracking| t.leap = Leap::Unsynchronised, Reference::None)]
    #[case::no_refid(|t: &mut Tracking| t.refid = 0, Reference::None)]
    #[case::year_1970(|t: &mut Tracking| t.reference_time = WallTime(0), Reference::None)]
    #[case::placeholders(|t: &mut Tracking| { t.root_delay = Nanos::SECOND; t.root_dispersion = Nanos::SECOND; }, Reference::None)]
    #[case::itself(|t: &mut Tracking| t.refid = LOCAL_REFERENCE, Reference::Local)]
    #[case::far_but_real(|t: &mut Tracking| t.root_delay = Nanos::SECOND, Reference::Good)]
    fn raw_fields_that_mislead(#[case] change: fn(&mut Tracking), #[case] expected: Reference) {
        let mut raw = tracking();
        change(&mut raw);
        assert_eq!(reference(&raw), expected);
    }

    #[test]
    fn expected_and_guaranteed() {
        let mut raw = tracking();
        (raw.root_delay, raw.root_dispersion) = (Nanos(201), Nanos(50));
        let good = Good::now(
            &raw,
            Nanos(-1_000),
            Nanos::from_secs(10),
            Ppb::from_ppm(15),
            ClockProfile::Real,
            BootTime(0),
        );
        let bound = good.bound(Ppb::from_ppm(15));
        assert_eq!(bound.expected, Nanos(1_000 + 101 + 50));
        assert_eq!(bound.guaranteed, Nanos(1_000 + 101 + 50 + 150_000));
        assert_eq!(bound.growth, Ppb::from_ppm(15), "chronyd corrects this clock's rate");
    }

    #[test]
    fn an_age_is_never_too_small() {
        let mut raw = tracking();
        let at = |seconds| BootTime(Nanos::from_secs(seconds).0);
        let first = Update::seen(None, &raw, at(100), None, Some(Nanos::from_secs(7)));
        assert_eq!(first.not_before, at(92));
        let same = Update::seen(Some(first), &raw, at(110), Some(at(100)), None);
        assert_eq!(same, first);
        raw.reference_time = WallTime(raw.reference_time.0 - 600_000_000_000);
        assert_eq!(Update::seen(Some(first), &raw, at(120), Some(at(110)), None).not_before, at(110));
    }

    #[test]
    fn a_carried_bound_only_grows() {
        let mut raw = tracking();
        raw.frequency = Ppb::from_ppm(40);
        let mut good = Good::now(
            &raw,
            Nanos::from_millis(-4),
            Nanos::ZERO,
            Ppb::from_ppm(15),
            ClockProfile::Virtual,
            BootTime(0),
        );
        let first = good.bound(Ppb::from_ppm(15));
        assert_eq!(first.growth, Ppb::from_ppm(55), "nobody corrects the 40 ppm that it drifts");
        let mut last = first.guaranteed;
        for second in 0..500 {
            // Under -x the host drifts through zero to the other side: the residual alone would shrink the bound.
            let carried = good.carry(BootTime(Nanos::from_secs(second).0), None, Ppb::from_ppm(15));
            assert!(carried.guaranteed >= last && carried.expected <= carried.guaranteed && carried.carried);
            let told = first.guaranteed + first.growth.over(Nanos::from_secs(second));
            assert!(carried.guaranteed <= told, "what was told covers what comes: {carried:?}");
            last = carried.guaranteed;
        }
        assert!(last >= Nanos::from_millis(20));
    }
}
