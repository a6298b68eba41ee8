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
    answers_probes: bool,
}

impl World {
    /// chronyd has what the file has.
    fn second(&mut self) {
        self.second += 1;
        let probed = if self.answers_probes { Probed::Answered } else { Probed::Unanswered(9) };
        let probed = BTreeMap::from([(IpAddr::from([10, 0, 0, 1]), probed)]);
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
        sightings.extend(self.lines.sightings(&self.plan, &probed, false, 3));
        let look = Look { sightings, frozen: false };
        let now = BootTime(Nanos::from_secs(self.second).0);
        let (state, overlay) = step(&self.state, &look, &Figures::default(), 0, now);
        self.lines = self.lines.next(&overlay, &state, &look.sightings, &self.plan);
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

#[test]
fn the_dead_line_goes_comes_back_as_a_voter_and_drives_again_after_proof() {
    let plan = planned();
    let mut world = World {
        plan,
        state: State::default(),
        lines: Lines::default(),
        second: 0,
        silent: 0,
        answers_probes: true,
    };
    world.second();
    assert!(world.lines.is_plain() && world.prefers() && world.file().len() == 3);
    (world.silent, world.answers_probes) = (3, false);
    for _ in 0..3 {
        world.second();
    }
    assert_eq!((world.file().len(), world.prefers()), (2, false), "{:?}", world.state);
    assert_eq!(world.state.drive().order(), 2);
    assert_eq!(world.lines.absent(&world.plan), BTreeSet::from(["10.0.0.1".to_owned()]));
    for _ in 0..600 {
        world.second();
    }
    assert_eq!(world.file().len(), 2, "what does not answer our probes stays out");
    (world.silent, world.answers_probes) = (0, true);
    for _ in 0..10 {
        world.second();
    }
    assert_eq!((world.file().len(), world.prefers()), (3, false), "it votes again");
    assert_eq!(world.state.health(IpAddr::from([10, 0, 0, 1])), Some(Health::Healthy));
    for _ in 0..400 {
        world.second();
    }
    assert_eq!(world.state.drive().order(), Drive::default().order());
    assert!(world.lines.is_plain() && world.prefers());
}
