//! # chrony's command protocol, version 6, sans-IO
//!
//! **Role.** Questions and orders to chronyd as frames, its answers as values in core's units and with core's sign.
//! Written from our own description of the protocol (measured on chronyd 4.0, 4.3, 4.6.1 and 4.9), not from chrony's code.
//!
//! **In.** A [`Request`]; datagrams that came back. **Out.** A frame to send; a [`Reply`] or an [`Error`];
//! [`look::Look`] asks for everything that one observation needs and joins the answers.
//!
//! **Must never** open a socket, read a clock, panic on any input, or hand out a float: chrony's own float format
//! ends in `float.rs`.
//!
//! **Sign.** chrony's reports disagree among themselves (measured with a source 0.5 s ahead of us: SOURCE_DATA and
//! SOURCESTATS say −0.5, NTP_DATA and TRACKING's correction +0.5). Everything here says **> 0 = this clock is ahead
//! (or fast)**; the modules under [`reply`] turn each field round where it must be, and say so beside the field.
//!
//! **How to use it.** Send the frame of [`Exchange::begin`] from a Unix datagram socket that is bound to an absolute
//! path and writable by chronyd's user, then give every datagram to [`Exchange::receive`] until it returns something.
//! Only [`Request::may_repeat`] requests may be sent again after silence.
#![deny(missing_docs)]

mod address;
mod bytes;
mod error;
mod exchange;
mod float;
mod generation;
pub mod look;
pub mod reply;
pub mod request;
#[cfg(test)]
mod testing;

pub use address::Address;
pub use error::{Error, Status};
pub use exchange::Exchange;
pub use generation::Generation;
pub use reply::Reply;
pub use request::Request;

/// Bytes of every frame that we send. chronyd sends no answer that is longer than the question, its longest has 520
/// bytes, and it takes up to 860: one size fits every report of every version.
pub const FRAME: usize = 524;
