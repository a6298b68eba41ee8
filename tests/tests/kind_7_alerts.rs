//! The way of an alert, end to end with real programs: lab fault → Node condition → kube-state-metrics' series → firing in
//! Prometheus → exactly one notification at a webhook → heal → resolved. With the rules, routes and inhibitions that are
//! shipped; holds and group intervals divided by ten (not in `make test-long`).
//!
//! Three troubles: one node is truly wrong; all sources are dead (one alert of the fleet, the nodes' and sources' own are held
//! back); the operator and kube-state-metrics are dead themselves.

use meantime_core::clocks::BootTime;
use meantime_tests::figures::{self, Figure};
use meantime_tests::kind::monitoring::{Monitoring, Notification, scale};
use meantime_tests::kind::{NAMESPACE, RELEASE, nodes, sh};
use meantime_tests::lab::clock;
use std::path::{Path, PathBuf};
use std::time::Duration;

const SERVERS: [&str; 5] = ["gps-a", "radio-a", "gps-b", "campus-1", "campus-2"];

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn lab(set: &str) {
    for server in SERVERS {
        sh(&format!("docker exec meantime-lab-{server} meantime-lab set {set}")).unwrap();
    }
}

/// All addresses of a node, as a lab server may see it.
fn addresses(node: &str) -> Vec<String> {
    let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.GlobalIPv6Address}} {{end}}";
    sh(&format!("docker inspect -f '{format}' {node}"))
        .unwrap()
        .split_whitespace()
        .map(str::to_owned)
        .collect()
}

/// So many seconds at a scale of ten, more when holds are longer.
fn stretched(seconds: u64) -> u64 {
    seconds * 10 / scale()
}

/// Seconds between two moments.
#[expect(clippy::cast_precision_loss, reason = "seconds for people")]
fn seconds(from: BootTime, to: BootTime) -> f64 {
    (to - from).0 as f64 / 1e9
}

/// Waits for it, at most so many seconds; when it came.
fn until(monitoring: &Monitoring, what: &str, limit: u64, wanted: impl Fn() -> bool) -> BootTime {
    let began = clock::now().boot;
    while seconds(began, clock::now().boot) < f64::from(u32::try_from(limit).unwrap()) {
        if wanted() {
            return clock::now().boot;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    panic!(
        "{what}: not within {limit} s\nfiring: {:?}\nnotified: {:#?}\n{}\n{}",
        monitoring.firing(),
        monitoring.notifications(),
        sh("kubectl get nodetimes,timesources").unwrap_or_else(|error| error),
        monitoring.logs()
    );
}

fn condition(node: &str, kind: &str) -> String {
    sh(&format!(
        "kubectl get node {node} -o jsonpath='{{.status.conditions[?(@.type==\"meantime.dev/{kind}\")].status}}'"
    ))
    .unwrap_or_default()
}

/// What is put back whatever happens.
struct Healed {
    victim: Vec<String>,
}

impl Drop for Healed {
    fn drop(&mut self) {
        for server in SERVERS {
            let words: Vec<String> =
                self.victim.iter().map(|address| format!("per-client={address}:offset=0s")).collect();
            let _ = sh(&format!(
                "docker exec meantime-lab-{server} meantime-lab set dead=false {}",
                words.join(" ")
            ));
        }
        let _ = sh(&format!(
            "kubectl -n {NAMESPACE} scale deployment/{RELEASE}-operator --replicas=1 >/dev/null"
        ));
    }
}

/// One trouble: made, told once, healed, resolved once.
struct Trouble<'a> {
    name: &'a str,
    make: Box<dyn Fn(&mut Monitoring) + 'a>,
    heal: Box<dyn Fn(&mut Monitoring) + 'a>,
    /// A node's condition and the status in which it stands while the trouble lasts; none = no condition tells of it.
    condition: Option<(&'a str, &'a str, &'a str)>,
    /// Alert, receiver, nodes of each notification.
    told: Vec<(&'a str, &'a str, Vec<String>)>,
    /// What fires besides and is held back.
    held_back: Vec<&'a str>,
}

/// `12.3 s fault → condition, …`: the way's parts, and the whole.
struct Way {
    name: String,
    parts: Vec<(&'static str, f64)>,
    notified: f64,
    resolved: f64,
}

fn play(monitoring: &mut Monitoring, trouble: &Trouble) -> Way {
    let before = monitoring.notifications().len();
    let since = |monitoring: &Monitoring| monitoring.notifications().split_off(before);
    let told = |monitoring: &Monitoring, status: &str| {
        let came = since(monitoring);
        trouble.told.iter().all(|(alert, _, _)| {
            came.iter().any(|notification| notification.alert == *alert && notification.status == status)
        })
    };
    println!("… {}", trouble.name);
    let fault = clock::now().boot;
    (trouble.make)(monitoring);
    let mut parts = Vec::new();
    if let Some((node, kind, status)) = trouble.condition {
        let at = until(monitoring, "the condition", 60, || condition(node, kind) == status);
        parts.push(("fault → condition", seconds(fault, at)));
        let series = format!(
            "kube_node_status_condition{{node=\"{node}\",condition=\"meantime.dev/{kind}\",status=\"{}\"}}",
            status.to_lowercase()
        );
        let exported = until(monitoring, &series, 20, || monitoring.exports(&series));
        parts.push(("→ series", seconds(at, exported)));
    }
    let began = clock::now().boot;
    let fires = |monitoring: &Monitoring| {
        let firing = monitoring.firing().unwrap_or_default();
        trouble
            .told
            .iter()
            .all(|(alert, _, _)| firing.iter().any(|one| one.starts_with(&format!("{alert} "))))
    };
    let firing = until(monitoring, "firing", stretched(90), || fires(monitoring));
    parts.push(("→ firing", seconds(began, firing)));
    let notified = until(monitoring, "a notification", stretched(30), || told(monitoring, "firing"));
    parts.push(("→ notified", seconds(firing, notified)));
    // What else would be said is said by now: a group's first wait is 3 s, and what is held back has begun to fire.
    for alert in &trouble.held_back {
        until(monitoring, alert, stretched(40), || {
            monitoring
                .firing()
                .is_ok_and(|firing| firing.iter().any(|one| one.starts_with(&format!("{alert} "))))
        });
    }
    std::thread::sleep(Duration::from_secs(stretched(6)));
    println!("    firing: {:?}", monitoring.firing().unwrap());
    let healed = clock::now().boot;
    (trouble.heal)(monitoring);
    let resolved = until(monitoring, "resolved", stretched(90), || told(monitoring, "resolved"));
    // Calm again before the next one, and nothing is said late.
    until(monitoring, "nothing fires", stretched(60), || {
        monitoring.firing().is_ok_and(|firing| firing.is_empty())
    });
    std::thread::sleep(Duration::from_secs(stretched(4)));
    let came = since(monitoring);
    for one in &came {
        println!(
            "    {:6.1} s  {:8} to {:5} {} {:?}: {}",
            seconds(fault, one.at),
            one.status,
            one.receiver,
            one.alert,
            one.nodes,
            one.summary
        );
    }
    for (alert, receiver, nodes) in &trouble.told {
        let of_it: Vec<&Notification> = came.iter().filter(|one| one.alert == *alert).collect();
        let statuses: Vec<&str> = of_it.iter().map(|one| one.status.as_str()).collect();
        assert_eq!(statuses, ["firing", "resolved"], "{alert}: told exactly once, resolved exactly once");
        assert!(of_it.iter().all(|one| one.receiver == *receiver && one.nodes == *nodes), "{of_it:#?}");
    }
    assert_eq!(came.len(), trouble.told.len() * 2, "and nothing else was told: {came:#?}");
    Way {
        name: trouble.name.to_owned(),
        parts,
        notified: seconds(fault, notified),
        resolved: seconds(healed, resolved),
    }
}

#[test]
fn one_trouble_is_one_notification_and_one_all_clear() {
    let folder = tempfile::tempdir().unwrap();
    let names = nodes().unwrap();
    let victim = names.last().unwrap().clone();
    let victims = addresses(&victim);
    let _healed = Healed { victim: victims.clone() };
    let mut monitoring = Monitoring::start(&top(), folder.path()).unwrap();
    let count = f64::from(u32::try_from(names.len()).unwrap());
    until(
        &monitoring,
        "all is scraped, all kinds are exported, all nodes are in policy, nothing fires",
        60,
        || {
            let is = |expression: &str, value: f64| monitoring.number(expression) == Some(value);
            is("count(up == 1)", count + 2.0)
                && is(
                    "count(meantime:node_condition{condition='meantime.dev/TimeSynchronized',status='true'})",
                    count,
                )
                && is("count(meantime_nodetime_info{desired='Active',policy='all-nodes'})", count)
                && is(
                    "count(meantime_timesource_nodes_reaching == on () group_left () count(kube_node_info))",
                    5.0,
                )
                && is("max(meantime_timesyncpolicy_condition{type='Compliant',status='True'})", 1.0)
                && is("max(meantime_operator_leading)", 1.0)
                && monitoring
                    .number("sum(meantime_in_policy_seconds_total)")
                    .is_some_and(|seconds| seconds > 0.0)
                && monitoring.firing().is_ok_and(|firing| firing.is_empty())
        },
    );
    assert_eq!(monitoring.notifications(), [], "calm: nothing is told");

    let shift = |span: &str| {
        let words: Vec<String> =
            victims.iter().map(|address| format!("per-client={address}:offset={span}")).collect();
        lab(&words.join(" "));
    };
    let troubles = [
        Trouble {
            name: "one node is truly wrong (all servers answer it 120 ms off)",
            make: Box::new(|_| shift("120ms")),
            heal: Box::new(|_| shift("0s")),
            condition: Some((&victim, "TimeSynchronized", "False")),
            told: vec![("MeantimeNodeNotSynchronized", "pager", vec![victim.clone()])],
            held_back: vec![],
        },
        Trouble {
            name: "all sources are dead",
            make: Box::new(|_| lab("dead=true")),
            heal: Box::new(|_| lab("dead=false")),
            condition: Some((&victim, "TimePartitioned", "True")),
            told: vec![("MeantimeFleetNoSource", "pager", vec![])],
            held_back: vec!["MeantimeNodeNoSource"],
        },
        Trouble {
            name: "kube-state-metrics and the operator are dead",
            make: Box::new(|monitoring| {
                monitoring.stop_state_metrics();
                sh(&format!("kubectl -n {NAMESPACE} scale deployment/{RELEASE}-operator --replicas=0"))
                    .unwrap();
            }),
            heal: Box::new(|monitoring| {
                monitoring.start_state_metrics(&top()).unwrap();
                sh(&format!("kubectl -n {NAMESPACE} scale deployment/{RELEASE}-operator --replicas=1"))
                    .unwrap();
            }),
            condition: None,
            told: vec![
                ("MeantimeKubeStateMetricsDown", "pager", vec![]),
                ("MeantimeOperatorDown", "pager", vec![]),
            ],
            held_back: vec![],
        },
    ];
    let mut figures = Vec::new();
    let ways: Vec<Way> = troubles.iter().map(|trouble| play(&mut monitoring, trouble)).collect();
    println!("\nfault → notification (holds and group intervals divided by {}; virtual clocks)", scale());
    for way in &ways {
        let parts: Vec<String> = way.parts.iter().map(|(part, took)| format!("{part} {took:.1} s")).collect();
        println!(
            "  {:5.1} s  {}: {}; healed → resolved {:.1} s",
            way.notified,
            way.name,
            parts.join(", "),
            way.resolved
        );
        for (figure, value) in
            [("fault_to_notification_s", way.notified), ("heal_to_resolved_s", way.resolved)]
        {
            let against = format!("{}; holds divided by {}", way.name, scale());
            figures.push(Figure { figure: figure.to_owned(), value, unit: "s", runs: 1, against });
        }
    }
    let file = top().join("target/figures/findings.jsonl");
    let commit = sh("git rev-parse --short HEAD").unwrap_or_else(|_| "none".to_owned());
    figures::append(&figures, &file, &commit).unwrap();
}
