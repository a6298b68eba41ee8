//! Confirm or revert (law 6): a plan whose sources make time worse is taken back on the node, by itself.

use super::harness::{Node, applied, condition};
use meantime_crds::nodetime::AppliedState;
use rstest::rstest;
use rustix::process::Signal;

/// Servers that nobody can call liars: what they say lies inside what they admit. Each step of the exchange goes well,
/// and only the whole is worse.
#[rstest]
#[case::a_wider_bound("root-dispersion=400ms", "the error bound grew beyond its warn level")]
#[case::a_greater_offset("root-dispersion=200ms offset=90ms", "the offset grew beyond its warn level")]
fn worse_time_brings_the_last_good_plan_back(#[case] worse: &str, #[case] why: &str) {
    let mut node = Node::new(4);
    node.up();
    let (pid, starts, good) = (node.chronyd(), node.starts(), node.plan.hash.clone());
    for old in 0..4 {
        let new = node.add_lab();
        node.labs[new].set(worse).unwrap();
        node.plan_source(new);
        node.unplan_source(old);
    }
    node.publish();
    let generation = node.object.metadata.generation;
    node.wait_for("all sources are exchanged", || (node.lines() == [4, 5, 6, 7]).then_some(()));
    let status = node.wait("the reversal", |status| applied(status) == Some(AppliedState::Reverted));
    assert_eq!(status.observed_generation, generation, "it is told of the plan that was taken back");
    let told = status.applied.unwrap();
    assert_eq!(told.hash.as_deref(), Some(good.as_str()), "the last good plan runs");
    let message = told.message.unwrap();
    assert!(message.contains(why) && message.contains("the last good plan runs again"), "{message}");
    let ready = status.conditions.iter().find(|c| c.type_ == "Ready").unwrap();
    assert_eq!((ready.status.as_str(), ready.reason.as_str()), ("False", "Reverted"));

    let status = node.wait("chronyd has the old sources, and time is as it was", |status| {
        status.voters.as_deref() == Some("4/4")
            && condition(status, "TimeSynchronized") == "True"
            && status.error_bound_nanoseconds.is_some_and(|bound| bound < 50_000_000)
            && status.offset_nanoseconds.is_some_and(|offset| offset.abs() < 20_000_000)
    });
    let mut sources: Vec<_> = status.associations.iter().filter_map(|a| a.source.clone()).collect();
    sources.sort();
    assert_eq!(sources, ["s0", "s1", "s2", "s3"], "as chronyd itself lists them");
    assert_eq!(node.lines(), [0, 1, 2, 3]);
    assert_eq!((node.chronyd(), node.starts()), (pid, starts), "no restart");

    // What was taken back is not tried again, by the next agent neither.
    node.end_agent(Signal::TERM);
    node.start();
    let again = node.wait("the word of the next agent", |status| {
        let message = status.applied.as_ref().and_then(|applied| applied.message.clone());
        message.is_some_and(|message| message.contains("not tried again until the plan changes"))
    });
    assert_eq!(applied(&again), Some(AppliedState::Reverted));
    node.each_status(20, |_| assert_eq!(node.lines(), [0, 1, 2, 3]));
}
