//! This node's NodeTime over the API server: one watch by name, one server-side apply of its status at a time.

use super::file::wait;
use super::{Ask, Due, Incoming, Link, Writer};
use crate::clock;
use backon::ExponentialBuilder;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use kube::api::{Patch, PatchParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource};
use meantime_core::ledger::Origin;
use meantime_core::names::MANAGER_AGENT_STATUS;
use meantime_core::units::Nanos;
use meantime_crds::nodetime::{NodeTime, NodeTimeStatus};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tracing::{info, warn};

/// How long one request may take. A node that is cut off must not pile them up.
const REQUEST: Duration = Duration::from_secs(10);
/// Watches are renewed this often: load balancers drop idle flows silently after 240 s.
const WATCH_SECONDS: u32 = 200;
/// Of failures in a row, each so-manieth is logged.
const REPEAT: u32 = 20;
/// What the API server says of a status with a field that its CRD has not.
const OLDER_CRD: &str = "field not declared in schema";
/// Pause before another try to make a client (no service account yet, no CA file).
const CLIENT_RETRY: Duration = Duration::from_secs(10);

/// Why one client was given up.
enum End {
    /// The engine is gone.
    Engine,
    /// The engine asked for a new one.
    Rebuild,
}

/// Runs until the engine is gone. Without an API server it keeps trying; the engine goes on from its ledger.
pub async fn run(node: &str, mut link: Link) {
    let mut writer = Writer::new(node, link.counters.clone());
    loop {
        match Client::try_default().await {
            Ok(client) => match with_client(node, client, &mut writer, &mut link).await {
                End::Engine => return,
                End::Rebuild => info!("the clock was disrupted: connections to the API server are made anew"),
            },
            Err(error) => {
                warn!(%error, "no way to the API server yet; going on from the ledger");
                link.counters.watch_errors.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(CLIENT_RETRY).await;
            }
        }
    }
}

type Events = BoxStream<'static, Result<watcher::Event<NodeTime>, watcher::Error>>;

fn watch(api: &Api<NodeTime>, node: &str) -> Events {
    let config = watcher::Config::default().fields(&format!("metadata.name={node}")).timeout(WATCH_SECONDS);
    watcher(api.clone(), config).backoff(again()).boxed()
}

/// After a failure: one second, doubling to 15, and a random part of as much again. kube's own goes to a minute: so long
/// would a plan wait after an outage. Longer than the operator's, since there is one agent for every node.
fn again() -> watcher::ExponentialBackoff {
    let longest = Duration::from_secs(15);
    ExponentialBuilder::default().with_max_delay(longest).with_jitter().without_max_times().into()
}

async fn with_client(node: &str, client: Client, writer: &mut Writer, link: &mut Link) -> End {
    let api: Api<NodeTime> = Api::all(client);
    let mut events = watch(&api, node);
    // uid of the object as far as the watch knows; none = there is nothing to write to.
    let mut object: Option<String> = None;
    let mut listed = false;
    let mut failures: u32 = 0;
    loop {
        let report = link.reports.borrow_and_update().clone();
        let mut pause = Nanos::MAX;
        if let (Some(_), Some(report)) = (&object, &report) {
            match writer.next(report, clock::boottime()) {
                Ok(due) => {
                    put(&api, node, writer, due).await;
                    continue;
                }
                Err(rest) => {
                    pause = rest;
                    link.counters.status_skipped.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        tokio::select! {
            event = events.try_next() => match event {
                Ok(Some(watcher::Event::Apply(seen) | watcher::Event::InitApply(seen))) => {
                    (listed, failures) = (true, 0);
                    let uid = seen.meta().uid.clone();
                    if object != uid {
                        writer.forget();
                        writer.learn(&seen);
                        object = uid;
                    }
                    if !tell(link, Incoming::Seen(Box::new(seen), Origin::Watch)).await {
                        return End::Engine;
                    }
                }
                Ok(Some(watcher::Event::Init)) => listed = false,
                Ok(Some(watcher::Event::InitDone)) if listed => {}
                Ok(Some(watcher::Event::Delete(_) | watcher::Event::InitDone)) => {
                    object = None;
                    if !tell(link, Incoming::Gone).await {
                        return End::Engine;
                    }
                }
                Ok(None) => events = watch(&api, node),
                Err(error) => {
                    link.counters.watch_errors.fetch_add(1, Ordering::Relaxed);
                    // Said once per trouble, and now and then while it lasts: missing rights show only here.
                    if failures.is_multiple_of(REPEAT) {
                        warn!(%error, failures, "the watch on our NodeTime failed; going on as before and trying again");
                    }
                    failures += 1;
                }
            },
            ask = link.asks.recv() => match ask {
                Some(Ask::Rebuild) => return End::Rebuild,
                None => return End::Engine,
                Some(Ask::Quorum) => {
                    // Without a resourceVersion a GET is answered by the quorum.
                    match tokio::time::timeout(REQUEST, api.get_opt(node)).await {
                        Ok(Ok(Some(seen))) => {
                            if !tell(link, Incoming::Seen(Box::new(seen), Origin::QuorumGet)).await {
                                return End::Engine;
                            }
                        }
                        Ok(Ok(None)) => {}
                        Ok(Err(error)) => warn!(%error, "our NodeTime could not be read back; the plan in force stays"),
                        Err(_elapsed) => warn!("our NodeTime could not be read back in time; the plan in force stays"),
                    }
                }
            },
            changed = link.reports.changed() => if changed.is_err() { return End::Engine },
            () = tokio::time::sleep(wait(pause)) => {}
        }
    }
}

async fn tell(link: &Link, incoming: Incoming) -> bool {
    link.incoming.send(incoming).await.is_ok()
}

async fn put(api: &Api<NodeTime>, node: &str, writer: &mut Writer, due: Due) {
    let body = serde_json::json!({
        "apiVersion": NodeTime::api_version(&()),
        "kind": NodeTime::kind(&()),
        "metadata": {"name": node},
        "status": due.status,
    });
    let parameters = PatchParams::apply(MANAGER_AGENT_STATUS).force();
    let patch = Patch::Apply(&body);
    let write = async {
        match api.patch_status(node, &parameters, &patch).await {
            Err(kube::Error::Api(refusal)) if refusal.message.contains(OLDER_CRD) => {
                warn!(
                    refusal = refusal.message,
                    "the NodeTime CRD is older than this agent: what it does not know is left out of the status; \
                     bring CRDs, operator and agents to one version"
                );
                replace(api, node, &due.status).await
            }
            written => written,
        }
    };
    let written = tokio::time::timeout(REQUEST, write).await;
    let now = clock::boottime();
    match written {
        Ok(Ok(_)) => writer.written(due, now),
        Ok(Err(error)) => {
            warn!(%error, "the status was not written; it will be");
            writer.failed(now);
        }
        Err(_elapsed) => {
            warn!("the status was not written in time; it will be");
            writer.failed(now);
        }
    }
}

/// Server-side apply refuses a whole object for one field that is not in its schema; a plain patch has such fields taken
/// out. The status is replaced, not merged: what is not known any more must not stay.
async fn replace(api: &Api<NodeTime>, node: &str, status: &NodeTimeStatus) -> Result<NodeTime, kube::Error> {
    let operations = serde_json::json!([{"op": "add", "path": "/status", "value": status}]);
    let patch = Patch::Json::<()>(serde_json::from_value(operations).map_err(kube::Error::SerdeError)?);
    let parameters =
        PatchParams { field_manager: Some(MANAGER_AGENT_STATUS.to_owned()), ..PatchParams::default() };
    api.patch_status(node, &parameters, &patch).await
}
