//! The operator's desk: its whole memory, and the objects as an API server would hold them. Every decision is the
//! product's own (`Memory::decide`); a write is in the world at the next pass.

use crate::cluster::{Cluster, Wrote, status};
use jiff::Timestamp;
use kube::core::DeserializeGuard;
use meantime_core::clocks::BootTime;
use meantime_core::diagnose::finding::{Kind, Subject};
use meantime_core::snapshot::NodePlan;
use meantime_core::source::Scope;
use meantime_core::units::Nanos;
use meantime_crds::{NodeTime, NodeTimeStatus, TimeIncidentStatus};
use meantime_operator::apply::write::Write;
use meantime_operator::gather::World;
use meantime_operator::reconcile::decide::{Decision, Job, Memory, Seat};
use meantime_operator::silence::Limits;
use meantime_tests::fleet::world::EPOCH;
use meantime_tests::fleet::world::{self as simulated, TICK};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// It leads and hears.
pub const LEADING: Seat = Seat { in_contact: true, leading: true };

/// Five minutes, in ticks: a breach is told after its hold time, and an incident later still.
const MINUTES: u32 = 20;

/// An incident as it was opened.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Its name, which has the word and the subject.
    pub name: String,
    /// At which tick.
    pub tick: u32,
}

/// The operator and the objects.
pub struct Desk {
    /// The objects.
    pub world: World,
    /// What the operator remembers.
    pub memory: Memory,
    /// Writes by target.
    pub writes: BTreeMap<&'static str, usize>,
    /// Events.
    pub notes: usize,
    /// Incidents, also those that are closed and gone.
    pub opened: Vec<Opened>,
    /// What was found, and from when to when it was last.
    pub found: BTreeMap<(Kind, Subject), (u32, u32)>,
    /// Passes.
    pub passes: usize,
    /// The wall clock of the operator's own node.
    pub wall: fn(u32) -> Timestamp,
}

/// The operator's BOOTTIME at a tick.
pub fn boot(tick: u32) -> BootTime {
    BootTime(0) + Nanos::from_secs(5_000) + TICK.times(i64::from(tick))
}

/// The wall clock at a tick.
pub fn wall(tick: u32) -> Timestamp {
    let seconds = EPOCH / 1_000_000_000 + TICK.0 / 1_000_000_000 * i64::from(tick);
    Timestamp::from_second(seconds).unwrap()
}

fn object<T: serde::de::DeserializeOwned>(value: Value) -> Arc<T> {
    Arc::new(serde_json::from_value(value).unwrap())
}

impl Desk {
    /// The simulated world as its owners would declare it, before the operator's first pass.
    pub fn new(of: &simulated::World) -> Self {
        let mut world = World { incidents: Some(BTreeMap::new()), ..World::default() };
        for (index, server) in of.servers.iter().enumerate() {
            let name = &server.name;
            let public = server.scope == Scope::Public;
            let address =
                if server.named { format!("{name}.example") } else { format!("10.0.0.{}", index + 1) };
            let poll = if public { 10 } else { 6 };
            let mut spec = json!({
                "tier": server.tier, "scope": if public { "Public" } else { "Site" }, "independence": server.independence,
                "server": {"address": address, "minPoll": poll, "maxPoll": poll},
            });
            if let Some(zone) = &server.zone {
                spec["zone"] = json!(zone);
            }
            let source = json!({
                "apiVersion": "meantime.dev/v1alpha1", "kind": "TimeSource",
                "metadata": {"name": name, "uid": format!("src-{name}"), "generation": 1}, "spec": spec,
            });
            world.sources.insert(name.clone(), object(source));
        }
        let policy = json!({
            "apiVersion": "meantime.dev/v1alpha1", "kind": "TimeSyncPolicy",
            "metadata": {"name": "all", "uid": "policy-uid", "generation": 1, "creationTimestamp": "2026-11-21T23:25:00Z"},
            "spec": {"nodeSelector": {}, "sources": {"selector": {}}},
        });
        world.policies.insert("all".to_owned(), object(policy));
        for (index, machine) in of.machines.iter().enumerate() {
            let name = &machine.name;
            let node = json!({
                "metadata": {"name": name, "uid": format!("uid-{name}"),
                             "labels": {"topology.kubernetes.io/zone": machine.zone}},
                "status": {"addresses": [{"type": "InternalIP", "address": format!("10.128.{}.{}", index / 250, index % 250 + 1)}]},
            });
            world.nodes.insert(name.clone(), object(node));
            world.ready_agents.insert(name.clone());
        }
        Self {
            world,
            memory: Memory::new(Limits::default()),
            writes: BTreeMap::new(),
            notes: 0,
            opened: Vec::new(),
            found: BTreeMap::new(),
            passes: 0,
            wall,
        }
    }

    /// Another process of the operator, which knows the objects and nothing else.
    pub fn restart(&mut self) {
        self.memory = Memory::new(Limits::default());
    }

    /// All plans as they stand.
    pub fn plans(&self) -> BTreeMap<String, Arc<NodePlan>> {
        let plan = |name: &String| {
            let plan = self.world.node_time(name)?.plan().ok()??;
            Some((name.clone(), Arc::new(plan)))
        };
        self.world.nodes.keys().filter_map(plan).collect()
    }

    /// What agents wrote.
    pub fn hear(&mut self, wrote: &[Wrote]) {
        for one in wrote {
            self.say(&one.node, status(&one.said));
        }
    }

    /// One status.
    pub fn say(&mut self, name: &str, status: NodeTimeStatus) {
        let Some(node_time) = self.world.node_time(name) else { return };
        let mut node_time = node_time.clone();
        node_time.status = Some(status);
        self.world.node_times.insert(name.to_owned(), Arc::new(DeserializeGuard(Ok(node_time))));
    }

    /// One pass, its writes done. Gives the names of nodes that were planned anew, and whether an incident was written.
    pub fn pass(&mut self, tick: u32, seat: Seat) -> (BTreeSet<String>, bool) {
        let decision = self.decide(boot(tick), (self.wall)(tick), seat);
        if !seat.leading {
            return (BTreeSet::new(), false);
        }
        let opened = self.opened.len();
        let (planned, incidents) = self.finish(decision, boot(tick));
        for one in &mut self.opened[opened..] {
            one.tick = tick;
        }
        for one in self.memory.findings.standing() {
            self.found.entry((one.kind, one.subject.clone())).or_insert((tick, tick)).1 = tick;
        }
        (planned, incidents)
    }

    /// What one pass wants.
    pub fn decide(&mut self, now: BootTime, wall: Timestamp, seat: Seat) -> Decision {
        self.passes += 1;
        self.memory.decide(&self.world, seat, now, wall)
    }

    /// Its writes.
    pub fn finish(&mut self, decision: Decision, now: BootTime) -> (BTreeSet<String>, bool) {
        let (mut planned, mut incidents) = (BTreeSet::new(), false);
        self.notes += decision.notes.len();
        for job in decision.jobs {
            let (target, name) = job.write.key();
            let name = name.to_owned();
            *self.writes.entry(target).or_default() += 1;
            self.notes += job.notes.len();
            let is_incident = target.starts_with("incident");
            incidents |= is_incident;
            if target == "nodetime-spec" {
                planned.insert(name);
            }
            self.apply(&job);
            // As in decide's own tests: what was written is seen at once; incidents have a version.
            self.memory.done(job, is_incident.then_some("1"), now);
        }
        (planned, incidents)
    }

    /// One incident in a line.
    pub fn summary(&self, name: &str) -> String {
        let status = self.status(name);
        status.map_or_else(
            || format!("{name} (nothing told yet)"),
            |status| format!("{} {}: {}", status.severity, status.finding, status.summary),
        )
    }

    fn status(&self, name: &str) -> Option<&TimeIncidentStatus> {
        self.world.incidents.as_ref()?.get(name)?.status.as_ref()
    }

    /// The incident tells of clocks out of tolerance, and in truth they were, a few minutes ago at most.
    pub fn is_true(&self, name: &str, cluster: &Cluster) -> bool {
        let Some(status) = self.status(name) else { return false };
        let wrong = |node: &str| cluster.was_wrong(node, MINUTES);
        match (status.origin.as_str(), status.about.split_once('/')) {
            ("Breach", Some(("Node", node))) => wrong(node),
            ("Breach", _) => {
                let told = usize::try_from(status.scope.out_of_tolerance).unwrap_or(usize::MAX);
                cluster.names().filter(|node| wrong(node)).count() >= told
            }
            _ => false,
        }
    }

    fn apply(&mut self, job: &Job) {
        let world = &mut self.world;
        match &job.write {
            Write::Spec { name, node_uid, spec } => {
                let before = world.node_time(name);
                let generation = before.and_then(|one| one.metadata.generation).unwrap_or(0);
                let status = before.and_then(|one| one.status.clone());
                let mut node_time = NodeTime::new(name, (**spec).clone());
                node_time.metadata.uid = Some(format!("nt-{name}"));
                node_time.metadata.generation = Some(generation + 1);
                node_time.metadata.owner_references = serde_json::from_value(json!([
                    {"apiVersion": "v1", "kind": "Node", "name": name, "uid": node_uid}
                ]))
                .ok();
                node_time.status = status;
                world.node_times.insert(name.clone(), Arc::new(DeserializeGuard(Ok(node_time))));
            }
            Write::Conditions { node, conditions, .. } => {
                let conditions: Vec<Value> = conditions
                    .iter()
                    .map(|(kind, told, since)| {
                        json!({"type": kind.node_type(), "status": told.status.as_str(), "reason": told.reason,
                               "message": told.message, "lastTransitionTime": since.to_string()})
                    })
                    .collect();
                let mut object = (*world.nodes[node]).clone();
                let status = object.status.get_or_insert_default();
                status.conditions = serde_json::from_value(json!(conditions)).ok();
                world.nodes.insert(node.clone(), Arc::new(object));
            }
            Write::Source { name, status } => {
                let mut source = (*world.sources[name]).clone();
                source.status = Some((**status).clone());
                world.sources.insert(name.clone(), Arc::new(source));
            }
            Write::Policy { name, status } => {
                let mut policy = (*world.policies[name]).clone();
                policy.status = Some((**status).clone());
                world.policies.insert(name.clone(), Arc::new(policy));
            }
            Write::IncidentCreate { name, labels } => {
                self.opened.push(Opened { name: name.clone(), tick: 0 });
                let incident = json!({
                    "apiVersion": "meantime.dev/v1alpha1", "kind": "TimeIncident",
                    "metadata": {"name": name, "uid": format!("uid-{name}"), "labels": labels, "generation": 1,
                                 "resourceVersion": "1"},
                    "spec": {},
                });
                world.incidents.as_mut().unwrap().insert(name.clone(), object(incident));
            }
            Write::Incident { name, status, labels } => {
                let all = world.incidents.as_mut().unwrap();
                let mut incident = (*all[name]).clone();
                incident.status = Some((**status).clone());
                if let Some(labels) = labels {
                    let own = |(key, value): (&&str, &String)| ((*key).to_owned(), value.clone());
                    incident.metadata.labels.get_or_insert_default().extend(labels.iter().map(own));
                }
                all.insert(name.clone(), Arc::new(incident));
            }
            Write::IncidentDelete { name, .. } => {
                drop(world.incidents.as_mut().unwrap().remove(name));
            }
            other @ (Write::Retire { .. }
            | Write::Delete { .. }
            | Write::ClearConditions { .. }
            | Write::BrokenSource { .. }
            | Write::BrokenPolicy { .. }) => panic!("nobody asked for {other:?}"),
        }
    }
}
