//! This node's NodeTime: its spec comes in, its status goes out (cluster.rs over the API server, file.rs over two
//! files for tests and machines without Kubernetes). When and what is pure (cadence.rs, report.rs).
//!
//! **Must never** write anything but this node's own NodeTime status, block the engine, or take silence of the
//! API server for anything but silence.

pub mod cadence;
pub mod cluster;
pub mod file;
pub mod report;

use crate::clock;
use crate::metrics::Counters;
use cadence::{Cadence, Digest};
use meantime_core::clocks::BootTime;
use meantime_core::ledger::Origin;
use meantime_core::units::Nanos;
use meantime_crds::common::Condition;
use meantime_crds::nodetime::{NodeTime, NodeTimeStatus};
use report::Report;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::{mpsc, watch};

/// What comes in.
#[derive(Debug)]
pub enum Incoming {
    /// Our NodeTime as it was read.
    Seen(Box<NodeTime>, Origin),
    /// There is none (any more): carry on.
    Gone,
}

/// What the engine asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Read our NodeTime by a quorum GET.
    Quorum,
    /// The clock was disrupted: connections and cached tokens are timed by it (kube re-reads its token by wall time).
    Rebuild,
}

/// The channels between the engine and either transport.
#[derive(Debug)]
pub struct Link {
    /// To the engine.
    pub incoming: mpsc::Sender<Incoming>,
    /// From the engine.
    pub asks: mpsc::Receiver<Ask>,
    /// The newest report.
    pub reports: watch::Receiver<Option<Arc<Report>>>,
    /// Shared counters.
    pub counters: Arc<Counters>,
}

/// Composes statuses and knows when they are due.
#[derive(Debug)]
pub struct Writer {
    cadence: Cadence,
    conditions: Vec<Condition>,
    counters: Arc<Counters>,
    began: BootTime,
}

/// A status that is due, with what is needed to note its fate.
#[derive(Debug)]
pub struct Due {
    /// To be written.
    pub status: NodeTimeStatus,
    digest: Digest,
}

impl Writer {
    /// Nothing is written yet.
    pub fn new(node: &str, counters: Arc<Counters>) -> Self {
        Self { cadence: Cadence::new(node), conditions: Vec::new(), counters, began: clock::boottime() }
    }

    /// What the object says already: transition times survive a restart of the agent.
    pub fn learn(&mut self, object: &NodeTime) {
        if self.conditions.is_empty()
            && let Some(status) = &object.status
        {
            self.conditions.clone_from(&status.conditions);
            let theirs = status.sequence.and_then(|sequence| u64::try_from(sequence).ok()).unwrap_or(0);
            self.counters.sequence.fetch_max(theirs, Ordering::Relaxed);
        }
    }

    /// The object is another one now.
    pub fn forget(&mut self) {
        self.cadence.forget();
    }

    /// The status if it is due, else how long to wait for news.
    pub fn next(&self, report: &Report, now: BootTime) -> Result<Due, Nanos> {
        let says_something = report.judged.is_some() || report.retired.is_some();
        if let Some(rest) = cadence::first_look(says_something, &self.conditions, now - self.began) {
            return Err(rest);
        }
        let sequence = self.counters.sequence.load(Ordering::Relaxed).saturating_add(1);
        let sequence = i64::try_from(sequence).unwrap_or(i64::MAX);
        let status = report.status(&self.conditions, sequence, display_time());
        let digest = Digest::of(&status);
        let due = self.cadence.due(&digest, report.max_offset);
        if due > now { Err(due - now) } else { Ok(Due { status, digest }) }
    }

    /// It was written.
    pub fn written(&mut self, due: Due, now: BootTime) {
        self.counters.sequence.fetch_add(1, Ordering::Relaxed);
        self.counters.status_writes.fetch_add(1, Ordering::Relaxed);
        self.conditions = due.status.conditions;
        self.cadence.written(due.digest, now);
    }

    /// It was not.
    pub fn failed(&mut self, now: BootTime) {
        // The sequence rises all the same: the write may have arrived.
        self.counters.sequence.fetch_add(1, Ordering::Relaxed);
        self.counters.status_failures.fetch_add(1, Ordering::Relaxed);
        self.cadence.failed(now);
    }
}

/// This machine's wall time, for people. A clock before 1970 or beyond the year 9999 shows as 1970.
fn display_time() -> jiff::Timestamp {
    let seconds = clock::wall().0.div_euclid(1_000_000_000);
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}
