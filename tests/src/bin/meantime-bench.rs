//! Measures the figures of `make bench`, prints a table and appends them to a file. See `tests/bench/run`.

use clap::{Parser, ValueEnum};
use meantime_tests::apiserver::{ApiServer, Options};
use meantime_tests::bench::{self, Error, Row};
use meantime_tests::figures::{self, Figure};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Groups of figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Group {
    /// 5,000 nodes planned.
    Plan,
    /// Our client against chronyc.
    Candm,
    /// Bytes of a NodeTime.
    Size,
    /// Memory and CPU of an agent.
    Agent,
}

/// Measures the figures.
#[derive(Parser)]
struct Args {
    /// Only these groups.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Group>,
    /// Where figures are appended.
    #[arg(long)]
    figures: Option<PathBuf>,
    /// Commit that is written beside each figure.
    #[arg(long, default_value = "unknown")]
    commit: String,
    /// How long a settled agent is watched, seconds (half of it at the demo's pace).
    #[arg(long, default_value_t = 120)]
    window: u64,
    /// Is the bare client that an agent is compared with.
    #[arg(long, hide = true)]
    bare_kube_client: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = if args.bare_kube_client { bench::agent::bare_client().await } else { run(&args).await };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Result<(), Error> {
    let wanted = |group| args.only.is_empty() || args.only.contains(&group);
    let mut rows: Vec<Row> = Vec::new();
    let mut broken = Vec::new();
    let mut take = |group: Group, measured: Result<Vec<Row>, Error>| match measured {
        Ok(measured) => rows.extend(measured),
        Err(error) => {
            println!("  {group:?} was not measured: {error}");
            broken.push(group);
        }
    };
    println!("load average before: {}", bench::load());
    if wanted(Group::Plan) {
        println!("… planning 5,000 nodes");
        take(Group::Plan, bench::plan::run().await);
    }
    if wanted(Group::Candm) {
        println!("… our client against chronyc, on a chronyd -x with ten lab servers");
        take(Group::Candm, bench::candm::run().await);
    }
    if wanted(Group::Size) || wanted(Group::Agent) {
        println!("… an API server");
        let server = ApiServer::start(Options::default()).await?;
        server.install_crds().await?;
        if wanted(Group::Size) {
            println!("… bytes of a NodeTime");
            take(Group::Size, bench::sizes(&server).await.map_err(Into::into));
        }
        if wanted(Group::Agent) {
            let seconds = args.window + args.window / 2 + 2 * 45;
            println!("… an agent at the product's pace, then at the demo's (about {seconds} s)");
            take(Group::Agent, bench::agent::run(&server, Duration::from_secs(args.window)).await);
        }
    }
    println!("load average after: {}\n\n{}", bench::load(), bench::table(&rows));
    if let Some(file) = &args.figures {
        let measured: Vec<Figure> = rows.into_iter().map(|row| row.figure).collect();
        figures::append(&measured, file, &args.commit)?;
        println!("appended to {}", file.display());
    }
    if broken.is_empty() { Ok(()) } else { Err(format!("not measured: {broken:?}").into()) }
}
