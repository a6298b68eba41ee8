//! What was written and is not yet seen in the caches.
//!
//! After a write the cache shows the old object for a moment. A pass in that moment must take the write as done, or it
//! would write again and tell the same transition twice. Whether the cache has caught up is told by the object's
//! resourceVersion: a number that only rises (Kubernetes promises its order since 1.35; etcd always kept it).

use meantime_core::clocks::BootTime;
use meantime_core::units::Nanos;
use std::collections::BTreeMap;

/// A cache that has not caught up after so long never will (the object was deleted, or versions can't be ordered): from
/// then on it is believed.
const BELIEVE: Nanos = Nanos::from_secs(5);

#[derive(Clone, Debug)]
struct Expectation<T> {
    written: T,
    version: Option<u64>,
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

impl<T> Expected<T> {
    /// What was written, while the cache (which shows `version`, none = no object) is older; none = believe the cache.
    pub fn pending(&mut self, name: &str, version: Option<&str>, now: BootTime) -> Option<&T> {
        let write = self.writes.get(name)?;
        let lagging = match (version.and_then(number), write.version) {
            (Some(cached), Some(written)) => cached < written,
            (None, Some(_)) => true,
            (Some(_) | None, None) => false,
        };
        if !lagging || now - write.at >= BELIEVE {
            self.writes.remove(name);
        }
        self.writes.get(name).map(|write| &write.written)
    }

    /// A write has succeeded; the object has `version` since.
    pub fn wrote(&mut self, name: String, written: T, version: Option<&str>, at: BootTime) {
        self.writes.insert(name, Expectation { written, version: version.and_then(number), at });
    }

    /// Forgets what is no longer waited for (objects that are gone are never looked up again).
    pub fn expire(&mut self, now: BootTime) {
        self.writes.retain(|_, write| now - write.at < BELIEVE);
    }

    /// When to look again, in case the cache never moves.
    pub fn next(&self) -> Option<BootTime> {
        self.writes.values().map(|write| write.at + BELIEVE).min()
    }
}

fn number(version: &str) -> Option<u64> {
    version.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> BootTime {
        BootTime(Nanos::from_secs(seconds).0)
    }

    #[test]
    fn a_write_stands_until_the_cache_has_caught_up() {
        let mut expected = Expected::default();
        assert_eq!(expected.pending("n1", Some("8"), at(0)), None);
        expected.wrote("n1".into(), "five", Some("12"), at(0));
        assert_eq!(expected.pending("n1", Some("9"), at(1)), Some(&"five"), "others wrote before us");
        assert_eq!(expected.pending("n1", Some("12"), at(1)), None);
        assert_eq!(expected.pending("n1", Some("9"), at(1)), None, "forgotten");
    }

    #[test]
    fn somebody_who_undid_it_at_once_is_seen() {
        let mut expected = Expected::default();
        expected.wrote("n1".into(), "five", Some("12"), at(0));
        assert_eq!(expected.pending("n1", Some("13"), at(1)), None);
    }

    #[test]
    fn an_object_that_never_appears_is_believed_to_be_gone() {
        let mut expected = Expected::default();
        expected.wrote("n1".into(), "five", Some("12"), at(0));
        assert_eq!(expected.pending("n1", None, at(4)), Some(&"five"));
        assert_eq!(expected.next(), Some(at(5)));
        assert_eq!(expected.pending("n1", None, at(5)), None);
        assert_eq!(expected.next(), None);
    }
}
