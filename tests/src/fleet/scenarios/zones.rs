//! Whole zones and ways out.

use super::{Scenario, eg, nd, src, zn};
use crate::fleet::fault::Fault::{AgentDead, ApiCut, Block, Dead, NoDaemon, PowerOff, ZoneCut};
use crate::fleet::fault::{To, Way, Who, egress, zone};
use crate::fleet::world::World;
use meantime_core::diagnose::finding::Kind;

/// A zone whose nodes follow two sources of their own and nothing else; other zones know nothing of these.
fn own_sources(w: &mut World) {
    w.standard().zones(&["d"], 3);
    for name in ["d-1", "d-2"] {
        w.site(name, Some("d"));
    }
    for machine in &mut w.machines {
        let own = machine.zone.as_deref() == Some("d");
        let names: &[&str] =
            if own { &["d-1", "d-2"] } else { &["gps-a", "gps-b", "gps-c", "pub-1", "pub-2"] };
        machine.plan = Some(names.iter().map(|name| (*name).to_owned()).collect());
    }
}

pub(super) fn all() -> Vec<Scenario> {
    vec![
        Scenario::new("zone-cut", "heard: inside its own source and peers answer, nothing outside; b and c hear each other", |w| {
            w.standard().fault(ZoneCut("a".into()));
        })
        .says(Kind::ZoneCut, zn("a"))
        .may(&[Kind::TooFewIndependentVoters]),
        Scenario::new("zone-cut-without-a-source", "nothing from outside, peers inside answer, all others hear everything", |w| {
            w.standard().zones(&["d"], 3).fault(ZoneCut("d".into()));
        })
        .says(Kind::ZoneCut, zn("d"))
        .may(&[Kind::TooFewIndependentVoters]),
        Scenario::new(
            "zone-without-power",
            "unheard, its source and its agents answer nobody outside: cut or dark, nobody outside can tell",
            |w| {
                w.standard().fault(PowerOff(zone("a"))).fault(Dead("gps-a".into()));
            },
        )
        .says(Kind::ZoneSilent, zn("a"))
        .may(&[Kind::SourceUnusable]),
        Scenario::new("zone-cut-and-unheard", "alive inside, and the same evidence outside as without power", |w| {
            w.standard().fault(ZoneCut("a".into())).fault(ApiCut(zone("a")));
        })
        .says(Kind::ZoneSilent, zn("a"))
        .may(&[Kind::SourceUnusable]),
        Scenario::new("zone-unheard-peers-answer", "peers in other zones hear all of it: the zone lives without the operator", |w| {
            w.standard().fault(ApiCut(zone("a")));
        })
        .says(Kind::ZoneCut, zn("a"))
        .may(&[Kind::ControlPlaneCut]),
        Scenario::new(
            "zone-unheard-its-source-answers",
            "no peers: its source shows power and a way in, not why all its agents are silent",
            |w| {
                w.standard().fault(AgentDead(zone("a")));
                w.peers = false;
            },
        )
        .says(Kind::ZoneSilent, zn("a"))
        .may(&[Kind::ZoneCut]),
        Scenario::new("zone-of-one-unheard", "a zone of one node: the node's silence says it, no zone's", |w| {
            w.standard().zones(&["d"], 1).fault(AgentDead(zone("d")));
        })
        .says(Kind::AgentSilent, nd("d1"))
        .may(&[Kind::ZoneSilent]),
        Scenario::new("both-sources-of-a-zone-silent", "only one domain ever used them; peers outside answer: dead or blocked is open", |w| {
            own_sources(w);
            w.fault(Dead("d-1".into())).fault(Dead("d-2".into()));
        })
        .says_each(Kind::SourceUnusable, [src("d-1"), src("d-2")])
        .may(&[Kind::ZoneSilent, Kind::TooFewIndependentVoters]),
        Scenario::new("both-sources-of-a-zone-refuse", "their hosts say that nobody listens: dead, and no cut", |w| {
            own_sources(w);
            w.fault(NoDaemon("d-1".into())).fault(NoDaemon("d-2".into()));
        })
        .says_each(Kind::SourceDead, [src("d-1"), src("d-2")])
        .may(&[Kind::ZoneSilent, Kind::TooFewIndependentVoters]),
        Scenario::new("two-sources-of-a-zone-gone", "both dead to all three zones, whose agents all hear each other", |w| {
            w.standard().site("gps-a2", Some("a"));
            w.fault(Dead("gps-a".into())).fault(Dead("gps-a2".into()));
        })
        .says_each(Kind::SourceDead, [src("gps-a"), src("gps-a2")]),
        Scenario::new("port-123-blocked-in-a-zone", "no source for all of a, peers across zones answer: no cut; what closed the port is open", |w| {
            w.standard().fault(Block(zone("a"), To::All, Way::TimedOut));
        })
        .says(Kind::ZoneSilent, zn("a"))
        .may(&[
            Kind::NtpBlockedOnNode,
            Kind::SourceUnreachableFromEgress,
            Kind::UplinkLost,
            Kind::TooFewIndependentVoters,
        ]),
        Scenario::new("two-zones-one-cut", "a reaches its own and the public ones, b only its own: b is cut", |w| {
            two_zones(w);
            w.fault(ZoneCut("b".into()));
        })
        .says(Kind::ZoneCut, zn("b"))
        .may(&[Kind::TooFewIndependentVoters]),
        Scenario::new(
            "two-zones-apart",
            "neither reaches the other, both reach the public ones: who is cut from whom cannot be said of a zone",
            |w| {
                two_zones(w);
                for (from, to) in [("a", "gps-b"), ("b", "gps-a")] {
                    w.fault(Block(zone(from), To::Source(to.into()), Way::TimedOut));
                }
            },
        )
        .says_each(
            Kind::SourceUnreachableFromEgress,
            [super::from("gps-b", "a"), super::from("gps-a", "b")],
        ),
        Scenario::new("uplink-of-one-zone-lost", "both public ones silent behind b, all inside answers; others reach them", |w| {
            w.standard().fault(Block(egress("b"), To::Public, Way::TimedOut));
        })
        .says(Kind::UplinkLost, eg("b")),
        Scenario::new("uplink-of-the-one-nat-lost", "two public roots at once behind the only way out, all inside answers", |w| {
            w.standard().one_nat().fault(Block(Who::All, To::Public, Way::TimedOut));
        })
        .says(Kind::UplinkLost, eg("nat")),
        Scenario::new(
            "all-public-gone-everywhere",
            "no egress reaches any public source: three uplinks or two sources, nobody can tell",
            |w| {
                w.standard().fault(Block(Who::All, To::Public, Way::TimedOut));
            },
        )
        .says_each(Kind::SourceUnusable, [src("pub-1"), src("pub-2")])
        .may(&[Kind::UplinkLost]),
    ]
}

fn two_zones(w: &mut World) {
    w.zones(&["a", "b"], 3);
    w.site("gps-a", Some("a"));
    w.site("gps-b", Some("b"));
    for name in ["pub-1", "pub-2", "pub-3"] {
        w.public(name);
    }
}
