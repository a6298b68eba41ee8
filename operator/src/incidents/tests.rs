//! Worlds of a few objects, through the whole edge: which writes, which Events, what is left alone.

use super::*;
use crate::silence::{Limits, Tracker};
use kube::core::DeserializeGuard;
use meantime_core::diagnose::finding::{Confidence, Coverage, Kind, Subject};
use meantime_crds::{NodeTime, TimeSource};
use serde_json::{Value, json};

fn at(seconds: i64) -> BootTime {
    BootTime(Nanos::from_secs(100_000 + seconds).0)
}

fn wall() -> Timestamp {
    Timestamp::from_second(1_790_000_000).unwrap()
}

fn dead(since: i64) -> Finding {
    Finding {
        kind: Kind::SourceDead,
        subject: Subject::Source("a".into()),
        since: at(since),
        confidence: Confidence::High,
        coverage: Coverage::default(),
        evidence: vec!["silent to 1 of 1 nodes".into()],
        nodes: vec!["n1".into()],
    }
}

fn world() -> World {
    let node = json!({"metadata": {"name": "n1", "uid": "uid-1"}});
    let source = json!({
        "apiVersion": "meantime.dev/v1alpha1", "kind": "TimeSource", "metadata": {"name": "a", "uid": "src-a"},
        "spec": {"tier": 1, "server": {"address": "10.1.0.1"}},
    });
    let source: TimeSource = serde_json::from_value(source).unwrap();
    World {
        nodes: [("n1".to_owned(), Arc::new(serde_json::from_value(node).unwrap()))].into(),
        sources: [("a".to_owned(), Arc::new(source))].into(),
        incidents: Some(BTreeMap::new()),
        ..World::default()
    }
}

/// What the API server would hold after the writes.
fn apply(world: &mut World, incidents: &mut Incidents, wanted: Wanted, now: BootTime) -> Vec<Note> {
    let mut told = Vec::new();
    for (write, notes, done) in wanted.writes {
        let name = write.key().1.to_owned();
        let objects = world.incidents.as_mut().unwrap();
        match &write {
            Write::IncidentCreate { name, labels } => {
                let object = json!({
                    "apiVersion": "meantime.dev/v1alpha1", "kind": "TimeIncident",
                    "metadata": {"name": name, "uid": format!("uid-{name}"), "labels": labels, "generation": 1,
                                 "resourceVersion": "1"},
                    "spec": {},
                });
                objects.insert(name.clone(), Arc::new(serde_json::from_value(object).unwrap()));
            }
            Write::Incident { name, status, .. } => {
                let mut object = (*objects[name]).clone();
                object.status = Some((**status).clone());
                objects.insert(name.clone(), Arc::new(object));
            }
            Write::IncidentDelete { name, .. } => drop(objects.remove(name)),
            other => panic!("{other:?}"),
        }
        incidents.done(&name, done, Some("1"), now);
        told.extend(notes);
    }
    told
}

fn look(incidents: &mut Incidents, world: &World, findings: &[Finding], second: i64) -> Wanted {
    incidents.look(world, &Tracker::new(Limits::default()), findings, true, (at(second), wall()))
}

#[test]
fn a_finding_is_told_once_on_the_incident_and_once_on_its_source() {
    let (mut world, mut incidents) = (world(), Incidents::default());
    let wanted = look(&mut incidents, &world, &[dead(0)], 10);
    let targets: Vec<&str> = wanted.writes.iter().map(|(write, _, _)| write.key().0).collect();
    assert_eq!(targets, ["incident-create"]);
    assert!(apply(&mut world, &mut incidents, wanted, at(10)).is_empty(), "no uid, no Event");
    let wanted = look(&mut incidents, &world, &[dead(0)], 11);
    let told = apply(&mut world, &mut incidents, wanted, at(11));
    let said: Vec<_> = told.iter().map(|note| (note.regarding.kind, note.reason.as_str())).collect();
    assert_eq!(said, [("TimeIncident", "IncidentOpened"), ("TimeSource", "SourceDead")]);
    assert_eq!(told[1].regarding.uid, "src-a");
    assert!(told.iter().all(|note| note.once.as_ref().is_some_and(|once| once.len() <= 50)));
    assert!(look(&mut incidents, &world, &[dead(0)], 12).writes.is_empty());
}

#[test]
fn while_the_cache_lags_nothing_is_done_twice() {
    let (mut world, mut incidents) = (world(), Incidents::default());
    let wanted = look(&mut incidents, &world, &[dead(0)], 10);
    let lagging = world.clone();
    apply(&mut world, &mut incidents, wanted, at(10));
    assert!(look(&mut incidents, &lagging, &[dead(0)], 11).writes.is_empty(), "created, and not seen yet");
    let wanted = look(&mut incidents, &world, &[dead(0)], 12);
    let lagging = world.clone();
    let name = wanted.writes[0].0.key().1.to_owned();
    let (_, _, done) = wanted.writes.into_iter().next().unwrap();
    incidents.done(&name, done, Some("2"), at(12));
    let again = look(&mut incidents, &lagging, &[dead(0)], 13);
    assert!(again.writes.is_empty(), "told, and not seen yet: {:?}", again.writes);
}

#[test]
fn nothing_is_done_before_all_incidents_were_seen() {
    let (mut world, mut incidents) = (world(), Incidents::default());
    world.incidents = None;
    assert!(look(&mut incidents, &world, &[dead(0)], 10).writes.is_empty());
}

#[test]
fn what_another_version_says_is_left_alone() {
    let (mut world, mut incidents) = (world(), Incidents::default());
    for second in 10..12 {
        let wanted = look(&mut incidents, &world, &[dead(0)], second);
        apply(&mut world, &mut incidents, wanted, at(second));
    }
    let objects = world.incidents.as_mut().unwrap();
    let (name, object) =
        objects.first_key_value().map(|(name, one)| (name.clone(), (**one).clone())).unwrap();
    let mut other = object;
    if let Some(status) = &mut other.status {
        status.state = "Snoozed".into();
    }
    objects.insert(name.clone(), Arc::new(other));
    for stands in [&[][..], &[dead(490)]] {
        // Long enough to take away what tells nothing.
        let mut incidents = Incidents::default();
        for second in [500, 620, 740] {
            let wanted = look(&mut incidents, &world, stands, second);
            assert!(wanted.writes.iter().all(|(write, _, _)| write.key().1 != name), "{:?}", wanted.writes);
            assert_eq!(wanted.writes.is_empty(), stands.is_empty(), "what stands has a record of ours");
        }
    }
}

fn reporting(world: &mut World, synchronized: (&str, &str)) {
    let object = json!({
        "apiVersion": "meantime.dev/v1alpha1", "kind": "NodeTime", "metadata": {"name": "n1", "uid": "nt-1"},
        "spec": {"desired": "Active", "plan": plan()},
        "status": {
            "bootID": "b", "sequence": 1, "offsetNanoseconds": 91_000_000, "errorBoundNanoseconds": 410_000,
            "conditions": [{"type": "TimeSynchronized", "status": synchronized.0, "reason": synchronized.1,
                            "message": "so", "lastTransitionTime": "2026-11-21T23:25:00Z"}],
            "switches": [{"id": "b-1", "at": "2026-11-21T23:25:00Z", "ageSeconds": 4, "from": "a", "to": "b",
                          "evidence": "a does not answer", "verification": "Checking"}],
        },
    });
    let object: DeserializeGuard<NodeTime> = serde_json::from_value(object).unwrap();
    assert!(object.0.is_ok(), "{object:?}");
    world.node_times.insert("n1".into(), Arc::new(object));
}

fn plan() -> Value {
    let snapshot = meantime_core::snapshot::Snapshot {
        sources: world().sources.values().map(|source| source.to_core().unwrap()).collect(),
        policies: vec![
            serde_json::from_value::<meantime_crds::TimeSyncPolicy>(json!({
                "apiVersion": "meantime.dev/v1alpha1", "kind": "TimeSyncPolicy",
                "metadata": {"name": "all", "uid": "p"},
                "spec": {"nodeSelector": {}, "sources": {"selector": {}}},
            }))
            .unwrap()
            .to_core()
            .unwrap(),
        ],
        nodes: vec![meantime_core::snapshot::NodeFacts {
            name: "n1".into(),
            uid: "uid-1".into(),
            labels: BTreeMap::new(),
            chrony: None,
            previous: None,
            address: None,
            peering: false,
        }],
        ..Default::default()
    };
    let planned = meantime_core::plan::plan(&meantime_core::validate::validate(&snapshot));
    let meantime_core::plan::NodeOutcome::Planned(plan) = &planned.nodes["n1"] else {
        panic!("{:?}", planned.nodes["n1"])
    };
    json!(meantime_crds::nodetime::Plan::from(&**plan))
}

#[test]
fn who_is_out_of_tolerance_who_did_what_and_of_whom_nothing_is_known() {
    let mut world = world();
    let see = |world: &World| {
        let mut tracker = Tracker::new(Limits::default());
        let mut before = world.beats();
        for beat in before.values_mut() {
            beat.rising = None;
        }
        tracker.look(at(-16), true, &before);
        tracker.look(at(0), true, &world.beats());
        seen::fleet(world, &tracker)
    };
    assert!(see(&world).nodes.is_empty(), "no plan: not looked after");
    reporting(&mut world, ("False", "OffsetExceeded"));
    let fleet = see(&world);
    assert_eq!(fleet.breaches[0].limit, Some(Nanos::from_millis(50)));
    assert_eq!(fleet.switches[0].at, at(-4));
    assert!(fleet.unknown.is_empty());
    let stood_there = seen::fleet(&world, &Tracker::new(Limits::default()));
    assert!(stood_there.switches.is_empty(), "nobody knows when that was");
    reporting(&mut world, ("False", "ErrorBoundExceeded"));
    assert_eq!(see(&world).breaches[0].limit, Some(Nanos::from_millis(500)));
    for (status, reason, unknown) in [
        ("True", "InTolerance", false),
        ("Unknown", "ClockDisrupted", true),
        ("Unknown", "ToleranceInfeasible", false),
    ] {
        reporting(&mut world, (status, reason));
        let fleet = see(&world);
        assert!(fleet.breaches.is_empty());
        assert_eq!(fleet.unknown.contains("n1"), unknown, "{status} {reason}");
    }
}

#[test]
fn a_breach_is_not_told_again_on_its_node() {
    let (mut world, mut incidents) = (world(), Incidents::default());
    reporting(&mut world, ("False", "OffsetExceeded"));
    let mut told = Vec::new();
    for second in [0, 31, 32, 33] {
        let wanted = look(&mut incidents, &world, &[], second);
        told.extend(apply(&mut world, &mut incidents, wanted, at(second)));
    }
    let said: Vec<_> = told.iter().map(|note| (note.regarding.kind, note.reason.as_str())).collect();
    assert_eq!(said, [("TimeIncident", "IncidentOpened")]);
}
