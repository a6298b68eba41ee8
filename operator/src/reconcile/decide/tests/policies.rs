//! What spans the nodes of a policy: its spread, its windows.

use super::*;
use meantime_crds::TimeSyncPolicyStatus;

fn declare(world: &mut World, spec: &Value) {
    let mut policy = (*world.policies["all"]).clone();
    let mut whole = serde_json::to_value(&policy.spec).unwrap();
    for (key, value) in spec.as_object().unwrap() {
        whole[key] = value.clone();
    }
    policy.spec = serde_json::from_value(whole).unwrap();
    world.policies.insert("all".to_owned(), Arc::new(policy));
}

/// Both nodes measured source `a`: their clocks are ahead of it by so much, give or take a millisecond.
fn measured(world: &mut World, sequence: i64, millis: [i64; 2]) {
    for (name, offset) in ["n1", "n2"].into_iter().zip(millis) {
        let seen = json!({
            "source": "a", "role": "Driver", "state": "Selected", "letter": "*", "usable": true, "unanswered": 0,
            "reachability": "Answering", "offsetNanoseconds": offset * 1_000_000, "uncertaintyNanoseconds": 1_000_000,
        });
        report(world, name, sequence, ("True", "InTolerance"), &json!({"associations": [seen]}));
    }
}

fn status(world: &World) -> TimeSyncPolicyStatus {
    world.policies["all"].status.clone().unwrap()
}

fn told(world: &World, kind: &str) -> (String, String) {
    let status = status(world);
    let condition = status.conditions.iter().find(|condition| condition.type_ == kind).unwrap();
    (condition.reason.clone(), condition.message.clone())
}

fn pass(memory: &mut Memory, world: &mut World, now: BootTime, moment: &str) -> Decision {
    let decision = memory.decide(world, LEADING, now, moment.parse().unwrap());
    finish(memory, world, decision.clone(), now);
    decision
}

const NOON: &str = "2026-11-22T12:00:00Z";

fn writes_of_policy(decision: &Decision) -> usize {
    targets(decision).iter().filter(|target| *target == "policy-status all").count()
}

#[test]
fn clocks_that_are_apart_are_told_after_the_hold_and_by_the_next_operator_too() {
    let (mut memory, mut world) = at_rest();
    declare(&mut world, &json!({"tolerances": {"maxSpread": "40ms"}}));
    measured(&mut world, 2, [50, -50]);
    let decision = pass(&mut memory, &mut world, at(10), NOON);
    assert!(decision.next.is_some_and(|next| next <= at(15)), "the hold runs");
    assert_eq!(decision.policies[0].spread[0], Some(Nanos::from_millis(98)));
    let spread = status(&world).spread.unwrap();
    assert_eq!((spread.proven_nanoseconds, spread.between.join(" ").as_str()), (98_000_000, "n1 n2"));
    assert_eq!((spread.possible_nanoseconds, spread.through.as_deref()), (Some(110_000_000), Some("a")));
    assert_eq!(status(&world).effective.unwrap().max_spread.as_deref(), Some("40ms"));
    assert_eq!(told(&world, "Compliant").0, "InTolerance", "not within the hold time");
    pass(&mut memory, &mut world, at(41), NOON);
    let (reason, message) = told(&world, "Compliant");
    assert_eq!(reason, "SpreadExceeded");
    assert!(
        message.contains("n1 is proven to be about 98ms ahead of n2 (maxSpread 40ms): both measured a"),
        "{message}"
    );
    assert_eq!(writes_of_policy(&pass(&mut memory, &mut world, at(45), NOON)), 0);
    // Small moves are no news, for the next operator neither.
    measured(&mut world, 3, [48, -46]);
    let mut memory = Memory::new(Limits::default());
    assert_eq!(writes_of_policy(&pass(&mut memory, &mut world, at(50), NOON)), 0);
    measured(&mut world, 4, [1, 0]);
    pass(&mut memory, &mut world, at(60), NOON);
    assert_eq!(told(&world, "Compliant").0, "SpreadExceeded", "the clear hold runs");
    pass(&mut memory, &mut world, at(121), NOON);
    assert_eq!(told(&world, "Compliant").0, "InTolerance");
}

/// An autoscaler adds nodes one after the other: the others are judged meanwhile.
#[test]
fn a_node_that_joins_holds_up_no_word_on_the_others() {
    let (mut memory, mut world) = at_rest();
    declare(&mut world, &json!({"tolerances": {"maxSpread": "40ms"}}));
    measured(&mut world, 2, [50, -50]);
    pass(&mut memory, &mut world, at(10), NOON);
    for (second, name) in [(11, "n3"), (26, "n4"), (40, "n5")] {
        world.nodes.extend([node(name, name)]);
        pass(&mut memory, &mut world, at(second), NOON);
    }
    pass(&mut memory, &mut world, at(41), NOON);
    assert_eq!(told(&world, "Compliant").0, "SpreadExceeded");
}

/// Without maxSpread it is shown and judges nothing.
#[test]
fn a_spread_that_nobody_limits_breaches_nothing() {
    let (mut memory, mut world) = at_rest();
    measured(&mut world, 2, [50, -50]);
    for second in [10, 41, 100] {
        pass(&mut memory, &mut world, at(second), NOON);
    }
    assert_eq!(status(&world).spread.unwrap().proven_nanoseconds, 98_000_000);
    assert_eq!(told(&world, "Compliant").0, "InTolerance");
}

/// Truth first: a window marks alerts and changes no word on clocks.
#[test]
fn a_window_opens_and_ends_by_itself_and_changes_no_state() {
    let (mut memory, mut world) = at_rest();
    let window =
        json!({"name": "lunch", "schedule": "0 12 * * *", "duration": "1h", "timeZone": "Europe/Berlin"});
    declare(&mut world, &json!({"maintenance": {"windows": [window]}}));
    report(&mut world, "n1", 2, ("False", "OffsetExceeded"), &json!({}));
    // Half a minute to noon in Berlin.
    let decision = pass(&mut memory, &mut world, at(10), "2026-11-22T10:59:30Z");
    assert_eq!(told(&world, "Maintenance").0, "NoWindowOpen");
    assert_eq!(told(&world, "Compliant").0, "OutOfTolerance");
    assert!(decision.next.is_some_and(|next| next <= at(40)), "it is looked at when the window opens");
    pass(&mut memory, &mut world, at(40), "2026-11-22T11:00:00Z");
    assert_eq!(told(&world, "Maintenance").0, "WindowOpen");
    assert_eq!(status(&world).suppressed_until.unwrap().0.to_string(), "2026-11-22T12:00:00Z");
    assert_eq!(told(&world, "Compliant").0, "OutOfTolerance", "the state is as it is");
    let quiet = pass(&mut memory, &mut world, at(45), "2026-11-22T11:00:05Z");
    assert_eq!(writes_of_policy(&quiet), 0);
    pass(&mut memory, &mut world, at(3_640), "2026-11-22T12:00:00Z");
    assert_eq!(
        (told(&world, "Maintenance").0, status(&world).suppressed_until),
        ("NoWindowOpen".to_owned(), None)
    );
}

#[test]
fn a_window_with_a_fault_is_told_and_the_policy_plans_on() {
    let (mut memory, mut world) = at_rest();
    let window =
        json!({"name": "x", "schedule": "0 12 * * *", "duration": "1h", "timeZone": "Europe/Atlantis"});
    declare(&mut world, &json!({"maintenance": {"windows": [window]}}));
    pass(&mut memory, &mut world, at(10), NOON);
    let (reason, message) = told(&world, "Maintenance");
    assert_eq!(reason, "InvalidWindow");
    assert!(message.contains("Europe/Atlantis"), "{message}");
    assert_eq!(told(&world, "Ready").0, "Applied");
}
