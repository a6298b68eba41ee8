//! Why a source cannot be used, as one word that nodes can be compared by.
//!
//! **In.** chronyd's count of unanswered polls, what its last packet said, and what our own probes ran into. **Out.** A
//! [`Trouble`] for each association, witnesses too; none while it answers. **Must never** let old evidence stick – what was
//! seen before the source was heard again is gone –, nor change the word with every probe: hosts limit how many ICMP
//! errors they send, so a time-out between two refusals takes nothing back (law 9).
//!
//! Silence is named by the strongest sign that is not too old: a kiss-o'-death, an answer without time, a refusal, a router's
//! word, else time-out. Whom we may not probe (Public scope, witnesses) is told from chronyd's packets alone: time-out.

use super::{KissKind, Miss, State};
use crate::clocks::BootTime;
use crate::diagnose::fleet::Trouble;
use crate::fsm::failover::{Doubt, sight};
use crate::observation::{Answer, Observation};
use crate::snapshot::NodePlan;
use crate::units::Nanos;
use crate::verdict::Verdict;
use std::collections::BTreeMap;

/// Unanswered polls from which a source counts as silent (the design's "usable voter").
pub const SILENT: u32 = 3;
/// A sign that has not come again for so long is old: twelve probes of a silent source, four of the slowest level.
const HOLD: Nanos = Nanos::from_secs(120);

/// What decides the word of one association.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// It has an address.
    pub resolved: bool,
    /// The last that chronyd had from it was a kiss-o'-death.
    pub kissed: bool,
    /// Polls in a row without a valid reply, by chronyd's own counters.
    pub unanswered: u32,
    /// What its last packet says against it.
    pub doubt: Option<Doubt>,
    /// What silence would be called: [`State::silence`].
    pub silence: Trouble,
}

/// The word; none = it answers, or one or two lost packets are all that is known. Silence comes before what the last packet
/// said: that was before the silence.
pub fn trouble(known: &Known) -> Option<Trouble> {
    if !known.resolved {
        return Some(Trouble::Unresolved);
    }
    match (known.unanswered, known.doubt) {
        (SILENT.., _) if known.kissed => Some(Trouble::Kissed),
        (SILENT.., _) => Some(known.silence),
        // One kiss is no news, and no word of the source about its time.
        (_, _) if known.kissed => None,
        (_, Some(Doubt::Stale)) => Some(Trouble::Stale),
        (_, Some(Doubt::Unsynchronised)) => Some(Trouble::Unsynchronised),
        (_, None) => None,
    }
}

/// The words of one look, by position in the observation; whoever is fine is not in it.
pub fn troubles(
    plan: &NodePlan,
    observation: &Observation,
    verdict: &Verdict,
    probing: &State,
) -> BTreeMap<usize, Trouble> {
    let Answer::Full { associations, .. } = &observation.answer else { return BTreeMap::new() };
    let words = verdict.associations.iter().filter_map(|judged| {
        let seen = associations.get(judged.index)?;
        let known = Known {
            resolved: seen.address.is_some(),
            kissed: judged.kissed,
            unanswered: judged.unanswered,
            doubt: sight::doubted(seen, judged, &observation.clocks, &plan.failover),
            silence: seen.address.map_or(Trouble::TimedOut, |address| probing.silence(address)),
        };
        Some((judged.index, trouble(&known)?))
    });
    words.collect()
}

/// What our probes of one association ran into, and when last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Signs {
    refused: Option<BootTime>,
    unreachable: Option<BootTime>,
    /// It answers that it has no time.
    timeless: Option<BootTime>,
    /// It wished to be asked less often …
    kissed: Option<BootTime>,
    /// … or never.
    denied: bool,
    /// Polls unanswered as of the last look.
    unanswered: u32,
}

impl Signs {
    /// One look: `resting` = it is asked nothing because it wished so.
    pub(super) fn see(&mut self, unanswered: u32, resting: bool, now: BootTime) {
        // Fewer than before: chronyd heard it between two looks.
        if unanswered == 0 || unanswered < self.unanswered {
            // A wish to be asked less often outlives an answer, for a server that limits its rate gives some. Whoever
            // answers chronyd does not deny it any more.
            *self = Self { kissed: self.kissed, ..Self::default() };
        }
        self.unanswered = unanswered;
        if resting && self.kissed.is_some() {
            // The next probe comes when the pause is over: the word must not change until it has had its chance.
            self.kissed = Some(now);
        }
        for sign in [&mut self.refused, &mut self.unreachable, &mut self.timeless, &mut self.kissed] {
            *sign = sign.filter(|at| now - *at < HOLD);
        }
    }

    /// A probe went unanswered.
    pub(super) fn missed(&mut self, miss: Miss, now: BootTime) {
        match miss {
            Miss::Refused => self.refused = Some(now),
            Miss::Unreachable => self.unreachable = Some(now),
            Miss::Kiss(KissKind::Unsynchronised) => self.timeless = Some(now),
            Miss::Kiss(KissKind::Rate) => self.kissed = Some(now),
            Miss::Kiss(KissKind::Deny | KissKind::Restricted) => self.denied = true,
            // No wish, and none of the words: chronyd's own silence is all there is to tell.
            Miss::TimedOut | Miss::Garbled | Miss::Kiss(KissKind::Other(_)) => {}
        }
    }

    /// A probe was answered.
    pub(super) fn answered(&mut self) {
        *self = Self { unanswered: self.unanswered, ..Self::default() };
    }

    pub(super) fn word(&self) -> Trouble {
        if self.denied || self.kissed.is_some() {
            Trouble::Kissed
        } else if self.timeless.is_some() {
            Trouble::Unsynchronised
        } else if self.refused.is_some() {
            Trouble::Refused
        } else if self.unreachable.is_some() {
            Trouble::Unreachable
        } else {
            Trouble::TimedOut
        }
    }
}

#[cfg(test)]
#[path = "trouble_tests.rs"]
mod tests;
