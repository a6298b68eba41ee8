//! A UDP relay: `10.99.0.1:123=10.0.2.2:20001` makes a lab server on the host appear under an address of its own
//! inside the micro-VM, because chronyd tells sources apart by address alone (same address, other port: refused).
//!
//! One thread per route; each client gets a socket of its own towards the target, so that answers find their way
//! back. It adds its own scheduling to the path delay, the same both ways as far as the machine allows.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

/// A client's way back is forgotten after this.
const FORGET: Duration = Duration::from_secs(10);
/// Clients at a time; more are dropped.
const CLIENTS: usize = 256;

/// One route: what comes in at `at` goes to `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Bound here.
    pub at: SocketAddr,
    /// Sent on to there.
    pub to: SocketAddr,
}

impl std::str::FromStr for Route {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = "expected ADDR:PORT=ADDR:PORT";
        let (at, to) = text.split_once('=').ok_or(wanted)?;
        let address =
            |part: &str| part.parse().map_err(|_| format!("{part:?} is no address with a port; {wanted}"));
        Ok(Self { at: address(at)?, to: address(to)? })
    }
}

/// Runs routes until a socket breaks. `ready` is called once all are bound.
pub fn run(routes: &[Route], ready: impl FnOnce()) -> io::Result<()> {
    let bound: Vec<(UdpSocket, Route)> =
        routes.iter().map(|route| Ok((UdpSocket::bind(route.at)?, *route))).collect::<io::Result<_>>()?;
    ready();
    let threads: Vec<_> = bound
        .into_iter()
        .map(|(socket, route)| std::thread::spawn(move || relay(&Arc::new(socket), route)))
        .collect();
    for thread in threads {
        thread.join().map_err(|_| io::Error::other("a relay thread panicked"))??;
    }
    Ok(())
}

fn relay(front: &Arc<UdpSocket>, route: Route) -> io::Result<()> {
    let mut ways: BTreeMap<SocketAddr, Arc<UdpSocket>> = BTreeMap::new();
    let mut buffer = [0; 2_048];
    loop {
        let (length, client) = match front.recv_from(&mut buffer) {
            Ok(got) => got,
            // An ICMP error for an earlier answer to a client that has gone.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => continue,
            Err(error) => return Err(error),
        };
        // A way whose thread has ended holds the only other reference no more.
        ways.retain(|_, way| Arc::strong_count(way) > 1);
        let way = match ways.get(&client) {
            Some(way) => Arc::clone(way),
            None if ways.len() >= CLIENTS => continue,
            None => {
                let way = Arc::new(open(route.to)?);
                let (back, front) = (Arc::clone(&way), Arc::clone(front));
                std::thread::spawn(move || answers(&back, &front, client));
                ways.insert(client, Arc::clone(&way));
                way
            }
        };
        let _ = way.send(&buffer[..length]);
    }
}

fn open(target: SocketAddr) -> io::Result<UdpSocket> {
    let any = if target.is_ipv4() {
        (Ipv4Addr::UNSPECIFIED, 0).into()
    } else {
        SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect(target)?;
    socket.set_read_timeout(Some(FORGET))?;
    Ok(socket)
}

/// Brings answers back until none has come for [`FORGET`].
fn answers(way: &UdpSocket, front: &UdpSocket, client: SocketAddr) {
    let mut buffer = [0; 2_048];
    loop {
        match way.recv(&mut buffer) {
            Ok(length) => {
                let _ = front.send_to(&buffer[..length], client);
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            Err(_) => return,
        }
    }
}
