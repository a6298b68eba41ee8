//! The only reader of clocks in the agent.
//!
//! **Out:** [`ClockReading`] (all clocks back to back, nothing awaited in between), the boot id, the uptime.
//! **Must never** set or slew a clock, and never await between two reads of one [`ClockReading`].

use crate::hardware::Watch;
use meantime_core::clocks::{BootTime, ClockReading, RawTime, WallTime};
use meantime_core::units::Nanos;
use rustix::time::{ClockId, Timespec, clock_gettime};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where Linux tells the first hardware clock, in whole seconds since 1970.
const RTC: &str = "/sys/class/rtc/rtc0/since_epoch";

/// Read within so long the clocks were read together (four calls take under 1 µs; 100 µs is the judge's allowance).
const TOGETHER: Nanos = Nanos::from_micros(20);
/// How often it is tried; then the tightest reading counts.
const READINGS: u32 = 5;
/// A reading of the hardware clock that took longer tells of another moment than the rest (the judge allows for this much).
const RTC_LIMIT: Nanos = Nanos::from_millis(50);

/// This machine's clocks.
#[derive(Debug)]
pub struct Clocks {
    rtc: PathBuf,
    watch: Watch,
}

impl Default for Clocks {
    fn default() -> Self {
        let rtc = PathBuf::from(RTC);
        Self { watch: Watch::start(&rtc), rtc }
    }
}

impl Clocks {
    /// All clocks within one look. The hardware clock is read first (its file may sleep for a bus), the three
    /// kernel clocks then follow within a microsecond of each other: a reading in whose middle this thread was
    /// scheduled away is repeated, because the judge takes clocks that come apart for moved ones.
    pub fn read(&self) -> ClockReading {
        let mut before = raw();
        let mut rtc = hardware(&self.rtc);
        if raw() - before > RTC_LIMIT {
            before = raw();
            rtc = hardware(&self.rtc);
        }
        let mut best = kernel_clocks();
        for _ in 1..READINGS {
            if best.1 <= TOGETHER {
                break;
            }
            let again = kernel_clocks();
            if again.1 < best.1 {
                best = again;
            }
        }
        let rtc = rtc.filter(|_| best.0.raw - before <= RTC_LIMIT);
        ClockReading { rtc, tick: self.watch.seen(), ..best.0 }
    }
    /// The hardware clock's next tick is wanted now.
    pub fn hurry(&self) {
        self.watch.hurry();
    }
}

/// The hardware clock's whole seconds.
pub fn hardware(file: &Path) -> Option<WallTime> {
    let seconds: i64 = std::fs::read_to_string(file).ok()?.trim().parse().ok()?;
    Some(WallTime(Nanos::from_secs(seconds).0))
}

/// CLOCK_MONOTONIC_RAW alone.
pub fn raw() -> RawTime {
    RawTime(nanos(clock_gettime(ClockId::MonotonicRaw)))
}

/// The three kernel clocks, and how long reading them took by the bare oscillator.
fn kernel_clocks() -> (ClockReading, Nanos) {
    let raw = raw();
    let wall = WallTime(nanos(clock_gettime(ClockId::Realtime)));
    let boot = boottime();
    let took = self::raw() - raw;
    (ClockReading { wall, boot, raw, rtc: None, tick: None }, took)
}

/// CLOCK_BOOTTIME alone. It starts at zero when the kernel starts, so that it is the uptime as well.
pub fn boottime() -> BootTime {
    BootTime(nanos(clock_gettime(ClockId::Boottime)))
}

/// CLOCK_REALTIME alone, for display at the API edge only.
pub fn wall() -> WallTime {
    WallTime(nanos(clock_gettime(ClockId::Realtime)))
}

/// How far CLOCK_REALTIME stands before CLOCK_BOOTTIME: changes when, and only when, somebody steps the wall clock.
pub fn ahead() -> Nanos {
    Nanos(wall().0 - boottime().0)
}

/// The id of this boot of the kernel: 36 characters, the same in every container of the machine.
pub fn boot_id(proc: &Path) -> io::Result<String> {
    Ok(std::fs::read_to_string(proc.join("sys/kernel/random/boot_id"))?.trim().to_owned())
}

/// A span as tokio's timers want it; negative becomes zero.
pub fn span(nanos: Nanos) -> Duration {
    Duration::from_nanos(u64::try_from(nanos.0).unwrap_or(0))
}

fn nanos(time: Timespec) -> i64 {
    Nanos::from_secs(time.tv_sec).0.saturating_add(time.tv_nsec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_go_forward_and_the_boot_id_is_there() {
        let clocks = Clocks::default();
        let (first, second) = (clocks.read(), clocks.read());
        assert!(second.boot > first.boot && second.raw > first.raw);
        assert_eq!(boot_id(Path::new("/proc")).unwrap().len(), 36);
    }

    #[test]
    fn an_unreadable_rtc_is_none() {
        assert_eq!(hardware(Path::new("/nonexistent")), None);
    }
}
