//! Asks servers ourselves: one packet a probe, its answer in core's words.
//!
//! **In.** Whom to ask; that and when is core's word ([`meantime_core::fsm::probing`]), and so is the budget: nothing
//! here may ask by itself. **Out.** `(address, outcome)` on a channel, once for each. **Must never** wait for an answer
//! beyond its time, take somebody else's datagram for an answer, ask twice, or call it a server's fault that no packet
//! left this node. Why not a library: ADR 10.

mod ask;

pub use ask::probe;

use meantime_core::fsm::probing::Outcome;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tracing::debug;

/// Longest wait for an answer. A server further than half of that away gives no time that any preset could use, and two
/// probes that confirm a suspicion (1–2 s apart) have both ended within three seconds.
pub const PATIENCE: Duration = Duration::from_secs(1);
/// Probes under way at once: more than the associations that a plan may have (12).
const AT_ONCE: usize = 16;

/// Sends probes, each in a task of its own that ends by itself.
#[derive(Clone, Debug)]
pub struct Prober {
    outcomes: mpsc::Sender<(IpAddr, Outcome)>,
    places: Arc<Semaphore>,
    patience: Duration,
}

impl Prober {
    /// A prober, and where its outcomes come. `patience` should be [`PATIENCE`], and must stay below the ten seconds
    /// after which core gives a probe up.
    pub fn new(patience: Duration) -> (Self, mpsc::Receiver<(IpAddr, Outcome)>) {
        // Room for every task, and as many refusals.
        let (outcomes, receiver) = mpsc::channel(2 * AT_ONCE);
        (Self { outcomes, places: Arc::new(Semaphore::new(AT_ONCE)), patience }, receiver)
    }

    /// Asks `address` once. Never waits; must be called within a tokio runtime. Beyond sixteen at once nothing is sent,
    /// and the outcome says so.
    pub fn send(&self, address: IpAddr, port: u16) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            debug!(%address, "not probed: {AT_ONCE} probes are under way");
            // Lost when nobody reads the outcomes: core gives the probe up by itself.
            let _ = self.outcomes.try_send((address, Outcome::NotSent));
            return;
        };
        let (outcomes, patience) = (self.outcomes.clone(), self.patience);
        tokio::spawn(async move {
            let outcome = probe(SocketAddr::new(address, port), patience).await;
            debug!(%address, ?outcome, "probed");
            // The place is kept until the outcome is read, so that no more than these can ever wait.
            let _ = outcomes.send((address, outcome)).await;
            drop(place);
        });
    }
}
