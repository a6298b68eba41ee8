//! The simulated nodes of one cluster: the same hosts, chronyds and agents as in the labelled scenarios, run for as long
//! as one likes. What it gives is what stands in their NodeTimes.
//!
//! **Must never** hand out a fault or the truth, but to whoever checks a verdict against it ([`Cluster::was_wrong`]).

use meantime_core::snapshot::NodePlan;
use meantime_core::units::Nanos;
use meantime_crds::NodeTimeStatus;
use meantime_crds::nodetime::PeerStatus;
use meantime_tests::fleet::fault::{Fault, Timed, Who};
use meantime_tests::fleet::host::Host;
use meantime_tests::fleet::path::Scene;
use meantime_tests::fleet::peers::Peers;
use meantime_tests::fleet::publish::Publisher;
use meantime_tests::fleet::seen::Said;
use meantime_tests::fleet::world::{Machine, World};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Around an event a node is looked at each tick for so long (17 minutes); else when it has polled (every fourth tick),
/// and when its heartbeat is near.
const BUSY: u32 = 64;
/// A heartbeat is due 17 to 21 ticks after the last write.
const HEARTBEAT: u32 = 17;
/// Kubernetes needs about so many ticks to say that the pod of a machine without power is not ready.
const NOT_READY: u32 = 3;
/// chronyd polls sources near by every 64 s once it has settled.
const EACH: u32 = 4;

struct Node {
    host: Host,
    publisher: Publisher,
    lived: bool,
    busy: u32,
    written: u32,
    /// When its clock last was out of tolerance, in truth.
    wrong: Option<u32>,
    /// Since when its agent is gone.
    gone: Option<u32>,
    /// Written at this tick: none = nothing, true = other than a heartbeat.
    wrote: Option<bool>,
}

/// All nodes.
pub struct Cluster {
    /// Servers and machines; of the faults only those that hold now.
    pub world: World,
    nodes: Vec<Node>,
    peers: Peers,
    coming: VecDeque<Timed>,
    /// The next tick.
    pub tick: u32,
}

/// What one node wrote at one tick.
pub struct Wrote {
    /// Its name.
    pub node: String,
    /// The status.
    pub said: Arc<Said>,
    /// It is more than a heartbeat.
    pub news: bool,
}

impl Cluster {
    /// Nodes with the plans that the operator has made for them.
    pub fn new(mut world: World, plans: &BTreeMap<String, Arc<NodePlan>>) -> Self {
        let mut faults = std::mem::take(&mut world.faults);
        faults.sort_by_key(|timed| timed.from);
        let node = |index: usize| {
            let name = &world.machines[index].name;
            Node {
                host: Host::planned(&world, index, plans[name].clone()),
                publisher: Publisher::new(name),
                lived: true,
                busy: BUSY,
                written: 0,
                wrong: None,
                gone: None,
                wrote: None,
            }
        };
        let nodes = (0..world.machines.len()).map(node).collect();
        Self { nodes, peers: Peers::new(&world), world, coming: faults.into(), tick: 0 }
    }

    /// From now on, besides what was planned.
    pub fn fault(&mut self, ticks: u32, fault: Fault) {
        self.coming.push_front(Timed { from: self.tick, until: self.tick.saturating_add(ticks), fault });
    }

    /// One tick of everything.
    pub fn run(&mut self) -> Vec<Wrote> {
        let tick = self.tick;
        self.turn(tick);
        let scene = Scene { world: &self.world, tick };
        let walls: Vec<i64> = self.nodes.iter().map(|node| node.host.wall).collect();
        self.peers.ask_walls(&scene, &walls);
        let peers = &self.peers;
        let half = self.nodes.len().div_ceil(2).max(1);
        let several = self.nodes.len() >= 200;
        if several {
            std::thread::scope(|threads| {
                for (part, nodes) in self.nodes.chunks_mut(half).enumerate() {
                    threads.spawn(move || {
                        for (at, node) in nodes.iter_mut().enumerate() {
                            node.tick(&scene, part * half + at, peers);
                        }
                    });
                }
            });
        } else {
            for (at, node) in self.nodes.iter_mut().enumerate() {
                node.tick(&scene, at, peers);
            }
        }
        self.tick += 1;
        let wrote = |node: &Node| {
            let news = node.wrote?;
            Some(Wrote { node: node.host.machine.name.clone(), said: node.publisher.said.clone()?, news })
        };
        self.nodes.iter().filter_map(wrote).collect()
    }

    /// Faults begin and end; whom they touch is looked at closely.
    fn turn(&mut self, tick: u32) {
        let mut touched: Vec<Who> = Vec::new();
        let ended = |timed: &Timed| timed.until <= tick;
        for timed in self.world.faults.iter().filter(|timed| ended(timed)) {
            touched.extend(who(&timed.fault));
        }
        self.world.faults.retain(|timed| !ended(timed));
        while let Some(timed) = self.coming.pop_front_if(|timed| timed.from <= tick) {
            touched.extend(who(&timed.fault));
            self.world.faults.push(timed);
        }
        if self.world.leap == Some(tick) {
            touched.push(Who::All);
        }
        for node in self.nodes.iter_mut().filter(|_| !touched.is_empty()) {
            if touched.iter().any(|who| who.has(&node.host.machine)) {
                node.busy = tick + BUSY;
            }
        }
    }

    /// Names of nodes whose agent's pod is ready.
    pub fn ready(&self) -> impl Iterator<Item = &str> {
        let scene = Scene { world: &self.world, tick: self.tick };
        let ready = move |node: &&Node| {
            let powered = scene.powered(&node.host.machine);
            // A pod that ends says so; a machine without power is missed.
            node.gone.is_none_or(|since| !powered && self.tick - since < NOT_READY)
        };
        self.nodes.iter().filter(ready).map(|node| node.host.machine.name.as_str())
    }

    /// Oscillators wander with the temperature of their rooms.
    pub fn wander(&mut self, by: impl Fn(usize, &Machine) -> i64) {
        for (index, node) in self.nodes.iter_mut().enumerate() {
            let now = node.host.machine.oscillator.0 + by(index, &node.host.machine);
            node.host.machine.oscillator.0 = now.clamp(-40_000, 40_000);
        }
    }

    /// The operator has planned that node anew.
    pub fn replan(&mut self, name: &str, plan: &Arc<NodePlan>) {
        for node in self.nodes.iter_mut().filter(|node| node.host.machine.name == name) {
            node.host.plan = plan.clone();
        }
    }

    /// All nodes.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().map(|node| node.host.machine.name.as_str())
    }

    /// The truth: whether that node's clock was out of its tolerance within so many ticks.
    pub fn was_wrong(&self, name: &str, within: u32) -> bool {
        let node = self.nodes.iter().find(|node| node.host.machine.name == name);
        node.and_then(|node| node.wrong).is_some_and(|at| self.tick - at <= within)
    }
}

impl Node {
    fn tick(&mut self, scene: &Scene<'_>, index: usize, peers: &Peers) {
        self.wrote = None;
        self.host.run(scene);
        if (Nanos(self.host.wall) - scene.utc()).abs() > self.host.plan.tolerances.max_offset {
            self.wrong = Some(scene.tick);
        }
        let lives = scene.agent(&self.host.machine);
        self.gone = if lives { None } else { self.gone.or(Some(scene.tick)) };
        let polls = (scene.tick + u32::try_from(index).unwrap_or(0)).is_multiple_of(EACH);
        let due = scene.tick - self.written >= HEARTBEAT;
        if lives && (polls || due || scene.tick < self.busy) {
            if !self.lived {
                self.publisher.forget();
            }
            self.host.poll(scene);
            let looked = self.host.look(scene);
            let told = peers.of(index, &scene.world.machines);
            if self.publisher.publish(scene, &self.host, looked, told) {
                self.wrote = Some(!due);
                self.written = scene.tick;
            }
        }
        self.lived = lives;
    }
}

/// Whom a fault touches; none = nobody in particular.
fn who(fault: &Fault) -> Option<Who> {
    match fault {
        Fault::Block(who, ..)
        | Fault::Slow(who, ..)
        | Fault::SlowOneWay(who, ..)
        | Fault::AgentDead(who)
        | Fault::ApiCut(who)
        | Fault::PowerOff(who)
        | Fault::DaemonDown(who)
        | Fault::Competitor(who)
        | Fault::Step(who, _)
        | Fault::RunsAway(who, _)
        | Fault::Paused(who, _)
        | Fault::Reboot(who)
        | Fault::DaemonRestart(who)
        | Fault::Forged(who, _)
        | Fault::Kiss(_, who)
        | Fault::Nameless(_, who)
        | Fault::SaysUnsynchronised(_, who)
        | Fault::Ahead(_, _, who) => Some(who.clone()),
        Fault::ZoneCut(zone) => Some(Who::Zone(zone.clone())),
        Fault::Dead(_) | Fault::NoDaemon(_) | Fault::UpstreamLost(..) | Fault::StratumSixteen(_) => {
            Some(Who::All)
        }
        Fault::Drifts(..)
        | Fault::AnnouncesLeap(_)
        | Fault::Loss(..)
        | Fault::Jitter(..)
        | Fault::PeersBlocked(_)
        | Fault::OperatorRestart => None,
    }
}

/// What was said as it stands in a NodeTime.
pub fn status(said: &Said) -> NodeTimeStatus {
    let peer = |one: &meantime_core::diagnose::fleet::Peer| PeerStatus {
        node: one.node.clone(),
        answers: one.answers,
        ever: one.ever,
        offset_nanoseconds: one.offset.map(|offset| offset.0),
        uncertainty_nanoseconds: one.uncertainty.map(|half| half.0),
        trouble: None,
    };
    NodeTimeStatus { peers: said.peers.iter().map(peer).collect(), ..said.status.clone() }
}
