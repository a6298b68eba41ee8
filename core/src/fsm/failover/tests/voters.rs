//! Who is taken out, who is let in, and what is never left over.

use super::*;
use crate::clocks::WallTime;
use rstest::rstest;

#[test]
fn what_returns_waits_outside_unless_three_voters_need_it() {
    for (orders, out) in [(&[1, 2, 0][..], vec![]), (&[1, 2, 0, 0], vec![0])] {
        let mut world = World::new(orders);
        world.servers[0].alive = false;
        world.run(10);
        assert_eq!(world.out(), [0]);
        world.servers[0].alive = true;
        world.run(1);
        assert_eq!(world.out(), out, "{orders:?}");
        world.run(3);
        assert_eq!(world.out(), Vec::<usize>::new(), "proven");
    }
}

#[rstest]
#[case::silent_and_not_yet_confirmed(|one: &mut Sighting| (one.unanswered, one.probed) = (5, Probed::Unanswered(0)))]
#[case::without_samples(|one: &mut Sighting| one.sampled = false)]
fn only_who_is_heard_is_one_of_the_three(#[case] change: fn(&mut Sighting)) {
    let mut world = World::new(&[1, 1, 2, 2]);
    world.servers[3].alive = false;
    world.run(3);
    assert_eq!(world.out(), [3]);
    world.servers[3].alive = true;
    world.seconds(1, |seen| {
        seen[3].unanswered = 0;
        change(&mut seen[2]);
    });
    assert_eq!(world.out(), Vec::<usize>::new());
}

#[test]
fn the_best_candidate_comes_in_first_and_stays_in_whatever_the_score_of_the_next() {
    let mut world = World::new(&[1, 1, 2, 2]);
    for index in [2, 3] {
        world.servers[index].alive = false;
    }
    (world.servers[2].score, world.servers[3].score) = (60, 90);
    world.run(3);
    assert_eq!(world.out(), [2, 3]);
    for index in [2, 3] {
        world.servers[index].alive = true;
    }
    world.run(1);
    assert_eq!(world.out(), [2]);
    world.servers[2].score = 100;
    world.run(1);
    assert_eq!(world.out(), [2]);
}

#[test]
fn weight_ranks_equals() {
    let mut world = World::new(&[1]);
    world.servers[0].score = 80;
    let ranks = [100, 50, 0].map(|weight| Sighting { weight, ..world.sightings()[0].clone() }.rank());
    assert_eq!(ranks, [80, 40, 0]);
}

#[test]
fn of_those_that_are_wrong_the_ones_that_are_out_stay_out() {
    let mut world = World::new(&[1, 1, 2, 2, 0]);
    world.servers[3..].iter_mut().for_each(|server| server.doubt = Some(Doubt::Stale));
    world.run(10);
    assert_eq!(world.out(), [3, 4]);
    world.servers[0].doubt = Some(Doubt::Stale);
    world.run(10);
    assert_eq!(world.out(), [3, 4]);
}

#[test]
fn when_all_are_wrong_nobody_more_is_taken_out() {
    let mut world = World::new(&[1, 2, 2, 0]);
    world.servers.iter_mut().for_each(|server| server.doubt = Some(Doubt::Unsynchronised));
    world.run(60);
    assert_eq!((world.out(), world.driving()), (vec![], vec![0]));
}

#[test]
fn when_the_last_one_dies_who_is_out_stays_out() {
    let mut world = World::new(&[1, 1, 2, 2]);
    world.servers[1].alive = false;
    world.run(10);
    world.servers.iter_mut().for_each(|server| server.alive = false);
    world.run(60);
    assert_eq!((world.out(), world.driving()), (vec![1], vec![0]));
}

#[test]
fn while_the_last_driver_waits_for_the_jitter_those_before_it_stay_out() {
    let mut world = World::new(&[1, 1, 2, 2, 0]);
    world.servers[0].alive = false;
    world.run(10);
    world.servers[1].alive = false;
    world.run(3);
    assert!(world.state.drive().waits());
    assert_eq!((world.out(), world.driving()), (vec![0], vec![1]));
}

#[test]
fn another_boot_keeps_the_record_and_nothing_else() {
    let mut world = World::new(&[1, 1, 2, 2, 0]);
    world.servers[0].alive = false;
    world.run(3);
    let mut memory = Memory::default().of_boot("first");
    let scene = record::Scene {
        boot_id: "first",
        now: world.now,
        wall: WallTime(7),
        following: Some("s0"),
        following_order: Some(1),
        stamp: 1,
        name: &|_| Some("s0".into()),
        check: &|_| Ok(()),
    };
    memory.record.step(&State::default(), &world.state, &world.figures, &scene);
    memory.state = world.state;
    assert_eq!(memory.clone().of_boot("first"), memory);
    let next = memory.clone().of_boot("second");
    assert_eq!((next.state, next.record.count()), (State::default(), 1));
}

/// Law 10: "only when chronyd itself has had no valid sample for 3 polls".
#[test]
fn one_lost_packet_takes_out_no_more_than_a_minority_of_the_wrong() {
    let mut world = World::new(&[1, 2, 2, 0]);
    world.servers[..2].iter_mut().for_each(|server| server.doubt = Some(Doubt::Stale));
    world.run(60);
    assert_eq!(world.out(), [0], "one of four");
    world.seconds(1, |seen| seen[1].unanswered = 1);
    assert_eq!(world.out(), [0]);
}

#[test]
fn one_lost_packet_does_not_take_out_a_voter_that_is_needed() {
    let mut world = World::new(&[1, 2, 0]);
    world.servers[0].alive = false;
    world.run(10);
    world.servers[0].alive = true;
    world.run(2);
    assert_eq!(world.out(), Vec::<usize>::new(), "needed as the third voter, not yet proven");
    world.seconds(1, |seen| seen[0].unanswered = 1);
    assert_eq!(world.out(), Vec::<usize>::new());
}

/// DESIGN: a usable voter is no falseticker.
#[test]
fn an_outvoted_one_is_none_of_the_three_voters() {
    let mut world = World::new(&[1, 2, 0, 0]);
    world.servers[3].rejected = true;
    world.servers[0].alive = false;
    world.run(10);
    world.servers[0].alive = true;
    world.run(1);
    assert_eq!(world.out(), Vec::<usize>::new(), "two agree, one lies, one is a candidate");
}

/// `Look::frozen`: "nothing is decided".
#[test]
fn while_the_node_itself_is_suspect_nobody_is_taken_out() {
    let mut world = World::new(&[1, 1, 2, 2]);
    world.servers[3].rejected = true;
    world.servers[..3].iter_mut().for_each(|server| server.alive = false);
    world.run(60);
    assert_eq!(world.out(), Vec::<usize>::new(), "only a liar would be left");
    world.frozen = true;
    world.servers[3].rejected = false;
    world.run(10);
    assert_eq!(world.out(), Vec::<usize>::new());
    world.frozen = false;
    world.run(10);
    assert_eq!(world.out(), [0, 1, 2]);
}

/// Three dead, a liar and nobody else: their old samples still outvote it.
#[test]
fn nobody_is_taken_out_when_only_a_liar_would_be_left() {
    let mut world = World::new(&[1, 2, 2, 0]);
    world.servers[3].rejected = true;
    world.servers[..3].iter_mut().for_each(|server| server.alive = false);
    world.run(60);
    assert_eq!(world.out(), Vec::<usize>::new());
}
