//! Small fleets, told by hand. The scenarios of `tests/src/fleet` come from what agents publish.

use super::finding::{Confidence, Kind, Subject};
use super::fleet::{Declared, Fleet, Heard, Node, Peer, Report, Trouble, View};
use super::{Figures, Finding, Memory, diagnose};
use crate::clocks::BootTime;
use crate::conditions::{ConditionKind, Reason, Status};
use crate::snapshot::Role;
use crate::source::{Scope, Timescale};
use crate::units::{Nanos, Ppb};
use std::collections::BTreeMap;

const MS: i64 = 1_000_000;
const POLL: Nanos = Nanos::from_secs(16);

/// `nodes`: a zone each; all use s1…s4 of the first zone's site, right within 1 ms.
fn fleet(zones: &[&str]) -> Fleet {
    let sources = (1..=4).map(|index| {
        let declared = Declared { scope: Scope::Site, zone: None };
        (format!("s{index}"), declared)
    });
    let view = |index: usize| View {
        source: format!("s{index}"),
        address: None,
        server: None,
        root: format!("s{index}"),
        role: Role::Driver,
        usable: true,
        rejected: false,
        trouble: None,
        ever: true,
        sample_age: Some(Nanos::from_secs(8)),
        poll: POLL,
        offset: Some(Nanos(0)),
        uncertainty: Some(Nanos(MS)),
        delay: Some(Nanos(MS)),
    };
    let node = |(at, zone): (usize, &&str)| {
        let conditions = BTreeMap::from([
            (ConditionKind::TimeSynchronized, (Status::True, Some(Reason::InTolerance))),
            (ConditionKind::TimeDaemonDown, (Status::False, None)),
        ]);
        let report = Report {
            seen: BootTime(0),
            conditions,
            offset: Some(Nanos(0)),
            bound: Some(Nanos(MS)),
            growth: Ppb::from_ppm(15),
            max_offset: Nanos(50 * MS),
            clock: Some("Observe".into()),
            views: (1..=4).map(view).collect(),
            peers: Vec::new(),
        };
        let node = Node {
            zone: Some((*zone).to_owned()),
            egress: None,
            heard: Heard::Fresh,
            ready: true,
            timescale: Some(Timescale::Utc),
            report: Some(report),
        };
        (format!("n{}", at + 1), node)
    };
    Fleet {
        now: BootTime(0),
        sources: sources.collect(),
        nodes: zones.iter().enumerate().map(node).collect(),
    }
}

/// Changes the views of one source on some nodes (all when none are named).
fn each(fleet: &mut Fleet, nodes: &[&str], source: &str, change: impl Fn(&mut View)) {
    for (name, node) in &mut fleet.nodes {
        if nodes.is_empty() || nodes.contains(&name.as_str()) {
            let views = &mut node.report.as_mut().unwrap().views;
            views.iter_mut().filter(|view| view.source == source || source == "*").for_each(&change);
        }
    }
}

fn silent(trouble: Trouble) -> impl Fn(&mut View) {
    move |view| (view.usable, view.trouble) = (false, Some(trouble))
}

fn at(second: i64) -> BootTime {
    BootTime(Nanos::from_secs(second).0)
}

/// The same fleet later; everybody has written again.
fn later(fleet: &Fleet, second: i64) -> Fleet {
    let mut fleet = fleet.clone();
    fleet.now = at(second);
    for name in fleet.nodes.keys().cloned().collect::<Vec<_>>() {
        writes(&mut fleet, &name, second);
    }
    fleet
}

fn report<'f>(fleet: &'f mut Fleet, name: &str) -> &'f mut Report {
    fleet.nodes.get_mut(name).unwrap().report.as_mut().unwrap()
}

fn writes(fleet: &mut Fleet, name: &str, second: i64) {
    report(fleet, name).seen = at(second);
}

/// What is found when it has been so for a long time.
fn found(fleet: &Fleet) -> Vec<Finding> {
    let mut story = Story::default();
    [0, 200, 400, 600].map(|second| story.look(&later(fleet, second))).into_iter().next_back().unwrap()
}

/// Looks, one after the other.
#[derive(Default)]
struct Story {
    memory: Memory,
}

impl Story {
    fn look(&mut self, fleet: &Fleet) -> Vec<Finding> {
        let (next, findings) = diagnose(std::mem::take(&mut self.memory), fleet, &Figures::default());
        self.memory = next;
        findings
    }
    fn says(&mut self, fleet: &Fleet) -> Vec<(Kind, Subject)> {
        self.look(fleet).into_iter().map(|one| (one.kind, one.subject)).collect()
    }
}

fn said(fleet: &Fleet) -> Vec<(Kind, Subject)> {
    found(fleet).into_iter().map(|one| (one.kind, one.subject)).collect()
}

fn source(name: &str) -> Subject {
    Subject::Source(name.into())
}

#[test]
fn a_healthy_fleet_has_no_findings() {
    for zones in [&["a"][..], &["a", "a"], &["a", "a", "b"], &["a"; 30]] {
        assert_eq!(said(&fleet(zones)), []);
    }
}

#[test]
fn dead_or_blocked_is_told_by_a_second_way_to_it() {
    let mut one_way = fleet(&["a", "a", "a"]);
    each(&mut one_way, &[], "s1", silent(Trouble::TimedOut));
    assert_eq!(said(&one_way), [(Kind::SourceUnusable, source("s1"))]);
    let mut two_ways = fleet(&["a", "a", "b", "b"]);
    each(&mut two_ways, &[], "s1", silent(Trouble::TimedOut));
    assert_eq!(said(&two_ways), [(Kind::SourceDead, source("s1"))]);
    each(&mut two_ways, &["n3", "n4"], "s1", |view| (view.usable, view.trouble) = (true, None));
    let from = Subject::SourceFrom { source: "s1".into(), egress: "a".into() };
    assert_eq!(said(&two_ways), [(Kind::SourceUnreachableFromEgress, from)]);
    let mut refused = fleet(&["a", "a", "a"]);
    each(&mut refused, &[], "s1", silent(Trouble::Refused));
    assert_eq!(said(&refused), [(Kind::SourceDead, source("s1"))]);
}

#[test]
fn pairs_that_never_worked_are_no_evidence() {
    let mut fleet = fleet(&["a", "a", "b", "b"]);
    each(&mut fleet, &[], "s1", |view| {
        (view.usable, view.trouble, view.ever) = (false, Some(Trouble::TimedOut), false);
    });
    assert_eq!(said(&fleet), []);
}

#[test]
fn a_node_that_hears_nothing_accuses_no_source() {
    let mut fleet = fleet(&["a", "a", "b", "b"]);
    each(&mut fleet, &["n1"], "*", silent(Trouble::TimedOut));
    assert_eq!(said(&fleet), [(Kind::NodeCutOff, Subject::Node("n1".into()))]);
    each(&mut fleet, &["n2"], "*", silent(Trouble::TimedOut));
    assert_eq!(said(&fleet), [(Kind::ZoneCut, Subject::Zone("a".into()))]);
}

#[test]
fn a_liar_is_told_from_two_ways_and_a_path_by_its_delay() {
    let mut fleet_one = fleet(&["a", "a", "a"]);
    let lie = |view: &mut View| {
        (view.usable, view.rejected, view.offset) = (false, true, Some(Nanos(-200 * MS)));
    };
    each(&mut fleet_one, &[], "s2", lie);
    assert_eq!(said(&fleet_one), [(Kind::SourceDisagrees, source("s2"))]);
    let mut two = fleet(&["a", "a", "b", "b"]);
    each(&mut two, &[], "s2", lie);
    assert_eq!(said(&two), [(Kind::SourceLying, source("s2"))]);
    assert_eq!(found(&two)[0].confidence, Confidence::High);
    let mut path = fleet(&["a", "a", "b", "b"]);
    each(&mut path, &["n1", "n2"], "s2", |view| {
        (view.usable, view.rejected, view.offset) = (false, true, Some(Nanos(-9 * MS)));
        view.delay = Some(Nanos(20 * MS));
    });
    let from = Subject::SourceFrom { source: "s2".into(), egress: "a".into() };
    assert_eq!(said(&path), [(Kind::PathAsymmetric, from)]);
}

fn off(fleet: &mut Fleet, nodes: &[&str], by: Nanos) {
    each(fleet, nodes, "*", |view| view.offset = Some(by));
    for name in nodes {
        let report = fleet.nodes.get_mut(*name).unwrap().report.as_mut().unwrap();
        report.offset = Some(by);
        report.conditions = BTreeMap::from([(
            ConditionKind::TimeSynchronized,
            (Status::False, Some(Reason::OffsetExceeded)),
        )]);
    }
}

#[test]
fn a_wrong_clock_is_the_nodes_own_and_never_a_whole_zones() {
    let mut fleet_one = fleet(&["a", "a", "b", "b"]);
    off(&mut fleet_one, &["n3"], Nanos(120 * MS));
    assert_eq!(said(&fleet_one), [(Kind::NodeClockFaulty, Subject::Node("n3".into()))]);
    off(&mut fleet_one, &["n4"], Nanos(120 * MS));
    assert_eq!(said(&fleet_one), [(Kind::ClockGroupsDisagree, Subject::Cluster)]);
}

#[test]
fn the_words_of_a_source_are_its_own() {
    for (trouble, kind) in [
        (Trouble::Stale, Kind::SourceStale),
        (Trouble::Unsynchronised, Kind::SourceUnsynchronised),
        (Trouble::Kissed, Kind::RateLimited),
        (Trouble::NotAuthentic, Kind::AuthFailed),
        (Trouble::Unresolved, Kind::NameUnresolved),
    ] {
        let mut fleet = fleet(&["a", "a", "b", "b"]);
        each(&mut fleet, &[], "s3", silent(trouble));
        assert_eq!(said(&fleet), [(kind, source("s3"))], "{trouble:?}");
        let mut one = super::tests::fleet(&["a", "a", "b", "b"]);
        each(&mut one, &["n1"], "s3", silent(trouble));
        assert_eq!(said(&one), [], "one node alone proves nothing: {trouble:?}");
    }
}

#[test]
fn agents_that_are_not_heard_are_no_source_s_fault() {
    let mut fleet = fleet(&["a", "a", "b", "b", "b"]);
    fleet.nodes.get_mut("n1").unwrap().heard = Heard::Silent(Nanos::from_secs(700));
    assert_eq!(said(&fleet), [(Kind::AgentSilent, Subject::Node("n1".into()))]);
    fleet.nodes.get_mut("n2").unwrap().heard = Heard::Silent(Nanos::from_secs(700));
    assert_eq!(said(&fleet), [(Kind::ZoneSilent, Subject::Zone("a".into()))]);
}

#[test]
fn a_blink_is_not_told_and_what_ended_is_taken_back_later() {
    let mut fleet = fleet(&["a", "a", "b", "b"]);
    let healthy = fleet.clone();
    each(&mut fleet, &[], "s1", silent(Trouble::TimedOut));
    let mut story = Story::default();
    let mut at = |fleet: &Fleet, second: i64| story.look(&Fleet { now: at(second), ..fleet.clone() }).len();
    // Both in one second: it was not there, and is.
    assert_eq!([at(&fleet, 0), at(&healthy, 0)], [0; 2]);
    assert_eq!([at(&fleet, 0), at(&fleet, 9), at(&healthy, 10), at(&fleet, 11), at(&fleet, 20)], [0; 5]);
    assert_eq!([at(&fleet, 21), at(&healthy, 50), at(&healthy, 51)], [1, 1, 0]);
}

/// Law 2: silence of agents is no evidence against a source.
#[test]
fn too_few_reporters_say_nothing_of_sources() {
    let mut fleet = fleet(&["a", "a", "b", "b", "c", "c", "c"]);
    each(&mut fleet, &[], "s1", silent(Trouble::TimedOut));
    assert_eq!(said(&fleet), [(Kind::SourceDead, source("s1"))]);
    for name in ["n2", "n4", "n5", "n6", "n7"] {
        fleet.nodes.get_mut(name).unwrap().heard = Heard::Silent(Nanos::from_secs(700));
    }
    assert!(
        said(&fleet).iter().all(|(kind, _)| matches!(kind, Kind::AgentSilent | Kind::ZoneSilent)),
        "two of seven"
    );
}

/// Whoever tolerates five seconds cannot vouch for a source to one who tolerates fifty milliseconds.
#[test]
fn the_limit_is_the_suspects_own() {
    let mut fleet = fleet(&["a", "a", "b", "b"]);
    each(&mut fleet, &[], "*", |view| view.offset = Some(Nanos(1_000 * MS)));
    for name in ["n2", "n3", "n4"] {
        fleet.nodes.get_mut(name).unwrap().report.as_mut().unwrap().max_offset = Nanos::from_secs(5);
    }
    off(&mut fleet, &["n1"], Nanos(1_000 * MS));
    assert!(said(&fleet).iter().all(|(kind, _)| *kind != Kind::NodeClockFaulty), "{:?}", said(&fleet));
}

/// Two of three suspects are all of zone b; 30 nodes would allow three.
#[test]
fn a_zone_is_not_faulty_whoever_else_is() {
    let mut zones = vec!["a"; 28];
    zones.extend(["b", "b"]);
    let mut fleet = fleet(&zones);
    off(&mut fleet, &["n1", "n29", "n30"], Nanos(120 * MS));
    assert!(said(&fleet).iter().all(|(kind, _)| *kind != Kind::NodeClockFaulty), "{:?}", said(&fleet));
}

/// Nobody else ever heard it, and one node says that it is refused.
#[test]
fn one_nodes_word_kills_no_source() {
    let mut fleet = fleet(&["a", "a", "b", "b"]);
    each(&mut fleet, &[], "s4", |view| (view.usable, view.ever) = (false, false));
    each(&mut fleet, &["n1"], "s4", |view| (view.ever, view.trouble) = (true, Some(Trouble::Refused)));
    assert_eq!(said(&fleet), []);
}

/// One node of each of two zones rejects what the third zone believes.
#[test]
fn one_node_of_a_zone_is_not_the_zone() {
    let mut fleet = fleet(&["a", "b", "c", "c"]);
    each(&mut fleet, &["n1", "n2"], "s2", |view| {
        (view.usable, view.rejected, view.offset) = (false, true, Some(Nanos(-200 * MS)));
    });
    assert_eq!(said(&fleet), []);
}

/// Without a zone there is no zone that is silent.
#[test]
fn unlabelled_nodes_are_no_zone() {
    let mut fleet = fleet(&["a", "a", "b", "b", "b"]);
    for name in ["n1", "n2"] {
        let node = fleet.nodes.get_mut(name).unwrap();
        (node.zone, node.heard) = (None, Heard::Silent(Nanos::from_secs(700)));
    }
    let silent = |name: &str| (Kind::AgentSilent, Subject::Node(name.into()));
    assert_eq!(said(&fleet), [silent("n1"), silent("n2")]);
}

/// Two of four, in two zones: no node's own clock any more.
#[test]
fn many_are_not_faulty() {
    let mut fleet = fleet(&["a", "a", "b", "b"]);
    off(&mut fleet, &["n1", "n3"], Nanos(120 * MS));
    assert!(said(&fleet).iter().all(|(kind, _)| *kind != Kind::NodeClockFaulty), "{:?}", said(&fleet));
}

/// One node says that it is stale, and nobody else hears it.
#[test]
fn one_nodes_word_on_what_a_source_says_is_not_enough() {
    let mut fleet = fleet(&["a", "b", "b"]);
    each(&mut fleet, &[], "s3", silent(Trouble::TimedOut));
    each(&mut fleet, &["n1"], "s3", silent(Trouble::Stale));
    assert!(said(&fleet).iter().all(|(kind, _)| *kind != Kind::SourceStale), "{:?}", said(&fleet));
}

fn here(source: &str, egress: &str) -> (Kind, Subject) {
    let subject = Subject::SourceFrom { source: source.into(), egress: egress.into() };
    (Kind::SourceUnreachableFromEgress, subject)
}

/// Zone a has told of its silence, zone b writes every five minutes when it has nothing to tell: what b said before is no
/// proof that it hears the source now.
#[test]
fn a_word_that_rests_on_others_waits_until_theirs_is_of_the_same_time() {
    let fault = |now: i64, ready: bool| {
        let mut fleet = fleet(&["a", "a", "b", "b"]);
        fleet.now = at(now);
        each(&mut fleet, &["n1", "n2"], "s1", silent(Trouble::TimedOut));
        for (name, other) in [("n1", "n3"), ("n2", "n4")] {
            writes(&mut fleet, name, 100);
            fleet.nodes.get_mut(other).unwrap().ready = ready;
        }
        fleet
    };
    // Silent agents would not have told: never. Those in contact would have, after four polls and a minute.
    let mut story = Story::default();
    for now in (100..1_000).step_by(10) {
        assert_eq!(story.says(&fault(now, false)), [], "{now}");
    }
    let mut story = Story::default();
    let first = (100..1_000).step_by(2).find(|now| !story.says(&fault(*now, true)).is_empty());
    assert_eq!(first, Some(100 + 4 * 16 + 60 + 2 * 16));
    // An answer that is younger than the silence proves it at once; who is silent may hear it again within two polls.
    let mut story = Story::default();
    story.look(&fault(100, true));
    let fresh = |now: i64| {
        let mut fleet = fault(now, true);
        for name in ["n3", "n4"] {
            writes(&mut fleet, name, 111);
        }
        // What else a hears is of now as well.
        for name in ["n1", "n2"] {
            writes(&mut fleet, name, 111);
        }
        fleet
    };
    let first = (112..1_000).step_by(2).find(|now| !story.says(&fresh(*now)).is_empty());
    assert_eq!(first, Some(112 + 2 * 16));
    assert_eq!(story.says(&fresh(300)), [here("s1", "a")]);
}

/// A dead source comes back: zone a hears it first.
#[test]
fn a_source_that_comes_back_is_nowhere_unreachable() {
    let well = fleet(&["a", "a", "b", "b"]);
    let mut dead = well.clone();
    each(&mut dead, &[], "s1", silent(Trouble::TimedOut));
    let mut half = well.clone();
    each(&mut half, &["n3", "n4"], "s1", silent(Trouble::TimedOut));
    let mut story = Story::default();
    story.look(&later(&dead, 0));
    assert_eq!(story.says(&later(&dead, 60)), [(Kind::SourceDead, source("s1"))]);
    for now in 61..93 {
        let said = story.says(&later(&half, now));
        assert!(said.iter().all(|(kind, _)| *kind == Kind::SourceDead), "{now}: {said:?}");
    }
    assert_eq!(story.says(&later(&well, 93)), []);
}

/// One agent says that it hears what nobody else does: it may be right, or misled.
#[test]
fn one_agent_hides_no_dead_source() {
    let mut fleet = fleet(&["a", "a", "b", "b", "c", "c"]);
    each(&mut fleet, &["n1", "n2", "n3", "n4", "n5"], "s1", silent(Trouble::TimedOut));
    assert_eq!(said(&fleet), [(Kind::SourceUnusable, source("s1"))]);
    each(&mut fleet, &["n5"], "s1", |view| (view.usable, view.trouble) = (true, None));
    assert_eq!(said(&fleet), [here("s1", "a"), here("s1", "b")]);
}

/// After its restart a chronyd has never heard the source that it heard for a year.
#[test]
fn what_worked_before_a_restart_is_remembered() {
    let well = fleet(&["a", "a", "b", "b"]);
    let mut dead = well.clone();
    each(&mut dead, &[], "s1", |view| {
        (view.usable, view.ever, view.trouble) = (false, false, Some(Trouble::TimedOut));
    });
    let mut story = Story::default();
    story.look(&later(&well, 0));
    story.look(&later(&dead, 100));
    assert_eq!(story.says(&later(&dead, 200)), [(Kind::SourceDead, source("s1"))]);
    // Another member of a pool is another server.
    let mut moved = dead.clone();
    each(&mut moved, &[], "s1", |view| view.address = Some("10.9.9.9".into()));
    story.look(&later(&moved, 300));
    assert_eq!(story.says(&later(&moved, 400)), []);
}

#[test]
fn a_server_is_the_same_at_each_address_of_its_name() {
    let mut well = fleet(&["a", "a", "b", "b"]);
    each(&mut well, &[], "s1", |view| view.server = Some(1));
    let mut moved = well.clone();
    each(&mut moved, &[], "s1", |view| {
        (view.usable, view.ever, view.trouble) = (false, false, Some(Trouble::TimedOut));
        view.address = Some("fd00::9".into());
    });
    let mut story = Story::default();
    story.look(&later(&well, 0));
    story.look(&later(&moved, 100));
    assert_eq!(story.says(&later(&moved, 200)), [(Kind::SourceDead, source("s1"))]);
    // Declared anew with an address that never worked: that is no evidence against it.
    each(&mut moved, &[], "s1", |view| view.server = Some(2));
    story.look(&later(&moved, 300));
    assert_eq!(story.says(&later(&moved, 400)), []);
}

#[test]
fn one_peer_alone_does_not_prove_that_a_silent_node_lives() {
    let mut fleet = fleet(&["a", "a", "b", "b", "b"]);
    fleet.nodes.get_mut("n1").unwrap().heard = Heard::Silent(Nanos::from_secs(700));
    let sees = |fleet: &mut Fleet, name: &str| {
        let peer = Peer { node: "n1".into(), answers: true, ever: true, offset: None, uncertainty: None };
        report(fleet, name).peers.push(peer);
    };
    sees(&mut fleet, "n2");
    assert_eq!(said(&fleet), [(Kind::AgentSilent, Subject::Node("n1".into()))]);
    sees(&mut fleet, "n4");
    assert_eq!(said(&fleet), [(Kind::ControlPlaneCut, Subject::Node("n1".into()))]);
}

/// Most sources jump. One node polls them first, and believes that its own clock is off.
#[test]
fn who_sees_a_lie_first_is_not_faulty() {
    let mut first = fleet(&["a", "a", "b", "b"]);
    off(&mut first, &["n1"], Nanos(120 * MS));
    let mut story = Story::default();
    // The others' words are of before, for the four polls and the minute in which they would tell.
    for now in (100..220).step_by(4) {
        let mut fleet = later(&first, 90);
        fleet.now = at(now);
        writes(&mut fleet, "n1", 100);
        assert_eq!(story.says(&fleet), [], "{now}");
    }
}

/// Law 9: offsets wander at every look, and each telling is a write on the object.
#[test]
fn a_standing_finding_keeps_its_words() {
    let mut story = Story::default();
    let mut told = Vec::new();
    for step in 0..60 {
        let mut fleet = fleet(&["a", "a", "b", "b"]);
        each(&mut fleet, &[], "s2", |view| {
            (view.usable, view.rejected, view.offset) = (false, true, Some(Nanos((-200 - step) * MS)));
        });
        told.extend(story.look(&later(&fleet, step * 5)).into_iter().map(|one| one.evidence));
    }
    assert_eq!(told.len(), 58, "it stands from the tenth second on");
    told.dedup();
    assert_eq!(told.len(), 1, "{told:?}");
}

/// While the operator heard nobody, no time passed for what is held or about to end.
#[test]
fn a_gap_is_no_hold() {
    let well = fleet(&["a", "a", "b", "b"]);
    let mut dead = well.clone();
    each(&mut dead, &[], "s1", silent(Trouble::TimedOut));
    let mut story = Story::default();
    assert_eq!(story.says(&later(&dead, 0)), []);
    story.memory.after_gap(at(500));
    assert_eq!(story.says(&later(&dead, 500)), []);
    assert_eq!(story.says(&later(&dead, 509)), []);
    assert_eq!(story.says(&later(&dead, 510)).len(), 1);
    assert_eq!(story.says(&later(&well, 511)).len(), 1);
    story.memory.after_gap(at(900));
    assert_eq!(story.says(&later(&well, 901)).len(), 1, "it has been seen gone for a second only");
    assert_eq!(story.says(&later(&well, 940)), []);
}

/// A pool is one source, and each of its members a root of its own.
#[test]
fn members_of_a_pool_are_several_voters() {
    let mut fleet = fleet(&["a"]);
    for (at, view) in report(&mut fleet, "n1").views.iter_mut().enumerate() {
        (view.source, view.root) = ("pool".into(), format!("pool/10.0.0.{at}"));
    }
    assert_eq!(said(&fleet), []);
    each(&mut fleet, &[], "*", |view| view.root = "pool".into());
    assert_eq!(said(&fleet), [(Kind::TooFewIndependentVoters, Subject::Node("n1".into()))]);
}

/// One plan with two sources is one finding, on however many nodes it runs.
#[test]
fn too_few_voters_on_many_nodes_are_one_finding() {
    let mut fleet = fleet(&["a"; 9]);
    each(&mut fleet, &[], "*", |view| view.root = "roof".into());
    assert_eq!(said(&fleet), [(Kind::TooFewIndependentVoters, Subject::Cluster)]);
}

/// One stray node between two groups ties nothing together.
#[test]
fn two_groups_are_told_in_spite_of_one_node_between_them() {
    let mut fleet = fleet(&["a", "a", "a", "b", "b", "b", "b"]);
    off(&mut fleet, &["n1", "n2", "n3"], Nanos(90 * MS));
    each(&mut fleet, &["n4"], "*", |view| view.offset = Some(Nanos(45 * MS)));
    assert_eq!(said(&fleet), [(Kind::ClockGroupsDisagree, Subject::Cluster)]);
    // Of another scale nobody is compared.
    for name in ["n1", "n2", "n3"] {
        fleet.nodes.get_mut(name).unwrap().timescale = Some(Timescale::Smear("s".into()));
    }
    assert_eq!(said(&fleet), [(Kind::MixedTimescales, Subject::Cluster)]);
}

/// The same fleet later; nobody has written since.
fn unwritten(fleet: &Fleet, second: i64) -> Fleet {
    Fleet { now: at(second), ..fleet.clone() }
}

#[test]
fn a_peers_answer_from_before_does_not_tell_how_far_a_node_is_cut_off() {
    let mut fleet = fleet(&["a", "b", "b"]);
    let answers = Peer { node: "n2".into(), answers: true, ever: true, offset: None, uncertainty: None };
    report(&mut fleet, "n1").peers = vec![answers];
    let mut story = Story::default();
    story.look(&fleet);
    each(&mut fleet, &["n1"], "*", silent(Trouble::TimedOut));
    let deaf = later(&fleet, 100);
    assert_eq!(story.says(&deaf), []);
    // Four polls and a minute later the others would have told: that is looked at though nobody writes.
    assert_eq!(story.memory.next_look(&Figures::default()), Some(at(224)));
    assert_eq!(story.says(&unwritten(&deaf, 224)), []);
    let is = |kind| vec![(kind, Subject::Node("n1".into()))];
    assert_eq!(story.says(&unwritten(&deaf, 256)), is(Kind::NodeCutOff));
    // Three questions to a peer, a minute apart and a tenth late each, would have told by then.
    assert_eq!(story.memory.next_look(&Figures::default()), Some(at(302)));
    assert_eq!(story.says(&unwritten(&deaf, 301)), is(Kind::NodeCutOff));
    assert_eq!(story.says(&unwritten(&deaf, 302)), is(Kind::NtpBlockedOnNode));
}

#[test]
fn a_machine_that_boots_is_not_told_of_and_one_that_stays_away_is() {
    let mut fleet = fleet(&["a", "a", "b", "b", "c"]);
    let mut story = Story::default();
    story.look(&later(&fleet, 0));
    let away = |fleet: &mut Fleet, second: i64| {
        let node = fleet.nodes.get_mut("n1").unwrap();
        (node.heard, node.ready) = (Heard::Silent(Nanos::from_secs(second)), false);
    };
    away(&mut fleet, 340);
    assert_eq!(story.look(&later(&fleet, 10)), []);
    assert_eq!(story.look(&later(&fleet, 250)), [], "four minutes: it boots");
    let found = story.look(&later(&fleet, 311));
    assert_eq!(found.iter().map(|one| one.kind).collect::<Vec<_>>(), [Kind::AgentSilent]);
}
