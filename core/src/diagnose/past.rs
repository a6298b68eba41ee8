//! What is remembered of the nodes' words between two looks: since when each says what it says, and what ever worked.
//!
//! Reports of one fault are written up to three polls apart, and an agent that has nothing new to say writes every five
//! minutes. So that one node hears a source *while* another does not is only known if its last answer is younger than the
//! other's silence, or if so long has passed that it would have told. That needs the moments at which words were first
//! said: by the operator's own BOOTTIME, never by a node's wall clock.

use super::fleet::{Fleet, Trouble, View};
use crate::clocks::BootTime;
use crate::hash::fnv;
use std::collections::{BTreeMap, BTreeSet};

/// What can be asked of one node about one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Ask {
    /// Does it not answer you?
    Silent,
    /// Does it say of itself that it is of no use?
    Says(Trouble),
    /// Do you not believe it?
    Rejects,
    /// (Of the node itself, without a source.) Is your own clock off?
    Off,
}

/// Words since when, and pairs that worked. At most one entry for each view of each node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Past {
    since: BTreeMap<String, BTreeMap<(String, Ask), BootTime>>,
    /// Node and server that answered once, as a hash each: after its restart a chronyd has forgotten.
    worked: BTreeSet<u64>,
}

/// A server is the same at each address of its name; members of a pool are what they are by their address.
fn pair(node: &str, view: &View) -> u64 {
    let server = match view.server {
        Some(server) => format!("{server:x}"),
        None => format!("{}\0{}", view.source, view.address.as_deref().unwrap_or("")),
    };
    fnv(format!("{node}\0{server}").as_bytes())
}

impl Past {
    /// Nodes that are gone are forgotten, and pairs that work now are remembered.
    pub fn look(&mut self, fleet: &Fleet) {
        self.since.retain(|node, _| fleet.nodes.contains_key(node));
        let mut alive = BTreeSet::new();
        for (name, node) in &fleet.nodes {
            for view in node.report.iter().flat_map(|report| &report.views) {
                let pair = pair(name, view);
                if view.ever || self.worked.contains(&pair) {
                    alive.insert(pair);
                }
            }
        }
        self.worked = alive;
    }

    /// Whether that pair answered once.
    pub fn worked(&self, node: &str, view: &View) -> bool {
        self.worked.contains(&pair(node, view))
    }

    /// That node says `yes` to these questions now, in a report first seen at `seen`, and to no other. Gives since when.
    pub fn says(
        &mut self,
        node: &str,
        yes: &[(&str, Ask)],
        seen: BootTime,
    ) -> BTreeMap<(String, Ask), BootTime> {
        let before = self.since.remove(node).unwrap_or_default();
        let now: BTreeMap<(String, Ask), BootTime> = yes
            .iter()
            .map(|(source, ask)| {
                let key = ((*source).to_owned(), *ask);
                let since = before.get(&key).copied().unwrap_or(seen);
                (key, since)
            })
            .collect();
        if !now.is_empty() {
            self.since.insert(node.to_owned(), now.clone());
        }
        now
    }

    /// That node is not heard: what it said is of then.
    pub fn unheard(&mut self, node: &str) {
        self.since.remove(node);
    }
}
