//! TimeIncident's status ↔ core's record. All of a record is in the status, so that any operator can go on from it.
//!
//! **Must never** bend what it can't hold: a status with a word of another version is none (the object is then left alone).

use super::count;
use crate::common::Time;
use crate::timeincident::{
    IncidentAction, IncidentBreach, IncidentEntry, IncidentScope, IncidentSubject, TimeIncidentStatus,
};
use jiff::Timestamp;
use meantime_core::clocks::WallTime;
use meantime_core::diagnose::finding::{Kind, Subject};
use meantime_core::incident::cause::{Cause, FLEET, about};
use meantime_core::incident::record::{Action, Breached, Entry, Record, Scope, State, What};
use meantime_core::incident::severity::Severity;
use meantime_core::incident::words::human;
use meantime_core::units::Nanos;

const FINDING: &str = "Finding";
const BREACH: &str = "Breach";

impl From<&Record> for TimeIncidentStatus {
    fn from(record: &Record) -> Self {
        let Scope { nodes, of, zones, wrong, names } = &record.scope;
        let subject = record.cause.subject();
        let origin = match &record.cause {
            Cause::Found { .. } => FINDING,
            Cause::Breach { .. } | Cause::Fleet => BREACH,
        };
        let least = if record.interrupted { ">=" } else { "" };
        // What was is over: an incident that stands again has no recovery, one that is watched no all-clear.
        let recovered_at = record.recover.and_then(|_| record.last(What::Recovered));
        let closed_at = (record.state == State::Closed).then(|| record.timeline.last().map(|entry| entry.at));
        let breach = |one: &Breached| IncidentBreach {
            node: one.node.clone(),
            reason: one.reason.clone(),
            offset_nanoseconds: one.offset.map(|offset| offset.0),
            error_bound_nanoseconds: one.bound.map(|bound| bound.0),
            limit_nanoseconds: one.limit.map(|limit| limit.0),
        };
        let entry = |one: &Entry| IncidentEntry {
            what: one.what.word().to_owned(),
            at: moment(one.at),
            after: human(one.after),
            after_nanoseconds: one.after.0,
            text: one.text.clone(),
        };
        let action = |one: &Action| IncidentAction {
            node: one.node.clone(),
            id: one.id.clone(),
            after: human(one.after),
            after_nanoseconds: one.after.0,
            text: one.text.clone(),
        };
        Self {
            observed_generation: record.observed,
            state: record.state.word().to_owned(),
            severity: record.severity.word().to_owned(),
            origin: origin.to_owned(),
            finding: record.cause.word().to_owned(),
            about: about(&subject).chars().take(400).collect(),
            subject: told(subject),
            summary: record.summary.clone(),
            part_of: record.joined.clone(),
            scope: IncidentScope {
                nodes: count(*nodes),
                of: count(*of),
                zones: count(*zones),
                out_of_tolerance: count(*wrong),
                summary: format!("{nodes}/{of}"),
                names: names.clone(),
            },
            evidence: record.evidence.clone(),
            breaches: record.breached.iter().map(breach).collect(),
            timeline: record.timeline.iter().map(entry).collect(),
            actions: record.actions.iter().map(action).collect(),
            detected_at: moment(record.first(What::Detected).unwrap_or_default()),
            recovered_at: recovered_at.map(moment),
            closed_at: closed_at.flatten().map(moment),
            time_to_detect: human(record.detect),
            time_to_detect_nanoseconds: record.detect.0,
            time_to_respond: record.respond.map(human),
            time_to_respond_nanoseconds: record.respond.map(|span| span.0),
            time_to_recover: record.recover.map(|span| format!("{least}{}", human(span))),
            time_to_recover_nanoseconds: record.recover.map(|span| span.0),
            relapses: count(record.relapses),
            counted_nanoseconds: record.elapsed.0,
            interrupted: record.interrupted,
        }
    }
}

impl TimeIncidentStatus {
    /// The record; none = a word of another version, or nothing that an operator wrote.
    pub fn to_core(&self) -> Option<Record> {
        let cause = match (self.origin.as_str(), subject(&self.subject)?) {
            (FINDING, subject) => {
                let kind = *Kind::ALL.iter().find(|kind| kind.word() == self.finding)?;
                Cause::Found { kind, subject }
            }
            (BREACH, Subject::Node(node)) => Cause::Breach { node, reason: self.finding.clone() },
            (BREACH, Subject::Cluster) if self.finding == FLEET => Cause::Fleet,
            _ => return None,
        };
        let number = |value: i32| u32::try_from(value).unwrap_or(0);
        let scope = Scope {
            nodes: number(self.scope.nodes),
            of: number(self.scope.of),
            zones: number(self.scope.zones),
            wrong: number(self.scope.out_of_tolerance),
            names: self.scope.names.clone(),
        };
        let breach = |one: &IncidentBreach| Breached {
            node: one.node.clone(),
            reason: one.reason.clone(),
            offset: one.offset_nanoseconds.map(Nanos),
            bound: one.error_bound_nanoseconds.map(Nanos),
            limit: one.limit_nanoseconds.map(Nanos),
        };
        let entry = |one: &IncidentEntry| {
            Some(Entry {
                what: What::parse(&one.what)?,
                at: wall(&one.at),
                after: Nanos(one.after_nanoseconds),
                text: one.text.clone(),
            })
        };
        let action = |one: &IncidentAction| Action {
            node: one.node.clone(),
            id: one.id.clone(),
            after: Nanos(one.after_nanoseconds),
            text: one.text.clone(),
        };
        Some(Record {
            cause,
            state: State::parse(&self.state)?,
            joined: self.part_of.clone(),
            severity: Severity::parse(&self.severity)?,
            summary: self.summary.clone(),
            evidence: self.evidence.clone(),
            scope,
            breached: self.breaches.iter().map(breach).collect(),
            timeline: self.timeline.iter().map(entry).collect::<Option<_>>()?,
            actions: self.actions.iter().map(action).collect(),
            detect: Nanos(self.time_to_detect_nanoseconds),
            respond: self.time_to_respond_nanoseconds.map(Nanos),
            recover: self.time_to_recover_nanoseconds.map(Nanos),
            relapses: number(self.relapses),
            elapsed: Nanos(self.counted_nanoseconds),
            interrupted: self.interrupted,
            observed: self.observed_generation,
        })
    }
}

fn told(subject: Subject) -> IncidentSubject {
    let of = |kind: &str, name| IncidentSubject { kind: kind.to_owned(), name: Some(name), from: None };
    match subject {
        Subject::Source(name) => of("TimeSource", name),
        Subject::SourceFrom { source, egress } => {
            IncidentSubject { from: Some(egress), ..of("TimeSource", source) }
        }
        Subject::Node(name) => of("Node", name),
        Subject::Zone(name) => of("Zone", name),
        Subject::Egress(name) => of("Egress", name),
        Subject::Cluster => IncidentSubject { kind: "Cluster".to_owned(), name: None, from: None },
    }
}

fn subject(told: &IncidentSubject) -> Option<Subject> {
    let name = told.name.clone();
    Some(match (told.kind.as_str(), told.from.clone()) {
        ("TimeSource", None) => Subject::Source(name?),
        ("TimeSource", Some(egress)) => Subject::SourceFrom { source: name?, egress },
        ("Node", None) => Subject::Node(name?),
        ("Zone", None) => Subject::Zone(name?),
        ("Egress", None) => Subject::Egress(name?),
        ("Cluster", None) => Subject::Cluster,
        _ => return None,
    })
}

/// Whole seconds, as `metav1.Time` keeps them: what is read back must be what was written.
fn moment(at: WallTime) -> Time {
    Time(Timestamp::from_second(at.0.div_euclid(1_000_000_000)).unwrap_or(Timestamp::UNIX_EPOCH))
}

fn wall(at: &Time) -> WallTime {
    WallTime(at.0.as_second().saturating_mul(1_000_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(cause: Cause) -> Record {
        let second = |second: i64| WallTime(second * 1_000_000_000);
        let entry =
            |what, at| Entry { what, at: second(at), after: Nanos::from_secs(at), text: "so".to_owned() };
        Record {
            cause,
            state: State::Closed,
            joined: Some("20261122-1530-zonecut-3fa2b1".into()),
            severity: Severity::P2,
            summary: "Node/n1 OffsetExceeded: +91ms".into(),
            evidence: vec!["why".into()],
            scope: Scope { nodes: 30, of: 40, zones: 2, wrong: 25, names: vec!["n1".into(), "n2".into()] },
            breached: vec![Breached {
                node: "n1".into(),
                reason: "OffsetExceeded".into(),
                offset: Some(Nanos(-5)),
                bound: None,
                limit: Some(Nanos(7)),
            }],
            timeline: What::ALL.iter().zip(10..).map(|(what, at)| entry(*what, at)).collect(),
            actions: vec![Action {
                node: "n1".into(),
                id: "a-1".into(),
                after: Nanos(3),
                text: "follows b".into(),
            }],
            detect: Nanos(1),
            respond: Some(Nanos(2)),
            recover: Some(Nanos::from_secs(300)),
            relapses: 1,
            elapsed: Nanos(400),
            interrupted: true,
            observed: 3,
        }
    }

    #[test]
    fn a_record_survives_the_way_through_its_object() {
        let subjects = [
            Subject::Source("a".into()),
            Subject::SourceFrom { source: "a".into(), egress: "x".into() },
            Subject::Node("n".into()),
            Subject::Zone("z".into()),
            Subject::Egress("e".into()),
            Subject::Cluster,
        ];
        let found = subjects.map(|subject| Cause::Found { kind: Kind::SourceDead, subject });
        let breach = Cause::Breach { node: "n".into(), reason: "OffsetExceeded".into() };
        for cause in found.into_iter().chain([breach, Cause::Fleet]) {
            let record = record(cause);
            let status = TimeIncidentStatus::from(&record);
            let stored: TimeIncidentStatus =
                serde_json::from_str(&serde_json::to_string(&status).unwrap()).unwrap();
            assert_eq!(stored, status);
            assert_eq!(stored.to_core(), Some(record));
        }
    }

    #[test]
    fn what_is_the_least_is_told_as_the_least() {
        let status = TimeIncidentStatus::from(&record(Cause::Fleet));
        assert_eq!(status.time_to_recover.as_deref(), Some(">=5m0s"));
        assert_eq!(status.scope.summary, "30/40");
        assert!(status.closed_at.is_some() && status.recovered_at.is_some());
    }

    #[test]
    fn words_of_another_version_are_no_record() {
        let good = TimeIncidentStatus::from(&record(Cause::Fleet));
        for bend in [
            |status: &mut TimeIncidentStatus| status.state = "Snoozed".into(),
            |status: &mut TimeIncidentStatus| status.severity = "P0".into(),
            |status: &mut TimeIncidentStatus| status.origin = "Rumour".into(),
            |status: &mut TimeIncidentStatus| status.subject.kind = "Region".into(),
            |status: &mut TimeIncidentStatus| status.timeline[0].what = "Foreseen".into(),
        ] {
            let mut status = good.clone();
            bend(&mut status);
            assert_eq!(status.to_core(), None);
        }
    }
}
