//! What came of one probe, in core's words: the edge translates packets and system errors into these.

use crate::observation::Leap;
use crate::units::Nanos;
use std::fmt;

/// What came of one probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The time, or at least a whole header of a server that says it has none (leap 3, stratum 16).
    Answered(Answer),
    /// Nothing that can be used.
    Unanswered(Miss),
    /// No packet left this node (no free descriptor, a firewall of our own, no randomness): says nothing of the server.
    NotSent,
}

/// What the answer said. Values are the server's own claims, but for `offset` and `delay`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// This clock against the server's; > 0 = this clock is ahead. Wrong by at most half of `delay`.
    pub offset: Nanos,
    /// Round trip without the server's own time; ≥ 0.
    pub delay: Nanos,
    /// 1–255; 16 and above = not synchronised.
    pub stratum: u8,
    /// Leap status.
    pub leap: Leap,
    /// Reference id: four letters at stratum 1, else the upstream's IPv4 address or a hash of its IPv6 address.
    pub refid: u32,
    /// Round trip to the root of time, 0–65,536 s.
    pub root_delay: Nanos,
    /// Error bound to the root of time, 0–65,536 s.
    pub root_dispersion: Nanos,
    /// Transmit − reference timestamp, both by the server's own clock; none if that was never corrected. Negative = it
    /// claims to have been corrected after it answered.
    pub reference_age: Option<Nanos>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miss {
    /// Nothing came in time.
    TimedOut,
    /// Its host says that nobody listens on the port (ICMP port unreachable).
    Refused,
    /// A router, or this node's own routes, say that there is no way there.
    Unreachable,
    /// It answered with a kiss-o'-death: it lives, and gives no time.
    Kiss(KissKind),
    /// Datagrams came, and none was our answer: wrong origin, truncated, another version, impossible times.
    Garbled,
}

/// The reason in a kiss-o'-death packet (stratum 0; RFC 5905 §7.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KissKind {
    /// `RATE`: ask less often.
    Rate,
    /// `DENY`: never ask again.
    Deny,
    /// `RSTR`: never ask again.
    Restricted,
    /// It has no time itself: no code at all, as chronyd answers, or `INIT`, `STEP`, as ntpd does.
    Unsynchronised,
    /// Anything else, as it came.
    Other(u32),
}

impl KissKind {
    /// Reads the reference id of an answer of stratum 0.
    pub const fn from_refid(refid: u32) -> Self {
        match &refid.to_be_bytes() {
            b"RATE" => Self::Rate,
            b"DENY" => Self::Deny,
            b"RSTR" => Self::Restricted,
            b"\0\0\0\0" | b"INIT" | b"STEP" => Self::Unsynchronised,
            _ => Self::Other(refid),
        }
    }
}

impl fmt::Display for KissKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate => f.write_str("RATE"),
            Self::Deny => f.write_str("DENY"),
            Self::Restricted => f.write_str("RSTR"),
            Self::Unsynchronised => f.write_str("not synchronised"),
            Self::Other(refid) => write!(f, "{}", refid.to_be_bytes().escape_ascii()),
        }
    }
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("no answer in time"),
            Self::Refused => f.write_str("nobody listens there"),
            Self::Unreachable => f.write_str("no way there"),
            Self::Kiss(kind) => write!(f, "kiss-o'-death: {kind}"),
            Self::Garbled => f.write_str("only answers to other questions"),
        }
    }
}
