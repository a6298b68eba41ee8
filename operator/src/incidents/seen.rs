//! What the nodes tell, as incidents look at it: who is out of tolerance, who did what, of whom nothing is known.

use crate::gather::{World, told};
use crate::silence::Tracker;
use meantime_core::clocks::BootTime;
use meantime_core::conditions::{ConditionKind, Reason, Status};
use meantime_core::incident::{Breach, Switched};
use meantime_core::names::LABEL_ZONE;
use meantime_core::units::Nanos;
use meantime_crds::nodetime::{Desired, Plan};
use meantime_crds::{NodeTime, NodeTimeStatus};
use std::collections::{BTreeMap, BTreeSet};

/// All nodes that are looked after.
#[derive(Debug, Default)]
pub(super) struct Fleet {
    pub breaches: Vec<Breach>,
    pub switches: Vec<Switched>,
    pub unknown: BTreeSet<String>,
    pub nodes: BTreeMap<String, Option<String>>,
}

/// Nodes with a plan. A node whose NodeTime can't be read is one of which nothing is known.
pub(super) fn fleet(world: &World, tracker: &Tracker) -> Fleet {
    let mut fleet = Fleet::default();
    for (name, node) in &world.nodes {
        let zone = node.metadata.labels.as_ref().and_then(|labels| labels.get(LABEL_ZONE)).cloned();
        if world.undecodable(name).is_some() {
            fleet.nodes.insert(name.clone(), zone);
            fleet.unknown.insert(name.clone());
            continue;
        }
        let Some((node_time, plan)) = world.node_time(name).and_then(active) else { continue };
        fleet.nodes.insert(name.clone(), zone);
        let status = node_time.status.as_ref();
        if let Some(status) = status {
            fleet.switches.extend(switches(name, status, tracker.seen(name)));
        }
        let verdict = status
            .filter(|_| tracker.silent(name).is_none())
            .and_then(|status| Some((status, told(status)?.remove(&ConditionKind::TimeSynchronized)?)));
        match verdict {
            Some((status, told)) if told.status == Status::False => {
                fleet.breaches.push(Breach {
                    node: name.clone(),
                    limit: limit(&told.reason, plan),
                    reason: told.reason,
                    offset: status.offset_nanoseconds.map(Nanos),
                    bound: status.error_bound_nanoseconds.map(Nanos),
                });
            }
            // What is asked can't be had on this path: the policy says so, and no clock is wrong by it.
            Some((_, told))
                if told.status == Status::True || told.reason == Reason::ToleranceInfeasible.as_str() => {}
            Some(_) | None => drop(fleet.unknown.insert(name.clone())),
        }
    }
    fleet
}

fn active(node_time: &NodeTime) -> Option<(&NodeTime, &Plan)> {
    let plan = node_time.spec.plan.as_ref()?;
    (node_time.spec.desired == Desired::Active).then_some((node_time, plan))
}

/// What is tolerated of that which is exceeded.
fn limit(reason: &str, plan: &Plan) -> Option<Nanos> {
    let tolerances = &plan.tolerances;
    match Reason::parse(reason)? {
        Reason::OffsetExceeded | Reason::BoundContradicted => Some(Nanos(tolerances.max_offset_nanoseconds)),
        Reason::ErrorBoundExceeded | Reason::HoldoverExceeded => {
            Some(Nanos(tolerances.max_error_bound_nanoseconds))
        }
        _ => None,
    }
}

/// Ages are the agent's own, by its BOOTTIME when it wrote; since then this machine's BOOTTIME counts. What stood there when
/// this operator began is of no known age.
fn switches(node: &str, status: &NodeTimeStatus, seen: Option<BootTime>) -> impl Iterator<Item = Switched> {
    status.switches.iter().filter_map(move |switch| {
        let to = switch.to.as_deref()?;
        let from = switch.from.as_deref().unwrap_or("no source");
        Some(Switched {
            node: node.to_owned(),
            id: switch.id.clone(),
            at: seen? - Nanos::from_secs(i64::from(switch.age_seconds)),
            from: switch.from.clone(),
            text: format!("follows {to} instead of {from}: {}", switch.evidence),
        })
    })
}
