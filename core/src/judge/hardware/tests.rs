//! What the hardware clock tells of a machine that stood still.

use super::*;
use crate::clocks::BootTime;
use rstest::rstest;

const SECOND: i64 = 1_000_000_000;
const MS: i64 = 1_000_000;

/// A machine that is looked at every 8.13 s by an oscillator; the hardware clock runs on without it.
struct Machine {
    hardware: Hardware,
    raw: i64,
    stood: i64,
    set: i64,
    /// By a leap second the reference is so far ahead of the oscillator.
    leapt: i64,
    /// Somebody watches it tick, within a millisecond.
    watched: bool,
    /// ppb by which its crystal is fast.
    crystal: i64,
    /// Between two looks.
    every: i64,
}
impl Default for Machine {
    fn default() -> Self {
        Self {
            hardware: Hardware::default(),
            raw: 0,
            stood: 0,
            set: 0,
            leapt: 0,
            watched: false,
            crystal: 0,
            every: 8_130 * MS,
        }
    }
}
impl Machine {
    fn precise(&self) -> i64 {
        self.raw + self.raw / 1_000_000 * self.crystal / 1_000 + self.stood + self.set + 300 * MS
    }
    fn look(&mut self) -> ClockReading {
        self.raw += self.every;
        let second = self.precise().div_euclid(SECOND) * SECOND;
        let tick = self.watched.then(|| Tick {
            second: WallTime(second),
            raw: RawTime(self.raw - (self.precise() - second) + 400_000),
            within: Nanos(MS),
        });
        let (wall, boot, raw) = (WallTime(self.raw), BootTime(self.raw), RawTime(self.raw));
        ClockReading { wall, boot, raw, rtc: Some(WallTime(second)), tick }
    }
    fn reference(&self) -> WallTime {
        WallTime(self.raw + self.leapt)
    }
    /// A second is inserted.
    fn leaps(&mut self) {
        self.leapt -= SECOND;
        self.hardware.shift(Nanos(-SECOND));
        self.hardware.expect_leap(Nanos(-SECOND), RawTime(self.raw));
    }
    fn calm(&mut self, looks: u32) {
        for _ in 0..looks {
            // Until chronyd knows, the reference is as far behind as this machine.
            let clocks = self.look();
            self.hardware.calm(&clocks, self.reference(), true);
        }
    }
    fn asked(&mut self, looks: u32, gap: i64) -> Option<Interval> {
        let mut moved = None;
        for _ in 0..looks {
            let clocks = self.look();
            moved = match self.hardware.moved(&clocks, self.reference(), Nanos(gap), None) {
                Witness::Moved(moved) => Some(moved),
                Witness::Silent => None,
                Witness::Absent => panic!("it is there"),
            };
        }
        moved
    }
}
fn well() -> Machine {
    let mut machine = Machine::default();
    machine.calm(64);
    machine
}

/// A look with these whole seconds.
fn whole(rtc: Option<i64>, raw: i64) -> ClockReading {
    let rtc = rtc.map(|seconds| WallTime(seconds * SECOND));
    ClockReading { wall: WallTime(raw), boot: BootTime(raw), raw: RawTime(raw), rtc, tick: None }
}

#[test]
fn one_pair_of_readings_is_wrong_by_up_to_a_second() {
    let origin = Window::read(&whole(Some(0), 0), WallTime(300 * MS), None);
    let asked =
        |rtc, origin| Hardware::default().moved(&whole(rtc, 0), WallTime(8_500 * MS), Nanos(SECOND), origin);
    let moved = Interval { low: Nanos(750 * MS), high: Nanos(2_850 * MS) };
    assert_eq!(asked(Some(10), origin), Witness::Moved(moved));
    assert_eq!(asked(None, None), Witness::Absent);
    assert_eq!(asked(Some(0), None), Witness::Silent);
}

#[test]
fn many_looks_tell_a_third_of_a_second() {
    let mut machine = well();
    machine.stood = 400 * MS;
    let moved = machine.asked(12, 400 * MS).unwrap();
    assert!(moved.low > Nanos(150 * MS) && moved.high < Nanos(650 * MS), "{moved:?}");
    let nothing = well().asked(12, 400 * MS).unwrap();
    assert!(nothing.low > Nanos(-250 * MS) && nothing.high < Nanos(250 * MS), "{nothing:?}");
}

/// Seen to tick, at polls of 64 s, whatever its crystal is worth: twenty milliseconds are told from none.
#[rstest]
fn one_that_is_seen_to_tick_tells_twenty_milliseconds(
    #[values(-60_000, 0, 35_000)] crystal: i64,
    #[values(0, 60, 250, 700)] stood: i64,
) {
    let mut machine = Machine { watched: true, crystal, every: 64_130 * MS, ..Machine::default() };
    machine.calm(64);
    machine.stood = stood * MS;
    let moved = machine.asked(3, stood.max(60) * MS).unwrap();
    let around = Interval::around(Nanos(stood * MS), Nanos(20 * MS));
    assert!(moved.low >= around.low && moved.high <= around.high, "{moved:?}");
    assert!(moved.low <= Nanos(stood * MS) && moved.high >= Nanos(stood * MS), "{moved:?}");
}

/// Looks that always fall at the same place within its seconds.
#[test]
fn nobody_needs_luck_where_it_is_seen_to_tick() {
    let moved = |watched| {
        let mut machine = Machine { watched, every: 8_000 * MS, ..Machine::default() };
        machine.calm(64);
        machine.asked(12, 400 * MS).unwrap()
    };
    assert!(moved(false).high > Nanos(900 * MS));
    assert!(moved(true).high < Nanos(20 * MS));
}

#[test]
fn what_it_ticked_before_the_contradiction_is_no_evidence() {
    let mut machine = Machine { watched: true, ..Machine::default() };
    machine.calm(64);
    let before = machine.look();
    machine.stood = 300 * MS;
    let mut late = machine.look();
    late.tick = before.tick;
    let witness = machine.hardware.moved(&late, WallTime(machine.raw), Nanos(300 * MS), None);
    let Witness::Moved(moved) = witness else { panic!("{witness:?}") };
    assert!(moved.high >= Nanos(300 * MS), "{moved:?}");
}

#[test]
fn what_chronyd_had_not_found_out_yet_is_not_believed() {
    let mut machine = well();
    machine.stood = 900 * MS;
    machine.calm(15);
    let moved = machine.asked(12, 900 * MS).unwrap();
    assert!(moved.low > Nanos(600 * MS), "{moved:?}");
}

/// The kernel writes this machine's time into it, which stood still: what it showed is gone.
#[rstest]
#[case::before_chronyd_knew(6)]
#[case::while_it_was_asked(0)]
fn one_that_was_set_after_this_machine_tells_nothing(#[case] calm: u32) {
    let mut machine = Machine { watched: true, ..Machine::default() };
    machine.calm(64);
    machine.stood = 400 * MS;
    machine.calm(calm);
    if calm == 0 {
        let moved = machine.asked(3, 400 * MS).unwrap();
        assert!(moved.low > Nanos(380 * MS), "{moved:?}");
    }
    machine.set = -400 * MS;
    assert_eq!(machine.asked(3, 400 * MS), None);
}

/// Every eleven minutes the kernel takes back what its crystal gained: it is believed all the same.
#[rstest]
fn one_that_the_kernel_sets_is_believed(
    #[values(0, 200)] stood: i64,
    #[values(0, 1_000, 20_000)] crystal: i64,
) {
    for looks in 64..96 {
        let mut machine = Machine { watched: true, crystal, every: 64_130 * MS, ..Machine::default() };
        for look in 0..looks {
            if look % 10 == 0 {
                machine.set = -(machine.raw / 1_000_000 * machine.crystal / 1_000);
            }
            machine.calm(1);
        }
        machine.stood = stood * MS;
        let moved = machine.asked(2, 200 * MS).unwrap();
        // Where it jumps all the time its rate is not known: what a crystal may drift in a quarter of an hour is left open.
        let near = Interval::around(Nanos(stood * MS), Nanos(if crystal > 1_000 { 160 } else { 20 } * MS));
        assert!(moved.low >= near.low && moved.high <= near.high, "after {looks}: {moved:?}");
    }
}

#[test]
fn once_set_it_tells_nothing_until_the_contradiction_ends() {
    let mut machine = well();
    machine.asked(4, SECOND);
    machine.set = 30 * SECOND;
    assert_eq!(machine.asked(4, SECOND), None);
    machine.calm(64);
    let again = machine.asked(12, SECOND).unwrap();
    assert!(again.low > Nanos(-250 * MS) && again.high < Nanos(250 * MS), "{again:?}");
}

/// On a busy machine a reading comes late, and is none: it is there all the same.
#[test]
fn one_that_is_not_read_once_is_there() {
    let mut machine = Machine { watched: true, ..Machine::default() };
    machine.calm(64);
    let unread = |machine: &mut Machine| ClockReading { rtc: None, tick: None, ..machine.look() };
    let late = unread(&mut machine);
    machine.hardware.calm(&late, WallTime(machine.raw), true);
    machine.stood = 300 * MS;
    let late = unread(&mut machine);
    let witness = machine.hardware.moved(&late, WallTime(machine.raw), Nanos(300 * MS), None);
    assert_eq!(witness, Witness::Silent);
    assert!(machine.asked(2, 300 * MS).unwrap().low > Nanos(280 * MS));
    for _ in 0..GONE {
        let gone = unread(&mut machine);
        machine.hardware.calm(&gone, WallTime(machine.raw), true);
    }
    let gone = unread(&mut machine);
    let witness = machine.hardware.moved(&gone, WallTime(machine.raw), Nanos(300 * MS), None);
    assert_eq!(witness, Witness::Absent);
}

/// A leap second steps the reference, and minutes later the kernel sets the hardware clock: neither is a setting by
/// somebody, and a machine that stands still soon after is told as at any other time.
#[rstest]
fn a_leap_second_is_followed(
    #[values(0, 2, 10, 30)] set: u32,
    #[values(0, 1, 3, 9, 20, 40)] after: u32,
    #[values(0, 400)] stood: i64,
) {
    let mut machine = Machine { watched: true, ..Machine::default() };
    machine.calm(64);
    machine.leaps();
    machine.calm(set);
    machine.set = -SECOND;
    machine.calm(after);
    machine.stood = stood * MS;
    let moved = machine.asked(12, 400 * MS);
    if after == 0 {
        // Set in the very look of the contradiction: it may be either.
        assert!(moved.is_none_or(|moved| moved.high < Nanos::ZERO), "{moved:?}");
        return;
    }
    let (moved, near) = (moved.unwrap(), Interval::around(Nanos(stood * MS), Nanos(30 * MS)));
    assert!(moved.low >= near.low && moved.high <= near.high, "{moved:?}");
}

/// The last tick may be of the time before it was set, and what is read now of the time after.
#[rstest]
fn a_leap_second_between_the_last_tick_and_the_look_is_followed(
    #[values(0, 250, 500, 750)] phase: i64,
    #[values(1, 3, 9, 20)] after: u32,
    #[values(0, 400)] stood: i64,
) {
    let mut machine = Machine { watched: true, ..Machine::default() };
    machine.calm(64);
    machine.leaps();
    machine.calm(2);
    machine.raw += phase * MS;
    let mut clocks = machine.look();
    machine.set = -SECOND;
    clocks.rtc = clocks.rtc.map(|rtc| WallTime(rtc.0 - SECOND));
    machine.hardware.calm(&clocks, machine.reference(), true);
    machine.calm(after);
    machine.stood = stood * MS;
    let (moved, near) = (machine.asked(12, 400 * MS), Interval::around(Nanos(stood * MS), Nanos(30 * MS)));
    assert!(moved.is_some_and(|moved| moved.low >= near.low && moved.high <= near.high), "{moved:?}");
}

/// As soon as chronyd is synchronised the kernel sets it, which had been behind; the last tick that was seen is older, and so is
/// no evidence: a lie that comes soon is told.
#[rstest]
fn a_tick_from_before_it_was_set_excuses_nothing(
    #[values(50, 400, 950)] behind: i64,
    #[values(0, 1, 7, 8, 15, 16, 17, 40)] calm: u32,
    #[values(60, 400, 1_300)] lie: i64,
) {
    let mut machine =
        Machine { watched: true, every: 530 * MS, set: -behind * MS, raw: 7_000 * MS, ..Machine::default() };
    let stale = machine.look().tick;
    machine.set = 0;
    machine.watched = false;
    let before = Some(RawTime(machine.raw));
    let first = ClockReading { tick: stale, ..machine.look() };
    let origin = Window::read(&first, machine.reference(), ticked_since(&first, before));
    for _ in 0..calm {
        let clocks = ClockReading { tick: stale, ..machine.look() };
        machine.hardware.calm(&clocks, machine.reference(), true);
    }
    for _ in 0..12 {
        let clocks = ClockReading { tick: stale, ..machine.look() };
        if let Witness::Moved(moved) =
            machine.hardware.moved(&clocks, machine.reference(), Nanos(lie * MS), origin)
        {
            assert!(moved.low <= Nanos::ZERO && moved.high >= Nanos::ZERO, "{moved:?}");
        }
    }
}

/// Of whole seconds it may be missed, and then it says nothing, or little; never that a machine stood still which did not.
#[rstest]
fn a_leap_second_in_whole_seconds_misleads_nobody(
    #[values(0, 2, 10, 30)] set: u32,
    #[values(1, 3, 9, 20, 40)] after: u32,
    #[values(0, 400)] stood: i64,
) {
    let mut machine = well();
    machine.leaps();
    machine.calm(set);
    machine.set = -SECOND;
    machine.calm(after);
    machine.stood = stood * MS;
    let moved = machine.asked(12, 400 * MS);
    let fits = |moved: Interval| moved.low <= Nanos(stood * MS) && moved.high >= Nanos(stood * MS);
    // That the sources moved is as plain from a clock that went back.
    let back = |moved: Interval| stood == 0 && moved.high < Nanos::ZERO;
    assert!(moved.is_none_or(|moved| fits(moved) || back(moved)), "{moved:?}");
    if after == 40 {
        assert!(moved.is_some(), "it is known again");
    }
}

/// While the leap second is waited for, a reference that goes ahead a little is not its coming.
#[rstest]
fn a_small_advance_of_the_reference_is_no_leap_second(
    #[values(true, false)] watched: bool,
    #[values(20, 60, 80, 300)] ahead: i64,
) {
    for calm in 1..20 {
        let mut machine = Machine { watched, ..Machine::default() };
        machine.calm(64);
        machine.leaps();
        machine.calm(3);
        machine.leapt += ahead * MS;
        machine.calm(calm);
        machine.leapt -= ahead * MS;
        if let Some(moved) = machine.asked(12, SECOND) {
            assert!(moved.low < Nanos(350 * MS), "after {calm}: {moved:?}");
        }
    }
}

/// One that nobody sets goes on as it did.
#[test]
fn a_leap_second_need_not_be_followed() {
    let mut machine = Machine { watched: true, ..Machine::default() };
    machine.calm(64);
    machine.leaps();
    machine.calm(10);
    machine.stood = 400 * MS;
    let moved = machine.asked(3, 400 * MS).unwrap();
    assert!(moved.low >= Nanos(380 * MS) && moved.high <= Nanos(420 * MS), "{moved:?}");
}
