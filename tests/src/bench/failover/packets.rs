//! Packets at the lab's servers: manners. Pure.

use meantime_core::clocks::BootTime;
use meantime_core::units::Nanos;

/// What budgets are counted over.
const MINUTE: Nanos = Nanos::from_secs(60);

/// Requests of one client at one server so far, about once a second.
#[derive(Clone, Debug, Default)]
pub struct Requests(Vec<(BootTime, u64)>);

impl Requests {
    /// The count now.
    pub fn push(&mut self, at: BootTime, count: u64) {
        self.0.push((at, count));
    }

    /// Most within any minute. A shorter race counts as a whole one.
    pub fn worst_minute(&self) -> u64 {
        let mut begin = 0;
        let mut most = 0;
        for (at, count) in &self.0 {
            while *at - self.0[begin].0 > MINUTE {
                begin += 1;
            }
            most = most.max(count - self.0[begin].1);
        }
        most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_minute_is_found_wherever_it_lies() {
        let mut requests = Requests::default();
        assert_eq!(requests.worst_minute(), 0);
        let mut count = 0;
        for second in 0..300 {
            count += if (100..120).contains(&second) { 3 } else { u64::from(second % 2 == 0) };
            requests.push(BootTime(Nanos::from_secs(second).0), count);
        }
        // Twenty seconds of three, forty of a half.
        assert_eq!(requests.worst_minute(), 60 + 20);
    }
}
