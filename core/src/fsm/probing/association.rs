//! One association: when it is asked next, and what its answers mean.

use super::budget::Bucket;
use super::manners::Manners;
use super::trouble::Signs;
use super::window::Past;
use super::{Counters, Level, Miss, Outcome, Target};
use crate::clocks::BootTime;
use crate::fsm::failover::Probed;
use crate::units::Nanos;

/// Probes that confirm a suspicion; as many as failover asks for.
const CONFIRMATIONS: u32 = 2;
/// They are one to two seconds apart, and no two probes are ever closer.
const APART: Nanos = Nanos::SECOND;
/// Nodes spread the first confirmation, and what comes on top of [`APART`], over so much.
const SPREAD: Nanos = Nanos::SECOND;
/// They spread the first probe of a fault level over so much, or over its interval if that is shorter.
const SPREAD_LEVEL: Nanos = Nanos::from_secs(5);
/// A probe whose outcome was not told after so long is not coming back.
const LOST: Nanos = Nanos::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wanted {
    since: BootTime,
    asked: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Association {
    pub(super) level: Level,
    pub(super) counters: Counters,
    pub(super) past: Past,
    pub(super) signs: Signs,
    seen: BootTime,
    /// When its level left Quiet.
    risen: Option<BootTime>,
    wanted: Option<Wanted>,
    /// The last probe, sent or refused.
    tried: Option<BootTime>,
    in_flight: Option<BootTime>,
    /// Probes in a row that went unanswered since chronyd last heard it, or since it became suspect.
    missed: u32,
    answered: bool,
    /// We could not ask: the budget refused a probe, or it never left the node, and none has come to its end since.
    unable: bool,
    /// Its wish not to be asked holds, as of the last look or answer.
    resting: bool,
    manners: Manners,
    bucket: Bucket,
}

/// A node's place in a spread: `phase` gives thousandths.
fn share(phase: u64, of: Nanos) -> Nanos {
    of.scaled(i64::try_from(phase % 1_000).unwrap_or(0), 1_000)
}

impl Association {
    pub(super) fn new(now: BootTime) -> Self {
        Self {
            level: Level::default(),
            counters: Counters::default(),
            past: Past::default(),
            signs: Signs::default(),
            seen: now,
            risen: None,
            wanted: None,
            tried: None,
            in_flight: None,
            missed: 0,
            answered: false,
            unable: false,
            resting: false,
            manners: Manners::default(),
            bucket: Bucket::default(),
        }
    }

    /// What is known of it at this look.
    pub(super) fn see(&mut self, target: &Target, now: BootTime) {
        self.seen = now;
        self.counters.polls += u64::from(self.bucket.see(target.scope, target.sent, now));
        self.past.forget(now);
        self.resting = self.manners.forbids(now);
        self.signs.see(target.unanswered, self.resting, now);
        self.level = Level::of(target);
        self.risen = match (self.level, self.risen) {
            (Level::Quiet, _) => None,
            (_, before) => before.or(Some(now)),
        };
        if target.wanted != self.wanted.is_some() {
            // A suspicion begins, or ends: what was counted before belongs to another story.
            self.wanted = target.wanted.then_some(Wanted { since: now, asked: 0 });
            (self.missed, self.answered, self.unable) = (0, false, false);
        }
        if target.unanswered == 0 {
            self.missed = 0;
        }
        if self.in_flight.is_some_and(|sent| now - sent >= LOST) {
            self.record(Outcome::NotSent, now);
        }
    }

    /// When the next probe is due, whatever the budget says, or the one in flight is given up; none = not by what is
    /// known now.
    pub(super) fn due(&self, target: &Target, phase: u64) -> Option<BootTime> {
        if !target.may_be_probed() {
            return None;
        }
        if let Some(sent) = self.in_flight {
            return Some(sent + LOST);
        }
        let at = [self.confirmation(phase), self.regular(phase)].into_iter().flatten().min()?;
        self.manners.earliest(self.tried.map_or(at, |tried| at.max(tried + APART)))
    }

    fn confirmation(&self, phase: u64) -> Option<BootTime> {
        let Wanted { since, asked } = self.wanted?;
        match (asked, self.tried) {
            (0, _) | (_, None) => Some(since + share(phase, SPREAD)),
            (1..CONFIRMATIONS, Some(tried)) => Some(tried + APART + share(phase / 1_000, SPREAD)),
            (CONFIRMATIONS.., _) => None,
        }
    }

    fn regular(&self, phase: u64) -> Option<BootTime> {
        let (interval, risen) = (self.level.interval()?, self.risen?);
        let first = risen + share(phase, interval.min(SPREAD_LEVEL));
        Some(self.tried.map_or(first, |tried| first.max(tried + interval)))
    }

    /// A probe is due: may it be sent? It is in flight then.
    pub(super) fn ask(&mut self, now: BootTime) -> bool {
        let may = self.bucket.take();
        self.tried = Some(now);
        self.unable |= !may;
        if may {
            self.in_flight = Some(now);
            self.counters.probes += 1;
            if let Some(wanted) = &mut self.wanted {
                wanted.asked = wanted.asked.saturating_add(1);
            }
        } else {
            self.counters.refused += 1;
        }
        may
    }

    pub(super) fn record(&mut self, outcome: Outcome, now: BootTime) {
        let sent = self.in_flight.take();
        match outcome {
            Outcome::Answered(_) => self.signs.answered(),
            Outcome::Unanswered(miss) => self.signs.missed(miss, now),
            Outcome::NotSent => {}
        }
        // What was asked before the suspicion, or was given up already, proves nothing about it.
        let counts = sent.is_some_and(|sent| self.wanted.is_none_or(|wanted| sent >= wanted.since));
        let heard = match outcome {
            Outcome::Answered(answer) => {
                self.counters.answered += 1;
                self.past.push(Some(answer), now);
                true
            }
            Outcome::Unanswered(Miss::Kiss(kind)) => {
                self.counters.kisses += 1;
                self.manners.kissed(kind, now);
                self.resting = self.manners.forbids(now);
                true
            }
            Outcome::Unanswered(Miss::TimedOut | Miss::Refused | Miss::Unreachable | Miss::Garbled) => {
                self.counters.unanswered += 1;
                self.past.push(None, now);
                false
            }
            Outcome::NotSent => {
                self.unable |= counts;
                if let Some(wanted) = self.wanted.as_mut().filter(|_| counts) {
                    wanted.asked = wanted.asked.saturating_sub(1);
                }
                return;
            }
        };
        if counts {
            self.missed = if heard { 0 } else { self.missed.saturating_add(1) };
            (self.answered, self.unable) = (heard, false);
        }
    }

    /// In the words of the failover machine. Where we can't ask, it must not wait for us: chronyd's evidence alone
    /// counts then, as where we may not.
    pub(super) fn probed(&self) -> Probed {
        if self.resting || self.unable {
            Probed::NotAllowed
        } else if self.missed == 0 && self.answered {
            Probed::Answered
        } else {
            Probed::Unanswered(self.missed)
        }
    }

    /// Nothing in it is worth keeping any more, now that it is gone from the plan.
    pub(super) fn is_forgotten(&self, now: BootTime, kept: Nanos) -> bool {
        now - self.seen >= kept && !self.manners.forbids(now)
    }
}
