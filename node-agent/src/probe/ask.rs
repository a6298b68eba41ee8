//! One question to one server.

use crate::clock;
use meantime_core::fsm::probing::{Answer, KissKind, Miss, Outcome};
use meantime_ntp::{Exchange, KissCode, Refusal, Sample};
use rustix::rand::{GetRandomFlags, getrandom};
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::net::UdpSocket;
use tracing::debug;

/// Only the header is read; what follows it may be cut off.
const BUFFER: usize = meantime_ntp::HEADER;

/// Asks `server` once, and waits at most `patience` for the answer that is ours: other datagrams are passed over.
///
/// The socket is connected. So the kernel drops what comes from elsewhere, and hands us the ICMP errors that name our
/// packet: port unreachable, filtered, prohibited. (A router's plain "host unreachable" it keeps to itself without
/// `IP_RECVERR`, for it may pass: those time out.)
pub async fn probe(server: SocketAddr, patience: Duration) -> Outcome {
    let (socket, cookie) = match prepare(server).await {
        Ok(prepared) => prepared,
        Err(error) => return not_sent(server, &error),
    };
    // Nothing is awaited from here to the packet: the sooner it leaves, the less of our own delay is in the sample.
    let wall = clock::wall();
    let begun = clock::boottime();
    let (exchange, question) = Exchange::begin(wall, cookie);
    if let Err(error) = socket.send(&question).await {
        return not_sent(server, &error);
    }
    let mut garbled = false;
    let listening = async {
        let mut buffer = [0; BUFFER];
        loop {
            let length = match socket.recv(&mut buffer).await {
                Ok(length) => length,
                Err(error) => return Outcome::Unanswered(refused(&error)),
            };
            match exchange.accept(&buffer[..length], clock::boottime() - begun) {
                Ok(sample) => return Outcome::Answered(answer(&sample)),
                Err(Refusal::Kiss(code)) => return Outcome::Unanswered(Miss::Kiss(kiss(code))),
                Err(refusal) => {
                    debug!(%server, "{refusal}");
                    garbled = true;
                }
            }
        }
    };
    match tokio::time::timeout(patience, listening).await {
        Ok(outcome) => outcome,
        Err(_elapsed) => Outcome::Unanswered(if garbled { Miss::Garbled } else { Miss::TimedOut }),
    }
}

/// A socket of its own for each question: a fresh port is one more thing that an outsider has to guess.
async fn prepare(server: SocketAddr) -> io::Result<(UdpSocket, u64)> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let mut cookie = [0_u8; 8];
    // Eight bytes come whole or not at all; waits only on a machine that has been up for less than a second or two.
    getrandom(&mut cookie, GetRandomFlags::NONBLOCK)?;
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    Ok((socket, u64::from_ne_bytes(cookie)))
}

/// Why no packet left. No route is the path's fault, not ours to excuse: chronyd's packets have none either.
fn not_sent(server: SocketAddr, error: &io::Error) -> Outcome {
    match error.kind() {
        ErrorKind::ConnectionRefused => Outcome::Unanswered(Miss::Refused),
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable => Outcome::Unanswered(Miss::Unreachable),
        _ => {
            debug!(%server, "not probed, nothing was sent: {error}");
            Outcome::NotSent
        }
    }
}

/// What a connected socket says while it waits comes from ICMP.
fn refused(error: &io::Error) -> Miss {
    if error.kind() == ErrorKind::ConnectionRefused { Miss::Refused } else { Miss::Unreachable }
}

fn answer(sample: &Sample) -> Answer {
    let packet = &sample.packet;
    Answer {
        offset: sample.offset,
        delay: sample.delay,
        stratum: packet.stratum,
        leap: packet.leap,
        refid: packet.refid,
        root_delay: packet.root_delay,
        root_dispersion: packet.root_dispersion,
        // Both by its own clock: ours, which may be what is wrong, is not asked.
        reference_age: (!packet.reference.is_none()).then(|| packet.transmit.since(packet.reference)),
    }
}

const fn kiss(code: KissCode) -> KissKind {
    match code {
        KissCode::Deny => KissKind::Deny,
        KissCode::Restricted => KissKind::Restricted,
        KissCode::Rate => KissKind::Rate,
        // We never ask with NTS: whoever sends it means somebody else.
        KissCode::Nts => KissKind::Other(u32::from_be_bytes(*b"NTSN")),
        KissCode::Other(refid) => KissKind::from_refid(refid),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use rustix::io::Errno;

    const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 123);

    #[rstest]
    #[case::no_route(Errno::NETUNREACH, Outcome::Unanswered(Miss::Unreachable))]
    #[case::no_neighbour(Errno::HOSTUNREACH, Outcome::Unanswered(Miss::Unreachable))]
    #[case::our_own_firewall(Errno::PERM, Outcome::NotSent)]
    #[case::broadcast(Errno::ACCESS, Outcome::NotSent)]
    #[case::too_many_files(Errno::MFILE, Outcome::NotSent)]
    #[case::no_such_family(Errno::AFNOSUPPORT, Outcome::NotSent)]
    #[case::no_randomness_yet(Errno::AGAIN, Outcome::NotSent)]
    fn only_what_left_the_node_speaks_against_a_server(#[case] errno: Errno, #[case] outcome: Outcome) {
        assert_eq!(not_sent(SERVER, &errno.into()), outcome);
    }

    #[rstest]
    #[case(Errno::CONNREFUSED, Miss::Refused)]
    #[case(Errno::HOSTUNREACH, Miss::Unreachable)]
    #[case(Errno::ACCESS, Miss::Unreachable)]
    fn icmp_errors_are_misses(#[case] errno: Errno, #[case] miss: Miss) {
        assert_eq!(refused(&errno.into()), miss);
    }

    #[tokio::test]
    async fn what_cannot_be_sent_is_not_sent() {
        // Broadcast needs leave that this socket does not have: nothing leaves the machine.
        let server = (Ipv4Addr::BROADCAST, 123).into();
        assert_eq!(probe(server, Duration::from_secs(5)).await, Outcome::NotSent);
    }

    #[test]
    fn kisses_keep_their_meaning() {
        assert_eq!(kiss(KissCode::Nts).to_string(), "NTSN");
        assert_eq!(kiss(KissCode::Other(0)), KissKind::Unsynchronised);
        assert_eq!(kiss(KissCode::Restricted), KissKind::Restricted);
    }
}
