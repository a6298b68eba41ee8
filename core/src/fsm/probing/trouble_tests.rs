//! Which word, when it goes, and that it does not flicker.

use super::super::tests::answer;
use super::super::{Outcome, Target, due};
use super::*;
use crate::clocks::{ClockReading, RawTime, WallTime};
use crate::judge::tests::build::{EPOCH, association, plan, tracking, verdict};
use crate::observation::{Association, ClockProfile, Leap};
use crate::snapshot::Role;
use crate::source::Scope;
use crate::tolerances::Preset;
use crate::verdict::AssociationVerdict;
use rstest::rstest;
use std::net::IpAddr;

fn at(seconds: i64) -> BootTime {
    BootTime(Nanos::from_secs(seconds).0)
}

#[rstest]
#[case::answers(true, 0, None, None)]
#[case::one_lost(true, 1, None, None)]
#[case::two_lost(true, 2, None, None)]
#[case::three_lost(true, 3, None, Some(Trouble::Refused))]
#[case::long_gone(true, u32::MAX, None, Some(Trouble::Refused))]
#[case::stale(true, 0, Some(Doubt::Stale), Some(Trouble::Stale))]
#[case::unsynchronised(true, 2, Some(Doubt::Unsynchronised), Some(Trouble::Unsynchronised))]
#[case::silent_after_it_was_stale(true, 3, Some(Doubt::Stale), Some(Trouble::Refused))]
#[case::no_address(false, 0, None, Some(Trouble::Unresolved))]
#[case::no_address_any_more(false, 9, Some(Doubt::Stale), Some(Trouble::Unresolved))]
fn one_word_for_what_is_known(
    #[case] resolved: bool,
    #[case] unanswered: u32,
    #[case] doubt: Option<Doubt>,
    #[case] word: Option<Trouble>,
) {
    assert_eq!(
        trouble(&Known { resolved, kissed: false, unanswered, doubt, silence: Trouble::Refused }),
        word
    );
}

#[test]
fn a_kiss_is_told_when_three_polls_had_no_answer_and_is_no_word_about_the_time() {
    let after = |unanswered| Known {
        resolved: true,
        kissed: true,
        unanswered,
        doubt: Some(Doubt::Unsynchronised),
        silence: Trouble::TimedOut,
    };
    assert_eq!(trouble(&after(1)), None);
    assert_eq!(trouble(&after(3)), Some(Trouble::Kissed));
}

#[rstest]
#[case::nothing_asked(&[], Trouble::TimedOut)]
#[case::timed_out(&[Miss::TimedOut], Trouble::TimedOut)]
#[case::garbled(&[Miss::Garbled], Trouble::TimedOut)]
#[case::refused(&[Miss::Refused], Trouble::Refused)]
#[case::unreachable(&[Miss::Unreachable], Trouble::Unreachable)]
#[case::a_host_limits_its_refusals(&[Miss::Refused, Miss::TimedOut, Miss::TimedOut], Trouble::Refused)]
#[case::the_host_itself_knows_better(&[Miss::Refused, Miss::Unreachable], Trouble::Refused)]
#[case::it_says_that_it_has_no_time(&[Miss::Refused, Miss::Kiss(KissKind::Unsynchronised)], Trouble::Unsynchronised)]
#[case::rate(&[Miss::Kiss(KissKind::Rate)], Trouble::Kissed)]
#[case::deny(&[Miss::TimedOut, Miss::Kiss(KissKind::Deny)], Trouble::Kissed)]
#[case::restricted(&[Miss::Kiss(KissKind::Restricted), Miss::Refused], Trouble::Kissed)]
#[case::a_kiss_that_wishes_nothing(&[Miss::Kiss(KissKind::Other(7))], Trouble::TimedOut)]
fn silence_is_named_by_its_strongest_sign(#[case] misses: &[Miss], #[case] word: Trouble) {
    let mut signs = Signs::default();
    signs.see(SILENT, false, at(0));
    for miss in misses {
        signs.missed(*miss, at(0));
    }
    assert_eq!(signs.word(), word);
}

/// Law 9: of ten minutes in which refusals and time-outs alternate, one change of the word is told.
#[test]
fn alternating_signs_change_the_word_once() {
    let mut signs = Signs::default();
    let mut words = vec![signs.word()];
    for probe in 0..60 {
        let now = at(10 * probe);
        signs.see(SILENT + u32::try_from(probe).unwrap(), false, now);
        signs.missed(
            [Miss::TimedOut, Miss::Refused, Miss::Unreachable][usize::try_from(probe % 3).unwrap()],
            now,
        );
        words.push(signs.word());
    }
    words.dedup();
    assert_eq!(words, [Trouble::TimedOut, Trouble::Refused]);
}

#[rstest]
#[case::heard(0)]
#[case::heard_between_two_looks(3)]
fn what_was_seen_before_it_was_heard_again_is_gone(#[case] unanswered: u32) {
    let mut signs = Signs::default();
    for miss in
        [Miss::Refused, Miss::Unreachable, Miss::Kiss(KissKind::Unsynchronised), Miss::Kiss(KissKind::Deny)]
    {
        signs.see(9, false, at(0));
        signs.missed(miss, at(0));
        assert_ne!(signs.word(), Trouble::TimedOut);
        signs.see(unanswered, false, at(1));
        assert_eq!(signs.word(), Trouble::TimedOut, "{miss:?}");
    }
}

#[test]
fn an_answered_probe_ends_a_sign_and_so_does_its_age() {
    let mut signs = Signs::default();
    signs.see(SILENT, false, at(0));
    signs.missed(Miss::Refused, at(0));
    signs.see(SILENT, false, at(119));
    assert_eq!(signs.word(), Trouble::Refused);
    signs.see(SILENT, false, at(120));
    assert_eq!(signs.word(), Trouble::TimedOut, "the host itself has gone since");
    signs.missed(Miss::Refused, at(121));
    signs.answered();
    assert_eq!(signs.word(), Trouble::TimedOut);
}

#[test]
fn a_wish_to_be_asked_less_often_counts_while_it_holds_and_until_the_next_probe() {
    let mut signs = Signs::default();
    signs.see(SILENT, false, at(0));
    signs.missed(Miss::Kiss(KissKind::Rate), at(0));
    for second in 0..600 {
        // A server that limits its rate answers now and then.
        signs.see([0, 1, 2, 3][usize::try_from(second % 4).unwrap()], true, at(second));
        assert_eq!(signs.word(), Trouble::Kissed);
    }
    signs.see(4, false, at(600));
    assert_eq!(signs.word(), Trouble::Kissed, "the next probe is under way");
    signs.see(5, false, at(720));
    assert_eq!(signs.word(), Trouble::TimedOut);
}

fn address(index: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, index])
}

/// Three sources, one of them a witness, 10 s after their last answer; s1 has been refused by our probe.
struct Scene {
    associations: Vec<Association>,
    unanswered: Vec<u32>,
    probing: State,
}

impl Scene {
    fn new() -> Self {
        let one = |index: u8| association(&address(index).to_string(), &format!("s{index}"));
        let target = Target {
            address: address(1),
            port: 123,
            scope: Scope::Local,
            plain: true,
            unanswered: 3,
            offset: None,
            power: false,
            wanted: true,
            sent: 3,
        };
        let mut probing = State::default();
        for second in 0..3 {
            (probing, _) = due(&probing, &[target], 0, at(second));
            probing.record(address(1), Outcome::Unanswered(Miss::Refused), at(second));
        }
        let mut associations: Vec<Association> = (1..=3).map(one).collect();
        associations[2].role = Role::Witness;
        Self { associations, unanswered: vec![0; 3], probing }
    }

    fn words(&self) -> BTreeMap<usize, Trouble> {
        let observation = Observation {
            clocks: ClockReading {
                wall: WallTime(EPOCH),
                boot: at(10),
                raw: RawTime(0),
                rtc: None,
                tick: None,
            },
            boot_id: "b".into(),
            daemon_start: 1,
            profile: ClockProfile::Real,
            answer: Answer::Full { tracking: tracking(), associations: self.associations.clone() },
        };
        let judged = |(index, unanswered): (usize, &u32)| AssociationVerdict {
            index,
            unanswered: *unanswered,
            ever: true,
            kissed: false,
            usable: false,
            rejected: false,
            offset: Some(Nanos::ZERO),
            uncertainty: None,
        };
        let verdict = verdict(self.unanswered.iter().enumerate().map(judged).collect());
        troubles(&plan(Preset::Kubernetes.tolerances()), &observation, &verdict, &self.probing)
    }
}

#[test]
fn whoever_is_fine_has_no_word() {
    assert_eq!(Scene::new().words(), BTreeMap::new());
}

#[test]
fn each_silent_one_by_what_our_probes_saw_of_it() {
    let mut scene = Scene::new();
    scene.unanswered = vec![3, 3, 2];
    assert_eq!(scene.words(), BTreeMap::from([(0, Trouble::Refused), (1, Trouble::TimedOut)]));
    scene.associations[0].address = None;
    assert_eq!(scene.words()[&0], Trouble::Unresolved);
}

#[test]
fn a_witness_is_doubted_as_well() {
    let mut scene = Scene::new();
    scene.associations[2].packet.as_mut().unwrap().leap = Leap::Unsynchronised;
    scene.associations[1].packet.as_mut().unwrap().reference_time =
        WallTime(EPOCH - Nanos::from_secs(2 * 3_600).0);
    let words = BTreeMap::from([(1, Trouble::Stale), (2, Trouble::Unsynchronised)]);
    assert_eq!(scene.words(), words);
}

#[test]
fn an_answer_to_our_own_probe_ends_the_refusal() {
    let mut scene = Scene::new();
    assert_eq!(scene.probing.silence(address(1)), Trouble::Refused);
    scene.probing.record(address(1), Outcome::Answered(answer(0)), at(9));
    assert_eq!(scene.probing.silence(address(1)), Trouble::TimedOut);
    assert_eq!(scene.probing.silence(address(77)), Trouble::TimedOut, "never seen");
}
