//! How long this clock stays in tolerance when nobody corrects it any more: two forecasts.
//!
//! *Expected*: by what is known of this oscillator – the residual runs on at its frequency error, the bound grows by
//! chrony's own allowance and the skew of that frequency. *Guaranteed*: by the rate that any oscillator is trusted with.
//! Each is the time until the first limit of the policy is reached; TimeSynchronized then says so.

use super::Figures;
use super::bound::Good;
use crate::clocks::BootTime;
use crate::tolerances::Tolerances;
use crate::units::{Nanos, Ppb};
use crate::verdict::Holdover;

/// The forecasts of now; none while there is a usable source, or no bound to carry.
pub fn of(
    since: BootTime,
    good: &Good,
    figures: &Figures,
    limits: &Tolerances,
    now: BootTime,
) -> Option<Holdover> {
    let bound = figures.bound.filter(|bound| bound.carried)?;
    let residual = figures.offset.unwrap_or(Nanos::ZERO);
    let told = limits.max_error_bound.scaled(9, 10);
    let until = |bound: Nanos, rate: Ppb| time_to((told - bound).max(Nanos::ZERO), rate);
    // The offset itself drifts away only where nobody corrects this clock's rate.
    let drift = good.drift();
    let way = if drift.0 < 0 { limits.max_offset + residual } else { limits.max_offset - residual };
    let offset = time_to(way.max(Nanos::ZERO), drift.abs());
    let first = |one: Option<Nanos>, other: Option<Nanos>| one.into_iter().chain(other).min();
    // chronyd that is new to an oscillator calls itself surer of nothing than of what any oscillator is trusted with.
    let guaranteed = good.growth(limits.guaranteed_rate);
    let growth = good.expected_growth().min(guaranteed);
    Some(Holdover {
        lasts: now - since,
        expected_breach: first(until(bound.expected, growth), offset),
        guaranteed_breach: first(until(bound.guaranteed, guaranteed), offset),
    })
}

/// How long until a bound that is carried from now on reaches 90 % of its limit.
pub fn time_to(left: Nanos, rate: Ppb) -> Option<Nanos> {
    (rate.0 > 0).then(|| left.scaled(1_000_000_000, rate.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::tests::build::tracking;
    use crate::observation::ClockProfile;
    use crate::tolerances::Preset;
    use crate::verdict::ErrorBound;
    use rstest::rstest;

    /// `kubernetes`: 50 ms, 500 ms; the clock 10 ms ahead, its bound 11 ms.
    fn forecast(profile: ClockProfile, drift_ppm: i64) -> Holdover {
        told(profile, drift_ppm, Ppb::ZERO, true).unwrap()
    }
    fn of_skew(skew: Ppb, carried: bool) -> Option<Holdover> {
        told(ClockProfile::Real, 0, skew, carried)
    }
    fn told(profile: ClockProfile, drift_ppm: i64, skew: Ppb, carried: bool) -> Option<Holdover> {
        let limits = Preset::Kubernetes.tolerances();
        let mut raw = tracking();
        (raw.frequency, raw.skew) = (Ppb::from_ppm(drift_ppm), skew);
        let (residual, now) = (Nanos::from_millis(10), BootTime(0));
        let good = Good::now(&raw, residual, Nanos::ZERO, limits.guaranteed_rate, profile, now);
        let bound = ErrorBound {
            carried,
            expected: Nanos::from_millis(11),
            guaranteed: Nanos::from_millis(11),
            growth: Ppb::ZERO,
        };
        let figures =
            Figures { offset: Some(residual), bound: Some(bound), alone: true, ..Figures::default() };
        of(now, &good, &figures, &limits, BootTime(Nanos::from_secs(7).0))
    }

    #[rstest]
    // 40 ms at 50 ppm; the other way it is 60 ms
    #[case::fast(50, 800)]
    #[case::slow(-50, 1_200)]
    fn an_uncorrected_clock_runs_into_its_offset_limit(#[case] drift_ppm: i64, #[case] seconds: i64) {
        let told = forecast(ClockProfile::Virtual, drift_ppm);
        assert_eq!(told.lasts, Nanos::from_secs(7));
        assert_eq!(told.expected_breach, Some(Nanos::from_secs(seconds)));
        assert_eq!(told.guaranteed_breach, told.expected_breach, "no later than expected");
    }

    #[test]
    fn a_corrected_clock_runs_into_its_bound() {
        let told = forecast(ClockProfile::Real, 50);
        // (450 − 11) ms at 1 ppm and at 15 ppm
        assert_eq!(told.expected_breach, Some(Nanos::from_secs(439_000)));
        assert_eq!(told.guaranteed_breach.map(|left| left.0 / Nanos::SECOND.0), Some(29_266));
    }

    /// chronyd that is new to an oscillator says skews of hundreds of ppm.
    #[test]
    fn expected_is_never_worse_than_guaranteed() {
        let told = of_skew(Ppb::from_ppm(400), true).unwrap();
        assert_eq!(told.expected_breach, told.guaranteed_breach);
    }

    #[test]
    fn there_is_no_forecast_of_a_bound_that_is_fresh() {
        assert_eq!(of_skew(Ppb::ZERO, false), None);
    }
}
