//! The operator's program: command line, signals, exit code. Everything else is in the library.

use clap::Parser;
use meantime_core::incident::Figures;
use meantime_core::peers::keys;
use meantime_operator::args::{Cli, Command, RetireArgs, RunArgs};
use meantime_operator::election::Timing;
use meantime_operator::gather::Scope;
use meantime_operator::silence::Limits;
use meantime_operator::{retire, run};
use std::error::Error;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// One thread: the work is waiting, and a pass over 5,000 nodes takes a tenth of a second.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let result = match Cli::parse().command {
        // One large future: on the heap, once.
        Command::Run(args) => Box::pin(run_command(args)).await,
        Command::Retire(args) => retire_command(args).await,
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            tracing::error!(%error, "ended");
            eprintln!("meantime-operator: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run_command(args: RunArgs) -> Result<ExitCode, Box<dyn Error>> {
    let identity = args.place.identity();
    let client = kube::Client::try_default().await?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let config = run::Config {
        scope: Scope {
            namespace: args.place.namespace,
            agent_selector: args.agent_selector,
            watch_seconds: args.watch_seconds,
        },
        identity,
        listen: args.listen,
        timing: Timing::default(),
        limits: Limits::default(),
        incidents: Figures::default(),
        peer_port: args.peer_port,
        key_rotation: keys::ROTATION,
        deployment: args.place.deployment,
    };
    let asked = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("asked to end: giving the Lease back");
    };
    Box::pin(run::run(client, config, asked)).await?;
    Ok(ExitCode::SUCCESS)
}

async fn retire_command(args: RetireArgs) -> Result<ExitCode, Box<dyn Error>> {
    let identity = args.place.identity();
    let client = kube::Client::try_default().await?;
    let place = args.place;
    let mut config = retire::Config::new(place.namespace, identity, place.deployment, args.wait);
    config.strict = args.strict;
    let report = retire::retire(client, config).await?;
    if !report.asked.is_empty() {
        println!(
            "{} nodes were asked to restore their hosts; nothing was waited for (--wait)",
            report.asked.len()
        );
    }
    println!("{} nodes restored, {} not restored", report.restored.len(), report.not_restored.len());
    for (node, why) in &report.not_restored {
        println!("not restored: {node}: {why}");
    }
    let failed = args.strict && !report.not_restored.is_empty();
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
