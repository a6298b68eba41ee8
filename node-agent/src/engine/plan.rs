//! NodeTimes that come in: the fence, requests, retirement, and the machine that applies plans.

use super::{Engine, is_transient};
use crate::apply::machine::{self, Action};
use crate::apply::{self, machine::State};
use crate::files;
use crate::publish::{Ask, Incoming};
use crate::supervise::machine::Event as DaemonEvent;
use meantime_candm::Request;
use meantime_core::fsm::failover::{Memory, Overlay};
use meantime_core::judge::{JudgeState, acknowledge};
use meantime_core::ledger::{Admission, Answered, Fence, HeldPlan, Origin, Refused, admit};
use meantime_core::observation::{Answer, ClockProfile};
use meantime_core::peers::Planned;
use meantime_crds::convert::planned_peers;
use meantime_crds::nodetime::{Desired, NodeTime};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tracing::{error, info, warn};

impl Engine {
    /// The last good plan runs first, whatever the API server will say later.
    pub(super) async fn resume(&mut self) {
        self.ends.planned.send_replace(self.ledger.ledger.peers.clone());
        let Some(held) = self.ledger.ledger.plan.clone() else { return };
        let Some(version) = self.version else {
            self.waiting = Some(held);
            return;
        };
        match apply::admit(held, &self.local, version, self.supervisor.program()).await {
            Ok(change) => {
                let (state, actions) = State::resume(Arc::new(change), version.reloads_changed_addresses());
                self.apply = state;
                self.execute(actions).await;
            }
            Err(error) => {
                error!(%error, "the last good plan cannot be used any more; waiting for another");
                self.step(machine::Event::Refused(error.to_string())).await;
            }
        }
    }

    /// A message from the transport.
    pub(super) async fn take(&mut self, incoming: Incoming) {
        match incoming {
            // Absent is not empty: the plan goes on until it is retired.
            Incoming::Gone => info!("our NodeTime is gone; going on as before"),
            Incoming::Seen(object, origin) => self.seen(&object, origin).await,
        }
    }

    async fn seen(&mut self, object: &NodeTime, origin: Origin) {
        let metadata = &object.metadata;
        let offered = Fence {
            uid: metadata.uid.clone().unwrap_or_default(),
            generation: metadata.generation.unwrap_or_default(),
        };
        let hash = object.spec.plan.as_ref().map(|plan| plan.hash.clone());
        let same = self.ledger.ledger.fence_hash == hash;
        match admit(self.ledger.ledger.fence.as_ref(), &offered, same, origin) {
            Admission::AskQuorum => {
                info!(
                    uid = offered.uid,
                    generation = offered.generation,
                    "an older NodeTime, or another one: asking the quorum"
                );
                let _ = self.ends.asks.try_send(Ask::Quorum);
                return;
            }
            Admission::Accept => {
                info!(uid = offered.uid, generation = offered.generation, ?origin, "NodeTime accepted");
                self.ledger.ledger.fence = Some(offered.clone());
                self.ledger.ledger.fence_hash = hash;
                self.generation = Some(offered.generation);
                self.save();
            }
            Admission::Known => {}
        }
        self.generation = Some(offered.generation);
        match object.spec.desired {
            Desired::Retired => {
                if self.retired.is_none() {
                    self.retiring = true;
                }
                return;
            }
            Desired::Active => {
                if self.retired.take().is_some() {
                    info!("active again");
                }
            }
        }
        self.answer(object).await;
        self.name_peers(planned_peers(&object.spec));
        match object.plan() {
            Ok(Some(plan)) => {
                let held = HeldPlan { fence: offered, plan };
                if self.is_new(&held) {
                    self.consider(held).await;
                }
            }
            Ok(None) => {}
            Err(error) => self.step(machine::Event::Refused(error.to_string())).await,
        }
    }

    /// Apart from the plan: chronyd has nothing to do with whom the agent asks besides, and nothing is to be confirmed.
    fn name_peers(&mut self, peers: Option<Vec<Planned>>) {
        if self.ledger.ledger.peers == peers {
            return;
        }
        info!(asked = peers.as_ref().map(Vec::len), "peers");
        self.ledger.ledger.peers.clone_from(&peers);
        self.ends.planned.send_replace(peers);
        self.save();
    }

    /// Whether anything is left to do for it.
    fn is_new(&self, held: &HeldPlan) -> bool {
        let newest = self.apply.target.as_ref().or(self.apply.good.as_ref());
        newest.is_none_or(|newest| newest.held != *held)
    }

    /// An accepted plan: read, checked, begun.
    pub(super) async fn consider(&mut self, held: HeldPlan) {
        let refused = self.ledger.ledger.refused.as_ref();
        if let Some(refused) = refused.filter(|refused| refused.hash == held.plan.hash) {
            let why = format!("{}; not tried again until the plan changes", refused.why);
            self.apply.outcome = machine::Outcome::Reverted(why);
            return;
        }
        let Some(version) = self.version else {
            self.waiting = Some(held);
            return;
        };
        if self.apply.target.is_none()
            && self.apply.good.as_ref().is_some_and(|good| good.held.plan.hash == held.plan.hash)
        {
            return self.step(machine::Event::Renewed(Box::new(held))).await;
        }
        match apply::admit(held.clone(), &self.local, version, self.supervisor.program()).await {
            Ok(change) => self.step(machine::Event::Plan(Arc::new(change))).await,
            Err(error) => {
                warn!(%error, "the plan is not applied");
                if is_transient(&error) {
                    self.waiting = Some(held);
                }
                self.step(machine::Event::Refused(error.to_string())).await;
            }
        }
    }

    /// A person's request, once.
    async fn answer(&mut self, object: &NodeTime) {
        let Some(request) = &object.spec.request else { return };
        let answers =
            self.judged.as_ref().is_some_and(|(seen, _)| matches!(seen.answer, Answer::Full { .. }));
        let known = self.ledger.ledger.answered.as_ref();
        if known.is_some_and(|known| known.id == request.id && known.verb == request.verb) {
            return;
        }
        let (done, message) = match request.verb.as_str() {
            "acknowledge" => {
                self.judge = acknowledge(&self.judge);
                (true, "acknowledged: a new baseline is built from what the sources say now")
            }
            "reselect" if answers => {
                self.failover.state.reselect();
                self.order(&Request::Reselect).await;
                (
                    true,
                    "chronyd selects anew; the best order of sources that works drives from the next look on",
                )
            }
            "resync" if answers => match self.burst().await {
                0 => (false, "no Local or Site source may be asked out of turn (Public ones never are)"),
                _ => (true, "fresh samples were asked for; the clock is slewed to them, never stepped"),
            },
            "reselect" | "resync" => (false, "chronyd does not answer now; ask again with another id"),
            _ => (false, "this agent knows acknowledge, reselect and resync"),
        };
        info!(verb = request.verb, id = request.id, done, message, "request");
        self.ledger.ledger.answered = Some(Answered {
            verb: request.verb.clone(),
            id: request.id.clone(),
            done,
            message: message.to_owned(),
        });
        self.save();
    }

    /// One event through the machine that applies plans; its actions are done before this returns.
    pub(super) async fn step(&mut self, event: machine::Event) {
        let state = std::mem::replace(&mut self.apply, State::new(false));
        let outcome = state.outcome.clone();
        let (state, actions) = machine::step(state, event, crate::clock::boottime());
        self.apply = state;
        if self.apply.outcome != outcome {
            info!(outcome = ?self.apply.outcome, "plan");
        }
        self.execute(actions).await;
    }

    /// Judges by that plan from here on. Without one nobody looks any more, and an old verdict is none.
    fn go_by(&mut self, plan: Option<meantime_core::snapshot::NodePlan>) {
        if plan.is_none() {
            self.judged = None;
        }
        self.plan = plan;
    }

    pub(super) async fn execute(&mut self, actions: Vec<Action>) {
        let judged = self.apply.judged();
        if self.plan != judged {
            self.go_by(judged);
            self.next_units = crate::clock::boottime();
        }
        let mut queue: VecDeque<Action> = actions.into();
        while let Some(action) = queue.pop_front() {
            match action {
                Action::Write(lines) => {
                    let lines = match &self.plan {
                        Some(plan) => self.failover.lines.under(&lines, plan),
                        None => lines,
                    };
                    let written = self
                        .paths
                        .make()
                        .and_then(|()| files::replace(&self.paths.sources(), &lines.render()));
                    if let Err(error) = written {
                        error!(%error, "the sources were not written");
                        let event = machine::Event::Failed(error.to_string());
                        let state = std::mem::replace(&mut self.apply, State::new(false));
                        // What follows a failed write must not happen.
                        (self.apply, _) = machine::step(state, event, crate::clock::boottime());
                        self.go_by(self.apply.judged());
                        return;
                    }
                }
                Action::Reload => {
                    self.ends.counters.daemon_reloads.fetch_add(1, Ordering::Relaxed);
                    // chronyd says "done" to anything; the read-back tells.
                    if let Err(error) = self.ask(&Request::ReloadSources).await {
                        warn!(%error, "chronyd was not told of its new sources");
                    }
                }
                Action::Main => self.control().await,
                Action::Restart => self.supervise(DaemonEvent::Restart).await,
                Action::Keep(held) => {
                    self.ledger.ledger.plan = Some(held);
                    self.ledger.ledger.refused = None;
                    self.save();
                }
                Action::Remember(held, why) => {
                    let (fence, hash) = (held.fence, held.plan.hash);
                    self.ledger.ledger.refused = Some(Refused { fence, hash, why });
                    self.save();
                }
            }
        }
        if self.apply.is_busy() {
            self.next_look = self.next_look.min(crate::clock::boottime() + crate::observe::pace::FASTEST);
        }
    }

    /// Restores the host: chronyd stops (in Observe the clock was never touched), every file of ours goes.
    pub(super) async fn retire(&mut self) {
        info!("retiring: the host is restored");
        let steered = self.supervisor.profile() == ClockProfile::Real;
        self.step(machine::Event::Forget).await;
        self.ends.planned.send_replace(None);
        self.end_daemon().await;
        self.waiting = None;
        let done = if steered {
            "chronyd stopped; the clock runs on at its last rate and is steered by nobody; all files removed"
        } else {
            "chronyd stopped; the host's clock had not been touched; all files removed"
        };
        match self.paths.remove_all() {
            Ok(()) => {
                let (fence, hash) = (self.ledger.ledger.fence.take(), self.ledger.ledger.fence_hash.take());
                self.ledger.forget();
                (self.ledger.ledger.fence, self.ledger.ledger.fence_hash) = (fence, hash);
                self.judge = JudgeState::default();
                (self.judged, self.plan, self.control, self.rival) = (None, None, None, None);
                self.protection = None;
                (self.failover, self.sights) = (Memory::default().of_boot(&self.boot_id), Vec::new());
                (self.overlay, self.targets) = (Overlay::default(), Vec::new());
                self.retiring = false;
                self.retired = Some(done.to_owned());
                self.ends.ready.store(true, std::sync::atomic::Ordering::Relaxed);
            }
            // Tried again with the next turn.
            Err(error) => error!(%error, "a file of ours could not be removed"),
        }
    }
}
