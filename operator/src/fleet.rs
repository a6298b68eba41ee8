//! The whole fleet as what is compared: NodeTimes, declared sources, Nodes' labels, and how each agent is heard.
//!
//! **Must never** call a status fresh whose age is not known: a new operator waits until an agent writes again.

use crate::gather::World;
use crate::silence::Tracker;
use kube::core::DeserializeGuard;
use meantime_core::clocks::BootTime;
use meantime_core::diagnose::fleet::{Fleet, Heard};
use meantime_core::names::{LABEL_EGRESS, LABEL_ZONE};
use meantime_core::units::Nanos;
use meantime_crds::convert::fleet::{Ear, Place, again, declared, node};
use meantime_crds::nodetime::Desired;
use meantime_crds::{NodeTime, TimeSource};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The fleet, kept from pass to pass: an object that is still the same one is not read again.
#[derive(Debug, Default)]
pub struct Known {
    fleet: Fleet,
    objects: BTreeMap<String, Object>,
}

type Object = Arc<DeserializeGuard<NodeTime>>;

impl Known {
    /// At this moment, by this machine's BOOTTIME.
    pub fn look(&mut self, world: &World, tracker: &Tracker, now: BootTime) -> &Fleet {
        let declared =
            |(name, source): (&String, &Arc<TimeSource>)| Some((name.clone(), declared(source).ok()?));
        self.fleet.now = now;
        self.fleet.sources = world.sources.iter().filter_map(declared).collect();
        let is_there =
            |name: &String| world.nodes.contains_key(name) && world.node_time(name).is_some_and(is_active);
        self.fleet.nodes.retain(|name, _| is_there(name));
        self.objects.retain(|name, _| is_there(name));
        for (name, object) in &world.nodes {
            let Some(node_time) = world.node_time(name).filter(|one| is_active(one)) else { continue };
            let labels = object.metadata.labels.as_ref();
            let label = |key: &str| labels.and_then(|labels| labels.get(key)).cloned();
            let place = Place { zone: label(LABEL_ZONE), egress: label(LABEL_EGRESS) };
            let ear = ear(tracker, name, world.ready_agents.contains(name), now);
            let same = world.node_times.get(name).zip(self.objects.get(name));
            let same = same.is_some_and(|(object, known)| Arc::ptr_eq(object, known));
            match self.fleet.nodes.get_mut(name).filter(|_| same) {
                Some(known) => again(known, place, ear),
                None => drop(self.fleet.nodes.insert(name.clone(), node(node_time, place, ear))),
            }
            if let Some(object) = world.node_times.get(name).filter(|_| !same) {
                self.objects.insert(name.clone(), object.clone());
            }
        }
        &self.fleet
    }
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
