//! A small honest chronyd: polls, samples, estimates, the selection by intersecting intervals, TRACKING. As measured on
//! 4.3 and 4.6.1, in the coarse steps of this world. **Must never** know the truth: it sees packets.

use super::noise::Noise;
use super::path::Served;
use meantime_core::chrony::Letter;
use meantime_core::clocks::WallTime;
use meantime_core::diagnose::fleet::Trouble;
use meantime_core::fsm::failover::Overlay;
use meantime_core::observation::{Association, Estimate, Leap, Packet, PollCounters, Tracking};
use meantime_core::snapshot::{PlannedAssociation, Role};
use meantime_core::units::{Nanos, Ppb};
use std::collections::VecDeque;
use std::net::IpAddr;

/// Samples in an estimate at most; the newest four are averaged.
const SAMPLES: usize = 12;
/// chronyd's own floor.
const FEWEST: usize = 3;
/// chronyd's combinelimit.
const COMBINE_LIMIT: i64 = 3;
/// A sample further than this from the others is a jump: the regression drops the past.
const JUMP: i64 = 3_000_000;

/// A measurement.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// The oscillator against the source, > 0 = ahead.
    pub against: i64,
    /// Round trip.
    pub delay: i64,
    /// When, since the first tick.
    pub at: i64,
}

/// One association.
#[derive(Clone, Debug)]
pub struct Line {
    /// Position among the world's servers.
    pub server: usize,
    /// What is planned.
    pub planned: PlannedAssociation,
    /// Its address; none = its name has none.
    pub address: Option<IpAddr>,
    /// log2 seconds.
    pub poll: i8,
    /// Polls in a row without an answer, and what the last one met.
    pub missed: u32,
    /// The reason for the last of them, as far as this agent may know it.
    pub met: Option<Trouble>,
    counters: PollCounters,
    reach: u8,
    samples: VecDeque<Sample>,
    packet: Option<Packet>,
    letter: Letter,
}

impl Line {
    /// Nothing was asked yet.
    pub fn new(server: usize, planned: PlannedAssociation, address: Option<IpAddr>) -> Self {
        let poll = planned.polls.min;
        Self {
            server,
            planned,
            address,
            poll,
            missed: 0,
            met: None,
            counters: PollCounters::default(),
            reach: 0,
            samples: VecDeque::new(),
            packet: None,
            letter: Letter::TooFewSamples,
        }
    }

    /// A poll without an answer.
    pub fn miss(&mut self, met: Trouble) {
        self.counters.sent += 1;
        self.reach <<= 1;
        self.missed += 1;
        self.met = Some(met);
    }

    /// An answer: `sample` as measured, `wall` as the source's clock stood.
    pub fn answer(&mut self, served: &Served, sample: Sample, wall: WallTime) {
        self.counters.sent += 1;
        self.counters.valid += 1;
        self.reach <<= 1;
        (self.missed, self.met) = (0, None);
        // A source without upstream lets its own dispersion grow: 2 ppm of the age.
        let dispersion = Nanos::from_micros(60) + Ppb::from_ppm(2).over(served.reference_age);
        self.packet = Some(Packet {
            root_delay: Nanos::from_micros(20),
            root_dispersion: dispersion,
            peer_delay: Nanos(sample.delay),
            peer_dispersion: Nanos(1_000),
            stratum: served.stratum,
            leap: served.leap,
            refid: 0x4750_5300,
            reference_time: wall - served.reference_age,
        });
        if served.leap == Leap::Unsynchronised || served.stratum >= 16 {
            return; // valid, and of no use: no sample, reach stays 0
        }
        self.counters.good += 1;
        self.reach |= 1;
        let steady = self.samples.iter().all(|old| (old.against - sample.against).abs() < JUMP);
        while !steady && self.samples.len() > 2 {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
        if self.samples.len() > SAMPLES {
            self.samples.pop_front();
        }
    }

    fn says_unsynchronised(&self) -> bool {
        self.packet.as_ref().is_some_and(|packet| packet.leap == Leap::Unsynchronised)
    }
}

/// A running chronyd.
#[derive(Clone, Debug)]
pub struct Daemon {
    /// Its associations.
    pub lines: Vec<Line>,
    /// How it corrects the oscillator.
    pub correction: Ppb,
    /// Its corrected time, ahead of the truth. The host's clock minus the residual.
    pub cooked: i64,
    skew: i64,
    selected: Option<usize>,
    reference_time: i64,
    updated: i64,
    last_offset: i64,
    update_interval: i64,
}

/// What it reads and is told at one tick.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// Since the first tick.
    pub now: i64,
    /// The true time at the first tick, since 1970.
    pub epoch: i64,
    /// The oscillator, ahead of the truth.
    pub raw: i64,
    /// The oscillator's rate.
    pub oscillator: Ppb,
    /// What the agent wants besides the plan.
    pub overlay: &'a Overlay,
    /// It is the last day of June or December, with a leap second at its end.
    pub leap_day: bool,
}

impl Daemon {
    /// Started now, its clock the host's.
    pub fn new(lines: Vec<Line>, oscillator: Ppb, wall: i64) -> Self {
        Self {
            lines,
            correction: Ppb(-oscillator.0),
            cooked: wall,
            skew: 50_000,
            selected: None,
            reference_time: 0,
            updated: 0,
            last_offset: 0,
            update_interval: 0,
        }
    }

    /// Ends and starts again; samples come from its dumps.
    pub fn restart(&mut self, wall: i64) {
        self.cooked = wall;
        (self.selected, self.reference_time) = (None, 0);
        for line in &mut self.lines {
            let samples = std::mem::take(&mut line.samples);
            *line = Line { samples, ..Line::new(line.server, line.planned.clone(), line.address) };
        }
    }

    /// Somebody stepped the host's clock: old samples do not know of it.
    pub fn stepped(&mut self, by: i64) {
        self.cooked += by;
        for sample in self.lines.iter_mut().flat_map(|line| &mut line.samples) {
            sample.against -= by;
        }
    }

    /// The oscillator against one source now, and the half-width that chronyd gives it.
    fn estimate(&self, index: usize, now: i64) -> Option<(i64, i64)> {
        let line = &self.lines[index];
        let (last, packet) = (line.samples.back()?, line.packet.as_ref()?);
        if line.samples.len() < FEWEST {
            return None;
        }
        let recent = line.samples.iter().rev().take(4);
        let rate = Ppb(-self.correction.0);
        let at_now = |sample: &Sample| sample.against + rate.over(Nanos(now - sample.at)).0;
        let count = i64::try_from(recent.len()).unwrap_or(1).max(1);
        let mean = recent.clone().map(at_now).sum::<i64>() / count;
        let widest = recent.map(|sample| sample.delay).max().unwrap_or(0);
        let age = Ppb(self.skew + 1_000).over(Nanos(now - last.at)).0;
        Some((mean, widest / 2 + packet.root_dispersion.0 + 20_000 + age))
    }

    /// Selects anew after the polls of a tick; an update follows where the selected source has a new sample.
    pub fn select(&mut self, moment: &Moment<'_>, noise: &mut Noise) {
        let now = moment.now;
        let mut intervals = Vec::new();
        for index in 0..self.lines.len() {
            let line = &self.lines[index];
            let out = line.address.is_some_and(|address| moment.overlay.noselect.contains(&address));
            let letter = if line.planned.role == Role::Witness || out {
                Letter::NoSelect
            } else if line.says_unsynchronised() {
                Letter::Unsynchronised
            } else if line.samples.len() < FEWEST {
                Letter::TooFewSamples
            } else if line.reach == 0 {
                Letter::Stale
            } else if let Some((against, half)) = self.estimate(index, now) {
                intervals.push((index, against, half));
                Letter::NotCombined
            } else {
                Letter::TooFewSamples
            };
            self.lines[index].letter = letter;
        }
        let depth = |point: i64| intervals.iter().filter(|(_, at, half)| (at - point).abs() <= *half).count();
        let best = intervals.iter().map(|(_, at, half)| at - half).max_by_key(|point| depth(*point));
        let Some(best) = best.filter(|point| depth(*point) * 2 > intervals.len()) else {
            for (index, ..) in &intervals {
                self.lines[*index].letter = Letter::Falseticker;
            }
            if !intervals.is_empty() {
                (self.selected, self.reference_time) = (None, 0);
            }
            return;
        };
        let prefers = |index: usize| {
            let line = &self.lines[index];
            match line.address {
                Some(address) if !moment.overlay.prefer.is_empty() => {
                    moment.overlay.prefer.contains(&address)
                }
                Some(_) | None => line.planned.role == Role::Driver,
            }
        };
        let inside: Vec<usize> = intervals
            .iter()
            .filter(|(_, at, half)| (at - best).abs() <= *half)
            .map(|(index, ..)| *index)
            .collect();
        let preferred: Vec<usize> = inside.iter().copied().filter(|index| prefers(*index)).collect();
        let candidates = if preferred.is_empty() { &inside } else { &preferred };
        // chronyd leaves a source that has become far more distant than another, and does not combine it (combinelimit).
        let width =
            |index: usize| intervals.iter().find(|(one, ..)| *one == index).map_or(i64::MAX, |one| one.2);
        let nearest = candidates.iter().copied().min_by_key(|index| width(*index));
        let near = |index: usize| width(index) / COMBINE_LIMIT <= nearest.map_or(i64::MAX, width);
        let stale = |index: usize| self.lines[index].letter == Letter::Stale;
        let keeps = self.selected.filter(|index| candidates.contains(index) && near(*index) || stale(*index));
        let chosen = keeps.or(nearest);
        let distant: Vec<usize> = candidates.iter().copied().filter(|index| !near(*index)).collect();
        for (index, ..) in &intervals {
            self.lines[*index].letter = match () {
                () if !inside.contains(index) => Letter::Falseticker,
                () if distant.contains(index) => Letter::NotCombined,
                () if candidates.contains(index) => Letter::Combined,
                () => Letter::OthersPreferred,
            };
        }
        self.selected = chosen;
        let Some(chosen) = chosen.filter(|index| candidates.contains(index)) else { return };
        self.lines[chosen].letter = Letter::Selected;
        let sampled = self.lines[chosen].samples.back().is_some_and(|sample| sample.at > self.updated);
        if sampled || keeps.is_none() {
            self.update(chosen, moment, noise);
        }
    }

    fn update(&mut self, chosen: usize, moment: &Moment<'_>, noise: &mut Noise) {
        let Some((against, _)) = self.estimate(chosen, moment.now) else { return };
        let truth = moment.raw - against;
        self.last_offset = self.cooked - truth;
        self.cooked = truth;
        // Learns the oscillator as chrony does: quickly, within its skew.
        self.correction = Ppb(-moment.oscillator.0 + noise.around(200));
        self.skew = (self.skew * 3 / 4).max(500);
        self.update_interval = moment.now - self.updated;
        self.updated = moment.now;
        self.reference_time = moment.epoch + moment.now + truth;
    }

    /// What more than half of those that may vote announce.
    fn announced(&self) -> Leap {
        let votes = self.lines.iter().filter(|line| line.letter.may_vote());
        let says =
            votes.clone().filter(|line| line.packet.as_ref().is_some_and(|one| one.leap == Leap::Insert));
        if says.count() > votes.count() / 2 { Leap::Insert } else { Leap::Normal }
    }

    /// TRACKING, for a host whose clock is ahead of the truth by `wall` and runs at `rate` against the oscillator.
    pub fn tracking(&self, moment: &Moment<'_>, wall: i64, rate: Ppb) -> Tracking {
        let age = Ppb(self.skew + 1_000).over(Nanos(moment.now - self.updated)).0;
        let base = Tracking {
            refid: 0,
            address: None,
            stratum: 0,
            leap: Leap::Unsynchronised,
            reference_time: WallTime(0),
            residual: Nanos(wall - self.cooked),
            last_offset: Nanos(self.last_offset),
            rms_offset: Nanos(10_000),
            frequency: Ppb(rate.0 - self.correction.0),
            residual_frequency: Ppb::ZERO,
            skew: Ppb(self.skew),
            root_delay: Nanos::SECOND,
            root_dispersion: Nanos::SECOND,
            update_interval: Nanos(self.update_interval),
        };
        let Some(line) = self.selected.and_then(|index| self.lines.get(index)) else { return base };
        let delay = line.packet.as_ref().map_or(Nanos::ZERO, |packet| packet.peer_delay + packet.root_delay);
        let dispersion = line.packet.as_ref().map_or(Nanos::ZERO, |packet| packet.root_dispersion);
        Tracking {
            refid: 0x0a00_0000 + u32::try_from(line.server).unwrap_or(0) + 1,
            address: line.address,
            stratum: 2,
            leap: if moment.leap_day { self.announced() } else { Leap::Normal },
            reference_time: WallTime(self.reference_time),
            root_delay: delay,
            root_dispersion: dispersion + Nanos(30_000 + age),
            ..base
        }
    }

    /// The source reports. The oscillator is ahead of the truth by `moment.raw`.
    pub fn associations(&self, moment: &Moment<'_>) -> Vec<Association> {
        let one = |index: usize| {
            let line = &self.lines[index];
            let estimate = self.estimate(index, moment.now).map(|(against, _)| Estimate {
                offset: Nanos(against + self.cooked - moment.raw),
                skew: Ppb(self.skew),
                deviation: Nanos(40_000),
            });
            let age = |sample: &Sample| Nanos((moment.now - sample.at) / 1_000_000_000 * 1_000_000_000);
            Association {
                address: line.address,
                source: Some(line.planned.source.clone()),
                tier: line.planned.tier,
                role: line.planned.role,
                independence: line.planned.independence.clone(),
                timescale: line.planned.timescale.clone(),
                letter: line.letter,
                poll: line.poll,
                reach: line.reach,
                counters: line.address.map(|_| line.counters),
                samples: u32::try_from(line.samples.len()).unwrap_or(0),
                sample_age: line.samples.back().map(age),
                estimate,
                packet: line.packet.clone(),
            }
        };
        (0..self.lines.len()).map(one).collect()
    }
}
