//! Leap seconds, and machines that stand still for a moment: what moves a clock against everything else without a fault.

use super::scenes::{HEALTHY, changes, last, reasons, well, words};
use super::sim::{MS, SECOND, World};
use crate::conditions::{Reason, Status};
use crate::observation::{ClockProfile, Leap};
use crate::units::Nanos;
use crate::verdict::Verdict;
use rstest::rstest;

/// 2027-01-01T00:00:00Z.
const MIDNIGHT: i64 = 1_798_761_600 * SECOND;

fn announce(world: &mut World, sources: std::ops::Range<usize>, leap: Leap) {
    for source in &mut world.sources[sources] {
        source.leap = leap;
    }
}
/// Half a minute before midnight, announced by these sources; run up to midnight.
fn eve(profile: ClockProfile, announced: std::ops::Range<usize>, leap: Leap) -> World {
    let mut world = World::at(MIDNIGHT - 150 * SECOND, 4, profile, 7);
    world.run(120);
    assert_eq!(words(&world.look()), HEALTHY);
    announce(&mut world, announced, leap);
    assert_eq!(changes(&world.run(if leap == Leap::Delete { 29 } else { 30 })), [HEALTHY]);
    world
}
/// Each figure covers the true error of its moment.
fn covered(seen: &[(i64, Verdict)]) {
    for (second, (error, verdict)) in seen.iter().enumerate() {
        let bound = verdict.bound.unwrap().guaranteed;
        assert!(bound >= Nanos(error.abs()), "{second} s: off by {error} ns, {bound}: {verdict:#?}");
    }
}

#[rstest]
#[case::inserted(Leap::Insert, -SECOND)]
#[case::deleted(Leap::Delete, SECOND)]
fn a_leap_second_that_all_make_changes_nothing(
    #[values(ClockProfile::Virtual, ClockProfile::Real)] profile: ClockProfile,
    #[case] leap: Leap,
    #[case] by: i64,
) {
    let mut world = eve(profile, 0..4, leap);
    world.leap(by, 0..4, true);
    let seen = world.run(600);
    assert_eq!(changes(&seen), [HEALTHY]);
    covered(&seen);
    assert!(last(&seen).baseline, "the baseline went with it");
    // What it was worth is still known: a lie of half a second is told.
    for source in &mut world.sources[0..3] {
        source.error += 500 * MS;
    }
    assert_eq!(last(&world.run(60)).conditions.synchronized.reason, Reason::BoundContradicted);
}

#[test]
fn over_a_leap_second_the_agent_may_be_away_and_chronyd_start_anew() {
    let mut world = eve(ClockProfile::Real, 0..4, Leap::Insert);
    let text = serde_json::to_string(&world.state).unwrap();
    world.leap(-SECOND, 0..4, true);
    for _ in 0..300 {
        world.step();
    }
    world.state = serde_json::from_str(&text).unwrap();
    world.restart_daemon(true);
    assert_eq!(changes(&world.run(120)), [HEALTHY]);
}

#[test]
fn who_misses_the_leap_second_is_rejected_and_nobody_is_woken() {
    let mut world = eve(ClockProfile::Real, 0..4, Leap::Insert);
    world.leap(-SECOND, 1..4, true);
    let seen = world.run(300);
    assert_eq!(changes(&seen), [HEALTHY]);
    let rejected: Vec<_> = last(&seen).associations.iter().map(|one| one.rejected).collect();
    assert_eq!(rejected, [true, false, false, false]);
}

/// The kernel was not armed: the sources go without us.
#[rstest]
fn a_kernel_that_does_not_carry_it_out_leaves_a_clock_that_is_a_second_off(
    #[values(ClockProfile::Virtual, ClockProfile::Real)] profile: ClockProfile,
) {
    let mut world = eve(profile, 0..4, Leap::Insert);
    world.leap(-SECOND, 0..4, false);
    let seen = world.run(300);
    // The second in which it happens and the two around it are nobody's to know.
    covered(&seen[3..]);
    let list = reasons(&seen);
    assert!(!list.contains(&Reason::BoundContradicted), "{list:?}");
    match profile {
        ClockProfile::Virtual => assert_eq!(list.last(), Some(&Reason::OffsetExceeded), "{list:?}"),
        ClockProfile::Real => assert_eq!(words(last(&seen)), HEALTHY, "slewed by now"),
    }
    assert!(last(&seen).baseline && !world.state.contradicted());
}

/// Kernels are armed by a false announcement of all; the sources then make none.
#[test]
fn a_leap_second_that_only_this_clock_makes_is_an_offset() {
    let mut world = eve(ClockProfile::Virtual, 0..4, Leap::Insert);
    world.step_wall(-SECOND);
    announce(&mut world, 0..4, Leap::Normal);
    let seen = world.run(200);
    let list = reasons(&seen);
    assert_eq!(list.last(), Some(&Reason::OffsetExceeded), "{list:?}");
    assert!(!list.contains(&Reason::BoundContradicted), "{list:?}");
    assert!(last(&seen).bound.unwrap().guaranteed >= Nanos(last_error(&seen)));
}
fn last_error(seen: &[(i64, Verdict)]) -> i64 {
    seen.last().unwrap().0.abs()
}

#[rstest]
#[case::of_one_source(0..1)]
#[case::of_all(0..4)]
fn a_false_announcement_that_nobody_carries_out_wakes_nobody(#[case] of: std::ops::Range<usize>) {
    let mut world = eve(ClockProfile::Real, of, Leap::Insert);
    assert_eq!(changes(&world.run(120)), [HEALTHY]);
}

/// Of one source, or of none; at midnight, or at another time.
#[rstest]
#[case::at_midnight(MIDNIGHT - 150 * SECOND, 0..0)]
#[case::announced_by_one(MIDNIGHT - 150 * SECOND, 0..1)]
#[case::announced_and_not_at_midnight(MIDNIGHT - 3_000 * SECOND, 0..4)]
fn a_step_of_a_second_that_nobody_announced_for_now_is_told(
    #[case] epoch: i64,
    #[case] of: std::ops::Range<usize>,
) {
    let mut world = World::at(epoch, 4, ClockProfile::Virtual, 7);
    world.run(120);
    announce(&mut world, of, Leap::Insert);
    assert_eq!(changes(&world.run(30)), [HEALTHY]);
    world.step_wall(-SECOND);
    let seen = world.run(60);
    assert_eq!(reasons(&seen), [Reason::InTolerance, Reason::OffsetExceeded]);
    covered(&seen);
}

/// Looks that fall anywhere within the seconds of the hardware clock.
fn uneven(world: &mut World, looks: usize) -> Vec<(i64, Verdict)> {
    let mut seen = Vec::new();
    for gap in [7, 13, 9, 11, 8, 12, 9].into_iter().cycle().take(looks) {
        for _ in 0..gap {
            world.step();
        }
        let verdict = world.look();
        seen.push((world.true_error(), verdict));
    }
    seen
}

/// A virtual machine that is moved to another host, or of which a snapshot is taken.
#[rstest]
fn a_pause_of_about_a_second_or_more_is_our_own(
    #[values(900, 1_000, 1_300, 1_900, 2_500, 3_300, 3_900, 6_000)] milliseconds: i64,
    #[values(true, false)] rtc: bool,
) {
    let mut world = well(4, ClockProfile::Real);
    world.rtc = rtc;
    uneven(&mut world, 120);
    world.pause(milliseconds * MS);
    let seen = uneven(&mut world, 300);
    assert_eq!(words(last(&seen)), HEALTHY, "{:#?}", last(&seen));
    assert!(!world.state.contradicted());
    let list = reasons(&seen);
    assert!(list.contains(&Reason::ClockDisrupted), "{list:?}");
}

/// As most migrations are: told at once by a hardware clock that is seen to tick.
#[rstest]
fn a_short_pause_is_our_own_where_the_hardware_clock_is_watched(
    #[values(ClockProfile::Virtual, ClockProfile::Real)] profile: ClockProfile,
    #[values(1, 4, 6)] poll: i8,
    #[values(20, 70, 110, 160, 250, 400, 700)] milliseconds: i64,
) {
    let mut world = well(4, profile);
    world.poll = poll;
    // What is believed is sixteen updates old.
    let updates = |count: usize| count << usize::try_from(poll).unwrap();
    uneven(&mut world, updates(40).max(120));
    world.pause(milliseconds * MS);
    let seen = uneven(&mut world, updates(16).max(120));
    let told = match profile {
        // Who steers this clock does not know of it.
        ClockProfile::Virtual if milliseconds > 50 => Reason::OffsetExceeded,
        ClockProfile::Virtual | ClockProfile::Real => Reason::InTolerance,
    };
    assert_eq!(words(last(&seen))[0].1, told, "{:#?}", last(&seen));
    assert!(!world.state.contradicted());
}

/// The same soon after there is a baseline, while nothing but what was read with it is believed. (At polls of two seconds there
/// is a baseline before the hardware clock, which is watched each 16 s, was seen to tick.)
#[rstest]
fn a_short_pause_soon_after_the_start_is_our_own(
    #[values(4, 6)] poll: i8,
    #[values(10, 12, 16, 20)] after: usize,
    #[values(110, 250, 400)] milliseconds: i64,
) {
    let mut world = World::new(4, ClockProfile::Real, 7);
    world.poll = poll;
    let updates = |count: usize| count << usize::try_from(poll).unwrap();
    uneven(&mut world, updates(after).max(40));
    world.pause(milliseconds * MS);
    let seen = uneven(&mut world, updates(16).max(120));
    assert_eq!(words(last(&seen))[0].1, Reason::InTolerance, "{:#?}", last(&seen));
    assert!(!world.state.contradicted());
}

/// All sources go so far, together.
fn all_move(world: &mut World, milliseconds: i64) {
    for source in &mut world.sources {
        source.error += milliseconds * MS;
    }
}
/// From here on it is told, and never called our own.
fn told_of_the_sources(world: &mut World) {
    let seen = uneven(world, 300);
    let told = (Status::False, Reason::BoundContradicted);
    assert_eq!(words(last(&seen))[0], told, "{:#?}", last(&seen));
    assert!(reasons(&seen).iter().all(|reason| *reason != Reason::ClockDisrupted));
}

/// The hardware clock did not move with them.
#[rstest]
fn sources_that_move_together_are_not_taken_for_a_pause(
    #[values(-1_500, 80, 120, 400, 900, 1_500, 3_000)] milliseconds: i64,
    #[values(true, false)] watched: bool,
) {
    let mut world = well(4, ClockProfile::Real);
    world.watched = watched;
    uneven(&mut world, 120);
    all_move(&mut world, milliseconds);
    told_of_the_sources(&mut world);
}

/// All lie; the kernel writes what this machine has of it into the hardware clock, soon after.
#[rstest]
fn a_lie_that_is_written_into_the_hardware_clock_is_no_pause(
    #[values(200, 500, 900)] milliseconds: i64,
    #[values(5, 20, 70)] looks: usize,
    #[values(true, false)] watched: bool,
) {
    let mut world = well(4, ClockProfile::Real);
    world.watched = watched;
    uneven(&mut world, 120);
    all_move(&mut world, milliseconds);
    uneven(&mut world, looks);
    world.set_hardware();
    told_of_the_sources(&mut world);
}
