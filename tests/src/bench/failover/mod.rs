//! Figures of `make bench-failover`: who is back on a good source first, who follows a liar, who says that all is lost.
//!
//! **In:** real parts – lab servers, `chronyd -x` of one suite, our agent with plan and status as files. **Out:** a
//! table and lines for `target/figures/bench-failover.jsonl`. **Never** an assertion on time, and never a loss left out.
//!
//! All contestants of a race ask the same five servers at the same time ([`contestant`]); what each follows is asked of
//! its chronyd thirteen times a second ([`timeline`]), what our agent publishes is read beside ([`told`]). Races sleep
//! most of the time, so a dozen run at once; each has its own servers.
//!
//! - [`course`], [`race`], [`scenes`]: circumstances, the running race, what happens in it
//! - [`figures`]: medians, worst, table, losses
//! - [`truth`]: coverage, True while wrong; [`packets`]: manners

pub mod contestant;
pub mod course;
pub mod figures;
pub mod packets;
pub mod race;
pub mod scenes;
pub mod timeline;
pub mod told;
pub mod truth;

use super::{Aim, Error, Row, agent};
use crate::apiserver::{ApiServer, Options};
use crate::chronyd::ChronyRoot;
use crate::lab::clock;
use figures::Board;
use scenes::{Job, Outcome, Pace, Scene};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use truth::Truth;

/// What is to be measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Which scenes.
    pub scenes: Vec<Scene>,
    /// Polls of the scene `dead`, log2 seconds.
    pub polls: Vec<i8>,
    /// Runs of each (`healthy` is run once).
    pub runs: usize,
    /// How much.
    pub pace: Pace,
    /// Races at the same time.
    pub parallel: usize,
    /// The agent's cost with 4 and 12 sources, watched for so long.
    pub cost: Option<Duration>,
    /// Where our agent's stories are kept.
    pub stories: Option<PathBuf>,
}

impl Plan {
    /// The races, the longest first: they decide when everything is done.
    pub fn jobs(&self) -> Vec<Job> {
        let mut jobs = Vec::new();
        for scene in &self.scenes {
            let polls: &[i8] = if *scene == Scene::Dead { &self.polls } else { &[scenes::POLL] };
            let runs = if *scene == Scene::Healthy { 1 } else { self.runs };
            for poll in polls {
                jobs.extend((1..=runs).map(|run| Job { scene: *scene, poll: *poll, run }));
            }
        }
        jobs.sort_by_key(|job| std::cmp::Reverse(job.length(&self.pace)));
        jobs
    }
}

/// What there is to print and to keep.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Races.
    pub board: Board,
    /// Truth and cost.
    pub rows: Vec<Row>,
    /// What can't be told of the truth, and why.
    pub remarks: Vec<String>,
    /// What was not measured, and why.
    pub broken: Vec<String>,
}

/// Something that takes a thread of its own.
#[derive(Clone, Copy, Debug)]
enum Task {
    Race(Job),
    Cost(Duration),
}

enum Done {
    Race(Job, Box<Outcome>),
    Cost(Vec<Row>),
}

/// Runs everything. What fails is told and left out.
pub fn run(plan: &Plan, root: &ChronyRoot) -> Report {
    let begin = clock::now().boot;
    let races = plan.jobs().into_iter().map(Task::Race);
    let queue: Mutex<VecDeque<Task>> = Mutex::new(races.chain(plan.cost.map(Task::Cost)).collect());
    let done: Mutex<Vec<Done>> = Mutex::default();
    let broken: Mutex<Vec<String>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..plan.parallel.max(1) {
            scope.spawn(|| {
                loop {
                    let next = locked(&queue).pop_front();
                    let Some(task) = next else { return };
                    // A thread for each: what it started ends with it, however it ends.
                    let outcome =
                        std::thread::scope(|inner| inner.spawn(|| perform(task, plan, root)).join());
                    let since = clock::now().boot - begin;
                    match outcome {
                        Ok(Ok(one)) => {
                            println!("  {:>4.0} s: {}", timeline::seconds(since), one.summary());
                            locked(&done).push(one);
                        }
                        Ok(Err(why)) => {
                            println!("  {:>4.0} s: {task:?} failed: {why}", timeline::seconds(since));
                            locked(&broken).push(format!("{task:?}: {why}"));
                        }
                        Err(_) => locked(&broken).push(format!("{task:?} panicked (see above)")),
                    }
                }
            });
        }
    });
    let (mut done, broken) = (into_inner(done), into_inner(broken));
    // In the order of the scenes, not of their ends.
    done.sort_by_key(|one| match one {
        Done::Race(job, _) => (0, Some((job.scene, job.poll, job.run))),
        Done::Cost(_) => (1, None),
    });
    report(done, broken)
}

fn report(done: Vec<Done>, broken: Vec<String>) -> Report {
    let mut report = Report { broken, ..Report::default() };
    let (mut truth, mut live) = (Truth::default(), Truth::default());
    let mut cost = Vec::new();
    // Manners last: their lines come in every race.
    let (mut first, mut last) = (Vec::new(), Vec::new());
    for one in done {
        match one {
            Done::Race(_, outcome) => {
                truth.add(&outcome.truth);
                live.add(&outcome.live);
                let (packets, others): (Vec<_>, Vec<_>) =
                    outcome.measured.into_iter().partition(figures::Measured::is_of_packets);
                first.extend(others);
                last.extend(packets);
            }
            Done::Cost(rows) => cost = rows,
        }
    }
    first.into_iter().chain(last).for_each(|measured| report.board.add(measured));
    report.rows = told_truly(&truth, &live, &mut report.remarks);
    report.rows.extend(cost);
    report
}

fn told_truly(truth: &Truth, live: &Truth, remarks: &mut Vec<String>) -> Vec<Row> {
    remarks.push(format!(
        "truth: {} s of a host wrong beyond maxOffset, {} s of them told True",
        truth.wrong, truth.true_while_wrong
    ));
    for (name, counts) in [("status", truth), ("metrics", live)] {
        remarks.push(format!("{name}: {} samples with a bound, {} covered", counts.samples, counts.covered));
        remarks.extend(counts.misses.iter().map(|miss| format!("  not covered: {miss}")));
    }
    let (Some(percent), Some(metrics)) = (truth.coverage_percent(), live.coverage_percent()) else {
        remarks.push(
            "coverage and True while wrong are void: too few samples, or no host truly wrong".to_owned(),
        );
        return Vec::new();
    };
    let how = "one sample a second of every race; true error = minus the honest servers' offset, against";
    #[expect(clippy::cast_precision_loss, reason = "seconds")]
    let seconds = truth.true_while_wrong as f64;
    let row = |name, value, unit, counts: &Truth, aim, against: &str| {
        let samples = usize::try_from(counts.samples).unwrap_or(usize::MAX);
        Row::new(name, value, unit, samples, aim, &format!("{how} {against}"))
    };
    let all = Aim::AtLeast(100.0);
    let wrong = format!("maxOffset, which it passed for {} s", truth.wrong);
    vec![
        row("coverage_percent", percent, "%", truth, all, "the guaranteed bound in the status as it stands"),
        row("coverage_metrics_percent", metrics, "%", live, all, "the guaranteed bound in /metrics then"),
        row("true_while_wrong_s", seconds, "s", truth, Aim::AtMost(0.0), &wrong),
    ]
}

impl Done {
    fn summary(&self) -> String {
        match self {
            Self::Race(job, outcome) => {
                let values: Vec<_> = outcome.measured.iter().map(figures::Measured::brief).collect();
                format!("{}: {}", job.title(), values.join(", "))
            }
            Self::Cost(_) => "the agent's cost with 4 and 12 sources".to_owned(),
        }
    }
}

/// One task, to its end. Errors as text: they are printed, and their types can't all leave a thread.
fn perform(task: Task, plan: &Plan, root: &ChronyRoot) -> Result<Done, String> {
    match task {
        Task::Race(job) => {
            let outcome = scenes::run(job, &plan.pace, root).map_err(|error| error.to_string())?;
            if let Some(folder) = &plan.stories {
                let file = folder.join(format!("{}.txt", job.title().replace([' ', ','], "-")));
                std::fs::write(&file, &outcome.story)
                    .map_err(|error| format!("{}: {error}", file.display()))?;
            }
            Ok(Done::Race(job, Box::new(outcome)))
        }
        Task::Cost(window) => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| error.to_string())?;
            runtime.block_on(cost(window)).map(Done::Cost).map_err(|error| error.to_string())
        }
    }
}

async fn cost(window: Duration) -> Result<Vec<Row>, Error> {
    let server = ApiServer::start(Options::default()).await?;
    server.install_crds().await?;
    let mut rows = agent::with_sources(&server, 4, window).await?;
    rows.extend(agent::with_sources(&server, 12, window).await?);
    Ok(rows)
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
fn into_inner<T>(mutex: Mutex<T>) -> T {
    mutex.into_inner().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use meantime_core::units::Nanos;

    #[test]
    fn the_longest_race_is_begun_first_and_all_are_run() {
        let plan = Plan {
            scenes: vec![Scene::Dead, Scene::Liars2, Scene::Healthy],
            polls: vec![0, 4],
            runs: 2,
            pace: Pace { warm_up: 70, healthy: Nanos::from_secs(3_000) },
            parallel: 4,
            cost: None,
            stories: None,
        };
        let jobs: Vec<_> = plan.jobs().into_iter().map(|job| (job.scene, job.poll, job.run)).collect();
        assert_eq!(
            jobs,
            [
                (Scene::Healthy, 1, 1),
                (Scene::Dead, 4, 1),
                (Scene::Dead, 4, 2),
                (Scene::Liars2, 1, 1),
                (Scene::Liars2, 1, 2),
                (Scene::Dead, 0, 1),
                (Scene::Dead, 0, 2),
            ]
        );
    }
}
