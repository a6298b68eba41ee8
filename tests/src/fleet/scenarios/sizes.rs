//! Clusters of one, two, three, thirty and three thousand nodes, where size changes what can be known; and several
//! troubles at once.

use super::{Scenario, from, nd, src};
use crate::fleet::fault::Fault::{AgentDead, Ahead, Block, Dead, Kiss, NoDaemon};
use crate::fleet::fault::{To, Way, Who, egress, node, source};
use crate::fleet::world::World;
use meantime_core::diagnose::finding::Kind;
use meantime_core::observation::ClockProfile;
use meantime_core::units::Nanos;

/// One node in each of so many zones, five sources that stand outside of all of them.
fn one_each(w: &mut World, zones: &[&str]) {
    w.zones(zones, 1);
    for number in 1..=5 {
        w.site(&format!("s{number}"), None);
    }
}

pub(super) fn all() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "one-node-source-silent",
            "one node knows that it gets no time from it, and not why",
            |w| {
                w.small(1).fault(Dead("s1".into()));
            },
        )
        .says(Kind::SourceUnusable, src("s1")),
        Scenario::new(
            "one-node-source-refused",
            "one node: what it can know, it can; the host itself said it",
            |w| {
                w.small(1).fault(NoDaemon("s1".into()));
            },
        )
        .says(Kind::SourceDead, src("s1")),
        Scenario::new("one-node-kissed-by-one", "one node: a kiss is a word of the source", |w| {
            w.small(1).fault(Kiss("s1".into(), Who::All));
        })
        .says(Kind::RateLimited, src("s1")),
        Scenario::new("one-node-all-silent", "cut off or all dead: nobody to ask", |w| {
            w.small(1).fault(Block(Who::All, To::All, Way::TimedOut));
        })
        .may(&[Kind::NodeCutOff, Kind::SourceUnusable, Kind::TooFewIndependentVoters]),
        Scenario::new(
            "one-node-clock-off",
            "80 ms from four roots that agree; no other node agrees with them",
            |w| {
                let lone = w.small(1).at("n1");
                (lone.profile, lone.ahead) = (ClockProfile::Virtual, Nanos::from_millis(80));
            },
        )
        .may(&[Kind::NodeClockFaulty]),
        Scenario::new(
            "one-node-one-liar",
            "one view, three roots against one: it disagrees, why is open",
            |w| {
                w.small(1).fault(Ahead("s1".into(), Nanos::from_millis(200), Who::All));
            },
        )
        .says(Kind::SourceDisagrees, src("s1")),
        Scenario::new(
            "two-nodes-one-hears-it",
            "two behind one egress, one hears the source: it lives, the egress lets it through",
            |w| {
                w.small(2).fault(Block(node("n1"), source("s1"), Way::TimedOut));
            },
        ),
        Scenario::new(
            "two-nodes-two-zones-dead",
            "two domains, both reach the four others: dead, at low confidence",
            |w| {
                one_each(w, &["a", "b"]);
                w.fault(Dead("s1".into()));
            },
        )
        .says(Kind::SourceDead, src("s1")),
        Scenario::new("three-nodes-two-fresh", "two fresh of three suffice; the third is silent", |w| {
            one_each(w, &["a", "b", "c"]);
            w.fault(Dead("s1".into())).fault(AgentDead(node("c1")));
        })
        .says(Kind::SourceDead, src("s1"))
        .says(Kind::AgentSilent, nd("c1"))
        .may(&[Kind::ZoneSilent]),
        Scenario::new("three-nodes-one-fresh", "one fresh of three is no majority", |w| {
            one_each(w, &["a", "b", "c"]);
            w.fault(Dead("s1".into())).fault(AgentDead(node("b1"))).fault(AgentDead(node("c1")));
        })
        .says_each(Kind::AgentSilent, [nd("b1"), nd("c1")])
        .may(&[Kind::SourceUnusable, Kind::ZoneSilent]),
        Scenario::new(
            "heads-do-not-count-domains-do",
            "20 nodes of one egress lose it, one of another has it: it lives",
            |w| {
                w.zones(&["a"], 20).zones(&["b"], 1);
                for number in 1..=5 {
                    w.site(&format!("s{number}"), None);
                }
                w.fault(Block(egress("a"), source("s1"), Way::TimedOut));
            },
        )
        .says(Kind::SourceUnreachableFromEgress, from("s1", "a")),
        Scenario::new(
            "thirty-nodes-three-troubles",
            "a liar, a silent agent, a blocked egress: each its own word",
            |w| {
                w.standard().zones(&["a", "b", "c"], 0);
                for zone in ["a", "b", "c"] {
                    for number in 4..=10 {
                        w.machine(&format!("{zone}{number}"), Some(zone), Some(zone));
                    }
                }
                w.fault(Ahead("gps-a".into(), Nanos::from_millis(200), Who::All));
                w.fault(AgentDead(node("b5"))).fault(Block(egress("c"), source("gps-b"), Way::TimedOut));
            },
        )
        .says(Kind::SourceLying, src("gps-a"))
        .says(Kind::AgentSilent, nd("b5"))
        .says(Kind::SourceUnreachableFromEgress, from("gps-b", "c")),
        Scenario::new(
            "three-thousand-nodes",
            "a dead source and one silent agent among three thousand: two findings, not 3,001",
            |w| {
                w.zones(&["a", "b", "c"], 1_000);
                for zone in ["a", "b", "c"] {
                    w.site(&format!("gps-{zone}"), Some(zone));
                }
                w.site("gps-x", None);
                w.fault(Dead("gps-a".into())).fault(AgentDead(node("b500")));
                // A silent agent is told of after five minutes: it may be booting.
                w.ticks = 56;
            },
        )
        .says(Kind::SourceDead, src("gps-a"))
        .says(Kind::AgentSilent, nd("b500")),
    ]
}
