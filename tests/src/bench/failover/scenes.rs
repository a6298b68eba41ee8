//! What happens in the races, and what is measured of it.

use super::Error;
use super::contestant::Contestant;
use super::course::Course;
use super::figures::{Line, Measured};
use super::race::{Fault, Race, Struck};
use super::timeline::{Value, seconds};
use super::truth::Truth;
use crate::bench::Aim;
use crate::chronyd::ChronyRoot;
use crate::lab::clock;
use meantime_core::units::Nanos;

/// Polls of the scenes that are run at one poll only: log2 of 2 s, at which chrony was measured before.
pub const POLL: i8 = 1;
/// How many polls a liar is watched.
const LIE: i64 = 30;
/// What one limit for offset and bound is in the outage: near enough to be reached within minutes.
const LIMIT: Nanos = Nanos::from_millis(10);
/// The servers' drift there, and the error with which they begin: about none is left when they fall silent.
const DRIFT_PPM: i32 = 50;
/// Differences of clocks on one loopback that mean nothing, microseconds: late wake-ups of a busy machine.
const NOISE_US: f64 = 100.0;
/// How long the outage is watched after the limit was passed.
const AFTERMATH: Nanos = Nanos::from_secs(10);

/// How fast the dispersion of an orphaned chronyd grows (measured on 4.3, time-sync reference §0.4) …
const ORPHAN: &str = " orphan-rate=2.4ppm";
/// … and that of a server which follows RFC 5905: chrony alone leaves such a one by itself, in time.
const PHI: &str = " orphan-rate=15ppm";

/// The scenes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scene {
    /// The server that each follows falls silent.
    Dead,
    /// It lies by 5 ms.
    Liar5ms,
    /// It lies by 200 ms.
    Liar200ms,
    /// It and another lie by 200 ms, agreeing.
    Liars2,
    /// Its upstream dies; it goes on serving, with the dispersion that a chronyd would show.
    Stale,
    /// The same with the dispersion of RFC 5905.
    StalePhi,
    /// All servers fall silent, and this host drifts.
    OutageTold,
    /// Queues and losses as networks have them, nothing else. (The lab's `jitter` is none of that: servers whose clocks jump
    /// by 5 ms behind a delay of 50 µs; chrony 4.6.1 finds no majority among five of them and never synchronises.)
    Healthy,
}

impl Scene {
    /// In figures' ids.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dead => "dead",
            Self::Liar5ms => "liar5ms",
            Self::Liar200ms => "liar200ms",
            Self::Liars2 => "liars2",
            Self::Stale => "stale",
            Self::StalePhi => "stale_phi",
            Self::OutageTold => "outage_told",
            Self::Healthy => "healthy",
        }
    }
}

/// How much of it all.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Polls before anything happens.
    pub warm_up: i64,
    /// How long nothing happens in the healthy scene.
    pub healthy: Nanos,
}

/// One race to be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// What happens.
    pub scene: Scene,
    /// log2 seconds.
    pub poll: i8,
    /// 1, 2, …
    pub run: usize,
}

impl Job {
    /// For people.
    pub fn title(self) -> String {
        format!("{} at poll {} s, run {}", self.scene.name(), 1 << self.poll, self.run)
    }
    fn course(self, pace: &Pace) -> Course {
        // The servers of each run are somewhere else, so that the truth is not always nought.
        let offset = [0, 4, -9, 12, -15][(self.run - 1) % 5];
        let mut course = Course::new(self.poll, Nanos::from_millis(offset), pace.warm_up);
        match self.scene {
            Scene::OutageTold => {
                // What drifts at DRIFT_PPM from here on is about right when the warm-up ends.
                let begin = -seconds(course.polls(course.warm_up)) * f64::from(DRIFT_PPM);
                course.servers = format!("offset={begin:.0}us drift={DRIFT_PPM}ppm");
                let wanted = &mut course.tolerances;
                (wanted.max_offset, wanted.max_error_bound) = (LIMIT, LIMIT);
                (wanted.warn_offset, wanted.warn_error_bound) = (LIMIT.half_up(), LIMIT.half_up());
            }
            Scene::Healthy => course.servers += " delay-jitter=5ms loss=2%",
            Scene::Stale => course.servers += ORPHAN,
            Scene::StalePhi => course.servers += PHI,
            Scene::Dead | Scene::Liar5ms | Scene::Liar200ms | Scene::Liars2 => {}
        }
        course
    }
    /// About how long it takes at most: the longest are begun first.
    pub fn length(self, pace: &Pace) -> Nanos {
        let course = self.course(pace);
        let scene = match self.scene {
            Scene::Dead | Scene::Stale | Scene::StalePhi => course.limit(),
            Scene::Liar5ms | Scene::Liar200ms | Scene::Liars2 => course.polls(LIE),
            Scene::OutageTold => outage_limit(),
            Scene::Healthy => pace.healthy,
        };
        course.polls(course.warm_up) + scene
    }
}

/// What came of one race.
pub struct Outcome {
    /// For figures.
    pub measured: Vec<Measured>,
    /// For `coverage_percent` and `true_while_wrong_s`.
    pub truth: Truth,
    /// For `coverage_metrics_percent`.
    pub live: Truth,
    /// Our agent's own story, for whoever explains a figure.
    pub story: String,
}

/// Runs one.
pub fn run(job: Job, pace: &Pace, root: &ChronyRoot) -> Result<Outcome, Error> {
    let mut race = Race::start(job.course(pace), root)?;
    let mut measured = match job.scene {
        Scene::Dead => dead(&mut race)?,
        Scene::Liar5ms => liars(&mut race, job.scene, &Fault { word: "offset=5ms", servers: 1 })?,
        Scene::Liar200ms => liars(&mut race, job.scene, &Fault { word: "offset=200ms", servers: 1 })?,
        Scene::Liars2 => liars(&mut race, job.scene, &Fault { word: "offset=200ms", servers: 2 })?,
        Scene::Stale => stale(&mut race, job.scene, ORPHAN)?,
        Scene::StalePhi => stale(&mut race, job.scene, PHI)?,
        Scene::OutageTold => outage(&mut race)?,
        Scene::Healthy => healthy(&mut race, pace.healthy)?,
    };
    measured.extend(packets(&race));
    Ok(Outcome { measured, truth: race.truth.clone(), live: race.live.clone(), story: race.node.story() })
}

fn everybody_left(struck: &Struck) -> impl Fn(&Race) -> bool {
    move |race| {
        Contestant::ALL
            .iter()
            .all(|each| race.timeline(*each).left(struck.at, struck.faulty(*each)).is_some())
    }
}

fn left(race: &Race, struck: &Struck, line: &Line) -> Vec<Measured> {
    let limit = race.course.limit();
    let value = |each| Value::seconds(race.timeline(each).left(struck.at, struck.faulty(each)), limit);
    Contestant::ALL.map(|each| line.of(each, value(each))).into()
}

/// What is said of the history in every figure that depends on it.
fn history(course: &Course) -> String {
    format!("{} polls of history", course.warm_up)
}

fn dead(race: &mut Race) -> Result<Vec<Measured>, Error> {
    let course = race.course.clone();
    let struck = race.strike(&Fault { word: "dead=true", servers: 1 })?;
    race.watch(course.limit(), everybody_left(&struck))?;
    let poll = seconds(course.interval());
    let line = Line::new(
        format!("dead_{{}}_poll{poll}"),
        "s",
        Aim::AtMost(4.0 * poll + 5.0),
        format!(
            "the followed one of five falls silent, until the next clock update from another; {}; aim: 3 polls + 5 s + \
             1 poll; given up after {:.0} s",
            history(&course),
            seconds(course.limit())
        ),
    );
    Ok(left(race, &struck, &line))
}

fn stale(race: &mut Race, scene: Scene, rate: &str) -> Result<Vec<Measured>, Error> {
    let course = race.course.clone();
    let struck = race.strike(&Fault { word: "reference-frozen=true", servers: 1 })?;
    race.watch(course.limit(), everybody_left(&struck))?;
    let age = seconds(course.max_reference_age);
    let line = Line::new(
        format!("{}_{{}}", scene.name()),
        "s",
        Aim::AtMost(age + 4.0 * seconds(course.interval())),
        format!(
            "the upstream of the followed one of five dies silently (its reference time stands still, its root dispersion \
             grows:{rate}), until the next clock update from another; poll 2 s, {}; aim: maxReferenceAge of {age} s + \
             3 polls + 1 poll; given up after {:.0} s",
            history(&course),
            seconds(course.limit())
        ),
    );
    Ok(left(race, &struck, &line))
}

fn liars(race: &mut Race, scene: Scene, fault: &Fault) -> Result<Vec<Measured>, Error> {
    let course = race.course.clone();
    let struck = race.strike(fault)?;
    race.watch(course.polls(LIE), |_| false)?;
    let name = scene.name();
    let lie = format!(
        "{} of five (the followed one first) lie: {}; poll 2 s, {}, watched for {LIE} polls",
        fault.servers,
        fault.word,
        history(&course)
    );
    let followed = Line::new(
        format!("{name}_{{}}_followed"),
        "samples",
        Aim::AtMost(0.0),
        format!(
            "{lie}; samples (13 a second) from 2 polls on in which TRACKING names a liar by an update of after the first"
        ),
    );
    let pulled = Line::new(
        format!("{name}_{{}}_pulled"),
        "us",
        Aim::None,
        format!("{lie}; how far chronyd's clock went from the honest servers' at most"),
    )
    .with_dice(NOISE_US);
    let truth = race.true_error();
    let mut measured = Vec::new();
    for each in Contestant::ALL {
        let timeline = race.timeline(each);
        // Within a poll each liar has lied to everybody: an update from it that came later is one from a lie.
        let (one, two) = (struck.at + course.polls(1), struck.at + course.polls(2));
        let samples = timeline.following(two, one, struck.faulty(each));
        measured.push(followed.of(each, Value::Known(count(samples))));
        if let Some(far) = timeline.pulled(struck.at, truth) {
            measured.push(pulled.of(each, Value::Known(seconds(far) * 1e6)));
        }
    }
    let named = race.words.named(struck.at, struck.faulty(Contestant::Meantime));
    let line = Line::new(
        format!("{name}_{{}}_named"),
        "polls",
        Aim::AtMost(2.0),
        format!(
            "{lie}; until the published status calls all of them rejected (chrony alone publishes nothing)"
        ),
    );
    let polls = Value::seconds(named, course.polls(LIE)).per(seconds(course.interval()));
    measured.push(line.of(Contestant::Meantime, polls));
    Ok(measured)
}

/// Long enough for the true error to pass the limit, with a margin.
fn outage_limit() -> Nanos {
    LIMIT.times(i64::from(1_000_000 / DRIFT_PPM)).scaled(13, 10)
}

fn outage(race: &mut Race) -> Result<Vec<Measured>, Error> {
    let course = race.course.clone();
    let silent = race.strike_all("dead=true")?;
    let limit = outage_limit();
    race.watch(limit, |race| race.truth.wrong_since.is_some())?;
    race.watch(AFTERMATH, |_| false)?;
    let watched = clock::now().boot - silent;
    let how = format!(
        "all five fall silent while this host loses {DRIFT_PPM} us a second against them; poll 2 s, {}; limit {LIMIT}",
        history(&course)
    );
    let told = Line::new(
        "outage_told_{}".to_owned(),
        "s",
        Aim::AtMost(10.0 * seconds(course.interval())),
        format!(
            "{how}; until TimePartitioned is True, for chrony alone until leap 3 or no reference id; aim: 10 polls"
        ),
    );
    let mut measured = Vec::new();
    for each in [Contestant::Debian, Contestant::Tuned] {
        measured.push(told.of(each, Value::seconds(race.timeline(each).gave_up(silent), watched)));
    }
    let ours = race.words.until(silent, "TimePartitioned", "True");
    measured.push(told.of(Contestant::Meantime, Value::seconds(ours, watched)));
    let Some(wrong) = race.truth.wrong_since.map(|since| since - silent) else {
        return Err(format!("the true error did not pass {LIMIT} within {limit}").into());
    };
    let mut seldom = |name: &str, unit, aim, value, what: &str| {
        let line = Line::new(format!("outage_told_{{}}_{name}"), unit, aim, format!("{how}; {what}"));
        measured.push(line.of(Contestant::Meantime, value));
    };
    let out = race.words.until(silent, "TimeSynchronized", "False");
    let said = "until TimeSynchronized is False";
    seldom("out_of_policy", "s", Aim::None, Value::seconds(out, watched), said);
    let late = out.map_or(Value::AtLeast(seconds(watched - wrong)), |out| Value::Known(seconds(out - wrong)));
    seldom(
        "lateness",
        "s",
        Aim::AtMost(0.0),
        late,
        "from the moment in which the true error passes the limit until TimeSynchronized is False; below 0: before it",
    );
    let Some(told) = race.words.forecast(silent) else { return Ok(measured) };
    let rest = wrong - (told.at - silent);
    if let Some(expected) = told.forecast {
        let (expected, true_rest) = (seconds(expected).max(0.001), seconds(rest).max(0.001));
        seldom(
            "forecast_factor",
            "times",
            Aim::AtMost(2.0),
            Value::Known((expected / true_rest).max(true_rest / expected)),
            "the first expected breach against when it truly came, the larger over the smaller",
        );
    }
    if let Some(guarantee) = told.guarantee {
        seldom(
            "guarantee_lateness",
            "s",
            Aim::AtMost(0.0),
            Value::Known(seconds(guarantee - rest)),
            "from the true breach to the first guaranteed forecast of it; below 0: it was foretold for earlier",
        );
    }
    Ok(measured)
}

fn healthy(race: &mut Race, span: Nanos) -> Result<Vec<Measured>, Error> {
    let begin = clock::now().boot;
    race.watch(span, |_| false)?;
    let how = format!(
        "each way up to 5 ms longer at random, loss of 2 %, poll 2 s, for {:.0} minutes after {}",
        seconds(span) / 60.0,
        history(&race.course)
    );
    let switches = Line::new(
        "healthy_{}_switches".to_owned(),
        "switches",
        Aim::None,
        format!("{how}; chronyd's own choice among sources that all work"),
    );
    let mut measured: Vec<_> = Contestant::ALL
        .map(|each| switches.of(each, Value::Known(count(race.timeline(each).switches(begin)))))
        .into();
    let mut ours = |name: &str, value, what: &str| {
        let line =
            Line::new(format!("healthy_{{}}_{name}"), "changes", Aim::AtMost(0.0), format!("{how}; {what}"));
        measured.push(line.of(Contestant::Meantime, Value::Known(count(value))));
    };
    ours("failovers", race.words.moves(begin), "changes of what the agent decided besides the plan");
    ours("condition_changes", race.words.condition_changes(begin), "a condition's status or reason");
    Ok(measured)
}

fn packets(race: &Race) -> Vec<Measured> {
    let poll = seconds(race.course.interval());
    let line = Line::new(
        format!("packets_{{}}_poll{poll}"),
        "per_minute",
        Aim::AtMost(120.0),
        "requests at one lab server in the worst minute of any race at this poll, chronyd's own and probes together; aim: \
         the budget of Local scope"
            .to_owned(),
    );
    #[expect(clippy::cast_precision_loss, reason = "some hundred packets")]
    let value = |each| Value::Known(race.worst_minute(each) as f64);
    Contestant::ALL.map(|each| line.of(each, value(each))).into()
}

#[expect(clippy::cast_precision_loss, reason = "counts of samples")]
fn count(number: usize) -> f64 {
    number as f64
}
