//! What the operator knows: seven watches, each into its own store.
//!
//! **In.** TimeSource, TimeSyncPolicy, NodeTime, Node, the agents' pods, the stop mark and TimeIncidents, from the API server.
//! **Out.** [`World`]: all of it at one moment, as plain data, and [`World::declared`] and [`World::facts`] for the planner.
//! **Must never** hand out a world before every store has synced (absent is not empty), or let one undecodable object
//! disturb the others: it is set aside as [`Broken`], by name.

#[cfg(test)]
pub(crate) mod testing;
pub mod watch;
mod world;

pub use world::{Broken, BrokenKind, World, heartbeat, readiness, standing, standing_of, told};

use crate::metrics::Metrics;
use crate::wake::Wake;
use futures::future::{BoxFuture, FutureExt};
use k8s_openapi::api::core::v1::{ConfigMap, Node, Pod};
use kube::api::{Api, PartialObjectMeta};
use kube::core::DeserializeGuard;
use kube::runtime::reflector::Store;
use kube::runtime::watcher;
use kube::{Client, ResourceExt};
use meantime_core::names::{CONDITION_DOMAIN, STOP_MARK};
use meantime_crds::{NodeTime, TimeIncident, TimeSource, TimeSyncPolicy};
use std::collections::BTreeMap;
use std::sync::Arc;
use watch::{Bells, Health, Watched, watched};

/// The stores, and whether each may be believed.
#[derive(Clone, Debug)]
pub struct Stores {
    sources: Watched<DeserializeGuard<TimeSource>>,
    policies: Watched<DeserializeGuard<TimeSyncPolicy>>,
    node_times: Watched<DeserializeGuard<NodeTime>>,
    nodes: Watched<Node>,
    pods: Watched<Pod>,
    mark: Watched<PartialObjectMeta<ConfigMap>>,
    incidents: Watched<DeserializeGuard<TimeIncident>>,
}

/// Where and what to watch.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The operator's namespace.
    pub namespace: String,
    /// Label selector of the agents' pods.
    pub agent_selector: String,
    /// Seconds after which a watch is begun anew.
    pub watch_seconds: u32,
}

impl Stores {
    /// The stores, empty, and the tasks that fill them. A task ends only when its watch can't go on.
    ///
    /// `wake` rings at every change that matters, `bell` when a store has synced and when the stop mark comes or goes.
    pub fn watch(
        client: &Client,
        scope: &Scope,
        wake: &Wake,
        bell: &Wake,
        metrics: &Metrics,
    ) -> (Self, Vec<BoxFuture<'static, &'static str>>) {
        let config = watcher::Config::default().timeout(scope.watch_seconds);
        let bells = || Bells { change: wake.clone(), synced: bell.clone() };
        let all = |kind| (kind, config.clone(), bells(), metrics.clone());
        let (sources, drive_sources) =
            watched(Api::all(client.clone()), all("TimeSource"), shed_guarded, |_, _| false);
        let (policies, drive_policies) =
            watched(Api::all(client.clone()), all("TimeSyncPolicy"), shed_guarded, |_, _| false);
        let (node_times, drive_node_times) =
            watched(Api::all(client.clone()), all("NodeTime"), shed_guarded, |_, _| false);
        let (nodes, drive_nodes) = watched(Api::all(client.clone()), all("Node"), shed_node, same_node);
        let (pods, drive_pods) = watched(
            Api::namespaced(client.clone(), &scope.namespace),
            ("Pod", config.clone().labels(&scope.agent_selector), bells(), metrics.clone()),
            shed_pod,
            |old, new| old == new,
        );
        let (mark, drive_mark) = watched(
            Api::namespaced(client.clone(), &scope.namespace),
            (
                "ConfigMap",
                config.clone().fields(&format!("metadata.name={STOP_MARK}")),
                Bells { change: bell.clone(), synced: bell.clone() },
                metrics.clone(),
            ),
            |_| {},
            |_, _| false,
        );
        let (incidents, drive_incidents) =
            watched(Api::all(client.clone()), all("TimeIncident"), shed_guarded, |_, _| false);
        let stores = Self { sources, policies, node_times, nodes, pods, mark, incidents };
        let tasks = vec![
            drive_sources.boxed(),
            drive_policies.boxed(),
            drive_node_times.boxed(),
            drive_nodes.boxed(),
            drive_pods.boxed(),
            drive_mark.boxed(),
            drive_incidents.boxed(),
        ];
        (stores, tasks)
    }

    /// Whether every store has once been filled completely. But for the incidents: they are records, and time is kept
    /// without them (an older CRD set has none).
    pub fn synced(&self) -> bool {
        let Self { sources, policies, node_times, nodes, pods, mark, incidents: _ } = self;
        [&sources.health, &policies.health, &node_times.health, &nodes.health, &pods.health, &mark.health]
            .into_iter()
            .all(Health::synced)
    }

    /// Whether agents could be heard now.
    pub fn hears_agents(&self) -> bool {
        self.node_times.health.healthy() && self.pods.health.healthy()
    }

    /// Whether the stop mark is there; none = not known yet.
    pub fn stopped(&self) -> Option<bool> {
        self.mark
            .health
            .synced()
            .then(|| self.mark.store.state().iter().any(|mark| mark.name_any() == STOP_MARK))
    }

    /// Everything at one moment; none until every store has synced.
    pub fn world(&self) -> Option<World> {
        if !self.synced() {
            return None;
        }
        let mut world = World { stopped: self.stopped()?, ..World::default() };
        for guarded in self.sources.store.state() {
            match &guarded.0 {
                Ok(source) => drop(world.sources.insert(source.name_any(), Arc::new(source.clone()))),
                Err(broken) => world.broken.push(Broken::new(BrokenKind::TimeSource, broken)),
            }
        }
        for guarded in self.policies.store.state() {
            match &guarded.0 {
                Ok(policy) => drop(world.policies.insert(policy.name_any(), Arc::new(policy.clone()))),
                Err(broken) => world.broken.push(Broken::new(BrokenKind::TimeSyncPolicy, broken)),
            }
        }
        for guarded in self.node_times.store.state() {
            match &guarded.0 {
                Ok(_) => drop(world.node_times.insert(guarded.name_any(), guarded)),
                Err(broken) => world.broken.push(Broken::new(BrokenKind::NodeTime, broken)),
            }
        }
        if self.incidents.health.synced() {
            let incidents = world.incidents.insert(BTreeMap::new());
            for guarded in self.incidents.store.state() {
                match &guarded.0 {
                    Ok(incident) => drop(incidents.insert(incident.name_any(), Arc::new(incident.clone()))),
                    Err(broken) => world.broken.push(Broken::new(BrokenKind::TimeIncident, broken)),
                }
            }
        }
        world.nodes = by_name(&self.nodes.store);
        for pod in self.pods.store.state() {
            world.agent_pod(&pod);
        }
        world.broken.sort();
        Some(world)
    }
}

fn by_name(store: &Store<Node>) -> BTreeMap<String, Arc<Node>> {
    store.state().into_iter().map(|node| (node.name_any(), node)).collect()
}

/// managedFields are half of an object and are never looked at.
fn shed_guarded<K: kube::Resource>(object: &mut DeserializeGuard<K>) {
    use kube::Resource;
    object.meta_mut().managed_fields = None;
}

/// Of a Node, name, uid, labels, InternalIPs and our own conditions are kept: kubelet's heartbeats then change nothing here, and
/// five thousand Nodes fit into a few MiB.
fn shed_node(node: &mut Node) {
    let metadata = std::mem::take(&mut node.metadata);
    let status = node.status.take();
    *node = Node::default();
    node.metadata.name = metadata.name;
    node.metadata.uid = metadata.uid;
    node.metadata.resource_version = metadata.resource_version;
    node.metadata.labels = metadata.labels;
    let status = status.unwrap_or_default();
    let mut conditions = status.conditions.unwrap_or_default();
    conditions.retain(|condition| condition.type_.starts_with(CONDITION_DOMAIN));
    let mut addresses = status.addresses.unwrap_or_default();
    addresses.retain(|address| address.type_ == "InternalIP");
    if !conditions.is_empty() || !addresses.is_empty() {
        node.status = Some(k8s_openapi::api::core::v1::NodeStatus {
            conditions: (!conditions.is_empty()).then_some(conditions),
            addresses: (!addresses.is_empty()).then_some(addresses),
            ..Default::default()
        });
    }
}

/// Kubelet writes its Node every few minutes: nothing that is looked at here.
fn same_node(old: &Node, new: &Node) -> bool {
    old.metadata.uid == new.metadata.uid
        && old.metadata.labels == new.metadata.labels
        && old.status == new.status
}

/// Of a pod, its node and whether it is ready are kept.
fn shed_pod(pod: &mut Pod) {
    let metadata = std::mem::take(&mut pod.metadata);
    let node = pod.spec.take().and_then(|spec| spec.node_name);
    let mut conditions = pod.status.take().and_then(|status| status.conditions).unwrap_or_default();
    conditions.retain(|condition| condition.type_ == "Ready");
    for condition in &mut conditions {
        condition.last_probe_time = None;
        condition.message = None;
    }
    *pod = Pod::default();
    pod.metadata.name = metadata.name;
    pod.metadata.namespace = metadata.namespace;
    pod.metadata.uid = metadata.uid;
    pod.metadata.deletion_timestamp = metadata.deletion_timestamp;
    pod.spec =
        node.map(|node| k8s_openapi::api::core::v1::PodSpec { node_name: Some(node), ..Default::default() });
    pod.status =
        Some(k8s_openapi::api::core::v1::PodStatus { conditions: Some(conditions), ..Default::default() });
}
