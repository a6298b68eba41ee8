//! The five node conditions: their types, states and reasons, written once. A reason is a word that a person
//! would search for; each has a place in the conditions table of the design and a page in the runbook.

use serde::{Deserialize, Serialize};

/// The five conditions on the core Node, in the order in which they are always written, all by one writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ConditionKind {
    /// True = the error of this clock is inside the policy. Speaks of the error only, never of source counts.
    TimeSynchronized,
    /// True = offset or error bound above the limit.
    TimeOffsetHigh,
    /// True = fewer usable voters than the policy asks for, or no majority among them.
    TimeSourcesLow,
    /// True = no source at all can be used from here.
    TimePartitioned,
    /// True = chronyd does not answer.
    TimeDaemonDown,
}

impl ConditionKind {
    /// All five, in writing order.
    pub const ALL: [Self; 5] = [
        Self::TimeSynchronized,
        Self::TimeOffsetHigh,
        Self::TimeSourcesLow,
        Self::TimePartitioned,
        Self::TimeDaemonDown,
    ];
    /// The bare name, used on NodeTime.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TimeSynchronized => "TimeSynchronized",
            Self::TimeOffsetHigh => "TimeOffsetHigh",
            Self::TimeSourcesLow => "TimeSourcesLow",
            Self::TimePartitioned => "TimePartitioned",
            Self::TimeDaemonDown => "TimeDaemonDown",
        }
    }
    /// The type on the core Node: `meantime.dev/TimeSynchronized`.
    pub fn node_type(self) -> String {
        format!("{}{}", crate::names::CONDITION_DOMAIN, self.name())
    }
    /// The state in which nobody needs to look.
    pub const fn healthy(self) -> Status {
        match self {
            Self::TimeSynchronized => Status::True,
            Self::TimeOffsetHigh | Self::TimeSourcesLow | Self::TimePartitioned | Self::TimeDaemonDown => {
                Status::False
            }
        }
    }
}

/// Kubernetes' three states. Unknown is never healthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Status {
    /// It is so.
    True,
    /// It is not so.
    False,
    /// It can't be told.
    Unknown,
}

impl Status {
    /// As Kubernetes writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// Why a condition is what it is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Reason { $($(#[$doc])* $name),+ }
        impl Reason {
            /// Every reason (for documentation and parsing).
            pub const ALL: &'static [Self] = &[$(Self::$name),+];
            /// As written in conditions.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),+ }
            }
            /// The reason of that name, if this build knows it.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $(stringify!($name) => Some(Self::$name),)+ _ => None }
            }
        }
    };
}

reasons! {
    /// The agent has not been heard for too long (written by the operator).
    AgentSilent,
    /// This machine's clock was stepped or paused; until two fresh samples from a majority.
    ClockDisrupted,
    /// First minutes after boot or first plan.
    Booting,
    /// The reference moved while this machine's oscillator did not.
    BoundContradicted,
    /// Residual or disagreement above maxOffset.
    OffsetExceeded,
    /// Guaranteed error bound above maxErrorBound.
    ErrorBoundExceeded,
    /// No usable voter for so long that the carried bound reached 90 % of maxErrorBound.
    HoldoverExceeded,
    /// chronyd has never had a good bound, or follows its own local reference.
    NotSynchronized,
    /// The limit is below what the path allows.
    ToleranceInfeasible,
    /// Above a warn level.
    Warning,
    /// Inside the policy.
    InTolerance,
    /// Fewer usable voters than minSources.
    TooFew,
    /// Voters answer, but no majority agrees.
    NoMajority,
    /// Enough voters, and a majority agrees.
    Enough,
    /// No voter can be used from this node.
    NoUsableSource,
    /// At least one voter can be used.
    SourceUsable,
    /// Voters answer but contradict each other: TimeSourcesLow tells it, a partition it is not.
    VotersDisagree,
    /// chronyd does not answer.
    NoAnswer,
    /// chronyd answers.
    Answering,
}

/// One condition as judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// True, False, Unknown.
    pub status: Status,
    /// One word.
    pub reason: Reason,
    /// One line for the person at 3 a.m.: number ± bound (limit), following what, and what to do.
    pub message: String,
}

impl Judgement {
    /// A judgement from its parts.
    pub fn new(status: Status, reason: Reason, message: impl Into<String>) -> Self {
        Self { status, reason, message: message.into() }
    }
}

/// All five, always together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conditions {
    /// See [`ConditionKind::TimeSynchronized`].
    pub synchronized: Judgement,
    /// See [`ConditionKind::TimeOffsetHigh`].
    pub offset_high: Judgement,
    /// See [`ConditionKind::TimeSourcesLow`].
    pub sources_low: Judgement,
    /// See [`ConditionKind::TimePartitioned`].
    pub partitioned: Judgement,
    /// See [`ConditionKind::TimeDaemonDown`].
    pub daemon_down: Judgement,
}

impl Conditions {
    /// The one of that kind.
    pub const fn get(&self, kind: ConditionKind) -> &Judgement {
        match kind {
            ConditionKind::TimeSynchronized => &self.synchronized,
            ConditionKind::TimeOffsetHigh => &self.offset_high,
            ConditionKind::TimeSourcesLow => &self.sources_low,
            ConditionKind::TimePartitioned => &self.partitioned,
            ConditionKind::TimeDaemonDown => &self.daemon_down,
        }
    }
    /// Kind and judgement, in writing order.
    pub fn iter(&self) -> impl Iterator<Item = (ConditionKind, &Judgement)> {
        ConditionKind::ALL.into_iter().map(|kind| (kind, self.get(kind)))
    }
    /// Row 1 of the table: everything Unknown, for a reason that hides all else.
    pub fn unknown(reason: Reason, message: &str) -> Self {
        let unknown = || Judgement::new(Status::Unknown, reason, message);
        Self {
            synchronized: unknown(),
            offset_high: unknown(),
            sources_low: unknown(),
            partitioned: unknown(),
            daemon_down: unknown(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_go_both_ways() {
        for reason in Reason::ALL {
            assert_eq!(Reason::parse(reason.as_str()), Some(*reason));
        }
        assert_eq!(Reason::parse("Fine"), None);
    }

    #[test]
    fn node_types_carry_the_domain() {
        assert_eq!(ConditionKind::TimeSynchronized.node_type(), "meantime.dev/TimeSynchronized");
    }
}
