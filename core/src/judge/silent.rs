//! A look that got no answer. Up to ten seconds nothing changes; then TimeDaemonDown, and what the daemon would
//! have told is Unknown. The clock itself is judged by the carried bound.

use super::boot::Startup;
use super::{AWAY, Circumstances, Figures, JudgeState, SILENCE, boot, warnings};
use crate::conditions::{Conditions, Judgement, Reason, Status};
use crate::observation::Observation;
use crate::snapshot::NodePlan;
use crate::units::{Nanos, Ppb};
use crate::verdict::{ErrorBound, Verdict};

/// Judges it.
pub fn look(
    state: &mut JudgeState,
    observation: &Observation,
    why: &str,
    plan: &NodePlan,
    restarted: bool,
) -> Verdict {
    let now = observation.clocks.boot;
    let rate = plan.tolerances.guaranteed_rate;
    let away = state.clocks.is_some_and(|before| now - before.boot > AWAY);
    let since = match state.silent_since {
        Some(since) if !away => since,
        Some(_) | None => now,
    };
    state.silent_since = Some(since);
    let down = now - since >= SILENCE;
    state.startup =
        state.startup.step(restarted, None, now, boot::patience(plan), plan.tolerances.breach_hold);
    let booting = matches!(state.startup, Startup::Booting { .. } | Startup::New);

    let carried = state.good.as_mut().map(|good| (good.residual_at(now), good.carry(now, None, rate)));
    let host = state.baselines.host(&observation.clocks, rate);
    let gap = state.baselines.gap();
    let mut figures = Figures { gap, alone: down || state.voters.usable == 0, ..Figures::default() };
    if let Some((residual, bound)) = carried {
        figures.offset = Some(residual);
        figures.bound = Some(bound);
        if let Some(host) = host {
            figures.against_baseline(host, residual, false, plan.tolerances.guaranteed_rate);
        }
        if let (None, Some(bound), Some(good)) = (gap, figures.bound, &mut state.good) {
            good.widen(bound);
        }
    }
    if let (Some(missed), Some(bound)) = (state.leap.missed(&observation.clocks), &mut figures.bound) {
        *bound = bound.wider(missed);
    }
    let around = Circumstances {
        booting,
        fresh: false,
        not_synchronized: false,
        warnings: warnings(&figures, &plan.tolerances),
        scene: super::message::Scene { carried: down, ..super::message::Scene::default() },
    };
    let (synchronized, offset_high) = state.conclude(&figures, around, plan, now);
    let unknown = |reason, text: &str| Judgement::new(Status::Unknown, reason, text);
    let (sources_low, partitioned) = match (booting, down, state.columns.carried()) {
        (false, false, Some(told)) => told,
        (true, _, _) => {
            let text = "started; nothing is known of its sources yet";
            (unknown(Reason::Booting, text), unknown(Reason::Booting, text))
        }
        (false, true, _) | (false, false, None) => {
            let text = "chronyd does not answer: nothing is known of its sources";
            (unknown(Reason::NoAnswer, text), unknown(Reason::NoAnswer, text))
        }
    };
    let daemon_down = if down {
        let line = format!("chronyd has not answered for 10s: {why}; look at the agent's log on this node");
        Judgement::new(Status::True, Reason::NoAnswer, line)
    } else {
        Judgement::new(Status::False, Reason::Answering, "chronyd answers")
    };
    let conditions = Conditions { synchronized, offset_high, sources_low, partitioned, daemon_down };
    state.verdict(&figures, conditions, plan)
}

impl Figures {
    /// Lets the carried baseline speak: while the contradiction holds it *is* the offset and the bound; else only
    /// when it contradicts them, because then this clock was moved while nobody could see it. `covers`: nothing
    /// stays with the oscillator, so the bound must cover the sources' story too.
    pub(super) fn against_baseline(
        &mut self,
        host: super::interval::Interval,
        residual: Nanos,
        covers: bool,
        rate: Ppb,
    ) {
        let own = self.bound.map(|bound| bound.guaranteed);
        let spread = own.map_or(Nanos::ZERO, |own| own - residual.abs());
        let apart = !host.overlaps(super::interval::Interval::around(residual, spread));
        if self.gap.is_none() && !apart {
            return;
        }
        let mut reach = host.reach();
        if self.gap.is_none() || covers {
            reach = reach.max(own.unwrap_or(Nanos::ZERO));
        }
        self.offset = Some(host.middle());
        let growth = self.bound.map_or(rate, |own| own.growth);
        self.bound = Some(ErrorBound { expected: reach, guaranteed: reach, carried: true, growth });
    }
}
