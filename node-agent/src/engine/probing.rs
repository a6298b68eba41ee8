//! Our own questions to servers: joins what core's [`probing`] wants to the prober, and its answers to what failover
//! looks at.
//!
//! **Must never** ask by itself: whom and when is core's word, and so is the budget.

use super::Engine;
use crate::clock;
use meantime_core::clocks::BootTime;
use meantime_core::fsm::failover::Probed;
use meantime_core::fsm::probing::{self, Outcome};
use std::collections::BTreeMap;
use std::net::IpAddr;

impl Engine {
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
