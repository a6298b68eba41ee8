//! One watch into one store: with back-off, pruned, counted, and saying whether it may be believed.

use crate::metrics::{KindLabel, Metrics};
use crate::wake::Wake;
use backon::ExponentialBuilder;
use futures::StreamExt;
use kube::Resource;
use kube::api::Api;
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{WatchStreamExt, watcher};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Whether a store may be believed.
#[derive(Clone, Debug, Default)]
pub struct Health {
    synced: Arc<AtomicBool>,
    healthy: Arc<AtomicBool>,
}

impl Health {
    /// The store was once filled completely. Later gaps leave what was there.
    pub fn synced(&self) -> bool {
        self.synced.load(Ordering::Acquire)
    }
    /// The watch's last word was no error: what happens in the cluster is seen here.
    pub fn healthy(&self) -> bool {
        self.healthy.load(Ordering::Acquire)
    }
}

/// A store and its health.
#[derive(Clone, Debug)]
pub struct Watched<K: 'static + reflector::Lookup>
where
    K::DynamicType: Eq + Hash + Clone + Debug,
{
    /// What was seen.
    pub store: Store<K>,
    /// Whether to believe it.
    pub health: Health,
}

#[cfg(test)]
impl<K> Watched<K>
where
    K: reflector::Lookup<DynamicType = ()> + Clone + 'static,
{
    /// A store that no watch fills: with these objects, and synced or not.
    pub(super) fn still(objects: Vec<K>, synced: bool) -> Self {
        let (store, mut writer) = reflector::store();
        writer.apply_watcher_event(&watcher::Event::Init);
        for object in objects {
            writer.apply_watcher_event(&watcher::Event::InitApply(object));
        }
        writer.apply_watcher_event(&watcher::Event::InitDone);
        let health = Health::default();
        health.synced.store(synced, Ordering::Release);
        Self { store, health }
    }
}

/// Who is told.
#[derive(Clone, Debug)]
pub struct Bells {
    /// Of every change that matters, once the store has synced.
    pub change: Wake,
    /// Of the first sync.
    pub synced: Wake,
}

/// After a failure: one second, doubling to 5, and a random part of as much again. kube's own goes to a minute, for which
/// nobody would be told anything after a long outage (seen after five minutes of one). Two replicas with seven watches each
/// are no crowd.
fn again() -> watcher::ExponentialBackoff {
    let longest = Duration::from_secs(5);
    ExponentialBuilder::default().with_max_delay(longest).with_jitter().without_max_times().into()
}

/// A store and the task that fills it. `shed` cuts away what is never looked at; `same` says that a change is none, so
/// that it wakes nobody. The task returns the kind if the stream ends, which ends the program.
pub fn watched<K>(
    api: Api<K>,
    (kind, config, bells, metrics): (&'static str, watcher::Config, Bells, Metrics),
    shed: fn(&mut K),
    same: fn(&K, &K) -> bool,
) -> (Watched<K>, impl Future<Output = &'static str> + Send + 'static)
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let (store, mut writer) = reflector::store();
    let health = Health::default();
    let watched = Watched { store: store.clone(), health: health.clone() };
    let task = async move {
        let stream = watcher(api, config).backoff(again()).modify(shed);
        let mut stream = std::pin::pin!(stream);
        let label = KindLabel { kind };
        while let Some(item) = stream.next().await {
            let event = match item {
                Ok(event) => event,
                Err(error) => {
                    health.healthy.store(false, Ordering::Release);
                    metrics.watch_errors.get_or_create(&label).inc();
                    tracing::warn!(kind, %error, "watch failed; what was seen stays, and it is begun anew");
                    continue;
                }
            };
            health.healthy.store(true, Ordering::Release);
            let matters = match &event {
                watcher::Event::Apply(new) => {
                    store.get(&ObjectRef::from_obj(new)).is_none_or(|old| !same(&old, new))
                }
                watcher::Event::Delete(_) | watcher::Event::InitDone => true,
                watcher::Event::Init | watcher::Event::InitApply(_) => false,
            };
            let complete = matches!(event, watcher::Event::InitDone);
            writer.apply_watcher_event(&event);
            if complete && !health.synced.swap(true, Ordering::AcqRel) {
                tracing::info!(kind, objects = store.len(), "store has synced");
                bells.synced.wake();
            }
            if matters && health.synced() {
                metrics.objects.get_or_create(&label).set(i64::try_from(store.len()).unwrap_or(i64::MAX));
                bells.change.wake();
            }
        }
        kind
    };
    (watched, task)
}
