//! Who is chosen, who drives, who is left out.

use super::*;

fn one(sources: Vec<SourceSpec>, node: NodeFacts) -> Vec<String> {
    let name = node.name.clone();
    roles(of(&run(&snapshot(sources, vec![policy("p")], vec![node])), &name))
}

#[test]
fn the_lowest_tier_that_may_drive_drives_and_the_others_vote() {
    let sources = vec![
        SourceSpec { usage: Use::Vote, ..server("t1-vote", 1, "10.0.0.1") },
        server("t2", 2, "10.0.0.2"),
        server("t3", 3, "10.0.0.3"),
        SourceSpec { usage: Use::Witness, ..server("t2-watch", 2, "10.0.0.4") },
    ];
    assert_eq!(one(sources, node("n")), ["t1-vote:Voter", "t2:Driver", "t2-watch:Witness", "t3:Voter"]);
}

#[rstest]
#[case::at_home(node_in("a", "n"), ["a:Driver", "any:Voter", "b:Voter", "far-a:Voter"])]
#[case::other_home(node_in("b", "n"), ["a:Voter", "any:Voter", "b:Driver", "far-a:Voter"])]
#[case::nothing_at_home(node_in("c", "n"), ["a:Driver", "any:Driver", "b:Driver", "far-a:Voter"])]
#[case::no_zone(node("n"), ["a:Driver", "any:Driver", "b:Driver", "far-a:Voter"])]
fn the_driving_tier_drives_from_home_if_it_can(#[case] node: NodeFacts, #[case] expected: [&str; 4]) {
    let sources = vec![
        in_zone("a", server("a", 1, "10.0.0.1")),
        in_zone("b", server("b", 1, "10.0.0.2")),
        server("any", 1, "10.0.0.3"),
        in_zone("a", server("far-a", 2, "10.0.0.4")),
    ];
    assert_eq!(one(sources, node), expected);
}

#[test]
fn without_a_source_that_may_drive_voters_stay_and_it_is_said() {
    let mut sources = servers("s", 1, 4);
    for source in &mut sources {
        source.usage = Use::Vote;
    }
    let plan = run(&snapshot(sources, vec![policy("p")], vec![node("n")]));
    assert!(of(&plan, "n").associations.iter().all(|association| association.role == Role::Voter));
    assert_eq!(reasons(&plan, "p"), ["NoDriver"]);
}

fn names(plan: &NodePlan) -> Vec<&str> {
    plan.associations.iter().map(|association| association.source.as_str()).collect()
}

#[test]
fn above_twelve_the_own_zone_comes_first_within_a_tier() {
    let near: Vec<_> = servers("near", 1, 8).into_iter().map(|source| in_zone("z", source)).collect();
    let far: Vec<_> =
        (1..9).map(|n| in_zone("y", server(&format!("far-{n}"), 1, &format!("10.9.0.{n}")))).collect();
    let sources: Vec<_> = far.into_iter().chain(near).collect();
    let plan = run(&snapshot(sources.clone(), vec![policy("p")], vec![node_in("z", "n"), node_in("y", "m")]));
    assert_eq!(names(of(&plan, "n")).iter().filter(|name| name.starts_with("near")).count(), 8);
    assert_eq!(names(of(&plan, "m")).iter().filter(|name| name.starts_with("far")).count(), 8);
    assert_eq!(
        text(&plan, "p", "TooManySources"),
        "more than 12 associations; left out: far-5, far-6, far-7, far-8 (nodes: n)"
    );
    assert_eq!(
        plan.sources["far-5"].findings[0].to_string(),
        "left out by policy p on n: more than 12 associations"
    );
}

#[test]
fn above_twelve_every_root_gets_a_place_before_any_gets_two() {
    let mut sources = servers("antenna", 1, 14);
    for source in &mut sources {
        source.independence = Some("antenna".into());
    }
    sources.extend([server("other-1", 2, "10.3.0.1"), server("other-2", 3, "10.3.0.2")]);
    let plan = run(&snapshot(sources, vec![policy("p")], vec![node("n")]));
    let names = names(of(&plan, "n"));
    assert_eq!(names.len(), 12);
    assert_eq!(names[..2], ["antenna-01", "antenna-02"]);
    assert_eq!(names[10..], ["other-1", "other-2"]);
}

#[test]
fn a_driver_is_never_crowded_out() {
    let mut sources = servers("vote", 1, 13);
    for source in &mut sources {
        source.usage = Use::Vote;
    }
    sources.push(server("zz-drive", 9, "10.9.0.1"));
    assert!(one(sources, node("n")).contains(&"zz-drive:Driver".to_owned()));
}

#[test]
fn a_pool_shrinks_before_a_server_is_left_out() {
    let mut sources = servers("s", 1, 3);
    sources.push(pool("pool", 1, "pool.ntp.org", 12));
    let plan = run(&snapshot(sources, vec![policy("p")], vec![node("n")]));
    let plan = of(&plan, "n");
    assert_eq!(plan.associations.len(), 4);
    assert!(plan.sources.contains("pool pool.ntp.org maxsources 9 minpoll 6"), "{}", plan.sources);
    assert_eq!(plan.associations[0].endpoint.weight(), 9);
}

#[test]
fn witnesses_take_what_voters_leave() {
    let mut sources = servers("voter", 2, 11);
    sources.extend(servers("witness", 1, 3).into_iter().map(|s| SourceSpec { usage: Use::Witness, ..s }));
    let chosen = one(sources, node("n"));
    assert_eq!(chosen.iter().filter(|name| name.starts_with("voter")).count(), 11);
    assert_eq!(chosen[0], "witness-01:Witness");
}

#[rstest]
#[case::same("10.0.0.1", "10.0.0.1")]
#[case::mapped("10.0.0.1", "::ffff:10.0.0.1")]
#[case::spelling("2001:db8::1", "2001:DB8:0::0001")]
#[case::case_and_dot("time.example", "TIME.example.")]
fn one_address_is_one_source(#[case] first: &str, #[case] second: &str) {
    // The better tier stays, whatever the names; the port makes no difference to chronyd.
    let other_port = crate::source::Endpoint::Server { address: second.into(), port: 11_123 };
    let sources = vec![SourceSpec { endpoint: other_port, ..server("a", 2, "") }, server("b", 1, first)];
    let plan = run(&snapshot(sources, vec![policy("p")], vec![node("n")]));
    assert_eq!(roles(of(&plan, "n")), ["b:Driver"]);
    assert_eq!(
        text(&plan, "p", "DuplicateAddress"),
        "TimeSources b and a have the same address; a is left out"
    );
    assert_eq!(
        plan.sources["a"].findings[0].to_string(),
        "left out of policy p: TimeSource b has the same address"
    );
}

#[test]
fn equal_addresses_in_policies_of_their_own_are_no_fault() {
    let labelled =
        |name: &str| SourceSpec { labels: labels(&[("for", name)]), ..server(name, 1, "10.0.0.1") };
    let one = |name: &str| PolicySpec {
        sources: selector(&[("for", name)]),
        node_selector: Some(selector(&[("for", name)])),
        ..policy(name)
    };
    let node = |name: &str| NodeFacts { labels: labels(&[("for", name)]), ..node(name) };
    let plan = run(&snapshot(
        vec![labelled("a"), labelled("b")],
        vec![one("a"), one("b")],
        vec![node("a"), node("b")],
    ));
    assert!(plan.sources.values().all(|source| source.findings.is_empty()));
    assert_eq!((names(of(&plan, "a")), names(of(&plan, "b"))), (vec!["a"], vec!["b"]));
}

fn smeared(source: SourceSpec) -> SourceSpec {
    SourceSpec { timescale: Timescale::Smear("google24h".into()), ..source }
}

#[rstest]
#[case::majority_of_the_best_tier(2, 1, "google24h")]
#[case::tie_is_utc(1, 1, "UTC")]
#[case::utc(1, 2, "UTC")]
fn one_timescale_per_policy(#[case] smears: u8, #[case] utc: u8, #[case] kept: &str) {
    let mut sources: Vec<_> = servers("smear", 1, smears).into_iter().map(smeared).collect();
    sources.extend((1..=utc).map(|n| server(&format!("utc-{n}"), 1, &format!("10.7.0.{n}"))));
    // A tier that does not drive has no say, however many it has.
    sources.extend(servers("standby", 2, 5));
    let plan = run(&snapshot(sources, vec![policy("p")], vec![node("n")]));
    let scales: BTreeSet<_> = of(&plan, "n").associations.iter().map(|a| a.timescale.clone()).collect();
    assert_eq!(scales.len(), 1);
    let said = text(&plan, "p", "MixedTimescales");
    assert!(said.contains(&format!("for a day; {kept} stays, left out: ")), "{said}");
    let left_out = if kept == "UTC" { "smear-01" } else { "standby-01" };
    assert_eq!(plan.sources[left_out].findings[0].reason(), "MixedTimescales");
}

#[test]
fn a_preset_that_follows_utc_takes_no_smear_even_alone() {
    let mut sources: Vec<_> = servers("smear", 1, 3).into_iter().map(smeared).collect();
    let finra = with_tolerances(Preset::Finra, Overrides::default());
    let starved = run(&snapshot(sources.clone(), vec![finra.clone()], vec![node("n")]));
    assert_eq!(starved.nodes["n"].plan(), None);
    assert_eq!(reasons(&starved, "p"), ["WouldStarve", "SmearRefused"]);
    sources.push(server("utc", 2, "10.8.0.1"));
    let plan = run(&snapshot(sources, vec![finra], vec![node("n")]));
    assert_eq!(roles(of(&plan, "n")), ["utc:Driver"]);
    assert_eq!(plan.sources["smear-01"].findings, [SourceFinding::SmearRefused { policy: "p".into() }]);
}

fn orders(sources: Vec<SourceSpec>, node: NodeFacts) -> Vec<(String, Option<u8>)> {
    let name = node.name.clone();
    let plan = run(&snapshot(sources, vec![policy("p")], vec![node]));
    of(&plan, &name).associations.iter().map(|one| (one.source.clone(), one.drive_order)).collect()
}

#[test]
fn the_drive_goes_from_home_to_the_tiers_other_zones_to_the_next_tier_and_to_failing_power_last() {
    let sources = vec![
        in_zone("a", server("home", 1, "10.0.0.1")),
        in_zone("b", server("away", 1, "10.0.0.2")),
        SourceSpec { power_failing: true, ..in_zone("a", server("ups", 1, "10.0.0.3")) },
        server("second", 2, "10.0.0.4"),
        SourceSpec { usage: Use::Vote, ..server("vote", 1, "10.0.0.5") },
        SourceSpec { usage: Use::Witness, ..server("watch", 1, "10.0.0.6") },
    ];
    let mut told = orders(sources.clone(), node_in("a", "n"));
    told.sort();
    let expected = [
        ("away", Some(2)),
        ("home", Some(1)),
        ("second", Some(3)),
        ("ups", Some(4)),
        ("vote", None),
        ("watch", None),
    ];
    assert_eq!(told, expected.map(|(name, order)| (name.to_owned(), order)));
    assert_eq!(
        one(sources, node_in("a", "n")),
        ["away:Voter", "home:Driver", "ups:Voter", "vote:Voter", "watch:Witness", "second:Voter"]
    );
}

#[test]
fn a_source_with_failing_power_drives_when_there_is_no_other() {
    let only = SourceSpec { power_failing: true, ..server("ups", 1, "10.0.0.3") };
    assert_eq!(orders(vec![only], node("n")), [("ups".to_owned(), Some(1))]);
}
