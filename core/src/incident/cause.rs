//! What an incident is about, and which trouble is only the consequence of another.

use crate::diagnose::finding::{Finding, Kind, Subject};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Why an incident was opened.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Cause {
    /// All nodes together prove it.
    Found {
        /// What.
        kind: Kind,
        /// Whose.
        subject: Subject,
    },
    /// One node is out of tolerance, and no finding says why.
    Breach {
        /// The node.
        node: String,
        /// Its condition's reason: text, for an agent may be newer than this operator.
        reason: String,
    },
    /// More nodes than [`super::Figures::apart`] are, and no finding says why.
    Fleet,
}

/// What stays the same of a cause when its word becomes more exact: an incident is one of these.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Family {
    /// The general word and the subject.
    Found(Kind, Subject),
    /// One node's breach.
    Breach(String),
    /// Many nodes' breaches.
    Fleet,
}

/// The word of [`Cause::Fleet`].
pub const FLEET: &str = "FleetOutOfTolerance";

impl Cause {
    /// Which incident it belongs to.
    pub fn family(&self) -> Family {
        match self {
            Self::Found { kind, subject } => Family::Found(root(*kind), subject.clone()),
            Self::Breach { node, .. } => Family::Breach(node.clone()),
            Self::Fleet => Family::Fleet,
        }
    }
    /// The word.
    pub fn word(&self) -> &str {
        match self {
            Self::Found { kind, .. } => kind.word(),
            Self::Breach { reason, .. } => reason,
            Self::Fleet => FLEET,
        }
    }
    /// Whose trouble it is.
    pub fn subject(&self) -> Subject {
        match self {
            Self::Found { subject, .. } => subject.clone(),
            Self::Breach { node, .. } => Subject::Node(node.clone()),
            Self::Fleet => Subject::Cluster,
        }
    }
    /// The finding's word; none = a breach.
    pub const fn kind(&self) -> Option<Kind> {
        match self {
            Self::Found { kind, .. } => Some(*kind),
            Self::Breach { .. } | Self::Fleet => None,
        }
    }
}

impl Family {
    /// The same text for the same family, in every process and release: names are made of its hash.
    pub fn text(&self) -> String {
        match self {
            Self::Found(kind, subject) => format!("{} {}", kind.word(), about(subject)),
            Self::Breach(node) => format!("Breach {}", about(&Subject::Node(node.clone()))),
            Self::Fleet => FLEET.to_owned(),
        }
    }
}

/// The general word.
pub fn root(kind: Kind) -> Kind {
    kind.general().unwrap_or(kind)
}

/// A subject for a person: `TimeSource/dc1-gps`, `TimeSource/dc1-gps from dc2`, `Node/n1`, `Zone/a`, `Egress/x`, `Cluster`.
pub fn about(subject: &Subject) -> String {
    match subject {
        Subject::Source(name) => format!("TimeSource/{name}"),
        Subject::SourceFrom { source, egress } => format!("TimeSource/{source} from {egress}"),
        Subject::Node(name) => format!("Node/{name}"),
        Subject::Zone(name) => format!("Zone/{name}"),
        Subject::Egress(name) => format!("Egress/{name}"),
        Subject::Cluster => "Cluster".to_owned(),
    }
}

/// Findings of one family that stand together: one trouble.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub kind: Kind,
    pub subject: Subject,
    pub since: crate::clocks::BootTime,
    pub evidence: Vec<String>,
    pub nodes: BTreeSet<String>,
}

impl Group {
    pub fn family(&self) -> Family {
        Family::Found(root(self.kind), self.subject.clone())
    }
    pub fn cause(&self) -> Cause {
        Cause::Found { kind: self.kind, subject: self.subject.clone() }
    }
    /// The standing findings by family. Of two words of one family the specific one is said, of two specific ones the
    /// first in the order of [`Kind`].
    pub fn all(findings: &[Finding]) -> Vec<Self> {
        let mut groups: std::collections::BTreeMap<Family, Self> = std::collections::BTreeMap::new();
        for one in findings {
            let mut nodes: BTreeSet<String> = one.nodes.iter().cloned().collect();
            if let Subject::Node(name) = &one.subject {
                nodes.insert(name.clone());
            }
            let new = Self {
                kind: one.kind,
                subject: one.subject.clone(),
                since: one.since,
                evidence: one.evidence.clone(),
                nodes,
            };
            let Some(known) = groups.get_mut(&new.family()) else {
                groups.insert(new.family(), new);
                continue;
            };
            let better =
                (known.kind.general().is_none(), known.kind) > (new.kind.general().is_none(), new.kind);
            known.since = known.since.min(new.since);
            known.nodes.extend(new.nodes);
            if better {
                known.kind = new.kind;
                known.evidence = new.evidence;
            }
        }
        groups.into_values().collect()
    }
    /// Whether a node that is out of tolerance is so because of this.
    pub fn explains_breach(&self, node: &str) -> bool {
        self.nodes.contains(node)
    }
    /// Whether that other trouble is only a consequence of this one.
    pub fn explains(&self, kind: Kind, subject: &Subject) -> bool {
        let reaches = match (&self.subject, subject) {
            (Subject::Source(one), Subject::SourceFrom { source, .. }) => one == source,
            (Subject::Egress(one), Subject::SourceFrom { egress, .. }) => one == egress,
            (_, Subject::Node(node)) => {
                self.subject != *subject && self.nodes.contains(node)
                    || self.subject == *subject && root(self.kind) != root(kind)
            }
            (_, _) => false,
        };
        reaches && follows(root(kind), root(self.kind))
    }
}

/// Whether the general word `consequence` can follow from `cause` where their subjects meet. No word follows from what
/// follows from it.
const fn follows(consequence: Kind, cause: Kind) -> bool {
    match consequence {
        // A source as seen from one place: the source as a whole, or the way out of that place.
        Kind::SourceUnusable => matches!(cause, Kind::SourceUnusable | Kind::UplinkLost),
        Kind::SourceDisagrees => matches!(cause, Kind::SourceDisagrees),
        Kind::NodeCutOff => matches!(cause, Kind::ZoneSilent | Kind::UplinkLost),
        Kind::AgentSilent => matches!(cause, Kind::ZoneSilent),
        Kind::TooFewIndependentVoters => matches!(
            cause,
            Kind::SourceUnusable
                | Kind::SourceDisagrees
                | Kind::NodeCutOff
                | Kind::ZoneSilent
                | Kind::UplinkLost
                | Kind::NodeClockFaulty
        ),
        // These stand for themselves. (The specific words never get here: see `root`.)
        Kind::NodeClockFaulty
        | Kind::CompetingDaemon
        | Kind::MixedTimescales
        | Kind::ZoneSilent
        | Kind::UplinkLost
        | Kind::ClockGroupsDisagree
        | Kind::SourceDead
        | Kind::SourceUnreachableFromEgress
        | Kind::SourceStale
        | Kind::SourceUnsynchronised
        | Kind::RateLimited
        | Kind::AuthFailed
        | Kind::NameUnresolved
        | Kind::SourceLying
        | Kind::PathAsymmetric
        | Kind::NodeIsolated
        | Kind::NtpBlockedOnNode
        | Kind::ControlPlaneCut
        | Kind::ZoneCut => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_follows_from_what_follows_from_it() {
        for one in Kind::ALL.iter().copied() {
            for other in Kind::ALL.iter().copied().filter(|other| *other != one) {
                assert!(!(follows(one, other) && follows(other, one)), "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn families_have_texts_of_their_own() {
        let families = [
            Family::Found(Kind::SourceUnusable, Subject::Source("a".into())),
            Family::Found(Kind::SourceDisagrees, Subject::Source("a".into())),
            Family::Found(Kind::AgentSilent, Subject::Node("a".into())),
            Family::Breach("a".into()),
            Family::Fleet,
        ];
        let texts: BTreeSet<String> = families.iter().map(Family::text).collect();
        assert_eq!(texts.len(), families.len());
    }
}
