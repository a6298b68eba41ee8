//! Law 1 on a live cluster: time outlives Kubernetes. The API server is gone for a while; afterwards no plan was
//! written, no chronyd was reloaded or restarted and no condition moved, counted from the API server's audit log.
//! 20 s here; `MEANTIME_OUTAGE_SECONDS=300` in `make test-long`.

use meantime_tests::kind::{Outage, agent_metric, audit, control_plane, nodes, quiet};
use std::time::Duration;

/// After the return: long enough for every watch to be back and a leader to be elected. What an outage makes somebody
/// write, it makes them write by then.
const AFTERMATH: Duration = Duration::from_secs(30);
/// … after a long one: watches are up to half a minute late, and the node controller's grace (50 s) has to pass.
const LONG_AFTERMATH: Duration = Duration::from_secs(75);

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

    let outage = Outage::begin(&control_plane).unwrap();
    std::thread::sleep(Duration::from_secs(seconds));
    for (node, then) in names.iter().zip(&looked) {
        assert!(looks(node) > *then + 5.0, "{node}: the agent goes on looking while the API server is away");
    }
    // The log's end while nobody can write: all that follows is aftermath.
    let mark = audit::mark(&control_plane).unwrap();
    outage.end().unwrap();
    std::thread::sleep(aftermath);

    let writes = audit::writes_since(&mark).unwrap();
    println!("API server away for {seconds} s; writes in the {} s after its return:", aftermath.as_secs());
    for (what, count) in audit::counted(&writes) {
        println!("  {count:>4} {what}");
    }
    assert!(
        writes.iter().any(|write| write.user == "operator" && write.resource == "leases"),
        "the operator is back: else this proves nothing"
    );
    let plans: Vec<_> = writes.iter().filter(|write| write.resource == "nodetimes").collect();
    assert!(plans.is_empty(), "NodeTime specs were written: {plans:?}");
    let moved = audit::transitions(&writes, &before.statuses);
    println!("  {:>4} condition transitions, {} NodeTime spec writes", moved.len(), plans.len());
    assert!(moved.is_empty(), "conditions moved: {moved:#?}");
    let after = quiet::take().unwrap();
    assert_eq!(after.transitions, before.transitions, "no lastTransitionTime moved");
    assert_eq!(after.daemons, before.daemons, "no chronyd was started, ended or told to reload");
}
