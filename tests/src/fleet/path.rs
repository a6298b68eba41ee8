//! The world at one tick: who lives, what a packet from one node to one source meets, and what the source says. The
//! only place where faults are read for what passes between machines.

use super::fault::{Fault, To, Way, Who};
use super::world::{Machine, Server, TICK, World};
use meantime_core::observation::Leap;
use meantime_core::source::Scope;
use meantime_core::units::Nanos;

const DAY: Nanos = Nanos::from_secs(86_400);

/// The world at one tick.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'w> {
    /// The world.
    pub world: &'w World,
    /// The tick.
    pub tick: u32,
}

/// A way from a node to a source.
#[derive(Clone, Copy, Debug, Default)]
pub struct Path {
    /// Nothing gets through; this comes back.
    pub fails: Option<Way>,
    /// The round trip is longer by this, both ways alike …
    pub slow: Nanos,
    /// … and by this on the way there alone.
    pub one_way: Nanos,
    /// Of a thousand packets so many are lost.
    pub loss: u32,
    /// More noise of each way, up to this.
    pub jitter: Nanos,
}

/// What a source answers.
#[derive(Clone, Copy, Debug)]
pub struct Served {
    /// Its time, ahead of the truth.
    pub ahead: Nanos,
    /// Its leap status.
    pub leap: Leap,
    /// Its stratum.
    pub stratum: u8,
    /// Age of its reference.
    pub reference_age: Nanos,
    /// A kiss-o'-death instead.
    pub kiss: bool,
}

impl<'w> Scene<'w> {
    /// Faults of this tick.
    pub fn faults(&self) -> impl Iterator<Item = &'w Fault> + use<'w> {
        let tick = self.tick;
        self.world.faults.iter().filter(move |timed| timed.holds(tick)).map(|timed| &timed.fault)
    }
    /// Faults that begin now.
    pub fn beginning(&self) -> impl Iterator<Item = &'w Fault> + use<'w> {
        let tick = self.tick;
        self.world.faults.iter().filter(move |timed| timed.from == tick).map(|timed| &timed.fault)
    }
    /// Time since the first tick.
    pub fn now(&self) -> Nanos {
        TICK.times(i64::from(self.tick))
    }

    /// UTC against a count of seconds that knows of no leap second.
    pub fn utc(&self) -> Nanos {
        if self.world.leap.is_some_and(|leap| self.tick >= leap) { -Nanos::SECOND } else { Nanos::ZERO }
    }

    /// Whether it is the day at whose end a leap second is made: chronyd believes announcements on no other day.
    pub fn leap_day(&self) -> bool {
        self.world.leap.is_some_and(|leap| self.tick < leap && TICK.times(i64::from(leap - self.tick)) <= DAY)
    }

    /// Whether the machine runs.
    pub fn powered(&self, machine: &Machine) -> bool {
        !self.faults().any(|fault| matches!(fault, Fault::PowerOff(who) if who.has(machine)))
    }
    /// Whether its agent, and with it its chronyd, runs.
    pub fn agent(&self, machine: &Machine) -> bool {
        self.powered(machine)
            && !self.faults().any(|fault| matches!(fault, Fault::AgentDead(who) if who.has(machine)))
    }
    /// Whether what its agent writes arrives.
    pub fn heard(&self, machine: &Machine) -> bool {
        self.agent(machine)
            && !self.faults().any(|fault| matches!(fault, Fault::ApiCut(who) if who.has(machine)))
    }
    /// Whether one agent's question to another is answered.
    pub fn peers(&self, one: &Machine, other: &Machine) -> bool {
        let cut = self.faults().any(|fault| match fault {
            Fault::PeersBlocked(who) => who.has(one) || who.has(other),
            Fault::ZoneCut(zone) => inside(one.zone.as_ref(), zone) != inside(other.zone.as_ref(), zone),
            _ => false,
        });
        self.agent(one) && self.agent(other) && !cut
    }
    /// Whether the source's name has no address there.
    pub fn nameless(&self, machine: &Machine, server: &Server) -> bool {
        server.named
            && self
                .faults()
                .any(|fault| matches!(fault, Fault::Nameless(name, who) if *name == server.name && who.has(machine)))
    }

    /// The way from a node to a source, the source's machine included.
    pub fn path(&self, machine: &Machine, server: &Server) -> Path {
        let mut path = Path::default();
        let mut fail = |way: Way| {
            // What is blocked on the way hides what the host would say.
            if path.fails != Some(Way::TimedOut) {
                path.fails = Some(way);
            }
        };
        for fault in self.faults() {
            match fault {
                Fault::Dead(name) if *name == server.name => fail(Way::TimedOut),
                Fault::NoDaemon(name) if *name == server.name => fail(Way::Refused),
                Fault::Block(who, to, way) if who.has(machine) && to.has(server) => fail(*way),
                Fault::ZoneCut(zone)
                    if inside(machine.zone.as_ref(), zone) != inside(server.zone.as_ref(), zone) =>
                {
                    fail(Way::TimedOut);
                }
                _ => {}
            }
        }
        for fault in self.faults() {
            match fault {
                Fault::Slow(who, to, by) if who.has(machine) && to.has(server) => path.slow = path.slow + *by,
                Fault::SlowOneWay(who, to, by) if who.has(machine) && to.has(server) => {
                    path.one_way = path.one_way + *by;
                }
                Fault::Loss(who, to, loss) if who.has(machine) && to.has(server) => path.loss += loss,
                Fault::Jitter(who, to, by) if who.has(machine) && to.has(server) => {
                    path.jitter = path.jitter + *by;
                }
                _ => {}
            }
        }
        path
    }

    /// What the source answers that node.
    pub fn served(&self, machine: &Machine, server: &Server) -> Served {
        let mut served = Served {
            ahead: server.ahead + self.utc(),
            leap: Leap::Normal,
            stratum: if server.scope == Scope::Public { 2 } else { 1 },
            reference_age: TICK,
            kiss: false,
        };
        for timed in self.world.faults.iter().filter(|timed| timed.holds(self.tick)) {
            let since = TICK.times(i64::from(self.tick - timed.from));
            match &timed.fault {
                Fault::UpstreamLost(name, age) if *name == server.name => served.reference_age = *age + since,
                Fault::SaysUnsynchronised(name, who) if *name == server.name && who.has(machine) => {
                    served.leap = Leap::Unsynchronised;
                }
                Fault::StratumSixteen(name) if *name == server.name => served.stratum = 16,
                Fault::AnnouncesLeap(name) if *name == server.name => served.leap = Leap::Insert,
                Fault::Kiss(name, who) if *name == server.name && who.has(machine) => served.kiss = true,
                Fault::Ahead(name, by, who) if *name == server.name && who.has(machine) => {
                    served.ahead = served.ahead + *by;
                }
                Fault::Drifts(name, rate) if *name == server.name => {
                    served.ahead = served.ahead + rate.over(since);
                }
                _ => {}
            }
        }
        served
    }
}

impl Who {
    /// Whether it means that node.
    pub fn has(&self, machine: &Machine) -> bool {
        match self {
            Self::All => true,
            Self::Node(name) => *name == machine.name,
            Self::Zone(name) => inside(machine.zone.as_ref(), name),
            Self::Egress(name) => inside(machine.egress.as_ref(), name),
        }
    }
}

impl To {
    /// Whether it means that source.
    pub fn has(&self, server: &Server) -> bool {
        match self {
            Self::All => true,
            Self::Public => server.scope == Scope::Public,
            Self::Source(name) => *name == server.name,
        }
    }
}

fn inside(of: Option<&String>, zone: &str) -> bool {
    of.is_some_and(|name| name == zone)
}
