//! All six or none; times move only with the status; silence hides everything.

use super::*;

const SYNCED: NodeCondition = NodeCondition::Agents(ConditionKind::TimeSynchronized);
const WALL: i64 = 1_790_000_000;

fn wall(seconds: i64) -> Timestamp {
    Timestamp::from_second(WALL + seconds).unwrap()
}

fn told(status: Status, reason: &str, message: &str) -> Told {
    Told { status, reason: reason.into(), message: message.into() }
}

fn healthy() -> BTreeMap<NodeCondition, Told> {
    NodeCondition::ALL
        .map(|kind| {
            (
                kind,
                told(kind.healthy(), if kind == SYNCED { "InTolerance" } else { "Enough" }, "12µs ± 410µs"),
            )
        })
        .into()
}

fn stand(told: &BTreeMap<NodeCondition, Told>, since: i64) -> BTreeMap<NodeCondition, Standing> {
    told.iter()
        .map(|(kind, told)| (*kind, Standing { told: told.clone(), since: Some(wall(since)) }))
        .collect()
}

fn seconds(seconds: i64) -> BootTime {
    BootTime(Nanos::from_secs(seconds).0)
}

#[test]
fn a_node_without_ours_gets_all_six_in_writing_order() {
    let change =
        change(&wish(true, Some(&healthy()), None), &BTreeMap::new(), seconds(0), seconds(1), wall(5));
    let Change::Set { conditions, transitions } = change else { panic!("{change:?}") };
    let kinds: Vec<_> = conditions.iter().map(|(kind, _, _)| *kind).collect();
    assert_eq!(kinds, NodeCondition::ALL);
    assert!(conditions.iter().all(|(_, _, since)| *since == wall(5)));
    assert_eq!(transitions.len(), 6);
}

#[test]
fn a_new_message_alone_waits_for_the_heartbeat() {
    let mut moved = healthy();
    for told in moved.values_mut() {
        told.message = "13µs ± 400µs".into();
    }
    let wish = wish(true, Some(&moved), None);
    let standing = stand(&healthy(), 0);
    assert_eq!(change(&wish, &standing, seconds(0), seconds(599), wall(599)), Change::Nothing);
    let Change::Set { conditions, transitions } =
        change(&wish, &standing, seconds(0), seconds(600), wall(600))
    else {
        panic!("no heartbeat")
    };
    assert_eq!(transitions, []);
    assert!(conditions.iter().all(|(_, told, since)| told.message == "13µs ± 400µs" && *since == wall(0)));
}

#[test]
fn last_transition_moves_with_the_status_of_that_condition_only() {
    let mut breach = healthy();
    breach.insert(
        NodeCondition::Agents(ConditionKind::TimeOffsetHigh),
        told(Status::True, "OffsetExceeded", "91ms"),
    );
    breach.insert(SYNCED, told(Status::True, "Warning", "30ms"));
    let Change::Set { conditions, transitions } =
        change(&wish(true, Some(&breach), None), &stand(&healthy(), 0), seconds(0), seconds(1), wall(9))
    else {
        panic!("nothing written")
    };
    for (kind, _, since) in conditions {
        let expected =
            if kind == NodeCondition::Agents(ConditionKind::TimeOffsetHigh) { wall(9) } else { wall(0) };
        assert_eq!(since, expected, "{kind:?}");
    }
    assert_eq!(
        transitions.iter().map(|t| t.kind).collect::<Vec<_>>(),
        [SYNCED, NodeCondition::Agents(ConditionKind::TimeOffsetHigh)]
    );
}

#[test]
fn silence_hides_everything_the_agent_said() {
    let Wish::Set(all) = wish(true, Some(&healthy()), Some(Silence::Overdue)) else {
        panic!("no conditions")
    };
    assert_eq!(all.len(), 6);
    assert!(all.values().all(|told| told.status == Status::Unknown && told.reason == "AgentSilent"));
}

#[test]
fn a_condition_that_the_agent_does_not_report_is_unknown_not_healthy() {
    let mut four = healthy();
    four.remove(&NodeCondition::Agents(ConditionKind::TimePartitioned));
    let Wish::Set(all) = wish(true, Some(&four), None) else { panic!("no conditions") };
    assert_eq!(all[&NodeCondition::Agents(ConditionKind::TimePartitioned)].status, Status::Unknown);
}

#[test]
fn without_a_plan_ours_are_removed_once_and_without_a_word_they_stay() {
    let standing = stand(&healthy(), 0);
    assert_eq!(change(&wish(false, None, None), &standing, seconds(0), seconds(1), wall(1)), Change::Remove);
    assert_eq!(
        change(&wish(false, None, None), &BTreeMap::new(), seconds(0), seconds(1), wall(1)),
        Change::Nothing
    );
    assert_eq!(
        change(&wish(true, None, None), &standing, seconds(0), seconds(9_999), wall(1)),
        Change::Nothing
    );
}

#[test]
fn one_missing_on_the_node_is_put_back() {
    let mut standing = stand(&healthy(), 0);
    standing.remove(&NodeCondition::Agents(ConditionKind::TimeDaemonDown));
    let change = change(&wish(true, Some(&healthy()), None), &standing, seconds(0), seconds(1), wall(1));
    assert!(matches!(change, Change::Set { .. }));
}

#[test]
fn heartbeats_of_many_nodes_are_spread() {
    let phases: std::collections::BTreeSet<_> =
        (0..1_000).map(|n| heartbeat_phase(&format!("node-{n}")).0 / 60_000_000_000).collect();
    assert_eq!(phases.len(), 10, "every minute of the ten has its share");
}
