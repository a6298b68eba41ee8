//! Writes that failed rest, each for itself, so that one bad object does not slow the others down.

use crate::apply::write::Write;
use meantime_core::clocks::BootTime;
use meantime_core::units::Nanos;
use std::collections::BTreeMap;

/// Back-off per target and object: 1 s, doubled up to a minute, forgotten with the first success.
#[derive(Debug, Default)]
pub struct Rest {
    resting: BTreeMap<(&'static str, String), (u32, BootTime)>,
}

impl Rest {
    /// Once more: it rests, longer each time.
    pub(super) fn failed(&mut self, target: &'static str, name: &str, now: BootTime) {
        let (failures, until) = self.resting.entry((target, name.to_owned())).or_insert((0, now));
        *until = now + Nanos::SECOND.times(1 << (*failures).min(6)).min(Nanos::from_secs(60));
        *failures += 1;
    }
    /// It works again.
    pub(super) fn succeeded(&mut self, target: &'static str, name: &str) {
        self.resting.remove(&(target, name.to_owned()));
    }
    /// Whether this write must wait.
    pub(super) fn resting(&self, write: &Write, now: BootTime) -> bool {
        let (target, name) = write.key();
        self.resting.get(&(target, name.to_owned())).is_some_and(|(_, until)| now < *until)
    }
    /// When the next one may be tried.
    pub(super) fn next(&self, now: BootTime) -> Option<BootTime> {
        self.resting.values().map(|(_, until)| *until).filter(|until| *until > now).min()
    }
}
