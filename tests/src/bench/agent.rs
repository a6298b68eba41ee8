//! What a settled agent takes from its node: the release build with a real API server, a real chronyd and four
//! sources (or as many as asked), at the product's own pace and at the demo's.
//!
//! **In:** `meantime-agent` beside this program, an API server with our kinds. **Out:** memory and CPU as the kernel
//! counts them (`/proc/PID/{status,smaps_rollup,task/*/schedstat}`): of the agent's process alone, chronyd's own not counted.
//! Health is asked for and metrics are scraped meanwhile, as a kubelet and a Prometheus do.

use super::spread::{begin, since};
use super::{Aim, Error, Row};
use crate::agent::{Node, applied, condition, get};
use crate::apiserver::ApiServer;
use crate::lab::clock;
use futures::StreamExt;
use kube::api::{Api, DeleteParams, ObjectMeta, PostParams};
use kube::runtime::watcher;
use meantime_core::source::PollRange;
use meantime_core::tolerances::Preset;
use meantime_core::units::Nanos;
use meantime_crds::nodetime::{AppliedState, Desired, NodeTime, NodeTimeSpec};
use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Duration;

/// As the chart's probes and a usual Prometheus ask.
const READY_S: u64 = 5;
const HEALTH_S: u64 = 10;
const SCRAPE_S: u64 = 30;
/// After the first verdict, before anything is counted: bursts are over, buffers have their size.
const SETTLE: Duration = Duration::from_secs(30);
/// How long the agent may take to its first verdict.
const PATIENCE: Nanos = Nanos::from_secs(120);

/// A way to run it.
struct Pace {
    /// Put behind a figure's name.
    suffix: String,
    says: &'static str,
    polls: PollRange,
    sources: usize,
    window: Duration,
    /// Whether the aims are meant for it.
    aimed: bool,
}

/// The product's pace over `window`, then the demo's over half of it, then a bare client beside them.
pub async fn run(server: &ApiServer, window: Duration) -> Result<Vec<Row>, Error> {
    let demo = Pace {
        suffix: "_demo_pace".to_owned(),
        says: "polls of 1 s, a look each 0.5 s",
        polls: PollRange { min: 0, max: 0 },
        window: window / 2,
        aimed: false,
        ..Pace::own(window)
    };
    let mut rows = measure(server, &Pace::own(window)).await?;
    rows.extend(measure(server, &demo).await?);
    rows.extend(bare(server).await?);
    Ok(rows)
}

/// The product's pace with so many sources; `_N_sources` is put behind the figures' names.
pub async fn with_sources(server: &ApiServer, sources: usize, window: Duration) -> Result<Vec<Row>, Error> {
    let pace = Pace { suffix: format!("_{sources}_sources"), sources, ..Pace::own(window) };
    measure(server, &pace).await
}

impl Pace {
    /// The product's own, with four sources.
    fn own(window: Duration) -> Self {
        Self {
            suffix: String::new(),
            says: "polls of 16 to 64 s, a look each 8 s",
            polls: PollRange { min: 4, max: 6 },
            sources: 4,
            window,
            aimed: true,
        }
    }
}

/// Which build of the agent runs here: it lies beside this program, and is built with it.
pub fn build() -> &'static str {
    if cfg!(debug_assertions) { "dev build (what ships is the release build)" } else { "release build" }
}

async fn measure(server: &ApiServer, pace: &Pace) -> Result<Vec<Row>, Error> {
    let api: Api<NodeTime> = Api::all(server.admin().await?);
    let mut node = Node::new(pace.sources);
    for association in &mut node.plan.associations {
        association.polls = pace.polls;
    }
    node.plan.tolerances = Preset::Kubernetes.tolerances();
    node.render();
    node.kubeconfig = Some(server.kubeconfig());
    let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    node.flags = vec!["--listen".to_owned(), format!("127.0.0.1:{port}")];
    create(&api, &node).await?;
    node.start();
    let pid = node.agent_pid().ok_or("the agent did not start")?;
    wait_applied(&api, &node).await?;
    println!("  agent settled{}; {} s are counted", pace.suffix, pace.window.as_secs());
    let outcome = watch(pid, port, pace).await;
    api.delete("n1", &DeleteParams::default()).await?;
    outcome
}

/// The operator's part.
async fn create(api: &Api<NodeTime>, node: &Node) -> Result<(), Error> {
    let spec = NodeTimeSpec {
        desired: Desired::Active,
        plan: node.object.spec.plan.clone(),
        request: None,
        peers: None,
    };
    let metadata = ObjectMeta { name: Some("n1".into()), ..ObjectMeta::default() };
    api.create(&PostParams::default(), &NodeTime { metadata, spec, status: None }).await?;
    Ok(())
}

async fn wait_applied(api: &Api<NodeTime>, node: &Node) -> Result<(), Error> {
    let begin = clock::now().boot;
    loop {
        let status = api.get("n1").await?.status;
        if status.as_ref().is_some_and(|status| {
            applied(status) == Some(AppliedState::Applied) && condition(status, "TimeSynchronized") == "True"
        }) {
            return Ok(());
        }
        if clock::now().boot - begin > PATIENCE {
            return Err(format!("the agent was not in tolerance within {PATIENCE}\n{}", node.story()).into());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Lets it settle, then counts.
async fn watch(pid: u32, port: u16, pace: &Pace) -> Result<Vec<Row>, Error> {
    let mut second = 0;
    let mut cpu = Cpu::default();
    let mut serve = async |seconds: u64| {
        let mut most = Memory::default();
        for _ in 0..seconds {
            tokio::time::sleep(Duration::from_secs(1)).await;
            second += 1;
            for (each, path) in [(READY_S, "/readyz"), (HEALTH_S, "/healthz"), (SCRAPE_S, "/metrics")] {
                if u64::is_multiple_of(second, each)
                    && !get(port, path).is_some_and(|answer| answer.contains("200 OK"))
                {
                    return Err(Error::from(format!("{path} did not say 200")));
                }
            }
            most = most.most(Memory::of(pid)?);
            cpu.read(pid)?;
        }
        Ok((most, cpu.ms()))
    };
    let (_, before) = serve(SETTLE.as_secs()).await?;
    let (start, first) = (begin(), looks(port)?);
    let (most, after) = serve(pace.window.as_secs()).await?;
    let (seconds, cpu, looked) = (since(start) / 1e9, after - before, looks(port)? - first);
    let (pss, dirty) = (smaps(pid, "Pss:")?, smaps(pid, "Private_Dirty:")?);
    let how = format!(
        "{}, {} sources, {}; {looked} looks in {seconds:.0} s, probes each 5 and 10 s, a scrape each 30 s",
        build(),
        pace.sources,
        pace.says
    );
    let aim = |most: f64| if pace.aimed { Aim::AtMost(most) } else { Aim::None };
    let runs = usize::try_from(pace.window.as_secs())?;
    let row = |name: &str, value, unit, runs, most, how: &str| {
        Row::new(&format!("{name}{}", pace.suffix), value, unit, runs, aim(most), how)
    };
    Ok(vec![
        row(
            "agent_rss_mib",
            most.rss,
            "MiB",
            runs,
            12.0,
            &format!("{how}; VmRSS, most of a sample each second; PSS {pss:.1} MiB"),
        ),
        row(
            "agent_rss_anon_mib",
            most.anon,
            "MiB",
            runs,
            4.0,
            &format!("{how}; RssAnon, most of a sample each second; private dirty {dirty:.1} MiB"),
        ),
        row(
            "agent_cpu_millicores",
            cpu / seconds,
            "millicores",
            1,
            2.0,
            &format!(
                "{how}; {cpu:.1} ms user and system time of all its threads; children (chronyd) not counted"
            ),
        ),
    ])
}

/// MiB.
#[derive(Clone, Copy, Debug, Default)]
struct Memory {
    rss: f64,
    anon: f64,
}

impl Memory {
    fn of(pid: u32) -> Result<Self, Error> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        Ok(Self { rss: mib(&text, "VmRSS:")?, anon: mib(&text, "RssAnon:")? })
    }
    fn most(self, other: Self) -> Self {
        Self { rss: self.rss.max(other.rss), anon: self.anon.max(other.anon) }
    }
}

fn smaps(pid: u32, name: &str) -> Result<f64, Error> {
    mib(&std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?, name)
}

/// `name   1234 kB`.
fn mib(text: &str, name: &str) -> Result<f64, Error> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)).ok_or_else(|| format!("no {name}"))?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib / 1024.0)
}

/// User and system time of each thread, by the scheduler's nanoseconds: the ticks of /proc/PID/stat (10 ms) are too
/// coarse for what an agent takes in two minutes. A thread that ended keeps what it had.
#[derive(Debug, Default)]
struct Cpu(BTreeMap<std::ffi::OsString, u64>);

impl Cpu {
    fn read(&mut self, pid: u32) -> Result<(), Error> {
        for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
            let task = task?;
            // It may end between the listing and the reading.
            let Ok(text) = std::fs::read_to_string(task.path().join("schedstat")) else { continue };
            let running = text.split_whitespace().next().ok_or("an empty schedstat")?;
            self.0.insert(task.file_name(), running.parse()?);
        }
        if self.0.is_empty() {
            return Err("this kernel does not count the CPU time of threads (no schedstat)".into());
        }
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "seconds of nanoseconds are far below 2^53")]
    fn ms(&self) -> f64 {
        self.0.values().sum::<u64>() as f64 / 1e6
    }
}

fn looks(port: u16) -> Result<u64, Error> {
    let text = get(port, "/metrics").ok_or("no metrics")?;
    let line = text.lines().find_map(|line| line.strip_prefix("meantime_looks_total ")).ok_or("no looks")?;
    Ok(line.trim().parse()?)
}

/// What any program pays that only watches one object: this very program, as [`bare_client`].
async fn bare(server: &ApiServer) -> Result<Vec<Row>, Error> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("--bare-kube-client")
        .env("KUBECONFIG", server.kubeconfig())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let ended = child.try_wait()?;
    let memory = Memory::of(child.id());
    // It ends by itself when the pipe closes; this is quicker.
    child.kill()?;
    child.wait()?;
    if let Some(status) = ended {
        return Err(format!("the bare client ended, {status}").into());
    }
    let memory = memory?;
    let how = "a kube client with one watch and nothing else, same runtime and TLS, after 10 s";
    let row = |name, value| Row::new(name, value, "MiB", 1, Aim::None, how);
    Ok(vec![row("bare_kube_client_rss_mib", memory.rss), row("bare_kube_client_rss_anon_mib", memory.anon)])
}

/// Watches one NodeTime until its standard input closes.
pub async fn bare_client() -> Result<(), Error> {
    let api: Api<NodeTime> = Api::all(kube::Client::try_default().await?);
    let config = watcher::Config::default().fields("metadata.name=n1");
    let mut events = std::pin::pin!(watcher(api, config));
    while let Some(event) = events.next().await {
        event?;
    }
    Ok(())
}
