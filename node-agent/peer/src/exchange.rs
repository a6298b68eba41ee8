//! One question and its answer: which answer is ours, and what it says of this clock.

use crate::packet::{self, Claim, Refusal, SIZE};
use meantime_core::clocks::WallTime;
use meantime_core::peers::keys::Key;
use meantime_core::units::Nanos;

/// What a coarsely ticking clock may seem to hold a question longer than the exchange took.
const COARSE_TICK: Nanos = Nanos::MILLISECOND;
/// Longer than this between two clocks is no measurement of either (a century).
const LONGEST: Nanos = Nanos::from_secs(100 * 366 * 24 * 3_600);

/// What one exchange says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// This clock against the peer's at the moment of the question; > 0 = this clock is ahead. Wrong by at most `delay`/2.
    pub offset: Nanos,
    /// Round trip without the peer's own time; ≥ 0.
    pub delay: Nanos,
    /// What the peer says of itself.
    pub claim: Claim,
}

/// A question under way.
#[derive(Clone, Debug)]
pub struct Exchange {
    key: Key,
    nonce: [u8; 16],
    node: u64,
    sent: WallTime,
}

impl Exchange {
    /// The state to keep and the datagram to send, to the node of that mark. `sent` is CLOCK_REALTIME just before sending;
    /// `nonce` must be random, and never used before.
    pub fn begin(sent: WallTime, nonce: [u8; 16], node: u64, key: &Key) -> (Self, [u8; SIZE]) {
        (Self { key: key.clone(), nonce, node, sent }, packet::question(key, nonce, node))
    }

    /// Judges a datagram that came `elapsed` after the question, by a clock that never steps (CLOCK_BOOTTIME). After a
    /// refusal the caller keeps waiting: the datagram may be somebody else's, and the answer still under way.
    pub fn accept(&self, datagram: &[u8], elapsed: Nanos) -> Result<Sample, Refusal> {
        let reply = packet::reply(datagram, &self.key, &self.nonce, self.node)?;
        let held = reply.transmitted - reply.received;
        let delay = elapsed - held;
        if held < Nanos::ZERO || delay < -COARSE_TICK {
            return Err(Refusal::Impossible);
        }
        // RFC 5905 §8 with this − peer: ((t1 − t2) + (t4 − t3)) / 2, where t4 is t1 and what BOOTTIME counted since.
        let back = (self.sent + elapsed) - reply.transmitted;
        let there = self.sent - reply.received;
        if there.abs() > LONGEST || back.abs() > LONGEST {
            return Err(Refusal::Impossible);
        }
        Ok(Sample { offset: (there + back).half_up(), delay: delay.max(Nanos::ZERO), claim: reply.claim })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{answer, receive};
    use meantime_core::peers::keys::Keyring;

    const THEM: u64 = 7;

    fn ring() -> Keyring {
        Keyring::first([1; 32], [2; 32])
    }
    fn begin(nonce: u8) -> (Exchange, [u8; SIZE]) {
        Exchange::begin(WallTime(1_000_000_000), [nonce; 16], THEM, ring().current())
    }
    /// Their clock is 5 ms ahead of ours; 300 µs there, 100 µs held, 100 µs back.
    fn exchange(question: &[u8]) -> Option<[u8; SIZE]> {
        let came = WallTime(1_000_000_000 + 300_000 + 5_000_000);
        let claim = Claim { synchronised: true, bound: Some(Nanos(410_000)) };
        answer(&receive(question, THEM, &ring()).unwrap(), &ring(), came, came + Nanos(100_000), claim)
    }
    const ELAPSED: Nanos = Nanos(500_000);

    #[test]
    fn this_clock_is_behind_by_five_milliseconds_within_half_the_way() {
        let (asked, question) = begin(1);
        let sample = asked.accept(&exchange(&question).unwrap(), ELAPSED).unwrap();
        // Truly −5 ms; the unequal ways make it −5.1.
        assert_eq!((sample.offset, sample.delay), (Nanos(-5_100_000), Nanos(400_000)));
        assert!((sample.offset + Nanos(5_000_000)).abs() <= sample.delay.half_up());
        assert_eq!(sample.claim, Claim { synchronised: true, bound: Some(Nanos(410_000)) });
    }

    #[test]
    fn an_answer_is_good_for_one_question() {
        let (first, question) = begin(1);
        let answer = exchange(&question).unwrap();
        let (second, _) = begin(2);
        assert_eq!(second.accept(&answer, ELAPSED), Err(Refusal::NotOurs), "replayed");
        assert!(first.accept(&answer, ELAPSED).is_ok());
    }

    #[test]
    fn a_question_is_no_answer_to_itself() {
        let (asked, question) = begin(1);
        assert_eq!(asked.accept(&question, ELAPSED), Err(Refusal::Kind));
    }

    #[test]
    fn it_cannot_have_held_the_question_for_longer_than_all_took_nor_for_less_than_nothing() {
        let (asked, question) = begin(1);
        let question = receive(&question, THEM, &ring()).unwrap();
        let at = |received: i64, transmitted: i64| {
            let packet =
                answer(&question, &ring(), WallTime(received), WallTime(transmitted), Claim::default());
            asked.accept(&packet.unwrap(), ELAPSED)
        };
        assert_eq!(at(0, 2_000_000), Err(Refusal::Impossible));
        assert_eq!(at(1, 0), Err(Refusal::Impossible));
        assert_eq!(at(i64::MIN, i64::MAX), Err(Refusal::Impossible));
        assert_eq!(at(i64::MIN, i64::MIN), Err(Refusal::Impossible));
        assert_eq!(at(i64::MAX, i64::MAX), Err(Refusal::Impossible));
        assert_eq!(at(0, 900_000).map(|sample| sample.delay), Ok(Nanos::ZERO), "a coarse tick");
        assert_eq!(at(0, 0).map(|sample| sample.claim), Ok(Claim::default()));
    }
}
