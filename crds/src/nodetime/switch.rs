//! What an agent tells of its switches between sources, and of running on alone.

use super::words::Verified;
use crate::common::{Time, time, word};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One switch of the agent from one source to another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Switch {
    /// Which one: the beginning of the boot id and a count, at most 40 characters. Example: "3b1f0c1e-2"
    #[schemars(length(max = 40))]
    pub id: String,
    /// When the agent acted, by the node's own clock: for people only. Example: "2026-11-21T23:25:00Z"
    #[schemars(schema_with = "time")]
    pub at: Time,
    /// How long ago that was when this was written, in seconds, 0 to 2147483647. Example: 12
    #[schemars(range(min = 0))]
    pub age_seconds: i32,
    /// The TimeSource that was followed, at most 63 characters; absent = none. Example: "dc1-gps"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub from: Option<String>,
    /// The one that is followed now, at most 63 characters; absent = none yet. Example: "dc2-gps"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub to: Option<String>,
    /// Why, at most 160 characters. Example: "dc1-gps does not answer"
    #[schemars(length(max = 160))]
    pub evidence: String,
    /// From the first doubt to the first clock update by another source, in nanoseconds; absent = not yet.
    /// Example: 4200000000
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub duration_nanoseconds: Option<i64>,
    /// How it stood up: Waiting (no update yet), Checking, Passed (the first checks), Watching (and the later one), Held (to
    /// the end), Failed, Ended (not watched to the end). Example: "Watching"
    #[schemars(schema_with = "word")]
    pub verification: Verified,
    /// Why it failed, at most 96 characters. Example: "check 2: dc2-gps is rejected"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 96))]
    pub failure: Option<String>,
}

/// No source can be used: the clock runs on alone. Seconds as they were when this was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HoldoverStatus {
    /// For how long already, in seconds. Example: 90
    #[schemars(range(min = 0))]
    pub lasts_seconds: i64,
    /// Until a limit is reached, by what is known of this oscillator, in seconds; absent = not foreseeable.
    /// Example: 43000
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub expected_breach_seconds: Option<i64>,
    /// Until a limit is reached if the oscillator is as bad as the policy allows for, in seconds; absent = never.
    /// Example: 28000
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub guaranteed_breach_seconds: Option<i64>,
}
