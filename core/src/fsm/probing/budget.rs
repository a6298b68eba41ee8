//! What a source may cost: a token bucket per association, of packets.
//!
//! chronyd's own polls pay out of it as well, and may overdraw it: nobody can refuse them. What we promise is that **no
//! probe of ours brings the packets of the last minute above the budget**. So the bucket holds the burst and fills
//! with the *rest* of the budget (burst + rest = budget, in any minute), and debts count, for one minute.

use crate::clocks::BootTime;
use crate::source::Scope;
use crate::units::Nanos;

/// Packets at once.
const BURST: i64 = 10;
/// In a fresh bucket: one confirmation. An agent that starts again and again must not find a full one each time.
const AT_START: i64 = 2;
/// One packet, in units of which a rate per minute adds `rate` each nanosecond: no rounding.
const PACKET: i64 = 60_000_000_000;

/// Packets to one association in any minute, chronyd's polls included. Public servers get none of ours (law 11).
pub const fn per_minute(scope: Scope) -> u32 {
    match scope {
        Scope::Local => 120,
        Scope::Site => 30,
        Scope::Public => 0,
    }
}

fn refill_per_minute(scope: Scope) -> i64 {
    (i64::from(per_minute(scope)) - BURST).max(0)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bucket {
    /// In [`PACKET`]s; negative = overdrawn by chronyd.
    level: i64,
    filled: Option<BootTime>,
    /// chronyd's counter as last seen.
    sent: Option<u32>,
}

impl Default for Bucket {
    fn default() -> Self {
        Self { level: AT_START * PACKET, filled: None, sent: None }
    }
}

impl Bucket {
    /// Time has passed, and chronyd's counter stands at `sent`. How many polls that were since the last look: what
    /// was sent before the first one is unknown, and a counter that went back began anew with its chronyd.
    pub(super) fn see(&mut self, scope: Scope, sent: u32, now: BootTime) -> u32 {
        let elapsed = self.filled.map_or(Nanos::ZERO, |filled| now - filled);
        let refill = refill_per_minute(scope);
        let filled = self.level.saturating_add(elapsed.times(refill).0.max(0)).min(BURST * PACKET);
        self.filled = Some(now);
        let polls = match self.sent.replace(sent) {
            None => 0,
            Some(before) if before <= sent => sent - before,
            Some(_) => sent,
        };
        // A debt of one minute's refill: what is older than a minute can't be in the last one.
        let floor = -refill * PACKET;
        self.level = filled.saturating_sub(PACKET.saturating_mul(i64::from(polls))).max(floor);
        polls
    }

    /// One packet of ours, if it may be sent.
    pub(super) fn take(&mut self) -> bool {
        let may = self.level >= PACKET;
        if may {
            self.level -= PACKET;
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn at(seconds: i64) -> BootTime {
        BootTime(Nanos::from_secs(seconds).0)
    }

    fn drained(bucket: &mut Bucket) -> u32 {
        (0..1_000).map_while(|_| bucket.take().then_some(1)).sum()
    }

    #[rstest]
    #[case::local(Scope::Local, 120)]
    #[case::site(Scope::Site, 30)]
    fn a_minute_of_asking_gets_the_budget_and_no_more(#[case] scope: Scope, #[case] budget: u32) {
        let mut bucket = Bucket::default();
        bucket.see(scope, 0, at(0));
        bucket.see(scope, 0, at(3_600));
        let mut got = drained(&mut bucket);
        for second in 1..=60 {
            bucket.see(scope, 0, at(3_600 + second));
            got += drained(&mut bucket);
        }
        assert_eq!(got, budget);
    }

    #[test]
    fn a_fresh_bucket_holds_one_confirmation_and_a_full_one_the_burst() {
        let mut bucket = Bucket::default();
        bucket.see(Scope::Site, 7, at(0));
        assert_eq!(drained(&mut bucket), 2);
        bucket.see(Scope::Site, 7, at(600));
        assert_eq!(drained(&mut bucket), 10);
    }

    #[test]
    fn chronyds_polls_pay_too_and_their_debt_counts_for_a_minute() {
        let mut bucket = Bucket::default();
        assert_eq!(bucket.see(Scope::Site, 1_000, at(0)), 0, "what was before us is unknown");
        assert_eq!(bucket.see(Scope::Site, 1_500, at(10)), 500);
        bucket.see(Scope::Site, 1_500, at(69));
        assert_eq!(drained(&mut bucket), 0);
        bucket.see(Scope::Site, 1_500, at(74));
        assert_eq!(drained(&mut bucket), 1);
    }

    #[test]
    fn a_counter_that_went_back_began_anew() {
        let mut bucket = Bucket::default();
        bucket.see(Scope::Local, 1_000, at(0));
        assert_eq!(bucket.see(Scope::Local, 4, at(1)), 4);
        assert_eq!(bucket.see(Scope::Local, 5, at(2)), 1);
    }

    #[test]
    fn a_public_bucket_never_fills() {
        let mut bucket = Bucket::default();
        bucket.see(Scope::Public, 0, at(0));
        drained(&mut bucket);
        bucket.see(Scope::Public, 0, at(100_000));
        assert!(!bucket.take());
    }
}
