//! The one loop: a ring of the bell, a moment of quiet, the whole world, one [`decide::Decision`], its writes.
//!
//! **Must never** pass over an unsynced store or past a stop mark, or begin the next pass before the writes of this one
//! have ended (each is bounded in time).

pub mod decide;
pub mod findings;
mod requests;
mod rest;

use crate::apply::write::{Outcome, Writer};
use crate::clock;
use crate::election::Timing;
use crate::election::gate::Gate;
use crate::election::run::Contact;
use crate::events::send::Recorder;
use crate::gather::{BrokenKind, Stores};
use crate::metrics::{FindingLabel, IncidentLabel, KindLabel, Metrics, StateLabel};
use crate::wake::Wake;
use decide::{Decision, Job, Memory, Seat};
use futures::StreamExt;
use meantime_core::clocks::BootTime;
use meantime_core::incident::record::State;
use meantime_core::incident::severity::Severity;
use meantime_core::units::Nanos;
use std::time::Duration;

/// Writes under way at the same time. The API server takes about 1,000 such writes a second at 16 (measured).
const CONCURRENCY: usize = 16;
/// So long must the bell be quiet before a pass …
const QUIET: Duration = Duration::from_millis(200);
/// … and so long may ringing hold it up.
const PATIENCE: Nanos = Nanos::from_millis(1_000);
/// Between two passes that nobody rang for.
const SHORTEST: Nanos = Nanos::from_millis(200);
/// The same for one that does not lead.
const FOLLOWER_PAUSE: Nanos = Nanos::from_secs(30);
/// The loop looks at its own contact this often, so that no gap passes unnoticed.
const PULSE: Duration = Duration::from_secs(3);
/// A pulse that comes so late means that this machine stood still.
const STOOD_STILL: Nanos = Nanos::from_secs(15);
/// kube's client keeps a token for a minute of *wall* time: after a step back it would use an expired one until the wall
/// clock catches up. Ending the process is the one way to a new client that nothing can forget.
const STEPPED_BACK: Nanos = Nanos::from_secs(60);

/// Why the loop ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The machine's wall clock was set back.
    #[error(
        "this machine's wall clock was set back by {0}; starting anew, because the API client counts its token's age on it"
    )]
    ClockSteppedBack(Nanos),
}

/// Everything the loop works with.
pub struct Reconciler {
    /// What is known.
    pub stores: Stores,
    /// What is remembered.
    pub memory: Memory,
    /// Sends writes.
    pub writer: Writer,
    /// Sends Events.
    pub recorder: Recorder,
    /// Whether writes may be sent.
    pub gate: Gate,
    /// Whether Lease requests succeed.
    pub contact: Contact,
    /// Spans of the election.
    pub timing: Timing,
    /// The bell.
    pub wake: Wake,
    /// Counts.
    pub metrics: Metrics,
}

impl Reconciler {
    /// Runs until it is dropped, or ends with the reason why it can't go on.
    pub async fn run_reconcile(mut self) -> Result<(), ReconcileError> {
        let mut next: Option<BootTime> = None;
        let mut pulse = Pulse::new();
        loop {
            let due = next.map_or(PULSE, |next| until(next).min(PULSE));
            let rung = tokio::select! {
                () = self.wake.rung() => true,
                () = tokio::time::sleep(due) => false,
            };
            self.feel(&mut pulse)?;
            if rung {
                self.settle().await;
            } else if next.is_none_or(|next| clock::boot() < next) {
                continue;
            }
            next = self.pass().await;
        }
    }

    /// Waits for a moment of quiet, so that a burst of changes is one pass.
    async fn settle(&self) {
        let deadline = clock::boot() + PATIENCE;
        while tokio::time::timeout(QUIET.min(until(deadline)), self.wake.rung()).await.is_ok() {
            if clock::boot() >= deadline {
                return;
            }
        }
    }

    fn feel(&mut self, pulse: &mut Pulse) -> Result<(), ReconcileError> {
        let stood_still = pulse.beat()?;
        if stood_still || !self.in_contact() {
            self.memory.tracker.gap();
            self.memory.findings.gap();
            self.memory.incidents.gap();
        }
        Ok(())
    }

    fn in_contact(&self) -> bool {
        self.stores.hears_agents() && self.contact.within(self.timing.duration, clock::boot())
    }

    /// One pass; tells when to pass again at the latest.
    async fn pass(&mut self) -> Option<BootTime> {
        let world = self.stores.world().filter(|world| !world.stopped)?;
        let now = clock::boot();
        let seat = Seat { in_contact: self.in_contact(), leading: self.gate.is_open() };
        let decision = self.memory.decide(&world, seat, now, clock::wall());
        self.count(&world.broken, &decision, clock::boot() - now);
        if seat.leading {
            self.metrics.policies.set(decision.policies.clone(), now);
        } else {
            self.metrics.policies.follow();
        }
        if !seat.leading {
            // What is due is the leader's to do; looking at it again and again would not help.
            return decision.next.map(|next| next.max(now + FOLLOWER_PAUSE));
        }
        let Decision { jobs, notes, mut next, .. } = decision;
        if !jobs.is_empty() {
            tracing::debug!(writes = jobs.len(), "writing");
        }
        for note in notes {
            self.recorder.send(note).await;
        }
        let writer = &self.writer;
        let recorder = &self.recorder;
        let ended: Vec<(Job, Outcome)> = futures::stream::iter(jobs)
            .map(|mut job| async move {
                let outcome = writer.send(&job.write).await;
                if matches!(outcome, Outcome::Written(_)) {
                    for note in std::mem::take(&mut job.notes) {
                        recorder.send(note).await;
                    }
                }
                (job, outcome)
            })
            .buffer_unordered(CONCURRENCY)
            .collect()
            .await;
        for (job, outcome) in ended {
            let now = clock::boot();
            match outcome {
                Outcome::Written(version) => self.memory.done(job, version.as_deref(), now),
                Outcome::Closed => {}
                Outcome::Failed(error) => {
                    tracing::warn!(%error, "write failed");
                    self.memory.failed(&job, now);
                    let again = now + Nanos::SECOND;
                    next = Some(next.map_or(again, |next| next.min(again)));
                }
            }
        }
        next.map(|next| next.max(now + SHORTEST))
    }

    fn count(&self, broken: &[crate::gather::Broken], decision: &Decision, took: Nanos) {
        let metrics = &self.metrics;
        metrics.reconciles.inc();
        metrics.reconcile_micros.set(took.0 / 1_000);
        metrics.silent.set(i64::try_from(self.memory.tracker.silent_count()).unwrap_or(i64::MAX));
        for kind in BrokenKind::ALL {
            let count = broken.iter().filter(|broken| broken.kind == kind).count();
            let label = KindLabel { kind: kind.name() };
            metrics.undecodable.get_or_create(&label).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        for (finding, count) in &decision.findings {
            metrics.findings.get_or_create(&FindingLabel { finding }).set(*count);
            let known = decision.acknowledged.get(finding).copied().unwrap_or(0);
            metrics.findings_acknowledged.get_or_create(&FindingLabel { finding }).set(known);
        }
        for severity in Severity::ALL {
            for state in State::ALL {
                let label = IncidentLabel { severity: severity.word(), state: state.word() };
                let count = decision.incidents.get(&(severity, state)).copied().unwrap_or(0);
                metrics.incidents.get_or_create(&label).set(count);
            }
        }
        for status in ["True", "False", "Unknown"] {
            let count = decision.synchronized.get(status).copied().unwrap_or(0);
            metrics.nodes.get_or_create(&StateLabel { status }).set(count);
        }
    }
}

/// Notices that this machine stood still, or that its wall clock was set back.
#[derive(Debug)]
struct Pulse {
    boot: BootTime,
    wall_ahead: Nanos,
}

impl Pulse {
    fn new() -> Self {
        let boot = clock::boot();
        Self { boot, wall_ahead: wall_ahead(boot) }
    }
    /// True = stood still.
    fn beat(&mut self) -> Result<bool, ReconcileError> {
        let boot = clock::boot();
        let ahead = wall_ahead(boot);
        let stepped = ahead - self.wall_ahead;
        if -stepped > STEPPED_BACK {
            return Err(ReconcileError::ClockSteppedBack(-stepped));
        }
        let stood_still = boot - self.boot > STOOD_STILL;
        *self = Self { boot, wall_ahead: ahead };
        Ok(stood_still)
    }
}

fn wall_ahead(boot: BootTime) -> Nanos {
    let wall = clock::wall_micros().as_nanosecond();
    Nanos(i64::try_from(wall).unwrap_or(0)) - Nanos(boot.0)
}

fn until(moment: BootTime) -> Duration {
    let left = moment - clock::boot();
    Duration::from_nanos(u64::try_from(left.0).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gather::testing::stores;
    use crate::silence::Limits;
    use kube::{Api, Client, Config};

    /// With nobody listening: whoever sent anything would fail.
    fn reconciler(unsynced: Option<usize>, stop_mark: bool) -> Reconciler {
        let client = Client::try_from(Config::new("http://127.0.0.1:1".parse().unwrap())).unwrap();
        let (gate, metrics) = (Gate::default(), Metrics::default());
        Reconciler {
            stores: stores(unsynced, stop_mark),
            memory: Memory::new(Limits::default()),
            writer: Writer::new(client.clone(), gate.clone(), metrics.clone(), Duration::from_secs(1)),
            recorder: Recorder::new(Api::namespaced(client, "default"), "test", metrics.clone()),
            gate,
            contact: Contact::default(),
            timing: Timing::default(),
            wake: Wake::default(),
            metrics,
        }
    }

    /// How many passes came of one try.
    async fn passes(unsynced: Option<usize>, stop_mark: bool) -> u64 {
        let mut reconciler = reconciler(unsynced, stop_mark);
        reconciler.pass().await;
        reconciler.metrics.reconciles.get()
    }

    /// 5,000 NodeTimes change in one second: each rings, and the passes are counted on one hand.
    #[tokio::test]
    async fn a_burst_of_changes_is_few_passes() {
        let reconciler = reconciler(None, false);
        let (wake, metrics) = (reconciler.wake.clone(), reconciler.metrics.clone());
        let running = tokio::spawn(reconciler.run_reconcile());
        for _ in 0..100 {
            for _ in 0..50 {
                wake.wake();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        running.abort();
        let passes = metrics.reconciles.get();
        assert!((1..=3).contains(&passes), "{passes} passes");
    }

    #[tokio::test]
    async fn nothing_is_planned_while_there_is_a_stop_mark_or_a_store_has_not_synced() {
        assert_eq!(passes(None, false).await, 1);
        assert_eq!(passes(None, true).await, 0, "past a stop mark");
        assert_eq!(passes(Some(0), false).await, 0, "from a store that may be empty for no reason");
    }
}
