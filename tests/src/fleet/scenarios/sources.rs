//! Each finding about a source, alone: three zones with an egress each, five roots.

use super::{Scenario, from, nd, src};
use crate::fleet::fault::Fault::{
    Ahead, Dead, Drifts, Kiss, Nameless, NoDaemon, SaysUnsynchronised, StratumSixteen, UpstreamLost,
};
use crate::fleet::fault::{Who, egress};
use meantime_core::diagnose::finding::Kind;
use meantime_core::units::{Nanos, Ppb};

pub(super) fn all() -> Vec<Scenario> {
    vec![
        Scenario::new("source-machine-gone", "silent from three egresses, each of which reaches others", |w| {
            w.standard().fault(Dead("gps-a".into()));
        })
        .says(Kind::SourceDead, src("gps-a")),
        Scenario::new("source-daemon-gone", "its own host says that nobody listens, to all zones", |w| {
            w.standard().fault(NoDaemon("gps-a".into()));
        })
        .says(Kind::SourceDead, src("gps-a")),
        Scenario::new(
            "public-source-gone",
            "silent from three egresses, each of which reaches the other public one; rate limits are per egress",
            |w| {
                w.standard().fault(Dead("pub-1".into()));
            },
        )
        .says(Kind::SourceDead, src("pub-1")),
        Scenario::new("source-lost-its-upstream", "it answers, leap 0; its reference grew older than an hour", |w| {
            w.standard().always(UpstreamLost("gps-a".into(), Nanos::from_secs(3_000)));
        })
        .says(Kind::SourceStale, src("gps-a")),
        Scenario::new("source-says-leap-3", "it answers and says so itself", |w| {
            w.standard().fault(SaysUnsynchronised("gps-a".into(), Who::All));
        })
        .says(Kind::SourceUnsynchronised, src("gps-a")),
        Scenario::new("source-says-stratum-16", "leap 0 and stratum 16 is the same word of its own", |w| {
            w.standard().fault(StratumSixteen("gps-a".into()));
        })
        .says(Kind::SourceUnsynchronised, src("gps-a")),
        Scenario::new(
            "unsynchronised-for-one-egress",
            "two servers behind one address: what b gets is not synchronised, what others get is",
            |w| {
                w.standard().fault(SaysUnsynchronised("gps-a".into(), egress("b")));
            },
        )
        .says(Kind::SourceUnsynchronised, from("gps-a", "b")),
        Scenario::new("rate-limited-everywhere", "a kiss-o'-death is an answer, and every egress gets it", |w| {
            w.standard().fault(Kiss("gps-a".into(), Who::All));
        })
        .says(Kind::RateLimited, src("gps-a")),
        Scenario::new("rate-limited-at-one-egress", "a budget per address: only b's nodes are refused", |w| {
            w.standard().fault(Kiss("gps-a".into(), egress("b")));
        })
        .says(Kind::RateLimited, from("gps-a", "b")),
        Scenario::new("name-without-address", "one name of two has no address, on all nodes, from the start", |w| {
            w.standard().always(Nameless("pub-1".into(), Who::All));
        })
        .says(Kind::NameUnresolved, src("pub-1")),
        Scenario::new("no-name-has-an-address", "every declared name fails on all nodes; addresses go on working", |w| {
            w.standard();
            w.always(Nameless("pub-1".into(), Who::All)).always(Nameless("pub-2".into(), Who::All));
        })
        .says_each(Kind::NameUnresolved, [src("pub-1"), src("pub-2")]),
        Scenario::new("liar", "200 ms off by the same amount from three zones, delays as ever", |w| {
            w.standard().fault(Ahead("gps-a".into(), Nanos::from_millis(200), Who::All));
        })
        .says(Kind::SourceLying, src("gps-a")),
        Scenario::new("public-liar", "off by far more than half its round trip, from three egresses", |w| {
            w.standard().fault(Ahead("pub-1".into(), Nanos::from_millis(-300), Who::All));
        })
        .says(Kind::SourceLying, src("pub-1")),
        Scenario::new("liar-that-creeps", "150 ppm: no jump anywhere, beyond tolerance in the end", |w| {
            w.standard().fault(Drifts("gps-a".into(), Ppb::from_ppm(150)));
        })
        .says(Kind::SourceLying, src("gps-a")),
        Scenario::new("two-liars-of-one-root", "two of seven lie alike; both are seen to, whatever they share", |w| {
            w.standard();
            for name in ["gps-x", "gps-y"] {
                "roof".clone_into(&mut w.site(name, None).independence);
                w.fault(Ahead(name.into(), Nanos::from_millis(150), Who::All));
            }
        })
        .says_each(Kind::SourceLying, [src("gps-x"), src("gps-y")]),
        Scenario::new(
            "majority-lies",
            "three of five jump together: nine oscillators in three zones say that the sources moved",
            |w| {
                w.standard();
                for name in ["gps-a", "gps-b", "gps-c"] {
                    w.fault(Ahead(name.into(), Nanos::from_millis(200), Who::All));
                }
            },
        )
        .says_each(Kind::SourceLying, [src("gps-a"), src("gps-b"), src("gps-c")])
        .may(&[Kind::TooFewIndependentVoters]),
        Scenario::new("one-misses-the-leap-second", "one second off from the leap second on", |w| {
            w.standard().fault(Ahead("gps-b".into(), Nanos::SECOND, Who::All));
            w.during(16, 32, crate::fleet::fault::Fault::AnnouncesLeap("gps-a".into()));
        })
        .says(Kind::SourceLying, src("gps-b")),
        Scenario::new("never-enough-roots", "three sources behind one antenna are one root, for all three nodes", |w| {
            w.small(3);
            w.servers.truncate(3);
            for server in &mut w.servers {
                "roof".clone_into(&mut server.independence);
            }
        })
        .says_each(Kind::TooFewIndependentVoters, [nd("n1"), nd("n2"), nd("n3")]),
        Scenario::new(
            "too-few-left",
            "two of four dead behind one NAT: dead or blocked is open; two roots cannot outvote one",
            |w| {
                w.small(3).fault(Dead("s1".into())).fault(Dead("s2".into()));
            },
        )
        .says_each(Kind::SourceUnusable, [src("s1"), src("s2")])
        .says_each(Kind::TooFewIndependentVoters, [nd("n1"), nd("n2"), nd("n3")]),
        Scenario::new("one-node-planned-with-two", "one policy picks two roots for one node only", |w| {
            w.standard().at("a1").plan = Some(vec!["gps-a".into(), "gps-b".into()]);
        })
        .says(Kind::TooFewIndependentVoters, nd("a1")),
    ]
}
