//! `meantime-operator retire --all --wait`: give every host back what was there, then leave no trace.
//!
//! 1. The stop mark is written: every operator stops planning and writing and gives up the Lease.
//! 2. This process takes the Lease, so that it is the only writer.
//! 3. Every NodeTime is asked to retire. An agent that acknowledges has restored its host; one that is not heard for two
//!    minutes is left as 'not restored': nothing of ours tells it to stop, should it run again.
//! 4. Conditions, NodeTimes and the Lease are removed. `--strict`: a node that was not restored keeps its NodeTime, and its
//!    conditions say Unknown, so that the next attempt, and a person, still see what is to be done.
//!
//! **The mark at the end.** It is owned by the operator's Deployment, so it goes when the release goes, and not a moment
//! earlier: as long as an operator could run, it is told to stand still. Without a Deployment there is no operator to
//! hold back, and the mark is removed at the end. Who wants to go on after a retirement removes it by hand:
//! `kubectl delete configmap meantime-retired`.

use crate::apply::write::{Outcome, Write, WriteError, Writer};
use crate::apply::{RETIRE_PATIENCE, answer};
use crate::clock;
use crate::conditions::{self, Change};
use crate::election::Timing;
use crate::election::gate::Gate;
use crate::election::run::{Candidate, Contact, Stand};
use crate::events::send::Recorder;
use crate::events::{Note, Regarding, left};
use crate::gather::{heartbeat, standing};
use crate::metrics::Metrics;
use crate::silence::Rising;
use crate::wake::Wake;
use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Node};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use kube::core::DeserializeGuard;
use kube::{Client, Resource, ResourceExt};
use meantime_core::clocks::BootTime;
use meantime_core::names::{CONDITION_DOMAIN, LEASE, MANAGER_OPERATOR_SPEC, STOP_MARK};
use meantime_core::units::Nanos;
use meantime_crds::NodeTime;
use meantime_crds::nodetime::Desired;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::sync::watch;

/// Writes under way at the same time.
const CONCURRENCY: usize = 16;
/// Pause between two looks at all NodeTimes.
const LOOK: Duration = Duration::from_secs(2);

/// What a retirement is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Namespace of Lease and mark.
    pub namespace: String,
    /// Who we are in the Lease.
    pub identity: String,
    /// The Deployment that owns the mark.
    pub deployment: String,
    /// Wait for the agents.
    pub wait: bool,
    /// What could not be restored keeps its NodeTime.
    pub strict: bool,
    /// The election's spans.
    pub timing: Timing,
    /// How long an agent may be silent; [`RETIRE_PATIENCE`] but in tests.
    pub patience: Nanos,
}

impl Config {
    /// With the protocol's own spans.
    pub fn new(namespace: String, identity: String, deployment: String, wait: bool) -> Self {
        Self {
            namespace,
            identity,
            deployment,
            wait,
            strict: false,
            timing: Timing::default(),
            patience: RETIRE_PATIENCE,
        }
    }
}

/// How it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Nodes whose agent has restored them.
    pub restored: Vec<String>,
    /// Nodes that are left as they were, and why.
    pub not_restored: Vec<(String, String)>,
    /// Without `--wait`: nodes that were asked and not waited for.
    pub asked: Vec<String>,
}

/// Why it could not go on. What was done so far stays; it can be run again at any time.
#[derive(Debug, thiserror::Error)]
pub enum RetireError {
    /// The API server.
    #[error("{what} failed: {source}; run retire again to go on from here")]
    Api {
        /// What was tried.
        what: &'static str,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
    /// Somebody else keeps the Lease although the mark is there.
    #[error(
        "the Lease is still held by another operator after {0} s; is there an operator that can not see ConfigMap {STOP_MARK} in its namespace?"
    )]
    LeaseHeld(i64),
    /// The Lease was lost in between.
    #[error("the Lease was lost while retiring; run retire again to go on from here")]
    LeaseLost,
}

fn api(what: &'static str) -> impl Fn(kube::Error) -> RetireError {
    move |source| RetireError::Api { what, source: Box::new(source) }
}

/// Retires all nodes. Progress is printed for a person.
pub async fn retire(client: Client, config: Config) -> Result<Report, RetireError> {
    let owned = write_mark(&client, &config).await?;
    println!("stop mark written: operators stop planning and writing");
    let (gate, metrics) = (Gate::default(), Metrics::default());
    let (stand, orders) = watch::channel(Stand::Up);
    let leases: Api<Lease> = Api::namespaced(client.clone(), &config.namespace);
    let candidate = Candidate {
        api: leases.clone(),
        me: config.identity.clone(),
        timing: config.timing,
        gate: gate.clone(),
        contact: Contact::default(),
        wake: Wake::default(),
        metrics: metrics.clone(),
    };
    let mut election = std::pin::pin!(candidate.run_election(orders));
    let ended = tokio::select! {
        ended = alone(client.clone(), &config, &gate, &metrics) => ended,
        () = &mut election => return Err(RetireError::LeaseLost),
    };
    gate.close();
    stand.send_replace(Stand::Leave);
    // a failed release only means that the Lease runs out by itself
    drop(tokio::time::timeout(Duration::from_secs(6), election).await);
    let report = ended?;
    if config.wait {
        gone(leases.delete(LEASE, &DeleteParams::default()).await).map_err(api("deleting the Lease"))?;
        if !owned {
            let marks: Api<ConfigMap> = Api::namespaced(client, &config.namespace);
            gone(marks.delete(STOP_MARK, &DeleteParams::default()).await)
                .map_err(api("deleting the stop mark"))?;
        }
    }
    Ok(report)
}

fn gone<T>(result: Result<T, kube::Error>) -> Result<(), kube::Error> {
    match result {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(error),
    }
}

/// True = owned by the Deployment, so that it goes with the release.
async fn write_mark(client: &Client, config: &Config) -> Result<bool, RetireError> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), &config.namespace);
    let owner = deployments
        .get_opt(&config.deployment)
        .await
        .map_err(api("looking for the operator's Deployment"))?;
    let owners: Vec<_> = owner
        .iter()
        .map(|owner| {
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": config.deployment, "uid": owner.uid()})
        })
        .collect();
    let marks: Api<ConfigMap> = Api::namespaced(client.clone(), &config.namespace);
    let body = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": STOP_MARK,
            "labels": {"app.kubernetes.io/managed-by": "meantime-operator"},
            "ownerReferences": owners,
        },
        "data": {"why": "meantime-operator retire: no operator plans or jobs while this is here. Delete it to go on."},
    });
    marks
        .patch(STOP_MARK, &PatchParams::apply(MANAGER_OPERATOR_SPEC).force(), &Patch::Apply(&body))
        .await
        .map_err(api("writing the stop mark"))?;
    Ok(!owners.is_empty())
}

/// The part for which we must be the only writer.
async fn alone(
    client: Client,
    config: &Config,
    gate: &Gate,
    metrics: &Metrics,
) -> Result<Report, RetireError> {
    let patience = config.timing.duration.times(2) + Nanos::from_secs(10);
    let begun = clock::boot();
    while !gate.is_open() {
        if clock::boot() - begun > patience {
            return Err(RetireError::LeaseHeld(patience.0 / 1_000_000_000));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let limit = Duration::from_nanos(u64::try_from(config.timing.request.0).unwrap_or(4_000_000_000));
    let writer = Writer::new(client.clone(), gate.clone(), metrics.clone(), limit);
    let recorder =
        Recorder::new(Api::namespaced(client.clone(), "default"), &config.identity, metrics.clone());
    let node_times: Api<DeserializeGuard<NodeTime>> = Api::all(client.clone());
    let nodes: Api<Node> = Api::all(client.clone());
    let mut report = Report::default();
    let mut waiting: BTreeMap<String, Waiting> = BTreeMap::new();
    let mut kept: BTreeSet<String> = BTreeSet::new();
    loop {
        let mut all = node_times.list(&ListParams::default()).await.map_err(api("listing NodeTimes"))?;
        all.items.retain(|one| !kept.contains(&one.name_any()));
        if all.items.is_empty() {
            break;
        }
        let now = clock::boot();
        let mut jobs = Vec::new();
        for guarded in all.items {
            let name = guarded.name_any();
            let waiting = waiting.entry(name.clone()).or_insert_with(|| Waiting::new(now));
            match waiting.look(&guarded, config.patience, now) {
                Step::Ask => jobs.push(Write::Retire { name }),
                Step::Wait => {}
                Step::Leave { restored: false, message } if config.strict => {
                    keep(&nodes, &recorder, &writer, &name, &message).await?;
                    println!("{name}: not restored, its NodeTime stays (--strict): {message}");
                    kept.insert(name.clone());
                    report.not_restored.push((name, message));
                }
                Step::Leave { restored, message } => {
                    leave(&nodes, &recorder, &writer, &name, restored, &message).await?;
                    let uid = guarded.meta().uid.clone().unwrap_or_default();
                    jobs.push(Write::Delete { name: name.clone(), uid });
                    println!("{name}: {}: {message}", if restored { "restored" } else { "not restored" });
                    if restored {
                        report.restored.push(name);
                    } else {
                        report.not_restored.push((name, message));
                    }
                }
            }
        }
        send_all(&writer, jobs).await?;
        if !config.wait {
            report.asked = waiting.into_keys().collect();
            return Ok(report);
        }
        tokio::time::sleep(LOOK).await;
    }
    sweep(client, &writer, &kept).await?;
    report.restored.sort();
    report.restored.dedup();
    report.not_restored.sort();
    report.not_restored.dedup();
    Ok(report)
}

/// Waiting for one agent.
struct Waiting {
    heard: BootTime,
    rising: Option<Rising>,
}

enum Step {
    Ask,
    Wait,
    Leave { restored: bool, message: String },
}

impl Waiting {
    fn new(now: BootTime) -> Self {
        Self { heard: now, rising: None }
    }

    fn look(&mut self, guarded: &DeserializeGuard<NodeTime>, patience: Nanos, now: BootTime) -> Step {
        let lost = |message: &str| Step::Leave { restored: false, message: message.to_owned() };
        let node_time = match &guarded.0 {
            Ok(node_time) => node_time,
            // asked once (a merge patch needs no reading), then given the same patience
            Err(_) if self.heard == now => return Step::Ask,
            Err(_) if now - self.heard >= patience => return lost("its NodeTime can not be read"),
            Err(_) => return Step::Wait,
        };
        let rising = node_time.status.as_ref().and_then(heartbeat);
        if rising != self.rising {
            self.rising = rising;
            self.heard = now;
        }
        match node_time.spec.desired {
            Desired::Active => {
                self.heard = now;
                Step::Ask
            }
            Desired::Retired => match answer(node_time) {
                Some(answer) => Step::Leave { restored: answer.restored, message: answer.message },
                None if now - self.heard >= patience => lost("its agent was silent for two minutes"),
                None => Step::Wait,
            },
        }
    }
}

/// What can't be restored and keeps its NodeTime: nobody will age what its conditions say, for no operator leads any more.
async fn keep(
    nodes: &Api<Node>,
    recorder: &Recorder,
    writer: &Writer,
    name: &str,
    message: &str,
) -> Result<(), RetireError> {
    let Some(node) = nodes.get_opt(name).await.map_err(api("reading a Node"))? else { return Ok(()) };
    let uid = node.uid().unwrap_or_default();
    let (wish, now) = (conditions::wish_not_restored(message), clock::boot());
    if let Change::Set { conditions, .. } =
        conditions::change(&wish, &standing(&node), now, now, clock::wall())
    {
        sent(writer.send(&Write::Conditions { node: name.to_owned(), uid: uid.clone(), conditions }).await)?;
    }
    let told = left(of_node(name, uid), false, message);
    let message = format!("Meantime is to leave this node and could not restore it: {message}");
    recorder.send(Note { message, ..told }).await;
    Ok(())
}

/// The Node's conditions go before its NodeTime: a crash in between leaves the NodeTime, and so the duty.
async fn leave(
    nodes: &Api<Node>,
    recorder: &Recorder,
    writer: &Writer,
    name: &str,
    restored: bool,
    message: &str,
) -> Result<(), RetireError> {
    let node = nodes.get_metadata_opt(name).await.map_err(api("reading a Node"))?;
    let Some(uid) = node.and_then(|node| node.metadata.uid) else { return Ok(()) };
    sent(writer.send(&Write::ClearConditions { node: name.to_owned(), uid: uid.clone() }).await)?;
    recorder.send(left(of_node(name, uid), restored, message)).await;
    Ok(())
}

fn of_node(name: &str, uid: String) -> Regarding {
    Regarding { api_version: "v1", kind: "Node", name: name.to_owned(), uid }
}

/// Conditions on Nodes without a NodeTime: none should be left, whatever was interrupted when.
async fn sweep(client: Client, writer: &Writer, kept: &BTreeSet<String>) -> Result<(), RetireError> {
    let nodes: Api<Node> = Api::all(client);
    let all = nodes.list(&ListParams::default()).await.map_err(api("listing Nodes"))?;
    let jobs = all.items.into_iter().filter_map(|node| {
        let ours =
            node.status.as_ref()?.conditions.as_ref()?.iter().any(|c| c.type_.starts_with(CONDITION_DOMAIN));
        let uid = node.metadata.uid.clone()?;
        (ours && !kept.contains(&node.name_any()))
            .then(|| Write::ClearConditions { node: node.name_any(), uid })
    });
    send_all(writer, jobs.collect()).await
}

async fn send_all(writer: &Writer, jobs: Vec<Write>) -> Result<(), RetireError> {
    let outcomes: Vec<Outcome> = futures::stream::iter(jobs)
        .map(|write| async move { writer.send(&write).await })
        .buffer_unordered(CONCURRENCY)
        .collect()
        .await;
    outcomes.into_iter().try_for_each(sent)
}

/// A failed write is tried again with the next look; losing the Lease ends it.
fn sent(outcome: Outcome) -> Result<(), RetireError> {
    match outcome {
        Outcome::Written(_) => Ok(()),
        Outcome::Closed => Err(RetireError::LeaseLost),
        Outcome::Failed(WriteError::Refused { source, .. }) => {
            Err(RetireError::Api { what: "a write", source })
        }
        Outcome::Failed(error @ WriteError::NoAnswer { .. }) => {
            tracing::warn!(%error, "trying again");
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> BootTime {
        BootTime(Nanos::from_secs(1_000 + seconds).0)
    }

    fn node_time(desired: &str, generation: i64, status: &serde_json::Value) -> DeserializeGuard<NodeTime> {
        let object = json!({
            "apiVersion": "meantime.dev/v1alpha1", "kind": "NodeTime",
            "metadata": {"name": "n1", "uid": "nt", "generation": generation},
            "spec": {"desired": desired}, "status": status,
        });
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn an_agent_is_waited_for_while_it_is_heard_and_two_minutes_more() {
        let mut waiting = Waiting::new(at(0));
        let mut look = |second, sequence| {
            let heard = json!({"bootID": "b", "sequence": sequence});
            waiting.look(&node_time("Retired", 2, &heard), RETIRE_PATIENCE, at(second))
        };
        assert!(matches!(look(1, 7), Step::Wait));
        assert!(matches!(look(100, 8), Step::Wait));
        assert!(matches!(look(219, 8), Step::Wait));
        assert!(matches!(look(220, 8), Step::Leave { restored: false, .. }));
    }

    #[test]
    fn only_an_answer_to_this_very_wish_is_an_acknowledgement() {
        let mut waiting = Waiting::new(at(0));
        let answered = |generation| {
            let retired = json!({"restored": true, "message": "done"});
            json!({"bootID": "b", "sequence": 7, "observedGeneration": generation, "retired": retired})
        };
        let old = node_time("Retired", 3, &answered(1));
        assert!(matches!(waiting.look(&old, RETIRE_PATIENCE, at(1)), Step::Wait));
        let new = node_time("Retired", 3, &answered(3));
        assert!(matches!(waiting.look(&new, RETIRE_PATIENCE, at(2)), Step::Leave { restored: true, .. }));
    }
}
