//! The hardware clock as the witness of a contradiction: did the sources move, or did this machine stand still?
//!
//! **In:** its whole seconds beside the reference, look by look. **Out:** between which limits it has gone beyond the
//! oscillator since the reference moved. **Must never** say more than whole seconds tell: a lone pair of readings is
//! wrong by up to one either way.
//!
//! Looks fall anywhere within its seconds, so that many of them together tell better than one: each says that it is ahead
//! of the reference by *this much to this much and a second*, and the intersection narrows. What was seen within the
//! last sixteen updates is not believed yet: chronyd may take some to find out that this machine stood still, and until then
//! the reference is as far behind as the machine is.

use super::interval::Interval;
use crate::clocks::{RawTime, WallTime};
use crate::units::{Nanos, Ppb};
use serde::{Deserialize, Serialize};

/// `since_epoch` tells whole seconds.
const GRAIN: Nanos = Nanos::SECOND;
/// Crystals of hardware clocks are good to some tens of ppm.
const RATE: Ppb = Ppb::from_ppm(100);
/// After so many updates that fit, what was seen before the last so many of them is believed.
const UPDATES: u32 = 8;

/// How far the hardware clock was ahead of the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Window {
    low: Nanos,
    high: Nanos,
    at: RawTime,
}

impl Window {
    fn of(rtc: WallTime, reference: WallTime, at: RawTime) -> Self {
        let low = rtc - reference;
        Self { low, high: low + GRAIN, at }
    }
    fn aged(self, at: RawTime) -> Self {
        let drift = RATE.over((at - self.at).abs());
        Self { low: self.low - drift, high: self.high + drift, at: at.max(self.at) }
    }
    /// What both leave; none = somebody set the clock in between.
    fn and(self, other: Self) -> Option<Self> {
        let (one, other) = (self.aged(other.at), other.aged(self.at));
        let both = Self { low: one.low.max(other.low), high: one.high.min(other.high), at: one.at };
        (both.low <= both.high).then_some(both)
    }
}

/// What is known of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hardware {
    /// While nothing was contradicted: believed, waiting, and new.
    still: Option<Window>,
    waiting: Option<Window>,
    new: Option<Window>,
    updates: u32,
    /// Since the contradiction began.
    since: Option<Window>,
    /// It was set since then: it tells nothing.
    set: bool,
}

impl Hardware {
    /// A look while the reference is where it is expected. `updated`: chronyd had an update.
    pub fn calm(&mut self, rtc: Option<WallTime>, reference: WallTime, at: RawTime, updated: bool) {
        (self.since, self.set) = (None, false);
        let Some(rtc) = rtc else {
            *self = Self::default();
            return;
        };
        let seen = Window::of(rtc, reference, at);
        self.new = Some(self.new.and_then(|known| known.and(seen)).unwrap_or(seen));
        self.updates += u32::from(updated);
        if self.updates >= UPDATES {
            let (still, waiting) = (self.still, self.waiting);
            let believed = match (still, waiting) {
                (Some(still), Some(waiting)) => still.and(waiting).or(self.waiting),
                (known, None) | (None, known) => known,
            };
            (self.still, self.waiting, self.new, self.updates) = (believed, self.new, None, 0);
        }
    }

    /// A look while the reference is not where it is expected: how far it went beyond the oscillator since; none = it
    /// can't be asked. `origin`: what the baseline was made with, for as long as nothing else is believed.
    pub fn moved(
        &mut self,
        rtc: Option<WallTime>,
        expected: WallTime,
        at: RawTime,
        origin: Option<(WallTime, WallTime, RawTime)>,
    ) -> Option<Interval> {
        // What waits may be of the time after this machine stood still.
        (self.waiting, self.new, self.updates) = (None, None, 0);
        let origin = origin.map(|(rtc, reference, at)| Window::of(rtc, reference, at));
        let still = self.still.or(origin)?.aged(at);
        let seen = Window::of(rtc?, expected, at);
        let since = match self.since {
            Some(known) => known.and(seen),
            None => Some(seen),
        };
        self.set |= since.is_none();
        self.since = since.or(self.since);
        let since = self.since.filter(|_| !self.set)?;
        Some(Interval { low: since.low - still.high, high: since.high - still.low })
    }

    /// A leap second: it has not made it yet, and will when the kernel sets it.
    pub fn forget(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;
    const MS: i64 = 1_000_000;

    /// A machine that is looked at every 8.13 s by an oscillator; the hardware clock runs on without it.
    #[derive(Default)]
    struct Machine {
        hardware: Hardware,
        raw: i64,
        stood: i64,
        set: i64,
    }
    impl Machine {
        fn rtc(&self) -> WallTime {
            let ahead = 300 * MS;
            WallTime((self.raw + self.stood + self.set + ahead).div_euclid(SECOND) * SECOND)
        }
        fn calm(&mut self, looks: u32) {
            for _ in 0..looks {
                self.raw += 8_130 * MS;
                // Until chronyd knows, the reference is as far behind as this machine.
                self.hardware.calm(Some(self.rtc()), WallTime(self.raw), RawTime(self.raw), true);
            }
        }
        fn asked(&mut self, looks: u32) -> Option<Interval> {
            let mut moved = None;
            for _ in 0..looks {
                self.raw += 8_130 * MS;
                let (rtc, expected) = (Some(self.rtc()), WallTime(self.raw));
                moved = self.hardware.moved(rtc, expected, RawTime(self.raw), None);
            }
            moved
        }
    }
    fn well() -> Machine {
        let mut machine = Machine::default();
        machine.calm(64);
        machine
    }

    #[test]
    fn one_pair_of_readings_is_wrong_by_up_to_a_second() {
        let mut hardware = Hardware::default();
        let origin = Some((WallTime(0), WallTime(300 * MS), RawTime(0)));
        let moved = hardware.moved(Some(WallTime(10 * SECOND)), WallTime(8_500 * MS), RawTime(0), origin);
        assert_eq!(moved, Some(Interval { low: Nanos(800 * MS), high: Nanos(2_800 * MS) }));
        assert_eq!(Hardware::default().moved(None, WallTime(0), RawTime(0), origin), None);
        assert_eq!(Hardware::default().moved(Some(WallTime(0)), WallTime(0), RawTime(0), None), None);
    }

    #[test]
    fn many_looks_tell_a_third_of_a_second() {
        let mut machine = well();
        machine.stood = 400 * MS;
        let moved = machine.asked(12).unwrap();
        assert!(moved.low > Nanos(200 * MS) && moved.high < Nanos(600 * MS), "{moved:?}");
        let nothing = well().asked(12).unwrap();
        assert!(nothing.low > Nanos(-200 * MS) && nothing.high < Nanos(200 * MS), "{nothing:?}");
    }

    #[test]
    fn what_chronyd_had_not_found_out_yet_is_not_believed() {
        let mut machine = well();
        machine.stood = 900 * MS;
        machine.calm(15);
        let moved = machine.asked(12).unwrap();
        assert!(moved.low > Nanos(700 * MS), "{moved:?}");
    }

    #[test]
    fn once_set_it_tells_nothing_until_the_contradiction_ends() {
        let mut machine = well();
        machine.asked(4);
        machine.set = 30 * SECOND;
        assert_eq!(machine.asked(4), None);
        machine.calm(64);
        let again = machine.asked(12).unwrap();
        assert!(again.low > Nanos(-200 * MS) && again.high < Nanos(200 * MS), "{again:?}");
    }
}
