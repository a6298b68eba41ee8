//! TimeIncidents: joins the world to core's [`incident`] machine and its changes to writes and Events.
//!
//! **In.** NodeTimes, Nodes, the standing findings, and the TimeIncidents themselves, which are the only memory that
//! outlives an operator. **Out.** Creations, statuses, deletions; Events at transitions. **Must never** act before the
//! TimeIncidents were all seen once (absent is not empty), write a spec (it is people's), or touch an object that it
//! can't read: that is another version's.
//!
//! An object is created first and tells something at the next pass, which sees its uid: an Event needs that, and whoever
//! leads then can finish what was begun.

mod events;
mod seen;

use crate::apply::expect::Expected;
use crate::apply::write::Write;
use crate::events::Note;
use crate::gather::{BrokenKind, World};
use crate::silence::Tracker;
use jiff::Timestamp;
use kube::ResourceExt;
use meantime_core::clocks::{BootTime, WallTime};
use meantime_core::diagnose::finding::Finding;
use meantime_core::incident::record::{Record, State};
use meantime_core::incident::severity::Severity;
use meantime_core::incident::{self, Change, Figures, Kept, Look};
use meantime_core::names::{LABEL_FINDING, LABEL_SEVERITY};
use meantime_core::units::Nanos;
use meantime_crds::{TimeIncident, TimeIncidentStatus};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Who made an object, and so may take it away.
const LABEL_MANAGED_BY: &str = "app.kubernetes.io/managed-by";
const OURS: &str = "meantime-operator";

/// Incidents between passes.
#[derive(Debug, Default)]
pub struct Incidents {
    machine: incident::Memory,
    created: Expected<()>,
    written: Expected<Record>,
    /// Objects (by uid) that were deleted and that the cache still shows.
    deleted: BTreeSet<String>,
}

/// What a write did.
#[derive(Clone, Debug)]
pub enum Done {
    /// An object that tells nothing yet.
    Created,
    /// It tells this.
    Told(Box<Record>),
    /// It is gone (uid).
    Deleted(String),
}

/// What one pass wants.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Writes, what to say when they are done, what they did.
    pub writes: Vec<(Write, Vec<Note>, Done)>,
    /// When to look again though nothing is seen to change.
    pub next: Option<BootTime>,
    /// Incidents by severity and state.
    pub counts: BTreeMap<(Severity, State), i64>,
}

impl Incidents {
    /// None known yet.
    pub fn new(figures: Figures) -> Self {
        Self { machine: incident::Memory::new(figures), ..Self::default() }
    }

    /// There was a time in which nothing could be heard.
    pub fn gap(&mut self) {
        self.machine.gap();
    }

    /// One pass. `findings` = what all nodes together prove now.
    pub fn look(
        &mut self,
        world: &World,
        tracker: &Tracker,
        findings: &[Finding],
        in_contact: bool,
        (now, wall): (BootTime, Timestamp),
    ) -> Wanted {
        let Some(objects) = &world.incidents else { return Wanted::default() };
        let kept = self.kept(objects, now, wall);
        let fleet = seen::fleet(world, tracker);
        let broken = world.broken.iter().filter(|broken| broken.kind == BrokenKind::TimeIncident);
        let names = objects.keys().chain(broken.map(|broken| &broken.name));
        let others = names.filter(|name| !kept.contains_key(*name)).cloned().collect();
        let look = Look {
            now,
            wall: WallTime(wall.as_second().saturating_mul(1_000_000_000)),
            stamp: wall.strftime("%Y%m%d-%H%M").to_string(),
            in_contact,
            findings,
            breaches: fleet.breaches,
            switches: fleet.switches,
            unknown: fleet.unknown,
            nodes: fleet.nodes,
            others,
        };
        let outcome = self.machine.look(&look, &kept);
        for name in outcome.lost {
            tracing::warn!(
                incident = name,
                "this TimeIncident was created and is not ours to go on with; does an admission webhook change its label {LABEL_MANAGED_BY}?"
            );
        }
        let mut wanted = Wanted { next: outcome.next, counts: outcome.counts, ..Wanted::default() };
        for change in outcome.changes {
            match change {
                Change::Create { name, word, severity } => {
                    if self.created.pending(&name, None, now).is_none() {
                        let labels = labels(&word, severity);
                        wanted.writes.push((
                            Write::IncidentCreate { name, labels },
                            Vec::new(),
                            Done::Created,
                        ));
                    }
                }
                Change::Write { name, record, told } => {
                    let Some(object) = objects.get(&name) else { continue };
                    let notes = told.map(|told| events::of(object, &record, told, world)).unwrap_or_default();
                    let labels = labels(record.cause.word(), record.severity);
                    let stand = labels.iter().all(|(key, value)| object.labels().get(*key) == Some(value));
                    let status = Box::new(TimeIncidentStatus::from(&*record));
                    let write = Write::Incident { name, labels: (!stand).then_some(labels), status };
                    wanted.writes.push((write, notes, Done::Told(record)));
                }
                Change::Delete { name } => {
                    let uid = objects.get(&name).and_then(|object| object.uid()).unwrap_or_default();
                    let write = Write::IncidentDelete { name, uid: uid.clone() };
                    wanted.writes.push((write, Vec::new(), Done::Deleted(uid)));
                }
            }
        }
        let uids: BTreeSet<String> = objects.values().filter_map(|object| object.uid()).collect();
        self.deleted.retain(|uid| uids.contains(uid));
        self.created.expire(now);
        self.written.expire(now);
        for moment in [self.created.next(), self.written.next()].into_iter().flatten() {
            wanted.next = Some(wanted.next.map_or(moment, |next| next.min(moment)));
        }
        wanted
    }

    /// A write has succeeded; the object has `version` since.
    pub fn done(&mut self, name: &str, done: Done, version: Option<&str>, now: BootTime) {
        match done {
            Done::Created => self.created.wrote(name.to_owned(), (), version, now),
            // without a version it was deleted meanwhile
            Done::Told(record) if version.is_some() => {
                self.written.wrote(name.to_owned(), *record, version, now);
            }
            Done::Told(_) => {}
            Done::Deleted(uid) => drop(self.deleted.insert(uid)),
        }
    }

    fn kept(
        &mut self,
        objects: &BTreeMap<String, Arc<TimeIncident>>,
        now: BootTime,
        wall: Timestamp,
    ) -> BTreeMap<String, Kept> {
        let mut all = BTreeMap::new();
        for (name, object) in objects {
            let metadata = &object.metadata;
            let gone = metadata.deletion_timestamp.is_some()
                || metadata.uid.as_ref().is_some_and(|uid| self.deleted.contains(uid));
            let ours = object.labels().get(LABEL_MANAGED_BY).is_some_and(|by| by == OURS);
            let version = metadata.resource_version.as_deref();
            let pending = self.written.pending(name, version, now).cloned();
            let told = object.status.as_ref().map(TimeIncidentStatus::to_core);
            let record = match (pending, told) {
                (Some(record), _) | (None, Some(Some(record))) => Some(record),
                // another version's words
                (None, Some(None)) => continue,
                // made by hand: nobody's record
                (None, None) if !ours => continue,
                (None, None) => None,
            };
            if gone {
                continue;
            }
            let created = metadata.creation_timestamp.as_ref().map_or(wall, |time| time.0);
            let seconds = wall.as_second().saturating_sub(created.as_second());
            let taken = object.spec.acknowledged.as_ref().map(|acknowledged| acknowledged.by.clone());
            all.insert(
                name.clone(),
                Kept {
                    record,
                    generation: metadata.generation.unwrap_or_default(),
                    age: Nanos::from_secs(seconds),
                    acknowledged: taken,
                },
            );
        }
        all
    }
}

fn labels(word: &str, severity: Severity) -> BTreeMap<&'static str, String> {
    [
        (LABEL_MANAGED_BY, OURS.to_owned()),
        (LABEL_FINDING, word.chars().take(63).collect()),
        (LABEL_SEVERITY, severity.word().to_owned()),
    ]
    .into()
}

#[cfg(test)]
mod tests;
