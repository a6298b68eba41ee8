//! One pass, without any I/O: from a [`World`] to the writes that bring the cluster to it.
//!
//! The memory between passes can be lost at any time: what was heard of agents, what was told of sources, what was
//! written and is not yet seen, what failed and rests, and the plan with what it was made of. A follower decides like a leader (its memory
//! stays warm); only the loop knows who sends.

use super::findings::{Findings, refine};
use super::requests::Requests;
use super::rest::Rest;
use crate::apply::expect::Expected;
use crate::apply::write::Write;
use crate::apply::{InForce, RETIRE_PATIENCE, Retirement, SpecChange, Standing, Wanted, answer, spec_change};
use crate::conditions::{self, Change, HEARTBEAT, NodeCondition, Wish, heartbeat_phase};
use crate::events::switches::SwitchNews;
use crate::events::{Loudness, Note, Regarding, left, of_node};
use crate::fleet;
use crate::gather::{BrokenKind, World, readiness, standing, standing_of, told};
use crate::incidents::{self, Incidents};
use crate::planned;
use crate::policy_metrics::PolicyFacts;
use crate::silence::{Limits, Tracker};
use crate::status::{broken, policy, source};
use crate::{maintenance, spread};
use jiff::Timestamp;
use meantime_core::clocks::BootTime;
use meantime_core::conditions::{ConditionKind, Status};
use meantime_core::diagnose::fleet::Fleet;
use meantime_core::incident::record::State;
use meantime_core::incident::severity::Severity;
use meantime_core::peers;
use meantime_core::plan::{self, NodeOutcome, PolicyReport, SourceReport};
use meantime_core::units::Nanos;
use meantime_crds::nodetime::{Desired, PlanPeer};
use meantime_crds::{NodeTime, TimeSourceStatus, TimeSyncPolicyStatus};
use std::collections::{BTreeMap, BTreeSet};

/// Meantime's own kinds as Events name them.
pub(crate) const API_VERSION: &str = "meantime.dev/v1alpha1";

type NodeConditions = BTreeMap<NodeCondition, conditions::Standing>;

/// A write, what to tell once it is done, and what to remember then.
#[derive(Clone, Debug)]
pub struct Job {
    /// The write.
    pub write: Write,
    /// Told after it has succeeded.
    pub notes: Vec<Note>,
    remember: Remember,
}

#[derive(Clone, Debug)]
enum Remember {
    Spec(Box<Standing>),
    Conditions(NodeConditions),
    Source(Box<TimeSourceStatus>),
    Policy(Box<TimeSyncPolicyStatus>),
    Broken(String, i64),
    Deleted(String),
    Incident(incidents::Done),
}

/// What one pass wants.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// Writes with what hangs on them.
    pub jobs: Vec<Job>,
    /// Events that hang on no write.
    pub notes: Vec<Note>,
    /// When to pass again though nothing is seen to change.
    pub next: Option<BootTime>,
    /// Nodes by status of TimeSynchronized, for the metrics.
    pub synchronized: BTreeMap<&'static str, i64>,
    /// Standing findings by word, for the metrics.
    pub findings: BTreeMap<&'static str, i64>,
    /// Those of them that a policy acknowledges; a word without one is not in it.
    pub acknowledged: BTreeMap<&'static str, i64>,
    /// Incidents by severity and state, for the metrics.
    pub incidents: BTreeMap<(Severity, State), i64>,
    /// What there is to count of each policy.
    pub policies: Vec<PolicyFacts>,
}

impl Decision {
    fn look_again(&mut self, moment: BootTime) {
        self.next = Some(self.next.map_or(moment, |next| next.min(moment)));
    }
}

/// Where this operator stands at one pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// Agents could be heard, and our own Lease requests succeed.
    pub in_contact: bool,
    /// What is decided will be written.
    pub leading: bool,
}

/// What is kept between passes.
#[derive(Debug)]
pub struct Memory {
    /// Which agents are silent.
    pub tracker: Tracker,
    /// Incidents.
    pub incidents: Incidents,
    /// What all nodes together prove.
    pub findings: Findings,
    switches: SwitchNews,
    specs: Expected<Standing>,
    node_conditions: Expected<NodeConditions>,
    sources: Expected<TimeSourceStatus>,
    policies: Expected<TimeSyncPolicyStatus>,
    /// When the conditions of a Node (by uid) were last written, or should have been.
    beaten: BTreeMap<String, BootTime>,
    /// When a NodeTime (by uid) was first seen Retired.
    asked: BTreeMap<String, BootTime>,
    /// Broken objects (uid, generation) that were told of.
    told_broken: BTreeSet<(String, i64)>,
    requests: Requests,
    /// NodeTimes (by uid) that were deleted and that the cache still shows.
    deleted: BTreeSet<String>,
    rest: Rest,
    spreads: spread::Holds,
    fleet: fleet::Known,
    planned: planned::Known,
    /// The agents' port for each other.
    pub peer_port: u16,
}

impl Memory {
    /// A blank one.
    pub fn new(limits: Limits) -> Self {
        Self {
            tracker: Tracker::new(limits),
            incidents: Incidents::default(),
            findings: Findings::default(),
            switches: SwitchNews::default(),
            specs: Expected::default(),
            node_conditions: Expected::default(),
            sources: Expected::default(),
            policies: Expected::default(),
            beaten: BTreeMap::new(),
            asked: BTreeMap::new(),
            told_broken: BTreeSet::new(),
            requests: Requests::default(),
            deleted: BTreeSet::new(),
            rest: Rest::default(),
            spreads: spread::Holds::default(),
            fleet: fleet::Known::default(),
            planned: planned::Known::default(),
            peer_port: peers::PORT,
        }
    }

    /// One pass. What a follower decides is thrown away, so it remembers nothing as told.
    pub fn decide(&mut self, world: &World, seat: Seat, now: BootTime, wall: Timestamp) -> Decision {
        let mut decision = Decision::default();
        self.tracker.look(now, seat.in_contact, &world.beats());
        if !seat.leading {
            self.switches = SwitchNews::default();
            self.told_broken.clear();
            self.requests = Requests::default();
        }
        let mut plans = std::mem::take(&mut self.planned);
        let planned = plans.look(world, self.peer_port);
        let plan = &planned.plan;
        let mut known = std::mem::take(&mut self.fleet);
        let fleet = known.look(world, &self.tracker, now);
        self.findings.look(fleet, seat.in_contact);
        decision.findings = self.findings.counts();
        for (name, outcome) in &plan.nodes {
            let wanted = match outcome {
                NodeOutcome::Planned(plan) => Wanted::Active(planned.text(plan)),
                NodeOutcome::Kept { .. } | NodeOutcome::Stalled { .. } => Wanted::AsItIs,
                NodeOutcome::Unselected => Wanted::Nothing,
            };
            self.node(world, name, (&wanted, planned.peers(name)), (now, wall), &mut decision);
        }
        self.look_at_sources(world, &plan.sources, (now, wall), &mut decision);
        self.look_at_policies(world, plan, fleet, (now, wall), &mut decision);
        (self.fleet, self.planned) = (known, plans);
        let acknowledged = decision.policies.iter().flat_map(|policy| &policy.acknowledged);
        decision.acknowledged = self.findings.acknowledged(&acknowledged.cloned().collect());
        self.look_at_incidents(world, seat, (now, wall), &mut decision);
        self.look_at_broken(world, wall, &mut decision);
        self.forget(world, now);
        let moments = [
            self.tracker.next_look(now),
            self.findings.next_look(),
            self.specs.next(),
            self.node_conditions.next(),
            self.sources.next(),
            self.policies.next(),
        ];
        for moment in moments.into_iter().flatten() {
            decision.look_again(moment);
        }
        decision.jobs.retain(|job| !self.rest.resting(&job.write, now));
        if let Some(moment) = self.rest.next(now) {
            decision.look_again(moment);
        }
        decision
    }

    fn node(
        &mut self,
        world: &World,
        name: &str,
        (wanted, peers): (&Wanted, Option<&[PlanPeer]>),
        (now, wall): (BootTime, Timestamp),
        decision: &mut Decision,
    ) {
        let Some(node) = world.nodes.get(name) else { return };
        let node_uid = node.metadata.uid.clone().unwrap_or_default();
        if let Some(why) = world.undecodable(name) {
            // Nothing of the object is touched; what stands on the Node may be long past.
            let wish = conditions::wish_undecodable(why, &standing(node));
            self.conditions(world, name, &wish, None, (now, wall), decision);
            return;
        }
        let node_time = world.node_time(name);
        let retirement = self.retirement(name, node_time, now);
        let version = node_time.and_then(|node_time| node_time.metadata.resource_version.as_deref());
        let pending = self.specs.pending(name, version, now).cloned();
        let standing_spec = pending.as_ref().map(InForce::from).or_else(|| node_time.map(InForce::from));
        let (asked, misasked) = node_time.map_or((None, None), |node_time| self.requests.look(node_time));
        decision.notes.extend(misasked);
        if let Some((node_time, status)) = node_time.and_then(|one| Some((one, one.status.as_ref()?))) {
            let uid = node_time.metadata.uid.clone().unwrap_or_default();
            let regarding = node_regarding(name, &node_uid);
            let policy = policy_regarding(node_time);
            decision.notes.extend(self.switches.look(&uid, &status.switches, &regarding, policy.as_ref()));
        }
        let change = spec_change(wanted, standing_spec, asked.as_ref(), peers, &node_uid, &retirement);

        let retired = matches!(&standing_spec, Some(standing) if standing.spec.desired == Desired::Retired);
        let silence = self.tracker.silent(name).filter(|_| node_time.is_some());
        let wish = match (&change, node_time, wanted) {
            (SpecChange::Remove { .. }, _, _) | (_, None, Wanted::Nothing | Wanted::AsItIs) => Wish::Remove,
            (_, None, Wanted::Active(_)) => Wish::Keep,
            (_, Some(_), _) if retired => Wish::Keep,
            (_, Some(node_time), _) => {
                let faulty = standing_of(node, NodeCondition::ClockFaulty).map(|standing| standing.told);
                let report = node_time.status.as_ref().and_then(told);
                let report = report.map(|told| refine(&self.findings, name, &told, faulty.as_ref()));
                match (&report, silence) {
                    _ if node_time.spec.plan.is_none() => Wish::Keep,
                    (None, None) if self.tracker.wordless(name, now) => {
                        conditions::wish_wordless(node_time.status.as_ref().and_then(readiness).as_ref())
                    }
                    _ => conditions::wish(true, report.as_ref(), silence),
                }
            }
        };
        let clear = self.conditions(world, name, &wish, node_time, (now, wall), decision);
        match change {
            SpecChange::Nothing => {
                if retired {
                    decision.look_again(now + RETIRE_PATIENCE);
                }
            }
            SpecChange::Apply(spec) => {
                let written = Standing { spec: (*spec).clone(), owner: Some(node_uid.clone()) };
                decision.jobs.push(Job {
                    write: Write::Spec { name: name.to_owned(), node_uid, spec },
                    notes: Vec::new(),
                    remember: Remember::Spec(Box::new(written)),
                });
            }
            // first the conditions, then the object: a crash between the two leaves the object, and so the duty
            SpecChange::Remove { .. } if !clear => {}
            SpecChange::Remove { restored, message } => {
                let uid = node_time.and_then(|node_time| node_time.metadata.uid.clone()).unwrap_or_default();
                if !self.deleted.contains(&uid) {
                    decision.jobs.push(Job {
                        notes: vec![left(node_regarding(name, &node_uid), restored, &message)],
                        write: Write::Delete { name: name.to_owned(), uid: uid.clone() },
                        remember: Remember::Deleted(uid),
                    });
                }
            }
        }
    }

    /// Adds the write of a Node's conditions, if there is one. True = none of ours stands there.
    fn conditions(
        &mut self,
        world: &World,
        name: &str,
        wish: &Wish,
        node_time: Option<&NodeTime>,
        (now, wall): (BootTime, Timestamp),
        decision: &mut Decision,
    ) -> bool {
        let Some(node) = world.nodes.get(name) else { return true };
        let uid = node.metadata.uid.clone().unwrap_or_default();
        let version = node.metadata.resource_version.as_deref();
        let pending = self.node_conditions.pending(name, version, now).cloned();
        let standing = pending.unwrap_or_else(|| standing(node));
        let due = now - (HEARTBEAT - heartbeat_phase(name));
        let beaten = *self.beaten.entry(uid.clone()).or_insert(due);
        if let Wish::Set(wanted) = wish {
            let status = wanted
                .get(&NodeCondition::Agents(ConditionKind::TimeSynchronized))
                .map_or(Status::Unknown, |told| told.status);
            *decision.synchronized.entry(status.as_str()).or_default() += 1;
            decision.look_again(beaten + HEARTBEAT);
        }
        match conditions::change(wish, &standing, beaten, now, wall) {
            Change::Nothing => {}
            Change::Remove => decision.jobs.push(Job {
                write: Write::ClearConditions { node: name.to_owned(), uid },
                notes: Vec::new(),
                remember: Remember::Conditions(BTreeMap::new()),
            }),
            Change::Set { conditions, transitions } => {
                let regarding = node_regarding(name, &uid);
                let policy = node_time.and_then(policy_regarding);
                let written = conditions
                    .iter()
                    .map(|(kind, told, since)| {
                        (*kind, conditions::Standing { told: told.clone(), since: Some(*since) })
                    })
                    .collect();
                decision.jobs.push(Job {
                    notes: of_node(&transitions, &regarding, policy.as_ref()),
                    write: Write::Conditions { node: name.to_owned(), uid, conditions },
                    remember: Remember::Conditions(written),
                });
            }
        }
        standing.is_empty()
    }

    fn retirement(&mut self, name: &str, node_time: Option<&NodeTime>, now: BootTime) -> Retirement {
        let Some(node_time) = node_time else { return Retirement::default() };
        let uid = node_time.metadata.uid.clone().unwrap_or_default();
        match node_time.spec.desired {
            Desired::Active => {
                self.asked.remove(&uid);
                Retirement::default()
            }
            Desired::Retired => {
                let asked = *self.asked.entry(uid).or_insert(now);
                let quiet = self.tracker.quiet_for(name, now).unwrap_or(Nanos::ZERO);
                Retirement { answer: answer(node_time), unheard: Some(quiet.min(now - asked)) }
            }
        }
    }

    fn look_at_sources(
        &mut self,
        world: &World,
        reports: &BTreeMap<String, SourceReport>,
        (now, wall): (BootTime, Timestamp),
        decision: &mut Decision,
    ) {
        let counts = source::count(world.nodes.keys().filter_map(|name| {
            let node_time = world.node_time(name)?;
            Some((&node_time.spec, node_time.status.as_ref(), self.tracker.silent(name).is_some()))
        }));
        let blank = SourceReport::default();
        for (name, object) in &world.sources {
            let counts = counts.get(name).copied().unwrap_or_default();
            let pending =
                self.sources.pending(name, object.metadata.resource_version.as_deref(), now).cloned();
            let standing = pending.or_else(|| object.status.clone());
            let report = reports.get(name).unwrap_or(&blank);
            let status = source::desired(
                object,
                standing.as_ref(),
                report,
                (counts, self.findings.of_source(name)),
                wall,
            );
            if standing.as_ref() != Some(&status) {
                decision.jobs.push(Job {
                    write: Write::Source { name: name.clone(), status: Box::new(status.clone()) },
                    notes: Vec::new(),
                    remember: Remember::Source(Box::new(status)),
                });
            }
        }
    }

    fn look_at_policies(
        &mut self,
        world: &World,
        plan: &plan::Plan,
        fleet: &Fleet,
        (now, wall): (BootTime, Timestamp),
        decision: &mut Decision,
    ) {
        let mut members: BTreeMap<&str, Vec<policy::Member<'_>>> = BTreeMap::new();
        for (name, outcome) in &plan.nodes {
            let Some(policy) = outcome.policy() else { continue };
            let node_time = world.node_time(name);
            members.entry(policy).or_default().push(policy::Member {
                name,
                outcome,
                spec: node_time.map(|node_time| &node_time.spec),
                status: node_time.and_then(|node_time| node_time.status.as_ref()),
                silent: self.tracker.silent(name).is_some(),
            });
        }
        self.spreads.keep_only(|policy| world.policies.contains_key(policy));
        let blank = PolicyReport::default();
        for (name, object) in &world.policies {
            let pending =
                self.policies.pending(name, object.metadata.resource_version.as_deref(), now).cloned();
            let standing = pending.or_else(|| object.status.clone());
            let report = plan.policies.get(name).unwrap_or(&blank);
            let members = members.get(name.as_str()).map(Vec::as_slice).unwrap_or_default();
            let names: Vec<&str> = members.iter().map(|member| member.name).collect();
            let besides = policy::Besides {
                maintenance: maintenance::look(object.spec.maintenance.as_ref(), wall),
                spread: self.spreads.look(name, report, standing.as_ref(), &names, fleet),
            };
            if let Some(seconds) = besides.maintenance.again {
                decision.look_again(now + Nanos::from_secs(seconds));
            }
            if besides.spread.as_ref().is_some_and(|spread| spread.turning) {
                decision.look_again(now + spread::AGAIN);
            }
            decision.policies.push(policy::facts(name, members, &besides));
            let status = policy::desired(object, standing.as_ref(), report, members, &besides, wall);
            if standing.as_ref() != Some(&status) {
                decision.jobs.push(Job {
                    write: Write::Policy { name: name.clone(), status: Box::new(status.clone()) },
                    notes: Vec::new(),
                    remember: Remember::Policy(Box::new(status)),
                });
            }
        }
    }

    fn look_at_incidents(
        &mut self,
        world: &World,
        seat: Seat,
        moment: (BootTime, Timestamp),
        decision: &mut Decision,
    ) {
        let findings = self.findings.standing();
        let wanted = self.incidents.look(world, &self.tracker, findings, seat.in_contact, moment);
        decision.incidents = wanted.counts;
        for (write, notes, done) in wanted.writes {
            decision.jobs.push(Job { write, notes, remember: Remember::Incident(done) });
        }
        if let Some(moment) = wanted.next {
            decision.look_again(moment);
        }
    }

    /// An undecodable object gets a status (once per generation) and an Event; nothing else is done with it.
    fn look_at_broken(&mut self, world: &World, wall: Timestamp, decision: &mut Decision) {
        for object in &world.broken {
            let key = (object.uid.clone(), object.generation);
            if self.told_broken.contains(&key) {
                continue;
            }
            let note = Note {
                regarding: Regarding {
                    api_version: API_VERSION,
                    kind: object.kind.name(),
                    name: object.name.clone(),
                    uid: object.uid.clone(),
                },
                related: None,
                loudness: Loudness::Warning,
                reason: "Undecodable".to_owned(),
                message: broken::message(object),
                once: Some(format!("undecodable-{}-{}", object.uid, object.generation)),
            };
            let write = match object.kind {
                BrokenKind::TimeSource => Write::BrokenSource {
                    name: object.name.clone(),
                    status: Box::new(broken::source(object, wall)),
                },
                BrokenKind::TimeSyncPolicy => Write::BrokenPolicy {
                    name: object.name.clone(),
                    status: Box::new(broken::policy(object, wall)),
                },
                // its status is its agent's, or nobody's any more: the Event is all there is to say
                BrokenKind::NodeTime | BrokenKind::TimeIncident => {
                    decision.notes.push(note);
                    self.told_broken.insert(key);
                    continue;
                }
            };
            decision.notes.push(note);
            decision.jobs.push(Job {
                write,
                notes: Vec::new(),
                remember: Remember::Broken(object.uid.clone(), object.generation),
            });
        }
    }

    fn forget(&mut self, world: &World, now: BootTime) {
        self.specs.expire(now);
        self.node_conditions.expire(now);
        self.sources.expire(now);
        self.policies.expire(now);
        let nodes: BTreeSet<&str> =
            world.nodes.values().filter_map(|node| node.metadata.uid.as_deref()).collect();
        self.beaten.retain(|uid, _| nodes.contains(uid.as_str()));
        let node_times: BTreeSet<&str> = world
            .node_times
            .values()
            .filter_map(|guarded| guarded.0.as_ref().ok())
            .filter_map(|node_time| node_time.metadata.uid.as_deref())
            .collect();
        self.asked.retain(|uid, _| node_times.contains(uid.as_str()));
        self.switches.keep_only(|uid| node_times.contains(uid));
        self.requests.keep_only(|uid| node_times.contains(uid));
        self.deleted.retain(|uid| node_times.contains(uid.as_str()));
        self.told_broken.retain(|(uid, _)| world.broken.iter().any(|broken| broken.uid == *uid));
    }

    /// A job was done and the object has that resourceVersion: remember it, so that a lagging cache does not make it
    /// happen twice.
    pub fn done(&mut self, job: Job, version: Option<&str>, now: BootTime) {
        let (target, name) = job.write.key();
        let name = name.to_owned();
        self.rest.succeeded(target, &name);
        match job.remember {
            Remember::Spec(written) => self.specs.wrote(name, *written, version, now),
            Remember::Conditions(written) => {
                if let Write::Conditions { uid, .. } = &job.write {
                    self.beaten.insert(uid.clone(), now);
                }
                self.node_conditions.wrote(name, written, version, now);
            }
            Remember::Source(written) => self.sources.wrote(name, *written, version, now),
            Remember::Policy(written) => self.policies.wrote(name, *written, version, now),
            Remember::Deleted(uid) => drop(self.deleted.insert(uid)),
            Remember::Incident(done) => self.incidents.done(&name, done, version, now),
            Remember::Broken(uid, generation) => drop(self.told_broken.insert((uid, generation))),
        }
    }

    /// A job failed: it rests, longer each time.
    pub fn failed(&mut self, job: &Job, now: BootTime) {
        let (target, name) = job.write.key();
        self.rest.failed(target, name, now);
    }
}

fn policy_regarding(node_time: &NodeTime) -> Option<Regarding> {
    let policy = &node_time.spec.plan.as_ref()?.policy;
    Some(Regarding {
        api_version: API_VERSION,
        kind: "TimeSyncPolicy",
        name: policy.name.clone(),
        uid: policy.uid.clone(),
    })
}

fn node_regarding(name: &str, uid: &str) -> Regarding {
    Regarding { api_version: "v1", kind: "Node", name: name.to_owned(), uid: uid.to_owned() }
}

#[cfg(test)]
mod tests;
