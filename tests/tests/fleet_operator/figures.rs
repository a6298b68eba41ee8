//! Figures of findings and incidents, appended to `target/figures/findings.jsonl`. A figure is no assertion on time.

use crate::desk::{Desk, LEADING, boot, wall};
use crate::month::{begin, tick, world};
use meantime_core::diagnose::finding::Subject;
use meantime_core::diagnose::{Figures, Memory, diagnose};
use meantime_core::peers::choose::{Member, choose};
use meantime_core::source::Scope;
use meantime_tests::bench::load;
use meantime_tests::figures::{Figure, append};
use meantime_tests::fleet::diagnosis;
use meantime_tests::fleet::fault::Fault;
use meantime_tests::fleet::matrix::{Matrix, Word};
use meantime_tests::fleet::run::run;
use meantime_tests::fleet::scenarios::{self, Scenario};
use meantime_tests::fleet::world::{FAULT, World};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;

const SEED: u64 = 20_261_122;
/// How these are built.
pub fn profile() -> &'static str {
    match option_env!("CARGO_PROFILE_DEV_OPT_LEVEL") {
        _ if !cfg!(debug_assertions) => "release profile",
        Some("3") => "dev profile (overflow checks), own crates at opt-level 3",
        Some(_) | None => "dev profile (opt-level 1, overflow checks)",
    }
}

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

/// What the thread has computed so far, in ms: other work on the machine does not count.
pub fn computed() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    std::time::Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap()).as_secs_f64()
        * 1e3
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
        let start = computed();
        let (memory, _) = black_box(diagnose(Memory::default(), black_box(&fleet), &Figures::default()));
        full.push(computed() - start);
        let start = computed();
        black_box(diagnose(memory, black_box(&fleet), &Figures::default()));
        again.push(computed() - start);
    }
    for (name, mut times) in [("diagnose_5000_ms", full), ("diagnose_5000_again_ms", again)] {
        times.sort_by(f64::total_cmp);
        let how = format!(
            "aim <= 50 (again: 1); {}; 5,000 nodes, 5 sources, 3 ways out; again: with its memory, unchanged \
             input; processor time, best {:.1}; load {}",
            profile(),
            times[0],
            load()
        );
        figures.push(figure(name, quantile(&times, 500), "ms", times.len(), &how));
    }
    write(&figures);
}

#[test]
#[ignore = "make test-long: figures"]
fn figures_of_who_asks_whom() {
    const NODES: usize = 200_000;
    let names: Vec<String> = (0..NODES).map(|number| format!("node-{number:06}")).collect();
    let mut figures = Vec::new();
    for zones in [&["a", "b"][..], &["a", "b", "c"]] {
        let zone = |number: usize| zones[number % zones.len()];
        let member = |(number, node)| Member { node, zone: Some(zone(number)) };
        let members: Vec<Member<'_>> = names.iter().map(String::as_str).enumerate().map(member).collect();
        let chosen = choose(&members);
        let zone_of: BTreeMap<&str, Option<&str>> = members.iter().map(|one| (one.node, one.zone)).collect();
        let at_home = chosen
            .iter()
            .filter(|(node, asked)| asked.iter().all(|other| zone_of.get(other) == zone_of.get(*node)));
        let (at_home, zones) = (at_home.count(), zones.len());
        let how = format!("one in so many of {NODES} nodes in {zones} zones of one size: {at_home}");
        let name = format!("peers_none_elsewhere_one_in_with_{zones}_zones");
        figures.push(figure(&name, count(NODES) / count(at_home.max(1)), "nodes", 1, &how));
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
    let spent = |before: &BTreeMap<&str, usize>, desk: &Desk| -> String {
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
        figure("writes_at_rest_per_hour", count(sum(&desk) - before) / minutes * 60.0, "/h", 1, &how),
        figure(
            "status_writes_at_rest_per_hour",
            count(statuses) / minutes * 60.0,
            "/h",
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
    // What a Node's conditions cost is the heartbeat of each, every ten minutes; what else is written is the incident's.
    let (all, beats) = (sum(&desk) - calm.values().sum::<usize>(), "node-conditions");
    let beats = writes(&desk, beats) - calm.get(beats).unwrap_or(&0);
    for (name, value) in [
        ("writes_per_incident", all - beats),
        ("writes_per_incident_to_its_object", writes(&desk, "incident")),
    ] {
        figures.push(figure(name, count(value), "writes", desk.opened.len(), &how));
    }
    // Two hundred more that are kept.
    let name = desk.opened[0].name.clone();
    let time = |desk: &mut Desk| {
        let mut times: Vec<f64> = (0..7)
            .map(|at| {
                let start = computed();
                black_box(desk.decide(boot(end + at), wall(end + at), LEADING));
                computed() - start
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
        "{}; a whole pass (decide) over 1,000 nodes, processor time; with {} incident(s) {few:.1} ms; load {}",
        profile(),
        desk.opened.len(),
        load()
    );
    figures.push(figure("pass_1000_with_200_incidents_ms", many, "ms", 7, &how));
    write(&figures);
}
