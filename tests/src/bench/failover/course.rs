//! What a race is run on: poll, servers' behaviour, our policy's figures, how long.

use meantime_core::tolerances::{Preset, Tolerances};
use meantime_core::units::Nanos;

/// The policy's `maxReferenceAge` in the lab (the product's default is an hour).
pub const MAX_REFERENCE_AGE: Nanos = Nanos::from_secs(20);
/// Nobody is waited for longer than so many polls …
const POLLS: i64 = 100;
/// … or so long.
const LONGEST: Nanos = Nanos::from_secs(600);

/// One race's circumstances.
#[derive(Clone, Debug)]
pub struct Course {
    /// log2 seconds, `minpoll` and `maxpoll` of all.
    pub poll: i8,
    /// How the five servers behave from the start, in the lab's words.
    pub servers: String,
    /// What our policy asks of the clock: the product's default but where a scene needs a nearer limit.
    pub tolerances: Tolerances,
    /// What our policy allows a source's own reference to age.
    pub max_reference_age: Nanos,
    /// So many polls run before anything happens: chronyd keeps a dead source as long as its samples are young beside
    /// the others', so the length of the history decides the race.
    pub warm_up: i64,
}

impl Course {
    /// Servers that are ahead by `offset`, each with its own small share of noise.
    pub fn new(poll: i8, offset: Nanos, warm_up: i64) -> Self {
        Self {
            poll,
            servers: format!("offset={}us", offset.0 / 1_000),
            tolerances: Preset::Kubernetes.tolerances(),
            max_reference_age: MAX_REFERENCE_AGE,
            warm_up,
        }
    }
    /// One poll interval.
    pub fn interval(&self) -> Nanos {
        Nanos::from_log2_seconds(self.poll)
    }
    /// So many of them.
    pub fn polls(&self, count: i64) -> Nanos {
        self.interval().times(count)
    }
    /// Who has not done it by then is recorded as `≥` that.
    pub fn limit(&self) -> Nanos {
        self.polls(POLLS).min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_polls_or_ten_minutes() {
        let limit = |poll| Course::new(poll, Nanos::ZERO, 20).limit();
        assert_eq!([0, 1, 2, 4].map(limit), [100, 200, 400, 600].map(Nanos::from_secs));
    }
}
