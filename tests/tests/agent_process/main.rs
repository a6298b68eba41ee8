//! The agent's binary with a real chronyd (`-x`: virtual clocks) and lab servers on loopback; in cluster.rs with a
//! real API server besides.
//!
//! Needs `cargo build -p meantime-agent --bins` and root (chronyd's socket folder); `make test-agent` does both.

mod cluster;
mod daemon;
mod harness;
mod plans;
mod restarts;
