//! One agent with a real chronyd and lab servers on loopback: no Kubernetes, plan and status as files.

use crate::lab::{Lab, clock};
use meantime_core::conf::{Main, Sources};
use meantime_core::fsm::failover::Figures;
use meantime_core::policy::Mode;
use meantime_core::snapshot::{NodePlan, ObjectRef, PlannedAssociation, Role};
use meantime_core::source::{Endpoint, PollRange, Scope, Timescale};
use meantime_core::tolerances::{Preset, Tolerances};
use meantime_core::units::Nanos;
use meantime_crds::nodetime::{AppliedState, Desired, NodeTime, NodeTimeSpec, NodeTimeStatus, Request};
use std::collections::BTreeMap;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// All sources here are polled each quarter of a second (the fastest that 4.3 does with a plain LAN).
pub const POLL: Nanos = Nanos::from_millis(250);
/// How long anything may take on a busy machine before a test fails, in polls. Tests assert orders and counts; this
/// is patience, not a claim.
pub const PATIENCE: i64 = 240;

static NODES: AtomicU8 = AtomicU8::new(0);

/// A program of this workspace, beside the running test (`target/debug/…`).
fn agent() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let found =
        test.ancestors().skip(1).take(2).map(|dir| dir.join("meantime-agent")).find(|path| path.is_file());
    found.expect("meantime-agent is not beside the test: run `cargo build -p meantime-agent --bins` first")
}

/// The chrony under test: 4.3 unless MEANTIME_TEST_SUITE names another Debian suite.
fn suite() -> String {
    std::env::var("MEANTIME_TEST_SUITE").unwrap_or_else(|_| "bookworm".to_owned())
}

/// The Debian root of a suite.
fn root(suite: &str) -> PathBuf {
    static ROOTS: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut roots = ROOTS.lock().unwrap();
    let found = roots.entry(suite.to_owned()).or_insert_with(|| {
        let provider = Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster/provider");
        let output = Command::new(provider).args(["root", suite]).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        PathBuf::from(String::from_utf8_lossy(&output.stdout).lines().last().unwrap().to_owned())
    });
    found.clone()
}

/// A chronyd as one executable file: the root's program under the root's own loader.
pub fn chronyd_at(path: &Path) {
    chronyd_of(&suite(), path);
}

fn chronyd_of(suite: &str, path: &Path) {
    let root = root(suite);
    let root = root.display();
    let triplet = format!("{}-linux-gnu", std::env::consts::ARCH);
    let loader = if cfg!(target_arch = "aarch64") { "ld-linux-aarch64.so.1" } else { "ld-linux-x86-64.so.2" };
    let libraries = format!("{root}/lib/{triplet}:{root}/usr/lib/{triplet}");
    let script = format!(
        "#!/bin/sh\nexec {root}/usr/lib/{triplet}/{loader} --library-path {libraries} {root}/usr/sbin/chronyd \"$@\"\n"
    );
    fs::write(path, script).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// One node.
pub struct Node {
    folder: TempDir,
    agent: Option<Child>,
    /// Its sources, by position.
    pub labs: Vec<Lab>,
    net: u8,
    /// The NodeTime that the agent reads.
    pub object: NodeTime,
    /// The plan in it, changed by tests before [`Node::publish`].
    pub plan: NodePlan,
    /// Further flags for the agent.
    pub flags: Vec<String>,
    /// Runs it as root without a single capability, as the chart does without clock control.
    pub no_capabilities: bool,
    /// Its Node's name.
    pub name: String,
    /// With one, the agent talks to that API server instead of to files.
    pub kubeconfig: Option<PathBuf>,
}

impl Node {
    /// A node with `count` honest sources in its plan; nothing runs yet but the sources.
    pub fn new(count: usize) -> Self {
        Self::of_suite(&suite(), count)
    }

    /// The same with the chrony of another Debian suite.
    pub fn of_suite(suite: &str, count: usize) -> Self {
        let folder = tempfile::Builder::new().prefix("mt-").tempdir().unwrap();
        chronyd_of(suite, &folder.path().join("chronyd"));
        // Tests run at the same time, in one process or several: a /24 of loopback each.
        let net = NODES.fetch_add(1, Ordering::Relaxed);
        let tolerances =
            Tolerances { breach_hold: POLL, clear_hold: POLL, ..Preset::Kubernetes.tolerances() };
        let plan = NodePlan {
            policy: ObjectRef { name: "test".into(), uid: "p".into(), generation: 1 },
            mode: Mode::Observe,
            associations: Vec::new(),
            tolerances,
            failover: Figures::default(),
            main: String::new(),
            sources: String::new(),
            hash: String::new(),
        };
        let mut object = NodeTime::new(
            "n1",
            NodeTimeSpec { desired: Desired::Active, plan: None, request: None, peers: None },
        );
        object.metadata.uid = Some("uid-1".into());
        object.metadata.generation = Some(0);
        let mut node = Self {
            folder,
            agent: None,
            labs: Vec::new(),
            net,
            object,
            plan,
            flags: Vec::new(),
            no_capabilities: false,
            name: "n1".into(),
            kubeconfig: None,
        };
        for _ in 0..count {
            let at = node.add_lab();
            node.plan_source(at);
        }
        node
    }

    /// Another server; its position.
    pub fn add_lab(&mut self) -> usize {
        let pid = std::process::id();
        let [_, _, high, low] = pid.to_be_bytes();
        let host = u8::try_from(self.labs.len() + 1).unwrap();
        // 127.x.y.z: x and y from pid and node, so that two runs of this file do not meet.
        let address =
            Ipv4Addr::new(127, (high & 0x3f) | 0x40, low ^ self.net.rotate_left(4), host + (self.net << 4));
        let lab = Lab::start(SocketAddr::new(IpAddr::V4(address), 0)).unwrap();
        self.labs.push(lab);
        self.labs.len() - 1
    }

    /// Adds a server to the plan as a voter.
    pub fn plan_source(&mut self, at: usize) {
        let address = self.labs[at].address();
        self.plan.associations.push(PlannedAssociation {
            source: format!("s{at}"),
            tier: 1,
            role: Role::Voter,
            endpoint: Endpoint::Server { address: address.ip().to_string(), port: address.port() },
            polls: PollRange { min: -2, max: -2 },
            iburst: true,
            scope: Scope::Local,
            independence: format!("s{at}"),
            timescale: Timescale::Utc,
            drive_order: None,
            weight: 100,
            power_failing: false,
        });
    }

    /// When each source of the plan drives, by position; 0 = it only votes.
    pub fn drive(&mut self, orders: &[u8]) {
        for (planned, order) in self.plan.associations.iter_mut().zip(orders) {
            planned.drive_order = (*order > 0).then_some(*order);
            planned.tier = (*order).max(1);
            planned.role = if *order == 1 { Role::Driver } else { Role::Voter };
        }
    }

    /// Takes a server out of the plan.
    pub fn unplan_source(&mut self, at: usize) {
        self.plan.associations.retain(|association| association.source != format!("s{at}"));
    }

    /// Renders the plan as the operator would.
    pub fn render(&mut self) {
        let roots = self.plan.associations.len();
        self.plan.main = Main::for_policy(self.plan.mode, &self.plan.tolerances, roots).render();
        self.plan.sources = Sources::of(&self.plan.associations).unwrap().render();
        self.hash();
    }

    /// Renders it and hands it over as the next generation.
    pub fn publish(&mut self) {
        self.render();
        self.publish_as_is();
    }

    fn hash(&mut self) {
        let plan = &self.plan;
        let text = format!(
            "{}{}{:?}{:?}{:?}",
            plan.main, plan.sources, plan.tolerances, plan.failover, plan.associations
        );
        let hash = text.bytes().fold(7_u64, |hash, byte| hash.wrapping_mul(31) ^ u64::from(byte));
        self.plan.hash = format!("{hash:016x}");
        self.object.spec.plan = Some((&self.plan).into());
    }

    /// Hands the plan over with the texts that it has.
    pub fn publish_as_is(&mut self) {
        self.hash();
        self.hand_over();
    }

    /// Hands the object over as the next generation.
    pub fn hand_over(&mut self) {
        let generation = self.object.metadata.generation.unwrap_or(0) + 1;
        self.object.metadata.generation = Some(generation);
        self.hand_over_text(&serde_json::to_string(&self.object).unwrap());
    }

    /// Hands a text over, whole.
    pub fn hand_over_text(&self, text: &str) {
        let (new, file) = (self.path("plan.json.new"), self.path("plan.json"));
        fs::write(&new, text).unwrap();
        fs::rename(new, file).unwrap();
    }

    /// Asks the agent for something.
    pub fn request(&mut self, verb: &str, id: &str) {
        self.object.spec.request = Some(Request { verb: verb.into(), id: id.into() });
        self.hand_over();
    }

    /// A path in the node's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts the agent.
    pub fn start(&mut self) {
        assert!(self.agent.is_none());
        let log = fs::File::options().create(true).append(true).open(self.path("agent.log")).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]);
        if self.no_capabilities {
            command.args(["--bounding-set", "-all", "--inh-caps", "-all", "--no-new-privs"]);
        }
        command
            .arg(agent())
            .args(["--node", &self.name])
            .arg("--run-dir")
            .arg(self.path("run"))
            .arg("--state-dir")
            .arg(self.path("state"))
            .arg("--chronyd")
            .arg(self.path("chronyd"))
            .args(&self.flags)
            .env_remove("NODE_NAME");
        if let Some(kubeconfig) = &self.kubeconfig {
            command.env("KUBECONFIG", kubeconfig);
        } else {
            command.arg("--standalone");
            command.arg("--plan-file").arg(self.path("plan.json"));
            command.arg("--status-file").arg(self.path("status.json"));
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        self.agent = Some(child);
    }

    /// Publishes, starts, and waits until the clock is judged good and the plan applied.
    pub fn up(&mut self) -> NodeTimeStatus {
        self.publish();
        self.start();
        self.wait_applied("first synchronisation")
    }

    /// Waits until the newest generation is applied and the clock is judged good.
    pub fn wait_applied(&self, what: &str) -> NodeTimeStatus {
        let generation = self.object.metadata.generation;
        self.wait(what, |status| {
            status.observed_generation == generation
                && applied(status) == Some(AppliedState::Applied)
                && condition(status, "TimeSynchronized") == "True"
        })
    }

    /// Signals the agent and waits for its end.
    pub fn end_agent(&mut self, signal: rustix::process::Signal) {
        let mut child = self.agent.take().unwrap();
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, signal).unwrap();
        child.wait().unwrap();
    }

    /// The agent's process id, once it was started.
    pub fn agent_pid(&self) -> Option<u32> {
        self.agent.as_ref().map(Child::id)
    }

    /// Whether the agent runs.
    pub fn agent_runs(&mut self) -> bool {
        self.agent.as_mut().is_some_and(|child| child.try_wait().unwrap().is_none())
    }

    /// How often the agent's threads have been given a CPU so far.
    pub fn agent_woke(&self) -> u64 {
        let pid = self.agent.as_ref().map(Child::id).unwrap();
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
        // Its third word: time slices (proc(5)).
        let spent = |task: fs::DirEntry| {
            let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
            text.split_whitespace().nth(2)?.parse::<u64>().ok()
        };
        tasks.filter_map(spent).sum()
    }

    /// The status as last written.
    pub fn status(&self) -> Option<NodeTimeStatus> {
        let text = fs::read_to_string(self.path("status.json")).ok()?;
        Some(serde_json::from_str(&text).unwrap())
    }

    /// Waits until the status is as wanted. Fails with all there is to know.
    pub fn wait(&self, what: &str, wanted: impl Fn(&NodeTimeStatus) -> bool) -> NodeTimeStatus {
        self.wait_for(what, || self.status().filter(|status| wanted(status)))
    }

    /// Waits until something is there.
    pub fn wait_for<T>(&self, what: &str, mut found: impl FnMut() -> Option<T>) -> T {
        let begin = clock::now().boot;
        loop {
            if let Some(found) = found() {
                return found;
            }
            let spent = clock::now().boot - begin;
            assert!(spent < POLL.times(PATIENCE), "{what}: not within {PATIENCE} polls\n{}", self.story());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Looks at each status for some polls.
    pub fn each_status(&self, polls: i64, mut check: impl FnMut(&NodeTimeStatus)) {
        let begin = clock::now().boot;
        while clock::now().boot - begin < POLL.times(polls) {
            if let Some(status) = self.status() {
                check(&status);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// chronyd's pid, by its own pid file.
    pub fn chronyd(&self) -> Option<u32> {
        fs::read_to_string(self.path("run/chrony/chronyd.pid")).ok()?.trim().parse().ok()
    }

    /// Waits for a chronyd other than `old`.
    pub fn next_chronyd(&self, old: u32) -> u32 {
        self.wait_for("another chronyd", || self.chronyd().filter(|pid| *pid != old))
    }

    /// Signals chronyd.
    pub fn signal_chronyd(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.chronyd().unwrap()).unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    /// chronyd's command line.
    pub fn chronyd_flags(&self) -> Vec<String> {
        let pid = self.chronyd().unwrap();
        let text = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        text.split(|byte| *byte == 0).map(|arg| String::from_utf8_lossy(arg).into_owned()).collect()
    }

    /// All processes that name our configuration: there must be at most one.
    pub fn chronyds(&self) -> Vec<u32> {
        let conf = self.path("run/chrony/chrony.conf");
        let conf = conf.to_str().unwrap().as_bytes().to_owned();
        let pids = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let cmdline = fs::read(entry.path().join("cmdline")).ok()?;
            cmdline.windows(conf.len()).any(|window| window == conf).then_some(pid)
        });
        pids.collect()
    }

    /// Starts of chronyd so far, by the ledger.
    pub fn starts(&self) -> u64 {
        let text = fs::read_to_string(self.path("state/ledger.json")).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()["daemonStarts"].as_u64().unwrap()
    }

    /// The lines in chronyd's sources file, as positions of servers.
    pub fn lines(&self) -> Vec<usize> {
        let text = fs::read_to_string(self.path("run/chrony/sources.d/meantime.sources")).unwrap_or_default();
        let mut found: Vec<_> = (0..self.labs.len())
            .filter(|at| text.contains(&format!("server {} ", self.labs[*at].address().ip())))
            .collect();
        found.sort_unstable();
        found
    }

    /// The agent's log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("agent.log")).unwrap_or_default()
    }

    /// Everything for the person who reads a failure.
    pub fn story(&self) -> String {
        let status = fs::read_to_string(self.path("status.json")).unwrap_or_default();
        let log = self.log();
        let tail: Vec<_> = log.lines().rev().take(60).collect();
        let tail: Vec<_> = tail.into_iter().rev().collect();
        format!("status: {status}\nlog:\n{}", tail.join("\n"))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut child) = self.agent.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        for pid in self.chronyds() {
            if let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
    }
}

/// The status of one condition; empty when it is not there.
pub fn condition(status: &NodeTimeStatus, kind: &str) -> String {
    status.conditions.iter().find(|c| c.type_ == kind).map(|c| c.status.clone()).unwrap_or_default()
}

/// `type=status/reason` of all conditions.
pub fn conditions(status: &NodeTimeStatus) -> Vec<String> {
    status.conditions.iter().map(|c| format!("{}={}/{}", c.type_, c.status, c.reason)).collect()
}

/// What became of the newest plan.
pub fn applied(status: &NodeTimeStatus) -> Option<AppliedState> {
    status.applied.as_ref().map(|applied| applied.state)
}

/// One GET on the agent's HTTP port: status line and body.
pub fn get(port: u16, path: &str) -> Option<String> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text)
}
