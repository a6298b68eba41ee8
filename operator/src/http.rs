//! `/metrics`, `/healthz`, `/readyz`.
//!
//! Alive = this answers. Ready = every cache has synced: a follower is ready too, it plans warm and takes over.
//! Neither depends on leading, on chrony, or on how well any node keeps time.

use crate::metrics::Metrics;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::net::TcpListener;

/// Set by the reconcile loop once every store has synced.
#[derive(Clone, Debug, Default)]
pub struct Ready(Arc<AtomicBool>);

impl Ready {
    /// From now on ready.
    pub fn set(&self) {
        self.0.store(true, Ordering::Release);
    }
    /// Whether it is.
    pub fn get(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Why the page can't be served.
#[derive(Debug, thiserror::Error)]
#[error(
    "the address {address} for metrics and health can't be served: {source}; choose another with --listen"
)]
pub struct HttpError {
    /// Where.
    pub address: SocketAddr,
    /// Why.
    #[source]
    pub source: std::io::Error,
}

/// Binds at once, so that a taken port ends the program at its start; the future serves until it is dropped.
pub async fn bind(
    address: SocketAddr,
    metrics: Metrics,
    ready: Ready,
) -> Result<impl Future<Output = Result<(), HttpError>>, HttpError> {
    let failed = move |source| HttpError { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route(
            "/readyz",
            get(move || async move {
                if ready.get() {
                    (StatusCode::OK, "ok\n")
                } else {
                    (StatusCode::SERVICE_UNAVAILABLE, "caches not synced\n")
                }
            }),
        )
        .route(
            "/metrics",
            get(move || async move {
                (
                    [("content-type", "application/openmetrics-text; version=1.0.0; charset=utf-8")],
                    metrics.text(),
                )
            }),
        );
    Ok(async move { axum::serve(listener, router).await.map_err(failed) })
}
