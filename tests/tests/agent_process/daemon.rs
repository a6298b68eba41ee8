//! Trouble with chronyd itself: killed, stopped, displaced, blocked.

use super::harness::{Node, chronyd_at, condition, conditions};
use rustix::process::Signal;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

#[test]
fn killed_it_is_back_and_no_condition_changes() {
    let mut node = Node::new(4);
    let before = conditions(&node.up());
    let pid = node.chronyd().unwrap();
    node.signal_chronyd(Signal::KILL);
    node.each_status(40, |status| assert_eq!(conditions(status), before, "{}", node.story()));
    assert_ne!(node.next_chronyd(pid), pid);
    assert!(node.chronyd_flags().contains(&"-R".to_owned()));
    let voters = |status: &meantime_crds::NodeTimeStatus| status.voters.as_deref() == Some("4/4");
    node.wait("all sources again", voters);
}

#[test]
fn stopped_it_is_told_and_continued_it_is_forgiven() {
    let mut node = Node::new(4);
    node.up();
    let pid = node.chronyd();
    node.signal_chronyd(Signal::STOP);
    let status = node.wait("TimeDaemonDown", |status| condition(status, "TimeDaemonDown") == "True");
    assert_eq!(condition(&status, "TimeSourcesLow"), "Unknown");
    assert_eq!(condition(&status, "TimeSynchronized"), "True", "the carried bound is still inside");
    node.signal_chronyd(Signal::CONT);
    node.wait("the end of it", |status| {
        condition(status, "TimeDaemonDown") == "False" && condition(status, "TimeSynchronized") == "True"
    });
    assert_eq!(node.chronyd(), pid, "it was not killed");
}

/// An image whose chronyd can't be run comes with an update: what the agent before it judged is no verdict any more.
#[test]
fn one_that_can_not_be_run_is_told_and_no_old_verdict_stays() {
    let mut node = Node::new(4);
    node.up();
    node.end_agent(Signal::TERM);
    let (program, kept) = (node.path("chronyd"), node.path("chronyd.kept"));
    fs::rename(&program, &kept).unwrap();
    node.start();
    let is_ready = |status: &meantime_crds::NodeTimeStatus| {
        let ready = status.conditions.iter().find(|c| c.type_ == "Ready");
        ready.map(|ready| (ready.status.clone(), ready.reason.clone())).unwrap_or_default()
    };
    let status =
        node.wait("the word for it", |status| is_ready(status) == ("False".into(), "NoDaemon".into()));
    for kind in ["TimeSynchronized", "TimeOffsetHigh", "TimeSourcesLow", "TimePartitioned", "TimeDaemonDown"]
    {
        assert_eq!(condition(&status, kind), "", "{kind} is of the agent before");
    }
    assert!(status.offset_nanoseconds.is_none(), "{:?}", status.offset_nanoseconds);
    fs::rename(&kept, &program).unwrap();
    node.wait_applied("it can be run again");
}

#[test]
fn a_stale_pid_file_does_not_block_it() {
    let mut node = Node::new(4);
    fs::create_dir_all(node.path("run/chrony")).unwrap();
    // Pid 1 always exists: chronyd alone would refuse to start for ever.
    fs::write(node.path("run/chrony/chronyd.pid"), "1\n").unwrap();
    node.up();
    assert_ne!(node.chronyd(), Some(1));
}

#[test]
fn a_socket_folder_that_is_too_wide_is_narrowed() {
    let mut node = Node::new(4);
    fs::create_dir_all(node.path("run/chrony")).unwrap();
    fs::set_permissions(node.path("run/chrony"), fs::Permissions::from_mode(0o777)).unwrap();
    node.up();
    let mode = fs::metadata(node.path("run/chrony")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o770);
}

#[test]
fn a_socket_taken_by_another_daemon_is_taken_back() {
    let mut node = Node::new(4);
    node.up();
    let pid = node.chronyd().unwrap();
    let other = node.path("other");
    chronyd_at(&other);
    let conf = node.path("other.conf");
    let text = format!(
        "bindcmdaddress {}\npidfile {}\nport 0\ncmdport 0\n",
        node.path("run/chrony/chronyd.sock").display(),
        node.path("other.pid").display()
    );
    fs::write(&conf, text).unwrap();
    let mut thief = Command::new(&other)
        .args(["-x", "-d", "-u", "root", "-f"])
        .arg(&conf)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    node.next_chronyd(pid);
    node.wait_applied("our own daemon answers again");
    let log = node.log();
    thief.kill().unwrap();
    thief.wait().unwrap();
    assert!(log.contains("its command socket is gone or another daemon's"), "{log}");
    // Killed, the thief could not remove the socket; it is ours and answers on.
    node.each_status(12, |status| assert_eq!(condition(status, "TimeDaemonDown"), "False"));
}

#[test]
fn a_socket_that_vanished_is_made_again() {
    let mut node = Node::new(4);
    node.up();
    let pid = node.chronyd().unwrap();
    fs::remove_file(node.path("run/chrony/chronyd.sock")).unwrap();
    node.next_chronyd(pid);
    node.wait_applied("it answers again");
}

#[test]
fn no_binary_is_said_and_cured_when_it_comes() {
    let mut node = Node::new(4);
    fs::rename(node.path("chronyd"), node.path("away")).unwrap();
    node.publish();
    node.start();
    let status = node.wait("the trouble", |status| condition(status, "Ready") == "False");
    let ready = status.conditions.iter().find(|c| c.type_ == "Ready").unwrap();
    assert!(ready.message.contains("cannot run"), "{}", ready.message);
    fs::rename(node.path("away"), node.path("chronyd")).unwrap();
    node.wait_applied("the binary came");
}

/// Lasts over a minute: `make test-long`.
#[test]
#[ignore = "72 s"]
fn silent_for_a_minute_it_is_killed_and_started_again() {
    let mut node = Node::new(4);
    node.up();
    let pid = node.chronyd().unwrap();
    node.signal_chronyd(Signal::STOP);
    node.wait("TimeDaemonDown", |status| condition(status, "TimeDaemonDown") == "True");
    std::thread::sleep(std::time::Duration::from_secs(40));
    assert_eq!(node.chronyds(), [pid], "told long before it is cured");
    node.next_chronyd(pid);
    node.wait_applied("the new one answers");
    assert_eq!(node.chronyds().len(), 1);
}
