//! Ground truth of a race, and what our agent's users were told meanwhile.
//!
//! The lab's true time is this machine's CLOCK_REALTIME, and a lab server is off by what we set. The *judged* clock is
//! the same CLOCK_REALTIME: chronyd runs `-x`, so nobody corrects it. A race is told the other way round: **the honest
//! servers are right, so this host is wrong, by minus their offset.** Five servers that are ahead by 4 ms make a host
//! that is 4 ms behind; a drift of 50 ppm makes one that loses 50 µs a second, also after they fell silent.
//!
//! *Coverage* is the share of samples (one a second, wherever a bound is published) with |true error| ≤ published
//! bound: once as NodeTime.status has it, which is written on news and every five minutes, and once as the agent's own
//! /metrics has it at that moment. *True while wrong* the seconds in which TimeSynchronized was True although |true error| was above
//! `maxOffset`. Void below 1,000 samples or without a host that was truly wrong, as DESIGN has it.

use super::told::Told;
use meantime_core::clocks::BootTime;
use meantime_core::units::Nanos;

/// Fewer samples than this prove nothing.
const ENOUGH: u64 = 1_000;
/// Misses that are kept for explaining.
const MISSES: usize = 10;

/// Counts of one race, or of all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Truth {
    /// Samples with a published bound.
    pub samples: u64,
    /// … of them covered by it.
    pub covered: u64,
    /// Samples of a host that was wrong by more than `maxOffset`.
    pub wrong: u64,
    /// … of them with TimeSynchronized=True.
    pub true_while_wrong: u64,
    /// The first misses.
    pub misses: Vec<String>,
    /// When the true error first was above `maxOffset`.
    pub wrong_since: Option<BootTime>,
}

impl Truth {
    /// One sample: the host's true error, what is told of it, and the bound that counts (the told one, or a later one).
    pub fn sample(
        &mut self,
        at: BootTime,
        error: Nanos,
        told: &Told,
        bound: Option<Nanos>,
        max_offset: Nanos,
    ) {
        let word = told.condition("TimeSynchronized");
        if let Some(bound) = bound {
            self.samples += 1;
            if error.abs() <= bound {
                self.covered += 1;
            } else if self.misses.len() < MISSES {
                let age = at - told.at;
                self.misses.push(format!("true error {error}, bound {bound}, status {age} old, {word}"));
            }
        }
        if error.abs() > max_offset {
            self.wrong += 1;
            self.wrong_since.get_or_insert(at);
            self.true_while_wrong += u64::from(word == "True");
        }
    }

    /// Adds another race.
    pub fn add(&mut self, other: &Self) {
        self.samples += other.samples;
        self.covered += other.covered;
        self.wrong += other.wrong;
        self.true_while_wrong += other.true_while_wrong;
        let room = MISSES.saturating_sub(self.misses.len());
        self.misses.extend(other.misses.iter().take(room).cloned());
    }

    /// In percent; none when void.
    #[expect(clippy::cast_precision_loss, reason = "sample counts are far below 2^52")]
    pub fn coverage_percent(&self) -> Option<f64> {
        let percent = 100.0 * self.covered as f64 / self.samples as f64;
        (self.samples >= ENOUGH && self.wrong > 0).then_some(percent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_that_is_too_small_and_a_true_that_is_wrong_are_counted() {
        let told = |word: &str, bound| Told {
            conditions: vec![("TimeSynchronized".into(), word.into(), "R".into())],
            bound: Some(Nanos::from_millis(bound)),
            ..Told::default()
        };
        let (limit, mut truth) = (Nanos::from_millis(50), Truth::default());
        for (second, error, told) in
            [(1, -4, told("True", 5)), (2, 60, told("True", 5)), (3, -60, told("False", 80))]
        {
            truth.sample(BootTime(second), Nanos::from_millis(error), &told, told.bound, limit);
        }
        truth.sample(BootTime(4), Nanos::ZERO, &Told::default(), None, limit);
        assert_eq!((truth.samples, truth.covered, truth.wrong, truth.true_while_wrong), (3, 2, 2, 1));
        assert_eq!((truth.wrong_since, truth.misses.len()), (Some(BootTime(2)), 1));
        assert_eq!(truth.coverage_percent(), None, "three samples prove nothing");
        let mut all = Truth::default();
        (0..400).for_each(|_| all.add(&truth));
        assert_eq!((all.samples, all.misses.len()), (1_200, MISSES));
        assert!(all.coverage_percent().is_some_and(|percent| (66.0..67.0).contains(&percent)));
    }
}
