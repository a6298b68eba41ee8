//! NodeTime: one node's plan (spec, by the operator alone) and what came of it (status, by that node's agent alone).
//! Named as its Node. Both are atomic for server-side apply: each has one writer, who always writes all of it, and the
//! ownership record of every field would cost 2 kB in each object. Everything in it is readable by every agent: nothing secret belongs here.

mod peers;
mod plan;
mod switch;
mod words;

pub use peers::{PeerStatus, PlanPeer};
pub use plan::{ChronyText, Plan, PlanAssociation, PlanTolerances, PolicyRef, Role};
pub use switch::{HoldoverStatus, Switch};
pub use words::{
    AnswerState, AppliedState, Graded, HealthWord, PeerWord, PeersWord, Profile, Reachability, ToldRole,
    TroubleWord, Verified,
};

use crate::common::{Condition, Time, conditions, time, word};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The plan of one node. Written by the operator only.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "meantime.dev",
    version = "v1alpha1",
    kind = "NodeTime",
    plural = "nodetimes",
    shortname = "nt",
    category = "meantime",
    status = "NodeTimeStatus",
    derive = "PartialEq",
    doc = "NodeTime carries one node's plan (spec, by the operator) and its clock as measured and judged there (status, by its agent). Do not edit.",
    printcolumn(name = "Policy", type_ = "string", json_path = ".spec.plan.policy.name"),
    printcolumn(
        name = "Synced",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"TimeSynchronized\")].status"
    ),
    printcolumn(name = "Offset", type_ = "string", json_path = ".status.offset"),
    printcolumn(name = "Bound", type_ = "string", json_path = ".status.errorBound"),
    printcolumn(name = "Source", type_ = "string", json_path = ".status.source"),
    printcolumn(name = "Tier", type_ = "integer", json_path = ".status.tier"),
    printcolumn(name = "Voters", type_ = "string", json_path = ".status.voters"),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"TimeSynchronized\")].reason"
    ),
    printcolumn(name = "Seen", type_ = "date", json_path = ".status.observedAt"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        priority = 1
    ),
    printcolumn(name = "Chrony", type_ = "string", json_path = ".status.chrony.version", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct NodeTimeSpec {
    /// Active: follow the plan. Retired: restore the host, acknowledge in status.retired, then rest.
    /// Example: "Active"
    pub desired: Desired,
    /// What the node does; absent until its agent has told its capabilities. Example: {"hash": "9f86d081884c7d65"}
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// A person's request, copied by the operator from the annotation meantime.dev/request.
    /// Example: {"verb": "acknowledge", "id": "2026-11-21-1"}
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
    /// Whom the agent asks for the time, at most 3; apart from the plan: chronyd has nothing to do with it. Absent = it
    /// neither asks nor answers. Example: [{"node": "n2", "address": "10.0.0.2", "port": 9925}]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "atomic"))]
    pub peers: Option<Vec<PlanPeer>>,
}

/// What becomes of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Desired {
    /// Follow the plan.
    Active,
    /// Restore the host and acknowledge.
    Retired,
}

/// A person's request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// What is asked, 1 to 32 characters a-z and -. Example: "acknowledge"
    #[schemars(length(min = 1, max = 32), regex(pattern = "^[a-z]([a-z-]*[a-z])?$"))]
    pub verb: String,
    /// Which request it is, 1 to 63 characters; a new id is a new request. Example: "2026-11-21-1"
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$"))]
    pub id: String,
}

/// What is applied, observed and judged on the node. Written by its agent only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct NodeTimeStatus {
    /// metadata.generation of the spec that this status tells of. Example: 2
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// Ready (the plan is applied), the five of the verdict: TimeSynchronized, TimeOffsetHigh, TimeSourcesLow,
    /// TimePartitioned, TimeDaemonDown; on a Managed node BootTimeUnprotected (nothing sets this host's clock at boot). Example: [{"type": "TimeSynchronized", "status": "True"}]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,
    /// The agent. Example: {"version": "0.1.0"}
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentInfo>,
    /// Its chronyd; absent = not known. Example: {"version": "4.6.1"}
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chrony: Option<ChronyInfo>,
    /// Identifies this boot of the machine, at most 64 characters. Example: "3b1f0c1e-8f5a-4c57-9a3e-0d9d8d7e6f5a"
    #[serde(default, rename = "bootID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub boot_id: Option<String>,
    /// Rises with every write of this boot: the heartbeat. Example: 42
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub sequence: Option<i64>,
    /// What chronyd runs. Example: {"hash": "9f86d081884c7d65", "state": "Applied", "generation": 2}
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<AppliedPlan>,
    /// Whether chronyd moves the host's clock. Example: {"profile": "Virtual", "reason": "Observe"}
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<ClockInfo>,
    /// The sources as chronyd sees them; at most 16. Example: [{"source": "dc1-gps", "state": "Selected"}]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub associations: Vec<AssociationStatus>,
    /// The clock's error for a person; plus = ahead; absent = not known. Example: "+12µs"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub offset: Option<String>,
    /// The clock's error in nanoseconds; above 0 = ahead; absent = not known. Example: 12000
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset_nanoseconds: Option<i64>,
    /// The guaranteed error bound for a person; "~" before it = carried forward from the last good one.
    /// Example: "410µs"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub error_bound: Option<String>,
    /// The guaranteed error bound in nanoseconds; policies are judged on it. Example: 410000
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub error_bound_nanoseconds: Option<i64>,
    /// The bound with chrony's own drift allowance, in nanoseconds. Example: 400000
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub expected_error_bound_nanoseconds: Option<i64>,
    /// Whether the bound is carried forward from the last good one and grows. Example: false
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_bound_carried: Option<bool>,
    /// By how many nanoseconds a second the bound has to be taken to grow after `observedAt`: a status is written when it
    /// is news, else every five minutes. Example: 15000
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub error_bound_growth_nanoseconds_per_second: Option<i64>,
    /// Smallest tolerance left in nanoseconds; negative = breach; sort by it for the worst first. Example: 49988000
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headroom_nanoseconds: Option<i64>,
    /// What chronyd has yet to correct, in nanoseconds; above 0 = ahead. Example: 3000
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub residual_nanoseconds: Option<i64>,
    /// The clock against the agreeing sources, in nanoseconds; above 0 = ahead; absent = none agree. Example: 12000
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disagreement_nanoseconds: Option<i64>,
    /// The TimeSource that chronyd follows, at most 63 characters; absent = none. Example: "dc1-gps"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub source: Option<String>,
    /// The tier of that source, 1 to 9. Example: 1
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 9))]
    pub tier: Option<i32>,
    /// Usable of planned voters. Example: "4/5"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub voters: Option<String>,
    /// Usable voters, 0 to 100. Example: 4
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub usable_voters: Option<i32>,
    /// No source can be used: for how long, and when a limit will be reached; absent = at least one can.
    /// Example: {"lastsSeconds": 90, "expectedBreachSeconds": 43000, "guaranteedBreachSeconds": 28000}
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holdover: Option<HoldoverStatus>,
    /// Which order of sources drives, 2 to 12; absent = 1, as planned. Example: 2
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 12))]
    pub drive_order: Option<i32>,
    /// The agent's last switches between sources, oldest first, at most 5.
    /// Example: [{"id": "3b1f0c1e-2", "from": "dc1-gps", "to": "dc2-gps", "evidence": "dc1-gps does not answer"}]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5), extend("x-kubernetes-list-type" = "atomic"))]
    pub switches: Vec<Switch>,
    /// The agents that this one asks, by node; an offset is of the last answer before this was written.
    /// Example: [{"node": "n2", "answers": true, "ever": true, "offsetNanoseconds": 1200, "uncertaintyNanoseconds": 410000}]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "atomic"))]
    pub peers: Vec<PeerStatus>,
    /// Why the agent does not answer its peers although the plan says so: NoKeys (the Secret is not there; it does not ask
    /// either), NoPort (its UDP port is taken). Absent = nothing is wrong. Example: "NoKeys"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "word")]
    pub peers_trouble: Option<PeersWord>,
    /// When the agent looked, by the node's own clock: for people only. Example: "2026-11-21T23:25:00Z"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time")]
    pub observed_at: Option<Time>,
    /// The answer to desired Retired. Example: {"restored": true, "message": "nothing had been changed"}
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired: Option<Retired>,
    /// The answer to the last request. Example: {"id": "2026-11-21-1", "state": "Done", "message": "acknowledged"}
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestAnswer>,
}

/// The agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentInfo {
    /// Its version, at most 64 characters. Example: "0.1.0"
    #[schemars(length(max = 64))]
    pub version: String,
}

/// The chronyd that the agent runs; what it can do follows from its version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChronyInfo {
    /// Its version, at most 32 characters. Example: "4.6.1"
    #[schemars(length(max = 32))]
    pub version: String,
}

/// What chronyd runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppliedPlan {
    /// Hash of the plan that chronyd runs; absent = none. Example: "9f86d081884c7d65"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub hash: Option<String>,
    /// Hash of what the agent itself decided besides (failover); absent = nothing. Example: "e3b0c44298fc1c14"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub overlay_hash: Option<String>,
    /// uid of the NodeTime that the plan came from. Example: "1f2e3d4c-5b6a-7988-9706-f5e4d3c2b1a0"
    #[serde(default, rename = "objectUID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub object_uid: Option<String>,
    /// generation of the NodeTime that the plan came from. Example: 2
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub generation: Option<i64>,
    /// What became of the newest plan: Applied, Pending (under way), Reverted (time was worse after it), Refused (not
    /// even tried). In the last three, hash tells what runs instead. Example: "Applied"
    #[schemars(schema_with = "word")]
    pub state: AppliedState,
    /// Why, at most 512 characters. Example: "confirmed: time is not worse than before"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub message: Option<String>,
}

/// Whether chronyd moves the host's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClockInfo {
    /// Virtual (chronyd -x measures only) or Real (chronyd moves the host's clock). Example: "Virtual"
    #[schemars(schema_with = "word")]
    pub profile: Profile,
    /// Why that profile: Observe, Managed, ClockControlOff, CompetingDaemon. Example: "Observe"
    #[schemars(length(max = 64))]
    pub reason: String,
    /// What a person should know of it, at most 256 characters. Example: "chronyd (pid 812) disciplines this host"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub message: Option<String>,
}

/// One source as this node's chronyd sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssociationStatus {
    /// TimeSource name, at most 63 characters; absent = chronyd has it, the plan has not. Example: "dc1-gps"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub source: Option<String>,
    /// Its address in chronyd; absent = its name is not resolved. Example: "10.1.0.5"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub address: Option<String>,
    /// Its part: Driver, Voter, Witness. Example: "Driver"
    #[schemars(schema_with = "word")]
    pub role: ToldRole,
    /// chronyd's word on it, at most 32 characters. Example: "Selected"
    #[schemars(length(max = 32))]
    pub state: String,
    /// The same as chronyc prints it, one character. Example: "*"
    #[schemars(length(max = 4))]
    pub letter: String,
    /// Whether it counts as a usable voter. Example: true
    pub usable: bool,
    /// Whether chronyd or the agreeing group says that it lies. Example: false
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rejected: bool,
    /// Polls in a row without a valid reply, 0 to 2147483647. Omitted = 0. Example: 0
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(range(min = 0))]
    pub unanswered: i32,
    /// Whether it answers: Answering, Losing (1 or 2 polls unanswered), Silent (3 or more), NeverAnswered, Unresolved
    /// (its name has no address). Omitted = Answering. Example: "Silent"
    #[serde(default, skip_serializing_if = "is_answering")]
    #[schemars(schema_with = "word")]
    pub reachability: Reachability,
    /// Why it cannot be used: TimedOut, Refused (nobody listens there), Unreachable (no way there), Kissed (it asks not to be
    /// asked), Unresolved, NotAuthentic, Unsynchronised, Stale (its upstream is silent). Omitted = nothing known against it.
    /// Example: "TimedOut"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "word")]
    pub trouble: Option<TroubleWord>,
    /// The clock against it in nanoseconds; above 0 = the clock is ahead; absent = too few samples. Example: 12000
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset_nanoseconds: Option<i64>,
    /// Half-width of that in nanoseconds. Example: 380000
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub uncertainty_nanoseconds: Option<i64>,
    /// Round trip to it in nanoseconds. Example: 250000
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_nanoseconds: Option<i64>,
    /// The reference id that it serves, hexadecimal. Example: "47505300"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8), regex(pattern = "^[0-9A-F]{8}$"))]
    pub refid: Option<String>,
    /// Its stratum, 0 to 255. Example: 1
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 255))]
    pub stratum: Option<i32>,
    /// Time between two polls of it now, log2 seconds, -7 to 24. Example: 6
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -7, max = 24))]
    pub poll: Option<i32>,
    /// Age of its last sample when this was written, in nanoseconds. Example: 12000000000
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub sample_age_nanoseconds: Option<i64>,
    /// How failover sees it: Healthy, Suspect, Failed (chronyd does without it), Recovering. Omitted = Healthy.
    /// Example: "Failed"
    #[serde(default, skip_serializing_if = "is_healthy")]
    #[schemars(schema_with = "word")]
    pub health: HealthWord,
    /// Its score, 0 to 100: ranks, never takes out. Omitted = 100. Example: 70
    #[serde(default = "full", skip_serializing_if = "is_full")]
    #[schemars(range(min = 0, max = 100))]
    pub score: i32,
    /// The worst grade of its response, offset, jitter and loss: Good, Fair, Poor. Omitted = Good. Example: "Fair"
    #[serde(default, skip_serializing_if = "is_good")]
    #[schemars(schema_with = "word")]
    pub grade: Graded,
}

/// A score with nothing against it.
pub const FULL_SCORE: i32 = 100;

/// The answer to `desired: Retired`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retired {
    /// Whether the host is as it was. Example: true
    pub restored: bool,
    /// What was done, at most 512 characters. Example: "chronyd stopped; nothing on the host had been changed"
    #[schemars(length(max = 512))]
    pub message: String,
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestAnswer {
    /// The request's verb, at most 32 characters. Example: "acknowledge"
    #[schemars(length(max = 32))]
    pub verb: String,
    /// The request's id, at most 63 characters. Example: "2026-11-21-1"
    #[schemars(length(max = 63))]
    pub id: String,
    /// Done or Refused. Example: "Done"
    #[schemars(schema_with = "word")]
    pub state: AnswerState,
    /// What was done or why not, at most 512 characters. Example: "BoundContradicted acknowledged; new baseline"
    #[schemars(length(max = 512))]
    pub message: String,
}

// What is usual is left out, see `plan`.

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(count: &i32) -> bool {
    *count == 0
}
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_answering(reachability: &Reachability) -> bool {
    *reachability == Reachability::Answering
}
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_healthy(health: &HealthWord) -> bool {
    *health == HealthWord::Healthy
}
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_good(grade: &Graded) -> bool {
    *grade == Graded::Good
}
fn full() -> i32 {
    FULL_SCORE
}
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_full(score: &i32) -> bool {
    *score == FULL_SCORE
}
