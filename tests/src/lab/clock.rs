//! The lab's only reader of clocks.
//!
//! The lab is the ground truth of tests, never part of the product, so it reads CLOCK_REALTIME as *true time*; how
//! long a setting has held is counted on CLOCK_BOOTTIME.

use meantime_core::clocks::{BootTime, RawTime, WallTime};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// True time and the lab's own steady time, read together.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// CLOCK_REALTIME of this machine: true time, by definition.
    pub wall: WallTime,
    /// CLOCK_BOOTTIME of this machine: for how long.
    pub boot: BootTime,
}

/// Now.
pub fn now() -> Moment {
    Moment { wall: WallTime(nanoseconds(ClockId::Realtime)), boot: BootTime(nanoseconds(ClockId::Boottime)) }
}

/// All clocks of the machine this runs on (`meantime-lab clocks`, run inside the micro-VM).
#[derive(Clone, Copy, Debug, Serialize, serde::Deserialize)]
pub struct Clocks {
    /// CLOCK_REALTIME in nanoseconds since 1970.
    pub wall: WallTime,
    /// CLOCK_BOOTTIME in nanoseconds.
    pub boot: BootTime,
    /// CLOCK_MONOTONIC_RAW in nanoseconds.
    pub raw: RawTime,
    /// The hardware clock, whole seconds told in nanoseconds; none where there is none to read.
    pub rtc: Option<WallTime>,
}

/// Reads them back to back.
pub fn clocks() -> Clocks {
    let rtc = std::fs::read_to_string("/sys/class/rtc/rtc0/since_epoch")
        .ok()
        .and_then(|text| text.trim().parse::<i64>().ok())
        .map(|seconds| WallTime(seconds.saturating_mul(1_000_000_000)));
    Clocks {
        wall: WallTime(nanoseconds(ClockId::Realtime)),
        boot: BootTime(nanoseconds(ClockId::Boottime)),
        raw: RawTime(nanoseconds(ClockId::MonotonicRaw)),
        rtc,
    }
}

fn nanoseconds(id: ClockId) -> i64 {
    let time = clock_gettime(id);
    time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec)
}
