//! Who writes: one operator at a time, elected through a Lease, without comparing two machines' clocks.
//!
//! The record in the Lease is *observed*: a candidate that has seen it unchanged for the record's own duration on
//! its own BOOTTIME may take it. What the timestamps in it say is for people. Every write carries the
//! resourceVersion that was seen, so of two candidates one fails. A leader's right to write ends by itself
//! [`Timing::renew_deadline`] after it *sent* its last successful renewal: before anybody else may take over, also
//! when this process was frozen in between.
//!
//! This file is the pure machine: [`step`]. [`run`] is the thin edge that sends its actions to the API server.
//! **Must never** read a clock (both are handed the moment) or look at renewTime as a time.

pub mod gate;
pub mod run;

use meantime_core::clocks::BootTime;
use meantime_core::units::Nanos;

/// The spans of the protocol. `renew_deadline` + the longest request must stay below `duration`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// What our records promise: nobody takes over sooner after the last renewal. Whole seconds.
    pub duration: Nanos,
    /// A leader that could not renew for so long stops writing.
    pub renew_deadline: Nanos,
    /// Pause between two renewals or two looks.
    pub retry: Nanos,
    /// Longest that one request of ours may take; the edge cuts it off then.
    pub request: Nanos,
}

impl Default for Timing {
    /// Kubernetes' own components use 15 s, 10 s, 2 s.
    fn default() -> Self {
        Self {
            duration: Nanos::from_secs(15),
            renew_deadline: Nanos::from_secs(10),
            retry: Nanos::from_secs(2),
            request: Nanos::from_secs(4),
        }
    }
}

/// What a candidate sees of the Lease object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseView {
    /// Who holds it; none = released.
    pub holder: Option<String>,
    /// Everything that a renewal changes, as opaque text: only ever compared for equality.
    pub record: String,
    /// How long it must stand still before it may be taken.
    pub duration: Nanos,
    /// How often it has changed hands.
    pub transitions: i32,
    /// resourceVersion, sent back with every write.
    pub version: String,
}

/// What we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Not allowed to write.
    Follower,
    /// Allowed to write.
    Leader {
        /// When the last successful renewal was *sent*.
        renewed: BootTime,
    },
}

/// The machine's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// What we are.
    pub role: Role,
    /// The record as last seen, and since when by our own clock it has been so.
    seen: Option<(LeaseView, BootTime)>,
    /// Not a candidate: stop mark or shutdown.
    standing_down: bool,
}

impl Default for State {
    fn default() -> Self {
        Self { role: Role::Follower, seen: None, standing_down: false }
    }
}

/// What happens to the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// [`Timing::retry`] has passed.
    Tick,
    /// The Lease was read; none = there is none.
    Read(Option<LeaseView>),
    /// Our write was taken.
    Written {
        /// When the request was sent.
        sent: BootTime,
        /// The Lease as it now is.
        lease: LeaseView,
    },
    /// Our write was refused: somebody else wrote first.
    Conflict,
    /// A request got no answer or an error.
    Failed,
    /// The stop mark is there, or the process ends: give the Lease away.
    StandDown,
    /// The stop mark has gone.
    StandUp,
}

/// What the edge must do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Read the Lease.
    Read,
    /// Create it with us as holder.
    Create,
    /// Write a new renewal over that version.
    Renew {
        /// resourceVersion to write over.
        version: String,
        /// Unchanged count.
        transitions: i32,
    },
    /// Write ourselves in as the new holder over that version.
    Take {
        /// resourceVersion to write over.
        version: String,
        /// The count with this change.
        transitions: i32,
    },
    /// Write no holder over that version.
    Release {
        /// resourceVersion to write over.
        version: String,
        /// Unchanged count.
        transitions: i32,
    },
    /// Writes are allowed until then.
    Open(BootTime),
    /// Writes are not allowed any more.
    Close,
}

/// One step. `me` is this candidate's identity, `now` its BOOTTIME.
pub fn step(
    me: &str,
    timing: &Timing,
    mut state: State,
    event: Event,
    now: BootTime,
) -> (State, Vec<Action>) {
    let actions = match event {
        Event::Tick => tick(timing, &mut state, now),
        Event::Read(lease) => read(me, timing, &mut state, lease, now),
        Event::Written { sent, lease } => written(me, timing, &mut state, sent, lease, now),
        // Somebody wrote over what we had seen: look before doing anything else.
        Event::Conflict => vec![Action::Read],
        Event::Failed => expire(timing, &mut state, now),
        Event::StandDown => stand_down(&mut state),
        Event::StandUp => {
            state.standing_down = false;
            vec![]
        }
    };
    (state, actions)
}

fn tick(timing: &Timing, state: &mut State, now: BootTime) -> Vec<Action> {
    if state.standing_down {
        return vec![];
    }
    let mut actions = expire(timing, state, now);
    match (state.role, &state.seen) {
        (Role::Leader { .. }, Some((lease, _))) => {
            actions.push(Action::Renew { version: lease.version.clone(), transitions: lease.transitions });
        }
        (Role::Leader { .. } | Role::Follower, _) => actions.push(Action::Read),
    }
    actions
}

fn read(
    me: &str,
    timing: &Timing,
    state: &mut State,
    lease: Option<LeaseView>,
    now: BootTime,
) -> Vec<Action> {
    let mut actions = expire(timing, state, now);
    let Some(lease) = lease else {
        state.seen = None;
        if !state.standing_down {
            actions.push(Action::Create);
        }
        return actions;
    };
    let since = match &state.seen {
        Some((seen, since)) if seen.record == lease.record && seen.holder == lease.holder => *since,
        Some(_) | None => now,
    };
    let stood_still = now - since;
    state.seen = Some((lease.clone(), since));
    if state.standing_down {
        return actions;
    }
    let mine = lease.holder.as_deref() == Some(me);
    match state.role {
        // A leader whose renewal was taken without the answer reaching it, or a follower that finds its own Lease from
        // before this container was restarted (the identity is the pod's): its last process is dead.
        Role::Leader { .. } | Role::Follower if mine => {
            actions.push(Action::Renew { version: lease.version, transitions: lease.transitions });
        }
        Role::Leader { .. } => {
            state.role = Role::Follower;
            actions.push(Action::Close);
        }
        Role::Follower => {
            if lease.holder.is_none() || stood_still >= lease.duration {
                actions.push(Action::Take {
                    version: lease.version,
                    transitions: lease.transitions.saturating_add(1),
                });
            }
        }
    }
    actions
}

fn written(
    me: &str,
    timing: &Timing,
    state: &mut State,
    sent: BootTime,
    lease: LeaseView,
    now: BootTime,
) -> Vec<Action> {
    let mine = lease.holder.as_deref() == Some(me);
    state.seen = Some((lease, now));
    if !mine || state.standing_down {
        return vec![];
    }
    state.role = Role::Leader { renewed: sent };
    let mut actions = expire(timing, state, now);
    if actions.is_empty() {
        actions.push(Action::Open(sent + timing.renew_deadline));
    }
    actions
}

/// Ends a leadership whose renewals have failed for too long (or that was frozen for so long).
fn expire(timing: &Timing, state: &mut State, now: BootTime) -> Vec<Action> {
    match state.role {
        Role::Leader { renewed } if now - renewed >= timing.renew_deadline => {
            state.role = Role::Follower;
            vec![Action::Close]
        }
        Role::Leader { .. } | Role::Follower => vec![],
    }
}

fn stand_down(state: &mut State) -> Vec<Action> {
    state.standing_down = true;
    let led = matches!(state.role, Role::Leader { .. });
    state.role = Role::Follower;
    match (&state.seen, led) {
        (Some((lease, _)), true) => {
            let release = Action::Release { version: lease.version.clone(), transitions: lease.transitions };
            vec![Action::Close, release]
        }
        (Some(_) | None, _) => vec![Action::Close],
    }
}

#[cfg(test)]
mod tests;
