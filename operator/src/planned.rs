//! The plan for the whole cluster, kept from pass to pass: a Node or NodeTime that is still the same one is not read
//! again, and nothing is planned anew while all that a plan hangs on is equal (sources and policies are few, and read at
//! each pass). At rest a pass over a thousand nodes is spent on what agents say, not on plans that nobody has changed.
//!
//! **In.** A [`World`]. **Out.** [`Planned`]. **Must never** give a plan of other facts than the world's: what is kept is
//! compared by value, and only objects that are the very same ones in memory are taken for unchanged.

use crate::gather::World;
use k8s_openapi::api::core::v1::Node;
use kube::core::DeserializeGuard;
use meantime_core::plan::{self, Plan};
use meantime_core::snapshot::{NodePlan, Snapshot};
use meantime_core::validate;
use meantime_crds::NodeTime;
use meantime_crds::nodetime::{self, PlanPeer};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What follows from everything declared, also in the API's words.
#[derive(Debug, Default)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// Plans in the API's words, by hash: nodes of one policy and zone share one. Names are in the hash; the policy's
    /// generation is not, and there is one of each policy.
    texts: BTreeMap<String, Arc<nodetime::Plan>>,
    peers: BTreeMap<String, Vec<PlanPeer>>,
}

impl Planned {
    /// That plan in the API's words.
    pub fn text(&self, plan: &NodePlan) -> Arc<nodetime::Plan> {
        self.texts.get(&plan.hash).cloned().unwrap_or_else(|| Arc::new(plan.into()))
    }

    /// Whom that node's agent asks, in the API's words; none = it takes no part.
    pub fn peers(&self, node: &str) -> Option<&[PlanPeer]> {
        self.peers.get(node).map(Vec::as_slice)
    }

    fn of(plan: Plan, port: u16) -> Self {
        let mut texts = BTreeMap::new();
        for outcome in plan.nodes.values() {
            if let plan::NodeOutcome::Planned(one) = outcome
                && !texts.contains_key(&one.hash)
            {
                texts.insert(one.hash.clone(), Arc::new((&**one).into()));
            }
        }
        let one = |peer: &plan::Peer| PlanPeer {
            node: peer.node.clone(),
            address: peer.address.to_string(),
            port: i32::from(port),
        };
        let all = |peers: &Vec<plan::Peer>| peers.iter().map(one).collect();
        let peers = plan.peers.iter().map(|(name, peers)| (name.clone(), all(peers))).collect();
        Self { plan, texts, peers }
    }
}

/// What of one node its facts were read from.
#[derive(Debug)]
struct Objects {
    node: Arc<Node>,
    node_time: Option<Arc<DeserializeGuard<NodeTime>>>,
}

impl Objects {
    fn are(&self, node: &Arc<Node>, node_time: Option<&Arc<DeserializeGuard<NodeTime>>>) -> bool {
        let same_node_time = match (&self.node_time, node_time) {
            (Some(known), Some(now)) => Arc::ptr_eq(known, now),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        same_node_time && Arc::ptr_eq(&self.node, node)
    }
}

/// The plan and what it was made of.
#[derive(Debug, Default)]
pub struct Known {
    /// In the order of [`Snapshot::nodes`].
    objects: Vec<Objects>,
    snapshot: Snapshot,
    port: Option<u16>,
    planned: Planned,
    made: u64,
}

impl Known {
    /// The plan for this world; `port` is the agents' for each other.
    pub fn look(&mut self, world: &World, port: u16) -> &Planned {
        let declared = world.declared();
        let nodes_changed = self.look_at_nodes(world);
        let known = (&self.snapshot.sources, &self.snapshot.policies, &self.snapshot.undecodable);
        let same = known == (&declared.sources, &declared.policies, &declared.undecodable);
        if nodes_changed || !same || self.port != Some(port) {
            let nodes = std::mem::take(&mut self.snapshot.nodes);
            self.snapshot = Snapshot { nodes, ..declared };
            self.port = Some(port);
            self.planned = Planned::of(plan::plan(&validate::validate(&self.snapshot)), port);
            self.made += 1;
            self.share();
        }
        &self.planned
    }

    /// How often a plan was made, and not kept.
    pub fn made(&self) -> u64 {
        self.made
    }

    /// The plan that a node has and the one that it gets are one text at rest, and one of many nodes: kept once.
    fn share(&mut self) {
        for facts in &mut self.snapshot.nodes {
            let planned = self.planned.plan.nodes.get(&facts.name);
            if let (Some(has), Some(plan::NodeOutcome::Planned(gets))) = (&mut facts.previous, planned)
                && !Arc::ptr_eq(has, gets)
                && has == gets
            {
                *has = gets.clone();
            }
        }
    }

    /// Reads what has changed. True = any node's facts differ.
    fn look_at_nodes(&mut self, world: &World) -> bool {
        let facts = &mut self.snapshot.nodes;
        let same_names = facts.len() == world.nodes.len()
            && facts.iter().zip(world.nodes.keys()).all(|(known, name)| known.name == *name);
        if !same_names {
            // rare: nodes come and go by the dozen a day, passes by the thousand
            facts.clear();
            facts.extend(world.nodes.iter().map(|(name, node)| world.facts(name, node)));
            self.objects.clear();
            self.objects.extend(world.nodes.iter().map(|(name, node)| objects(world, name, node)));
            return true;
        }
        let mut changed = false;
        let known = facts.iter_mut().zip(&mut self.objects);
        for ((facts, seen), (name, node)) in known.zip(&world.nodes) {
            if seen.are(node, world.node_times.get(name)) {
                continue;
            }
            *seen = objects(world, name, node);
            let now = world.facts(name, node);
            if now != *facts {
                *facts = now;
                changed = true;
            }
        }
        changed
    }
}

fn objects(world: &World, name: &str, node: &Arc<Node>) -> Objects {
    Objects { node: node.clone(), node_time: world.node_times.get(name).cloned() }
}

#[cfg(test)]
mod tests;
