//! What is kept of what is over: the newest [`Figures::keep`](super::Figures::keep) closed incidents, for at most
//! [`Figures::keep_for`](super::Figures::keep_for).
//!
//! **The exception to law 3.** Incidents outlive every operator, so their age can't be counted on anybody's BOOTTIME: it is
//! the operator's wall clock less the API server's creationTimestamp. A clock that is a century ahead must not empty the
//! log, so no more than [`MOST`] are deleted for their age within an hour of BOOTTIME, and none that is not closed.

use super::Figures;
use crate::clocks::BootTime;
use crate::units::Nanos;

/// Deleted at one look; and by age within an hour.
pub const MOST: usize = 3;
const HOUR: Nanos = Nanos::from_secs(3_600);

/// When this operator has deleted by age.
#[derive(Clone, Debug, Default)]
pub struct Aged(Vec<BootTime>);

/// Which of the closed ones go: (name, age), in any order.
pub(super) fn gone(
    closed: &mut Vec<(String, Nanos)>,
    aged: &mut Aged,
    figures: &Figures,
    now: BootTime,
) -> Vec<String> {
    closed.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
    let surplus = closed.len().saturating_sub(figures.keep).min(MOST);
    let mut gone: Vec<String> = closed.drain(..surplus).map(|(name, _)| name).collect();
    aged.0.retain(|at| now - *at < HOUR);
    for (name, age) in closed.iter() {
        if *age < figures.keep_for || gone.len() >= MOST || aged.0.len() >= MOST {
            break;
        }
        aged.0.push(now);
        gone.push(name.clone());
    }
    gone
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed(count: i64, age: Nanos) -> Vec<(String, Nanos)> {
        (0..count).map(|number| (format!("i{number:03}"), age + Nanos::from_secs(number))).collect()
    }

    #[test]
    fn the_oldest_surplus_goes_a_few_at_a_time() {
        let mut aged = Aged::default();
        let figures = Figures::default();
        let went = gone(&mut closed(210, Nanos::ZERO), &mut aged, &figures, BootTime(0));
        assert_eq!(went, ["i209", "i208", "i207"]);
        assert!(gone(&mut closed(200, Nanos::ZERO), &mut aged, &figures, BootTime(0)).is_empty());
    }

    /// The operator's clock is a century ahead: an hour costs three, not the log.
    #[test]
    fn a_stepped_clock_does_not_empty_the_log() {
        let mut aged = Aged::default();
        let century = Nanos::from_secs(36_525 * 86_400);
        let mut left = closed(100, century);
        for second in 0..3_600 {
            let now = BootTime(Nanos::from_secs(second).0);
            let went = gone(&mut left.clone(), &mut aged, &Figures::default(), now);
            left.retain(|(name, _)| !went.contains(name));
        }
        assert_eq!(left.len(), 100 - MOST);
    }

    #[test]
    fn a_clock_that_is_behind_deletes_nothing_by_age() {
        let mut young = closed(10, Nanos::from_secs(-9_000_000));
        assert!(gone(&mut young, &mut Aged::default(), &Figures::default(), BootTime(0)).is_empty());
    }
}
