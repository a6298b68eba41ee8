//! All stores at one moment, and what follows from that alone: the planner's snapshot, the agents' heartbeats.

use crate::conditions::{NodeCondition, Standing, Told};
use crate::silence::{Beat, Rising};
use crate::status::parse;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::core::DeserializeGuard;
use kube::core::error_boundary::InvalidObject;
use meantime_core::chrony::ChronyVersion;
use meantime_core::conditions::{ConditionKind, Reason};
use meantime_core::names::CONDITION_DOMAIN;
use meantime_core::snapshot::{NodeFacts, ObjectKind, Snapshot, Undecodable};
use meantime_crds::nodetime::Desired;
use meantime_crds::{NodeTime, NodeTimeStatus, TimeIncident, TimeSource, TimeSyncPolicy};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

/// What kind a broken object is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BrokenKind {
    /// A source.
    TimeSource,
    /// A policy.
    TimeSyncPolicy,
    /// A node's plan and report.
    NodeTime,
    /// A record.
    TimeIncident,
}

impl BrokenKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::TimeSource, Self::TimeSyncPolicy, Self::NodeTime, Self::TimeIncident];
    /// As Kubernetes calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TimeSource => "TimeSource",
            Self::TimeSyncPolicy => "TimeSyncPolicy",
            Self::NodeTime => "NodeTime",
            Self::TimeIncident => "TimeIncident",
        }
    }
}

/// An object that is there but can't be decoded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Broken {
    /// Kind.
    pub kind: BrokenKind,
    /// Name.
    pub name: String,
    /// Uid.
    pub uid: String,
    /// Generation: a new one is told anew.
    pub generation: i64,
    /// The decoder's words.
    pub why: String,
}

impl Broken {
    pub(super) fn new(kind: BrokenKind, broken: &InvalidObject) -> Self {
        Self {
            kind,
            name: broken.metadata.name.clone().unwrap_or_default(),
            uid: broken.metadata.uid.clone().unwrap_or_default(),
            generation: broken.metadata.generation.unwrap_or(0),
            why: broken.error.clone(),
        }
    }
}

/// Everything at one moment.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Nodes by name, pruned.
    pub nodes: BTreeMap<String, Arc<Node>>,
    /// Sources by name.
    pub sources: BTreeMap<String, Arc<TimeSource>>,
    /// Policies by name.
    pub policies: BTreeMap<String, Arc<TimeSyncPolicy>>,
    /// NodeTimes by name; only decodable ones.
    pub node_times: BTreeMap<String, Arc<DeserializeGuard<NodeTime>>>,
    /// Incidents by name; only decodable ones. None until all were seen once.
    pub incidents: Option<BTreeMap<String, Arc<TimeIncident>>>,
    /// What could not be decoded.
    pub broken: Vec<Broken>,
    /// Names of nodes with a ready agent pod.
    pub ready_agents: BTreeSet<String>,
    /// The stop mark is there.
    pub stopped: bool,
}

impl World {
    /// The NodeTime of that node.
    pub fn node_time(&self, node: &str) -> Option<&NodeTime> {
        self.node_times.get(node).and_then(|guarded| guarded.0.as_ref().ok())
    }

    /// Why that node's NodeTime, which is there, can't be decoded: nothing of it is touched.
    pub fn undecodable(&self, node: &str) -> Option<&str> {
        let is_its = |broken: &&Broken| broken.kind == BrokenKind::NodeTime && broken.name == node;
        self.broken.iter().find(is_its).map(|broken| broken.why.as_str())
    }

    pub(super) fn agent_pod(&mut self, pod: &Pod) {
        let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
        let conditions =
            pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
        let ready =
            conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
        if let Some(node) = node.filter(|_| ready && pod.metadata.deletion_timestamp.is_none()) {
            self.ready_agents.insert(node);
        }
    }

    /// What the planner looks at but for the nodes. An object that core's types can't hold is set aside like one that
    /// can't be decoded.
    pub fn declared(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        let mut aside = |kind, name: &str, why: String| {
            snapshot.undecodable.push(Undecodable { kind, name: name.to_owned(), why });
        };
        let mut sources = Vec::with_capacity(self.sources.len());
        for (name, source) in &self.sources {
            match source.to_core() {
                Ok(spec) => sources.push(spec),
                Err(error) => aside(ObjectKind::TimeSource, name, error.to_string()),
            }
        }
        let mut policies = Vec::with_capacity(self.policies.len());
        for (name, policy) in &self.policies {
            match policy.to_core() {
                Ok(spec) => policies.push(spec),
                Err(error) => aside(ObjectKind::TimeSyncPolicy, name, error.to_string()),
            }
        }
        for broken in &self.broken {
            match broken.kind {
                BrokenKind::TimeSource => aside(ObjectKind::TimeSource, &broken.name, broken.why.clone()),
                BrokenKind::TimeSyncPolicy => {
                    aside(ObjectKind::TimeSyncPolicy, &broken.name, broken.why.clone());
                }
                BrokenKind::NodeTime | BrokenKind::TimeIncident => {}
            }
        }
        snapshot.sources = sources;
        snapshot.policies = policies;
        snapshot
    }

    /// What the planner looks at of one node.
    pub fn facts(&self, name: &str, node: &Node) -> NodeFacts {
        let node_time = self.node_time(name);
        let plan = node_time
            .filter(|node_time| node_time.spec.desired == Desired::Active)
            .and_then(|node_time| node_time.spec.plan.as_ref());
        let chrony = node_time
            .and_then(|node_time| node_time.status.as_ref())
            .and_then(|status| status.chrony.as_ref());
        NodeFacts {
            name: name.to_owned(),
            uid: node.metadata.uid.clone().unwrap_or_default(),
            labels: node.metadata.labels.clone().unwrap_or_default(),
            chrony: chrony.and_then(|chrony| ChronyVersion::parse(&chrony.version)),
            // A plan that core can't hold was edited by hand: nothing to fall back on.
            previous: plan.and_then(|plan| plan.to_core(name).ok()).map(Arc::new),
            address: address(node),
            peering: node_time.is_some_and(|node_time| node_time.spec.peers.is_some()),
        }
    }

    /// Heartbeats of all NodeTimes whose Node is there, for [`crate::silence::Tracker`].
    pub fn beats(&self) -> BTreeMap<String, Beat> {
        self.nodes
            .iter()
            .filter_map(|(name, node)| {
                let node_time = self.node_time(name)?;
                let synchronized = ours(node, NodeCondition::Agents(ConditionKind::TimeSynchronized));
                let beat = Beat {
                    object_uid: node_time.metadata.uid.clone().unwrap_or_default(),
                    rising: node_time.status.as_ref().and_then(heartbeat),
                    pod_ready: self.ready_agents.contains(name),
                    judged: node_time.status.as_ref().is_some_and(judged),
                    declared_silent: synchronized
                        .is_some_and(|told| told.reason.as_deref() == Some(Reason::AgentSilent.as_str())),
                };
                Some((name.clone(), beat))
            })
            .collect()
    }
}

/// Its first InternalIP: where kubelet says that the node's own network is, and so its agent.
fn address(node: &Node) -> Option<IpAddr> {
    let addresses = node.status.as_ref()?.addresses.as_deref()?;
    addresses.iter().filter(|one| one.type_ == "InternalIP").find_map(|one| one.address.parse().ok())
}

/// The rising number of a status; none = its agent never wrote one.
pub fn heartbeat(status: &NodeTimeStatus) -> Option<Rising> {
    Some(Rising { boot_id: status.boot_id.clone().unwrap_or_default(), sequence: status.sequence? })
}

/// Our conditions as they stand on a Node.
pub fn standing(node: &Node) -> BTreeMap<NodeCondition, Standing> {
    NodeCondition::ALL.into_iter().filter_map(|kind| Some((kind, standing_of(node, kind)?))).collect()
}

/// One of them.
pub fn standing_of(node: &Node, kind: NodeCondition) -> Option<Standing> {
    let condition = ours(node, kind)?;
    let told = Told {
        status: parse(&condition.status),
        reason: condition.reason.clone().unwrap_or_default(),
        message: condition.message.clone().unwrap_or_default(),
    };
    Some(Standing { told, since: condition.last_transition_time.as_ref().map(|time| time.0) })
}

fn ours(node: &Node, kind: NodeCondition) -> Option<&k8s_openapi::api::core::v1::NodeCondition> {
    let conditions = node.status.as_ref()?.conditions.as_deref()?;
    conditions.iter().find(|condition| condition.type_.strip_prefix(CONDITION_DOMAIN) == Some(kind.name()))
}

/// What an agent told of its node; none = no verdict yet.
pub fn told(status: &NodeTimeStatus) -> Option<BTreeMap<ConditionKind, Told>> {
    let told: BTreeMap<_, _> =
        ConditionKind::ALL.into_iter().filter_map(|kind| Some((kind, word(status, kind.name())?))).collect();
    (!told.is_empty()).then_some(told)
}

/// Whether there is a verdict in it.
fn judged(status: &NodeTimeStatus) -> bool {
    let is_verdict = |name: &str| ConditionKind::ALL.iter().any(|kind| kind.name() == name);
    status.conditions.iter().any(|condition| is_verdict(&condition.type_))
}

/// What it told of its plan.
pub fn readiness(status: &NodeTimeStatus) -> Option<Told> {
    word(status, "Ready")
}

fn word(status: &NodeTimeStatus, kind: &str) -> Option<Told> {
    let condition = status.conditions.iter().find(|condition| condition.type_ == kind)?;
    Some(Told {
        status: parse(&condition.status),
        reason: condition.reason.clone(),
        message: condition.message.clone(),
    })
}

#[cfg(test)]
mod tests;
