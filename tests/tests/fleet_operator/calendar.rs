//! What happens to a healthy cluster: nothing that a person would call a fault of its time, and all that goes on anyway.
//! Seeded; as many events of each kind as a cluster of that size has in that time, or `busy` times as many.

use meantime_core::units::Nanos;
use meantime_tests::fleet::fault::{Fault, To, Way, Who, node, source, zone};
use meantime_tests::fleet::noise::Noise;
use meantime_tests::fleet::world::World;
use std::fmt::Write as _;

/// Ticks of 16 s.
pub const HOUR: u32 = 225;
/// The same.
pub const DAY: u32 = 24 * HOUR;
/// Thirty days.
pub const MONTH: u32 = 30 * DAY;
/// Until baselines stand nothing happens.
const QUIET: u32 = 100;
const ZONES: [&str; 3] = ["a", "b", "c"];

/// What moves every clock of a machine, or of the fleet, may be looked at by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jump {
    /// Both happen.
    Both,
    /// A leap second is inserted.
    LeapSecond,
    /// Machines stand still for 50 ms to 6.4 s, as often for less than half a second as for more.
    Migrations,
}

/// What was planned.
#[derive(Clone, Debug, Default)]
pub struct Calendar {
    /// Ticks at which the operator starts anew.
    pub operator: Vec<u32>,
    /// How many events of each kind.
    pub told: String,
}

struct Planner<'w> {
    world: &'w mut World,
    noise: Noise,
    ticks: u32,
    told: String,
}

/// Plans it all into `world`, which runs for `ticks`.
pub fn plan(world: &mut World, ticks: u32, busy: u32, jump: Jump) -> Calendar {
    let noise = Noise::new(world.seed.wrapping_add(4_711));
    let nodes = u32::try_from(world.machines.len()).unwrap();
    world.ticks = ticks;
    // Two packets of a thousand are lost on the way to sources near by and ten on the way to public ones; one of two hundred waits.
    world.queued = 5;
    world.during(0, u32::MAX, Fault::Loss(Who::All, To::All, 2));
    world.during(0, u32::MAX, Fault::Loss(Who::All, To::Public, 8));
    let mut planner = Planner { world, noise, ticks, told: String::new() };
    let part = |permille: u32| QUIET + (ticks - QUIET) / 10 * permille / 100;
    planner.upgrade(part(100));
    planner.reboot(part(200));
    if jump != Jump::Migrations {
        planner.leap(part(500));
    }
    planner.reboot(part(600));
    planner.upgrade(part(850));
    // So many a month, of a thousand nodes or of the cluster.
    let of_nodes = |rate: u64| {
        u32::try_from(rate * u64::from(nodes) * u64::from(ticks) * u64::from(busy) / 1_000 / u64::from(MONTH))
            .unwrap()
    };
    let of_cluster = |rate: u64| {
        u32::try_from(rate * u64::from(ticks) * u64::from(busy) / u64::from(MONTH)).unwrap().max(1)
    };
    let migrations = if jump == Jump::LeapSecond { 0 } else { of_nodes(300) };
    planner.some("migrations of 50 ms to 6.4 s", migrations, |one, at| {
        let (who, octave) = (one.node(), one.noise.below(7));
        let span = Nanos::from_millis(50 + one.noise.below(50)).times(1 << octave);
        one.world.during(at, at + 1, Fault::Paused(node(&who), span));
    });
    planner.some("nodes without network for 16 to 96 s", of_nodes(100), |one, at| {
        let (who, span) = (one.node(), 1 + one.below(6));
        one.world.during(at, at + span, Fault::Block(node(&who), To::All, Way::TimedOut));
        one.world.during(at, at + span, Fault::PeersBlocked(node(&who)));
        one.world.during(at, at + span, Fault::ApiCut(node(&who)));
    });
    planner.some("chronyd started anew on a node", of_nodes(50), |one, at| {
        let who = one.node();
        one.world.during(at, at + 1, Fault::DaemonRestart(node(&who)));
    });
    planner.some("ways out closed for 32 to 128 s", of_cluster(36), |one, at| {
        let (who, span) = (one.zone(), 2 + one.below(7));
        one.world.during(at, at + span, Fault::Block(zone(who), To::Public, Way::TimedOut));
    });
    planner.some("one zone's way to one source closed for 32 to 112 s", of_cluster(20), |one, at| {
        let (who, to, span) = (one.zone(), one.gps(), 2 + one.below(6));
        one.world.during(at, at + span, Fault::Block(zone(who), source(&to), Way::TimedOut));
    });
    planner.some("sources' daemons away for 64 to 112 s", of_cluster(6), |one, at| {
        let (name, span) = (one.gps(), 4 + one.below(4));
        one.world.during(at, at + span, Fault::NoDaemon(name));
    });
    planner.some("zones that do not reach the API server for 16 to 80 s", of_cluster(10), |one, at| {
        let (who, span) = (one.zone(), 1 + one.below(5));
        one.world.during(at, at + span, Fault::ApiCut(zone(who)));
    });
    planner.some("congested ways out, up to 4 ms for 1 to 3 h", of_cluster(20), |one, at| {
        let (who, span) = (one.zone(), HOUR + one.below(2 * HOUR));
        let by = Nanos::from_micros(500 + one.noise.below(3_500));
        one.world.during(at, at + span, Fault::Jitter(zone(who), To::Public, by));
    });
    planner.some("longer routes, 5 to 30 ms for 1 to 12 h", of_cluster(10), |one, at| {
        let (who, span) = (one.zone(), HOUR + one.below(11 * HOUR));
        let by = Nanos::from_millis(5 + one.noise.below(25));
        one.world.during(at, at + span, Fault::Slow(zone(who), To::Public, by));
    });
    planner.some("routes longer one way, up to 4 ms for 1 to 6 h", of_cluster(6), |one, at| {
        let (who, span) = (one.zone(), HOUR + one.below(5 * HOUR));
        let by = Nanos::from_micros(500 + one.noise.below(3_500));
        one.world.during(at, at + span, Fault::SlowOneWay(zone(who), To::Public, by));
    });
    let Planner { told, .. } = planner;
    let operator = [100, 350, 500, 800, 950].map(|permille| part(permille) + 7).to_vec();
    Calendar { operator, told }
}

impl Planner<'_> {
    fn below(&mut self, most: u32) -> u32 {
        u32::try_from(self.noise.below(i64::from(most))).unwrap()
    }
    fn node(&mut self) -> String {
        let at = self.below(u32::try_from(self.world.machines.len()).unwrap());
        self.world.machines[at as usize].name.clone()
    }
    fn zone(&mut self) -> &'static str {
        ZONES[self.below(3) as usize]
    }
    fn gps(&mut self) -> String {
        format!("gps-{}", self.zone())
    }
    fn some(&mut self, what: &str, count: u32, event: impl Fn(&mut Self, u32)) {
        for _ in 0..count {
            let at = QUIET + self.below(self.ticks - QUIET);
            event(self, at);
        }
        let _ = write!(self.told, "{count} {what}; ");
    }

    /// In order of their names' numbers: one in two hundred at a time, 3 minutes without power, the next ones a minute later.
    fn reboot(&mut self, from: u32) {
        let names: Vec<String> = self.world.machines.iter().map(|machine| machine.name.clone()).collect();
        let each = (names.len() / 200).max(1);
        let mut at = from;
        for some in names.chunks(each) {
            for name in some {
                let away = 8 + self.below(6);
                self.world.during(at, at + away, Fault::PowerOff(node(name)));
                self.world.during(at + away, at + away + 1, Fault::Reboot(node(name)));
            }
            at += 16;
        }
        let _ =
            write!(self.told, "{} reboots, {each} at a time over {} h; ", names.len(), (at - from) / HOUR);
    }

    /// Fifty at a time at most, each agent away for 32 s; its chronyd starts anew.
    fn upgrade(&mut self, from: u32) {
        let names: Vec<String> = self.world.machines.iter().map(|machine| machine.name.clone()).collect();
        let each = (names.len() / 50).clamp(1, 50);
        let mut at = from;
        for some in names.chunks(each) {
            for name in some {
                self.world.during(at, at + 2, Fault::AgentDead(node(name)));
                self.world.during(at + 2, at + 3, Fault::DaemonRestart(node(name)));
            }
            at += 4;
        }
        let _ = write!(self.told, "{} agents upgraded, {each} at a time; ", names.len());
    }

    /// Announced by all for a day, or a tenth of the run.
    fn leap(&mut self, at: u32) {
        self.world.leap_second(at, DAY.min(self.ticks / 10));
        self.told.push_str("a leap second; ");
    }
}
