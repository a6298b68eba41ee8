//! # What two agents ask and answer each other, sans-IO
//!
//! **Role.** The one packet of the peers' own protocol, 96 bytes both ways, and what one exchange says of this clock.
//!
//! **In.** Datagrams, a [`Keyring`], moments that the caller read from its clocks, a nonce that it drew.
//! **Out.** Datagrams; a [`Question`] that may be answered, or a [`Sample`]; else the [`Refusal`], to be counted: nobody is
//! ever told that a packet was refused.
//!
//! **Must never** read a clock, open a socket, use randomness, panic on any input, answer with more bytes than were asked
//! with, or take a word from a packet whose seal it has not checked.
//!
//! ```text
//!  0  "MTP", version 1                        32  mark of the node that is asked, in both
//!  4  kind: 1 asks, 2 answers                 40  received: CLOCK_REALTIME, ns since 1970 (answer)
//!  5  flags: 1 = synchronised (answer)        48  transmitted, likewise (answer)
//!  6  zero                                    56  the answerer's guaranteed bound, ns; −1 = not known (answer)
//!  8  key id                                  64  HMAC-SHA256 over bytes 0…63
//! 12  zero                                    96  end
//! 16  nonce, 16 bytes
//! ```
//! Numbers are big-endian; what a question has no use for is zero. The mark is of a node's name: whoever has its address by
//! now must not answer for it.
//!
//! A nonce of 128 bits that was never used before makes each answer good once, so that nothing
//! has to be remembered of old packets and no clock has to be right for it. A question that is played again gets another
//! answer of the same size, as often as its address is allowed to.
//!
//! **Sign.** > 0 = this clock is ahead, as everywhere.
#![deny(missing_docs)]

mod exchange;
mod packet;

pub use exchange::{Exchange, Sample};
pub use meantime_core::peers::keys::{Key, Keyring};
pub use packet::{Claim, Question, Refusal, SIZE, answer, receive};
