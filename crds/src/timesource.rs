//! TimeSource: where time comes from, in tiers.

use crate::common::{Condition, Scope, conditions};
use crate::rules;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where time comes from: one NTP server or one pool, its tier and its manners.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "meantime.dev",
    version = "v1alpha1",
    kind = "TimeSource",
    plural = "timesources",
    shortname = "tsrc",
    category = "meantime",
    status = "TimeSourceStatus",
    derive = "PartialEq",
    doc = "TimeSource declares where time comes from: one NTP server or one pool, its tier and its manners.",
    selectable = ".spec.tier",
    printcolumn(name = "Tier", type_ = "integer", json_path = ".spec.tier"),
    printcolumn(name = "Address", type_ = "string", json_path = ".status.address"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(name = "Nodes", type_ = "integer", json_path = ".status.nodesUsing"),
    printcolumn(name = "Verdict", type_ = "string", json_path = ".status.summary"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::source()))]
pub struct TimeSourceSpec {
    /// Preference, 1 (preferred) to 9. The lowest tier that a node can use drives its clock; all tiers vote.
    /// Example: 1
    #[schemars(range(min = 1, max = 9))]
    pub tier: i32,
    /// One NTP server. Exactly one of server and pool. Example: {"address": "10.1.0.5"}
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<Server>,
    /// A DNS name that resolves to many servers. Exactly one of server and pool.
    /// Example: {"name": "2.debian.pool.ntp.org", "maxSources": 4}
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<Pool>,
    /// What it is for: Drive (may drive the clock; votes while its tier does not), Vote (never preferred), Witness
    /// (measured by two nodes of each way out, never steered by). Omitted = Drive. Example: "Witness"
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SourceUse")]
    pub usage: Option<SourceUse>,
    /// How near it is, which sets manners: Local, Site, Public (minPoll at least 6). Omitted = Local for private,
    /// loopback and link-local addresses, Public for other addresses and for every name. Example: "Site"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Scope")]
    pub scope: Option<Scope>,
    /// Where it stands; nodes of the same zone prefer it within its tier. Example: {"zone": "dc1"}
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// Provider or root label, 1 to 63 characters of A-Z a-z 0-9 . _ -: sources with the same one count as one when
    /// independence is asked for. Omitted = this source stands for itself. Example: "gps-dc1"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$"))]
    pub independence: Option<String>,
    /// The scale that it serves: "UTC", or the name of a leap smear, 1 to 63 characters. Two scales never mix on
    /// one node. Omitted = "UTC". Example: "google24h"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$"),
        extend("x-kubernetes-validations" = rules::timescale())
    )]
    pub timescale: Option<String>,
    /// Rank among sources that are as good otherwise, 0 to 100: a source's score is multiplied by it when one of several
    /// may come in again. Omitted = 100. Example: 50
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub weight: Option<i32>,
    /// Its power, by a signal from outside (a person, a UPS): Failing = it drives only when nobody else can, goes on
    /// voting, and is probed every 5 s. Omitted = Normal. Example: "Failing"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Power")]
    pub power: Option<Power>,
    /// Polls a minute that it gets from all nodes of one way out together (node label meantime.dev/egress, else the
    /// zone), 4 to 60000. When their polls come to more, minPoll is raised in their plans until it fits. Omitted = 7
    /// for Public scope, no limit for Site and Local. Example: 600
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 4, max = 60000))]
    pub packets_per_minute: Option<i32>,
}

/// One NTP server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::polls()))]
pub struct Server {
    /// IPv4 or IPv6 address or DNS name, 1 to 253 characters; no zone index. Example: "10.1.0.5"
    #[schemars(length(min = 1, max = 253), extend("x-kubernetes-validations" = rules::server_address()))]
    pub address: String,
    /// UDP port, 1 to 65535. Omitted = 123. Example: 123
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,
    /// Fastest poll interval as a power of two in seconds, -4 (1/16 s) to 17 (36 h); at least 6 for Public scope.
    /// Omitted = 6, or maxPoll if that is lower. Example: 4
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -4, max = 17))]
    pub min_poll: Option<i32>,
    /// Slowest poll interval as a power of two in seconds, -4 to 17, never below minPoll.
    /// Omitted = 10 (1024 s), or minPoll if that is higher. Example: 6
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -4, max = 17))]
    pub max_poll: Option<i32>,
    /// Four fast packets at the start, for a first sync within seconds. Omitted = true. Example: true
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iburst: Option<bool>,
}

/// A DNS name that resolves to many NTP servers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::polls()))]
pub struct Pool {
    /// DNS name, 1 to 253 characters. Example: "2.debian.pool.ntp.org"
    #[schemars(length(min = 1, max = 253), extend("x-kubernetes-validations" = rules::pool_name()))]
    pub name: String,
    /// UDP port, 1 to 65535. Omitted = 123. Example: 123
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,
    /// How many of its servers a node keeps, 1 to 12; all of them count towards the 12 associations of a node.
    /// Omitted = 4. Example: 4
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 12))]
    pub max_sources: Option<i32>,
    /// Fastest poll interval as a power of two in seconds, -4 (1/16 s) to 17 (36 h); at least 6 for Public scope.
    /// Omitted = 6, or maxPoll if that is lower. Example: 6
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -4, max = 17))]
    pub min_poll: Option<i32>,
    /// Slowest poll interval as a power of two in seconds, -4 to 17, never below minPoll.
    /// Omitted = 10 (1024 s), or minPoll if that is higher. Example: 10
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -4, max = 17))]
    pub max_poll: Option<i32>,
    /// Four fast packets at the start, for a first sync within seconds. Omitted = true. Example: true
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iburst: Option<bool>,
}

/// What a source is for on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SourceUse {
    /// May drive the clock when its tier drives; votes otherwise.
    Drive,
    /// Votes on who lies, never preferred.
    Vote,
    /// Measured, never steered by.
    Witness,
}

/// The power of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Power {
    /// As it should be.
    Normal,
    /// On battery, or announced to go.
    Failing,
}

/// Where a source stands. Atomic, see [`crate::common::LabelSelector`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct Location {
    /// Zone, compared with the node label topology.kubernetes.io/zone, 1 to 63 characters. Omitted = no zone.
    /// Example: "eu-central-1a"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$"))]
    pub zone: Option<String>,
}

/// What the operator sees of the source over all nodes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimeSourceStatus {
    /// metadata.generation of the spec that this status tells of. Example: 2
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,
    /// Ready (valid and in every plan that selects it), Stalled (invalid, needs a person), Healthy (no finding
    /// against it). Example: [{"type": "Ready", "status": "True", "reason": "Planned", "message": "in 4 plans"}]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions")]
    pub conditions: Vec<Condition>,
    /// Address or pool name with a port other than 123, for the column; at most 264 characters.
    /// Example: "10.1.0.5"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 264))]
    pub address: Option<String>,
    /// Nodes whose plan holds it, 0 to 100000. Example: 4
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub nodes_using: Option<i32>,
    /// Of those, nodes that get answers from it, 0 to 100000. Example: 4
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub nodes_reaching: Option<i32>,
    /// Of those, nodes where chronyd or the agreeing group says that it lies, 0 to 100000. Example: 0
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub nodes_rejecting: Option<i32>,
    /// The counts for a person, at most 64 characters. Example: "rejecting 4/4"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub summary: Option<String>,
}
