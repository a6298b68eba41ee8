//! Both machines drawn from their own transitions: every class of what they can see is put before them, what comes out is
//! put into words, and docs/failover.md has to show exactly that. Nothing here knows a rule of theirs.

use super::drive::Drive;
use super::health::Tracked;
use super::*;
use serde_json::json;
use std::fmt::Write as _;

/// How some of an axis' values are said, which come in order: not all of them, and not none.
type Words = fn(&[usize]) -> String;

/// One thing that a machine looks at.
struct Axis {
    values: usize,
    /// Only neighbours can be said together ("3 or more").
    ordered: bool,
    words: Words,
}

type Point = Vec<usize>;
/// Of each axis, which values.
type Block = Vec<BTreeSet<usize>>;

fn points(sizes: &[usize]) -> Vec<Point> {
    sizes.iter().fold(vec![vec![]], |points, size| {
        let longer =
            |point: &Point| (0..*size).map(|value| [&point[..], &[value]].concat()).collect::<Vec<_>>();
        points.iter().flat_map(longer).collect()
    })
}

fn inside(block: &Block) -> Vec<Point> {
    block.iter().fold(vec![vec![]], |points, values| {
        let longer =
            |point: &Point| values.iter().map(|value| [&point[..], &[*value]].concat()).collect::<Vec<_>>();
        points.iter().flat_map(longer).collect()
    })
}

/// The largest block around a point within a set, axis by axis.
fn grown(point: &Point, set: &BTreeSet<Point>, axes: &[Axis]) -> Block {
    let mut block: Block = point.iter().map(|value| BTreeSet::from([*value])).collect();
    for (at, axis) in axes.iter().enumerate() {
        let here = point[at];
        let mut grow = |values: &mut dyn Iterator<Item = usize>| {
            for value in values {
                let mut wider = block.clone();
                wider[at] = BTreeSet::from([value]);
                if inside(&wider).iter().all(|point| set.contains(point)) {
                    block[at].insert(value);
                } else if axis.ordered {
                    break;
                }
            }
        };
        grow(&mut (0..here).rev());
        grow(&mut (here + 1..axis.values));
    }
    block
}

/// A set of points in words, one text for each block that it takes.
fn causes(set: &BTreeSet<Point>, axes: &[Axis]) -> Vec<String> {
    let mut left = set.clone();
    let mut told = Vec::new();
    while let Some(point) = left.first() {
        let block = grown(point, set, axes);
        let news: Vec<Point> = inside(&block).into_iter().filter(|point| left.remove(point)).collect();
        let words = axes.iter().enumerate().filter_map(|(at, axis)| {
            // What was told before is not told again, unless leaving it out makes the text shorter.
            let needed: BTreeSet<usize> = news.iter().map(|point| point[at]).collect();
            let values: Vec<usize> = needed.into_iter().collect();
            (block[at].len() < axis.values).then(|| (axis.words)(&values))
        });
        told.push(words.collect::<Vec<_>>().join(", "));
    }
    told
}

/// The arrows of a diagram: from, to, by what.
#[derive(Default)]
struct Drawing(BTreeMap<(usize, usize), Vec<String>>);

impl Drawing {
    /// What a machine does from one state; `next` = the state after a point.
    fn add(&mut self, from: usize, axes: &[Axis], next: impl Fn(&Point) -> usize) {
        let sizes: Vec<usize> = axes.iter().map(|axis| axis.values).collect();
        let mut sets: BTreeMap<usize, BTreeSet<Point>> = BTreeMap::new();
        for point in points(&sizes) {
            sets.entry(next(&point)).or_default().insert(point);
        }
        for (to, set) in sets.into_iter().filter(|(to, _)| *to != from) {
            let told = self.0.entry((from, to)).or_default();
            for cause in causes(&set, axes) {
                if !told.contains(&cause) {
                    told.push(cause);
                }
            }
        }
    }

    fn text(&self, states: &[(&str, &str)]) -> String {
        let mut text = "```mermaid\nstateDiagram-v2\n".to_owned();
        for (state, label) in states.iter().filter(|(state, label)| state != label) {
            writeln!(text, "    state \"{label}\" as {state}").unwrap();
        }
        writeln!(text, "    [*] --> {}", states[0].0).unwrap();
        for ((from, to), causes) in &self.0 {
            writeln!(text, "    {} --> {} : {}", states[*from].0, states[*to].0, causes.join("<br/>or "))
                .unwrap();
        }
        text + "```\n"
    }
}

/// docs/failover.md has to have this text between its marks.
fn assert_drawn(mark: &str, drawn: &str) {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/failover.md")).unwrap();
    let begin = format!("<!-- drawn from the code: {mark} -->\n");
    let found = page.split_once(&begin).and_then(|(_, rest)| rest.split_once("<!-- /drawn -->"));
    let found = found.map(|(found, _)| found);
    assert!(
        found == Some(drawn),
        "docs/failover.md should have this between its marks:\n{begin}{drawn}<!-- /drawn -->"
    );
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// `values` of 0..=`most`, where the last one stands for all above.
fn range(values: &[usize], most: usize, what: &str) -> String {
    assert!(values.windows(2).all(|pair| pair[0] + 1 == pair[1]), "no words for {values:?} {what}s");
    match (values[0], values[values.len() - 1]) {
        (0, 0) => format!("no {what}"),
        (from, to) if to == most => format!("{from} or more {what}s"),
        (0, to) => format!("at most {}", counted(to, what)),
        (from, to) if from == to => counted(from, what),
        (from, to) => format!("{from} to {}", counted(to, what)),
    }
}

// The association. Raw figures on every axis: that three polls are many and two probes enough is the code's to say.

const POLLS: usize = 8;
const PROBES: usize = 4;
const POLL: i8 = 4;
const DOUBTS: [Option<Doubt>; 3] = [None, Some(Doubt::Stale), Some(Doubt::Unsynchronised)];

fn probed(value: usize) -> Probed {
    match value {
        0 => Probed::NotAllowed,
        1 => Probed::Answered,
        count => Probed::Unanswered(u32::try_from(count - 2).unwrap()),
    }
}

fn probed_words(values: &[usize]) -> String {
    let counts: Vec<usize> = values.iter().filter(|value| **value > 1).map(|value| value - 2).collect();
    let words = values.iter().filter_map(|value| match value {
        0 => Some("probes not allowed".to_owned()),
        1 => Some("the last probe answered".to_owned()),
        _ => None,
    });
    let lost = (!counts.is_empty()).then(|| format!("{} unanswered", range(&counts, PROBES - 1, "probe")));
    let words: Vec<String> = words.chain(lost).collect();
    if words.len() > 1 { format!("({})", words.join(" or ")) } else { words.concat() }
}

fn association_axes() -> [Axis; 5] {
    [
        Axis {
            values: POLLS + 1,
            ordered: true,
            words: |values| match values {
                [0] => "the last poll answered".to_owned(),
                _ => format!("{} unanswered", range(values, POLLS, "poll")),
            },
        },
        Axis {
            values: DOUBTS.len(),
            ordered: false,
            words: |values| match values {
                [0] => "no doubt".to_owned(),
                [1, 2] => "a doubt".to_owned(),
                _ => panic!("the doubts differ: {values:?} needs words"),
            },
        },
        Axis { values: PROBES + 2, ordered: false, words: probed_words },
        Axis { values: 6, ordered: true, words: |values| format!("for {}", range(values, 5, "poll")) },
        Axis {
            values: 2,
            ordered: true,
            words: |values| {
                if *values == [1] { "with enough samples" } else { "with too few samples" }.to_owned()
            },
        },
    ]
}

/// An association that has been in this state since zero, and has failed so often within its window.
fn tracked(health: Health, failures: u32) -> Tracked {
    serde_json::from_value(json!({ "health": health, "failures": failures, "failed": 0 })).unwrap()
}

fn after(polls: i64) -> BootTime {
    BootTime(0) + Nanos::from_log2_seconds(POLL).times(polls)
}

fn seen(unanswered: u32, doubt: Option<Doubt>, probed: Probed, sampled: bool) -> Sighting {
    Sighting {
        source: "s".into(),
        address: IpAddr::from([10, 0, 0, 1]),
        order: Some(1),
        poll: POLL,
        unanswered,
        sampled,
        rejected: false,
        doubt,
        probed,
        score: 100,
        weight: 100,
    }
}

const STATES: [(&str, &str); 4] =
    [("Healthy", "Healthy"), ("Suspect", "Suspect"), ("Failed", "Failed"), ("Recovering", "Recovering")];

fn all_healths() -> Vec<Health> {
    let since = BootTime(0);
    let failed = DOUBTS.map(|doubt| Health::Failed { since, doubt });
    [vec![Health::Healthy, Health::Suspect { since }], failed.to_vec(), vec![Health::Recovering { since }]]
        .concat()
}

fn state(health: Health) -> usize {
    STATES.iter().position(|(name, _)| *name == health.word()).unwrap()
}

#[test]
fn the_association_is_drawn_as_it_is() {
    let figures = Figures::default();
    let mut drawing = Drawing::default();
    for health in all_healths() {
        drawing.add(state(health), &association_axes(), |point| {
            let mut one = tracked(health, 1);
            let sighting =
                seen(u32::try_from(point[0]).unwrap(), DOUBTS[point[1]], probed(point[2]), point[4] == 1);
            one.step(&sighting, &figures, after(i64::try_from(point[3]).unwrap()));
            state(one.health)
        });
        let mut frozen = tracked(health, 1);
        frozen.freeze(after(100));
        assert_eq!(
            state(frozen.health),
            state(health),
            "nothing is learned while the node itself is suspect"
        );
    }
    assert_drawn("association", &drawing.text(&STATES));
}

#[test]
fn the_proof_after_each_failure_is_as_told() {
    let polls = |failures| {
        (0..=1_000).find(|polls| {
            let mut one = tracked(Health::Recovering { since: BootTime(0) }, failures);
            // The window of an hour must not end meanwhile: only what is out keeps its count.
            one.step(&seen(0, None, Probed::NotAllowed, true), &Figures::default(), after(*polls));
            one.health == Health::Healthy
        })
    };
    let row = |title: &str, cells: &mut dyn Iterator<Item = String>| {
        format!("| {title} | {} |\n", cells.collect::<Vec<_>>().join(" | "))
    };
    let counts = 1..=9_u32;
    let text = row("failures lately", &mut counts.clone().map(|count| count.to_string()))
        + &format!("{}|\n", "|---".repeat(10))
        + &row("polls without a break", &mut counts.map(|count| polls(count).unwrap().to_string()));
    assert_drawn("proof", &text);
}

// The drive: order 2 of three drives, or order 1 as planned.

/// Distinct on purpose: 5 s of jitter, 24 s of three polls, 30 s between checks, 300 s between tries.
const MOMENTS: [i64; 7] = [0, 1, 5, 24, 30, 300, 301];
const DRIVE_POLL: i8 = 3;

#[derive(Clone, Copy, PartialEq)]
enum Drivers {
    Fit,
    Unfit,
    Starting,
    Outvoted,
    Failed,
}

const NOW: [Drivers; 4] = [Drivers::Fit, Drivers::Starting, Drivers::Failed, Drivers::Outvoted];
const BETTER: [Drivers; 3] = [Drivers::Failed, Drivers::Unfit, Drivers::Fit];
const LATER: [Drivers; 2] = [Drivers::Failed, Drivers::Fit];

/// From a moment on, to the last one that makes sense in its stage (index 3, 4 or 6).
fn moment(values: &[usize]) -> String {
    let words = match (MOMENTS[values[0]], values[values.len() - 1]) {
        (5, 3 | 4 | 6) => "after the jitter",
        (24, 3 | 4 | 6) => "after 3 polls and the jitter",
        (30, 4 | 6) => "30 s later",
        (300, 6) => "after 300 s",
        _ => panic!("moments {values:?} need words"),
    };
    words.to_owned()
}

fn drive_axes(better: usize, moments: usize) -> [Axis; 4] {
    [
        Axis {
            values: NOW.len(),
            ordered: false,
            words: |values| match values {
                [0, 1] => "a driver works or starts".to_owned(),
                [2] => "all drivers failed".to_owned(),
                [3] => "all drivers outvoted".to_owned(),
                [2, 3] => "all drivers failed or outvoted".to_owned(),
                _ => panic!("{values:?} needs words"),
            },
        },
        Axis {
            values: better,
            ordered: false,
            words: |values| match values {
                [0] => "no better order works".to_owned(),
                [2] => "a better order is fit".to_owned(),
                [1] => "a better order works, not fit".to_owned(),
                [1, 2] => "a better order works".to_owned(),
                [0, 1] => "no better order is fit".to_owned(),
                _ => panic!("{values:?} needs words"),
            },
        },
        Axis {
            values: LATER.len(),
            ordered: false,
            words: |values| {
                if *values == [1] { "a later order works" } else { "no later order works" }.to_owned()
            },
        },
        Axis { values: moments, ordered: true, words: moment },
    ]
}

/// One look at three orders of one source each.
fn drives(drive: &Drive, orders: [Drivers; 3], asked: bool, now: BootTime) -> Drive {
    let one = |index: u8, drivers: Drivers| {
        let address = IpAddr::from([10, 0, 0, index]);
        let health = match drivers {
            Drivers::Failed => Health::Failed { since: BootTime(0), doubt: None },
            _ => Health::Healthy,
        };
        let sighting = Sighting {
            address,
            order: Some(index),
            poll: DRIVE_POLL,
            rejected: drivers == Drivers::Outvoted,
            score: if drivers == Drivers::Unfit { 84 } else { 85 },
            ..seen(0, None, Probed::NotAllowed, drivers != Drivers::Starting)
        };
        (sighting, (address, tracked(health, 1)))
    };
    let (sightings, tracked): (Vec<_>, BTreeMap<_, _>) =
        (1..).zip(orders).map(|(index, drivers)| one(index, drivers)).unzip();
    let mut next = drive.clone();
    next.asked = asked;
    // The last place of all in the jitter.
    next.step(&sightings, &tracked, &BTreeSet::new(), &Figures::default(), 999, now);
    next
}

const DRIVE_STATES: [(&str, &str); 6] = [
    ("Planned", "order 1 drives, as planned"),
    ("PlannedWaits", "order 1 still drives, its drivers are gone"),
    ("Later", "a later order drives"),
    ("LaterWaits", "a later order still drives, its drivers are gone"),
    ("Proving1", "a better order has passed 1 check of 3"),
    ("Proving2", "a better order has passed 2 checks of 3"),
];

fn drive_state(drive: &Drive) -> usize {
    let passed = serde_json::to_value(drive).unwrap()["passed"][1].as_u64();
    match (drive.order(), drive.waits(), passed) {
        (1, waits, _) => usize::from(waits),
        (_, true, _) => 3,
        (_, false, None) => 2,
        (_, false, Some(passed)) => 3 + usize::try_from(passed).unwrap(),
    }
}

fn second(seconds: i64) -> BootTime {
    BootTime(0) + Nanos::from_secs(seconds)
}

/// A drive from `begin` on, at each of so many moments.
struct Stage {
    drive: Drive,
    begin: i64,
    moments: usize,
}

impl Stage {
    fn new(drive: Drive, begin: i64, moments: usize) -> Self {
        Self { drive, begin, moments }
    }
    fn is_planned(&self) -> bool {
        self.drive.order() == 1
    }
    fn axes(&self) -> [Axis; 4] {
        drive_axes(if self.is_planned() { 1 } else { BETTER.len() }, self.moments)
    }
    fn next(&self, point: &Point, asked: bool) -> Drive {
        let (now, better, later) = (NOW[point[0]], BETTER[point[1]], LATER[point[2]]);
        let orders = if self.is_planned() { [now, later, later] } else { [better, now, later] };
        drives(&self.drive, orders, asked, second(self.begin + MOMENTS[point[3]]))
    }
}

#[test]
fn the_drive_is_drawn_as_it_is() {
    use Drivers::{Failed, Fit};
    let planned = Drive::default();
    let waits = drives(&planned, [Failed, Fit, Fit], false, second(0));
    let later = drives(&waits, [Failed, Fit, Fit], false, second(5));
    let later_waits = drives(&later, [Failed, Failed, Fit], false, second(5));
    let proving = drives(&later, [Fit, Fit, Fit], false, second(305));
    let proven = drives(&proving, [Fit, Fit, Fit], false, second(335));
    let proving_waits = drives(&proving, [Failed, Failed, Fit], false, second(305));
    // From when on a state lasts, and the moments that make sense in it.
    let stages = [
        Stage::new(planned, 0, 7),
        Stage::new(waits, 0, 4),
        Stage::new(later, 5, 7),
        Stage::new(later_waits, 5, 4),
        Stage::new(proving, 305, 5),
        Stage::new(proven, 335, 5),
    ];
    let mut drawing = Drawing::default();
    for stage in &stages {
        drawing.add(drive_state(&stage.drive), &stage.axes(), |point| drive_state(&stage.next(point, false)));
        // A person may always ask, and gets the best order that works, or what would have been anyway.
        let sizes = stage.axes().map(|axis| axis.values);
        for point in points(&sizes) {
            let asked = stage.next(&point, true);
            let works = !stage.is_planned() && BETTER[point[1]] != Failed;
            let wanted = if works { 1 } else { stage.next(&point, false).order() };
            assert_eq!(asked.order(), wanted, "{point:?}");
            assert!(!works || asked.moves().last().unwrap().why == Why::Asked);
        }
    }
    // A try that had begun waits with the drive, and goes on with it.
    let tried = Stage::new(proving_waits, 305, 4);
    for point in points(&tried.axes().map(|axis| axis.values)) {
        let (goes_on, begins) = (tried.next(&point, false), stages[3].next(&point, false));
        assert_eq!((goes_on.order(), goes_on.waits()), (begins.order(), begins.waits()), "{point:?}");
        let stays = goes_on.order() == 2 && !goes_on.waits();
        assert!(!stays || drive_state(&goes_on) == 4, "{point:?}");
    }
    assert_drawn("drive", &drawing.text(&DRIVE_STATES));
}

#[test]
fn the_pause_before_a_try_grows_as_told() {
    let pause = |flaps: u32| {
        let mut drive = serde_json::to_value(Drive::default()).unwrap();
        drive["flaps"] = flaps.into();
        let drive: Drive = serde_json::from_value(drive).unwrap();
        let dead = [Drivers::Failed, Drivers::Fit, Drivers::Fit];
        let moved = drives(&drives(&drive, dead, false, second(0)), dead, false, second(5));
        let back = [Drivers::Fit, Drivers::Fit, Drivers::Fit];
        let tried = |seconds: &i64| drive_state(&drives(&moved, back, false, second(5 + seconds))) == 4;
        (0..20_000).find(tried).unwrap()
    };
    let mut text = "| had to leave again, times | 0 | 1 | 2 | 3 | 4 | 5 | 6 |\n".to_owned()
        + &"|---".repeat(8)
        + "|\n| seconds to the first check |";
    for flaps in 0..=6 {
        write!(text, " {} |", pause(flaps)).unwrap();
    }
    assert_drawn("pause", &(text + "\n"));
}
