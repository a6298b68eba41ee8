//! Nothing is wrong, though much happens: no word may be said.

use super::{Scenario, nd};
use crate::fleet::fault::Fault::{
    AgentDead, AnnouncesLeap, Block, DaemonRestart, Jitter, Loss, OperatorRestart, PowerOff, Reboot, Slow,
};
use crate::fleet::fault::{To, Way, Who, node, source, zone};
use crate::fleet::world::{FAULT, World};
use meantime_core::diagnose::finding::Kind;
use meantime_core::observation::ClockProfile;
use meantime_core::units::Nanos;

/// One node after the other, five ticks apart.
fn in_turn(w: &mut World, mut each: impl FnMut(&mut World, &str, u32)) {
    let names: Vec<String> = w.machines.iter().map(|machine| machine.name.clone()).collect();
    for (at, name) in (FAULT..).step_by(5).zip(names) {
        each(w, &name, at);
    }
}

pub(super) fn all() -> Vec<Scenario> {
    vec![
        Scenario::new("all-well", "noise only", |w| {
            w.standard();
        })
        .all_well(),
        Scenario::new(
            "all-well-observed",
            "nobody steers; hosts keep themselves within a millisecond",
            |w| {
                w.standard();
                for machine in &mut w.machines {
                    (machine.profile, machine.ahead) = (ClockProfile::Virtual, Nanos::from_micros(700));
                }
            },
        )
        .all_well(),
        Scenario::new("all-well-one-node", "four sources, one node, nobody to compare with", |w| {
            w.small(1);
        })
        .all_well(),
        Scenario::new("all-well-without-peers", "peers are off by policy", |w| {
            w.standard().peers = false;
        })
        .all_well(),
        Scenario::new("rolling-reboots", "each node is away for three ticks and boots; nine in a row", |w| {
            w.standard();
            in_turn(w, |w, name, at| {
                w.during(at, at + 2, PowerOff(node(name))).during(at + 2, at + 3, Reboot(node(name)));
            });
        })
        .all_well(),
        Scenario::new(
            "rolling-upgrade-of-agents",
            "each agent is away for two ticks; its chronyd starts anew",
            |w| {
                w.standard();
                in_turn(w, |w, name, at| {
                    w.during(at, at + 2, AgentDead(node(name))).during(
                        at + 2,
                        at + 3,
                        DaemonRestart(node(name)),
                    );
                });
            },
        )
        .all_well(),
        Scenario::new(
            "all-agents-upgraded-at-once",
            "every agent is away for two ticks, the operator as well",
            |w| {
                w.standard().during(FAULT, FAULT + 2, AgentDead(Who::All));
                w.during(FAULT + 2, FAULT + 3, DaemonRestart(Who::All)).during(
                    FAULT,
                    FAULT + 1,
                    OperatorRestart,
                );
            },
        )
        .all_well(),
        Scenario::new("leap-second-announced-by-all", "all sources announce it; scales do not part", |w| {
            w.standard();
            for name in ["gps-a", "gps-b", "gps-c", "pub-1", "pub-2"] {
                w.fault(AnnouncesLeap(name.into()));
            }
        })
        .all_well(),
        Scenario::new("two-percent-loss", "everywhere, all the time", |w| {
            w.standard().always(Loss(Who::All, To::All, 20));
        })
        .all_well(),
        Scenario::new("noisy-public-paths", "5 ms of jitter on the way out", |w| {
            w.standard().always(Jitter(Who::All, To::Public, Nanos::from_millis(5)));
        })
        .all_well(),
        Scenario::new("route-of-a-zone-got-longer", "20 ms more to everything outside, both ways", |w| {
            w.standard().fault(Slow(zone("b"), To::Public, Nanos::from_millis(20)));
        })
        .all_well(),
        Scenario::new("short-outage-of-a-way-out", "two polls of 64 s lost behind b, then well again", |w| {
            w.standard().during(FAULT, FAULT + 8, Block(zone("b"), To::Public, Way::TimedOut));
        })
        .all_well(),
        Scenario::new("source-restarted-for-maintenance", "away for two polls", |w| {
            w.standard().during(FAULT, FAULT + 2, Block(Who::All, source("gps-b"), Way::Refused));
        })
        .all_well(),
        Scenario::new("a-node-joins", "it boots late in the run; its peers had never heard it before", |w| {
            w.standard().during(0, 60, PowerOff(node("c3"))).during(60, 61, Reboot(node("c3")));
        })
        .meanwhile(Kind::AgentSilent, [nd("c3")])
        .all_well(),
    ]
}
