//! /metrics, /healthz, /readyz.
//!
//! *Ready*: true from the first good observation after the start (a bad image halts its rollout), then independent
//! of chronyd. *Healthy*: the engine's loop turns. Neither asks chronyd: a dead daemon is the agent's to cure.

use crate::clock;
use crate::metrics::{self, Counters};
use crate::publish::report::Report;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use meantime_core::units::Nanos;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use tokio::sync::watch;

/// The engine's loop turns at least every ten seconds; this long without a turn it hangs.
const STUCK: Nanos = Nanos::from_secs(60);

/// What the endpoints read.
#[derive(Debug)]
pub struct Shared {
    /// Counters.
    pub counters: Arc<Counters>,
    /// The newest report.
    pub reports: watch::Receiver<Option<Arc<Report>>>,
    /// There was a good observation, or nothing is asked of this node.
    pub ready: Arc<AtomicBool>,
    last_turn: AtomicU64,
    turned: AtomicI64,
}

impl Shared {
    /// For one engine.
    pub fn new(
        counters: Arc<Counters>,
        reports: watch::Receiver<Option<Arc<Report>>>,
        ready: Arc<AtomicBool>,
    ) -> Self {
        let turned = AtomicI64::new(clock::boottime().0);
        Self { counters, reports, ready, last_turn: AtomicU64::new(0), turned }
    }

    fn is_turning(&self) -> bool {
        let (turns, now) = (self.counters.turns.load(Ordering::Relaxed), clock::boottime().0);
        if self.last_turn.swap(turns, Ordering::Relaxed) != turns {
            self.turned.store(now, Ordering::Relaxed);
        }
        now - self.turned.load(Ordering::Relaxed) < STUCK.0
    }
}

/// Serves until it fails.
pub async fn run(listen: SocketAddr, shared: Shared) -> io::Result<()> {
    let router = Router::new()
        .route("/metrics", get(scrape))
        .route("/healthz", get(healthy))
        .route("/readyz", get(ready))
        .with_state(Arc::new(shared));
    let listener = tokio::net::TcpListener::bind(listen).await?;
    axum::serve(listener, router).await
}

async fn scrape(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    let report = shared.reports.borrow().clone();
    let text = metrics::scrape(&shared.counters, report.as_deref());
    let kind = [(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")];
    match text {
        Ok(text) => (StatusCode::OK, kind, text),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, kind, error.to_string()),
    }
}

async fn healthy(State(shared): State<Arc<Shared>>) -> (StatusCode, &'static str) {
    if shared.is_turning() {
        (StatusCode::OK, "turning\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the engine's loop has not turned for a minute\n")
    }
}

async fn ready(State(shared): State<Arc<Shared>>) -> (StatusCode, &'static str) {
    if shared.ready.load(Ordering::Relaxed) {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "no good observation since the start\n")
    }
}
