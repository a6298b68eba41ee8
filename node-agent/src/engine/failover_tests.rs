//! What a source is checked for after a switch.

use super::*;
use crate::observe::testing::verdict;
use meantime_core::clocks::BootTime;
use meantime_core::fsm::failover::Probed;
use meantime_core::fsm::failover::score::{Quality, score};
use meantime_core::fsm::probing::{Outcome, Target};
use meantime_core::observation::Leap;
use meantime_core::verdict::AssociationVerdict;
use rstest::rstest;

struct Scene {
    sights: Vec<Sight>,
    verdict: Verdict,
    probing: probing::State,
    now: BootTime,
}

/// s1 is followed, off by 1 ms ± 0.5 ms, and our probe of it says the same.
fn scene() -> Scene {
    let address = IpAddr::from([10, 0, 0, 1]);
    let sighting = Sighting {
        source: "s1".into(),
        address,
        order: Some(1),
        poll: 0,
        unanswered: 0,
        sampled: true,
        rejected: false,
        doubt: None,
        probed: Probed::Answered,
        score: 100,
        weight: 100,
    };
    let sight = Sight {
        index: 0,
        sighting,
        score: score(&Quality::default(), &failover::score::Limits::default()),
        offset: None,
        reference_age: None,
    };
    let judged = vec![AssociationVerdict {
        index: 0,
        unanswered: 0,
        ever: true,
        kissed: false,
        usable: true,
        rejected: false,
        offset: Some(Nanos::from_millis(1)),
        uncertainty: Some(Nanos::from_micros(500)),
    }];
    let verdict = Verdict {
        selected: Some("s1".into()),
        tier: Some(1),
        usable_voters: 1,
        voters: 1,
        ..verdict(judged)
    };
    let mut scene =
        Scene { sights: vec![sight], verdict, probing: probing::State::default(), now: BootTime(0) };
    scene.probe(Nanos::from_millis(1));
    scene
}

impl Scene {
    fn probe(&mut self, offset: Nanos) {
        let target = Target {
            address: self.sights[0].sighting.address,
            port: 123,
            scope: Scope::Local,
            plain: true,
            unanswered: 0,
            offset: None,
            power: false,
            wanted: true,
            sent: 0,
        };
        (self.probing, _) = probing::due(&self.probing, &[target], 0, self.now);
        let answer = probing::Answer {
            offset,
            delay: Nanos::from_millis(1),
            stratum: 1,
            leap: Leap::Normal,
            refid: 0,
            root_delay: Nanos::ZERO,
            root_dispersion: Nanos::ZERO,
            reference_age: None,
        };
        self.probing.record(target.address, Outcome::Answered(answer), self.now);
    }
}

const AWAY: Option<fn(String) -> Complaint> = Some(Complaint::Away);
const WRONG: Option<fn(String) -> Complaint> = Some(Complaint::Wrong);

#[rstest]
#[case::good(|_: &mut Scene| {}, None)]
#[case::gone(|scene: &mut Scene| scene.sights.clear(), AWAY)]
#[case::of_no_use(|scene: &mut Scene| scene.verdict.associations[0].usable = false, AWAY)]
#[case::outvoted(|scene: &mut Scene| scene.sights[0].sighting.rejected = true, WRONG)]
#[case::not_in_tolerance(
    |scene: &mut Scene| scene.verdict.conditions.synchronized.status = Status::False,
    WRONG
)]
#[case::a_probe_within_what_both_say(|scene: &mut Scene| scene.probe(Nanos::from_millis(6)), None)]
#[case::a_probe_that_says_otherwise(|scene: &mut Scene| scene.probe(Nanos::from_millis(9)), WRONG)]
#[case::a_probe_before_a_slew(
    |scene: &mut Scene| {
        scene.probe(Nanos::from_millis(9));
        scene.now = scene.now + Nanos::from_secs(10);
    },
    None
)]
fn a_source_stands_up_to_its_check(
    #[case] change: fn(&mut Scene),
    #[case] complaint: Option<fn(String) -> Complaint>,
) {
    let mut scene = scene();
    change(&mut scene);
    let told = check("s1", &scene.sights, &scene.verdict, &scene.probing, scene.now);
    let kind = told.err().map(|told| std::mem::discriminant(&told));
    assert_eq!(kind, complaint.map(|of| std::mem::discriminant(&of(String::new()))));
}

#[test]
fn an_overlay_that_says_what_the_plan_says_has_no_hash() {
    let scene = scene();
    let address = scene.sights[0].sighting.address;
    let mut overlay = Overlay { prefer: BTreeSet::from([address]), noselect: BTreeSet::new() };
    assert_eq!(overlay_hash(&overlay, &scene.sights), None);
    overlay.noselect.insert(address);
    let out = overlay_hash(&overlay, &scene.sights);
    overlay = Overlay::default();
    let demoted = overlay_hash(&overlay, &scene.sights);
    assert!(out.is_some() && demoted.is_some() && out != demoted, "{out:?} {demoted:?}");
}
