//! The file of a chronyd without `selectopts`: only the dead are ever touched.

use super::*;
use crate::clocks::BootTime;
use crate::conf::SourceLine;
use crate::fsm::failover::{Drive, Figures, Health, Look, step};
use crate::judge::tests::build::plan;
use crate::snapshot::PlannedAssociation;
use crate::source::{PollRange, Scope, Timescale};
use crate::tolerances::Preset;
use crate::units::Nanos;

/// s1 drives, s2 and s3 are next.
fn planned() -> NodePlan {
    let mut plan = plan(Preset::Kubernetes.tolerances());
    let one = |index: u8| PlannedAssociation {
        source: format!("s{index}"),
        tier: 1,
        role: if index == 1 { Role::Driver } else { Role::Voter },
        endpoint: Endpoint::Server { address: format!("10.0.0.{index}"), port: 123 },
        polls: PollRange { min: 0, max: 0 },
        iburst: true,
        scope: Scope::Local,
        independence: format!("s{index}"),
        timescale: Timescale::Utc,
        drive_order: Some(if index == 1 { 1 } else { 2 }),
        weight: 100,
        power_failing: false,
    };
    plan.associations = (1..=3).map(one).collect();
    plan
}

struct World {
    plan: NodePlan,
    state: State,
    lines: Lines,
    second: i64,
    silent: u32,
    probed: Probed,
}

impl World {
    /// chronyd has what the file has.
    fn second(&mut self) {
        self.second += 1;
        let probed = BTreeMap::from([(IpAddr::from([10, 0, 0, 1]), self.probed)]);
        let file = self.file();
        let there = |index: u8| file.iter().any(|line| line.contains(&format!("10.0.0.{index} ")));
        let sighting = |index: u8| Sighting {
            source: format!("s{index}"),
            address: IpAddr::from([10, 0, 0, index]),
            order: Some(if index == 1 { 1 } else { 2 }),
            poll: 0,
            unanswered: if index == 1 { self.silent } else { 0 },
            sampled: true,
            rejected: false,
            doubt: None,
            probed: if index == 1 { probed[&IpAddr::from([10, 0, 0, 1])] } else { Probed::NotAllowed },
            score: 100,
            weight: 100,
        };
        let mut sightings: Vec<Sighting> = (1..=3).filter(|index| there(*index)).map(sighting).collect();
        sightings.extend(
            self.lines
                .sightings(&self.plan, &probed)
                .into_iter()
                .filter(|one| !there(one.address.to_string().trim_start_matches("10.0.0.").parse().unwrap())),
        );
        let look = Look { sightings, frozen: false };
        let now = BootTime(Nanos::from_secs(self.second).0);
        let (state, overlay) = step(&self.state, &look, &Figures::default(), 0, now);
        self.lines = self.lines.next(&overlay, &state, &look.sightings, &self.plan, now);
        self.state = state;
    }
    fn file(&self) -> Vec<String> {
        let lines: Vec<SourceLine> =
            self.plan.associations.iter().map(|planned| SourceLine::of(planned).unwrap()).collect();
        self.lines.under(&Sources(lines), &self.plan).0.iter().map(ToString::to_string).collect()
    }
    fn prefers(&self) -> bool {
        self.file().iter().any(|line| line.ends_with(" prefer"))
    }
}

fn world() -> World {
    let mut world = World {
        plan: planned(),
        state: State::default(),
        lines: Lines::default(),
        second: 0,
        silent: 0,
        probed: Probed::Answered,
    };
    world.second();
    assert!(world.lines == Lines::default() && world.prefers() && world.file().len() == 3);
    world
}

impl World {
    fn run(&mut self, seconds: u32) {
        for _ in 0..seconds {
            self.second();
        }
    }
    fn health(&self) -> Option<Health> {
        self.state.health(IpAddr::from([10, 0, 0, 1]))
    }
}

#[test]
fn the_dead_line_goes_comes_back_as_a_voter_and_drives_again_after_proof() {
    let mut world = world();
    (world.silent, world.probed) = (3, Probed::Unanswered(9));
    world.run(3);
    assert_eq!((world.file().len(), world.prefers()), (2, false), "{:?}", world.state);
    assert_eq!(world.state.drive().order(), 2);
    assert_eq!(world.lines.absent(&world.plan), BTreeSet::from(["10.0.0.1".to_owned()]));
    for _ in 0..600 {
        world.second();
        assert_eq!(world.file().len(), 2, "what does not answer our probes stays out");
    }
    (world.silent, world.probed) = (0, Probed::Answered);
    world.run(1);
    assert_eq!((world.file().len(), world.prefers()), (3, false), "it votes again");
    world.run(10);
    assert_eq!(world.health(), Some(Health::Healthy));
    assert!(!world.prefers(), "proven, and not yet given the drive");
    world.run(400);
    assert_eq!(world.state.drive().order(), Drive::default().order());
    assert!(world.lines == Lines::default() && world.prefers());
}

#[test]
fn what_must_not_be_probed_is_tried_again_from_time_to_time() {
    let mut world = world();
    (world.silent, world.probed) = (3, Probed::NotAllowed);
    let mut there = Vec::new();
    for second in 0..700 {
        world.second();
        if world.file().len() == 3 {
            there.push(second);
        }
    }
    let trials = there.chunk_by(|one, next| next - one == 1).map(<[i32]>::len);
    assert_eq!(trials.collect::<Vec<_>>(), [8, 8], "once in five minutes, for eight polls: {there:?}");
    world.silent = 0;
    world.run(700);
    assert_eq!((world.health(), world.file().len()), (Some(Health::Healthy), 3));
    assert!(world.lines == Lines::default() && world.prefers());
}

#[test]
fn lines_of_pools_stay() {
    let mut world = world();
    (world.silent, world.probed) = (3, Probed::Unanswered(9));
    world.run(3);
    let seen = world.lines.sightings(&world.plan, &BTreeMap::new());
    let overlay = Overlay { noselect: BTreeSet::from([seen[0].address]), ..Overlay::default() };
    let mut stays = || {
        let lines = Lines::default().next(&overlay, &world.state, &seen, &world.plan, BootTime(0));
        world.plan.associations[0].endpoint =
            Endpoint::Pool { name: "pool.example".into(), port: 123, max_sources: 4 };
        lines == Lines::default()
    };
    assert_eq!([stays(), stays()], [false, true], "a server's, a pool's");
}

/// Our own probes are all that is known of it.
#[test]
fn what_chronyd_does_not_have_is_no_voter() {
    let mut world = world();
    (world.silent, world.probed) = (3, Probed::Unanswered(9));
    world.run(3);
    let address = IpAddr::from([10, 0, 0, 1]);
    for (probed, unanswered) in [
        (Probed::Unanswered(9), 3),
        (Probed::Unanswered(0), 3),
        (Probed::NotAllowed, 3),
        (Probed::Answered, 0),
    ] {
        let seen = world.lines.sightings(&world.plan, &BTreeMap::from([(address, probed)]));
        let [seen] = seen.as_slice() else { panic!("{seen:?}") };
        assert_eq!((seen.sampled, seen.unanswered), (false, unanswered), "{probed:?}");
    }
}
