//! One look: clocks, chronyd's answers, judgement, and what follows from it here.

use super::{Engine, failover};
use crate::apply::{facts, machine};
use crate::clock;
use crate::observe::assemble::{Frame, assemble};
use crate::observe::client::AskError;
use crate::observe::pace;
use crate::publish::Ask;
use crate::supervise::machine::Event;
use meantime_candm::look::{Looked, Seen};
use meantime_core::conditions::{Reason, Status};
use meantime_core::judge::judge;
use meantime_core::ledger::LastRun;
use meantime_core::observation::{Answer, Observation};
use meantime_core::units::Nanos;
use meantime_core::verdict::Verdict;
use std::sync::atomic::Ordering;
use tracing::{debug, info};

impl Engine {
    /// Looks, judges, and lets supervisor and apply know.
    pub(super) async fn look(&mut self) {
        let clocks = self.clocks.read();
        let (looked, event) = self.question().await;
        self.ends.counters.looks.fetch_add(1, Ordering::Relaxed);
        if looked.is_err() {
            self.ends.counters.looks_failed.fetch_add(1, Ordering::Relaxed);
        }
        let identities: Vec<_> = looked.iter().flat_map(|looked| &looked.sources).map(identity).collect();
        let told = looked.as_ref().map(failover::seen).unwrap_or_default();
        let Some(plan) = &self.plan else { return };
        let frame = Frame {
            clocks,
            boot_id: &self.boot_id,
            daemon_start: self.ledger.ledger.daemon_starts,
            profile: self.supervisor.profile(),
        };
        let observation = assemble(&frame, &plan.associations, looked);
        if let Some((last, verdict)) = &self.judged {
            let span = observation.clocks.boot - last.clocks.boot;
            self.ends.counters.lived(verdict.conditions.synchronized.status, span);
        }
        let (state, verdict) = judge(&self.judge, &observation, plan);
        self.judge = state;
        if self.judge.is_undecided() {
            self.clocks.hurry();
        }
        self.follow(&observation, &verdict).await;
        self.fail_over(&told, &observation, &verdict).await;
        let mut facts = facts::Facts::of(&observation, &identities, Some(&verdict));
        if let Some(plan) = &self.plan {
            facts.left_out(self.failover.lines.absent(plan));
        }
        let runs = self.supervisor.is_running()
            && self.supervisor.running().map(|wanted| &wanted.main) == self.apply.main.as_ref();
        self.judged = Some((observation, verdict));
        if let Some(event) = event {
            self.supervise(event).await;
        }
        self.step(machine::Event::Look(facts, runs)).await;
        self.schedule();
    }

    fn schedule(&mut self) {
        let pause = match (self.args.observe_interval, &self.judged) {
            (Some(fixed), _) => Nanos(i64::try_from(fixed.as_nanos()).unwrap_or(i64::MAX)),
            (None, Some((observation, verdict))) => {
                // Whoever is missed is looked at more often: three polls of 64 s should not become four.
                let missed = verdict.associations.iter().any(|one| one.unanswered > 0);
                let busy = self.apply.is_busy() || self.failover.record.is_checking();
                let attentive = busy || missed || self.judge.is_undecided();
                pace::pause(observation, attentive)
            }
            (None, None) => pace::ATTENTIVE,
        };
        self.next_look = clock::boottime() + pause;
    }

    /// Asks everything; what the supervisor must know of it.
    async fn question(&mut self) -> (Result<Looked, String>, Option<Event>) {
        if !self.supervisor.is_running() {
            let why = self.supervisor.trouble.clone();
            return (Err(why.unwrap_or_else(|| "chronyd is being started".to_owned())), None);
        }
        if !self.supervisor.socket_is_ours() {
            self.client = None;
            let why = "chronyd's command socket is gone or belongs to another daemon";
            return (Err(why.to_owned()), Some(Event::SocketLost));
        }
        let mut looked = self.ask_all().await;
        // A connection may have outlived the socket that it was made to; a list may shift while it is read.
        let again = match &looked {
            Ok(looked) => !looked.complete,
            Err(error) => error.is_socket(),
        };
        if again {
            looked = self.ask_all().await;
        }
        match looked {
            Ok(looked) => {
                for error in &looked.errors {
                    debug!(%error, "one report is missing");
                }
                (Ok(looked), Some(Event::Answered(self.supervisor.socket_file())))
            }
            Err(error) => {
                let event = if error.is_socket() { Event::SocketLost } else { Event::Unanswered };
                (Err(error.to_string()), Some(event))
            }
        }
    }

    async fn ask_all(&mut self) -> Result<Looked, AskError> {
        let result = match self.client() {
            Ok(client) => client.look().await,
            Err(error) => Err(error),
        };
        if result.is_err() {
            self.client = None;
        }
        result
    }

    /// What a verdict means for this process itself.
    async fn follow(&mut self, observation: &Observation, verdict: &Verdict) {
        let before = self.judged.as_ref().map(|(_, verdict)| &verdict.conditions);
        let changed = before.is_none_or(|before| {
            before
                .iter()
                .zip(verdict.conditions.iter())
                .any(|((_, old), (_, new))| (old.status, old.reason) != (new.status, new.reason))
        });
        let disrupted = |reason: Reason| reason == Reason::ClockDisrupted;
        let newly_disrupted = disrupted(verdict.conditions.synchronized.reason)
            && before.is_none_or(|before| !disrupted(before.synchronized.reason));
        if changed {
            for (kind, judgement) in verdict.conditions.iter() {
                info!(
                    condition = kind.name(),
                    status = judgement.status.as_str(),
                    reason = judgement.reason.as_str(),
                    "{}",
                    judgement.message
                );
            }
        }
        if newly_disrupted {
            let _ = self.ends.asks.try_send(Ask::Rebuild);
            self.start_over().await;
        }
        if let Answer::Full { tracking, .. } = &observation.answer {
            self.ends.ready.store(true, Ordering::Relaxed);
            self.ledger.ledger.last_run = Some(LastRun {
                profile: observation.profile,
                residual: tracking.residual,
                width: tracking.root_delay.half_up() + tracking.root_dispersion,
            });
            let start = observation.daemon_start;
            if verdict.conditions.synchronized.status == Status::True && self.dumped_in != Some(start) {
                self.dumped_in = Some(start);
                self.dump().await;
            }
        }
        if changed {
            self.save();
        }
    }
}

/// Which line an association came from, as the lines name it.
fn identity(seen: &Seen) -> Option<String> {
    match &seen.name {
        Some(name) => facts::identity(name),
        None => seen.source.address.ip().map(|ip| ip.to_string()),
    }
}
