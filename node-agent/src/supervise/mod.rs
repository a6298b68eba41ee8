//! Owns chronyd as a child: decides (machine.rs, law4.rs, competitor.rs) and does (process.rs). What else of the host
//! matters to its clock is looked at in boot_setter.rs.
//!
//! **In:** what should run, what looks at it found. **Out:** a running chronyd, its starts counted, its exits said.
//! **Must never** let chronyd steer a clock that the command line, the plan or another daemon forbids.

pub mod boot_setter;
pub mod competitor;
pub mod law4;
pub mod machine;
pub mod process;
pub mod profile;

use crate::clock;
use crate::ledger::LedgerFile;
use law4::KnownBoot;
use machine::{Action, Event, SocketFile, State, Wanted};
use meantime_core::clocks::BootTime;
use meantime_core::observation::ClockProfile;
use meantime_core::units::Nanos;
use process::{Heard, Program, Running};
use tracing::{error, info, warn};

/// The supervisor: the pure machine and its one child.
#[derive(Debug)]
pub struct Supervisor {
    program: Program,
    state: State,
    child: Option<Running>,
    boot_id: String,
    boot: KnownBoot,
    /// Why it does not run, if it should and does not.
    pub trouble: Option<String>,
    /// Starts and unexpected exits since this agent started, for metrics.
    pub starts: u64,
    /// See `starts`.
    pub failures: u64,
}

impl Supervisor {
    /// Nothing runs yet.
    pub fn new(program: Program, boot_id: String, boot: KnownBoot) -> Self {
        Self { program, state: State::NEW, child: None, boot_id, boot, trouble: None, starts: 0, failures: 0 }
    }

    /// How chronyd is run here.
    pub fn program(&self) -> &Program {
        &self.program
    }
    /// Whether it may be asked now.
    pub fn is_running(&self) -> bool {
        self.state.is_running()
    }
    /// Whether nothing runs and nothing will.
    pub fn is_idle(&self) -> bool {
        self.state.phase == machine::Phase::Idle
    }
    /// Our child's pid.
    pub fn pid(&self) -> Option<u32> {
        self.state.pid()
    }
    /// What it was started with.
    pub fn running(&self) -> Option<&Wanted> {
        self.state.started_with.as_ref()
    }
    /// When [`Event::Tick`] is due, if ever.
    pub fn next_tick(&self) -> Option<BootTime> {
        self.state.next_tick()
    }

    /// Waits until the child is gone, passing its log on. Pending while there is none. Cancel-safe.
    pub async fn exited(&mut self) {
        let Some(child) = &mut self.child else { return std::future::pending().await };
        let Heard::Exited(status, last) = child.heard().await;
        let expected = matches!(self.state.phase, machine::Phase::Stopping { .. });
        let status = match status {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        if expected {
            info!(status, "chronyd stopped");
        } else {
            self.failures += 1;
            warn!(status, last, "chronyd is gone; it will be started again");
            self.trouble = Some(format!("chronyd is gone ({status}): {last}"));
        }
        self.child = None;
    }

    /// Whether a socket file is there that may be our child's.
    pub fn socket_is_ours(&self) -> bool {
        self.socket_file().is_some_and(|found| self.state.may_own(found))
    }

    /// What stands at our socket's path now.
    pub fn socket_file(&self) -> Option<SocketFile> {
        use std::os::unix::fs::MetadataExt;
        let found = std::fs::metadata(self.program.paths.socket()).ok()?;
        Some(SocketFile { device: found.dev(), inode: found.ino() })
    }

    /// One event through the machine; its actions are done before this returns.
    pub async fn event(&mut self, event: Event, ledger: &mut LedgerFile) {
        let mut queue = vec![event];
        while let Some(event) = queue.pop() {
            let (state, actions) =
                machine::step(std::mem::replace(&mut self.state, State::NEW), &event, clock::boottime());
            self.state = state;
            for action in actions {
                queue.extend(self.act(action, ledger).await);
            }
        }
    }

    async fn act(&mut self, action: Action, ledger: &mut LedgerFile) -> Option<Event> {
        match action {
            Action::Spawn(wanted) => Some(self.spawn(&wanted, ledger).await),
            Action::Terminate(_) => {
                if let Some(child) = &self.child {
                    child.terminate();
                }
                None
            }
            Action::Kill(_) => {
                if let Some(child) = &self.child {
                    child.kill();
                }
                None
            }
            Action::Note(why) => {
                info!(why, "chronyd is stopped or restarted");
                None
            }
        }
    }

    async fn spawn(&mut self, wanted: &Wanted, ledger: &mut LedgerFile) -> Event {
        let uptime = Nanos(clock::boottime().0);
        let flags =
            law4::flags(wanted.profile, self.boot, uptime, wanted.step_at_boot, ledger.ledger.last_run);
        // Before the start: were we killed right after it, the next start must not be taken for a boot.
        ledger.ledger.boot_id = Some(self.boot_id.clone());
        ledger.ledger.daemon_starts += 1;
        if let Err(error) = ledger.save() {
            // Without a ledger the next start could step: law 4 wins over having a daemon that may step.
            error!(%error, "chronyd is not started before the ledger can be written");
            self.trouble = Some(error.to_string());
            return Event::SpawnFailed;
        }
        self.boot = KnownBoot::Known;
        match self.program.start(&wanted.main, flags).await {
            Ok(child) => {
                let pid = child.pid().unwrap_or(0);
                self.child = Some(child);
                self.starts += 1;
                self.trouble = None;
                Event::Spawned(pid)
            }
            Err(error) => {
                self.failures += 1;
                error!(%error, "chronyd could not be started");
                self.trouble = Some(error.to_string());
                Event::SpawnFailed
            }
        }
    }

    /// The profile of the running child; an idle one moves nothing.
    pub fn profile(&self) -> ClockProfile {
        self.running().map_or(ClockProfile::Virtual, |wanted| wanted.profile)
    }
}
