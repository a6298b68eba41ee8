//! `NodeTime.spec.plan`: what one node does, as text for its chronyd and as types for its judge.

use crate::common::{Mode, Preset, Scope};
use crate::failover::PolicyFailover;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a node does: policy, chrony text, associations, tolerances.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// First 16 hex digits of the SHA-256 over the rest of the plan; equal = nothing to do.
    /// Example: "9f86d081884c7d65"
    #[schemars(length(min = 16, max = 16), regex(pattern = "^[0-9a-f]{16}$"))]
    pub hash: String,
    /// The policy that won this node. Example: {"name": "databases", "uid": "7c3e…", "generation": 2}
    pub policy: PolicyRef,
    /// What may be done: Observe or Managed. Example: "Observe"
    pub mode: Mode,
    /// chrony's configuration as text. Example: {"main": "minsources 2\n", "sources": "server 10.1.0.5 iburst\n"}
    pub chrony: ChronyText,
    /// The sources, by tier, then name; at most 12, a pool counting as its maxSources. Example: [{"source": "dc1-gps"}]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 12), extend("x-kubernetes-list-type" = "atomic"))]
    pub associations: Vec<PlanAssociation>,
    /// The figures in force. Example: {"preset": "kubernetes", "maxOffsetNanoseconds": 50000000}
    pub tolerances: PlanTolerances,
    /// The figures of failover that are not the usual ones. Omitted = all are. Example: {"jitter": "1s"}
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failover: Option<PolicyFailover>,
}

/// The policy behind a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyRef {
    /// TimeSyncPolicy name, at most 63 characters. Example: "databases"
    #[schemars(length(max = 63))]
    pub name: String,
    /// TimeSyncPolicy uid, at most 64 characters. Example: "7c3e2f0a-5a0e-4b0e-9f0a-0c1d2e3f4a5b"
    #[schemars(length(max = 64))]
    pub uid: String,
    /// TimeSyncPolicy generation that was used. Example: 2
    #[schemars(range(min = 0))]
    pub generation: i64,
}

/// chrony's configuration as text, made of known directives only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChronyText {
    /// The policy's part of the main file, at most 4096 characters; the agent puts its own paths before it.
    /// Example: "minsources 2\nrtcsync\n"
    #[schemars(length(max = 4096))]
    pub main: String,
    /// The sources file, at most 4096 characters. Example: "server 10.1.0.5 minpoll 4 maxpoll 6 iburst prefer\n"
    #[schemars(length(max = 4096))]
    pub sources: String,
}

/// One source on this node, as planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanAssociation {
    /// TimeSource name, at most 63 characters. Example: "dc1-gps"
    #[schemars(length(max = 63))]
    pub source: String,
    /// TimeSource tier, 1 to 9. Example: 1
    #[schemars(range(min = 1, max = 9))]
    pub tier: i32,
    /// Its part: Driver (prefer), Voter, Witness (noselect). Example: "Driver"
    pub role: Role,
    /// Address or name as declared, at most 253 characters. Example: "10.1.0.5"
    #[schemars(length(max = 253))]
    pub address: String,
    /// UDP port, 1 to 65535. Omitted = 123. Example: 123
    #[serde(default = "ntp", skip_serializing_if = "is_ntp")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
    /// How many servers of a pool are kept, 1 to 12; absent = a single server. Example: 4
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 12))]
    pub max_sources: Option<i32>,
    /// Fastest poll as a power of two in seconds, -4 to 17. Example: 4
    #[schemars(range(min = -4, max = 17))]
    pub min_poll: i32,
    /// Slowest poll as a power of two in seconds, -4 to 17. Example: 6
    #[schemars(range(min = -4, max = 17))]
    pub max_poll: i32,
    /// Four fast packets at the start. Omitted = true. Example: true
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub iburst: bool,
    /// How near it is: Local, Site, Public. Example: "Local"
    pub scope: Scope,
    /// What stands for its independence, at most 63 characters: two with the same value count as one root.
    /// Example: "gps-dc1"
    #[schemars(length(max = 63))]
    pub independence: String,
    /// The scale that it serves: "UTC" or the name of a smear, at most 63 characters. Omitted = "UTC".
    /// Example: "UTC"
    #[serde(default = "utc", skip_serializing_if = "is_utc")]
    #[schemars(length(max = 63))]
    pub timescale: String,
    /// When it drives: 1 = by this plan, 2 when none of 1 can, 1 to 12; absent = it only votes or is measured. Example: 2
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 12))]
    pub drive_order: Option<i32>,
    /// Rank among equals, 0 to 100. Omitted = 100. Example: 50
    #[serde(default = "whole", skip_serializing_if = "is_whole")]
    #[schemars(range(min = 0, max = 100))]
    pub weight: i32,
    /// Whether its power is failing: it is probed closely. Omitted = false. Example: false
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub power_failing: bool,
}

/// The part that an association plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Role {
    /// In the driving tier.
    Driver,
    /// Votes.
    Voter,
    /// Measured only.
    Witness,
}

/// The figures in force, in integer nanoseconds and parts per billion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanTolerances {
    /// The preset that they started from. Example: "kubernetes"
    pub preset: Preset,
    /// Largest error of the clock in nanoseconds, above 0. Example: 50000000
    #[schemars(range(min = 1))]
    pub max_offset_nanoseconds: i64,
    /// From which error on it warns, in nanoseconds, above 0. Example: 20000000
    #[schemars(range(min = 1))]
    pub warn_offset_nanoseconds: i64,
    /// Largest guaranteed error bound in nanoseconds, above 0. Example: 500000000
    #[schemars(range(min = 1))]
    pub max_error_bound_nanoseconds: i64,
    /// From which bound on it warns, in nanoseconds, above 0. Example: 250000000
    #[schemars(range(min = 1))]
    pub warn_error_bound_nanoseconds: i64,
    /// Fewest usable voters, 1 to 12. Example: 2
    #[schemars(range(min = 1, max = 12))]
    pub min_sources: i32,
    /// Largest frequency error in parts per billion, 1 to 1000000; absent = not judged. Example: 100000
    #[serde(default, rename = "maxFrequencyErrorPPB", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_frequency_error_ppb: Option<i64>,
    /// Update intervals without an update before it warns, 2 to 1000; absent = not judged. Example: 8
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 1000))]
    pub max_update_intervals: Option<i32>,
    /// How long a breach lasts before it is told, in nanoseconds, 0 to 1 h. Example: 30000000000
    #[schemars(range(min = 0))]
    pub breach_hold_nanoseconds: i64,
    /// How long a breach is gone before that is told, in nanoseconds, 0 to 1 h. Example: 60000000000
    #[schemars(range(min = 0))]
    pub clear_hold_nanoseconds: i64,
    /// What the oscillator is trusted with, in parts per billion, 1 to 1000000. Example: 15000
    #[serde(rename = "guaranteedRatePPB")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub guaranteed_rate_ppb: i64,
    /// Whether chronyd may step the clock in its boot window. Example: true
    pub step_at_boot: bool,
}

// What is usual is left out of stored plans and reports (a NodeTime stays small); the same defaults as TimeSource's.

fn whole() -> i32 {
    100
}
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_whole(weight: &i32) -> bool {
    *weight == whole()
}
fn ntp() -> i32 {
    123
}
fn yes() -> bool {
    true
}
fn utc() -> String {
    "UTC".to_owned()
}
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_ntp(port: &i32) -> bool {
    *port == ntp()
}
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_yes(flag: &bool) -> bool {
    *flag
}
fn is_utc(timescale: &str) -> bool {
    timescale == "UTC"
}
