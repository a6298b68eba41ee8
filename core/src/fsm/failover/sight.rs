//! From plan, observation and verdict to what the machine looks at. Pure joining: what speaks against a source, and how
//! good it is.

use super::score::{Quality, Score, score};
use super::{Doubt, Figures, Look, Probed, Sighting};
use crate::clocks::ClockReading;
use crate::conditions::Reason;
use crate::observation::{Answer, Association, Leap, Observation};
use crate::snapshot::{NodePlan, PlannedAssociation, Role};
use crate::units::Nanos;
use crate::verdict::{AssociationVerdict, Verdict};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Fewer polls say nothing of loss: one lost packet of the first four would make every source poor.
const POLLS_FOR_LOSS: u32 = 20;
/// Strata from here on mean "not synchronised" (RFC 5905 §7.3).
const UNSYNCHRONISED: u8 = 16;

/// One planned association with all that is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Position in the observation.
    pub index: usize,
    /// What the machine looks at.
    pub sighting: Sighting,
    /// Its score with reasons and grade.
    pub score: Score,
    /// Its time against the median of the usable voters; none without an estimate of its own or of theirs.
    pub offset: Option<Nanos>,
    /// How long before its last answer its own clock was last corrected, both by its own clock.
    pub reference_age: Option<Nanos>,
}

/// All associations of the plan that may be selected, by position in the observation. Without an answer: none. What our
/// own probes say is not in them yet: see [`hear`].
pub fn sights(plan: &NodePlan, observation: &Observation, verdict: &Verdict) -> Vec<Sight> {
    let Answer::Full { associations, .. } = &observation.answer else { return Vec::new() };
    let middle = middle(verdict);
    let judged = |index: usize| verdict.associations.iter().find(|one| one.index == index);
    let sights = associations.iter().enumerate().filter_map(|(index, seen)| {
        let planned = planned(plan, seen.source.as_deref()?)?;
        if planned.role == Role::Witness {
            return None;
        }
        let address = seen.address?;
        let judged = judged(index)?;
        let offset = middle.and_then(|middle| Some(judged.offset? - middle));
        let reference_age = reference_age(seen, judged, &observation.clocks);
        let score = score(&quality(seen, offset), &plan.failover.limits);
        let sighting = Sighting {
            source: planned.source.clone(),
            address,
            order: planned.order(),
            poll: seen.poll,
            unanswered: judged.unanswered,
            sampled: seen.estimate.is_some(),
            rejected: judged.rejected,
            doubt: doubt(seen, reference_age, &plan.failover),
            probed: Probed::NotAllowed,
            score: score.points,
            weight: planned.weight,
        };
        Some(Sight { index, sighting, score, offset, reference_age })
    });
    sights.collect()
}

/// Adds what our own probes say; nothing of one = it may not be asked.
pub fn hear(sights: &mut [Sight], probed: &BTreeMap<IpAddr, Probed>) {
    for Sight { sighting, .. } in sights {
        sighting.probed = probed.get(&sighting.address).copied().unwrap_or(Probed::NotAllowed);
    }
}

/// The median of the usable voters: what a source's own offset is measured against.
fn middle(verdict: &Verdict) -> Option<Nanos> {
    median(verdict.associations.iter().filter(|one| one.usable).filter_map(|one| one.offset))
}

/// What the machine gets of it. While this machine's own clock is in question nothing is learned of its sources.
pub fn look(sights: &[Sight], verdict: &Verdict) -> Look {
    Look {
        sightings: sights.iter().map(|sight| sight.sighting.clone()).collect(),
        frozen: verdict.conditions.synchronized.reason == Reason::ClockDisrupted,
    }
}

/// A source of the plan, by its name.
pub fn planned<'p>(plan: &'p NodePlan, source: &str) -> Option<&'p PlannedAssociation> {
    plan.associations.iter().find(|planned| planned.source == source)
}

/// What speaks against any association at one look, witnesses too, that chronyd cannot see.
pub fn doubted(
    seen: &Association,
    judged: &AssociationVerdict,
    clocks: &ClockReading,
    figures: &Figures,
) -> Option<Doubt> {
    doubt(seen, reference_age(seen, judged, clocks), figures)
}

fn doubt(seen: &Association, reference_age: Option<Nanos>, figures: &Figures) -> Option<Doubt> {
    // A kiss-o'-death is no word of the source about its time, whatever is in its other fields.
    let packet = seen.packet.as_ref().filter(|packet| !packet.is_kiss())?;
    if packet.leap == Leap::Unsynchronised || packet.stratum >= UNSYNCHRONISED {
        return Some(Doubt::Unsynchronised);
    }
    reference_age.filter(|age| *age > figures.max_reference_age).map(|_| Doubt::Stale)
}

/// Transmit − reference timestamp of the last answer. chronyd does not report when a packet left its sender; but it
/// tells how far we are from that sender's clock, and how long ago the sample was taken (in whole seconds).
fn reference_age(seen: &Association, judged: &AssociationVerdict, clocks: &ClockReading) -> Option<Nanos> {
    let packet = seen.packet.as_ref().filter(|packet| packet.reference_time.0 > 0)?;
    let theirs = clocks.wall - judged.offset?;
    Some((theirs - packet.reference_time) - seen.sample_age?)
}

fn quality(seen: &Association, offset: Option<Nanos>) -> Quality {
    let packet = seen.packet.as_ref();
    Quality {
        response: packet.map(|packet| packet.peer_delay),
        offset,
        jitter: seen.estimate.map(|estimate| estimate.deviation),
        loss_millionths: seen.counters.filter(|counters| counters.sent >= POLLS_FOR_LOSS).map(|counters| {
            let lost = u64::from(counters.sent.saturating_sub(counters.valid));
            u32::try_from(lost * 1_000_000 / u64::from(counters.sent)).unwrap_or(1_000_000)
        }),
        stratum: packet.map(|packet| u16::from(packet.stratum)),
    }
}

fn median(values: impl Iterator<Item = Nanos>) -> Option<Nanos> {
    let mut values: Vec<Nanos> = values.collect();
    values.sort_unstable();
    let upper = *values.get(values.len() / 2)?;
    let lower = *values.get(values.len().saturating_sub(1) / 2)?;
    Some(Nanos(i64::midpoint(lower.0, upper.0)))
}

#[cfg(test)]
#[path = "sight_tests.rs"]
mod tests;
