//! # The NTP packet (RFC 5905, 48-byte header), sans-IO
//!
//! **Role.** What a client sends, what a server answers, and what one exchange says of this clock. Used by the
//! agent's probes and by the time lab's servers.
//!
//! **In.** Datagrams, and moments that the caller read from its clocks.
//! **Out.** [`Packet`], or a [`Sample`] (offset, delay, the packet) or the [`Refusal`] of a datagram.
//!
//! **Must never** read a clock, open a socket, use randomness, panic on any input, or trust a reply that does not
//! carry the cookie of its request.
//!
//! **Sign.** On the wire an NTP offset is *source minus this clock*; [`Sample::offset`] has core's sign, > 0 = this
//! clock is ahead. It is turned round in one place, [`Exchange::accept`].
//!
//! Extension fields and MACs behind the header are ignored: nothing here authenticates.
#![deny(missing_docs)]

mod exchange;
mod packet;
mod timestamp;

pub use exchange::{Exchange, KissCode, Refusal, Sample};
pub use packet::{Mode, Packet, TooShort};
pub use timestamp::NtpTimestamp;

/// Bytes of the header; every datagram has at least these.
pub const HEADER: usize = 48;
/// The UDP port of NTP.
pub const PORT: u16 = 123;
/// The protocol version that we speak.
pub const VERSION: u8 = 4;
