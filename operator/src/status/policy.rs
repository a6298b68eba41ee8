//! Status of one TimeSyncPolicy: is it applied, and does it hold.
//!
//! `Ready` = rendered and applied on every node that it won; `Compliant` = every one of those clocks inside its
//! tolerances. They are apart, so that a drifting node never blocks a GitOps sync. Counts, at most five names, the
//! worst node: never a list of nodes.

use super::conditions::{Fact, merge};
use crate::policy_metrics::PolicyFacts;
use crate::{maintenance, spread};
use jiff::Timestamp;
use meantime_core::conditions::{ConditionKind, Reason, Status};
use meantime_core::maintenance::State;
use meantime_core::names::CONDITION_BOOT_TIME;
use meantime_core::plan::{Concern, NodeOutcome, PolicyReport, Sample};
use meantime_core::policy::Mode;
use meantime_core::spread::Spread;
use meantime_core::units::Nanos;
use meantime_crds::common::Time;
use meantime_crds::nodetime::{AppliedState, Desired, NodeTimeSpec, NodeTimeStatus};
use meantime_crds::timesyncpolicy::{EffectivePolicy, NodeCounts, SpreadStatus, WorstNode};
use meantime_crds::{TimeSyncPolicy, TimeSyncPolicyStatus};

/// What is known of a policy besides its nodes, one by one.
#[derive(Clone, Debug, Default)]
pub struct Besides {
    /// Its windows and acknowledgements.
    pub maintenance: maintenance::Look,
    /// How far apart its clocks are; none = nothing to compare.
    pub spread: Option<spread::Look>,
}

/// One node that the policy won.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// Node name.
    pub name: &'a str,
    /// What the planner gave it.
    pub outcome: &'a NodeOutcome,
    /// Its NodeTime's spec; none = not created yet.
    pub spec: Option<&'a NodeTimeSpec>,
    /// What its agent wrote last; none = nothing yet.
    pub status: Option<&'a NodeTimeStatus>,
    /// Its agent is silent: what it wrote last is no evidence of its time any more.
    pub silent: bool,
}

impl Member<'_> {
    /// The hash of the plan that it should run, if its NodeTime carries that already.
    fn planned(&self) -> Option<&str> {
        let NodeOutcome::Planned(plan) = self.outcome else { return None };
        let spec = self.spec.filter(|spec| spec.desired == Desired::Active)?;
        let carried = spec.plan.as_ref()?;
        (carried.hash == plan.hash).then_some(carried.hash.as_str())
    }
    fn applied(&self) -> Applied {
        let Some(hash) = self.planned() else { return Applied::NotPlanned };
        let Some(applied) = self.status.and_then(|status| status.applied.as_ref()) else {
            return Applied::Waiting;
        };
        let same = applied.hash.as_deref() == Some(hash);
        match applied.state {
            AppliedState::Applied if same => Applied::Yes,
            // what it tells of is an older plan: this one is still on its way; or a newer agent's word: whatever it
            // means, this plan is not known to be applied
            AppliedState::Applied | AppliedState::Pending | AppliedState::Unknown => Applied::Waiting,
            AppliedState::Reverted => Applied::Reverted,
            AppliedState::Refused => Applied::Refused,
        }
    }
    /// None = its agent does not say: the node is not Managed, or not yet.
    fn boot_time_unprotected(&self) -> Option<Status> {
        let status = self.status.filter(|_| !self.silent)?;
        let told = status.conditions.iter().find(|condition| condition.type_ == CONDITION_BOOT_TIME)?;
        Some(super::parse(&told.status))
    }
    fn synchronized(&self) -> (Status, Option<&str>) {
        let told = self.status.filter(|_| !self.silent).and_then(|status| {
            status
                .conditions
                .iter()
                .find(|condition| condition.type_ == ConditionKind::TimeSynchronized.name())
        });
        match told {
            None => (Status::Unknown, None),
            Some(told) => (super::parse(&told.status), Some(&told.reason)),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Applied {
    Yes,
    NotPlanned,
    Waiting,
    Reverted,
    Refused,
}

/// What the members add up to.
#[derive(Clone, Debug, Default)]
struct Tally {
    counts: NodeCounts,
    waiting: Sample,
    reverted: Sample,
    refused: Sample,
    breaching: Sample,
    unknown: Sample,
    infeasible: Sample,
    unprotected: Sample,
    unseen: Sample,
    worst: Option<(Nanos, String)>,
}

fn tally(members: &[Member<'_>]) -> Tally {
    let mut tally = Tally::default();
    for member in members {
        tally.counts.selected += 1;
        tally.counts.planned += i32::from(member.planned().is_some());
        match member.applied() {
            Applied::Yes => tally.counts.applied += 1,
            Applied::NotPlanned | Applied::Waiting => tally.waiting.add(member.name),
            Applied::Reverted => tally.reverted.add(member.name),
            Applied::Refused => tally.refused.add(member.name),
        }
        match member.synchronized() {
            (Status::True, _) => tally.counts.compliant += 1,
            (Status::False, _) => tally.breaching.add(member.name),
            (Status::Unknown, Some(reason)) if reason == Reason::ToleranceInfeasible.as_str() => {
                tally.infeasible.add(member.name);
                tally.unknown.add(member.name);
            }
            (Status::Unknown, _) => tally.unknown.add(member.name),
        }
        match member.boot_time_unprotected() {
            Some(Status::True) => tally.unprotected.add(member.name),
            Some(Status::Unknown) => tally.unseen.add(member.name),
            Some(Status::False) | None => {}
        }
        let headroom =
            member.status.filter(|_| !member.silent).and_then(|status| status.headroom_nanoseconds);
        if let Some(headroom) = headroom.map(Nanos) {
            let worse = tally
                .worst
                .as_ref()
                .is_none_or(|(worst, name)| (headroom, member.name) < (*worst, name.as_str()));
            if worse {
                tally.worst = Some((headroom, member.name.to_owned()));
            }
        }
    }
    tally
}

/// What there is to count of it.
pub fn facts(policy: &str, members: &[Member<'_>], besides: &Besides) -> PolicyFacts {
    let mut nodes = [0; 3];
    for member in members {
        match member.synchronized().0 {
            Status::True => nodes[0] += 1,
            Status::False => nodes[1] += 1,
            Status::Unknown => nodes[2] += 1,
        }
    }
    let exact = besides.spread.as_ref().and_then(|spread| spread.exact.as_ref());
    PolicyFacts {
        policy: policy.to_owned(),
        acknowledged: besides.maintenance.acknowledged.clone(),
        spread: [exact.map(Spread::proven_span), exact.and_then(|exact| exact.possible)],
        nodes,
    }
}

/// The status as it should be; `standing` is the one that stands. `members` are the nodes that it won; `wall` goes into lastTransitionTime only where a
/// condition's status changes.
pub fn desired(
    policy: &TimeSyncPolicy,
    standing: Option<&TimeSyncPolicyStatus>,
    report: &PolicyReport,
    members: &[Member<'_>],
    besides: &Besides,
    wall: Timestamp,
) -> TimeSyncPolicyStatus {
    let generation = policy.metadata.generation;
    let before = standing.map(|status| status.conditions.as_slice()).unwrap_or_default();
    let tally = tally(members);
    let mode = policy.spec.mode.map_or_else(Mode::default, Into::into);
    let peers = policy.spec.peers.map(Into::into).unwrap_or_default();
    let (ready, stalled) = readiness(report, &tally);
    let facts = [
        ready,
        compliance(&tally, besides.spread.as_ref()),
        stalled,
        conflict(report),
        feasibility(report, &tally),
        maintained(&besides.maintenance),
    ];
    let until = match besides.maintenance.state {
        State::Open { until, .. } => Timestamp::from_second(until).ok(),
        State::Closed | State::Faulty { .. } => None,
    };
    TimeSyncPolicyStatus {
        observed_generation: generation,
        conditions: merge(before, generation, wall, facts),
        effective: report
            .tolerances
            .as_ref()
            .map(|tolerances| EffectivePolicy::new(mode, peers, tolerances, report.max_spread)),
        nodes: Some(tally.counts),
        summary: Some(format!("{}/{}", tally.counts.compliant, tally.counts.selected)),
        worst: tally.worst.map(|(headroom, node)| {
            let headroom = two_digits(headroom);
            WorstNode { node, headroom: headroom.to_string(), headroom_nanoseconds: headroom.0 }
        }),
        spread: besides.spread.as_ref().map(|spread| SpreadStatus::new(&spread.told)),
        suppressed_until: until.map(Time),
    }
}

fn readiness(report: &PolicyReport, tally: &Tally) -> (Fact, Fact) {
    let blocked = |reason: &str, message: String| {
        (
            Fact::new("Ready", Status::False, reason, message.clone()),
            Fact::new("Stalled", Status::True, reason, message),
        )
    };
    let faults: Vec<_> = report.problems.iter().map(|fault| (fault.reason(), fault.to_string())).collect();
    if let Some((reason, _)) = faults.first() {
        return blocked(reason, format!("{}; its nodes keep the plan they have", super::lines(&faults)));
    }
    if let Some(finding) = report.about(Concern::Stalled).next() {
        return blocked(finding.what.reason(), finding.to_string());
    }
    let NodeCounts { selected, applied, .. } = tally.counts;
    if tally.refused.count > 0 {
        return blocked(
            "Refused",
            format!("agents refused the plan on {}; see their NodeTimes' status.applied", tally.refused),
        );
    }
    if tally.reverted.count > 0 {
        return blocked(
            "Reverted",
            format!(
                "time was worse after the change, so it was taken back on {}; see their NodeTimes' status.applied",
                tally.reverted
            ),
        );
    }
    let stalled = Fact::new(
        "Stalled",
        Status::False,
        "Valid",
        advice(report, tally).unwrap_or_else(|| "nothing here waits for a person".to_owned()),
    );
    let ready = if selected == 0 {
        let why = if report.selected == 0 {
            "it selects no node".to_owned()
        } else {
            format!("all {} nodes that it selects belong to policies that go before it", report.selected)
        };
        Fact::new("Ready", Status::True, "NoNodes", why)
    } else if applied < selected {
        Fact::new(
            "Ready",
            Status::False,
            "Applying",
            format!("applied on {applied} of {selected} nodes; waiting for {}", tally.waiting),
        )
    } else {
        Fact::new("Ready", Status::True, "Applied", format!("applied on {applied} of {selected} nodes"))
    };
    (ready, stalled)
}

/// What the planner would tell the author over a coffee.
fn advice(report: &PolicyReport, tally: &Tally) -> Option<String> {
    let mut all: Vec<_> = report
        .about(Concern::Advice)
        .map(|finding| (finding.what.reason(), format!("{}: {finding}", finding.what.reason())))
        .collect();
    if tally.unprotected.count > 0 {
        all.push((
            CONDITION_BOOT_TIME,
            format!(
                "{CONDITION_BOOT_TIME}: nothing is seen to set the clock at boot on {}; after a power cut a wrong clock \
                 may keep kubelet from starting there; see examples/host",
                tally.unprotected
            ),
        ));
    }
    if tally.unseen.count > 0 {
        all.push((
            CONDITION_BOOT_TIME,
            format!("{CONDITION_BOOT_TIME}: not known on {}; see their NodeTimes' conditions", tally.unseen),
        ));
    }
    (!all.is_empty()).then(|| super::lines(&all))
}

fn compliance(tally: &Tally, spread: Option<&spread::Look>) -> Fact {
    let NodeCounts { selected, compliant, .. } = tally.counts;
    let least = tally
        .worst
        .as_ref()
        .map(|(headroom, node)| format!("; least headroom {} on {node}", two_digits(*headroom)));
    let share =
        format!("{compliant} of {selected} clocks are inside their tolerances{}", least.unwrap_or_default());
    let apart = spread.filter(|spread| spread.exceeded).map(apart);
    if selected == 0 {
        Fact::new("Compliant", Status::Unknown, "NoNodes", "it has no node to judge".to_owned())
    } else if tally.breaching.count > 0 {
        Fact::new(
            "Compliant",
            Status::False,
            "OutOfTolerance",
            format!(
                "{share}; out of tolerance: {}{}",
                tally.breaching,
                apart.map(|apart| format!("; {apart}")).unwrap_or_default()
            ),
        )
    } else if let Some(apart) = apart {
        Fact::new("Compliant", Status::False, spread::EXCEEDED, format!("{apart}; {share}"))
    } else if tally.unknown.count > 0 {
        Fact::new(
            "Compliant",
            Status::Unknown,
            "NodesUnknown",
            format!("{share}; not known: {}", tally.unknown),
        )
    } else {
        Fact::new("Compliant", Status::True, "InTolerance", share)
    }
}

/// Two of its clocks, as they are told.
fn apart(spread: &spread::Look) -> String {
    let told = &spread.told;
    let limit = spread.limit.map(|limit| format!(" (maxSpread {limit})")).unwrap_or_default();
    match (&told.between, &told.through) {
        (Some((ahead, behind)), Some(through)) => format!(
            "{ahead} is proven to be about {} ahead of {behind}{limit}: both measured {through}",
            told.proven
        ),
        // The hold time runs on: they came together a moment ago.
        _ => format!("two clocks were further apart than allowed a moment ago{limit}"),
    }
}

fn maintained(look: &maintenance::Look) -> Fact {
    let known = match look.acknowledged.len() {
        0 => String::new(),
        1 => "; 1 fault is acknowledged".to_owned(),
        more => format!("; {more} faults are acknowledged"),
    };
    match &look.state {
        State::Open { name, until } => {
            let until = Timestamp::from_second(*until).map(|until| until.to_string()).unwrap_or_default();
            let why = format!(
                "window {name} is open until {until}: alerts are marked suppressed, state is as it is{known}"
            );
            Fact::new("Maintenance", Status::True, "WindowOpen", why)
        }
        State::Faulty { name, why } => {
            let why = format!("window {name} can not be read and never opens: {why}{known}");
            Fact::new("Maintenance", Status::Unknown, "InvalidWindow", why)
        }
        State::Closed => Fact::new(
            "Maintenance",
            Status::False,
            "NoWindowOpen",
            format!("no maintenance window is open{known}"),
        ),
    }
}

fn conflict(report: &PolicyReport) -> Fact {
    let all: Vec<_> = report
        .about(Concern::Conflicted)
        .map(|finding| (finding.what.reason(), finding.to_string()))
        .collect();
    if all.is_empty() {
        Fact::new(
            "Conflicted",
            Status::False,
            "NoConflict",
            "no policy of the same priority selects its nodes".to_owned(),
        )
    } else {
        Fact::new("Conflicted", Status::True, "SamePriority", super::lines(&all))
    }
}

fn feasibility(report: &PolicyReport, tally: &Tally) -> Fact {
    let all: Vec<_> =
        report.about(Concern::Feasible).map(|finding| (finding.what.reason(), finding.to_string())).collect();
    if let Some((reason, _)) = all.first() {
        Fact::new("Feasible", Status::False, *reason, super::lines(&all))
    } else if tally.infeasible.count > 0 {
        Fact::new(
            "Feasible",
            Status::False,
            "ToleranceInfeasible",
            format!(
                "the paths to the sources do not allow the limits on {}; take nearer sources or wider limits",
                tally.infeasible
            ),
        )
    } else if report.tolerances.is_none() {
        Fact::new("Feasible", Status::Unknown, "NotPlanned", "not planned with: see Stalled".to_owned())
    } else {
        Fact::new("Feasible", Status::True, "Feasible", "nothing known speaks against the limits".to_owned())
    }
}

/// Rounded down to two digits: the worst node's headroom moves with every report, and each move would be a write.
fn two_digits(headroom: Nanos) -> Nanos {
    let mut step = 1_i64;
    while headroom.0.unsigned_abs() / step.unsigned_abs() >= 100 {
        step *= 10;
    }
    Nanos(headroom.0.div_euclid(step).saturating_mul(step))
}

#[cfg(test)]
mod tests;
