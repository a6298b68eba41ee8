//! Our own questions to servers: joins what core's [`probing`] wants to the prober, and its answers to what failover
//! looks at.
//!
//! **Must never** ask by itself: whom and when is core's word, and so is the budget.

use super::Engine;
use crate::clock;
use meantime_core::clocks::BootTime;
use meantime_core::fsm::failover::{Health, Probed, sight};
use meantime_core::fsm::probing::{self, Outcome, Target};
use meantime_core::observation::{Answer, Observation};
use meantime_core::snapshot::{NodePlan, Role};
use meantime_core::verdict::Verdict;
use std::collections::BTreeMap;
use std::net::IpAddr;

impl Engine {
    /// Who may be asked, as of this look: all of the plan but witnesses, and what was taken out of chronyd's file.
    pub(super) fn retarget(&mut self, plan: &NodePlan, observation: &Observation, verdict: &Verdict) {
        let Answer::Full { associations, .. } = &observation.answer else { return };
        let wanted: Vec<IpAddr> = self.failover.state.wants_probes().collect();
        let checked = self.failover.record.checked();
        let middle = sight::middle(verdict);
        let mut targets = Vec::new();
        for (index, seen) in associations.iter().enumerate() {
            let planned = seen.source.as_deref().and_then(|source| sight::planned(plan, source));
            let (Some(planned), Some(address)) = (planned, seen.address) else { continue };
            if planned.role == Role::Witness {
                continue;
            }
            let judged = verdict.associations.iter().find(|one| one.index == index);
            targets.push(Target {
                address,
                port: planned.endpoint.port(),
                scope: planned.scope,
                // No source with NTS or a key can be declared yet.
                plain: true,
                unanswered: judged.map_or(0, |judged| judged.unanswered),
                offset: judged.and_then(|judged| Some(judged.offset? - middle?)),
                power: planned.power_failing,
                // A suspicion has to rise anew for two fresh probes: it must not be hidden behind a check.
                wanted: wanted.contains(&address)
                    || (checked == Some(planned.source.as_str())
                        && judged.is_some_and(|judged| judged.unanswered == 0)),
                sent: seen.counters.map_or(0, |counters| counters.sent),
            });
        }
        for (source, address) in self.failover.lines.left_out() {
            let known = targets.iter().any(|target| target.address == *address);
            let Some(planned) = sight::planned(plan, source).filter(|_| !known) else { continue };
            targets.push(Target {
                address: *address,
                port: planned.endpoint.port(),
                scope: planned.scope,
                plain: true,
                unanswered: plan.failover.fail_after,
                offset: None,
                power: planned.power_failing,
                // Back again, it has to be heard for some polls.
                wanted: matches!(self.failover.state.health(*address), Some(Health::Recovering { .. })),
                sent: 0,
            });
        }
        self.targets = targets;
    }

    /// Asks whoever is due.
    pub(super) fn ask_around(&mut self, now: BootTime) {
        let (state, due) = probing::due(&self.probing, &self.targets, self.phase, now);
        self.probing = state;
        for address in due {
            if let Some(target) = self.targets.iter().find(|target| target.address == address) {
                self.prober.send(address, target.port);
            }
        }
    }

    /// When somebody is due next.
    pub(super) fn next_probe(&self, now: BootTime) -> Option<BootTime> {
        self.probing.next_due(&self.targets, self.phase, now)
    }

    /// An answer, or that there was none.
    pub(super) fn probed_one(&mut self, address: IpAddr, outcome: Outcome) {
        self.probing.record(address, outcome, clock::boottime());
    }

    /// What failover gets of it.
    pub(super) fn probed(&self) -> BTreeMap<IpAddr, Probed> {
        self.targets.iter().map(|target| (target.address, self.probing.probed(target))).collect()
    }
}
