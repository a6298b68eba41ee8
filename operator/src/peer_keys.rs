//! The Secret with the keys under which agents ask each other: made and turned by the operator that leads.
//!
//! **In.** The Secret as it stands, this machine's BOOTTIME, the kernel's random bytes. **Out.** A Secret with three keys,
//! owned by the operator's Deployment, so that it goes when the release goes. What to do is core's word
//! ([`meantime_core::peers::keys`]). **Must never** write while another leads, overwrite what it has not read (each write
//! names the version that was read), or let a key's bytes near a log.

use crate::clock;
use crate::election::gate::Gate;
use crate::metrics::Metrics;
use k8s_openapi::ByteString;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{Api, ObjectMeta, PostParams};
use kube::{Client, ResourceExt};
use meantime_core::clocks::BootTime;
use meantime_core::names::{PEER_KEYS, PEER_KEYS_ENTRY};
use meantime_core::peers::keys::{Found, KEY, Keyring, Rotation, Wanted};
use meantime_core::units::Nanos;
use rustix::rand::{GetRandomFlags, getrandom};
use std::collections::BTreeMap;
use std::time::Duration;

/// How often it is asked whether this operator leads: a look at one number.
const PULSE: Duration = Duration::from_secs(3);
/// A leader reads the Secret this often, so that a deleted one comes back.
const AGAIN: Nanos = Nanos::from_secs(600);
/// … and this soon after something failed.
const RETRY: Nanos = Nanos::from_secs(15);

/// What the metrics call it.
const TARGET: &str = "peer-keys";

/// Keeps the Secret.
pub struct Keeper {
    secrets: Api<Secret>,
    deployments: Api<Deployment>,
    deployment: String,
    gate: Gate,
    metrics: Metrics,
    limit: Duration,
    rotation: Rotation,
}

/// Why a look came to nothing; tried again.
#[derive(Debug, thiserror::Error)]
enum KeysError {
    #[error(transparent)]
    Api(#[from] kube::Error),
    #[error("no answer from the API server in time")]
    NoAnswer(#[from] tokio::time::error::Elapsed),
    #[error("no random bytes: {0}")]
    Random(#[from] rustix::io::Errno),
}

impl Keeper {
    /// `deployment` owns the Secret; `limit` is the longest that one request may take; `every` is how long a key is in use.
    pub fn new(
        client: &Client,
        (namespace, deployment): (&str, &str),
        (gate, metrics): (Gate, Metrics),
        limit: Duration,
        every: Nanos,
    ) -> Self {
        Self {
            secrets: Api::namespaced(client.clone(), namespace),
            deployments: Api::namespaced(client.clone(), namespace),
            deployment: deployment.to_owned(),
            gate,
            metrics,
            limit,
            rotation: Rotation::new(every),
        }
    }

    /// Runs until it is dropped.
    pub async fn run_keys(mut self) {
        let mut next = BootTime(0);
        loop {
            let now = clock::boot();
            if !self.gate.is_open() {
                // Whoever begins to lead looks at once.
                next = BootTime(0);
            } else if next <= now {
                next = match self.look(now).await {
                    Ok(due) => due.min(now + AGAIN),
                    Err(error) => {
                        self.metrics.wrote(TARGET, "failed");
                        tracing::warn!(%error, "the peers' keys were not looked after; those in force stay");
                        now + RETRY
                    }
                };
            }
            tokio::time::sleep(PULSE).await;
        }
    }

    /// One look, and what it asks for; when to look again.
    async fn look(&mut self, now: BootTime) -> Result<BootTime, KeysError> {
        let secret = tokio::time::timeout(self.limit, self.secrets.get_opt(PEER_KEYS)).await??;
        let ring = secret.as_ref().and_then(keyring);
        let found = match (&secret, &ring) {
            (None, _) => Found::Absent,
            (Some(_), None) => Found::Broken,
            (Some(_), Some(ring)) => Found::Ring(ring),
        };
        let fresh = match (self.rotation.look(found, now), ring) {
            (Wanted::Wait(due), _) => return Ok(due),
            (Wanted::Rotate, Some(ring)) => ring.rotated(random()?),
            (Wanted::First | Wanted::Rotate, _) => Keyring::first(random()?, random()?),
        };
        let object = self.secret(secret.as_ref(), &fresh).await?;
        if !self.gate.is_open() {
            self.metrics.wrote(TARGET, "closed");
            return Ok(now);
        }
        let params = PostParams::default();
        let write = async {
            match &secret {
                Some(_) => self.secrets.replace(PEER_KEYS, &params, &object).await,
                None => self.secrets.create(&params, &object).await,
            }
        };
        tokio::time::timeout(self.limit, write).await??;
        self.metrics.wrote(TARGET, "written");
        tracing::info!(in_use = fresh.current().id, "the peers' keys were turned");
        // Counted from now: what is read back in a moment is what was written.
        Ok(match self.rotation.look(Found::Ring(&fresh), now) {
            Wanted::Wait(due) => due,
            Wanted::First | Wanted::Rotate => now,
        })
    }

    /// The Secret to write. With the version that was read: if it has changed since, the write is refused.
    async fn secret(&self, read: Option<&Secret>, ring: &Keyring) -> Result<Secret, KeysError> {
        let owner = tokio::time::timeout(self.limit, self.deployments.get_opt(&self.deployment)).await??;
        let owner = owner.map(|owner| OwnerReference {
            api_version: "apps/v1".to_owned(),
            kind: "Deployment".to_owned(),
            name: self.deployment.clone(),
            uid: owner.uid().unwrap_or_default(),
            ..OwnerReference::default()
        });
        let labels = [("app.kubernetes.io/managed-by".to_owned(), "meantime-operator".to_owned())];
        let entry = (PEER_KEYS_ENTRY.to_owned(), ByteString(ring.render().into_bytes()));
        Ok(Secret {
            metadata: ObjectMeta {
                name: Some(PEER_KEYS.to_owned()),
                labels: Some(BTreeMap::from(labels)),
                owner_references: owner.map(|owner| vec![owner]),
                resource_version: read.and_then(|secret| secret.metadata.resource_version.clone()),
                ..ObjectMeta::default()
            },
            data: Some(BTreeMap::from([entry])),
            ..Secret::default()
        })
    }
}

/// What stands in it; none = nothing that can be read.
fn keyring(secret: &Secret) -> Option<Keyring> {
    let ByteString(bytes) = secret.data.as_ref()?.get(PEER_KEYS_ENTRY)?;
    let read = std::str::from_utf8(bytes).map_err(|error| error.to_string());
    let read = read.and_then(|text| Keyring::parse(text).map_err(|error| error.to_string()));
    read.inspect_err(|error| tracing::warn!(error, "the peers' keys cannot be read and are made anew")).ok()
}

/// Thirty-two bytes come whole or not at all; waits only on a machine that has been up for less than a second or two.
fn random() -> Result<[u8; KEY], rustix::io::Errno> {
    let mut bytes = [0; KEY];
    getrandom(&mut bytes, GetRandomFlags::empty())?;
    Ok(bytes)
}
