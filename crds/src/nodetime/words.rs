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

/// Why a source cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TroubleWord {
    /// Three or more polls unanswered, and nothing came back.
    TimedOut,
    /// … and its host says that nobody listens there.
    Refused,
    /// … and a router, or this node's own routes, say that there is no way there.
    Unreachable,
    /// … and it asked to be asked less often, or never again (kiss-o'-death).
    Kissed,
    /// Its name has no address.
    Unresolved,
    /// Its answers do not authenticate. Not written yet: neither NTS nor a key can be declared.
    NotAuthentic,
    /// It says itself that it is not synchronised.
    Unsynchronised,
    /// Its own clock was last corrected longer ago than `maxReferenceAge`.
    Stale,
    /// A word of another version; never written.
    #[serde(other)]
    Unknown,
}

/// What is known against a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PeerWord {
    /// The last question was not answered, or not authentically.
    TimedOut,
    /// … nobody listens there.
    Refused,
    /// … there is no way there.
    Unreachable,
    /// It answers, and does not judge itself synchronised.
    Unsure,
    /// A word of another version; never written.
    #[serde(other)]
    Unknown,
}

/// Why an agent does not answer its peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PeersWord {
    /// There are no keys; it does not ask either.
    NoKeys,
    /// Its port is taken.
    NoPort,
    /// A word of another version; never written.
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

impl From<core::diagnose::fleet::Trouble> for TroubleWord {
    fn from(trouble: core::diagnose::fleet::Trouble) -> Self {
        use core::diagnose::fleet::Trouble;
        match trouble {
            Trouble::TimedOut => Self::TimedOut,
            Trouble::Refused => Self::Refused,
            Trouble::Unreachable => Self::Unreachable,
            Trouble::Kissed => Self::Kissed,
            Trouble::Unresolved => Self::Unresolved,
            Trouble::NotAuthentic => Self::NotAuthentic,
            Trouble::Unsynchronised => Self::Unsynchronised,
            Trouble::Stale => Self::Stale,
        }
    }
}

impl TroubleWord {
    /// In core's words; none = a word of another version.
    pub const fn to_core(self) -> Option<core::diagnose::fleet::Trouble> {
        use core::diagnose::fleet::Trouble;
        Some(match self {
            Self::TimedOut => Trouble::TimedOut,
            Self::Refused => Trouble::Refused,
            Self::Unreachable => Trouble::Unreachable,
            Self::Kissed => Trouble::Kissed,
            Self::Unresolved => Trouble::Unresolved,
            Self::NotAuthentic => Trouble::NotAuthentic,
            Self::Unsynchronised => Trouble::Unsynchronised,
            Self::Stale => Trouble::Stale,
            Self::Unknown => return None,
        })
    }
}

impl ToldRole {
    /// In core's words; none = a word of another version.
    pub const fn to_core(self) -> Option<core::snapshot::Role> {
        Some(match self {
            Self::Driver => core::snapshot::Role::Driver,
            Self::Voter => core::snapshot::Role::Voter,
            Self::Witness => core::snapshot::Role::Witness,
            Self::Unknown => return None,
        })
    }
}
