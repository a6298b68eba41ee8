//! How one association is suspected, given up and believed again.

use super::*;

#[test]
fn probes_alone_take_nobody_out() {
    let mut world = World::new(&[1, 1, 2, 2, 0]);
    for unanswered in 0..3 {
        world.seconds(30, |seen| {
            (seen[0].unanswered, seen[0].probed) = (unanswered, Probed::Unanswered(9));
        });
        assert_eq!(world.out(), Vec::<usize>::new(), "chronyd heard it {unanswered} polls ago");
    }
}

#[test]
fn what_is_proven_at_the_first_of_two_distant_looks_is_not_waited_for() {
    let mut world = World::new(&[1, 1, 2, 2, 0]);
    world.seconds(1, |seen| seen[0].unanswered = 5);
    assert_eq!(world.out(), [0]);
}

#[test]
fn doubt_has_to_stand_in_three_polls_in_a_row() {
    let mut world = World::new(&[1, 1, 2, 2, 0]);
    for _ in 0..10 {
        world.servers[0].doubt = Some(Doubt::Stale);
        world.run(2);
        assert_eq!(world.out(), Vec::<usize>::new());
        world.servers[0].doubt = None;
        world.run(1);
    }
    world.servers[0].doubt = Some(Doubt::Stale);
    world.run(3);
    assert_eq!(world.out(), [0]);
}

impl World {
    /// Seconds after which the first server, which failed and answers again, is Healthy.
    fn proof(&mut self) -> u32 {
        self.servers[0].alive = false;
        self.run(3);
        assert!(matches!(self.state.health(address(0)), Some(Health::Failed { .. })));
        self.servers[0].alive = true;
        let mut seconds = 0;
        while self.state.health(address(0)) != Some(Health::Healthy) {
            self.run(1);
            seconds += 1;
        }
        seconds
    }
}

#[test]
fn proof_takes_three_polls_and_twice_as_many_after_each_failure_up_to_a_limit() {
    let mut world = World::new(&[1, 1, 2, 2, 0]);
    let proofs: Vec<u32> = (0..9).map(|_| world.proof()).collect();
    // 3 polls from the first answer on, × 1, 2, 4 … 64
    assert_eq!(proofs, [3, 6, 12, 24, 48, 96, 192, 192, 192].map(|polls| polls + 1));
    world.run(3_600);
    assert_eq!(world.proof(), 4, "a good hour later");
}

/// One poll in a hundred is lost on any path: that alone must not keep a source out.
#[test]
fn two_unanswered_polls_begin_the_proof_anew_and_one_does_not() {
    let mut world = World::new(&[1, 1, 2, 2, 0]);
    world.servers[0].alive = false;
    world.run(3);
    for _ in 0..10 {
        world.servers[0].alive = true;
        world.run(2);
        world.servers[0].alive = false;
        world.run(2);
        assert!(matches!(world.state.health(address(0)), Some(Health::Failed { .. })), "{:?}", world.state);
    }
    world.servers[0].alive = true;
    world.run(2);
    world.servers[0].alive = false;
    world.run(1);
    assert!(matches!(world.state.health(address(0)), Some(Health::Recovering { .. })), "{:?}", world.state);
    world.servers[0].alive = true;
    world.run(1);
    assert_eq!(world.state.health(address(0)), Some(Health::Healthy));
}

#[test]
fn an_answer_in_doubt_is_no_proof() {
    let mut world = World::new(&[1, 1, 2, 2, 0]);
    world.servers[0].alive = false;
    world.run(3);
    world.servers[0].alive = true;
    world.run(2);
    world.servers[0].doubt = Some(Doubt::Unsynchronised);
    world.run(1);
    assert!(matches!(world.state.health(address(0)), Some(Health::Failed { .. })), "{:?}", world.state);
}

#[test]
fn proof_needs_as_many_samples_as_chronyd_does() {
    let mut world = World::new(&[1, 1, 2, 2, 0]);
    world.servers[0].alive = false;
    world.run(3);
    world.servers[0].alive = true;
    world.seconds(60, |seen| (seen[0].unanswered, seen[0].sampled) = (0, false));
    assert!(matches!(world.state.health(address(0)), Some(Health::Recovering { .. })));
    world.run(1);
    assert_eq!(world.state.health(address(0)), Some(Health::Healthy));
}

#[test]
fn no_time_counts_while_the_node_itself_is_suspect() {
    let mut world = World::new(&[1, 1, 2, 2, 0]);
    world.servers[0].alive = false;
    world.run(3);
    world.servers[0].alive = true;
    world.servers[4].doubt = Some(Doubt::Stale);
    world.run(2);
    world.frozen = true;
    world.run(60);
    world.frozen = false;
    world.run(1);
    let health = |index| world.state.health(address(index));
    assert!(matches!(health(0), Some(Health::Recovering { .. })), "a proof: {:?}", health(0));
    assert!(matches!(health(4), Some(Health::Suspect { .. })), "a suspicion: {:?}", health(4));
}
