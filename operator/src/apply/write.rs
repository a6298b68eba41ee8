//! The edge of all writes to objects: one request each, through the gate, cut off in time, counted.

use crate::clock;
use crate::conditions::{NodeCondition, Told};
use crate::election::gate::Gate;
use crate::metrics::Metrics;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::{Client, Resource};
use meantime_core::names::{
    MANAGER_OPERATOR_CONDITIONS, MANAGER_OPERATOR_INCIDENTS, MANAGER_OPERATOR_SPEC, MANAGER_OPERATOR_STATUS,
};
use meantime_crds::nodetime::Desired;
use meantime_crds::{
    NodeTime, NodeTimeSpec, TimeIncident, TimeIncidentSpec, TimeIncidentStatus, TimeSource, TimeSourceStatus,
    TimeSyncPolicy, TimeSyncPolicyStatus,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

/// One write to one object.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// Create a NodeTime or bring its spec and ownerReference to this.
    Spec {
        /// Node and NodeTime.
        name: String,
        /// The owning Node's uid.
        node_uid: String,
        /// The spec.
        spec: Box<NodeTimeSpec>,
    },
    /// Ask a NodeTime's agent to retire, whatever else its spec says (also one that can't be decoded).
    Retire {
        /// NodeTime.
        name: String,
    },
    /// Delete a NodeTime.
    Delete {
        /// NodeTime.
        name: String,
        /// Its uid: another object of that name is not meant.
        uid: String,
    },
    /// All six conditions of a Node.
    Conditions {
        /// Node.
        node: String,
        /// Its uid.
        uid: String,
        /// All six in order: kind, what it says, since when.
        conditions: Vec<(NodeCondition, Told, Timestamp)>,
    },
    /// None of our conditions on a Node.
    ClearConditions {
        /// Node.
        node: String,
        /// Its uid.
        uid: String,
    },
    /// Status of a TimeSource.
    Source {
        /// TimeSource.
        name: String,
        /// The status.
        status: Box<TimeSourceStatus>,
    },
    /// Status of a TimeSyncPolicy.
    Policy {
        /// TimeSyncPolicy.
        name: String,
        /// The status.
        status: Box<TimeSyncPolicyStatus>,
    },
    /// Create a TimeIncident that tells nothing yet.
    IncidentCreate {
        /// TimeIncident.
        name: String,
        /// Its labels.
        labels: BTreeMap<&'static str, String>,
    },
    /// Status of a TimeIncident, and its labels if they differ.
    Incident {
        /// TimeIncident.
        name: String,
        /// Labels; none = they are right.
        labels: Option<BTreeMap<&'static str, String>>,
        /// The status.
        status: Box<TimeIncidentStatus>,
    },
    /// Delete a TimeIncident.
    IncidentDelete {
        /// TimeIncident.
        name: String,
        /// Its uid: another object of that name is not meant.
        uid: String,
    },
    /// Status of a TimeSource that can't be decoded.
    BrokenSource {
        /// TimeSource.
        name: String,
        /// The status.
        status: Box<TimeSourceStatus>,
    },
    /// Status of a TimeSyncPolicy that can't be decoded.
    BrokenPolicy {
        /// TimeSyncPolicy.
        name: String,
        /// The status.
        status: Box<TimeSyncPolicyStatus>,
    },
}

impl Write {
    /// Target (for metrics and back-off) and object name.
    pub fn key(&self) -> (&'static str, &str) {
        match self {
            Self::Spec { name, .. } | Self::Retire { name } => ("nodetime-spec", name),
            Self::Delete { name, .. } => ("nodetime-delete", name),
            Self::Conditions { node, .. } | Self::ClearConditions { node, .. } => ("node-conditions", node),
            Self::Source { name, .. } | Self::BrokenSource { name, .. } => ("source-status", name),
            Self::Policy { name, .. } | Self::BrokenPolicy { name, .. } => ("policy-status", name),
            Self::IncidentCreate { name, .. } => ("incident-create", name),
            Self::Incident { name, .. } => ("incident-status", name),
            Self::IncidentDelete { name, .. } => ("incident-delete", name),
        }
    }
}

/// How a write ended.
#[derive(Debug)]
pub enum Outcome {
    /// It is done, and the object has this resourceVersion since; none = the object is gone.
    Written(Option<String>),
    /// Not sent: this operator does not lead any more.
    Closed,
    /// Refused or unanswered; tried again later.
    Failed(WriteError),
}

/// Why a write failed.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The API server refused it or could not be asked.
    #[error("{target} of {name} was not written: {source}; what was there stays, and it is tried again")]
    Refused {
        /// What.
        target: &'static str,
        /// Of which object.
        name: String,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
    /// No answer in time.
    #[error("{target} of {name}: no answer from the API server in {seconds} s; it is tried again")]
    NoAnswer {
        /// What.
        target: &'static str,
        /// Of which object.
        name: String,
        /// The limit.
        seconds: u64,
    },
}

/// Sends writes.
#[derive(Clone)]
pub struct Writer {
    client: Client,
    gate: Gate,
    metrics: Metrics,
    limit: Duration,
}

impl Writer {
    /// `limit` is the longest that one request may take. It must fit between a leader's deadline and the moment from
    /// which another may lead (see [`crate::election::Timing`]).
    pub fn new(client: Client, gate: Gate, metrics: Metrics, limit: Duration) -> Self {
        Self { client, gate, metrics, limit }
    }

    /// Sends it, if the gate is open at this very moment.
    pub async fn send(&self, write: &Write) -> Outcome {
        let (target, name) = write.key();
        if !self.gate.is_open() {
            self.metrics.wrote(target, "closed");
            return Outcome::Closed;
        }
        let failed = |error| {
            self.metrics.wrote(target, "failed");
            Outcome::Failed(error)
        };
        match tokio::time::timeout(self.limit, self.request(write)).await {
            Ok(Ok(version)) => {
                self.metrics.wrote(target, "written");
                Outcome::Written(version)
            }
            // The Node, source or policy is gone: the watch will say so.
            Ok(Err(kube::Error::Api(status)))
                if status.code == 404 && !matches!(write, Write::Spec { .. }) =>
            {
                self.metrics.wrote(target, "gone");
                Outcome::Written(None)
            }
            // Some objects are so broken that no status fits on them; the Event has told it.
            Ok(Err(kube::Error::Api(status)))
                if status.code == 422
                    && matches!(write, Write::BrokenSource { .. } | Write::BrokenPolicy { .. }) =>
            {
                self.metrics.wrote(target, "refused");
                Outcome::Written(None)
            }
            Ok(Err(source)) => {
                failed(WriteError::Refused { target, name: name.to_owned(), source: Box::new(source) })
            }
            Err(_) => {
                failed(WriteError::NoAnswer { target, name: name.to_owned(), seconds: self.limit.as_secs() })
            }
        }
    }

    async fn request(&self, write: &Write) -> Result<Option<String>, kube::Error> {
        match write {
            Write::Spec { name, node_uid, spec } => self.spec(name, node_uid, spec).await,
            Write::Retire { name } => {
                let params = PatchParams {
                    field_manager: Some(MANAGER_OPERATOR_SPEC.into()),
                    ..PatchParams::default()
                };
                let body = json!({"spec": {"desired": Desired::Retired}});
                self.api::<NodeTime>()
                    .patch(name, &params, &Patch::Merge(&body))
                    .await
                    .map(|stored| version(&stored))
            }
            Write::Delete { name, uid } => self.delete::<NodeTime>(name, uid).await,
            Write::Conditions { node, uid, conditions } => {
                self.conditions(node, uid, &conditions_json(conditions, clock::wall())).await
            }
            Write::ClearConditions { node, uid } => self.conditions(node, uid, &json!({})).await,
            Write::Source { name, status } => self.status::<TimeSource>(name, status).await,
            Write::Policy { name, status } => self.status::<TimeSyncPolicy>(name, status).await,
            Write::IncidentCreate { name, labels } => self.create_incident(name, labels).await,
            Write::Incident { name, labels, status } => {
                if let Some(labels) = labels {
                    self.label_incident(name, labels).await?;
                }
                self.status::<TimeIncident>(name, status).await
            }
            Write::IncidentDelete { name, uid } => self.delete::<TimeIncident>(name, uid).await,
            Write::BrokenSource { name, status } => self.broken::<TimeSource>(name, status).await,
            Write::BrokenPolicy { name, status } => self.broken::<TimeSyncPolicy>(name, status).await,
        }
    }

    fn api<K>(&self) -> Api<DeserializeGuard<K>>
    where
        K: Resource<Scope = kube::core::ClusterResourceScope, DynamicType = ()>,
    {
        Api::all(self.client.clone())
    }

    async fn delete<K>(&self, name: &str, uid: &str) -> Result<Option<String>, kube::Error>
    where
        K: Resource<Scope = kube::core::ClusterResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + Debug,
    {
        let preconditions = Preconditions { uid: Some(uid.to_owned()), resource_version: None };
        let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        self.api::<K>().delete(name, &params).await.map(|_| None)
    }

    /// The spec is people's: empty when it is made, and never written again.
    async fn create_incident(
        &self,
        name: &str,
        labels: &BTreeMap<&'static str, String>,
    ) -> Result<Option<String>, kube::Error> {
        let params =
            PostParams { field_manager: Some(MANAGER_OPERATOR_INCIDENTS.into()), ..PostParams::default() };
        let mut object = TimeIncident::new(name, TimeIncidentSpec::default());
        object.metadata.labels =
            Some(labels.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect());
        let api: Api<TimeIncident> = Api::all(self.client.clone());
        match api.create(&params, &object).await {
            Ok(stored) => Ok(version(&stored)),
            // an earlier try was heard after all: the watch will say so
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn label_incident(
        &self,
        name: &str,
        labels: &BTreeMap<&'static str, String>,
    ) -> Result<(), kube::Error> {
        let params =
            PatchParams { field_manager: Some(MANAGER_OPERATOR_INCIDENTS.into()), ..PatchParams::default() };
        let body = json!({"metadata": {"labels": labels}});
        self.api::<TimeIncident>().patch(name, &params, &Patch::Merge(&body)).await.map(|_| ())
    }

    async fn spec(
        &self,
        name: &str,
        node_uid: &str,
        spec: &NodeTimeSpec,
    ) -> Result<Option<String>, kube::Error> {
        let api = self.api::<NodeTime>();
        let params = PatchParams::apply(MANAGER_OPERATOR_SPEC).force();
        let body = json!({
            "apiVersion": NodeTime::api_version(&()),
            "kind": NodeTime::kind(&()),
            "metadata": {
                "name": name,
                "labels": {"app.kubernetes.io/managed-by": "meantime-operator"},
                // without blockOwnerDeletion: OpenShift refuses that to whoever may not finalize Nodes
                "ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": name, "uid": node_uid}],
            },
            "spec": spec,
        });
        // The spec is atomic: whatever somebody added by hand goes.
        api.patch(name, &params, &Patch::Apply(&body)).await.map(|stored| version(&stored))
    }

    /// `status` is either `{"conditions": […]}` or empty, which removes ours.
    async fn conditions(&self, node: &str, uid: &str, status: &Value) -> Result<Option<String>, kube::Error> {
        let api: Api<PartialObjectMeta<Node>> = Api::all(self.client.clone());
        let params = PatchParams::apply(MANAGER_OPERATOR_CONDITIONS).force();
        // the uid is a precondition: a re-created Node of the same name is somebody else
        let body = json!({
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": node, "uid": uid}, "status": status,
        });
        api.patch_status(node, &params, &Patch::Apply(&body)).await.map(|stored| version(&stored))
    }

    async fn status<K>(&self, name: &str, status: &impl Serialize) -> Result<Option<String>, kube::Error>
    where
        K: Resource<Scope = kube::core::ClusterResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + Debug,
    {
        let params = PatchParams::apply(MANAGER_OPERATOR_STATUS).force();
        let body = json!({
            "apiVersion": K::api_version(&()), "kind": K::kind(&()), "metadata": {"name": name}, "status": status,
        });
        self.api::<K>().patch_status(name, &params, &Patch::Apply(&body)).await.map(|stored| version(&stored))
    }

    /// Server-side apply can't merge into an object that breaks its own schema; a merge patch can.
    async fn broken<K>(&self, name: &str, status: &impl Serialize) -> Result<Option<String>, kube::Error>
    where
        K: Resource<Scope = kube::core::ClusterResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + Debug,
    {
        let params =
            PatchParams { field_manager: Some(MANAGER_OPERATOR_STATUS.into()), ..PatchParams::default() };
        let body = json!({"status": status});
        self.api::<K>().patch_status(name, &params, &Patch::Merge(&body)).await.map(|stored| version(&stored))
    }
}

fn version<K: Resource>(stored: &K) -> Option<String> {
    stored.meta().resource_version.clone()
}

fn conditions_json(conditions: &[(NodeCondition, Told, Timestamp)], heartbeat: Timestamp) -> Value {
    let conditions: Vec<Value> = conditions
        .iter()
        .map(|(kind, told, since)| {
            json!({
                "type": kind.node_type(),
                "status": told.status.as_str(),
                "reason": told.reason,
                "message": told.message,
                "lastHeartbeatTime": heartbeat.to_string(),
                "lastTransitionTime": since.to_string(),
            })
        })
        .collect();
    json!({"conditions": conditions})
}

#[cfg(test)]
mod tests {
    use super::*;
    use kube::Config;

    #[tokio::test]
    async fn a_closed_gate_lets_nothing_out() {
        // Nobody listens there: whatever is sent fails.
        let client = Client::try_from(Config::new("http://127.0.0.1:1".parse().unwrap())).unwrap();
        let (gate, metrics) = (Gate::default(), Metrics::default());
        let writer = Writer::new(client, gate.clone(), metrics, Duration::from_secs(1));
        let write = Write::Retire { name: "n1".into() };
        assert!(matches!(writer.send(&write).await, Outcome::Closed));
        gate.open(clock::boot() + meantime_core::units::Nanos::from_secs(60));
        assert!(matches!(writer.send(&write).await, Outcome::Failed(_)));
    }
}
