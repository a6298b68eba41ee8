//! An agent's publisher: the real report and the real cadence, into statuses as they would stand in NodeTimes.

use super::fault::{Fault, Forgery};
use super::host::{Host, Looked};
use super::path::Scene;
use super::seen::Said;
use jiff::Timestamp;
use meantime_agent::apply::machine::Outcome;
use meantime_agent::publish::cadence::{Cadence, Digest};
use meantime_agent::publish::report::Report;
use meantime_agent::supervise::profile::ClockControl;
use meantime_core::chrony::ChronyVersion;
use meantime_core::diagnose::fleet::Peer;
use meantime_core::ledger::Fence;
use meantime_core::observation::{Answer, ClockProfile};
use meantime_core::units::Nanos;
use meantime_crds::common::Condition;
use meantime_crds::nodetime::{HealthWord, NodeTimeStatus, Reachability, ToldRole};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a lying agent claims.
pub const CLAIM: Nanos = Nanos::from_millis(500);

/// One agent's publisher.
#[derive(Clone, Debug)]
pub struct Publisher {
    cadence: Cadence,
    conditions: Vec<Condition>,
    sequence: i64,
    /// What stands in the NodeTime.
    pub said: Option<Arc<Said>>,
}

impl Publisher {
    /// Nothing is written yet.
    pub fn new(node: &str) -> Self {
        Self { cadence: Cadence::new(node), conditions: Vec::new(), sequence: 0, said: None }
    }

    /// Writes what is due, if it arrives. Gives whether it did.
    pub fn publish(&mut self, scene: &Scene<'_>, host: &Host, looked: Looked, peers: Vec<Peer>) -> bool {
        let now = looked.observation.clocks.boot;
        let seconds = looked.observation.clocks.wall.0.div_euclid(1_000_000_000);
        let display = Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH);
        let max_offset = host.plan.tolerances.max_offset;
        let trouble = looked.trouble.clone();
        let report = report(host, looked);
        let mut said =
            Said { status: report.status(&self.conditions, self.sequence + 1, display), trouble, peers };
        for fault in scene.faults() {
            if let Fault::Forged(who, forgery) = fault
                && who.has(&host.machine)
            {
                forge(&mut said, *forgery);
            }
        }
        let digest = Digest::of(&said.status);
        let answering = |said: &Said| said.peers.iter().map(|peer| peer.answers).collect::<Vec<_>>();
        // What stands beside the status is news like an association's state; the cadence does not know of it yet.
        let news = self
            .said
            .as_ref()
            .is_none_or(|old| old.trouble != said.trouble || answering(old) != answering(&said));
        if !news && self.cadence.due(&digest, max_offset) > now {
            return false;
        }
        self.sequence += 1;
        if !scene.heard(&host.machine) {
            self.cadence.failed(now);
            return false;
        }
        self.conditions.clone_from(&said.status.conditions);
        self.cadence.written(digest, now);
        self.said = Some(Arc::new(said));
        true
    }

    /// The agent starts anew: it writes at once.
    pub fn forget(&mut self) {
        self.cadence.forget();
    }
}

fn report(host: &Host, looked: Looked) -> Report {
    let control = match (host.competed, host.machine.profile) {
        (true, _) => ClockControl::Competing("ntpd (pid 812)".into()),
        (false, ClockProfile::Real) => ClockControl::Steering,
        (false, ClockProfile::Virtual) => ClockControl::Observing,
    };
    let troubles = match &looked.observation.answer {
        Answer::Full { associations, .. } => associations
            .iter()
            .enumerate()
            .filter_map(|(index, seen)| Some((index, *looked.trouble.get(seen.source.as_ref()?)?)))
            .collect(),
        Answer::Nothing { .. } => BTreeMap::new(),
    };
    Report {
        boot_id: host.boot_id.clone(),
        generation: Some(1),
        version: Some(ChronyVersion::new(4, 6, 1)),
        outcome: Outcome::Applied("confirmed: time is not worse than before".into()),
        runs: Some((Fence { uid: "u-1".into(), generation: 1 }, host.plan.hash.clone())),
        control: Some(control),
        protection: None,
        now: looked.observation.clocks.boot,
        judged: Some((looked.observation, looked.verdict)),
        failover: host.memory.clone(),
        sights: looked.sights,
        troubles,
        asked: Vec::new(),
        overlay_hash: None,
        max_offset: host.plan.tolerances.max_offset,
        retired: None,
        answered: None,
        trouble: None,
        // Told beside the status, see `Said`.
        peers: meantime_agent::peers::Heard::default(),
    }
}

/// What a misled or misleading agent makes of it.
fn forge(said: &mut Said, forgery: Forgery) {
    let status = &mut said.status;
    match forgery {
        Forgery::AllLie => {
            for (at, one) in (1_i64..).zip(&mut status.associations) {
                (one.usable, one.rejected) = (false, true);
                (one.state, one.letter) = ("Falseticker".into(), "x".into());
                one.offset_nanoseconds = Some(at * 130_000_000);
            }
        }
        Forgery::Impossible => impossible(status),
        Forgery::OldVersion => {
            said.trouble.clear();
            said.peers.clear();
            status.error_bound_growth_nanoseconds_per_second = None;
            status.clock = None;
            for one in &mut status.associations {
                one.health = HealthWord::default();
                one.uncertainty_nanoseconds = None;
            }
        }
        Forgery::NewVersion => {
            for condition in &mut status.conditions {
                "WordOfTomorrow".clone_into(&mut condition.reason);
            }
            for one in &mut status.associations {
                (one.role, one.reachability) = (ToldRole::Unknown, Reachability::Unknown);
                one.health = HealthWord::Unknown;
                "WordOfTomorrow".clone_into(&mut one.state);
            }
        }
        Forgery::LiesToPeers => {}
        Forgery::SlandersPeers => {
            for peer in &mut said.peers {
                peer.offset = peer.offset.map(|offset| offset + CLAIM);
            }
        }
    }
}

fn impossible(status: &mut NodeTimeStatus) {
    status.offset_nanoseconds = Some(i64::MIN);
    status.error_bound_nanoseconds = Some(i64::MAX);
    status.headroom_nanoseconds = Some(i64::MIN);
    status.usable_voters = Some(i32::MIN);
    for (at, one) in status.associations.iter_mut().enumerate() {
        one.offset_nanoseconds = Some(if at % 2 == 0 { i64::MAX } else { i64::MIN });
        one.uncertainty_nanoseconds = Some(i64::MIN);
        one.delay_nanoseconds = Some(i64::MIN);
        one.unanswered = i32::MIN;
        one.stratum = Some(i32::MAX);
    }
}
