use super::*;
use crate::policy::{Mode, PolicySpec};
use crate::snapshot::{NodeFacts, ObjectKind, Role, Snapshot, Undecodable};
use crate::source::{PollRange, SourceSpec, Timescale, Use};
use crate::tolerances::{Overrides, Preset};
use crate::units::Nanos;
use crate::validate::mk::{
    in_zone, labels, node, node_in, policy, pool, selector, server, servers, snapshot,
};
use crate::validate::validate;
use rstest::rstest;

mod choice;

fn run(snapshot: &Snapshot) -> Plan {
    plan(&validate(snapshot))
}

fn of<'p>(plan: &'p Plan, node: &str) -> &'p NodePlan {
    plan.nodes[node].plan().expect("the node has a plan")
}

/// `name:role` of each association, in the plan's order.
fn roles(plan: &NodePlan) -> Vec<String> {
    plan.associations.iter().map(|a| format!("{}:{:?}", a.source, a.role)).collect()
}

fn reasons(plan: &Plan, policy: &str) -> Vec<&'static str> {
    plan.policies[policy].findings.iter().map(|finding| finding.what.reason()).collect()
}

fn text(plan: &Plan, policy: &str, reason: &str) -> String {
    let findings = &plan.policies[policy].findings;
    findings.iter().find(|f| f.what.reason() == reason).expect("it was found").to_string()
}

/// What the plan makes of the same cluster once it is in force.
fn in_force(mut snapshot: Snapshot, plan: &Plan) -> Snapshot {
    for node in &mut snapshot.nodes {
        node.previous = plan.nodes.get(&node.name).and_then(NodeOutcome::plan).cloned();
    }
    snapshot
}

fn with_tolerances(preset: Preset, overrides: Overrides) -> PolicySpec {
    PolicySpec { preset, overrides, ..policy("p") }
}

#[test]
fn three_typical_policies() {
    let gps = |n: u8, zone: &str| {
        let source = server(&format!("{zone}-gps{n}"), 1, &format!("10.1.0.{n}"));
        in_zone(zone, SourceSpec { labels: labels(&[("site", "dc")]), ..source })
    };
    let public = |name: &str| SourceSpec {
        polls: PollRange::default(),
        scope: crate::source::Scope::Public,
        ..server(name, 2, name)
    };
    let watch = SourceSpec { usage: Use::Witness, ..server("watch", 3, "2001:db8::123") };
    let sources = vec![
        gps(1, "dc1"),
        gps(2, "dc1"),
        gps(3, "dc2"),
        gps(4, "dc2"),
        public("time.cloudflare.com"),
        watch,
    ];
    let with_pool = |mut sources: Vec<SourceSpec>| {
        sources.push(SourceSpec {
            labels: labels(&[("site", "net")]),
            ..pool("debian", 2, "2.debian.pool.ntp.org", 4)
        });
        sources
    };
    let databases = PolicySpec {
        priority: 100,
        mode: Mode::Managed,
        node_selector: Some(selector(&[("workload", "database")])),
        preset: Preset::Newsql,
        ..policy("databases")
    };
    let edge = PolicySpec {
        priority: 50,
        node_selector: Some(selector(&[("edge", "true")])),
        sources: selector(&[("site", "net")]),
        preset: Preset::Web,
        ..policy("edge")
    };
    let database = NodeFacts {
        labels: labels(&[("workload", "database"), (crate::names::LABEL_ZONE, "dc1")]),
        ..node("database")
    };
    let edge_node = NodeFacts { labels: labels(&[("edge", "true")]), ..node("edge") };
    let nodes = vec![database, edge_node, node("other")];
    let plan = run(&snapshot(with_pool(sources), vec![databases, edge, policy("default")], nodes));
    for name in ["database", "edge", "other"] {
        let plan = of(&plan, name);
        let shown = format!("policy {}\n\n{}\n{}", plan.policy.name, plan.main, plan.sources);
        insta::assert_snapshot!(name, shown);
    }
    assert_eq!(reasons(&plan, "default"), [""; 0]);
    assert_eq!(plan.sources["watch"].nodes, 2);
    assert_eq!((plan.sources["dc2-gps3"].nodes, plan.sources["dc2-gps3"].drives), (2, 1));
    assert_eq!(plan.sources["dc1-gps1"].policies, ["databases", "default"]);
}

#[test]
fn the_higher_priority_wins_and_that_is_no_conflict() {
    let high = PolicySpec { priority: 1, ..policy("high") };
    let plan = run(&snapshot(servers("s", 1, 4), vec![policy("low"), high], vec![node("n")]));
    assert_eq!(plan.nodes["n"].policy(), Some("high"));
    let low = &plan.policies["low"];
    assert_eq!((low.selected, low.planned), (1, 0));
    assert_eq!(low.findings, []);
}

#[test]
fn at_equal_priority_the_oldest_wins_and_the_other_is_told_with_at_most_five_names() {
    let old = PolicySpec { created: 1, ..policy("old") };
    let nodes = (0..7).rev().map(|n| node(&format!("n{n}"))).collect();
    let plan = run(&snapshot(servers("s", 1, 4), vec![policy("a-new"), old], nodes));
    assert_eq!(plan.nodes["n3"].policy(), Some("old"));
    assert_eq!(reasons(&plan, "old"), [""; 0]);
    let finding = plan.policies["a-new"].about(Concern::Conflicted).next().unwrap();
    assert_eq!(finding.nodes.count, 7);
    assert_eq!(
        finding.to_string(),
        "policy old has the same priority and is older (or first by name) and keeps the nodes that both select; \
         set different priorities (nodes: n0, n1, n2, n3, n4 and 2 more)"
    );
}

#[test]
fn a_policy_without_nodes_says_so() {
    let nobody = PolicySpec { node_selector: Some(selector(&[("no", "body")])), ..policy("nobody") };
    let omitted = PolicySpec { node_selector: None, ..policy("omitted") };
    let plan = run(&snapshot(servers("s", 1, 4), vec![nobody, omitted], vec![node("n")]));
    assert_eq!(plan.nodes["n"], NodeOutcome::Unselected);
    assert_eq!(text(&plan, "nobody", "NoNodes"), "nodeSelector matches no node");
    assert!(text(&plan, "omitted", "NoNodes").contains("{} selects all"));
}

#[test]
fn a_source_that_no_policy_selects_says_so() {
    let other = SourceSpec { labels: labels(&[("site", "x")]), ..server("other", 1, "10.9.9.9") };
    let mut sources = servers("s", 1, 4);
    for source in &mut sources {
        source.labels = labels(&[("site", "dc")]);
    }
    sources.push(other);
    let only_dc = PolicySpec { sources: selector(&[("site", "dc")]), ..policy("p") };
    let plan = run(&snapshot(sources, vec![only_dc], vec![node("n")]));
    assert_eq!(plan.sources["other"].findings, [SourceFinding::Unselected]);
    assert_eq!(plan.sources["s-01"].findings, []);
}

#[rstest]
#[case::nothing_selected(vec![], "its source selector takes no valid TimeSource")]
#[case::invalid(vec![server("s", 1, "a b")], "its source selector takes no valid TimeSource")]
#[case::witness(
    vec![SourceSpec { usage: Use::Witness, ..server("s", 1, "10.0.0.1") }],
    "every TimeSource left to it has use: Witness"
)]
fn starving_keeps_the_last_plan(#[case] sources: Vec<SourceSpec>, #[case] cause: &str) {
    let before = snapshot(servers("s", 1, 4), vec![policy("p")], vec![node("n1")]);
    let good = run(&before);
    let mut after = in_force(before, &good);
    after.sources = sources;
    after.nodes.push(node("n2"));
    let plan = run(&after);
    let (kept, policy, why) =
        (Arc::clone(good.nodes["n1"].plan().unwrap()), "p".to_owned(), Standstill::WouldStarve);
    assert_eq!(plan.nodes["n1"], NodeOutcome::Kept { plan: kept, policy: policy.clone(), why });
    assert_eq!(plan.nodes["n2"], NodeOutcome::Stalled { policy, why });
    let report = &plan.policies["p"];
    assert_eq!((report.planned, report.kept.count, report.stalled.count), (0, 1, 1));
    assert_eq!(
        report.about(Concern::Stalled).map(ToString::to_string).collect::<Vec<_>>(),
        [format!("no source would be left: {cause}; nodes keep the plan they have (nodes: n1, n2)")]
    );
}

/// The next policy would manage the node; a typing error must not make it so.
#[test]
fn a_faulty_policy_keeps_its_nodes_and_lets_no_other_have_them() {
    let observe = PolicySpec { priority: 9, ..policy("observe") };
    let manage = PolicySpec { mode: Mode::Managed, ..policy("manage") };
    let before = snapshot(servers("s", 1, 4), vec![observe, manage], vec![node("n1")]);
    let good = run(&before);
    let mut after = in_force(before, &good);
    after.nodes.push(node("n2"));
    after.policies[0].overrides.max_offset = Some(Nanos::ZERO);
    let plan = run(&after);
    let why = Standstill::PolicyInvalid;
    assert_eq!(plan.nodes["n1"].plan(), good.nodes["n1"].plan());
    assert_eq!(plan.nodes["n2"], NodeOutcome::Stalled { policy: "observe".into(), why });
    assert_eq!(plan.policies["observe"].problems[0].to_string(), "tolerances.maxOffset must be above zero");
    assert_eq!(plan.policies["observe"].tolerances, None);
    assert_eq!(plan.policies["manage"].planned, 0);
}

#[test]
fn an_unreadable_policy_keeps_its_nodes() {
    let before = snapshot(servers("s", 1, 4), vec![policy("p")], vec![node("n1")]);
    let good = run(&before);
    let mut after = in_force(before, &good);
    after.nodes.push(node("n2"));
    after.policies.clear();
    let why = "unknown variant `Foo`".to_owned();
    after.undecodable.push(Undecodable { kind: ObjectKind::TimeSyncPolicy, name: "p".into(), why });
    let plan = run(&after);
    assert_eq!(plan.nodes["n1"].plan(), good.nodes["n1"].plan());
    assert_eq!(plan.nodes["n2"], NodeOutcome::Unselected);
    let report = &plan.policies["p"];
    assert_eq!((report.kept.count, report.policy.as_ref(), report.problems.len()), (1, None, 1));
    // Deleted is something else: then the node is let go.
    after.undecodable.clear();
    assert_eq!(run(&after).nodes["n1"], NodeOutcome::Unselected);
}

#[rstest]
#[case(1, Some(Severity::Error))]
#[case(2, Some(Severity::Error))]
#[case(3, Some(Severity::Warning))]
#[case(4, None)]
fn too_few_independent_voters(#[case] count: u8, #[case] severity: Option<Severity>) {
    let plan = run(&snapshot(servers("s", 1, count), vec![policy("p")], vec![node("n")]));
    let few = plan.policies["p"].findings.iter().find(|f| matches!(f.what, Finding::FewRoots { .. }));
    assert_eq!(few.map(|finding| finding.what.severity()), severity);
    assert!(of(&plan, "n").main.contains(if count < 3 { "minsources 1\n" } else { "minsources 2\n" }));
}

#[test]
fn one_antenna_is_one_voter_and_a_pool_is_several() {
    let mut sources = servers("s", 1, 4);
    for source in &mut sources {
        source.independence = Some("antenna".into());
    }
    let plan = run(&snapshot(sources, vec![policy("p")], vec![node("n")]));
    assert_eq!(
        text(&plan, "p", "TooFewIndependentSources"),
        "1 independent voter: whatever it says is believed; four or more are asked for (nodes: n)"
    );
    let plan = run(&snapshot(vec![pool("pool", 1, "pool.ntp.org", 4)], vec![policy("p")], vec![node("n")]));
    assert_eq!(reasons(&plan, "p"), [""; 0]);
    // How many of a pool's servers answer is unknown: chronyd must not wait for a second one.
    assert!(of(&plan, "n").main.contains("minsources 1\n"));
}

#[test]
fn fewer_voters_than_min_sources_is_an_error() {
    let strict =
        with_tolerances(Preset::Kubernetes, Overrides { min_sources: Some(5), ..Overrides::default() });
    let plan = run(&snapshot(servers("s", 1, 4), vec![strict], vec![node("n")]));
    assert_eq!(reasons(&plan, "p"), ["BelowMinSources"]);
}

#[rstest]
#[case::kubernetes(Preset::Kubernetes, 10, None)]
#[case::ydb_at_64s(Preset::Ydb, 6, Some("DriftExceedsWarnLevel"))]
#[case::ydb_at_128s(Preset::Ydb, 7, Some("DriftExceedsBound"))]
#[case::finra(Preset::Finra, 10, Some("DriftExceedsWarnLevel"))]
#[case::finance(Preset::Finance, 4, Some("DriftExceedsBound"))]
#[case::finance_fast(Preset::Finance, 1, None)]
#[case::mifid2(Preset::Mifid2, -4, Some("NeedsHardware"))]
fn tolerances_that_no_oscillator_keeps(
    #[case] preset: Preset,
    #[case] max: i8,
    #[case] reason: Option<&str>,
) {
    let mut sources = servers("s", 1, 4);
    for source in &mut sources {
        source.polls = PollRange { min: -4, max };
    }
    let plan = run(&snapshot(sources, vec![with_tolerances(preset, Overrides::default())], vec![node("n")]));
    assert_eq!(reasons(&plan, "p").first().copied(), reason);
    let infeasible = plan.policies["p"].about(Concern::Feasible).count();
    assert_eq!(infeasible == 1, matches!(reason, Some("DriftExceedsBound" | "NeedsHardware")));
    assert!(plan.nodes["n"].plan().is_some(), "an infeasible policy still measures");
}

#[test]
fn infeasible_says_the_figures_and_what_would_do() {
    let mut sources = servers("s", 1, 4);
    for source in &mut sources {
        source.polls.max = 7;
    }
    let plan =
        run(&snapshot(sources, vec![with_tolerances(Preset::Ydb, Overrides::default())], vec![node("n")]));
    assert_eq!(
        text(&plan, "p", "DriftExceedsBound"),
        "between polls of 2^7 s a clock trusted to 15.000ppm may drift 5.76ms, more than maxErrorBound (5ms); \
         maxPoll 6 (64s) would do (nodes: n)"
    );
}

/// Standbys may poll slowly: chronyd moves the clock at the pace of the source that it follows.
#[test]
fn only_drivers_count_for_feasibility() {
    let mut sources = servers("s", 1, 1);
    sources.push(SourceSpec { polls: PollRange::default(), ..server("standby", 2, "10.2.0.1") });
    sources[0].polls.max = 5;
    let ydb = with_tolerances(
        Preset::Ydb,
        Overrides { warn_error_bound: Some(Nanos::from_millis(4)), ..Overrides::default() },
    );
    let plan = run(&snapshot(sources, vec![ydb], vec![node("n")]));
    assert_eq!(plan.policies["p"].about(Concern::Feasible).count(), 0);
}

#[test]
fn the_hash_changes_with_everything_but_the_policys_generation() {
    let hash = |policy: PolicySpec, sources: Vec<SourceSpec>| {
        of(&run(&snapshot(sources, vec![policy], vec![node("n")])), "n").hash.clone()
    };
    let base = hash(policy("p"), servers("s", 1, 4));
    assert_eq!(base.len(), 16);
    assert_eq!(hash(PolicySpec { generation: 2, priority: 5, ..policy("p") }, servers("s", 1, 4)), base);
    let with_source = |change: fn(&mut SourceSpec)| {
        let mut sources = servers("s", 1, 4);
        change(&mut sources[3]);
        hash(policy("p"), sources)
    };
    assert_eq!(
        with_source(|source| source.uid = "re-created".into()),
        base,
        "the same source under a new uid"
    );
    let others = [
        hash(PolicySpec { mode: Mode::Managed, ..policy("p") }, servers("s", 1, 4)),
        hash(PolicySpec { preset: Preset::Ceph, ..policy("p") }, servers("s", 1, 4)),
        hash(policy("p"), servers("s", 1, 5)),
        with_source(|source| source.independence = Some("root".into())),
        with_source(|source| source.iburst = false),
        with_source(|source| source.scope = crate::source::Scope::Site),
    ];
    let distinct: BTreeSet<&String> = others.iter().chain([&base]).collect();
    assert_eq!(distinct.len(), others.len() + 1);
}

#[test]
fn nodes_of_one_policy_and_zone_share_one_plan() {
    let sources = vec![in_zone("a", server("s1", 1, "10.0.0.1")), server("s2", 1, "10.0.0.2")];
    let nodes = vec![node_in("a", "a1"), node_in("a", "a2"), node_in("b", "b1"), node("none")];
    let plan = run(&snapshot(sources, vec![policy("p")], nodes));
    let shared = |a: &str, b: &str| Arc::ptr_eq(plan.nodes[a].plan().unwrap(), plan.nodes[b].plan().unwrap());
    assert!(shared("a1", "a2") && !shared("a1", "b1"));
    assert!(shared("b1", "none"), "a zone without a source is like no zone");
}

#[test]
fn a_role_is_what_chronyd_is_told() {
    let sources = vec![
        server("drive", 1, "10.0.0.1"),
        SourceSpec { usage: Use::Vote, ..server("vote", 1, "10.0.0.2") },
        SourceSpec { usage: Use::Witness, ..server("witness", 1, "10.0.0.3") },
    ];
    let plan = run(&snapshot(sources, vec![policy("p")], vec![node("n")]));
    assert_eq!(
        of(&plan, "n").sources,
        "server 10.0.0.1 minpoll 4 maxpoll 6 iburst prefer\n\
         server 10.0.0.2 minpoll 4 maxpoll 6 iburst\n\
         server 10.0.0.3 minpoll 4 maxpoll 6 iburst noselect\n"
    );
}

#[test]
fn samples_count_all_and_keep_the_first_five() {
    let sample = Sample::of(["g", "c", "a", "f", "b", "e", "d"]);
    assert_eq!((sample.count, sample.to_string().as_str()), (7, "a, b, c, d, e and 2 more"));
    assert_eq!(Sample::of(["b", "a"]).to_string(), "a, b");
}
