//! chrony's 32-bit float: 7 bits of signed exponent `e`, 25 bits of signed coefficient `c`, value `c · 2^(e − 25)`.
//! Converted in integers only, straight to and from nanoseconds or parts per billion.

use meantime_core::units::{Nanos, Ppb};

/// Bits of the coefficient.
const COEFFICIENT: u32 = 25;
const LOWEST_EXPONENT: i32 = -64;
const HIGHEST_EXPONENT: i32 = 63;
/// A normalised coefficient is below this (chrony keeps one bit in reserve).
const COEFFICIENT_END: i128 = 1 << 24;
const PER_SECOND: i64 = 1_000_000_000;
/// Parts per billion in one part per million.
const PER_PPM: i64 = 1_000;

/// The 32 bits as they are on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Float(pub u32);

impl Float {
    /// The value as seconds.
    pub fn seconds(self) -> Nanos {
        Nanos(self.scaled(PER_SECOND))
    }
    /// The value as parts per million.
    pub fn ppm(self) -> Ppb {
        Ppb(self.scaled(PER_PPM))
    }
    /// Seconds to the wire, to about seven digits.
    pub fn from_seconds(span: Nanos) -> Self {
        Self::from_scaled(span.0, PER_SECOND)
    }

    /// Value × `per_unit`, to the nearest integer (half away from zero), saturating.
    pub fn scaled(self, per_unit: i64) -> i64 {
        let bits = self.0.cast_signed();
        let shift = (bits >> COEFFICIENT) - COEFFICIENT.cast_signed();
        // The shift up and back extends the coefficient's sign. |c| ≤ 2^24, per_unit < 2^30, shift ≤ 38: 92 bits.
        let coefficient = (bits << (32 - COEFFICIENT)) >> (32 - COEFFICIENT);
        let product = i128::from(coefficient) * i128::from(per_unit);
        let wide = if shift >= 0 {
            product << shift
        } else {
            let size = (product.abs() + (1 << (-shift - 1))) >> -shift;
            if product < 0 { -size } else { size }
        };
        i64::try_from(wide).unwrap_or(if wide < 0 { i64::MIN } else { i64::MAX })
    }

    /// `value / per_unit` with a normalised coefficient (2^23 ≤ |c| < 2^24) where the exponent's range allows.
    pub fn from_scaled(value: i64, per_unit: i64) -> Self {
        let size = i128::from(value.unsigned_abs());
        let unit = i128::from(per_unit.max(1));
        // Nearest coefficient at an exponent. Called downwards from the highest, so that `size << shift` stays below
        // 2^24 × unit × 2, far inside 128 bits.
        let coefficient = |exponent: i32| {
            let shift = COEFFICIENT.cast_signed() - exponent;
            let (numerator, denominator) =
                if shift >= 0 { (size << shift, unit) } else { (size, unit << -shift) };
            (numerator + denominator / 2) / denominator
        };
        let mut exponent = HIGHEST_EXPONENT;
        let mut best = coefficient(exponent).min(COEFFICIENT_END - 1);
        while exponent > LOWEST_EXPONENT {
            let finer = coefficient(exponent - 1);
            if finer >= COEFFICIENT_END {
                break;
            }
            exponent -= 1;
            best = finer;
        }
        if best == 0 {
            return Self(0);
        }
        let signed = i32::try_from(if value < 0 { -best } else { best }).unwrap_or(0).cast_unsigned();
        Self((exponent.cast_unsigned() << COEFFICIENT) | (signed & ((1 << COEFFICIENT) - 1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    // Measured on chronyd 4.3. Seven digits: 0.1 s is not exact.
    #[rstest]
    #[case(0x0480_0000, 1_000_000_000, 1_000_000_000)]
    #[case(0x0280_0000, 500_000_000, 500_000_000)]
    #[case(0x06c0_0000, 3_000_000_000, 3_000_000_000)]
    #[case(0x0aa0_0000, 10_000_000_000, 10_000_000_000)]
    #[case(0x16fa_0000, 1_000_000_000_000, 1_000_000_000_000)]
    #[case(0xfccc_cccd, 100_000_000, 100_000_001)]
    #[case(0xe72e_48e9, -50_000, -50_000)]
    #[case(0xc889_705f, 1, 1)]
    #[case(0, 0, 0)]
    fn measured_vectors(#[case] bits: u32, #[case] encoded: i64, #[case] decoded: i64) {
        assert_eq!(Float::from_seconds(Nanos(encoded)), Float(bits));
        assert_eq!(Float(bits).seconds(), Nanos(decoded));
    }

    #[rstest]
    #[case(0x00ff_ffff)] // coefficient −1 would be 01ff_ffff; this is the largest positive one
    #[case(0x0100_0000)] // the most negative coefficient
    #[case(0x7eff_ffff)] // the largest value
    #[case(0x7f00_0000)] // the most negative one
    #[case(0x8000_0001)] // the smallest
    fn the_corners_agree_with_arithmetic(#[case] bits: u32) {
        let exponent = i32::from((bits >> 24).to_be_bytes()[3].cast_signed() >> 1);
        let coefficient =
            i64::from(bits & 0x01ff_ffff) - if bits & 0x0100_0000 == 0 { 0 } else { 0x0200_0000 };
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            reason = "saturation is what is checked"
        )]
        let wanted = (coefficient as f64 * 2f64.powi(exponent - 25) * 1e9).round() as i64;
        assert_eq!(Float(bits).scaled(PER_SECOND), wanted);
    }

    #[test]
    fn one_value_has_several_codings() {
        // 1.0 as 2^25−ish normalised, and as 1 · 2^(25 − 25).
        assert_eq!(Float((25 << 25) | 1).seconds(), Nanos::SECOND);
        assert_eq!(Float(0x0480_0000).seconds(), Nanos::SECOND);
    }

    proptest! {
        /// Seven digits survive: the error is at most 2^-24 of the value.
        #[test]
        fn a_span_survives_the_wire(nanos in any::<i64>(), down in 0_u32..63) {
            let nanos = nanos >> down;
            let back = Float::from_seconds(Nanos(nanos)).seconds().0;
            prop_assert!((i128::from(back) - i128::from(nanos)).unsigned_abs() <= u128::from(nanos.unsigned_abs() >> 24) + 1);
        }

        /// Every normalised float whose steps are coarser than a nanosecond comes back bit by bit.
        #[test]
        fn a_float_survives_conversion(exponent in -4_i32..=33, coefficient in (1_i32 << 23)..(1 << 24), negative: bool) {
            let signed = if negative { -coefficient } else { coefficient };
            let bits = (exponent.cast_unsigned() << 25) | (signed.cast_unsigned() & 0x01ff_ffff);
            prop_assert_eq!(Float::from_seconds(Float(bits).seconds()), Float(bits));
        }

        #[test]
        fn no_bits_panic(bits in any::<u32>(), value in any::<i64>(), per_unit in 0_i64..=1_000_000_000) {
            let _ = (Float(bits).seconds(), Float(bits).ppm());
            let _ = Float::from_scaled(value, per_unit);
        }
    }
}
