//! The leap second: a step of one second that was announced is neither a disruption nor a contradiction.
//!
//! **In:** what chronyd (by its own majority) or a majority of the voters' last packets announce, and this machine's
//! clocks at two looks. **Out:** the step that the kernel made for it, by which whatever is kept of CLOCK_REALTIME has
//! to be shifted; the step that the reference may still make; whether the old words stand. **Must never** take a step
//! that nobody announced, of another size, or at another moment for a leap second.
//!
//! What happens (chronyd read and, in a VM, watched: `tests/tests/vm_agent.rs`): sources announce it in their packets.
//! chronyd takes it over when more than half of those that may vote say so, on the last day of June or December only,
//! and arms the kernel (`leapsecmode system`). The kernel steps CLOCK_REALTIME at UTC midnight *by its own count*;
//! CLOCK_BOOTTIME goes on, so that the difference of the two, which no slew changes, tells it to the microsecond. The
//! sources step too. chronyd drops what it measures within five seconds of it and keeps its samples: they are offsets
//! against a clock that stepped with the sources. The hardware clock follows up to eleven minutes later.
//!
//! Two steps are told apart, because each may be missing: *this clock's* (its anchors are shifted when it is seen), and
//! *the reference's* (in [`super::baseline`], which knows where the reference is expected). A kernel that did not do
//! what was announced leaves a clock that is a second off: from then on the bound covers that second, until the
//! reference is seen to have made no step either, and the offset tells it as soon as chronyd knows.

use super::bound::{Reference, Stamp};
use super::polls::Polls;
use super::sources::{Voters, is_voter};
use crate::clocks::{BootTime, ClockReading, WallTime};
use crate::observation::{self, Association, Tracking};
use crate::source::Timescale;
use crate::units::Nanos;
use serde::{Deserialize, Serialize};

/// Months since March.
const JUNE: i64 = 3;
const DECEMBER: i64 = 9;
const DAY: Nanos = Nanos::from_secs(86_400);
/// An announcement that was not heard again for so long is none any more.
const FRESH: Nanos = DAY;
/// The kernel's step is exactly a second. The clocks of one look are read within microseconds of each other, unless the
/// machine is held up in between.
const EXACT: Nanos = Nanos::from_millis(5);
/// The kernel steps at its first tick after midnight; a second to be inserted is counted twice, one to be deleted is
/// skipped: the look with the step in it is within two seconds of midnight on either side.
const NEAR: Nanos = Nanos::from_secs(2);
/// Old words stand for so long: a chronyd that makes it measures nothing within five seconds of a leap second.
const QUIET: Nanos = Nanos::from_secs(10);
/// The reference may follow for so long: some updates at chrony's slowest default poll (1024 s).
const PATIENCE: Nanos = Nanos::from_secs(3_600);
/// Updates after it that fit: the reference has said what it had to say.
const UPDATES: u32 = 3;

/// What somebody who counts announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// What CLOCK_REALTIME is to be stepped by: −1 s (inserted) or +1 s (deleted).
    by: Nanos,
    /// chronyd says so itself: where it steers, it has armed the kernel.
    chronyd: bool,
}

/// An announcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Announced {
    word: Word,
    /// Last heard.
    heard: BootTime,
}

/// Its midnight has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Due {
    word: Word,
    midnight: WallTime,
    /// The look that saw midnight come.
    since: BootTime,
    /// This clock was stepped.
    stepped: bool,
    /// The reference was seen to have made the step, or to have made none.
    settled: bool,
    /// Updates since that fit, and the last one.
    updates: u32,
    stamp: Option<Stamp>,
}

/// What is known of a leap second. Belongs to one boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Leap {
    announced: Option<Announced>,
    due: Option<Due>,
}

/// The step that is announced by chronyd, or else by a majority of the voters; none also where the voters' scale is
/// smeared: it has no leap second.
pub fn announced(
    tracking: &Tracking,
    associations: &[Association],
    polls: &Polls,
    voters: &Voters,
) -> Option<Word> {
    use observation::Leap::{Delete, Insert, Normal, Unsynchronised};
    if associations.iter().any(|one| is_voter(one) && one.timescale != Timescale::Utc) {
        return None;
    }
    let says = |word: observation::Leap| {
        let said_by = |one: &&Association| {
            is_voter(one)
                && polls.answers(one)
                && one.letter.may_vote()
                && one.packet.as_ref().is_some_and(|packet| packet.leap == word)
        };
        associations.iter().filter(said_by).count() >= voters.majority as usize
    };
    let (by, chronyd) = match tracking.leap {
        Insert => (-Nanos::SECOND, true),
        Delete => (Nanos::SECOND, true),
        Normal | Unsynchronised if says(Insert) => (-Nanos::SECOND, false),
        Normal | Unsynchronised if says(Delete) => (Nanos::SECOND, false),
        Normal | Unsynchronised => return None,
    };
    Some(Word { by, chronyd })
}

impl Leap {
    /// Takes in what is announced now. Without a reference nothing is known: then the last word stays, for a day.
    pub fn hear(&mut self, announced: Option<Word>, reference: Reference, now: BootTime) {
        if self.due.is_some() {
            // Sources and chronyd take it back after midnight, each in its own time.
            self.announced = None;
            return;
        }
        match announced {
            Some(word) => self.announced = Some(Announced { word, heard: now }),
            None if reference == Reference::Good => self.announced = None,
            None => self.announced = self.announced.filter(|known| now - known.heard < FRESH),
        }
    }

    /// Compares two looks of one boot. Gives the step by which this clock carried it out between them.
    pub fn pass(&mut self, before: &ClockReading, now: &ClockReading) -> Option<Nanos> {
        if self.due.is_some_and(|due| now.boot - due.since >= PATIENCE) {
            self.due = None;
        }
        let announced = self.announced.filter(|known| before.boot - known.heard < FRESH);
        if let (None, Some(Announced { word, .. })) = (self.due, announced)
            && let Some(midnight) = end_of_half(before.wall - NEAR).filter(|end| *end <= now.wall + NEAR)
        {
            let since = now.boot;
            let due = Due { word, midnight, since, stepped: false, settled: false, updates: 0, stamp: None };
            (self.due, self.announced) = (Some(due), None);
        }
        let due = self.due.as_mut()?;
        // No slew changes the difference of these two: only a step does.
        let moved = (now.wall - before.wall) - (now.boot - before.boot);
        let spans = before.wall - NEAR <= due.midnight && due.midnight <= now.wall + NEAR;
        let done = !due.stepped && spans && (moved - due.word.by).abs() <= EXACT;
        due.stepped |= done;
        done.then_some(due.word.by)
    }

    /// The step that the reference may still make against where it is expected: the announced one, or (once this clock
    /// has made it) the way back.
    pub fn open(&self) -> Option<Nanos> {
        let due = self.due.filter(|due| !due.settled)?;
        Some(if due.stepped { -due.word.by } else { due.word.by })
    }

    /// The reference has made that step.
    pub fn settle(&mut self) {
        if let Some(due) = &mut self.due {
            due.settled = true;
        }
    }

    /// An update that fits where the reference was expected: some of those after midnight, and it makes no step.
    pub fn fits(&mut self, stamp: Stamp, now: BootTime) {
        let Some(due) = self.due.as_mut().filter(|due| !due.settled && now - due.since > QUIET) else {
            return;
        };
        if due.stamp != Some(stamp) {
            (due.stamp, due.updates) = (Some(stamp), due.updates.saturating_add(1));
        }
        due.settled = due.updates >= UPDATES;
    }

    /// By how much this clock may be wrong because it did not make a step that chronyd had announced.
    pub fn missed(&self, now: &ClockReading) -> Option<Nanos> {
        let open = |due: &Due| due.word.chronyd && !due.settled && !due.stepped;
        let due = self.due.filter(|due| open(due) && now.wall > due.midnight + NEAR)?;
        Some(due.word.by.abs())
    }

    /// Whether the old words stand: it is now, and no measurement tells anything.
    pub fn is_now(&self, now: BootTime) -> bool {
        self.due.is_some_and(|due| now - due.since < QUIET)
    }
}

/// Whether CLOCK_REALTIME, which has moved by `moved` against CLOCK_BOOTTIME and stands at `wall` now, may have made a leap
/// second within the last hour. For whoever holds a figure that was measured before, and is told of no announcement:
/// whether the other side made it too is not known then.
pub fn may_have_been(moved: Nanos, wall: WallTime) -> bool {
    let recent = || end_of_half(wall - PATIENCE).is_some_and(|end| end <= wall + NEAR);
    (moved.abs() - Nanos::SECOND).abs() <= EXACT && recent()
}

/// The end of the month of `wall` if that is June or December, as the count of seconds since 1970 has it; none otherwise
/// and beyond its range. Leap seconds were never made at another time, and chronyd makes none then: whoever announces one
/// lies.
fn end_of_half(wall: WallTime) -> Option<WallTime> {
    let days = wall.0.checked_sub(1)?.div_euclid(DAY.0);
    // The calendar in eras of 400 years from 1 March of the year 0: leap days come last in their year.
    let shifted = days + 719_468;
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    // March is 0, February is 11.
    if month != JUNE && month != DECEMBER {
        return None;
    }
    (days + (153 * (month + 1) + 2) / 5 - of_year).checked_mul(DAY.0).map(WallTime)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clocks::RawTime;
    use crate::judge::tests::build::{association, tracking};
    use rstest::rstest;

    const SECOND: i64 = 1_000_000_000;
    /// 2027-01-01T00:00:00Z.
    const MIDNIGHT: i64 = 1_798_761_600;

    fn days_later(days: i64) -> i64 {
        days * 86_400
    }

    #[rstest]
    #[case::a_moment_of_december(MIDNIGHT - 5, Some(MIDNIGHT))]
    #[case::itself(MIDNIGHT, Some(MIDNIGHT))]
    #[case::january(MIDNIGHT + 1, None)]
    #[case::the_end_of_january(MIDNIGHT + days_later(31) - 5, None)]
    #[case::june_2027(MIDNIGHT + days_later(155), Some(MIDNIGHT + days_later(181)))]
    // 2028 is a leap year.
    #[case::june_2028(MIDNIGHT + days_later(365 + 155), Some(MIDNIGHT + days_later(365 + 182)))]
    #[case::june(1_435_622_000, Some(1_435_708_800))] // 2015-06-30, the last one but one
    #[case::the_first_day(1, None)]
    #[case::february_2000(951_700_000, None)]
    fn halves_of_a_year_end_at_midnight(#[case] from: i64, #[case] end: Option<i64>) {
        assert_eq!(end_of_half(WallTime(from * SECOND)), end.map(|end| WallTime(end * SECOND)));
    }

    /// Milliseconds around midnight by CLOCK_REALTIME, and by CLOCK_BOOTTIME since a minute before.
    fn look(wall: i64, boot: i64) -> ClockReading {
        ClockReading {
            wall: WallTime(MIDNIGHT * SECOND + wall * 1_000_000),
            boot: BootTime((5_000_000 + boot) * 1_000_000),
            raw: RawTime((5_000_000 + boot) * 1_000_000),
            rtc: None,
            tick: None,
        }
    }
    fn heard(by: Nanos) -> Leap {
        let mut leap = Leap::default();
        leap.hear(Some(Word { by, chronyd: true }), Reference::Good, look(-60_000, 0).boot);
        leap
    }
    const INSERT: Nanos = Nanos::from_secs(-1);
    const DELETE: Nanos = Nanos::from_secs(1);

    #[rstest]
    #[case::inserted(INSERT, look(-4_000, 56_000), look(3_000, 64_000), Some(INSERT))]
    #[case::seen_within_the_second(INSERT, look(-4_000, 56_000), look(-600, 60_400), Some(INSERT))]
    #[case::by_a_clock_that_is_read_at_once(INSERT, look(-1, 59_999), look(-999, 60_001), Some(INSERT))]
    #[case::deleted(DELETE, look(-4_000, 56_000), look(5_000, 64_000), Some(DELETE))]
    #[case::agent_was_away(INSERT, look(-50_000, 10_000), look(86_000_000, 86_061_000), Some(INSERT))]
    #[case::not_carried_out(INSERT, look(-4_000, 56_000), look(4_000, 64_000), None)]
    #[case::the_other_way(INSERT, look(-4_000, 56_000), look(5_000, 64_000), None)]
    #[case::another_size(INSERT, look(-4_000, 56_000), look(2_900, 64_000), None)]
    #[case::long_before_midnight(INSERT, look(-40_000, 20_000), look(-37_000, 24_000), None)]
    fn the_step_is_the_announced_one_at_its_midnight(
        #[case] by: Nanos,
        #[case] before: ClockReading,
        #[case] now: ClockReading,
        #[case] step: Option<Nanos>,
    ) {
        assert_eq!(heard(by).pass(&before, &now), step);
        assert_eq!(Leap::default().pass(&before, &now), None, "nobody announced it");
    }

    #[test]
    fn it_is_carried_out_once_and_in_its_own_look() {
        let mut leap = heard(INSERT);
        let (a, b, c) = (look(-1_500, 58_500), look(-1_000, 59_000), look(-900, 60_100));
        assert_eq!(leap.pass(&a, &b), None, "midnight is near");
        assert_eq!(leap.pass(&b, &c), Some(INSERT));
        assert_eq!(leap.pass(&c, &look(-800, 61_200)), None, "a second one is somebody's step");
        let mut leap = heard(INSERT);
        assert_eq!(leap.pass(&a, &look(3_000, 63_000)), None);
        assert_eq!(
            leap.pass(&look(3_000, 63_000), &look(6_000, 67_000)),
            None,
            "too late to be the kernel's"
        );
        assert_eq!(leap.missed(&look(6_000, 67_000)), Some(Nanos::SECOND));
    }

    #[test]
    fn an_announcement_lasts_a_day_and_is_taken_back_by_a_chronyd_that_knows() {
        let step = |leap: &mut Leap| leap.pass(&look(-4_000, 56_000), &look(3_000, 64_000));
        let mut leap = heard(INSERT);
        leap.hear(None, Reference::None, look(-8_000, 52_000).boot);
        assert_eq!(step(&mut leap), Some(INSERT), "no reference, no news");
        let mut leap = heard(INSERT);
        leap.hear(None, Reference::Good, look(-8_000, 52_000).boot);
        assert_eq!(step(&mut leap), None);
        let mut leap = Leap::default();
        let word = Word { by: INSERT, chronyd: true };
        leap.hear(Some(word), Reference::Good, look(0, 56_000 - 86_400_000).boot);
        assert_eq!(step(&mut leap), None, "heard a day ago");
    }

    #[test]
    fn the_reference_may_follow_until_it_has_said_what_it_had_to_say() {
        let mut leap = heard(INSERT);
        leap.pass(&look(-4_000, 56_000), &look(4_000, 64_000));
        assert_eq!(leap.open(), Some(INSERT), "not carried out here: the reference goes without us");
        let now = look(30_000, 90_000);
        for seconds in 0..3_u32 {
            let mut update = tracking();
            update.reference_time = WallTime(update.reference_time.0 + i64::from(seconds));
            leap.fits(Stamp::of(&update), now.boot);
            leap.fits(Stamp::of(&update), now.boot);
            assert_eq!(leap.open().is_some(), seconds < 2);
        }
        assert_eq!(leap.missed(&now), None, "nobody made that step");
        let mut leap = heard(INSERT);
        leap.pass(&look(-4_000, 56_000), &look(3_000, 64_000));
        assert_eq!(leap.open(), Some(DELETE), "carried out here: the reference may not have been");
        assert_eq!(leap.missed(&now), None);
        assert!(leap.is_now(look(0, 70_000).boot) && !leap.is_now(now.boot));
        leap.pass(&look(0, 64_000 + 3_600_000), &look(8_000, 72_000 + 3_600_000));
        assert_eq!(leap.open(), None, "patience has an end");
    }

    #[rstest]
    #[case::just_made(INSERT, 5, true)]
    #[case::within_the_second(INSERT, -1, true)]
    #[case::an_hour_ago(INSERT, 3_700, false)]
    #[case::nothing_moved(Nanos::ZERO, 5, false)]
    #[case::another_size(Nanos::from_secs(2), 5, false)]
    fn a_step_of_a_second_at_midnight_may_be_one(
        #[case] moved: Nanos,
        #[case] seconds: i64,
        #[case] may: bool,
    ) {
        assert_eq!(may_have_been(moved, WallTime((MIDNIGHT + seconds) * SECOND)), may);
    }

    fn says(count: usize, of: usize, smeared: bool, own: observation::Leap) -> Option<Word> {
        let all: Vec<Association> = (0..of)
            .map(|index| {
                let mut one = association(&format!("10.0.0.{}", index + 1), &format!("s{index}"));
                let word = if index < count { observation::Leap::Insert } else { observation::Leap::Normal };
                one.packet.as_mut().unwrap().leap = word;
                if smeared {
                    one.timescale = Timescale::Smear("google24h".into());
                }
                one
            })
            .collect();
        let mut polls = Polls::default();
        polls.look(&all, |_| None, BootTime(0));
        let majority = u32::try_from(of / 2 + 1).unwrap();
        let mut raw = tracking();
        raw.leap = own;
        announced(&raw, &all, &polls, &Voters { majority, ..Voters::default() })
    }

    #[rstest]
    #[case::one_of_four(1, 4, observation::Leap::Normal, None)]
    #[case::half(2, 4, observation::Leap::Normal, None)]
    #[case::most(3, 4, observation::Leap::Normal, Some((INSERT, false)))]
    #[case::chronyd_itself(0, 4, observation::Leap::Insert, Some((INSERT, true)))]
    #[case::chronyd_knows_of_a_deletion(4, 4, observation::Leap::Delete, Some((DELETE, true)))]
    fn a_majority_announces(
        #[case] count: usize,
        #[case] of: usize,
        #[case] own: observation::Leap,
        #[case] told: Option<(Nanos, bool)>,
    ) {
        assert_eq!(says(count, of, false, own), told.map(|(by, chronyd)| Word { by, chronyd }));
        assert_eq!(says(count, of, true, own), None, "a smeared scale has none");
    }
}
