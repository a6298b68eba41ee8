//! Silence is counted on this machine's own clock, only while in contact, and ends only with a new word.

use super::*;

const MINUTE: i64 = 60;

fn at(seconds: i64) -> BootTime {
    BootTime(1_000_000_000_000) + Nanos::from_secs(seconds)
}

fn beat(sequence: Option<i64>, pod_ready: bool) -> BTreeMap<String, Beat> {
    let rising = sequence.map(|sequence| Rising { boot_id: "boot-a".into(), sequence });
    let beat = Beat { object_uid: "uid-1".into(), rising, pod_ready, judged: true, declared_silent: false };
    BTreeMap::from([("n1".to_owned(), beat)])
}

#[test]
fn overdue_after_eleven_minutes_without_a_new_number() {
    let mut tracker = Tracker::new(Limits::default());
    for second in (0..11 * MINUTE).step_by(10) {
        tracker.look(at(second), true, &beat(Some(7), true));
        assert_eq!(tracker.silent("n1"), None, "after {second} s");
    }
    tracker.look(at(11 * MINUTE), true, &beat(Some(7), true));
    assert_eq!(tracker.silent("n1"), Some(Silence::Overdue));
    tracker.look(at(11 * MINUTE + 1), true, &beat(Some(8), true));
    assert_eq!(tracker.silent("n1"), None);
}

#[test]
fn a_rebooted_machine_that_counts_from_one_again_is_heard() {
    let mut tracker = Tracker::new(Limits::default());
    tracker.look(at(0), true, &beat(Some(7), true));
    let mut rebooted = beat(Some(7), true);
    if let Some(beat) = rebooted.get_mut("n1") {
        beat.rising = Some(Rising { boot_id: "boot-b".into(), sequence: 7 });
    }
    tracker.look(at(600), true, &rebooted);
    tracker.look(at(700), true, &rebooted);
    assert_eq!(tracker.silent("n1"), None);
}

#[test]
fn a_pod_that_is_not_ready_is_silent_as_soon_as_its_word_is_stale() {
    let mut tracker = Tracker::new(Limits::default());
    tracker.look(at(0), true, &beat(Some(7), true));
    // an agent that restarts during an upgrade: not ready, but its last word is fresh
    tracker.look(at(60), true, &beat(Some(7), false));
    assert_eq!(tracker.silent("n1"), None);
    tracker.look(at(329), true, &beat(Some(7), false));
    assert_eq!(tracker.silent("n1"), None);
    tracker.look(at(330), true, &beat(Some(7), false));
    assert_eq!(tracker.silent("n1"), Some(Silence::PodNotReady));
    // becoming ready is no word
    tracker.look(at(331), true, &beat(Some(7), true));
    assert_eq!(tracker.silent("n1"), Some(Silence::PodNotReady));
}

#[test]
fn an_agent_that_never_wrote_gets_two_minutes() {
    let mut tracker = Tracker::new(Limits::default());
    tracker.look(at(0), true, &beat(None, false));
    tracker.look(at(119), true, &beat(None, false));
    assert_eq!(tracker.silent("n1"), None);
    tracker.look(at(120), true, &beat(None, true));
    assert_eq!(tracker.silent("n1"), Some(Silence::NeverHeard));
}

#[test]
fn nobody_is_silent_for_time_in_which_we_could_not_listen() {
    let mut tracker = Tracker::new(Limits::default());
    tracker.look(at(0), true, &beat(Some(7), true));
    // API server away for an hour
    tracker.look(at(10), false, &beat(Some(7), true));
    tracker.look(at(3_600), false, &beat(Some(7), true));
    assert_eq!(tracker.silent("n1"), None);
    // contact again: the count starts anew
    tracker.look(at(3_601), true, &beat(Some(7), true));
    tracker.look(at(3_601 + 11 * MINUTE - 1), true, &beat(Some(7), true));
    assert_eq!(tracker.silent("n1"), None);
    tracker.look(at(3_601 + 11 * MINUTE), true, &beat(Some(7), true));
    assert_eq!(tracker.silent("n1"), Some(Silence::Overdue));
}

#[test]
fn a_gap_does_not_take_silence_back() {
    let mut tracker = Tracker::new(Limits::default());
    tracker.look(at(0), true, &beat(Some(7), true));
    tracker.look(at(700), true, &beat(Some(7), true));
    assert_eq!(tracker.silent("n1"), Some(Silence::Overdue));
    tracker.look(at(710), false, &beat(Some(7), true));
    tracker.look(at(720), true, &beat(Some(7), true));
    assert_eq!(tracker.silent("n1"), Some(Silence::Overdue));
}

#[test]
fn a_new_operator_goes_on_from_what_the_conditions_say() {
    let mut silent = beat(Some(7), true);
    if let Some(beat) = silent.get_mut("n1") {
        beat.declared_silent = true;
    }
    let mut tracker = Tracker::new(Limits::default());
    tracker.look(at(0), true, &silent);
    assert_eq!(tracker.silent("n1"), Some(Silence::Inherited));
    tracker.look(at(1), true, &beat(Some(8), true));
    assert_eq!(tracker.silent("n1"), None);
}

#[test]
fn another_object_of_the_same_name_starts_anew() {
    let mut tracker = Tracker::new(Limits::default());
    tracker.look(at(0), true, &beat(Some(7), true));
    tracker.look(at(700), true, &beat(Some(7), true));
    let mut again = beat(Some(7), true);
    if let Some(beat) = again.get_mut("n1") {
        beat.object_uid = "uid-2".into();
    }
    tracker.look(at(701), true, &again);
    assert_eq!(tracker.silent("n1"), None);
    assert_eq!(tracker.quiet_for("n1", at(731)), Some(Nanos::from_secs(30)));
}

#[test]
fn the_next_look_is_when_somebody_may_fall_silent() {
    let mut tracker = Tracker::new(Limits::default());
    assert_eq!(tracker.next_look(at(0)), None);
    tracker.look(at(0), true, &beat(Some(7), true));
    assert_eq!(tracker.next_look(at(1)), Some(at(330)));
    assert_eq!(tracker.next_look(at(330)), Some(at(11 * MINUTE)));
    assert_eq!(tracker.next_look(at(11 * MINUTE)), None);
}

#[test]
fn what_stood_there_when_it_began_is_of_no_known_age() {
    let mut tracker = Tracker::new(Limits::default());
    tracker.look(at(100), true, &beat(Some(7), true));
    assert_eq!(tracker.seen("n1"), None);
    tracker.look(at(160), true, &beat(Some(8), true));
    assert_eq!(tracker.seen("n1"), Some(at(160)));
    tracker.look(at(170), true, &beat(Some(8), true));
    assert_eq!(tracker.seen("n1"), Some(at(160)));
}

#[test]
fn what_was_written_in_a_gap_may_be_as_old_as_the_gap() {
    let mut tracker = Tracker::new(Limits::default());
    tracker.look(at(100), true, &beat(Some(7), true));
    tracker.look(at(110), true, &beat(Some(8), true));
    tracker.look(at(120), true, &beat(Some(8), true));
    tracker.gap();
    tracker.look(at(500), true, &beat(Some(9), true));
    assert_eq!(tracker.seen("n1"), Some(at(120)));
}

#[test]
fn an_agent_that_reports_and_never_judges_is_wordless_after_two_minutes_in_contact() {
    let mut tracker = Tracker::new(Limits::default());
    let wordless = |sequence| {
        let mut beats = beat(Some(sequence), true);
        for beat in beats.values_mut() {
            beat.judged = false;
        }
        beats
    };
    for second in 0..120 {
        tracker.look(at(second), true, &wordless(second));
        assert!(!tracker.wordless("n1", at(second)), "after {second} s");
    }
    assert_eq!(tracker.next_look(at(119)), Some(at(120)));
    tracker.look(at(120), true, &wordless(120));
    assert!(tracker.wordless("n1", at(120)));
    assert_eq!(tracker.silent("n1"), None, "it does report");
    tracker.look(at(130), false, &wordless(120));
    assert!(!tracker.wordless("n1", at(130)), "it may have judged, and nobody heard");
    tracker.look(at(400), true, &wordless(121));
    assert!(!tracker.wordless("n1", at(400)), "counted anew");
    tracker.look(at(520), true, &wordless(122));
    assert!(tracker.wordless("n1", at(520)));
    tracker.look(at(521), true, &beat(Some(123), true));
    assert!(!tracker.wordless("n1", at(521)));
}
