//! Verdict and observation → pieces of NodeTime's status.

use super::count;
use crate::common::{Condition, Time};
use crate::nodetime::{AssociationStatus, FULL_SCORE, Graded, HealthWord, NodeTimeStatus, Reachability};
use jiff::Timestamp;
use meantime_core::conditions::{Conditions, Status};
use meantime_core::diagnose::fleet::Trouble;
use meantime_core::fsm::probing::SILENT;
use meantime_core::observation::{Answer, Association, Observation, Packet};
use meantime_core::units::Nanos;
use meantime_core::verdict::{AssociationVerdict, Verdict};
use std::collections::BTreeMap;

/// Longest message that the schema takes, in characters.
const MESSAGE: usize = 512;
/// Most associations that the schema takes: 12 planned and some that chronyd has yet to drop.
pub(super) const MAX_ASSOCIATIONS: usize = 16;

/// One condition. Keeps the transition time of the same condition in `previous` while its status does not change,
/// so that an identical write stays identical; `now` is this machine's wall time, for display.
pub fn condition(
    previous: &[Condition],
    type_: &str,
    status: Status,
    reason: &str,
    message: &str,
    generation: Option<i64>,
    now: Timestamp,
) -> Condition {
    let before =
        previous.iter().find(|condition| condition.type_ == type_ && condition.status == status.as_str());
    Condition {
        type_: type_.to_owned(),
        status: status.as_str().to_owned(),
        reason: reason.to_owned(),
        message: message.chars().take(MESSAGE).collect(),
        observed_generation: generation,
        last_transition_time: before.map_or(Time(now), |condition| condition.last_transition_time.clone()),
    }
}

/// The five conditions of a verdict under their bare names, in writing order.
pub fn judged(
    previous: &[Condition],
    conditions: &Conditions,
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let one = |(kind, judgement): (
        meantime_core::conditions::ConditionKind,
        &meantime_core::conditions::Judgement,
    )| {
        let reason = judgement.reason.as_str();
        condition(previous, kind.name(), judgement.status, reason, &judgement.message, generation, now)
    };
    conditions.iter().map(one).collect()
}

/// Writes what was measured and judged into `status`: associations, figures, columns, boot and time of the look.
/// Conditions are [`judged`]'s; what is applied and who the agent is stays as it was. `troubles` are of the same look, by
/// position in the observation. While chronyd does not answer there are no associations to tell of.
pub fn measured(
    status: &mut NodeTimeStatus,
    observation: &Observation,
    verdict: &Verdict,
    troubles: &BTreeMap<usize, Trouble>,
    now: Timestamp,
) {
    let nanoseconds = |span: Option<Nanos>| span.map(|span| span.0);
    status.associations = associations(observation, verdict, troubles);
    status.offset = verdict.offset.map(Nanos::signed);
    status.offset_nanoseconds = nanoseconds(verdict.offset);
    status.error_bound = verdict.bound.map(|bound| {
        let sign = if bound.carried { "~" } else { "" };
        format!("{sign}{}", bound.guaranteed)
    });
    status.error_bound_nanoseconds = verdict.bound.map(|bound| bound.guaranteed.0);
    status.expected_error_bound_nanoseconds = verdict.bound.map(|bound| bound.expected.0);
    status.error_bound_carried = verdict.bound.map(|bound| bound.carried);
    status.error_bound_growth_nanoseconds_per_second = verdict.bound.map(|bound| bound.growth.0);
    status.headroom_nanoseconds = nanoseconds(verdict.headroom);
    status.residual_nanoseconds = nanoseconds(verdict.residual);
    status.disagreement_nanoseconds = nanoseconds(verdict.disagreement);
    status.source.clone_from(&verdict.selected);
    status.tier = verdict.tier.map(i32::from);
    status.voters = Some(format!("{}/{}", verdict.usable_voters, verdict.voters));
    status.usable_voters = Some(count(verdict.usable_voters));
    status.holdover = verdict.holdover.as_ref().map(super::failed_over::holdover);
    status.boot_id = Some(observation.boot_id.clone());
    status.observed_at = Some(Time(now));
}

fn associations(
    observation: &Observation,
    verdict: &Verdict,
    troubles: &BTreeMap<usize, Trouble>,
) -> Vec<AssociationStatus> {
    let Answer::Full { associations, .. } = &observation.answer else { return Vec::new() };
    let judged = verdict.associations.iter();
    let pairs = judged.filter_map(|judged| Some((associations.get(judged.index)?, judged)));
    let told = |(seen, judged): (&Association, &AssociationVerdict)| AssociationStatus {
        trouble: troubles.get(&judged.index).map(|trouble| (*trouble).into()),
        ..association(seen, judged)
    };
    pairs.take(MAX_ASSOCIATIONS).map(told).collect()
}

fn association(seen: &Association, judged: &AssociationVerdict) -> AssociationStatus {
    AssociationStatus {
        source: seen.source.clone(),
        address: seen.address.map(|address| address.to_string()),
        role: seen.role.into(),
        state: seen.letter.word().to_owned(),
        letter: seen.letter.to_char().to_string(),
        usable: judged.usable,
        rejected: judged.rejected,
        unanswered: count(judged.unanswered),
        reachability: reachability(seen, judged),
        trouble: None,
        offset_nanoseconds: judged.offset.map(|offset| offset.0),
        uncertainty_nanoseconds: judged.uncertainty.map(|uncertainty| uncertainty.0),
        delay_nanoseconds: seen.packet.as_ref().map(|packet| packet.peer_delay.0),
        refid: seen.packet.as_ref().map(|packet| format!("{:08X}", packet.refid)),
        stratum: seen.packet.as_ref().map(|packet| i32::from(packet.stratum)),
        poll: Some(i32::from(seen.poll)),
        sample_age_nanoseconds: seen.sample_age.map(|age| age.0),
        health: HealthWord::default(),
        score: FULL_SCORE,
        grade: Graded::default(),
    }
}

fn reachability(seen: &Association, judged: &AssociationVerdict) -> Reachability {
    if seen.address.is_none() {
        return Reachability::Unresolved;
    }
    // At this address; the server may have answered at another one of its name.
    let valid = seen.packet.is_some() || seen.counters.is_some_and(|counters| counters.valid > 0);
    let here = valid && !seen.packet.as_ref().is_some_and(Packet::is_kiss);
    match judged.unanswered {
        _ if !here && !judged.ever => Reachability::NeverAnswered,
        0 if here => Reachability::Answering,
        0..SILENT => Reachability::Losing,
        _ => Reachability::Silent,
    }
}
