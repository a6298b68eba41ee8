//! Quantities of time and frequency as types of their own.
//!
//! [`Nanos`] is a span or an offset in nanoseconds; [`Ppb`] a frequency error in parts per billion
//! (1 ppm = 1000 ppb). Both saturate instead of wrapping: a figure at the end of its range is "very wrong",
//! never small. The range of [`Nanos`] is ±292 years.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, Neg, Sub};

/// A span or offset in nanoseconds, ±292 years. Saturating. Offset > 0 = this clock is ahead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Nanos(pub i64);

impl Nanos {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// The largest span that can be told.
    pub const MAX: Self = Self(i64::MAX);
    /// One millisecond.
    pub const MILLISECOND: Self = Self(1_000_000);
    /// One second.
    pub const SECOND: Self = Self(1_000_000_000);

    /// A span of whole seconds.
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1_000_000_000))
    }
    /// A span of whole milliseconds.
    pub const fn from_millis(milliseconds: i64) -> Self {
        Self(milliseconds.saturating_mul(1_000_000))
    }
    /// A span of whole microseconds.
    pub const fn from_micros(microseconds: i64) -> Self {
        Self(microseconds.saturating_mul(1_000))
    }
    /// The size without the sign.
    pub const fn abs(self) -> Self {
        Self(self.0.saturating_abs())
    }
    /// Half of it, rounded away from zero (an error bar is never rounded down).
    pub const fn half_up(self) -> Self {
        let half = self.0 / 2;
        Self(half + self.0 % 2)
    }
    /// `self × factor`, saturating.
    pub const fn times(self, factor: i64) -> Self {
        Self(self.0.saturating_mul(factor))
    }
    /// `self × numerator / denominator` in 128 bits, truncated; a zero denominator gives [`Nanos::MAX`].
    pub fn scaled(self, numerator: i64, denominator: i64) -> Self {
        if denominator == 0 {
            return Self::MAX;
        }
        let wide = i128::from(self.0) * i128::from(numerator) / i128::from(denominator);
        Self(i64::try_from(wide).unwrap_or(if wide < 0 { i64::MIN } else { i64::MAX }))
    }
    /// 2^`exponent` seconds, for chrony's poll intervals (exponent −32…33 are exact, others saturate).
    pub fn from_log2_seconds(exponent: i8) -> Self {
        match exponent {
            0..=33 => Self::SECOND.times(1_i64 << exponent),
            34.. => Self::MAX,
            -29..=-1 => Self(1_000_000_000 >> -exponent),
            _ => Self(1),
        }
    }
}

impl Add for Nanos {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}
impl Sub for Nanos {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}
impl Neg for Nanos {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}
impl Sum for Nanos {
    fn sum<I: Iterator<Item = Self>>(items: I) -> Self {
        items.fold(Self::ZERO, Add::add)
    }
}

/// Prints three significant digits with chrony's units: `410µs`, `-91ms`, `12ns`, `1.25s`, `3600s`.
/// The sign is printed only when negative; use [`Nanos::signed`] for offsets.
impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.0.unsigned_abs();
        let (unit, divisor) = match size {
            0..1_000 => ("ns", 1_u64),
            1_000..1_000_000 => ("µs", 1_000),
            1_000_000..1_000_000_000 => ("ms", 1_000_000),
            _ => ("s", 1_000_000_000),
        };
        let whole = size / divisor;
        let milli = (size % divisor) * 1_000 / divisor;
        let mut text = if whole >= 100 || milli == 0 {
            format!("{whole}")
        } else if whole >= 10 {
            format!("{whole}.{}", milli / 100)
        } else {
            format!("{whole}.{:02}", milli / 10)
        };
        if text.contains('.') {
            text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
        }
        let sign = if self.0 < 0 { "-" } else { "" };
        f.pad(&format!("{sign}{text}{unit}"))
    }
}

impl Nanos {
    /// The same with an explicit sign, as offsets are printed: `+12µs`, `-91ms`, `0ns`.
    pub fn signed(self) -> String {
        if self.0 > 0 { format!("+{self}") } else { self.to_string() }
    }
}

/// A frequency error in parts per billion (1 ppm = 1000 ppb). Saturating.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ppb(pub i64);

impl Ppb {
    /// No error.
    pub const ZERO: Self = Self(0);
    /// From whole parts per million.
    pub const fn from_ppm(ppm: i64) -> Self {
        Self(ppm.saturating_mul(1_000))
    }
    /// The size without the sign.
    pub const fn abs(self) -> Self {
        Self(self.0.saturating_abs())
    }
    /// How much time a clock of this frequency error gains over `span`; rounded away from zero.
    pub fn over(self, span: Nanos) -> Nanos {
        let product = i128::from(self.0) * i128::from(span.0);
        let rounding = if product < 0 { -999_999_999 } else { 999_999_999 };
        let wide = (product + rounding) / 1_000_000_000;
        Nanos(i64::try_from(wide).unwrap_or(if wide < 0 { i64::MIN } else { i64::MAX }))
    }
}
impl Add for Ppb {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}
/// Prints parts per million with three decimals: `12.345ppm`.
impl fmt::Display for Ppb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let size = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:03}ppm", size / 1_000, size % 1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(0, "0ns")]
    #[case(12, "12ns")]
    #[case(410_000, "410µs")]
    #[case(12_345, "12.3µs")]
    #[case(-91_000_000, "-91ms")]
    #[case(1_250_000_000, "1.25s")]
    #[case(1_000_100_000, "1s")]
    #[case(3_600_000_000_000, "3600s")]
    #[case(i64::MIN, "-9223372036s")]
    fn prints_three_digits(#[case] nanoseconds: i64, #[case] text: &str) {
        assert_eq!(Nanos(nanoseconds).to_string(), text);
    }

    #[rstest]
    #[case(15_000, 1_000_000_000, 15_000)]
    #[case(1, 1, 1)] // a bound never rounds down to nothing
    #[case(-1, 1, -1)]
    fn drift_over_a_span(#[case] ppb: i64, #[case] span: i64, #[case] gained: i64) {
        assert_eq!(Ppb(ppb).over(Nanos(span)), Nanos(gained));
    }

    #[test]
    fn poll_exponents() {
        assert_eq!(Nanos::from_log2_seconds(6), Nanos::from_secs(64));
        assert_eq!(Nanos::from_log2_seconds(-2), Nanos::from_millis(250));
        assert_eq!(Nanos::from_log2_seconds(i8::MAX), Nanos::MAX);
        assert_eq!(Nanos::from_log2_seconds(i8::MIN), Nanos(1));
    }

    #[test]
    fn the_ends_of_the_range_saturate() {
        assert_eq!(Nanos::MAX + Nanos(1), Nanos::MAX);
        assert_eq!(-Nanos(i64::MIN), Nanos::MAX);
        assert_eq!(Nanos::MAX.scaled(2, 1), Nanos::MAX);
        assert_eq!(Nanos(1).scaled(1, 0), Nanos::MAX);
    }
}
