//! Proven ≤ truth ≤ possible, whatever honest nodes measure.

use super::*;
use crate::diagnose::fleet::{Heard, Node, Trouble, View as Seen};
use crate::snapshot::Role;
use crate::units::Ppb;
use proptest::collection::vec;
use proptest::prelude::*;

const NOW: BootTime = BootTime(1_000_000_000_000);

fn ms(span: i64) -> Nanos {
    Nanos::from_millis(span)
}

fn view(source: &str, offset: Nanos, half: Nanos) -> Seen {
    Seen {
        source: source.to_owned(),
        address: None,
        server: None,
        root: source.to_owned(),
        role: Role::Voter,
        usable: true,
        rejected: false,
        trouble: None,
        ever: true,
        sample_age: None,
        poll: Nanos::from_secs(16),
        offset: Some(offset),
        uncertainty: Some(half),
        delay: None,
    }
}

fn node(bound: Option<Nanos>, views: Vec<Seen>) -> Node {
    let report = Report {
        seen: NOW,
        conditions: BTreeMap::new(),
        offset: None,
        bound,
        growth: Ppb::from_ppm(15),
        max_offset: ms(50),
        clock: None,
        views,
        peers: Vec::new(),
    };
    let timescale = report.views.first().map(|view| match view.source.as_str() {
        "cloud" => Timescale::Smear("google24h".into()),
        _ => Timescale::Utc,
    });
    Node { zone: None, egress: None, heard: Heard::Fresh, ready: true, timescale, report: Some(report) }
}

fn fleet(nodes: Vec<(&str, Node)>) -> Fleet {
    Fleet {
        now: NOW,
        sources: BTreeMap::new(),
        nodes: nodes.into_iter().map(|(name, node)| (name.to_owned(), node)).collect(),
    }
}

fn of(fleet: &Fleet) -> Spread {
    spread(fleet, fleet.nodes.keys().map(String::as_str))
}

#[test]
fn two_nodes_differ_by_what_one_source_says_of_both() {
    let found = of(&fleet(vec![
        ("a", node(Some(ms(90)), vec![view("gps", ms(80), ms(2))])),
        ("b", node(Some(ms(20)), vec![view("gps", ms(-10), ms(3)), view("dc", ms(-11), ms(1))])),
        ("c", node(Some(ms(20)), vec![view("gps", ms(0), ms(3))])),
    ]));
    let pair = found.proven.unwrap();
    assert_eq!((pair.ahead.as_str(), pair.behind.as_str(), pair.through.as_str()), ("a", "b", "gps"));
    assert_eq!(pair.apart, ms(85));
    // gps covers all three: 82 − (−13); the bounds would allow 110.
    assert_eq!((found.possible, found.nodes), (Some(ms(95)), 3));
}

#[test]
fn half_widths_that_overlap_prove_nothing() {
    let found = of(&fleet(vec![
        ("a", node(None, vec![view("gps", ms(4), ms(3))])),
        ("b", node(None, vec![view("gps", ms(0), ms(3))])),
    ]));
    assert_eq!((found.proven, found.possible), (None, Some(ms(10))));
}

#[test]
fn two_timescales_are_never_compared() {
    let found = of(&fleet(vec![
        ("a", node(Some(ms(5)), vec![view("gps", ms(0), ms(1))])),
        ("b", node(Some(ms(5)), vec![view("cloud", ms(0), ms(1))])),
    ]));
    assert_eq!((found.proven, found.possible, found.nodes), (None, None, 2));
}

/// Law 2: nothing covers c, so nothing is known of the largest difference; what is proven stays proven.
#[test]
fn who_says_nothing_makes_it_unknown() {
    let mut fleet = fleet(vec![
        ("a", node(Some(ms(90)), vec![view("gps", ms(80), ms(2))])),
        ("b", node(Some(ms(20)), vec![view("gps", ms(0), ms(2))])),
        ("c", node(None, vec![view("dc", ms(0), ms(2))])),
        // That all is known of another timescale does not help.
        ("d", node(Some(ms(5)), vec![view("cloud", ms(0), ms(1))])),
        ("e", node(Some(ms(5)), vec![view("cloud", ms(0), ms(1))])),
    ]);
    let found = of(&fleet);
    assert_eq!((found.proven_span(), found.possible), (ms(76), None));
    for heard in [Heard::Silent(ms(1)), Heard::Starting] {
        fleet.nodes.get_mut("a").unwrap().heard = heard;
        assert_eq!(of(&fleet).proven, None);
    }
}

#[test]
fn a_pool_is_no_one_server_and_a_silent_source_no_view() {
    let mut fleet = fleet(vec![
        ("a", node(None, vec![view("gps", ms(80), ms(2))])),
        ("b", node(None, vec![view("gps", ms(0), ms(2))])),
    ]);
    let one_server = fleet.clone();
    for (name, address) in [("a", "10.0.0.1"), ("b", "10.0.0.2")] {
        fleet.nodes.get_mut(name).unwrap().report.as_mut().unwrap().views[0].address = Some(address.into());
    }
    assert_eq!(of(&fleet).proven, None);
    let mut fleet = one_server;
    assert_eq!(of(&fleet).proven_span(), ms(76));
    fleet.nodes.get_mut("a").unwrap().report.as_mut().unwrap().views[0].trouble = Some(Trouble::TimedOut);
    assert_eq!(of(&fleet).proven, None);
}

#[test]
fn what_is_old_is_less_sharp() {
    let mut fleet = fleet(vec![
        ("a", node(None, vec![view("gps", ms(80), ms(2))])),
        ("b", node(None, vec![view("gps", ms(0), ms(2))])),
    ]);
    fleet.nodes.get_mut("a").unwrap().report.as_mut().unwrap().seen = NOW - Nanos::from_secs(200);
    // 15 ppm × 200 s.
    assert_eq!(of(&fleet).proven_span(), ms(73));
}

proptest! {
    /// Honest: every half-width covers its measurement's error, every bound its clock's.
    #[test]
    fn proven_is_at_most_the_truth_and_possible_at_least(
        clocks in vec((-100_000_i64..100_000, 0_i64..50_000, any::<bool>()), 2..20),
        sources in vec(-500_i64..500, 2),
        noise in vec((-1_000_i64..=1_000, 0_i64..2_000, prop::bool::weighted(0.8)), 40),
    ) {
        let micros = Nanos::from_micros;
        let names = ["gps", "dc"];
        let nodes: Vec<(String, Node)> = clocks.iter().enumerate().map(|(at, (error, slack, bounded))| {
            let views = sources.iter().enumerate().filter_map(|(source, wrong)| {
                let (noise, wider, there) = noise[(at * 2 + source) % noise.len()];
                let half = noise.abs() + wider;
                there.then(|| view(names[source], micros(error - wrong + noise), micros(half)))
            });
            let bound = bounded.then(|| micros(error.abs() + slack));
            (format!("n{at:02}"), node(bound, views.collect()))
        }).collect();
        let fleet = fleet(nodes.iter().map(|(name, node)| (name.as_str(), node.clone())).collect());
        let found = of(&fleet);
        // Those that are compared: with a source, which tells the timescale.
        let compared: Vec<i64> = clocks.iter().zip(&nodes)
            .filter(|(_, (_, node))| !node.report.as_ref().unwrap().views.is_empty())
            .map(|((error, ..), _)| *error).collect();
        let truth = compared.iter().max().zip(compared.iter().min()).map_or(0, |(high, low)| high - low);
        prop_assert!(found.proven_span() <= micros(truth), "{found:?} {truth}");
        if compared.len() >= 2 {
            prop_assert!(found.possible.is_none_or(|possible| possible >= micros(truth)), "{found:?} {truth}");
        }
        prop_assert_eq!(found.nodes, compared.len());
    }
}

/// Linear: 5,000 nodes, two views each; a look at each pair would be 12 million.
#[test]
fn a_large_fleet_is_no_matter_of_pairs() {
    let one = |n: i64| node(Some(ms(5)), vec![view("gps", ms(n % 10), ms(1)), view("dc", ms(n % 7), ms(1))]);
    let nodes: Vec<(String, Node)> = (0..5_000).map(|n| (format!("n{n:04}"), one(n))).collect();
    let fleet = fleet(nodes.iter().map(|(name, node)| (name.as_str(), node.clone())).collect());
    let found = of(&fleet);
    assert_eq!((found.nodes, found.proven_span(), found.possible), (5_000, ms(7), Some(ms(8))));
}
