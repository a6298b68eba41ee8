//! Wiring: the engine, one transport, the HTTP server and the signals in one select. Whoever ends first ends the
//! process: a half-dead agent would look alive.

use crate::args::Args;
use crate::engine::{Ends, Engine, StartError};
use crate::http::{self, Shared};
use crate::metrics::Counters;
use crate::peers;
use crate::publish::{Link, cluster, file};
use meantime_core::peers::ask::EVERY;
use meantime_core::units::Nanos;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{error, info};

/// Why the agent ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It could not begin.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The HTTP server or the signals.
    #[error("{what}: {source}")]
    System {
        /// What failed.
        what: &'static str,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// A task that must not end has ended.
    #[error("the {0} ended by itself")]
    Ended(&'static str),
}

/// Runs until SIGTERM or SIGINT, or until something breaks.
pub async fn run(args: Args) -> Result<(), RunError> {
    let system = |what| move |source| RunError::System { what, source };
    let counters = Arc::new(Counters::default());
    let ready = Arc::new(AtomicBool::new(false));
    let (incoming_tx, incoming) = mpsc::channel(4);
    let (asks, asks_rx) = mpsc::channel(4);
    let (reports, reports_rx) = watch::channel(None);
    let (planned, planned_rx) = watch::channel(None);
    let (heard_tx, heard) = watch::channel(peers::Heard::default());
    let peers = peers::run(
        peers::Config {
            node: args.node.clone(),
            address: args.peer_address,
            port: args.peer_port,
            keys: args.peer_keys.clone(),
            every: args
                .peer_interval
                .map_or(EVERY, |fixed| Nanos(i64::try_from(fixed.as_nanos()).unwrap_or(i64::MAX))),
        },
        peers::Ends {
            planned: planned_rx,
            reports: reports_rx.clone(),
            heard: heard_tx,
            counters: Arc::clone(&counters.peers),
        },
    );
    let mut peers = std::pin::pin!(peers);
    let ends =
        Ends { incoming, asks, reports, counters: counters.clone(), ready: ready.clone(), planned, heard };
    let shared = Shared::new(counters.clone(), reports_rx.clone(), ready);
    let link = Link { incoming: incoming_tx, asks: asks_rx, reports: reports_rx, counters };

    let mut terminate = signal(SignalKind::terminate()).map_err(system("cannot listen for SIGTERM"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(system("cannot listen for SIGINT"))?;
    let engine = Engine::new(args.clone(), ends)?;
    let (stop, stopped) = oneshot::channel::<()>();
    let mut stop = Some(stop);
    let engine = engine.run(async {
        let _ = stopped.await;
    });
    let mut engine = std::pin::pin!(engine);
    let transport = async {
        if args.standalone {
            file::run(&args.node, args.plan_file.clone(), args.status_file.clone(), link).await;
        } else {
            cluster::run(&args.node, link).await;
        }
    };
    let mut transport = std::pin::pin!(transport);
    let http = async {
        match args.listen {
            Some(listen) => http::run(listen, shared).await,
            None => std::future::pending().await,
        }
    };
    let mut http = std::pin::pin!(http);

    let mut outcome = Ok(());
    loop {
        let ended = stop.is_none();
        tokio::select! {
            () = &mut engine => {
                return if ended { outcome } else { Err(RunError::Ended("engine")) };
            }
            () = &mut peers, if !ended => outcome = Err(RunError::Ended("peers' task")),
            () = &mut transport, if !ended => outcome = Err(RunError::Ended("transport")),
            result = &mut http, if !ended => {
                outcome = Err(match result {
                    Ok(()) => RunError::Ended("HTTP server"),
                    Err(source) => RunError::System { what: "cannot serve metrics and health", source },
                });
            }
            _ = terminate.recv() => info!("SIGTERM"),
            _ = interrupt.recv() => info!("SIGINT"),
        }
        if let Err(error) = &outcome {
            error!(%error, "ending");
        }
        // Each way leads through the engine's graceful stop: chronyd dumps before we go.
        if let Some(stop) = stop.take() {
            let _ = stop.send(());
        }
    }
}
