//! Names that cannot be used: one that does not resolve, and a second name for a server that is already there. Both
//! are told of at their source; no clock, no condition and no chronyd is disturbed.

use meantime_tests::kind::{quiet, sh};

const SOURCES: &str = r"
apiVersion: meantime.dev/v1alpha1
kind: TimeSource
metadata: {name: nowhere, labels: {site: lab}}
spec: {tier: 2, scope: Local, server: {address: nowhere.lab.test, minPoll: 0, maxPoll: 0}}
---
apiVersion: meantime.dev/v1alpha1
kind: TimeSource
metadata: {name: twin, labels: {site: lab}}
spec: {tier: 2, scope: Local, server: {address: campus-1-again.lab.test, minPoll: 0, maxPoll: 0}}
";

/// What every node says of a source, one word when they agree.
fn reachability(source: &str) -> String {
    sh(&format!(
        r#"kubectl get nodetimes -o json | jq -r '[.items[].status.associations[]? | select(.source == "{source}") | .reachability] | unique | join(" ")'"#
    ))
    .unwrap()
}

fn until(what: &str, wanted: impl Fn() -> bool) {
    for _ in 0..90 {
        if wanted() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_secs(1));
    }
    let told =
        sh("kubectl get nodetimes,timesources,timesyncpolicies; kubectl get nodetimes -o yaml").unwrap();
    panic!("{what}: not within 90 s\n{told}");
}

#[test]
fn names_that_cannot_be_used_are_told_of_and_disturb_nothing() {
    let before = quiet::take().unwrap();
    sh(&format!("kubectl apply -f - <<'Y'\n{SOURCES}\nY")).unwrap();
    until("both are told of", || {
        reachability("nowhere") == "Unresolved" && reachability("twin") == "Unresolved"
    });
    let told = sh("kubectl get timesources nowhere twin").unwrap();
    println!("{told}");
    println!("{}", sh("kubectl get nodetimes").unwrap());
    let during = quiet::take().unwrap();
    sh("kubectl delete timesource nowhere twin").unwrap();
    until("both are gone from every node", || {
        reachability("nowhere").is_empty() && reachability("twin").is_empty()
    });
    for then in [&during, &quiet::take().unwrap()] {
        assert_eq!(then.transitions, before.transitions, "no condition moved");
        for (node, daemon) in &then.daemons {
            assert_eq!(daemon.pid, before.daemons[node].pid, "{node}: the same chronyd all along");
        }
    }
}
