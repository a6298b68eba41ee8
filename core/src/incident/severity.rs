//! How loud: P1 (get up) to P5 (look when there is time), from what it is and how far it reaches.
//!
//! | | whose clocks are right | some clock is out of tolerance |
//! |---|---|---|
//! | one node or few (less than a tenth) | the word's own rank | at least P3 |
//! | several (two or more that are a tenth, or in two zones) | the word's own rank | at least P2 |
//! | wide (two or more that are half of the nodes) | one rank up, at most P2 | P1 |
//!
//! **Must never** call anything P1 while no clock is out of tolerance, but for two groups of clocks that disagree: there
//! one of them is wrong, whatever each node says of itself.

use crate::diagnose::finding::Kind;
use serde::{Deserialize, Serialize};

/// P1 is the loudest; `P1 < P5`, so the loudest of several is their minimum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Severity {
    /// Wide, and clocks are wrong.
    P1,
    /// Several clocks wrong, or all are about to be.
    P2,
    /// One clock is wrong, or something that many rest on is broken.
    P3,
    /// Something is broken and everything else bears it.
    P4,
    /// To be known.
    P5,
}

impl Severity {
    /// From the loudest on.
    pub const ALL: [Self; 5] = [Self::P1, Self::P2, Self::P3, Self::P4, Self::P5];
    /// As labels, columns and metrics write it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::P1 => "P1",
            Self::P2 => "P2",
            Self::P3 => "P3",
            Self::P4 => "P4",
            Self::P5 => "P5",
        }
    }
    /// The severity of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.word() == text)
    }
    const fn louder(self) -> Self {
        match self {
            Self::P1 => Self::P1,
            Self::P2 | Self::P3 => Self::P2,
            Self::P4 => Self::P3,
            Self::P5 => Self::P4,
        }
    }
}

/// How far it reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Nodes that are concerned …
    pub nodes: u32,
    /// … of all that are looked after.
    pub of: u32,
    /// Zones in which they are.
    pub zones: u32,
    /// Of the nodes, those whose own clock is out of tolerance now.
    pub wrong: u32,
}

impl Reach {
    const fn wide(nodes: u32, of: u32) -> bool {
        nodes > 1 && nodes.saturating_mul(2) >= of
    }
    const fn several(nodes: u32, of: u32) -> bool {
        nodes > 1 && nodes.saturating_mul(10) >= of
    }
}

/// The rank of a word while no clock is out of tolerance. None = a breach without a finding: it has no other rank than
/// what is wrong.
const fn rank(kind: Option<Kind>) -> Severity {
    match kind {
        // Nobody can say which group is right.
        Some(Kind::ClockGroupsDisagree) => Severity::P1,
        // All public sources of one way out at once: the last bound grows from now on.
        Some(Kind::UplinkLost | Kind::ZoneCut) => Severity::P2,
        Some(
            Kind::SourceLying
            | Kind::SourceDead
            | Kind::NodeClockFaulty
            | Kind::NodeIsolated
            | Kind::ZoneSilent
            | Kind::MixedTimescales,
        )
        | None => Severity::P3,
        Some(
            Kind::SourceUnusable
            | Kind::SourceUnreachableFromEgress
            | Kind::SourceStale
            | Kind::SourceUnsynchronised
            | Kind::RateLimited
            | Kind::AuthFailed
            | Kind::NameUnresolved
            | Kind::SourceDisagrees
            | Kind::NodeCutOff
            | Kind::NtpBlockedOnNode
            | Kind::ControlPlaneCut
            | Kind::CompetingDaemon
            | Kind::AgentSilent
            | Kind::TooFewIndependentVoters,
        ) => Severity::P4,
        Some(Kind::PathAsymmetric) => Severity::P5,
    }
}

/// The severity of a word (none = a breach that no finding explains) with that reach.
pub const fn severity(kind: Option<Kind>, reach: Reach) -> Severity {
    let rank = rank(kind);
    let by_wrong = if reach.wrong == 0 {
        Severity::P5
    } else if Reach::wide(reach.wrong, reach.of) {
        Severity::P1
    } else if Reach::several(reach.wrong, reach.of) || reach.wrong > 1 && reach.zones > 1 {
        Severity::P2
    } else {
        Severity::P3
    };
    // Nodes that only might be concerned later: louder, but nobody has to get up for it.
    let by_reach = if Reach::wide(reach.nodes, reach.of) { rank.louder() } else { rank };
    let loud = if (by_wrong as u8) < (by_reach as u8) { by_wrong } else { by_reach };
    if (rank as u8) < (loud as u8) { rank } else { loud }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const fn reach(nodes: u32, of: u32, wrong: u32) -> Reach {
        Reach { nodes, of, zones: 1, wrong }
    }

    #[rstest]
    // one liar seen by all of 12, all clocks right
    #[case(Some(Kind::SourceLying), reach(12, 12, 0), Severity::P2)]
    #[case(Some(Kind::SourceLying), reach(2, 12, 0), Severity::P3)]
    // … and half of the clocks followed it
    #[case(Some(Kind::SourceLying), reach(12, 12, 6), Severity::P1)]
    #[case(Some(Kind::SourceDead), reach(3, 12, 0), Severity::P3)]
    #[case(Some(Kind::NtpBlockedOnNode), reach(1, 12, 0), Severity::P4)]
    #[case(Some(Kind::NtpBlockedOnNode), reach(1, 12, 1), Severity::P3)]
    #[case(Some(Kind::PathAsymmetric), reach(3, 12, 0), Severity::P5)]
    #[case(Some(Kind::PathAsymmetric), reach(12, 12, 0), Severity::P4)]
    #[case(Some(Kind::ClockGroupsDisagree), reach(4, 12, 0), Severity::P1)]
    #[case(None, reach(1, 12, 1), Severity::P3)]
    #[case(None, reach(2, 12, 2), Severity::P2)]
    #[case(None, reach(6, 12, 6), Severity::P1)]
    // of 3,000 nodes three are few, whatever the zones
    #[case(None, reach(1, 3_000, 1), Severity::P3)]
    // one node is not a fleet, however few there are
    #[case(None, reach(1, 2, 1), Severity::P3)]
    #[case(None, reach(2, 2, 2), Severity::P1)]
    #[case(None, reach(1, 1, 1), Severity::P3)]
    #[case(Some(Kind::AgentSilent), reach(1, 1, 0), Severity::P4)]
    fn as_in_the_table(#[case] kind: Option<Kind>, #[case] reach: Reach, #[case] wanted: Severity) {
        assert_eq!(severity(kind, reach), wanted);
    }

    #[test]
    fn nothing_but_two_groups_is_p1_while_all_clocks_are_right() {
        for kind in Kind::ALL.iter().copied().filter(|kind| *kind != Kind::ClockGroupsDisagree) {
            for (nodes, of) in [(1, 1), (1, 10), (10, 10), (3_000, 3_000)] {
                assert!(severity(Some(kind), reach(nodes, of, 0)) > Severity::P1, "{kind:?} {nodes}/{of}");
            }
        }
    }

    #[test]
    fn more_nodes_or_more_wrong_clocks_are_never_quieter() {
        for kind in Kind::ALL.iter().copied().map(Some).chain([None]) {
            for wrong in 0..20 {
                for nodes in wrong..20 {
                    let now = severity(kind, reach(nodes, 20, wrong));
                    assert!(severity(kind, reach(nodes + 1, 20, wrong)) <= now);
                    assert!(severity(kind, reach(nodes + 1, 20, wrong + 1)) <= now);
                }
            }
        }
    }

    #[test]
    fn names_go_both_ways() {
        for one in Severity::ALL {
            assert_eq!(Severity::parse(one.word()), Some(one));
        }
        assert_eq!(Severity::parse("P0"), None);
    }
}
