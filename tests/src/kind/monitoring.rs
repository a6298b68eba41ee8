//! Prometheus, Alertmanager and kube-state-metrics beside the test cluster: real programs, run on loopback as this test's
//! children, with the very files of `alerts/` and a receiver of our own.
//!
//! **Time scale.** All `for`, `interval`, `group_wait` and `group_interval` are divided by [`scale`], nothing else: the rules are the same
//! text otherwise. Scrapes and evaluations are one second apart, so that they are as short against the holds as in earnest.
//! `make test-long` has a scale of 1: the files as they are.
//!
//! **In:** the cluster of `$KUBECONFIG`, with Meantime installed. **Out:** what is firing, and what was notified.
//! kube-state-metrics has the rights that the chart gives it and no more.

use super::{NAMESPACE, RELEASE, nodes, sh};
use crate::lab::clock;
use meantime_core::clocks::BootTime;
use serde_json::Value;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Holds and group intervals are divided by this: 10, or `$MEANTIME_ALERT_SCALE`.
pub fn scale() -> u64 {
    std::env::var("MEANTIME_ALERT_SCALE")
        .ok()
        .and_then(|text| text.parse().ok())
        .filter(|scale| *scale > 0)
        .unwrap_or(10)
}
/// Where the test's own service account stands.
const OWN: &str = "meantime-alerts-test";

/// One notification, as Alertmanager sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// When it came.
    pub at: BootTime,
    /// pager, desk, log, nobody.
    pub receiver: String,
    /// firing or resolved.
    pub status: String,
    /// The alert's name.
    pub alert: String,
    /// The nodes it is about; empty = it speaks of no node.
    pub nodes: Vec<String>,
    /// Summary of its first alert.
    pub summary: String,
}

/// A child with all that it started; ended when dropped.
#[derive(Debug)]
struct Running(Child);

impl Running {
    fn start(command: &mut Command, log: &Path) -> Result<Self, String> {
        let file = fs::File::create(log).map_err(|error| error.to_string())?;
        let twin = file.try_clone().map_err(|error| error.to_string())?;
        let child = command.process_group(0).stdin(Stdio::null()).stdout(file).stderr(twin).spawn();
        child.map(Self).map_err(|error| format!("{command:?}: {error}"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = sh(&format!("kill -KILL -- -{}", self.0.id()));
        let _ = self.0.wait();
    }
}

/// All of it.
#[derive(Debug)]
pub struct Monitoring {
    folder: PathBuf,
    programs: PathBuf,
    state_metrics: Option<Running>,
    state_metrics_port: u16,
    prometheus_port: u16,
    notified: Arc<Mutex<Vec<Notification>>>,
    _children: Vec<Running>,
}

/// A free port on loopback.
fn port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    Ok(listener.local_addr().map_err(|error| error.to_string())?.port())
}

/// `text` with each `KEY: <n>s|m|h` divided by `scale`, and how many those were.
pub fn scaled(text: &str, keys: &[&str], scale: u64) -> (String, usize) {
    let mut out = String::with_capacity(text.len());
    let mut count = 0;
    let mut rest = text;
    while let Some(at) =
        keys.iter().filter_map(|key| Some(rest.find(&format!(" {key}: "))? + key.len() + 3)).min()
    {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let digits = rest.chars().take_while(char::is_ascii_digit).count();
        let unit = match rest[digits..].chars().next() {
            Some('s') => 1_000,
            Some('m') => 60_000,
            Some('h') => 3_600_000,
            _ => continue,
        };
        if let Ok(number) = rest[..digits].parse::<u64>() {
            out.push_str(&(number * unit / scale).to_string());
            out.push_str("ms");
            rest = &rest[digits + 1..];
            count += 1;
        }
    }
    out.push_str(rest);
    (out, count)
}

/// The answer's body to one GET.
fn get(port: u16, path: &str) -> Result<String, String> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let asked = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(text)
    };
    let text = asked().map_err(|error| format!("{path}: {error}"))?;
    match text.split_once("\r\n\r\n") {
        Some((head, body)) if head.contains(" 200 ") => Ok(body.to_owned()),
        _ => Err(format!("{path}: {}", text.lines().next().unwrap_or("no answer"))),
    }
}

/// Takes one POST of Alertmanager's.
fn receive(stream: &TcpStream) -> Option<Notification> {
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let at = clock::now().boot;
    (&mut &*stream).write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").ok()?;
    let told: Value = serde_json::from_slice(&body).ok()?;
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let alerts = told["alerts"].as_array()?;
    let mut nodes: Vec<String> =
        alerts.iter().filter_map(|alert| alert["labels"]["node"].as_str().map(str::to_owned)).collect();
    nodes.sort();
    Some(Notification {
        at,
        receiver: word(&told["receiver"]),
        status: word(&told["status"]),
        alert: word(&told["groupLabels"]["alertname"]),
        nodes,
        summary: alerts.first().map(|alert| word(&alert["annotations"]["summary"])).unwrap_or_default(),
    })
}

impl Monitoring {
    /// Starts all, in `folder`. `top` is the checkout.
    pub fn start(top: &Path, folder: &Path) -> Result<Self, String> {
        let programs = sh(&format!("{}/tests/cluster/provider monitoring | tail -n 1", top.display()))?;
        let programs = PathBuf::from(programs);
        let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
        let webhook = listener.local_addr().map_err(|error| error.to_string())?.port();
        let notified = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&notified);
        // Ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if let (Some(notification), Ok(mut list)) = (receive(&stream), sink.lock()) {
                    list.push(notification);
                }
            }
        });
        let [state_metrics_port, prometheus_port, alertmanager_port, operator_port] =
            [port()?, port()?, port()?, port()?];
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::write(&path, text).map(|()| path).map_err(|error| format!("{name}: {error}"))
        };
        let read = |name: &str| {
            fs::read_to_string(top.join("alerts").join(name)).map_err(|error| format!("{name}: {error}"))
        };

        let (rules, holds) = scaled(&read("rules.yaml")?, &["for", "interval"], scale());
        let (mut routes, waits) =
            scaled(&read("alertmanager.yaml")?, &["group_wait", "group_interval"], scale());
        if holds < 30 || waits < 3 {
            return Err(format!("{holds} holds and {waits} waits found: alerts/ looks different"));
        }
        for receiver in ["nobody", "pager", "desk", "log"] {
            let there = format!("  - name: {receiver}\n");
            if !routes.contains(&there) {
                return Err(format!("no receiver {receiver} in alerts/alertmanager.yaml"));
            }
            let hook =
                format!("webhook_configs: [{{url: \"http://127.0.0.1:{webhook}/\", send_resolved: true}}]");
            routes = routes.replace(&there, &format!("  - name: {receiver}\n    {hook}\n"));
        }
        write("rules.yaml", &rules)?;
        let routes = write("alertmanager.yaml", &routes)?;
        let mut agents = Vec::new();
        for node in nodes()? {
            let address = sh(&format!(
                "kubectl get node {node} -o jsonpath='{{.status.addresses[?(@.type==\"InternalIP\")].address}}' | cut -d' ' -f1"
            ))?;
            agents.push(format!("      - {{targets: ['{address}:9923'], labels: {{node: {node}}}}}\n"));
        }
        let agents = agents.concat();
        let config = write(
            "prometheus.yaml",
            &format!(
                "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\n\
                 rule_files: [rules.yaml]\n\
                 alerting: {{alertmanagers: [{{static_configs: [{{targets: ['127.0.0.1:{alertmanager_port}']}}]}}]}}\n\
                 scrape_configs:\n  - job_name: meantime-agent\n    static_configs:\n{agents}  \
                 - {{job_name: meantime-operator, static_configs: [{{targets: ['127.0.0.1:{operator_port}']}}]}}\n  \
                 - {{job_name: kube-state-metrics, honor_labels: true, static_configs: [{{targets: ['127.0.0.1:{state_metrics_port}']}}]}}\n"
            ),
        )?;
        rights(top, folder)?;
        let alertmanager = Running::start(
            Command::new(programs.join("prometheus-alertmanager"))
                .arg(format!("--config.file={}", routes.display()))
                .arg(format!("--storage.path={}", folder.join("alertmanager").display()))
                .arg(format!("--web.listen-address=127.0.0.1:{alertmanager_port}"))
                .arg("--cluster.listen-address="),
            &folder.join("alertmanager.log"),
        )?;
        // The pod goes and comes back within the test: so does the way to it.
        let forward = Running::start(
            Command::new("bash").arg("-c").arg(format!(
                "while :; do kubectl -n {NAMESPACE} port-forward --address 127.0.0.1 deployment/{RELEASE}-operator {operator_port}:9924; sleep 0.5; done"
            )),
            &folder.join("port-forward.log"),
        )?;
        let prometheus = Running::start(
            Command::new(programs.join("prometheus"))
                .arg(format!("--config.file={}", config.display()))
                .arg(format!("--storage.tsdb.path={}", folder.join("prometheus").display()))
                .arg(format!("--web.listen-address=127.0.0.1:{prometheus_port}")),
            &folder.join("prometheus.log"),
        )?;
        let mut all = Self {
            folder: folder.to_owned(),
            programs,
            state_metrics: None,
            state_metrics_port,
            prometheus_port,
            notified,
            _children: vec![alertmanager, forward, prometheus],
        };
        all.start_state_metrics(top)?;
        Ok(all)
    }

    /// Starts kube-state-metrics (again).
    pub fn start_state_metrics(&mut self, top: &Path) -> Result<(), String> {
        let telemetry = port()?;
        self.state_metrics = Some(Running::start(
            Command::new(self.programs.join("kube-state-metrics"))
                .arg(format!("--kubeconfig={}", self.folder.join("kubeconfig").display()))
                .arg("--host=127.0.0.1")
                .arg(format!("--port={}", self.state_metrics_port))
                .arg("--telemetry-host=127.0.0.1")
                .arg(format!("--telemetry-port={telemetry}"))
                .arg("--resources=nodes")
                .arg(format!(
                    "--custom-resource-state-config-file={}",
                    top.join("alerts/kube-state-metrics.yaml").display()
                )),
            &self.folder.join("kube-state-metrics.log"),
        )?);
        Ok(())
    }

    /// Ends kube-state-metrics.
    pub fn stop_state_metrics(&mut self) {
        self.state_metrics = None;
    }

    /// Whether kube-state-metrics exports a line that begins so and ends with ` 1`.
    pub fn exports(&self, series: &str) -> bool {
        get(self.state_metrics_port, "/metrics")
            .is_ok_and(|text| text.lines().any(|line| line.starts_with(series) && line.ends_with(" 1")))
    }

    /// An instant query: labels and value of each sample.
    pub fn query(&self, expression: &str) -> Result<Vec<(Value, f64)>, String> {
        let encoded = expression.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
        let text = get(self.prometheus_port, &format!("/api/v1/query?query={encoded}"))?;
        let answer: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let samples = answer["data"]["result"].as_array().cloned().unwrap_or_default();
        Ok(samples
            .iter()
            .filter_map(|sample| Some((sample["metric"].clone(), sample["value"][1].as_str()?.parse().ok()?)))
            .collect())
    }

    /// One number; none when there is no such sample.
    pub fn number(&self, expression: &str) -> Option<f64> {
        self.query(expression).ok()?.first().map(|(_, value)| *value)
    }

    /// What fires: `alert node`, sorted; each once.
    pub fn firing(&self) -> Result<Vec<String>, String> {
        let word = |labels: &Value, key: &str| labels[key].as_str().unwrap_or("-").to_owned();
        let mut firing: Vec<String> = self
            .query("ALERTS{alertstate=\"firing\"}")?
            .iter()
            .map(|(labels, _)| format!("{} {}", word(labels, "alertname"), word(labels, "node")))
            .collect();
        firing.sort();
        firing.dedup();
        Ok(firing)
    }

    /// All notifications until now, in the order in which they came.
    pub fn notifications(&self) -> Vec<Notification> {
        self.notified.lock().map(|list| list.clone()).unwrap_or_default()
    }

    /// The last lines of every program's log, for a person.
    pub fn logs(&self) -> String {
        sh(&format!("tail -n 15 {}/*.log", self.folder.display())).unwrap_or_else(|error| error)
    }
}

impl Drop for Monitoring {
    fn drop(&mut self) {
        let _ = sh(&format!(
            "kubectl delete namespace {OWN} --ignore-not-found --wait=false; \
             kubectl delete clusterrole,clusterrolebinding {OWN} {RELEASE}-kube-state-metrics --ignore-not-found"
        ));
    }
}

/// A service account with what kube-state-metrics has for Nodes, and what our chart gives it for our kinds; its kubeconfig
/// is `folder`/kubeconfig.
fn rights(top: &Path, folder: &Path) -> Result<(), String> {
    sh(&format!(
        "cd {top}
         kubectl create namespace {OWN} --dry-run=client -o yaml | kubectl apply -f -
         kubectl -n {OWN} create serviceaccount ksm --dry-run=client -o yaml | kubectl apply -f -
         kubectl create clusterrole {OWN} --verb=list,watch --resource=nodes --dry-run=client -o yaml | kubectl apply -f -
         kubectl create clusterrolebinding {OWN} --clusterrole={OWN} --serviceaccount={OWN}:ksm --dry-run=client -o yaml | kubectl apply -f -
         helm template {RELEASE} charts/meantime --namespace {NAMESPACE} --show-only templates/monitoring.yaml \
           --set monitoring.kubeStateMetrics.serviceAccount.name=ksm,monitoring.kubeStateMetrics.serviceAccount.namespace={OWN} | kubectl apply -f -
         kubectl config view --raw --minify >{folder}/kubeconfig
         user=$(kubectl config view --raw --minify -o jsonpath='{{.contexts[0].context.user}}')
         token=$(kubectl -n {OWN} create token ksm --duration=1h)
         kubectl --kubeconfig {folder}/kubeconfig config unset \"users.$user\"
         kubectl --kubeconfig {folder}/kubeconfig config set-credentials \"$user\" --token=\"$token\"",
        top = top.display(),
        folder = folder.display(),
    ))
    .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_holds_and_waits_are_scaled() {
        let text =
            "        for: 90s\n  x: {group_wait: 10s, repeat_interval: 1h}\n  e: rate(x[5m]) # for: ever\n";
        let (rules, holds) = scaled(text, &["for"], 10);
        assert_eq!((rules.as_str(), holds), (text.replace("90s", "9000ms").as_str(), 1));
        let (routes, waits) = scaled(text, &["group_wait", "group_interval"], 10);
        assert_eq!((routes.as_str(), waits), (text, 0), "a key begins after a space");
        let (routes, waits) = scaled("    group_interval: 5m\n", &["group_wait", "group_interval"], 10);
        assert_eq!((routes.as_str(), waits), ("    group_interval: 30000ms\n", 1));
    }
}
