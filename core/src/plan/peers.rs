//! Which nodes take part in the peers' checks, and whom each asks.

use super::NodeOutcome;
use crate::peers::choose::{Member, choose};
use crate::policy::Peers;
use crate::snapshot::NodeFacts;
use crate::validate::{CheckedPolicy, Validated};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Another node's agent to ask. Its port is the operator's to know: one for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its Node.
    pub node: String,
    /// Where.
    pub address: IpAddr,
}

/// Those who take part are the nodes whose policy says so; where a policy stands still, those who do now. Who has no address
/// answers (it may get one), asks nobody and is asked by nobody.
pub(super) fn of(
    valid: &Validated<'_>,
    outcomes: &BTreeMap<String, NodeOutcome>,
) -> BTreeMap<String, Vec<Peer>> {
    let disabled: Vec<&str> = valid
        .policies()
        .iter()
        .map(CheckedPolicy::spec)
        .filter(|spec| spec.peers == Peers::Disabled)
        .map(|spec| spec.name.as_str())
        .collect();
    let takes_part = |node: &NodeFacts| match outcomes.get(&node.name) {
        Some(NodeOutcome::Planned(plan)) => !disabled.contains(&plan.policy.name.as_str()),
        Some(NodeOutcome::Kept { .. }) => node.peering,
        Some(NodeOutcome::Stalled { .. } | NodeOutcome::Unselected) | None => false,
    };
    let nodes: Vec<&NodeFacts> = valid.nodes().iter().copied().filter(|node| takes_part(node)).collect();
    let addresses: BTreeMap<&str, IpAddr> =
        nodes.iter().filter_map(|node| Some((node.name.as_str(), node.address?))).collect();
    let members: Vec<Member<'_>> = nodes
        .iter()
        .filter(|node| node.address.is_some())
        .map(|node| Member { node: &node.name, zone: node.zone() })
        .collect();
    let chosen = choose(&members);
    let peer = |node: &&str| Some(Peer { node: (*node).to_owned(), address: *addresses.get(*node)? });
    let asked = |node: &NodeFacts| {
        chosen
            .get(node.name.as_str())
            .map(|asked| asked.iter().filter_map(peer).collect())
            .unwrap_or_default()
    };
    nodes.into_iter().map(|node| (node.name.clone(), asked(node))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::plan;
    use crate::policy::{PolicySpec, Selector};
    use crate::snapshot::Snapshot;
    use crate::validate::mk::{labels, node_in, policy, selector, servers, snapshot};
    use crate::validate::validate;
    use std::net::Ipv4Addr;

    fn node(zone: &str, last: u8) -> NodeFacts {
        let address = Some(Ipv4Addr::new(10, 0, 0, last).into());
        NodeFacts { address, ..node_in(zone, &format!("n{last}")) }
    }
    fn world(policies: Vec<PolicySpec>) -> Snapshot {
        let nodes = (1..=4).map(|last| node(if last < 3 { "a" } else { "b" }, last)).collect();
        snapshot(servers("s", 1, 4), policies, nodes)
    }
    fn peers(world: &Snapshot) -> BTreeMap<String, Vec<Peer>> {
        plan(&validate(world)).peers
    }
    fn names(asked: &[Peer]) -> Vec<&str> {
        asked.iter().map(|peer| peer.node.as_str()).collect()
    }

    #[test]
    fn each_is_asked_at_its_address() {
        let peers = peers(&world(vec![policy("p")]));
        assert_eq!(names(&peers["n1"]), ["n2", "n3", "n4"]);
        assert_eq!(peers["n1"][0].address, IpAddr::from(Ipv4Addr::new(10, 0, 0, 2)));
        assert_eq!(peers.len(), 4);
    }

    #[test]
    fn where_a_policy_says_so_nobody_asks_and_nobody_is_asked() {
        let mut off = PolicySpec { priority: 1, peers: Peers::Disabled, ..policy("off") };
        off.node_selector = Some(selector(&[("quiet", "yes")]));
        let mut world = world(vec![policy("p"), off]);
        world.nodes[1].labels.extend(labels(&[("quiet", "yes")]));
        let peers = peers(&world);
        assert_eq!(peers.keys().collect::<Vec<_>>(), ["n1", "n3", "n4"]);
        assert_eq!(names(&peers["n1"]), ["n3", "n4"]);
    }

    #[test]
    fn without_an_address_it_answers_and_asks_nobody() {
        let mut world = world(vec![policy("p")]);
        world.nodes[1].address = None;
        let peers = peers(&world);
        assert_eq!((names(&peers["n1"]), peers["n2"].len()), (vec!["n3", "n4"], 0));
    }

    #[test]
    fn while_a_policy_stands_still_who_takes_part_goes_on() {
        let mut world = world(vec![policy("p")]);
        let outcomes = plan(&validate(&world)).nodes;
        for node in &mut world.nodes {
            node.previous = outcomes[&node.name].plan().cloned();
            node.peering = node.name != "n2";
        }
        // Selected away to nothing.
        world.policies[0].sources = selector(&[("no", "such")]);
        let starved = plan(&validate(&world));
        assert!(matches!(starved.nodes["n1"], NodeOutcome::Kept { .. }));
        assert_eq!(starved.peers.keys().collect::<Vec<_>>(), ["n1", "n3", "n4"]);
        world.policies[0].node_selector = None;
        assert_eq!(peers(&world).len(), 0, "no policy, no peers");
        assert_eq!(world.policies[0].node_selector, None::<Selector>);
    }

    /// A node that comes or goes must not touch chronyd anywhere.
    #[test]
    fn no_plan_and_no_hash_knows_of_peers() {
        let mut world = world(vec![policy("p")]);
        let hashes = |world: &Snapshot| -> Vec<String> {
            plan(&validate(world)).nodes.values().filter_map(|one| Some(one.plan()?.hash.clone())).collect()
        };
        let before = hashes(&world);
        world.nodes[0].address = None;
        assert_eq!(hashes(&world), before);
        world.policies[0].peers = Peers::Disabled;
        assert_eq!(hashes(&world), before);
    }
}
