//! What failover knows → pieces of NodeTime's status.

use crate::common::Time;
use crate::nodetime::{Graded, HealthWord, HoldoverStatus, NodeTimeStatus, Switch, Verified};
use jiff::Timestamp;
use meantime_core::clocks::{BootTime, WallTime};
use meantime_core::fsm::failover::record::{self, Verification};
use meantime_core::fsm::failover::score::Grade;
use meantime_core::fsm::failover::sight::Sight;
use meantime_core::fsm::failover::{Health, Memory};
use meantime_core::units::Nanos;
use meantime_core::verdict::Holdover;

/// Longest evidence and failure, in characters (schema).
const EVIDENCE: usize = 160;
const FAILURE: usize = 96;
/// Digits of the boot id in a switch's id.
const BOOT: usize = 8;

/// Writes health and score of each association, the driving order and the last switches into `status`, whose
/// associations are those of the look that `sights` are of. `now` is this boot's; `boot_id` this boot.
pub fn failed_over(
    status: &mut NodeTimeStatus,
    memory: &Memory,
    sights: &[Sight],
    boot_id: &str,
    now: BootTime,
) {
    for sight in sights {
        let address = sight.sighting.address.to_string();
        let told = status.associations.iter_mut().find(|told| told.address.as_deref() == Some(&*address));
        let Some(told) = told else { continue };
        told.health = match memory.state.health(sight.sighting.address).unwrap_or_default() {
            Health::Healthy => HealthWord::Healthy,
            Health::Suspect { .. } => HealthWord::Suspect,
            Health::Failed { .. } => HealthWord::Failed,
            Health::Recovering { .. } => HealthWord::Recovering,
        };
        told.score = i32::from(sight.score.points);
        told.grade = match sight.score.grade {
            Grade::Good => Graded::Good,
            Grade::Fair => Graded::Fair,
            Grade::Poor => Graded::Poor,
        };
    }
    status.drive_order = Some(i32::from(memory.state.drive().order())).filter(|order| *order != 1);
    status.switches = memory.record.switches().iter().map(|one| switch(one, boot_id, now)).collect();
}

fn switch(one: &record::Switch, boot_id: &str, now: BootTime) -> Switch {
    let (verification, failure) = match &one.verification {
        Verification::Waiting => (Verified::Waiting, None),
        Verification::Checking { .. } => (Verified::Checking, None),
        Verification::Later { .. } => (Verified::Passed, None),
        Verification::Watching { .. } => (Verified::Watching, None),
        Verification::Held => (Verified::Held, None),
        Verification::Failed { check, why } => {
            (Verified::Failed, Some(short(&format!("check {check}: {why}"), FAILURE)))
        }
        Verification::Ended => (Verified::Ended, None),
    };
    let boot: String = one.boot_id.chars().filter(char::is_ascii_alphanumeric).take(BOOT).collect();
    // Another boot's moments can't be compared with now: old enough not to be news.
    let age = if one.boot_id == boot_id { now - one.at } else { Nanos::MAX };
    Switch {
        id: format!("{boot}-{}", one.number),
        at: Time(display(one.wall)),
        age_seconds: i32::try_from(age.0 / Nanos::SECOND.0).unwrap_or(i32::MAX).max(0),
        from: one.from.clone(),
        to: one.to.clone(),
        evidence: short(&one.evidence, EVIDENCE),
        duration_nanoseconds: one.duration.map(|span| span.0.max(0)),
        verification,
        failure,
    }
}

/// The forecasts in whole seconds.
pub fn holdover(holdover: &Holdover) -> HoldoverStatus {
    let seconds = |span: Nanos| (span.0 / Nanos::SECOND.0).max(0);
    HoldoverStatus {
        lasts_seconds: seconds(holdover.lasts),
        expected_breach_seconds: holdover.expected_breach.map(seconds),
        guaranteed_breach_seconds: holdover.guaranteed_breach.map(seconds),
    }
}

/// For people; a clock before 1970 or beyond the year 9999 shows as 1970.
fn display(wall: WallTime) -> Timestamp {
    Timestamp::from_second(wall.0.div_euclid(1_000_000_000)).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn short(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

// The schema's maxItems of status.switches.
const _: () = assert!(record::KEPT == 5, "status.switches holds as many as the record keeps");
