//! Pairs that look alike at first: what tells them apart is in other nodes' views, or nowhere.

use super::{Scenario, from, nd, src};
use crate::fleet::fault::Fault::{
    AgentDead, Ahead, Block, Dead, Drifts, Kiss, PeersBlocked, RunsAway, Slow, SlowOneWay, UpstreamLost,
};
use crate::fleet::fault::{To, Way, Who, egress, node, source};
use meantime_core::diagnose::finding::Kind;
use meantime_core::observation::ClockProfile;
use meantime_core::snapshot::Role;
use meantime_core::source::Timescale;
use meantime_core::units::{Nanos, Ppb};

pub(super) fn all() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "dead-or-blocked-behind-one-nat",
            "one way out, one silent source: dead and blocked look the same",
            |w| {
                w.standard().one_nat().fault(Dead("gps-a".into()));
            },
        )
        .says(Kind::SourceUnusable, src("gps-a")),
        Scenario::new("refused-behind-one-nat", "its host says it: no second way out is needed", |w| {
            w.standard().one_nat().fault(crate::fleet::fault::Fault::NoDaemon("gps-a".into()));
        })
        .says(Kind::SourceDead, src("gps-a")),
        Scenario::new(
            "kissed-behind-one-nat",
            "a kiss is an answer: it lives, whoever counts the addresses",
            |w| {
                w.standard().one_nat().fault(Kiss("gps-a".into(), Who::All));
            },
        )
        .says(Kind::RateLimited, src("gps-a")),
        Scenario::new(
            "blocked-here-kissed-there",
            "c gets answers, b a kiss, a nothing: alive, and two reasons",
            |w| {
                w.standard().fault(Kiss("gps-a".into(), egress("b")));
                w.fault(Block(egress("a"), source("gps-a"), Way::TimedOut));
            },
        )
        .says(Kind::RateLimited, from("gps-a", "b"))
        .says(Kind::SourceUnreachableFromEgress, from("gps-a", "a")),
        Scenario::new(
            "kissed-everywhere-but-blocked-in-a",
            "who refuses is not dead, also if a hears nothing",
            |w| {
                w.standard();
                for name in ["b", "c"] {
                    w.fault(Kiss("gps-a".into(), egress(name)));
                }
                w.fault(Block(egress("a"), source("gps-a"), Way::TimedOut));
            },
        )
        .says_each(Kind::RateLimited, [from("gps-a", "b"), from("gps-a", "c")])
        .says(Kind::SourceUnreachableFromEgress, from("gps-a", "a")),
        Scenario::new(
            "refused-here-silent-there",
            "b and c hear the host's refusal, a's way swallows it: dead all the same",
            |w| {
                w.standard().fault(crate::fleet::fault::Fault::NoDaemon("gps-a".into()));
                w.fault(Block(egress("a"), source("gps-a"), Way::TimedOut));
            },
        )
        .says(Kind::SourceDead, src("gps-a")),
        Scenario::new(
            "off-for-one-egress-only",
            "100 ms off for b without more delay, right for others: a path cannot, a liar would not",
            |w| {
                w.standard().fault(Ahead("gps-a".into(), Nanos::from_millis(100), egress("b")));
            },
        )
        .says(Kind::SourceDisagrees, from("gps-a", "b")),
        Scenario::new(
            "off-for-one-node-only",
            "one view of nine: no word about the source, none about the node, four others fit",
            |w| {
                w.standard().fault(Ahead("gps-a".into(), Nanos::from_millis(100), node("b1")));
            },
        )
        .may(&[Kind::SourceDisagrees]),
        Scenario::new(
            "liar-on-a-slower-path",
            "200 ms off for all; b's path is slower besides, by far too little to explain it",
            |w| {
                w.standard().fault(Ahead("gps-a".into(), Nanos::from_millis(200), Who::All));
                w.fault(Slow(egress("b"), source("gps-a"), Nanos::from_millis(30)));
            },
        )
        .says(Kind::SourceLying, src("gps-a")),
        Scenario::new(
            "liar-all-paths-slower",
            "off by 80 ms, and every path to it slower by 160: the path may be all of it",
            |w| {
                w.standard().fault(SlowOneWay(Who::All, source("gps-a"), Nanos::from_millis(160)));
            },
        )
        .may(&[Kind::PathAsymmetric, Kind::SourceDisagrees]),
        Scenario::new(
            "node-behind-a-lopsided-link",
            "everything 75 ms off for one node, everything 150 ms slower: its path, not its clock",
            |w| {
                w.standard().fault(SlowOneWay(node("b1"), To::All, Nanos::from_millis(150)));
            },
        )
        .may(&[Kind::PathAsymmetric]),
        Scenario::new(
            "faulty-node-and-a-liar",
            "a1 is off from all, gps-b is off for all: each its own word",
            |w| {
                w.standard().fault(Ahead("gps-b".into(), Nanos::from_millis(-200), Who::All));
                w.at("a1").profile = ClockProfile::Virtual;
                w.fault(RunsAway(node("a1"), Ppb::from_ppm(120)));
            },
        )
        .says(Kind::SourceLying, src("gps-b"))
        .says(Kind::NodeClockFaulty, nd("a1")),
        Scenario::new(
            "smear-undeclared",
            "declared UTC, serves a smear: it creeps away at 60 ppm, as a liar does",
            |w| {
                w.standard().fault(Drifts("pub-1".into(), Ppb::from_ppm(60)));
            },
        )
        .says(Kind::SourceLying, src("pub-1")),
        Scenario::new("smear-declared", "a witness of another scale, 300 ms off: it is not compared", |w| {
            let eye = w.standard().site("smeared", None);
            (eye.role, eye.timescale) = (Role::Witness, Timescale::Smear("google24h".into()));
            eye.ahead = Nanos::from_millis(300);
        })
        .all_well(),
        Scenario::new(
            "stale-but-right",
            "its reference is old, its time still good: stale, not lying",
            |w| {
                w.standard().always(UpstreamLost("gps-b".into(), Nanos::from_secs(7_200)));
            },
        )
        .says(Kind::SourceStale, src("gps-b")),
        Scenario::new(
            "stale-and-off",
            "its reference is old and its time is 200 ms off: both are proven",
            |w| {
                w.standard().always(UpstreamLost("gps-b".into(), Nanos::from_secs(7_200)));
                w.fault(Ahead("gps-b".into(), Nanos::from_millis(200), Who::All));
            },
        )
        .says(Kind::SourceLying, src("gps-b"))
        .may(&[Kind::SourceStale]),
        Scenario::new(
            "isolated-with-a-dead-source",
            "a1 hears nobody; gps-b is dead to all others: two causes",
            |w| {
                w.standard().fault(Dead("gps-b".into())).fault(PeersBlocked(node("a1")));
                w.fault(Block(node("a1"), To::All, Way::TimedOut));
            },
        )
        .says(Kind::NodeIsolated, nd("a1"))
        .says(Kind::SourceDead, src("gps-b")),
        Scenario::new(
            "peers-blocked-sources-fine",
            "the peers' port is closed on one node: time is right, no finding",
            |w| {
                w.standard().fault(PeersBlocked(node("a1")));
            },
        )
        .all_well(),
        Scenario::new(
            "dead-source-half-the-agents-silent",
            "three zones still report: the rest votes; silence is no vote",
            |w| {
                w.standard().fault(Dead("gps-a".into()));
                for name in ["a1", "b1", "c1", "a2"] {
                    w.fault(AgentDead(node(name)));
                }
            },
        )
        .says(Kind::SourceDead, src("gps-a"))
        .says_each(Kind::AgentSilent, [nd("a1"), nd("b1"), nd("c1"), nd("a2")]),
        Scenario::new(
            "liar-seen-by-one-domain",
            "all fresh reporters are in one zone: who lies there may be a path of that zone",
            |w| {
                w.standard().fault(Ahead("gps-a".into(), Nanos::from_millis(200), Who::All));
                for name in ["b1", "b2", "b3", "c1", "c2", "c3"] {
                    w.fault(AgentDead(node(name)));
                }
            },
        )
        .says(Kind::SourceDisagrees, src("gps-a"))
        .may(&[Kind::AgentSilent, Kind::ZoneSilent]),
    ]
}
