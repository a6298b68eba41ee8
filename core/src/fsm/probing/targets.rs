//! Whom our probes may go to, as of one look: all of the plan that may be selected, and what failover left out of
//! chronyd's file.

use super::Target;
use crate::fsm::failover::sight::{self, Sight};
use crate::fsm::failover::{Health, Memory};
use crate::observation::{Answer, Observation};
use crate::snapshot::{NodePlan, PlannedAssociation};
use std::net::IpAddr;

/// Joins what is seen to what failover wants to know. Without an answer of chronyd: nobody.
pub fn targets(plan: &NodePlan, observation: &Observation, sights: &[Sight], memory: &Memory) -> Vec<Target> {
    let Answer::Full { associations, .. } = &observation.answer else { return Vec::new() };
    let suspects: Vec<IpAddr> = memory.state.wants_probes().collect();
    let checked = memory.record.checked();
    let seen = sights.iter().filter_map(|sight| {
        let sighting = &sight.sighting;
        let counters = associations.get(sight.index).and_then(|seen| seen.counters);
        // A suspicion has to rise anew for two fresh probes: it must not be hidden behind a check.
        let checks = checked == Some(sighting.source.as_str()) && sighting.unanswered == 0;
        Some(Target {
            unanswered: sighting.unanswered,
            offset: sight.offset,
            wanted: checks || suspects.contains(&sighting.address),
            sent: counters.map_or(0, |counters| counters.sent),
            ..of(sight::planned(plan, &sighting.source)?, sighting.address)
        })
    });
    let mut targets: Vec<Target> = seen.collect();
    for (source, address) in memory.lines.left_out() {
        let known = targets.iter().any(|target| target.address == *address);
        if let Some(planned) = sight::planned(plan, source).filter(|_| !known) {
            targets.push(Target {
                unanswered: plan.failover.fail_after,
                // Back again, it has to be heard for some polls.
                wanted: matches!(memory.state.health(*address), Some(Health::Recovering { .. })),
                ..of(planned, *address)
            });
        }
    }
    targets
}

/// What the plan says of it.
fn of(planned: &PlannedAssociation, address: IpAddr) -> Target {
    Target {
        address,
        port: planned.endpoint.port(),
        scope: planned.scope,
        // No source with NTS or a key can be declared yet.
        plain: true,
        unanswered: 0,
        offset: None,
        power: planned.power_failing,
        wanted: false,
        sent: 0,
    }
}

#[cfg(test)]
#[path = "targets_tests.rs"]
mod tests;
