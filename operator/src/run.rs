//! Wiring: the long tasks, joined in one select. The first to end ends the process.

use crate::apply::write::Writer;
use crate::election::Timing;
use crate::election::gate::Gate;
use crate::election::run::{Candidate, Contact, Stand};
use crate::events::send::Recorder;
use crate::gather::{Scope, Stores};
use crate::http::{self, HttpError, Ready};
use crate::incidents::Incidents;
use crate::metrics::Metrics;
use crate::peer_keys::Keeper;
use crate::reconcile::decide::Memory;
use crate::reconcile::{ReconcileError, Reconciler};
use crate::silence::Limits;
use crate::wake::Wake;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use kube::{Api, Client};
use meantime_core::incident::Figures;
use meantime_core::units::Nanos;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::watch;

/// Releasing the Lease may take so long at the end; then the others wait for it to run out.
const LAST_WORDS: Duration = Duration::from_secs(6);

/// Everything that a run is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where and what to watch.
    pub scope: Scope,
    /// Identity in the Lease.
    pub identity: String,
    /// Address of metrics and health.
    pub listen: SocketAddr,
    /// The election's spans.
    pub timing: Timing,
    /// When an agent is silent.
    pub limits: Limits,
    /// Spans and counts of incidents.
    pub incidents: Figures,
    /// The agents' UDP port for each other.
    pub peer_port: u16,
    /// How long a key of theirs is in use.
    pub key_rotation: Nanos,
    /// The operator's Deployment, which owns the Secret with those keys.
    pub deployment: String,
}

/// Why a run ended without being asked to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Metrics and health.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The loop.
    #[error(transparent)]
    Reconcile(#[from] ReconcileError),
    /// A task that must never end has ended.
    #[error("the {0} task has ended; the process ends with it, so that it is started anew whole")]
    TaskEnded(&'static str),
}

/// Runs until `shutdown` resolves, or until a task ends. Either way the Lease is given back if it was ours.
pub async fn run(client: Client, config: Config, shutdown: impl Future<Output = ()>) -> Result<(), RunError> {
    let (metrics, ready, gate, contact) =
        (Metrics::default(), Ready::default(), Gate::default(), Contact::default());
    let (wake, bell) = (Wake::default(), Wake::default());
    let serve = http::bind(config.listen, metrics.clone(), ready.clone()).await?;
    let (stores, watches) = Stores::watch(&client, &config.scope, &wake, &bell, &metrics);
    let mut watches: FuturesUnordered<_> = watches.into_iter().collect();
    let (stand, orders) = watch::channel(Stand::Down);
    let candidate = Candidate {
        api: Api::namespaced(client.clone(), &config.scope.namespace),
        me: config.identity.clone(),
        timing: config.timing,
        gate: gate.clone(),
        contact: contact.clone(),
        wake: wake.clone(),
        metrics: metrics.clone(),
    };
    // Not a task of its own: whoever drops this future (a test that kills the operator) drops all of it.
    let mut election = std::pin::pin!(candidate.run_election(orders));
    let mut election_ended = false;
    let limit = Duration::from_nanos(u64::try_from(config.timing.request.0).unwrap_or(4_000_000_000));
    let mut memory = Memory::new(config.limits);
    memory.incidents = Incidents::new(config.incidents);
    memory.peer_port = config.peer_port;
    let keeper = Keeper::new(
        &client,
        (&config.scope.namespace, &config.deployment),
        (gate.clone(), metrics.clone()),
        limit,
        config.key_rotation,
    );
    let reconciler = Reconciler {
        stores: stores.clone(),
        memory,
        writer: Writer::new(client.clone(), gate.clone(), metrics.clone(), limit),
        recorder: Recorder::new(Api::namespaced(client, "default"), &config.identity, metrics.clone()),
        gate: gate.clone(),
        contact,
        timing: config.timing,
        wake: wake.clone(),
        metrics,
    };
    // At an uninstall the mark goes with the Deployment, a moment before this pod is told to end: seen on kind, where an
    // operator in its last second made a new Lease that nobody removed. So the mark's end is believed only later.
    let patience = limit_of(config.timing.duration.times(2));
    let ended = tokio::select! {
        () = shutdown => Ok(()),
        result = serve => result.map_err(RunError::from).and(Err(RunError::TaskEnded("http"))),
        kind = watches.next() => Err(RunError::TaskEnded(kind.unwrap_or("watch"))),
        result = reconciler.run_reconcile() => result.map_err(RunError::from).and(Err(RunError::TaskEnded("reconcile"))),
        () = keeper.run_keys() => Err(RunError::TaskEnded("peers' keys")),
        () = heed(&stores, &bell, &stand, &ready, &wake, patience) => Err(RunError::TaskEnded("stop mark")),
        () = &mut election => {
            election_ended = true;
            Err(RunError::TaskEnded("election"))
        }
    };
    // The loop is dropped by now: no further write is sent, and whoever takes the Lease is alone.
    gate.close();
    stand.send_replace(Stand::Leave);
    if !election_ended && tokio::time::timeout(LAST_WORDS, election).await.is_err() {
        tracing::warn!("the Lease could not be given back; the others wait until it has run out");
    }
    ended
}

fn limit_of(span: meantime_core::units::Nanos) -> Duration {
    Duration::from_nanos(u64::try_from(span.0).unwrap_or(0))
}

/// A candidate only once every store has synced and while there is no stop mark (none = not looked for yet): a leader
/// that can't see must not keep the Lease from one that can.
const fn candidacy(synced: bool, stopped: Option<bool>) -> Stand {
    match (synced, stopped) {
        (true, Some(false)) => Stand::Up,
        (true, Some(true) | None) | (false, _) => Stand::Down,
    }
}

/// Keeps the election and the loop told of sync and stop mark.
async fn heed(
    stores: &Stores,
    bell: &Wake,
    stand: &watch::Sender<Stand>,
    ready: &Ready,
    wake: &Wake,
    patience: Duration,
) {
    let mut was_stopped = false;
    loop {
        bell.rung().await;
        if was_stopped && stores.stopped() == Some(false) {
            tracing::info!(?patience, "the stop mark is gone; going on if it stays so");
            tokio::time::sleep(patience).await;
        }
        was_stopped = stores.stopped() == Some(true);
        let wanted = candidacy(stores.synced(), stores.stopped());
        if stores.synced() {
            ready.set();
        }
        let changed = stand.send_if_modified(|now| std::mem::replace(now, wanted) != wanted);
        if changed && wanted == Stand::Down && stores.synced() {
            tracing::warn!("the stop mark is there: no planning, no writes until it is removed");
        }
        wake.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_candidate_only_with_synced_stores_and_without_a_stop_mark() {
        assert_eq!(candidacy(true, Some(false)), Stand::Up);
        for (synced, stopped) in [(true, Some(true)), (true, None), (false, Some(false))] {
            assert_eq!(candidacy(synced, stopped), Stand::Down, "synced {synced}, stop mark {stopped:?}");
        }
    }
}
