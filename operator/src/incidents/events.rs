//! What an incident's transitions are worth telling: one Event on the incident at each; on the Node or TimeSource that a
//! finding is about, one when it begins and one when it is over. A breach has had its Event on the Node with its condition.
//! Names are made of the object's uid and the count of relapses, so that no operator tells twice.

use crate::events::{Loudness, Note, Regarding};
use crate::gather::World;
use crate::reconcile::decide::API_VERSION;
use kube::ResourceExt;
use meantime_core::diagnose::finding::Subject;
use meantime_core::hash::fnv;
use meantime_core::incident::Told;
use meantime_core::incident::cause::Cause;
use meantime_core::incident::record::Record;
use meantime_core::incident::words::human;
use meantime_crds::TimeIncident;

/// All that has to be said.
pub(super) fn of(object: &TimeIncident, record: &Record, told: Told, world: &World) -> Vec<Note> {
    let name = object.name_any();
    let uid = object.uid().unwrap_or_default();
    let incident =
        Regarding { api_version: API_VERSION, kind: "TimeIncident", name: name.clone(), uid: uid.clone() };
    let severity = record.severity.word();
    let took = record.recover.map(|span| format!(" after {}", human(span))).unwrap_or_default();
    let (loudness, reason, mark, message) = match told {
        Told::Opened => (
            Loudness::Warning,
            "IncidentOpened",
            "opened",
            format!("{severity} {}; next: kubectl describe tinc {name}", record.summary),
        ),
        Told::Relapsed => (
            Loudness::Warning,
            "IncidentReopened",
            "reopened",
            format!(
                "{severity} {}: it came back ({} times by now); next: kubectl describe tinc {name}",
                record.summary, record.relapses
            ),
        ),
        Told::Recovered => (
            Loudness::Normal,
            "IncidentRecovered",
            "recovered",
            format!("{}: over{took}; it is watched before the all-clear", record.summary),
        ),
        Told::Closed => (
            Loudness::Normal,
            "IncidentClosed",
            "closed",
            format!("{}: all-clear; it was over{took} and did not come back", record.summary),
        ),
        Told::Joined => (
            Loudness::Normal,
            "IncidentJoined",
            "joined",
            format!("{}: part of {}", record.summary, record.joined.as_deref().unwrap_or("another incident")),
        ),
    };
    let once = format!("{mark}-{:08x}-{}", fnv(uid.as_bytes()) & 0xffff_ffff, record.relapses);
    let mut notes = vec![Note {
        regarding: incident.clone(),
        related: None,
        loudness,
        reason: reason.to_owned(),
        message,
        once: Some(once.clone()),
    }];
    let about = match told {
        Told::Opened => Some((
            Loudness::Warning,
            record.cause.word().to_owned(),
            format!("{}; incident {name} ({severity})", record.evidence.join("; ")),
        )),
        Told::Recovered => Some((
            Loudness::Normal,
            "IncidentRecovered".to_owned(),
            format!("{} is over{took}; incident {name}", record.cause.word()),
        )),
        Told::Relapsed | Told::Closed | Told::Joined => None,
    };
    if let (Some((loudness, reason, message)), Some(regarding)) = (about, subject(record, world)) {
        let related = Some(incident);
        notes.push(Note { regarding, related, loudness, reason, message, once: Some(format!("i-{once}")) });
    }
    notes
}

/// The Node or TimeSource that a finding is about.
fn subject(record: &Record, world: &World) -> Option<Regarding> {
    let Cause::Found { subject, .. } = &record.cause else { return None };
    match subject {
        Subject::Source(name) | Subject::SourceFrom { source: name, .. } => Some(Regarding {
            api_version: API_VERSION,
            kind: "TimeSource",
            name: name.clone(),
            uid: world.sources.get(name)?.metadata.uid.clone()?,
        }),
        Subject::Node(name) => Some(Regarding {
            api_version: "v1",
            kind: "Node",
            name: name.clone(),
            uid: world.nodes.get(name)?.metadata.uid.clone()?,
        }),
        Subject::Zone(_) | Subject::Egress(_) | Subject::Cluster => None,
    }
}
