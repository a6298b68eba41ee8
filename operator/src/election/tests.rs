//! Two candidates, one Lease, two clocks that have nothing in common: never two leaders.

use super::*;
use proptest::prelude::*;

const TIMING: Timing = Timing {
    duration: Nanos::from_secs(15),
    renew_deadline: Nanos::from_secs(10),
    retry: Nanos::from_secs(2),
    request: Nanos::from_secs(4),
};

fn at(seconds: i64) -> BootTime {
    BootTime(Nanos::from_secs(seconds).0)
}

fn lease(holder: Option<&str>, record: &str, version: &str) -> LeaseView {
    LeaseView {
        holder: holder.map(str::to_owned),
        record: record.into(),
        duration: Nanos::from_secs(15),
        transitions: 3,
        version: version.into(),
    }
}

fn leader(me: &str, now: i64) -> State {
    let event = Event::Written { sent: at(now), lease: lease(Some(me), "r0", "1") };
    step(me, &TIMING, State::default(), event, at(now)).0
}

#[test]
fn creates_a_missing_lease_and_leads_from_the_moment_of_sending() {
    let (state, actions) = step("a", &TIMING, State::default(), Event::Tick, at(0));
    assert_eq!(actions, [Action::Read]);
    let (state, actions) = step("a", &TIMING, state, Event::Read(None), at(0));
    assert_eq!(actions, [Action::Create]);
    let written = Event::Written { sent: at(1), lease: lease(Some("a"), "r", "1") };
    let (state, actions) = step("a", &TIMING, state, written, at(3));
    assert_eq!(actions, [Action::Open(at(11))]);
    assert_eq!(state.role, Role::Leader { renewed: at(1) });
}

#[test]
fn takes_only_what_stood_still_for_its_duration_on_our_own_clock() {
    let mut state = State::default();
    for second in [100, 102, 114] {
        let (next, actions) =
            step("b", &TIMING, state, Event::Read(Some(lease(Some("a"), "r1", "1"))), at(second));
        assert_eq!(actions, [], "at {second}");
        state = next;
    }
    // a renewal restarts the count, whatever its timestamp says (here: the holder's clock went back ten years)
    let (next, actions) =
        step("b", &TIMING, state, Event::Read(Some(lease(Some("a"), "2016", "2"))), at(114));
    assert_eq!(actions, []);
    let (next, actions) = step("b", &TIMING, next, Event::Read(Some(lease(Some("a"), "2016", "2"))), at(128));
    assert_eq!(actions, []);
    let (_, actions) = step("b", &TIMING, next, Event::Read(Some(lease(Some("a"), "2016", "2"))), at(129));
    assert_eq!(actions, [Action::Take { version: "2".into(), transitions: 4 }]);
}

#[test]
fn a_released_lease_is_taken_at_once() {
    let (_, actions) = step("b", &TIMING, State::default(), Event::Read(Some(lease(None, "r", "9"))), at(0));
    assert_eq!(actions, [Action::Take { version: "9".into(), transitions: 4 }]);
}

#[test]
fn a_restarted_container_goes_on_with_its_own_lease() {
    let (_, actions) =
        step("a", &TIMING, State::default(), Event::Read(Some(lease(Some("a"), "r", "9"))), at(0));
    assert_eq!(actions, [Action::Renew { version: "9".into(), transitions: 3 }]);
}

#[test]
fn a_leader_whose_renewals_fail_stops_before_anybody_may_take_over() {
    let state = leader("a", 0);
    let (state, actions) = step("a", &TIMING, state, Event::Failed, at(9));
    assert_eq!(actions, []);
    let (state, actions) = step("a", &TIMING, state, Event::Failed, at(10));
    assert_eq!(actions, [Action::Close]);
    assert_eq!(state.role, Role::Follower);
    assert!(
        TIMING.renew_deadline + TIMING.request < TIMING.duration,
        "a write in flight at the deadline has ended"
    );
}

#[test]
fn a_leader_that_was_frozen_knows_it_before_it_renews() {
    let (state, actions) = step("a", &TIMING, leader("a", 0), Event::Tick, at(3_600));
    assert_eq!(actions, [Action::Close, Action::Read]);
    assert_eq!(state.role, Role::Follower);
}

#[test]
fn a_leader_that_finds_another_holder_closes() {
    let (state, actions) = step("a", &TIMING, leader("a", 0), Event::Conflict, at(1));
    assert_eq!(actions, [Action::Read]);
    let (state, actions) = step("a", &TIMING, state, Event::Read(Some(lease(Some("b"), "x", "7"))), at(1));
    assert_eq!(actions, [Action::Close]);
    assert_eq!(state.role, Role::Follower);
}

#[test]
fn a_leader_whose_lease_somebody_touched_renews_over_the_new_version() {
    let (state, _) = step("a", &TIMING, leader("a", 0), Event::Conflict, at(1));
    let (_, actions) = step("a", &TIMING, state, Event::Read(Some(lease(Some("a"), "r0", "7"))), at(1));
    assert_eq!(actions, [Action::Renew { version: "7".into(), transitions: 3 }]);
}

#[test]
fn a_leader_whose_lease_was_deleted_creates_it_again() {
    let (_, actions) = step("a", &TIMING, leader("a", 0), Event::Read(None), at(1));
    assert_eq!(actions, [Action::Create]);
}

#[test]
fn standing_down_releases_and_then_rests() {
    let (state, actions) = step("a", &TIMING, leader("a", 0), Event::StandDown, at(1));
    assert_eq!(actions, [Action::Close, Action::Release { version: "1".into(), transitions: 3 }]);
    let (state, actions) = step("a", &TIMING, state, Event::Tick, at(3));
    assert_eq!(actions, []);
    let (state, actions) = step("a", &TIMING, state, Event::Read(Some(lease(None, "r", "2"))), at(3));
    assert_eq!(actions, []);
    let (state, actions) = step("a", &TIMING, state, Event::Read(None), at(3));
    assert_eq!(actions, [], "a stop mark outlives the Lease");
    let (state, _) = step("a", &TIMING, state, Event::StandUp, at(5));
    let (_, actions) = step("a", &TIMING, state, Event::Tick, at(5));
    assert_eq!(actions, [Action::Read]);
}

#[test]
fn an_answer_that_came_too_late_opens_nothing() {
    let event = Event::Written { sent: at(0), lease: lease(Some("a"), "r", "1") };
    let (state, actions) = step("a", &TIMING, State::default(), event, at(10));
    assert_eq!(actions, [Action::Close]);
    assert_eq!(state.role, Role::Follower);
}

/// A Lease as the API server keeps it: optimistic locking and nothing else.
struct Server {
    lease: Option<LeaseView>,
    writes: u64,
}

impl Server {
    fn write(&mut self, holder: Option<&str>, version: Option<&str>) -> Option<LeaseView> {
        if self.lease.as_ref().map(|lease| lease.version.as_str()) != version {
            return None;
        }
        self.writes += 1;
        // the record is opaque: here a number that means no time at all
        let lease = lease(holder, &format!("r{}", self.writes), &self.writes.to_string());
        self.lease = Some(lease.clone());
        Some(lease)
    }
}

struct Candidate {
    me: &'static str,
    state: State,
    open_until: BootTime,
    /// Its BOOTTIME = world time + this.
    ahead: i64,
}

impl Candidate {
    fn now(&self, world: i64) -> BootTime {
        BootTime(world + self.ahead)
    }
    fn run(&mut self, server: &mut Server, world: i64, reachable: bool) {
        let mut queue = vec![Event::Tick];
        for _ in 0..6 {
            let Some(event) = queue.pop() else { return };
            let now = self.now(world);
            let (state, actions) = step(self.me, &TIMING, self.state.clone(), event, now);
            self.state = state;
            for action in actions {
                let written = |lease| match lease {
                    Some(lease) => Event::Written { sent: now, lease },
                    None => Event::Conflict,
                };
                match action {
                    Action::Open(until) => self.open_until = until,
                    Action::Close => self.open_until = BootTime(0),
                    _ if !reachable => queue.push(Event::Failed),
                    Action::Read => queue.push(Event::Read(server.lease.clone())),
                    Action::Create => queue.push(written(server.write(Some(self.me), None))),
                    Action::Renew { version, .. } | Action::Take { version, .. } => {
                        queue.push(written(server.write(Some(self.me), Some(&version))));
                    }
                    Action::Release { version, .. } => {
                        queue.push(written(server.write(None, Some(&version))));
                    }
                }
            }
        }
    }
    fn may_write(&self, world: i64) -> bool {
        self.now(world) < self.open_until
    }
}

proptest! {
    /// Whatever the network does and however far apart the two clocks are: at no moment may both write,
    /// and when both are reachable again one of them leads.
    #[test]
    fn never_two_leaders(
        ahead in (1_i64..1_000_000_000_000_000, 1_i64..1_000_000_000_000_000),
        world in prop::collection::vec((1_i64..9_000, any::<bool>(), any::<bool>(), any::<bool>()), 1..120),
    ) {
        let mut server = Server { lease: None, writes: 0 };
        let candidate = |me, ahead| Candidate { me, state: State::default(), open_until: BootTime(0), ahead };
        let (mut a, mut b) = (candidate("a", ahead.0), candidate("b", ahead.1));
        let mut now = 0_i64;
        for (pause_ms, a_runs, reach_a, reach_b) in world {
            now += pause_ms * 1_000_000;
            if a_runs { a.run(&mut server, now, reach_a) } else { b.run(&mut server, now, reach_b) }
            prop_assert!(!(a.may_write(now) && b.may_write(now)), "two leaders at {now}");
        }
        for _ in 0..20 {
            now += 2_000_000_000;
            a.run(&mut server, now, true);
            b.run(&mut server, now, true);
            prop_assert!(!(a.may_write(now) && b.may_write(now)), "two leaders at {now}");
        }
        prop_assert!(a.may_write(now) || b.may_write(now), "nobody leads");
    }
}
