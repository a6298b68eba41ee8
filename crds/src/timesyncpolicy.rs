//! TimeSyncPolicy: how right the clocks of which nodes must be, and by which sources.

use crate::common::{Condition, LabelSelector, Mode, Peers, Preset, Time, conditions, time};
use crate::failover::PolicyFailover;
use crate::maintenance::PolicyMaintenance;
use crate::rules;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How right the clocks of the selected nodes must be, and which sources they use.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "meantime.dev",
    version = "v1alpha1",
    kind = "TimeSyncPolicy",
    plural = "timesyncpolicies",
    shortname = "tsp",
    category = "meantime",
    status = "TimeSyncPolicyStatus",
    derive = "PartialEq",
    doc = "TimeSyncPolicy declares how right the clocks of the selected nodes must be, and which sources they use.",
    selectable = ".spec.mode",
    printcolumn(name = "Mode", type_ = "string", json_path = ".status.effective.mode"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Compliant",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Compliant\")].status"
    ),
    printcolumn(name = "Nodes", type_ = "string", json_path = ".status.summary"),
    printcolumn(name = "MaxOffset", type_ = "string", json_path = ".status.effective.maxOffset"),
    printcolumn(
        name = "MaxBound",
        type_ = "string",
        json_path = ".status.effective.maxErrorBound",
        priority = 1
    ),
    printcolumn(name = "Worst", type_ = "string", json_path = ".status.worst.node"),
    printcolumn(name = "Headroom", type_ = "string", json_path = ".status.worst.headroom"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct TimeSyncPolicySpec {
    /// Which nodes. Omitted = none; {} = all. Example: {"matchLabels": {"workload": "database"}}
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_selector: Option<LabelSelector>,
    /// Which policy wins a node that several select: the highest, -1000 to 1000; at equal priority the oldest.
    /// Omitted = 0. Example: 100
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1000, max = 1000))]
    pub priority: Option<i32>,
    /// Which sources the nodes use. Example: {"selector": {}}
    pub sources: SourceSelection,
    /// What may be done: Observe (measure only, the host is untouched) or Managed (discipline the host's clock, where
    /// the installation allows it). Omitted = Observe. Example: "Managed"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Mode")]
    pub mode: Option<Mode>,
    /// How right the clocks must be. Omitted = the kubernetes preset. Example: {"preset": "newsql", "maxOffset": "80ms"}
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerances: Option<PolicyTolerances>,
    /// When to leave a source and when to come back to it. Omitted = after 3 unanswered polls, back after proof.
    /// Example: {"failAfter": 3, "failback": {"every": "300s"}}
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failover: Option<PolicyFailover>,
    /// When alerts about its nodes are to be marked suppressed; state stays truthful. Omitted = never.
    /// Example: {"windows": [{"name": "sunday", "schedule": "30 2 * * 0", "duration": "4h"}]}
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance: Option<PolicyMaintenance>,
    /// Whether the agents of these nodes ask each other for the time, to compare and never to steer: Enabled, or Disabled (they
    /// neither ask nor answer, and no other node asks them). Omitted = Enabled. Example: "Disabled"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Peers")]
    pub peers: Option<Peers>,
}

/// Which sources the nodes of a policy use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceSelection {
    /// TimeSources by their labels; {} = all. Example: {"matchLabels": {"site": "dc1"}}
    pub selector: LabelSelector,
}

/// How right a clock must be: a preset and what is different from it. Atomic, see [`LabelSelector`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::tolerances(), "x-kubernetes-map-type" = "atomic"))]
pub struct PolicyTolerances {
    /// Where the figures start from: web, baseline, logging, kubernetes, database, newsql, ceph, ydb, finra, finance,
    /// mifid2. Omitted = kubernetes (20/50 ms offset, 250/500 ms bound, 2 sources). Example: "newsql"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Preset")]
    pub preset: Option<Preset>,
    /// Largest error of the clock, above 0, as a duration (units ns us ms s m h). Omitted = the preset's.
    /// Example: "80ms"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 64), extend("x-kubernetes-validations" = rules::tolerance()))]
    pub max_offset: Option<String>,
    /// From which error on it warns, above 0, at most maxOffset, as a duration. Omitted = scaled with maxOffset.
    /// Example: "40ms"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 64), extend("x-kubernetes-validations" = rules::tolerance()))]
    pub warn_offset: Option<String>,
    /// Largest guaranteed error bound, above 0, as a duration. Omitted = the preset's. Example: "175ms"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 64), extend("x-kubernetes-validations" = rules::tolerance()))]
    pub max_error_bound: Option<String>,
    /// From which bound on it warns, above 0, at most maxErrorBound, as a duration. Omitted = scaled with
    /// maxErrorBound. Example: "125ms"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 64), extend("x-kubernetes-validations" = rules::tolerance()))]
    pub warn_error_bound: Option<String>,
    /// Fewest usable voters, 1 to 12. Omitted = the preset's. Example: 3
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 12))]
    pub min_sources: Option<i32>,
    /// Largest frequency error of the oscillator in parts per billion (1 ppm = 1000), 1 to 1000000; above it warns.
    /// Omitted = not judged. Example: 100000
    #[serde(default, rename = "maxFrequencyErrorPPB", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_frequency_error_ppb: Option<i64>,
    /// After how many update intervals without an update it warns, 2 to 1000. Omitted = not judged. Example: 8
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 1000))]
    pub max_update_intervals: Option<i32>,
    /// How long a breach must last before it is told, 0s to 1h, as a duration. Omitted = 30s. Example: "30s"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 64), extend("x-kubernetes-validations" = rules::hold()))]
    pub breach_hold: Option<String>,
    /// How long a breach must be gone before that is told, 0s to 1h, as a duration. Omitted = 60s. Example: "1m"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 64), extend("x-kubernetes-validations" = rules::hold()))]
    pub clear_hold: Option<String>,
    /// Largest difference between two nodes' clocks that may be proven, above 0, as a duration. Omitted = the preset's:
    /// ceph 40ms, newsql 250ms, not judged by the others. Example: "40ms"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 64), extend("x-kubernetes-validations" = rules::tolerance()))]
    pub max_spread: Option<String>,
}

/// What became of the policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimeSyncPolicyStatus {
    /// metadata.generation of the spec that this status tells of. Example: 2
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// Ready (rendered and applied), Compliant (every clock inside tolerance), Stalled (needs a person), Conflicted
    /// (another policy took some nodes), Feasible (the paths allow the tolerances), Maintenance (a window is open).
    /// Example: [{"type": "Ready", "status": "True", "reason": "Applied", "message": "applied on 4 of 4 nodes"}]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,
    /// The figures in force after preset and overrides. Example: {"maxOffset": "80ms", "minSources": 2}
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective: Option<EffectivePolicy>,
    /// Node counts. Example: {"selected": 4, "planned": 4, "applied": 4, "compliant": 3}
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nodes: Option<NodeCounts>,
    /// Compliant of selected nodes for the column, at most 32 characters. Example: "198/200"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub summary: Option<String>,
    /// The node with the least tolerance left.
    /// Example: {"node": "n2", "headroom": "-11ms", "headroomNanoseconds": -11000000}
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst: Option<WorstNode>,
    /// How far apart two of its clocks are.
    /// Example: {"proven": "12ms", "provenNanoseconds": 12000000, "between": ["n2", "n5"], "through": "dc1-gps"}
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread: Option<SpreadStatus>,
    /// When the open maintenance window ends. Example: "2026-12-06T05:30:00Z"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "time")]
    pub suppressed_until: Option<Time>,
}

/// The figures in force, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EffectivePolicy {
    /// What may be done: Observe or Managed. Example: "Observe"
    #[schemars(length(max = 16))]
    pub mode: String,
    /// Whether its nodes' agents ask each other: Enabled or Disabled. Example: "Enabled"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub peers: Option<String>,
    /// The preset that they started from. Example: "newsql"
    #[schemars(length(max = 16))]
    pub preset: String,
    /// Largest error of the clock, at most 32 characters. Example: "80ms"
    #[schemars(length(max = 32))]
    pub max_offset: String,
    /// From which error on it warns. Example: "26.6ms"
    #[schemars(length(max = 32))]
    pub warn_offset: String,
    /// Largest guaranteed error bound. Example: "175ms"
    #[schemars(length(max = 32))]
    pub max_error_bound: String,
    /// From which bound on it warns. Example: "125ms"
    #[schemars(length(max = 32))]
    pub warn_error_bound: String,
    /// Fewest usable voters, 1 to 12. Example: 2
    #[schemars(range(min = 1, max = 12))]
    pub min_sources: i32,
    /// Largest frequency error; omitted = not judged. Example: "100.000ppm"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub max_frequency_error: Option<String>,
    /// Update intervals without an update before it warns; omitted = not judged. Example: 8
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 1000))]
    pub max_update_intervals: Option<i32>,
    /// How long a breach must last before it is told. Example: "30s"
    #[schemars(length(max = 32))]
    pub breach_hold: String,
    /// How long a breach must be gone before that is told. Example: "60s"
    #[schemars(length(max = 32))]
    pub clear_hold: String,
    /// Largest difference between two clocks that may be proven; omitted = not judged. Example: "40ms"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub max_spread: Option<String>,
}

/// How many nodes are how far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeCounts {
    /// Nodes that this policy selects and wins, 0 to 100000. Example: 4
    #[schemars(range(min = 0, max = 100_000))]
    pub selected: i32,
    /// Of those, nodes whose NodeTime carries the plan, 0 to 100000. Example: 4
    #[schemars(range(min = 0, max = 100_000))]
    pub planned: i32,
    /// Of those, nodes whose agent applied it, 0 to 100000. Example: 4
    #[schemars(range(min = 0, max = 100_000))]
    pub applied: i32,
    /// Of those, nodes with TimeSynchronized True, 0 to 100000. Example: 3
    #[schemars(range(min = 0, max = 100_000))]
    pub compliant: i32,
}

/// The node with the least tolerance left.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorstNode {
    /// Node name, at most 253 characters. Example: "n2"
    #[schemars(length(max = 253))]
    pub node: String,
    /// Tolerance left for a person; negative = breach. Example: "-11ms"
    #[schemars(length(max = 32))]
    pub headroom: String,
    /// Tolerance left in nanoseconds; negative = breach. Example: -11000000
    pub headroom_nanoseconds: i64,
}

/// How far apart two clocks of a policy are, by what nodes measured of the same sources. Figures move in steps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SpreadStatus {
    /// Two of them are proven to differ by this, for a person. Example: "12ms"
    #[schemars(length(max = 32))]
    pub proven: String,
    /// … in nanoseconds, rounded down; 0 = no two are proven to differ. Example: 12000000
    #[schemars(range(min = 0))]
    pub proven_nanoseconds: i64,
    /// No two differ by more, for a person; omitted = not known. Example: "21ms"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub possible: Option<String>,
    /// … in nanoseconds, rounded up. Example: 21000000
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub possible_nanoseconds: Option<i64>,
    /// The node that is ahead and the one that is behind; empty = no two are proven to differ. Example: ["n2", "n5"]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2), inner(length(max = 253)), extend("x-kubernetes-list-type" = "atomic"))]
    pub between: Vec<String>,
    /// The TimeSource that both measured, at most 63 characters. Example: "dc1-gps"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub through: Option<String>,
}
