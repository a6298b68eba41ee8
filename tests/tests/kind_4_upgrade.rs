//! `helm upgrade` of the agent on a live cluster: every pod is made new, one node after the other. No clock steps, no
//! condition moves; how long each node went without a look at its chronyd is printed.

use meantime_core::units::Nanos;
use meantime_tests::figures::{self, Figure};
use meantime_tests::kind::{NAMESPACE, RELEASE, agent_pod, audit, control_plane, nodes, on_node, quiet, sh};
use meantime_tests::lab::clock;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A virtual clock that was never stepped agrees with the lab to far below this (calm scenes: below 1 ms).
const NO_STEP: f64 = 0.010;

/// What one node's metrics said during the upgrade.
#[derive(Debug, Default)]
struct Watched {
    longest_gap: Nanos,
    scrapes: u32,
    /// Largest |offset| published, seconds.
    offset: f64,
}

/// One scrape; none when nobody answers.
fn scrape(address: &SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(address, Duration::from_millis(500)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text)
}

fn value(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

fn watch(address: SocketAddr, ended: &AtomicBool) -> Watched {
    let mut watched = Watched::default();
    let mut answered = clock::now().boot;
    while !ended.load(Ordering::Relaxed) {
        if let Some(text) = scrape(&address).filter(|text| value(text, "chrony_up") == Some(1.0)) {
            let now = clock::now().boot;
            watched.longest_gap = watched.longest_gap.max(now - answered);
            answered = now;
            watched.scrapes += 1;
            watched.offset =
                watched.offset.max(value(&text, "meantime_clock_offset_seconds").map_or(0.0, f64::abs));
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    // A gap that has not ended is one too.
    watched.longest_gap = watched.longest_gap.max(clock::now().boot - answered);
    watched
}

#[test]
fn an_upgrade_of_the_agent_moves_no_clock_and_no_condition() {
    let before = quiet::take().unwrap();
    let names = nodes().unwrap();
    let old: Vec<String> = names.iter().map(|node| agent_pod(node).unwrap()).collect();
    let mark = audit::mark(&control_plane().unwrap()).unwrap();
    let ended = Arc::new(AtomicBool::new(false));
    let watchers: BTreeMap<String, _> = names
        .iter()
        .map(|node| {
            let ip = sh(&format!(
                "kubectl get node {node} -o jsonpath='{{.status.addresses[?(@.type==\"InternalIP\")].address}}'"
            ))
            .unwrap();
            let address = SocketAddr::new(ip.split_whitespace().next().unwrap().parse().unwrap(), 9923);
            let ended = Arc::clone(&ended);
            (node.clone(), std::thread::spawn(move || watch(address, &ended)))
        })
        .collect();

    let said = sh(&format!(
        "cd {}/.. && helm upgrade {RELEASE} charts/meantime -n {NAMESPACE} --reuse-values \
         --set-string agent.podAnnotations.upgraded=yes --wait --timeout 300s >/dev/null && \
         kubectl -n {NAMESPACE} rollout status daemonset/{RELEASE}-agent --timeout=300s",
        env!("CARGO_MANIFEST_DIR")
    ));
    // What the last node's new agent may yet tell, it tells within its first looks.
    std::thread::sleep(Duration::from_secs(20));
    ended.store(true, Ordering::Relaxed);
    let watched: BTreeMap<String, Watched> =
        watchers.into_iter().map(|(node, thread)| (node, thread.join().unwrap())).collect();
    println!("{}", said.unwrap());

    let after = quiet::take().unwrap();
    let writes = audit::writes_since(&mark).unwrap();
    let mut figures = Vec::new();
    for (index, node) in names.iter().enumerate() {
        assert_ne!(agent_pod(node).unwrap(), old[index], "{node}: the pod is new, else nothing was upgraded");
        let (then, now) = (&before.daemons[node], &after.daemons[node]);
        assert_ne!(now.pid, then.pid, "{node}: a new chronyd in the new pod");
        assert_eq!((now.starts, now.reloads), (1, 0), "{node}: started once, with its plan from the ledger");
        let flags = on_node(node, &format!("tr '\\0' ' ' </proc/{}/cmdline", now.pid)).unwrap();
        assert!(flags.split(' ').any(|flag| flag == "-R"), "{node}: a later start never steps: {flags}");
        let seen = &watched[node];
        println!(
            "{node}: {} between two looks at chronyd, largest offset {:.6} s in {} scrapes",
            seen.longest_gap, seen.offset, seen.scrapes
        );
        assert!(seen.scrapes > 100, "{node}: watched throughout: {seen:?}");
        assert!(seen.offset < NO_STEP, "{node}: {seen:?}");
        #[expect(clippy::cast_precision_loss, reason = "seconds for people")]
        let gap = seen.longest_gap.0 as f64 / 1e9;
        figures.push(Figure {
            figure: "upgrade_gap_s".to_owned(),
            value: gap,
            unit: "s",
            runs: 1,
            against: node.clone(),
        });
    }
    let moved = audit::transitions(&writes, &before.statuses);
    println!("{} condition transitions in the audit log", moved.len());
    assert!(moved.is_empty(), "{moved:#?}");
    assert_eq!(after.transitions, before.transitions, "no lastTransitionTime moved");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/figures/test-kind.jsonl");
    let commit = sh("git rev-parse --short HEAD").unwrap_or_else(|_| "none".to_owned());
    figures::append(&figures, &file, &commit).unwrap();
}
