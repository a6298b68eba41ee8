//! When alerts about a policy's nodes are to be marked suppressed, and what of them is known.

use crate::common::{Time, time};
use crate::rules;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Planned work and known faults. State stays as it is; alerts about it are marked suppressed. Atomic, see
/// [`crate::common::LabelSelector`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct PolicyMaintenance {
    /// When work is planned, at most 8 windows. While one is open the policy's condition Maintenance is True.
    /// Example: [{"name": "sunday", "schedule": "30 2 * * 0", "duration": "4h", "timeZone": "Europe/Berlin"}]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub windows: Vec<Window>,
    /// Faults that are known and looked after, at most 16, each until a moment.
    /// Example: [{"finding": "SourceDead", "subject": "gps-a", "until": "2026-12-01T00:00:00Z", "reason": "antenna"}]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["finding", "subject"])
    )]
    pub acknowledged: Vec<Acknowledgement>,
}

/// A window that comes again and again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// What it is called, 1 to 63 characters of a-z 0-9 -. Example: "sunday"
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub name: String,
    /// When it opens: the five fields of cron (minute hour day month weekday; numbers, * , - /), 9 to 128 characters.
    /// A time that the zone skips in spring opens it as much later as the clocks are put forward (02:30 at 03:30); one that
    /// comes twice in autumn opens it at the first of them. Example: "30 2 * * 0"
    #[schemars(length(min = 9, max = 128), regex(pattern = r"^([0-9*/,-]+ +){4}[0-9*/,-]+$"))]
    pub schedule: String,
    /// How long it stays open, above 0s, at most 168h, as a duration of real time. Example: "4h"
    #[schemars(length(min = 2, max = 64), extend("x-kubernetes-validations" = rules::wait()))]
    pub duration: String,
    /// The schedule's time zone by its IANA name, at most 64 characters. Omitted = UTC. Example: "Europe/Berlin"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9+_-]+(/[A-Za-z0-9+_-]+){0,2}$"))]
    pub time_zone: Option<String>,
}

/// A fault that somebody knows of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Acknowledgement {
    /// The finding's or reason's word, 1 to 64 characters. Example: "SourceDead"
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z][A-Za-z0-9]*$"))]
    pub finding: String,
    /// Of what: the name of a source, node, zone or way out, 1 to 253 characters. Example: "gps-a"
    #[schemars(length(min = 1, max = 253))]
    pub subject: String,
    /// Until when, RFC 3339; then it counts as unknown again. Example: "2026-12-01T00:00:00Z"
    #[schemars(schema_with = "time")]
    pub until: Time,
    /// Why, for the next person, 1 to 256 characters. Example: "antenna ordered, ticket 4711"
    #[schemars(length(min = 1, max = 256))]
    pub reason: String,
}
