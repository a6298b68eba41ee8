//! Status of an object that this operator can't decode: the one thing that is said about it.

use super::conditions::{Fact, merge};
use crate::gather::{Broken, BrokenKind};
use jiff::Timestamp;
use meantime_core::conditions::Status;
use meantime_crds::common::Condition;
use meantime_crds::{TimeSourceStatus, TimeSyncPolicyStatus};

/// What failed, on what, what was kept, what to do.
pub fn message(broken: &Broken) -> String {
    let kept = match broken.kind {
        BrokenKind::TimeSource => "it is left out of all plans",
        BrokenKind::TimeSyncPolicy => "its nodes keep the plan they have",
        BrokenKind::TimeIncident => "it stays as it is",
        BrokenKind::NodeTime => "its agent goes on with the plan it has, its Node's conditions say Unknown",
    };
    format!(
        "this operator can not read it: {}; {kept}; correct it, or bring CRDs and operator to one version",
        broken.why
    )
}

fn conditions(broken: &Broken, wall: Timestamp) -> Vec<Condition> {
    let fact = |kind, status| Fact::new(kind, status, "Undecodable", message(broken));
    merge(&[], Some(broken.generation), wall, [fact("Ready", Status::False), fact("Stalled", Status::True)])
}

/// For a TimeSource.
pub fn source(broken: &Broken, wall: Timestamp) -> TimeSourceStatus {
    TimeSourceStatus {
        observed_generation: Some(broken.generation),
        conditions: conditions(broken, wall),
        ..TimeSourceStatus::default()
    }
}

/// For a TimeSyncPolicy.
pub fn policy(broken: &Broken, wall: Timestamp) -> TimeSyncPolicyStatus {
    TimeSyncPolicyStatus {
        observed_generation: Some(broken.generation),
        conditions: conditions(broken, wall),
        ..TimeSyncPolicyStatus::default()
    }
}
