//! The life of a plan, transition by transition.

use super::*;
use meantime_core::ledger::{Fence, HeldPlan};
use meantime_core::policy::Mode;
use meantime_core::snapshot::ObjectRef;
use meantime_core::tolerances::Preset;

const GOOD: Health = Health {
    contradicted: false,
    breached: false,
    offset: Some(Nanos(1_000)),
    bound: Some(Nanos(2_000)),
    fresh: true,
    usable: 3,
};

fn at(seconds: i64) -> BootTime {
    BootTime(Nanos::from_secs(seconds).0)
}

/// Hosts 10.0.0.n; poll 0.
fn lines(hosts: &str) -> Sources {
    let line = |host: &str| format!("server 10.0.0.{host} minpoll 0 maxpoll 2\n");
    Sources::read(&hosts.split_whitespace().map(line).collect::<Vec<_>>().concat()).unwrap()
}

fn change(generation: i64, main: &str, hosts: &str) -> Arc<Change> {
    let plan = NodePlan {
        policy: ObjectRef { name: "p".into(), uid: "u".into(), generation: 1 },
        mode: Mode::Observe,
        associations: vec![],
        tolerances: Preset::Kubernetes.tolerances(),
        failover: meantime_core::fsm::failover::Figures::default(),
        main: main.into(),
        sources: lines(hosts).render(),
        hash: format!("{main}-{hosts}"),
    };
    let held = HeldPlan { fence: Fence { uid: "n".into(), generation }, plan };
    Arc::new(Change { held, main: main.into(), sources: lines(hosts) })
}

fn facts(present: &str, selectable: &str, health: Health) -> Facts {
    let identity = |host: &str| format!("10.0.0.{host}");
    Facts {
        answered: true,
        present: present.split_whitespace().map(|host| (identity(host), 1)).collect(),
        selectable: selectable.split_whitespace().map(identity).collect(),
        health: Some(health),
    }
}

/// A machine with one thread of time.
struct Run(State);

impl Run {
    fn with_good(hosts: &str) -> Self {
        let (state, _) = State::resume(change(1, "a", hosts), true);
        let mut run = Self(state);
        run.look(0, hosts, hosts);
        run
    }
    fn feed(&mut self, second: i64, event: Event) -> Vec<Action> {
        let (state, actions) = step(self.0.clone(), event, at(second));
        self.0 = state;
        actions
    }
    fn look(&mut self, second: i64, present: &str, selectable: &str) -> Vec<Action> {
        self.feed(second, Event::Look(facts(present, selectable, GOOD), true))
    }
    fn sick(&mut self, second: i64, present: &str, health: Health) -> Vec<Action> {
        self.feed(second, Event::Look(facts(present, present, health), true))
    }
}

fn writes(actions: &[Action]) -> Vec<String> {
    let write = |action: &Action| match action {
        Action::Write(lines) => Some(
            lines
                .0
                .iter()
                .map(|line| line.address.to_string().replace("10.0.0.", ""))
                .collect::<Vec<_>>()
                .join(" "),
        ),
        _ => None,
    };
    actions.iter().filter_map(write).collect()
}

#[test]
fn a_first_plan_goes_in_whole_and_is_kept_once_it_is_read_back() {
    let mut run = Run(State::new(true));
    let first = change(1, "a", "1 2 3");
    let actions = run.feed(0, Event::Plan(first.clone()));
    assert_eq!(actions, [Action::Write(lines("1 2 3")), Action::Main]);
    assert_eq!(run.feed(1, Event::Look(Facts::default(), false)), []);
    for second in 2..5 {
        run.look(second, "1 2 3", "");
    }
    assert_eq!(run.look(5, "1 2 3", ""), [Action::Keep(first.held.clone())]);
    assert!(matches!(run.0.outcome, Outcome::Applied(_)));
}

#[test]
fn sources_change_one_minority_after_the_other_and_wait_for_the_fresh_ones() {
    let mut run = Run::with_good("1 2 3");
    assert_eq!(writes(&run.feed(10, Event::Plan(change(2, "a", "2 3 4")))), ["1 2 3 4"]);
    run.look(11, "1 2 3 4", "1 2 3"); // read back
    assert_eq!(run.look(12, "1 2 3 4", "1 2 3"), [], "4 has no samples yet");
    assert_eq!(writes(&run.look(13, "1 2 3 4", "1 2 3 4")), ["2 3 4"]);
    run.look(14, "2 3 4", "2 3 4"); // read back
    run.look(15, "2 3 4", "2 3 4"); // nothing fresh: on to confirmation
    assert!(matches!(run.0.stage, Stage::Confirming { .. }));
    assert_eq!(run.look(17, "2 3 4", "2 3 4"), [], "4 polls of 1 s");
    assert!(matches!(run.look(19, "2 3 4", "2 3 4")[..], [Action::Keep(_)]));
}

#[test]
fn a_fresh_source_that_never_comes_stops_the_rollout_and_is_named_and_may_still_come() {
    let mut run = Run::with_good("1 2 3");
    run.feed(10, Event::Plan(change(2, "a", "2 3 4")));
    run.look(11, "1 2 3 4", "1 2 3");
    run.look(31, "1 2 3 4", "1 2 3");
    assert!(!format!("{:?}", run.0.outcome).contains("stopped"));
    run.look(32, "1 2 3 4", "1 2 3"); // 16 polls of 1 s and the slack
    let Outcome::Pending(said) = &run.0.outcome else { panic!("{:?}", run.0.outcome) };
    assert!(said.contains("10.0.0.4 is not selectable after 16 polls"), "{said}");
    assert_eq!(writes(&run.look(500, "1 2 3 4", "1 2 3 4")), ["2 3 4"]);
}

#[test]
fn worse_time_brings_the_last_good_plan_back() {
    let mut run = Run::with_good("1 2 3");
    run.feed(10, Event::Plan(change(2, "a", "1 2 3 4")));
    run.look(11, "1 2 3 4", "1 2 3");
    run.look(12, "1 2 3 4", "1 2 3 4");
    let far = Health { offset: Some(Nanos::from_millis(30)), ..GOOD };
    assert_eq!(run.sick(13, "1 2 3 4", far), [], "not judged by one look");
    let actions = run.sick(20, "1 2 3 4", far);
    assert!(
        matches!(&actions[0], Action::Remember(held, why) if held.fence.generation == 2 && why.contains("offset"))
    );
    assert_eq!(actions[1..], [Action::Write(lines("1 2 3")), Action::Reload]);
    assert!(matches!(&run.0.outcome, Outcome::Reverted(_)));
    assert_eq!(run.0.stage, Stage::Idle);
}

#[test]
fn a_contradiction_is_not_waited_out() {
    let mut run = Run::with_good("1 2 3");
    run.feed(10, Event::Plan(change(2, "a", "1 2 3 4")));
    run.look(11, "1 2 3 4", "1 2 3");
    let actions = run.sick(12, "1 2 3 4", Health { contradicted: true, ..GOOD });
    assert!(matches!(actions[0], Action::Remember(..)));
}

#[test]
fn a_reload_that_does_not_show_is_repeated_then_reverted_by_a_restart() {
    let mut run = Run::with_good("1 2 3");
    run.feed(10, Event::Plan(change(2, "a", "1 2 3 4")));
    let seen: Vec<_> = (11..17).flat_map(|second| run.look(second, "1 2 3", "1 2 3")).collect();
    assert_eq!(seen[0], Action::Reload);
    assert!(matches!(&seen[1], Action::Remember(_, why) if why.contains("does not have 10.0.0.4")));
    assert_eq!(seen[2..], [Action::Write(lines("1 2 3")), Action::Restart]);
}

#[test]
fn another_main_part_restarts_first_and_then_changes_sources() {
    let mut run = Run::with_good("1 2 3");
    assert_eq!(run.feed(10, Event::Plan(change(2, "b", "1 2 3 4"))), [Action::Main]);
    assert_eq!(run.0.main.as_deref(), Some("b"));
    assert_eq!(
        run.feed(11, Event::Look(facts("1 2 3", "1 2 3", GOOD), false)),
        [],
        "the old one still answers"
    );
    assert_eq!(writes(&run.look(12, "1 2 3", "1 2 3")), ["1 2 3 4"]);
}

#[test]
fn a_main_part_that_does_not_answer_is_reverted() {
    let mut run = Run::with_good("1 2 3");
    run.feed(10, Event::Plan(change(2, "b", "1 2 3")));
    let actions = run.feed(70, Event::Look(Facts::default(), false));
    assert!(matches!(actions[0], Action::Remember(..)));
    assert_eq!(actions[1..], [Action::Write(lines("1 2 3")), Action::Main]);
    assert_eq!(run.0.main.as_deref(), Some("a"));
}

#[test]
fn figures_alone_touch_nothing() {
    let mut run = Run::with_good("1 2 3");
    let actions = run.feed(10, Event::Plan(change(2, "a", "1 2 3")));
    assert!(matches!(&actions[..], [Action::Keep(held)] if held.fence.generation == 2));
}

#[test]
fn a_newer_plan_does_not_wait_for_what_it_no_longer_wants() {
    let mut run = Run::with_good("1 2 3");
    run.feed(10, Event::Plan(change(2, "a", "1 2 3 4")));
    run.look(11, "1 2 3 4", "1 2 3");
    assert_eq!(run.feed(12, Event::Plan(change(3, "a", "1 2 3"))), []);
    assert_eq!(writes(&run.look(13, "1 2 3 4", "1 2 3")), ["1 2 3"]);
}

#[test]
fn a_newer_plan_still_waits_for_what_it_wants_too() {
    let mut run = Run::with_good("1 2 3");
    run.feed(10, Event::Plan(change(2, "a", "1 2 3 4")));
    run.look(11, "1 2 3 4", "1 2 3");
    run.feed(12, Event::Plan(change(3, "a", "2 3 4")));
    assert_eq!(run.look(13, "1 2 3 4", "1 2 3"), []);
    assert_eq!(writes(&run.look(14, "1 2 3 4", "1 2 3 4")), ["2 3 4"]);
}

#[test]
fn nothing_usable_is_exchanged_at_once() {
    let mut run = Run::with_good("1 2 3");
    run.sick(5, "1 2 3", Health { usable: 0, ..GOOD });
    assert_eq!(writes(&run.feed(10, Event::Plan(change(2, "a", "4 5 6")))), ["4 5 6"]);
}

#[test]
fn going_back_to_the_good_plan_is_a_plan_like_any_other() {
    let mut run = Run::with_good("1 2 3");
    run.feed(10, Event::Plan(change(2, "a", "1 2 3 4")));
    run.look(11, "1 2 3 4", "1 2 3");
    run.feed(12, Event::Renewed(Box::new(change(3, "a", "1 2 3").held.clone())));
    assert_eq!(writes(&run.look(13, "1 2 3 4", "1 2 3")), ["1 2 3"]);
}

#[test]
fn somebodys_chronyc_is_undone_after_a_minute_and_rarely() {
    let mut run = Run::with_good("1 2 3");
    assert_eq!(run.look(1, "1 2", "1 2"), []);
    assert_eq!(run.look(60, "1 2", "1 2"), []);
    assert_eq!(run.look(61, "1 2", "1 2"), [Action::Write(lines("1 2 3")), Action::Restart]);
    assert_eq!(run.look(62, "1 2", "1 2"), []);
    assert_eq!(run.look(200, "1 2", "1 2"), [], "at most every ten minutes");
    assert_eq!(run.look(661, "1 2", "1 2").len(), 2);
}

#[test]
fn a_disk_that_cannot_be_written_refuses_the_plan() {
    let mut run = Run::with_good("1 2 3");
    run.feed(10, Event::Plan(change(2, "a", "1 2 3 4")));
    run.feed(10, Event::Failed("no space".into()));
    assert_eq!((run.0.stage.clone(), run.0.in_force.clone()), (Stage::Idle, lines("1 2 3")));
    assert_eq!(run.0.outcome, Outcome::Refused("no space".into()));
}

#[test]
fn while_sources_are_exchanged_old_ones_are_still_judged() {
    let mut run = Run::with_good("1 2 3");
    let hash = |run: &Run| run.0.judged().unwrap().hash;
    assert_eq!(hash(&run), "a-1 2 3");
    run.feed(10, Event::Plan(change(2, "a", "4 5 6")));
    assert_eq!(hash(&run), "a-4 5 6");
}

#[test]
fn after_a_restart_the_samples_come_back_before_sources_change() {
    let mut run = Run::with_good("1 2 3");
    run.feed(10, Event::Plan(change(2, "b", "1 2 3 4")));
    assert_eq!(run.sick(12, "1 2 3", Health { usable: 0, ..GOOD }), []);
    assert_eq!(writes(&run.look(14, "1 2 3", "1 2 3")), ["1 2 3 4"]);
}

#[test]
fn a_refusal_is_told_although_an_older_plan_arrives_meanwhile() {
    let mut run = Run::with_good("1 2 3");
    run.feed(10, Event::Plan(change(2, "a", "1 2 3 4")));
    run.feed(11, Event::Refused("unknown directive".into()));
    for second in 12..30 {
        run.look(second, "1 2 3 4", "1 2 3 4");
    }
    assert_eq!(run.0.stage, Stage::Idle);
    assert_eq!(run.0.outcome, Outcome::Refused("unknown directive".into()));
}

#[test]
fn the_same_plan_again_does_not_shorten_a_restart() {
    let mut run = Run::with_good("1 2 3");
    run.feed(10, Event::Plan(change(2, "b", "1 2 3 4")));
    assert_eq!(run.feed(11, Event::Plan(change(3, "b", "1 2 3 4"))), []);
    assert!(matches!(run.0.stage, Stage::Restarting { .. }));
}
