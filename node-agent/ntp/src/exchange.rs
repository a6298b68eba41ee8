//! One question and its answer: which answer is ours, and what it says of this clock.

use crate::{HEADER, Mode, NtpTimestamp, Packet, TooShort, VERSION};
use meantime_core::clocks::WallTime;
use meantime_core::units::Nanos;
use std::fmt;

/// The reason in a kiss-o'-death packet: four ASCII letters (RFC 5905 §7.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KissCode {
    /// `DENY`: never ask again.
    Deny,
    /// `RSTR`: never ask again.
    Restricted,
    /// `RATE`: ask less often.
    Rate,
    /// `NTSN`: new NTS cookies are needed (RFC 8915).
    Nts,
    /// Anything else, as it came.
    Other(u32),
}

impl KissCode {
    const fn from_refid(refid: u32) -> Self {
        match &refid.to_be_bytes() {
            b"DENY" => Self::Deny,
            b"RSTR" => Self::Restricted,
            b"RATE" => Self::Rate,
            b"NTSN" => Self::Nts,
            _ => Self::Other(refid),
        }
    }
}

impl fmt::Display for KissCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deny => f.write_str("DENY"),
            Self::Restricted => f.write_str("RSTR"),
            Self::Rate => f.write_str("RATE"),
            Self::Nts => f.write_str("NTSN"),
            Self::Other(refid) => write!(f, "{}", refid.to_be_bytes().escape_ascii()),
        }
    }
}

/// Why a datagram is not a sample. After all but [`Self::Kiss`] the caller keeps waiting: the datagram may be
/// somebody else's, and the real answer still under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not even a header.
    #[error(transparent)]
    TooShort(#[from] TooShort),
    /// A version that does not answer ours.
    #[error("an NTP answer of version {version} was dropped: 3 or 4 was expected")]
    Version {
        /// The version that came.
        version: u8,
    },
    /// Not an answer.
    #[error("an NTP packet of mode {mode:?} was dropped: a server's answer was expected")]
    Mode {
        /// The mode that came.
        mode: Mode,
    },
    /// It does not bring our cookie back: late, repeated or forged.
    #[error("an NTP answer to another question was dropped (late, repeated or forged)")]
    NotOurs,
    /// The server asks to be left alone, or to be asked less often.
    #[error("the server refuses to give the time: kiss-o'-death {0}; ask it less often, or not at all")]
    Kiss(KissCode),
    /// Its receive or transmit timestamp says "none".
    #[error("an NTP answer without time was dropped")]
    NoTime,
    /// It claims to have held the question for longer than the whole exchange took.
    #[error("an NTP answer was dropped: it claims to have taken {held}, the whole exchange took {elapsed}")]
    Impossible {
        /// Transmit minus receive by its clock.
        held: Nanos,
        /// From question to answer by our clock.
        elapsed: Nanos,
    },
}

/// What one exchange says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// This clock against the server's at the moment of the question; > 0 = this clock is ahead.
    /// Wrong by at most `delay`/2 (an unequal path there and back can't be seen from here).
    pub offset: Nanos,
    /// Round trip without the server's own time; ≥ 0.
    pub delay: Nanos,
    /// The answer, for its root delay, dispersion, leap, stratum, refid, reference timestamp. It may say that the
    /// server is *not* synchronised: see [`Packet::claims_synchronised`].
    pub packet: Packet,
    /// When the server's clock was last corrected, by that clock; none if it never was.
    pub reference_time: Option<WallTime>,
}

/// A server whose clock ticks coarsely may seem to hold a question a little longer than the exchange took.
const COARSE_TICK: Nanos = Nanos::MILLISECOND;

/// A question under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    cookie: NtpTimestamp,
    sent: WallTime,
}

impl Exchange {
    /// Begins an exchange: the state to keep and the datagram to send. `sent` is CLOCK_REALTIME just before sending;
    /// `cookie` should be 64 random bits (0 is taken as 1, since 0 means "none").
    pub fn begin(sent: WallTime, cookie: u64) -> (Self, [u8; HEADER]) {
        let cookie = NtpTimestamp(cookie.max(1));
        (Self { cookie, sent }, Packet::question(cookie).encode())
    }

    /// Judges a datagram that came `elapsed` after the question, by a clock that never steps (CLOCK_BOOTTIME): a step
    /// of CLOCK_REALTIME during the exchange then does not spoil the sample, which is against the clock as it was
    /// when the question left.
    pub fn accept(&self, datagram: &[u8], elapsed: Nanos) -> Result<Sample, Refusal> {
        let packet = Packet::decode(datagram)?;
        if packet.mode != Mode::Server {
            return Err(Refusal::Mode { mode: packet.mode });
        }
        if packet.version != VERSION && packet.version != VERSION - 1 {
            return Err(Refusal::Version { version: packet.version });
        }
        if packet.origin != self.cookie {
            return Err(Refusal::NotOurs);
        }
        if packet.stratum == 0 {
            return Err(Refusal::Kiss(KissCode::from_refid(packet.refid)));
        }
        if packet.receive.is_none() || packet.transmit.is_none() {
            return Err(Refusal::NoTime);
        }
        let held = packet.transmit.since(packet.receive);
        let delay = elapsed - held;
        if delay < -COARSE_TICK {
            return Err(Refusal::Impossible { held, elapsed });
        }
        // RFC 5905 §8: theta = ((t2 − t1) + (t3 − t4)) / 2 is server minus client. Here is the one place where the
        // sign turns. The era comes from our own clock: a server more than 68 years away can't be told from a near one.
        let there = packet.receive.to_wall(self.sent) - self.sent;
        let back = packet.transmit.to_wall(self.sent) - (self.sent + elapsed);
        let server_minus_client = i128::midpoint(i128::from(there.0), i128::from(back.0));
        let offset = Nanos(i64::try_from(-server_minus_client).unwrap_or(i64::MAX));
        let reference_time = (!packet.reference.is_none()).then(|| packet.reference.to_wall(self.sent));
        Ok(Sample { offset, delay: delay.max(Nanos::ZERO), packet, reference_time })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use meantime_core::observation::Leap;
    use proptest::prelude::*;

    const NOW: WallTime = WallTime(1_795_297_696_000_000_000);

    /// An honest server's answer when its clock is `ahead` of ours and the path takes `there` and `back`.
    fn answer(exchange: &Exchange, ahead: Nanos, there: Nanos, held: Nanos) -> Packet {
        let arrives = exchange.sent + there + ahead;
        let clock = Packet {
            stratum: 2,
            reference: NtpTimestamp::from_wall(NOW - Nanos::from_secs(9)),
            ..Packet::question(NtpTimestamp::NONE)
        };
        Packet::answer(
            &clock,
            &Packet::question(exchange.cookie),
            NtpTimestamp::from_wall(arrives),
            NtpTimestamp::from_wall(arrives + held),
        )
    }

    #[test]
    fn a_server_ahead_of_us_means_that_we_are_behind() {
        let (exchange, question) = Exchange::begin(NOW, 42);
        assert_eq!(Packet::decode(&question).unwrap(), Packet::question(NtpTimestamp(42)));
        let packet = answer(&exchange, Nanos::from_millis(500), Nanos::from_millis(3), Nanos::MILLISECOND);
        let sample = exchange.accept(&packet.encode(), Nanos::from_millis(7)).unwrap();
        assert_eq!(sample.offset, Nanos::from_millis(-500));
        assert_eq!(sample.delay, Nanos::from_millis(6));
        assert_eq!(sample.reference_time, Some(NOW - Nanos::from_secs(9)));
    }

    #[test]
    fn what_is_not_our_answer_is_refused() {
        let (exchange, question) = Exchange::begin(NOW, 42);
        let good = answer(&exchange, Nanos::ZERO, Nanos(1000), Nanos(1000));
        let elapsed = Nanos(3000);
        let refused = |change: fn(&mut Packet)| {
            let mut packet = good;
            change(&mut packet);
            exchange.accept(&packet.encode(), elapsed).unwrap_err()
        };
        assert_eq!(exchange.accept(&question, elapsed), Err(Refusal::Mode { mode: Mode::Client }));
        assert_eq!(exchange.accept(&[0; 20], elapsed), Err(Refusal::TooShort(TooShort { length: 20 })));
        assert_eq!(refused(|p| p.version = 2), Refusal::Version { version: 2 });
        assert_eq!(refused(|p| p.origin = NtpTimestamp(43)), Refusal::NotOurs);
        assert_eq!(refused(|p| p.transmit = NtpTimestamp::NONE), Refusal::NoTime);
        assert_eq!(
            refused(|p| p.transmit = NtpTimestamp(p.receive.0 + (1 << 32))),
            Refusal::Impossible { held: Nanos::SECOND, elapsed }
        );
    }

    #[test]
    fn a_kiss_tells_its_reason() {
        let (exchange, _) = Exchange::begin(NOW, 42);
        let mut packet = answer(&exchange, Nanos::ZERO, Nanos(1000), Nanos(1000));
        packet.stratum = 0;
        packet.leap = Leap::Unsynchronised;
        packet.refid = u32::from_be_bytes(*b"RATE");
        let refusal = exchange.accept(&packet.encode(), Nanos(3000)).unwrap_err();
        assert_eq!(refusal, Refusal::Kiss(KissCode::Rate));
        assert!(refusal.to_string().contains("RATE"));
        packet.refid = 0x4142_00ff;
        let refusal = exchange.accept(&packet.encode(), Nanos(3000)).unwrap_err();
        assert_eq!(refusal, Refusal::Kiss(KissCode::Other(0x4142_00ff)));
        assert!(refusal.to_string().contains(r"AB\x00\xff"));
        // A forged one, without our cookie, must not silence a source.
        packet.origin = NtpTimestamp(1);
        assert_eq!(exchange.accept(&packet.encode(), Nanos(3000)), Err(Refusal::NotOurs));
    }

    #[test]
    fn an_unsynchronised_server_is_still_a_sample() {
        let (exchange, _) = Exchange::begin(NOW, 42);
        let mut packet = answer(&exchange, Nanos::ZERO, Nanos(1000), Nanos(1000));
        packet.leap = Leap::Unsynchronised;
        packet.reference = NtpTimestamp::NONE;
        let sample = exchange.accept(&packet.encode(), Nanos(3000)).unwrap();
        assert!(!sample.packet.claims_synchronised());
        assert_eq!(sample.reference_time, None);
    }

    proptest! {
        /// The true offset is always within delay/2 of the sample's, whatever the path.
        #[test]
        fn the_error_of_a_sample_is_at_most_half_its_delay(
            ahead in -1_000_000_000_000_000_000_i64..1_000_000_000_000_000_000,
            there in 0_i64..3_000_000_000, back in 0_i64..3_000_000_000, held in 0_i64..1_000_000_000,
            cookie in any::<u64>(),
        ) {
            let (exchange, _) = Exchange::begin(NOW, cookie);
            let packet = answer(&exchange, Nanos(ahead), Nanos(there), Nanos(held));
            let sample = exchange.accept(&packet.encode(), Nanos(there + held + back)).unwrap();
            prop_assert!((sample.delay.0 - (there + back)).abs() <= 2);
            prop_assert!((sample.offset.0 + ahead).abs() <= sample.delay.0 / 2 + 2);
        }

        #[test]
        fn arbitrary_datagrams_never_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..120), sent in any::<i64>(), elapsed in any::<i64>(),
        ) {
            let (exchange, _) = Exchange::begin(WallTime(sent), 42);
            let _ = exchange.accept(&bytes, Nanos(elapsed));
            let mut ours = bytes.clone();
            if ours.len() >= HEADER {
                ours[0] = 0x24;
                ours[24..32].copy_from_slice(&42_u64.to_be_bytes());
            }
            let _ = exchange.accept(&ours, Nanos(elapsed));
        }
    }
}
