//! Law 1 for failover: tier 1 dies and comes back while the API server is away. Each node moves and returns by itself, and
//! when the API server is back each switch is told by one Event.

use meantime_tests::kind::{Outage, agent_metric, control_plane, nodes, sh};
use std::time::Duration;

const ORDER: &str = "meantime_failover_drive_order";
const SWITCHES: &str = "meantime_failover_switches_total";

fn tier_one(words: &str) {
    for server in ["gps-a", "radio-a", "gps-b"] {
        sh(&format!("docker exec meantime-lab-{server} meantime-lab set {words}")).unwrap();
    }
}

/// Waits until every node's driving order is as wanted; how long it took.
fn wait(names: &[String], what: &str, wanted: impl Fn(f64) -> bool) -> Duration {
    #[expect(clippy::disallowed_methods, reason = "a test bench measures its own elapsed time")]
    let begin = std::time::Instant::now();
    loop {
        let orders: Vec<f64> = names.iter().map(|node| agent_metric(node, ORDER).unwrap().unwrap()).collect();
        if orders.iter().all(|order| wanted(*order)) {
            return begin.elapsed();
        }
        assert!(
            begin.elapsed() < Duration::from_mins(1),
            "{what}: the nodes are driven by orders {orders:?}"
        );
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Events of ours about switches, as `node message`.
fn told() -> Vec<String> {
    let script = r#"kubectl get events -n default -o json | jq -r '.items[] | select(.reason == "SourceSwitched") | .metadata.name + " " + .message'"#;
    sh(script).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn tier_one_dies_and_returns_while_the_api_server_is_away() {
    let names = nodes().unwrap();
    wait(&names, "before", |order| (order - 1.0).abs() < 0.1);
    let switches =
        || -> f64 { names.iter().map(|node| agent_metric(node, SWITCHES).unwrap().unwrap()).sum() };
    let (before, told_before) = (switches(), told().len());

    let outage = Outage::begin(&control_plane().unwrap()).unwrap();
    tier_one("dead=true");
    let left = wait(&names, "tier 1 is dead", |order| order > 1.5);
    tier_one("dead=false");
    let back = wait(&names, "tier 1 is back", |order| (order - 1.0).abs() < 0.1);
    let during = switches();
    println!(
        "API server away: tier 2 drove every node after {left:.1?}, tier 1 again {back:.1?} after its return"
    );
    outage.end().unwrap();

    let wanted = during - before;
    assert!(
        wanted >= 2.0 * f64::from(u32::try_from(names.len()).unwrap()),
        "each node left and returned: {wanted} switches"
    );
    for _ in 0..60 {
        let new = told().len() - told_before;
        if f64::from(u32::try_from(new).unwrap()) >= wanted {
            break;
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    // Once each: no more than there were switches, also a while later.
    std::thread::sleep(Duration::from_secs(5));
    let told = told();
    let new = f64::from(u32::try_from(told.len() - told_before).unwrap());
    assert!((new - wanted).abs() < 0.1, "{new} Events for {wanted} switches: {told:#?}");
}
