//! The baseline and `BoundContradicted`: the reference moved while our oscillator did not.
//!
//! A majority that lies moves the clock, and the moved clock looks perfect: on a real clock the residual decays to
//! nothing. CLOCK_MONOTONIC_RAW is the one witness that nobody slews. After eight updates with a majority usable we
//! keep (R, RAW, w, f), R = CLOCK_REALTIME − residual, and from then on expect R to go where the oscillator goes:
//! |ΔR − ΔRAW·(1+f)| > w₀ + w + growth is a contradiction, told without a hold.
//!
//! Choices within DESIGN's words, each on the side of telling no untruth:
//! - *f* is the true rate against RAW. On a real clock chronyd knows it (minus its frequency, ± skew). Under `-x`
//!   chronyd's frequency is against CLOCK_REALTIME as others steer it, so f is R's own slope since the baseline
//!   began, ± (w₀ + w)/ΔRAW. This uncertainty is added to the guaranteed rate.
//! - The baseline is *renewed* by the same rule that made it, once its own growth exceeds w₀ + w: it would tell
//!   less than a new one. A lie that creeps slower than twice the guaranteed rate passes; a faster one does not.
//!   Also once w₀ is more than twice w, and the slope's origin moves up to a point that is four times as sharp: a fresh
//!   chronyd claims 100 ms and more for some updates. A slope from there is known to thousands of ppm only for minutes,
//!   and let a lie of 200 ms pass (seen on kind). The price: a liar that also makes its own w swing gets w₀ once more in
//!   each renewal, so that three times the guaranteed rate may pass, not two.
//! - R can only be moved by an update of chronyd. When R is off and there was none, our own clock was moved under
//!   it by less than the two seconds of a disruption: that is an offset of ours, not a contradiction. Between two
//!   looks chronyd may update *and* lose its reference again (a majority jumps, one sample at a time); its last
//!   update, which it goes on showing, tells whether it did.
//! - The latch ends when the intervals overlap again *and* the gap itself has closed (to what the baseline could
//!   tell when the latch fell, or to a quarter of the largest gap): growth alone would overlap in time.

use super::bound::Stamp;
use super::hardware::{Hardware, Window, Witness, ticked_since};
use super::interval::Interval;
use crate::clocks::{BootTime, ClockReading, RawTime, Tick, WallTime};
use crate::observation::{ClockProfile, Tracking};
use crate::units::{Nanos, Ppb};
use serde::{Deserialize, Serialize};

/// Updates with a majority usable before there is a baseline, and before it is renewed (DESIGN).
const UPDATES: u32 = 8;
/// A latch ends by itself after so long (DESIGN: 24 h).
const LATCH_LIMIT: Nanos = Nanos::from_secs(24 * 3600);
/// The slope of R is taken over at most about so long: oscillators change with the day's temperature.
const SLOPE_SPAN: Nanos = Nanos::from_secs(2048);
/// A point so many times as sharp as the slope's origin is a better one: (4w + w) over the old span is more than (w + w)
/// over two fifths of it.
const SHARPER: i64 = 4;
/// An update that moves R by more than w and this is chronyd still finding the time: building begins anew.
const STEADY: Nanos = Nanos::MILLISECOND;
/// After our own clock was moved, chronyd's regression follows within a few updates; until then R passes through
/// values between the old and the new one.
const CATCHING_UP: u32 = 8;
/// Reading three clocks and asking chronyd are not one instant: a syscall is under 1 µs, a query round trip 25 µs
/// (measured), being scheduled away in between is what the agent's repeated reading guards against.
const READING: Nanos = Nanos::from_micros(100);

/// chronyd's word on the true time, with the oscillator read beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Point {
    /// R: CLOCK_REALTIME − residual.
    reference: WallTime,
    raw: RawTime,
    /// The hardware clock beside it.
    #[serde(default)]
    hardware: Option<Window>,
    /// w: root delay/2 + root dispersion, without the residual.
    width: Nanos,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Baseline {
    point: Point,
    /// True time gains this on the oscillator.
    frequency: Ppb,
    /// How wrong that may be.
    uncertainty: Ppb,
}

impl Baseline {
    /// How far R may be from where it is expected at `point` and still fit.
    fn limit(&self, point: &Point, rate: Ppb) -> Nanos {
        self.point.width + point.width + self.growth(point.raw, rate)
    }
    /// Where R is expected when the oscillator says `raw`.
    fn expects(&self, raw: RawTime) -> WallTime {
        let ran = raw - self.point.raw;
        self.point.reference + (ran + self.frequency.over(ran))
    }
    fn growth(&self, raw: RawTime, rate: Ppb) -> Nanos {
        (rate.abs() + self.uncertainty).over((raw - self.point.raw).abs()) + READING
    }
}

/// `BoundContradicted` holds since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Latch {
    since: BootTime,
    /// The gap now; > 0 = the reference says it is later than the oscillator does.
    gap: Nanos,
    /// The largest size of it.
    largest: Nanos,
    /// What the baseline could tell when the latch fell.
    limit: Nanos,
    /// Whether it is still open if the sources moved or this machine paused.
    open: bool,
}

/// The baseline, what it is built from, and the latch. Belongs to one boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Baselines {
    baseline: Option<Baseline>,
    latch: Option<Latch>,
    /// Where the slope of R is taken from.
    origin: Option<Point>,
    /// How far updates have moved R since the origin, all added up.
    corrected: Nanos,
    /// Our own clock was moved by this much; chronyd has so many updates left to find out.
    moved: Option<(Nanos, u32)>,
    /// Updates with a majority usable since the baseline (or since building began).
    updates: u32,
    /// The oscillator's frequency as first learned, and its uncertainty: no later baseline may leave it by more than
    /// the guaranteed rate, or a lie that creeps would soon be taken for the oscillator.
    oscillator: Option<(Ppb, Ppb)>,
    /// Movements inside maxOffset that nobody disputed and that were let go: their sum, and since when.
    forgiven: Option<(Nanos, BootTime)>,
    /// What the last good answer said.
    last: Option<Point>,
    /// The hardware clock beside the reference.
    hardware: Hardware,
    /// The last tick of it that may be believed.
    ticked: Option<Tick>,
    /// The last update that was looked at.
    seen: Option<Stamp>,
    /// The last update that fitted.
    fitted: Option<Stamp>,
    /// … by the figures that chronyd shows of it also without a reference.
    fitted_by: Option<LastUpdate>,
}

/// chronyd's last update as TRACKING shows it with and without a reference (stamp and address are gone then;
/// measured on 4.3 and 4.6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastUpdate {
    offset: Nanos,
    interval: Nanos,
}

impl LastUpdate {
    /// What `tracking` shows.
    pub const fn of(tracking: &Tracking) -> Self {
        Self { offset: tracking.last_offset, interval: tracking.update_interval }
    }
}

/// Whether the last update left the reference where it was, within its own width.
pub fn is_steady(last_offset: Nanos, width: Nanos) -> bool {
    last_offset.abs() <= width + STEADY
}

/// Whether chronyd's regression, on its way over a jump of `by`, may be at `gap` (± `limit`).
fn is_between(gap: Nanos, by: Nanos, limit: Nanos) -> bool {
    let way = Interval { low: by.min(Nanos::ZERO), high: by.max(Nanos::ZERO) };
    way.overlaps(Interval::around(gap, limit))
}

/// One good answer of chronyd, as far as the baseline needs it.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// This machine's clocks.
    pub clocks: ClockReading,
    /// chronyd's raw residual.
    pub residual: Nanos,
    /// Root delay/2 + root dispersion.
    pub width: Nanos,
    /// chronyd's frequency (> 0 = the clock would run fast) and how wrong it may be.
    pub frequency: Ppb,
    /// Skew.
    pub skew: Ppb,
    /// By how much the last update moved R, and when the one before was.
    pub last_update: LastUpdate,
    /// Whether chronyd moves the host's clock.
    pub profile: ClockProfile,
    /// Which update it is.
    pub stamp: Stamp,
    /// Whether a majority of the voters is usable.
    pub majority: bool,
    /// R may go away by this, once: a leap second was announced (see [`super::leap`]).
    pub leap: Option<Nanos>,
}

/// What a look did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing to say.
    Quiet,
    /// The contradiction begins with this look.
    Latched,
    /// Our own clock was moved by this much, and chronyd has not noticed yet.
    Moved(Nanos),
    /// R is on its way over the leap second.
    Leaping,
    /// R has made the leap second: the baseline went with it.
    Leapt,
}

impl Baselines {
    /// Takes in one good answer.
    pub fn look(&mut self, look: &Look, rate: Ppb) -> Outcome {
        let reference = look.clocks.wall - look.residual;
        self.tick(&look.clocks);
        let hardware =
            Window::read(&look.clocks, reference, self.ticked).filter(|_| !self.hardware.awaits_leap());
        let point = Point { reference, raw: look.clocks.raw, hardware, width: look.width };
        self.last = Some(point);
        let updated = self.seen != Some(look.stamp);
        self.seen = Some(look.stamp);
        let mut outcome = Outcome::Quiet;
        if let Some(baseline) = self.baseline {
            let gap = point.reference - baseline.expects(point.raw);
            let limit = baseline.limit(&point, rate);
            if let Some(latch) = &mut self.latch {
                latch.gap = gap;
                latch.largest = latch.largest.max(gap.abs());
                let closed = latch.limit.max(Nanos(latch.largest.0 / 4));
                if gap.abs() <= limit && gap.abs() <= closed {
                    self.latch = None;
                    self.fits(look);
                    self.updates = 0;
                }
            } else if gap.abs() <= limit {
                self.hardware.calm(&look.clocks, point.reference, updated);
                self.fits(look);
                self.moved = None;
            } else if self.fitted == Some(look.stamp) {
                self.moved = Some((gap, CATCHING_UP));
                outcome = Outcome::Moved(gap);
            } else if let Some(by) = look.leap.filter(|by| is_between(gap, *by, limit)) {
                if (gap - by).abs() <= limit {
                    self.shift(by);
                    // Whether the hardware clock follows, and which way, hangs on what chronyd does to this one now.
                    self.hardware.forget();
                    self.fits(look);
                    outcome = Outcome::Leapt;
                } else {
                    outcome = Outcome::Leaping;
                }
            } else if let Some((_, left)) =
                self.moved.filter(|(by, left)| *left > 0 && is_between(gap, *by, limit))
            {
                self.moved = self.moved.map(|(by, _)| (by, left - u32::from(updated)));
                outcome = Outcome::Moved(gap);
            } else {
                self.moved = None;
                self.latch =
                    Some(Latch { since: look.clocks.boot, gap, largest: gap.abs(), limit, open: true });
                outcome = Outcome::Latched;
            }
        }
        if updated && look.majority && self.latch.is_none() && outcome == Outcome::Quiet {
            self.build(look, point, rate);
        }
        outcome
    }

    /// Keeps what the hardware clock ticked since the look before. Nothing that it ticked before the second update: as soon as
    /// chronyd is synchronised the kernel sets it.
    fn tick(&mut self, clocks: &ClockReading) {
        let settled = self.baseline.is_some() || self.updates >= 2;
        let tick = ticked_since(clocks, self.last.map(|last| last.raw)).or(self.ticked);
        self.ticked = tick.filter(|_| settled);
    }

    /// CLOCK_REALTIME, or the reference, made a leap second of `by`: what is kept of the reference goes with it.
    pub fn shift(&mut self, by: Nanos) {
        let kept =
            [self.baseline.as_mut().map(|kept| &mut kept.point), self.origin.as_mut(), self.last.as_mut()];
        for point in kept.into_iter().flatten() {
            point.reference = point.reference + by;
            // Of one moment, and with no memory of a leap second: it would be wrong once the kernel sets the hardware clock.
            point.hardware = None;
        }
        self.hardware.shift(by);
        self.ticked = None;
    }

    /// CLOCK_REALTIME made a leap second of `by` at that moment.
    pub fn clock_leapt(&mut self, by: Nanos, at: RawTime) {
        self.shift(by);
        self.hardware.expect_leap(by, at);
    }

    /// CLOCK_REALTIME went `by` beyond the oscillator since the last look, faster than chronyd moves it: somebody
    /// stepped it, and R is off until chronyd has found out.
    pub fn clock_moved(&mut self, by: Nanos) {
        let before = self.moved.map_or(Nanos::ZERO, |(by, _)| by);
        self.moved = Some((before + by, CATCHING_UP));
    }

    /// Takes in an answer without a reference. chronyd moves R by updates alone: when R is off and the last one is
    /// still the one that fitted, our own clock was moved.
    pub fn look_without_reference(
        &mut self,
        clocks: &ClockReading,
        residual: Nanos,
        last_update: LastUpdate,
        rate: Ppb,
    ) {
        let Some(baseline) = self.baseline.filter(|_| self.latch.is_none()) else { return };
        let gap = (clocks.wall - residual) - baseline.expects(clocks.raw);
        if gap.abs() <= baseline.point.width.times(2) + baseline.growth(clocks.raw, rate) {
            self.fitted_by = Some(last_update);
        } else if self.fitted_by == Some(last_update) {
            self.moved = Some((gap, CATCHING_UP));
        }
    }

    fn build(&mut self, look: &Look, point: Point, rate: Ppb) {
        self.updates = self.updates.saturating_add(1);
        self.corrected = self.corrected + look.last_update.offset.abs();
        if !is_steady(look.last_update.offset, point.width) {
            (self.origin, self.updates) = (None, 0);
        }
        if self.origin.is_some_and(|origin| origin.width > point.width.times(SHARPER)) {
            self.origin = None;
        }
        if self.origin.is_none() {
            self.corrected = Nanos::ZERO;
        }
        let origin = *self.origin.get_or_insert(point);
        let worn = self.baseline.is_none_or(|old| {
            old.growth(point.raw, rate) > old.point.width + point.width
                || old.point.width > point.width.times(2)
        });
        let span = point.raw - origin.raw;
        if self.updates < UPDATES || !worn || span <= Nanos::ZERO {
            return;
        }
        let (frequency, uncertainty) = match look.profile {
            ClockProfile::Real => (Ppb(look.frequency.0.saturating_neg()), look.skew.abs()),
            ClockProfile::Virtual => {
                let per_billion = |part: Nanos| Ppb(part.scaled(1_000_000_000, span.0).0);
                let slope = per_billion((point.reference - origin.reference) - span);
                // R's own error at both ends, or what chronyd corrected on the way, whichever is worse.
                let doubt = (origin.width + point.width + READING).max(self.corrected);
                (slope, per_billion(doubt) + Ppb(1))
            }
        };
        if span > SLOPE_SPAN {
            self.origin = Some(point);
            self.corrected = Nanos::ZERO;
        }
        let (frequency, uncertainty) = self.believe(frequency, uncertainty, rate);
        self.baseline = Some(Baseline { point, frequency, uncertainty });
        self.fits(look);
        self.updates = 0;
    }

    fn fits(&mut self, look: &Look) {
        (self.fitted, self.fitted_by) = (Some(look.stamp), Some(look.last_update));
    }

    /// The frequency to go by: the better known one, and never one that the oscillator can't have reached.
    fn believe(&mut self, found: Ppb, uncertainty: Ppb, rate: Ppb) -> (Ppb, Ppb) {
        let Some((known, doubt)) = self.oscillator else {
            self.oscillator = Some((found, uncertainty));
            return (found, uncertainty);
        };
        let apart = Ppb(found.0.saturating_sub(known.0)).abs();
        if uncertainty >= doubt || apart > rate.abs() + doubt + uncertainty {
            return (known, doubt);
        }
        if uncertainty.0 <= doubt.0 / 2 {
            self.oscillator = Some((found, uncertainty));
        }
        (found, uncertainty)
    }

    /// Ends a latch that is too old, whatever chronyd says.
    pub fn expire(&mut self, now: BootTime) {
        if self.latch.is_some_and(|latch| now - latch.since >= LATCH_LIMIT) {
            self.forget();
        }
        if self.forgiven.is_some_and(|(_, since)| now - since >= LATCH_LIMIT) {
            self.forgiven = None;
        }
    }
    /// Drops the baseline and the latch: they no longer tell anything.
    pub fn forget(&mut self) {
        *self = Self { seen: self.seen, ..Self::default() };
    }
    /// Lets a small movement go that nobody disputed: the baseline goes on from here, with the oscillator as it is
    /// known. A day's sum is kept, so that a lie can't creep in like this.
    pub fn forgive(&mut self, now: BootTime) {
        let (Some(latch), Some(baseline), Some(point)) = (self.latch, &mut self.baseline, self.last) else {
            return;
        };
        baseline.point = point;
        self.hardware.shift(latch.gap);
        let (sum, since) = self.forgiven.unwrap_or((Nanos::ZERO, now));
        self.forgiven = Some((sum + latch.gap.abs(), since));
        (self.latch, self.origin, self.updates) = (None, None, 0);
        (self.fitted, self.fitted_by, self.corrected) = (self.seen, None, Nanos::ZERO);
    }

    /// How far the reference would have to have moved at the last good answer to be told; none = no baseline.
    pub fn tells(&self, rate: Ppb) -> Option<Nanos> {
        let (baseline, last) = (self.baseline?, self.last?);
        Some(baseline.limit(&last, rate))
    }
    /// The gap, while the contradiction holds; > 0 = the reference says it is later than the oscillator does.
    pub fn gap(&self) -> Option<Nanos> {
        self.latch.map(|latch| latch.gap)
    }
    /// The size of the gap, with what was let go within a day: this is what is held against maxOffset.
    pub fn weight(&self) -> Option<Nanos> {
        Some(self.gap()?.abs() + self.forgiven.map_or(Nanos::ZERO, |(sum, _)| sum))
    }
    /// Where the judged clock's error lies by the baseline.
    pub fn host(&self, clocks: &ClockReading, rate: Ppb) -> Option<Interval> {
        let baseline = self.baseline?;
        let half = baseline.point.width + baseline.growth(clocks.raw, rate);
        Some(Interval::around(clocks.wall - baseline.expects(clocks.raw), half))
    }
    /// Whether it is still open if the sources moved or this machine paused.
    pub fn open(&self) -> bool {
        self.latch.is_some_and(|latch| latch.open)
    }
    /// It is decided: the sources moved.
    pub fn close(&mut self) {
        if let Some(latch) = &mut self.latch {
            latch.open = false;
        }
    }
    /// What the hardware clock says of the contradiction.
    pub fn witness(&mut self, clocks: &ClockReading) -> Witness {
        let (Some(baseline), Some(gap)) = (self.baseline, self.gap()) else { return Witness::Silent };
        self.hardware.moved(clocks, baseline.expects(clocks.raw), gap, baseline.point.hardware)
    }
}
