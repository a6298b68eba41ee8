//! The judge on a real `chronyd -x` (4.3) that follows the lab's misbehaving servers: what core's simulated scenes
//! assume about chronyd's words is true of chronyd. Four polls a second, four looks a second, hold times of a second.
//! Virtual clock: the host is right all the time, chronyd's corrected time is not.

use meantime_core::chrony::Letter;
use meantime_core::clocks::ClockReading;
use meantime_core::conditions::{Reason, Status};
use meantime_core::judge::{JudgeState, judge};
use meantime_core::observation::{Answer, Association, ClockProfile, Observation};
use meantime_core::policy::Mode;
use meantime_core::snapshot::{NodePlan, ObjectRef, PlannedAssociation, Role};
use meantime_core::source::{Endpoint, PollRange, Scope, Timescale};
use meantime_core::tolerances::Preset;
use meantime_core::units::Nanos;
use meantime_core::verdict::Verdict;
use meantime_tests::chronyd::{ChronyRoot, Chronyd};
use meantime_tests::lab::{Lab, clock};
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::time::Duration;

const LOOK: Duration = Duration::from_millis(250);

struct Scene {
    labs: Vec<Lab>,
    chronyd: Chronyd,
    configuration: String,
    plan: NodePlan,
    state: JudgeState,
    daemon_start: u64,
    rtc: bool,
    told: Vec<(Reason, Verdict)>,
}

impl Scene {
    /// `net` keeps scenes apart: servers at 127.`net`.1.N.
    fn new(net: u8, count: u8) -> Self {
        let labs: Vec<Lab> =
            (1..=count).map(|n| Lab::start((Ipv4Addr::new(127, net, 1, n), 0).into()).unwrap()).collect();
        let mut configuration = format!("port 0\nbindacqaddress 127.{net}.0.1\n");
        let mut associations = Vec::new();
        for (index, lab) in labs.iter().enumerate() {
            let at = lab.address();
            let (ip, port) = (at.ip(), at.port());
            writeln!(configuration, "server {ip} port {port} minpoll -2 maxpoll -2 iburst").unwrap();
            associations.push(PlannedAssociation {
                source: format!("s{index}"),
                tier: 1,
                role: Role::Driver,
                endpoint: Endpoint::Server { address: at.ip().to_string(), port: at.port() },
                polls: PollRange { min: -2, max: -2 },
                iburst: true,
                scope: Scope::Local,
                independence: format!("s{index}"),
                timescale: Timescale::Utc,
                drive_order: Some(1),
                weight: 100,
                power_failing: false,
            });
        }
        let mut tolerances = Preset::Kubernetes.tolerances();
        (tolerances.breach_hold, tolerances.clear_hold) = (Nanos::SECOND, Nanos::SECOND);
        let plan = NodePlan {
            policy: ObjectRef { name: "p".into(), uid: "u".into(), generation: 1 },
            mode: Mode::Observe,
            associations,
            tolerances,
            failover: meantime_core::fsm::failover::Figures::default(),
            main: String::new(),
            sources: String::new(),
            hash: "h".into(),
        };
        let root = ChronyRoot::of_suite("bookworm").unwrap();
        let chronyd = Chronyd::start(&root, &configuration).unwrap();
        let state = JudgeState::default();
        let mut scene =
            Self { labs, chronyd, configuration, plan, state, daemon_start: 1, rtc: false, told: Vec::new() };
        scene.run(40);
        assert_eq!(scene.reasons(), [Reason::Booting, Reason::InTolerance], "{}", scene.story());
        scene
    }

    fn observe(&self) -> Observation {
        let clocks = clock::clocks();
        let answer = match self.chronyd.client().and_then(|mut client| client.look()) {
            Ok(looked) => Answer::Full {
                tracking: looked.tracking,
                associations: looked
                    .sources
                    .iter()
                    .map(|seen| {
                        let address = seen.source.address.ip();
                        let index = self.labs.iter().position(|lab| Some(lab.address().ip()) == address);
                        Association {
                            address,
                            source: index.map(|index| format!("s{index}")),
                            tier: 1,
                            role: Role::Driver,
                            independence: format!("s{index:?}"),
                            timescale: Timescale::Utc,
                            letter: seen.select.as_ref().map_or(Letter::Unknown('?'), |select| select.letter),
                            poll: seen.source.poll,
                            reach: seen.source.reach,
                            counters: seen.ntp.as_ref().map(meantime_candm::reply::NtpData::counters),
                            samples: seen.stats.as_ref().map_or(0, |stats| stats.samples),
                            sample_age: seen.source.sample_age,
                            estimate: seen
                                .stats
                                .as_ref()
                                .and_then(meantime_candm::reply::SourceStats::estimate),
                            packet: seen.ntp.as_ref().and_then(meantime_candm::reply::NtpData::packet),
                        }
                    })
                    .collect(),
            },
            Err(error) => Answer::Nothing { why: error.to_string() },
        };
        Observation {
            clocks: ClockReading {
                wall: clocks.wall,
                boot: clocks.boot,
                raw: clocks.raw,
                rtc: clocks.rtc.filter(|_| self.rtc),
                tick: None,
            },
            boot_id: "boot".into(),
            daemon_start: self.daemon_start,
            profile: ClockProfile::Virtual,
            answer,
        }
    }

    fn run(&mut self, looks: u32) {
        self.run_until(looks, |_| false);
    }

    /// At most so many looks; ends with the first verdict that is awaited.
    fn run_until(&mut self, looks: u32, awaited: impl Fn(&Verdict) -> bool) {
        self.told.clear();
        for _ in 0..looks {
            std::thread::sleep(LOOK);
            let (state, verdict) = judge(&self.state, &self.observe(), &self.plan);
            self.state = state;
            let ends = awaited(&verdict);
            self.told.push((verdict.conditions.synchronized.reason, verdict));
            if ends {
                return;
            }
        }
    }

    fn reasons(&self) -> Vec<Reason> {
        let mut list: Vec<_> = self.told.iter().map(|(reason, _)| *reason).collect();
        list.dedup();
        list
    }
    fn told_besides(&self, quiet: Reason) -> Vec<Reason> {
        self.reasons().into_iter().filter(|reason| *reason != quiet).collect()
    }
    /// Each change of any condition, for the person who reads a failure.
    fn story(&self) -> String {
        let mut text = String::new();
        let mut last = None;
        for (look, (_, verdict)) in self.told.iter().enumerate() {
            if last != Some(&verdict.conditions) {
                let (offset, bound) = (verdict.offset, verdict.bound);
                writeln!(text, "look {look}: {} usable, {offset:?} {bound:?}", verdict.usable_voters)
                    .unwrap();
                for (kind, judgement) in verdict.conditions.iter() {
                    let (status, reason) = (judgement.status.as_str(), judgement.reason.as_str());
                    writeln!(text, "  {}={status} {reason}: {}", kind.name(), judgement.message).unwrap();
                }
            }
            last = Some(&verdict.conditions);
        }
        text
    }
    fn last(&self) -> &Verdict {
        &self.told.last().unwrap().1
    }
    fn set(&self, labs: std::ops::Range<usize>, words: &str) {
        self.labs[labs].iter().for_each(|lab| lab.set(words).unwrap());
    }
}

#[test]
fn a_one_of_five_jumps_and_nothing_changes() {
    let mut scene = Scene::new(31, 5);
    scene.set(1..2, "offset=200ms");
    scene.run(40);
    println!("{}", scene.story());
    assert_eq!(scene.reasons(), [Reason::InTolerance], "{}", scene.story());
    let rejected: Vec<_> = scene.last().associations.iter().map(|one| one.rejected).collect();
    assert_eq!(rejected, [false, true, false, false, false]);
}

#[test]
fn c_a_majority_jumps_is_contradicted_and_heals() {
    let mut scene = Scene::new(32, 5);
    scene.set(0..3, "offset=200ms");
    scene.run(40);
    println!("{}", scene.story());
    assert_eq!(scene.told_besides(Reason::InTolerance), [Reason::BoundContradicted], "{}", scene.story());
    assert!(scene.told.iter().all(|(_, told)| told.conditions.partitioned.status == Status::False));
    // The host was right all the time, and the oscillator knew.
    assert!(scene.last().offset.unwrap().abs() < Nanos::from_millis(10), "{}", scene.story());
    scene.set(0..3, "offset=0");
    scene.run_until(240, |told| told.conditions.synchronized.reason == Reason::InTolerance);
    println!("{}", scene.story());
    assert_eq!(scene.reasons().last(), Some(&Reason::InTolerance), "{}", scene.story());
}

#[test]
fn d_all_unreachable_is_a_partition_with_a_carried_bound() {
    let mut scene = Scene::new(33, 4);
    scene.set(0..4, "dead=true");
    scene.run(40);
    println!("{}", scene.story());
    assert_eq!(scene.reasons(), [Reason::InTolerance], "{}", scene.story());
    assert_eq!(scene.last().conditions.partitioned.status, Status::True);
    assert_eq!(scene.last().conditions.sources_low.status, Status::True);
    scene.set(0..4, "dead=false");
    scene.run_until(80, |told| told.conditions.partitioned.status == Status::False);
    println!("{}", scene.story());
    assert_eq!(scene.last().conditions.partitioned.status, Status::False);
}

#[test]
fn e_a_restart_changes_nothing() {
    let mut scene = Scene::new(34, 4);
    scene.run(4);
    let before = scene.last().conditions.clone();
    let (configuration, chronyd) = (scene.configuration.clone(), scene.chronyd);
    scene.chronyd = chronyd.restart(&configuration).unwrap();
    scene.daemon_start += 1;
    scene.run(60);
    println!("{}", scene.story());
    assert!(scene.told.iter().all(|(_, told)| {
        told.conditions.iter().zip(before.iter()).all(|((_, now), (_, then))| now.status == then.status)
    }));
    assert_eq!(scene.reasons(), [Reason::InTolerance], "{}", scene.story());
}

#[test]
fn a_split_is_no_majority_and_no_partition() {
    let mut scene = Scene::new(35, 4);
    scene.set(0..2, "offset=200ms");
    scene.run(60);
    println!("{}", scene.story());
    let told = scene.last().conditions.clone();
    assert_eq!((told.sources_low.status, told.sources_low.reason), (Status::True, Reason::NoMajority));
    assert_eq!(told.partitioned.status, Status::False);
    assert_eq!(told.synchronized.status, Status::True);
}

/// The lab shifts all answers to this one client: from here it looks as if the machine had stood still.
#[test]
fn every_view_moves_at_once() {
    let mut scene = Scene::new(36, 5);
    scene.set(0..5, "offset=200ms");
    scene.run_until(120, |told| told.conditions.synchronized.reason == Reason::OffsetExceeded);
    println!("{}", scene.story());
    assert!(scene.told.iter().skip(12).all(|(_, told)| told.conditions.synchronized.status != Status::True));
    assert_eq!(scene.reasons().last(), Some(&Reason::OffsetExceeded), "{}", scene.story());
}
