//! Sources die, lie, lose their upstream and come back: who drives, what is told, what outlives a restart. Each story
//! with a chronyd that knows `selectopts` (4.6.1) and with one that does not (4.3: the sources file).

use super::harness::{Node, POLL, condition};
use meantime_core::units::Nanos;
use meantime_crds::NodeTimeStatus;
use meantime_crds::nodetime::{Desired, HealthWord, TroubleWord, Verified};
use rstest::rstest;
use rustix::process::Signal;
use std::time::Duration;

const NEW: &str = "trixie";
const OLD: &str = "bookworm";

/// Two drivers, two of the next order, one that only votes; everything that waits waits in polls.
fn node(suite: &str) -> Node {
    let mut node = Node::of_suite(suite, 5);
    node.drive(&[1, 1, 2, 2, 0]);
    quick(&mut node);
    node
}

fn quick(node: &mut Node) {
    let figures = &mut node.plan.failover;
    figures.jitter = POLL;
    figures.verify_spacing = POLL;
    figures.verify_later = POLL.times(4);
    figures.failback.every = POLL.times(8);
    figures.failback.spacing = POLL.times(4);
}

fn set(node: &Node, sources: &[usize], words: &str) {
    for at in sources {
        node.labs[*at].set(words).unwrap();
    }
}

fn health(status: &NodeTimeStatus, source: &str) -> Option<HealthWord> {
    let of = |one: &&meantime_crds::nodetime::AssociationStatus| one.source.as_deref() == Some(source);
    status.associations.iter().find(of).map(|one| one.health)
}

fn trouble(status: &NodeTimeStatus, source: &str) -> Option<TroubleWord> {
    let of = |one: &&meantime_crds::nodetime::AssociationStatus| one.source.as_deref() == Some(source);
    status.associations.iter().find(of).and_then(|one| one.trouble)
}

fn order(status: &NodeTimeStatus) -> i32 {
    status.drive_order.unwrap_or(1)
}

fn followed(status: &NodeTimeStatus, any_of: &[&str]) -> bool {
    status.source.as_deref().is_some_and(|source| any_of.contains(&source))
}

fn sleep(span: Nanos) {
    std::thread::sleep(Duration::from_nanos(u64::try_from(span.0).unwrap()));
}

#[rstest]
#[case::selectopts(NEW)]
#[case::by_the_file(OLD)]
fn a_dead_tier_hands_the_drive_on_and_gets_it_back_after_proof(#[case] suite: &str) {
    let mut node = node(suite);
    let status = node.up();
    assert!(followed(&status, &["s0", "s1"]), "{}", node.story());
    set(&node, &[0, 1], "dead=true");
    let status = node.wait("the next order drives", |status| {
        order(status) == 2
            && followed(status, &["s2", "s3", "s4"])
            && status.switches.last().is_some_and(|last| last.to.is_some())
    });
    let switch = status.switches.last().unwrap();
    assert!(switch.evidence.contains("does not answer"), "{switch:?}");
    assert_eq!(condition(&status, "TimeSynchronized"), "True", "{}", node.story());
    if suite == NEW {
        assert!(status.applied.unwrap().overlay_hash.is_some());
        node.wait("chronyd does without them", |status| {
            ["s0", "s1"].iter().all(|source| {
                health(status, source) == Some(HealthWord::Failed)
                    && trouble(status, source) == Some(TroubleWord::TimedOut)
            })
        });
    } else {
        node.wait_for("they are out of the file", || (node.lines() == [2, 3, 4]).then_some(()));
    }
    node.wait("it stood up to its checks", |status| {
        status.switches.last().is_some_and(|last| last.verification == Verified::Watching)
    });
    set(&node, &[0, 1], "dead=false");
    let back = |status: &NodeTimeStatus| order(status) == 1 && followed(status, &["s0", "s1"]);
    let status = node.wait("the first order drives again", back);
    assert!(
        status.switches.iter().any(|switch| switch.evidence.contains("proven itself stable")),
        "{:?}",
        status.switches
    );
    node.wait("nothing but the plan is left", |status| {
        status.applied.as_ref().is_some_and(|applied| applied.overlay_hash.is_none())
            && ["s0", "s1"].iter().all(|source| health(status, source) == Some(HealthWord::Healthy))
            && status.associations.iter().all(|one| one.trouble.is_none())
    });
    assert_eq!(node.lines(), [0, 1, 2, 3, 4]);
    let ids: std::collections::BTreeSet<_> = status.switches.iter().map(|switch| &switch.id).collect();
    assert_eq!(ids.len(), status.switches.len());
}

#[rstest]
#[case::selectopts(NEW)]
#[case::by_the_file(OLD)]
fn one_dead_driver_leaves_the_drive_with_its_neighbour(#[case] suite: &str) {
    let mut node = node(suite);
    let followed_first = node.up().source.unwrap();
    let dead = usize::from(followed_first == "s1");
    set(&node, &[dead], "dead=true");
    let other = if dead == 0 { "s1" } else { "s0" };
    let status = node.wait("its neighbour drives", |status| {
        followed(status, &[other]) && status.switches.last().is_some_and(|last| last.to.is_some())
    });
    assert_eq!((order(&status), status.switches.len()), (1, 1), "{}", node.story());
    assert_eq!(status.switches[0].from, Some(followed_first));
}

#[rstest]
#[case::selectopts(NEW)]
#[case::by_the_file(OLD)]
fn neither_the_agents_death_nor_chronyds_forgets_who_is_out(#[case] suite: &str) {
    let mut node = node(suite);
    node.plan.failover.failback.every = Nanos::from_secs(3_600);
    node.up();
    set(&node, &[0, 1], "dead=true");
    node.wait("the next order drives", |status| order(status) == 2);
    set(&node, &[0, 1], "dead=false");
    node.end_agent(Signal::KILL);
    let sequence = node.status().unwrap().sequence;
    node.start();
    let still = |status: &NodeTimeStatus| {
        status.sequence > sequence
            && condition(status, "TimeSynchronized") == "True"
            && status.source.is_some()
    };
    let status = node.wait("the agent again", still);
    assert_eq!(order(&status), 2, "{}", node.story());
    let pid = node.chronyd().unwrap();
    node.signal_chronyd(Signal::KILL);
    node.next_chronyd(pid);
    let sequence = node.status().unwrap().sequence;
    // A chronyd that starts does as the file says until the first look, a second at most: then it is told again. By the
    // file alone they come back as voters like any other: only selectopts can keep them from being followed.
    node.wait("chronyd again", |status| {
        status.sequence > sequence && (suite == OLD || followed(status, &["s2", "s3", "s4"]))
    });
    node.each_status(24, |status| {
        assert_eq!(order(status), 2);
        assert!(suite == OLD || !followed(status, &["s0", "s1"]), "{}", node.story());
    });
}

#[test]
fn a_tier_that_lies_together_is_outvoted_and_loses_the_drive() {
    let mut node = node(NEW);
    node.up();
    set(&node, &[0, 1], "offset=200ms");
    let status = node.wait("the next order drives", |status| order(status) == 2);
    assert_eq!(condition(&status, "TimeSynchronized"), "True", "{}", node.story());
    node.each_status(24, |status| {
        assert!(!followed(status, &["s0", "s1"]), "{}", node.story());
        for source in ["s0", "s1"] {
            assert_eq!(
                health(status, source),
                Some(HealthWord::Healthy),
                "outvoted, not taken out: {}",
                node.story()
            );
        }
    });
}

#[test]
fn a_primary_that_returns_lying_votes_in_vain_and_does_not_drive() {
    let mut node = node(NEW);
    node.drive(&[1, 2, 2, 2, 0]);
    node.up();
    set(&node, &[0], "dead=true");
    node.wait("the next order drives", |status| order(status) == 2);
    set(&node, &[0], "dead=false offset=200ms");
    node.wait("it is rejected", |status| {
        status.associations.iter().any(|one| one.source.as_deref() == Some("s0") && one.rejected)
    });
    node.each_status(60, |status| assert_eq!(order(status), 2, "{}", node.story()));
    set(&node, &[0], "offset=0");
    node.wait("it drives again", |status| order(status) == 1 && followed(status, &["s0"]));
}

#[test]
fn a_source_whose_upstream_died_is_left_though_chronyd_likes_it() {
    let mut node = node(NEW);
    node.drive(&[1, 2, 2, 2, 0]);
    node.plan.failover.max_reference_age = Nanos::from_secs(4);
    node.up();
    set(&node, &[0], "reference-frozen=true");
    let status = node.wait("it is left", |status| {
        status.switches.last().is_some_and(|last| last.to.is_some()) && !followed(status, &["s0"])
    });
    assert!(status.switches[0].evidence.contains("its own upstream is silent"), "{:?}", status.switches);
    assert_eq!(condition(&status, "TimeSynchronized"), "True");
}

#[test]
fn a_clock_that_is_wrong_itself_takes_nobody_out() {
    let mut node = node(NEW);
    node.up();
    // All servers answer so: this node's clock is wrong by the lab's ground truth.
    set(&node, &[0, 1, 2, 3, 4], "offset=900ms");
    node.wait("it is told", |status| condition(status, "TimeSynchronized") != "True");
    node.each_status(40, |status| {
        assert!(status.associations.iter().all(|one| one.health == HealthWord::Healthy), "{}", node.story());
        assert_eq!((order(status), status.switches.len()), (1, 0), "{}", node.story());
    });
}

#[test]
fn a_far_but_correct_source_is_ranked_last_and_never_taken_out() {
    let mut node = node(NEW);
    set(&node, &[0], "delay=210ms jitter=30ms");
    node.up();
    let score = |status: &NodeTimeStatus| {
        status
            .associations
            .iter()
            .find(|one| one.source.as_deref() == Some("s0"))
            .map_or(100, |one| one.score)
    };
    node.wait("its score", |status| score(status) <= 80);
    node.each_status(40, |status| {
        assert_eq!(health(status, "s0"), Some(HealthWord::Healthy), "{}", node.story());
        assert!(status.switches.is_empty());
    });
}

#[test]
fn when_all_die_it_says_for_how_long_the_clock_will_do() {
    let mut node = node(NEW);
    node.up();
    set(&node, &[0, 1, 2, 3, 4], "dead=true");
    let status = node.wait("holdover", |status| status.holdover.is_some());
    let alone = status.holdover.as_ref().unwrap();
    assert_eq!(condition(&status, "TimePartitioned"), "True");
    assert_eq!(condition(&status, "TimeSynchronized"), "True", "the carried bound is inside");
    let (expected, guaranteed) = (alone.expected_breach_seconds, alone.guaranteed_breach_seconds);
    assert!(expected.unwrap() >= guaranteed.unwrap() && guaranteed.unwrap() > 60, "{alone:?}");
    assert!(status.switches.is_empty(), "nobody is taken out when nobody could do better: {}", node.story());
    set(&node, &[0, 1, 2, 3, 4], "dead=false");
    node.wait("the end of it", |status| {
        status.holdover.is_none() && condition(status, "TimePartitioned") == "False"
    });
}

#[test]
fn a_person_may_ask_for_another_choice_and_for_fresh_samples() {
    let mut node = node(NEW);
    node.plan.failover.failback.every = Nanos::from_secs(3_600);
    node.up();
    set(&node, &[0, 1], "dead=true");
    node.wait("the next order drives", |status| order(status) == 2);
    set(&node, &[0, 1], "dead=false");
    node.wait("they work again", |status| {
        ["s0", "s1"].iter().all(|source| health(status, source) == Some(HealthWord::Healthy))
    });
    assert_eq!(order(&node.status().unwrap()), 2, "an hour is not over");
    node.request("reselect", "1");
    let status = node.wait("the first order drives again", |status| order(status) == 1);
    assert_eq!(status.request.as_ref().map(|answer| answer.id.as_str()), Some("1"));
    assert!(status.switches.iter().any(|switch| switch.evidence.contains("a person asked")));
    node.request("resync", "2");
    let answered = |status: &NodeTimeStatus| status.request.as_ref().is_some_and(|answer| answer.id == "2");
    let status = node.wait("the answer", answered);
    assert!(status.request.unwrap().message.contains("never stepped"));
    node.request("dance", "3");
    let status =
        node.wait("the refusal", |status| status.request.as_ref().is_some_and(|answer| answer.id == "3"));
    assert!(status.request.unwrap().message.contains("this agent knows"), "{}", node.story());
    sleep(POLL);
}

/// Ten seconds up, ten down, for ten minutes: `make test-long`.
#[test]
#[ignore = "ten minutes"]
fn a_flapping_first_source_moves_the_drive_once() {
    let mut node = node(NEW);
    node.drive(&[1, 2, 2, 2, 0]);
    // The window of the mission; only the looks are quick.
    node.plan.failover.failback = meantime_core::fsm::failover::Failback::default();
    node.up();
    for _ in 0..30 {
        set(&node, &[0], "dead=true");
        sleep(Nanos::from_secs(10));
        set(&node, &[0], "dead=false");
        sleep(Nanos::from_secs(10));
    }
    let status = node.status().unwrap();
    assert_eq!((order(&status), status.switches.len()), (2, 1), "{}", node.story());
}

/// A source was due for a probe when the plan went: nobody asks it any more, so the loop must not wait for it either.
#[test]
fn a_retired_agent_rests() {
    let mut node = node(NEW);
    node.up();
    set(&node, &[0], "dead=true");
    node.wait("a failed source", |status| health(status, "s0") == Some(HealthWord::Failed));
    node.object.spec.desired = Desired::Retired;
    node.hand_over();
    node.wait("the acknowledgement", |status| status.retired.is_some());
    // The longest pause between two probes of a dead source is ten seconds.
    std::thread::sleep(Duration::from_secs(11));
    let before = node.agent_woke();
    std::thread::sleep(Duration::from_secs(2));
    let woke = node.agent_woke() - before;
    assert!(woke < 100, "woke {woke} times in 2 s");
}
