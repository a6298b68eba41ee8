//! What was written and is not yet seen in the caches.
//!
//! After a write the cache shows the old object for a moment. A pass in that moment must take the write as done, or it
//! would write again and tell the same transition twice.

use meantime_core::clocks::BootTime;
use meantime_core::units::Nanos;
use std::collections::BTreeMap;

/// A cache that has not shown our write after so long shows what is there: somebody undid it.
const BELIEVE: Nanos = Nanos::from_secs(30);

#[derive(Clone, Debug)]
struct Expectation<T> {
    before: T,
    written: T,
    at: BootTime,
}

/// Writes by object name.
#[derive(Clone, Debug)]
pub struct Expected<T> {
    writes: BTreeMap<String, Expectation<T>>,
}

impl<T> Default for Expected<T> {
    fn default() -> Self {
        Self { writes: BTreeMap::new() }
    }
}

impl<T: PartialEq> Expected<T> {
    /// What was written, while the cache still shows what was before it; none = believe the cache.
    pub fn pending(&mut self, name: &str, cached: &T, now: BootTime) -> Option<&T> {
        let lagging = self.writes.get(name).map(|write| write.before == *cached && now - write.at < BELIEVE);
        match lagging {
            Some(true) => self.writes.get(name).map(|write| &write.written),
            Some(false) => {
                self.writes.remove(name);
                None
            }
            None => None,
        }
    }

    /// A write has succeeded.
    pub fn wrote(&mut self, name: String, before: T, written: T, at: BootTime) {
        self.writes.insert(name, Expectation { before, written, at });
    }

    /// Forgets writes that the cache must have shown by now (objects that are gone are never looked up again).
    pub fn expire(&mut self, now: BootTime) {
        self.writes.retain(|_, write| now - write.at < BELIEVE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_stands_until_the_cache_moves() {
        let at = |seconds| BootTime(Nanos::from_secs(seconds).0);
        let mut expected = Expected::default();
        assert_eq!(expected.pending("n1", &1, at(0)), None);
        expected.wrote("n1".into(), 1, 2, at(0));
        assert_eq!(expected.pending("n1", &1, at(1)), Some(&2), "the cache lags");
        assert_eq!(expected.pending("n1", &3, at(2)), None, "somebody wrote after us");
        assert_eq!(expected.pending("n1", &1, at(3)), None, "forgotten once the cache has moved");
        expected.wrote("n1".into(), 1, 2, at(10));
        assert_eq!(expected.pending("n1", &1, at(40)), None, "somebody undid it");
    }
}
