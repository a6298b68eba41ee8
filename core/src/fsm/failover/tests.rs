//! A small world of servers that die, lie, flap and return, and what no sequence of looks may bring about.

mod drive;
mod health;
mod voters;

use super::*;
use proptest::prelude::*;

const SECOND: i64 = 1_000_000_000;

/// One server as the world has it, and chronyd's counters of it.
#[derive(Clone, Debug)]
struct Server {
    order: Option<u8>,
    alive: bool,
    rejected: bool,
    doubt: Option<Doubt>,
    probes: bool,
    score: u8,
    unanswered: u32,
    heard: u32,
    asked: u32,
}

struct World {
    servers: Vec<Server>,
    figures: Figures,
    state: State,
    overlay: Overlay,
    now: BootTime,
    frozen: bool,
}

fn address(index: usize) -> IpAddr {
    IpAddr::from([10, 0, 0, u8::try_from(index + 1).unwrap()])
}

impl World {
    /// `orders`: 0 = only votes.
    fn new(orders: &[u8]) -> Self {
        let server = |order: &u8| Server {
            order: (*order > 0).then_some(*order),
            alive: true,
            rejected: false,
            doubt: None,
            probes: false,
            score: 100,
            unanswered: 0,
            heard: 8,
            asked: 0,
        };
        let mut world = Self {
            servers: orders.iter().map(server).collect(),
            figures: Figures::default(),
            state: State::default(),
            overlay: Overlay::default(),
            now: BootTime(1_000 * SECOND),
            frozen: false,
        };
        world.run(5);
        world
    }

    fn sightings(&self) -> Vec<Sighting> {
        let one = |(index, server): (usize, &Server)| Sighting {
            source: format!("s{index}"),
            address: address(index),
            order: server.order,
            poll: 0,
            unanswered: server.unanswered,
            sampled: server.heard >= 3,
            rejected: server.rejected,
            doubt: server.doubt.filter(|_| server.alive),
            probed: if server.probes { Probed::Unanswered(server.asked) } else { Probed::NotAllowed },
            score: server.score,
            weight: 100,
        };
        self.servers.iter().enumerate().map(one).collect()
    }

    /// One poll of everything, one look.
    fn second(&mut self) {
        self.now = self.now + Nanos::SECOND;
        for server in &mut self.servers {
            if server.alive {
                (server.unanswered, server.heard, server.asked) = (0, server.heard + 1, 0);
            } else {
                server.unanswered += 1;
                server.asked += u32::from(server.probes && server.unanswered > 2);
            }
        }
        let look = Look { sightings: self.sightings(), frozen: self.frozen };
        let (state, overlay) = step(&self.state, &look, &self.figures, 500, self.now);
        (self.state, self.overlay) = (state, overlay);
    }

    fn run(&mut self, seconds: u32) {
        for _ in 0..seconds {
            self.second();
        }
    }

    /// One look a second at the same counters, `change`d by hand.
    fn seconds(&mut self, seconds: u32, change: impl Fn(&mut [Sighting])) {
        for _ in 0..seconds {
            self.now = self.now + Nanos::SECOND;
            let mut sightings = self.sightings();
            change(&mut sightings);
            let look = Look { sightings, frozen: self.frozen };
            (self.state, self.overlay) = step(&self.state, &look, &self.figures, 500, self.now);
        }
    }

    fn out(&self) -> Vec<usize> {
        (0..self.servers.len()).filter(|index| self.overlay.noselect.contains(&address(*index))).collect()
    }
    fn driving(&self) -> Vec<usize> {
        (0..self.servers.len()).filter(|index| self.overlay.prefer.contains(&address(*index))).collect()
    }
}

#[test]
fn at_rest_it_wants_the_plan_and_nothing_else() {
    let world = World::new(&[1, 1, 2, 2, 0]);
    assert_eq!((world.driving(), world.out()), (vec![0, 1], vec![]));
    assert_eq!(world.state.drive().moves(), []);
}

#[test]
fn a_dead_driver_is_out_after_three_polls_and_its_neighbour_drives_alone() {
    let mut world = World::new(&[1, 1, 2, 2, 0]);
    world.servers[0].alive = false;
    world.run(2);
    assert_eq!(world.out(), Vec::<usize>::new());
    assert!(matches!(world.state.health(address(0)), Some(Health::Suspect { .. })));
    world.run(1);
    assert_eq!((world.out(), world.driving()), (vec![0], vec![1]));
    assert_eq!(world.state.drive().order(), 1);
}

#[test]
fn where_probes_are_allowed_two_of_them_have_to_agree() {
    let mut world = World::new(&[1, 1, 2, 2]);
    world.servers[0].probes = true;
    world.servers[0].alive = false;
    world.run(2);
    assert_eq!(world.state.wants_probes().collect::<Vec<_>>(), [address(0)]);
    world.run(1);
    assert_eq!(world.out(), Vec::<usize>::new());
    world.run(1);
    assert_eq!(world.out(), [0]);
}

/// A firewall may pass our probes and not chronyd's packets: they are doubted for longer, not for ever.
#[test]
fn what_answers_only_our_probes_is_out_after_twice_as_many_polls() {
    let sighting = |unanswered| Sighting {
        source: "s".into(),
        address: address(0),
        order: Some(1),
        poll: 0,
        unanswered,
        sampled: true,
        rejected: false,
        doubt: None,
        probed: Probed::Answered,
        score: 100,
        weight: 100,
    };
    let mut state = State::default();
    for (unanswered, out) in (0..8).map(|polls| (polls, polls >= 6)) {
        let look = Look { sightings: vec![sighting(unanswered)], frozen: false };
        let now = BootTime(i64::from(unanswered) * SECOND);
        (state, _) = step(&state, &look, &Figures::default(), 0, now);
        assert_eq!(state.health(address(0)).unwrap().is_out(), out, "{unanswered}: {state:?}");
    }
}

#[test]
fn a_dead_tier_hands_the_drive_on_after_the_jitter_and_gets_it_back_after_proof() {
    let mut world = World::new(&[1, 1, 2, 2, 0]);
    world.servers[0].alive = false;
    world.servers[1].alive = false;
    world.run(3);
    assert_eq!((world.out(), world.state.drive().order()), (vec![], 1), "chronyd would move without jitter");
    world.run(3);
    assert_eq!((world.out(), world.driving(), world.state.drive().order()), (vec![0, 1], vec![2, 3], 2));
    world.servers[0].alive = true;
    world.run(200);
    assert_eq!(
        (world.out(), world.driving()),
        (vec![1], vec![2, 3]),
        "it votes again, it does not drive yet"
    );
    world.run(200);
    assert_eq!(world.driving(), [0]);
    let moves: Vec<_> =
        world.state.drive().moves().iter().map(|one| (one.id, one.from, one.to, one.why)).collect();
    assert_eq!(moves, [(1, 1, 2, Why::Failed), (2, 2, 1, Why::Returned)]);
}

#[test]
fn a_poor_score_keeps_a_driver_from_returning_and_takes_nobody_out() {
    let mut world = World::new(&[1, 2, 2, 0]);
    world.servers[0].alive = false;
    world.run(10);
    world.servers[0].alive = true;
    world.servers[0].score = 80;
    world.run(4_000);
    assert_eq!((world.driving(), world.out()), (vec![1, 2], vec![]));
    world.servers[0].score = 85;
    world.run(400);
    assert_eq!(world.driving(), [0]);
}

#[test]
fn when_all_die_nobody_is_taken_out_and_nothing_moves() {
    let mut world = World::new(&[1, 1, 2, 2]);
    world.servers.iter_mut().for_each(|server| server.alive = false);
    world.run(600);
    assert_eq!((world.out(), world.driving()), (vec![], vec![0, 1]));
    world.servers[3].alive = true;
    world.run(10);
    assert_eq!((world.out(), world.driving()), (vec![0, 1, 2], vec![3]));
}

#[test]
fn a_tier_that_is_outvoted_does_not_drive() {
    let mut world = World::new(&[1, 1, 2, 2, 0]);
    world.servers[0].rejected = true;
    world.servers[1].rejected = true;
    world.run(5);
    assert_eq!((world.driving(), world.out()), (vec![2, 3], vec![]), "chronyd rejects them itself");
}

#[test]
fn a_driver_that_is_outvoted_for_a_moment_keeps_the_drive() {
    let mut world = World::new(&[1, 2, 2, 0]);
    for _ in 0..20 {
        world.servers[0].rejected = true;
        world.run(2);
        world.servers[0].rejected = false;
        world.run(3);
    }
    assert_eq!((world.driving(), world.state.drive().moves().len()), (vec![0], 0));
}

#[test]
fn a_stale_source_is_left_after_three_polls_though_chronyd_likes_it() {
    let mut world = World::new(&[1, 2, 2, 0]);
    world.servers[0].doubt = Some(Doubt::Stale);
    world.run(3);
    assert_eq!(world.out(), Vec::<usize>::new());
    world.run(4);
    assert_eq!((world.out(), world.driving()), (vec![0], vec![1, 2]));
}

#[test]
fn what_talks_and_is_wrong_is_taken_out_a_minority_at_a_time() {
    let mut world = World::new(&[1, 1, 2, 2, 0]);
    world.servers[..3].iter_mut().for_each(|server| server.doubt = Some(Doubt::Stale));
    world.run(60);
    assert_eq!(world.out(), [0, 1]);
}

#[test]
fn while_the_node_itself_is_suspect_nothing_is_learned() {
    let mut world = World::new(&[1, 1, 2, 2]);
    world.frozen = true;
    world.servers[0].alive = false;
    world.run(60);
    assert_eq!(world.out(), Vec::<usize>::new());
    assert_eq!(world.state.health(address(0)), Some(Health::Healthy));
    world.frozen = false;
    world.run(3);
    assert_eq!(world.out(), [0]);
}

/// Ten minutes of ten seconds up, ten seconds down.
#[test]
fn a_flapping_first_source_moves_the_drive_once() {
    let mut world = World::new(&[1, 2, 2, 0]);
    for _ in 0..30 {
        world.servers[0].alive = false;
        world.run(10);
        world.servers[0].alive = true;
        world.run(10);
    }
    assert_eq!(world.state.drive().moves().len(), 1);
    assert_eq!(world.driving(), [1, 2]);
}

#[test]
fn another_plan_begins_with_its_own_first_order() {
    let mut world = World::new(&[1, 2, 2, 0]);
    world.servers[0].alive = false;
    world.run(10);
    assert_eq!(world.state.drive().order(), 2);
    world.servers.iter_mut().for_each(|server| server.order = server.order.map(|_| 3));
    world.run(1);
    assert_eq!(world.state.drive().order(), 3);
}

#[test]
fn what_comes_in_is_sent_before_what_goes_out_and_only_what_differs() {
    let mut world = World::new(&[1, 1, 2, 2, 0]);
    world.servers[0].alive = false;
    world.run(3);
    let plan = |index: usize| (address(index), Options { prefer: index < 2, noselect: index == 4 });
    let orders = world.overlay.differences(&(0..5).map(plan).collect());
    assert_eq!(
        orders,
        [
            (address(4), Options { prefer: false, noselect: false }),
            (address(0), Options { prefer: false, noselect: true }),
        ]
    );
}

#[derive(Clone, Debug)]
enum Event {
    Alive(usize, bool),
    Rejected(usize, bool),
    Doubt(usize, bool),
    Score(usize, u8),
    Frozen(bool),
    Run(u32),
}

fn event() -> impl Strategy<Value = Event> {
    let which = 0_usize..6;
    prop_oneof![
        (which.clone(), any::<bool>()).prop_map(|(index, on)| Event::Alive(index, on)),
        (which.clone(), any::<bool>()).prop_map(|(index, on)| Event::Rejected(index, on)),
        (which.clone(), any::<bool>()).prop_map(|(index, on)| Event::Doubt(index, on)),
        (which, 0_u8..=100).prop_map(|(index, score)| Event::Score(index, score)),
        proptest::bool::weighted(0.1).prop_map(Event::Frozen),
        (1_u32..30).prop_map(Event::Run),
        (1_u32..500).prop_map(Event::Run),
    ]
}

fn apply(world: &mut World, event: &Event) -> u32 {
    let count = world.servers.len();
    match *event {
        Event::Alive(index, on) => world.servers[index % count].alive = on,
        Event::Rejected(index, on) => world.servers[index % count].rejected = on,
        Event::Doubt(index, on) => world.servers[index % count].doubt = on.then_some(Doubt::Stale),
        Event::Score(index, score) => world.servers[index % count].score = score,
        Event::Frozen(on) => world.frozen = on,
        Event::Run(seconds) => return seconds,
    }
    0
}

fn orders() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(0_u8..4, 1..7)
}

proptest! {
    #[test]
    fn no_sequence_of_looks_breaks_a_law(orders in orders(), events in proptest::collection::vec(event(), 1..60)) {
        let mut world = World::new(&orders);
        let mut returned: Option<BootTime> = None;
        let mut idle = 0_u32;
        for event in &events {
            for _ in 0..apply(&mut world, event) {
                let moved = world.state.drive().moves().last().map_or(0, |last| last.id);
                let never_failed: Vec<usize> = (0..world.servers.len())
                    .filter(|index| world.state.health(address(*index)) == Some(Health::Healthy))
                    .collect();
                world.second();
                let sightings = world.sightings();
                let out = world.out();
                let talks = |one: &Sighting| one.sampled && one.unanswered == 0 && one.doubt.is_none();
                // Law 10: chronyd hears it and nothing speaks against it: it is not taken out.
                for index in &never_failed {
                    prop_assert!(!(out.contains(index) && talks(&sightings[*index])), "s{index} out: {:?}", world.state);
                }
                // Three voters while there is a candidate.
                let inside = sightings
                    .iter()
                    .enumerate()
                    .filter(|(index, one)| !out.contains(index) && one.sampled && one.unanswered < 3)
                    .count();
                let candidate = out.iter().any(|index| talks(&sightings[*index]));
                prop_assert!(world.frozen || inside == 0 || inside >= VOTERS || !candidate, "{inside} voters, {out:?} out: {:?}", world.state);
                // What talks and is wrong goes a minority at a time. (With nobody right left all stays as it was.)
                let right = sightings.iter().enumerate().any(|(index, one)| {
                    !out.contains(&index)
                        && !one.rejected
                        && one.sampled
                        && one.unanswered < 3
                        && !world.state.health(one.address).is_some_and(Health::is_out)
                });
                let talking = sightings.iter().filter(|one| one.sampled && one.unanswered < 3).count();
                let wrong = out.iter().filter(|index| sightings[**index].unanswered == 0 && sightings[**index].doubt.is_some()).count();
                prop_assert!(world.frozen || !right || wrong <= talking.saturating_sub(1) / 2, "{wrong} of {talking}: {:?}", world.state);
                // Nobody drives who is out.
                prop_assert!(world.driving().iter().all(|index| !out.contains(index)));
                // The drive returns no sooner than its window allows.
                let last = world.state.drive().moves().last().copied();
                if let Some(last) = last.filter(|last| last.id > moved && last.why == Why::Returned) {
                    if let Some(before) = returned {
                        prop_assert!(last.at - before >= Nanos::from_secs(360), "{:?}", world.state.drive());
                    }
                    returned = Some(last.at);
                }
                // Outvoted drivers do not keep the drive while others could have it.
                let usable = |one: &Sighting| talks(one) && !one.rejected
                    && world.state.health(one.address) == Some(Health::Healthy) && !world.overlay.noselect.contains(&one.address);
                let drivers: Vec<&Sighting> =
                    sightings.iter().filter(|one| one.order == Some(world.state.drive().order())).collect();
                let stuck = !world.frozen && !drivers.is_empty() && drivers.iter().all(|one| one.rejected)
                    && sightings.iter().any(|one| one.order.is_some() && usable(one));
                idle = if stuck { idle + 1 } else { 0 };
                prop_assert!(idle <= 6, "driven by the outvoted for {idle} s: {:?}", world.state);
            }
        }
    }

    #[test]
    fn a_score_takes_nobody_out(orders in orders(), events in proptest::collection::vec(event(), 1..40)) {
        let (mut one, mut other) = (World::new(&orders), World::new(&orders));
        let mut before = std::collections::BTreeSet::new();
        for event in &events {
            let seconds = apply(&mut one, event);
            if !matches!(event, Event::Score(..)) {
                apply(&mut other, event);
            }
            for _ in 0..seconds {
                one.second();
                other.second();
                // Which of several that return is let in first is a score's to say; who is out for cause is not.
                let failed = |world: &World| -> Vec<IpAddr> {
                    let failed = |address: &&IpAddr| {
                        matches!(world.state.health(**address), Some(Health::Failed { .. }))
                    };
                    world.overlay.noselect.iter().filter(failed).copied().collect()
                };
                // A poor score keeps the drive where it is; its last driver then waits for the jitter, where another
                // would be out at once.
                let waits = one.state.drive().waits() || other.state.drive().waits();
                prop_assert!(waits || failed(&one) == failed(&other), "{:?} {:?}", one.state, other.state);
                // Nobody who is in goes out for a score.
                let out = one.overlay.noselect.difference(&before);
                let healthy = |address: &&IpAddr| one.state.health(**address) == Some(Health::Healthy);
                prop_assert_eq!(out.filter(healthy).count(), 0);
                before.clone_from(&one.overlay.noselect);
            }
        }
    }
}
