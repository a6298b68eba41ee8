//! What the engine hands to the publisher at each look, and the status that it becomes. Pure.

use crate::apply::machine::Outcome;
use crate::peers::{Heard, Off};
use crate::supervise::boot_setter::Protection;
use crate::supervise::profile::ClockControl;
use jiff::Timestamp;
use meantime_core::chrony::ChronyVersion;
use meantime_core::clocks::BootTime;
use meantime_core::conditions::Status;
use meantime_core::diagnose::fleet::Trouble;
use meantime_core::fsm::failover::Memory;
use meantime_core::fsm::failover::sight::Sight;
use meantime_core::fsm::probing::Counters;
use meantime_core::ledger::{Answered, Fence};
use meantime_core::names::{CONDITION_BOOT_TIME, REASON_NO_DAEMON};
use meantime_core::observation::Observation;
use meantime_core::units::Nanos;
use meantime_core::verdict::Verdict;
use meantime_crds::common::Condition;
use meantime_crds::convert;
use meantime_crds::nodetime::{
    AgentInfo, AnswerState, AppliedPlan, AppliedState, ChronyInfo, ClockInfo, NodeTimeStatus, PeersWord,
    RequestAnswer, Retired,
};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Longest message for the clock, in characters (schema).
const CLOCK_MESSAGE: usize = 256;
/// Longest message anywhere else, in characters (schema).
const MESSAGE: usize = 512;

/// All that the agent has to tell.
#[derive(Clone, Debug)]
pub struct Report {
    /// This boot.
    pub boot_id: String,
    /// Newest generation of the NodeTime that was looked at, whatever became of it.
    pub generation: Option<i64>,
    /// chronyd's version; none = it could not be run.
    pub version: Option<ChronyVersion>,
    /// What became of the newest plan.
    pub outcome: Outcome,
    /// The plan that runs: object and hash.
    pub runs: Option<(Fence, String)>,
    /// May chronyd steer the clock; none = no plan.
    pub control: Option<ClockControl>,
    /// Who sets this host's clock at boot; none = the plan is not Managed.
    pub protection: Option<Protection>,
    /// The last look and what was made of it.
    pub judged: Option<(Observation, Verdict)>,
    /// What failover remembers …
    pub failover: Memory,
    /// … made of the sources at that look …
    pub sights: Vec<Sight>,
    /// … and why some of them cannot be used, by position in the observation of that look …
    pub troubles: BTreeMap<usize, Trouble>,
    /// What our own probes of each address came to.
    pub asked: Vec<(IpAddr, Counters)>,
    /// … and wants of chronyd besides the plan, as one word; none = nothing.
    pub overlay_hash: Option<String>,
    /// When this was composed.
    pub now: BootTime,
    /// What an offset must move by a quarter of to be news.
    pub max_offset: Nanos,
    /// Retirement, done.
    pub retired: Option<String>,
    /// The answer to the last request.
    pub answered: Option<Answered>,
    /// Why chronyd does not run although it should.
    pub trouble: Option<String>,
    /// What its peers say.
    pub peers: Heard,
}

impl Report {
    /// The `Ready` condition: is the newest plan applied? Drift never blocks it.
    fn ready(&self) -> (Status, &'static str, String) {
        if let Some(retired) = &self.retired {
            return (Status::True, "Retired", retired.clone());
        }
        let because = |text: &str| match &self.trouble {
            Some(trouble) => format!("{text}; {trouble}"),
            None => text.to_owned(),
        };
        match &self.outcome {
            Outcome::Nothing if self.version.is_none() => {
                (Status::False, REASON_NO_DAEMON, because("chronyd cannot be run"))
            }
            Outcome::Nothing => (Status::False, "NoPlan", "no plan has come yet".to_owned()),
            Outcome::Pending(text) => (Status::False, "Pending", because(text)),
            Outcome::Applied(text) => (Status::True, "Applied", text.clone()),
            Outcome::Reverted(text) => (Status::False, "Reverted", text.clone()),
            Outcome::Refused(text) => (Status::False, "Refused", because(text)),
        }
    }

    fn applied(&self) -> Option<AppliedPlan> {
        let (state, message) = match &self.outcome {
            Outcome::Nothing => return None,
            Outcome::Pending(text) => (AppliedState::Pending, text),
            Outcome::Applied(text) => (AppliedState::Applied, text),
            Outcome::Reverted(text) => (AppliedState::Reverted, text),
            Outcome::Refused(text) => (AppliedState::Refused, text),
        };
        Some(AppliedPlan {
            hash: self.runs.as_ref().map(|(_, hash)| hash.clone()),
            overlay_hash: self.overlay_hash.clone(),
            object_uid: self.runs.as_ref().map(|(fence, _)| fence.uid.clone()),
            generation: self.runs.as_ref().map(|(fence, _)| fence.generation),
            state,
            message: Some(short(message, MESSAGE)),
        })
    }

    /// The whole status. `previous` are the conditions last written, whose transition times are kept while their
    /// status does not change; `now` is for display.
    pub fn status(&self, previous: &[Condition], sequence: i64, now: Timestamp) -> NodeTimeStatus {
        let (ready, reason, message) = self.ready();
        let generation = self.generation;
        let mut conditions =
            vec![convert::condition(previous, "Ready", ready, reason, &message, generation, now)];
        let mut status = NodeTimeStatus {
            observed_generation: generation,
            agent: Some(AgentInfo { version: env!("CARGO_PKG_VERSION").to_owned() }),
            chrony: self.version.map(|version| ChronyInfo { version: version.to_string() }),
            sequence: Some(sequence),
            applied: self.applied(),
            clock: self.control.as_ref().map(|control| ClockInfo {
                profile: control.profile().into(),
                reason: control.reason().to_owned(),
                message: Some(short(&control.message(), CLOCK_MESSAGE)),
            }),
            retired: self
                .retired
                .as_ref()
                .map(|message| Retired { restored: true, message: short(message, MESSAGE) }),
            request: self.answered.as_ref().map(|answered| RequestAnswer {
                verb: answered.verb.clone(),
                id: answered.id.clone(),
                state: if answered.done { AnswerState::Done } else { AnswerState::Refused },
                message: short(&answered.message, MESSAGE),
            }),
            ..NodeTimeStatus::default()
        };
        if let Some((observation, verdict)) = &self.judged {
            conditions.extend(convert::judged(previous, &verdict.conditions, generation, now));
            convert::measured(&mut status, observation, verdict, &self.troubles, now);
            convert::failed_over(&mut status, &self.failover, &self.sights, &self.boot_id, self.now);
        }
        convert::peers(&mut status, &self.peers.told);
        status.peers_trouble = self.peers.off.map(|off| match off {
            Off::NoKeys => PeersWord::NoKeys,
            Off::NoPort => PeersWord::NoPort,
        });
        if let Some(protection) = &self.protection {
            let (unprotected, reason, message) = protection.condition();
            let message = short(&message, MESSAGE);
            let condition = convert::condition(
                previous,
                CONDITION_BOOT_TIME,
                unprotected,
                reason,
                &message,
                generation,
                now,
            );
            conditions.push(condition);
        }
        status.conditions = conditions;
        status.boot_id = Some(self.boot_id.clone());
        status
    }
}

fn short(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}
