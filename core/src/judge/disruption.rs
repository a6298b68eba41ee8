//! `ClockDisrupted`: this machine's own clocks came apart. Ours, never the sources' fault.
//!
//! Somebody stepped CLOCK_REALTIME, the machine slept (RAW stands still), or a virtual machine was paused: then
//! REALTIME and BOOTTIME stand still together and only the hardware clock tells (measured).

use crate::clocks::ClockReading;
use crate::observation::ClockProfile;
use crate::units::{Nanos, Ppb};
use serde::{Deserialize, Serialize};

/// Two clocks further apart than this within a look are not one story any more (DESIGN).
const APART: Nanos = Nanos::from_secs(2);
/// Over a long gap between two looks (the agent was away) honest clocks part by their rates: the kernel lets no
/// frequency correction exceed 500 ppm (adjtimex(2)).
const HONEST_RATE: Ppb = Ppb::from_ppm(500);
/// chronyd slews by at most 83,333 ppm unless configured (maxslewrate), rounded up.
const FASTEST_SLEW: Ppb = Ppb::from_ppm(100_000);
/// `since_epoch` tells whole seconds: a difference of two readings is wrong by up to one.
const RTC_GRAIN: Nanos = Nanos::SECOND;

/// What came apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// CLOCK_REALTIME jumped against CLOCK_BOOTTIME by this much.
    Stepped(Nanos),
    /// The machine slept: CLOCK_MONOTONIC_RAW stood still for this long.
    Slept(Nanos),
    /// The hardware clock ran on without us: the machine was paused.
    Paused {
        /// For so long.
        by: Nanos,
        /// Give or take this.
        within: Nanos,
    },
    /// Every view moved by this much, none stayed, and no hardware clock can be asked.
    ViewsMoved(Nanos),
}

/// Compares two looks of one boot.
pub fn between(before: &ClockReading, now: &ClockReading) -> Option<Cause> {
    let boot = now.boot - before.boot;
    let wall = now.wall - before.wall;
    let raw = now.raw - before.raw;
    let apart = APART + HONEST_RATE.over(boot.abs());
    if (wall - boot).abs() > apart {
        return Some(Cause::Stepped(wall - boot));
    }
    if (boot - raw).abs() > apart || (wall - raw).abs() > apart {
        return Some(Cause::Slept(boot - raw));
    }
    let (rtc_before, rtc_now) = (before.rtc?, now.rtc?);
    let moved = (rtc_now - rtc_before) - wall;
    // The kernel writes our time into the hardware clock every eleven minutes (rtcsync): then it comes *to* us.
    let was_set = (rtc_now - now.wall).abs() <= APART && (rtc_before - before.wall).abs() > APART;
    (moved.abs() > apart + RTC_GRAIN && !was_set).then_some(Cause::Paused { by: moved, within: RTC_GRAIN })
}

/// A step that is no disruption: how far CLOCK_REALTIME went beyond the oscillator since the last look, when that is
/// further than anybody slews it.
pub fn stepped(before: &ClockReading, now: &ClockReading, profile: ClockProfile) -> Option<Nanos> {
    let ran = now.raw - before.raw;
    let moved = (now.wall - before.wall) - ran;
    let rate = match profile {
        ClockProfile::Virtual => HONEST_RATE,
        ClockProfile::Real => FASTEST_SLEW,
    };
    (moved.abs() > rate.over(ran.abs()) + Nanos::MILLISECOND).then_some(moved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clocks::{BootTime, RawTime, WallTime};
    use rstest::rstest;

    const YEAR_2026: i64 = 1_790_000_000;

    /// A look, milliseconds after the first one by each clock.
    fn look(wall: i64, boot: i64, raw: i64, rtc: Option<i64>) -> ClockReading {
        let milli = 1_000_000;
        ClockReading {
            wall: WallTime(YEAR_2026 * 1_000_000_000 + wall * milli),
            boot: BootTime(900 * 1_000_000_000 + boot * milli),
            raw: RawTime(900 * 1_000_000_000 + raw * milli),
            rtc: rtc.map(|rtc| WallTime((YEAR_2026 + rtc.div_euclid(1_000)) * 1_000_000_000)),
            tick: None,
        }
    }

    #[rstest]
    #[case::nothing(look(1_000, 1_000, 1_000, Some(1_000)), None)]
    #[case::a_small_step(look(2_900, 1_000, 1_000, Some(1_000)), None)]
    #[case::stepped_ahead(
        look(4_000, 1_000, 1_000, Some(1_000)),
        Some(Cause::Stepped(Nanos::from_millis(3_000)))
    )]
    #[case::stepped_back(look(-4_000, 1_000, 1_000, None), Some(Cause::Stepped(Nanos::from_millis(-5_000))))]
    #[case::slept(look(61_000, 61_000, 1_000, None), Some(Cause::Slept(Nanos::from_millis(60_000))))]
    #[case::paused(look(1_000, 1_000, 1_000, Some(6_000)), Some(Cause::Paused { by: Nanos::from_millis(5_000), within: RTC_GRAIN }))]
    #[case::paused_without_rtc(look(1_000, 1_000, 1_000, None), None)]
    #[case::within_the_rtc_grain(look(1_000, 1_000, 1_000, Some(3_999)), None)]
    #[case::agent_away_for_a_day(look(86_409_000, 86_400_000, 86_400_500, Some(86_409_000)), None)]
    fn clocks_that_come_apart(#[case] now: ClockReading, #[case] expected: Option<Cause>) {
        assert_eq!(between(&look(0, 0, 0, Some(0)), &now), expected);
    }

    #[test]
    fn rtcsync_setting_the_hardware_clock_is_no_pause() {
        let before = look(0, 0, 0, Some(-5_000));
        assert_eq!(between(&before, &look(1_000, 1_000, 1_000, Some(1_000))), None);
        assert!(between(&before, &look(1_000, 1_000, 1_000, Some(9_000))).is_some());
    }
}
