//! Seeded chance (splitmix64: Steele, Lea, Flood 2014): the same seed gives the same losses and the same jitter.

use meantime_core::units::Nanos;

#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    pub const fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// True in `millionths` of a million cases.
    pub fn chance(&mut self, millionths: u32) -> bool {
        self.next() % 1_000_000 < u64::from(millionths)
    }

    /// Uniform in −`size` … +`size`.
    pub fn around_zero(&mut self, size: Nanos) -> Nanos {
        let span = size.0.unsigned_abs().saturating_mul(2).saturating_add(1);
        let at = i128::from(self.next() % span) - i128::from(size.0.unsigned_abs());
        Nanos(i64::try_from(at).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_one_sequence_and_two_seeds_two() {
        let take = |seed| {
            let mut rng = Rng::seeded(seed);
            (0..50).map(|_| rng.around_zero(Nanos::SECOND)).collect::<Vec<_>>()
        };
        assert_eq!(take(1), take(1));
        assert_ne!(take(1), take(2));
        assert!(take(1).iter().all(|value| value.abs() <= Nanos::SECOND));
        assert!(
            take(1).iter().any(|value| *value < Nanos::ZERO)
                && take(1).iter().any(|value| *value > Nanos::ZERO)
        );
    }

    #[test]
    fn chance_is_about_what_it_says() {
        let mut rng = Rng::seeded(7);
        let hits = (0..10_000).filter(|_| rng.chance(20_000)).count();
        assert!((150..250).contains(&hits), "2 % of 10,000 gave {hits}");
        assert!(!(0..1_000).any(|_| rng.chance(0)));
        assert!((0..1_000).all(|_| rng.chance(1_000_000)));
    }
}
