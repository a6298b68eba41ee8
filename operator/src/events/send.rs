//! The edge: writes a [`Note`] as a core/v1 Event. An Event that can't be written is counted and forgotten.

use super::{Loudness, Note, Regarding};
use crate::clock;
use crate::metrics::{Metrics, WriteLabel};
use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{Api, ObjectMeta, PostParams};
use meantime_core::hash::fnv;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Kubernetes' limit for an Event's message.
const MAX_MESSAGE: usize = 1_024;
/// Kubernetes' limit for a name is 253; the suffix takes up to 50.
const MAX_NAME: usize = 200;

/// Writes Events with names that no other process makes: object, hash of our identity, our start by BOOTTIME, counter.
#[derive(Clone, Debug)]
pub struct Recorder {
    api: Api<Event>,
    identity: String,
    stem: String,
    counter: Arc<AtomicU64>,
    metrics: Metrics,
}

impl Recorder {
    /// `api` must be of namespace `default`.
    pub fn new(api: Api<Event>, identity: &str, metrics: Metrics) -> Self {
        let hash = fnv(identity.as_bytes());
        let stem = format!("{:08x}{:x}", hash & 0xffff_ffff, clock::boot().0);
        Self { api, identity: identity.to_owned(), stem, counter: Arc::default(), metrics }
    }

    /// Writes it, once. Never fails: time is kept whether or not somebody can read about it.
    pub async fn send(&self, note: Note) {
        let count = self.counter.fetch_add(1, Ordering::Relaxed);
        let stem = note.regarding.name.chars().take(MAX_NAME).collect::<String>();
        let name = match &note.once {
            Some(once) => format!("{stem}.{once}"),
            None => format!("{stem}.{}{count:x}", self.stem),
        };
        tracing::info!(
            kind = note.regarding.kind, object = %note.regarding.name, reason = %note.reason, "{}", note.message
        );
        let event = event(note, name, &self.identity);
        let outcome = match self.api.create(&PostParams::default(), &event).await {
            Ok(_) => "written",
            // told before, by this operator or by another one
            Err(kube::Error::Api(status)) if status.code == 409 => "known",
            Err(error) => {
                tracing::warn!(%error, "an Event could not be written and is left out");
                "failed"
            }
        };
        self.metrics.events.get_or_create(&WriteLabel { target: "event", outcome }).inc();
    }
}

fn event(note: Note, name: String, identity: &str) -> Event {
    let now = Time(clock::wall());
    Event {
        metadata: ObjectMeta { name: Some(name), namespace: Some("default".into()), ..ObjectMeta::default() },
        involved_object: reference(note.regarding),
        related: note.related.map(reference),
        type_: Some(match note.loudness {
            Loudness::Normal => "Normal".to_owned(),
            Loudness::Warning => "Warning".to_owned(),
        }),
        reason: Some(note.reason),
        message: Some(note.message.chars().take(MAX_MESSAGE).collect()),
        source: Some(EventSource { component: Some("meantime-operator".into()), host: None }),
        reporting_component: Some("meantime-operator".into()),
        reporting_instance: Some(identity.chars().take(128).collect()),
        first_timestamp: Some(now.clone()),
        last_timestamp: Some(now),
        count: Some(1),
        ..Event::default()
    }
}

fn reference(regarding: Regarding) -> ObjectReference {
    ObjectReference {
        api_version: Some(regarding.api_version.into()),
        kind: Some(regarding.kind.into()),
        name: Some(regarding.name),
        uid: Some(regarding.uid),
        ..ObjectReference::default()
    }
}
