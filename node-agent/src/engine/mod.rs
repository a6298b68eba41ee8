//! The agent's one loop: looks at chronyd, judges, supervises, applies, reports. It owns everything that changes;
//! the other tasks only carry messages.
//!
//! **In:** NodeTimes from [`crate::publish`], chronyd's answers, the clocks. **Out:** actions on chronyd, the ledger,
//! a [`Report`] after every turn. **Must never** wait for the API server.

mod failover;
mod look;
mod plan;
mod probing;

use crate::apply::{self, machine};
use crate::args::Args;
use crate::clock::{self, Clocks};
use crate::files::{FileError, Paths};
use crate::ledger::LedgerFile;
use crate::metrics::Counters;
use crate::observe::client::{AskError, Client};
use crate::observe::pace;
use crate::peers::Heard;
use crate::probe::{self, Prober};
use crate::publish::report::Report;
use crate::publish::{Ask, Incoming};
use crate::supervise::Supervisor;
use crate::supervise::boot_setter::{self, Protection};
use crate::supervise::competitor;
use crate::supervise::machine::{Event, Wanted};
use crate::supervise::process::{ProcessError, Program};
use crate::supervise::profile::{self, ClockControl, LastSeen};
use meantime_candm::{Reply, Request};
use meantime_core::chrony::ChronyVersion;
use meantime_core::clocks::BootTime;
use meantime_core::conf::{BadLocal, Local};
use meantime_core::diagnose::fleet::Trouble;
use meantime_core::fsm::failover::sight::Sight;
use meantime_core::fsm::failover::{Memory, Overlay};
use meantime_core::fsm::probing::{self as probing_core, Outcome, Target};
use meantime_core::hash::fnv;
use meantime_core::judge::JudgeState;
use meantime_core::ledger::HeldPlan;
use meantime_core::names::CONDITION_BOOT_TIME;
use meantime_core::observation::Observation;
use meantime_core::peers::Planned;
use meantime_core::snapshot::NodePlan;
use meantime_core::units::Nanos;
use meantime_core::verdict::Verdict;
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{mpsc, watch};
use tracing::{error, info, warn};

/// The loop turns at least this often: liveness, and a bound on everything that has no timer of its own.
const TURN: Nanos = Nanos::from_secs(10);
/// How often the host is scanned for other time daemons, where we would steer the clock.
const SCAN: Nanos = Nanos::from_secs(30);
/// How often a Managed host is looked at for what sets its clock at boot; besides at each change of its plan.
const UNITS: Nanos = Nanos::from_secs(300);
/// How often chronyd is told to dump its samples: what SIGKILL can cost.
const DUMP: Nanos = Nanos::from_secs(300);
/// How often the judge's state goes to the ledger when no condition changes.
const SAVE: Nanos = Nanos::from_secs(60);
/// How often what failed for the system's reasons (no binary, no memory) is tried again.
const RETRY: Nanos = Nanos::from_secs(15);

/// Why the agent cannot even begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A directory or the ledger.
    #[error(transparent)]
    File(#[from] FileError),
    /// The kernel does not tell its boot id.
    #[error("cannot read the boot id below {proc}: {source}; is --proc right?")]
    BootId {
        /// Where.
        proc: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// A path or user that chrony's configuration cannot hold.
    #[error(transparent)]
    Local(#[from] BadLocal),
}

/// The engine's ends of the channels.
#[derive(Debug)]
pub struct Ends {
    /// NodeTimes.
    pub incoming: mpsc::Receiver<Incoming>,
    /// Wishes to the transport.
    pub asks: mpsc::Sender<Ask>,
    /// The newest report.
    pub reports: watch::Sender<Option<Arc<Report>>>,
    /// Shared counters.
    pub counters: Arc<Counters>,
    /// Readiness.
    pub ready: Arc<AtomicBool>,
    /// To the peers' task: whom to ask.
    pub planned: watch::Sender<Option<Vec<Planned>>>,
    /// From it: what came of it.
    pub heard: watch::Receiver<Heard>,
}

/// The engine.
#[derive(Debug)]
pub struct Engine {
    args: Args,
    ends: Ends,
    paths: Paths,
    local: Local,
    clocks: Clocks,
    boot_id: String,
    version: Option<ChronyVersion>,
    ledger: LedgerFile,
    supervisor: Supervisor,
    apply: machine::State,
    judge: JudgeState,
    plan: Option<NodePlan>,
    judged: Option<(Observation, Verdict)>,
    client: Option<(u64, Client)>,
    clients: u64,
    rival: LastSeen,
    control: Option<ClockControl>,
    /// What failover remembers, and what it made of the last look.
    failover: Memory,
    sights: Vec<Sight>,
    /// Why some sources could not be used at the last look, by position in its observation.
    troubles: BTreeMap<usize, Trouble>,
    overlay: Overlay,
    /// Differs between nodes and stays on each: spreads them over jitters.
    phase: u64,
    /// Our own questions to servers.
    prober: Prober,
    outcomes: mpsc::Receiver<(IpAddr, Outcome)>,
    probing: probing_core::State,
    targets: Vec<Target>,
    /// Who sets this host's clock at boot; none = its plan is not Managed.
    protection: Option<Protection>,
    generation: Option<i64>,
    /// Accepted by the fence, not yet admitted for the system's reasons.
    waiting: Option<HeldPlan>,
    retiring: bool,
    retired: Option<String>,
    dumped_in: Option<u64>,
    next_look: BootTime,
    next_scan: BootTime,
    next_units: BootTime,
    next_dump: BootTime,
    next_save: BootTime,
    next_retry: BootTime,
}

impl Engine {
    /// Reads the ledger. Starts nothing yet.
    pub fn new(args: Args, ends: Ends) -> Result<Self, StartError> {
        let paths = Paths::new(&args.run_dir, &args.state_dir);
        let local = apply::local(&paths, &args.chronyd_user)?;
        let boot_id = clock::boot_id(&args.proc)
            .map_err(|source| StartError::BootId { proc: args.proc.display().to_string(), source })?;
        // Nothing is made on the host before there is something to do.
        paths.sweep_client_sockets();
        let ledger = LedgerFile::load(&paths)?;
        let boot = ledger.known_boot(&boot_id);
        // Writes since the last save are not in the file: a margin keeps the sequence rising.
        ends.counters.sequence.store(ledger.ledger.sequence.saturating_add(100), Ordering::Relaxed);
        let judge = ledger.ledger.judge.clone().and_then(|value| serde_json::from_value(value).ok());
        let program =
            Program { path: args.chronyd.clone(), user: args.chronyd_user.clone(), paths: paths.clone() };
        let supervisor = Supervisor::new(program, boot_id.clone(), boot);
        let now = clock::boottime();
        let failover: Option<Memory> =
            ledger.ledger.failover.clone().and_then(|value| serde_json::from_value(value).ok());
        let (prober, outcomes) = Prober::new(probe::PATIENCE);
        let phase = fnv(args.node.as_bytes());
        Ok(Self {
            local,
            clocks: Clocks::default(),
            failover: failover.unwrap_or_default().of_boot(&boot_id),
            boot_id,
            version: None,
            supervisor,
            apply: machine::State::new(false),
            judge: judge.unwrap_or_default(),
            plan: None,
            judged: None,
            client: None,
            clients: 0,
            rival: None,
            control: None,
            sights: Vec::new(),
            troubles: BTreeMap::new(),
            overlay: Overlay::default(),
            phase,
            prober,
            outcomes,
            probing: probing_core::State::default(),
            targets: Vec::new(),
            protection: None,
            generation: ledger.ledger.fence.as_ref().map(|fence| fence.generation),
            waiting: None,
            retiring: false,
            retired: None,
            dumped_in: None,
            next_look: now,
            next_scan: now,
            next_units: now,
            next_dump: now + DUMP,
            next_save: now + SAVE,
            next_retry: now,
            args,
            ends,
            paths,
            ledger,
        })
    }

    /// Runs until `stop` resolves, then stops chronyd gracefully.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        self.retry().await;
        self.resume().await;
        loop {
            self.ends.counters.turns.fetch_add(1, Ordering::Relaxed);
            self.report();
            let rest = clock::span(self.wake() - clock::boottime());
            tokio::select! {
                () = &mut stop => break,
                () = self.supervisor.exited() => self.supervise(Event::Exited).await,
                incoming = self.ends.incoming.recv() => match incoming {
                    Some(incoming) => self.take(incoming).await,
                    // The transport is gone: the process is about to end.
                    None => break,
                },
                Some((address, outcome)) = self.outcomes.recv() => {
                self.probed_one(address, outcome);
                // What it proves is acted on at the next look, which is near.
                self.next_look = self.next_look.min(clock::boottime() + pace::FASTEST);
            }
                () = tokio::time::sleep(rest) => {}
            }
            self.turn().await;
        }
        self.stop().await;
    }

    fn wake(&self) -> BootTime {
        let now = clock::boottime();
        let tick = self.supervisor.next_tick().unwrap_or(now + TURN);
        let wake = tick.min(now + TURN);
        if self.plan.is_none() {
            // Nobody is looked at or asked: a time that nobody serves would pass, and the loop never rest.
            return wake;
        }
        wake.min(self.next_look).min(self.next_probe(now).unwrap_or(wake))
    }

    /// Everything whose time has come.
    async fn turn(&mut self) {
        let now = clock::boottime();
        if self.supervisor.next_tick().is_some_and(|tick| tick <= now) {
            self.supervise(Event::Tick).await;
        }
        if now >= self.next_retry {
            self.retry().await;
        }
        if self.retiring {
            self.retire().await;
        }
        if self.plan.is_some() {
            if self.would_steer() && now >= self.next_scan {
                self.control().await;
            }
            if now >= self.next_units {
                self.look_at_host(now);
            }
            if now >= self.next_look {
                self.look().await;
            }
            self.ask_around(clock::boottime());
        }
        if now >= self.next_dump {
            self.dump().await;
        }
        if now >= self.next_save {
            self.save();
        }
    }

    /// What failed for the system's reasons.
    async fn retry(&mut self) {
        self.next_retry = clock::boottime() + RETRY;
        if self.version.is_none() {
            match self.supervisor.program().version().await {
                Ok(version) => {
                    info!(%version, "chronyd found");
                    self.version = Some(version);
                    self.apply.reloads_changed = version.reloads_changed_addresses();
                    self.supervisor.trouble = None;
                }
                Err(error) => {
                    error!(%error, "no chronyd to run");
                    self.supervisor.trouble = Some(error.to_string());
                }
            }
        }
        if let Some(held) = self.waiting.take() {
            self.consider(held).await;
        }
        // With no plan there is nothing more to prove; with one, the first answered look says ready.
        if self.version.is_some() && self.plan.is_none() {
            self.ends.ready.store(true, Ordering::Relaxed);
        }
    }

    async fn supervise(&mut self, event: Event) {
        self.supervisor.event(event, &mut self.ledger).await;
        self.ends.counters.daemon_starts.store(self.supervisor.starts, Ordering::Relaxed);
        self.ends.counters.daemon_failures.store(self.supervisor.failures, Ordering::Relaxed);
    }

    fn is_managed(&self) -> bool {
        self.plan.as_ref().is_some_and(|plan| plan.mode == meantime_core::policy::Mode::Managed)
    }

    fn would_steer(&self) -> bool {
        self.is_managed() && self.args.allow_clock_control
    }

    /// Law 1: a host whose clock is left to us must set it once at boot without us.
    fn look_at_host(&mut self, now: BootTime) {
        self.next_units = now + UNITS;
        let units = self.args.host_units.as_deref();
        let found = self.is_managed().then(|| boot_setter::judge(boot_setter::enabled(units)));
        if found != self.protection {
            if let Some(found) = &found {
                let (status, reason, message) = found.condition();
                info!(condition = CONDITION_BOOT_TIME, status = status.as_str(), reason, "{message}");
            }
            self.protection = found;
        }
    }

    /// Decides anew whether chronyd may steer, and tells the supervisor what should run.
    async fn control(&mut self) {
        let now = clock::boottime();
        if self.would_steer() && now >= self.next_scan {
            self.next_scan = now + SCAN;
            let found = competitor::scan(&self.args.proc, self.supervisor.pid());
            self.rival = profile::seen(self.rival.take(), &found, now);
        }
        let control = self
            .plan
            .as_ref()
            .map(|plan| profile::control(plan.mode, self.args.allow_clock_control, &self.rival));
        if control != self.control {
            info!(control = control.as_ref().map(ClockControl::message), "clock control");
            self.control = control;
        }
        let wanted = match (&self.apply.main, &self.plan, &self.control) {
            (Some(main), Some(plan), Some(control)) => Some(Wanted {
                main: main.clone(),
                profile: control.profile(),
                step_at_boot: plan.tolerances.step_at_boot,
            }),
            _ => None,
        };
        self.supervise(Event::Want(wanted)).await;
    }

    /// One request over a kept connection; a stale connection is made anew once.
    async fn ask(&mut self, request: &Request) -> Result<Reply, AskError> {
        self.client()?.ask(request).await.inspect_err(|error| {
            if error.is_socket() {
                self.client = None;
            }
        })
    }

    fn client(&mut self) -> Result<&mut Client, AskError> {
        let start = self.ledger.ledger.daemon_starts;
        let kept = self.client.take().filter(|(of, _)| *of == start);
        let client = if let Some((_, client)) = kept {
            client
        } else {
            self.clients += 1;
            Client::connect(&self.paths, self.clients)?
        };
        Ok(&mut self.client.insert((start, client)).1)
    }

    async fn dump(&mut self) {
        self.next_dump = clock::boottime() + DUMP;
        if self.supervisor.is_running()
            && let Err(error) = self.ask(&Request::Dump).await
        {
            warn!(%error, "chronyd did not dump its samples");
        }
    }

    fn save(&mut self) {
        self.next_save = clock::boottime() + SAVE;
        if self.retired.is_some() || self.retiring || self.ledger.ledger.fence.is_none() {
            return;
        }
        self.ledger.ledger.sequence = self.ends.counters.sequence.load(Ordering::Relaxed);
        self.ledger.ledger.judge = serde_json::to_value(&self.judge).ok();
        self.ledger.ledger.failover = serde_json::to_value(&self.failover).ok();
        if let Err(error) = self.ledger.save() {
            error!(%error, "the ledger was not written; the agent goes on without");
        }
    }

    fn report(&self) {
        let runs =
            self.apply.good.as_ref().map(|good| (good.held.fence.clone(), good.held.plan.hash.clone()));
        let max_offset = self.plan.as_ref().map_or(Nanos::SECOND, |plan| plan.tolerances.max_offset);
        self.ends.reports.send_replace(Some(Arc::new(Report {
            boot_id: self.boot_id.clone(),
            generation: self.generation,
            version: self.version,
            outcome: self.apply.outcome.clone(),
            runs,
            control: self.control.clone(),
            protection: self.protection.clone(),
            judged: self.judged.clone(),
            failover: self.failover.clone(),
            sights: self.sights.clone(),
            troubles: self.troubles.clone(),
            asked: self.targets.iter().map(|one| (one.address, self.probing.counters(one.address))).collect(),
            overlay_hash: failover::overlay_hash(&self.overlay, &self.sights),
            now: clock::boottime(),
            max_offset,
            retired: self.retired.clone(),
            answered: self.ledger.ledger.answered.clone(),
            peers: self.ends.heard.borrow().clone(),
            trouble: self.supervisor.trouble.clone(),
        })));
    }

    async fn stop(&mut self) {
        info!("stopping: chronyd dumps its samples and goes; no clock is touched");
        self.save();
        self.end_daemon().await;
        self.save();
    }

    /// Stops chronyd and waits for it: SIGTERM, after five seconds SIGKILL.
    async fn end_daemon(&mut self) {
        self.client = None;
        self.supervise(Event::Want(None)).await;
        while !self.supervisor.is_idle() {
            let tick = self.supervisor.next_tick().unwrap_or(clock::boottime() + Nanos::SECOND);
            tokio::select! {
                () = self.supervisor.exited() => self.supervise(Event::Exited).await,
                () = tokio::time::sleep(clock::span(tick - clock::boottime())) => self.supervise(Event::Tick).await,
            }
        }
    }
}

/// Whether a plan that could not be admitted may be admitted later, unchanged.
fn is_transient(unfit: &apply::Unfit) -> bool {
    match unfit {
        apply::Unfit::Process(
            ProcessError::File(_) | ProcessError::Run { .. } | ProcessError::NoVersion { .. },
        ) => true,
        apply::Unfit::Read(_) | apply::Unfit::Inconsistent | apply::Unfit::Parser { .. } => false,
    }
}
