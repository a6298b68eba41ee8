//! One association: does it work?

use super::{Figures, Sighting};
use crate::clocks::BootTime;
use crate::units::Nanos;
use serde::{Deserialize, Serialize};

/// Most doublings of the time that a flapping association has to prove itself: 3 polls × 2⁶.
const MOST_DOUBLINGS: u32 = 6;
/// Polls for which it has to be heard, with never two of them lost in a row.
const POLLS_TO_RECOVER: i64 = 3;

/// Evidence that chronyd cannot see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Doubt {
    /// Its upstream is dead: transmit − reference timestamp, both its own clock, is above `maxReferenceAge`.
    Stale,
    /// It says itself that it is not synchronised. (A source of another timescale is in no plan at all.)
    Unsynchronised,
}

/// What our own probes say of it since it became Suspect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probed {
    /// Its scope or its authentication allows none: chronyd's evidence alone counts.
    NotAllowed,
    /// So many in a row went unanswered.
    Unanswered(u32),
    /// The last one was answered. Probes only add doubt: this alone acquits nobody that chronyd does not hear.
    Answered,
}

/// How it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Health {
    /// It works, or nothing else is known.
    #[default]
    Healthy,
    /// Two polls unanswered, or in doubt.
    Suspect {
        /// Since when.
        since: BootTime,
    },
    /// It does not work.
    Failed {
        /// Since when.
        since: BootTime,
        /// What speaks against it; none = it does not answer.
        doubt: Option<Doubt>,
    },
    /// It answers again and has to prove itself.
    Recovering {
        /// Since when.
        since: BootTime,
    },
}

impl Health {
    /// As status and metrics call it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Healthy => "Healthy",
            Self::Suspect { .. } => "Suspect",
            Self::Failed { .. } => "Failed",
            Self::Recovering { .. } => "Recovering",
        }
    }
    /// Whether chronyd should do without it.
    pub const fn is_out(self) -> bool {
        matches!(self, Self::Failed { .. } | Self::Recovering { .. })
    }
}

/// An association with its past.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tracked {
    pub(super) health: Health,
    /// How often it has failed since it last worked for a whole window, and when it last did.
    failures: u32,
    failed: Option<BootTime>,
}

impl Tracked {
    pub(super) fn step(&mut self, sighting: &Sighting, figures: &Figures, now: BootTime) {
        if self.failed.is_some_and(|failed| now - failed >= figures.flap_window) && !self.health.is_out() {
            (self.failures, self.failed) = (0, None);
        }
        let poll = Nanos::from_log2_seconds(sighting.poll);
        let heard = sighting.unanswered == 0 && sighting.doubt.is_none();
        // "Two polls" is law 10's: a valid sample within two polls acquits, whatever a probe says.
        let silent = sighting.unanswered >= figures.fail_after
            && match sighting.probed {
                Probed::NotAllowed => true,
                Probed::Unanswered(count) => count >= figures.probes,
                // A firewall may pass our probes and not chronyd's packets: for the clock it is dead all the same.
                Probed::Answered => sighting.unanswered >= figures.fail_after.saturating_mul(2),
            };
        self.health = match self.health {
            Health::Healthy if sighting.doubt.is_some() || sighting.unanswered >= figures.suspect_after => {
                // Looks may be far apart: what is proven is not waited for once more.
                if silent { self.fail(sighting, now) } else { Health::Suspect { since: now } }
            }
            Health::Healthy => Health::Healthy,
            Health::Suspect { .. } if heard => Health::Healthy,
            Health::Suspect { since } => {
                // As many polls as may go unanswered: from the first to the third it takes two intervals.
                let intervals = i64::from(figures.fail_after.saturating_sub(1));
                let lasting = sighting.doubt.is_some() && now - since >= poll.times(intervals);
                if silent || lasting { self.fail(sighting, now) } else { Health::Suspect { since } }
            }
            Health::Failed { .. } if heard => Health::Recovering { since: now },
            Health::Failed { since, .. } => Health::Failed { since, doubt: sighting.doubt },
            // One lost poll in a hundred must not keep it out for ever.
            Health::Recovering { .. }
                if sighting.doubt.is_some() || sighting.unanswered >= figures.suspect_after =>
            {
                Health::Failed { since: now, doubt: sighting.doubt }
            }
            Health::Recovering { since } => {
                let doublings = self.failures.saturating_sub(1).min(MOST_DOUBLINGS);
                let proof = poll.times(POLLS_TO_RECOVER << doublings);
                if sighting.sampled && now - since >= proof {
                    Health::Healthy
                } else {
                    Health::Recovering { since }
                }
            }
        };
    }

    /// Nothing is learned while the node itself is suspect, and no time counts.
    pub(super) fn freeze(&mut self, now: BootTime) {
        match &mut self.health {
            Health::Suspect { since } | Health::Recovering { since } => *since = now,
            Health::Healthy | Health::Failed { .. } => {}
        }
    }

    fn fail(&mut self, sighting: &Sighting, now: BootTime) -> Health {
        self.failures = self.failures.saturating_add(1);
        self.failed = Some(now);
        Health::Failed { since: now, doubt: sighting.doubt }
    }
}
