//! What holds for every cluster, whatever is declared.

use super::*;
use crate::conf::{Main, Sources};
use crate::names::{LABEL_ZONE, MAX_ASSOCIATIONS};
use crate::policy::PolicySpec;
use crate::snapshot::{PlannedAssociation, Role, Snapshot};
use crate::source::{Endpoint, PollRange, Scope, SourceSpec, Timescale, Use};
use crate::tolerances::{Overrides, Preset};
use crate::units::Nanos;
use crate::validate::mk::{labels, node, policy, selector, server, snapshot};
use crate::validate::{Address, validate};
use proptest::prelude::*;
use proptest::sample::select;

/// Texts that would do harm as part of a directive.
const INJECTIONS: [&str; 4] = ["10.0.0.1\nallow evil", "evil prefer", "evil#", "fe80::1%evil"];

fn some_source() -> impl Strategy<Value = SourceSpec> {
    let zone = proptest::option::of(select(vec!["a", "b"]).prop_map(str::to_owned));
    let root = proptest::option::weighted(0.3, select(vec!["r1", "r2"]).prop_map(str::to_owned));
    let usage = prop_oneof![4 => Just(Use::Drive), 1 => Just(Use::Vote), 1 => Just(Use::Witness)];
    let timescale = prop_oneof![5 => Just(Timescale::Utc), 1 => Just(Timescale::Smear("s24".to_owned()))];
    let address = prop_oneof![8 => (0_u8..20).prop_map(|n| format!("10.0.0.{n}")), 1 => select(INJECTIONS.to_vec()).prop_map(str::to_owned)];
    let weight = prop_oneof![5 => Just(0_u32), 1 => 1_u32..13];
    (1_u8..4, usage, address, weight, zone, root, timescale, select(vec!["x", "y"])).prop_map(
        |(tier, usage, address, weight, zone, independence, timescale, site)| SourceSpec {
            usage,
            endpoint: if weight == 0 {
                Endpoint::Server { address, port: 123 }
            } else {
                Endpoint::Pool {
                    name: address.replace("10.0.0.", "p").replace('\n', " "),
                    port: 123,
                    max_sources: weight,
                }
            },
            polls: PollRange { min: 2, max: 6 },
            scope: Scope::Local,
            zone,
            independence,
            timescale,
            labels: labels(&[("site", site)]),
            ..server("", tier, "")
        },
    )
}

fn some_policy() -> impl Strategy<Value = PolicySpec> {
    let sources =
        select(vec![selector(&[]), selector(&[]), selector(&[("site", "x")]), selector(&[("site", "none")])]);
    let nodes = select(vec![Some(selector(&[])), Some(selector(&[("role", "db")])), None]);
    let preset = select(vec![Preset::Kubernetes, Preset::Newsql, Preset::Finra, Preset::Mifid2]);
    (0_i32..3, 0_i64..2, nodes, sources, preset, prop::bool::weighted(0.1)).prop_map(
        |(priority, created, node_selector, sources, preset, faulty)| PolicySpec {
            created,
            node_selector,
            priority,
            sources,
            preset,
            overrides: Overrides { max_offset: faulty.then_some(Nanos::ZERO), ..Overrides::default() },
            ..policy("")
        },
    )
}

fn some_node() -> impl Strategy<Value = NodeFacts> {
    (select(vec!["a", "b", "c"]), select(vec!["db", "web"])).prop_map(|(zone, role)| NodeFacts {
        labels: labels(&[(LABEL_ZONE, zone), ("role", role)]),
        ..node("")
    })
}

fn some_cluster() -> impl Strategy<Value = Snapshot> {
    use proptest::collection::vec;
    (vec(some_source(), 0..25), vec(some_policy(), 0..5), vec(some_node(), 1..8)).prop_map(
        |(mut sources, mut policies, mut nodes)| {
            for (i, source) in sources.iter_mut().enumerate() {
                (source.name, source.uid) = (format!("s{i}"), format!("su{i}"));
            }
            for (i, policy) in policies.iter_mut().enumerate() {
                (policy.name, policy.uid) = (format!("p{i}"), format!("pu{i}"));
            }
            for (i, node) in nodes.iter_mut().enumerate() {
                (node.name, node.uid) = (format!("n{i}"), format!("nu{i}"));
            }
            snapshot(sources, policies, nodes)
        },
    )
}

fn run(snapshot: &Snapshot) -> Plan {
    plan(&validate(snapshot))
}

fn put_in_force(snapshot: &mut Snapshot, plan: &Plan) {
    for node in &mut snapshot.nodes {
        node.previous = plan.nodes[&node.name].plan().cloned();
    }
}

/// What a node has whoever else there is; none = no plan.
fn unwitnessed(outcome: &NodeOutcome) -> Option<(String, Vec<PlannedAssociation>)> {
    let plan = outcome.plan()?;
    let steers = plan.associations.iter().filter(|one| one.role != Role::Witness);
    Some((plan.policy.name.clone(), steers.cloned().collect()))
}

proptest! {
    #[test]
    fn the_order_of_the_input_does_not_matter(cluster in some_cluster(), seed in any::<prop::sample::Index>()) {
        let mut other = cluster.clone();
        other.sources.reverse();
        other.nodes.reverse();
        other.policies.reverse();
        if !other.sources.is_empty() {
            let at = seed.index(other.sources.len());
            other.sources.rotate_left(at);
        }
        prop_assert_eq!(run(&cluster), run(&other));
    }

    #[test]
    fn a_plan_in_force_is_planned_again_unchanged(mut cluster in some_cluster()) {
        let first = run(&cluster);
        put_in_force(&mut cluster, &first);
        prop_assert_eq!(run(&cluster).nodes, first.nodes);
    }

    #[test]
    fn a_change_of_one_node_touches_that_node_only(cluster in some_cluster(), changed in some_node()) {
        let before = run(&cluster);
        let mut other = cluster;
        other.nodes[0].labels = changed.labels.clone();
        other.nodes.push(NodeFacts { name: "new".into(), ..changed });
        let after = run(&other);
        for (name, outcome) in &before.nodes {
            if *name != other.nodes[0].name {
                // Who measures a witness is decided by all of a way out (`egress`'s own tests).
                prop_assert_eq!(unwitnessed(outcome), unwitnessed(&after.nodes[name]));
            }
        }
    }

    /// Law 7, from one random cluster to another: a node that a policy still selects keeps some plan.
    #[test]
    fn nothing_declared_takes_a_selected_nodes_plan_away(mut cluster in some_cluster(), later in some_cluster()) {
        let first = run(&cluster);
        put_in_force(&mut cluster, &first);
        cluster.sources = later.sources;
        cluster.policies = later.policies;
        let second = run(&cluster);
        for (name, outcome) in &second.nodes {
            let had = first.nodes[name].plan().is_some();
            prop_assert!(!had || outcome.plan().is_some() || *outcome == NodeOutcome::Unselected);
        }
    }

    #[test]
    fn every_plan_is_within_its_limits_and_keeps_every_voter_it_can(cluster in some_cluster()) {
        let valid = validate(&cluster);
        let planned = plan(&valid);
        for plan in planned.nodes.values().filter_map(NodeOutcome::plan) {
            let policy = cluster.policies.iter().find(|policy| policy.name == plan.policy.name).unwrap();
            let candidates = Candidates::of(policy, &valid);
            let weight: u32 = plan.associations.iter().map(|a| a.endpoint.weight()).sum();
            let available: u32 = candidates.sources.iter().map(|s| s.spec().endpoint.weight()).sum();
            let witnesses = |spec: &SourceSpec| spec.usage == Use::Witness;
            let others: u32 = candidates
                .sources
                .iter()
                .map(|s| s.spec())
                .filter(|spec| !witnesses(spec))
                .map(|spec| spec.endpoint.weight())
                .sum();
            // Witnesses are for a few.
            prop_assert!(weight <= available.min(MAX_ASSOCIATIONS) && weight >= others.min(MAX_ASSOCIATIONS));
            let roots = |names: &mut dyn Iterator<Item = String>| names.collect::<BTreeSet<_>>().len();
            let voters = candidates.sources.iter().filter(|s| s.spec().usage != Use::Witness);
            let all = roots(&mut voters.map(|s| s.spec().root().to_owned()));
            let kept = plan.associations.iter().filter(|a| a.role != Role::Witness);
            prop_assert_eq!(roots(&mut kept.map(|a| a.independence.clone())), all.min(12));
            let may_drive = candidates.sources.iter().any(|s| s.spec().usage == Use::Drive);
            prop_assert_eq!(plan.associations.iter().any(|a| a.role == Role::Driver), may_drive);
        }
    }

    #[test]
    fn every_text_is_readable_and_says_what_the_typed_plan_says(cluster in some_cluster()) {
        for plan in run(&cluster).nodes.values().filter_map(NodeOutcome::plan) {
            prop_assert!(Main::read(&plan.main).is_ok());
            let lines = Sources::read(&plan.sources).map_err(|e| TestCaseError::fail(e.to_string()))?;
            prop_assert_eq!(Ok(lines), Sources::of(&plan.associations));
            prop_assert!(!plan.sources.contains("evil") && !plan.sources.contains("allow"));
        }
    }

    #[test]
    fn every_object_is_reported_on(cluster in some_cluster()) {
        let plan = run(&cluster);
        prop_assert_eq!(plan.sources.len(), cluster.sources.len());
        prop_assert_eq!(plan.policies.len(), cluster.policies.len());
        prop_assert_eq!(plan.nodes.len(), cluster.nodes.len());
        for source in &cluster.sources {
            let unsound = Address::parse(source.endpoint.address()).is_err();
            prop_assert_eq!(unsound, !plan.sources[&source.name].problems.is_empty());
        }
        let dealt: usize = plan.policies.values().map(|p| p.planned + p.kept.count + p.stalled.count).sum();
        let unselected = plan.nodes.values().filter(|node| **node == NodeOutcome::Unselected).count();
        prop_assert_eq!(dealt + unselected, cluster.nodes.len());
    }
}
