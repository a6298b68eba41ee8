//! Races our agent against chrony alone while sources die or lie; prints a table and appends figures to a file. See
//! `tests/bench/failover`.

use clap::{Parser, ValueEnum};
use meantime_core::units::Nanos;
use meantime_tests::bench::failover::scenes::{Pace, Scene};
use meantime_tests::bench::failover::{self, Plan, Report};
use meantime_tests::bench::{self, Error, Row};
use meantime_tests::chronyd::ChronyRoot;
use meantime_tests::figures::{self, Figure};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

/// The test harness of the agent takes its chrony from here.
const SUITE: &str = "MEANTIME_TEST_SUITE";

/// Groups of figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Group {
    /// The followed source dies.
    Dead,
    /// One or two of five lie.
    Liars,
    /// The followed source's upstream dies.
    Stale,
    /// All die, the host drifts.
    Outage,
    /// Nothing happens.
    Healthy,
    /// The agent's memory and CPU with 4 and 12 sources.
    Cost,
}

impl Group {
    fn scenes(self) -> &'static [Scene] {
        match self {
            Self::Dead => &[Scene::Dead],
            Self::Liars => &[Scene::Liar5ms, Scene::Liar200ms, Scene::Liars2],
            Self::Stale => &[Scene::Stale, Scene::StalePhi],
            Self::Outage => &[Scene::OutageTold],
            Self::Healthy => &[Scene::Healthy],
            Self::Cost => &[],
        }
    }
}

/// Races our agent against chrony alone.
#[derive(Parser)]
struct Args {
    /// Two runs at polls 1 and 2, short histories, a healthy minute: under eight minutes.
    #[arg(long)]
    quick: bool,
    /// Only these groups.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Group>,
    /// Runs of each race.
    #[arg(long)]
    runs: Option<usize>,
    /// Polls of the dying source, seconds, powers of two.
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..=64))]
    polls: Vec<u16>,
    /// Polls before anything happens (70; quick 25).
    #[arg(long)]
    history: Option<i64>,
    /// How long the healthy race is watched, minutes; 60 is the full hour, and makes the whole run longer than one.
    #[arg(long)]
    healthy_minutes: Option<i64>,
    /// How long each settled agent is watched for its cost, seconds.
    #[arg(long)]
    window: Option<u64>,
    /// Races at the same time.
    #[arg(long, default_value_t = 12)]
    parallel: usize,
    /// Debian suite whose chrony all of them run: trixie = 4.6.1, what the agent's image ships; sid has `maxunreach`.
    #[arg(long, env = SUITE, default_value = "trixie")]
    suite: String,
    /// Where figures are appended.
    #[arg(long)]
    figures: Option<PathBuf>,
    /// Commit that is written beside each figure.
    #[arg(long, default_value = "unknown")]
    commit: String,
    /// Where the last status and log of each race's agent are kept.
    #[arg(long)]
    stories: Option<PathBuf>,
}

/// How much, unless told otherwise.
struct Length {
    polls: &'static [u16],
    runs: usize,
    history: i64,
    healthy_minutes: i64,
    window: u64,
}
/// More history than the 64 samples that chronyd keeps. The healthy race is the longest, and all ends within the hour.
const FULL: Length = Length { polls: &[1, 2, 4, 16], runs: 5, history: 70, healthy_minutes: 56, window: 120 };
/// Under eight minutes.
const QUICK: Length = Length { polls: &[1, 2], runs: 2, history: 25, healthy_minutes: 1, window: 40 };

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-failover: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Error> {
    // All contestants run one build; the agent's harness looks into the environment.
    if std::env::var_os(SUITE).is_none_or(|suite| suite != *args.suite) {
        let mut again = Command::new(std::env::current_exe()?);
        again.args(std::env::args_os().skip(1)).env(SUITE, &args.suite);
        return Err(again.exec().into());
    }
    let root = ChronyRoot::of_suite(&args.suite)?;
    let plan = plan(args);
    if let Some(folder) = &args.stories {
        std::fs::create_dir_all(folder)?;
    }
    let (jobs, pace) = (plan.jobs(), plan.pace);
    let work: f64 = jobs.iter().map(|job| failover::timeline::seconds(job.length(&pace))).sum::<f64>() / 60.0;
    println!(
        "{} races with chrony {} ({}), {} at once, {work:.0} race minutes at most; load average {}",
        jobs.len(),
        root.version(),
        args.suite,
        plan.parallel,
        bench::load()
    );
    let Report { board, rows, remarks, broken } = failover::run(&plan, &root);
    println!("\nload average {}\n\n{}", bench::load(), board.table());
    for remark in &remarks {
        println!("{remark}");
    }
    println!("\n{}", bench::table(&rows));
    println!("{}", board.how());
    if let Some(file) = &args.figures {
        let with = format!("chrony {}, agent: {}", root.version(), bench::agent::build());
        let figure = |row: Row| Figure { against: format!("{}; {with}", row.figure.against), ..row.figure };
        let measured: Vec<Figure> = board.rows().into_iter().chain(rows).map(figure).collect();
        figures::append(&measured, file, &args.commit)?;
        println!("appended to {}", file.display());
    }
    if broken.is_empty() { Ok(()) } else { Err(format!("not measured: {}", broken.join("; ")).into()) }
}

fn plan(args: &Args) -> Plan {
    use Group::{Cost, Dead, Healthy, Liars, Outage, Stale};
    let groups = if args.only.is_empty() {
        vec![Dead, Liars, Stale, Outage, Healthy, Cost]
    } else {
        args.only.clone()
    };
    let usual: Length = if args.quick { QUICK } else { FULL };
    let seconds = if args.polls.is_empty() { usual.polls } else { &args.polls };
    let minutes = |minutes| Nanos::from_secs(60).times(minutes);
    let window = Duration::from_secs(args.window.unwrap_or(usual.window));
    Plan {
        scenes: groups.iter().flat_map(|group| group.scenes()).copied().collect(),
        polls: seconds.iter().map(|poll| i8::try_from(poll.ilog2()).unwrap_or(0)).collect(),
        runs: args.runs.unwrap_or(usual.runs),
        pace: Pace {
            warm_up: args.history.unwrap_or(usual.history),
            healthy: minutes(args.healthy_minutes.unwrap_or(usual.healthy_minutes)),
        },
        parallel: args.parallel,
        cost: groups.contains(&Cost).then_some(window),
        stories: args.stories.clone(),
    }
}
