//! Medians and quartiles of repeated measurements, and what to do when something disturbed them.

use super::Error;
use crate::lab::clock;
use meantime_core::units::Nanos;

/// How often a disturbed measurement is taken at most; the calmest is kept.
const ATTEMPTS: u32 = 3;
/// Disturbed: the upper quartile is more than so many times the lower one.
const CALM: f64 = 1.8;

/// Measured values, sorted. Never empty.
#[derive(Clone, Debug)]
pub struct Spread(Vec<f64>);

impl Spread {
    /// Fails when nothing was measured.
    pub fn of(mut values: Vec<f64>) -> Result<Self, Error> {
        if values.is_empty() {
            return Err("nothing was measured".into());
        }
        values.sort_by(f64::total_cmp);
        Ok(Self(values))
    }
    /// How many.
    pub fn count(&self) -> usize {
        self.0.len()
    }
    /// The least.
    pub fn least(&self) -> f64 {
        self.0[0]
    }
    /// The value that half of all do not exceed.
    pub fn median(&self) -> f64 {
        self.0[self.0.len() / 2]
    }
    /// The most.
    pub fn most(&self) -> f64 {
        self.0[self.0.len() - 1]
    }
    /// Upper quartile over lower quartile: near 1 on a quiet machine.
    pub fn unrest(&self) -> f64 {
        self.0[self.0.len() * 3 / 4] / self.0[self.0.len() / 4]
    }
    /// `median (least to most, runs)` of nanoseconds.
    pub fn times(&self) -> String {
        let [least, median, most] = [self.least(), self.median(), self.most()].map(time);
        format!("{median} ({least} to {most}, {} runs)", self.count())
    }
}

fn time(nanoseconds: f64) -> String {
    if nanoseconds < 1e6 {
        format!("{:.1} us", nanoseconds / 1e3)
    } else {
        format!("{:.2} ms", nanoseconds / 1e6)
    }
}

/// A moment, to hand to [`since`].
pub fn begin() -> meantime_core::clocks::BootTime {
    clock::now().boot
}

/// Nanoseconds since then.
#[expect(clippy::cast_precision_loss, reason = "spans of a measurement are far below 2^53 ns")]
pub fn since(begin: meantime_core::clocks::BootTime) -> f64 {
    let Nanos(span) = clock::now().boot - begin;
    span as f64
}

/// Measures until it is calm by `unrest`, at most three times, and keeps the calmest.
pub async fn calmest<T>(
    what: &str,
    unrest: impl Fn(&T) -> f64,
    mut once: impl AsyncFnMut() -> Result<T, Error>,
) -> Result<T, Error> {
    let mut best = once().await?;
    for attempt in 2..=ATTEMPTS {
        let best_unrest = unrest(&best);
        if best_unrest <= CALM {
            break;
        }
        println!(
            "  {what} looks disturbed (upper quartile {best_unrest:.1} times the lower; load {}): attempt {attempt}",
            super::load()
        );
        let next = once().await?;
        if unrest(&next) < best_unrest {
            best = next;
        }
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_measurements_is_nothing() {
        let spread = Spread::of(vec![3.0, 1.0, 9.0, 2.0, 4.0]).unwrap();
        assert_eq!((spread.least(), spread.median(), spread.most(), spread.count()), (1.0, 3.0, 9.0, 5));
        assert!(Spread::of(Vec::new()).is_err());
    }

    #[tokio::test]
    async fn the_calmest_of_three_disturbed_ones_is_kept() {
        let mut unrests = [4.0, 2.0, 3.0, 1.0].into_iter();
        let kept = calmest("x", |unrest| *unrest, async || Ok(unrests.next().unwrap())).await.unwrap();
        assert_eq!((kept, unrests.next()), (2.0, Some(1.0)));
    }
}
