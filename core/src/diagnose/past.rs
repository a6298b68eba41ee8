//! What is remembered of the nodes' words between two looks: since when each says what it says, and what ever worked.
//!
//! Reports of one fault are written up to three polls apart, and an agent that has nothing new to say writes every five
//! minutes. So that one node hears a source *while* another does not is only known if its last answer is younger than the
//! other's silence, or if so long has passed that it would have told. That needs the moments at which words were first
//! said: by the operator's own BOOTTIME, never by a node's wall clock.

use super::fleet::{Fleet, Trouble, View};
use crate::clocks::BootTime;
use crate::hash::{fnv, fnv_on};
use std::collections::BTreeMap;

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
    since: BTreeMap<String, Vec<Said>>,
    /// Node and server that answered once, as a hash each, in order: after its restart a chronyd has forgotten.
    worked: Vec<u64>,
}

/// Of which source, to what, and since when it says yes.
type Said = (String, Ask, BootTime);

/// A server is the same at each address of its name; members of a pool are what they are by their address.
fn pair(node: &str, view: &View) -> u64 {
    let node = fnv_on(fnv(node.as_bytes()), b"\0");
    if let Some(server) = view.server {
        return fnv_on(node, &server.to_be_bytes());
    }
    let parts = [view.source.as_str(), "\0", view.address.as_deref().unwrap_or("")];
    parts.iter().fold(node, |hash, part| fnv_on(hash, part.as_bytes()))
}

impl Past {
    /// Nodes that are gone are forgotten, and pairs that work now are remembered.
    pub fn look(&mut self, fleet: &Fleet) {
        self.since.retain(|node, _| fleet.nodes.contains_key(node));
        let mut alive = Vec::with_capacity(self.worked.len());
        for (name, node) in &fleet.nodes {
            for view in node.report.iter().flat_map(|report| &report.views) {
                let pair = pair(name, view);
                if view.ever || self.worked.binary_search(&pair).is_ok() {
                    alive.push(pair);
                }
            }
        }
        alive.sort_unstable();
        alive.dedup();
        self.worked = alive;
    }

    /// Whether that pair answered once.
    pub fn worked(&self, node: &str, view: &View) -> bool {
        self.worked.binary_search(&pair(node, view)).is_ok()
    }

    /// That node says `yes` to these questions now, in a report first seen at `seen`, and to no other. Gives since when it
    /// says each of them.
    pub fn says(&mut self, node: &str, yes: &[(&str, Ask)], seen: BootTime) -> Vec<BootTime> {
        if yes.is_empty() {
            self.since.remove(node);
            return Vec::new();
        }
        if !self.since.contains_key(node) {
            self.since.insert(node.to_owned(), Vec::new());
        }
        let Some(said) = self.since.get_mut(node) else { return Vec::new() };
        let same = |(source, ask, _): &Said, (other, wanted): &(&str, Ask)| source == other && ask == wanted;
        said.retain(|one| yes.iter().any(|wanted| same(one, wanted)));
        let since = |wanted: &(&str, Ask)| {
            if let Some((.., since)) = said.iter().find(|one| same(one, wanted)) {
                return *since;
            }
            said.push((wanted.0.to_owned(), wanted.1, seen));
            seen
        };
        yes.iter().map(since).collect()
    }

    /// That node is not heard: what it said is of then.
    pub fn unheard(&mut self, node: &str) {
        self.since.remove(node);
    }
}
