//! The life of our chronyd as a pure state machine.
//!
//! **In:** what should run, what was seen of the process, and the moment. **Out:** [`Action`]s for the executor
//! (process.rs). No I/O, no clock.
//!
//! ```text
//!            Want(Some)                 Spawned
//!   Idle ───────────────▶ Starting ───────────────▶ Running ──▶ Stopping ──▶ Idle | Starting
//!                            ▲                        │ Exited
//!                            └──── Waiting ◀──────────┘   (back-off)
//! ```

use meantime_core::clocks::BootTime;
use meantime_core::observation::ClockProfile;
use meantime_core::units::Nanos;

/// Silence after which a living chronyd is killed and started again. Far beyond the 10 s after which
/// TimeDaemonDown is told: a stopped or hung daemon is first reported, then cured.
pub const SILENCE_BEFORE_KILL: Nanos = Nanos::from_secs(60);
/// How long a start may take to open its command socket before a missing socket counts as lost.
pub const SOCKET_GRACE: Nanos = Nanos::from_secs(3);
/// Looks in a row without a socket (or with another's) before ours is restarted to take it back.
pub const LOOKS_WITHOUT_SOCKET: u32 = 2;
/// How long SIGTERM may take: chronyd writes its dumps and drift file within milliseconds.
pub const STOP_GRACE: Nanos = Nanos::from_secs(5);
/// A run that lasted this long was healthy: the next failure starts again at the shortest pause.
pub const HEALTHY_RUN: Nanos = Nanos::from_secs(60);
/// Pauses before the next start by the number of failures in a row; the last one repeats. The first is short,
/// because a killed daemon should be back before anybody can tell.
pub const PAUSES: [Nanos; 6] = [
    Nanos::from_millis(100),
    Nanos::from_secs(1),
    Nanos::from_secs(2),
    Nanos::from_secs(5),
    Nanos::from_secs(15),
    Nanos::from_secs(30),
];

/// What should run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The whole main text of chrony.conf. A change of it is a restart.
    pub main: String,
    /// Instrument or discipline. A change of it is a restart.
    pub profile: ClockProfile,
    /// Whether the policy lets chronyd step in the boot window (law 4 applies besides). No reason to restart.
    pub step_at_boot: bool,
}

impl Wanted {
    fn needs_restart(&self, other: &Self) -> bool {
        self.main != other.main || self.profile != other.profile
    }
}

/// A socket file as the file system knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketFile {
    /// Of the file system.
    pub device: u64,
    /// Of the file.
    pub inode: u64,
}

/// Where the process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nothing runs and nothing should.
    Idle,
    /// The executor was told to start it.
    Starting,
    /// It runs.
    Running {
        /// Our child.
        pid: u32,
        /// When it was started.
        since: BootTime,
        /// Its last answer, or the start.
        heard: BootTime,
        /// Looks in a row in which its socket was gone or another's.
        without_socket: u32,
        /// The file over which it first answered; none = it has not answered yet. The file of a predecessor that was
        /// killed stands at the path until this one binds its own: what is merely seen there proves nothing.
        socket: Option<SocketFile>,
    },
    /// It was told to stop.
    Stopping {
        /// Our child.
        pid: u32,
        /// When SIGKILL follows.
        deadline: BootTime,
    },
    /// It failed; the next start comes then.
    Waiting {
        /// When.
        until: BootTime,
    },
}

/// The machine's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// What should run now.
    pub wanted: Option<Wanted>,
    /// What the running (or starting) process was started with.
    pub started_with: Option<Wanted>,
    /// Where the process is.
    pub phase: Phase,
    /// Failures in a row.
    pub failures: usize,
}

impl State {
    /// Nothing runs.
    pub const NEW: Self = Self { wanted: None, started_with: None, phase: Phase::Idle, failures: 0 };

    /// The pid of our child, if there is one.
    pub fn pid(&self) -> Option<u32> {
        match self.phase {
            Phase::Running { pid, .. } | Phase::Stopping { pid, .. } => Some(pid),
            Phase::Idle | Phase::Starting | Phase::Waiting { .. } => None,
        }
    }
    /// Whether it may be asked.
    pub fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running { .. })
    }
    /// Whether a file found at the socket's path may be our child's. Another daemon started on the same path unlinks
    /// and replaces it: its answers would be taken for ours.
    pub fn may_own(&self, found: SocketFile) -> bool {
        match self.phase {
            Phase::Running { socket: Some(ours), .. } => ours == found,
            Phase::Running { socket: None, .. }
            | Phase::Idle
            | Phase::Starting
            | Phase::Stopping { .. }
            | Phase::Waiting { .. } => true,
        }
    }
    /// When the machine next needs a [`Event::Tick`], if ever.
    pub fn next_tick(&self) -> Option<BootTime> {
        match self.phase {
            Phase::Waiting { until } => Some(until),
            Phase::Stopping { deadline, .. } => Some(deadline),
            Phase::Idle | Phase::Starting | Phase::Running { .. } => None,
        }
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// What should run (none = nothing).
    Want(Option<Wanted>),
    /// The executor started it.
    Spawned(u32),
    /// The executor could not start it.
    SpawnFailed,
    /// Our child is gone.
    Exited,
    /// It answered a look; the file that stood at its socket's path then.
    Answered(Option<SocketFile>),
    /// It did not answer a look, but its socket is there.
    Unanswered,
    /// Its socket is gone, refuses, or belongs to another process.
    SocketLost,
    /// It is to be started again as it is.
    Restart,
    /// Time went by.
    Tick,
}

/// What the executor must do, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Write the main file, clear the way, start it.
    Spawn(Wanted),
    /// SIGTERM: it dumps and goes.
    Terminate(u32),
    /// SIGKILL.
    Kill(u32),
    /// Say why it is restarted.
    Note(&'static str),
}

/// One step.
pub fn step(mut state: State, event: &Event, now: BootTime) -> (State, Vec<Action>) {
    let mut actions = Vec::new();
    match event {
        Event::Want(wanted) => {
            state.wanted.clone_from(wanted);
            want(&mut state, now, &mut actions);
        }
        Event::Spawned(pid) => {
            state.phase =
                Phase::Running { pid: *pid, since: now, heard: now, without_socket: 0, socket: None };
            // The wish may have changed while it was starting.
            want(&mut state, now, &mut actions);
        }
        Event::SpawnFailed => failed(&mut state, now),
        Event::Exited => exited(&mut state, now, &mut actions),
        Event::Answered(file) => {
            if let Phase::Running { heard, without_socket, since, socket, .. } = &mut state.phase {
                (*heard, *without_socket) = (now, 0);
                *socket = socket.or(*file);
                if now - *since >= HEALTHY_RUN {
                    state.failures = 0;
                }
            }
        }
        Event::Unanswered => {
            if let Phase::Running { without_socket, .. } = &mut state.phase {
                *without_socket = 0;
            }
            silence(&mut state, now, &mut actions);
        }
        Event::Restart => {
            if let Phase::Running { pid, .. } = state.phase {
                actions.push(Action::Note("it is started again as it is"));
                stop(&mut state, pid, now, &mut actions);
            }
        }
        Event::SocketLost => socket_lost(&mut state, now, &mut actions),
        Event::Tick => tick(&mut state, now, &mut actions),
    }
    (state, actions)
}

fn want(state: &mut State, now: BootTime, actions: &mut Vec<Action>) {
    match (state.phase, &state.wanted) {
        (Phase::Idle, Some(_)) => spawn(state, actions),
        (Phase::Idle, None)
        | (Phase::Starting | Phase::Stopping { .. }, _)
        | (Phase::Waiting { .. }, Some(_)) => {}
        (Phase::Waiting { .. }, None) => state.phase = Phase::Idle,
        (Phase::Running { pid, .. }, wanted) => {
            let same = match (wanted, &state.started_with) {
                (Some(wanted), Some(started)) => !wanted.needs_restart(started),
                _ => false,
            };
            if !same {
                let why =
                    if wanted.is_some() { "its main configuration changed" } else { "nothing should run" };
                actions.push(Action::Note(why));
                stop(state, pid, now, actions);
            }
        }
    }
}

fn spawn(state: &mut State, actions: &mut Vec<Action>) {
    if let Some(wanted) = state.wanted.clone() {
        state.started_with = Some(wanted.clone());
        state.phase = Phase::Starting;
        actions.push(Action::Spawn(wanted));
    } else {
        state.started_with = None;
        state.phase = Phase::Idle;
    }
}

fn stop(state: &mut State, pid: u32, now: BootTime, actions: &mut Vec<Action>) {
    state.phase = Phase::Stopping { pid, deadline: now + STOP_GRACE };
    actions.push(Action::Terminate(pid));
}

fn failed(state: &mut State, now: BootTime) {
    let pause = PAUSES[state.failures.min(PAUSES.len() - 1)];
    state.failures += 1;
    state.started_with = None;
    state.phase = if state.wanted.is_some() { Phase::Waiting { until: now + pause } } else { Phase::Idle };
}

fn exited(state: &mut State, now: BootTime, actions: &mut Vec<Action>) {
    match state.phase {
        Phase::Running { since, .. } => {
            if now - since >= HEALTHY_RUN {
                state.failures = 0;
            }
            failed(state, now);
        }
        // We asked for it: on at once.
        Phase::Stopping { .. } => spawn(state, actions),
        Phase::Idle | Phase::Starting | Phase::Waiting { .. } => {}
    }
}

fn silence(state: &mut State, now: BootTime, actions: &mut Vec<Action>) {
    if let Phase::Running { pid, heard, .. } = state.phase
        && now - heard >= SILENCE_BEFORE_KILL
    {
        // A stopped process does not see SIGTERM.
        actions.push(Action::Note("it has not answered for a minute"));
        state.phase = Phase::Stopping { pid, deadline: now + STOP_GRACE };
        actions.push(Action::Kill(pid));
    }
}

fn socket_lost(state: &mut State, now: BootTime, actions: &mut Vec<Action>) {
    let Phase::Running { pid, since, without_socket, .. } = &mut state.phase else { return };
    if now - *since < SOCKET_GRACE {
        return;
    }
    *without_socket += 1;
    if *without_socket >= LOOKS_WITHOUT_SOCKET {
        let pid = *pid;
        actions.push(Action::Note("its command socket is gone or another daemon's"));
        // Counted as a failure, so that two daemons at war over one path slow down.
        state.failures += 1;
        stop(state, pid, now, actions);
    }
}

fn tick(state: &mut State, now: BootTime, actions: &mut Vec<Action>) {
    match state.phase {
        Phase::Waiting { until } if now >= until => spawn(state, actions),
        Phase::Stopping { pid, deadline } if now >= deadline => {
            state.phase = Phase::Stopping { pid, deadline: now + STOP_GRACE };
            actions.push(Action::Kill(pid));
        }
        Phase::Idle
        | Phase::Starting
        | Phase::Running { .. }
        | Phase::Waiting { .. }
        | Phase::Stopping { .. } => {}
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
