//! The control port: one order a line over TCP, one line of JSON back.
//!
//! Orders: `set WORD…` (see [`settings`](crate::lab::settings)), `get`. Answer: the report after the order, or `{"error": "…"}` and nothing
//! changed. Not authenticated: it is bound to loopback and lives in test containers.

use crate::lab::server::Shared;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// Where `meantime-lab serve` takes orders unless told otherwise.
pub const DEFAULT: &str = "127.0.0.1:3123";
/// An order is a line of some hundred characters.
const LONGEST_ORDER: u64 = 16_384;
/// Nobody holds the port longer than this.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) fn serve(listener: &TcpListener, shared: &Shared) {
    for connection in listener.incoming() {
        if shared.stopping() {
            return;
        }
        if let Ok(stream) = connection {
            // One caller at a time is enough, and a silent one is cut off.
            let _ = answer(&stream, shared);
        }
    }
}

fn answer(stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut order = String::new();
    BufReader::new(stream.take(LONGEST_ORDER)).read_line(&mut order)?;
    let result = match order.trim().split_once(' ').unwrap_or((order.trim(), "")) {
        ("get", "") => Ok(()),
        ("set", words) => shared.set(words).map_err(|bad| bad.to_string()),
        _ => Err(format!(
            "unknown order {:?}, nothing was changed: send `set key=value …` or `get`",
            order.trim()
        )),
    };
    let line = match result {
        Ok(()) => serde_json::to_string(&shared.report())?,
        Err(error) => serde_json::json!({ "error": error }).to_string(),
    };
    let mut stream = stream;
    writeln!(stream, "{line}")
}

/// Why an order was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// Nobody there.
    #[error(
        "the lab's control port {address} did not answer: {source}; nothing was changed (does `meantime-lab serve` run there?)"
    )]
    Unreachable {
        /// Where.
        address: SocketAddr,
        /// The system's word.
        source: io::Error,
    },
    /// The lab said no.
    #[error("{0}")]
    Refused(String),
}

/// Sends one order (`set …` or `get`) and gives back the report as JSON text.
pub fn order(address: SocketAddr, line: &str) -> Result<String, OrderError> {
    let exchange = || -> io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        writeln!(stream, "{line}")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    };
    let text = exchange().map_err(|source| OrderError::Unreachable { address, source })?;
    let error = serde_json::from_str::<serde_json::Value>(&text).map_or_else(
        |_| Some(format!("the lab answered something else than JSON: {text:?}")),
        |value| value.get("error").and_then(|error| error.as_str()).map(str::to_owned),
    );
    error.map_or_else(|| Ok(text.trim_end().to_owned()), |error| Err(OrderError::Refused(error)))
}
