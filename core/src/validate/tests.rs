use super::mk::{node, policy, pool, selector, server, snapshot};
use super::*;
use crate::policy::Requirement;
use crate::snapshot::{NodePlan, Undecodable};
use crate::source::PollRange;
use crate::tolerances::{Overrides, Preset};
use crate::units::{Nanos, Ppb};
use rstest::rstest;
use std::sync::Arc;

fn problems_of(source: SourceSpec) -> Vec<String> {
    let snapshot = snapshot(vec![source], vec![], vec![]);
    let valid = validate(&snapshot);
    let problems = valid.source_problems().get("s").into_iter().flatten();
    let texts: Vec<String> = problems.map(ToString::to_string).collect();
    assert_eq!(valid.sources().is_empty(), !texts.is_empty(), "set aside exactly when there is a problem");
    texts
}

fn s() -> SourceSpec {
    server("s", 1, "10.0.0.1")
}

fn polls(min: i8, max: i8) -> PollRange {
    PollRange { min, max }
}

#[rstest]
#[case::tier_0(SourceSpec { tier: 0, ..s() }, "tier: 0 is outside 1…9")]
#[case::tier_10(SourceSpec { tier: 10, ..s() }, "tier: 10 is outside 1…9")]
#[case::min_poll(SourceSpec { polls: polls(-5, 6), ..s() }, "minPoll: -5 is outside -4…17")]
#[case::max_poll(SourceSpec { polls: polls(6, 18), ..s() }, "maxPoll: 18 is outside -4…17")]
#[case::inverted(
    SourceSpec { polls: polls(8, 6), ..s() },
    "minPoll (8) is above maxPoll (6); the first is the fastest poll, 2^minPoll seconds"
)]
#[case::public(
    SourceSpec { polls: polls(4, 10), scope: Scope::Public, ..s() },
    "minPoll (4) polls a public server every 16s; public sources take 6 (64 s) or more – set scope: Site or Local if it is your own"
)]
#[case::pool_0(pool("s", 1, "pool.ntp.org", 0), "pool.maxSources: 0 is outside 1…12")]
#[case::pool_13(pool("s", 1, "pool.ntp.org", 13), "pool.maxSources: 13 is outside 1…12")]
#[case::pool_ip(
    pool("s", 1, "::1", 4),
    "pool.name: \"::1\" is no usable address: a pool is a DNS name that resolves to several servers; use server for one address"
)]
#[case::port(
    SourceSpec { endpoint: Endpoint::Server { address: "::1".into(), port: 0 }, ..s() },
    "server.port: 0 is outside 1…65535"
)]
#[case::smear_of_nothing(
    SourceSpec { timescale: Timescale::Smear("UTC".into()), ..s() },
    "timescale: \"UTC\" is not a smear; leave the name away for UTC"
)]
#[case::timescale(
    SourceSpec { timescale: Timescale::Smear("google 24h".into()), ..s() },
    "timescale: \"google 24h\" may hold letters, digits, '-', '_' and '.' only"
)]
#[case::zone(
    SourceSpec { zone: Some(String::new()), ..s() },
    "location.zone: \"\" needs 1 to 63 characters"
)]
#[case::independence(
    SourceSpec { independence: Some("gps-".into()), ..s() },
    "independence: \"gps-\" needs a letter or digit at both ends"
)]
fn one_fault_is_one_problem(#[case] source: SourceSpec, #[case] text: &str) {
    assert_eq!(problems_of(source), [text]);
}

#[test]
fn all_faults_of_an_object_are_told_at_once() {
    let bad = SourceSpec { tier: 0, polls: polls(9, -9), ..server("s", 1, "a b") };
    assert_eq!(problems_of(bad).len(), 4);
}

#[test]
fn sound_sources_pass() {
    assert_eq!(problems_of(s()), [""; 0]);
    assert_eq!(problems_of(pool("s", 9, "2.pool.ntp.org", 12)), [""; 0]);
    let site = SourceSpec { polls: polls(-4, 17), scope: Scope::Site, ..server("s", 1, "2001:db8::1") };
    assert_eq!(problems_of(site), [""; 0]);
}

#[test]
fn a_faulty_object_disturbs_no_other() {
    let sources =
        vec![server("b", 1, "10.0.0.2"), server("bad", 1, "10.0.0.1\nallow"), server("a", 1, "A.example")];
    let bad = PolicySpec { preset: Preset::Ydb, ..policy("bad") };
    let bad = PolicySpec {
        overrides: Overrides { warn_offset: Some(Nanos::SECOND), ..Overrides::default() },
        ..bad
    };
    let input = snapshot(sources, vec![bad, policy("good")], vec![node("n2"), node("n1")]);
    let valid = validate(&input);
    let names: Vec<&str> = valid.sources().iter().map(|source| source.spec().name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(valid.sources()[0].address().to_string(), "a.example");
    assert_eq!(valid.source_problems().keys().collect::<Vec<_>>(), ["bad"]);
    assert_eq!(valid.policy_problems().keys().collect::<Vec<_>>(), ["bad"]);
    let planned: Vec<_> =
        valid.policies().iter().map(|p| (&*p.spec().name, p.tolerances().is_some())).collect();
    assert_eq!(planned, [("bad", false), ("good", true)]);
    assert_eq!(valid.nodes()[0].name, "n1");
}

#[rstest]
#[case(Overrides { min_sources: Some(0), ..Overrides::default() }, "OutOfRange")]
#[case(Overrides { min_sources: Some(13), ..Overrides::default() }, "OutOfRange")]
#[case(Overrides { max_update_intervals: Some(0), ..Overrides::default() }, "OutOfRange")]
#[case(Overrides { max_frequency_error: Some(Ppb::ZERO), ..Overrides::default() }, "OutOfRange")]
#[case(Overrides { breach_hold: Some(Nanos(-1)), ..Overrides::default() }, "OutOfRange")]
#[case(Overrides { max_offset: Some(Nanos::ZERO), ..Overrides::default() }, "TolerancesInvalid")]
#[case(Overrides { warn_offset: Some(Nanos::SECOND), ..Overrides::default() }, "TolerancesInvalid")]
fn bad_figures(#[case] overrides: Overrides, #[case] reason: &str) {
    let input = snapshot(vec![], vec![PolicySpec { overrides, ..policy("p") }], vec![]);
    let valid = validate(&input);
    assert_eq!(valid.policy_problems()["p"].iter().map(Problem::reason).collect::<Vec<_>>(), [reason]);
    assert!(valid.policies()[0].tolerances().is_none());
}

#[test]
fn hold_times_of_zero_are_a_labs_and_pass() {
    let overrides =
        Overrides { breach_hold: Some(Nanos::ZERO), clear_hold: Some(Nanos::ZERO), ..Overrides::default() };
    let input = snapshot(vec![], vec![PolicySpec { overrides, ..policy("p") }], vec![]);
    assert!(validate(&input).policies()[0].tolerances().is_some());
}

#[test]
fn precedence_is_priority_then_age_then_name() {
    let old = PolicySpec { created: 1, ..policy("old") };
    let high = PolicySpec { priority: 7, ..policy("zz-high") };
    let input = snapshot(vec![], vec![policy("b"), policy("a"), old, high], vec![]);
    let valid = validate(&input);
    let order: Vec<&str> = valid.policies().iter().map(|policy| policy.spec().name.as_str()).collect();
    assert_eq!(order, ["zz-high", "old", "a", "b"]);
}

/// `NotIn` without values selects every node; a policy that says so claims only what it has.
#[test]
fn a_faulty_node_selector_claims_only_the_nodes_it_holds() {
    let requirement = Requirement { key: "k".into(), operator: SelectorOperator::NotIn, values: Vec::new() };
    let faulty = Selector { requirements: vec![requirement], ..selector(&[]) };
    let held = crate::plan::plan(&validate(&snapshot(vec![s()], vec![policy("p")], vec![node("held")])));
    let plan: Arc<NodePlan> = Arc::clone(held.nodes["held"].plan().unwrap());
    let nodes = vec![NodeFacts { previous: Some(plan), ..node("held") }, node("new")];
    let policies = vec![PolicySpec { node_selector: Some(faulty), ..policy("p") }];
    let input = snapshot(vec![], policies, nodes);
    let valid = validate(&input);
    let claimed: Vec<bool> = valid.nodes().iter().map(|node| valid.policies()[0].claims(node)).collect();
    assert_eq!(claimed, [true, false]);
    assert_eq!(
        valid.policy_problems()["p"][0].to_string(),
        "nodeSelector: the requirement on \"k\" needs values"
    );
}

#[test]
fn no_node_selector_claims_nothing() {
    let input = snapshot(vec![], vec![PolicySpec { node_selector: None, ..policy("p") }], vec![node("n")]);
    let valid = validate(&input);
    assert!(!valid.policies()[0].claims(valid.nodes()[0]));
}

#[test]
fn undecodable_objects_are_reported_by_name() {
    let lost = |kind, name: &str| Undecodable { kind, name: name.into(), why: "missing field `tier`".into() };
    let mut input = snapshot(vec![s()], vec![policy("p")], vec![]);
    input.undecodable = vec![lost(ObjectKind::TimeSyncPolicy, "lost"), lost(ObjectKind::TimeSource, "gone")];
    let valid = validate(&input);
    assert_eq!(valid.unreadable_policies(), ["lost"]);
    assert_eq!(
        valid.source_problems()["gone"][0].to_string(),
        "the object can not be read: missing field `tier`; what was in force before stays"
    );
    assert_eq!((valid.sources().len(), valid.policies().len()), (1, 1));
}
