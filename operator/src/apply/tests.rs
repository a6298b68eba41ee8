//! A NodeTime is written only when something differs, and removed only after its agent has answered or is lost.

use super::*;
use meantime_core::tolerances::Preset;
use meantime_crds::nodetime::{ChronyText, PlanTolerances};
use rstest::rstest;

fn plan(hash: &str, generation: i64) -> Plan {
    Plan {
        hash: hash.into(),
        policy: PolicyRef { name: "all".into(), uid: "p".into(), generation },
        mode: meantime_crds::common::Mode::Observe,
        chrony: ChronyText { main: "minsources 2\n".into(), sources: "server 10.1.0.5\n".into() },
        associations: vec![],
        tolerances: PlanTolerances::from(&Preset::Kubernetes.tolerances()),
        failover: None,
    }
}

fn spec(desired: Desired, plan: Plan) -> NodeTimeSpec {
    NodeTimeSpec { desired, plan: Some(plan), request: None, peers: None }
}

fn standing(desired: Desired, hash: &str) -> Standing {
    Standing { spec: spec(desired, plan(hash, 1)), owner: Some("node-uid".into()) }
}

fn decide(wanted: &Wanted, standing: Option<&Standing>, retirement: &Retirement) -> SpecChange {
    spec_change(wanted, standing.map(InForce::from), None, None, "node-uid", retirement)
}

fn active(hash: &str, generation: i64) -> Wanted {
    Wanted::Active(Arc::new(plan(hash, generation)))
}

#[test]
fn a_new_plan_is_written_and_the_same_is_not() {
    let none = Retirement::default();
    let expected = SpecChange::Apply(Box::new(spec(Desired::Active, plan("aa", 1))));
    assert_eq!(decide(&active("aa", 1), None, &none), expected);
    assert_eq!(decide(&active("aa", 1), Some(&standing(Desired::Active, "bb")), &none), expected);
    assert_eq!(decide(&active("aa", 1), Some(&standing(Desired::Active, "aa")), &none), SpecChange::Nothing);
    assert_eq!(decide(&active("aa", 1), Some(&standing(Desired::Retired, "aa")), &none), expected);
}

#[test]
fn an_edit_of_the_policy_that_changes_nothing_here_writes_nothing_here() {
    let change = decide(&active("aa", 2), Some(&standing(Desired::Active, "aa")), &Retirement::default());
    assert_eq!(change, SpecChange::Nothing);
}

#[test]
fn what_was_edited_by_hand_is_put_right_though_the_hash_is_the_same() {
    let mut edited = standing(Desired::Active, "aa");
    if let Some(plan) = &mut edited.spec.plan {
        plan.chrony.sources = "server evil.example\n".into();
    }
    assert!(matches!(decide(&active("aa", 1), Some(&edited), &Retirement::default()), SpecChange::Apply(_)));
}

#[test]
fn a_re_created_node_owns_its_node_time_anew() {
    let mut old = standing(Desired::Active, "aa");
    old.owner = Some("the-node-before".into());
    assert!(matches!(decide(&active("aa", 1), Some(&old), &Retirement::default()), SpecChange::Apply(_)));
}

#[test]
fn a_policy_that_stands_still_leaves_everything_as_it_is() {
    assert_eq!(decide(&Wanted::AsItIs, None, &Retirement::default()), SpecChange::Nothing);
    let change = decide(&Wanted::AsItIs, Some(&standing(Desired::Active, "aa")), &Retirement::default());
    assert_eq!(change, SpecChange::Nothing);
}

#[test]
fn a_node_without_a_policy_is_asked_then_waited_for_then_removed() {
    let none = Retirement::default();
    let asked = decide(&Wanted::Nothing, Some(&standing(Desired::Active, "aa")), &none);
    assert_eq!(asked, SpecChange::Apply(Box::new(spec(Desired::Retired, plan("aa", 1)))));
    let retired = standing(Desired::Retired, "aa");
    let waiting = |seconds| Retirement { answer: None, unheard: Some(Nanos::from_secs(seconds)) };
    assert_eq!(decide(&Wanted::Nothing, Some(&retired), &none), SpecChange::Nothing);
    assert_eq!(decide(&Wanted::Nothing, Some(&retired), &waiting(119)), SpecChange::Nothing);
    let lost = decide(&Wanted::Nothing, Some(&retired), &waiting(120));
    assert!(matches!(lost, SpecChange::Remove { restored: false, .. }), "{lost:?}");
    let answer = Some(Retired { restored: true, message: "chronyd stopped".into() });
    let done = decide(&Wanted::Nothing, Some(&retired), &Retirement { answer, unheard: None });
    assert_eq!(done, SpecChange::Remove { restored: true, message: "chronyd stopped".into() });
    assert_eq!(decide(&Wanted::Nothing, None, &none), SpecChange::Nothing);
}

#[test]
fn an_acknowledgement_of_an_earlier_retirement_does_not_count() {
    let mut node_time = NodeTime::new("n1", spec(Desired::Retired, plan("aa", 1)));
    node_time.metadata.generation = Some(5);
    let answered = |generation| meantime_crds::NodeTimeStatus {
        observed_generation: Some(generation),
        retired: Some(Retired { restored: true, message: String::new() }),
        ..Default::default()
    };
    node_time.status = Some(answered(3));
    assert_eq!(answer(&node_time), None);
    node_time.status = Some(answered(5));
    assert!(answer(&node_time).is_some());
}

#[rstest]
#[case("acknowledge/2026-11-21-1", Some(("acknowledge", "2026-11-21-1")))]
#[case("take-over/a", Some(("take-over", "a")))]
#[case("acknowledge", None)]
#[case("Acknowledge/1", None)]
#[case("-a/1", None)]
#[case("a/", None)]
#[case("/1", None)]
#[case("a/b/c", None)]
#[case("a/-b", None)]
#[case("a/b c", None)]
fn requests(#[case] text: &str, #[case] expected: Option<(&str, &str)>) {
    let parsed = parse_request(text);
    assert_eq!(parsed.as_ref().map(|request| (request.verb.as_str(), request.id.as_str())), expected);
}

fn peers(nodes: &[&str]) -> Vec<PlanPeer> {
    nodes
        .iter()
        .map(|node| PlanPeer { node: (*node).into(), address: "10.0.0.2".into(), port: 9925 })
        .collect()
}

#[rstest]
#[case::the_plan_is_the_same(&active("aa", 1))]
#[case::the_policy_stands_still(&Wanted::AsItIs)]
fn other_peers_are_written_beside_the_plan_and_the_same_are_not(#[case] wanted: &Wanted) {
    let (before, after) = (peers(&["n2", "n3"]), peers(&["n2", "n4"]));
    let mut standing = standing(Desired::Active, "aa");
    standing.spec.peers = Some(before.clone());
    let change = |peers| {
        spec_change(wanted, Some((&standing).into()), None, peers, "node-uid", &Retirement::default())
    };
    assert_eq!(change(Some(&before)), SpecChange::Nothing);
    let SpecChange::Apply(written) = change(Some(&after)) else { panic!("not written") };
    assert_eq!((written.peers.as_ref(), &written.plan), (Some(&after), &standing.spec.plan));
    let SpecChange::Apply(written) = change(None) else { panic!("not written") };
    assert_eq!(written.peers, None, "it takes no part any more");
}
