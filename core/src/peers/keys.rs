//! The cluster's keys for peers: three at a time, the middle one in use.
//!
//! **In.** The text that stands in the Secret, fresh random bytes, moments of the operator's BOOTTIME. **Out.** A
//! [`Keyring`]; what to do with the Secret. **Must never** count a key's age by a wall clock, take the key in use away, or
//! show a key's bytes in a log.
//!
//! The next key is handed out one rotation before anybody uses it, and the previous one is still taken one rotation
//! after. So an agent that sees the Secret late, by up to [`ROTATION`], understands everybody and is understood.

use crate::clocks::BootTime;
use crate::units::Nanos;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How long a key is in use, by the BOOTTIME of the operator that leads.
pub const ROTATION: Nanos = Nanos::from_secs(24 * 3_600);
/// Bytes of a key: what HMAC-SHA256 makes most of (RFC 2104 §3).
pub const KEY: usize = 32;

/// One key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Rises with each new key; says which one a packet was made with.
    pub id: u32,
    #[serde(rename = "key", with = "hexadecimal")]
    bytes: [u8; KEY],
}

impl Key {
    /// A key of these random bytes.
    pub const fn new(id: u32, bytes: [u8; KEY]) -> Self {
        Self { id, bytes }
    }
    /// The secret itself.
    pub const fn secret(&self) -> &[u8; KEY] {
        &self.bytes
    }
}

/// Its number only.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id)
    }
}

/// Why a text is no keyring.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKeyring {
    /// Not what [`Keyring::render`] writes. What it is is not shown: it may be half of a secret.
    #[error("not a keyring (line {line}, column {column})")]
    Unreadable {
        /// Where.
        line: usize,
        /// Where.
        column: usize,
    },
    /// Two keys with one id: a packet could mean either.
    #[error("two keys have the id {0}")]
    SameId(u32),
}

/// The keys that are in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keyring {
    /// Still taken from those who have not seen the change; none in the first ring.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<Key>,
    /// Asked with.
    current: Key,
    /// Taken already; asked with after the next rotation.
    next: Key,
}

impl Keyring {
    /// The first.
    pub const fn first(current: [u8; KEY], next: [u8; KEY]) -> Self {
        Self { previous: None, current: Key::new(1, current), next: Key::new(2, next) }
    }
    /// What [`Self::render`] wrote.
    pub fn parse(text: &str) -> Result<Self, BadKeyring> {
        let ring: Self = serde_json::from_str(text)
            .map_err(|error| BadKeyring::Unreadable { line: error.line(), column: error.column() })?;
        let same = ring.current.id == ring.next.id;
        let old = ring.previous.as_ref().is_some_and(|old| [ring.current.id, ring.next.id].contains(&old.id));
        match (same, old, &ring.previous) {
            (true, _, _) => Err(BadKeyring::SameId(ring.current.id)),
            (_, true, Some(old)) => Err(BadKeyring::SameId(old.id)),
            _ => Ok(ring),
        }
    }
    /// As it stands in the Secret.
    pub fn render(&self) -> String {
        // A struct of numbers and texts always has a JSON form.
        serde_json::to_string(self).unwrap_or_default()
    }
    /// The key to ask with.
    pub const fn current(&self) -> &Key {
        &self.current
    }
    /// The key of that id, if it is in force.
    pub fn find(&self, id: u32) -> Option<&Key> {
        self.previous.iter().chain([&self.current, &self.next]).find(|key| key.id == id)
    }
    /// The next one comes into use, the one in use is still taken, the one before it is gone.
    pub fn rotated(&self, fresh: [u8; KEY]) -> Self {
        let next = Key::new(self.next.id.wrapping_add(1), fresh);
        Self { previous: Some(self.current.clone()), current: self.next.clone(), next }
    }
}

/// What stands in the Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// There is no Secret.
    Absent,
    /// There is one, without a keyring that can be read: somebody edited it.
    Broken,
    /// A keyring.
    Ring(&'a Keyring),
}

/// What to do with the Secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A first keyring must be written.
    First,
    /// The keyring must be turned by one.
    Rotate,
    /// Nothing before then.
    Wait(BootTime),
}

/// What one operator remembers: which key has been in use since when, as far as it saw. An operator that has just begun to
/// lead counts from the moment when it first saw the key: later than due, never twice within one span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    every: Nanos,
    seen: Option<(u32, BootTime)>,
}

impl Rotation {
    /// Nothing was seen yet; a key is in use for `every`, [`ROTATION`] outside of tests.
    pub const fn new(every: Nanos) -> Self {
        Self { every, seen: None }
    }
    /// Decides.
    pub fn look(&mut self, found: Found<'_>, now: BootTime) -> Wanted {
        let Found::Ring(ring) = found else {
            self.seen = None;
            return Wanted::First;
        };
        let id = ring.current.id;
        let since = match self.seen {
            Some((seen, since)) if seen == id => since,
            _ => now,
        };
        self.seen = Some((id, since));
        let due = since + self.every;
        if due <= now { Wanted::Rotate } else { Wanted::Wait(due) }
    }
}

mod hexadecimal {
    use super::KEY;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(bytes: &[u8; KEY], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(bytes))
    }
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; KEY], D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut bytes = [0; KEY];
        // Its words would quote a letter of the key.
        hex::decode_to_slice(&text, &mut bytes).map_err(|_| D::Error::custom("not 64 hexadecimal digits"))?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring() -> Keyring {
        Keyring::first([1; KEY], [2; KEY])
    }
    fn hours(hours: i64) -> BootTime {
        BootTime(Nanos::from_secs(hours * 3_600).0)
    }
    fn ids(ring: &Keyring) -> (Option<u32>, u32, u32) {
        (ring.previous.as_ref().map(|key| key.id), ring.current.id, ring.next.id)
    }

    #[test]
    fn who_is_one_rotation_late_understands_and_is_understood() {
        let mut late = ring();
        for round in 3..30 {
            let fresh = late.rotated([round; KEY]);
            assert_eq!(
                late.find(fresh.current().id),
                Some(fresh.current()),
                "the late one knows what is asked with"
            );
            assert_eq!(fresh.find(late.current().id), Some(late.current()), "and is known");
            late = fresh;
        }
        assert_eq!(ids(&late), (Some(27), 28, 29));
        assert_eq!(late.find(26), None, "and no longer");
    }

    #[test]
    fn the_text_goes_there_and_back_and_shows_in_no_log() {
        let ring = ring().rotated([0xab; KEY]);
        assert_eq!(Keyring::parse(&ring.render()).unwrap(), ring);
        let shown = format!("{ring:?}");
        assert!(!shown.contains("ab") && !shown.contains("171") && shown.contains("Key(3)"), "{shown}");
    }

    #[test]
    fn what_is_no_keyring_is_refused_without_being_shown() {
        let text = ring().render();
        for (from, to) in
            [("\"id\":2", "\"id\":1"), ("0101", "01zz"), ("0101", "01"), ("next", "nest"), ("}", "")]
        {
            let bad = text.replacen(from, to, 1);
            let error = Keyring::parse(&bad).unwrap_err().to_string();
            assert!(!error.contains("01zz") && !error.contains("0101"), "{error}");
        }
        let twice = ring().rotated([3; KEY]).render().replace("\"id\":3", "\"id\":1");
        assert_eq!(Keyring::parse(&twice), Err(BadKeyring::SameId(1)));
    }

    #[test]
    fn a_day_by_boottime_and_not_sooner_after_a_restart() {
        let (mut rotation, first) = (Rotation::new(ROTATION), ring());
        assert_eq!(rotation.look(Found::Absent, hours(5)), Wanted::First);
        assert_eq!(rotation.look(Found::Ring(&first), hours(5)), Wanted::Wait(hours(29)));
        assert_eq!(rotation.look(Found::Ring(&first), hours(28)), Wanted::Wait(hours(29)));
        // Another operator begins to lead: it has seen nothing, and may be of another machine.
        let mut other = Rotation::new(ROTATION);
        assert_eq!(other.look(Found::Ring(&first), hours(1)), Wanted::Wait(hours(25)));
        assert_eq!(rotation.look(Found::Ring(&first), hours(29)), Wanted::Rotate);
        let second = first.rotated([3; KEY]);
        assert_eq!(rotation.look(Found::Ring(&second), hours(29)), Wanted::Wait(hours(53)));
        // The other one led meanwhile and turned it: counted anew.
        let third = second.rotated([4; KEY]);
        assert_eq!(rotation.look(Found::Ring(&third), hours(60)), Wanted::Wait(hours(84)));
        assert_eq!(rotation.look(Found::Broken, hours(61)), Wanted::First);
    }
}
