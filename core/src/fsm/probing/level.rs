//! Fault levels (mission B5): the more speaks against a source, the more often it is asked.

use super::Target;
use crate::units::Nanos;

/// Unanswered polls in a row of level 2 (B5).
const TWO_AFTER: u32 = 3;
/// Unanswered polls in a row of level 3 (B5) …
const THREE_AFTER: u32 = 5;
/// … and how far off it must have been besides (B5: more than 100 ms).
const FAR_OFF: Nanos = Nanos::from_millis(100);

/// How much speaks against a source. Only what chronyd heard, or the word from outside, raises it: what came of our
/// probes does not, or a firewall that lets chronyd pass and us not would have us ask for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing: no probes at all. chronyd's own packets are free, and come every poll.
    #[default]
    Quiet,
    /// One poll unanswered.
    One,
    /// Three in a row.
    Two,
    /// Five in a row, of a source that was more than 100 ms from the voters' median.
    Three,
    /// Its power is at risk, by a signal from outside.
    Power,
}

impl Level {
    /// The level of one association now.
    pub fn of(target: &Target) -> Self {
        let far_off = target.offset.is_some_and(|offset| offset.abs() > FAR_OFF);
        match target.unanswered {
            _ if target.power => Self::Power,
            0 => Self::Quiet,
            THREE_AFTER.. if far_off => Self::Three,
            TWO_AFTER.. => Self::Two,
            _ => Self::One,
        }
    }

    /// Between two probes (B5: 30 s, 10 s, 5 s); none = no probes.
    pub const fn interval(self) -> Option<Nanos> {
        match self {
            Self::Quiet => None,
            Self::One => Some(Nanos::from_secs(30)),
            Self::Two => Some(Nanos::from_secs(10)),
            Self::Three | Self::Power => Some(Nanos::from_secs(5)),
        }
    }
}
