//! The simulated fleet as it stands before anything happens: servers, hosts, and a list of timed faults. Built by
//! scenarios, run by [`super::run`]. No clock, no randomness: the seed decides the noise.

use super::fault::{Fault, Timed};
use meantime_core::observation::ClockProfile;
use meantime_core::snapshot::Role;
use meantime_core::source::{Scope, Timescale};
use meantime_core::units::{Nanos, Ppb};

/// One step of the world: the poll interval of sources near by.
pub const TICK: Nanos = Nanos::from_secs(16);
/// The tick at which faults usually begin: baselines stand by then, and every status was written at least once.
pub const FAULT: u32 = 32;
/// The tick at which a run usually ends: later than a heartbeat is overdue, and than 15 polls of a public source.
pub const END: u32 = 96;

/// True time at the first tick, in nanoseconds since 1970, where nothing hangs on the date.
pub const EPOCH: i64 = 1_790_000_000 * 1_000_000_000;
/// The end of a month in which leap seconds are made: 2027-01-01T00:00:00Z.
const MIDNIGHT: i64 = 1_798_761_600 * 1_000_000_000;

/// A source of time.
#[derive(Clone, Debug)]
pub struct Server {
    /// TimeSource name.
    pub name: String,
    /// How near it is: public ones are polled every 64 s, others every 16 s.
    pub scope: Scope,
    /// Where it stands; none = outside of all zones.
    pub zone: Option<String>,
    /// What it shares with others that fail or lie together.
    pub independence: String,
    /// What it is declared to serve.
    pub timescale: Timescale,
    /// 1 preferred.
    pub tier: u8,
    /// Its part in plans.
    pub role: Role,
    /// It is declared by a DNS name.
    pub named: bool,
    /// Ahead of the truth by this, from the first tick on.
    pub ahead: Nanos,
    /// Round trip to it, both ways alike.
    pub delay: Nanos,
    /// Noise of each measurement, up to this.
    pub jitter: Nanos,
}

/// A machine of the cluster.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Node name.
    pub name: String,
    /// Zone label; none = not labelled.
    pub zone: Option<String>,
    /// Nodes that share one way out; none = not known.
    pub egress: Option<String>,
    /// Whether chronyd steers its clock.
    pub profile: ClockProfile,
    /// Names of the sources in its plan; none = all.
    pub plan: Option<Vec<String>>,
    /// By how much its oscillator is fast.
    pub oscillator: Ppb,
    /// Its clock at the first tick, ahead of the truth; stays where nobody steers (`Virtual`).
    pub ahead: Nanos,
}

/// The whole.
#[derive(Clone, Debug)]
pub struct World {
    /// Decides the noise.
    pub seed: u64,
    /// Sources.
    pub servers: Vec<Server>,
    /// Nodes.
    pub machines: Vec<Machine>,
    /// Faults.
    pub faults: Vec<Timed>,
    /// Agents ask each other.
    pub peers: bool,
    /// Sources near by are polled every 64 s instead of every tick, each pair at its own time: what nodes say of one fault
    /// is up to a poll apart, and some three.
    pub slow: bool,
    /// Of a thousand packets so many wait in a queue on one way, up to twenty times the noise of a measurement.
    pub queued: u32,
    /// From this tick on UTC is a second behind what it would be: a leap second was inserted everywhere.
    pub leap: Option<u32>,
    /// True time at the first tick, in nanoseconds since 1970.
    pub epoch: i64,
    /// Ticks that it runs.
    pub ticks: u32,
}

impl World {
    /// Nothing but a seed: no source, no node, agents that ask each other.
    pub const fn empty(seed: u64) -> Self {
        Self {
            seed,
            servers: Vec::new(),
            machines: Vec::new(),
            faults: Vec::new(),
            peers: true,
            slow: false,
            queued: 0,
            leap: None,
            epoch: EPOCH,
            ticks: END,
        }
    }

    /// Nodes `a1 a2 … b1 b2 …`: so many in each zone, whose egress is the zone.
    pub fn zones(&mut self, zones: &[&str], each: usize) -> &mut Self {
        for number in 1..=each {
            for zone in zones {
                self.machine(&format!("{zone}{number}"), Some(zone), Some(zone));
            }
        }
        self
    }

    /// One more node, steered by its chronyd.
    pub fn machine(&mut self, name: &str, zone: Option<&str>, egress: Option<&str>) -> &mut Machine {
        // Oscillators differ: −18 … +18 ppm by position, whatever the seed.
        let spread = i64::try_from(self.machines.len() % 13).unwrap_or(0) * 3_000 - 18_000;
        self.machines.push(Machine {
            name: name.to_owned(),
            zone: zone.map(str::to_owned),
            egress: egress.map(str::to_owned),
            profile: ClockProfile::Real,
            plan: None,
            oscillator: Ppb(spread),
            ahead: Nanos::ZERO,
        });
        let last = self.machines.len() - 1;
        &mut self.machines[last]
    }

    /// One more source in the organisation's sites, tier 1, its own root, declared by address.
    pub fn site(&mut self, name: &str, zone: Option<&str>) -> &mut Server {
        self.server(name, Scope::Site, zone)
    }
    /// One more public source, tier 2, its own root, declared by a name.
    pub fn public(&mut self, name: &str) -> &mut Server {
        self.server(name, Scope::Public, None)
    }

    fn server(&mut self, name: &str, scope: Scope, zone: Option<&str>) -> &mut Server {
        let public = scope == Scope::Public;
        self.servers.push(Server {
            name: name.to_owned(),
            scope,
            zone: zone.map(str::to_owned),
            independence: name.to_owned(),
            timescale: Timescale::Utc,
            tier: if public { 2 } else { 1 },
            role: if public { Role::Voter } else { Role::Driver },
            named: public,
            ahead: Nanos::ZERO,
            delay: if public { Nanos::from_millis(12) } else { Nanos::from_micros(300) },
            jitter: if public { Nanos::from_micros(400) } else { Nanos::from_micros(40) },
        });
        let last = self.servers.len() - 1;
        &mut self.servers[last]
    }

    /// Three zones, each with its own egress, three nodes and one source (`gps-a`, `gps-b`, `gps-c`), and two public
    /// sources (`pub-1`, `pub-2`): five roots.
    pub fn standard(&mut self) -> &mut Self {
        self.zones(&["a", "b", "c"], 3);
        for zone in ["a", "b", "c"] {
            self.site(&format!("gps-{zone}"), Some(zone));
        }
        self.public("pub-1");
        self.public("pub-2");
        self
    }

    /// One zone, one way out (`nat`), so many nodes `n1 n2 …`, four site sources `s1 … s4`.
    pub fn small(&mut self, nodes: usize) -> &mut Self {
        for number in 1..=nodes {
            self.machine(&format!("n{number}"), Some("z"), Some("nat"));
        }
        for number in 1..=4 {
            self.site(&format!("s{number}"), Some("z"));
        }
        self
    }

    /// All nodes behind one way out.
    pub fn one_nat(&mut self) -> &mut Self {
        for machine in &mut self.machines {
            machine.egress = Some("nat".to_owned());
        }
        self
    }

    /// A node by name. Scenarios name what they built.
    pub fn at(&mut self, name: &str) -> &mut Machine {
        let found = self.machines.iter_mut().find(|machine| machine.name == name);
        found.unwrap_or_else(|| panic!("the scenario has no node {name}"))
    }
    /// A source by name.
    pub fn of(&mut self, name: &str) -> &mut Server {
        let found = self.servers.iter_mut().find(|server| server.name == name);
        found.unwrap_or_else(|| panic!("the scenario has no source {name}"))
    }

    /// From the usual tick on, for good.
    pub fn fault(&mut self, fault: Fault) -> &mut Self {
        self.during(FAULT, u32::MAX, fault)
    }
    /// From the first tick on, for good.
    pub fn always(&mut self, fault: Fault) -> &mut Self {
        self.during(0, u32::MAX, fault)
    }
    /// At that tick it is midnight, and a leap second is inserted everywhere; all sources announce it `before`hand.
    pub fn leap_second(&mut self, at: u32, before: u32) -> &mut Self {
        self.epoch = MIDNIGHT - TICK.times(i64::from(at)).0;
        self.leap = Some(at);
        let names: Vec<String> = self.servers.iter().map(|server| server.name.clone()).collect();
        for name in names {
            self.during(at.saturating_sub(before), at, Fault::AnnouncesLeap(name));
        }
        self
    }
    /// From one tick until before another.
    pub fn during(&mut self, from: u32, until: u32, fault: Fault) -> &mut Self {
        self.faults.push(Timed { from, until, fault });
        self
    }
}
