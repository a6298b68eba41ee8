//! The agent on a clock that may really be moved: boot a year off, a lie that moves the clock, a paused machine, a
//! second daemon, somebody's step. Ground truth is the guest's true error, sampled beside the agent's words: a look
//! that finds TimeSynchronized=True on a clock wrong beyond `maxOffset` fails the scene.
//!
//! The verdict is read from the agent's own /metrics in the guest, the state of the daemon from its status file.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

mod vm_node;

use meantime_core::units::Nanos;
use meantime_crds::nodetime::HealthWord;
use meantime_tests::vm::Rtc;
use vm_node::{GuestNode, HOUR, YEAR};

#[test]
fn a_boot_a_year_behind_is_stepped_once_and_never_again() {
    let mut node = GuestNode::boot(Rtc::Off(-365 * 86_400), 4);
    assert!(node.error().error < -(YEAR - HOUR), "{:?}", node.error());
    node.start_agent();
    node.wait_good("stepped in the boot window, judged good");
    // Three updates may step after a boot (`makestep 1 3`): they are over then.
    node.wait_baseline();
    assert_eq!(node.steps(), 1, "{}", node.story());

    // A crash later: the same boot, so no leave to step, though the clock is an hour off.
    let ahead = node.shift(3_600);
    node.vm.ok("kill -9 $(cat /run/meantime/chrony/chronyd.pid)").unwrap();
    node.wait("False while an hour off", |seen| seen.status == "False");
    node.watch_for(Nanos::from_secs(10));
    assert_eq!(node.steps(), 1, "{}", node.story());
    assert!(node.error().error > ahead - Nanos::from_secs(60), "still ahead: nobody stepped in anger");
    node.report("boot");
}

#[test]
fn a_lying_majority_moves_the_clock_and_bound_contradicted_latches_over_a_perfect_residual() {
    let mut node = GuestNode::boot(Rtc::Right, 4);
    node.start_agent();
    node.wait_good("judged good");
    node.wait_baseline();
    node.labs[1..].iter().for_each(|lab| lab.set("offset=400ms").unwrap());
    node.wait("BoundContradicted", |seen| seen.status == "False" && seen.reason == "BoundContradicted");
    // The real profile: chronyd has followed the lie, its residual says "perfect", the clock is 400 ms off.
    node.wait_moved(Nanos::from_millis(400));
    node.wait("a residual that reads nothing, the latch holding", |seen| {
        assert_eq!((seen.status.as_str(), seen.reason.as_str()), ("False", "BoundContradicted"));
        seen.residual.is_some_and(|residual| residual.abs() < Nanos::from_millis(10))
    });
    node.watch_for(Nanos::from_secs(10));
    let seen = node.look();
    assert_eq!(
        (seen.status.as_str(), seen.reason.as_str()),
        ("False", "BoundContradicted"),
        "{}",
        node.story()
    );
    assert!(
        seen.offset.is_some_and(|offset| (offset - Nanos::from_millis(400)).abs() < Nanos::from_millis(100)),
        "{seen:?}"
    );
    node.labs[1..].iter().for_each(|lab| lab.set("offset=0").unwrap());
    node.wait_good("healed");
    node.report("lie");
}

#[test]
fn a_paused_machine_is_told_by_its_rtc() {
    let mut node = GuestNode::boot(Rtc::Right, 4);
    node.start_agent();
    node.wait_good("judged good");
    // Three updates may step after a boot (`makestep 1 3`): they are over then.
    node.wait_baseline();
    let steps = node.steps();
    node.pause_for(Nanos::from_secs(8));
    node.wait_told("ClockDisrupted");
    // Behind by eight seconds: never True until slewed back, and nobody steps.
    node.wait("False while seconds behind", |seen| seen.status == "False");
    node.watch_for(Nanos::from_secs(10));
    assert_eq!(node.steps(), steps, "{}", node.story());
    node.report("pause");
}

/// As long as a machine stands still that is moved to another host: its hardware clock was seen to tick before and after.
#[test]
fn a_short_pause_is_told_by_its_rtcs_ticks() {
    let mut node = GuestNode::boot(Rtc::Right, 4);
    node.start_agent();
    node.wait_good("judged good");
    node.wait_baseline();
    let steps = node.steps();
    for milliseconds in [150, 400] {
        // Sixteen updates, polls of a second: what it showed before them is believed.
        node.watch_for(Nanos::from_secs(25));
        node.wait_good("steady");
        node.pause_for(Nanos::from_millis(milliseconds));
        let told = |node: &mut GuestNode| {
            node.told().iter().filter(|line| line.contains("reason=\"ClockDisrupted\"")).count()
        };
        let before = told(&mut node);
        node.wait_for("told as our own", |node| told(node) > before);
        node.wait_good("slewed back");
    }
    assert_eq!(node.steps(), steps, "{}", node.story());
    node.report("short pause");
}

#[test]
fn a_second_daemon_is_named_and_our_own_only_measures_beside_it() {
    let mut node = GuestNode::boot(Rtc::Right, 4);
    node.start_agent();
    node.wait_good("judged good");
    assert_eq!(node.clock_word(), "Managed");
    node.start_rival();
    node.wait_clock_word("CompetingDaemon");
    // The word is told when the daemon is asked to go; the one that only measures comes after it.
    let there = "for i in $(seq 100); do [ -s /run/meantime/chrony/chronyd.pid ] && break; sleep 0.1; done";
    let flags = node
        .vm
        .ok(&format!("{there}; tr '\\0' ' ' </proc/$(cat /run/meantime/chrony/chronyd.pid)/cmdline"))
        .unwrap();
    assert!(flags.split(' ').any(|flag| flag == "-x"), "{flags}");
    node.report("rival");
}

/// A rival must be out of sight for a minute before the clock is taken back.
#[test]
#[ignore = "over a minute"]
fn a_rival_that_left_hands_the_clock_back() {
    let mut node = GuestNode::boot(Rtc::Right, 4);
    node.start_rival();
    node.start_agent();
    node.wait_clock_word("CompetingDaemon");
    node.stop_rival();
    node.wait_clock_word("Managed");
    node.wait_good("steering");
    node.report("rival gone");
}

#[test]
fn somebody_elses_step_is_told_at_once_and_not_answered_by_a_step() {
    let mut node = GuestNode::boot(Rtc::Right, 4);
    node.start_agent();
    node.wait_good("judged good");
    node.wait_baseline();
    let steps = node.steps();
    node.shift(5);
    node.wait_told("ClockDisrupted");
    node.wait("False while seconds ahead", |seen| seen.status == "False");
    node.watch_for(Nanos::from_secs(10));
    assert_eq!(node.steps(), steps, "{}", node.story());
    node.report("step");
}

/// The clock is being slewed, its only driver dies; then the machine is paused as well.
#[test]
fn failover_goes_on_through_a_slew_and_a_pause() {
    let mut node = GuestNode::boot(Rtc::Right, 4);
    node.orders = vec![1, 2, 2, 2];
    node.start_agent();
    node.wait_good("judged good");
    node.wait_baseline();
    let steps = node.steps();
    node.shift(3);
    node.wait_told("ClockDisrupted");
    node.labs[0].set("dead=true").unwrap();
    let left = |node: &mut GuestNode| {
        let status = node.status().unwrap_or_default();
        status.drive_order == Some(2) && status.source.is_some_and(|source| source != "s1")
    };
    node.wait_for("another source drives the slew", left);
    node.wait_good("slewed back");
    let switches = |node: &mut GuestNode| node.status().map(|status| status.switches).unwrap_or_default();
    let told = switches(&mut node);
    // While the clock is slewed chronyd may follow another one already when s1 dies: then there was no switch.
    assert!(told.len() <= 1, "{told:?}\n{}", node.story());

    node.pause_for(Nanos::from_secs(4));
    node.wait("False while seconds behind", |seen| seen.status == "False");
    node.wait_good("slewed back again");
    let status = node.status().unwrap();
    assert_eq!(status.drive_order, Some(2));
    for one in status.associations.iter().filter(|one| one.source.as_deref() != Some("s1")) {
        assert_eq!(one.health, HealthWord::Healthy, "a pause is held against nobody: {}", node.story());
    }
    assert_eq!(switches(&mut node).len(), told.len(), "{}", node.story());
    assert_eq!(node.steps(), steps, "{}", node.story());
    node.report("failover");
}

/// 2027-01-01T00:00:00Z.
const MIDNIGHT: Nanos = Nanos::from_secs(1_798_761_600);

/// A real kernel makes a real leap second, armed by the agent's chronyd, or by another that steers while ours measures.
fn a_leap_second(scene: &str, rival: bool) {
    let mut node = GuestNode::boot_at(MIDNIGHT.0 / 1_000_000_000 - 240, 4);
    node.announce_leap();
    if rival {
        node.start_rival();
    }
    node.start_agent();
    node.wait_clock_word(if rival { "CompetingDaemon" } else { "Managed" });
    node.wait_good("judged good");
    node.wait_baseline();
    let (before, words, steps) = (node.stepped(), node.words(), node.steps());
    println!("before: {}", node.vm.run("adjtimex").unwrap().output);
    node.insert_leap(MIDNIGHT);
    println!("after: {}", node.vm.run("adjtimex").unwrap().output);
    node.watch_for(Nanos::from_secs(40));
    // The kernel did it, and nobody else did anything. The two clocks are read one after the other, under emulation.
    let moved = node.stepped() - before;
    println!("CLOCK_REALTIME against CLOCK_BOOTTIME: {}", moved.signed());
    assert!((moved + Nanos::SECOND).abs() < Nanos::from_millis(10), "{moved}\n{}", node.story());
    assert_eq!(node.steps(), steps, "{}", node.story());
    assert_eq!(node.words(), words, "no condition changes\n{}", node.story());
    let covered = node.misses().is_empty();
    assert!(covered, "the bound covers the truth\n{}", node.story());
    node.report(scene);
}

#[test]
fn a_leap_second_is_made_by_the_kernel_and_changes_no_word() {
    a_leap_second("leap second", false);
}

#[test]
fn a_leap_second_that_another_daemon_has_armed_changes_no_word() {
    a_leap_second("leap second beside another daemon", true);
}
