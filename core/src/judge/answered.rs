//! A look that got an answer: from chronyd's raw words to the figures, in DESIGN's order.

use super::baseline::{self, LastUpdate, Outcome};
use super::boot::{self, Startup};
use super::bound::{self, Good, Reference, Stamp, Update};
use super::disruption::{self, Cause};
use super::group::{Agreement, agreeing};
use super::hardware::Witness;
use super::interval::Interval;
use super::message::{Scene, Warnings};
use super::sources::{self, Voters};
use super::view::{self, View};
use super::{Circumstances, Figures, JudgeState, holdover, leap, warnings};
use crate::chrony::Letter;
use crate::clocks::BootTime;
use crate::conditions::{Conditions, Judgement, Reason, Status};
use crate::observation::{Association, Observation, Tracking};
use crate::snapshot::NodePlan;
use crate::tolerances::Tolerances;
use crate::units::Nanos;
use crate::verdict::{AssociationVerdict, ErrorBound, Verdict};

/// Fresh samples from a majority that end a disruption (DESIGN, row 2).
const FRESH_AFTER_DISRUPTION: u32 = 2;
/// New samples after which a view that stayed with the oscillator is a dissenter (chronyd's own floor for an
/// estimate).
const SAMPLES_TO_STAY: u32 = 3;
/// New samples after which all views must agree about a jump: chronyd's regression overshoots for about five polls
/// (a jump of 200 ms was seen as 99, 230, 280, 240, 200 ms on 4.3).
const SAMPLES_TO_AGREE: u32 = 8;
/// Fewer independent roots than this can't tell a paused machine from a moved source: a lone view has no
/// dissenter.
const ROOTS_TO_DECIDE: u32 = 2;

/// It has moved for sure by more than this: a kernel that sets it every eleven minutes takes back what a crystal of 20 ppm
/// gained in them.
const SURELY: Nanos = Nanos::from_millis(20);

/// Judges it.
pub fn look(
    state: &mut JudgeState,
    observation: &Observation,
    tracking: &Tracking,
    associations: &[Association],
    plan: &NodePlan,
    restarted: bool,
) -> Verdict {
    let clocks = &observation.clocks;
    let (now, limits, rate) = (clocks.boot, &plan.tolerances, plan.tolerances.guaranteed_rate);
    let server = |seen: &Association| {
        plan.associations.iter().find(|one| Some(&one.source) == seen.source.as_ref())?.server()
    };
    state.polls.look(associations, server, now);
    if let Some(disrupted) = state.disrupted.as_mut().filter(|disrupted| disrupted.since == now) {
        // What came since the last look may be from before the disruption. Counted as fresh it ended a disruption one
        // sample early: True for a second on a clock eight seconds behind (seen in a VM that was paused).
        disrupted.stamp = Some(Stamp::of(tracking));
        state.polls.expect_fresh();
    }
    let voters = Voters::count(associations, &state.polls, plan);
    let selected = selected(tracking, associations);
    let reference = bound::reference(tracking);
    let patience = boot::patience(plan);
    let readiness = boot::Readiness {
        majority_fresh: voters.fresh(associations, &state.polls, boot::FRESH_SAMPLES),
        rough: reference == Reference::Good && boot::rough(tracking.residual, bound::width(tracking), limits),
    };
    state.startup = state.startup.step(restarted, Some(readiness), now, patience, limits.breach_hold);
    if reference == Reference::Good {
        let sample_age = selected.and_then(|one| one.sample_age);
        let looked = state.clocks.map(|before| before.boot);
        state.update = Some(Update::seen(state.update, tracking, now, looked, sample_age));
        state.residual_known = true;
    }
    if state.disrupted.is_some_and(|since| now - since.since > patience)
        || digested(state, reference, tracking, associations, &voters, limits)
    {
        state.disrupted = None;
    }
    let settled = state.startup == Startup::Running && state.disrupted.is_none();
    state.leap.hear(leap::announced(tracking, associations, &state.polls, &voters), reference, now);

    // The reference against our oscillator.
    let stepped = state.clocks.and_then(|before| disruption::stepped(&before, clocks, observation.profile));
    if let Some(by) = stepped.filter(|_| settled) {
        state.baselines.clock_moved(by);
    }
    let mut residual = tracking.residual;
    if settled && reference == Reference::Good {
        let look = baseline::Look {
            clocks: *clocks,
            residual: tracking.residual,
            width: bound::width(tracking),
            frequency: tracking.frequency,
            skew: tracking.skew,
            last_update: LastUpdate::of(tracking),
            profile: observation.profile,
            stamp: Stamp::of(tracking),
            majority: voters.usable >= voters.majority,
            leap: state.leap.open(),
        };
        match state.baselines.look(&look, rate) {
            Outcome::Quiet if look.majority && !state.contradicted() => state.leap.fits(look.stamp, now),
            Outcome::Quiet | Outcome::Leaping => {}
            Outcome::Leapt => state.leap.settle(),
            Outcome::Latched => state.polls.watch_from_here(),
            Outcome::Moved(by) => residual = residual + by,
        }
    }
    if settled && reference == Reference::None && state.residual_known {
        let last_update = LastUpdate::of(tracking);
        state.baselines.look_without_reference(clocks, tracking.residual, last_update, rate);
    }
    let views = view::live(associations, &state.polls, tracking.residual);
    let mut host = state.baselines.host(clocks, rate);
    if let Some(host) = host.filter(|_| state.contradicted()) {
        // A view on its way back through the oscillator's interval is not one that stayed there.
        for view in views.iter().filter(|view| !view.interval().overlaps(host)) {
            state.polls.leaves(&associations[view.index]);
        }
    }
    match decide(state, &views, associations, observation, limits) {
        Decision::Open | Decision::SourcesMoved => {}
        Decision::Harmless => {
            state.baselines.forgive(now);
            host = state.baselines.host(clocks, rate);
        }
        Decision::Ours(cause) => {
            state.disrupt(cause, now);
            host = None;
        }
    }
    let settled = settled && state.disrupted.is_none();

    // The figures.
    let agreement = agreeing(&views, host);
    let group = match agreement {
        Agreement::Group(group) if settled => Some(group),
        Agreement::Group(_) | Agreement::Nobody | Agreement::Tied => None,
    };
    let gap = state.baselines.gap();
    let mut figures = Figures { gap, ..Figures::default() };
    if settled {
        figures.alone = voters.usable == 0;
        figures.disagreement = group.map(|group| group.region.middle());
    } else {
        figures.alone = state.voters.usable == 0;
    }
    let spoken = state.residual_known.then_some(residual);
    let booting = matches!(state.startup, Startup::Booting { .. } | Startup::New);
    let usable_now = state.disrupted.is_none() && reference == Reference::Good;
    if usable_now && (settled || booting) && (voters.usable > 0 || state.good.is_none()) {
        let age = state.update.map_or(Nanos::ZERO, |update| now - update.not_before);
        let good = Good::now(tracking, residual, age, rate, observation.profile, now);
        figures.bound = Some(good.bound(rate));
        figures.residual = Some(residual);
        state.good = Some(good);
    } else if let Some(good) = &mut state.good {
        let spoken = spoken.filter(|_| settled);
        figures.residual = Some(spoken.unwrap_or_else(|| good.residual_at(now)));
        figures.bound = Some(good.carry(now, spoken, rate));
    }
    figures.offset = larger(figures.residual, figures.disagreement);
    if let (Some(own), Some(bound)) = (figures.residual, &mut figures.bound) {
        let spread = bound.guaranteed - own.abs();
        if let Some(group) = group.filter(|group| !group.region.overlaps(Interval::around(own, spread))) {
            // chronyd is sure of one thing, the agreeing group of another: the bound covers both.
            *bound = ErrorBound {
                expected: bound.expected.max(group.region.reach()),
                guaranteed: bound.guaranteed.max(group.region.reach()),
                ..*bound
            };
        }
    }
    let carried = figures.bound.is_some_and(|bound| bound.carried);
    if let Some(host) = host.filter(|_| gap.is_some() || carried) {
        let stays = views.iter().any(|view| state.polls.stayed(&associations[view.index]));
        figures.against_baseline(host, figures.residual.unwrap_or(Nanos::ZERO), !stays, rate);
    }
    if let (true, None, Some(bound), Some(good)) = (carried, gap, figures.bound, &mut state.good) {
        good.widen(bound);
    }
    if let (Some(missed), Some(bound)) = (state.leap.missed(clocks), &mut figures.bound) {
        *bound = bound.wider(missed);
    }

    // The words.
    let rejected = |index: usize| {
        let position = views.iter().position(|view| view.index == index);
        let apart = |from: Interval| {
            position.is_some_and(|at| views[at].interval().distance(from) > Nanos(limits.max_offset.0 / 10))
        };
        let named = matches!(associations[index].letter, Letter::Falseticker | Letter::Untrusted);
        match (gap.and(host), group) {
            (Some(host), _) => apart(host),
            // Outside the group, and chronyd says so too or it is far outside; for what has no view its letter speaks.
            (None, Some(group)) => match position {
                Some(at) => !group.has(at) && (named || apart(group.region)),
                None => named,
            },
            (None, None) => named && voters.usable > 0,
        }
    };
    let verdicts: Vec<AssociationVerdict> = (0..associations.len())
        .map(|index| association(index, &associations[index], state, tracking.residual, rejected(index)))
        .collect();
    if settled {
        let in_tolerance = figures.offset.is_some_and(|offset| offset.abs() <= limits.max_offset)
            && figures
                .bound
                .is_some_and(|bound| !bound.carried && bound.guaranteed <= limits.max_error_bound);
        state.feasibility.look(plan, associations, &state.polls, in_tolerance);
    }
    let judged_sources = state.startup == Startup::Running;
    if judged_sources {
        state.voters = voters;
        state.following = selected.and_then(|one| Some((one.source.clone()?, one.tier)));
    } else if booting {
        state.voters = Voters { usable: voters.usable, ..voters };
        state.following = None;
    }
    let (sources_low, partitioned) = if judged_sources {
        let forecast = forecast(state, &figures, plan);
        state.columns.look(&voters, forecast, now, limits)
    } else {
        state.columns.carried().filter(|_| !booting).unwrap_or_else(|| {
            let line = "started; waits for three samples from a majority of its sources";
            let unknown = || Judgement::new(Status::Unknown, Reason::Booting, line);
            (unknown(), unknown())
        })
    };
    // Alone for the table is what was told: a letter that blinks is no holdover.
    figures.alone &= state.columns.low_told();
    let mut above = warnings(&figures, limits);
    if settled {
        frequency_and_age(state, tracking, limits, now, &mut above);
    }
    let dissenters = dissenters(gap.is_some(), &views, &verdicts, associations, state);
    let following = state.following.clone();
    let around = Circumstances {
        booting,
        fresh: settled,
        not_synchronized: settled
            && (reference == Reference::Local || (reference == Reference::None && state.good.is_none())),
        warnings: above,
        scene: Scene {
            following: following.as_ref().map(|(name, tier)| (name.as_str(), *tier)),
            dissenters,
            carried: carried && gap.is_none() && figures.alone,
            local: reference == Reference::Local,
            ..Scene::default()
        },
    };
    let (synchronized, offset_high) = state.conclude(&figures, around, plan, now);
    let daemon_down = Judgement::new(Status::False, Reason::Answering, "chronyd answers");
    let conditions = Conditions { synchronized, offset_high, sources_low, partitioned, daemon_down };
    Verdict { associations: verdicts, ..state.verdict(&figures, conditions, plan) }
}

/// The association that chronyd follows.
fn selected<'a>(tracking: &Tracking, associations: &'a [Association]) -> Option<&'a Association> {
    associations
        .iter()
        .find(|one| one.letter == Letter::Selected)
        .or_else(|| associations.iter().find(|one| one.address.is_some() && one.address == tracking.address))
}

/// A disruption ends with two fresh samples from a majority, once chronyd itself has made something of them and tells
/// the same as the sources (or patience is over: then the other rows say that it has not).
fn digested(
    state: &JudgeState,
    reference: Reference,
    tracking: &Tracking,
    associations: &[Association],
    voters: &Voters,
    limits: &Tolerances,
) -> bool {
    let Some(disrupted) = state.disrupted else { return false };
    let fresh = voters.fresh(associations, &state.polls, FRESH_AFTER_DISRUPTION);
    // chronyd's regression follows a jump over some updates: the last one must not have moved it much.
    let updated = reference == Reference::Good
        && disrupted.stamp != Some(Stamp::of(tracking))
        && baseline::is_steady(tracking.last_offset, bound::width(tracking));
    // An update may rest on a source that has not seen the jump yet: then chronyd tells of the clock before it, to the
    // microsecond (seen in a VM that was paused for 8 s: the others said −6.7 s, chronyd −230 µs for four more looks).
    let views = view::live(associations, &state.polls, tracking.residual);
    let same = match agreeing(&views, None) {
        Agreement::Group(group) => (group.region.middle() - tracking.residual).abs() <= limits.max_offset,
        Agreement::Nobody | Agreement::Tied => false,
    };
    fresh && updated && same
}

/// Whose movement a contradiction was.
enum Decision {
    /// There is none, or not every view has had its say yet.
    Open,
    /// The sources': it stays.
    SourcesMoved,
    /// This machine's: it was paused.
    Ours(Cause),
    /// Nobody disputes it and it is inside maxOffset: nothing hangs on who moved (a virtual machine that stood
    /// still for a few milliseconds must not warn for a day).
    Harmless,
}

/// While a contradiction is open: did the sources move, or did this machine stand still?
fn decide(
    state: &mut JudgeState,
    views: &[View<'_>],
    associations: &[Association],
    observation: &Observation,
    limits: &Tolerances,
) -> Decision {
    let Some(gap) = state.baselines.gap() else { return Decision::Open };
    if !state.baselines.open() {
        return Decision::Open;
    }
    let small = state.baselines.weight().is_some_and(|weight| weight <= limits.max_offset);
    let rtc = state.baselines.witness(&observation.clocks);
    if let Witness::Moved(moved) = rtc
        && !small
        && let Some(decided) = witnessed(moved, gap)
    {
        state.baselines.close();
        return decided;
    }
    let track = |view: &View<'_>| state.polls.of(&associations[view.index]);
    let watched =
        |least: u32| views.iter().all(|view| track(view).is_some_and(|track| track.watched >= least));
    if views.is_empty() || !watched(SAMPLES_TO_STAY) {
        return Decision::Open;
    }
    let stays = views.iter().any(|view| track(view).is_some_and(|track| !track.left));
    let decision = match agreeing(views, None) {
        Agreement::Group(group)
            if !stays && group.roots >= ROOTS_TO_DECIDE && (0..views.len()).all(|at| group.has(at)) =>
        {
            match rtc {
                _ if small => Decision::Harmless,
                // Only where there is none do the views alone decide (DESIGN). More looks may tell more.
                Witness::Moved(_) | Witness::Silent if !watched(SAMPLES_TO_AGREE) => return Decision::Open,
                Witness::Moved(_) | Witness::Silent => Decision::SourcesMoved,
                Witness::Absent => Decision::Ours(Cause::ViewsMoved(gap)),
            }
        }
        Agreement::Group(_) | Agreement::Nobody | Agreement::Tied if !stays && !watched(SAMPLES_TO_AGREE) => {
            return Decision::Open;
        }
        Agreement::Group(_) | Agreement::Nobody | Agreement::Tied => Decision::SourcesMoved,
    };
    state.baselines.close();
    decision
}

/// What the hardware clock, which went beyond the oscillator by `moved`, says of a reference that is `gap` away; none = it
/// can't tell. chronyd may still be on its way over the jump: from nothing to half as much again.
fn witnessed(moved: Interval, gap: Nanos) -> Option<Decision> {
    let reach = |end: Nanos| end.scaled(3, 2);
    let way = Interval {
        low: reach(moved.low.min(Nanos::ZERO)) - SURELY,
        high: reach(moved.high.max(Nanos::ZERO)) + SURELY,
    };
    // Nobody stands still for less than no time: one that went back was set.
    let stood_still = moved.low > SURELY;
    match (way.low <= gap && gap <= way.high, stood_still) {
        (false, _) => Some(Decision::SourcesMoved),
        (true, true) => {
            let within = (moved.high - moved.low).half_up();
            Some(Decision::Ours(Cause::Paused { by: moved.middle(), within }))
        }
        (true, false) => None,
    }
}

/// The one of larger size.
fn larger(residual: Option<Nanos>, disagreement: Option<Nanos>) -> Option<Nanos> {
    match (residual, disagreement) {
        (Some(own), Some(theirs)) => Some(if theirs.abs() > own.abs() { theirs } else { own }),
        (Some(one), None) | (None, Some(one)) => Some(one),
        (None, None) => None,
    }
}

fn association(
    index: usize,
    association: &Association,
    state: &JudgeState,
    residual: Nanos,
    rejected: bool,
) -> AssociationVerdict {
    let figures = view::figures(association, residual).filter(|_| state.residual_known);
    AssociationVerdict {
        index,
        unanswered: state.polls.unanswered(association),
        ever: state.polls.ever(association),
        kissed: state.polls.kissed(association),
        usable: sources::is_usable(association, &state.polls),
        rejected,
        offset: figures.map(|(offset, _)| offset),
        uncertainty: figures.map(|(_, half)| half),
    }
}

/// Who disagrees: in a contradiction those who stay with our oscillator, else those who are rejected.
fn dissenters<'a>(
    contradicted: bool,
    views: &[View<'_>],
    verdicts: &[AssociationVerdict],
    associations: &'a [Association],
    state: &JudgeState,
) -> Vec<&'a str> {
    let name = |index: usize| associations[index].source.as_deref();
    if contradicted {
        let stayed = views.iter().filter(|view| state.polls.stayed(&associations[view.index]));
        stayed.filter_map(|view| name(view.index)).collect()
    } else {
        verdicts.iter().filter(|one| one.rejected).filter_map(|one| name(one.index)).collect()
    }
}

/// The two limits that a policy may set besides; both only warn.
fn frequency_and_age(
    state: &JudgeState,
    tracking: &Tracking,
    limits: &Tolerances,
    now: BootTime,
    above: &mut Warnings,
) {
    above.frequency = limits.max_frequency_error.is_some_and(|limit| tracking.frequency.abs() > limit);
    if let (Some(limit), Some(update)) = (limits.max_update_intervals, state.update) {
        let interval = tracking.update_interval.abs().max(Nanos::SECOND);
        above.age = now - update.not_before > interval.times(i64::from(limit));
    }
}

/// How long until a bound that is carried from now on reaches 90 % of its limit.
fn forecast(state: &JudgeState, figures: &Figures, plan: &NodePlan) -> Option<Nanos> {
    let (good, bound) = (state.good.as_ref()?, figures.bound?);
    let left = plan.tolerances.max_error_bound.scaled(9, 10) - bound.guaranteed;
    holdover::time_to(left.max(Nanos::ZERO), good.growth(plan.tolerances.guaranteed_rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nobody stands still for less than no time.
    #[test]
    fn a_hardware_clock_that_went_back_was_set() {
        let moved =
            |milliseconds: i64| Interval::around(Nanos::from_millis(milliseconds), Nanos::from_millis(5));
        assert!(matches!(witnessed(moved(90), Nanos::from_millis(90)), Some(Decision::Ours(_))));
        assert!(witnessed(moved(-90), Nanos::from_millis(-90)).is_none());
        assert!(matches!(witnessed(moved(0), Nanos::from_millis(90)), Some(Decision::SourcesMoved)));
    }
}
