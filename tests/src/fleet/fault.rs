//! What can go wrong in the simulated fleet, and when. Plain data: what a fault does is [`super::path`]'s and
//! [`super::host`]'s. **Must never** reach a status or a diagnosis: only its consequences do.

use meantime_core::units::{Nanos, Ppb};

/// Whom a fault touches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// Every node.
    All,
    /// One node.
    Node(String),
    /// The nodes of a zone.
    Zone(String),
    /// The nodes behind an egress.
    Egress(String),
}

/// Which way a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    /// One source.
    Source(String),
    /// Every source of public scope.
    Public,
    /// Every source.
    All,
}

/// How a packet fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Nothing comes back.
    TimedOut,
    /// ICMP port unreachable comes back.
    Refused,
    /// ICMP host or net unreachable comes back.
    Unreachable,
}

/// What is wrong with a status besides its node: the agent itself misleads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgery {
    /// It says of each source that it lies, each by another amount.
    AllLie,
    /// It tells figures at the ends of their ranges.
    Impossible,
    /// It is of a version that knows none of the newer words and fields.
    OldVersion,
    /// It uses words that this build does not know.
    NewVersion,
    /// It answers its peers with a time half a second off; its status is right.
    LiesToPeers,
    /// It says that its peers are half a second off; its status is right.
    SlandersPeers,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The source's machine is gone: nothing comes back.
    Dead(String),
    /// The machine lives, no daemon listens.
    NoDaemon(String),
    /// Its upstream is lost; it goes on serving time. Its reference is already so old when this begins.
    UpstreamLost(String, Nanos),
    /// It says leap 3 to these nodes.
    SaysUnsynchronised(String, Who),
    /// It says stratum 16 and leap 0.
    StratumSixteen(String),
    /// It answers these nodes with a kiss-o'-death.
    Kiss(String, Who),
    /// Its name has no address for these nodes.
    Nameless(String, Who),
    /// It serves these nodes a time ahead of the truth by so much.
    Ahead(String, Nanos, Who),
    /// It drifts away from the truth by so much per second.
    Drifts(String, Ppb),
    /// It announces a leap second.
    AnnouncesLeap(String),
    /// These nodes' packets to that target fail.
    Block(Who, To, Way),
    /// Their round trip to that target is longer by so much, the same both ways.
    Slow(Who, To, Nanos),
    /// … all of it on the way there (the node seems ahead … behind by half of it).
    SlowOneWay(Who, To, Nanos),
    /// Of a thousand packets so many are lost.
    Loss(Who, To, u32),
    /// Offsets are noisier by up to so much.
    Jitter(Who, To, Nanos),
    /// The agents of these nodes do not hear each other and no other agent.
    PeersBlocked(Who),
    /// Nothing enters or leaves the zone but what goes to the API server.
    ZoneCut(String),
    /// The agent is gone (its pod is not ready).
    AgentDead(Who),
    /// The agent lives and cannot reach the API server.
    ApiCut(Who),
    /// The machine has no power.
    PowerOff(Who),
    /// chronyd on the node does not answer.
    DaemonDown(Who),
    /// Another program steers the clock.
    Competitor(Who),
    /// Somebody steps the clock by this at each tick while this lasts.
    Step(Who, Nanos),
    /// The clock runs away by so much, and nobody corrects it.
    RunsAway(Who, Ppb),
    /// The machine stands still for so long, once at the beginning.
    Paused(Who, Nanos),
    /// The machine boots anew, at the beginning.
    Reboot(Who),
    /// chronyd starts anew, at the beginning.
    DaemonRestart(Who),
    /// The agent misleads.
    Forged(Who, Forgery),
    /// The operator starts anew, at the beginning.
    OperatorRestart,
}

/// A fault with its time, in ticks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timed {
    /// From this tick on …
    pub from: u32,
    /// … until before this one.
    pub until: u32,
    /// This.
    pub fault: Fault,
}

impl Timed {
    /// Whether it is so at that tick.
    pub fn holds(&self, tick: u32) -> bool {
        (self.from..self.until).contains(&tick)
    }
}

/// One node by name.
pub fn node(name: &str) -> Who {
    Who::Node(name.to_owned())
}
/// The nodes of a zone.
pub fn zone(name: &str) -> Who {
    Who::Zone(name.to_owned())
}
/// The nodes behind an egress.
pub fn egress(name: &str) -> Who {
    Who::Egress(name.to_owned())
}
/// Towards one source.
pub fn source(name: &str) -> To {
    To::Source(name.to_owned())
}
