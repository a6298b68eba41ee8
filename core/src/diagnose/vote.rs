//! One question about one source, asked of all nodes that use it: who says yes since when, who says no and how well that
//! is proven, and what follows of it.
//!
//! Votes count by failure domain, not by head. A *no* counts against a *yes* only if it is of the same time: else a fault
//! that has reached half of the fleet would look like one that only that half has.

use super::digest::{Digest, Reporter, Word};
use super::past::Ask;
use crate::clocks::BootTime;
use crate::units::Nanos;
use std::collections::BTreeMap;

/// Kubernetes calls a pod not ready so long after its node was last heard (node-monitor-grace-period: 50 s since 1.32, 40 s
/// before), and a watch takes a moment: an agent that still is ready after this was in contact.
const READY_PROVES: Nanos = Nanos::from_secs(60);
/// A fault is told after three unanswered polls; one more for their phase.
const POLLS_TO_TELL: i64 = 4;

/// Within so long whoever asks for every `poll` tells that it is not answered.
pub(super) fn notice(poll: Nanos) -> Nanos {
    poll.times(POLLS_TO_TELL) + READY_PROVES
}

/// How good a node's word is that all is well with a source.
#[derive(Clone, Copy, Debug)]
pub(super) struct Proof {
    /// It had an answer then, by the operator's BOOTTIME, at the latest.
    at: Option<BootTime>,
    /// It would have told of the opposite within so long.
    notice: Nanos,
    /// Its agent is in contact.
    ready: bool,
}

impl Proof {
    /// An answer at `at`, asked for every `poll`, by an agent that is `ready`.
    pub fn new(at: Option<BootTime>, poll: Nanos, ready: bool) -> Self {
        Self { at, notice: notice(poll), ready }
    }
    /// All was well there after that moment: an answer is younger, or it would have told by now.
    pub fn stands(&self, after: BootTime, now: BootTime) -> bool {
        self.at.is_some_and(|at| at > after) || (self.ready && now - after >= self.notice)
    }
}

/// One domain's answers.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally<'d, 'f> {
    pub yes: Vec<(&'d Reporter<'f>, &'d Word<'f>, BootTime)>,
    pub no: Vec<(&'d Reporter<'f>, Proof)>,
}

impl<'d, 'f> Tally<'d, 'f> {
    /// As good as all say yes: one in ten may be late.
    pub fn agreed(&self) -> bool {
        let (yes, all) = (self.yes.len(), self.yes.len() + self.no.len());
        yes > 0 && yes * 10 >= all * 9
    }
    /// More than half say yes.
    pub fn mostly(&self) -> bool {
        self.yes.len() > self.no.len()
    }
    /// When more than half had said yes.
    pub fn since(&self) -> Option<BootTime> {
        let mut since: Vec<BootTime> = self.yes.iter().map(|(.., since)| *since).collect();
        since.sort_unstable();
        let half = usize::midpoint(self.yes.len(), self.no.len());
        since.get(half.min(since.len().saturating_sub(1))).copied()
    }
    /// Nodes that say yes.
    pub fn sayers(&self) -> impl Iterator<Item = &'d Reporter<'f>> + use<'_, 'd, 'f> {
        self.yes.iter().map(|(reporter, ..)| *reporter)
    }
    /// The longest time between two polls of those who say yes.
    pub fn poll(&self) -> Nanos {
        self.yes.iter().map(|(_, word, _)| word.poll()).max().unwrap_or(Nanos::ZERO)
    }
    /// How many were well after that moment.
    pub fn well(&self, after: BootTime, now: BootTime) -> usize {
        self.no.iter().filter(|(_, proof)| proof.stands(after, now)).count()
    }
}

/// All domains' answers to one question about one source.
#[derive(Clone, Debug)]
pub(super) struct Vote<'d, 'f> {
    pub domains: BTreeMap<&'f str, Tally<'d, 'f>>,
    /// Reporters that have the source, also those who may not or cannot answer.
    users: usize,
    now: BootTime,
}

/// What follows of a vote.
#[derive(Clone, Debug)]
pub(super) enum Outcome<'f> {
    /// Nothing can be said, or not yet.
    Open,
    /// Every domain says yes.
    Everywhere,
    /// These domains say yes, two nodes each at least, and elsewhere two nodes (or the only one) were well meanwhile.
    Here(Vec<&'f str>),
    /// All say yes but one node: it may be right, or misled.
    AllButOne,
}

impl<'d, 'f> Vote<'d, 'f> {
    /// Asks those who `may` answer.
    pub fn of(
        digest: &'d Digest<'f>,
        source: &'f str,
        ask: Ask,
        may: impl Fn(&Reporter<'f>) -> bool,
    ) -> Self {
        let mut domains: BTreeMap<&str, Tally<'_, '_>> = BTreeMap::new();
        for (reporter, word) in digest.users(source) {
            if !word.knows(ask) || !may(reporter) {
                continue;
            }
            let tally = domains.entry(reporter.domain).or_default();
            match word.since(ask) {
                Some(since) => tally.yes.push((reporter, word, since)),
                None => tally.no.push((reporter, word.proof)),
            }
        }
        Self { domains, users: digest.count_users(source), now: digest.now }
    }

    /// All that say yes, in domains that do.
    pub fn sayers(&self, of: impl Fn(&Tally<'d, 'f>) -> bool) -> Vec<&'d Reporter<'f>> {
        self.domains.values().filter(|tally| of(tally)).flat_map(Tally::sayers).collect()
    }

    /// What follows, if a domain says yes when `holds`. Of a fleet of several nodes one alone proves nothing against a
    /// source.
    pub fn outcome(&self, holds: impl Fn(&Tally<'d, 'f>) -> bool) -> Outcome<'f> {
        let yes: BTreeMap<&'f str, &Tally<'d, 'f>> = self
            .domains
            .iter()
            .filter(|(_, tally)| holds(tally))
            .map(|(name, tally)| (*name, tally))
            .collect();
        let sayers: usize = yes.values().map(|tally| tally.yes.len()).sum();
        if sayers == 0 || (sayers < 2 && self.users >= 2) {
            return Outcome::Open;
        }
        if yes.len() == self.domains.len() {
            return Outcome::Everywhere;
        }
        let elsewhere = || self.domains.iter().filter(|(name, _)| !yes.contains_key(*name));
        let others: usize = elsewhere().map(|(_, tally)| tally.yes.len() + tally.no.len()).sum();
        // One node alone in its domain cannot tell its own trouble from the domain's.
        let here: Vec<&str> = yes
            .iter()
            .filter(|(_, tally)| tally.yes.len() >= 2)
            .filter(|(_, tally)| {
                let well = |since| elsewhere().map(|(_, other)| other.well(since, self.now)).sum::<usize>();
                tally.since().is_some_and(|since| well(since) >= others.clamp(1, 2))
            })
            .map(|(name, _)| *name)
            .collect();
        if !here.is_empty() {
            return Outcome::Here(here);
        }
        let against: usize = self.domains.values().map(|tally| tally.no.len()).sum();
        if yes.len() >= 2 && sayers >= 3 && against == 1 { Outcome::AllButOne } else { Outcome::Open }
    }

    /// How long a word that rests on others' being well has to hold: those who say yes may be about to hear it again too.
    pub fn patience(&self, domain: &str) -> Nanos {
        self.domains.get(domain).map_or(Nanos::ZERO, |tally| tally.poll().times(2))
    }
}
