//! When a node leaves a source and when it comes back: as a policy declares it, and as a plan carries it (what is usual
//! left out, so that a NodeTime stays small).

use crate::rules;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When to leave a source, when to come back, how a source is scored. Atomic, see [`crate::common::LabelSelector`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::failover(), "x-kubernetes-map-type" = "atomic"))]
pub struct PolicyFailover {
    /// Unanswered polls after which a source is suspect and, where its scope allows, probed; 1 to 16. Omitted = 2.
    /// Example: 2
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 16))]
    pub suspect_after: Option<i32>,
    /// Unanswered polls after which a source has failed, 1 to 32, not below suspectAfter. Omitted = 3. Example: 3
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 32))]
    pub fail_after: Option<i32>,
    /// Probes of our own that must go unanswered besides (Local and Site scope), 0 to 8. Omitted = 2. Example: 2
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 8))]
    pub confirm_probes: Option<i32>,
    /// Longest wait before the drive moves to the next order of sources, so that a fleet does not move in one second; 0s
    /// to 1h, as a duration. Omitted = 5s. Example: "5s"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 64), extend("x-kubernetes-validations" = rules::hold()))]
    pub jitter: Option<String>,
    /// A source whose own clock was last corrected longer ago than this, by its own timestamps, has lost its upstream and
    /// is left; above 0s, at most 168h, as a duration. Omitted = 1h. Example: "1h"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 64), extend("x-kubernetes-validations" = rules::wait()))]
    pub max_reference_age: Option<String>,
    /// A source that fails again within this time has to prove itself twice as long each time; above 0s, at most 168h, as a
    /// duration. Omitted = 1h. Example: "1h"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 64), extend("x-kubernetes-validations" = rules::wait()))]
    pub flap_window: Option<String>,
    /// How a switch is checked afterwards. Omitted = 3 checks 1s apart, one after 30s, watched for 24h.
    /// Example: {"checks": 3, "spacing": "1s"}
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<PolicyVerify>,
    /// When the drive comes back to better sources. Omitted = tried every 300s, at most 10 times, with a score of 85 in 3
    /// checks 30s apart. Example: {"every": "300s", "minScore": 85}
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failback: Option<PolicyFailback>,
    /// What lowers a source's score of 100: each limit that it exceeds (response 20, offset 30, jitter 15, stratum 10). A
    /// score ranks; it never takes a source out. Example: {"maxResponse": "200ms"}
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<PolicyScore>,
}

/// How a switch is checked afterwards. Atomic, see [`crate::common::LabelSelector`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct PolicyVerify {
    /// Checks right after a switch, 1 to 10. Omitted = 3. Example: 3
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10))]
    pub checks: Option<i32>,
    /// How far they are apart, above 0s, at most 168h, as a duration. Omitted = 1s. Example: "1s"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 64), extend("x-kubernetes-validations" = rules::wait()))]
    pub spacing: Option<String>,
    /// One more check so long after them, above 0s, at most 168h, as a duration. Omitted = 30s. Example: "30s"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 64), extend("x-kubernetes-validations" = rules::wait()))]
    pub later: Option<String>,
    /// How long the new source is watched, above 0s, at most 168h, as a duration. Omitted = 24h. Example: "24h"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 64), extend("x-kubernetes-validations" = rules::wait()))]
    pub watch: Option<String>,
}

/// When the drive comes back to better sources. Atomic, see [`crate::common::LabelSelector`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct PolicyFailback {
    /// Time between two tries, above 0s, at most 168h, as a duration; doubled each time it had to be left again.
    /// Omitted = 300s. Example: "300s"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 64), extend("x-kubernetes-validations" = rules::wait()))]
    pub every: Option<String>,
    /// Most tries before a pause of flapWindow, 1 to 100. Omitted = 10. Example: 10
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub tries: Option<i32>,
    /// Score that a returning source needs, 0 to 100. Omitted = 85. Example: 85
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub min_score: Option<i32>,
    /// Checks in a row that it has to pass, 1 to 10. Omitted = 3. Example: 3
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10))]
    pub checks: Option<i32>,
    /// How far they are apart, above 0s, at most 168h, as a duration. Omitted = 30s. Example: "30s"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 64), extend("x-kubernetes-validations" = rules::wait()))]
    pub spacing: Option<String>,
}

/// What lowers a score. Atomic, see [`crate::common::LabelSelector`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct PolicyScore {
    /// A longer response costs 20; above 0s, at most 1h, as a duration. Omitted = 200ms. Example: "200ms"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 64), extend("x-kubernetes-validations" = rules::tolerance()))]
    pub max_response: Option<String>,
    /// A larger offset against the median of the sources costs 30; above 0s, at most 1h, as a duration. Omitted = 50ms.
    /// Example: "50ms"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 64), extend("x-kubernetes-validations" = rules::tolerance()))]
    pub max_offset: Option<String>,
    /// A larger jitter costs 15; above 0s, at most 1h, as a duration. Omitted = 10ms. Example: "10ms"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 64), extend("x-kubernetes-validations" = rules::tolerance()))]
    pub max_jitter: Option<String>,
    /// A higher stratum costs 10; 1 to 15. Omitted = 3. Example: 3
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 15))]
    pub max_stratum: Option<i32>,
}
