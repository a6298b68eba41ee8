//! Law 1 on a live cluster: time outlives Kubernetes. The API server is gone for a while, and meanwhile tier 1 dies and
//! comes back: each node moves to tier 2 and returns by itself. Afterwards no plan was written, no chronyd was reloaded or
//! restarted and no condition moved, counted from the API server's audit log; each switch is told by one Event.
//! At least 20 s here; `MEANTIME_OUTAGE_SECONDS=300` in `make test-long`.

use meantime_tests::kind::{Outage, agent_metric, audit, control_plane, nodes, quiet, sh};
use std::time::Duration;

/// After the return: long enough for every watch to be back and a leader to be elected. What an outage makes somebody
/// write, it makes them write by then.
const AFTERMATH: Duration = Duration::from_secs(30);
/// … after a long one: watches are up to half a minute late, and the node controller's grace (50 s) has to pass.
const LONG_AFTERMATH: Duration = Duration::from_secs(75);

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
fn an_outage_of_the_api_server_moves_nothing() {
    let seconds =
        std::env::var("MEANTIME_OUTAGE_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(20);
    let aftermath = if seconds > 30 { LONG_AFTERMATH } else { AFTERMATH };
    let names = nodes().unwrap();
    let control_plane = control_plane().unwrap();
    let before = quiet::take().unwrap();
    assert_eq!(before.statuses.len(), names.len(), "every node has conditions: {:?}", before.statuses);
    let looks = |node: &String| agent_metric(node, "meantime_looks_total").unwrap().unwrap();
    let looked: Vec<f64> = names.iter().map(looks).collect();

    wait(&names, "before", |order| (order - 1.0).abs() < 0.1);
    let switches =
        || -> f64 { names.iter().map(|node| agent_metric(node, SWITCHES).unwrap().unwrap()).sum() };
    let (switches_before, told_before) = (switches(), told().len());

    let outage = Outage::begin(&control_plane).unwrap();
    #[expect(clippy::disallowed_methods, reason = "a test bench measures its own elapsed time")]
    let begin = std::time::Instant::now();
    tier_one("dead=true");
    let left = wait(&names, "tier 1 is dead", |order| order > 1.5);
    tier_one("dead=false");
    let back = wait(&names, "tier 1 is back", |order| (order - 1.0).abs() < 0.1);
    // A return is complete with the next clock update.
    let wanted = switches_before + 2.0 * count(names.len());
    for _ in 0..40 {
        if switches() >= wanted {
            break;
        }
        std::thread::sleep(Duration::from_millis(250));
    }
    assert!(switches() >= wanted, "each node left and returned: {} switches", switches() - switches_before);
    println!(
        "API server away: tier 2 drove every node after {left:.1?}, tier 1 again {back:.1?} after its return"
    );
    std::thread::sleep(Duration::from_secs(seconds).saturating_sub(begin.elapsed()));
    for (node, then) in names.iter().zip(&looked) {
        assert!(looks(node) > *then + 5.0, "{node}: the agent goes on looking while the API server is away");
    }
    // The log's end while nobody can write: all that follows is aftermath.
    let mark = audit::mark(&control_plane).unwrap();
    outage.end().unwrap();
    // On a busy machine the operator may take its time to come back; what is looked at is the time after that.
    let leads = |write: &audit::Write| write.user == "operator" && write.resource == "leases";
    let is_back = || audit::writes_since(&mark).unwrap().iter().any(leads);
    for _ in 0..90 {
        if is_back() {
            break;
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    std::thread::sleep(aftermath);

    let writes = audit::writes_since(&mark).unwrap();
    println!("API server away for {seconds} s; writes in the {} s after its return:", aftermath.as_secs());
    for (what, count) in audit::counted(&writes) {
        println!("  {count:>4} {what}");
    }
    assert!(writes.iter().any(leads), "the operator is back: else this proves nothing");
    let plans: Vec<_> = writes.iter().filter(|write| write.resource == "nodetimes").collect();
    assert!(plans.is_empty(), "NodeTime specs were written: {plans:?}");
    let moved = audit::transitions(&writes, &before.statuses);
    println!("  {:>4} condition transitions, {} NodeTime spec writes", moved.len(), plans.len());
    assert!(moved.is_empty(), "conditions moved: {moved:#?}");
    let after = quiet::take().unwrap();
    assert_eq!(after.transitions, before.transitions, "no lastTransitionTime moved");
    assert_eq!(after.daemons, before.daemons, "no chronyd was started, ended or told to reload");
    // Once each: as many as there were switches (by the agents' own count), no more. An agent may be half a minute late.
    let switched = switches() - switches_before;
    for _ in 0..60 {
        if count(told().len() - told_before) >= switched {
            break;
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    let told = told();
    let new = count(told.len() - told_before);
    assert!((new - switched).abs() < 0.1, "{new} Events for {switched} switches: {told:#?}");
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap())
}
