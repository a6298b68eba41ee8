//! TimeSourcesLow and TimePartitioned: how many voters count, and whether any can be used.
//!
//! Evidence sets the pace. Unanswered polls are a hold of their own (three polls): told at once. chronyd's letters
//! change within a second while it selects anew (all `x` for about a second when a majority jumps: measured): held.
//!
//! A *split* is not a partition: voters answer and contradict each other. It is TimeSourcesLow NoMajority, and
//! TimePartitioned stays False (VotersDisagree), so that nobody looks for a cut cable.

use super::hold::{Hold, Pace};
use super::message;
use super::polls::Polls;
use crate::chrony::Letter;
use crate::clocks::BootTime;
use crate::conditions::{Judgement, Reason, Status};
use crate::observation::Association;
use crate::snapshot::{NodePlan, Role};
use crate::tolerances::Tolerances;
use crate::units::Nanos;
use serde::{Deserialize, Serialize};

/// Samples that a usable voter has (DESIGN; chronyd's own `M`).
const SAMPLES: u32 = 3;

/// A head count of the voters at one look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voters {
    /// Planned and known to chronyd.
    pub known: u32,
    /// Of those, usable.
    pub usable: u32,
    /// Of those, fewer than three polls unanswered.
    pub answering: u32,
    /// Of the answering, contradicted by others (letters `x`, `T`).
    pub disputed: u32,
    /// How many make a majority of those that are planned.
    pub majority: u32,
}

/// Whether an association is a voter of the plan.
pub fn is_voter(association: &Association) -> bool {
    association.source.is_some() && association.role != Role::Witness
}

/// DESIGN's *usable voter*.
pub fn is_usable(association: &Association, polls: &Polls) -> bool {
    is_voter(association)
        && association.letter.may_vote()
        && association.samples >= SAMPLES
        && polls.answers(association)
}

impl Voters {
    /// Counts them.
    pub fn count(associations: &[Association], polls: &Polls, plan: &NodePlan) -> Self {
        let count = |test: &dyn Fn(&Association) -> bool| {
            u32::try_from(associations.iter().filter(|one| is_voter(one) && test(one)).count())
                .unwrap_or(u32::MAX)
        };
        let known = count(&|_| true);
        // A source that chronyd silently dropped (a bad line in its file) still counts against the majority.
        let planned = plan.associations.iter().filter(|planned| planned.role != Role::Witness).count();
        let planned = u32::try_from(planned).unwrap_or(u32::MAX);
        Self {
            known,
            usable: count(&|one| is_usable(one, polls)),
            answering: count(&|one| polls.answers(one)),
            disputed: count(&|one| {
                polls.answers(one) && matches!(one.letter, Letter::Falseticker | Letter::Untrusted)
            }),
            majority: known.max(planned) / 2 + 1,
        }
    }
    /// Whether a majority of the voters has at least `samples` fresh ones.
    pub fn fresh(&self, associations: &[Association], polls: &Polls, samples: u32) -> bool {
        let fresh = associations
            .iter()
            .filter(|one| is_voter(one) && polls.of(one).is_some_and(|track| track.fresh >= samples));
        fresh.count() >= self.majority as usize
    }
    /// Voters answer, and no majority agrees.
    fn split(&self) -> bool {
        self.usable == 0 && self.disputed > 0
    }
}

/// The two conditions as told, with their holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Columns {
    low: Hold,
    partitioned: Hold,
    /// What was told last: repeated while chronyd is silent or settling.
    told: Option<(Judgement, Judgement)>,
    /// When the partition was told: how long until the carried bound would be told.
    forecast: Option<Nanos>,
}

impl Columns {
    /// Judges a head count. `forecast`: time until the carried bound reaches 90 % of its limit.
    pub fn look(
        &mut self,
        voters: &Voters,
        forecast: Option<Nanos>,
        now: BootTime,
        tolerances: &Tolerances,
    ) -> (Judgement, Judgement) {
        let first = self.told.is_none();
        let pace = |proven: bool| if first || proven { Pace::AtOnce } else { Pace::Held };
        let short = voters.usable < tolerances.min_sources;
        let low = short || voters.split();
        let cut = voters.usable == 0 && !voters.split();
        let low_told =
            self.low.step(Some(low), now, tolerances, pace(low && voters.answering < tolerances.min_sources));
        let was_cut = self.partitioned.told;
        let cut_told = self.partitioned.step(Some(cut), now, tolerances, pace(cut && voters.answering == 0));
        if cut_told && !was_cut {
            self.forecast = forecast;
        }
        let (old_low, old_cut) = self.told.take().map_or((None, None), |(low, cut)| (Some(low), Some(cut)));
        // While a change is held back, the old words stay with the old state.
        let pending_split = voters.split() && !low_told;
        let low = if low_told == low { None } else { old_low }.unwrap_or_else(|| {
            let (status, reason) = match (low_told, voters.split()) {
                (true, true) => (Status::True, Reason::NoMajority),
                (true, false) => (Status::True, Reason::TooFew),
                (false, _) => (Status::False, Reason::Enough),
            };
            Judgement::new(status, reason, message::sources_low(reason, voters, tolerances))
        });
        let cut = if cut_told == cut && !pending_split { None } else { old_cut }.unwrap_or_else(|| {
            let (status, reason) = match (cut_told, voters.split()) {
                (true, _) => (Status::True, Reason::NoUsableSource),
                (false, true) => (Status::False, Reason::VotersDisagree),
                (false, false) => (Status::False, Reason::SourceUsable),
            };
            Judgement::new(status, reason, message::partitioned(reason, voters, self.forecast, tolerances))
        });
        self.told = Some((low.clone(), cut.clone()));
        (low, cut)
    }

    /// Whether TimeSourcesLow is told.
    pub const fn low_told(&self) -> bool {
        self.low.told
    }
    /// What was told last, for as long as there is nothing new to judge.
    pub fn carried(&self) -> Option<(Judgement, Judgement)> {
        self.told.clone()
    }
}
