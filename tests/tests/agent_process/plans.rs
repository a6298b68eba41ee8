//! Plans: first synchronisation, live change, refusal, reversal, retirement, the fence.

use super::harness::{Node, applied, condition, get};
use meantime_core::policy::Mode;
use meantime_core::source::PollRange;
use meantime_crds::nodetime::{AnswerState, AppliedState, Desired, Profile};
use rustix::process::Signal;
use std::fs;

#[test]
fn a_plan_becomes_a_judged_clock() {
    let mut node = Node::new(4);
    let status = node.up();
    let clock = status.clock.unwrap();
    assert_eq!((clock.profile, clock.reason.as_str()), (Profile::Virtual, "Observe"));
    assert!(node.chronyd_flags().iter().any(|flag| flag == "-x"), "{:?}", node.chronyd_flags());
    assert!(status.chrony.unwrap().version.starts_with("4."));
    assert_eq!(status.voters.as_deref(), Some("4/4"));
    assert_eq!(status.applied.unwrap().hash.as_deref(), Some(node.plan.hash.as_str()));
    // Loopback: the truth is known to be 0, and the bound has to cover what is published.
    let (offset, bound) = (status.offset_nanoseconds.unwrap(), status.error_bound_nanoseconds.unwrap());
    assert!(offset.abs() <= bound && bound < 50_000_000, "{offset} ± {bound}");
}

#[test]
fn sources_change_live_a_minority_at_a_time() {
    let mut node = Node::new(4);
    node.up();
    let (pid, starts) = (node.chronyd(), node.starts());
    let added = node.add_lab();
    node.plan_source(added);
    node.unplan_source(0);
    node.publish();
    // 1 of 4 at a time: first the new one comes, and only once it votes the old one goes.
    node.wait_for("the new source is added, the old one stays", || {
        (node.lines() == [0, 1, 2, 3, 4]).then_some(())
    });
    let generation = node.object.metadata.generation;
    node.each_status(8, |status| {
        assert_eq!(condition(status, "TimeSynchronized"), "True", "{}", node.story());
    });
    let status = node.wait("the change is confirmed", |status| {
        status.observed_generation == generation && applied(status) == Some(AppliedState::Applied)
    });
    assert_eq!(node.lines(), [1, 2, 3, 4]);
    assert_eq!((node.chronyd(), node.starts()), (pid, starts), "no restart");
    let sources: Vec<_> = status.associations.iter().filter_map(|a| a.source.clone()).collect();
    assert!(sources.contains(&"s4".to_owned()) && !sources.contains(&"s0".to_owned()), "{sources:?}");
}

#[test]
fn a_changed_option_is_taken_live_even_by_a_chronyd_that_mishandles_it() {
    let mut node = Node::new(4);
    node.up();
    let (pid, starts) = (node.chronyd(), node.starts());
    // Before 4.5 one reload of a changed line for the same address loses the source.
    node.plan.associations[2].polls = PollRange { min: -1, max: -1 };
    node.publish();
    let status = node.wait_applied("the changed line");
    assert_eq!(status.voters.as_deref(), Some("4/4"));
    let sources = fs::read_to_string(node.path("run/chrony/sources.d/meantime.sources")).unwrap();
    assert_eq!(sources.matches("minpoll -1 maxpoll -1").count(), 1, "{sources}");
    assert_eq!((node.chronyd(), node.starts()), (pid, starts), "no restart");
}

#[test]
fn metrics_and_health_are_served() {
    let mut node = Node::new(4);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    node.flags = vec!["--listen".into(), format!("127.0.0.1:{port}")];
    node.up();
    for path in ["/healthz", "/readyz"] {
        let answer = get(port, path).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    }
    let metrics = get(port, "/metrics").unwrap();
    for line in [
        "chrony_up 1",
        "chrony_tracking_stratum 2",
        "meantime_usable_voters 4",
        "meantime_chronyd_starts_total 1",
    ] {
        assert!(metrics.contains(&format!("\n{line}\n")), "{line} is not in {metrics}");
    }
    // Ready once is ready for good: a dead chronyd is the agent's to cure, not the kubelet's.
    node.signal_chronyd(Signal::STOP);
    node.wait("TimeDaemonDown", |status| condition(status, "TimeDaemonDown") == "True");
    assert!(get(port, "/readyz").unwrap().starts_with("HTTP/1.1 200"));
    assert!(get(port, "/healthz").unwrap().starts_with("HTTP/1.1 200"));
    assert!(get(port, "/metrics").unwrap().contains("\nchrony_up 0\n"));
}

#[test]
fn not_one_capability_is_needed_to_measure() {
    let mut node = Node::new(4);
    node.no_capabilities = true;
    node.up();
    let pid = node.chronyd().unwrap();
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let effective = text.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap().trim().to_owned();
    assert_eq!(effective, "0000000000000000");
    node.end_agent(Signal::TERM);
    assert_eq!(node.chronyds(), [0_u32; 0], "it may also end it");
}

#[test]
fn another_main_part_is_exactly_one_restart() {
    let mut node = Node::new(4);
    node.up();
    let (pid, starts) = (node.chronyd().unwrap(), node.starts());
    // Two roots instead of four: minsources 1 instead of 2.
    node.plan.main = node.plan.main.replace("minsources 2", "minsources 1");
    assert!(node.plan.main.contains("minsources 1"));
    node.publish_as_is();
    node.wait_applied("the other main part is confirmed");
    node.next_chronyd(pid);
    assert_eq!(node.starts(), starts + 1);
    let main = fs::read_to_string(node.path("run/chrony/chrony.conf")).unwrap();
    assert!(main.contains("minsources 1"), "{main}");
    let flags = node.chronyd_flags();
    assert!(flags.contains(&"-R".to_owned()), "a restart is no boot: {flags:?}");
}

#[test]
fn an_unknown_directive_is_refused_and_nothing_changes() {
    let mut node = Node::new(4);
    node.up();
    let (pid, good) = (node.chronyd(), node.plan.hash.clone());
    let (main, sources) = (node.plan.main.clone(), node.plan.sources.clone());
    for (part, text) in [("main", "mailonchange root@example.com 0.5\n"), ("sources", "refclock SHM 0\n")] {
        node.plan.main = if part == "main" { format!("{main}{text}") } else { main.clone() };
        node.plan.sources = if part == "sources" { format!("{sources}{text}") } else { sources.clone() };
        node.publish_as_is();
        let generation = node.object.metadata.generation;
        let status = node.wait("the refusal", |status| {
            status.observed_generation == generation && applied(status) == Some(AppliedState::Refused)
        });
        let plan = status.applied.as_ref().unwrap();
        assert_eq!(plan.hash.as_deref(), Some(good.as_str()), "the good plan runs on");
        assert!(plan.message.as_ref().unwrap().contains(text.trim()), "{:?}", plan.message);
        assert_eq!(condition(&status, "Ready"), "False");
        assert_eq!(condition(&status, "TimeSynchronized"), "True");
    }
    assert_eq!((node.chronyd(), node.lines()), (pid, vec![0, 1, 2, 3]));
}

#[test]
fn a_source_that_lies_from_the_start_stops_the_rollout() {
    let mut node = Node::new(4);
    node.up();
    let liar = node.add_lab();
    node.labs[liar].set("offset=200ms").unwrap();
    node.plan_source(liar);
    node.unplan_source(0);
    node.publish();
    let status = node.wait("the rollout stops", |status| {
        let message = status.applied.as_ref().and_then(|applied| applied.message.clone());
        message.is_some_and(|message| message.starts_with("stopped"))
    });
    let message = status.applied.unwrap().message.unwrap();
    assert!(message.contains(&node.labs[liar].address().ip().to_string()), "{message}");
    assert_eq!(node.lines(), [0, 1, 2, 3, 4], "no old source goes before the new one votes");
    // It comes to reason: the rollout goes on by itself.
    node.labs[liar].set("reset").unwrap();
    node.wait_applied("the rollout goes on");
    assert_eq!(node.lines(), [1, 2, 3, 4]);
}

#[test]
fn managed_without_leave_only_measures_and_says_so() {
    let mut node = Node::new(4);
    node.plan.mode = Mode::Managed;
    let status = node.up();
    let clock = status.clock.unwrap();
    assert_eq!((clock.profile, clock.reason.as_str()), (Profile::Virtual, "ClockControlOff"));
    assert!(node.chronyd_flags().contains(&"-x".to_owned()));
}

#[test]
fn an_unknown_field_is_left_out() {
    let mut node = Node::new(4);
    node.publish();
    let mut object = serde_json::to_value(&node.object).unwrap();
    object["spec"]["plan"]["futureField"] = serde_json::json!({"a": [1]});
    object["spec"]["tomorrow"] = serde_json::json!(true);
    node.hand_over_text(&object.to_string());
    node.start();
    node.wait_applied("a NodeTime of a newer operator");
}

#[test]
fn retirement_leaves_nothing_and_can_be_taken_back() {
    let mut node = Node::new(4);
    node.up();
    node.object.spec.desired = Desired::Retired;
    node.hand_over();
    let status = node.wait("the acknowledgement", |status| status.retired.is_some());
    assert!(status.retired.unwrap().restored);
    assert_eq!(node.chronyds(), [0_u32; 0]);
    let left =
        |dir: &str| fs::read_dir(node.path(dir)).unwrap().flatten().map(|e| e.path()).collect::<Vec<_>>();
    let left = [left("run"), left("state")].concat();
    assert!(left.is_empty(), "{left:?}");
    assert!(node.agent_runs());
    node.object.spec.desired = Desired::Active;
    node.hand_over();
    let status = node.wait_applied("active again");
    assert_eq!(status.retired, None);
}

#[test]
fn a_restored_cluster_with_an_older_plan_is_followed() {
    let mut node = Node::new(4);
    node.up();
    let old = serde_json::to_string(&node.object).unwrap();
    let added = node.add_lab();
    node.plan_source(added);
    node.publish();
    node.wait_applied("generation 2");
    // The same object as it was: refused from a watch, taken from the quorum.
    node.hand_over_text(&old);
    let status = node.wait("generation 1 again", |status| {
        status.observed_generation == Some(1) && applied(status) == Some(AppliedState::Applied)
    });
    assert_eq!(status.applied.unwrap().generation, Some(1));
    assert_eq!(node.lines(), [0, 1, 2, 3]);
    assert!(node.log().contains("asking the quorum"));
}

#[test]
fn a_request_is_answered_once() {
    let mut node = Node::new(4);
    node.up();
    node.request("acknowledge", "r1");
    let answer = node.wait("the answer", |status| status.request.is_some()).request.unwrap();
    assert_eq!((answer.id.as_str(), answer.state), ("r1", AnswerState::Done));
    node.request("dance", "r2");
    let answer = node.wait("the refusal", |status| status.request.as_ref().is_some_and(|r| r.id == "r2"));
    assert_eq!(answer.request.unwrap().state, AnswerState::Refused);
    node.end_agent(Signal::TERM);
    node.start();
    node.wait_applied("the restart");
    assert_eq!(node.log().matches("acknowledged: a new baseline").count(), 1);
}
