//! Clocks that are wrong: one node's, several nodes', a group's, a zone's; and timescales.

use super::{Scenario, nd, src};
use crate::fleet::fault::Fault::{Ahead, Drifts, Paused, RunsAway, Step};
use crate::fleet::fault::{Who, node, zone};
use crate::fleet::world::{FAULT, World};
use meantime_core::diagnose::finding::{Kind, Subject};
use meantime_core::observation::ClockProfile;
use meantime_core::source::Timescale;
use meantime_core::units::{Nanos, Ppb};

/// Six nodes in two zones; `a1 b1 a2` follow `x-1 … x-3` and the other three `y-1 … y-3`: no source in common.
pub(super) fn two_groups(w: &mut World) {
    w.zones(&["a", "b"], 3);
    for group in ["x", "y"] {
        for number in 1..=3 {
            w.site(&format!("{group}-{number}"), None);
        }
    }
    for (index, machine) in w.machines.iter_mut().enumerate() {
        let group = if index < 3 { "x" } else { "y" };
        machine.plan = Some((1..=3).map(|number| format!("{group}-{number}")).collect());
    }
}

fn lead(w: &mut World, group: &str, by: Nanos) {
    for number in 1..=3 {
        w.of(&format!("{group}-{number}")).ahead = by;
    }
}

/// Only measured: nobody of ours steers these.
fn observed(w: &mut World) -> &mut World {
    for machine in &mut w.machines {
        machine.profile = ClockProfile::Virtual;
    }
    w
}

pub(super) fn all() -> Vec<Scenario> {
    vec![
        Scenario::new("node-clock-off", "80 ms from all five sources, on which eight other nodes agree", |w| {
            observed(w.standard());
            w.at("a1").ahead = Nanos::from_millis(80);
        })
        .says(Kind::NodeClockFaulty, nd("a1")),
        Scenario::new("node-clock-drifts-away", "120 ppm, slowly beyond tolerance, against all five sources", |w| {
            observed(w.standard()).fault(RunsAway(node("a1"), Ppb::from_ppm(120)));
        })
        .says(Kind::NodeClockFaulty, nd("a1")),
        Scenario::new("somebody-steps-the-clock", "70 ms at a time, again and again; no other program was seen", |w| {
            observed(w.standard());
            for at in [FAULT, FAULT + 20, FAULT + 40] {
                w.during(at, at + 1, Step(node("a1"), Nanos::from_millis(70)));
            }
        })
        .says(Kind::NodeClockFaulty, nd("a1")),
        Scenario::new("two-of-thirty-off", "two clocks in two zones, each off by its own amount", |w| {
            observed(w.standard().zones(&["d", "e", "f"], 7));
            w.at("a1").ahead = Nanos::from_millis(80);
            w.at("e4").ahead = Nanos::from_millis(-300);
        })
        .says_each(Kind::NodeClockFaulty, [nd("a1"), nd("e4")]),
        Scenario::new(
            "zone-of-clocks-off",
            "all three of a zone by the same: never NodeClockFaulty for a whole zone; two groups, each of one mind",
            |w| {
                observed(w.standard());
                for name in ["a1", "a2", "a3"] {
                    w.at(name).ahead = Nanos::from_millis(80);
                }
            },
        )
        .says(Kind::ClockGroupsDisagree, Subject::Cluster),
        Scenario::new("two-groups-peers-tell", "each group agrees with its own sources; peers measure 200 ms between them", |w| {
            two_groups(w);
            lead(w, "y", Nanos::from_millis(200));
        })
        .says(Kind::ClockGroupsDisagree, Subject::Cluster),
        Scenario::new("two-groups-witness-tells", "no peers; one witness that all measure is 200 ms off for one group only", |w| {
            two_groups(w);
            lead(w, "y", Nanos::from_millis(200));
            w.peers = false;
            w.site("eye", None).role = meantime_core::snapshot::Role::Witness;
            for machine in &mut w.machines {
                machine.plan.get_or_insert_default().push("eye".to_owned());
            }
        })
        .says(Kind::ClockGroupsDisagree, Subject::Cluster),
        Scenario::new("two-groups-drift-apart", "one group's sources creep away together, 150 ppm; its own nodes follow", |w| {
            two_groups(w);
            for number in 1..=3 {
                w.fault(Drifts(format!("y-{number}"), Ppb::from_ppm(150)));
            }
        })
        .says(Kind::ClockGroupsDisagree, Subject::Cluster)
        .may(&[Kind::SourceLying, Kind::SourceDisagrees]),
        Scenario::new("two-groups-nobody-can-tell", "no peer, no source, no witness in common: nothing may be said", |w| {
            two_groups(w);
            lead(w, "y", Nanos::from_millis(200));
            w.peers = false;
        }),
        Scenario::new("mixed-timescales", "two policies: one group follows UTC, the other a smear; declared, so certain", |w| {
            two_groups(w);
            for number in 1..=3 {
                w.of(&format!("y-{number}")).timescale = Timescale::Smear("google24h".into());
            }
            lead(w, "y", Nanos::from_millis(250));
        })
        .says(Kind::MixedTimescales, Subject::Cluster),
        Scenario::new(
            "virtual-machine-moved",
            "one machine stood still for eight seconds: its own clocks say so, and no source is to blame",
            |w| {
                let last = w.ticks;
                w.standard().during(last - 1, last, Paused(node("a1"), Nanos::from_secs(8)));
            },
        ),
        Scenario::new("virtual-machine-moved-and-well-again", "the same, ten minutes ago", |w| {
            w.standard().during(FAULT, FAULT + 1, Paused(node("a1"), Nanos::from_secs(8)));
        })
        .all_well(),
        Scenario::new("whole-zone-paused", "a zone's hypervisors stood still: clocks disrupted, sources innocent", |w| {
            let last = w.ticks;
            w.standard().during(last - 1, last, Paused(zone("a"), Nanos::from_secs(8)));
        }),
        Scenario::new("oscillator-within-limits", "5 ms off and steady: inside the policy", |w| {
            observed(w.standard());
            w.at("a1").ahead = Nanos::from_millis(5);
        })
        .all_well(),
        Scenario::new("followers-of-a-lone-liar", "two sources of one group lie, one is right: its nodes' oscillators know", |w| {
            two_groups(w);
            for number in 1..=2 {
                w.fault(Ahead(format!("y-{number}"), Nanos::from_millis(200), Who::All));
            }
        })
        .says_each(Kind::SourceLying, [src("y-1"), src("y-2")])
        .may(&[Kind::ClockGroupsDisagree, Kind::TooFewIndependentVoters]),
    ]
}
