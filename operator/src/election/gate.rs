//! The gate before every write: open while we lead, by this machine's BOOTTIME at the very moment of the write.

use crate::clock;
use meantime_core::clocks::BootTime;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Shared by the election (which opens and closes) and every writer (which asks right before it sends).
/// A deadline, not a flag: a process that wakes from a long freeze finds it closed before anybody told it.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<AtomicI64>);

impl Gate {
    /// Writes are allowed until `until`.
    pub fn open(&self, until: BootTime) {
        self.0.store(until.0, Ordering::Release);
    }
    /// No write is allowed.
    pub fn close(&self) {
        self.0.store(0, Ordering::Release);
    }
    /// Whether a write may be sent now.
    pub fn is_open(&self) -> bool {
        self.is_open_at(clock::boot())
    }
    /// Whether a write may be sent at that moment.
    pub fn is_open_at(&self, now: BootTime) -> bool {
        now.0 < self.0.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closes_by_itself_at_the_deadline() {
        let gate = Gate::default();
        assert!(!gate.is_open());
        gate.open(BootTime(100));
        assert!(gate.is_open_at(BootTime(99)));
        assert!(!gate.is_open_at(BootTime(100)));
        gate.open(BootTime(i64::MAX));
        assert!(gate.is_open());
        gate.close();
        assert!(!gate.is_open());
    }
}
