//! How often a responder answers: so much of anybody's packets is looked at, so much of one peer's questions answered.
//!
//! **In.** Who asked, when. **Out.** Yes or no. **Must never** grow with what is sent to it.

use crate::clocks::BootTime;
use crate::units::Nanos;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Answers to one address at once: a restarted agent asks anew, and two may overlap in a rollout.
pub const BURST: i64 = 4;
/// One more for each of these: six times as often as an honest peer asks.
pub const REFILL: Nanos = Nanos::from_secs(10);
/// Addresses that are remembered: nine times as many as may ask one node.
pub const TABLE: usize = 64;
/// Packets of anybody's looked at, at once …
pub const LOOKS: i64 = 100;
/// … and one more for each of these: 200 a second. A look at a forged one costs a hash.
pub const LOOK_REFILL: Nanos = Nanos::from_millis(5);

/// Runs empty by `burst` takings, fills by one each `refill`. What it holds is kept as the moment when it would be full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bucket {
    full_at: BootTime,
}

impl Bucket {
    fn take(&mut self, burst: i64, refill: Nanos, now: BootTime) -> bool {
        let full_at = if self.full_at > now { self.full_at } else { now } + refill;
        let fits = full_at - now <= refill.times(burst);
        if fits {
            self.full_at = full_at;
        }
        fits
    }
}

/// One responder's memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limiter {
    peers: BTreeMap<IpAddr, Bucket>,
    looks: Bucket,
}

impl Limiter {
    /// Full.
    pub const fn new(now: BootTime) -> Self {
        Self { peers: BTreeMap::new(), looks: Bucket { full_at: now } }
    }

    /// Whether a packet may be looked at, before anything is known of it.
    pub fn look(&mut self, now: BootTime) -> bool {
        self.looks.take(LOOKS, LOOK_REFILL, now)
    }

    /// Whether this question, proven to come from an agent of this cluster, may be answered. With the table full of
    /// addresses that asked lately, a new one is not.
    pub fn answer(&mut self, from: IpAddr, now: BootTime) -> bool {
        if !self.peers.contains_key(&from) && self.peers.len() >= TABLE {
            self.peers.retain(|_, bucket| bucket.full_at > now);
            if self.peers.len() >= TABLE {
                return false;
            }
        }
        let bucket = self.peers.entry(from).or_insert(Bucket { full_at: now });
        bucket.take(BURST, REFILL, now)
    }

    /// Addresses that are remembered.
    pub fn remembered(&self) -> usize {
        self.peers.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn at(millis: i64) -> BootTime {
        BootTime(Nanos::from_millis(millis).0)
    }
    fn host(number: u32) -> IpAddr {
        Ipv4Addr::from(number).into()
    }

    #[test]
    fn one_peer_gets_a_burst_and_then_one_each_ten_seconds() {
        let mut limiter = Limiter::new(at(0));
        let answered = (0..100).filter(|_| limiter.answer(host(1), at(5))).count();
        assert_eq!(answered, 4);
        let slowly = (1..=60).filter(|second| limiter.answer(host(1), at(5 + second * 1_000))).count();
        assert_eq!(slowly, 6, "one for each ten seconds");
        assert!(limiter.answer(host(2), at(5)), "another peer is not held to it");
    }

    #[test]
    fn the_table_stays_small_and_forgets_who_has_been_quiet() {
        let mut limiter = Limiter::new(at(0));
        let answered = (0..10_000).filter(|number| limiter.answer(host(*number), at(0))).count();
        assert_eq!((answered, limiter.remembered()), (TABLE, TABLE));
        assert!(limiter.answer(host(20_000), at(10_001)), "the others have been quiet for ten seconds");
        assert_eq!(limiter.remembered(), 1);
    }

    #[test]
    fn a_flood_is_looked_at_two_hundred_times_a_second() {
        let mut limiter = Limiter::new(at(0));
        let looked = (0..100_000).filter(|number| limiter.look(at(number / 10))).count();
        assert!((2_000..=2_101).contains(&looked), "{looked} of 100,000 in ten seconds");
    }

    #[test]
    fn a_clock_that_stood_still_gives_no_more_than_a_burst() {
        let mut limiter = Limiter::new(at(0));
        assert_eq!((0..9).filter(|_| limiter.answer(host(1), at(10_000_000))).count(), 4);
    }
}
