//! The bounds hold for any cluster; zones are spread as far as the bounds allow.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

type Node = (String, Option<String>);

fn members(nodes: &[Node]) -> Vec<Member<'_>> {
    nodes.iter().map(|(node, zone)| Member { node, zone: zone.as_deref() }).collect()
}

/// So many, dealt out to zones by their number.
fn cluster(count: usize, zone_of: impl Fn(usize) -> usize) -> Vec<Node> {
    let node = |number: usize| (format!("node-{number:04}"), Some(format!("z{}", zone_of(number))));
    (0..count).map(node).collect()
}

fn asked_by(chosen: &BTreeMap<&str, Vec<&str>>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for other in chosen.values().flatten() {
        *counts.entry((*other).to_owned()).or_default() += 1;
    }
    counts
}

/// Share of nodes without a peer elsewhere, in thousandths.
fn at_home(nodes: &[Node]) -> usize {
    let zones: BTreeMap<&str, &Option<String>> =
        nodes.iter().map(|(node, zone)| (node.as_str(), zone)).collect();
    let chosen = choose(&members(nodes));
    let alone = chosen.iter().filter(|(node, asked)| asked.iter().all(|other| zones[other] == zones[*node]));
    1_000 * alone.count() / nodes.len()
}

fn any_nodes(most: usize) -> impl Strategy<Value = Vec<Node>> {
    let node = ("[a-z0-9]{1,8}", prop::option::of(prop::sample::select(vec!["a", "b", "c"])));
    prop::collection::vec(node, 0..most)
        .prop_map(|nodes| nodes.into_iter().map(|(node, zone)| (node, zone.map(str::to_owned))).collect())
}

/// One zone for each name.
fn distinct(nodes: Vec<Node>) -> Vec<Node> {
    nodes.into_iter().collect::<BTreeMap<_, _>>().into_iter().collect()
}

proptest! {
    #[test]
    fn nobody_asks_or_is_asked_by_many_nor_asks_itself(nodes in any_nodes(60)) {
        let nodes = distinct(nodes);
        let chosen = choose(&members(&nodes));
        prop_assert_eq!(chosen.len(), nodes.len());
        for (node, asked) in &chosen {
            prop_assert!(asked.len() <= NEIGHBOURS && !asked.contains(node));
            prop_assert!(asked.len() == asked.iter().collect::<BTreeSet<_>>().len());
            prop_assert!(nodes.len() < 2 || !asked.is_empty());
        }
        let counts = asked_by(&chosen);
        prop_assert!(counts.values().all(|count| *count <= TOUCHED));
        prop_assert!(nodes.len() < 2 || counts.len() == nodes.len(), "everybody is asked by somebody");
    }

    #[test]
    fn who_joins_or_leaves_touches_few(nodes in any_nodes(60), at in any::<prop::sample::Index>()) {
        let nodes = distinct(nodes);
        prop_assume!(!nodes.is_empty());
        let gone = at.index(nodes.len());
        let mut fewer = nodes.clone();
        let (left, _) = fewer.remove(gone);
        let (with, without) = (choose(&members(&nodes)), choose(&members(&fewer)));
        let touched = without.iter().filter(|(node, asked)| with[*node] != **asked).count();
        prop_assert!(touched <= TOUCHED, "{touched} of {} by {left}", fewer.len());
    }

    #[test]
    fn the_order_of_the_input_is_forgotten(nodes in any_nodes(20)) {
        let nodes = distinct(nodes);
        let reversed: Vec<Node> = nodes.iter().rev().cloned().collect();
        prop_assert_eq!(choose(&members(&nodes)), choose(&members(&reversed)));
    }

    #[test]
    fn of_few_each_asks_as_many_as_there_are_and_one_elsewhere(nodes in any_nodes(TOUCHED + 1)) {
        let nodes = distinct(nodes);
        let chosen = choose(&members(&nodes));
        for (node, zone) in &nodes {
            let asked = &chosen[node.as_str()];
            prop_assert_eq!(asked.len(), NEIGHBOURS.min(nodes.len() - 1));
            let elsewhere: Vec<_> = nodes.iter().filter(|(_, other)| other != zone).collect();
            let asks_one = elsewhere.iter().any(|(other, _)| asked.contains(&other.as_str()));
            prop_assert!(elsewhere.is_empty() || asks_one, "{node} asks {asked:?}");
        }
    }
}

/// The whole of a growing cluster, one node after another, over the seam between few and many.
#[test]
fn a_cluster_grows_one_by_one_and_each_touches_few() {
    let nodes = cluster(200, |number| number % 3);
    for count in 1..nodes.len() {
        let (before, after) = (choose(&members(&nodes[..count])), choose(&members(&nodes[..=count])));
        let touched = before.iter().filter(|(node, asked)| after[*node] != **asked).count();
        assert!(touched <= TOUCHED, "node {count} touched {touched}");
    }
}

#[test]
fn zones_are_spread_as_far_as_the_bounds_allow() {
    // Expected at home: (1/3)^7 and (1/2)^7.
    let (three, two) =
        (at_home(&cluster(3_000, |number| number % 3)), at_home(&cluster(3_000, |number| number % 2)));
    // One in ten elsewhere: its nodes all ask somebody of the big zone.
    let small = cluster(1_000, |number| usize::from(number % 10 == 0));
    let big = at_home(&small);
    println!("at home, of 1,000: three zones {three}, two zones {two}, nine tenths in one {big}");
    assert!(three <= 2 && two <= 15, "{three} {two}");
    let zones: BTreeMap<&str, &Option<String>> =
        small.iter().map(|(node, zone)| (node.as_str(), zone)).collect();
    let chosen = choose(&members(&small));
    let of_small = chosen.iter().filter(|(node, _)| zones[*node].as_deref() == Some("z1"));
    for (node, asked) in of_small {
        assert!(asked.iter().any(|other| zones[other] != zones[node]), "{node} asks {asked:?}");
    }
    assert!((300..700).contains(&big), "{big}");
}

/// Names that differ in one letter must not stand side by side on every ring.
#[test]
fn likely_names_are_well_mixed() {
    let chosen_of = cluster(900, |_| 0);
    let chosen = choose(&members(&chosen_of));
    let three = chosen.values().filter(|asked| asked.len() == NEIGHBOURS).count();
    assert!(three > 880, "{three} of 900 have three different peers");
}

/// What [`WINDOW`] is for: everybody else would ask it.
#[test]
fn the_only_node_of_a_zone_is_not_asked_by_all_others() {
    let nodes = cluster(200, |number| usize::from(number == 77));
    let with = choose(&members(&nodes));
    assert!((3..=TOUCHED).contains(&asked_by(&with)["node-0077"]), "{}", asked_by(&with)["node-0077"]);
    let fewer: Vec<Node> = nodes.iter().filter(|(node, _)| node != "node-0077").cloned().collect();
    let without = choose(&members(&fewer));
    let touched = without.iter().filter(|(node, asked)| with[*node] != **asked).count();
    assert!(touched <= TOUCHED, "{touched}");
}
