//! What the machine that applies plans speaks in: plans, stages, events, actions, outcomes. Plain data.

use super::facts::Facts;
use super::steps::Step;
use meantime_core::clocks::BootTime;
use meantime_core::conf::Sources;
use meantime_core::ledger::HeldPlan;
use std::sync::Arc;

/// A plan that was read, checked by chronyd's own parser and composed with this host's paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The plan and its object.
    pub held: HeldPlan,
    /// chronyd's whole main text.
    pub main: String,
    /// Its source lines.
    pub sources: Sources,
}

/// What became of the newest plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There is none.
    Nothing,
    /// Under way, and where.
    Pending(String),
    /// It runs and time is not worse.
    Applied(String),
    /// Time was worse, or chronyd did not take it; the last good one runs.
    Reverted(String),
    /// Not tried.
    Refused(String),
}

/// Where the change is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// No change under way.
    Idle,
    /// chronyd is started with another main part.
    Restarting {
        /// Since when.
        since: BootTime,
    },
    /// The sources file was replaced and reloaded.
    ReadingBack {
        /// The step.
        step: Step,
        /// Since when.
        since: BootTime,
        /// Answered looks that differed.
        looks: u32,
    },
    /// Fresh sources gather samples.
    Settling {
        /// The step.
        step: Step,
        /// Since when.
        since: BootTime,
    },
    /// All is in force.
    Confirming {
        /// Since when.
        since: BootTime,
    },
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A plan was accepted.
    Plan(Arc<Change>),
    /// The same plan again under another generation: only its fence is noted.
    Renewed(Box<HeldPlan>),
    /// A plan was not even tried.
    Refused(String),
    /// One look; whether the running chronyd has the wanted main part.
    Look(Facts, bool),
    /// An action failed.
    Failed(String),
    /// Everything is to be forgotten: retirement.
    Forget,
}

/// What the executor must do, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Replace the sources file.
    Write(Sources),
    /// Tell chronyd to read it again.
    Reload,
    /// [`super::machine::State::main`] changed: tell the supervisor.
    Main,
    /// Restart chronyd as it is.
    Restart,
    /// Remember the plan as the last good one.
    Keep(HeldPlan),
    /// Remember that this plan was taken back, and why.
    Remember(HeldPlan, String),
}
