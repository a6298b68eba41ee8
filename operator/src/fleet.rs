//! The whole fleet as what is compared: NodeTimes, declared sources, Nodes' labels, and how each agent is heard.
//!
//! **Must never** call a status fresh whose age is not known: a new operator waits until an agent writes again.

use crate::gather::World;
use crate::silence::Tracker;
use meantime_core::clocks::BootTime;
use meantime_core::diagnose::fleet::{Declared, Fleet, Heard, Node};
use meantime_core::names::{LABEL_EGRESS, LABEL_ZONE};
use meantime_core::units::Nanos;
use meantime_crds::NodeTime;
use meantime_crds::convert::fleet::{Ear, Place, declared, node};
use meantime_crds::nodetime::Desired;
use std::collections::BTreeMap;

/// At this moment, by this machine's BOOTTIME.
pub fn fleet(world: &World, tracker: &Tracker, now: BootTime) -> Fleet {
    let sources: BTreeMap<String, Declared> = world
        .sources
        .iter()
        .filter_map(|(name, source)| Some((name.clone(), declared(source).ok()?)))
        .collect();
    let nodes: BTreeMap<String, Node> = world
        .nodes
        .iter()
        .filter_map(|(name, object)| {
            let node_time = world.node_time(name).filter(|one| is_active(one))?;
            let labels = object.metadata.labels.as_ref();
            let label = |key: &str| labels.and_then(|labels| labels.get(key)).cloned();
            let place = Place { zone: label(LABEL_ZONE), egress: label(LABEL_EGRESS) };
            let ready = world.ready_agents.contains(name);
            Some((name.clone(), node(node_time, place, ear(tracker, name, ready, now))))
        })
        .collect();
    Fleet { now, sources, nodes }
}

fn ear(tracker: &Tracker, name: &str, ready: bool, now: BootTime) -> Ear {
    let quiet = tracker.quiet_for(name, now).unwrap_or(Nanos::ZERO);
    let (heard, seen) = match (tracker.silent(name), tracker.seen(name)) {
        (Some(_), seen) => (Heard::Silent(quiet), seen),
        (None, Some(seen)) => (Heard::Fresh, Some(seen)),
        (None, None) => (Heard::Starting, None),
    };
    Ear { heard, ready, seen: seen.unwrap_or(now - quiet) }
}

fn is_active(node_time: &NodeTime) -> bool {
    node_time.spec.desired == Desired::Active && node_time.spec.plan.is_some()
}
