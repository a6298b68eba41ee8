//! Paths: between one egress, one node, one pair and a source that others use.

use super::{Scenario, from, src};
use crate::fleet::fault::Fault::{Block, Dead, Kiss, Loss, Slow, SlowOneWay};
use crate::fleet::fault::{To, Way, Who, egress, node, source, zone};
use crate::fleet::world::FAULT;
use meantime_core::diagnose::finding::Kind;
use meantime_core::units::Nanos;

pub(super) fn all() -> Vec<Scenario> {
    vec![
        Scenario::new("blocked-from-one-egress", "nobody of b gets an answer, a and c do, b reaches others", |w| {
            w.standard().fault(Block(egress("b"), source("gps-a"), Way::TimedOut));
        })
        .says(Kind::SourceUnreachableFromEgress, from("gps-a", "b")),
        Scenario::new("no-route-from-one-egress", "a router says so: host unreachable, only to b", |w| {
            w.standard().fault(Block(egress("b"), source("gps-a"), Way::Unreachable));
        })
        .says(Kind::SourceUnreachableFromEgress, from("gps-a", "b")),
        Scenario::new(
            "rejected-by-the-firewall-of-b",
            "refused only to b: a firewall's reject looks like the host's; it answers a and c, so it is not dead",
            |w| {
                w.standard().fault(Block(egress("b"), source("gps-a"), Way::Refused));
            },
        )
        .says(Kind::SourceUnreachableFromEgress, from("gps-a", "b")),
        Scenario::new("blocked-from-two-of-three", "a still gets answers: it lives", |w| {
            w.standard();
            for name in ["b", "c"] {
                w.fault(Block(egress(name), source("gps-a"), Way::TimedOut));
            }
        })
        .says_each(Kind::SourceUnreachableFromEgress, [from("gps-a", "b"), from("gps-a", "c")]),
        Scenario::new("two-egresses-one-blocked", "two failure domains: the other one's answers prove that it lives", |w| {
            w.zones(&["a", "b"], 2);
            for (name, zone) in [("gps-a", "a"), ("gps-b", "b"), ("gps-x", "a"), ("gps-y", "b")] {
                w.site(name, Some(zone));
            }
            w.fault(Block(egress("b"), source("gps-a"), Way::TimedOut));
        })
        .says(Kind::SourceUnreachableFromEgress, from("gps-a", "b")),
        Scenario::new(
            "public-source-silent-at-one-egress",
            "public ones are not probed: blocked and rate limited look alike, so the general word",
            |w| {
                w.standard().fault(Block(egress("b"), To::Source("pub-1".into()), Way::TimedOut));
            },
        )
        .says(Kind::SourceUnusable, from("pub-1", "b")),
        Scenario::new(
            "public-rate-limit-at-one-egress",
            "the same evidence as a blocked path: nobody may ask it besides chronyd, so the general word",
            |w| {
                w.standard().fault(Kiss("pub-1".into(), egress("b")));
            },
        )
        .says(Kind::SourceUnusable, from("pub-1", "b")),
        Scenario::new("path-of-one-node", "one node of nine, its neighbours get answers: nothing is wrong with source or egress", |w| {
            w.standard().fault(Block(node("b1"), source("gps-a"), Way::TimedOut));
        }),
        Scenario::new("one-node-refused", "refused to one node only: some reject on its way, the source answers all others", |w| {
            w.standard().fault(Block(node("b1"), source("gps-a"), Way::Refused));
        }),
        Scenario::new("one-node-kissed", "one node asks too often: others behind the same egress are served", |w| {
            w.standard().fault(Kiss("gps-a".into(), node("b1")));
        })
        .may(&[Kind::RateLimited]),
        Scenario::new("some-of-an-egress", "two of b's three: not nobody of that egress, so no word about it", |w| {
            w.standard();
            for name in ["b1", "b2"] {
                w.fault(Block(node(name), source("gps-a"), Way::TimedOut));
            }
        })
        .may(&[Kind::SourceUnusable]),
        Scenario::new("path-slower-one-way", "200 ms more delay, 100 ms off, from b only: the path, not the clock", |w| {
            w.standard().fault(SlowOneWay(egress("b"), source("gps-a"), Nanos::from_millis(200)));
        })
        .says(Kind::PathAsymmetric, from("gps-a", "b")),
        Scenario::new("path-slower-both-ways", "200 ms more delay and the offset as ever: nothing is wrong", |w| {
            w.standard().fault(Slow(egress("b"), source("gps-a"), Nanos::from_millis(200)));
        }),
        Scenario::new("path-slightly-asymmetric", "1 ms off by 2 ms of delay: far inside every tolerance", |w| {
            w.standard().fault(SlowOneWay(egress("b"), source("gps-a"), Nanos::from_millis(2)));
        })
        .all_well(),
        Scenario::new("path-loses-a-third", "two of three packets arrive: it answers, so nothing is unreachable", |w| {
            w.standard().fault(Loss(zone("b"), source("gps-a"), 350));
        }),
        Scenario::new("pair-that-never-worked", "c never reached it, since its firewall stands: no evidence of anything", |w| {
            w.standard().always(Block(egress("c"), source("gps-a"), Way::TimedOut));
        })
        .may(&[Kind::SourceUnusable]),
        Scenario::new("dead-and-c-never-knew-it", "a and b had it and lost it, two domains; c has no say", |w| {
            w.standard().always(Block(egress("c"), source("gps-a"), Way::TimedOut));
            w.fault(Dead("gps-a".into()));
        })
        .says(Kind::SourceDead, src("gps-a")),
        Scenario::new("blocked-and-c-never-knew-it", "b lost it, a has it: the path of b; c has no say", |w| {
            w.standard().always(Block(egress("c"), source("gps-a"), Way::TimedOut));
            w.fault(Block(egress("b"), source("gps-a"), Way::TimedOut));
        })
        .says(Kind::SourceUnreachableFromEgress, from("gps-a", "b")),
        Scenario::new("source-that-never-worked", "a typing mistake in a new TimeSource: nobody ever heard it", |w| {
            w.standard().site("gps-x", None);
            w.always(Block(Who::All, source("gps-x"), Way::TimedOut));
        })
        .may(&[Kind::SourceUnusable]),
        Scenario::new("healed", "dead for five minutes, back for ten: at the end nothing is wrong", |w| {
            w.standard().during(FAULT, FAULT + 19, Dead("gps-a".into()));
        })
        .meanwhile(Kind::SourceDead, [src("gps-a")])
        .all_well(),
        Scenario::new("two-polls-lost", "fewer than three unanswered polls are no silence", |w| {
            let last = w.ticks;
            w.standard().during(last - 3, last, Dead("gps-a".into()));
        })
        .all_well(),
    ]
}
