//! This agent among its peers: asks a few other agents for the time, answers those that ask it, tells what came of it.
//!
//! **In.** Whom to ask (this node's NodeTime, or the ledger); the keys, from a file that is read again each minute; what the
//! engine judged of this clock. **Out.** [`Heard`], which the engine publishes; counters. When and whom is core's word
//! ([`meantime_core::peers`]), the packet [`meantime_peer`]'s.
//!
//! **Must never** steer anything, end the agent because a port is taken or a file is missing, answer where the plan says
//! nothing of peers (the socket is closed then), or ask faster because somebody is silent.

mod asker;
mod counters;
mod keyfile;
mod responder;

pub use counters::PeerCounters;

use crate::clock;
use crate::publish::report::Report;
use asker::ask;
use keyfile::KeyFile;
use meantime_core::clocks::BootTime;
use meantime_core::conditions::Status;
use meantime_core::peers::Planned;
use meantime_core::peers::ask::{DEADLINE, Outcome, State, Told};
use meantime_core::peers::keys::Keyring;
use meantime_core::units::{Nanos, Ppb};
use meantime_peer::Claim;
use responder::Responder;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

/// Turns at least this often, for a plan or a key that came meanwhile.
const TURN: Nanos = Nanos::from_secs(60);
/// Questions under way at once, and outcomes that wait: three peers, and as many of a plan before.
const AT_ONCE: usize = 8;

/// What does not change while the agent runs.
#[derive(Clone, Debug)]
pub struct Config {
    /// This Node's name.
    pub node: String,
    /// This node's address, to answer at and to ask from.
    pub address: IpAddr,
    /// Where it answers.
    pub port: u16,
    /// The keys.
    pub keys: Option<PathBuf>,
    /// How often each peer is asked and the keys are read: core's [`EVERY`](meantime_core::peers::ask::EVERY), but for
    /// laboratories.
    pub every: Nanos,
}

/// Why it does not answer although the plan says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Off {
    /// There are no keys; so it does not ask either.
    NoKeys,
    /// The port is taken.
    NoPort,
}

/// What is to be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Of each peer, by name.
    pub told: Vec<Told>,
    /// What is wrong here.
    pub off: Option<Off>,
}

/// The ends of the channels to the engine.
#[derive(Debug)]
pub struct Ends {
    /// Whom to ask; none = neither ask nor answer.
    pub planned: watch::Receiver<Option<Vec<Planned>>>,
    /// What was judged of this clock.
    pub reports: watch::Receiver<Option<Arc<Report>>>,
    /// What is to be told.
    pub heard: watch::Sender<Heard>,
    /// Shared counters.
    pub counters: Arc<PeerCounters>,
}

/// Runs until the engine is gone.
pub async fn run(config: Config, ends: Ends) {
    let (outcomes, heard) = mpsc::channel(AT_ONCE);
    let now = clock::boottime();
    let round = config.every;
    let member = Member {
        keys: KeyFile::new(config.keys.clone()),
        state: State::new(round),
        responder: None,
        outcomes,
        next_round: now,
        round: round.min(TURN),
        silent_port: false,
        config,
        ends,
    };
    member.run(heard).await;
}

struct Member {
    config: Config,
    ends: Ends,
    keys: KeyFile,
    state: State,
    responder: Option<Responder>,
    outcomes: mpsc::Sender<(Planned, Outcome)>,
    next_round: BootTime,
    round: Nanos,
    /// The port could not be had at the last try, and that was said.
    silent_port: bool,
}

impl Member {
    async fn run(mut self, mut heard: mpsc::Receiver<(Planned, Outcome)>) {
        self.planned();
        loop {
            self.turn(clock::boottime());
            self.tell();
            let rest = clock::span(self.wake() - clock::boottime());
            tokio::select! {
                changed = self.ends.planned.changed() => match changed {
                    Ok(()) => self.planned(),
                    Err(_gone) => return,
                },
                Some((peer, outcome)) = heard.recv() => {
                    self.state.record(&peer, outcome, clock::boottime());
                }
                () = serve(
                    self.responder.as_mut(), self.keys.ring(), &self.ends.reports, &self.ends.counters,
                ) => {}
                () = tokio::time::sleep(rest) => {}
            }
        }
    }

    fn wake(&self) -> BootTime {
        match self.state.next_due() {
            Some(due) if self.keys.ring().is_some() => due.min(self.next_round),
            _ => self.next_round,
        }
    }

    /// A plan has come: nobody who is not in it is asked again.
    fn planned(&mut self) {
        let planned = self.ends.planned.borrow_and_update().clone();
        self.state.plan(&self.config.node, planned.as_deref().unwrap_or_default(), clock::boottime());
        self.next_round = clock::boottime();
    }

    fn turn(&mut self, now: BootTime) {
        if now >= self.next_round {
            self.next_round = now + self.round;
            let planned = self.ends.planned.borrow().is_some();
            if planned {
                self.keys.read();
            }
            if planned && self.keys.ring().is_some() {
                self.open();
            } else if self.responder.take().is_some() {
                info!("the peers' port is closed");
            }
        }
        let Some(key) = self.keys.ring().map(Keyring::current) else { return };
        // Shorter in laboratories: one question at a time.
        let patience = DEADLINE.min(self.round.half_up());
        for peer in self.state.due(now) {
            let (key, outcomes, from) = (key.clone(), self.outcomes.clone(), self.config.address);
            let counters = Arc::clone(&self.ends.counters);
            tokio::spawn(async move {
                let outcome = ask(from, &peer, &key, clock::span(patience), &counters).await;
                // Lost when the agent ends.
                let _ = outcomes.send((peer, outcome)).await;
            });
        }
    }

    /// A port that is taken is tried again each round.
    fn open(&mut self) {
        if self.responder.is_some() {
            return;
        }
        let at = SocketAddr::new(self.config.address, self.config.port);
        match Responder::open(at, &self.config.node) {
            Ok(responder) => {
                info!(%at, "answering peers");
                self.silent_port = false;
                self.responder = Some(responder);
            }
            Err(error) => {
                if !std::mem::replace(&mut self.silent_port, true) {
                    warn!(%error, %at, "peers are not answered; the port is tried again each minute");
                }
            }
        }
    }

    fn tell(&self) {
        let planned = self.ends.planned.borrow().is_some();
        let off = match (planned, self.keys.ring(), &self.responder) {
            (false, _, _) | (true, Some(_), Some(_)) => None,
            (true, None, _) => Some(Off::NoKeys),
            (true, Some(_), None) => Some(Off::NoPort),
        };
        let told = if planned && off != Some(Off::NoKeys) {
            self.state.told(clock::ahead(), clock::boottime())
        } else {
            // What was measured before tells nothing of now.
            Vec::new()
        };
        self.ends.counters.told(&told, self.state.counts());
        let heard = Heard { told, off };
        self.ends.heard.send_if_modified(|before| {
            let news = *before != heard;
            *before = heard;
            news
        });
    }
}

/// Answers one datagram. Never resolves while the port is closed.
async fn serve(
    responder: Option<&mut Responder>,
    ring: Option<&Keyring>,
    reports: &watch::Receiver<Option<Arc<Report>>>,
    counters: &PeerCounters,
) {
    match (responder, ring) {
        (Some(responder), Some(ring)) => {
            responder.answer_one(ring, counters, || claim(reports.borrow().as_deref())).await;
        }
        _ => std::future::pending().await,
    }
}

/// What this node says of its own clock: the guaranteed bound of the last look, grown since.
fn claim(report: Option<&Report>) -> Claim {
    let Some((observation, verdict)) = report.and_then(|report| report.judged.as_ref()) else {
        return Claim::default();
    };
    let age = (clock::boottime() - observation.clocks.boot).max(Nanos::ZERO);
    let grown = |growth: Ppb| growth.over(age);
    Claim {
        synchronised: verdict.conditions.synchronized.status == Status::True,
        bound: verdict.bound.map(|bound| bound.guaranteed + grown(bound.growth)),
    }
}
