//! Real clocks, plain chronyd: what a clock that may be moved really does, and what the lab says about it. The agent's
//! scenes (vm_agent.rs) stand on these facts. This machine's clock is never touched: the guest has its own.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails where it stands")]

use meantime_core::units::Nanos;
use meantime_tests::lab::{Lab, clock};
use meantime_tests::vm::{ClockError, Rtc, Vm, VmError, VmOptions};
use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

const DAY: i64 = 86_400;
/// Several times what chronyd needs, since the whole machine is emulated on a busy one.
const PATIENCE: Nanos = Nanos::from_secs(60);

fn boot(rtc: Rtc, labs: &[Lab]) -> Vm {
    let servers = labs
        .iter()
        .zip(1..)
        .map(|(lab, number)| (SocketAddr::from(([10, 99, 0, number], 123)), lab.address()))
        .collect();
    Vm::boot(&VmOptions { suite: "bookworm", rtc, servers, ..VmOptions::default() }).unwrap()
}

fn labs(count: usize) -> Vec<Lab> {
    (0..count).map(|_| Lab::anywhere().unwrap()).collect()
}

fn configure(vm: &mut Vm, labs: &[Lab], extra: &str) {
    let mut text = format!(
        "bindcmdaddress /run/chrony/socket\ncmdport 0\nport 0\npidfile /run/chrony/pid\nuser root\nrtcsync\n{extra}\n"
    );
    for number in 1..=labs.len() {
        writeln!(text, "server 10.99.0.{number} iburst minpoll 0 maxpoll 0").unwrap();
    }
    vm.write("/etc/chrony.conf", &text).unwrap();
}

fn start_chronyd(vm: &mut Vm, arguments: &str) {
    vm.start(&format!("chronyd -d -f /etc/chrony.conf {arguments}"), "/tmp/chronyd.log").unwrap();
}

fn stop_chronyd(vm: &mut Vm) {
    vm.ok("kill $(cat /run/chrony/pid); while [ -e /run/chrony/pid ]; do sleep 0.1; done").unwrap();
}

fn wait(vm: &mut Vm, what: &str, mut come: impl FnMut(&mut Vm) -> Result<bool, VmError>) {
    let begin = clock::now().boot;
    while !come(vm).unwrap() {
        if clock::now().boot - begin > PATIENCE {
            let log = vm
                .run("cat /tmp/chronyd.log; chronyc -h /run/chrony/socket -n sources")
                .map(|ended| ended.output);
            panic!(
                "{what}: not within {PATIENCE}; the guest is off by {:?}; log:\n{log:?}",
                vm.clock_error()
            );
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// True if the guest is surely within `size` of true time.
fn is_within(seen: ClockError, size: Nanos) -> bool {
    seen.error.abs() + seen.within <= size
}

#[test]
fn a_guest_that_boots_a_year_behind_is_stepped_and_rtcsync_keeps_it() {
    let labs = labs(1);
    let mut vm = boot(Rtc::Off(-365 * DAY), &labs);
    let seen = vm.clock_error().unwrap();
    assert!((seen.error + Nanos::from_secs(365 * DAY)).abs() < Nanos::from_secs(30), "{seen:?}");
    configure(&mut vm, &labs, "makestep 1 3");
    start_chronyd(&mut vm, "");
    wait(&mut vm, "the step", |vm| Ok(is_within(vm.clock_error()?, Nanos::from_millis(100))));
    let log = vm.ok("cat /tmp/chronyd.log").unwrap();
    assert!(log.contains("System clock was stepped by"), "{log}");
    // rtcsync: the kernel's "unsynchronised" bit (64) goes, and the kernel itself then sets the hardware clock.
    wait(&mut vm, "the kernel synchronised, the hardware clock set", |vm| {
        let status = vm.ok("adjtimex | sed -n 's/.*status: *\\([0-9]*\\).*/\\1/p'")?;
        let status: u32 = status.trim().parse().unwrap();
        let clocks = vm.clocks()?;
        Ok(status & 64 == 0 && clocks.rtc.is_some_and(|rtc| (clocks.wall - rtc).abs() <= Nanos::from_secs(2)))
    });
}

#[test]
fn a_fifth_of_a_second_is_slewed_away_without_a_step() {
    let labs = labs(1);
    let mut vm = boot(Rtc::Right, &labs);
    // The guest is put ahead for certain: stepped once to a server that lies by that much (give or take the noise of
    // one burst on a busy machine).
    labs[0].set("offset=200ms").unwrap();
    configure(&mut vm, &labs, "makestep 0.001 1");
    vm.ok("chronyd -q -f /etc/chrony.conf").unwrap();
    labs[0].set("offset=0").unwrap();
    let begin = vm.clock_error().unwrap();
    assert!((Nanos::from_millis(100)..Nanos::from_millis(300)).contains(&begin.error), "{begin:?}");

    // 20,000 ppm: ten seconds for 200 ms.
    configure(&mut vm, &labs, "maxslewrate 20000");
    start_chronyd(&mut vm, "");
    let (mut last, mut on_the_way) = (vm.clocks().unwrap(), 0);
    wait(&mut vm, "the slew's end", |vm| {
        let (now, seen) = (vm.clocks()?, vm.clock_error()?);
        let (wall, raw) = (now.wall - last.wall, now.raw - last.raw);
        // 2 % of slew, the frequency and the oscillator stay below 5 %; the two reads lie microseconds apart unless
        // the guest is interrupted between them.
        let moved = (wall - raw).abs();
        assert!(moved < raw.scaled(5, 100) + Nanos::from_millis(20), "a step of {moved} in {raw}");
        last = now;
        on_the_way +=
            i32::from((Nanos::from_millis(30)..begin.error - Nanos::from_millis(20)).contains(&seen.error));
        Ok(is_within(seen, Nanos::from_millis(20)))
    });
    assert!(on_the_way >= 2, "the way from {begin:?} to nothing was seen {on_the_way} times only");
    let log = vm.ok("cat /tmp/chronyd.log").unwrap();
    assert!(!log.contains("stepped"), "{log}");
    stop_chronyd(&mut vm);
}

#[test]
fn a_paused_machine_stops_both_clocks_and_only_the_rtc_tells() {
    let mut vm = boot(Rtc::Right, &[]);
    let before = vm.clocks().unwrap();
    vm.pause().unwrap();
    std::thread::sleep(Duration::from_secs(6));
    vm.resume().unwrap();
    let after = vm.clocks().unwrap();
    let (wall, boot, raw) = (after.wall - before.wall, after.boot - before.boot, after.raw - before.raw);
    let rtc = after.rtc.unwrap() - before.rtc.unwrap();
    assert!(wall < Nanos::from_secs(3), "CLOCK_REALTIME went on by {wall} in a pause of 6 s");
    assert!((wall - boot).abs() < Nanos::from_millis(50), "REALTIME {wall}, BOOTTIME {boot}");
    assert!((wall - raw).abs() < Nanos::from_millis(50), "REALTIME {wall}, MONOTONIC_RAW {raw}");
    assert!(rtc >= Nanos::from_secs(5), "the hardware clock went on by {rtc} only");
    let seen = vm.clock_error().unwrap();
    assert!(seen.error < Nanos::from_millis(-4_500), "{seen:?}");
}

/// DESIGN: under `-x` the residual of a followed lie stays; on a real clock it vanishes, and all looks perfect.
#[test]
fn a_lying_majority_moves_a_real_clock_and_then_everything_looks_perfect() {
    let labs = labs(4);
    let mut vm = boot(Rtc::Right, &labs);
    configure(&mut vm, &labs, "makestep 1 3");
    start_chronyd(&mut vm, "");
    wait(&mut vm, "a right clock", |vm| Ok(is_within(vm.clock_error()?, Nanos::from_millis(50))));
    labs[1..].iter().for_each(|lab| lab.set("offset=400ms").unwrap());
    wait(&mut vm, "the clock moved by the lie", |vm| {
        Ok((vm.clock_error()?.error - Nanos::from_millis(400)).abs() < Nanos::from_millis(50))
    });
    wait(&mut vm, "tracking that shows nothing of it", |vm| {
        let tracking = vm.ok("chronyc -h /run/chrony/socket -c tracking")?;
        let fields: Vec<&str> = tracking.trim().split(',').collect();
        let residual: f64 = fields[4].parse().unwrap();
        Ok(fields[13] == "Normal" && residual.abs() < 0.005)
    });
    let log = vm.ok("cat /tmp/chronyd.log").unwrap();
    assert!(!log.contains("stepped by 0.4"), "{log}");
}

#[test]
fn a_file_that_is_not_there_is_named_before_anything_boots() {
    let bad = VmOptions { files: vec![("/nonexistent/agent".into(), "/bin/agent")], ..VmOptions::default() };
    let error = Vm::boot(&bad).unwrap_err().to_string();
    assert!(error.contains("/nonexistent/agent"), "{error}");
}
