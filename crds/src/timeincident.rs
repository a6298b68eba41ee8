//! TimeIncident: one trouble with time, from the first evidence to the all-clear. The spec is people's, the status is the
//! operator's; neither ever writes the other's part. A record, not a wish: deleting one changes nothing but the log.

use crate::common::{Time, time, word};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What people add to an incident. Never written by the operator.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "meantime.dev",
    version = "v1alpha1",
    kind = "TimeIncident",
    plural = "timeincidents",
    shortname = "tinc",
    category = "meantime",
    status = "TimeIncidentStatus",
    derive = "PartialEq",
    selectable = ".status.state",
    selectable = ".status.severity",
    doc = "TimeIncident records one trouble with time from the first evidence to the all-clear: status by the operator, spec (notes, root cause, acknowledgement) by people. Opened and deleted by the operator.",
    printcolumn(name = "Severity", type_ = "string", json_path = ".status.severity"),
    printcolumn(name = "Finding", type_ = "string", json_path = ".status.finding"),
    printcolumn(name = "Subject", type_ = "string", json_path = ".status.about"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Nodes", type_ = "string", json_path = ".status.scope.summary"),
    printcolumn(name = "Detected", type_ = "date", json_path = ".status.detectedAt"),
    printcolumn(name = "Recovered-In", type_ = "string", json_path = ".status.timeToRecover"),
    printcolumn(name = "Summary", type_ = "string", json_path = ".status.summary"),
    printcolumn(name = "Taken-By", type_ = "string", json_path = ".spec.acknowledged.by", priority = 1),
    printcolumn(name = "Part-Of", type_ = "string", json_path = ".status.partOf", priority = 1)
)]
#[serde(rename_all = "camelCase")]
pub struct TimeIncidentSpec {
    /// What people know of it, at most 4096 characters. Example: "UPS of rack 4 was replaced at 15:20"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub notes: Option<String>,
    /// What it was in the end, by a person, at most 512 characters. Example: "GPS antenna cable cut during roof work"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub root_cause: Option<String>,
    /// Who has taken it; goes into the timeline and ends the time to respond. Example: {"by": "jo"}
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Acknowledged>,
}

/// A person's acknowledgement.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Acknowledged {
    /// Who, 1 to 128 characters. Example: "jo"
    #[schemars(length(min = 1, max = 128))]
    pub by: String,
}

/// The incident. Written by the operator only, all of it each time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct TimeIncidentStatus {
    /// metadata.generation of the spec that this status tells of. Example: 2
    #[schemars(range(min = 0))]
    pub observed_generation: i64,
    /// Open (its cause stands, or that can't be told), Recovered (gone, and watched for 30 min), Closed. Example: "Open"
    #[schemars(schema_with = "word")]
    pub state: String,
    /// P1 (get up) to P5 (look when there is time), at its worst. Example: "P3"
    #[schemars(schema_with = "word")]
    pub severity: String,
    /// Finding (all nodes together prove it) or Breach (nodes out of tolerance, no finding says why). Example: "Finding"
    #[schemars(schema_with = "word")]
    pub origin: String,
    /// The most exact word so far: a finding, a node condition's reason, or FleetOutOfTolerance. Example: "SourceDead"
    #[schemars(schema_with = "word")]
    pub finding: String,
    /// Whose trouble it is. Example: {"kind": "TimeSource", "name": "dc1-gps"}
    pub subject: IncidentSubject,
    /// The subject in one text, at most 400 characters. Example: "TimeSource/dc1-gps"
    #[schemars(length(max = 400))]
    pub about: String,
    /// One line for a person, at most 120 characters.
    /// Example: "TimeSource/dc1-gps SourceDead: 4 of 12 nodes, all clocks in tolerance"
    #[schemars(length(max = 120))]
    pub summary: String,
    /// The incident that this one turned out to be part of; absent = none. Example: "20261122-1530-zonecut-3fa2b1"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub part_of: Option<String>,
    /// How far it reached at its worst. Example: {"nodes": 4, "of": 12, "zones": 1, "outOfTolerance": 0, "summary": "4/12"}
    pub scope: IncidentScope,
    /// Why, in lines, as it was found; at most 12. Example: ["silent to 4 of 4 nodes over 2 ways out"]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 12), inner(length(max = 256)), extend("x-kubernetes-list-type" = "atomic"))]
    pub evidence: Vec<String>,
    /// Nodes out of tolerance through it, as they were when they joined; at most 20.
    /// Example: [{"node": "n2", "reason": "OffsetExceeded", "offsetNanoseconds": -91000000}]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), extend("x-kubernetes-list-type" = "atomic"))]
    pub breaches: Vec<IncidentBreach>,
    /// What happened, in order; at most 24, the first one always among them.
    /// Example: [{"what": "Detected", "at": "2026-11-21T23:25:00Z", "after": "10s", "text": "10s after the first evidence"}]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 24), extend("x-kubernetes-list-type" = "atomic"))]
    pub timeline: Vec<IncidentEntry>,
    /// Switches of agents on its nodes since the first evidence; the first 16.
    /// Example: [{"node": "n2", "id": "3b1f0c1e-2", "after": "4.2s", "text": "follows dc2-gps instead of dc1-gps"}]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub actions: Vec<IncidentAction>,
    /// When it was opened, by the operator's wall clock: for people only. Example: "2026-11-21T23:25:00Z"
    #[schemars(schema_with = "time")]
    pub detected_at: Time,
    /// When its cause was gone (last), likewise; absent = it stands. Example: "2026-11-21T23:45:00Z"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time")]
    pub recovered_at: Option<Time>,
    /// When the all-clear was given (last), likewise; absent = not yet. Example: "2026-11-22T00:15:00Z"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time")]
    pub closed_at: Option<Time>,
    /// From the first evidence that reached an operator to the opening, for a person. Example: "10s"
    #[schemars(length(max = 32))]
    pub time_to_detect: String,
    /// The same in nanoseconds. Example: 10000000000
    #[schemars(range(min = 0))]
    pub time_to_detect_nanoseconds: i64,
    /// From the first evidence to the first action (an agent's switch, or an acknowledgement); absent = none. Example: "4.2s"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub time_to_respond: Option<String>,
    /// The same in nanoseconds. Example: 4200000000
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub time_to_respond_nanoseconds: Option<i64>,
    /// From the first evidence to the (last) recovery; ">=" before it = another operator took over meanwhile, and it was at
    /// least that; absent = it stands. Example: "4m12s"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub time_to_recover: Option<String>,
    /// The same in nanoseconds. Example: 252000000000
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub time_to_recover_nanoseconds: Option<i64>,
    /// How often it came back within 30 min of its recovery or of the all-clear. Omitted = 0. Example: 1
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(range(min = 0))]
    pub relapses: i32,
    /// Time since the first evidence as counted when this was written, in nanoseconds: where the next operator goes on.
    /// Example: 10000000000
    #[schemars(range(min = 0))]
    pub counted_nanoseconds: i64,
    /// Another operator went on with it while it was open: the spans are the least that they were. Omitted = false.
    /// Example: true
    #[serde(default, skip_serializing_if = "is_false")]
    pub interrupted: bool,
}

/// Whose trouble an incident is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IncidentSubject {
    /// TimeSource, Node, Zone, Egress or Cluster. Example: "TimeSource"
    #[schemars(schema_with = "word")]
    pub kind: String,
    /// Its name, at most 253 characters; absent = the cluster. Example: "dc1-gps"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub name: Option<String>,
    /// The egress from which a TimeSource is seen so; absent = from everywhere. Example: "dc2"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub from: Option<String>,
}

/// How far an incident reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IncidentScope {
    /// Nodes that were concerned at its worst, 0 to 100000. Example: 4
    #[schemars(range(min = 0, max = 100_000))]
    pub nodes: i32,
    /// Nodes that were looked after, 0 to 100000. Example: 12
    #[schemars(range(min = 0, max = 100_000))]
    pub of: i32,
    /// Zones of those nodes, 0 to 100000. Example: 1
    #[schemars(range(min = 0, max = 100_000))]
    pub zones: i32,
    /// Of the nodes, those whose own clock was out of tolerance, 0 to 100000. Example: 0
    #[schemars(range(min = 0, max = 100_000))]
    pub out_of_tolerance: i32,
    /// Nodes of all, for the column, at most 32 characters. Example: "4/12"
    #[schemars(length(max = 32))]
    pub summary: String,
    /// The first of the nodes, at most 20. Example: ["n1", "n2"]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(max = 253)), extend("x-kubernetes-list-type" = "atomic"))]
    pub names: Vec<String>,
}

/// One node out of tolerance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IncidentBreach {
    /// The Node, at most 253 characters. Example: "n2"
    #[schemars(length(max = 253))]
    pub node: String,
    /// Its TimeSynchronized reason when it joined. Example: "OffsetExceeded"
    #[schemars(schema_with = "word")]
    pub reason: String,
    /// Its clock's error then, in nanoseconds; above 0 = ahead; absent = not known. Example: -91000000
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset_nanoseconds: Option<i64>,
    /// Its guaranteed error bound then, in nanoseconds; absent = not known. Example: 410000
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub error_bound_nanoseconds: Option<i64>,
    /// What is tolerated of the one that is exceeded, in nanoseconds; absent = not known. Example: 50000000
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub limit_nanoseconds: Option<i64>,
}

/// One line of the timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IncidentEntry {
    /// Detected, Refined (a more exact word), FirstAction, Acknowledged, Absorbed (another incident is part of this one),
    /// Recovered, Relapsed, Closed, Joined (this one is part of another). Example: "Detected"
    #[schemars(schema_with = "word")]
    pub what: String,
    /// When, by the operator's wall clock: for people only. Example: "2026-11-21T23:25:00Z"
    #[schemars(schema_with = "time")]
    pub at: Time,
    /// How long after the first evidence, for a person. Example: "4m12s"
    #[schemars(length(max = 32))]
    pub after: String,
    /// The same in nanoseconds, counted on the operator's CLOCK_BOOTTIME. Example: 252000000000
    #[schemars(range(min = 0))]
    pub after_nanoseconds: i64,
    /// One line, at most 256 characters. Example: "SourceDead instead of SourceUnusable"
    #[schemars(length(max = 256))]
    pub text: String,
}

/// Something that was done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IncidentAction {
    /// The Node, at most 253 characters. Example: "n2"
    #[schemars(length(max = 253))]
    pub node: String,
    /// The agent's own id of its switch, at most 256 characters. Example: "3b1f0c1e-2"
    #[schemars(length(max = 256))]
    pub id: String,
    /// How long after the first evidence, for a person. Example: "4.2s"
    #[schemars(length(max = 32))]
    pub after: String,
    /// The same in nanoseconds; 0 = the agent was faster than its report. Example: 4200000000
    #[schemars(range(min = 0))]
    pub after_nanoseconds: i64,
    /// One line, at most 256 characters. Example: "follows dc2-gps instead of dc1-gps"
    #[schemars(length(max = 256))]
    pub text: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(count: &i32) -> bool {
    *count == 0
}
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(flag: &bool) -> bool {
    !*flag
}
