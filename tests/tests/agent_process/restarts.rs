//! The agent itself ends and begins: gracefully, killed in the middle of a change, with strange ledgers, without a
//! cluster.

use super::harness::{Node, POLL, condition, conditions};
use meantime_core::units::Nanos;
use rustix::process::Signal;
use std::fs;
use std::time::Duration;

fn sleep(span: Nanos) {
    std::thread::sleep(Duration::from_nanos(u64::try_from(span.0).unwrap()));
}

#[test]
fn an_orderly_restart_keeps_samples_and_conditions() {
    let mut node = Node::new(4);
    let before = conditions(&node.up());
    let transition = node.status().unwrap().conditions[1].last_transition_time.clone();
    node.end_agent(Signal::TERM);
    assert_eq!(node.chronyds(), [0_u32; 0], "chronyd went with it");
    assert!(fs::read_dir(node.path("state/dump")).unwrap().count() >= 4, "it dumped its samples");
    let sequence = node.status().unwrap().sequence;
    node.start();
    node.wait("the first status after it", |status| status.sequence > sequence);
    node.each_status(20, |status| {
        let judged = |all: &[String]| all[1..].to_vec();
        if status.sequence > sequence && status.conditions.len() > 1 {
            assert_eq!(judged(&conditions(status)), judged(&before), "{}", node.story());
        }
    });
    let flags = node.chronyd_flags();
    assert!(flags.contains(&"-R".to_owned()) && flags.contains(&"-r".to_owned()), "{flags:?}");
    let _ = transition;
}

#[test]
fn killed_in_the_middle_of_a_change_it_ends_where_it_should() {
    let mut node = Node::new(5);
    node.up();
    let added = node.add_lab();
    for (round, pause) in [0, 150, 400, 700, 1_200, 2_500].into_iter().enumerate() {
        // In and out again: each round is a change of several steps.
        if round % 2 == 0 {
            node.plan_source(added);
            node.unplan_source(0);
        } else {
            node.plan_source(0);
            node.unplan_source(added);
        }
        node.publish();
        sleep(Nanos::from_millis(pause));
        node.end_agent(Signal::KILL);
        node.start();
        node.wait_applied(&format!("round {round}, killed after {pause} ms"));
        let wanted: Vec<_> = if round % 2 == 0 { vec![1, 2, 3, 4, 5] } else { vec![0, 1, 2, 3, 4] };
        assert_eq!(node.lines(), wanted);
        assert_eq!(node.chronyds().len(), 1, "no orphan beside ours");
    }
}

#[test]
fn a_ledger_of_another_version_is_set_aside() {
    let mut node = Node::new(4);
    fs::create_dir_all(node.path("state")).unwrap();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let ledger =
        format!(r#"{{"version": 99, "bootId": "{}", "daemonStarts": 41, "plan": [1]}}"#, boot.trim());
    fs::write(node.path("state/ledger.json"), ledger).unwrap();
    node.up();
    assert!(node.path("state/ledger.json.old").exists());
    assert_eq!(node.starts(), 42, "the counter goes on");
    assert!(node.log().contains("the ledger is of another version"));
}

#[test]
fn a_torn_ledger_is_set_aside_and_is_no_boot() {
    let mut node = Node::new(4);
    fs::create_dir_all(node.path("state")).unwrap();
    fs::write(node.path("state/ledger.json"), "{\"version\": 1, \"boo").unwrap();
    node.up();
    assert!(node.path("state/ledger.json.old").exists());
    assert!(node.chronyd_flags().contains(&"-R".to_owned()));
}

#[test]
fn without_a_cluster_it_goes_on_from_its_ledger() {
    let mut node = Node::new(4);
    node.up();
    node.end_agent(Signal::KILL);
    fs::remove_file(node.path("plan.json")).unwrap();
    fs::remove_file(node.path("status.json")).unwrap();
    node.start();
    let status =
        node.wait("time outlives the cluster", |status| condition(status, "TimeSynchronized") == "True");
    assert_eq!(status.applied.unwrap().message.as_deref(), Some("the last good plan, from the ledger"));
    assert_eq!(node.lines(), [0, 1, 2, 3]);
}

#[test]
fn nothing_to_tell_is_not_written() {
    let mut node = Node::new(4);
    node.up();
    // What follows the first minute of a clock settles; then only news or the heartbeat may write.
    sleep(POLL.times(60));
    let sequence = node.status().unwrap().sequence;
    sleep(POLL.times(60));
    let later = node.status().unwrap().sequence;
    let written = later.unwrap() - sequence.unwrap();
    assert!(written <= 1, "{written} writes in 60 quiet polls\n{}", node.story());
}

#[test]
fn without_a_plan_the_host_is_not_touched() {
    let mut node = Node::new(4);
    node.start();
    node.wait("the first words", |status| status.chrony.is_some());
    sleep(POLL.times(8));
    assert!(!node.path("run").exists() && !node.path("state").exists(), "{}", node.story());
    node.end_agent(Signal::TERM);
    assert!(!node.path("run").exists() && !node.path("state").exists());
}
