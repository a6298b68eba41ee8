//! A small world of servers, chronyd's counters and a shell that carries probes out; what may and may not come of it.

use super::*;
use crate::fsm::failover::{self, Figures, Look, Sighting};
use crate::observation::Leap;
use proptest::prelude::*;
use rstest::rstest;

/// How often the world looks.
const STEP: Nanos = Nanos::from_millis(250);
/// How long an outcome is under way.
const PATIENCE: Nanos = Nanos::from_millis(500);

pub(super) fn answer(milliseconds: i64) -> Answer {
    Answer {
        offset: Nanos::from_millis(milliseconds),
        delay: Nanos::MILLISECOND,
        stratum: 1,
        leap: Leap::Normal,
        refid: 0,
        root_delay: Nanos::ZERO,
        root_dispersion: Nanos::ZERO,
        reference_age: Some(Nanos::SECOND),
    }
}

fn address(index: usize) -> IpAddr {
    IpAddr::from([10, 0, 0, u8::try_from(index + 1).unwrap()])
}

fn target(index: usize) -> Target {
    Target {
        address: address(index),
        port: 123,
        scope: Scope::Local,
        plain: true,
        unanswered: 0,
        offset: None,
        power: false,
        wanted: false,
        sent: 0,
    }
}

fn at(seconds: i64) -> BootTime {
    BootTime(Nanos::from_secs(seconds).0)
}

const TIMED_OUT: Outcome = Outcome::Unanswered(Miss::TimedOut);
const RATE: Outcome = Outcome::Unanswered(Miss::Kiss(KissKind::Rate));
const DENY: Outcome = Outcome::Unanswered(Miss::Kiss(KissKind::Deny));

struct World {
    targets: Vec<Target>,
    /// What comes of probes; none = the shell loses them.
    outcomes: Vec<Option<Outcome>>,
    state: State,
    now: BootTime,
    phase: u64,
    under_way: Vec<(BootTime, IpAddr, Outcome)>,
    /// Ours: when and whom.
    probes: Vec<(BootTime, IpAddr)>,
    /// chronyd's.
    polls: Vec<(BootTime, IpAddr)>,
}

impl World {
    fn new(count: usize) -> Self {
        let mut world = Self {
            targets: (0..count).map(target).collect(),
            outcomes: vec![Some(TIMED_OUT); count],
            state: State::default(),
            now: at(1_000),
            phase: 0,
            under_way: Vec::new(),
            probes: Vec::new(),
            polls: Vec::new(),
        };
        world.look();
        world
    }

    fn look(&mut self) {
        let now = self.now;
        let come = |entry: &(BootTime, IpAddr, Outcome)| entry.0 <= now;
        for (_, address, outcome) in self.under_way.iter().filter(|entry| come(entry)) {
            self.state.record(*address, *outcome, now);
        }
        self.under_way.retain(|entry| !come(entry));
        let (state, asked) = due(&self.state, &self.targets, self.phase, now);
        self.state = state;
        for whom in asked {
            self.probes.push((now, whom));
            let index = (0..self.outcomes.len()).find(|index| address(*index) == whom).unwrap();
            self.under_way.extend(self.outcomes[index].map(|outcome| (now + PATIENCE, whom, outcome)));
        }
    }

    fn run(&mut self, span: Nanos) {
        let end = self.now + span;
        while self.now < end {
            self.now = self.now + STEP;
            self.look();
        }
    }

    fn seconds(&mut self, seconds: i64) {
        self.run(Nanos::from_secs(seconds));
    }

    /// chronyd polls it so many times at once, just before the next look.
    fn poll(&mut self, index: usize, times: u32) {
        self.targets[index].sent += times;
        self.polls.extend((0..times).map(|_| (self.now, address(index))));
    }

    fn probed(&self, index: usize) -> Probed {
        self.state.probed(&self.targets[index])
    }

    /// Seconds from `since` at which `index` was probed, in thousandths.
    fn probes_of(&self, index: usize, since: BootTime) -> Vec<i64> {
        let one = |(when, whom): &(BootTime, IpAddr)| {
            (*whom == address(index) && *when >= since).then(|| (*when - since).0 / 1_000_000)
        };
        self.probes.iter().filter_map(one).collect()
    }
}

#[rstest]
#[case::at_rest(0, None, false, Level::Quiet)]
#[case::far_off_but_heard(0, Some(500), false, Level::Quiet)]
#[case::one(1, None, false, Level::One)]
#[case::two_are_still_level_one(2, Some(500), false, Level::One)]
#[case::three(3, None, false, Level::Two)]
#[case::five_and_right(5, Some(-100), false, Level::Two)]
#[case::five_and_unknown(9, None, false, Level::Two)]
#[case::five_and_ahead(5, Some(101), false, Level::Three)]
#[case::five_and_behind(5, Some(-101), false, Level::Three)]
#[case::power_while_all_is_well(0, None, true, Level::Power)]
#[case::power_and_dead(50, Some(500), true, Level::Power)]
fn the_missions_fault_levels(
    #[case] unanswered: u32,
    #[case] offset: Option<i64>,
    #[case] power: bool,
    #[case] level: Level,
) {
    let target = Target { unanswered, offset: offset.map(Nanos::from_millis), power, ..target(0) };
    assert_eq!(Level::of(&target), level);
}

#[test]
fn what_works_is_not_asked_at_all() {
    let mut world = World::new(3);
    world.seconds(3_600);
    assert_eq!(world.probes, []);
    assert_eq!(world.state.next_due(&world.targets, 0, world.now), None);
    assert_eq!(world.probed(0), Probed::Unanswered(0));
}

#[rstest]
#[case::one(1, false, 30)]
#[case::two(3, false, 10)]
#[case::three(5, false, 5)]
#[case::power(0, true, 5)]
fn each_level_has_its_interval(#[case] unanswered: u32, #[case] power: bool, #[case] interval: i64) {
    let mut world = World::new(2);
    let since = world.now;
    world.targets[0] = Target { unanswered, power, offset: Some(Nanos::SECOND), ..target(0) };
    world.outcomes[0] = Some(Outcome::Answered(answer(0)));
    world.seconds(600);
    let times = world.probes_of(0, since);
    assert_eq!(times.len(), usize::try_from(600 / interval).unwrap(), "{times:?}");
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] == interval * 1_000), "{times:?}");
    assert_eq!(world.probes_of(1, since), Vec::<i64>::new(), "the other is well");
}

#[test]
fn a_rising_level_counts_from_the_last_probe() {
    let mut world = World::new(1);
    let since = world.now;
    world.targets[0].unanswered = 1;
    world.seconds(4);
    world.targets[0].unanswered = 3;
    world.seconds(20);
    assert_eq!(world.probes_of(0, since), [250, 10_250, 20_250]);
}

#[rstest]
#[case::first_of_the_fleet(0, 0, 1_000)]
#[case::last_of_the_fleet(999_999, 999, 1_999)]
#[case::between(250_500, 500, 1_250)]
fn a_suspicion_brings_two_probes_one_to_two_seconds_apart(
    #[case] phase: u64,
    #[case] first: i64,
    #[case] apart: i64,
) {
    let mut state = State::default();
    let mut targets = [Target { wanted: true, unanswered: 2, ..target(0) }];
    let mut now = at(1_000);
    let mut seen = Vec::new();
    for _ in 0..10_000 {
        let (next, asked) = due(&state, &targets, phase, now);
        state = next;
        if !asked.is_empty() {
            seen.push((now - at(1_000)).0 / 1_000_000);
            state.record(address(0), TIMED_OUT, now);
        }
        now = now + Nanos::MILLISECOND;
    }
    assert_eq!(seen, [first, first + apart], "and no third one: its level waits for 30 s");
    assert_eq!(state.probed(&targets[0]), Probed::Unanswered(2));
    // A third miss of a poll: from now on as the level says.
    targets[0].unanswered = 3;
    let next = state.next_due(&targets, phase, now).unwrap();
    assert!(next - now <= Nanos::from_secs(5), "{next:?} after {now:?}");
}

#[test]
fn a_fleet_does_not_ask_in_one_moment() {
    let targets = [Target { wanted: true, ..target(0) }];
    let mut tenths = [0_u32; 10];
    for node in 0_u64..1_000 {
        // As a hash of a node's name would give it.
        let phase = (node + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let (state, _) = due(&State::default(), &targets, phase, at(10));
        let first = state.next_due(&targets, phase, at(10)).unwrap().max(at(10)) - at(10);
        tenths[usize::try_from(first.0 / 100_000_000).unwrap().min(9)] += 1;
    }
    assert!(tenths.iter().all(|nodes| (50..200).contains(nodes)), "{tenths:?}");
}

#[rstest]
#[case::public(Scope::Public, true)]
#[case::authenticated(Scope::Local, false)]
fn some_are_never_asked(#[case] scope: Scope, #[case] plain: bool) {
    let mut world = World::new(1);
    world.targets[0] = Target { scope, plain, wanted: true, power: true, unanswered: 9, ..target(0) };
    world.poll(0, 3);
    world.seconds(3_600);
    assert_eq!(world.probes, []);
    assert_eq!(world.probed(0), Probed::NotAllowed);
    assert_eq!(world.state.next_due(&world.targets, 0, world.now), None);
    assert_eq!(world.state.level(address(0)), Level::Power);
    assert_eq!(world.state.counters(address(0)), Counters { polls: 3, ..Counters::default() });
}

#[test]
fn misses_count_since_the_suspicion_and_an_answer_ends_them() {
    let mut world = World::new(1);
    world.targets[0].unanswered = 1;
    world.seconds(61);
    assert_eq!(world.probed(0), Probed::Unanswered(3), "a level's probes");
    world.targets[0].unanswered = 2;
    world.targets[0].wanted = true;
    world.look();
    assert_eq!(world.probed(0), Probed::Unanswered(0));
    world.seconds(3);
    assert_eq!(world.probed(0), Probed::Unanswered(2));
    world.outcomes[0] = Some(Outcome::Answered(answer(2)));
    world.seconds(31);
    assert_eq!(world.probed(0), Probed::Answered);
    world.outcomes[0] = Some(Outcome::Unanswered(Miss::Garbled));
    world.seconds(30);
    assert_eq!(world.probed(0), Probed::Unanswered(1));
}

#[test]
fn what_chronyd_heard_in_between_ends_the_count() {
    let mut world = World::new(1);
    world.targets[0].unanswered = 1;
    world.seconds(61);
    world.targets[0].unanswered = 0;
    world.look();
    assert_eq!(world.probed(0), Probed::Unanswered(0));
    world.targets[0].unanswered = 3;
    world.look();
    assert_eq!(
        world.probed(0),
        Probed::Unanswered(0),
        "three at once, between two looks, are not confirmed yet"
    );
}

#[test]
fn a_probe_from_before_the_suspicion_does_not_confirm_it() {
    let mut world = World::new(1);
    world.targets[0].unanswered = 1;
    world.run(STEP); // asked, and still under way
    assert_eq!(world.probes.len(), 1);
    world.targets[0].wanted = true;
    world.run(PATIENCE);
    assert_eq!(world.probed(0), Probed::Unanswered(0));
    assert_eq!(world.state.counters(address(0)).unanswered, 1);
}

#[test]
fn an_outcome_that_nobody_waits_for_counts_in_the_window_alone() {
    let mut world = World::new(1);
    world.targets[0].wanted = true;
    world.outcomes[0] = None;
    world.seconds(1);
    world.state.record(address(0), TIMED_OUT, world.now);
    world.state.record(address(0), TIMED_OUT, world.now);
    assert_eq!(world.probed(0), Probed::Unanswered(1), "one probe, one miss, however often it is told");
    assert_eq!(world.state.window(address(0)).probes, 2);
    world.state.record(address(7), TIMED_OUT, world.now);
    assert_eq!(world.state.window(address(7)), Window::default());
}

#[test]
fn what_never_left_this_node_says_nothing_of_the_server() {
    for outcome in [Some(Outcome::NotSent), None] {
        let mut world = World::new(1);
        world.targets[0].wanted = true;
        world.targets[0].unanswered = 2;
        world.outcomes[0] = outcome;
        world.seconds(15);
        assert_eq!(world.probed(0), Probed::NotAllowed, "chronyd's evidence alone");
        assert_eq!(world.state.window(address(0)).loss_millionths, None);
        world.outcomes[0] = Some(TIMED_OUT);
        world.seconds(15);
        assert!(
            matches!(world.probed(0), Probed::Unanswered(2..)),
            "it was tried again: {:?}",
            world.probed(0)
        );
    }
}

#[test]
fn rate_pauses_and_each_further_one_pauses_twice_as_long() {
    let mut world = World::new(2);
    let since = world.now;
    world.targets[0].unanswered = 9;
    world.targets[1].unanswered = 9;
    world.outcomes[0] = Some(RATE);
    world.seconds(500);
    let times = world.probes_of(0, since);
    // Each pause begins when the kiss came, half a second after its question.
    assert_eq!(times, [250, 250 + 64_500, 250 + 64_500 + 128_500, 250 + 64_500 + 128_500 + 256_500]);
    assert_eq!(world.probed(0), Probed::NotAllowed, "meanwhile chronyd's evidence alone counts");
    assert_eq!(world.state.counters(address(0)).kisses, 4);
    assert_eq!(world.state.window(address(0)).loss_millionths, None, "it says nothing of the path");
    assert_eq!(world.probes_of(1, since).len(), 50, "the other one is not concerned");
    world.outcomes[0] = Some(TIMED_OUT);
    world.seconds(600);
    assert!(matches!(world.probed(0), Probed::Unanswered(_)));
}

#[test]
fn denied_is_for_the_life_of_the_process_even_if_it_leaves_the_plan() {
    let mut world = World::new(1);
    world.targets[0].unanswered = 9;
    world.outcomes[0] = Some(DENY);
    world.seconds(10);
    assert_eq!(world.probes.len(), 1);
    let gone = std::mem::take(&mut world.targets);
    world.seconds(2 * 3_600);
    world.targets = gone;
    world.targets[0].wanted = true;
    world.seconds(2 * 3_600);
    assert_eq!((world.probes.len(), world.probed(0)), (1, Probed::NotAllowed));
    assert_eq!(world.state.next_due(&world.targets, 0, world.now), None);
}

#[test]
fn a_server_that_says_it_has_no_time_lives() {
    let mut world = World::new(1);
    world.targets[0].wanted = true;
    world.outcomes[0] = Some(Outcome::Unanswered(Miss::Kiss(KissKind::from_refid(0))));
    world.seconds(5);
    assert_eq!((world.probes.len(), world.probed(0)), (2, Probed::Answered));
}

#[test]
fn who_left_the_plan_for_a_moment_gets_no_new_budget_and_is_forgotten_in_the_end() {
    let mut world = World::new(1);
    world.targets[0].wanted = true;
    world.seconds(5);
    let counters = world.state.counters(address(0));
    assert_eq!(counters.probes, 2);
    let gone = std::mem::take(&mut world.targets);
    world.seconds(60);
    world.targets = gone;
    world.look();
    assert_eq!(world.state.counters(address(0)), counters);
    world.targets.clear();
    world.seconds(3_601);
    assert_eq!(world.state, State::default());
}

#[test]
fn where_chronyd_alone_uses_the_budget_up_we_add_nothing() {
    let mut world = World::new(1);
    world.targets[0].unanswered = 5;
    world.targets[0].wanted = true;
    for _ in 0..1_200 {
        world.poll(0, 1); // four a second: twice the budget
        world.run(STEP);
    }
    let counters = world.state.counters(address(0));
    assert!(counters.probes <= 2, "{counters:?}");
    assert_eq!(counters.polls, 1_200);
    assert!(counters.refused > 10, "{counters:?}");
    assert_eq!(world.probed(0), Probed::NotAllowed, "the failover machine does not wait for us");
}

#[test]
fn two_of_one_address_share_one_budget_and_one_story() {
    let mut world = World::new(1);
    world.targets[0] = Target { wanted: true, unanswered: 2, ..target(0) };
    world.targets.push(target(0));
    world.seconds(10);
    assert_eq!(world.probes.len(), 2);
    assert_eq!(world.probed(0), Probed::Unanswered(2));
}

/// Polls of a second under the failover machine, which asks for probes and reads what became of them.
struct Failover {
    world: World,
    state: failover::State,
    overlay: failover::Overlay,
}

impl Failover {
    fn new(count: usize) -> Self {
        Self {
            world: World::new(count),
            state: failover::State::default(),
            overlay: failover::Overlay::default(),
        }
    }

    /// One second; of these, chronyd hears nothing.
    fn second(&mut self, deaf_to: &[usize]) {
        let world = &mut self.world;
        for index in 0..world.targets.len() {
            world.poll(index, 1);
            let unanswered = world.targets[index].unanswered;
            world.targets[index].unanswered = if deaf_to.contains(&index) { unanswered + 1 } else { 0 };
        }
        for _ in 0..4 {
            world.run(STEP);
            let one = |(index, target): (usize, &Target)| Sighting {
                source: format!("s{index}"),
                address: target.address,
                order: Some(1),
                poll: 0,
                unanswered: target.unanswered,
                sampled: true,
                rejected: false,
                doubt: None,
                probed: world.state.probed(target),
                score: 100,
                weight: 100,
            };
            let sightings = world.targets.iter().enumerate().map(one).collect();
            let look = Look { sightings, frozen: false };
            (self.state, self.overlay) =
                failover::step(&self.state, &look, &Figures::default(), 0, world.now);
            let wanted: Vec<IpAddr> = self.state.wants_probes().collect();
            world.targets.iter_mut().for_each(|target| target.wanted = wanted.contains(&target.address));
        }
    }
}

#[test]
fn a_dead_source_is_out_within_three_polls_and_five_seconds() {
    for phase in [0, 500_500, 999_999] {
        let mut scene = Failover::new(4);
        scene.world.phase = phase;
        (0..10).for_each(|_| scene.second(&[]));
        assert_eq!(scene.world.probes, [], "all is well: no probes");
        let mut seconds = 0;
        while !scene.overlay.noselect.contains(&address(1)) {
            scene.second(&[1]);
            seconds += 1;
            assert!(seconds <= 8, "phase {phase}: {:?}", scene.world.state);
        }
        assert!(seconds >= 3, "chronyd's three polls come first");
        assert!(scene.world.probes.iter().all(|(_, whom)| *whom == address(1)));
        let probes = scene.world.probes.len();
        assert!(
            (2..=3).contains(&probes),
            "two confirm it, one may have come with the first level: {probes}"
        );
    }
}

#[test]
fn a_firewall_that_passes_chronyd_but_not_our_probes_costs_nobody_a_source() {
    let mut scene = Failover::new(4);
    for second in 0..600 {
        // Two of ten packets are lost, in a row: it becomes suspect each time.
        scene.second(if second % 10 < 2 { &[1] } else { &[] });
        assert!(scene.overlay.noselect.is_empty());
    }
    let counters = scene.world.state.counters(address(1));
    assert!(counters.unanswered > 10 && counters.answered == 0, "{counters:?}");
}

#[derive(Clone, Debug)]
enum Event {
    Unanswered(usize, u32),
    Wanted(usize, bool),
    Power(usize, bool),
    Outcome(usize, Option<Outcome>),
    Polls(usize, u32),
    Gone(usize, bool),
    /// Its chronyd counts from zero again.
    Restart(usize),
    Run(i64),
}

fn event() -> impl Strategy<Value = Event> {
    let which = 0_usize..4;
    let outcome = prop_oneof![
        4 => Just(Some(TIMED_OUT)),
        4 => Just(Some(Outcome::Answered(answer(1)))),
        1 => Just(Some(RATE)),
        1 => Just(Some(DENY)),
        1 => Just(Some(Outcome::NotSent)),
        1 => Just(None),
    ];
    prop_oneof![
        (which.clone(), 0_u32..8).prop_map(|(index, polls)| Event::Unanswered(index, polls)),
        (which.clone(), any::<bool>()).prop_map(|(index, on)| Event::Wanted(index, on)),
        (which.clone(), any::<bool>()).prop_map(|(index, on)| Event::Power(index, on)),
        (which.clone(), outcome).prop_map(|(index, outcome)| Event::Outcome(index, outcome)),
        (which.clone(), 0_u32..40).prop_map(|(index, polls)| Event::Polls(index, polls)),
        (which.clone(), 0_u32..300).prop_map(|(index, polls)| Event::Polls(index, polls)),
        (which.clone(), any::<bool>()).prop_map(|(index, on)| Event::Gone(index, on)),
        which.prop_map(Event::Restart),
        (1_i64..20).prop_map(Event::Run),
        (1_i64..120).prop_map(Event::Run),
    ]
}

/// Four servers: near, farther, public, with a key. Those that left the plan are under `gone`.
fn apply(world: &mut World, gone: &mut Vec<Target>, event: &Event) {
    let find = |targets: &mut Vec<Target>, index: usize| {
        targets.iter().position(|target| target.address == address(index))
    };
    match *event {
        Event::Outcome(index, outcome) => world.outcomes[index] = outcome,
        Event::Run(seconds) => world.seconds(seconds),
        Event::Gone(index, true) => {
            if let Some(at) = find(&mut world.targets, index) {
                gone.push(world.targets.remove(at));
            }
        }
        Event::Gone(index, false) => {
            if let Some(at) = find(gone, index) {
                world.targets.push(gone.remove(at));
            }
        }
        Event::Unanswered(index, _)
        | Event::Wanted(index, _)
        | Event::Power(index, _)
        | Event::Polls(index, _)
        | Event::Restart(index) => {
            let Some(at) = find(&mut world.targets, index) else { return };
            match *event {
                Event::Unanswered(_, polls) => world.targets[at].unanswered = polls,
                Event::Wanted(_, on) => world.targets[at].wanted = on,
                Event::Power(_, on) => world.targets[at].power = on,
                Event::Polls(_, times) => {
                    world.targets[at].sent += times;
                    let (now, whom) = (world.now, address(index));
                    world.polls.extend((0..times).map(|_| (now, whom)));
                }
                Event::Restart(_) => {
                    world.look();
                    world.targets[at].sent = 0;
                    world.look();
                }
                Event::Outcome(..) | Event::Gone(..) | Event::Run(_) => {}
            }
        }
    }
}

fn world_of_four(phase: u64) -> World {
    let mut world = World::new(4);
    world.phase = phase;
    world.targets[1].scope = Scope::Site;
    world.targets[2].scope = Scope::Public;
    world.targets[3].plain = false;
    world
}

proptest! {
    #[test]
    fn no_sequence_of_looks_breaks_a_budget_or_a_servers_wish(
        phase in any::<u64>(), events in proptest::collection::vec(event(), 1..80),
    ) {
        let mut world = world_of_four(phase);
        let mut gone = Vec::new();
        for event in &events {
            let told = world.probes.len();
            let denied: Vec<IpAddr> = world
                .targets
                .iter()
                .filter(|one| one.may_be_probed() && world.state.counters(one.address).kisses > 0)
                .filter(|one| world.state.next_due(&[Target { wanted: true, ..**one }], phase, world.now).is_none())
                .map(|one| one.address)
                .collect();
            apply(&mut world, &mut gone, event);
            for (when, whom) in &world.probes[told..] {
                let scope = if *whom == address(0) { Scope::Local } else { Scope::Site };
                prop_assert!(*whom == address(0) || *whom == address(1), "{whom} must never be asked");
                prop_assert!(!denied.contains(whom), "{whom} forbade it");
                // chronyd's polls and ours, of the minute that ends with this probe.
                let minute = |(at, to): &&(BootTime, IpAddr)| {
                    to == whom && *at <= *when && *when - *at <= Nanos::from_secs(60)
                };
                let polls = world.polls.iter().filter(minute).count();
                let probes = world.probes.iter().filter(minute).count();
                let budget = usize::try_from(per_minute(scope)).unwrap();
                prop_assert!(polls + probes <= budget, "{polls} polls and {probes} probes in a minute to {whom}");
                let close = |(at, to): &&(BootTime, IpAddr)| to == whom && *at < *when && *when - *at < Nanos::SECOND;
                prop_assert_eq!(world.probes.iter().filter(close).count(), 0, "two within a second");
            }
        }
    }

    #[test]
    fn next_due_is_neither_too_early_nor_too_late(
        phase in any::<u64>(), events in proptest::collection::vec(event(), 1..40),
    ) {
        let mut world = world_of_four(phase);
        let mut gone = Vec::new();
        let mut lossy = false;
        for event in &events {
            lossy |= matches!(event, Event::Outcome(_, None));
            apply(&mut world, &mut gone, event);
            world.look();
            let next = world.state.next_due(&world.targets, phase, world.now);
            let quiet_until = next.unwrap_or(world.now + Nanos::from_secs(100_000));
            prop_assert!(quiet_until > world.now, "it would be asked again at once, for ever");
            let (_, early) = due(&world.state, &world.targets, phase, quiet_until - Nanos(1));
            prop_assert_eq!(early, Vec::<IpAddr>::new());
            if let Some(next) = next {
                let (then, asked) = due(&world.state, &world.targets, phase, next);
                let refused = |state: &State| -> u64 {
                    world.targets.iter().map(|one| state.counters(one.address).refused).sum()
                };
                // One that is under way, or was lost, is given up then: that is no new one.
                let gives_up = lossy || !world.under_way.is_empty();
                prop_assert!(gives_up || !asked.is_empty() || refused(&then) > refused(&world.state));
            }
        }
    }
}
