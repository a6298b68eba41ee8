//! Answers one question at a time.
//!
//! **Must never** answer what is not sealed with a key in force, answer with more than was asked with, say why it does not
//! answer, or look at more packets than core's [`Limiter`] allows: what comes beyond that is left to the kernel to drop.

use super::counters::PeerCounters;
use crate::clock;
use meantime_core::peers::keys::Keyring;
use meantime_core::peers::limit::{LOOK_REFILL, Limiter};
use meantime_core::peers::mark;
use meantime_peer::{Claim, SIZE, answer, receive};
use std::io;
use std::net::SocketAddr;
use tokio::net::UdpSocket;
use tracing::debug;

/// An open port.
#[derive(Debug)]
pub struct Responder {
    socket: UdpSocket,
    me: u64,
    limiter: Limiter,
}

impl Responder {
    /// Opens it. Must be called within a tokio runtime.
    pub fn open(at: SocketAddr, node: &str) -> io::Result<Self> {
        let socket = std::net::UdpSocket::bind(at)?;
        socket.set_nonblocking(true)?;
        let socket = UdpSocket::from_std(socket)?;
        Ok(Self { socket, me: mark(node), limiter: Limiter::new(clock::boottime()) })
    }

    /// Waits for a datagram and answers it, or does not. May be dropped at any moment while it waits.
    pub async fn answer_one(
        &mut self,
        ring: &Keyring,
        counters: &PeerCounters,
        claim: impl FnOnce() -> Claim,
    ) {
        // One byte more than a packet: a longer datagram is then seen to be longer.
        let mut buffer = [0; SIZE + 1];
        let (length, from) = match self.socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            Err(error) => {
                // ICMP of an answer that did not arrive.
                debug!(%error, "the peers' port");
                return;
            }
        };
        let (came, now) = (clock::wall(), clock::boottime());
        if !self.limiter.look(now) {
            counters.limited();
            // The rest of the flood waits, and is dropped, in the kernel.
            tokio::time::sleep(clock::span(LOOK_REFILL)).await;
            return;
        }
        let question = match receive(&buffer[..length], self.me, ring) {
            Ok(question) => question,
            Err(refusal) => {
                counters.refused(refusal);
                return;
            }
        };
        if !self.limiter.answer(from.ip().to_canonical(), now) {
            counters.limited();
            return;
        }
        if let Some(packet) = answer(&question, ring, came, clock::wall(), claim()) {
            match self.socket.try_send_to(&packet, from) {
                Ok(_sent) => counters.answered(),
                Err(error) => debug!(%error, %from, "a peer was not answered"),
            }
        }
    }
}
