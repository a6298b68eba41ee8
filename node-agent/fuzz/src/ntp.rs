//! A datagram on an NTP port.

use meantime_core::clocks::WallTime;
use meantime_core::units::Nanos;
use meantime_ntp::{Exchange, HEADER, NtpTimestamp, Packet, Refusal, Sample};

/// November 2026.
const NOW: WallTime = WallTime(1_795_297_696_000_000_000);

/// Never panics; a header survives decoding and encoding; a sample is taken only from an answer that brings our cookie
/// back, and its delay is never negative. Returns the sample that the bytes are to an exchange with their own cookie.
pub fn check(datagram: &[u8]) -> Option<Sample> {
    let packet = Packet::decode(datagram).ok()?;
    assert_eq!(packet.encode().as_slice(), &datagram[..HEADER]);
    let elapsed = Nanos::from_secs(2);
    let (stranger, _) = Exchange::begin(NOW, !packet.origin.0);
    assert!(stranger.accept(datagram, elapsed).is_err());
    let (exchange, question) = Exchange::begin(NOW, packet.origin.0);
    assert_eq!(
        Packet::decode(&question).map(|question| question.transmit),
        Ok(NtpTimestamp(packet.origin.0.max(1)))
    );
    match exchange.accept(datagram, elapsed) {
        Ok(sample) => {
            assert!(sample.delay >= Nanos::ZERO);
            assert!(!packet.receive.is_none() && !packet.transmit.is_none() && packet.stratum > 0);
            Some(sample)
        }
        Err(Refusal::Kiss(_)) => {
            assert_eq!(packet.stratum, 0);
            None
        }
        Err(refusal) => {
            assert!(!refusal.to_string().is_empty());
            None
        }
    }
}
