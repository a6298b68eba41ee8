//! What the agent sees of the host beside its clock: does something set it at boot (law 1)?

use super::harness::Node;
use meantime_core::policy::Mode;
use meantime_crds::NodeTimeStatus;
use rustix::process::Signal;
use std::fs;
use std::os::unix::fs::symlink;

fn boot_time(status: &NodeTimeStatus) -> Option<(String, String, String)> {
    let found = status.conditions.iter().find(|c| c.type_ == "BootTimeUnprotected")?;
    Some((found.status.clone(), found.reason.clone(), found.message.clone()))
}

/// A Managed plan, without leave to steer: what is said does not hang on that, and this machine's clock is left alone.
#[test]
fn a_managed_node_says_whether_its_host_sets_the_clock_at_boot() {
    let mut node = Node::new(4);
    let units = node.path("units");
    node.plan.mode = Mode::Managed;
    // A host whose units are not mounted: unknown, never healthy.
    let said = boot_time(&node.up()).unwrap();
    assert_eq!((said.0.as_str(), said.1.as_str()), ("Unknown", "NotVisible"), "{}", said.2);
    node.end_agent(Signal::TERM);
    // A host with a daemon of its own, enabled, and nothing else.
    fs::create_dir_all(units.join("multi-user.target.wants")).unwrap();
    let enable = |name: &str, target: &str| {
        symlink(target, units.join("multi-user.target.wants").join(name)).unwrap();
    };
    enable("chronyd.service", "/usr/lib/systemd/system/chronyd.service");
    node.flags = vec!["--host-units".into(), units.display().to_string()];
    node.start();
    let is = |status: &NodeTimeStatus, wanted: &str| boot_time(status).is_some_and(|said| said.0 == wanted);
    let status = node.wait("unprotected", |status| is(status, "True"));
    assert_eq!(boot_time(&status).unwrap().1, "NoSetter");
    // The example, as the guide installs it.
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/host/meantime-boot-time.service");
    fs::copy(example, units.join("boot-clock.service")).unwrap();
    enable("boot-clock.service", "/etc/systemd/system/boot-clock.service");
    // A changed plan is looked at at once; else it takes five minutes.
    let added = node.add_lab();
    node.plan_source(added);
    node.publish();
    let status = node.wait("protected", |status| is(status, "False"));
    assert!(boot_time(&status).unwrap().2.starts_with("boot-clock.service sets"));
    // Only observed, the node has nothing to say of it.
    node.plan.mode = Mode::Observe;
    node.publish();
    node.wait("no word of it", |status| boot_time(status).is_none());
}
