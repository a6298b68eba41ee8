//! What of a status becomes evidence, and what does not.

use super::*;
use crate::convert::fleet::{Ear, Place, declared, node};
use crate::nodetime::{NodeTime, PlanTolerances};
use meantime_core::conditions::ConditionKind;
use meantime_core::diagnose::fleet::{Heard, Node, Peer, View};
use meantime_core::units::Ppb;
use serde_json::Value;

const SEEN: BootTime = BootTime(77);
const YEARS: i64 = 2 * 366 * 86_400 * 1_000_000_000;

fn plan() -> Value {
    json!({
        "hash": "9f86d081884c7d65", "policy": {"name": "p", "uid": "u", "generation": 1}, "mode": "Managed",
        "chrony": {"main": "", "sources": ""},
        "associations": [{
            "source": "a", "tier": 1, "role": "Driver", "address": "10.0.0.1", "port": 123,
            "minPoll": 4, "maxPoll": 6, "iburst": true, "scope": "Site", "independence": "a", "timescale": "UTC",
        }],
        "tolerances": PlanTolerances::from(&CorePreset::Kubernetes.tolerances()),
    })
}

fn read(plan: Option<Value>, status: Option<Value>) -> Node {
    let mut object = json!({
        "apiVersion": "meantime.dev/v1alpha1", "kind": "NodeTime", "metadata": {"name": "n1"},
        "spec": {"desired": "Active"},
    });
    if let Some(plan) = plan {
        object["spec"]["plan"] = plan;
    }
    if let Some(status) = status {
        object["status"] = status;
    }
    let object: NodeTime = serde_json::from_value(object).unwrap();
    let place = Place { zone: Some("dc1".into()), egress: None };
    node(&object, place, Ear { heard: Heard::Fresh, ready: true, seen: SEEN })
}

/// One association with `changes` over one that works.
fn views(changes: &Value) -> Vec<View> {
    let mut association = json!({
        "source": "a", "role": "Driver", "state": "Selected", "letter": "*", "usable": true,
        "offsetNanoseconds": -5, "uncertaintyNanoseconds": 7, "delayNanoseconds": 9,
    });
    for (key, value) in changes.as_object().unwrap() {
        association[key] = value.clone();
    }
    told(&json!([association]), "9f86d081884c7d65")
}

/// Of an agent whose chronyd runs the plan of that hash.
fn told(associations: &Value, hash: &str) -> Vec<View> {
    let status = json!({"associations": associations, "applied": {"hash": hash, "state": "Applied"}});
    read(Some(plan()), Some(status)).report.unwrap().views
}

/// Under another plan the source may have been another server.
#[test]
fn what_is_told_of_another_plan_is_of_no_known_server() {
    let associations =
        json!([{"source": "a", "role": "Driver", "state": "Selected", "letter": "*", "usable": true}]);
    assert!(told(&associations, "9f86d081884c7d65")[0].server.is_some());
    assert_eq!(told(&associations, "e3b0c44298fc1c14")[0].server, None);
}

#[test]
fn an_association_that_is_told_twice_is_no_evidence() {
    let one = |address: &str| json!({"source": "a", "role": "Driver", "state": "Selected", "letter": "*", "usable": true, "address": address});
    let hash = "9f86d081884c7d65";
    assert_eq!(told(&json!([one("10.0.0.1"), one("10.0.0.1")]), hash), []);
    assert_eq!(told(&json!([one("10.0.0.1"), one("10.0.0.2")]), hash).len(), 2);
}

fn works() -> View {
    View {
        source: "a".into(),
        address: None,
        server: Some(meantime_core::hash::fnv(b"a\x0010.0.0.1\x00123")),
        root: "a".into(),
        role: CoreRole::Driver,
        usable: true,
        rejected: false,
        trouble: None,
        ever: true,
        sample_age: None,
        poll: Nanos::from_secs(64),
        offset: Some(Nanos(-5)),
        uncertainty: Some(Nanos(7)),
        delay: Some(Nanos(9)),
    }
}

#[test]
fn what_is_told_is_taken() {
    let status = json!({
        "conditions": [
            {"type": "TimeSynchronized", "status": "True", "reason": "InTolerance", "message": "", "lastTransitionTime": "2026-11-21T23:25:00Z"},
            {"type": "TimePartitioned", "status": "False", "reason": "HowNice", "message": "", "lastTransitionTime": "2026-11-21T23:25:00Z"},
            {"type": "Ready", "status": "True", "reason": "Applied", "message": "", "lastTransitionTime": "2026-11-21T23:25:00Z"},
            {"type": "TimeDaemonDown", "status": "False", "reason": "Answering", "message": "", "lastTransitionTime": "2026-11-21T23:25:00Z"},
            {"type": "TimeDaemonDown", "status": "True", "reason": "NoAnswer", "message": "", "lastTransitionTime": "2026-11-21T23:25:00Z"},
        ],
        "offsetNanoseconds": 12, "errorBoundNanoseconds": 34, "errorBoundGrowthNanosecondsPerSecond": 56,
        "clock": {"profile": "Virtual", "reason": "CompetingDaemon"},
    });
    let node = read(Some(plan()), Some(status));
    assert_eq!(
        (node.zone.as_deref(), node.egress.as_deref(), node.heard),
        (Some("dc1"), Some("dc1"), Heard::Fresh)
    );
    let report = node.report.unwrap();
    assert_eq!((report.seen, report.offset, report.bound), (SEEN, Some(Nanos(12)), Some(Nanos(34))));
    assert_eq!((report.growth, report.max_offset), (Ppb(56), Nanos(50_000_000)));
    assert_eq!(report.clock.as_deref(), Some("CompetingDaemon"));
    assert_eq!(report.status(ConditionKind::TimeSynchronized), Some(Status::True));
    assert_eq!(report.reason(ConditionKind::TimeSynchronized), Some(Reason::InTolerance));
    assert_eq!(report.status(ConditionKind::TimePartitioned), Some(Status::False));
    assert_eq!(report.reason(ConditionKind::TimePartitioned), None, "a reason of another version");
    assert_eq!(report.status(ConditionKind::TimeDaemonDown), None, "told twice, and differently");
    assert_eq!(report.conditions.len(), 2);
}

#[rstest]
#[case::works(json!({}), works())]
#[case::too_few_samples(
    json!({"usable": false, "offsetNanoseconds": null, "uncertaintyNanoseconds": null, "delayNanoseconds": null}),
    View { usable: false, offset: None, uncertainty: None, delay: None, ..works() }
)]
#[case::silent(
    json!({"usable": false, "reachability": "Silent", "unanswered": 3, "trouble": "Refused"}),
    View { usable: false, trouble: Some(Trouble::Refused), ..works() }
)]
#[case::never_worked(
    json!({"usable": false, "reachability": "NeverAnswered", "unanswered": 3, "trouble": "TimedOut"}),
    View { usable: false, trouble: Some(Trouble::TimedOut), ever: false, ..works() }
)]
#[case::no_address(
    json!({"usable": false, "reachability": "Unresolved", "trouble": "Unresolved"}),
    View { usable: false, trouble: Some(Trouble::Unresolved), ever: false, ..works() }
)]
#[case::stale_and_not_yet_out(json!({"trouble": "Stale"}), View { trouble: Some(Trouble::Stale), ..works() })]
#[case::a_liar(json!({"rejected": true, "usable": false}), View { rejected: true, usable: false, ..works() })]
// An agent of before this field.
#[case::silent_without_a_word(
    json!({"usable": false, "reachability": "Silent", "unanswered": 3}),
    View { usable: false, ..works() }
)]
#[case::words_that_nothing_hangs_on(json!({"health": "Tired", "grade": "Superb"}), works())]
fn a_view_of_a_source(#[case] changes: Value, #[case] view: View) {
    assert_eq!(views(&changes), [view]);
}

#[rstest]
#[case::not_of_the_plan(json!({"source": null}))]
#[case::another_versions_role(json!({"role": "Peer"}))]
#[case::another_versions_reachability(json!({"reachability": "Relayed"}))]
#[case::another_versions_trouble(json!({"trouble": "Tired"}))]
#[case::negative_uncertainty(json!({"uncertaintyNanoseconds": -1}))]
#[case::endless_uncertainty(json!({"uncertaintyNanoseconds": i64::MAX}))]
#[case::years_ahead(json!({"offsetNanoseconds": YEARS}))]
#[case::years_behind(json!({"offsetNanoseconds": -YEARS}))]
#[case::the_end_of_the_range(json!({"offsetNanoseconds": i64::MIN}))]
#[case::an_answer_before_the_question(json!({"delayNanoseconds": -1}))]
#[case::fewer_than_no_polls(json!({"unanswered": -1}))]
#[case::usable_and_silent(json!({"reachability": "Silent"}))]
#[case::usable_and_never_heard(json!({"reachability": "NeverAnswered"}))]
#[case::a_witness_that_votes(json!({"role": "Witness"}))]
#[case::it_answers_and_does_not(json!({"trouble": "TimedOut"}))]
fn what_cannot_be_is_no_evidence(#[case] changes: Value) {
    assert_eq!(views(&changes), []);
}

#[test]
fn a_list_that_no_schema_takes_is_no_evidence() {
    let one = |index: usize| {
        let address = format!("10.0.0.{index}");
        json!({"source": "a", "role": "Driver", "state": "Selected", "letter": "*", "usable": true, "address": address})
    };
    let of = |count: usize| {
        let status = json!({"associations": (1..=count).map(one).collect::<Vec<_>>()});
        read(Some(plan()), Some(status)).report.unwrap().views.len()
    };
    assert_eq!((of(16), of(17)), (16, 0));
}

#[test]
fn impossible_figures_of_the_clock_are_not_known() {
    let status = json!({
        "offsetNanoseconds": i64::MIN, "errorBoundNanoseconds": -1, "errorBoundGrowthNanosecondsPerSecond": -9,
    });
    let report = read(Some(plan()), Some(status)).report.unwrap();
    assert_eq!((report.offset, report.bound), (None, None));
    assert_eq!(report.growth, CorePreset::Kubernetes.tolerances().guaranteed_rate, "the policy's own");
}

#[test]
fn without_status_or_plan_there_is_no_report() {
    assert_eq!(read(Some(plan()), None).report, None);
    assert_eq!(read(None, Some(json!({}))).report, None);
    let mut bent = plan();
    bent["tolerances"]["minSources"] = json!(-1);
    assert_eq!(read(Some(bent), Some(json!({}))).report, None);
}

#[test]
fn a_source_is_what_is_declared() {
    let bare = declared(&source(&json!({"tier": 2, "server": {"address": "10.1.0.5"}}))).unwrap();
    assert_eq!((bare.scope, bare.zone), (CoreScope::Local, None));
    let full = declared(&source(&json!({
        "tier": 1, "scope": "Public", "location": {"zone": "dc1"}, "server": {"address": "10.1.0.5"},
    })))
    .unwrap();
    assert_eq!((full.scope, full.zone.as_deref()), (CoreScope::Public, Some("dc1")));
    assert!(declared(&source(&json!({"tier": 1}))).is_err());
}

fn peers(told: &Value) -> Vec<Peer> {
    read(Some(plan()), Some(json!({"peers": told}))).report.unwrap().peers
}

#[test]
fn what_an_agent_tells_of_its_peers_is_evidence() {
    let told = json!([
        {"node": "n2", "answers": true, "ever": true, "offsetNanoseconds": -5, "uncertaintyNanoseconds": 7},
        {"node": "n3", "answers": false, "ever": true, "trouble": "TimedOut"},
        {"node": "n4", "answers": true, "ever": true, "trouble": "A word of another version"},
    ]);
    let peer = |node: &str, answers, offset: Option<i64>, half: Option<i64>| Peer {
        node: node.into(),
        answers,
        ever: true,
        offset: offset.map(Nanos),
        uncertainty: half.map(Nanos),
    };
    let wanted =
        [peer("n2", true, Some(-5), Some(7)), peer("n3", false, None, None), peer("n4", true, None, None)];
    assert_eq!(peers(&told), wanted);
}

#[test]
fn of_a_peer_what_cannot_be_is_no_evidence() {
    for wrong in [
        json!({"ever": false}),
        json!({"answers": false}),
        json!({"offsetNanoseconds": YEARS}),
        json!({"uncertaintyNanoseconds": -1}),
        json!({"uncertaintyNanoseconds": null}),
        json!({"offsetNanoseconds": null}),
    ] {
        let mut peer = json!({
            "node": "n2", "answers": true, "ever": true, "offsetNanoseconds": -5, "uncertaintyNanoseconds": 7,
        });
        assert_eq!(peers(&json!([peer])).len(), 1);
        assert_eq!(peers(&json!([peer, peer])), [], "told twice");
        for (key, value) in wrong.as_object().unwrap() {
            peer[key] = value.clone();
        }
        assert_eq!(peers(&json!([peer])), [], "{wrong}");
    }
    let many: Vec<_> =
        (0..9).map(|number| json!({"node": format!("n{number}"), "answers": true, "ever": true})).collect();
    assert_eq!(peers(&json!(many)), [], "nobody of ours wrote that list");
}

#[test]
fn a_planned_peer_that_cannot_be_asked_is_left_out_and_no_more_than_three_are_asked() {
    let spec = |peers: Value| -> crate::nodetime::NodeTimeSpec {
        serde_json::from_value(json!({"desired": "Active", "peers": peers})).unwrap()
    };
    let peer = |address: &str| json!({"node": address, "address": address, "port": 9925});
    let asked = |peers: Value| planned_peers(&spec(peers)).map(|asked| asked.len());
    assert_eq!(asked(Value::Null), None, "neither asks nor answers");
    assert_eq!(asked(json!([])), Some(0), "answers");
    assert_eq!(asked(json!([peer("10.0.0.2"), peer("fd00::2"), peer("n4.example")])), Some(2));
    assert_eq!(asked(json!(vec![peer("10.0.0.2"); 8])), Some(3));
}

/// A compromised agent may list what nobody gave it.
#[test]
fn what_nobody_planned_is_no_evidence() {
    assert_eq!(views(&json!({"source": "b"})), []);
    assert_eq!(views(&json!({"source": null})), []);
}

/// How often it is asked bounds how old a word may be: what is told is kept within what was planned.
#[test]
fn the_poll_that_is_told_stays_within_the_planned_one() {
    let poll = |told: Value| views(&json!({"poll": told}))[0].poll;
    assert_eq!([4, 5, 6].map(|told| poll(json!(told))), [16, 32, 64].map(Nanos::from_secs));
    assert_eq!([-7, 24].map(|told| poll(json!(told))), [16, 64].map(Nanos::from_secs));
    assert_eq!(poll(Value::Null), Nanos::from_secs(64), "not told: the longest planned");
}
