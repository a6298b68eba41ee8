//! When the drive moves, where to, and how it returns.

use super::*;
use rstest::rstest;

impl World {
    /// The last move and how many seconds it took to come; gives up after a day.
    fn next_move(&mut self) -> (i64, Why, u8) {
        let id = |world: &Self| world.state.drive().moves().last().map_or(0, |last| last.id);
        let (began, before) = (self.now, id(self));
        while id(self) == before {
            self.run(1);
            assert!(self.now - began < Nanos::from_secs(86_400), "{:?}", self.state.drive());
        }
        let last = self.state.drive().moves().last().unwrap();
        ((self.now - began).0 / SECOND, last.why, last.to)
    }
    /// The first order dies, the drive moves, and it answers again.
    fn blink(&mut self) {
        self.servers[0].alive = false;
        let (_, why, to) = self.next_move();
        assert_eq!((why, to), (Why::Failed, 2));
        self.servers[0].alive = true;
    }
    fn moves(&self) -> usize {
        self.state.drive().moves().len()
    }
}

#[test]
fn a_driver_that_is_still_starting_keeps_the_drive() {
    let mut world = World::new(&[1, 2, 2, 0]);
    world.seconds(60, |seen| seen[0].sampled = false);
    assert_eq!((world.driving(), world.moves()), (vec![0], 0));
}

#[test]
fn drivers_are_outvoted_for_three_polls_in_a_row_before_the_drive_moves_even_without_jitter() {
    let mut world = World::new(&[1, 2, 2, 0]);
    world.figures.jitter = Nanos::ZERO;
    for _ in 0..20 {
        world.seconds(3, |seen| seen[0].rejected = true);
        world.run(1);
    }
    assert_eq!(world.moves(), 0);
    world.seconds(4, |seen| seen[0].rejected = true);
    assert_eq!(world.state.drive().order(), 2);
}

#[test]
fn while_the_node_itself_is_suspect_the_drive_stays() {
    let mut world = World::new(&[1, 2, 2, 0]);
    world.frozen = true;
    world.servers[0].rejected = true;
    world.run(60);
    assert_eq!((world.driving(), world.moves()), (vec![0], 0));
}

/// A fleet does not move within one second.
#[rstest]
#[case(0, 1)]
#[case(500, 4)]
#[case(999, 6)]
fn each_node_has_its_own_share_of_the_jitter(#[case] phase: u64, #[case] looks: u32) {
    let mut world = World::new(&[1, 2, 2, 0]);
    let mut taken = 0;
    while world.state.drive().order() == 1 {
        world.now = world.now + Nanos::SECOND;
        let mut sightings = world.sightings();
        sightings[0].unanswered = 3;
        let look = Look { sightings, frozen: false };
        (world.state, world.overlay) = step(&world.state, &look, &world.figures, phase, world.now);
        taken += 1;
    }
    assert_eq!(taken, looks);
}

#[test]
fn a_jitter_that_nobody_could_use_is_not_saved() {
    let mut world = World::new(&[1, 2, 0]);
    world.seconds(2, |seen| seen[0].unanswered = 3);
    world.seconds(60, |seen| {
        seen[0].unanswered = 3;
        (seen[1].unanswered, seen[1].probed) = (3, Probed::Unanswered(0));
    });
    world.seconds(3, |seen| seen[0].unanswered = 3);
    assert_eq!(world.moves(), 0);
    world.seconds(1, |seen| seen[0].unanswered = 3);
    assert_eq!(world.driving(), [1]);
}

#[rstest]
#[case::without_samples(|one: &mut Sighting| one.sampled = false)]
#[case::outvoted(|one: &mut Sighting| one.rejected = true)]
#[case::silent_and_not_yet_confirmed(|one: &mut Sighting| (one.unanswered, one.probed) = (3, Probed::Unanswered(0)))]
fn the_drive_passes_over_an_order_that_could_not_drive(#[case] change: fn(&mut Sighting)) {
    let mut world = World::new(&[1, 2, 3, 0]);
    world.seconds(10, |seen| {
        seen[0].unanswered = 3;
        change(&mut seen[1]);
    });
    assert_eq!((world.driving(), world.moves()), (vec![2], 1));
}

/// It may vote, where three voters need it: that is not to drive.
#[test]
fn the_drive_passes_over_what_has_to_prove_itself() {
    let mut world = World::new(&[1, 2, 3]);
    for _ in 0..4 {
        world.servers[1].alive = false;
        world.run(3);
        world.servers[1].alive = true;
        world.run(30);
    }
    world.servers[1].alive = false;
    world.run(3);
    world.servers[1].alive = true;
    world.run(1);
    assert!(matches!(world.state.health(address(1)), Some(Health::Recovering { .. })));
    assert_eq!(world.out(), Vec::<usize>::new());
    world.servers[0].alive = false;
    world.run(10);
    assert_eq!((world.driving(), world.moves()), (vec![2], 1));
}

#[test]
fn the_drive_returns_300_s_later_after_three_checks_and_each_flap_doubles_that() {
    let mut world = World::new(&[1, 2, 2, 0]);
    let mut pauses = Vec::new();
    for _ in 0..8 {
        world.blink();
        let (seconds, why, to) = world.next_move();
        assert_eq!((why, to), (Why::Returned, 1));
        pauses.push(seconds);
    }
    // 300 s × 1, 2, 4 … 32, and two more checks 30 s apart
    assert_eq!(pauses, [300, 600, 1_200, 2_400, 4_800, 9_600, 9_600, 9_600].map(|pause| pause + 60));
}

#[test]
fn a_failure_long_after_the_return_is_no_flap() {
    let mut world = World::new(&[1, 2, 2, 0]);
    for _ in 0..3 {
        world.blink();
        assert_eq!(world.next_move(), (360, Why::Returned, 1));
        world.run(3_600);
    }
}

#[test]
fn a_drive_that_held_for_a_window_is_forgiven_its_flaps() {
    let mut world = World::new(&[1, 2, 2, 0]);
    for pause in [360, 660] {
        world.blink();
        assert_eq!(world.next_move(), (pause, Why::Returned, 1));
    }
    world.run(3_600);
    world.blink();
    assert_eq!(world.next_move(), (360, Why::Returned, 1));
}

#[test]
fn a_check_that_fails_begins_the_failback_anew() {
    let mut world = World::new(&[1, 2, 2, 0]);
    world.blink();
    world.run(310);
    world.servers[0].score = 0;
    world.run(30);
    world.servers[0].score = 100;
    // passed at 300, failed at 330: passed at 630, 660, 690
    assert_eq!(world.next_move(), (690 - 340, Why::Returned, 1));
}

#[test]
fn what_one_order_passed_does_not_count_for_another() {
    let mut world = World::new(&[1, 2, 3, 0]);
    world.servers[0].alive = false;
    world.servers[1].alive = false;
    world.next_move();
    assert_eq!(world.state.drive().order(), 3);
    world.servers[0].alive = true;
    world.servers[0].score = 0;
    world.servers[1].alive = true;
    world.run(310);
    world.servers[0].score = 100;
    assert_eq!(world.next_move(), (390 - 310, Why::Returned, 1), "its own checks at 330, 360 and 390");
}

#[test]
fn ten_tries_then_a_long_pause() {
    let mut world = World::new(&[1, 2, 2, 0]);
    world.blink();
    world.servers[0].score = 0;
    for _ in 0..10 {
        world.run(290);
        world.servers[0].score = 100;
        world.run(20);
        world.servers[0].score = 0;
        world.run(20);
    }
    world.servers[0].score = 100;
    // The tenth failed at 3300.
    assert_eq!(world.next_move(), (3_600 + 60, Why::Returned, 1));
}

#[test]
fn a_tier_that_was_dead_for_long_is_not_punished_for_it() {
    let mut world = World::new(&[1, 2, 2, 0]);
    world.servers[0].alive = false;
    world.next_move();
    world.run(3_010);
    world.servers[0].alive = true;
    assert_eq!(world.next_move(), (290 + 60, Why::Returned, 1));
}

#[test]
fn the_drive_does_not_return_to_a_suspect() {
    let mut world = World::new(&[1, 2, 2, 0]);
    world.blink();
    world.run(100);
    world.seconds(1_000, |seen| seen[0].unanswered = 2);
    assert_eq!(world.driving(), [1, 2]);
}

#[test]
fn the_score_of_an_outvoted_driver_brings_nothing_back() {
    let mut world = World::new(&[1, 1, 2, 2, 0]);
    world.servers[1].alive = false;
    world.blink();
    world.servers[1].alive = true;
    world.servers[0].score = 40;
    world.run(100);
    world.seconds(1_000, |seen| seen[1].rejected = true);
    assert_eq!(world.driving(), [2, 3]);
}

#[test]
fn a_person_gets_the_best_order_that_works_now_and_no_other() {
    let mut world = World::new(&[1, 2, 2, 0]);
    world.blink();
    world.servers[0].alive = false;
    world.run(10);
    world.state.reselect();
    world.run(10);
    assert_eq!((world.driving(), world.moves()), (vec![1, 2], 1), "it does not work");
    world.servers[0].alive = true;
    world.run(30);
    assert_eq!(world.driving(), [1, 2], "what could not be done then is not done later");
    world.state.reselect();
    world.run(1);
    assert_eq!((world.driving(), world.state.drive().moves()[1].why), (vec![0], Why::Asked));
}

#[test]
fn five_moves_are_kept() {
    let mut world = World::new(&[1, 2, 2, 0]);
    for _ in 0..4 {
        world.blink();
        world.next_move();
    }
    let ids: Vec<u64> = world.state.drive().moves().iter().map(|one| one.id).collect();
    assert_eq!(ids, [4, 5, 6, 7, 8]);
}

/// One and the same source has to work, to be healthy and to have the score.
#[test]
fn a_score_that_nobody_measured_does_not_bring_the_drive_back() {
    let mut world = World::new(&[1, 1, 2, 2, 0]);
    world.servers[1].alive = false;
    world.servers[0].alive = false;
    world.run(10);
    assert_eq!(world.state.drive().order(), 2);
    world.servers[0].alive = true;
    world.servers[1].alive = true;
    world.servers[0].score = 40;
    world.run(20);
    // It has no samples any more (chronyd was restarted, a pool's member replaced): its score is that of nothing known.
    world.seconds(1_000, |seen| seen[1].sampled = false);
    assert_eq!(world.driving(), [2, 3]);
}

#[test]
fn no_time_counts_for_the_outvoted_while_the_node_itself_is_suspect() {
    let mut world = World::new(&[1, 2, 2, 0]);
    world.seconds(1, |seen| seen[0].rejected = true);
    world.frozen = true;
    world.seconds(60, |seen| seen[0].rejected = true);
    world.frozen = false;
    world.seconds(1, |seen| seen[0].rejected = true);
    assert_eq!(world.state.drive().order(), 1, "seen outvoted in two looks");
}
