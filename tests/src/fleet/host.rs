//! One node: its clocks, its chronyd, and its agent, which is the real one as far as it is pure: the judge, the sights,
//! failover. **Must never** let the agent know more than chronyd and its own probes tell.

use super::chronyd::{Daemon, Line, Moment, Sample};
use super::fault::{Fault, Way};
use super::noise::Noise;
use super::path::Scene;
use super::plan;
use super::world::{Machine, TICK, World};
use meantime_core::clocks::{BootTime, ClockReading, RawTime, Tick, WallTime};
use meantime_core::diagnose::fleet::Trouble;
use meantime_core::fsm::failover::sight::{self, Sight};
use meantime_core::fsm::failover::{self, Doubt, Memory, Overlay, Probed};
use meantime_core::judge::{JudgeState, judge};
use meantime_core::observation::{Answer, ClockProfile, Observation};
use meantime_core::snapshot::NodePlan;
use meantime_core::source::Scope;
use meantime_core::units::{Nanos, Ppb};
use meantime_core::verdict::Verdict;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A machine is up for so long when the run begins, or when it has booted.
const UP: i64 = 30 * 1_000_000_000;
/// Polls in a row without an answer after which an agent says what is wrong with a source (the design's usable voter).
const SILENT: u32 = 3;
/// chrony's default maxslewrate.
const SLEW: Ppb = Ppb(83_333_000);
/// A packet that waits in a queue waits so many times its noise at most.
const QUEUE: i64 = 20;
/// The kernel sets the hardware clock every eleven minutes: so many ticks after a leap second it has.
const RTC_SET: u32 = 41;
/// The first four polls follow each other (iburst).
const BURST: u32 = 4;

/// A node.
#[derive(Clone, Debug)]
pub struct Host {
    /// What it was built as; the profile changes when a competitor shows up.
    pub machine: Machine,
    /// The plan in force.
    pub plan: Arc<NodePlan>,
    /// CLOCK_REALTIME, ahead of the truth, in nanoseconds. For peers to measure, and for nobody else.
    pub wall: i64,
    /// Its agent saw another program that steers the clock.
    pub competed: bool,
    /// This boot.
    pub boot_id: String,
    /// What failover remembers.
    pub memory: Memory,
    index: u32,
    noise: Noise,
    raw: i64,
    /// CLOCK_BOOTTIME − true time since the first tick: runs as the wall clock does, without its steps.
    boot: i64,
    daemon: Daemon,
    daemon_start: u64,
    started: u32,
    judge: JudgeState,
    overlay: Overlay,
}

/// What an agent made of one look.
#[derive(Clone, Debug)]
pub struct Looked {
    /// What chronyd said.
    pub observation: Observation,
    /// What it means.
    pub verdict: Verdict,
    /// What failover looks at.
    pub sights: Vec<Sight>,
    /// By source: why it cannot be used, as far as this agent knows.
    pub trouble: BTreeMap<String, Trouble>,
}

impl Host {
    /// As it stands at the first tick.
    pub fn new(world: &World, index: usize) -> Self {
        Self::planned(world, index, Arc::new(plan::plan(world, &world.machines[index])))
    }

    /// The same with a plan that somebody else made of that world's sources.
    pub fn planned(world: &World, index: usize, plan: Arc<NodePlan>) -> Self {
        let machine = world.machines[index].clone();
        let lines = plan.associations.iter().filter_map(|planned| {
            let server = world.servers.iter().position(|server| server.name == planned.source)?;
            Some(Line::new(server, planned.clone(), Some(plan::address(server))))
        });
        let wall = machine.ahead.0;
        let number = u32::try_from(index).unwrap_or(u32::MAX);
        Self {
            daemon: Daemon::new(lines.collect(), machine.oscillator, wall),
            plan,
            wall,
            competed: false,
            boot_id: format!("boot-1-{}", machine.name),
            memory: Memory::default(),
            index: number,
            noise: Noise::new(world.seed.wrapping_mul(1_000_003).wrapping_add(u64::from(number) + 1)),
            raw: 0,
            boot: UP,
            daemon_start: 1,
            started: 0,
            judge: JudgeState::default(),
            overlay: Overlay::default(),
            machine,
        }
    }

    /// How the host's clock runs against the oscillator.
    fn rate(&self) -> Ppb {
        match self.machine.profile {
            ClockProfile::Real => self.daemon.correction,
            // Somebody else keeps it, well.
            ClockProfile::Virtual => Ppb(-self.machine.oscillator.0),
        }
    }

    /// One tick of its clocks, and what befalls them.
    pub fn run(&mut self, scene: &Scene<'_>) {
        let oscillator = self.machine.oscillator;
        self.raw += oscillator.over(TICK).0;
        self.daemon.cooked += (oscillator + self.daemon.correction).over(TICK).0;
        let mut gained = (oscillator + self.rate()).over(TICK).0;
        for fault in scene.faults() {
            match fault {
                Fault::RunsAway(who, rate) if who.has(&self.machine) => gained += rate.over(TICK).0,
                Fault::Step(who, by) if who.has(&self.machine) => self.step(by.0),
                Fault::Competitor(who) if who.has(&self.machine) => self.stand_back(scene.tick),
                _ => {}
            }
        }
        if self.machine.profile == ClockProfile::Real && scene.agent(&self.machine) {
            let most = SLEW.over(TICK).0;
            gained -= (self.wall + gained - self.daemon.cooked).clamp(-most, most);
        }
        self.wall += gained;
        self.boot += gained;
        if scene.world.leap == Some(scene.tick) {
            // The kernel inserts it by itself. chronyd keeps its samples, which are against a clock that steps with the sources.
            self.step(scene.utc().0);
        }
        for fault in scene.beginning() {
            match fault {
                Fault::Paused(who, span) if who.has(&self.machine) => self.pause(span.0),
                Fault::Reboot(who) if who.has(&self.machine) => self.reboot(scene),
                Fault::DaemonRestart(who) if who.has(&self.machine) => self.restart(scene.tick),
                _ => {}
            }
        }
    }

    fn step(&mut self, by: i64) {
        self.wall += by;
        self.daemon.stepped(by);
    }

    /// The agent saw a competitor: chronyd only measures from now on.
    fn stand_back(&mut self, tick: u32) {
        if !self.competed {
            self.competed = true;
            self.machine.profile = ClockProfile::Virtual;
            self.restart(tick);
        }
    }

    /// All its clocks stand still but the hardware's.
    fn pause(&mut self, span: i64) {
        for clock in [&mut self.raw, &mut self.wall, &mut self.boot, &mut self.daemon.cooked] {
            *clock -= span;
        }
    }

    fn restart(&mut self, tick: u32) {
        self.daemon_start += 1;
        self.started = tick;
        self.daemon.restart(self.wall);
    }

    fn reboot(&mut self, scene: &Scene<'_>) {
        self.boot_id = format!("boot-{}-{}", scene.tick + 2, self.machine.name);
        // The hardware clock set it to the second; chronyd stepped it to the millisecond in its boot window.
        self.wall = scene.utc().0 + self.noise.around(1_000_000);
        (self.raw, self.boot) = (0, UP - scene.now().0);
        let lines = self.daemon.lines.iter();
        let lines = lines.map(|line| Line::new(line.server, line.planned.clone(), line.address));
        self.daemon = Daemon::new(lines.collect(), self.machine.oscillator, self.wall);
        self.daemon_start += 1;
        self.started = scene.tick;
        self.overlay = Overlay::default();
        self.memory = std::mem::take(&mut self.memory).of_boot(&self.boot_id);
    }

    /// chronyd's polls of one tick.
    pub fn poll(&mut self, scene: &Scene<'_>) {
        let now = scene.now().0;
        for at in 0..self.daemon.lines.len() {
            let line = &self.daemon.lines[at];
            let server = &scene.world.servers[line.server];
            if scene.nameless(&self.machine, server) {
                self.daemon.lines[at].address = None;
                continue;
            }
            let index = line.server;
            let every = 1_u32 << (line.poll - 4).clamp(0, 10);
            let early = scene.tick - self.started < BURST;
            // Out of step by node, and in the slow world by source too.
            let phase = self.index
                + if scene.world.slow { self.index / 3 + 3 * u32::try_from(index).unwrap_or(0) } else { 0 };
            if !(scene.tick + phase).is_multiple_of(every) && !early {
                continue;
            }
            let path = scene.path(&self.machine, server);
            let served = scene.served(&self.machine, server);
            let may_ask = server.scope != Scope::Public;
            let told = |trouble| if may_ask { trouble } else { Trouble::TimedOut };
            let lost = self.noise.below(1_000) < i64::from(path.loss);
            let line = &mut self.daemon.lines[at];
            line.address = Some(plan::address(index));
            match path.fails {
                Some(Way::TimedOut) => line.miss(Trouble::TimedOut),
                Some(Way::Refused) => line.miss(told(Trouble::Refused)),
                Some(Way::Unreachable) => line.miss(told(Trouble::Unreachable)),
                None if lost => line.miss(Trouble::TimedOut),
                None if served.kiss => line.miss(told(Trouble::Kissed)),
                None => {
                    let jitter = server.jitter.0 + path.jitter.0;
                    let each_way = i64::midpoint(server.delay.0, path.slow.0);
                    let mut queue = || {
                        let queued = i64::from(scene.world.queued);
                        let waits = queued > 0 && self.noise.below(1_000) < queued;
                        if waits { self.noise.below(QUEUE * jitter) } else { 0 }
                    };
                    let (out, home) = (queue(), queue());
                    let there = each_way + path.one_way.0 + out + self.noise.below(jitter);
                    let back = each_way + home + self.noise.below(jitter);
                    let against = self.raw - served.ahead.0 + (back - there) / 2;
                    let wall = WallTime(scene.world.epoch + now + served.ahead.0);
                    line.answer(&served, Sample { against, delay: there + back, at: now }, wall);
                }
            }
        }
        let moment = Moment {
            now,
            epoch: scene.world.epoch,
            raw: self.raw,
            oscillator: self.machine.oscillator,
            overlay: &self.overlay,
            leap_day: scene.leap_day(),
        };
        self.daemon.select(&moment, &mut self.noise);
    }

    /// One look of its agent.
    pub fn look(&mut self, scene: &Scene<'_>) -> Looked {
        let observation = self.observe(scene);
        let (state, verdict) = judge(&self.judge, &observation, &self.plan);
        self.judge = state;
        let mut sights = sight::sights(&self.plan, &observation, &verdict);
        let probed = self.probed();
        sight::hear(&mut sights, &probed);
        if matches!(observation.answer, Answer::Full { .. }) {
            let look = sight::look(&sights, &verdict);
            let now = observation.clocks.boot;
            let phase = u64::from(self.index);
            let (state, overlay) = failover::step(&self.memory.state, &look, &self.plan.failover, phase, now);
            (self.memory.state, self.overlay) = (state, overlay);
        }
        let trouble = self.trouble(&sights);
        Looked { observation, verdict, sights, trouble }
    }

    /// What its own probes say: they meet what chronyd's packets meet, and public sources are not asked.
    fn probed(&self) -> BTreeMap<std::net::IpAddr, Probed> {
        let asked = self.daemon.lines.iter().filter(|line| line.planned.scope != Scope::Public);
        let one = |line: &Line| {
            let word = if line.missed == 0 { Probed::Answered } else { Probed::Unanswered(line.missed) };
            Some((line.address?, word))
        };
        asked.filter_map(one).collect()
    }

    fn trouble(&self, sights: &[Sight]) -> BTreeMap<String, Trouble> {
        let one = |line: &Line| {
            let doubt =
                sights.iter().find(|sight| sight.sighting.source == line.planned.source)?.sighting.doubt;
            doubt.map(|doubt| match doubt {
                Doubt::Stale => Trouble::Stale,
                Doubt::Unsynchronised => Trouble::Unsynchronised,
            })
        };
        let word = |line: &Line| match line.address {
            None => Some(Trouble::Unresolved),
            Some(_) if line.missed >= SILENT => line.met,
            Some(_) => one(line),
        };
        let lines = self.daemon.lines.iter();
        lines.filter_map(|line| Some((line.planned.source.clone(), word(line)?))).collect()
    }

    fn observe(&self, scene: &Scene<'_>) -> Observation {
        let now = scene.now().0;
        // Looks fall anywhere within the seconds of the hardware clock. What the clocks run apart within one is nothing.
        let late = 1_000_000_000 / 89 * ((i64::from(scene.tick) * 37 + i64::from(self.index) * 53) % 89);
        let utc = scene.world.leap.filter(|leap| scene.tick >= leap + RTC_SET).map_or(0, |_| scene.utc().0);
        let rtc = scene.world.epoch + now + late + utc + 300_000_000;
        let ticked = rtc.rem_euclid(1_000_000_000);
        let rtc = rtc - ticked;
        let moment = Moment {
            now,
            epoch: scene.world.epoch,
            raw: self.raw,
            oscillator: self.machine.oscillator,
            overlay: &self.overlay,
            leap_day: scene.leap_day(),
        };
        let down =
            scene.faults().any(|fault| matches!(fault, Fault::DaemonDown(who) if who.has(&self.machine)));
        let answer = if down {
            Answer::Nothing { why: "timed out".into() }
        } else {
            let rate = match self.machine.profile {
                ClockProfile::Real => Ppb::ZERO,
                ClockProfile::Virtual => self.rate(),
            };
            Answer::Full {
                tracking: self.daemon.tracking(&moment, self.wall, rate),
                associations: self.daemon.associations(&moment),
            }
        };
        Observation {
            clocks: ClockReading {
                wall: WallTime(scene.world.epoch + now + late + self.wall),
                boot: BootTime(now + late + self.boot),
                raw: RawTime(UP + now + late + self.raw),
                rtc: Some(WallTime(rtc)),
                tick: Some(Tick {
                    second: WallTime(rtc),
                    raw: RawTime(UP + now + late + self.raw - ticked),
                    within: Nanos::MILLISECOND,
                }),
            },
            boot_id: self.boot_id.clone(),
            daemon_start: self.daemon_start,
            profile: self.machine.profile,
            answer,
        }
    }
}
