//! What the fleet says of one source, counted from NodeTimes.

use super::*;
use meantime_core::diagnose::finding::{Kind, Subject};
use meantime_core::plan::Sample;
use meantime_core::validate::Problem;
use meantime_crds::nodetime::NodeTimeStatus;
use meantime_crds::timesource::{Server, TimeSourceSpec};
use serde_json::json;

const NOTHING: Found<'static> = Found { whole: None, from: None, warm: true };

fn spec(sources: &[&str]) -> NodeTimeSpec {
    let associations: Vec<_> = sources
        .iter()
        .map(|source| {
            json!({
                "source": source, "tier": 1, "role": "Driver", "address": "10.1.0.5", "port": 123,
                "minPoll": 4, "maxPoll": 6, "iburst": true, "scope": "Local", "independence": source, "timescale": "UTC",
            })
        })
        .collect();
    let tolerances =
        meantime_crds::nodetime::PlanTolerances::from(&meantime_core::tolerances::Preset::Web.tolerances());
    serde_json::from_value(json!({
        "desired": "Active",
        "plan": {
            "hash": "0123456789abcdef", "policy": {"name": "all", "uid": "p", "generation": 1}, "mode": "Observe",
            "chrony": {"main": "", "sources": ""}, "associations": associations, "tolerances": tolerances,
        },
    }))
    .unwrap()
}

fn status(associations: &[(&str, &str, bool)]) -> NodeTimeStatus {
    let associations: Vec<_> = associations
        .iter()
        .map(|(source, reachability, rejected)| {
            json!({
                "source": source, "role": "Driver", "state": "Selected", "letter": "*", "usable": true,
                "rejected": rejected, "unanswered": 0, "reachability": reachability,
            })
        })
        .collect();
    serde_json::from_value(json!({"associations": associations})).unwrap()
}

fn wall(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn source() -> TimeSource {
    let server = Server { address: "10.1.0.5".into(), ..Server::default() };
    let mut source: TimeSource = TimeSource::new(
        "dc1",
        TimeSourceSpec { server: Some(server), ..serde_json::from_value(json!({"tier": 1})).unwrap() },
    );
    source.metadata.generation = Some(3);
    source
}

fn told(status: &TimeSourceStatus, kind: &str) -> (String, String) {
    let condition = status.conditions.iter().find(|condition| condition.type_ == kind).unwrap();
    (condition.status.clone(), condition.reason.clone())
}

fn is(status: &str, reason: &str) -> (String, String) {
    (status.into(), reason.into())
}

#[test]
fn counts_who_uses_reaches_and_rejects() {
    let (both, one) = (spec(&["a", "b"]), spec(&["a"]));
    let good = status(&[("a", "Answering", false), ("b", "Silent", false)]);
    let lying = status(&[("a", "Losing", true)]);
    let nodes = [
        (&both, Some(&good), false),
        (&one, Some(&lying), false),
        (&one, Some(&lying), true), // silent: uses it, but is no evidence
        (&one, None, false),        // has not reported yet
    ];
    let all = count(nodes.into_iter());
    assert_eq!(all["a"], Counts { using: 4, reporting: 2, reaching: 2, rejecting: 1 });
    assert_eq!(all["b"], Counts { using: 1, reporting: 1, reaching: 0, rejecting: 0 });
}

#[test]
fn a_newer_agents_word_is_no_evidence_against_a_source() {
    let one = spec(&["a", "b"]);
    let newer = status(&[("a", "Somehow", false), ("b", "Somehow", true)]);
    let all = count([(&one, Some(&newer), false)].into_iter());
    assert_eq!(all["a"], Counts { using: 1, reporting: 0, reaching: 0, rejecting: 0 });
    assert_eq!(all["b"], Counts { using: 1, reporting: 1, reaching: 1, rejecting: 1 });
}

#[test]
fn a_pool_is_one_source_on_a_node_however_many_members_it_has() {
    let spec = spec(&["pool"]);
    let members = status(&[
        ("pool", "Answering", false),
        ("pool", "NeverAnswered", false),
        ("pool", "Answering", true),
    ]);
    let all = count([(&spec, Some(&members), false)].into_iter());
    assert_eq!(all["pool"], Counts { using: 1, reporting: 1, reaching: 1, rejecting: 1 });
}

#[test]
fn a_retired_node_uses_nothing() {
    let mut retired = spec(&["a"]);
    retired.desired = Desired::Retired;
    assert_eq!(count([(&retired, None, false)].into_iter()), BTreeMap::new());
}

#[test]
fn rejecting_four_of_four() {
    let report = SourceReport { policies: vec!["all".into()], nodes: 4, ..SourceReport::default() };
    let counts = Counts { using: 4, reporting: 4, reaching: 4, rejecting: 4 };
    let status = desired(&source(), None, &report, (counts, NOTHING), wall(1));
    assert_eq!(status.summary.as_deref(), Some("rejecting 4/4"));
    assert_eq!(
        (status.nodes_using, status.nodes_reaching, status.nodes_rejecting),
        (Some(4), Some(4), Some(4))
    );
    assert_eq!(status.observed_generation, Some(3));
    assert_eq!(status.address.as_deref(), Some("10.1.0.5"));
    assert_eq!(told(&status, "Ready"), is("True", "Planned"));
    assert_eq!(told(&status, "Stalled"), is("False", "Valid"));
    assert_eq!(told(&status, "Healthy"), is("Unknown", "Disputed"), "that it is its fault is not proven");
}

#[test]
fn the_same_facts_give_the_same_status_at_any_time() {
    let report = SourceReport { policies: vec!["all".into()], ..SourceReport::default() };
    let counts = Counts { using: 4, reporting: 4, reaching: 3, rejecting: 0 };
    let first = desired(&source(), None, &report, (counts, NOTHING), wall(1));
    assert_eq!(desired(&source(), Some(&first), &report, (counts, NOTHING), wall(99)), first);
    assert_eq!(told(&first, "Healthy"), is("True", "PartlyReached"));
}

#[test]
fn without_reports_nothing_is_known_of_it() {
    let report = SourceReport { policies: vec!["all".into()], ..SourceReport::default() };
    let status =
        desired(&source(), None, &report, (Counts { using: 4, ..Counts::default() }, NOTHING), wall(1));
    assert_eq!(told(&status, "Healthy"), is("Unknown", "NotObserved"));
}

#[test]
fn a_fault_stalls_it_and_says_which() {
    let fault = Problem::PollsInverted { min: 9, max: 4 };
    let report = SourceReport { problems: vec![fault.clone()], ..SourceReport::default() };
    let status = desired(&source(), None, &report, (Counts::default(), NOTHING), wall(1));
    assert_eq!(told(&status, "Ready"), is("False", fault.reason()));
    assert_eq!(told(&status, "Stalled"), is("True", fault.reason()));
}

#[test]
fn a_duplicate_that_no_plan_holds_is_stalled_and_one_without_a_place_is_not() {
    let duplicate = SourceFinding::DuplicateAddress { of: "dc0".into(), policy: "all".into() };
    let report = SourceReport { findings: vec![duplicate], ..SourceReport::default() };
    let status = desired(&source(), None, &report, (Counts::default(), NOTHING), wall(1));
    assert_eq!(told(&status, "Ready"), is("False", "DuplicateAddress"));
    let over = SourceFinding::OverLimit { policy: "all".into(), nodes: Sample::of(["n1"]) };
    let report =
        SourceReport { findings: vec![over], policies: vec!["all".into()], ..SourceReport::default() };
    let status =
        desired(&source(), None, &report, (Counts { using: 2, ..Counts::default() }, NOTHING), wall(1));
    assert_eq!(told(&status, "Ready"), is("True", "Planned"));
    let unselected = SourceReport { findings: vec![SourceFinding::Unselected], ..SourceReport::default() };
    let status = desired(&source(), None, &unselected, (Counts::default(), NOTHING), wall(1));
    assert_eq!(told(&status, "Ready"), is("True", "Unused"));
    assert_eq!(status.summary.as_deref(), Some("unused"));
}

#[test]
fn a_port_of_its_own_is_shown() {
    let mut with_port = source();
    with_port.spec.server = Some(Server { address: "fd00::1".into(), port: Some(1123), ..Server::default() });
    let status = desired(&with_port, None, &SourceReport::default(), (Counts::default(), NOTHING), wall(1));
    assert_eq!(status.address.as_deref(), Some("[fd00::1]:1123"));
}

fn finding(kind: Kind, subject: Subject) -> Finding {
    Finding {
        kind,
        subject,
        since: meantime_core::clocks::BootTime(0),
        confidence: meantime_core::diagnose::finding::Confidence::High,
        coverage: Coverage { reporters: 4, nodes: 4, domains: 2, all_domains: 2 },
        evidence: vec!["dc1 is off by +200ms".into()],
        nodes: Vec::new(),
    }
}

#[test]
fn only_a_finding_says_that_a_source_is_bad() {
    let report = SourceReport { policies: vec!["all".into()], nodes: 4, ..SourceReport::default() };
    let counts = Counts { using: 4, reporting: 4, reaching: 4, rejecting: 4 };
    let lying = finding(Kind::SourceLying, Subject::Source("dc1".into()));
    let found = Found { whole: Some(&lying), ..NOTHING };
    let status = desired(&source(), None, &report, (counts, found), wall(1));
    assert_eq!(told(&status, "Healthy"), is("False", "SourceLying"));
    let message = &status.conditions.iter().find(|one| one.type_ == "Healthy").unwrap().message;
    assert_eq!(message, "dc1 is off by +200ms (said by 4 of 4 nodes over 2 of 2 ways out); rejecting 4/4");
    // A new operator has heard nobody yet: what stands stays, and goes when enough is known.
    let cold = Found { warm: false, ..NOTHING };
    let kept = desired(&source(), Some(&status), &report, (counts, cold), wall(9));
    assert_eq!(kept.conditions, status.conditions);
    let healed = Counts { rejecting: 0, ..counts };
    let after = desired(&source(), Some(&status), &report, (healed, NOTHING), wall(9));
    assert_eq!(told(&after, "Healthy"), is("True", "Agreeing"));
}

#[test]
fn a_blocked_way_is_no_bad_source() {
    let report = SourceReport { policies: vec!["all".into()], nodes: 4, ..SourceReport::default() };
    let counts = Counts { using: 4, reporting: 4, reaching: 2, rejecting: 0 };
    let subject = Subject::SourceFrom { source: "dc1".into(), egress: "b".into() };
    let blocked = finding(Kind::SourceUnreachableFromEgress, subject);
    let found = Found { from: Some(&blocked), ..NOTHING };
    let status = desired(&source(), None, &report, (counts, found), wall(1));
    assert_eq!(told(&status, "Healthy"), is("True", "SourceUnreachableFromEgress"));
    let nobody = Counts { reaching: 0, ..counts };
    let status = desired(&source(), None, &report, (nobody, NOTHING), wall(1));
    assert_eq!(told(&status, "Healthy"), is("Unknown", "NotReached"));
}
