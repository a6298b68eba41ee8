//! # The judge: how wrong is this clock, how sure is that, and which five conditions follow
//!
//! **Role.** Turns what one node's chronyd says ([`Observation`]) into a [`Verdict`], remembering what is needed
//! from look to look in a [`JudgeState`].
//! **In.** The state of the last look, one observation, the plan in force.
//! **Out.** The next state and the verdict.
//! **Must never** read a clock, do I/O, compare two machines' clocks, or call missing data healthy.
//!
//! ```text
//! polls ─▶ voters ─────────────────────────────▶ sources ─▶ TimeSourcesLow, TimePartitioned
//! view ─▶ group ─▶ disagreement ─┐
//! bound ─▶ residual, bound ──────┼─▶ holds ─▶ table ─────▶ TimeSynchronized, TimeOffsetHigh
//! baseline, disruption, boot ────┘
//! leap: shifts what is kept of CLOCK_REALTIME; while it is now, no hold is stepped
//! ```
//!
//! One boundary is worth knowing: when *all* views of a node move alike, nobody can tell from here whether the
//! sources moved or this machine stood still. The hardware clock is asked ([`hardware`]: its ticks tell milliseconds, its whole
//! seconds little). Where it surely did not move with them it is `BoundContradicted` (and the published bound covers both
//! stories), where it surely did `ClockDisrupted`. Where it is there and can't tell within eight new samples of each view,
//! its silence is no excuse for the sources: `BoundContradicted`. Where there is none to ask, the views decide, with three
//! samples each if they agree by then and else with eight: one that stayed with the oscillator is `BoundContradicted`, none
//! is `ClockDisrupted`.

mod answered;
mod baseline;
mod boot;
mod bound;
mod disruption;
mod feasible;
mod group;
mod hardware;
pub mod hold;
mod holdover;
mod interval;
pub mod leap;
mod message;
mod polls;
mod silent;
mod sources;
mod table;
#[cfg(test)]
pub(crate) mod tests;
mod view;

use crate::clocks::{BootTime, ClockReading, RawTime};
use crate::conditions::{Conditions, Judgement, Reason, Status};
use crate::observation::{Answer, Observation};
use crate::snapshot::NodePlan;
use crate::tolerances::Tolerances;
use crate::units::Nanos;
use crate::verdict::{ErrorBound, Holdover, Verdict};
use hold::{Hold, Pace};
use serde::{Deserialize, Serialize};

/// No answer from the daemon for so long is TimeDaemonDown (DESIGN: fixed, not a hold time).
const SILENCE: Nanos = Nanos::from_secs(10);
/// A gap between two looks longer than this is our own absence (agent restart), not the daemon's silence.
const AWAY: Nanos = Nanos::from_secs(30);

/// What the judge remembers between two looks. Lives in the agent's ledger; unknown or missing fields are taken
/// as "not known". It belongs to one boot of one machine: a new boot_id drops what the old boot knew.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JudgeState {
    boot_id: String,
    /// This machine's clocks at the last look.
    clocks: Option<ClockReading>,
    daemon_start: Option<u64>,
    startup: boot::Startup,
    /// First of the looks in a row that got no answer.
    silent_since: Option<BootTime>,
    polls: polls::Polls,
    update: Option<bound::Update>,
    /// A good reference was seen since chronyd started: its residual means something.
    residual_known: bool,
    good: Option<bound::Good>,
    baselines: baseline::Baselines,
    leap: leap::Leap,
    disrupted: Option<Disrupted>,
    offset_hold: Hold,
    bound_hold: Hold,
    holdover_hold: Hold,
    warn_hold: Hold,
    columns: sources::Columns,
    voters: sources::Voters,
    feasibility: feasible::Feasibility,
    quote: Option<message::Quote>,
    /// TimeSynchronized was told True or False at the last look.
    told: bool,
    following: Option<(String, u8)>,
    /// No usable source since.
    alone_since: Option<BootTime>,
    holdover: Option<Holdover>,
}

/// A disruption that is not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Disrupted {
    cause: disruption::Cause,
    since: BootTime,
    /// chronyd's last update before it.
    stamp: Option<bound::Stamp>,
}

/// One look: judges `observation` against `plan`, knowing what earlier looks left in `state`.
pub fn judge(state: &JudgeState, observation: &Observation, plan: &NodePlan) -> (JudgeState, Verdict) {
    let mut next = if state.boot_id == observation.boot_id {
        state.clone()
    } else {
        JudgeState { boot_id: observation.boot_id.clone(), ..JudgeState::default() }
    };
    let clocks = &observation.clocks;
    let restarted = next.daemon_start.is_some_and(|known| known != observation.daemon_start);
    next.daemon_start = Some(observation.daemon_start);
    if restarted {
        next.polls.restart();
        next.residual_known = false;
    }
    if let Some(by) = next.clocks.and_then(|before| next.leap.pass(&before, clocks)) {
        next.leap_by(by, clocks.raw);
    }
    if let Some(cause) = next.clocks.and_then(|before| disruption::between(&before, clocks)) {
        next.disrupt(cause, clocks.boot);
    }
    next.baselines.expire(clocks.boot);
    let verdict = match &observation.answer {
        Answer::Full { tracking, associations } => {
            next.silent_since = None;
            answered::look(&mut next, observation, tracking, associations, plan, restarted)
        }
        Answer::Nothing { why } => silent::look(&mut next, observation, why, plan, restarted),
    };
    next.clocks = Some(*clocks);
    (next, verdict)
}

/// A person has looked at a `BoundContradicted` and accepts what the sources say now: the latch and the baseline
/// it rests on are dropped, a new baseline is built from the next updates. Without a latch nothing changes.
pub fn acknowledge(state: &JudgeState) -> JudgeState {
    let mut next = state.clone();
    if next.contradicted() {
        next.baselines.forget();
    }
    next
}

impl JudgeState {
    /// Whether it is still open if the sources moved or this machine stood still: the next readings of its clocks decide.
    pub fn is_undecided(&self) -> bool {
        self.baselines.open()
    }
    /// Whether `BoundContradicted` holds (also while its gap is below maxOffset).
    pub fn contradicted(&self) -> bool {
        self.baselines.gap().is_some()
    }

    /// Our own clocks came apart: what was known of the error is void.
    fn disrupt(&mut self, cause: disruption::Cause, now: BootTime) {
        self.disrupted = Some(Disrupted { cause, since: now, stamp: self.update.map(|update| update.stamp) });
        self.polls.expect_fresh();
        self.baselines.forget();
        self.good = None;
        self.told = false;
    }

    /// This clock was stepped for a leap second: whatever is kept of it goes with it.
    fn leap_by(&mut self, by: Nanos, at: RawTime) {
        if let Some(before) = &mut self.clocks {
            before.wall = before.wall + by;
        }
        self.baselines.clock_leapt(by, at);
    }

    fn pace(&self) -> Pace {
        if self.told { Pace::Held } else { Pace::AtOnce }
    }
}

/// What one look found out about the clock; none of it when it is not known.
#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    offset: Option<Nanos>,
    residual: Option<Nanos>,
    disagreement: Option<Nanos>,
    bound: Option<ErrorBound>,
    /// While the contradiction holds: how far the reference moved.
    gap: Option<Nanos>,
    /// Nobody can be used: no usable voter, or no answer.
    alone: bool,
}

/// What besides the figures decides the rows.
#[derive(Clone, Debug, Default)]
struct Circumstances<'a> {
    booting: bool,
    /// The offset is of now: holds may be counted on it.
    fresh: bool,
    not_synchronized: bool,
    warnings: message::Warnings,
    scene: message::Scene<'a>,
}

impl JudgeState {
    /// Steps the holds, takes the row, and puts TimeSynchronized and TimeOffsetHigh into words.
    fn conclude(
        &mut self,
        figures: &Figures,
        mut around: Circumstances<'_>,
        plan: &NodePlan,
        now: BootTime,
    ) -> (Judgement, Judgement) {
        let limits = &plan.tolerances;
        self.alone_since = figures.alone.then(|| self.alone_since.unwrap_or(now));
        self.holdover = match (self.alone_since, &self.good) {
            (Some(since), Some(good)) => holdover::of(since, good, figures, limits, now),
            (None, _) | (_, None) => None,
        };
        let unknown = self.disrupted.is_some() || around.booting;
        let over = self.baselines.weight().is_some_and(|weight| weight > limits.max_offset);
        let infeasible = self.feasibility.infeasible(plan);
        if unknown {
            // Nothing is told that a hold could defend.
            (self.offset_hold, self.bound_hold) = (Hold::default(), Hold::default());
            (self.holdover_hold, self.warn_hold) = (Hold::default(), Hold::default());
        } else if !self.leap.is_now(now) {
            self.step_holds(figures, &around, limits, now);
        }
        let facts = table::Facts {
            disrupted: self.disrupted.is_some(),
            booting: around.booting,
            contradicted: over,
            offset_breach: self.offset_hold.told,
            bound_breach: self.bound_hold.told,
            holdover: self.holdover_hold.told,
            not_synchronized: around.not_synchronized,
            known: figures.bound.is_some(),
            infeasible: infeasible.is_some(),
            warning: self.warn_hold.told || figures.gap.is_some(),
        };
        let (status, reason) = table::synchronized(&facts);
        let quoted = message::Quote::update(
            self.quote,
            reason,
            figures.offset,
            figures.bound,
            figures.gap.filter(|_| matches!(reason, Reason::BoundContradicted | Reason::Warning)),
            around.warnings,
            limits,
        );
        self.quote = Some(quoted);
        self.told = status != Status::Unknown;
        around.scene.floor = infeasible;
        around.scene.cause = self.disrupted.map(|disrupted| disrupted.cause);
        let line = message::clock(&quoted, &around.scene, limits);
        (
            Judgement::new(status, reason, line.clone()),
            Judgement::new(table::offset_high(&facts, reason), reason, line),
        )
    }

    fn step_holds(
        &mut self,
        figures: &Figures,
        around: &Circumstances<'_>,
        limits: &Tolerances,
        now: BootTime,
    ) {
        let pace = self.pace();
        let size = figures.offset.map(Nanos::abs).filter(|_| around.fresh);
        let bound = figures.bound.map(|bound| bound.guaranteed);
        let off = size.map(|size| size > limits.max_offset);
        // A contradiction has no hold: what it tells of this clock is told, and stays told when it ends.
        let contradicted = figures.gap.is_some() && off == Some(true);
        let off_pace = if contradicted { Pace::AtOnce } else { pace };
        self.offset_hold.step(off, now, limits, off_pace);
        self.bound_hold.step(bound.map(|bound| bound > limits.max_error_bound), now, limits, pace);
        // Row 7 has no hold: the bound has been growing towards it for long enough.
        let nearly = limits.max_error_bound.scaled(9, 10);
        let holdover = bound.map(|bound| figures.alone && bound >= nearly);
        let holdover_pace = if holdover == Some(true) { Pace::AtOnce } else { pace };
        self.holdover_hold.step(holdover, now, limits, holdover_pace);
        self.warn_hold.step(bound.map(|_| around.warnings.any()), now, limits, pace);
    }

    /// Smallest tolerance left.
    fn headroom(figures: &Figures, limits: &Tolerances) -> Option<Nanos> {
        let offset = limits.max_offset - figures.offset?.abs();
        let bound = limits.max_error_bound - figures.bound?.guaranteed;
        let gap = limits.max_offset - figures.gap.unwrap_or(Nanos::ZERO).abs();
        Some(offset.min(bound).min(gap))
    }

    /// Puts the verdict together.
    fn verdict(&self, figures: &Figures, conditions: Conditions, plan: &NodePlan) -> Verdict {
        let hidden = conditions.synchronized.status == Status::Unknown
            && matches!(conditions.synchronized.reason, Reason::ClockDisrupted | Reason::Booting);
        let shown = if hidden { Figures::default() } else { *figures };
        Verdict {
            conditions,
            offset: shown.offset,
            residual: shown.residual,
            disagreement: shown.disagreement,
            bound: shown.bound,
            headroom: Self::headroom(&shown, &plan.tolerances),
            holdover: self.holdover.filter(|_| !hidden),
            selected: self.following.as_ref().map(|(name, _)| name.clone()),
            tier: self.following.as_ref().map(|(_, tier)| *tier),
            usable_voters: self.voters.usable,
            voters: self.voters.known,
            baseline: self
                .baselines
                .tells(plan.tolerances.guaranteed_rate)
                .is_some_and(|least| least < plan.tolerances.max_offset),
            associations: Vec::new(),
        }
    }
}

/// What is above its warn level now.
fn warnings(figures: &Figures, limits: &Tolerances) -> message::Warnings {
    message::Warnings {
        offset: figures.offset.is_some_and(|offset| offset.abs() > limits.warn_offset),
        bound: figures.bound.is_some_and(|bound| bound.guaranteed > limits.warn_error_bound),
        ..message::Warnings::default()
    }
}
