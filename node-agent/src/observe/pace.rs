//! How often chronyd is looked at.
//!
//! Half of the shortest poll interval: each poll is then seen within that poll. Never faster than 250 ms (a look
//! costs chronyd's one loop about 0.4 ms with four sources) and never slower than 8 s (silence has to be noticed
//! within the 10 s after which it is told). At the default polls of 64 s that is one look per 8 s: 0.2 millicores.

use meantime_core::observation::{Answer, Observation};
use meantime_core::units::Nanos;

/// Shortest pause between two looks.
pub const FASTEST: Nanos = Nanos::from_millis(250);
/// Longest pause.
pub const SLOWEST: Nanos = Nanos::from_secs(8);
/// Longest pause while something is under way: no answer, a fresh start, a change being applied.
pub const ATTENTIVE: Nanos = Nanos::SECOND;

/// The pause until the next look.
pub fn pause(observation: &Observation, attentive: bool) -> Nanos {
    let Answer::Full { associations, .. } = &observation.answer else { return ATTENTIVE };
    let shortest = associations.iter().map(|association| association.poll).min();
    let half = shortest.map_or(SLOWEST, |poll| Nanos::from_log2_seconds(poll.saturating_sub(1)));
    // Until the first estimate things change faster than the poll interval says (iburst: 2 s apart).
    let settling = associations.iter().any(|association| association.samples < 3 && association.reach != 0);
    let slowest = if attentive || settling { ATTENTIVE } else { SLOWEST };
    half.max(FASTEST).min(slowest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::testing::{association, observation};
    use rstest::rstest;

    #[rstest]
    #[case::lab(-2, 250)]
    #[case::lan(2, 2_000)]
    #[case::default(6, 8_000)]
    fn half_of_the_shortest_poll_within_bounds(#[case] poll: i8, #[case] milliseconds: i64) {
        let slow = association("b", 10);
        let mut fast = association("a", poll);
        assert_eq!(
            pause(&observation(vec![slow.clone(), fast.clone()]), false),
            Nanos::from_millis(milliseconds)
        );
        fast.samples = 2;
        assert!(pause(&observation(vec![slow, fast]), false) <= ATTENTIVE);
    }

    #[test]
    fn silence_and_changes_are_watched_closely() {
        let mut silent = observation(vec![]);
        assert_eq!(pause(&silent, false), SLOWEST);
        assert_eq!(pause(&silent, true), ATTENTIVE);
        silent.answer = Answer::Nothing { why: "timed out".into() };
        assert_eq!(pause(&silent, false), ATTENTIVE);
    }
}
