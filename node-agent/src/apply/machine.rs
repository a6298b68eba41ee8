//! The life of a plan on one node as a pure state machine: step by step, read back, confirmed or reverted.
//!
//! ```text
//!  Plan ─▶ Restarting (main part changed) ─▶ ReadingBack ─▶ Settling ─┐ next step
//!              │                                  ▲────────────────────┘
//!              │        nothing left to do        ▼
//!              └──────────────────────────▶ Confirming ─▶ Idle, Applied
//!  any of them ─▶ Idle, Reverted (the last good plan runs again)
//! ```
//!
//! **In:** accepted plans, looks, the moment. **Out:** [`Action`]s for the executor and an [`Outcome`] for status.

use super::facts::{Facts, Health};
pub use super::model::{Action, Change, Event, Outcome, Stage};
use super::steps::{self, Step};
use meantime_core::clocks::BootTime;
use meantime_core::conf::{SourceLine, Sources};
use meantime_core::snapshot::NodePlan;
use meantime_core::units::Nanos;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Polls that a fresh source gets to become selectable before a rollout stops (law 5).
pub const POLLS_TO_SETTLE: i64 = 16;
/// Besides: name resolution and the first packets do not wait for polls.
pub const SETTLE_SLACK: Nanos = Nanos::from_secs(5);
/// Polls of the fastest source over which a change is confirmed.
pub const POLLS_TO_CONFIRM: i64 = 4;
/// Shortest and longest time to confirm in.
pub const CONFIRM: (Nanos, Nanos) = (Nanos::from_secs(2), Nanos::from_secs(64));
/// How many confirmation windows a bound may stay carried before it is judged as it is.
pub const WINDOWS: i64 = 4;
/// How long a restarted chronyd may take to answer, a reload to show.
pub const ANSWER: Nanos = Nanos::from_secs(60);
/// Looks that may differ after a reload before it is sent again, and again as many before the change is reverted.
pub const LOOKS_TO_SHOW: u32 = 3;
/// How long chronyd may differ from the plan outside of changes before it is restarted (somebody's chronyc), and
/// how often that may be done.
pub const DRIFT: Nanos = Nanos::from_secs(60);
/// See [`DRIFT`].
pub const DRIFT_PAUSE: Nanos = Nanos::from_secs(600);

/// The machine's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The last good plan.
    pub good: Option<Arc<Change>>,
    /// The plan on its way.
    pub target: Option<Arc<Change>>,
    /// The lines in chronyd's sources file.
    pub in_force: Sources,
    /// The main text that should run.
    pub main: Option<String>,
    /// Where the change is.
    pub stage: Stage,
    /// What became of the newest plan.
    pub outcome: Outcome,
    /// The newest plan was not even tried; an older one may still be on its way.
    refusal: Option<String>,
    /// Health when the change began.
    pub before: Option<Health>,
    /// Health at the last answered look.
    pub now: Option<Health>,
    /// Since when chronyd differs from the plan outside of a change.
    differs_since: Option<BootTime>,
    healed: Option<BootTime>,
    /// Below 4.5 a changed line for one address needs two reloads.
    pub(crate) reloads_changed: bool,
}

impl State {
    /// Nothing is known.
    pub const fn new(reloads_changed: bool) -> Self {
        Self {
            good: None,
            target: None,
            in_force: Sources(Vec::new()),
            main: None,
            stage: Stage::Idle,
            outcome: Outcome::Nothing,
            refusal: None,
            before: None,
            now: None,
            differs_since: None,
            healed: None,
            reloads_changed,
        }
    }

    /// The last good plan from the ledger runs again, whatever lay in the files: an agent killed in the middle of a
    /// change starts from firm ground.
    pub fn resume(good: Arc<Change>, reloads_changed: bool) -> (Self, Vec<Action>) {
        let mut state = Self::new(reloads_changed);
        state.in_force = good.sources.clone();
        state.main = Some(good.main.clone());
        state.outcome = Outcome::Applied("the last good plan, from the ledger".to_owned());
        let actions = vec![Action::Write(good.sources.clone()), Action::Main];
        state.good = Some(good);
        (state, actions)
    }

    /// What is told of the newest plan: a refusal stays until another plan comes, whatever becomes of older ones.
    fn say(&mut self, outcome: Outcome) {
        self.outcome = match &self.refusal {
            Some(why) => Outcome::Refused(why.clone()),
            None => outcome,
        };
    }

    /// Whether a change is under way (looks should be close together).
    pub fn is_busy(&self) -> bool {
        self.stage != Stage::Idle
    }

    /// The plan to judge by: the newest one's figures, over everything that is in force. While sources are exchanged
    /// step by step, the old ones still count.
    pub fn judged(&self) -> Option<NodePlan> {
        let newest = self.target.as_ref().or(self.good.as_ref())?;
        let mut plan = newest.held.plan.clone();
        if let (Some(_), Some(good)) = (&self.target, &self.good) {
            let is_new = |source: &str| newest.held.plan.associations.iter().any(|new| new.source == source);
            plan.associations
                .extend(good.held.plan.associations.iter().filter(|old| !is_new(&old.source)).cloned());
        }
        Some(plan)
    }
}

/// One step.
pub fn step(mut state: State, event: Event, now: BootTime) -> (State, Vec<Action>) {
    let mut actions = Vec::new();
    match event {
        Event::Plan(change) => {
            state.refusal = None;
            plan(&mut state, &change, now, &mut actions);
        }
        Event::Renewed(held) => {
            // A plan on its way is superseded by the good one: go back to it like to any other plan.
            state.refusal = None;
            let good = state.good.clone();
            if let Some(good) = good {
                let again = Arc::new(Change { held: *held, ..(*good).clone() });
                plan(&mut state, &again, now, &mut actions);
            }
        }
        Event::Refused(why) => {
            state.refusal = Some(why.clone());
            state.outcome = Outcome::Refused(why);
        }
        Event::Look(facts, main_runs) => look(&mut state, &facts, main_runs, now, &mut actions),
        Event::Failed(why) => {
            state.target = None;
            state.stage = Stage::Idle;
            // Whatever lies on the disk: the drift check brings chronyd back to the good lines.
            state.in_force = state.good.as_ref().map(|good| good.sources.clone()).unwrap_or_default();
            state.outcome = Outcome::Refused(why);
        }
        Event::Forget => state = State::new(state.reloads_changed),
    }
    (state, actions)
}

fn plan(state: &mut State, change: &Arc<Change>, now: BootTime, actions: &mut Vec<Action>) {
    let first = state.good.is_none() && state.target.is_none();
    if state.stage == Stage::Idle {
        state.before = state.now;
    }
    let restart = state.main.as_ref() != Some(&change.main);
    state.main = Some(change.main.clone());
    state.target = Some(change.clone());
    if first {
        // Exempt from law 5: nothing has a history yet. The file must be there before chronyd starts.
        state.in_force = change.sources.clone();
        actions.extend([Action::Write(change.sources.clone()), Action::Main]);
        state.stage = Stage::Restarting { since: now };
        state.say(Outcome::Pending("chronyd starts".to_owned()));
    } else if restart {
        actions.push(Action::Main);
        state.stage = Stage::Restarting { since: now };
        state.say(Outcome::Pending("chronyd restarts with another main part".to_owned()));
    } else {
        match &mut state.stage {
            // A step that is under way is waited for, but only for what the newer plan still wants of it.
            Stage::ReadingBack { step, .. } | Stage::Settling { step, .. } => {
                let wanted = &change.sources.0;
                let still = |line: &&SourceLine| wanted.contains(line);
                let still: BTreeSet<_> =
                    step.lines.0.iter().filter(still).map(|line| line.address.identity()).collect();
                step.fresh.retain(|identity| still.contains(identity));
                state.say(Outcome::Pending("a newer plan takes over".to_owned()));
            }
            // Its restart is still waited for.
            Stage::Restarting { .. } => {}
            Stage::Idle | Stage::Confirming { .. } => advance(state, now, actions),
        }
    }
}

/// On to the next step, or to confirmation.
fn advance(state: &mut State, now: BootTime, actions: &mut Vec<Action>) {
    let Some(target) = state.target.clone() else { return };
    // No voter is usable: there is no history to protect, and every step would be waited for in vain.
    let at_once = state.now.is_none_or(|health| health.usable == 0);
    if let Some(step) = steps::next(&state.in_force, &target.sources, at_once, state.reloads_changed) {
        if let Some(between) = step.without_changed.clone() {
            actions.extend([Action::Write(between), Action::Reload]);
        }
        actions.extend([Action::Write(step.lines.clone()), Action::Reload]);
        state.in_force = step.lines.clone();
        state.say(Outcome::Pending(format!("{} sources come or change", step.fresh.len())));
        state.stage = Stage::ReadingBack { step, since: now, looks: 0 };
        return;
    }
    let main_stays = state.good.as_ref().is_some_and(|good| good.main == target.main);
    if state.stage == Stage::Idle && main_stays {
        // Only figures or names changed: chronyd has nothing to do with it.
        applied(state, actions);
    } else {
        state.say(Outcome::Pending("in force, being confirmed".to_owned()));
        state.stage = Stage::Confirming { since: now };
    }
}

fn applied(state: &mut State, actions: &mut Vec<Action>) {
    if let Some(target) = state.target.take() {
        actions.push(Action::Keep(target.held.clone()));
        state.good = Some(target);
    }
    state.stage = Stage::Idle;
    state.say(Outcome::Applied("confirmed: time is not worse than before".to_owned()));
}

fn look(state: &mut State, facts: &Facts, main_runs: bool, now: BootTime, actions: &mut Vec<Action>) {
    if let Some(health) = facts.health {
        state.now = Some(health);
    }
    match state.stage.clone() {
        Stage::Idle => drift(state, facts, now, actions),
        Stage::Restarting { since } => {
            if facts.answered && main_runs && !is_recovered(state, facts, since, now) {
                // Its samples come back first: with none usable, law 5 would not hold for the source steps.
            } else if facts.answered && main_runs {
                if state.good.is_none() {
                    let step =
                        Step { lines: state.in_force.clone(), fresh: BTreeSet::new(), without_changed: None };
                    state.stage = Stage::ReadingBack { step, since: now, looks: 0 };
                } else {
                    advance(state, now, actions);
                }
            } else if now - since >= ANSWER {
                revert(state, "chronyd does not answer with the new main part", true, now, actions);
            }
        }
        Stage::ReadingBack { step, since, looks } => {
            read_back(state, facts, (step, since, looks), now, actions);
        }
        Stage::Settling { step, since } => settle(state, facts, &step, since, now, actions),
        Stage::Confirming { since } => confirm(state, facts, since, now, actions),
    }
}

/// Whether a restarted chronyd has usable voters again, if it had any before, or has had its 16 polls.
fn is_recovered(state: &State, facts: &Facts, since: BootTime, now: BootTime) -> bool {
    let had = state.good.is_some() && state.before.is_some_and(|before| before.usable > 0);
    let has = facts.health.is_some_and(|health| health.usable > 0);
    let slowest = state.in_force.0.iter().map(|line| line.polls.min).max().unwrap_or(0);
    let patience = Nanos::from_log2_seconds(slowest).times(POLLS_TO_SETTLE) + SETTLE_SLACK;
    !had || has || now - since >= patience
}

fn read_back(
    state: &mut State,
    facts: &Facts,
    (step, since, mut looks): (Step, BootTime, u32),
    now: BootTime,
    actions: &mut Vec<Action>,
) {
    let differs = if facts.answered { facts.differs(&step.lines) } else { None };
    match (facts.answered, differs) {
        (true, None) => state.stage = Stage::Settling { step, since: now },
        (true, Some(why)) => {
            looks += 1;
            if looks == LOOKS_TO_SHOW {
                actions.push(Action::Reload);
            }
            if looks >= 2 * LOOKS_TO_SHOW {
                revert(state, &format!("read back: {why}"), true, now, actions);
            } else {
                state.stage = Stage::ReadingBack { step, since, looks };
            }
        }
        (false, _) if now - since >= ANSWER => {
            revert(state, "chronyd did not answer after the reload", true, now, actions);
        }
        (false, _) => {}
    }
}

fn settle(
    state: &mut State,
    facts: &Facts,
    step: &Step,
    since: BootTime,
    now: BootTime,
    actions: &mut Vec<Action>,
) {
    if contradicted(state, facts) {
        return revert(state, "the new sources contradict this machine's oscillator", false, now, actions);
    }
    let missing = step.fresh.iter().find(|identity| !facts.selectable.contains(*identity));
    match missing {
        None => advance(state, now, actions),
        Some(_) if !facts.answered => {}
        Some(missing) => {
            if now - since >= step.poll().times(POLLS_TO_SETTLE) + SETTLE_SLACK {
                // Stop, and say so; should it come to life later, the rollout goes on by itself.
                state.say(Outcome::Pending(format!(
                    "stopped: {missing} is not selectable after {POLLS_TO_SETTLE} polls; the other sources stay \
                     as they are until it is, or until the plan changes"
                )));
            }
        }
    }
}

fn contradicted(state: &State, facts: &Facts) -> bool {
    let before = state.before.is_some_and(|before| before.contradicted);
    state.good.is_some() && !before && facts.health.is_some_and(|health| health.contradicted)
}

fn confirm(state: &mut State, facts: &Facts, since: BootTime, now: BootTime, actions: &mut Vec<Action>) {
    if contradicted(state, facts) {
        return revert(state, "the new sources contradict this machine's oscillator", false, now, actions);
    }
    // A first plan has nothing to be compared with.
    if state.good.is_none() {
        return applied(state, actions);
    }
    let fastest = state.in_force.0.iter().map(|line| line.polls.min).min().unwrap_or(6);
    let window = Nanos::from_log2_seconds(fastest).times(POLLS_TO_CONFIRM).max(CONFIRM.0).min(CONFIRM.1);
    let waited = now - since;
    let settled = facts.health.is_some_and(|health| health.fresh);
    if waited < window || (!settled && waited < window.times(WINDOWS)) {
        return;
    }
    let worse = match (state.before, facts.health, &state.target) {
        (Some(before), Some(after), Some(target)) => {
            let figures = &target.held.plan.tolerances;
            after.worse_than(&before, figures.warn_offset, figures.warn_error_bound)
        }
        (Some(_), None, _) => Some("chronyd does not answer"),
        (None, _, _) | (_, _, None) => None,
    };
    match worse {
        Some(why) => revert(state, why, false, now, actions),
        None => applied(state, actions),
    }
}

/// Back to the last good plan, all at once: it was good as a whole. `hard` = a reload did not do, restart.
fn revert(state: &mut State, why: &str, hard: bool, now: BootTime, actions: &mut Vec<Action>) {
    let Some(good) = state.good.clone() else {
        // Nothing to go back to: say it, and try the same again, slowly.
        state.say(Outcome::Pending(format!("{why}; trying again")));
        state.stage = Stage::Restarting { since: now };
        if state.healed.is_none_or(|healed| now - healed >= DRIFT) {
            state.healed = Some(now);
            actions.push(Action::Restart);
        }
        return;
    };
    if let Some(target) = state.target.take() {
        actions.push(Action::Remember(target.held.clone(), why.to_owned()));
    }
    actions.push(Action::Write(good.sources.clone()));
    state.in_force = good.sources.clone();
    if state.main.as_ref() != Some(&good.main) {
        state.main = Some(good.main.clone());
        actions.push(Action::Main);
    } else if hard {
        actions.push(Action::Restart);
    } else {
        actions.push(Action::Reload);
    }
    state.stage = Stage::Idle;
    state.differs_since = None;
    state.say(Outcome::Reverted(format!("{why}; the last good plan runs again")));
}

/// Outside of changes: somebody's chronyc removed or added a source. `reload sources` would not notice.
fn drift(state: &mut State, facts: &Facts, now: BootTime, actions: &mut Vec<Action>) {
    if !facts.answered || state.good.is_none() {
        return;
    }
    if facts.differs(&state.in_force).is_none() {
        state.differs_since = None;
        return;
    }
    let since = *state.differs_since.get_or_insert(now);
    let rested = state.healed.is_none_or(|healed| now - healed >= DRIFT_PAUSE);
    if now - since >= DRIFT && rested {
        state.healed = Some(now);
        state.differs_since = None;
        actions.extend([Action::Write(state.in_force.clone()), Action::Restart]);
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
