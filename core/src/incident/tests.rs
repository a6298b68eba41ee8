//! The machine against a store that keeps objects as the API server would.

use super::record::{MAX_ACTIONS, MAX_EVIDENCE, MAX_NAMES, MAX_TIMELINE, State, What};
use super::severity::Severity;
use super::*;
use crate::diagnose::finding::{Confidence, Coverage, Kind, Subject};
use proptest::prelude::*;

fn at(seconds: i64) -> BootTime {
    BootTime(Nanos::from_secs(100_000 + seconds).0)
}

fn found(kind: Kind, subject: Subject, since: i64, nodes: &[&str]) -> Finding {
    Finding {
        kind,
        subject,
        since: at(since),
        confidence: Confidence::High,
        coverage: Coverage::default(),
        evidence: vec![format!("{} was seen", kind.word())],
        nodes: nodes.iter().map(|node| (*node).to_owned()).collect(),
    }
}

fn source(name: &str) -> Subject {
    Subject::Source(name.to_owned())
}

fn node(name: &str) -> Subject {
    Subject::Node(name.to_owned())
}

/// Objects, one operator, and what was told.
struct Scene {
    memory: Memory,
    kept: BTreeMap<String, Kept>,
    told: Vec<(Told, String)>,
    writes: usize,
    findings: Vec<Finding>,
    breaches: Vec<Breach>,
    switches: Vec<Switched>,
    unknown: BTreeSet<String>,
    in_contact: bool,
    nodes: usize,
    /// What is created is somebody else's at once; their names.
    stolen: Option<BTreeSet<String>>,
    /// The store shows what was written.
    next: Option<BootTime>,
}

impl Scene {
    fn new() -> Self {
        Self {
            memory: Memory::new(Figures::default()),
            kept: BTreeMap::new(),
            told: Vec::new(),
            writes: 0,
            findings: Vec::new(),
            breaches: Vec::new(),
            switches: Vec::new(),
            unknown: BTreeSet::new(),
            in_contact: true,
            nodes: 12,
            stolen: None,
            next: None,
        }
    }
    fn breach(&mut self, node: &str) {
        self.breaches.push(Breach {
            node: node.to_owned(),
            reason: "OffsetExceeded".to_owned(),
            offset: Some(Nanos::from_millis(91)),
            bound: Some(Nanos::from_micros(410)),
            limit: Some(Nanos::from_millis(50)),
        });
    }
    fn once(&mut self, second: i64) -> Outcome {
        let look = Look {
            now: at(second),
            wall: WallTime(Nanos::from_secs(1_790_000_000 + second).0),
            stamp: format!("20261122-{second:04}"),
            in_contact: self.in_contact,
            findings: &self.findings,
            breaches: self.breaches.clone(),
            switches: self.switches.clone(),
            unknown: self.unknown.clone(),
            nodes: (1..=self.nodes)
                .map(|number| (format!("n{number}"), Some(format!("z{}", number % 2))))
                .collect(),
            others: self.stolen.clone().unwrap_or_default(),
        };
        let out = self.memory.look(&look, &self.kept);
        for change in &out.changes {
            self.writes += 1;
            match change.clone() {
                Change::Create { name, .. } => {
                    if let Some(stolen) = &mut self.stolen {
                        assert!(stolen.insert(name), "a name twice");
                        continue;
                    }
                    let blank = Kept { record: None, generation: 1, age: Nanos::ZERO, acknowledged: None };
                    assert!(self.kept.insert(name, blank).is_none(), "a name twice");
                }
                Change::Write { name, record, told } => {
                    if let Some(told) = told {
                        self.told.push((told, record.cause.word().to_owned()));
                    }
                    self.kept.get_mut(&name).expect("there").record = Some(*record);
                }
                Change::Delete { name } => drop(self.kept.remove(&name)),
            }
        }
        self.next = out.next;
        out
    }
    /// Looks from second to second, like an operator that passes often.
    fn run(&mut self, seconds: std::ops::RangeInclusive<i64>) {
        for second in seconds {
            self.once(second);
        }
    }
    fn restart(&mut self) {
        self.memory = Memory::new(Figures::default());
    }
    fn records(&self) -> Vec<&Record> {
        self.kept.values().filter_map(|one| one.record.as_ref()).collect()
    }
    fn only(&self) -> &Record {
        assert_eq!(self.kept.len(), 1, "{:#?}", self.kept);
        self.records()[0]
    }
    fn states(&self) -> Vec<(String, State)> {
        let mut all: Vec<_> =
            self.records().iter().map(|record| (record.cause.word().to_owned(), record.state)).collect();
        all.sort();
        all
    }
    fn said(&self) -> Vec<Told> {
        self.told.iter().map(|(told, _)| *told).collect()
    }
}

#[test]
fn a_finding_opens_one_incident_that_recovers_and_is_closed() {
    let mut scene = Scene::new();
    scene.findings = vec![found(Kind::SourceDead, source("a"), -10, &["n1", "n2"])];
    scene.run(0..=200);
    let record = scene.only();
    assert_eq!((record.state, record.severity), (State::Open, Severity::P3));
    assert_eq!(record.detect, Nanos::from_secs(11), "from the finding's first evidence, and one look more");
    assert_eq!(record.scope.names, ["n1", "n2"]);
    assert_eq!(record.summary, "TimeSource/a SourceDead: 2 of 12 nodes, all clocks in tolerance");
    assert_eq!(scene.writes, 2, "created and told: then it is quiet");
    scene.findings.clear();
    scene.run(201..=300);
    let record = scene.only();
    assert_eq!((record.state, record.recover), (State::Recovered, Some(Nanos::from_secs(211))));
    assert_eq!(scene.writes, 3);
    scene.run(301..=2_100);
    assert_eq!(scene.only().state, State::Closed);
    assert_eq!(scene.said(), [Told::Opened, Told::Recovered, Told::Closed]);
    let what: Vec<What> = scene.only().timeline.iter().map(|entry| entry.what).collect();
    assert_eq!(what, [What::Detected, What::Recovered, What::Closed]);
}

#[test]
fn a_breach_waits_for_a_finding_and_then_stands_for_itself() {
    let mut scene = Scene::new();
    scene.breach("n2");
    scene.run(0..=29);
    assert!(scene.kept.is_empty());
    assert_eq!(scene.next, Some(at(30)));
    scene.run(30..=31);
    let record = scene.only();
    assert_eq!(record.cause, Cause::Breach { node: "n2".into(), reason: "OffsetExceeded".into() });
    assert_eq!(record.summary, "Node/n2 OffsetExceeded: +91ms ± 410µs (limit 50ms)");
}

#[test]
fn a_breach_that_a_finding_explains_is_part_of_its_incident() {
    let mut scene = Scene::new();
    scene.breach("n1");
    scene.findings = vec![found(Kind::SourceLying, source("a"), 0, &["n1", "n2"])];
    scene.run(0..=100);
    let record = scene.only();
    assert_eq!((record.scope.wrong, record.breached.len()), (1, 1));
    // the finding ends and the node is still wrong: the same trouble still
    scene.findings.clear();
    scene.run(101..=400);
    assert_eq!(scene.only().state, State::Open);
    scene.breaches.clear();
    scene.run(401..=500);
    assert_eq!(scene.only().state, State::Recovered);
}

#[test]
fn an_upstream_cause_that_comes_later_takes_over_what_it_explains() {
    let mut scene = Scene::new();
    scene.breach("n1");
    scene.breach("n2");
    scene.run(0..=100);
    assert_eq!(scene.kept.len(), 2);
    scene.findings = vec![found(Kind::SourceLying, source("a"), 95, &["n1", "n2", "n3"])];
    scene.run(101..=110);
    // The one that told it first goes on as the finding's, the other one is a part of it.
    let mut states = scene.states();
    states.sort();
    assert_eq!(
        states,
        [("OffsetExceeded".to_owned(), State::Closed), ("SourceLying".to_owned(), State::Open)]
    );
    let records = scene.records();
    let whole = scene.kept.iter().find(|(_, one)| one.record.as_ref().unwrap().state == State::Open).unwrap();
    let parts: Vec<_> = records.iter().filter_map(|record| record.joined.clone()).collect();
    assert_eq!(parts, std::slice::from_ref(whole.0));
    let whole = whole.1.record.as_ref().unwrap();
    let told = |what| whole.timeline.iter().filter(|entry| entry.what == what).count();
    assert_eq!((told(What::Refined), told(What::Absorbed)), (1, 1));
    assert_eq!(whole.detect, Nanos::from_secs(31), "told when the first node's breach was");
    assert!(whole.evidence.iter().any(|text| text == "SourceLying was seen"), "{:?}", whole.evidence);
    assert_eq!(scene.said().iter().filter(|told| **told == Told::Opened).count(), 2);
}

#[test]
fn a_consequence_is_part_of_its_cause_whichever_comes_first() {
    let zone = || found(Kind::ZoneCut, Subject::Zone("z1".into()), 0, &["n1", "n3"]);
    let cut = || found(Kind::NodeIsolated, node("n1"), 0, &["n1"]);
    let mut scene = Scene::new();
    scene.findings = vec![cut(), zone()];
    scene.run(0..=20);
    assert_eq!(scene.states(), [("ZoneCut".to_owned(), State::Open)]);
    assert!(scene.only().evidence.contains(&"Node/n1 NodeIsolated follows from this".to_owned()));
    let mut scene = Scene::new();
    scene.findings = vec![cut()];
    scene.run(0..=20);
    scene.findings = vec![zone()];
    scene.run(21..=30);
    assert_eq!(
        scene.states(),
        [("NodeIsolated".to_owned(), State::Closed), ("ZoneCut".to_owned(), State::Open)]
    );
}

#[test]
fn a_more_exact_word_refines_and_a_weaker_one_takes_nothing_back() {
    let mut scene = Scene::new();
    scene.findings = vec![found(Kind::SourceUnusable, source("a"), 0, &["n1"])];
    scene.run(0..=10);
    scene.findings = vec![found(Kind::SourceDead, source("a"), 5, &["n1", "n2"])];
    scene.run(11..=50);
    assert_eq!(scene.only().cause.word(), "SourceDead");
    scene.findings = vec![found(Kind::SourceUnusable, source("a"), 0, &["n1"])];
    scene.run(51..=60);
    assert_eq!(scene.only().cause.word(), "SourceDead");
    let told = scene.only().timeline.iter().filter(|entry| entry.what == What::Refined).count();
    assert_eq!(told, 1);
}

#[test]
fn two_words_that_take_turns_are_told_a_few_times() {
    let mut scene = Scene::new();
    for turn in 0..200 {
        let kind = if turn % 2 == 0 { Kind::SourceStale } else { Kind::SourceUnsynchronised };
        scene.findings = vec![found(kind, source("a"), 0, &["n1"])];
        scene.once(turn);
    }
    assert!(scene.writes <= 10, "{} writes", scene.writes);
    assert!(scene.only().timeline.len() <= MAX_TIMELINE);
}

#[test]
fn what_comes_back_within_half_an_hour_is_the_same_incident() {
    let stands = || vec![found(Kind::SourceDead, source("a"), 0, &["n1"])];
    let mut scene = Scene::new();
    scene.findings = stands();
    scene.run(0..=200);
    scene.findings.clear();
    scene.run(201..=600);
    scene.findings = stands();
    scene.run(601..=700);
    assert_eq!((scene.only().state, scene.only().relapses), (State::Open, 1));
    scene.findings.clear();
    scene.run(701..=700 + 1_900);
    assert_eq!(scene.only().state, State::Closed);
    // after the all-clear too
    scene.findings = stands();
    scene.run(2_601..=2_700);
    assert_eq!((scene.only().state, scene.only().relapses), (State::Open, 2));
    assert_eq!(scene.only().recover, None);
    scene.findings.clear();
    scene.run(2_701..=2_700 + 1_900 + 1_900);
    scene.findings = stands();
    scene.run(6_501..=6_510);
    assert_eq!(scene.kept.len(), 2, "half an hour after the all-clear it is another one");
}

#[test]
fn a_new_operator_goes_on_with_the_same_incident_and_tells_nothing_again() {
    let mut scene = Scene::new();
    scene.breach("n1");
    scene.findings = vec![found(Kind::SourceDead, source("a"), 0, &["n1"])];
    scene.run(0..=100);
    let (told, writes) = (scene.told.clone(), scene.writes);
    scene.restart();
    // The new one has found nothing yet, and its first minute of statuses is all that it has.
    scene.findings.clear();
    let breaches = std::mem::take(&mut scene.breaches);
    scene.run(101..=130);
    scene.breaches = breaches;
    scene.run(131..=160);
    scene.findings = vec![found(Kind::SourceDead, source("a"), 115, &["n1"])];
    scene.run(161..=400);
    assert_eq!(scene.only().state, State::Open);
    assert_eq!((scene.told.clone(), scene.writes), (told, writes), "nothing new, nothing written");
    scene.findings.clear();
    scene.breaches.clear();
    scene.run(401..=500);
    let record = scene.only();
    assert_eq!(record.state, State::Recovered);
    assert!(record.interrupted);
    assert!(record.recover <= Some(Nanos::from_secs(401)), "never more than it was: {:?}", record.recover);
}

#[test]
fn silence_is_no_recovery() {
    let mut scene = Scene::new();
    scene.breach("n1");
    scene.run(0..=100);
    scene.breaches.clear();
    scene.unknown = ["n1".to_owned()].into();
    scene.run(101..=4_000);
    assert_eq!(scene.only().state, State::Open);
    // the node is gone for good: nothing is left to be wrong
    scene.unknown.clear();
    scene.run(4_001..=4_100);
    assert_eq!(scene.only().state, State::Recovered);
    // and watching the silent is no watching
    scene.unknown = ["n1".to_owned()].into();
    scene.run(4_101..=8_000);
    assert_eq!(scene.only().state, State::Recovered);
}

#[test]
fn nothing_recovers_while_the_operator_hears_nobody() {
    let mut scene = Scene::new();
    scene.findings = vec![found(Kind::SourceDead, source("a"), 0, &["n1"])];
    scene.run(0..=200);
    scene.in_contact = false;
    scene.findings.clear();
    scene.run(201..=4_000);
    assert_eq!(scene.only().state, State::Open);
    scene.in_contact = true;
    scene.run(4_001..=4_119);
    assert_eq!(scene.only().state, State::Open, "first it hears everybody");
    scene.run(4_120..=4_130);
    assert_eq!(scene.only().state, State::Recovered);
    scene.run(4_131..=5_000);
    scene.in_contact = false;
    scene.run(5_001..=5_001);
    scene.in_contact = true;
    scene.run(5_002..=6_700);
    assert_eq!(scene.only().state, State::Recovered, "watching begins anew after a gap");
}

#[test]
fn one_that_is_deleted_in_use_is_made_again_only_if_its_cause_stands() {
    let mut scene = Scene::new();
    scene.findings = vec![found(Kind::SourceDead, source("a"), 0, &["n1"])];
    scene.run(0..=50);
    let first = scene.kept.keys().next().unwrap().clone();
    scene.kept.clear();
    scene.run(51..=60);
    assert_eq!(scene.only().state, State::Open);
    assert_ne!(scene.kept.keys().next(), Some(&first));
    scene.findings.clear();
    scene.run(61..=200);
    assert_eq!(scene.only().state, State::Recovered);
    scene.kept.clear();
    scene.run(201..=4_000);
    assert!(scene.kept.is_empty());
}

#[test]
fn what_an_operator_left_half_made_is_finished_or_taken_away() {
    let mut scene = Scene::new();
    scene.findings = vec![found(Kind::SourceDead, source("a"), 0, &["n1"])];
    scene.once(0);
    assert!(scene.records().is_empty(), "created, and nothing told");
    scene.restart();
    scene.once(1);
    assert_eq!(scene.only().state, State::Open, "the same object");
    let mut scene = Scene::new();
    scene.findings = vec![found(Kind::SourceDead, source("a"), 0, &["n1"])];
    scene.once(0);
    scene.restart();
    scene.findings.clear();
    scene.run(1..=130);
    assert!(scene.kept.is_empty());
    assert!(scene.told.is_empty());
}

/// A webhook that makes every object of ours somebody else's does not make us fill the cluster with them.
#[test]
fn what_becomes_somebody_elses_is_tried_again_ever_more_rarely() {
    let mut scene = Scene::new();
    scene.stolen = Some(BTreeSet::new());
    scene.findings = vec![found(Kind::SourceDead, source("a"), 0, &["n1"])];
    scene.run(10..=600);
    assert_eq!(scene.stolen.as_ref().unwrap().len(), 2, "once it may be chance");
    assert!(scene.next.is_some_and(|next| next > at(600)), "it is tried again: {:?}", scene.next);
    for second in (600..86_400).step_by(10) {
        scene.once(second);
    }
    let in_a_day = scene.stolen.take().unwrap().len();
    assert!((5..=9).contains(&in_a_day), "{in_a_day}");
    for second in (86_400..2 * 86_400).step_by(10) {
        scene.once(second);
    }
    assert_eq!(scene.only().state, State::Open, "it is told once the webhook is gone");
}

/// Two operators that both thought that they led, or somebody who copied one.
#[test]
fn of_two_for_one_cause_the_second_is_part_of_the_first() {
    let mut scene = Scene::new();
    scene.findings = vec![found(Kind::SourceDead, source("a"), 0, &["n1"])];
    scene.run(0..=10);
    let copy = scene.kept.values().next().unwrap().clone();
    scene.kept.insert("20991231-2359-copy".to_owned(), copy);
    scene.run(11..=20);
    let dead = |state| ("SourceDead".to_owned(), state);
    assert_eq!(scene.states(), [dead(State::Open), dead(State::Closed)]);
}

/// Of a fleet that was out of tolerance one node is left, with a trouble of its own.
#[test]
fn what_explains_one_of_many_is_not_the_story_of_all() {
    let mut scene = Scene::new();
    scene.nodes = 1_000;
    for number in 1..=500 {
        scene.breach(&format!("n{number}"));
    }
    scene.run(0..=60);
    assert_eq!(scene.only().cause, Cause::Fleet);
    scene.breaches.retain(|breach| breach.node == "n1");
    scene.run(61..=70);
    scene.findings = vec![found(Kind::NodeClockFaulty, Subject::Node("n1".into()), 66, &["n1"])];
    scene.run(71..=200);
    let causes: Vec<String> = scene.records().iter().map(|record| record.cause.word().to_owned()).collect();
    assert!(causes.contains(&"FleetOutOfTolerance".to_owned()), "{causes:?}");
    assert!(causes.contains(&"NodeClockFaulty".to_owned()), "{causes:?}");
}

#[test]
fn many_nodes_without_a_finding_are_one_incident() {
    let mut scene = Scene::new();
    scene.nodes = 1_000;
    for number in 1..=500 {
        scene.breach(&format!("n{number}"));
    }
    scene.run(0..=60);
    let record = scene.only();
    assert_eq!(
        (record.cause.clone(), record.severity, record.scope.wrong),
        (Cause::Fleet, Severity::P1, 500)
    );
    assert_eq!(record.breached.len(), MAX_NAMES);
    scene.findings = vec![found(Kind::SourceLying, source("a"), 50, &[])];
    let all: Vec<String> = (1..=500).map(|number| format!("n{number}")).collect();
    scene.findings[0].nodes = all;
    scene.run(61..=70);
    assert_eq!(scene.only().cause.word(), "SourceLying", "the same one, by its cause");
}

#[test]
fn a_growing_scope_is_no_write_a_second() {
    let mut scene = Scene::new();
    scene.nodes = 1_000;
    for second in 0..=600 {
        let nodes: Vec<String> = (0..=second).map(|number| format!("n{number}")).collect();
        scene.findings = vec![found(Kind::SourceDead, source("a"), 0, &[])];
        scene.findings[0].nodes = nodes;
        scene.once(second);
    }
    assert!(scene.writes <= 2 + 1 + 600 / 30 + 1, "{} writes", scene.writes);
    assert!(scene.only().scope.nodes > 550);
}

#[test]
fn the_first_switch_or_the_first_person_ends_the_time_to_respond() {
    let switched = |node: &str, id: &str, second: i64| Switched {
        node: node.into(),
        id: id.into(),
        at: at(second),
        from: Some("a".into()),
        text: "follows b instead of a".into(),
    };
    let mut scene = Scene::new();
    scene.findings = vec![found(Kind::SourceDead, source("a"), 0, &["n1", "n2"])];
    scene.switches = vec![
        switched("n1", "1", -500),
        switched("n2", "2", 4),
        switched("n9", "3", 2),
        switched("n1", "4", 7),
    ];
    scene.run(10..=40);
    let record = scene.only();
    assert_eq!(record.respond, Some(Nanos::from_secs(4)));
    let ids: Vec<&str> = record.actions.iter().map(|action| action.id.as_str()).collect();
    assert_eq!(ids, ["2", "4"], "neither the old one nor another node's");
    let mut scene = Scene::new();
    scene.findings = vec![found(Kind::SourceDead, source("a"), 0, &["n1", "n2"])];
    scene.run(0..=10);
    for one in scene.kept.values_mut() {
        (one.acknowledged, one.generation) = (Some("jo".into()), 2);
    }
    scene.run(11..=60);
    let record = scene.only();
    assert_eq!((record.respond, record.observed), (Some(Nanos::from_secs(11)), 2));
    assert_eq!(record.timeline.iter().filter(|entry| entry.what == What::Acknowledged).count(), 1);
}

/// What happens to a scene.
#[derive(Clone, Debug)]
enum Step {
    Finding(usize, bool),
    Breach(usize, bool),
    Unknown(usize, bool),
    Contact(bool),
    Restart,
    DeleteOne(usize),
    Wait(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0_usize..9, any::<bool>()).prop_map(|(which, on)| Step::Finding(which, on)),
        4 => (1_usize..13, any::<bool>()).prop_map(|(which, on)| Step::Breach(which, on)),
        1 => (1_usize..13, any::<bool>()).prop_map(|(which, on)| Step::Unknown(which, on)),
        1 => any::<bool>().prop_map(Step::Contact),
        1 => Just(Step::Restart),
        1 => (0_usize..20).prop_map(Step::DeleteOne),
        3 => (1_i64..2_500).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..40)
}

fn one_of(which: usize) -> Finding {
    match which {
        0 => found(Kind::SourceDead, source("a"), 0, &["n1", "n2", "n3"]),
        1 => found(Kind::SourceStale, source("a"), 0, &["n1"]),
        2 => found(Kind::SourceLying, source("b"), 0, &["n2", "n4"]),
        3 => found(Kind::NodeIsolated, node("n1"), 0, &["n1"]),
        4 => found(Kind::ZoneCut, Subject::Zone("z1".into()), 0, &["n1", "n3", "n5"]),
        5 => found(Kind::TooFewIndependentVoters, node("n1"), 0, &["n1"]),
        6 => found(Kind::NodeClockFaulty, node("n4"), 0, &["n4"]),
        7 => found(
            Kind::SourceUnreachableFromEgress,
            Subject::SourceFrom { source: "a".into(), egress: "z1".into() },
            0,
            &["n1", "n3"],
        ),
        _ => found(Kind::AgentSilent, node("n6"), 0, &["n6"]),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    /// Whatever happens: one open incident for one cause, each breach in one, nothing that stands without an incident,
    /// everything bounded.
    #[test]
    fn one_incident_for_one_cause_and_nothing_lost(steps in steps()) {
        let mut scene = Scene::new();
        let mut second = 0;
        let mut on: BTreeSet<usize> = BTreeSet::new();
        let mut wrong: BTreeSet<usize> = BTreeSet::new();
        for step in steps {
            match step {
                Step::Finding(which, true) => drop(on.insert(which)),
                Step::Finding(which, false) => drop(on.remove(&which)),
                Step::Breach(which, true) => drop(wrong.insert(which)),
                Step::Breach(which, false) => drop(wrong.remove(&which)),
                Step::Unknown(which, true) => {
                    wrong.remove(&which);
                    scene.unknown.insert(format!("n{which}"));
                }
                Step::Unknown(which, false) => drop(scene.unknown.remove(&format!("n{which}"))),
                Step::Contact(contact) => scene.in_contact = contact,
                Step::Restart => scene.restart(),
                Step::DeleteOne(which) => {
                    if let Some(name) = scene.kept.keys().nth(which).cloned() {
                        scene.kept.remove(&name);
                    }
                }
                Step::Wait(seconds) => second += seconds,
            }
            scene.findings = on.iter().map(|which| one_of(*which)).collect();
            scene.breaches.clear();
            for which in &wrong {
                scene.breach(&format!("n{which}"));
            }
            // Settled, created, told.
            for wait in [1, 31, 1, 1] {
                second += wait;
                scene.once(second);
            }
            let open: Vec<&Record> = scene.records().into_iter().filter(|one| one.state == State::Open).collect();
            let families: BTreeSet<_> = open.iter().map(|one| one.cause.family()).collect();
            prop_assert_eq!(families.len(), open.len(), "two open incidents for one cause");
            for breach in &scene.breaches {
                let named = open.iter().filter(|one| one.breached.iter().any(|known| known.node == breach.node));
                prop_assert!(named.count() >= 1, "{} is out of tolerance and in no incident", breach.node);
                prop_assert!(scene.memory.held.contains_key(&breach.node));
            }
            for group in cause::Group::all(&scene.findings) {
                let has = open.iter().any(|one| one.cause.family() == group.family())
                    || cause::Group::all(&scene.findings).iter().any(|top| top.explains(group.kind, &group.subject));
                prop_assert!(has, "{:?} stands and has no incident", group.kind);
            }
            for one in scene.records() {
                prop_assert!(one.timeline.len() <= MAX_TIMELINE && one.evidence.len() <= MAX_EVIDENCE);
                prop_assert!(one.actions.len() <= MAX_ACTIONS && one.breached.len() <= MAX_NAMES);
                prop_assert!(one.scope.names.len() <= MAX_NAMES);
                prop_assert_eq!(one.timeline[0].what, What::Detected);
                prop_assert!(one.timeline.iter().all(|entry| entry.after >= Nanos::ZERO));
                prop_assert!(one.joined.is_none() || one.state == State::Closed);
            }
            // Nothing new: nothing is written, but what has become due meanwhile.
            let before = scene.writes;
            scene.once(second);
            prop_assert_eq!(scene.writes, before, "the same look writes again");
        }
    }
}

#[test]
fn what_followed_from_a_trouble_that_is_gone_goes_with_it() {
    let mut scene = Scene::new();
    let zone = found(Kind::ZoneCut, Subject::Zone("z1".into()), 0, &["n1", "n3"]);
    let voters = found(Kind::TooFewIndependentVoters, node("n1"), 0, &["n1"]);
    scene.findings = vec![zone, voters.clone()];
    scene.run(0..=60);
    assert_eq!(scene.records().len(), 1);
    // The zone is back; the node's finding is taken back a few seconds later.
    scene.findings = vec![voters.clone()];
    scene.run(61..=66);
    scene.findings.clear();
    scene.run(67..=200);
    assert_eq!(scene.records().len(), 1, "one trouble, one incident");
    assert_eq!(scene.only().state, State::Recovered);
    // What stays is a trouble of its own.
    scene.findings =
        vec![found(Kind::ZoneCut, Subject::Zone("z1".into()), 300, &["n1", "n3"]), voters.clone()];
    scene.run(300..=320);
    scene.findings = vec![voters];
    scene.once(321);
    assert_eq!(scene.next, Some(at(320 + 30)), "it is looked at when its time has come");
    scene.run(322..=349);
    assert_eq!(scene.records().len(), 1);
    scene.run(350..=352);
    assert_eq!(scene.records().len(), 2);
}
