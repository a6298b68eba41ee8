//! A healthy month: nothing that goes on in a cluster without a fault of its time may become an incident, or a finding.
//!
//! What decides is the operator's whole `decide()`; what it reads are statuses as agents publish them, through the real
//! judge, failover, report and cadence. It passes at every status that is more than a heartbeat, whenever a finding is
//! due, and every 64 s besides (a real one passes at each heartbeat too).

use crate::calendar::{self, HOUR, Jump, MONTH};
use crate::cluster::{Cluster, Wrote};
use crate::desk::{Desk, LEADING, boot};
use crate::figures;
use meantime_tests::fleet::noise::Noise;
use meantime_tests::fleet::world::World;
use std::collections::BTreeMap;
use std::time::Instant;

/// What came of a run.
pub struct Ran {
    pub desk: Desk,
    pub told: String,
    pub ticks: u32,
    /// Incidents of nodes whose clock was out of tolerance in truth (a migration of 8 s is no fault, and 8 s are 8 s).
    pub truths: Vec<String>,
    /// All others.
    pub lies: Vec<String>,
    /// Statuses that were written, and of them more than a heartbeat.
    pub written: (u64, u64),
    /// Nodes that said for long that their sources had moved.
    pub accusers: Vec<String>,
}

/// Three zones, each its own way out and with a source of its own; two public sources.
pub fn world(nodes: usize, seed: u64) -> World {
    let mut world = World::empty(seed);
    world.standard().machines.clear();
    for number in 0..nodes {
        let zone = ["a", "b", "c"][number % 3];
        world.machine(&format!("{zone}{:03}", number / 3 + 1), Some(zone), None);
    }
    world
}

/// A cluster with its plans, nothing said yet.
pub fn begin(world: World) -> (Cluster, Desk) {
    let mut desk = Desk::new(&world);
    desk.pass(0, LEADING);
    let plans = desk.plans();
    (Cluster::new(world, &plans), desk)
}

/// One tick and what follows of it.
pub fn tick(cluster: &mut Cluster, desk: &mut Desk) -> Vec<Wrote> {
    let tick = cluster.tick;
    let wrote = cluster.run();
    desk.hear(&wrote);
    let now = boot(tick);
    let due = desk.memory.findings.next_look().is_some_and(|due| due <= now);
    if due || tick.is_multiple_of(4) || wrote.iter().any(|one| one.news) {
        desk.world.ready_agents = cluster.ready().map(str::to_owned).collect();
        let (planned, incidents) = desk.pass(tick, LEADING);
        if incidents {
            desk.pass(tick, LEADING);
        }
        if !planned.is_empty() {
            let plans = desk.plans();
            for name in &planned {
                cluster.replan(name, &plans[name]);
            }
        }
    }
    wrote
}

/// Runs so many nodes for so long.
pub fn run(nodes: usize, (ticks, busy): (u32, u32), seed: u64, jump: Jump) -> Ran {
    let mut world = world(nodes, seed);
    let calendar = calendar::plan(&mut world, ticks, busy, jump);
    let (mut cluster, mut desk) = begin(world);
    let mut noise = Noise::new(seed.wrapping_add(99));
    let (mut truths, mut lies, mut written) = (Vec::new(), Vec::new(), (0_u64, 0_u64));
    let (mut accusing, mut accusers) = (BTreeMap::new(), Vec::new());
    let began = Instant::now();
    while cluster.tick < ticks {
        let now = cluster.tick;
        if calendar.operator.contains(&now) {
            desk.restart();
        }
        if now.is_multiple_of(HOUR / 4) {
            // A quarter of an hour: up to 50 ppb each, and all of a room together.
            let room = noise.around(30);
            let own: Vec<i64> = (0..nodes).map(|_| noise.around(50)).collect();
            cluster.wander(|index, _| room + own[index]);
        }
        let opened = desk.opened.len();
        let wrote = tick(&mut cluster, &mut desk);
        written.0 += wrote.len() as u64;
        for one in &wrote {
            let mut conditions = one.said.status.conditions.iter();
            if conditions.any(|one| one.type_ == "TimeSynchronized" && one.reason == "BoundContradicted") {
                accusing.entry(one.node.clone()).or_insert(now);
            } else {
                accusing.remove(&one.node);
            }
        }
        let long = accusing.iter().filter(|(_, since)| now - **since == IN_DOUBT);
        accusers.extend(long.map(|(node, since)| format!("{node} since tick {since}")));
        written.1 += wrote.iter().filter(|one| one.news).count() as u64;
        for one in &desk.opened[opened..] {
            let line = format!("tick {now}: {}", desk.summary(&one.name));
            if desk.is_true(&one.name, &cluster) { truths.push(line) } else { lies.push(line) }
        }
        if now.is_multiple_of(DAY_OF_LINES) && now > 0 {
            println!(
                "day {} after {:.0} s: {} passes, {} incidents, {} findings, {written:?} statuses; false {lies:?}; in doubt {accusers:?}",
                now / calendar::DAY,
                began.elapsed().as_secs_f64(),
                desk.passes,
                desk.opened.len(),
                desk.found.len(),
            );
        }
    }
    Ran { desk, told: calendar.told, ticks, truths, lies, written, accusers }
}

/// A node that stood still may be in doubt about its sources for so many ticks.
const IN_DOUBT: u32 = 4;
const DAY_OF_LINES: u32 = calendar::DAY / 2;

fn nothing_is_said(ran: &Ran) {
    let found: Vec<String> = ran
        .desk
        .found
        .iter()
        .map(|((kind, subject), (from, to))| format!("{kind:?} {subject:?} from tick {from} to {to}"))
        .collect();
    println!(
        "{} ticks; {}\npasses {}; writes {:?}; events {}; statuses {:?}\ntrue incidents {:#?}\nfalse incidents {:#?}\nfindings {found:#?}",
        ran.ticks,
        ran.told,
        ran.desk.passes,
        ran.desk.writes,
        ran.desk.notes,
        ran.written,
        ran.truths,
        ran.lies
    );
    let how = format!(
        "{} nodes for {:.2} days ({} passes); true ones (a clock out of tolerance in truth): {}; findings {}; {}",
        ran.desk.world.nodes.len(),
        f64::from(ran.ticks) / f64::from(calendar::DAY),
        ran.desk.passes,
        ran.truths.len(),
        found.len(),
        ran.told
    );
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    let false_ones = ran.lies.len() as f64;
    let name = if ran.ticks >= MONTH { "false_incidents_month" } else { "false_incidents_part_of_month" };
    figures::write(&[figures::figure(name, false_ones, "", 1, &how)]);
    assert!(ran.lies.is_empty(), "false incidents: {:#?}", ran.lies);
    assert!(found.is_empty(), "findings: {found:#?}");
    assert!(ran.accusers.is_empty(), "nodes that say their sources moved: {:?}", ran.accusers);
}

fn number(name: &str, otherwise: u32) -> u32 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// All that a month has, a hundred times as often, in half a day of 150 nodes.
#[test]
fn a_busy_day_without_a_fault_opens_no_incident() {
    let nodes = number("MEANTIME_MONTH_NODES", 150);
    let ticks = HOUR * number("MEANTIME_MONTH_HOURS", 12);
    let seed = u64::from(number("MEANTIME_MONTH_SEED", 1));
    nothing_is_said(&run(nodes as usize, (ticks, number("MEANTIME_MONTH_BUSY", 100)), seed, Jump::Both));
}

#[test]
#[ignore = "make test-long: a thousand nodes for thirty days"]
fn a_healthy_month_of_a_thousand_nodes_opens_no_incident() {
    let ticks = MONTH / 30 * number("MEANTIME_MONTH_DAYS", 30);
    nothing_is_said(&run(1_000, (ticks, 1), 20_261_122, Jump::Both));
}

/// All sources and every kernel step at midnight, which was announced: nobody is woken.
#[test]
fn a_leap_second_opens_no_incident() {
    nothing_is_said(&run(30, (8 * HOUR, 1), 1, Jump::LeapSecond));
}

/// A machine that stood still is behind for some minutes, and says so; then it is right and says that.
#[test]
fn migrations_open_no_false_incident() {
    nothing_is_said(&run(150, (12 * HOUR, 100), 1, Jump::Migrations));
}
