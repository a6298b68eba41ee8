//! Applied and compliant are two things; a policy's status counts and never lists.

use super::*;
use meantime_core::plan::{Finding, PolicyFinding, Standstill, StarveCause};
use meantime_core::snapshot::{NodePlan, ObjectRef};
use meantime_core::tolerances::Preset;
use meantime_core::validate::Problem;
use serde_json::{Value, json};
use std::sync::Arc;

const HASH: &str = "0123456789abcdef";

fn wall(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn plan() -> NodePlan {
    NodePlan {
        policy: ObjectRef { name: "db".into(), uid: "p".into(), generation: 2 },
        mode: Mode::Managed,
        associations: vec![],
        tolerances: Preset::Newsql.tolerances(),
        failover: meantime_core::fsm::failover::Figures::default(),
        main: String::new(),
        sources: String::new(),
        hash: HASH.into(),
    }
}

struct Node {
    name: String,
    outcome: NodeOutcome,
    spec: NodeTimeSpec,
    status: NodeTimeStatus,
    silent: bool,
}

impl Node {
    fn new(name: &str, applied: &Value, synchronized: (&str, &str), headroom: i64) -> Self {
        let status = json!({
            "applied": applied,
            "headroomNanoseconds": headroom,
            "conditions": [{
                "type": "TimeSynchronized", "status": synchronized.0, "reason": synchronized.1, "message": "",
                "lastTransitionTime": "2026-11-21T23:25:00Z",
            }],
        });
        Self {
            name: name.into(),
            outcome: NodeOutcome::Planned(Arc::new(plan())),
            spec: NodeTimeSpec {
                desired: Desired::Active,
                plan: Some((&plan()).into()),
                request: None,
                peers: None,
            },
            status: serde_json::from_value(status).unwrap(),
            silent: false,
        }
    }
    fn good(name: &str) -> Self {
        Self::new(name, &json!({"state": "Applied", "hash": HASH}), ("True", "InTolerance"), 49_988_000)
    }
    fn member(&self) -> Member<'_> {
        Member {
            name: &self.name,
            outcome: &self.outcome,
            spec: Some(&self.spec),
            status: Some(&self.status),
            silent: self.silent,
        }
    }
}

fn policy() -> TimeSyncPolicy {
    let spec = json!({"sources": {"selector": {}}, "mode": "Managed", "nodeSelector": {}});
    let mut policy = TimeSyncPolicy::new("db", serde_json::from_value(spec).unwrap());
    policy.metadata.generation = Some(2);
    policy
}

fn report() -> PolicyReport {
    PolicyReport {
        tolerances: Some(Preset::Newsql.tolerances()),
        selected: 2,
        planned: 2,
        ..PolicyReport::default()
    }
}

fn status_of(report: &PolicyReport, nodes: &[Node]) -> TimeSyncPolicyStatus {
    let members: Vec<_> = nodes.iter().map(Node::member).collect();
    desired(&policy(), None, report, &members, &Besides::default(), wall(1))
}

fn told(status: &TimeSyncPolicyStatus, kind: &str) -> (String, String) {
    let condition = status.conditions.iter().find(|condition| condition.type_ == kind).unwrap();
    assert_eq!(condition.observed_generation, Some(2));
    (condition.status.clone(), condition.reason.clone())
}

fn message(status: &TimeSyncPolicyStatus, kind: &str) -> String {
    status.conditions.iter().find(|condition| condition.type_ == kind).unwrap().message.clone()
}

fn is(status: &str, reason: &str) -> (String, String) {
    (status.into(), reason.into())
}

#[test]
fn applied_everywhere_and_every_clock_inside() {
    let status = status_of(&report(), &[Node::good("n1"), Node::good("n2")]);
    assert_eq!(told(&status, "Ready"), is("True", "Applied"));
    assert_eq!(told(&status, "Compliant"), is("True", "InTolerance"));
    assert_eq!(told(&status, "Stalled"), is("False", "Valid"));
    assert_eq!(told(&status, "Conflicted"), is("False", "NoConflict"));
    assert_eq!(told(&status, "Feasible"), is("True", "Feasible"));
    assert_eq!(status.nodes, Some(NodeCounts { selected: 2, planned: 2, applied: 2, compliant: 2 }));
    assert_eq!(status.summary.as_deref(), Some("2/2"));
    let effective = status.effective.unwrap();
    assert_eq!((effective.mode.as_str(), effective.max_offset.as_str()), ("Managed", "150ms"));
}

#[test]
fn a_drifting_node_is_not_compliant_and_still_applied() {
    let mut bad = Node::good("n2");
    bad = Node {
        status: Node::new(
            "n2",
            &json!({"state": "Applied", "hash": HASH}),
            ("False", "OffsetExceeded"),
            -11_234_567,
        )
        .status,
        ..bad
    };
    let status = status_of(&report(), &[Node::good("n1"), bad]);
    assert_eq!(told(&status, "Ready"), is("True", "Applied"));
    assert_eq!(told(&status, "Compliant"), is("False", "OutOfTolerance"));
    assert!(message(&status, "Compliant").contains("n2"));
    assert_eq!(
        status.worst,
        Some(WorstNode { node: "n2".into(), headroom: "-12ms".into(), headroom_nanoseconds: -12_000_000 })
    );
}

#[test]
fn a_plan_on_its_way_is_not_ready_and_says_where() {
    let waiting = [
        Node::new("n1", &json!({"state": "Pending"}), ("True", "InTolerance"), 1),
        Node::new("n2", &json!({"state": "Applied", "hash": "ffffffffffffffff"}), ("True", "InTolerance"), 1),
        Node::good("n3"),
    ];
    let status = status_of(&report(), &waiting);
    assert_eq!(told(&status, "Ready"), is("False", "Applying"));
    assert_eq!(told(&status, "Stalled"), is("False", "Valid"));
    assert_eq!(message(&status, "Ready"), "applied on 1 of 3 nodes; waiting for n1, n2");
}

#[test]
fn a_node_without_a_node_time_or_a_report_is_waited_for_and_unknown() {
    let outcome = NodeOutcome::Planned(Arc::new(plan()));
    let member = Member { name: "n1", outcome: &outcome, spec: None, status: None, silent: false };
    let status = desired(&policy(), None, &report(), &[member], &Besides::default(), wall(1));
    assert_eq!(told(&status, "Ready"), is("False", "Applying"));
    assert_eq!(told(&status, "Compliant"), is("Unknown", "NodesUnknown"));
    assert_eq!(status.nodes, Some(NodeCounts { selected: 1, planned: 0, applied: 0, compliant: 0 }));
}

#[test]
fn a_silent_agent_makes_its_node_unknown_not_compliant() {
    let silent = Node { silent: true, ..Node::good("n2") };
    let status = status_of(&report(), &[Node::good("n1"), silent]);
    assert_eq!(told(&status, "Compliant"), is("Unknown", "NodesUnknown"));
    assert_eq!(told(&status, "Ready"), is("True", "Applied"), "what it applied it still runs");
}

#[test]
fn refused_and_reverted_wait_for_a_person() {
    let refused = Node::new("n1", &json!({"state": "Refused", "hash": "old"}), ("True", "InTolerance"), 1);
    assert_eq!(told(&status_of(&report(), &[refused]), "Stalled"), is("True", "Refused"));
    let reverted = Node::new("n1", &json!({"state": "Reverted", "hash": "old"}), ("True", "InTolerance"), 1);
    assert_eq!(told(&status_of(&report(), &[reverted]), "Ready"), is("False", "Reverted"));
}

#[test]
fn would_starve_stalls_and_keeps() {
    let finding =
        PolicyFinding { what: Finding::WouldStarve(StarveCause::NothingSelected), nodes: Sample::default() };
    let report = PolicyReport { findings: vec![finding], ..report() };
    let kept = Node {
        outcome: NodeOutcome::Kept {
            plan: Arc::new(plan()),
            policy: "db".into(),
            why: Standstill::WouldStarve,
        },
        ..Node::good("n1")
    };
    let status = status_of(&report, &[kept]);
    assert_eq!(told(&status, "Stalled"), is("True", "WouldStarve"));
    assert_eq!(told(&status, "Ready"), is("False", "WouldStarve"));
    assert_eq!(told(&status, "Compliant"), is("True", "InTolerance"), "its clocks are judged all the same");
}

#[test]
fn faults_conflicts_and_infeasible_limits_are_told_apart() {
    let fault = Problem::PollsInverted { min: 9, max: 4 };
    let faulty = PolicyReport { problems: vec![fault.clone()], tolerances: None, ..report() };
    let status = status_of(&faulty, &[]);
    assert_eq!(told(&status, "Stalled"), is("True", fault.reason()));
    assert_eq!(told(&status, "Feasible"), is("Unknown", "NotPlanned"));
    let conflict =
        PolicyFinding { what: Finding::Conflicted { with: "web".into() }, nodes: Sample::of(["n1"]) };
    let status = status_of(&PolicyReport { findings: vec![conflict], ..report() }, &[Node::good("n2")]);
    assert_eq!(told(&status, "Conflicted"), is("True", "SamePriority"));
    assert!(message(&status, "Conflicted").contains("web"));
    let path =
        Node::new("n1", &json!({"state": "Applied", "hash": HASH}), ("Unknown", "ToleranceInfeasible"), 1);
    assert_eq!(told(&status_of(&report(), &[path]), "Feasible"), is("False", "ToleranceInfeasible"));
}

#[test]
fn no_nodes_is_ready_and_says_why() {
    let status = status_of(&PolicyReport { selected: 0, ..report() }, &[]);
    assert_eq!(told(&status, "Ready"), is("True", "NoNodes"));
    assert_eq!(told(&status, "Compliant"), is("Unknown", "NoNodes"));
    let lost = status_of(&PolicyReport { selected: 3, ..report() }, &[]);
    assert!(message(&lost, "Ready").contains("all 3 nodes"));
}

#[test]
fn advice_is_said_without_stopping_anything() {
    let advice = PolicyFinding { what: Finding::FewRoots { roots: 3 }, nodes: Sample::default() };
    let status = status_of(&PolicyReport { findings: vec![advice], ..report() }, &[Node::good("n1")]);
    assert_eq!(told(&status, "Stalled"), is("False", "Valid"));
    assert!(
        message(&status, "Stalled").contains("TooFewIndependentSources"),
        "{}",
        message(&status, "Stalled")
    );
}

#[test]
fn the_same_facts_give_the_same_status_at_any_time() {
    let nodes = [Node::good("n1")];
    let members: Vec<_> = nodes.iter().map(Node::member).collect();
    let first = desired(&policy(), None, &report(), &members, &Besides::default(), wall(1));
    assert_eq!(desired(&policy(), Some(&first), &report(), &members, &Besides::default(), wall(500)), first);
}

#[test]
fn headroom_is_rounded_down_to_two_digits() {
    assert_eq!(two_digits(Nanos(49_988_123)), Nanos(49_000_000));
    assert_eq!(two_digits(Nanos(-11_234_567)), Nanos(-12_000_000));
    assert_eq!(two_digits(Nanos(7)), Nanos(7));
    assert_eq!(two_digits(Nanos(0)), Nanos(0));
}

#[test]
fn hosts_whose_clock_nothing_sets_at_boot_are_told_of_and_block_nothing() {
    let managed = |name: &str, unprotected: &str| {
        let mut node = Node::good(name);
        let condition = json!({
            "type": "BootTimeUnprotected", "status": unprotected, "reason": "NoSetter", "message": "",
            "lastTransitionTime": "2026-11-21T23:25:00Z",
        });
        node.status.conditions.push(serde_json::from_value(condition).unwrap());
        node
    };
    let status =
        status_of(&report(), &[managed("n1", "True"), managed("n2", "False"), managed("n3", "Unknown")]);
    assert_eq!(
        (told(&status, "Ready"), told(&status, "Stalled")),
        (is("True", "Applied"), is("False", "Valid"))
    );
    let said = message(&status, "Stalled");
    assert!(said.contains("at boot on n1;") && said.contains("not known on n3"), "{said}");
    let observing = status_of(&report(), &[Node::good("n1"), Node::good("n2")]);
    assert!(!message(&observing, "Stalled").contains("BootTimeUnprotected"));
}

#[test]
fn compliant_says_how_many_and_who_is_worst() {
    let mut worst = Node::good("n2");
    worst.status.headroom_nanoseconds = Some(12_345_678);
    let status = status_of(&report(), &[Node::good("n1"), worst]);
    assert_eq!(
        message(&status, "Compliant"),
        "2 of 2 clocks are inside their tolerances; least headroom 12ms on n2"
    );
}

#[test]
fn acknowledged_faults_are_counted_in_the_message() {
    let acknowledged = vec![("SourceDead".to_owned(), "gps-a".to_owned())];
    let maintenance = maintenance::Look { acknowledged, ..maintenance::Look::default() };
    let besides = Besides { maintenance, spread: None };
    let status = desired(&policy(), None, &report(), &[], &besides, wall(1));
    assert_eq!(told(&status, "Maintenance"), is("False", "NoWindowOpen"));
    assert!(message(&status, "Maintenance").ends_with("; 1 fault is acknowledged"));
}
