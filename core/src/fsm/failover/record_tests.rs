//! One source dies, another takes over, and that is checked.

use super::*;
use crate::fsm::failover::{Look, Probed, Sighting, step};

#[expect(clippy::struct_excessive_bools, reason = "switches of a story, any set of them may be on")]
struct Story {
    state: State,
    record: Record,
    unanswered: u32,
    /// s2 dies with s1.
    both: bool,
    second: i64,
    stamp: u64,
    following: &'static str,
    fine: bool,
    /// What is checked cannot be used.
    away: bool,
    /// The others reject both s1 and s2.
    rejected: bool,
    /// chronyd updates the clock.
    updates: bool,
}

fn address(index: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, index])
}
fn name(address: IpAddr) -> Option<String> {
    [1, 2, 3, 4].into_iter().find(|index| self::address(*index) == address).map(|index| format!("s{index}"))
}

impl Story {
    fn new() -> Self {
        let mut story = Self {
            state: State::default(),
            record: Record::default(),
            unanswered: 0,
            both: false,
            second: 100,
            stamp: 0,
            following: "s1",
            fine: true,
            away: false,
            rejected: false,
            updates: true,
        };
        story.run(3);
        story
    }

    /// s1 and s2 drive, s3 and s4 are the next order; s1 may be silent, or both. chronyd updates the clock each second.
    fn second(&mut self) {
        self.second += 1;
        self.stamp += u64::from(self.updates);
        let sighting = |index: u8| Sighting {
            source: format!("s{index}"),
            address: address(index),
            order: Some(if index < 3 { 1 } else { 2 }),
            poll: 0,
            unanswered: if index == 1 || (self.both && index == 2) { self.unanswered } else { 0 },
            sampled: true,
            rejected: self.rejected && index < 3,
            doubt: None,
            probed: Probed::NotAllowed,
            score: 100,
            weight: 100,
        };
        let look = Look { sightings: (1..=4).map(sighting).collect(), frozen: false };
        let now = BootTime(Nanos::from_secs(self.second).0);
        let before = self.state.clone();
        let (state, _) = step(&before, &look, &Figures::default(), 0, now);
        let (fine, away) = (self.fine, self.away);
        let check = |source: &str| match (fine, away) {
            (true, false) => Ok(()),
            (true, true) => Err(Complaint::Away(format!("{source} cannot be used"))),
            (false, _) => Err(Complaint::Wrong(format!("{source} is rejected"))),
        };
        let scene = Scene {
            boot_id: "boot",
            now,
            wall: WallTime(7),
            following: Some(self.following),
            following_order: match self.following {
                "s1" | "s2" => Some(1),
                "s5" => None,
                _ => Some(2),
            },
            stamp: self.stamp,
            name: &name,
            check: &check,
        };
        self.record.step(&before, &state, &Figures::default(), &scene);
        self.state = state;
    }

    fn run(&mut self, seconds: u32) {
        for _ in 0..seconds {
            if self.unanswered > 0 {
                self.unanswered += 1;
            }
            self.second();
        }
    }

    fn dies(&mut self) {
        self.unanswered = 1;
        self.run(3);
        assert_eq!(self.newest().to, None);
        self.following = "s2";
        self.run(1);
    }

    fn newest(&self) -> &Switch {
        self.record.switches().last().unwrap()
    }
}

#[test]
fn at_rest_nothing_is_recorded() {
    let mut story = Story::new();
    story.run(500);
    story.following = "s2";
    story.run(5);
    assert_eq!(story.record.switches(), [], "chronyd may choose among good sources as it likes");
}

#[test]
fn a_switch_has_its_evidence_its_duration_and_is_checked_for_a_day() {
    let mut story = Story::new();
    story.dies();
    let switch = story.newest().clone();
    assert_eq!((switch.from.as_deref(), switch.to.as_deref()), (Some("s1"), Some("s2")));
    assert_eq!(switch.evidence, "s1 does not answer");
    assert_eq!(switch.duration, Some(Nanos::from_secs(3)), "from the second unanswered poll on");
    assert!(matches!(switch.verification, Verification::Checking { passed: 0, .. }));
    assert_eq!(story.record.checked(), Some("s2"));
    story.run(2);
    assert!(matches!(story.newest().verification, Verification::Checking { passed: 2, .. }));
    story.run(1);
    assert!(matches!(story.newest().verification, Verification::Later { .. }));
    story.run(29);
    assert!(matches!(story.newest().verification, Verification::Later { .. }));
    story.run(1);
    assert!(matches!(story.newest().verification, Verification::Watching { .. }));
    story.run(24 * 3_600);
    assert_eq!(story.newest().verification, Verification::Held);
    assert_eq!((story.record.count(), story.record.complete()), (1, 1));
}

#[test]
fn trouble_that_goes_on_is_one_switch() {
    let mut story = Story::new();
    story.unanswered = 1;
    story.run(3);
    assert_eq!((story.record.count(), story.record.complete()), (1, 0));
    // It is followed still, comes back for a moment, and is taken out again.
    story.unanswered = 0;
    story.run(4);
    story.unanswered = 1;
    story.run(3);
    assert_eq!((story.record.count(), story.record.complete()), (1, 0));
    story.following = "s3";
    story.run(1);
    assert_eq!((story.record.count(), story.record.complete()), (1, 1));
    assert_eq!((story.newest().from.as_deref(), story.newest().to.as_deref()), (Some("s1"), Some("s3")));
}

#[test]
fn a_check_that_fails_is_said_and_stays_said() {
    let mut story = Story::new();
    story.dies();
    story.run(1);
    story.fine = false;
    story.run(1);
    let failed = Verification::Failed { check: 2, why: "s2 is rejected".into() };
    assert_eq!(story.newest().verification, failed);
    story.fine = true;
    story.run(100);
    assert_eq!(story.newest().verification, failed);
}

#[test]
fn another_boot_ends_what_the_last_one_watched() {
    let mut story = Story::new();
    story.dies();
    story.run(60);
    let mut record = story.record.clone();
    let scene = Scene {
        boot_id: "another",
        now: BootTime(5),
        wall: WallTime(0),
        following: Some("s3"),
        following_order: Some(2),
        stamp: 1,
        name: &name,
        check: &|_| Ok(()),
    };
    record.step(&State::default(), &State::default(), &Figures::default(), &scene);
    assert_eq!(record.switches().last().unwrap().verification, Verification::Ended);
}

#[test]
fn a_switch_is_complete_with_the_first_update_by_another() {
    let mut story = Story::new();
    story.unanswered = 1;
    story.run(2);
    assert_eq!(story.record.count(), 1);
    (story.following, story.updates) = ("s2", false);
    story.run(10);
    assert_eq!((&story.newest().to, &story.newest().verification), (&None, &Verification::Waiting));
    story.updates = true;
    story.run(1);
    assert_eq!(story.newest().to.as_deref(), Some("s2"));
}

#[test]
fn only_a_source_of_the_order_that_was_given_the_drive_completes_a_switch() {
    let mut story = Story::new();
    story.rejected = true;
    story.run(5);
    story.following = "s2";
    story.run(10);
    assert_eq!((story.record.count(), &story.newest().to), (1, &None), "chronyd still follows whom we doubt");
    story.following = "s3";
    story.run(1);
    assert_eq!(story.newest().to.as_deref(), Some("s3"));
    assert!(story.newest().evidence.contains("outvoted"), "{}", story.newest().evidence);
}

/// s1 goes out and the drive moves in one look: chronyd may still go to s2 first, whose samples are not yet stale.
#[test]
fn a_dead_order_counts_toward_the_one_that_drives_next() {
    let mut story = Story::new();
    (story.unanswered, story.both) = (1, true);
    story.run(3);
    assert_eq!((story.record.count(), story.state.drive().order()), (1, 2));
    story.following = "s2";
    story.run(2);
    assert_eq!(story.newest().to, None, "dead as well");
    story.following = "s3";
    story.run(1);
    assert_eq!(story.newest().to.as_deref(), Some("s3"));
    assert_eq!(story.newest().evidence, "s1 does not answer");
}

/// Below 4.4 no standby gets `prefer`: chronyd may turn to one that only votes.
#[test]
fn one_that_only_votes_completes_a_switch() {
    let mut story = Story::new();
    (story.unanswered, story.both) = (1, true);
    story.run(3);
    story.following = "s5";
    story.run(1);
    assert_eq!(story.newest().to.as_deref(), Some("s5"));
}

#[test]
fn whoever_follows_one_of_that_order_already_needs_no_switch() {
    let mut story = Story::new();
    story.following = "s3";
    story.rejected = true;
    story.run(10);
    assert_eq!((story.state.drive().order(), story.record.count()), (2, 0));
}

#[test]
fn each_later_check_may_fail_too() {
    for (seconds, check) in [(3, 4), (40, 5), (20_000, 5)] {
        let mut story = Story::new();
        story.dies();
        story.run(seconds);
        story.fine = false;
        story.run(31);
        let failed = Verification::Failed { check, why: "s2 is rejected".into() };
        assert_eq!(story.newest().verification, failed, "after {seconds} s");
    }
}

/// It has a switch of its own then.
#[test]
fn an_outage_hours_later_is_no_failed_check() {
    let mut story = Story::new();
    story.dies();
    story.run(40);
    story.away = true;
    story.run(10_000);
    assert!(matches!(story.newest().verification, Verification::Watching { .. }));
    story.away = false;
    story.run(24 * 3_600);
    assert_eq!(story.newest().verification, Verification::Held);
}

#[test]
fn five_switches_are_kept_and_only_the_newest_is_watched() {
    let mut story = Story::new();
    for round in 1..=7 {
        story.dies();
        story.fine = round != 5;
        story.run(2);
        story.fine = true;
        (story.unanswered, story.following) = (0, "s1");
        story.run(300);
    }
    let told: Vec<_> = story
        .record
        .switches()
        .iter()
        .map(|one| match &one.verification {
            Verification::Failed { .. } => (one.number, "failed"),
            Verification::Ended => (one.number, "ended"),
            Verification::Watching { .. } => (one.number, "watched"),
            _ => (one.number, "?"),
        })
        .collect();
    assert_eq!(told, [(3, "ended"), (4, "ended"), (5, "failed"), (6, "ended"), (7, "watched")]);
    assert_eq!(story.record.count(), 7);
}
