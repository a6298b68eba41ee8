//! The header itself: 48 bytes to fields and back.

use crate::{HEADER, NtpTimestamp, VERSION};
use meantime_core::observation::Leap;
use meantime_core::units::Nanos;

/// What kind of packet it is (three bits of the first byte).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// 0.
    Reserved,
    /// 1: symmetric active.
    Active,
    /// 2: symmetric passive.
    Passive,
    /// 3: a question.
    Client,
    /// 4: an answer.
    Server,
    /// 5.
    Broadcast,
    /// 6: control message, another format altogether.
    Control,
    /// 7: private use.
    Private,
}

impl Mode {
    const fn from_bits(bits: u8) -> Self {
        match bits & 7 {
            1 => Self::Active,
            2 => Self::Passive,
            3 => Self::Client,
            4 => Self::Server,
            5 => Self::Broadcast,
            6 => Self::Control,
            7 => Self::Private,
            _ => Self::Reserved,
        }
    }
    const fn bits(self) -> u8 {
        match self {
            Self::Reserved => 0,
            Self::Active => 1,
            Self::Passive => 2,
            Self::Client => 3,
            Self::Server => 4,
            Self::Broadcast => 5,
            Self::Control => 6,
            Self::Private => 7,
        }
    }
}

/// The datagram is shorter than a header; nothing was read from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an NTP datagram of {length} bytes was dropped: the header alone has {HEADER}")]
pub struct TooShort {
    /// Bytes that came.
    pub length: usize,
}

/// One NTP packet, as it is on the wire. Values are the sender's own claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Leap status.
    pub leap: Leap,
    /// Protocol version, 0–7.
    pub version: u8,
    /// Kind.
    pub mode: Mode,
    /// Stratum; 0 = kiss-o'-death or unspecified, 16 and above = not synchronised.
    pub stratum: u8,
    /// Poll interval, log2 seconds.
    pub poll: i8,
    /// Resolution of the sender's clock, log2 seconds.
    pub precision: i8,
    /// Round trip to the root of time, 0–65,536 s in steps of 15 µs. Rounded *up* when sent: an error bar never shrinks.
    pub root_delay: Nanos,
    /// Error bound to the root of time, same range and rounding.
    pub root_dispersion: Nanos,
    /// Reference id: four letters at stratum 0 and 1, else the upstream's IPv4 address or a hash of its IPv6 address.
    pub refid: u32,
    /// When the sender's clock was last corrected.
    pub reference: NtpTimestamp,
    /// The transmit timestamp of the packet that this one answers.
    pub origin: NtpTimestamp,
    /// When that packet came in.
    pub receive: NtpTimestamp,
    /// When this packet left.
    pub transmit: NtpTimestamp,
}

impl Packet {
    /// A client's question. It says nothing of the client but `cookie`, which the answer must bring back; a cookie
    /// that an outsider can't guess keeps forged answers out (RFC 8915 §5.4 and the data-minimisation draft do the same).
    pub const fn question(cookie: NtpTimestamp) -> Self {
        Self {
            leap: Leap::Normal,
            version: VERSION,
            mode: Mode::Client,
            stratum: 0,
            poll: 0,
            precision: 0,
            root_delay: Nanos::ZERO,
            root_dispersion: Nanos::ZERO,
            refid: 0,
            reference: NtpTimestamp::NONE,
            origin: NtpTimestamp::NONE,
            receive: NtpTimestamp::NONE,
            transmit: cookie,
        }
    }

    /// A server's answer to `question`: `clock` gives leap, stratum, precision, root delay and dispersion, refid and
    /// reference timestamp; version, poll and origin come from the question.
    pub const fn answer(
        clock: &Self,
        question: &Self,
        receive: NtpTimestamp,
        transmit: NtpTimestamp,
    ) -> Self {
        Self {
            version: question.version,
            mode: Mode::Server,
            poll: question.poll,
            origin: question.transmit,
            receive,
            transmit,
            ..*clock
        }
    }

    /// Whether the sender claims to have the time: leap not 3, stratum 1–15.
    pub const fn claims_synchronised(&self) -> bool {
        !matches!(self.leap, Leap::Unsynchronised) && self.stratum >= 1 && self.stratum <= 15
    }

    /// Reads the header; what follows it (extension fields, MAC) is ignored.
    pub fn decode(datagram: &[u8]) -> Result<Self, TooShort> {
        let header: &[u8; HEADER] = datagram.first_chunk().ok_or(TooShort { length: datagram.len() })?;
        Ok(Self {
            leap: leap_from_bits(header[0] >> 6),
            version: (header[0] >> 3) & 7,
            mode: Mode::from_bits(header[0]),
            stratum: header[1],
            poll: header[2].cast_signed(),
            precision: header[3].cast_signed(),
            root_delay: short_to_nanos(word(header, 4)),
            root_dispersion: short_to_nanos(word(header, 8)),
            refid: word(header, 12),
            reference: timestamp(header, 16),
            origin: timestamp(header, 24),
            receive: timestamp(header, 32),
            transmit: timestamp(header, 40),
        })
    }

    /// The header as bytes. Fields out of the wire's range are cut to it: version to three bits, root delay and
    /// dispersion to 0…65,536 s.
    pub fn encode(&self) -> [u8; HEADER] {
        let mut header = [0; HEADER];
        header[0] = (leap_bits(self.leap) << 6) | ((self.version & 7) << 3) | self.mode.bits();
        header[1] = self.stratum;
        header[2] = self.poll.cast_unsigned();
        header[3] = self.precision.cast_unsigned();
        header[4..8].copy_from_slice(&nanos_to_short(self.root_delay).to_be_bytes());
        header[8..12].copy_from_slice(&nanos_to_short(self.root_dispersion).to_be_bytes());
        header[12..16].copy_from_slice(&self.refid.to_be_bytes());
        header[16..24].copy_from_slice(&self.reference.0.to_be_bytes());
        header[24..32].copy_from_slice(&self.origin.0.to_be_bytes());
        header[32..40].copy_from_slice(&self.receive.0.to_be_bytes());
        header[40..48].copy_from_slice(&self.transmit.0.to_be_bytes());
        header
    }
}

const fn leap_from_bits(bits: u8) -> Leap {
    match bits & 3 {
        0 => Leap::Normal,
        1 => Leap::Insert,
        2 => Leap::Delete,
        _ => Leap::Unsynchronised,
    }
}
const fn leap_bits(leap: Leap) -> u8 {
    match leap {
        Leap::Normal => 0,
        Leap::Insert => 1,
        Leap::Delete => 2,
        Leap::Unsynchronised => 3,
    }
}

fn word(header: &[u8; HEADER], at: usize) -> u32 {
    header[at..at + 4].iter().fold(0, |word, byte| (word << 8) | u32::from(*byte))
}
fn timestamp(header: &[u8; HEADER], at: usize) -> NtpTimestamp {
    NtpTimestamp((u64::from(word(header, at)) << 32) | u64::from(word(header, at + 4)))
}

/// 16.16 fixed point to nanoseconds, rounded down by less than 1 ns, so that [`nanos_to_short`] (which rounds up)
/// gives back the same bits.
fn short_to_nanos(short: u32) -> Nanos {
    Nanos((i64::from(short) * 1_000_000_000) >> 16)
}
fn nanos_to_short(nanos: Nanos) -> u32 {
    let nanos = i128::from(nanos.0.max(0));
    let short = ((nanos << 16) + 999_999_999) / 1_000_000_000;
    u32::try_from(short).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Put together by hand from RFC 5905 §7.3, figure 8: stratum 2, poll 6, precision −20, delay 1/16 s,
    /// dispersion 1/4 s, refid 127.0.0.12.
    const ANSWER: [u8; HEADER] = [
        0x24, 2, 6, 0xec, 0, 0, 0x10, 0, 0, 0, 0x40, 0, 127, 0, 0, 12, // header words
        0xee, 0x02, 0x11, 0xa0, 0x80, 0, 0, 0, // reference
        0xee, 0x02, 0x11, 0xb0, 0, 0, 0, 1, // origin
        0xee, 0x02, 0x11, 0xb0, 0x40, 0, 0, 0, // receive
        0xee, 0x02, 0x11, 0xb0, 0x40, 0, 0, 2, // transmit
    ];

    #[test]
    fn a_known_packet() {
        let packet = Packet::decode(&ANSWER).unwrap();
        assert_eq!(
            packet,
            Packet {
                leap: Leap::Normal,
                version: 4,
                mode: Mode::Server,
                stratum: 2,
                poll: 6,
                precision: -20,
                root_delay: Nanos(62_500_000),
                root_dispersion: Nanos(250_000_000),
                refid: 0x7f00_000c,
                reference: NtpTimestamp(0xee02_11a0_8000_0000),
                origin: NtpTimestamp(0xee02_11b0_0000_0001),
                receive: NtpTimestamp(0xee02_11b0_4000_0000),
                transmit: NtpTimestamp(0xee02_11b0_4000_0002),
            }
        );
        assert_eq!(packet.encode(), ANSWER);
        assert!(packet.claims_synchronised());
    }

    #[test]
    fn a_question_tells_nothing_but_its_cookie() {
        let bytes = Packet::question(NtpTimestamp(0x0102_0304_0506_0708)).encode();
        assert_eq!(bytes[0], 0x23);
        assert!(bytes[1..40].iter().all(|byte| *byte == 0));
        assert_eq!(bytes[40..], [1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn an_answer_brings_the_cookie_back() {
        let clock = Packet::decode(&ANSWER).unwrap();
        let mut question = Packet::question(NtpTimestamp(77));
        question.version = 3;
        question.poll = -1;
        let answer = Packet::answer(&clock, &question, NtpTimestamp(1), NtpTimestamp(2));
        assert_eq!(
            (answer.origin, answer.receive, answer.transmit),
            (NtpTimestamp(77), NtpTimestamp(1), NtpTimestamp(2))
        );
        assert_eq!((answer.version, answer.mode, answer.poll), (3, Mode::Server, -1));
        assert_eq!((answer.stratum, answer.refid, answer.reference), (2, clock.refid, clock.reference));
    }

    #[test]
    fn error_bars_are_rounded_up_and_cut_to_the_range() {
        assert_eq!(nanos_to_short(Nanos(1)), 1);
        assert_eq!(nanos_to_short(Nanos::SECOND), 0x1_0000);
        assert_eq!(nanos_to_short(Nanos(-5)), 0);
        assert_eq!(nanos_to_short(Nanos::MAX), u32::MAX);
    }

    #[test]
    fn leap_3_or_stratum_16_does_not_claim_the_time() {
        let mut packet = Packet::decode(&ANSWER).unwrap();
        packet.stratum = 16;
        assert!(!packet.claims_synchronised());
        packet.stratum = 2;
        packet.leap = Leap::Unsynchronised;
        assert!(!packet.claims_synchronised());
    }

    #[test]
    fn short_datagrams_are_refused_and_long_ones_read() {
        assert_eq!(Packet::decode(&ANSWER[..47]), Err(TooShort { length: 47 }));
        let mut long = ANSWER.to_vec();
        long.extend_from_slice(&[0xaa; 20]);
        assert_eq!(Packet::decode(&long), Packet::decode(&ANSWER));
    }

    proptest! {
        #[test]
        fn any_header_survives_decode_and_encode(bytes in proptest::collection::vec(any::<u8>(), HEADER)) {
            let packet = Packet::decode(&bytes).unwrap();
            prop_assert_eq!(packet.encode().to_vec(), bytes);
        }
    }
}
