//! One question to one peer.

use super::counters::PeerCounters;
use crate::clock;
use meantime_core::peers::ask::{Answer, Miss, Outcome};
use meantime_core::peers::keys::Key;
use meantime_core::peers::{Planned, mark};
use meantime_peer::{Exchange, SIZE, Sample};
use rustix::rand::{GetRandomFlags, getrandom};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::net::UdpSocket;
use tracing::debug;

/// Asks once, from this node's address and a fresh port, and waits at most `patience` for the answer that is ours: other
/// datagrams are counted and passed over. The socket is connected, so that the kernel drops what comes from elsewhere and
/// hands us the ICMP errors that name our packet.
pub async fn ask(
    from: IpAddr,
    peer: &Planned,
    key: &Key,
    patience: Duration,
    counters: &PeerCounters,
) -> Outcome {
    let to = SocketAddr::new(peer.address, peer.port);
    let (socket, nonce) = match prepare(from, to).await {
        Ok(prepared) => prepared,
        Err(error) => return not_sent(to, &error),
    };
    // Nothing is awaited from here to the packet: the sooner it leaves, the less of our own delay is in the sample.
    let ahead = clock::ahead();
    let (wall, begun) = (clock::wall(), clock::boottime());
    let (exchange, question) = Exchange::begin(wall, nonce, mark(&peer.node), key);
    if let Err(error) = socket.send(&question).await {
        return not_sent(to, &error);
    }
    let listening = async {
        let mut buffer = [0; SIZE + 1];
        loop {
            let length = match socket.recv(&mut buffer).await {
                Ok(length) => length,
                Err(error) => return Outcome::Missed(refused(&error)),
            };
            match exchange.accept(&buffer[..length], clock::boottime() - begun) {
                Ok(Sample { offset, delay, claim }) => {
                    let bound = claim.bound.filter(|_| claim.synchronised);
                    return Outcome::Answered(Answer { offset, delay, bound, ahead });
                }
                Err(refusal) => {
                    debug!(%to, "{refusal}");
                    counters.refused(refusal);
                }
            }
        }
    };
    tokio::time::timeout(patience, listening).await.unwrap_or(Outcome::Missed(Miss::TimedOut))
}

/// A socket of its own for each question: a fresh port is one more thing that an outsider has to guess.
async fn prepare(from: IpAddr, to: SocketAddr) -> io::Result<(UdpSocket, [u8; 16])> {
    let mut nonce = [0_u8; 16];
    getrandom(&mut nonce, GetRandomFlags::NONBLOCK)?;
    let from = match (from.is_unspecified(), to) {
        (false, _) => from,
        (true, SocketAddr::V4(_)) => Ipv4Addr::UNSPECIFIED.into(),
        (true, SocketAddr::V6(_)) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((from, 0)).await?;
    socket.connect(to).await?;
    Ok((socket, nonce))
}

/// Why no packet left. No route is the path's fault; everything else is our own, and says nothing of the peer.
fn not_sent(to: SocketAddr, error: &io::Error) -> Outcome {
    match error.kind() {
        ErrorKind::ConnectionRefused => Outcome::Missed(Miss::Refused),
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable => Outcome::Missed(Miss::Unreachable),
        _ => {
            debug!(%to, "not asked, nothing was sent: {error}");
            Outcome::NotSent
        }
    }
}

/// What a connected socket says while it waits comes from ICMP.
fn refused(error: &io::Error) -> Miss {
    if error.kind() == ErrorKind::ConnectionRefused { Miss::Refused } else { Miss::Unreachable }
}
