//! What speaks against a source, and what does not.

use super::*;
use crate::chrony::Letter;
use crate::clocks::{BootTime, ClockReading, RawTime, WallTime};

use crate::conditions::Conditions;
use crate::fsm::failover::score::Grade;
use crate::judge::tests::build::{EPOCH, association, plan, tracking, verdict};
use crate::observation::{ClockProfile, Packet, PollCounters};
use crate::source::{Endpoint, PollRange, Scope, Timescale};
use crate::tolerances::Preset;
use rstest::rstest;

const HOUR: Nanos = Nanos::from_secs(3_600);

/// A node whose clock is `ahead` of all its sources, which were corrected 10 s before they answered; looked at one second
/// after their last answer.
struct Scene {
    associations: Vec<Association>,
    offsets: Vec<Option<Nanos>>,
    usable: Vec<bool>,
    roles: Vec<Role>,
    ahead: Nanos,
}

impl Scene {
    fn new(count: usize, ahead: Nanos) -> Self {
        let one = |index: usize| {
            let mut seen = association(&format!("10.0.0.{}", index + 1), &format!("s{index}"));
            let packet = seen.packet.clone().unwrap();
            seen.packet = Some(Packet { reference_time: WallTime(EPOCH - 11 * Nanos::SECOND.0), ..packet });
            seen.letter = Letter::Combined;
            seen
        };
        Self {
            associations: (0..count).map(one).collect(),
            offsets: vec![Some(ahead); count],
            usable: vec![true; count],
            roles: vec![Role::Driver; count],
            ahead,
        }
    }

    fn packet(&mut self, index: usize) -> &mut Packet {
        self.associations[index].packet.as_mut().unwrap()
    }

    fn sights(&self) -> Vec<Sight> {
        let mut plan = plan(Preset::Kubernetes.tolerances());
        plan.associations = (0..self.associations.len())
            .map(|index| PlannedAssociation {
                source: format!("s{index}"),
                tier: 1,
                role: self.roles[index],
                endpoint: Endpoint::Server { address: format!("10.0.0.{}", index + 1), port: 123 },
                polls: PollRange { min: 1, max: 1 },
                iburst: true,
                scope: Scope::Local,
                independence: format!("s{index}"),
                timescale: Timescale::Utc,
                drive_order: None,
                weight: 50,
                power_failing: false,
            })
            .collect();
        let observation = Observation {
            clocks: ClockReading {
                wall: WallTime(EPOCH) + self.ahead,
                boot: BootTime(0),
                raw: RawTime(0),
                rtc: None,
                tick: None,
            },
            boot_id: "b".into(),
            daemon_start: 1,
            profile: ClockProfile::Real,
            answer: Answer::Full { tracking: tracking(), associations: self.associations.clone() },
        };
        sights(&plan, &observation, &self.verdict())
    }

    fn verdict(&self) -> Verdict {
        verdict(
            self.offsets
                .iter()
                .enumerate()
                .map(|(index, offset)| AssociationVerdict {
                    index,
                    unanswered: 0,
                    ever: true,
                    kissed: false,
                    usable: self.usable[index],
                    rejected: false,
                    offset: *offset,
                    uncertainty: None,
                })
                .collect(),
        )
    }
}

#[rstest]
#[case::right(Nanos::ZERO)]
#[case::a_day_ahead(HOUR.times(24))]
#[case::a_day_behind(-HOUR.times(24))]
fn a_wrong_clock_of_our_own_is_held_against_nobody(#[case] ahead: Nanos) {
    for sight in Scene::new(3, ahead).sights() {
        assert_eq!(sight.reference_age, Some(Nanos::from_secs(10)));
        assert_eq!((sight.sighting.doubt, sight.score.points), (None, 100));
        assert_eq!(
            (sight.sighting.order, sight.sighting.rank()),
            (Some(1), 50),
            "the role tells where no order does"
        );
    }
}

#[test]
fn a_source_whose_upstream_died_is_told_by_its_own_timestamps() {
    let mut scene = Scene::new(3, Nanos::from_secs(-500));
    scene.packet(1).reference_time = WallTime(EPOCH) - HOUR;
    assert_eq!(scene.sights()[1].sighting.doubt, None, "one second short of an hour");
    scene.packet(1).reference_time = WallTime(EPOCH) - HOUR - Nanos::from_secs(2);
    let doubts: Vec<_> = scene.sights().iter().map(|sight| sight.sighting.doubt).collect();
    assert_eq!(doubts, [None, Some(Doubt::Stale), None]);
    scene.packet(1).reference_time = WallTime(0);
    assert_eq!(scene.sights()[1].reference_age, None, "it never told");
}

#[test]
fn what_says_that_it_is_not_synchronised_is_believed() {
    let mut scene = Scene::new(3, Nanos::ZERO);
    scene.packet(0).leap = Leap::Unsynchronised;
    scene.packet(1).stratum = 16;
    let doubts: Vec<_> = scene.sights().iter().map(|sight| sight.sighting.doubt).collect();
    assert_eq!(doubts, [Some(Doubt::Unsynchronised), Some(Doubt::Unsynchronised), None]);
}

/// Its leap bits say 3, as a server's that has no time; whoever sends one rations its answers.
#[test]
fn a_kiss_is_no_word_about_the_time() {
    let mut scene = Scene::new(3, Nanos::ZERO);
    let packet = scene.packet(0);
    (packet.leap, packet.stratum, packet.refid) = (Leap::Unsynchronised, 0, u32::from_be_bytes(*b"RATE"));
    assert!(scene.sights().iter().all(|sight| sight.sighting.doubt.is_none()));
}

#[test]
fn a_score_is_against_the_median_of_the_sources() {
    let mut scene = Scene::new(5, Nanos::from_secs(9));
    scene.offsets[4] = Some(Nanos::from_secs(9) + Nanos::from_millis(51));
    let points: Vec<u8> = scene.sights().iter().map(|sight| sight.score.points).collect();
    assert_eq!(points, [100, 100, 100, 100, 70]);
}

#[test]
fn the_median_is_of_those_that_can_be_used() {
    let mut scene = Scene::new(5, Nanos::ZERO);
    for index in [0, 1, 2] {
        scene.offsets[index] = Some(Nanos::SECOND);
        scene.usable[index] = false;
    }
    let points: Vec<u8> = scene.sights().iter().map(|sight| sight.score.points).collect();
    assert_eq!(points, [70, 70, 70, 100, 100]);
}

#[test]
fn a_few_polls_say_nothing_of_loss() {
    let mut scene = Scene::new(2, Nanos::ZERO);
    scene.associations[0].counters = Some(PollCounters { sent: 19, valid: 10, good: 10 });
    scene.associations[1].counters = Some(PollCounters { sent: 20, valid: 18, good: 18 });
    let grades: Vec<_> = scene.sights().iter().map(|sight| sight.score.grade).collect();
    assert_eq!(grades, [Grade::Good, Grade::Poor]);
}

#[rstest]
#[case::disrupted(Reason::ClockDisrupted, true)]
#[case::booting(Reason::Booting, false)]
#[case::no_answer(Reason::HoldoverExceeded, false)]
fn while_this_clock_is_in_question_nothing_is_decided(#[case] reason: Reason, #[case] frozen: bool) {
    let scene = Scene::new(3, Nanos::ZERO);
    let verdict = Verdict { conditions: Conditions::unknown(reason, ""), ..scene.verdict() };
    assert_eq!(look(&scene.sights(), &verdict).frozen, frozen);
}

#[test]
fn witnesses_and_what_nobody_planned_are_not_the_machines() {
    let mut scene = Scene::new(3, Nanos::ZERO);
    scene.roles[2] = Role::Witness;
    scene.associations[1].source = None;
    let seen: Vec<_> = scene.sights().iter().map(|sight| sight.index).collect();
    assert_eq!(seen, [0]);
}

#[test]
fn the_median_is_between_the_middle_two() {
    let of = |values: &[i64]| median(values.iter().map(|value| Nanos(*value)));
    assert_eq!(of(&[]), None);
    assert_eq!(of(&[5]), Some(Nanos(5)));
    assert_eq!(of(&[9, 1, 5]), Some(Nanos(5)));
    assert_eq!(of(&[9, 1, 5, 3]), Some(Nanos(4)));
}
