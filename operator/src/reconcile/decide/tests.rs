//! Whole passes over small worlds, without an API server.

use super::*;
use crate::gather::Broken;
use kube::core::DeserializeGuard;
use meantime_crds::{NodeTimeSpec, TimeSource, TimeSyncPolicy};
use rstest::rstest;
use serde_json::{Value, json};
use std::sync::Arc;

mod policies;

const LEADING: Seat = Seat { in_contact: true, leading: true };

fn at(seconds: i64) -> BootTime {
    BootTime(Nanos::from_secs(100_000 + seconds).0)
}

fn wall() -> Timestamp {
    Timestamp::from_second(1_790_000_000).unwrap()
}

fn source(name: &str, address: &str) -> (String, Arc<TimeSource>) {
    let object = json!({
        "apiVersion": "meantime.dev/v1alpha1", "kind": "TimeSource",
        "metadata": {"name": name, "uid": format!("src-{name}"), "generation": 1},
        "spec": {"tier": 1, "server": {"address": address, "minPoll": 4, "maxPoll": 6}},
    });
    (name.to_owned(), Arc::new(serde_json::from_value(object).unwrap()))
}

fn policy(node_selector: &Value) -> (String, Arc<TimeSyncPolicy>) {
    let object = json!({
        "apiVersion": "meantime.dev/v1alpha1", "kind": "TimeSyncPolicy",
        "metadata": {"name": "all", "uid": "policy-uid", "generation": 1, "creationTimestamp": "2026-11-21T23:25:00Z"},
        "spec": {"nodeSelector": node_selector, "sources": {"selector": {}}},
    });
    ("all".to_owned(), Arc::new(serde_json::from_value(object).unwrap()))
}

fn node(name: &str, uid: &str) -> (String, Arc<k8s_openapi::api::core::v1::Node>) {
    let object = json!({"metadata": {"name": name, "uid": uid, "labels": {"has": "time"}}});
    (name.to_owned(), Arc::new(serde_json::from_value(object).unwrap()))
}

fn world() -> World {
    let sources = [("a", "10.1.0.1"), ("b", "10.1.0.2"), ("c", "10.1.0.3"), ("d", "10.1.0.4")];
    World {
        nodes: [node("n1", "uid-1"), node("n2", "uid-2")].into(),
        sources: sources.map(|(name, address)| source(name, address)).into(),
        policies: [policy(&json!({}))].into(),
        ..World::default()
    }
}

/// What the API server would hold after the writes. Versions are not modelled: what was written is seen at once, and a
/// lagging cache is one to which nothing was applied.
fn apply(world: &mut World, jobs: &[Job]) {
    for job in jobs {
        match &job.write {
            Write::Spec { name, node_uid, spec } => store(world, name, node_uid, spec, None),
            Write::Delete { name, .. } => drop(world.node_times.remove(name)),
            Write::Conditions { node, conditions, .. } => {
                let conditions: Vec<_> = conditions
                    .iter()
                    .map(|(kind, told, since)| {
                        json!({
                            "type": kind.node_type(), "status": told.status.as_str(), "reason": told.reason,
                            "message": told.message, "lastTransitionTime": since.to_string(),
                        })
                    })
                    .collect();
                set_conditions(world, node, &json!(conditions));
            }
            Write::ClearConditions { node, .. } => set_conditions(world, node, &json!([])),
            Write::Source { name, status } => {
                let mut source = (*world.sources[name]).clone();
                source.status = Some((**status).clone());
                world.sources.insert(name.clone(), Arc::new(source));
            }
            Write::Policy { name, status } => {
                let mut policy = (*world.policies[name]).clone();
                policy.status = Some((**status).clone());
                world.policies.insert(name.clone(), Arc::new(policy));
            }
            Write::Retire { .. }
            | Write::BrokenSource { .. }
            | Write::BrokenPolicy { .. }
            | Write::IncidentCreate { .. }
            | Write::Incident { .. }
            | Write::IncidentDelete { .. } => {}
        }
    }
}

fn set_conditions(world: &mut World, name: &str, conditions: &Value) {
    let mut node = (*world.nodes[name]).clone();
    node.status = Some(serde_json::from_value(json!({"conditions": conditions})).unwrap());
    world.nodes.insert(name.to_owned(), Arc::new(node));
}

fn store(world: &mut World, name: &str, node_uid: &str, spec: &NodeTimeSpec, status: Option<Value>) {
    let before = world.node_time(name).and_then(|node_time| node_time.status.clone());
    let generation = world.node_time(name).and_then(|node_time| node_time.metadata.generation).unwrap_or(0);
    let changed = world.node_time(name).is_none_or(|node_time| node_time.spec != *spec);
    let object = json!({
        "apiVersion": "meantime.dev/v1alpha1", "kind": "NodeTime",
        "metadata": {
            "name": name, "uid": format!("nt-{name}"), "generation": generation + i64::from(changed),
            "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": name, "uid": node_uid}],
        },
        "spec": spec,
        "status": status.unwrap_or_else(|| json!(before)),
    });
    let object: DeserializeGuard<NodeTime> = serde_json::from_value(object).unwrap();
    assert!(object.0.is_ok(), "{object:?}");
    world.node_times.insert(name.to_owned(), Arc::new(object));
}

/// What an agent would write: all five, the plan applied.
fn report(world: &mut World, name: &str, sequence: i64, synchronized: (&str, &str), more: &Value) {
    let node_time = world.node_time(name).unwrap().clone();
    let plan = node_time.spec.plan.clone().unwrap();
    let conditions: Vec<_> = ConditionKind::ALL
        .iter()
        .map(|kind| {
            let (status, reason) = match kind {
                ConditionKind::TimeSynchronized => synchronized,
                _ => ("False", "Fine"),
            };
            json!({"type": kind.name(), "status": status, "reason": reason, "message": "12µs",
                   "lastTransitionTime": "2026-11-21T23:25:00Z"})
        })
        .collect();
    let associations: Vec<_> = plan
        .associations
        .iter()
        .map(|planned| json!({
            "source": planned.source, "role": "Driver", "state": "Selected", "letter": "*", "usable": true,
            "unanswered": 0, "reachability": "Answering",
        }))
        .collect();
    let mut status = json!({
        "observedGeneration": node_time.metadata.generation, "bootID": "boot", "sequence": sequence,
        "conditions": conditions, "associations": associations, "headroomNanoseconds": 49_000_000,
        "applied": {"state": "Applied", "hash": plan.hash},
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        status[key] = value.clone();
    }
    let uid = world.nodes[name].metadata.uid.clone().unwrap_or_default();
    store(world, name, &uid, &node_time.spec, Some(status));
}

fn targets(decision: &Decision) -> Vec<String> {
    decision
        .jobs
        .iter()
        .map(|job| {
            let (target, name) = job.write.key();
            format!("{target} {name}")
        })
        .collect()
}

/// … without status of sources and policies.
fn node_targets(decision: &Decision) -> Vec<String> {
    targets(decision).into_iter().filter(|target| target.starts_with("node")).collect()
}

fn finish(memory: &mut Memory, world: &mut World, decision: Decision, now: BootTime) {
    apply(world, &decision.jobs);
    for job in decision.jobs {
        memory.done(job, None, now);
    }
}

/// Planned, reported, conditions written: everything at rest.
fn at_rest() -> (Memory, World) {
    let (mut memory, mut world) = (Memory::new(Limits::default()), world());
    let decision = memory.decide(&world, LEADING, at(0), wall());
    finish(&mut memory, &mut world, decision, at(0));
    for name in ["n1", "n2"] {
        report(&mut world, name, 1, ("True", "InTolerance"), &json!({}));
    }
    let decision = memory.decide(&world, LEADING, at(1), wall());
    finish(&mut memory, &mut world, decision, at(1));
    let decision = memory.decide(&world, LEADING, at(2), wall());
    assert_eq!(targets(&decision), Vec::<String>::new());
    (memory, world)
}

#[test]
fn a_fresh_cluster_gets_plans_and_status_and_no_conditions() {
    let (mut memory, mut world) = (Memory::new(Limits::default()), world());
    let decision = memory.decide(&world, LEADING, at(0), wall());
    let written = targets(&decision);
    assert!(written.contains(&"nodetime-spec n1".to_owned()), "{written:?}");
    assert!(written.contains(&"policy-status all".to_owned()));
    assert!(written.contains(&"source-status a".to_owned()));
    assert!(!written.iter().any(|target| target.starts_with("node-conditions")));
    let Some(Write::Spec { spec, node_uid, .. }) = decision.jobs.first().map(|job| job.write.clone()) else {
        panic!()
    };
    assert_eq!((spec.desired, node_uid.as_str()), (Desired::Active, "uid-1"));
    assert_eq!(spec.plan.map(|plan| plan.associations.len()), Some(4));
    // the cache has not moved: nothing is written twice
    for job in decision.jobs.clone() {
        memory.done(job, Some("100"), at(0));
    }
    assert_eq!(targets(&memory.decide(&world, LEADING, at(1), wall())), Vec::<String>::new());
    // it has moved: counts follow, plans do not
    apply(&mut world, &decision.jobs);
    let after = targets(&memory.decide(&world, LEADING, at(2), wall()));
    assert!(
        after.iter().all(|target| target.ends_with("-status all") || target.starts_with("source-status")),
        "{after:?}"
    );
}

#[test]
fn a_report_becomes_conditions_and_one_event_and_only_once() {
    let (mut memory, mut world) = at_rest();
    report(&mut world, "n1", 2, ("False", "OffsetExceeded"), &json!({}));
    let decision = memory.decide(&world, LEADING, at(10), wall());
    let job = decision.jobs.iter().find(|job| job.write.key() == ("node-conditions", "n1")).unwrap();
    let notes: Vec<_> = job
        .notes
        .iter()
        .map(|note| (note.reason.as_str(), note.related.as_ref().map(|p| p.name.as_str())))
        .collect();
    assert_eq!(notes, [("OffsetExceeded", Some("all"))]);
    for job in decision.jobs {
        memory.done(job, Some("100"), at(10));
    }
    let again = memory.decide(&world, LEADING, at(11), wall());
    assert!(!targets(&again).contains(&"node-conditions n1".to_owned()), "told twice while the cache lagged");
}

/// Law 2: a True that nobody can renew is no True. (It stayed for as long as the object could not be read.)
#[test]
fn a_node_time_that_can_not_be_read_makes_its_nodes_conditions_unknown_and_nothing_else() {
    let (mut memory, mut world) = at_rest();
    let readable = world.node_times.remove("n1").unwrap();
    let broken = |name: &str| Broken {
        kind: BrokenKind::NodeTime,
        name: name.into(),
        uid: format!("nt-{name}"),
        generation: 1,
        why: "status.sequence is a list".into(),
    };
    world.broken.push(broken("n1"));
    let decision = memory.decide(&world, LEADING, at(10), wall());
    assert_eq!(node_targets(&decision), ["node-conditions n1"]);
    assert_eq!(decision.notes.iter().map(|note| note.reason.as_str()).collect::<Vec<_>>(), ["Undecodable"]);
    let reasons = |decision: &Decision| -> Vec<String> {
        let notes = decision.jobs.iter().flat_map(|job| &job.notes);
        notes.map(|note| format!("{} {}", note.regarding.kind, note.reason)).collect()
    };
    assert_eq!(reasons(&decision), ["Node Undecodable"]);
    finish(&mut memory, &mut world, decision, at(10));
    let stand = standing(&world.nodes["n1"]);
    assert_eq!(stand.len(), 6);
    assert!(stand.values().all(|one| one.told.status == Status::Unknown), "{stand:?}");
    assert!(
        stand[&NodeCondition::Agents(ConditionKind::TimeSynchronized)]
            .told
            .message
            .contains("status.sequence is a list")
    );
    let again = memory.decide(&world, LEADING, at(11), wall());
    assert_eq!((node_targets(&again), again.notes), (Vec::<String>::new(), vec![]), "told once");
    // It can be read again: what it says stands again.
    world.broken.clear();
    world.node_times.insert("n1".into(), readable);
    let decision = memory.decide(&world, LEADING, at(12), wall());
    finish(&mut memory, &mut world, decision, at(12));
    assert_eq!(
        standing(&world.nodes["n1"])[&NodeCondition::Agents(ConditionKind::TimeSynchronized)].told.status,
        Status::True
    );
    // A Node that shows nothing of ours gets nothing by it.
    set_conditions(&mut world, "n2", &json!([]));
    world.node_times.remove("n2");
    world.broken.push(broken("n2"));
    assert_eq!(node_targets(&memory.decide(&world, LEADING, at(13), wall())), Vec::<String>::new());
}

/// The CRDs and agents of a cluster may be newer than this operator for minutes, or for as long as an upgrade hangs.
#[test]
fn words_of_a_newer_agent_do_not_stop_a_nodes_conditions() {
    let (mut memory, mut world) = at_rest();
    let hash = world.node_time("n1").unwrap().spec.plan.clone().unwrap().hash;
    let newer = json!({
        "applied": {"state": "Canary", "hash": hash}, "clock": {"profile": "Adopted", "reason": "HostDaemon"},
        "associations": [{"source": "a", "role": "Peer", "state": "Elected", "letter": "§", "usable": true,
                          "reachability": "Relayed"}],
        "request": {"verb": "drill", "id": "1", "state": "Underway", "message": "wait"},
    });
    report(&mut world, "n1", 2, ("False", "OffsetSuspected"), &newer);
    let decision = memory.decide(&world, LEADING, at(10), wall());
    assert!(!decision.notes.iter().any(|note| note.reason == "Undecodable"));
    finish(&mut memory, &mut world, decision, at(10));
    let told =
        standing(&world.nodes["n1"])[&NodeCondition::Agents(ConditionKind::TimeSynchronized)].told.clone();
    assert_eq!((told.status, told.reason.as_str()), (Status::False, "OffsetSuspected"));
    // What is not known to be applied is not counted as applied; what is no evidence is no fault of a source.
    let policy = world.policies["all"].status.clone().unwrap().nodes.unwrap();
    assert_eq!((policy.planned, policy.applied), (2, 1));
    assert_eq!(world.sources["a"].status.clone().unwrap().nodes_rejecting, Some(0));
}

#[test]
fn a_re_created_node_gets_its_conditions_and_its_owner_again() {
    let (mut memory, mut world) = at_rest();
    world.nodes.insert("n1".into(), node("n1", "uid-new").1);
    let decision = memory.decide(&world, LEADING, at(10), wall());
    let written = targets(&decision);
    assert_eq!(written, ["node-conditions n1", "nodetime-spec n1"]);
}

#[test]
fn a_silent_agent_makes_its_node_unknown_with_one_event() {
    let (mut memory, mut world) = at_rest();
    for second in (100..661).step_by(100) {
        report(&mut world, "n2", second, ("True", "InTolerance"), &json!({}));
        world.ready_agents = ["n1".to_owned(), "n2".to_owned()].into();
        let decision = memory.decide(&world, LEADING, at(second), wall());
        assert!(!targets(&decision).contains(&"node-conditions n1".to_owned()), "at {second}");
    }
    let decision = memory.decide(&world, LEADING, at(661), wall());
    let job = decision.jobs.iter().find(|job| job.write.key() == ("node-conditions", "n1")).unwrap();
    assert_eq!(job.notes.len(), 1);
    assert_eq!(job.notes[0].reason, "AgentSilent");
    assert_eq!(decision.synchronized.get("Unknown"), Some(&1));
}

/// The agent reports, and its chronyd can't be run: what stands on the Node is of the agent before.
#[rstest]
#[case("NoDaemon", "chronyd cannot be run; exec format error", "True")]
#[case("Refused", "chronyd -p refuses it", "Unknown")]
fn an_agent_without_a_verdict_makes_its_node_unknown(
    #[case] reason: &str,
    #[case] message: &str,
    #[case] down: &str,
) {
    let (mut memory, mut world) = at_rest();
    let spec = world.node_time("n1").unwrap().spec.clone();
    let mut told = None;
    for second in (10..=260).step_by(10) {
        report(&mut world, "n2", second, ("True", "InTolerance"), &json!({}));
        let status = json!({
            "bootID": "boot", "sequence": 10 + second,
            "conditions": [{"type": "Ready", "status": "False", "reason": reason, "message": message,
                            "lastTransitionTime": "2026-11-21T23:25:00Z"}],
        });
        store(&mut world, "n1", "uid-n1", &spec, Some(status));
        let decision = memory.decide(&world, LEADING, at(second), wall());
        if let Some(job) = decision.jobs.iter().find(|job| job.write.key() == ("node-conditions", "n1")) {
            told = Some(second);
            let Write::Conditions { conditions, .. } = &job.write else { panic!("{:?}", job.write) };
            assert_eq!(conditions.len(), 6);
            for (kind, told, _) in conditions {
                let wanted = if kind.name() == "TimeDaemonDown" { down } else { "Unknown" };
                assert_eq!((told.status.as_str(), told.reason.as_str()), (wanted, reason), "{kind:?}");
                assert!(told.message.contains(message), "{}", told.message);
            }
            finish(&mut memory, &mut world, decision, at(second));
            break;
        }
        finish(&mut memory, &mut world, decision, at(second));
    }
    assert_eq!(told, Some(130), "two minutes after the first report without a verdict");
    report(&mut world, "n1", 999, ("True", "InTolerance"), &json!({}));
    let decision = memory.decide(&world, LEADING, at(270), wall());
    assert!(targets(&decision).contains(&"node-conditions n1".to_owned()), "{:?}", targets(&decision));
}

#[test]
fn a_deselected_node_is_asked_then_cleared_then_deleted() {
    let (mut memory, mut world) = at_rest();
    world.policies = [policy(&json!({"matchLabels": {"no": "node"}}))].into();
    let decision = memory.decide(&world, LEADING, at(10), wall());
    assert!(targets(&decision).contains(&"nodetime-spec n1".to_owned()));
    assert!(
        !targets(&decision).iter().any(|target| target.starts_with("node-conditions")),
        "before it is restored"
    );
    finish(&mut memory, &mut world, decision, at(10));
    let waiting = memory.decide(&world, LEADING, at(11), wall());
    assert!(!targets(&waiting).iter().any(|target| target.starts_with("node")), "{:?}", targets(&waiting));
    report(
        &mut world,
        "n1",
        9,
        ("True", "InTolerance"),
        &json!({"retired": {"restored": true, "message": "done"}}),
    );
    let clearing = memory.decide(&world, LEADING, at(12), wall());
    assert_eq!(node_targets(&clearing), ["node-conditions n1"]);
    finish(&mut memory, &mut world, clearing, at(12));
    let deleting = memory.decide(&world, LEADING, at(13), wall());
    assert_eq!(node_targets(&deleting), ["nodetime-delete n1"]);
    assert_eq!(deleting.jobs[0].notes[0].reason, "TimeRetired");
    finish(&mut memory, &mut world, deleting, at(13));
    assert_eq!(node_targets(&memory.decide(&world, LEADING, at(14), wall())), Vec::<String>::new());
    // n2 never answers
    let lost = memory.decide(&world, LEADING, at(10 + 121), wall());
    assert_eq!(node_targets(&lost), ["node-conditions n2"]);
    finish(&mut memory, &mut world, lost, at(131));
    let deleting = memory.decide(&world, LEADING, at(132), wall());
    assert_eq!(node_targets(&deleting), ["nodetime-delete n2"]);
    assert_eq!(deleting.jobs[0].notes[0].reason, "TimeNotRestored");
}

#[test]
fn a_request_that_is_none_is_told_once_per_value() {
    let (mut memory, mut world) = at_rest();
    let mut annotate = |memory: &mut Memory, second, value: &str| {
        let mut node_time = world.node_time("n1").unwrap().clone();
        node_time.metadata.annotations = Some([("meantime.dev/request".to_owned(), value.to_owned())].into());
        let object = serde_json::from_value(serde_json::to_value(node_time).unwrap()).unwrap();
        world.node_times.insert("n1".into(), Arc::new(object));
        memory.decide(&world, LEADING, at(second), wall())
    };
    let decision = annotate(&mut memory, 10, "Acknowledge it");
    let note = decision.notes.first().unwrap();
    assert_eq!((note.reason.as_str(), note.loudness), ("RequestInvalid", Loudness::Warning));
    assert_eq!((note.regarding.kind, note.regarding.name.as_str()), ("NodeTime", "n1"));
    assert!(
        note.message.contains("\"Acknowledge it\"") && note.message.contains("=acknowledge/$(date +%s)"),
        "{note:?}"
    );
    assert_eq!(node_targets(&decision), Vec::<String>::new(), "nothing is asked of the agent");
    assert_eq!(annotate(&mut memory, 11, "Acknowledge it").notes, []);
    let other = annotate(&mut memory, 12, "acknowledge").notes;
    assert_eq!(other.len(), 1);
    assert_ne!(other[0].once, note.once, "another value is another Event");
    let decision = annotate(&mut memory, 13, "acknowledge/1");
    assert_eq!((decision.notes.len(), node_targets(&decision)), (0, vec!["nodetime-spec n1".to_owned()]));
}

#[test]
fn an_undecodable_policy_keeps_its_nodes() {
    let (mut memory, mut world) = at_rest();
    world.policies.clear();
    world.broken.push(Broken {
        kind: BrokenKind::TimeSyncPolicy,
        name: "all".into(),
        uid: "policy-uid".into(),
        generation: 2,
        why: "spec.sources is a string".into(),
    });
    let decision = memory.decide(&world, LEADING, at(10), wall());
    assert!(!targets(&decision).iter().any(|target| target.starts_with("node")), "{:?}", targets(&decision));
    assert!(decision.jobs.iter().any(|job| matches!(job.write, Write::BrokenPolicy { .. })));
}

#[test]
fn a_policy_that_would_starve_keeps_the_plans() {
    let (mut memory, mut world) = at_rest();
    world.sources.clear();
    let decision = memory.decide(&world, LEADING, at(10), wall());
    assert_eq!(targets(&decision), ["policy-status all"]);
    let Write::Policy { status, .. } = &decision.jobs[0].write else { panic!() };
    let stalled = status.conditions.iter().find(|condition| condition.type_ == "Stalled").unwrap();
    assert_eq!((stalled.status.as_str(), stalled.reason.as_str()), ("True", "WouldStarve"));
}

#[test]
fn a_failed_write_rests_longer_each_time() {
    let (mut memory, world) = (Memory::new(Limits::default()), world());
    let mut resting = Vec::new();
    let mut now = 0;
    for _ in 0..3 {
        let decision = memory.decide(&world, LEADING, at(now), wall());
        let job = decision.jobs.into_iter().find(|job| job.write.key() == ("nodetime-spec", "n1")).unwrap();
        memory.failed(&job, at(now));
        let failed = now;
        while !targets(&memory.decide(&world, LEADING, at(now), wall()))
            .contains(&"nodetime-spec n1".to_owned())
        {
            now += 1;
        }
        resting.push(now - failed);
    }
    assert_eq!(resting, [1, 2, 4]);
}

fn healthy(world: &World, source: &str) -> (String, String) {
    let conditions = &world.sources[source].status.as_ref().unwrap().conditions;
    let healthy = conditions.iter().find(|condition| condition.type_ == "Healthy").unwrap();
    (healthy.status.clone(), healthy.reason.clone())
}

#[test]
fn a_follower_tells_nothing_and_a_new_leader_does_not_repeat() {
    let (mut memory, mut world) = at_rest();
    let lying: Vec<_> = ["a", "b", "c", "d"]
        .iter()
        .map(|name| {
            json!({
                "source": name, "role": "Driver", "state": "Falseticker", "letter": "x", "usable": false,
                "rejected": *name == "a", "unanswered": 0, "reachability": "Answering",
            })
        })
        .collect();
    for node in ["n1", "n2"] {
        report(&mut world, node, 5, ("True", "InTolerance"), &json!({"associations": lying}));
    }
    let mut follower = Memory::new(Limits::default());
    let seat = Seat { leading: false, ..LEADING };
    follower.decide(&world, seat, at(10), wall());
    let decision = memory.decide(&world, LEADING, at(10), wall());
    assert_eq!(decision.notes, [], "one incident tells of it, and not before it is proven");
    // Two nodes are heard for the first time since it began: their clocks are compared now.
    let told = ["node-conditions n1", "node-conditions n2", "source-status a", "policy-status all"];
    assert_eq!(targets(&decision), told);
    finish(&mut memory, &mut world, decision, at(10));
    assert_eq!(healthy(&world, "a"), ("Unknown".to_owned(), "Disputed".to_owned()));
    assert_eq!(memory.decide(&world, LEADING, at(12), wall()).next, Some(at(20)), "looked at again in time");
    let decision = memory.decide(&world, LEADING, at(20), wall());
    finish(&mut memory, &mut world, decision, at(20));
    assert_eq!(healthy(&world, "a"), ("False".to_owned(), "SourceDisagrees".to_owned()));
    assert_eq!(memory.decide(&world, LEADING, at(25), wall()).jobs.len(), 0, "it is said once");
    let taken_over = follower.decide(&world, LEADING, at(30), wall());
    assert_eq!(taken_over.jobs.len(), 0, "{:?}", targets(&taken_over));
    assert_eq!(taken_over.notes, []);
}

#[test]
fn a_breach_that_nothing_explains_becomes_an_incident() {
    let (mut memory, mut world) = (Memory::new(Limits::default()), world());
    world.incidents = Some(BTreeMap::new());
    let decision = memory.decide(&world, LEADING, at(0), wall());
    apply(&mut world, &decision.jobs);
    let bad = ("False", "OffsetExceeded");
    report(&mut world, "n1", 1, bad, &json!({}));
    report(&mut world, "n2", 1, ("True", "InTolerance"), &json!({}));
    let decision = memory.decide(&world, LEADING, at(1), wall());
    assert!(decision.next.is_some_and(|next| next <= at(31)), "looked at again in time");
    let decision = memory.decide(&world, LEADING, at(31), wall());
    let created: Vec<&str> = decision
        .jobs
        .iter()
        .filter(|job| matches!(job.write, Write::IncidentCreate { .. }))
        .map(|job| job.write.key().1)
        .collect();
    assert_eq!(created.len(), 1, "{created:?}");
    assert!(created[0].contains("-offsetexceeded-"), "{created:?}");
}
