//! The agent's binary with a real chronyd (`-x`: virtual clocks) and lab servers on loopback; in cluster.rs with a
//! real API server besides.
//!
//! Needs `cargo build -p meantime-agent --bins` and root (chronyd's socket folder); `make test-agent` does both.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

mod cluster;
mod daemon;
mod failover;
mod host;
mod peers;
mod plans;
mod restarts;
mod reversal;

use meantime_tests::agent as harness;
