//! Who becomes a target: s1 drives, s2 is next; both are 10.0.0.x.

use super::*;
use crate::clocks::{BootTime, ClockReading, RawTime, WallTime};
use crate::fsm::failover::score::{Limits, Quality, score};
use crate::fsm::failover::{Figures, Look, Probed, Sighting, step};
use crate::judge::tests::build::{association, plan as empty_plan, tracking};
use crate::observation::{ClockProfile, PollCounters};
use crate::snapshot::Role;
use crate::source::{Endpoint, PollRange, Scope, Timescale};
use crate::tolerances::Preset;
use crate::units::Nanos;

fn address(index: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, index])
}

fn plan() -> NodePlan {
    let mut plan = empty_plan(Preset::Kubernetes.tolerances());
    let one = |index: u8| PlannedAssociation {
        source: format!("s{index}"),
        tier: 1,
        role: Role::Driver,
        endpoint: Endpoint::Server { address: address(index).to_string(), port: 1_230 + u16::from(index) },
        polls: PollRange { min: 0, max: 0 },
        iburst: true,
        scope: if index == 1 { Scope::Site } else { Scope::Public },
        independence: format!("s{index}"),
        timescale: Timescale::Utc,
        drive_order: Some(index),
        weight: 100,
        power_failing: index == 2,
    };
    plan.associations = (1..=2).map(one).collect();
    plan
}

fn sighting(index: u8, unanswered: u32) -> Sighting {
    Sighting {
        source: format!("s{index}"),
        address: address(index),
        order: Some(index),
        poll: 0,
        unanswered,
        sampled: true,
        rejected: false,
        doubt: None,
        probed: Probed::NotAllowed,
        score: 100,
        weight: 100,
    }
}

fn observation() -> Observation {
    let mut associations = vec![association("10.0.0.1", "s1"), association("10.0.0.2", "s2")];
    associations[1].counters = Some(PollCounters { sent: 77, valid: 7, good: 7 });
    Observation {
        clocks: ClockReading { wall: WallTime(0), boot: BootTime(0), raw: RawTime(0), rtc: None, tick: None },
        boot_id: "b".into(),
        daemon_start: 1,
        profile: ClockProfile::Virtual,
        answer: Answer::Full { tracking: tracking(), associations },
    }
}

fn sights(unanswered: u32, seen: &[u8]) -> Vec<Sight> {
    let one = |index: &u8| Sight {
        index: usize::from(*index - 1),
        sighting: sighting(*index, if *index == 1 { unanswered } else { 0 }),
        score: score(&Quality::default(), &Limits::default()),
        offset: Some(Nanos(5)),
        reference_age: None,
    };
    seen.iter().map(one).collect()
}

/// s1 is silent for so many looks, one a second.
fn silent(looks: u32) -> Memory {
    let mut memory = Memory::default();
    for second in 1..=looks {
        let now = BootTime(Nanos::from_secs(second.into()).0);
        let look = Look { sightings: vec![sighting(1, second), sighting(2, 0)], frozen: false };
        let (state, overlay) = step(&memory.state, &look, &Figures::default(), 0, now);
        memory.lines = memory.lines.next(&overlay, &state, &look.sightings, &plan(), now);
        memory.state = state;
    }
    memory
}

#[test]
fn everybody_that_is_seen_with_what_the_plan_and_chronyd_say() {
    let found = targets(&plan(), &observation(), &sights(0, &[1, 2]), &Memory::default());
    let [first, second] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((first.address, first.port, first.scope, first.sent), (address(1), 1_231, Scope::Site, 10));
    assert_eq!(
        (second.address, second.port, second.scope, second.sent),
        (address(2), 1_232, Scope::Public, 77)
    );
    assert_eq!((first.power, second.power), (false, true));
    assert!(found.iter().all(|one| !one.wanted && one.offset == Some(Nanos(5))));
}

#[test]
fn a_suspect_is_wanted() {
    let found = targets(&plan(), &observation(), &sights(2, &[1, 2]), &silent(2));
    assert_eq!(
        found.iter().map(|one| (one.unanswered, one.wanted)).collect::<Vec<_>>(),
        [(2, true), (0, false)]
    );
}

#[test]
fn whose_line_is_left_out_is_asked_all_the_same_and_wanted_when_it_answers() {
    let mut memory = silent(4);
    assert_eq!(memory.lines.left_out().count(), 1);
    let one = |memory: &Memory| {
        let found = targets(&plan(), &observation(), &sights(0, &[2]), memory);
        found.into_iter().find(|one| one.address == address(1)).unwrap()
    };
    assert_eq!((one(&memory).unanswered, one(&memory).wanted, one(&memory).port), (3, false, 1_231));
    let look = Look { sightings: vec![sighting(1, 0), sighting(2, 0)], frozen: false };
    memory.state = step(&memory.state, &look, &Figures::default(), 0, BootTime(9_000_000_000)).0;
    assert!(one(&memory).wanted, "back again, it has to be heard for some polls");
}
