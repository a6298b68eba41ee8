//! The words. They form a lattice: each specific word has a general one, which is said when the evidence proves no more.

use crate::clocks::BootTime;
use serde::{Deserialize, Serialize};

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// What is wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Kind { $($(#[$doc])* $name),+ }
        impl Kind {
            /// All words.
            pub const ALL: &[Self] = &[$(Self::$name),+];
            /// As conditions, Events and metrics write it.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),+ }
            }
        }
    };
}

kinds! {
    /// A source gives no usable time to nodes that could use it; why is not proven.
    SourceUnusable,
    /// It answers nobody, from at least two failure domains that reach others, or its host says that nobody listens.
    SourceDead,
    /// It answers elsewhere and nobody of one egress, which reaches others.
    SourceUnreachableFromEgress,
    /// It answers, and its own upstream is silent.
    SourceStale,
    /// It answers and says that it is not synchronised.
    SourceUnsynchronised,
    /// It refuses by kiss-o'-death.
    RateLimited,
    /// Its answers do not authenticate.
    AuthFailed,
    /// Its name has no address, on several nodes.
    NameUnresolved,
    /// Nodes that use it reject its time; whether it or the path is to blame is not proven.
    SourceDisagrees,
    /// Its time is wrong: seen from at least two failure domains by the same amount, beyond what paths explain.
    SourceLying,
    /// The path is slower one way than the other: what it is off by is no more than half of what its delay grew by.
    PathAsymmetric,
    /// A node reaches none of its sources, others reach the same; how far it is cut off is not proven.
    NodeCutOff,
    /// It reaches the API server, and nobody else: neither sources nor peers answer it.
    NodeIsolated,
    /// Peers answer it on another port, sources on theirs do not.
    NtpBlockedOnNode,
    /// The operator does not hear it; peers do, and its time is right.
    ControlPlaneCut,
    /// This node's own clock is wrong: most of its sources say so, the same way, and others find them right.
    NodeClockFaulty,
    /// Another program steers this node's clock.
    CompetingDaemon,
    /// The operator does not hear this agent, and nobody else can say more.
    AgentSilent,
    /// A node has fewer usable voters of different roots than can outvote one liar.
    TooFewIndependentVoters,
    /// Nodes that are compared follow different timescales.
    MixedTimescales,
    /// A whole zone is not heard or hears nothing; why is not proven.
    ZoneSilent,
    /// A whole zone hears nothing from outside, while others do, or is not heard while a witness proves that it lives.
    ZoneCut,
    /// Behind one egress nothing from outside answers any more, and what is inside does.
    UplinkLost,
    /// Two groups of nodes, each of one mind, are further apart than is tolerated.
    ClockGroupsDisagree,
}

impl Kind {
    /// The more general word of the same trouble; none = there is none.
    pub const fn general(self) -> Option<Self> {
        match self {
            Self::SourceDead
            | Self::SourceUnreachableFromEgress
            | Self::SourceStale
            | Self::SourceUnsynchronised
            | Self::RateLimited
            | Self::AuthFailed
            | Self::NameUnresolved => Some(Self::SourceUnusable),
            Self::SourceLying | Self::PathAsymmetric => Some(Self::SourceDisagrees),
            Self::NodeIsolated | Self::NtpBlockedOnNode => Some(Self::NodeCutOff),
            Self::ControlPlaneCut => Some(Self::AgentSilent),
            Self::ZoneCut => Some(Self::ZoneSilent),
            Self::SourceUnusable
            | Self::SourceDisagrees
            | Self::NodeCutOff
            | Self::NodeClockFaulty
            | Self::CompetingDaemon
            | Self::AgentSilent
            | Self::TooFewIndependentVoters
            | Self::MixedTimescales
            | Self::ZoneSilent
            | Self::UplinkLost
            | Self::ClockGroupsDisagree => None,
        }
    }
}

/// Whose trouble it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Subject {
    /// A TimeSource.
    Source(String),
    /// A TimeSource as one egress sees it.
    SourceFrom {
        /// Its name.
        source: String,
        /// From there.
        egress: String,
    },
    /// A Node.
    Node(String),
    /// A zone.
    Zone(String),
    /// An egress: nodes that share one way out.
    Egress(String),
    /// All that is compared.
    Cluster,
}

/// How much speaks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Confidence {
    /// As few fresh reporters as may speak at all (two of three nodes, one domain).
    Low,
    /// A majority of the reporters, or several domains.
    Medium,
    /// Nearly all reporters, in several domains.
    High,
}

/// Who was heard for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Fresh reporters that say so …
    pub reporters: u32,
    /// … of all nodes.
    pub nodes: u32,
    /// Their failure domains …
    pub domains: u32,
    /// … of so many.
    pub all_domains: u32,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What.
    pub kind: Kind,
    /// Whose.
    pub subject: Subject,
    /// Since when it stands, by the operator's BOOTTIME.
    pub since: BootTime,
    /// How much speaks for it.
    pub confidence: Confidence,
    /// Who was heard.
    pub coverage: Coverage,
    /// Why, in lines for a person; at most six.
    pub evidence: Vec<String>,
    /// Nodes that it explains: their own alarms are its consequence. In order, at most 100.
    pub nodes: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::Kind;
    use std::collections::BTreeSet;

    #[test]
    fn all_words_are_listed_once_and_generalise_in_one_step() {
        let all: BTreeSet<Kind> = Kind::ALL.iter().copied().collect();
        assert_eq!(all.len(), Kind::ALL.len());
        for kind in Kind::ALL.iter().copied() {
            assert!(
                kind.general().is_none_or(|general| general.general().is_none() && all.contains(&general))
            );
        }
    }
}
