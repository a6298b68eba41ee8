//! A policy's figures, and what failover tells.

use super::*;
use meantime_core::fsm::failover::record::Scene;
use meantime_core::fsm::failover::{Figures, Look, Memory, Probed, Sighting, State, step};

#[rstest]
#[case::usual(json!({}), (2, 3))]
#[case::as_told(json!({"suspectAfter": 4, "failAfter": 5}), (4, 5))]
// A CRD older than the rules lets these through.
#[case::suspect_after_it_failed(json!({"suspectAfter": 5, "failAfter": 4}), (4, 4))]
#[case::at_once(json!({"suspectAfter": 0, "failAfter": 0}), (1, 1))]
fn nobody_fails_before_it_is_suspect_or_without_a_miss(
    #[case] failover: serde_json::Value,
    #[case] (suspect, fail): (u32, u32),
) {
    let figures =
        policy(&json!({"sources": {"selector": {}}, "failover": failover})).to_core().unwrap().failover;
    assert_eq!((figures.suspect_after, figures.fail_after), (suspect, fail));
    assert_eq!(figures, Figures { suspect_after: suspect, fail_after: fail, ..Figures::default() });
}

/// One of four sources has died, in the boot `boot_id`, 100 s after its begin.
fn memory(boot_id: &str) -> Memory {
    let one = |index: u8| Sighting {
        source: format!("s{index}"),
        address: [10, 1, 0, index].into(),
        order: Some(1),
        poll: 0,
        unanswered: if index == 5 { 3 } else { 0 },
        sampled: true,
        rejected: false,
        doubt: None,
        probed: Probed::NotAllowed,
        score: 100,
        weight: 100,
    };
    let look = Look { sightings: (5..9).map(one).collect(), frozen: false };
    let now = BootTime(Nanos::from_secs(100).0);
    let mut memory = Memory::default().of_boot(boot_id);
    (memory.state, _) = step(&State::default(), &look, &Figures::default(), 0, now);
    let scene = Scene {
        boot_id,
        now,
        wall: WallTime(0),
        following: Some("s5"),
        following_order: Some(1),
        stamp: 1,
        name: &|_| Some("s5".into()),
        check: &|_| Ok(()),
    };
    memory.record.step(&State::default(), &memory.state, &Figures::default(), &scene);
    memory
}

#[rstest]
#[case::this_boots("boot-1", 7)]
#[case::another_boots("boot-0", i32::MAX)]
fn a_switch_of_another_boot_is_no_news(#[case] boot_id: &str, #[case] age: i32) {
    let mut status = NodeTimeStatus::default();
    let now = BootTime(Nanos::from_secs(107).0);
    failed_over(&mut status, &memory(boot_id), &[], "boot-1", now);
    assert_eq!(status.switches.iter().map(|one| one.age_seconds).collect::<Vec<_>>(), [age]);
    assert_eq!(status.drive_order, None, "where the plan has it is no news");
}
