//! The scenes of the demo and the bad days, each from chronyd's raw words to the five conditions.

use super::sim::{MS, SECOND, World};
use crate::conditions::{ConditionKind, Reason, Status};
use crate::judge::{acknowledge, judge};
use crate::observation::{ClockProfile, Leap};
use crate::snapshot::Role;
use crate::units::Nanos;
use crate::verdict::Verdict;
use rstest::rstest;

pub(super) const HEALTHY: [(Status, Reason); 5] = [
    (Status::True, Reason::InTolerance),
    (Status::False, Reason::InTolerance),
    (Status::False, Reason::Enough),
    (Status::False, Reason::SourceUsable),
    (Status::False, Reason::Answering),
];

pub(super) fn words(verdict: &Verdict) -> [(Status, Reason); 5] {
    ConditionKind::ALL.map(|kind| {
        let judgement = verdict.conditions.get(kind);
        (judgement.status, judgement.reason)
    })
}
/// The different sets of conditions in order of appearance.
pub(super) fn changes(seen: &[(i64, Verdict)]) -> Vec<[(Status, Reason); 5]> {
    let mut list: Vec<_> = seen.iter().map(|(_, verdict)| words(verdict)).collect();
    list.dedup();
    list
}
pub(super) fn reasons(seen: &[(i64, Verdict)]) -> Vec<Reason> {
    let mut list: Vec<_> = seen.iter().map(|(_, verdict)| verdict.conditions.synchronized.reason).collect();
    list.dedup();
    list
}
/// A world that is well and has a baseline.
pub(super) fn well(count: usize, profile: ClockProfile) -> World {
    let mut world = World::new(count, profile, 7);
    world.run(120);
    assert_eq!(words(&world.look()), HEALTHY, "{:?}", world.look());
    world
}
fn jump(world: &mut World, sources: std::ops::Range<usize>, by: i64) {
    for source in &mut world.sources[sources] {
        source.error += by;
    }
}
pub(super) fn last(seen: &[(i64, Verdict)]) -> &Verdict {
    &seen.last().unwrap().1
}

#[rstest]
fn boot_says_booting_and_then_in_tolerance(
    #[values(ClockProfile::Virtual, ClockProfile::Real)] profile: ClockProfile,
) {
    let mut world = World::new(4, profile, 3);
    let seen = world.run(30);
    let booting = (Status::Unknown, Reason::Booting);
    let row_3 = [booting, booting, booting, booting, (Status::False, Reason::Answering)];
    assert_eq!(changes(&seen), [row_3, HEALTHY]);
    assert_eq!(seen[0].1.bound, None);
}

#[rstest]
fn a_one_of_five_jumps(#[values(ClockProfile::Virtual, ClockProfile::Real)] profile: ClockProfile) {
    let mut world = well(5, profile);
    jump(&mut world, 2..3, 200 * MS);
    let seen = world.run(90);
    assert_eq!(changes(&seen), [HEALTHY]);
    let verdict = last(&seen);
    let rejected: Vec<_> = verdict.associations.iter().map(|one| one.rejected).collect();
    assert_eq!(rejected, [false, false, true, false, false]);
    assert_eq!((verdict.usable_voters, verdict.voters), (4, 5));
}

#[test]
fn a_source_that_has_the_lead_jumps_and_nothing_changes() {
    let mut world = well(5, ClockProfile::Virtual);
    let followed = world.look().selected.unwrap();
    let leader = world.sources.iter().position(|one| one.name == followed).unwrap();
    jump(&mut world, leader..leader + 1, 200 * MS);
    assert_eq!(changes(&world.run(90)), [HEALTHY]);
}

#[rstest]
fn b_voters_die_one_by_one(#[values(ClockProfile::Virtual, ClockProfile::Real)] profile: ClockProfile) {
    let mut world = well(5, profile);
    for index in 0..3 {
        world.sources[index].alive = false;
        assert_eq!(changes(&world.run(40)), [HEALTHY], "{index} dead");
    }
    world.sources[3].alive = false;
    let seen = world.run(60);
    let mut low = HEALTHY;
    low[2] = (Status::True, Reason::TooFew);
    assert_eq!(changes(&seen), [HEALTHY, low]);
    // Three unanswered polls at 2 s, one poll of phase, one look: at once, not after the hold of 30 s.
    let told = seen.iter().position(|(_, verdict)| words(verdict) == low).unwrap();
    assert!(told <= 10, "told after {told} s");
    for source in &mut world.sources {
        source.alive = true;
    }
    assert_eq!(changes(&world.run(120)), [low, HEALTHY]);
}

/// A majority that lies. Under -x the residual keeps the lie, on a real clock it vanishes.
#[rstest]
fn c_a_majority_jumps(
    #[values(ClockProfile::Virtual, ClockProfile::Real)] profile: ClockProfile,
    #[values(-200, 200)] by: i64,
) {
    let mut world = well(5, profile);
    jump(&mut world, 0..3, by * MS);
    let seen = world.run(60);
    let told = [
        (Status::False, Reason::BoundContradicted),
        (Status::True, Reason::BoundContradicted),
        HEALTHY[2],
        HEALTHY[3],
        HEALTHY[4],
    ];
    assert_eq!(changes(&seen), [HEALTHY, told], "{:#?}", last(&seen));
    let verdict = last(&seen);
    // Three lie, two stay with the oscillator: the liars are named, not the honest.
    let rejected: Vec<_> = verdict.associations.iter().map(|one| one.rejected).collect();
    assert_eq!(rejected, [true, true, true, false, false]);
    assert!(verdict.conditions.synchronized.message.contains("with the oscillator: s3, s4"), "{verdict:?}");
    assert!(verdict.headroom.unwrap() < Nanos::ZERO);
    let residual = verdict.residual.unwrap();
    match profile {
        ClockProfile::Virtual => {
            assert!(residual.abs() > Nanos(190 * MS) && verdict.offset.unwrap().abs() < Nanos(2 * MS));
        }
        ClockProfile::Real => {
            assert!(residual.abs() < Nanos(2 * MS) && verdict.offset.unwrap().abs() > Nanos(190 * MS));
        }
    }
    let first = seen.iter().position(|(_, verdict)| words(verdict) == told).unwrap();
    assert!(first <= 8, "told after {first} s");

    jump(&mut world, 0..3, -by * MS);
    let healed = world.run(150);
    assert_eq!(words(last(&healed)), HEALTHY, "{:#?}", last(&healed));
    assert!(!world.state.contradicted());
    let list = reasons(&healed);
    match profile {
        ClockProfile::Virtual => assert_eq!(list, [Reason::BoundContradicted, Reason::InTolerance]),
        // The clock itself was wrong: that is held on until it has been right for the clear hold.
        ClockProfile::Real => {
            assert_eq!(list, [Reason::BoundContradicted, Reason::OffsetExceeded, Reason::InTolerance]);
        }
    }
}

#[test]
fn c_the_latch_survives_restarts_growth_and_plans_and_ends_by_acknowledgement() {
    let mut world = well(5, ClockProfile::Real);
    jump(&mut world, 0..3, 200 * MS);
    world.run(30);
    assert!(world.state.contradicted());
    world.restart_daemon(false);
    assert_eq!(reasons(&world.run(30)), [Reason::BoundContradicted]);
    world.plan.hash = "plan-2".into();
    let text = serde_json::to_string(&world.state).unwrap();
    world.state = serde_json::from_str(&text).unwrap(); // the agent restarts
    assert_eq!(reasons(&world.run(30)), [Reason::BoundContradicted]);
    // 200 ms / 15 ppm = 3.7 h: the grown interval holds the lie, and yet the lie has not moved.
    assert_eq!(reasons(&world.run(5 * 3_600)), [Reason::BoundContradicted]);
    world.state = acknowledge(&world.state);
    let seen = world.run(120);
    assert_eq!(reasons(&seen).last(), Some(&Reason::InTolerance));
}

#[test]
fn c_the_latch_ends_after_a_day_or_with_the_boot() {
    let mut world = well(5, ClockProfile::Real);
    jump(&mut world, 0..3, 200 * MS);
    world.run(30);
    let mut later = world.observe();
    later.clocks.boot = later.clocks.boot + Nanos::from_secs(24 * 3_600);
    later.clocks.wall = later.clocks.wall + Nanos::from_secs(24 * 3_600);
    later.clocks.raw = later.clocks.raw + Nanos::from_secs(24 * 3_600);
    later.clocks.rtc = None;
    assert!(!judge(&world.state, &later, &world.plan).0.contradicted());
    world.boot_id = "boot-2".into();
    world.look();
    assert!(!world.state.contradicted());
}

#[test]
fn a_small_contradiction_is_a_warning() {
    let mut world = well(5, ClockProfile::Virtual);
    jump(&mut world, 0..3, 15 * MS);
    let seen = world.run(60);
    assert_eq!(reasons(&seen), [Reason::InTolerance, Reason::Warning]);
    assert!(world.state.contradicted());
    assert!(last(&seen).conditions.synchronized.message.contains("oscillator"), "{:?}", last(&seen));
}

#[test]
fn a_small_movement_that_nobody_disputes_is_forgotten() {
    let mut world = well(5, ClockProfile::Virtual);
    jump(&mut world, 0..5, 15 * MS);
    let seen = world.run(60);
    let list = reasons(&seen);
    assert_eq!(list[list.len() - 2..], [Reason::Warning, Reason::InTolerance]);
    // A day's sum is kept: the fourth time it is too much.
    for _ in 0..3 {
        jump(&mut world, 0..5, 15 * MS);
        world.run(60);
    }
    assert_eq!(world.look().conditions.synchronized.reason, Reason::BoundContradicted);
}

#[rstest]
fn d_all_sources_unreachable(#[values(ClockProfile::Virtual, ClockProfile::Real)] profile: ClockProfile) {
    let mut world = well(4, profile);
    for source in &mut world.sources {
        source.alive = false;
    }
    let mut alone = HEALTHY;
    alone[2] = (Status::True, Reason::TooFew);
    alone[3] = (Status::True, Reason::NoUsableSource);
    let seen = world.run(600);
    let told = seen.iter().position(|(_, verdict)| words(verdict) == alone).unwrap();
    assert!(told <= 10, "told after {told} s");
    assert_eq!(words(last(&seen)), alone, "{:#?}", last(&seen));
    assert!(last(&seen).bound.unwrap().carried);
    assert!(last(&seen).conditions.partitioned.message.contains("at the earliest"), "{:?}", last(&seen));
    // 15 ppm, and on an undisciplined host its own drift besides: 450 ms are reached within 9 hours, not before 4.
    let mut hours = 0;
    while words(last(&world.run(1_800)))[0] == (Status::True, Reason::InTolerance)
        || world.look().conditions.synchronized.reason == Reason::Warning
    {
        hours += 1;
        assert!(hours < 20);
    }
    assert!(hours >= 8, "{hours} half hours");
    let end = world.look();
    assert_eq!(end.conditions.synchronized.status, Status::False);
}

#[test]
fn d_holdover_is_told_at_ninety_percent_before_the_bound_breaches() {
    let mut world = World::new(4, ClockProfile::Real, 5);
    world.plan.tolerances.max_error_bound = Nanos::from_millis(5);
    world.plan.tolerances.warn_error_bound = Nanos::from_millis(3);
    world.run(60);
    for source in &mut world.sources {
        source.alive = false;
    }
    let seen = world.run(600);
    assert_eq!(
        reasons(&seen),
        [Reason::InTolerance, Reason::Warning, Reason::HoldoverExceeded, Reason::ErrorBoundExceeded]
    );
    let at = seen
        .iter()
        .position(|(_, one)| one.conditions.synchronized.reason == Reason::HoldoverExceeded)
        .unwrap();
    let bound = seen[at].1.bound.unwrap();
    assert!(bound.guaranteed >= Nanos(4_500_000) && bound.guaranteed < Nanos(4_600_000), "{bound:?}");
    assert_eq!(seen[at].1.conditions.offset_high.status, Status::False);
    assert_eq!(last(&seen).conditions.offset_high.status, Status::True);
}

#[rstest]
fn e_a_restart_changes_nothing(
    #[values(ClockProfile::Virtual, ClockProfile::Real)] profile: ClockProfile,
    #[values(true, false)] dumps: bool,
    #[values(0, 4, 9)] silence: i64,
) {
    let mut world = well(4, profile);
    world.answering = false;
    let mut seen = world.run(silence);
    world.answering = true;
    world.restart_daemon(dumps);
    seen.extend(world.run(60));
    assert_eq!(changes(&seen), [HEALTHY]);
}

/// With hold times of nothing, as a lab has them, nothing but the settling after a restart keeps it quiet.
#[rstest]
fn e_a_restart_changes_nothing_without_holds_too(
    #[values(ClockProfile::Virtual, ClockProfile::Real)] profile: ClockProfile,
    #[values(true, false)] dumps: bool,
) {
    let mut world = well(4, profile);
    (world.plan.tolerances.breach_hold, world.plan.tolerances.clear_hold) = (Nanos::ZERO, Nanos::ZERO);
    world.answering = false;
    let mut seen = world.run(3);
    world.answering = true;
    world.restart_daemon(dumps);
    seen.extend(world.run(60));
    assert_eq!(changes(&seen), [HEALTHY]);
}

#[test]
fn e_a_silent_daemon_is_told_after_ten_seconds() {
    let mut world = well(4, ClockProfile::Virtual);
    world.answering = false;
    let seen = world.run(40);
    let unknown = (Status::Unknown, Reason::NoAnswer);
    let down = [HEALTHY[0], HEALTHY[1], unknown, unknown, (Status::True, Reason::NoAnswer)];
    assert_eq!(changes(&seen), [HEALTHY, down]);
    let told = seen.iter().position(|(_, verdict)| words(verdict) == down).unwrap();
    assert_eq!(told, 10);
    assert!(last(&seen).bound.unwrap().carried);
    world.answering = true;
    assert_eq!(changes(&world.run(30)), [HEALTHY]);
}

#[test]
fn the_agents_own_absence_is_not_the_daemons_silence() {
    let mut world = well(4, ClockProfile::Real);
    world.answering = false;
    world.look();
    for _ in 0..1_200 {
        world.step(); // two minutes without a look
    }
    assert_eq!(words(&world.look())[4], HEALTHY[4]);
    assert_eq!(words(last(&world.run(11)))[4], (Status::True, Reason::NoAnswer));
}

#[rstest]
fn two_against_two_is_no_majority_and_no_partition(
    #[values(ClockProfile::Virtual, ClockProfile::Real)] profile: ClockProfile,
) {
    let mut world = well(4, profile);
    jump(&mut world, 0..2, 200 * MS);
    let seen = world.run(120);
    let mut split = HEALTHY;
    split[2] = (Status::True, Reason::NoMajority);
    split[3] = (Status::False, Reason::VotersDisagree);
    assert_eq!(words(last(&seen)), split, "{:#?}", last(&seen));
    assert!(seen.iter().all(|(_, verdict)| verdict.conditions.synchronized.status == Status::True));
    // The baseline tells which two: they are the agreeing group, the others are rejected.
    let rejected: Vec<_> = last(&seen).associations.iter().map(|one| one.rejected).collect();
    assert_eq!(rejected, [true, true, false, false]);
    jump(&mut world, 0..2, -200 * MS);
    assert_eq!(words(last(&world.run(120))), HEALTHY);
}

#[test]
fn witnesses_disagree_with_what_chronyd_follows() {
    // Two voters and three witnesses; the voters lie from the start, so no baseline ever knew better.
    let mut world = World::new(5, ClockProfile::Virtual, 9);
    for source in &mut world.sources[2..] {
        source.role = Role::Witness;
    }
    world.replan();
    jump(&mut world, 0..2, 200 * MS);
    world.run(60);
    let verdict = world.look();
    assert_eq!(words(&verdict)[0], (Status::False, Reason::OffsetExceeded), "{verdict:#?}");
    assert!(verdict.bound.unwrap().guaranteed >= Nanos(world.true_error().abs()));
}

/// All answers shift for one node, as the lab does it: from here nobody can tell a lie from a pause.
#[rstest]
#[case::with_an_rtc_that_did_not_move(true, &[Reason::BoundContradicted])]
#[case::without_an_rtc(false, &[Reason::BoundContradicted, Reason::ClockDisrupted, Reason::OffsetExceeded])]
fn every_view_moves_at_once(#[case] rtc: bool, #[case] told: &[Reason]) {
    let mut world = World::new(5, ClockProfile::Virtual, 7);
    world.rtc = rtc;
    world.run(120);
    jump(&mut world, 0..5, 200 * MS);
    let seen = world.run(90);
    let list: Vec<_> = reasons(&seen).into_iter().filter(|reason| *reason != Reason::InTolerance).collect();
    assert_eq!(list, told);
    // The bound covers both stories.
    let settled = seen.iter().skip(8).filter_map(|(_, verdict)| verdict.bound);
    assert!(settled.into_iter().all(|bound| bound.guaranteed >= Nanos(199 * MS)));
}

#[test]
fn a_paused_machine_is_told_by_its_rtc() {
    for profile in [ClockProfile::Virtual, ClockProfile::Real] {
        let mut world = well(4, profile);
        world.pause(5 * SECOND);
        let seen = world.run(200);
        let list = reasons(&seen);
        assert_eq!(list[..2], [Reason::ClockDisrupted, Reason::OffsetExceeded], "{profile:?} {list:?}");
        match profile {
            ClockProfile::Virtual => assert_eq!(list.len(), 2),
            ClockProfile::Real => assert_eq!(words(last(&seen)), HEALTHY), // slewed back within a minute
        }
        assert!(!world.state.contradicted());
    }
}

#[test]
fn somebody_steps_the_clock_by_seconds() {
    let mut world = well(4, ClockProfile::Virtual);
    world.step_wall(-5 * SECOND);
    let seen = world.run(60);
    assert_eq!(reasons(&seen), [Reason::ClockDisrupted, Reason::OffsetExceeded]);
    let (_, first) = &seen[0];
    assert_eq!((first.offset, first.bound, first.headroom), (None, None, None));
    assert!(first.conditions.synchronized.message.contains("-5s"), "{first:?}");
}

#[test]
fn somebody_steps_the_clock_by_less_than_two_seconds() {
    let mut world = well(4, ClockProfile::Virtual);
    world.step_wall(500 * MS);
    let seen = world.run(60);
    // Our own clock moved under the reference: an offset, told after its hold, and covered from the first look.
    assert_eq!(reasons(&seen), [Reason::InTolerance, Reason::OffsetExceeded]);
    assert!(seen.iter().all(|(error, verdict)| verdict.bound.unwrap().guaranteed >= Nanos(error.abs())));
    assert!(!world.state.contradicted());
    let told = seen
        .iter()
        .position(|(_, one)| one.conditions.synchronized.reason == Reason::OffsetExceeded)
        .unwrap();
    assert!((28..=32).contains(&told), "{told}");
}

#[test]
fn a_slow_drift_under_x_warns_then_breaches_after_the_hold() {
    let mut world = well(4, ClockProfile::Virtual);
    world.kernel = 400_000; // whoever steers the host runs away with it
    let seen = world.run(300);
    assert_eq!(reasons(&seen).last(), Some(&Reason::OffsetExceeded));
    assert!(reasons(&seen).contains(&Reason::Warning), "{:?}", reasons(&seen));
    let told = seen.iter().position(|(_, one)| one.conditions.synchronized.status == Status::False).unwrap();
    assert!(seen[told].0.abs() > 50 * MS);
}

#[test]
fn its_own_local_reference_is_no_time() {
    let world = well(4, ClockProfile::Virtual);
    let mut seen = world.observe();
    if let crate::observation::Answer::Full { tracking, .. } = &mut seen.answer {
        tracking.refid = 0x7f7f_0101;
        (tracking.root_delay, tracking.root_dispersion) = (Nanos::ZERO, Nanos::ZERO);
    }
    let (_, verdict) = judge(&world.state, &seen, &world.plan);
    assert_eq!(words(&verdict)[0], (Status::False, Reason::NotSynchronized));
    assert!(verdict.bound.unwrap().guaranteed > Nanos::ZERO);
}

#[test]
fn never_synchronised() {
    let mut world = World::new(4, ClockProfile::Virtual, 2);
    for source in &mut world.sources {
        source.leap = Leap::Unsynchronised;
    }
    let seen = world.run(200);
    assert_eq!(reasons(&seen), [Reason::Booting, Reason::NotSynchronized]);
    assert_eq!(last(&seen).bound, None);
    assert_eq!(last(&seen).conditions.offset_high.status, Status::Unknown);
    assert_eq!(words(last(&seen))[3], (Status::True, Reason::NoUsableSource));
}

#[test]
fn a_daemon_that_never_answered_is_unknown_and_down() {
    let mut world = World::new(4, ClockProfile::Virtual, 2);
    world.answering = false;
    let seen = world.run(200);
    assert_eq!(words(&seen[20].1)[4], (Status::True, Reason::NoAnswer));
    assert_eq!(words(last(&seen))[0], (Status::Unknown, Reason::NoAnswer));
    assert_eq!(last(&seen).conditions.offset_high.status, Status::Unknown);
}

#[test]
fn a_limit_below_the_path_is_infeasible() {
    let mut world = World::new(4, ClockProfile::Virtual, 2);
    world.plan.tolerances.max_error_bound = Nanos::from_micros(100);
    world.plan.tolerances.warn_error_bound = Nanos::from_micros(50);
    let seen = world.run(120);
    assert_eq!(words(last(&seen))[0], (Status::Unknown, Reason::ToleranceInfeasible));
    assert_eq!(last(&seen).conditions.offset_high.status, Status::False);
    assert!(seen.iter().all(|(_, one)| one.conditions.synchronized.status != Status::True));
    // What was in tolerance under this plan is never infeasible later: it is a breach.
    let mut world = well(4, ClockProfile::Virtual);
    world.plan.tolerances.max_error_bound = Nanos::from_micros(100); // the same plan hash
    assert_eq!(reasons(&world.run(60)).last(), Some(&Reason::ErrorBoundExceeded));
}
