//! Watches the hardware clock begin its seconds.
//!
//! **In:** its file, whole seconds since 1970; CLOCK_MONOTONIC_RAW. **Out:** the last [`Tick`], within a few milliseconds.
//! **Must never** write to it, or take a second that was missed for one that was seen to begin.
//!
//! A machine that is moved to another host stands still for a tenth of a second or so. The hardware clock alone tells that
//! from sources that all moved together (see `meantime_core::judge`), but only to somebody who saw it tick before and
//! after. Every 16 s, and at once while a contradiction is open, it is read each millisecond around the moment in which it is
//! expected to tick: about a dozen readings. Where it does not tick as expected, a second is read in steps of 20 ms first.
//!
//! A thread of its own: reading the file may sleep for a bus, and what is measured must not wait for other tasks.

use crate::clock;
use meantime_core::clocks::{RawTime, Tick};
use meantime_core::units::{Nanos, Ppb};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// Between two ticks that are watched: what 500 ppm make of it is no more than the margin.
const EVERY: Nanos = Nanos::from_secs(16);
/// The oscillator against it: adjtimex(2) allows 500 ppm, crystals of hardware clocks have some tens of ppm.
const APART: Ppb = Ppb::from_ppm(600);
/// Around the moment in which it is expected.
const MARGIN: Nanos = Nanos::from_millis(2);
const FINE: Nanos = Nanos::MILLISECOND;
const COARSE: Nanos = Nanos::from_millis(20);
/// One known no better than this is of no use.
const USELESS: Nanos = Nanos::from_millis(100);

/// Which readings to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Hunt {
    from: RawTime,
    step: Nanos,
    until: RawTime,
}

impl Hunt {
    /// Where it is not known when it ticks: a second long, and a little more.
    fn anywhere(now: RawTime) -> Self {
        Self { from: now, step: COARSE, until: now + Nanos::SECOND + COARSE.times(2) }
    }
    /// Around the next second after `now`, by the last one that was seen.
    fn after(known: Tick, now: RawTime) -> Self {
        let seconds = (now - known.raw).0.max(0) / Nanos::SECOND.0 + 1;
        let next = known.raw + Nanos::from_secs(seconds);
        let margin = MARGIN + APART.over(next - known.raw);
        Self { from: next - known.within - margin, step: FINE, until: next + margin }
    }
    /// Reads until it ticks.
    fn run(self, file: &Path) -> Option<Tick> {
        rest(self.from - clock::raw());
        let mut last = None;
        loop {
            let began = clock::raw();
            let second = clock::hardware(file)?;
            let raw = clock::raw();
            match last {
                Some((before, earlier)) if second > earlier => {
                    let tick = Tick { second, raw, within: raw - before };
                    return (second - earlier == Nanos::SECOND && tick.within <= USELESS).then_some(tick);
                }
                Some((_, earlier)) if second < earlier => return None,
                Some(_) | None => last = Some((began, second)),
            }
            if raw > self.until {
                return None;
            }
            rest(self.step);
        }
    }
}

fn rest(span: Nanos) {
    thread::sleep(clock::span(span));
}

/// The watch, and its thread until it is dropped.
#[derive(Debug)]
pub struct Watch {
    seen: Arc<Mutex<Option<Tick>>>,
    hurry: SyncSender<()>,
}

impl Watch {
    /// Begins, where there is a hardware clock that can be read.
    pub fn start(file: &Path) -> Self {
        let (hurry, asked) = sync_channel(1);
        let watch = Self { seen: Arc::default(), hurry };
        if clock::hardware(file).is_none() {
            return watch;
        }
        let (file, seen) = (file.to_owned(), Arc::clone(&watch.seen));
        let thread = thread::Builder::new().name("hardware-clock".into());
        if let Err(error) = thread.spawn(move || go(&file, &seen, &asked)) {
            tracing::warn!(%error, "nobody watches the hardware clock tick: pauses of less than a second can't be told");
        }
        watch
    }
    /// Its next second is wanted now, not in its turn.
    pub fn hurry(&self) {
        // Full: it was asked already. Gone: there is none.
        let _ = self.hurry.try_send(());
    }
    /// The last second that it was seen to begin.
    pub fn seen(&self) -> Option<Tick> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn go(file: &Path, seen: &Mutex<Option<Tick>>, asked: &Receiver<()>) {
    let mut known: Option<Tick> = None;
    let mut again = false;
    loop {
        let now = clock::raw();
        let found = known.and_then(|known| Hunt::after(known, now).run(file));
        let tick = found.or_else(|| Hunt::anywhere(clock::raw()).run(file));
        *seen.lock().unwrap_or_else(PoisonError::into_inner) = tick;
        known = tick;
        // Found again, roughly: its next second is looked at closely. Once: a slow bus tells no better.
        again = tick.is_some() && found.is_none() && !again;
        let pause = if again { Nanos::ZERO } else { EVERY - Nanos::SECOND };
        if asked.recv_timeout(clock::span(pause)) == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use meantime_core::clocks::WallTime;
    use std::sync::atomic::{AtomicBool, Ordering};

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn the_next_second_is_expected_by_the_last_one() {
        let known = Tick { second: WallTime(7), raw: RawTime(100 * SECOND), within: Nanos::MILLISECOND };
        let hunt = Hunt::after(known, RawTime(115 * SECOND + SECOND / 2));
        assert_eq!((hunt.from, hunt.until), (RawTime(115_987_400_000), RawTime(116_011_600_000)));
        assert!(Hunt::after(known, RawTime(100 * SECOND)).from > RawTime(100 * SECOND));
    }

    /// A file that somebody writes as a hardware clock goes.
    #[test]
    fn a_second_is_seen_to_begin_and_a_jump_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("since_epoch");
        let (stop, stood) = (AtomicBool::new(false), Mutex::new(Nanos::ZERO));
        let write = |time: Nanos| {
            let new = folder.path().join("new");
            std::fs::write(&new, format!("{}\n", time.0 / SECOND)).unwrap();
            std::fs::rename(new, &file).unwrap();
        };
        let time = || (clock::raw() + *stood.lock().unwrap()) - RawTime(0);
        write(time());
        thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let now = time();
                    write(now);
                    rest(Nanos(1_000_000 - now.0 % 1_000_000));
                }
            });
            let ahead = |tick: Tick| (tick.second - WallTime(0)) - (tick.raw - RawTime(0));
            let first = Hunt::anywhere(clock::raw()).run(&file).unwrap();
            assert!(first.within >= COARSE, "{first:?}");
            let second = Hunt::after(first, clock::raw()).run(&file).unwrap();
            assert!(
                ahead(second) <= Nanos::MILLISECOND && ahead(second) >= Nanos::ZERO - second.within.times(2)
            );
            *stood.lock().unwrap() = Nanos::from_millis(250);
            assert_eq!(Hunt::after(second, clock::raw()).run(&file), None, "it ticks at another moment");
            let third = Hunt::anywhere(clock::raw()).run(&file).unwrap();
            let moved = ahead(third) - ahead(second);
            assert!((moved - *stood.lock().unwrap()).abs() <= third.within.times(2), "{moved:?} {third:?}");
            stop.store(true, Ordering::Relaxed);
        });
    }
}
