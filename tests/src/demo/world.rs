//! What a user can see of Meantime on a cluster at one moment: Node conditions, TimeSource status, NodeTimes,
//! Events. Read as plain JSON through the API, as kubectl would, not through our own types: if a field moves,
//! the demo must notice.

use k8s_openapi::api::core::v1::{Event, Node};
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::{ApiResource, GroupVersionKind};
use meantime_core::conditions::ConditionKind;
use meantime_core::names;
use std::collections::{BTreeMap, BTreeSet};

/// One condition as it stands on a Node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// True, False, Unknown.
    pub status: String,
    /// The reason word.
    pub reason: String,
    /// The message.
    pub message: String,
}

/// One TimeSource's counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceSeen {
    /// Nodes that have it in their plan and report it.
    pub using: i64,
    /// Nodes that reach it.
    pub reaching: i64,
    /// Nodes that reject it as a falseticker.
    pub rejecting: i64,
    /// Its condition Healthy: what all nodes together find.
    pub healthy: Option<Seen>,
}

/// One `TimeIncident`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IncidentSeen {
    /// The word.
    pub finding: String,
    /// Whose trouble it is, in one text.
    pub about: String,
    /// P1 to P5.
    pub severity: String,
    /// Open, Recovered, Closed.
    pub state: String,
    /// How often it came back.
    pub relapses: i64,
    /// Incident that it turned out to be a part of.
    pub part_of: Option<String>,
    /// One line.
    pub summary: String,
}

/// One NodeTime's figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeTimeSeen {
    /// Published offset, ns.
    pub offset: Option<i64>,
    /// Published guaranteed bound, ns.
    pub bound: Option<i64>,
    /// Published state word of each source.
    pub states: BTreeMap<String, String>,
    /// Tier of the source that is followed.
    pub tier: Option<i64>,
    /// Which order of sources drives; 1 = as planned.
    pub order: i64,
}

/// One Event of ours.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventSeen {
    /// Name of the Event object (unique).
    pub id: String,
    /// Node, TimeSource, TimeSyncPolicy.
    pub kind: String,
    /// Name of the object it is about.
    pub name: String,
    /// Reason word.
    pub reason: String,
    /// Note.
    pub message: String,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Per node, per condition.
    pub nodes: BTreeMap<String, BTreeMap<ConditionKind, Seen>>,
    /// InternalIP per node: what the lab shifts by.
    pub addresses: BTreeMap<String, String>,
    /// Per node: whether its own clock is called faulty, which is the fleet's word and not its agent's.
    pub faulty: BTreeMap<String, Seen>,
    /// Zone of each node that has one.
    pub zones: BTreeMap<String, String>,
    /// By name.
    pub incidents: BTreeMap<String, IncidentSeen>,
    /// Per TimeSource.
    pub sources: BTreeMap<String, SourceSeen>,
    /// Per node.
    pub nodetimes: BTreeMap<String, NodeTimeSeen>,
    /// Events of our operator.
    pub events: BTreeSet<EventSeen>,
}

/// A dynamic Api for one of our kinds.
pub fn kind(client: &kube::Client, kind: &str, plural: &str) -> Api<DynamicObject> {
    let resource =
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(names::GROUP, names::VERSION, kind), plural);
    Api::all_with(client.clone(), &resource)
}

fn text(value: &serde_json::Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Reads the world.
pub async fn look(client: &kube::Client) -> Result<World, kube::Error> {
    let all = ListParams::default();
    let mut world = World::default();
    for node in Api::<Node>::all(client.clone()).list(&all).await? {
        let name = node.metadata.name.clone().unwrap_or_default();
        let status = node.status.unwrap_or_default();
        if let Some(zone) = node.metadata.labels.unwrap_or_default().remove(names::LABEL_ZONE) {
            world.zones.insert(name.clone(), zone);
        }
        if let Some(address) =
            status.addresses.unwrap_or_default().into_iter().find(|address| address.type_ == "InternalIP")
        {
            world.addresses.insert(name.clone(), address.address);
        }
        let mut ours = BTreeMap::new();
        for condition in status.conditions.unwrap_or_default() {
            let seen = Seen {
                status: condition.status,
                reason: condition.reason.unwrap_or_default(),
                message: condition.message.unwrap_or_default(),
            };
            if let Some(kind) =
                ConditionKind::ALL.into_iter().find(|kind| kind.node_type() == condition.type_)
            {
                ours.insert(kind, seen);
            } else if condition.type_ == format!("{}NodeClockFaulty", names::CONDITION_DOMAIN) {
                world.faulty.insert(name.clone(), seen);
            }
        }
        world.nodes.insert(name, ours);
    }
    for source in kind(client, "TimeSource", "timesources").list(&all).await? {
        let count = |field: &str| source.data["status"][field].as_i64().unwrap_or(0);
        let seen = SourceSeen {
            using: count("nodesUsing"),
            reaching: count("nodesReaching"),
            rejecting: count("nodesRejecting"),
            healthy: source.data["status"]["conditions"]
                .as_array()
                .into_iter()
                .flatten()
                .find(|one| one["type"] == "Healthy")
                .map(|one| Seen {
                    status: text(&one["status"]),
                    reason: text(&one["reason"]),
                    message: text(&one["message"]),
                }),
        };
        world.sources.insert(source.metadata.name.clone().unwrap_or_default(), seen);
    }
    for nodetime in kind(client, "NodeTime", "nodetimes").list(&all).await? {
        let status = &nodetime.data["status"];
        let words = status["associations"].as_array().into_iter().flatten().filter_map(|association| {
            Some((association["source"].as_str()?.to_owned(), association["state"].as_str()?.to_owned()))
        });
        let seen = NodeTimeSeen {
            offset: status["offsetNanoseconds"].as_i64(),
            bound: status["errorBoundNanoseconds"].as_i64(),
            states: words.collect(),
            tier: status["tier"].as_i64(),
            order: status["driveOrder"].as_i64().unwrap_or(1),
        };
        world.nodetimes.insert(nodetime.metadata.name.clone().unwrap_or_default(), seen);
    }
    for incident in kind(client, "TimeIncident", "timeincidents").list(&all).await? {
        let status = &incident.data["status"];
        let seen = IncidentSeen {
            finding: text(&status["finding"]),
            about: text(&status["about"]),
            severity: text(&status["severity"]),
            state: text(&status["state"]),
            relapses: status["relapses"].as_i64().unwrap_or(0),
            part_of: status["partOf"].as_str().map(str::to_owned),
            summary: text(&status["summary"]),
        };
        world.incidents.insert(incident.metadata.name.clone().unwrap_or_default(), seen);
    }
    for event in Api::<Event>::namespaced(client.clone(), "default").list(&all).await? {
        if event.reporting_component.as_deref() == Some("meantime-operator") {
            world.events.insert(EventSeen {
                id: event.metadata.name.unwrap_or_default(),
                kind: event.involved_object.kind.unwrap_or_default(),
                name: event.involved_object.name.unwrap_or_default(),
                reason: event.reason.unwrap_or_default(),
                message: event.message.unwrap_or_default(),
            });
        }
    }
    Ok(world)
}

impl World {
    /// The status of one condition on one node; "absent" if it is not there.
    pub fn status(&self, node: &str, kind: ConditionKind) -> &str {
        self.nodes.get(node).and_then(|node| node.get(&kind)).map_or("absent", |seen| seen.status.as_str())
    }
    /// The reason of one condition on one node; empty if it is not there.
    pub fn reason(&self, node: &str, kind: ConditionKind) -> &str {
        self.nodes.get(node).and_then(|node| node.get(&kind)).map_or("", |seen| seen.reason.as_str())
    }
    /// Whether a node's own clock is called faulty: the status, "absent" if nothing is said.
    pub fn clock_faulty(&self, node: &str) -> &str {
        self.faulty.get(node).map_or("absent", |seen| seen.status.as_str())
    }
    /// Incidents that were opened, or opened again, since `before`.
    pub fn new_incidents(&self, before: &World) -> Vec<(&str, &IncidentSeen)> {
        let known = |name: &str| before.incidents.get(name).map(|one| one.relapses);
        let all = self.incidents.iter().map(|(name, seen)| (name.as_str(), seen));
        all.filter(|(name, seen)| known(name).is_none_or(|relapses| seen.relapses > relapses)).collect()
    }
    /// … those of them that are no part of another one.
    pub fn whole_incidents(&self, before: &World) -> Vec<(&str, &IncidentSeen)> {
        self.new_incidents(before).into_iter().filter(|(_, seen)| seen.part_of.is_none()).collect()
    }
    /// Why this world is not clear: empty when every node has all six conditions in their healthy state and is driven as
    /// planned, and every source is reached by all who use it and rejected by none.
    pub fn trouble(&self) -> Vec<String> {
        let mut trouble = Vec::new();
        for node in self.nodes.keys() {
            for kind in ConditionKind::ALL {
                let status = self.status(node, kind);
                if status != kind.healthy().as_str() {
                    trouble.push(format!("{node} {}={status} {}", kind.name(), self.reason(node, kind)));
                }
            }
            if self.clock_faulty(node) != "False" {
                trouble.push(format!("{node} NodeClockFaulty={}", self.clock_faulty(node)));
            }
        }
        for (name, nodetime) in self.nodetimes.iter().filter(|(_, nodetime)| nodetime.order != 1) {
            trouble.push(format!("{name} is driven by order {}", nodetime.order));
        }
        for (name, source) in &self.sources {
            if source.rejecting > 0 || source.using == 0 || source.reaching < source.using {
                trouble.push(format!(
                    "source {name}: {} using, {} reaching, {} rejecting",
                    source.using, source.reaching, source.rejecting
                ));
            }
        }
        if self.nodes.is_empty() || self.sources.is_empty() {
            trouble.push("no nodes or no sources yet".to_owned());
        }
        trouble
    }
    /// Node conditions whose *status* differs from `before`, as text.
    pub fn condition_changes(&self, before: &World) -> Vec<String> {
        let mut changes = Vec::new();
        for node in self.nodes.keys() {
            for kind in ConditionKind::ALL {
                let (then, now) = (before.status(node, kind), self.status(node, kind));
                if then != now {
                    changes.push(format!(
                        "{node} {} {then}→{now} ({})",
                        kind.name(),
                        self.reason(node, kind)
                    ));
                }
            }
        }
        changes
    }
}
