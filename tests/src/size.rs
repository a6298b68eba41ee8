//! A NodeTime as full as operator and agent make it: planned by core from declared sources, everything observed; and
//! how many bytes a real API server makes of it.

use crate::apiserver::{ApiServer, ApiServerError, kube as kubernetes};
use jiff::Timestamp;
use kube::api::{Api, Patch, PatchParams};
use meantime_core::chrony::{ChronyVersion, Letter};
use meantime_core::conditions::{Conditions, Judgement, Reason, Status};
use meantime_core::plan::plan;
use meantime_core::snapshot::{NodeFacts, NodePlan, Snapshot};
use meantime_core::validate::validate;
use meantime_crds::common::Time;
use meantime_crds::nodetime::{
    AgentInfo, AppliedPlan, AppliedState, AssociationStatus, ChronyInfo, ClockInfo, Desired, Graded,
    HealthWord, PeerStatus, Plan, PlanPeer, Profile, Reachability, TroubleWord,
};
use meantime_crds::{NodeTime, NodeTimeSpec, NodeTimeStatus, TimeSource, TimeSyncPolicy, convert};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

const UID: &str = "7c3e2f0a-5a0e-4b0e-9f0a-0c1d2e3f4a5b";

/// The plan that core makes of so many sources with names of usual length.
fn planned(node: &str, sources: u32) -> Arc<NodePlan> {
    let source = |number: u32| -> TimeSource {
        let object = json!({
            "apiVersion": "meantime.dev/v1alpha1", "kind": "TimeSource",
            "metadata": {"name": format!("source-{number}"), "uid": UID, "generation": 1},
            "spec": {
                "tier": 1 + number / 4, "scope": "Site", "independence": format!("provider-{number}"),
                "server": {"address": format!("ntp{number}.dc1.corp.example.com"), "minPoll": 4, "maxPoll": 6},
            },
        });
        serde_json::from_value(object).unwrap()
    };
    let policy: TimeSyncPolicy = serde_json::from_value(json!({
        "apiVersion": "meantime.dev/v1alpha1", "kind": "TimeSyncPolicy",
        "metadata": {"name": "databases", "uid": UID, "generation": 2},
        "spec": {"nodeSelector": {}, "sources": {"selector": {}}, "mode": "Managed"},
    }))
    .unwrap();
    let snapshot = Snapshot {
        sources: (0..sources).map(|number| source(number).to_core().unwrap()).collect(),
        policies: vec![policy.to_core().unwrap()],
        nodes: vec![NodeFacts {
            name: node.to_owned(),
            uid: UID.to_owned(),
            labels: BTreeMap::new(),
            chrony: Some(ChronyVersion::new(4, 6, 1)),
            previous: None,
            address: None,
            peering: false,
        }],
        ..Snapshot::default()
    };
    Arc::clone(plan(&validate(&snapshot)).nodes[node].plan().unwrap())
}

fn association(number: u32) -> AssociationStatus {
    AssociationStatus {
        source: Some(format!("source-{number}")),
        address: Some(format!("2001:db8:1234:5678::{number:x}")),
        role: meantime_core::snapshot::Role::Driver.into(),
        state: Letter::Selected.word().to_owned(),
        letter: Letter::Selected.to_char().to_string(),
        usable: true,
        rejected: number == 3,
        unanswered: if number == 3 { 12 } else { 0 },
        reachability: if number == 3 { Reachability::Silent } else { Reachability::Answering },
        // The longest word.
        trouble: (number == 3).then_some(TroubleWord::Unsynchronised),
        offset_nanoseconds: Some(-1_234_567),
        uncertainty_nanoseconds: Some(380_123),
        delay_nanoseconds: Some(12_250_123),
        refid: Some("47505300".to_owned()),
        stratum: Some(2),
        poll: Some(10),
        sample_age_nanoseconds: Some(12_345_678_901),
        health: if number == 3 { HealthWord::Failed } else { HealthWord::Healthy },
        score: if number == 3 { 70 } else { 100 },
        grade: if number == 3 { Graded::Poor } else { Graded::Good },
    }
}

fn plan_peer(number: u32) -> PlanPeer {
    let (node, address) = (peer(number).node, format!("10.128.104.{number}"));
    PlanPeer { node, address, port: i32::from(meantime_core::peers::PORT) }
}

/// With a name as clouds give.
fn peer(number: u32) -> PeerStatus {
    PeerStatus {
        node: format!("ip-10-128-104-{number}.eu-central-1.compute.internal"),
        answers: true,
        ever: true,
        offset_nanoseconds: Some(-1_234_567),
        uncertainty_nanoseconds: Some(1_234_567),
        trouble: None,
    }
}

/// A NodeTime with `sources` associations in plan and status, every field written.
pub fn node_time(name: &str, sources: u32) -> NodeTime {
    let plan = planned(name, sources);
    assert_eq!(plan.associations.len(), usize::try_from(sources).unwrap());
    // As core's judge words them on a node with one liar.
    let figures =
        "within maxOffset 50ms and maxErrorBound 500ms; following source-0 (tier 1); rejected: source-3";
    let judgement = |status, reason, message: &str| Judgement::new(status, reason, message);
    let conditions = Conditions {
        synchronized: judgement(Status::True, Reason::InTolerance, figures),
        offset_high: judgement(Status::False, Reason::InTolerance, figures),
        sources_low: judgement(Status::False, Reason::Enough, "enough sources usable (minSources 2)"),
        partitioned: judgement(Status::False, Reason::SourceUsable, "at least one source can be used"),
        daemon_down: judgement(Status::False, Reason::Answering, "chronyd answers"),
    };
    let now = Timestamp::from_second(1_795_303_500).unwrap();
    let ready =
        convert::condition(&[], "Ready", Status::True, "Applied", "plan 9f86d081884c7d65 runs", Some(2), now);
    let mut all = vec![ready];
    all.extend(convert::judged(&[], &conditions, Some(2), now));
    // The longest of its three words: a Managed node whose host is not protected.
    let message = "no enabled unit in /etc/systemd/system sets the clock once at boot: see \
                   examples/host/meantime-boot-time.service";
    let unprotected = meantime_core::names::CONDITION_BOOT_TIME;
    all.push(convert::condition(&[], unprotected, Status::True, "NoSetter", message, Some(2), now));
    let mut node = NodeTime::new(
        name,
        NodeTimeSpec {
            desired: Desired::Active,
            plan: Some(Plan::from(&*plan)),
            request: None,
            peers: Some((2..5).map(plan_peer).collect()),
        },
    );
    node.status = Some(NodeTimeStatus {
        observed_generation: Some(2),
        conditions: all,
        agent: Some(AgentInfo { version: "0.1.0".into() }),
        chrony: Some(ChronyInfo { version: "4.6.1".into() }),
        boot_id: Some(UID.into()),
        sequence: Some(123_456),
        applied: Some(AppliedPlan {
            hash: Some(plan.hash.clone()),
            overlay_hash: Some("e3b0c44298fc1c14".into()),
            object_uid: Some(UID.into()),
            generation: Some(2),
            state: AppliedState::Applied,
            message: Some("confirmed: time is not worse than before".into()),
        }),
        clock: Some(ClockInfo { profile: Profile::Real, reason: "Managed".into(), message: None }),
        associations: (0..sources).map(association).collect(),
        offset: Some("+12µs".into()),
        offset_nanoseconds: Some(12_345),
        error_bound: Some("410µs".into()),
        error_bound_nanoseconds: Some(410_123),
        expected_error_bound_nanoseconds: Some(400_123),
        error_bound_carried: Some(false),
        error_bound_growth_nanoseconds_per_second: Some(15_000),
        headroom_nanoseconds: Some(49_987_655),
        residual_nanoseconds: Some(-3_123),
        disagreement_nanoseconds: Some(12_345),
        source: Some("source-0".into()),
        tier: Some(1),
        voters: Some(format!("{sources}/{sources}")),
        usable_voters: Some(i32::try_from(sources).unwrap()),
        observed_at: Some(Time(now)),
        holdover: None,
        drive_order: None,
        switches: Vec::new(),
        peers: (2..5).map(peer).collect(),
        peers_trouble: None,
        retired: None,
        request: None,
    });
    node
}

/// Sizes of one stored object, as JSON.
#[derive(Clone, Copy, Debug)]
pub struct Bytes {
    /// All of it, metadata and managedFields too.
    pub whole: usize,
    /// Its spec.
    pub spec: usize,
    /// Its status.
    pub status: usize,
}

/// The same without a word of peers.
pub fn without_peers(mut object: NodeTime) -> NodeTime {
    object.spec.peers = None;
    if let Some(status) = &mut object.status {
        status.peers.clear();
    }
    object
}

/// As stored: written by two field managers, with the ownerReference to its Node, read back as JSON.
pub async fn stored_bytes(server: &ApiServer, object: &NodeTime) -> Result<Bytes, ApiServerError> {
    let name = object.metadata.name.as_deref().unwrap();
    let mut object = serde_json::to_value(object).unwrap();
    let status = object.as_object_mut().unwrap().remove("status").unwrap();
    object["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "v1", "kind": "Node", "name": name, "uid": UID}]);
    let kind = kube::discovery::ApiResource::erase::<NodeTime>(&());
    let api: Api<kube::api::DynamicObject> = Api::all_with(server.admin().await?, &kind);
    let spec_writer = PatchParams::apply(meantime_core::names::MANAGER_OPERATOR_SPEC);
    api.patch(name, &spec_writer, &Patch::Apply(&object)).await.map_err(kubernetes("write its spec"))?;
    object.as_object_mut().unwrap().remove("spec");
    object["metadata"] = json!({"name": name});
    object["status"] = status;
    let status_writer = PatchParams::apply(meantime_core::names::MANAGER_AGENT_STATUS);
    let stored = api
        .patch_status(name, &status_writer, &Patch::Apply(&object))
        .await
        .map_err(kubernetes("write its status"))?;
    let bytes = |value: &serde_json::Value| value.to_string().len();
    Ok(Bytes {
        whole: serde_json::to_string(&stored).unwrap().len(),
        spec: bytes(&stored.data["spec"]),
        status: bytes(&stored.data["status"]),
    })
}
