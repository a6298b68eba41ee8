//! One node in a micro-VM: the agent on a plan file, four lab servers, and the ground truth beside its words.

use meantime_core::clocks::BootTime;
use meantime_core::conf::{Main, Sources};
use meantime_core::policy::Mode;
use meantime_core::snapshot::{NodePlan, ObjectRef, PlannedAssociation, Role};
use meantime_core::source::{Endpoint, PollRange, Scope, Timescale};
use meantime_core::tolerances::{Preset, Tolerances};
use meantime_core::units::Nanos;
use meantime_crds::nodetime::{Desired, NodeTime, NodeTimeSpec, NodeTimeStatus};
use meantime_tests::lab::{Lab, clock};
use meantime_tests::vm::{ClockError, Rtc, Vm, VmOptions, ahead_by, program};
use std::net::SocketAddr;
use std::time::Duration;

pub const HOUR: Nanos = Nanos::from_secs(3_600);
pub const YEAR: Nanos = Nanos::from_secs(365 * 86_400);
/// Not 123: a holder of that port is taken for a time daemon.
const PORT: u16 = 11_123;
/// Patience, not a claim: everything is emulated, on a busy machine.
const PATIENCE: Nanos = Nanos::from_secs(150);
/// After a pause nobody can know of it before chronyd's next polls (one each second) and the hardware clock's next tick: samples
/// so soon after it are counted by themselves.
const BLIND: Nanos = Nanos::from_secs(3);

/// What the agent says at one moment.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// TimeSynchronized.
    pub status: String,
    pub reason: String,
    /// The published offset: of the judged clock, > 0 = ahead.
    pub offset: Option<Nanos>,
    pub bound: Option<Nanos>,
    pub residual: Option<Nanos>,
    pub looks: i64,
}

pub struct GuestNode {
    pub vm: Vm,
    pub labs: Vec<Lab>,
    tolerances: Tolerances,
    /// When each source drives, by position.
    pub orders: Vec<u8>,
    /// Samples with a bound; of them covered; True while wrong; the same before anybody could know of the fault.
    samples: u64,
    covered: u64,
    wrong: u64,
    blind: u64,
    /// Until when that is, after the last pause.
    blind_until: Option<BootTime>,
    misses: Vec<String>,
    /// One line a sample.
    trace: Vec<String>,
    /// True time in the guest, ahead of this machine's.
    ahead: Nanos,
}

fn span(nanos: Nanos) -> Duration {
    Duration::from_nanos(u64::try_from(nanos.0).unwrap_or(0))
}

impl GuestNode {
    /// Boots; nothing runs yet but the servers.
    pub fn boot(rtc: Rtc, count: u8) -> Self {
        let labs: Vec<Lab> = (0..count).map(|_| Lab::anywhere().unwrap()).collect();
        let servers = labs
            .iter()
            .zip(1..)
            .map(|(lab, n)| (SocketAddr::from(([10, 99, 0, n], PORT)), lab.address()))
            .collect();
        let agent = program("meantime-agent").unwrap();
        let files = vec![(agent, "/bin/meantime-agent")];
        let vm = Vm::boot(&VmOptions { suite: "trixie", rtc, files, servers }).unwrap();
        // A tenth of a second to the sources and back is possible here: limits well above the path's own noise.
        let tolerances = Tolerances {
            max_offset: Nanos::from_millis(150),
            warn_offset: Nanos::from_millis(100),
            breach_hold: Nanos::SECOND,
            clear_hold: Nanos::from_secs(2),
            ..Preset::Kubernetes.tolerances()
        };
        let orders = vec![1; usize::from(count)];
        Self {
            vm,
            labs,
            tolerances,
            orders,
            samples: 0,
            covered: 0,
            wrong: 0,
            blind: 0,
            blind_until: None,
            misses: Vec::new(),
            trace: Vec::new(),
            ahead: Nanos::ZERO,
        }
    }

    /// The same at another date: the guest's hardware clock, the servers and the measure of the truth are as far ahead of this
    /// machine. `wall`: true time in the guest now, in seconds since 1970.
    pub fn boot_at(wall: i64, count: u8) -> Self {
        let ahead = Nanos::from_secs(wall - clock::now().wall.0 / 1_000_000_000);
        let mut node = Self::boot(Rtc::Off(ahead.0 / Nanos::SECOND.0), count);
        node.ahead = ahead;
        node.serve("leap=0");
        node
    }

    /// All servers, the measure of the truth too, serve that date's time from now on, and say this besides.
    fn serve(&mut self, words: &str) {
        self.vm.true_time_is(self.ahead).unwrap();
        for lab in &self.labs {
            lab.set(&format!("{} {words}", ahead_by(self.ahead))).unwrap();
        }
    }

    /// True time in the guest, since 1970.
    pub fn true_time(&self) -> Nanos {
        Nanos(clock::now().wall.0) + self.ahead
    }

    /// All servers announce a leap second.
    pub fn announce_leap(&mut self) {
        self.serve("leap=1");
    }

    /// Samples until shortly before `midnight` of true time; then UTC, and all servers with it, make a second more.
    pub fn insert_leap(&mut self, midnight: Nanos) {
        assert!(self.true_time() < midnight - Nanos::from_secs(5), "too late\n{}", self.story());
        while self.true_time() < midnight - Nanos::from_secs(3) {
            self.sample();
        }
        // A sample lasts; the second itself belongs to nobody.
        std::thread::sleep(span(midnight - self.true_time()));
        self.ahead = self.ahead - Nanos::SECOND;
        self.serve("leap=0");
        std::thread::sleep(Duration::from_millis(200));
    }

    /// How far CLOCK_REALTIME stands before CLOCK_BOOTTIME in the guest: only a step changes it. They are read one after the
    /// other, and a busy machine may pause between the two (10 ms were seen): the closest of several readings counts.
    pub fn stepped(&mut self) -> Nanos {
        let mut apart = || self.vm.clocks().map(|clocks| Nanos(clocks.wall.0 - clocks.boot.0)).unwrap();
        (0..7).map(|_| apart()).max().unwrap()
    }

    /// What the agent has told of any condition so far, one line each.
    pub fn words(&mut self) -> Vec<String> {
        let log = self.vm.run("grep 'condition=' /tmp/agent.log").unwrap().output;
        log.lines().map(str::to_owned).collect()
    }

    /// Samples with a bound that did not cover the truth.
    pub fn misses(&self) -> &[String] {
        &self.misses
    }

    /// Writes the plan and starts the agent, allowed to steer.
    pub fn start_agent(&mut self) {
        let associations: Vec<PlannedAssociation> = (1..=self.labs.len())
            .map(|n| PlannedAssociation {
                source: format!("s{n}"),
                tier: 1,
                role: if self.orders[n - 1] == 1 { Role::Driver } else { Role::Voter },
                endpoint: Endpoint::Server { address: format!("10.99.0.{n}"), port: PORT },
                polls: PollRange { min: 0, max: 0 },
                iburst: true,
                scope: Scope::Local,
                independence: format!("s{n}"),
                timescale: Timescale::Utc,
                drive_order: Some(self.orders[n - 1]),
                weight: 100,
                power_failing: false,
            })
            .collect();
        let plan = NodePlan {
            policy: ObjectRef { name: "vm".into(), uid: "p".into(), generation: 1 },
            mode: Mode::Managed,
            main: Main::for_policy(Mode::Managed, &self.tolerances, associations.len()).render(),
            sources: Sources::of(&associations).unwrap().render(),
            associations,
            tolerances: self.tolerances.clone(),
            failover: meantime_core::fsm::failover::Figures::default(),
            hash: "0123456789abcdef".into(),
        };
        let spec =
            NodeTimeSpec { desired: Desired::Active, plan: Some((&plan).into()), request: None, peers: None };
        let mut object = NodeTime::new("guest", spec);
        object.metadata.uid = Some("uid-1".into());
        object.metadata.generation = Some(1);
        self.vm.write("/etc/plan.json", &serde_json::to_string(&object).unwrap()).unwrap();
        // This host has run before: frequency 0 ppm, known to 10. Without it chronyd calls its frequency unknown
        // (skew 1,000,000 ppm) until the path is quiet enough for `maxupdateskew 100`: 40 s with this VM's noise.
        self.vm.ok("mkdir -p /var/lib/meantime; echo '0.0 10.0' >/var/lib/meantime/drift").unwrap();
        self.vm
            .start(
                "meantime-agent --node guest --standalone --plan-file /etc/plan.json --status-file /tmp/status.json \
                 --chronyd /bin/chronyd --allow-clock-control --listen 127.0.0.1:9100",
                "/tmp/agent.log",
            )
            .unwrap();
    }

    /// The true error now.
    pub fn error(&mut self) -> ClockError {
        self.vm.clock_error().unwrap()
    }

    /// The agent's words now; default while it does not answer yet.
    pub fn look(&mut self) -> Seen {
        let scraped = self.vm.run("wget -q -O - http://127.0.0.1:9100/metrics").unwrap();
        if scraped.code != 0 {
            return Seen::default();
        }
        let value = |name: &str| {
            let line = scraped.output.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
            line.trim().parse::<f64>().ok()
        };
        #[expect(clippy::cast_possible_truncation, reason = "seconds in a metric, read to the nanosecond")]
        let span = |name: &str| value(name).map(|seconds| Nanos((seconds * 1e9) as i64));
        let synchronized = scraped.output.lines().find_map(|line| {
            let labels = line.strip_prefix("meantime_condition{")?;
            let (labels, value) = labels.split_once("} ")?;
            let label =
                |key: &str| labels.split(',').find_map(|pair| pair.strip_prefix(key)?.strip_prefix("=\""));
            let word = |key| label(key).map(|text| text.trim_end_matches('"').to_owned());
            (value.starts_with('1') && word("condition")? == "TimeSynchronized")
                .then(|| (word("status"), word("reason")))
        });
        let (status, reason) = synchronized.unwrap_or_default();
        #[expect(clippy::cast_possible_truncation, reason = "a small count in a metric")]
        let looks = value("meantime_looks_total").unwrap_or(0.0) as i64;
        Seen {
            status: status.unwrap_or_default(),
            reason: reason.unwrap_or_default(),
            offset: span("meantime_clock_offset_seconds"),
            bound: span("meantime_clock_error_bound_seconds"),
            residual: span("meantime_clock_residual_seconds"),
            looks,
        }
    }

    /// The agent's words with the ground truth between two looks: what both looks say was said of this error.
    fn sample(&mut self) -> Seen {
        let begin = clock::now().boot;
        let before = self.look();
        let truth = self.error();
        let after = self.look();
        let surely = truth.error.abs() - truth.within;
        self.trace.push(format!(
            "true {} ± {}: {} {}, offset {:?} bound {:?}",
            truth.error.signed(),
            truth.within,
            after.status,
            after.reason,
            after.offset.map(Nanos::signed),
            after.bound.map(|bound| bound.to_string())
        ));
        if let (Some(first), Some(second)) = (before.bound, after.bound) {
            self.samples += 1;
            // The path into the guest is part of what is not known.
            if surely <= first.max(second) {
                self.covered += 1;
            } else {
                self.misses
                    .push(format!("{truth:?} outside {first}/{second} {}/{}", after.status, after.reason));
            }
        }
        if before.status == "True" && after.status == "True" && surely > self.tolerances.max_offset {
            let blind = self.blind_until.is_some_and(|until| begin < until);
            *(if blind { &mut self.blind } else { &mut self.wrong }) += 1;
            self.misses.push(format!("True while (blind: {blind}) {truth:?}: {before:?} {after:?}"));
        }
        after
    }

    /// Waits for words, sampling.
    pub fn wait(&mut self, what: &str, mut come: impl FnMut(&Seen) -> bool) -> Seen {
        let begin = clock::now().boot;
        loop {
            let seen = self.sample();
            if come(&seen) {
                return seen;
            }
            assert!(clock::now().boot - begin < PATIENCE, "{what}: not within {PATIENCE}\n{}", self.story());
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Waits for anything else, sampling.
    pub fn wait_for(&mut self, what: &str, mut come: impl FnMut(&mut Self) -> bool) {
        let begin = clock::now().boot;
        while !come(self) {
            assert!(clock::now().boot - begin < PATIENCE, "{what}: not within {PATIENCE}\n{}", self.story());
            self.sample();
        }
    }

    /// Samples for a while.
    pub fn watch_for(&mut self, span: Nanos) {
        let begin = clock::now().boot;
        while clock::now().boot - begin < span {
            self.sample();
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Waits until the agent says True and the clock is truly inside the tolerance.
    pub fn wait_good(&mut self, what: &str) {
        self.wait(what, |seen| seen.status == "True");
        let truth = self.error();
        assert!(
            truth.error.abs() - truth.within < self.tolerances.max_offset,
            "{what}: {truth:?}\n{}",
            self.story()
        );
    }

    /// Waits for a dozen looks more: a baseline needs eight updates with a majority.
    pub fn wait_baseline(&mut self) {
        let first = self.look().looks;
        self.wait("a baseline's time", |seen| seen.status == "True" && seen.looks >= first + 40);
    }

    /// Waits until the clock is truly off by about `wanted`.
    pub fn wait_moved(&mut self, wanted: Nanos) {
        let begin = clock::now().boot;
        while (self.error().error - wanted).abs() > Nanos::from_millis(60) {
            self.sample();
            assert!(clock::now().boot - begin < PATIENCE, "never off by {wanted}\n{}", self.story());
        }
    }

    /// Steps the guest's clock ahead by about so many seconds, as a person would; the true error then.
    pub fn shift(&mut self, seconds: i64) -> Nanos {
        self.vm.ok(&format!("date -s @$(($(date +%s) + {seconds}))")).unwrap();
        let error = self.error().error;
        assert!((error - Nanos::from_secs(seconds)).abs() < Nanos::from_secs(3), "{error}");
        error
    }

    /// The machine stands still.
    pub fn pause_for(&mut self, span: Nanos) {
        self.vm.pause().unwrap();
        std::thread::sleep(Duration::from_nanos(u64::try_from(span.0).unwrap()));
        self.vm.resume().unwrap();
        // A long one is seen in the whole seconds by the next look.
        self.blind_until = (span < Nanos::from_secs(8)).then(|| clock::now().boot + BLIND);
    }

    /// Another chronyd that steers.
    pub fn start_rival(&mut self) {
        let text = format!(
            "server 10.99.0.1 port {PORT}\nport 0\ncmdport 0\nbindcmdaddress /\npidfile /run/rival.pid\nuser root\n"
        );
        self.vm.write("/etc/rival.conf", &text).unwrap();
        self.vm.start("chronyd -d -f /etc/rival.conf", "/tmp/rival.log").unwrap();
        self.vm.ok("for i in $(seq 100); do [ -s /run/rival.pid ] && exit; sleep 0.1; done; cat /tmp/rival.log; exit 1").unwrap();
    }

    pub fn stop_rival(&mut self) {
        self.vm.ok("kill $(cat /run/rival.pid)").unwrap();
    }

    /// What the status says of who steers.
    pub fn clock_word(&mut self) -> String {
        self.status().and_then(|status| status.clock).map(|clock| clock.reason).unwrap_or_default()
    }

    pub fn wait_clock_word(&mut self, wanted: &str) {
        let begin = clock::now().boot;
        while self.clock_word() != wanted {
            self.sample();
            assert!(clock::now().boot - begin < PATIENCE, "clock never said {wanted}\n{}", self.story());
        }
    }

    /// The status as last written.
    pub fn status(&mut self) -> Option<NodeTimeStatus> {
        let text = self.vm.run("cat /tmp/status.json").unwrap();
        serde_json::from_str(&text.output).ok()
    }

    /// Steps that chronyd made, by its own log lines (the agent passes them on, and quotes them when it has died).
    pub fn steps(&mut self) -> usize {
        self.vm
            .run("cat /tmp/agent.log")
            .unwrap()
            .output
            .matches("chronyd: System clock was stepped by")
            .count()
    }

    /// The agent's words on TimeSynchronized so far, one line each, from its log.
    pub fn told(&mut self) -> Vec<String> {
        let log = self.vm.run("grep 'condition=\"TimeSynchronized\"' /tmp/agent.log").unwrap().output;
        log.lines().map(|line| line.replace("INFO meantime_agent::engine::look: ", "")).collect()
    }

    /// Waits until the agent has given this reason for TimeSynchronized, however shortly: samples are a second apart.
    pub fn wait_told(&mut self, reason: &str) {
        let begin = clock::now().boot;
        let wanted = format!("reason=\"{reason}\"");
        while !self.told().iter().any(|line| line.contains(&wanted)) {
            assert!(clock::now().boot - begin < PATIENCE, "never told {reason}\n{}", self.story());
            self.sample();
        }
    }

    /// Everything for the person who reads a failure.
    pub fn story(&mut self) -> String {
        let truth = self.vm.clock_error();
        let text = self.vm.run("cat /tmp/status.json; tail -n 160 /tmp/agent.log").map(|ended| ended.output);
        format!(
            "truth {truth:?}; misses {:#?}\nseen {:#?}\n{}",
            self.misses,
            self.trace,
            text.unwrap_or_default()
        )
    }

    /// The scene's ground truth; fails it if True was said of a clock that was wrong.
    pub fn report(&mut self, scene: &str) {
        println!(
            "ground truth, {scene}: {} samples, {} covered, True while wrong in {}, and in {} within {BLIND} of a pause",
            self.samples, self.covered, self.wrong, self.blind
        );
        for miss in &self.misses {
            println!("  miss: {miss}");
        }
        for line in self.told() {
            println!("  told: {line}");
        }
        for line in &self.trace {
            println!("  seen: {line}");
        }
        assert!(self.wrong == 0, "TimeSynchronized=True on a wrong clock\n{}", self.story());
    }
}
