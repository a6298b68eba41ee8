//! The words that an agent writes into a NodeTime's status.
//!
//! Agents, operator and CRDs are never updated in one moment. Each of these types therefore reads a word that it does
//! not know as `Unknown` (an older reader and a newer agent), and their schema is a bounded word without a list (an
//! older CRD would refuse a newer agent's whole status). What a spec says stays strict: a node must not act on half of
//! what was asked.

use meantime_core as core;
use serde::{Deserialize, Serialize};

/// What became of the newest plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AppliedState {
    /// Under way.
    #[default]
    Pending,
    /// chronyd runs it and time is not worse.
    Applied,
    /// Time was worse after it; the last good one runs.
    Reverted,
    /// Not tried: unknown directive, refused by chronyd's parser, too old.
    Refused,
    /// A word of another version; never written.
    #[serde(other)]
    Unknown,
}

/// Whether chronyd moves the host's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Profile {
    /// `chronyd -x`.
    Virtual,
    /// Real discipline.
    Real,
    /// A word of another version; never written.
    #[serde(other)]
    Unknown,
}

/// The part that an association plays, as its agent tells it; see [`Role`](super::Role).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToldRole {
    /// In the driving tier.
    Driver,
    /// Votes.
    Voter,
    /// Measured only.
    Witness,
    /// A word of another version; never written.
    #[serde(other)]
    Unknown,
}

/// Whether a source answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reachability {
    /// The last poll was answered.
    #[default]
    Answering,
    /// One or two polls unanswered.
    Losing,
    /// Three or more polls unanswered.
    Silent,
    /// No valid reply yet.
    NeverAnswered,
    /// Its name has no address.
    Unresolved,
    /// A word of another version; never written. No evidence either way.
    #[serde(other)]
    Unknown,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AnswerState {
    /// It was done.
    Done,
    /// It was not; the message says why.
    Refused,
    /// A word of another version; never written.
    #[serde(other)]
    Unknown,
}

/// How failover sees a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum HealthWord {
    /// It works.
    #[default]
    Healthy,
    /// Some polls unanswered, or in doubt.
    Suspect,
    /// chronyd does without it.
    Failed,
    /// It answers again and proves itself.
    Recovering,
    /// A word of another version; never written.
    #[serde(other)]
    Unknown,
}

/// How good a source is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Graded {
    /// Nothing against it.
    #[default]
    Good,
    /// Worth a look.
    Fair,
    /// Poor.
    Poor,
    /// A word of another version; never written.
    #[serde(other)]
    Unknown,
}

/// How a switch stood up to being checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verified {
    /// No other source has updated the clock yet.
    Waiting,
    /// The first checks are under way.
    Checking,
    /// They passed; one more later.
    Passed,
    /// That too; it is watched.
    Watching,
    /// To the end.
    Held,
    /// A check failed.
    Failed,
    /// Not watched to the end: another switch, or a restart of the machine.
    Ended,
    /// A word of another version; never written.
    #[serde(other)]
    Unknown,
}

impl From<core::observation::ClockProfile> for Profile {
    fn from(profile: core::observation::ClockProfile) -> Self {
        match profile {
            core::observation::ClockProfile::Virtual => Self::Virtual,
            core::observation::ClockProfile::Real => Self::Real,
        }
    }
}

impl From<core::snapshot::Role> for ToldRole {
    fn from(role: core::snapshot::Role) -> Self {
        match role {
            core::snapshot::Role::Driver => Self::Driver,
            core::snapshot::Role::Voter => Self::Voter,
            core::snapshot::Role::Witness => Self::Witness,
        }
    }
}
