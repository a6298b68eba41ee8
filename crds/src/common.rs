//! Pieces that more than one kind uses: label selectors, conditions, times, small enums, and their schemas.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// A label selector with bounds, otherwise as in Kubernetes: empty matches everything. Atomic, as Kubernetes' own: else
/// server-side apply of `{}` over labels leaves null behind, which is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct LabelSelector {
    /// Labels that must all be there with exactly these values. At most 16. Example: {"site": "dc1"}
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "label_map")]
    pub match_labels: BTreeMap<String, String>,
    /// Requirements that must all hold. At most 16.
    /// Example: [{"key": "site", "operator": "In", "values": ["dc1", "dc2"]}]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub match_expressions: Vec<LabelRequirement>,
}

/// One requirement on one label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = crate::rules::requirement()))]
pub struct LabelRequirement {
    /// The label's key, 1 to 317 characters. Example: "topology.kubernetes.io/zone"
    #[schemars(
        length(min = 1, max = 317),
        regex(pattern = r"^([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")
    )]
    pub key: String,
    /// How it is compared: In, NotIn (with values), Exists, DoesNotExist (without). Example: "In"
    pub operator: LabelOperator,
    /// Values for In and NotIn, at most 32 of at most 63 characters; none for Exists and DoesNotExist.
    /// Example: ["dc1", "dc2"]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(max = 63), regex(pattern = LABEL_VALUE)), extend("x-kubernetes-list-type" = "atomic"))]
    pub values: Vec<String>,
}

/// Kubernetes' four set operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LabelOperator {
    /// The label's value is one of the values.
    In,
    /// The label is absent or its value is none of the values.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is not there.
    DoesNotExist,
}

/// What may be done to the nodes of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Mode {
    /// Measure only; the host is untouched.
    Observe,
    /// Discipline the host's clock.
    Managed,
}

/// Whether agents ask each other. Not On and Off: YAML 1.1 reads those as booleans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Peers {
    /// They ask and answer.
    Enabled,
    /// They do neither.
    Disabled,
}

/// How near a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Scope {
    /// On this node's network.
    Local,
    /// In this organisation's sites.
    Site,
    /// Somebody else's server.
    Public,
}

/// Named sets of tolerances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// Web front ends.
    Web,
    /// A floor for anything that writes logs.
    Baseline,
    /// Log pipelines.
    Logging,
    /// Kubernetes itself.
    Kubernetes,
    /// Classic databases.
    Database,
    /// CockroachDB, YugabyteDB and kin.
    Newsql,
    /// Ceph monitors.
    Ceph,
    /// YDB.
    Ydb,
    /// FINRA rule 4590.
    Finra,
    /// Trading in general.
    Finance,
    /// MiFID II RTS 25.
    Mifid2,
}

/// A label value, as Kubernetes checks it.
const LABEL_VALUE: &str = r"^([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?$";

fn label_map(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 16,
        "additionalProperties": {"type": "string", "maxLength": 63, "pattern": LABEL_VALUE},
    })
}

/// `metav1.Condition` with the bounds that Kubernetes itself documents, merged by type.
pub(crate) fn conditions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 16,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["type", "status", "lastTransitionTime", "reason", "message"],
            "properties": {
                "type": {
                    "type": "string", "minLength": 1, "maxLength": 64,
                    "description": "What is told, one word. Example: \"Ready\"",
                },
                "status": {
                    "type": "string", "enum": ["True", "False", "Unknown"],
                    "description": "True, False or Unknown; Unknown is never healthy. Example: \"True\"",
                },
                "observedGeneration": {
                    "type": "integer", "format": "int64", "minimum": 0,
                    "description": "metadata.generation that this was told of. Example: 3",
                },
                "lastTransitionTime": {
                    "type": "string", "format": "date-time",
                    "description": "When status last changed, RFC 3339. Example: \"2026-11-21T23:25:00Z\"",
                },
                "reason": {
                    "type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[A-Za-z][A-Za-z0-9]*$",
                    "description": "One word to search for. Example: \"InTolerance\"",
                },
                "message": {
                    "type": "string", "maxLength": 512,
                    "description": "One line for a person, at most 512 characters. Example: \"12 of 12 nodes have it\"",
                },
            },
        },
    })
}

/// A moment for people (`SEEN`, `AGE`); never compared between machines.
pub(crate) fn time(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "format": "date-time"})
}

/// One word of a status whose vocabulary may grow: bounded, and no list (see `nodetime::words`).
pub(crate) fn word(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[A-Za-z][A-Za-z0-9]*$"})
}
