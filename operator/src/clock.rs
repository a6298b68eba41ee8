//! The operator's only reader of clocks.
//!
//! **Out.** [`boot`]: CLOCK_BOOTTIME, on which every age, lease, hold and back-off is counted (it runs through
//! suspend and nobody can step it). [`wall`]: the wall clock, for timestamps that people read.
//! **Must never** let the wall clock decide anything: this is a product about wrong wall clocks.

use jiff::Timestamp;
use meantime_core::clocks::BootTime;
use rustix::time::{ClockId, clock_gettime};

/// CLOCK_BOOTTIME of this machine, now.
pub fn boot() -> BootTime {
    let now = clock_gettime(ClockId::Boottime);
    BootTime(now.tv_sec.saturating_mul(1_000_000_000).saturating_add(now.tv_nsec))
}

/// The wall clock, cut to whole seconds as `metav1.Time` keeps it. For display only.
pub fn wall() -> Timestamp {
    let now = clock_gettime(ClockId::Realtime);
    Timestamp::from_second(now.tv_sec).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The wall clock to the microsecond, as `metav1.MicroTime` keeps it. For display only.
pub fn wall_micros() -> Timestamp {
    let now = clock_gettime(ClockId::Realtime);
    Timestamp::from_microsecond(now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1_000))
        .unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    #[test]
    fn boot_time_only_rises() {
        let first = super::boot();
        assert!(super::boot() >= first);
        assert!(first.0 > 0);
    }
}
