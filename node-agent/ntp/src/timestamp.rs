//! The 64-bit NTP timestamp: seconds since 1900 in 32 bits, then 32 bits of fraction. It wraps every 136 years
//! (next in February 2036), so it names a moment only beside a *pivot* that is less than 68 years away.

use meantime_core::clocks::WallTime;
use meantime_core::units::Nanos;

/// Seconds from 1900-01-01 to 1970-01-01 (RFC 5905, figure 4).
const UNIX_EPOCH: i128 = 2_208_988_800;
const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// A moment by an NTP clock, modulo 2^32 seconds. Resolution 233 ps. Zero means "none".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct NtpTimestamp(pub u64);

impl NtpTimestamp {
    /// "None", as a client sends it and as a server that was never set reports it.
    pub const NONE: Self = Self(0);

    /// Whether it says "none".
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// The timestamp of a moment, in whichever era that lies. Rounded to the nearest 233 ps, so that
    /// [`Self::to_wall`] gives back the same nanosecond.
    pub fn from_wall(wall: WallTime) -> Self {
        let nanos = i128::from(wall.0) + UNIX_EPOCH * NANOS_PER_SECOND;
        let scaled = ((nanos << 32) + NANOS_PER_SECOND / 2).div_euclid(NANOS_PER_SECOND);
        Self(low_64_bits(scaled))
    }

    /// The moment nearest to `pivot` (at most 68 years away) that this timestamp can mean, to the nearest nanosecond.
    pub fn to_wall(self, pivot: WallTime) -> WallTime {
        pivot + self.since(Self::from_wall(pivot))
    }

    /// This timestamp minus `earlier`, by the shorter way round: right when they lie less than 68 years apart.
    pub fn since(self, earlier: Self) -> Nanos {
        let ticks = i128::from(self.0.wrapping_sub(earlier.0).cast_signed());
        let nanos = (ticks * NANOS_PER_SECOND + (1 << 31)) >> 32;
        // 2^31 s is 68 years: always inside the range of nanoseconds in 64 bits.
        Nanos(i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX }))
    }
}

/// The era falls away here, on purpose: the wire has no room for it.
fn low_64_bits(wide: i128) -> u64 {
    u64::try_from(wide.rem_euclid(1 << 64)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    const DAY: i64 = 86_400;

    // RFC 5905, figure 4: days of history and their NTP seconds; era 1 begins on 2036-02-07 06:28:16.
    #[rstest]
    #[case(0, 2_208_988_800)] // 1970-01-01
    #[case(730 * DAY, 2_272_060_800)] // 1972-01-01, the first leap second's year
    #[case(10_956 * DAY, 3_155_587_200)] // 1999-12-31
    #[case(2_085_978_495, 0xffff_ffff)] // the last second of era 0
    #[case(2_085_978_496, 0)] // the first of era 1
    #[case(2_085_978_497, 1)]
    fn known_seconds(#[case] unix: i64, #[case] ntp: u64) {
        let wall = WallTime(unix * 1_000_000_000);
        assert_eq!(NtpTimestamp::from_wall(wall).0, ntp << 32);
        assert_eq!(NtpTimestamp(ntp << 32).to_wall(wall + Nanos::from_secs(DAY)), wall);
    }

    #[test]
    fn fractions_count_from_the_second_also_before_1970() {
        assert_eq!(NtpTimestamp::from_wall(WallTime(500_000_000)).0, (2_208_988_800 << 32) | 0x8000_0000);
        assert_eq!(NtpTimestamp::from_wall(WallTime(-500_000_000)).0, (2_208_988_799 << 32) | 0x8000_0000);
    }

    #[test]
    fn the_pivot_picks_the_era() {
        let stamp = NtpTimestamp(10 << 32);
        let in_2036 = WallTime(2_085_978_506 * 1_000_000_000);
        assert_eq!(stamp.to_wall(WallTime(1_795_000_000 * 1_000_000_000)), in_2036);
        // Seen from 1910 the same bits are ten seconds into 1900.
        let in_1900 = WallTime((10 - 2_208_988_800) * 1_000_000_000);
        assert_eq!(stamp.to_wall(WallTime(-1_893_456_000 * 1_000_000_000)), in_1900);
    }

    #[test]
    fn differences_cross_the_era() {
        let last = NtpTimestamp(0xffff_ffff_8000_0000);
        assert_eq!(NtpTimestamp(0x8000_0000).since(last), Nanos::SECOND);
        assert_eq!(last.since(NtpTimestamp(0x8000_0000)), -Nanos::SECOND);
    }

    proptest! {
        #[test]
        fn a_moment_survives_the_wire(wall in any::<i64>(), away in -2_000_000_000_i64..2_000_000_000) {
            let pivot = WallTime(wall) + Nanos::from_secs(away);
            prop_assume!((pivot - WallTime(wall)) == Nanos::from_secs(away)); // the pivot itself did not saturate
            prop_assert_eq!(NtpTimestamp::from_wall(WallTime(wall)).to_wall(pivot), WallTime(wall));
        }

        #[test]
        fn any_bits_with_any_pivot_never_panic(bits in any::<u64>(), pivot in any::<i64>()) {
            let wall = NtpTimestamp(bits).to_wall(WallTime(pivot));
            prop_assert!((wall - WallTime(pivot)).abs() <= Nanos::from_secs(1 << 31));
        }
    }
}
