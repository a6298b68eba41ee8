//! Windows over the days on which clocks are put forward and back, and other days that calendars have.

use super::*;
use meantime_crds::common::Time;
use meantime_crds::maintenance::Acknowledgement;
use rstest::rstest;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn window(schedule: &str, duration: &str, zone: &str) -> PolicyMaintenance {
    let window = Window {
        name: "w".into(),
        schedule: schedule.into(),
        duration: duration.into(),
        time_zone: Some(zone.into()),
    };
    PolicyMaintenance { windows: vec![window], acknowledged: Vec::new() }
}

fn open(declared: &PolicyMaintenance, moment: &str) -> Option<String> {
    match look(Some(declared), at(moment)).state {
        State::Open { until, .. } => Some(Timestamp::from_second(until).unwrap().to_string()),
        State::Closed => None,
        State::Faulty { why, .. } => panic!("{why}"),
    }
}

#[rstest]
#[case::the_second_before("2026-11-22T01:29:59Z", None)]
#[case::its_start("2026-11-22T01:30:00Z", Some("2026-11-22T05:30:00Z"))]
#[case::its_last_second("2026-11-22T05:29:59Z", Some("2026-11-22T05:30:00Z"))]
#[case::its_end("2026-11-22T05:30:00Z", None)]
#[case::another_day("2026-11-24T02:30:00Z", None)]
fn every_sunday_at_half_past_two_in_berlin(#[case] moment: &str, #[case] until: Option<&str>) {
    assert_eq!(open(&window("30 2 * * 0", "4h", "Europe/Berlin"), moment).as_deref(), until);
}

/// 2026-03-29 in Berlin: 01:59:59 CET is followed by 03:00:00 CEST. 02:30 does not exist and means 03:30 CEST.
#[rstest]
#[case::not_at_half_past_one("2026-03-29T00:30:00Z", None)]
#[case::nor_at_three("2026-03-29T01:00:00Z", None)]
#[case::at_half_past_three("2026-03-29T01:30:00Z", Some("2026-03-29T03:30:00Z"))]
#[case::for_two_real_hours("2026-03-29T03:29:59Z", Some("2026-03-29T03:30:00Z"))]
#[case::and_no_longer("2026-03-29T03:30:00Z", None)]
fn a_start_that_spring_skips_comes_an_hour_later(#[case] moment: &str, #[case] until: Option<&str>) {
    assert_eq!(open(&window("30 2 * * *", "2h", "Europe/Berlin"), moment).as_deref(), until);
}

/// 2026-10-25 in Berlin: 02:30 comes as CEST (00:30 UTC) and as CET (01:30 UTC). The first opens, for real hours.
#[rstest]
#[case::the_first("2026-10-25T00:30:00Z", Some("2026-10-25T01:15:00Z"))]
#[case::between("2026-10-25T01:15:00Z", None)]
#[case::not_the_second("2026-10-25T01:30:00Z", None)]
#[case::the_next_day("2026-10-26T01:30:00Z", Some("2026-10-26T02:15:00Z"))]
fn a_start_that_autumn_repeats_is_the_first(#[case] moment: &str, #[case] until: Option<&str>) {
    assert_eq!(open(&window("30 2 * * *", "45m", "Europe/Berlin"), moment).as_deref(), until);
}

/// Open over the change: four real hours from 01:00 CET end at 06:00 CEST, from 01:00 CEST at 04:00 CET.
#[test]
fn a_window_over_the_change_lasts_as_long_as_it_says() {
    let night = window("0 1 * * *", "4h", "Europe/Berlin");
    assert_eq!(open(&night, "2026-03-29T03:59:59Z").as_deref(), Some("2026-03-29T04:00:00Z"));
    assert_eq!(open(&night, "2026-03-29T04:00:00Z"), None);
    assert_eq!(open(&night, "2026-10-25T02:59:59Z").as_deref(), Some("2026-10-25T03:00:00Z"));
    assert_eq!(open(&night, "2026-10-25T03:00:00Z"), None);
}

/// Lord Howe puts its clocks forward by half an hour: 02:15 means 02:45, which comes after 02:40.
#[test]
fn starts_that_the_change_puts_out_of_order_are_ordered_by_real_time() {
    let both = window("15,40 2 * * *", "1h", "Australia/Lord_Howe");
    assert_eq!(open(&both, "2026-10-03T15:42:00Z").as_deref(), Some("2026-10-03T16:40:00Z"));
    assert_eq!(open(&both, "2026-10-03T15:47:00Z").as_deref(), Some("2026-10-03T16:45:00Z"));
    assert_eq!(look(Some(&both), at("2026-10-03T15:30:00Z")).again, Some(600));
}

#[test]
fn a_week_long_window_is_open_on_its_last_day_and_one_in_lord_howe_is_half_an_hour_late() {
    let week = window("0 0 1 * *", "168h", "UTC");
    assert_eq!(open(&week, "2026-11-07T23:59:59Z").as_deref(), Some("2026-11-08T00:00:00Z"));
    assert_eq!(open(&week, "2026-11-08T00:00:00Z"), None);
    // 2026-10-04: 02:00 +10:30 becomes 02:30 +11; 02:15 means 02:45 +11, which is 15:45 UTC the day before.
    let island = window("15 2 * * *", "1h", "Australia/Lord_Howe");
    assert_eq!(open(&island, "2026-10-03T15:44:59Z"), None);
    assert_eq!(open(&island, "2026-10-03T15:45:00Z").as_deref(), Some("2026-10-03T16:45:00Z"));
}

#[rstest]
#[case::zone("0 0 * * *", "1h", "Europe/Atlantis", "timeZone: Europe/Atlantis is no zone")]
#[case::schedule("0 0 * *", "1h", "UTC", "schedule: the schedule does not have five fields")]
#[case::never_long_enough("0 0 * * *", "0s", "UTC", "duration: must be above 0s")]
#[case::too_long("0 0 * * *", "169h", "UTC", "duration: must be above 0s and at most 168h")]
fn a_window_with_a_fault_is_told_and_opens_never(
    #[case] schedule: &str,
    #[case] duration: &str,
    #[case] zone: &str,
    #[case] why: &str,
) {
    let State::Faulty { name, why: said } =
        look(Some(&window(schedule, duration, zone)), at("2026-11-22T00:00:00Z")).state
    else {
        panic!("it is read")
    };
    assert!(name == "w" && said.starts_with(why), "{said}");
}

#[test]
fn an_acknowledgement_ends_by_itself() {
    let known = Acknowledgement {
        finding: "SourceDead".into(),
        subject: "gps-a".into(),
        until: Time(at("2026-12-01T00:00:00Z")),
        reason: "antenna".into(),
    };
    let declared = PolicyMaintenance { windows: Vec::new(), acknowledged: vec![known] };
    let before = look(Some(&declared), at("2026-11-30T23:59:00Z"));
    assert_eq!(before.acknowledged, [("SourceDead".to_owned(), "gps-a".to_owned())]);
    assert_eq!((before.state, before.again), (State::Closed, Some(60)));
    assert_eq!(look(Some(&declared), at("2026-12-01T00:00:00Z")), Look::default());
}

#[test]
fn it_is_looked_at_again_when_a_window_opens_and_ends() {
    let declared = window("0 12 * * *", "10m", "UTC");
    assert_eq!(look(Some(&declared), at("2026-11-22T11:50:00Z")).again, Some(600));
    assert_eq!(look(Some(&declared), at("2026-11-22T12:04:00Z")).again, Some(360));
    assert_eq!(
        look(Some(&declared), at("2026-11-22T13:00:00Z")).again,
        Some(3_600),
        "a wall clock can be set"
    );
    assert_eq!(look(None, at("2026-11-22T13:00:00Z")), Look::default());
}
