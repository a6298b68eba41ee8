//! Figures of findings and incidents, appended to `target/figures/findings.jsonl`. A figure is no assertion on time.

use crate::desk::{Desk, LEADING, boot, wall};
use crate::month::{begin, tick, world};
use meantime_core::diagnose::finding::Subject;
use meantime_core::diagnose::{Figures, Memory, diagnose};
use meantime_core::source::Scope;
use meantime_tests::bench::load;
use meantime_tests::figures::{Figure, append};
use meantime_tests::fleet::diagnosis;
use meantime_tests::fleet::fault::Fault;
use meantime_tests::fleet::matrix::{Matrix, Word};
use meantime_tests::fleet::run::run;
use meantime_tests::fleet::scenarios::{self, Scenario};
use meantime_tests::fleet::world::{FAULT, World};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

const SEED: u64 = 20_261_122;
const PROFILE: &str = if cfg!(debug_assertions) { "dev profile" } else { "release profile" };

/// Appends and prints.
pub fn write(figures: &[Figure]) {
    let top = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut git = std::process::Command::new("git");
    git.args(["describe", "--always", "--dirty", "--exclude", "*"]).current_dir(top);
    let commit = git.output().ok().filter(|out| out.status.success());
    let commit =
        commit.map_or("none".to_owned(), |out| String::from_utf8_lossy(&out.stdout).trim().to_owned());
    for one in figures {
        println!(
            "{:<34} {:>10.2} {:<8} {} ({} runs)",
            one.figure, one.value, one.unit, one.against, one.runs
        );
    }
    append(figures, &top.join("target/figures/findings.jsonl"), &commit).unwrap();
}

/// One figure.
pub fn figure(name: &str, value: f64, unit: &'static str, runs: usize, against: &str) -> Figure {
    Figure { figure: name.to_owned(), value, unit, runs: runs as u64, against: against.to_owned() }
}

#[expect(clippy::cast_precision_loss, reason = "counts")]
fn count(number: usize) -> f64 {
    number as f64
}

/// Polls from the fault to the first moment at which an expected word stands; none = the word stands from the start, rests on
/// no fault, or the trail does not reach back to it.
fn polls(scenario: &Scenario, world: &World, said: &[Vec<Word>]) -> Option<f64> {
    let begins = world.faults.iter().map(|timed| timed.from).filter(|from| *from >= FAULT).min()?;
    if world.faults.iter().any(|timed| timed.fault == Fault::OperatorRestart) {
        return None;
    }
    // The trail begins two ticks before the usual fault.
    let at = |tick: u32| (tick - (FAULT - 2)) as usize;
    let stands = |words: &Vec<_>| scenario.expect.iter().any(|expected| words.contains(expected));
    let first = said.iter().position(stands).filter(|first| *first >= at(begins))?;
    let told = said.get(first)?.iter().find(|word| scenario.expect.contains(word))?;
    let of = match &told.1 {
        Subject::Source(name) | Subject::SourceFrom { source: name, .. } => Some(name),
        _ => None,
    };
    let slow = |server: &&meantime_tests::fleet::world::Server| server.scope == Scope::Public;
    let concerned = world.servers.iter().filter(|server| of.is_none_or(|name| *name == server.name));
    let every = if concerned.clone().any(|server| slow(&server)) { 4 } else { 1 };
    Some(count(first - at(begins)) / count(every))
}

fn quantile(sorted: &[f64], permille: usize) -> f64 {
    sorted.get((sorted.len() * permille / 1_000).min(sorted.len().saturating_sub(1))).copied().unwrap_or(0.0)
}

#[test]
#[ignore = "make test-long: figures"]
fn figures_of_the_labelled_scenarios() {
    let all = scenarios::all();
    let matrix = Matrix::of(&all, SEED, diagnosis::words);
    println!("{matrix}");
    let how = "labelled scenarios, one seed; wrong_meanwhile: at any moment after the fault";
    let mut figures: Vec<Figure> = [
        ("scenarios", matrix.scenarios),
        ("attributed_right", matrix.attributed_right),
        ("abstained_right", matrix.abstained_right),
        ("wrong", matrix.wrong),
        ("wrong_meanwhile", matrix.wrong_meanwhile),
    ]
    .map(|(name, value)| figure(name, count(value), "", 1, how))
    .into();
    let mut waited = Vec::new();
    for (index, scenario) in all.iter().filter(|one| one.name != "three-thousand-nodes").enumerate() {
        let world = scenario.world(SEED + index as u64);
        waited.extend(polls(scenario, &world, &diagnosis::words(&run(&world))));
    }
    waited.sort_by(f64::total_cmp);
    let how = "labelled scenarios with a fault in the middle of the run; polls (16 s, public 64 s) of the slowest source \
               concerned; time in which a silence of an agent is waited out included";
    for (name, permille) in [("fault_to_finding_polls_p50", 500), ("fault_to_finding_polls_p99", 990)] {
        figures.push(figure(name, quantile(&waited, permille), "polls", waited.len(), how));
    }
    write(&figures);
}

#[test]
#[ignore = "make test-long: figures"]
fn figures_of_a_diagnosis_of_five_thousand_nodes() {
    let mut world = World { ticks: FAULT + 2, peers: true, ..world(5_000, SEED) };
    world.fault(Fault::Dead("gps-a".into()));
    let seen = run(&world);
    let fleet = diagnosis::fleet(&seen, seen.last().unwrap());
    let mut figures = Vec::new();
    let (mut full, mut again) = (Vec::new(), Vec::new());
    for _ in 0..15 {
        let start = Instant::now();
        let (memory, _) = black_box(diagnose(Memory::default(), black_box(&fleet), &Figures::default()));
        full.push(start.elapsed().as_secs_f64() * 1e3);
        let start = Instant::now();
        black_box(diagnose(memory, black_box(&fleet), &Figures::default()));
        again.push(start.elapsed().as_secs_f64() * 1e3);
    }
    for (name, mut times) in [("diagnose_5000_ms", full), ("diagnose_5000_again_ms", again)] {
        times.sort_by(f64::total_cmp);
        let how = format!(
            "aim <= 50 (again: 1); {PROFILE}; 5,000 nodes, 5 sources, 3 ways out; again: with its memory, unchanged \
             input; best {:.1}; load {}",
            times[0],
            load()
        );
        figures.push(figure(name, quantile(&times, 500), "ms", times.len(), &how));
    }
    write(&figures);
}

/// Writes of the operator and of the agents, by target.
fn writes(desk: &Desk, what: &str) -> usize {
    desk.writes.iter().filter(|(target, _)| target.starts_with(what)).map(|(_, count)| count).sum()
}

#[test]
#[ignore = "make test-long: figures"]
fn figures_of_writes_at_rest_and_of_one_incident() {
    let (mut cluster, mut desk) = begin(world(1_000, SEED));
    while cluster.tick < 80 {
        tick(&mut cluster, &mut desk);
    }
    let (rest, beats) = (desk.writes.clone(), cluster.tick);
    let mut statuses = 0;
    while cluster.tick < beats + 38 {
        statuses += tick(&mut cluster, &mut desk).len();
    }
    let spent = |before: &std::collections::BTreeMap<&str, usize>, desk: &Desk| -> String {
        let one =
            |(target, now): (&&str, &usize)| format!("{target} {}", now - before.get(*target).unwrap_or(&0));
        desk.writes.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    let sum = |desk: &Desk| writes(desk, "");
    let before: usize = rest.values().sum();
    let minutes = 38.0 * 16.0 / 60.0;
    let how = format!(
        "1,000 nodes at rest for {minutes:.1} min: operator: {}; agents' statuses apart",
        spent(&rest, &desk)
    );
    let mut figures = vec![
        figure(
            "api_writes_at_rest_per_node_minute",
            count(sum(&desk) - before) / 1_000.0 / minutes,
            "/min",
            1,
            &how,
        ),
        figure(
            "status_writes_at_rest_per_node_minute",
            count(statuses) / 1_000.0 / minutes,
            "/min",
            1,
            "the agents' own, same time",
        ),
    ];
    // One source of five dies for ten minutes.
    let (calm, mut statuses) = (desk.writes.clone(), 0);
    cluster.fault(38, Fault::Dead("gps-a".into()));
    let end = cluster.tick + 38 + 30;
    while cluster.tick < end {
        statuses += tick(&mut cluster, &mut desk).len();
    }
    let how = format!(
        "1,000 nodes, one source of five dead for 10 min, 18 min in all: operator: {}; agents' statuses {statuses} \
         (heartbeats included); events {}",
        spent(&calm, &desk),
        desk.notes
    );
    assert!(!desk.opened.is_empty(), "no incident: the figure would be of something else");
    figures.push(figure(
        "api_writes_per_incident",
        count(writes(&desk, "incident")),
        "writes",
        desk.opened.len(),
        &how,
    ));
    // Two hundred more that are kept.
    let name = desk.opened[0].name.clone();
    let time = |desk: &mut Desk| {
        let mut times: Vec<f64> = (0..7)
            .map(|at| {
                let start = Instant::now();
                black_box(desk.decide(boot(end + at), wall(end + at), LEADING));
                start.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        times.sort_by(f64::total_cmp);
        quantile(&times, 500)
    };
    let few = time(&mut desk);
    let incidents = desk.world.incidents.as_mut().unwrap();
    let model = (*incidents[&name]).clone();
    for number in incidents.len()..200 {
        let mut one = model.clone();
        let copy = format!("{name}-{number}");
        (one.metadata.name, one.metadata.uid) = (Some(copy.clone()), Some(format!("uid-{copy}")));
        if let Some(status) = &mut one.status {
            "Closed".clone_into(&mut status.state);
        }
        incidents.insert(copy, Arc::new(one));
    }
    let many = time(&mut desk);
    let how = format!(
        "{PROFILE}; a whole pass (decide) over 1,000 nodes; with {} incident(s) {few:.1} ms; load {}",
        desk.opened.len(),
        load()
    );
    figures.push(figure("pass_1000_with_200_incidents_ms", many, "ms", 7, &how));
    write(&figures);
}
