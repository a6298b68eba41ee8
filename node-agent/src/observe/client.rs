//! The way to chronyd's command socket: one datagram out, its answer back, within a bounded time.
//!
//! **Must never** send an order twice when its answer is lost (the first may have been carried out), nor wait for
//! a daemon that does not answer longer than three times a quarter of a second.

use crate::clock;
use crate::files::Paths;
use meantime_candm::look::{Look, Looked};
use meantime_candm::{Exchange, Reply, Request};
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixDatagram;

/// The median round trip is 17 µs, the worst of thousands 0.7 ms: after a quarter of a second nothing will come.
const TIMEOUT: Duration = Duration::from_millis(250);
/// For requests that may be repeated.
const ATTEMPTS: u32 = 3;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The socket file is missing, or nobody listens on it.
    #[error("chronyd's command socket {socket} is not there ({source}); chronyd runs on as it is")]
    NoSocket {
        /// Where it should be.
        socket: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// Our own side of it.
    #[error("cannot talk to chronyd over {socket}: {source}")]
    Transport {
        /// The socket.
        socket: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// Nothing came back in time.
    #[error("chronyd did not answer '{request}' in time")]
    Silent {
        /// What was asked.
        request: String,
    },
    /// It answered, but not with what was asked for.
    #[error(transparent)]
    Protocol(#[from] meantime_candm::Error),
}

impl AskError {
    /// Whether the socket is gone, as opposed to a daemon that is silent behind it.
    pub const fn is_socket(&self) -> bool {
        matches!(self, Self::NoSocket { .. })
    }
}

/// One connection: its own socket file with a fresh name, removed when it is dropped.
#[derive(Debug)]
pub struct Client {
    socket: UnixDatagram,
    own: PathBuf,
    server: PathBuf,
    sequence: u32,
    /// Longest report of any chronyd: 520 bytes.
    buffer: [u8; 1024],
}

impl Client {
    /// Connects. `counter` makes the name fresh within this process.
    pub fn connect(paths: &Paths, counter: u64) -> Result<Self, AskError> {
        let server = paths.socket();
        let own = paths.client_socket(std::process::id(), counter);
        let transport = |source| AskError::Transport { socket: server.clone(), source };
        let _ = std::fs::remove_file(&own);
        // Unbound and abstract sockets get no answer; chronyd sends to this very path.
        let socket = UnixDatagram::bind(&own).map_err(transport)?;
        let this = Self { socket, own, server: server.clone(), sequence: seed(), buffer: [0; 1024] };
        // chronyd may run as another user.
        std::fs::set_permissions(&this.own, Permissions::from_mode(0o666)).map_err(transport)?;
        this.socket.connect(&server).map_err(|source| lost(&server, source))?;
        Ok(this)
    }

    /// Asks once, or up to three times where that is harmless.
    pub async fn ask(&mut self, request: &Request) -> Result<Reply, AskError> {
        let attempts = if request.may_repeat() { ATTEMPTS } else { 1 };
        for _ in 0..attempts {
            self.sequence = self.sequence.wrapping_add(1);
            let (exchange, frame) = Exchange::begin(request.clone(), self.sequence);
            match tokio::time::timeout(TIMEOUT, self.exchange(&exchange, &frame)).await {
                Ok(answer) => return answer,
                Err(_elapsed) => {}
            }
        }
        Err(AskError::Silent { request: request.to_string() })
    }

    /// Both ways under one time limit: the queue of a stopped daemon fills, and sending then waits as well.
    async fn exchange(&mut self, exchange: &Exchange, frame: &[u8]) -> Result<Reply, AskError> {
        self.socket.send(frame).await.map_err(|source| lost(&self.server, source))?;
        loop {
            let length =
                self.socket.recv(&mut self.buffer).await.map_err(|source| lost(&self.server, source))?;
            // Late answers of an earlier attempt are dropped by the exchange.
            if let Some(answer) = exchange.receive(&self.buffer[..length]) {
                return Ok(answer?);
            }
        }
    }

    /// Everything that one observation needs.
    pub async fn look(&mut self) -> Result<Looked, AskError> {
        let mut look = Look::new();
        while let Some(request) = look.next_request().cloned() {
            let answer = match self.ask(&request).await {
                Ok(reply) => Ok(reply),
                Err(AskError::Protocol(error)) => Err(error),
                Err(other) => return Err(other),
            };
            look.answer(answer)?;
        }
        look.finish().ok_or_else(|| AskError::Silent { request: Request::Tracking.to_string() })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.own);
    }
}

fn lost(server: &Path, source: io::Error) -> AskError {
    let socket = server.to_owned();
    match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => {
            AskError::NoSocket { socket, source }
        }
        _ => AskError::Transport { socket, source },
    }
}

/// Sequences only have to differ from those of the last seconds.
fn seed() -> u32 {
    let bytes = clock::boottime().0.to_le_bytes();
    u32::from_le_bytes([bytes[2], bytes[3], bytes[4], bytes[5]])
}
