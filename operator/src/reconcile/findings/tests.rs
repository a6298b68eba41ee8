//! What a finding means for one node, and that nothing is taken back by an operator that has heard nobody.

use super::*;
use meantime_core::diagnose::finding::{Confidence, Coverage};

fn with(kind: Kind, subject: Subject, nodes: &[&str]) -> Findings {
    let finding = Finding {
        kind,
        subject,
        since: BootTime(0),
        confidence: Confidence::High,
        coverage: Coverage::default(),
        evidence: vec!["n1 is +80ms off".into()],
        nodes: nodes.iter().map(|name| (*name).to_owned()).collect(),
    };
    Findings { standing: vec![finding], warm: true, ..Findings::default() }
}

fn told(kind: ConditionKind, status: Status) -> BTreeMap<ConditionKind, Told> {
    BTreeMap::from([(kind, Told { status, reason: "AsTold".into(), message: "by the agent".into() })])
}

#[test]
fn a_robot_may_act_on_what_is_proven_only() {
    let nothing = Findings { warm: true, ..Findings::default() };
    let clock = |findings: &Findings, status| {
        let told = findings.clock("n1", &told(ConditionKind::TimeSynchronized, status)).unwrap();
        (told.status, told.reason)
    };
    let is = |status, reason: &str| (status, reason.to_owned());
    assert_eq!(clock(&nothing, Status::True), is(Status::False, "ClockAgrees"));
    assert_eq!(clock(&nothing, Status::False), is(Status::Unknown, "NotProven"));
    assert_eq!(clock(&nothing, Status::Unknown), is(Status::Unknown, "NotKnown"));
    let faulty = with(Kind::NodeClockFaulty, Subject::Node("n1".into()), &["n1"]);
    assert_eq!(clock(&faulty, Status::False), is(Status::True, "NodeClockFaulty"));
    let anothers = with(Kind::NodeClockFaulty, Subject::Node("n2".into()), &["n2"]);
    assert_eq!(clock(&anothers, Status::False), is(Status::Unknown, "NotProven"));
    let others_word = with(Kind::CompetingDaemon, Subject::Node("n1".into()), &["n1"]);
    assert_eq!(clock(&others_word, Status::False), is(Status::Unknown, "NotProven"));
}

#[test]
fn a_new_operator_takes_nothing_back() {
    let cold = Findings::default();
    let synced = told(ConditionKind::TimeSynchronized, Status::True);
    let stands = Told { status: Status::True, reason: "NodeClockFaulty".into(), message: "80ms".into() };
    assert_eq!(refine(&cold, "n1", &synced, Some(&stands))[&NodeCondition::ClockFaulty], stands);
    let unknown = refine(&cold, "n1", &synced, None);
    assert_eq!(unknown[&NodeCondition::ClockFaulty].status, Status::Unknown);
}

#[test]
fn the_fleet_says_what_cuts_a_node_off() {
    let cut = told(ConditionKind::TimePartitioned, Status::True);
    let partitioned = NodeCondition::Agents(ConditionKind::TimePartitioned);
    let reason = |findings: &Findings, node: &str, told: &BTreeMap<ConditionKind, Told>| {
        refine(findings, node, told, None)[&partitioned].reason.clone()
    };
    let zone = with(Kind::ZoneCut, Subject::Zone("a".into()), &["n1", "n2"]);
    assert_eq!(reason(&zone, "n1", &cut), "ZoneCut");
    assert_eq!(reason(&zone, "n9", &cut), "AsTold");
    // Whoever still hears something is not partitioned, whatever is found.
    assert_eq!(reason(&zone, "n1", &told(ConditionKind::TimePartitioned, Status::False)), "AsTold");
    let dead = with(Kind::SourceDead, Subject::Source("s".into()), &["n1"]);
    assert_eq!(reason(&dead, "n1", &cut), "AsTold");
}

#[test]
fn what_is_acknowledged_is_counted_by_word_and_subject() {
    let known = |pairs: &[(&str, &str)]| -> BTreeSet<(String, String)> {
        pairs.iter().map(|(word, subject)| ((*word).to_owned(), (*subject).to_owned())).collect()
    };
    let from = Subject::SourceFrom { source: "s".into(), egress: "e".into() };
    let found = with(Kind::SourceUnreachableFromEgress, from, &["n1"]);
    let counts = found.acknowledged(&known(&[("SourceUnreachableFromEgress", "s"), ("SourceDead", "s")]));
    assert_eq!(counts, BTreeMap::from([("SourceUnreachableFromEgress", 1)]));
    assert!(found.acknowledged(&known(&[("SourceUnreachableFromEgress", "t")])).is_empty());
    let groups = with(Kind::MixedTimescales, Subject::Cluster, &[]);
    assert_eq!(groups.acknowledged(&known(&[("MixedTimescales", "Cluster")])).len(), 1);
}
