//! An interval on the axis "this clock is ahead by": where the judged clock's error may lie.

use crate::units::Nanos;

/// All errors from `low` to `high`, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// Smallest possible error.
    pub low: Nanos,
    /// Largest possible error.
    pub high: Nanos,
}

impl Interval {
    /// `middle ± half`.
    pub fn around(middle: Nanos, half: Nanos) -> Self {
        Self { low: middle - half.abs(), high: middle + half.abs() }
    }
    /// Whether one error fits both.
    pub fn overlaps(self, other: Self) -> bool {
        self.low <= other.high && other.low <= self.high
    }
    /// How far apart the two are; zero when they overlap.
    pub fn distance(self, other: Self) -> Nanos {
        (self.low - other.high).max(other.low - self.high).max(Nanos::ZERO)
    }
    /// The middle, computed without overflow.
    pub fn middle(self) -> Nanos {
        Nanos(i64::midpoint(self.low.0, self.high.0))
    }
    /// The largest size of an error in it: as a bound it covers the whole interval.
    pub fn reach(self) -> Nanos {
        self.low.abs().max(self.high.abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn touching_is_overlapping() {
        let (left, right) = (Interval::around(Nanos(0), Nanos(10)), Interval::around(Nanos(20), Nanos(10)));
        assert!(left.overlaps(right) && right.overlaps(left));
        assert_eq!(left.distance(right), Nanos::ZERO);
        assert_eq!(left.distance(Interval::around(Nanos(25), Nanos(10))), Nanos(5));
    }

    #[test]
    fn middle_and_reach() {
        assert_eq!(Interval { low: Nanos(-3), high: Nanos(9) }.middle(), Nanos(3));
        assert_eq!(
            Interval { low: Nanos(i64::MAX - 2), high: Nanos(i64::MAX) }.middle(),
            Nanos(i64::MAX - 1)
        );
        assert_eq!(Interval { low: Nanos(-9), high: Nanos(3) }.reach(), Nanos(9));
    }
}
