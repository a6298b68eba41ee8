//! The supervisor's machine, transition by transition.

use super::*;

fn at(seconds: i64) -> BootTime {
    BootTime(Nanos::from_secs(seconds).0)
}

fn wanted(main: &str) -> Wanted {
    Wanted { main: main.to_owned(), profile: ClockProfile::Virtual, step_at_boot: true }
}

fn file(inode: u64) -> SocketFile {
    SocketFile { device: 1, inode }
}

/// Feeds events and returns the last step's actions.
fn run(events: &[(i64, Event)]) -> (State, Vec<Action>) {
    events
        .iter()
        .fold((State::NEW, Vec::new()), |(state, _), (second, event)| step(state, event, at(*second)))
}

fn up() -> Vec<(i64, Event)> {
    vec![(0, Event::Want(Some(wanted("a")))), (0, Event::Spawned(7)), (1, Event::Answered(Some(file(1))))]
}

fn up_then(more: &[(i64, Event)]) -> (State, Vec<Action>) {
    let mut events = up();
    events.extend_from_slice(more);
    run(&events)
}

#[test]
fn a_wish_starts_it_and_the_same_wish_again_does_nothing() {
    assert_eq!(run(&up()[..1]).1, [Action::Spawn(wanted("a"))]);
    let (state, actions) = up_then(&[(2, Event::Want(Some(wanted("a"))))]);
    assert_eq!((state.is_running(), actions), (true, vec![]));
}

#[test]
fn permission_to_step_at_boot_is_no_reason_to_restart() {
    let wish = Wanted { step_at_boot: false, ..wanted("a") };
    assert_eq!(up_then(&[(2, Event::Want(Some(wish)))]).1, []);
}

#[test]
fn a_new_main_text_stops_it_gracefully_and_starts_at_once() {
    let (_, actions) = up_then(&[(2, Event::Want(Some(wanted("b"))))]);
    assert_eq!(actions.last(), Some(&Action::Terminate(7)));
    let (_, actions) = up_then(&[(2, Event::Want(Some(wanted("b")))), (3, Event::Exited)]);
    assert_eq!(actions, [Action::Spawn(wanted("b"))]);
}

#[test]
fn a_wish_that_changes_while_it_starts_is_not_forgotten() {
    let (_, actions) = run(&[
        (0, Event::Want(Some(wanted("a")))),
        (0, Event::Want(Some(wanted("b")))),
        (1, Event::Spawned(7)),
    ]);
    assert_eq!(actions.last(), Some(&Action::Terminate(7)));
}

#[test]
fn killed_is_back_at_once_and_then_ever_slower() {
    let (state, actions) = up_then(&[(2, Event::Exited)]);
    assert_eq!(actions, []);
    assert_eq!(state.next_tick(), Some(at(2) + PAUSES[0]));
    let (mut state, actions) = step(state, &Event::Tick, at(3));
    assert_eq!(actions, [Action::Spawn(wanted("a"))]);
    let mut waits = Vec::new();
    for _ in 0..7 {
        let (failed, _) = step(state, &Event::SpawnFailed, at(10));
        waits.push(failed.next_tick().unwrap() - at(10));
        (state, _) = step(failed, &Event::Tick, at(100));
    }
    assert_eq!(waits[..5], PAUSES[1..]);
    assert_eq!(waits[6], PAUSES[5]);
}

#[test]
fn a_healthy_run_forgives_earlier_failures() {
    let (state, _) =
        up_then(&[(2, Event::Exited), (3, Event::Tick), (3, Event::Spawned(8)), (70, Event::Exited)]);
    assert_eq!(state.next_tick(), Some(at(70) + PAUSES[0]));
}

#[test]
fn silence_is_told_before_it_is_cured() {
    let (state, actions) = up_then(&[(30, Event::Unanswered), (60, Event::Unanswered)]);
    assert!(state.is_running() && actions.is_empty());
    let (state, actions) = up_then(&[(61, Event::Unanswered)]);
    assert_eq!(actions.last(), Some(&Action::Kill(7)));
    let (_, actions) = step(state, &Event::Exited, at(62));
    assert_eq!(actions, [Action::Spawn(wanted("a"))]);
}

#[test]
fn a_lost_socket_restarts_it_after_two_looks_but_not_while_it_starts() {
    assert_eq!(up_then(&[(2, Event::SocketLost), (2, Event::SocketLost), (2, Event::SocketLost)]).1, []);
    assert_eq!(up_then(&[(4, Event::SocketLost), (5, Event::Unanswered), (6, Event::SocketLost)]).1, []);
    let (_, actions) = up_then(&[(4, Event::SocketLost), (5, Event::SocketLost)]);
    assert_eq!(actions.last(), Some(&Action::Terminate(7)));
}

/// Seen once: the first look after a SIGKILL found the dead daemon's file, took it for ours, and 4 s later the new
/// daemon's own file for a stranger's.
#[test]
fn the_file_of_a_killed_predecessor_is_not_taken_for_ours() {
    let (state, _) = up_then(&[(2, Event::Exited), (3, Event::Tick), (3, Event::Spawned(8))]);
    assert!(state.may_own(file(1)), "it stands there still and refuses");
    let (state, actions) = step(state, &Event::SocketLost, at(3));
    assert!(actions.is_empty() && state.may_own(file(2)), "the new one has bound its own");
    let (state, _) = step(state, &Event::Answered(Some(file(2))), at(4));
    assert!(state.may_own(file(2)));
    assert!(!state.may_own(file(3)), "somebody replaced it");
    let (state, _) = step(state, &Event::Answered(Some(file(3))), at(5));
    assert!(!state.may_own(file(3)), "the first one that answered stays ours");
}

#[test]
fn who_ignores_sigterm_is_killed() {
    let stopping = [(2, Event::Want(None)), (6, Event::Tick)];
    assert_eq!(up_then(&stopping).1, []);
    assert_eq!(up_then(&[(2, Event::Want(None)), (7, Event::Tick)]).1, [Action::Kill(7)]);
    let (state, actions) = up_then(&[(2, Event::Want(None)), (3, Event::Exited)]);
    assert_eq!((state.phase, actions), (Phase::Idle, vec![]));
}

#[test]
fn a_restart_is_graceful_and_only_of_what_runs() {
    assert_eq!(up_then(&[(2, Event::Restart)]).1.last(), Some(&Action::Terminate(7)));
    assert_eq!(run(&[(0, Event::Restart)]).1, []);
}
