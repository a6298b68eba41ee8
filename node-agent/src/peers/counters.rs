//! What is counted of peers, for /metrics.

use meantime_core::peers::ask::{Counts, Told};
use meantime_peer::Refusal;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Shared between the task and the HTTP server.
#[derive(Debug, Default)]
pub struct PeerCounters {
    answered: AtomicU64,
    limited: AtomicU64,
    refused: [AtomicU64; Refusal::ALL.len()],
    peers: Mutex<Vec<Seen>>,
}

/// One peer, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its Node.
    pub node: String,
    /// Questions and answers since it is asked.
    pub counts: Counts,
    /// What is told of it; none = nothing is known.
    pub told: Option<Told>,
}

impl PeerCounters {
    pub(super) fn answered(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
    }
    pub(super) fn limited(&self) {
        self.limited.fetch_add(1, Ordering::Relaxed);
    }
    pub(super) fn refused(&self, refusal: Refusal) {
        if let Some(at) = Refusal::ALL.iter().position(|one| *one == refusal) {
            self.refused[at].fetch_add(1, Ordering::Relaxed);
        }
    }
    pub(super) fn told<'a>(&self, told: &[Told], counts: impl Iterator<Item = (&'a str, Counts)>) {
        let find = |node: &str| told.iter().find(|told| told.node == node).cloned();
        let seen =
            counts.map(|(node, counts)| Seen { node: node.to_owned(), counts, told: find(node) }).collect();
        if let Ok(mut peers) = self.peers.lock() {
            *peers = seen;
        }
    }

    /// Questions of others that were answered.
    pub fn answers(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }
    /// Packets that were not answered, or not even looked at, because too many came.
    pub fn limits(&self) -> u64 {
        self.limited.load(Ordering::Relaxed)
    }
    /// Packets that were refused, by why.
    pub fn refusals(&self) -> impl Iterator<Item = (Refusal, u64)> + '_ {
        Refusal::ALL.into_iter().zip(&self.refused).map(|(why, count)| (why, count.load(Ordering::Relaxed)))
    }
    /// Each peer.
    pub fn peers(&self) -> Vec<Seen> {
        self.peers.lock().map(|peers| peers.clone()).unwrap_or_default()
    }
}
