//! The edge of the election: sends what [`super::step`] decided to the API server, each request cut off after
//! [`Timing::request`], and tells it what came back.

use super::gate::Gate;
use super::{Action, Event, LeaseView, State, Timing, step};
use crate::clock;
use crate::metrics::Metrics;
use crate::wake::Wake;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Api, ObjectMeta, PostParams};
use meantime_core::clocks::BootTime;
use meantime_core::names::LEASE;
use meantime_core::units::Nanos;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// Most requests within one tick: a candidate that keeps losing a race waits for the next one.
const REQUESTS_PER_TICK: usize = 6;

/// What the rest of the program wants of the election.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stand {
    /// Be a candidate.
    Up,
    /// Release the Lease and do not come back until told (a stop mark is there, or was not yet looked for).
    Down,
    /// Release the Lease and end.
    Leave,
}

/// When a Lease request last succeeded: the operator's own proof that it can hear the cluster.
#[derive(Clone, Debug, Default)]
pub struct Contact(Arc<AtomicI64>);

impl Contact {
    fn made(&self, now: BootTime) {
        self.0.store(now.0, Ordering::Release);
    }
    /// Whether the last success is no older than `span`.
    pub fn within(&self, span: Nanos, now: BootTime) -> bool {
        let last = self.0.load(Ordering::Acquire);
        last != 0 && now - BootTime(last) <= span
    }
}

/// One candidate's edge.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Leases of the operator's namespace.
    pub api: Api<Lease>,
    /// Pod name and uid, so that a pod of the same name is somebody else.
    pub me: String,
    /// Spans.
    pub timing: Timing,
    /// Opened and closed by us.
    pub gate: Gate,
    /// Told of every success.
    pub contact: Contact,
    /// Woken when we begin to lead.
    pub wake: Wake,
    /// Counts.
    pub metrics: Metrics,
}

impl Candidate {
    /// Runs until told to leave (or the teller is gone). Returns after the Lease was released or the try failed.
    pub async fn run_election(self, mut stand: watch::Receiver<Stand>) {
        let mut state = State::default();
        let mut order = *stand.borrow_and_update();
        let retry = Duration::from_nanos(u64::try_from(self.timing.retry.0).unwrap_or(1_000_000_000));
        loop {
            let event = match order {
                Stand::Up => Event::StandUp,
                Stand::Down | Stand::Leave => Event::StandDown,
            };
            state = self.drive(state, event).await;
            if order == Stand::Leave {
                return;
            }
            loop {
                state = self.drive(state, Event::Tick).await;
                tokio::select! {
                    () = tokio::time::sleep(retry) => {}
                    changed = stand.changed() => {
                        order = if changed.is_ok() { *stand.borrow_and_update() } else { Stand::Leave };
                        break;
                    }
                }
            }
        }
    }

    async fn drive(&self, mut state: State, first: Event) -> State {
        let mut events = VecDeque::from([first]);
        let mut requests = 0;
        while let Some(event) = events.pop_front() {
            let (next, actions) = step(&self.me, &self.timing, state, event, clock::boot());
            state = next;
            for action in actions {
                match action {
                    Action::Open(until) => {
                        let led = self.gate.is_open();
                        self.gate.open(until);
                        if !led {
                            tracing::info!(identity = %self.me, "leading: this operator writes from now on");
                            self.metrics.leading.set(1);
                            self.wake.wake();
                        }
                    }
                    Action::Close => {
                        if self.gate.is_open() {
                            tracing::warn!(identity = %self.me, "not leading any more: no further write is sent");
                        }
                        self.gate.close();
                        self.metrics.leading.set(0);
                    }
                    request => {
                        requests += 1;
                        if requests <= REQUESTS_PER_TICK {
                            events.push_back(self.request(request).await);
                        }
                    }
                }
            }
        }
        state
    }

    async fn request(&self, action: Action) -> Event {
        let span = Duration::from_nanos(u64::try_from(self.timing.request.0).unwrap_or(1_000_000_000));
        let sent = clock::boot();
        let event = tokio::time::timeout(span, self.send(action, sent)).await;
        match event {
            Ok(Ok(event)) => {
                self.contact.made(clock::boot());
                event
            }
            Ok(Err(kube::Error::Api(status))) if status.code == 409 => {
                self.contact.made(clock::boot());
                Event::Conflict
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "Lease request failed; trying again in a moment");
                self.metrics.lease_failures.inc();
                Event::Failed
            }
            Err(_) => {
                tracing::warn!("Lease request got no answer; trying again in a moment");
                self.metrics.lease_failures.inc();
                Event::Failed
            }
        }
    }

    async fn send(&self, action: Action, sent: BootTime) -> Result<Event, kube::Error> {
        let post = PostParams::default();
        let written = |lease: Lease| Event::Written { sent, lease: view(&lease) };
        match action {
            Action::Read => Ok(Event::Read(self.api.get_opt(LEASE).await?.as_ref().map(view))),
            Action::Create => {
                Ok(written(self.api.create(&post, &self.lease(None, Some(&self.me), 0)).await?))
            }
            Action::Renew { version, transitions } | Action::Take { version, transitions } => {
                let lease = self.lease(Some(version), Some(&self.me), transitions);
                Ok(written(self.api.replace(LEASE, &post, &lease).await?))
            }
            Action::Release { version, transitions } => {
                let lease = self.lease(Some(version), None, transitions);
                Ok(written(self.api.replace(LEASE, &post, &lease).await?))
            }
            // Handled by the caller; named so that a new action does not compile until it has a place.
            Action::Open(_) | Action::Close => Ok(Event::Failed),
        }
    }

    /// The timestamps in it are for people who read the Lease; no candidate looks at them as times.
    fn lease(&self, version: Option<String>, holder: Option<&str>, transitions: i32) -> Lease {
        let now: Timestamp = clock::wall_micros();
        Lease {
            metadata: ObjectMeta {
                name: Some(LEASE.into()),
                resource_version: version,
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: holder.map(str::to_owned),
                lease_duration_seconds: Some(
                    i32::try_from(self.timing.duration.0 / 1_000_000_000).unwrap_or(15).max(1),
                ),
                lease_transitions: Some(transitions),
                renew_time: Some(MicroTime(now)),
                ..LeaseSpec::default()
            }),
        }
    }
}

fn view(lease: &Lease) -> LeaseView {
    let spec = lease.spec.clone().unwrap_or_default();
    LeaseView {
        record: format!("{:?} {:?} {:?}", spec.renew_time, spec.acquire_time, spec.lease_transitions),
        holder: spec.holder_identity.filter(|holder| !holder.is_empty()),
        duration: Nanos::from_secs(i64::from(spec.lease_duration_seconds.unwrap_or(15).max(1))),
        transitions: spec.lease_transitions.unwrap_or(0),
        version: lease.metadata.resource_version.clone().unwrap_or_default(),
    }
}
