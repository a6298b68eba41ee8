//! The hardware clock as the witness of a contradiction: did the sources move, or did this machine stand still?
//!
//! **In:** its whole seconds beside the reference, look by look, and the moments in which it was seen to begin one. **Out:**
//! between which limits it has gone beyond the oscillator since the reference moved. **Must never** say more than was read: a
//! lone pair of whole seconds is wrong by up to one either way.
//!
//! Each reading says that it is ahead of the reference by *this much to this much*, a second wide or, where it was seen to
//! tick, some milliseconds; the intersection of many narrows. What was seen within the last sixteen updates is not believed
//! yet: chronyd may take some to find out that this machine stood still, and until then the reference is as far behind as the
//! machine is.
//!
//! It has a rate of its own. From one believed reading to the next, some hundreds of seconds on, it is known to some ppm;
//! without that a pause of 50 ms would be lost in what a crystal may drift in a quarter of an hour.

use super::interval::Interval;
use crate::clocks::{ClockReading, RawTime, Tick, WallTime};
use crate::units::{Nanos, Ppb};
use serde::{Deserialize, Serialize};

/// `since_epoch` tells whole seconds. It is read before the other clocks, and a reading that took longer than 50 ms is none
/// (see the agent's `clock.rs`).
const GRAIN: Nanos = Nanos::from_millis(1_050);
/// Crystals of hardware clocks are good to some tens of ppm.
const RATE: Ppb = Ppb::from_ppm(100);
/// By how much a crystal's rate may change from one quarter of an hour to the next: 10 K, at 0.04 ppm/K² near its middle.
const WANDER: Ppb = Ppb::from_ppm(5);
/// The oscillator against true time (adjtimex(2) allows no correction beyond it).
const OSCILLATOR: Ppb = Ppb::from_ppm(500);
/// After so many updates that fit, what was seen before the last so many of them is believed.
const UPDATES: u32 = 8;
/// One that could not be read for so many updates is not there any more. On a busy machine a reading may come too late and
/// count for nothing: that is no reason to forget it.
const GONE: u32 = 16;
/// The kernel sets it every eleven minutes while chronyd is synchronised. One that is set later (after a holdover) has jumped,
/// and tells nothing for a while.
const FOLLOWS: Nanos = Nanos::from_secs(3_600);

/// Between which limits a rate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Rate {
    low: Ppb,
    high: Ppb,
}

impl Default for Rate {
    fn default() -> Self {
        Self { low: Ppb(-RATE.0), high: RATE }
    }
}

impl Rate {
    /// By what one window leads to a later one.
    fn between(before: Window, after: Window) -> Option<Self> {
        let span = after.at - before.at;
        if span <= Nanos::ZERO {
            return None;
        }
        let rate = |moved: Nanos| moved.scaled(1_000_000_000, span.0).0;
        let (low, high) = (rate(after.low - before.high), rate(after.high - before.low));
        let (low, high) = (low.saturating_sub(WANDER.0), high.saturating_add(WANDER.0));
        (low <= RATE.0 && high >= -RATE.0)
            .then(|| Self { low: Ppb(low.max(-RATE.0)), high: Ppb(high.min(RATE.0)) })
    }
}

/// How far the hardware clock was ahead of the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    low: Nanos,
    high: Nanos,
    at: RawTime,
}

impl Window {
    /// Of one look, as well as it was read; none = there is none to read. `tick` is one that may be believed: if the whole seconds
    /// of this look do not fit it, somebody set the clock since.
    pub fn read(clocks: &ClockReading, reference: WallTime, tick: Option<Tick>) -> Option<Self> {
        let [whole, ticked] = readings(clocks.rtc?, tick, reference, clocks.raw);
        let both = ticked.zip(whole).and_then(|(ticked, whole)| ticked.and(whole, Rate::default()));
        both.or(whole)
    }
    fn of(rtc: WallTime, reference: WallTime, at: RawTime) -> Self {
        let low = rtc - reference;
        Self { low, high: low + GRAIN, at }
    }
    /// `reference` is of the time `at`, some seconds after it ticked.
    fn ticked(tick: Tick, reference: WallTime, at: RawTime) -> Self {
        let ran = at - tick.raw;
        let (low, doubt) = (tick.second - (reference - ran), OSCILLATOR.over(ran.abs()));
        Self { low: low - doubt, high: low + tick.within + doubt, at: tick.raw }
    }
    fn aged(self, at: RawTime, rate: Rate) -> Self {
        let span = at - self.at;
        if span < Nanos::ZERO {
            return Self { low: self.low + rate.high.over(span), high: self.high + rate.low.over(span), at };
        }
        Self { low: self.low + rate.low.over(span), high: self.high + rate.high.over(span), at }
    }
    /// What both leave; none = somebody set the clock in between.
    fn and(self, other: Self, rate: Rate) -> Option<Self> {
        let at = self.at.max(other.at);
        let (one, other) = (self.aged(at, rate), other.aged(at, rate));
        let both = Self { low: one.low.max(other.low), high: one.high.min(other.high), at };
        (both.low <= both.high).then_some(both)
    }
    /// How far they are apart; zero where they overlap.
    fn gap(self, other: Self, rate: Rate) -> Nanos {
        let at = self.at.max(other.at);
        let (one, other) = (self.aged(at, rate), other.aged(at, rate));
        (one.low - other.high).max(other.low - one.high).max(Nanos::ZERO)
    }
}

/// A tick that was seen since the look before. An older one may be of the time before somebody set the clock: the kernel does
/// so as soon as chronyd is synchronised for the first time, some seconds before there is a baseline (seen in a VM whose
/// hardware clock began 0.95 s behind: a lie of 400 ms was taken for a pause).
pub fn ticked_since(clocks: &ClockReading, before: Option<RawTime>) -> Option<Tick> {
    clocks.tick.filter(|tick| before.is_some_and(|before| tick.raw > before))
}

/// What one look read: the whole seconds, and a tick.
fn readings(rtc: WallTime, tick: Option<Tick>, reference: WallTime, raw: RawTime) -> [Option<Window>; 2] {
    let ticked = tick.map(|tick| Window::ticked(tick, reference, raw));
    [Some(Window::of(rtc, reference, raw)), ticked]
}

/// Readings that were taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Group {
    window: Window,
    /// By how much it jumped between them, all added up: somebody set it, or this machine stood still.
    jumped: Nanos,
}

impl Group {
    fn with(known: Option<Self>, seen: Window, rate: Rate) -> Self {
        let Some(known) = known else { return Self { window: seen, jumped: Nanos::ZERO } };
        match known.window.and(seen, rate) {
            Some(window) => Self { window, ..known },
            None => Self { window: seen, jumped: known.jumped + known.window.gap(seen, rate) },
        }
    }
}

/// What it says of a contradiction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Witness {
    /// There is none that can be read.
    Absent,
    /// It is there, but was set meanwhile, or nothing is believed of it yet.
    Silent,
    /// Between these limits it went beyond the oscillator since the reference moved.
    Moved(Interval),
}

/// What is known of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hardware {
    /// While nothing was contradicted: believed, waiting, and new.
    still: Option<Window>,
    waiting: Option<Group>,
    new: Option<Group>,
    updates: u32,
    /// Updates since it was last read.
    missed: u32,
    /// The last look that read it. What it ticked before that is not taken in any more, or it would go on saying what was true
    /// before this machine stood still, or before somebody set the clock.
    looked: Option<RawTime>,
    /// How it went from one to the next.
    rate: Rate,
    /// This machine's clock was stepped by so much at that moment for a leap second, and this one was not set since.
    leapt: Option<(Nanos, RawTime)>,
    /// The first look of the contradiction, how far it had jumped before that, and what was seen since.
    from: Option<(RawTime, Nanos)>,
    since: Option<Group>,
}

impl Hardware {
    /// A look while the reference is where it is expected. `updated`: chronyd had an update.
    pub fn calm(&mut self, clocks: &ClockReading, reference: WallTime, updated: bool) {
        (self.from, self.since) = (None, None);
        let Some(rtc) = clocks.rtc else {
            self.missed += u32::from(updated);
            if self.missed >= GONE {
                *self = Self::default();
            }
            return;
        };
        self.missed = 0;
        let (first, tick) = (self.new.is_none(), self.fresh(clocks));
        // The tick first: it is older, and may be of the time before a leap second that the whole seconds have followed.
        let [whole, ticked] = readings(rtc, tick, reference, clocks.raw);
        for seen in ticked.into_iter().chain(whole) {
            if !self.follow_leap(seen) {
                continue;
            }
            self.new = Some(Group::with(self.new, seen, self.rate));
        }
        let before = self.waiting.map(|group| group.window).or(self.still).filter(|_| first);
        if let (Some(new), Some(before)) = (&mut self.new, before) {
            new.jumped = new.jumped + before.gap(new.window, self.rate);
        }
        self.updates += u32::from(updated);
        if self.updates >= UPDATES {
            if let Some(waiting) = self.waiting {
                let both = self.still.and_then(|still| still.and(waiting.window, self.rate));
                if waiting.jumped == Nanos::ZERO {
                    let still = self.still.filter(|_| both.is_some());
                    let found = still.and_then(|still| Rate::between(still, waiting.window));
                    self.rate = found.unwrap_or_default();
                }
                self.still = Some(both.unwrap_or(waiting.window));
            }
            (self.waiting, self.new, self.updates) = (self.new, None, 0);
        }
    }

    /// A look while the reference is `gap` away from where it is expected. `origin`: what was read when the baseline was made, for as
    /// long as nothing else is believed.
    pub fn moved(
        &mut self,
        clocks: &ClockReading,
        expected: WallTime,
        gap: Nanos,
        origin: Option<Window>,
    ) -> Witness {
        let there = self.still.is_some() || self.waiting.is_some() || self.new.is_some() || origin.is_some();
        let Some(rtc) = clocks.rtc else { return if there { Witness::Silent } else { Witness::Absent } };
        self.went(rtc, clocks, expected, gap, origin).map_or(Witness::Silent, Witness::Moved)
    }

    fn fresh(&mut self, clocks: &ClockReading) -> Option<Tick> {
        ticked_since(clocks, self.looked.replace(clocks.raw))
    }

    fn went(
        &mut self,
        rtc: WallTime,
        clocks: &ClockReading,
        expected: WallTime,
        gap: Nanos,
        origin: Option<Window>,
    ) -> Option<Interval> {
        let (from, jumped) = *self.from.get_or_insert_with(|| {
            let groups = [self.waiting, self.new].into_iter().flatten();
            (clocks.raw, groups.fold(Nanos::ZERO, |sum, group| sum + group.jumped))
        });
        // What waits may be of the time after this machine stood still.
        (self.waiting, self.new, self.updates) = (None, None, 0);
        let still = self.still.or(origin)?;
        // What it ticked before the first look may be of the time before this machine stood still.
        let tick = self.fresh(clocks).filter(|tick| tick.raw - tick.within > from);
        for seen in readings(rtc, tick, expected, clocks.raw).into_iter().flatten() {
            self.since = Some(Group::with(self.since, seen, self.rate));
        }
        let since = self.since?;
        let still = still.aged(since.window.at, self.rate);
        let moved = Interval { low: since.window.low - still.high, high: since.window.high - still.low };
        if self.may_have_followed(moved, gap, clocks.raw) {
            return None;
        }
        // It went there and came back, or went since: it was set, to this machine's clock as a rule, which had stood still.
        let astray = (jumped - moved.reach()).max(Nanos::ZERO) + since.jumped;
        (astray.times(2) < gap.abs())
            .then_some(Interval { low: moved.low - astray, high: moved.high + astray })
    }

    /// The reference went `by` further, and that was let go.
    pub fn shift(&mut self, by: Nanos) {
        let groups = [&mut self.waiting, &mut self.new, &mut self.since].into_iter().flatten();
        for window in groups.map(|group| &mut group.window).chain(&mut self.still) {
            (window.low, window.high) = (window.low - by, window.high - by);
        }
    }

    /// This machine's clock was stepped by that for a leap second: the kernel will set this one too, minutes later. An inserted
    /// one goes the other way than a pause, so that neither is taken for the other. A deleted one would not (there never was
    /// one): then it is not believed until it is known anew.
    pub fn expect_leap(&mut self, by: Nanos, at: RawTime) {
        if by > Nanos::ZERO {
            self.forget();
            return;
        }
        self.leapt = Some((by, at));
    }

    /// It was read while nobody knew on which side of its leap second it is.
    pub fn awaits_leap(&self) -> bool {
        self.leapt.is_some()
    }

    /// Nothing is known of it.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// Whether it would bear the contradiction out if it was set for the leap second meanwhile, and does not as it stands.
    fn may_have_followed(&self, moved: Interval, gap: Nanos, now: RawTime) -> bool {
        let Some((by, _)) = self.leapt.filter(|(_, at)| now - *at < FOLLOWS) else { return false };
        let near = Interval::around(gap, Nanos(gap.abs().0 / 4));
        let set = Interval { low: moved.low - by, high: moved.high - by };
        !moved.overlaps(near) && set.overlaps(near)
    }

    /// Takes the leap second for what it is: not somebody's setting, and no machine that stood still. False = this reading
    /// may be of either side of it, for whole seconds are wide: it is not taken in.
    fn follow_leap(&mut self, seen: Window) -> bool {
        self.leapt = self.leapt.filter(|(_, at)| seen.at - *at < FOLLOWS);
        let Some((by, _)) = self.leapt else { return true };
        let groups = [self.new, self.waiting].into_iter().flatten().map(|group| group.window);
        let aged = groups.chain(self.still).map(|window| window.aged(seen.at, self.rate));
        let Some(known) = aged.min_by_key(|window| window.high - window.low) else { return true };
        let set = Window { low: known.low + by, high: known.high + by, ..known };
        let (gap, left) = (known.gap(seen, self.rate), set.gap(seen, self.rate));
        if gap.times(2) > by.abs() && left.times(4) < gap {
            self.shift(-by);
            self.leapt = None;
            return true;
        }
        gap == Nanos::ZERO || left > Nanos::ZERO
    }
}

#[cfg(test)]
mod tests;
