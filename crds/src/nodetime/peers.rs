//! Whom an agent asks for the time besides its sources, and what came of it. Nothing here steers a clock.

use super::words::PeerWord;
use crate::common::word;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Another node's agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanPeer {
    /// Its Node, at most 253 characters. Example: "n2"
    #[schemars(length(max = 253))]
    pub node: String,
    /// Its InternalIP, at most 64 characters. Example: "10.0.0.2"
    #[schemars(length(max = 64))]
    pub address: String,
    /// Its responder's UDP port, 1 to 65535. Example: 9925
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
}

/// Another node's agent as this one sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PeerStatus {
    /// Its Node, at most 253 characters. Example: "n2"
    #[schemars(length(max = 253))]
    pub node: String,
    /// Whether one of the last three questions was answered, authentically. Example: true
    pub answers: bool,
    /// Whether it has ever answered this agent at this address: what never worked is no evidence. Example: true
    pub ever: bool,
    /// This clock against its in nanoseconds; above 0 = this one is ahead; absent = it does not say how right it is.
    /// Example: 12000
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset_nanoseconds: Option<i64>,
    /// Half-width of that in nanoseconds: half of the round trip and the bound that the peer guarantees. Example: 410000
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub uncertainty_nanoseconds: Option<i64>,
    /// What is known against it: TimedOut, Refused (nobody listens there), Unreachable (no way there), Unsure (it answers and
    /// does not judge itself synchronised). Omitted = nothing. Example: "TimedOut"
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "word")]
    pub trouble: Option<PeerWord>,
}
