//! Names that cannot be used: one that does not resolve, and three names for a server that has two addresses (IPv4 and
//! IPv6), of which chronyd gives each away once. Both are told of; no clock, no condition and no chronyd is disturbed.

use meantime_tests::kind::{nodes, quiet, sh};

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
---
apiVersion: meantime.dev/v1alpha1
kind: TimeSource
metadata: {name: triplet, labels: {site: lab}}
spec: {tier: 2, scope: Local, server: {address: campus-1-thrice.lab.test, minPoll: 0, maxPoll: 0}}
";

/// Of a node's associations, those whose name has no address; a line a node, in the order of nodes.
fn unresolved() -> String {
    sh(r#"kubectl get nodetimes -o json | jq -r '.items[] | [.status.associations[]? | select(.reachability == "Unresolved") | .source] | sort | join(" ")'"#)
        .unwrap()
}

/// All lines are so, one a node.
fn on_all(lines: &str, wanted: impl Fn(&str) -> bool) -> bool {
    lines.split('\n').count() == nodes().unwrap().len() && lines.split('\n').all(wanted)
}

/// The sources go whatever happens: later tests count on the quickstart's five.
struct Removed;

impl Drop for Removed {
    fn drop(&mut self) {
        let _ = sh("kubectl delete timesource nowhere twin triplet --ignore-not-found");
    }
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
    let removed = Removed;
    sh(&format!("kubectl apply -f - <<'Y'\n{SOURCES}\nY")).unwrap();
    // Sources are taken one at a time: the rollout stops at the first name that stays without an address, and says so.
    until("a name without an address is told of on every node, and the policy is not Ready", || {
        on_all(&unresolved(), |node| ["nowhere", "twin", "triplet"].contains(&node))
            && sh("kubectl get tsp all-nodes -o jsonpath='{.status.conditions[?(@.type==\"Ready\")].status}'")
                .unwrap()
                == "False"
    });
    println!("{}", sh("kubectl get timesources,timesyncpolicies,nodetimes").unwrap());
    let during = quiet::take().unwrap();
    drop(removed);
    let plain = || {
        sh("kubectl get nodetimes -o json | jq -r '.items[] | [.status.associations[]?.source] | sort | join(\" \")'")
            .unwrap()
    };
    until("gone from every node", || {
        on_all(&plain(), |node| node == "campus-1 campus-2 gps-a gps-b radio-a")
    });
    for then in [&during, &quiet::take().unwrap()] {
        assert_eq!(then.transitions, before.transitions, "no condition moved");
        for (node, daemon) in &then.daemons {
            assert_eq!(daemon.pid, before.daemons[node].pid, "{node}: the same chronyd all along");
        }
    }
}
