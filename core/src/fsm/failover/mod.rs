//! # Failover: which sources this node's chronyd may use, and which of them drive
//!
//! **Role.** chronyd keeps a dead source for 9–67 polls and makes no clock update meanwhile (measured on 4.3; time-sync
//! reference §0). Here it is noticed after three polls and taken out in one. **In.** At each look what chronyd and our own
//! probes say of every association. **Out.** An [`Overlay`]: what chronyd's options should be besides the plan, as a
//! whole, so that whoever carries it out compares it with what chronyd says and sends the difference – after a restart
//! of chronyd as well. **Must never** take out a source that chronyd hears (law 10) unless it is wrong by evidence that
//! chronyd cannot see, take out one because of a score, leave fewer than three voters while one that is right waits
//! outside, or give the drive back twice within its window.
//!
//! ```text
//! one association:  Healthy ──2 unanswered, a doubt──▶ Suspect ──3 unanswered and 2 probes, doubt in 3 polls──▶ Failed
//!                      ▲ ▲─────────an answer──────────────┘                                                  │ an answer
//!                      └─heard for 3 polls × 2^(times it failed lately), never two lost in a row── Recovering ◀──┘
//!
//! the drive:  order 1 ──all its drivers failed──▶ (0–5 s of jitter) ──▶ the next order that works
//!                ▲───────score ≥ 85 in 3 checks 30 s apart, tried every 300 s, at most 10 times────┘
//! ```

#[cfg(test)]
mod drawing;
mod drive;
mod health;
pub mod lines;
mod overlay;
pub mod record;
pub mod score;
pub mod sight;
#[cfg(test)]
mod tests;

pub use drive::{Drive, Move, Why};
pub use health::{Doubt, Health, Probed};
pub use overlay::{Options, Overlay};

use crate::clocks::BootTime;
use crate::units::Nanos;
use health::Tracked;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Fewest working voters that an overlay leaves while there are so many (law 10: at least three can outvote a liar).
pub const VOTERS: usize = 3;

/// The figures of a policy; defaults from the mission (B5–B9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Figures {
    /// Unanswered polls that make an association Suspect.
    pub suspect_after: u32,
    /// Unanswered polls that make it Failed (B5 level 2: three in a row).
    pub fail_after: u32,
    /// Probes that must go unanswered besides, where the scope allows probes.
    pub probes: u32,
    /// Longest jitter before the drive moves: not every node of a fleet in one second.
    pub jitter: Nanos,
    /// A source whose last own update lies further back than this, by its own clock, has lost its upstream.
    pub max_reference_age: Nanos,
    /// A driver that fails again within this time of its return counts as flapping.
    pub flap_window: Nanos,
    /// Checks after a switch (B8: 3) …
    pub verify_checks: u32,
    /// … so far apart (B8: 1 s) …
    pub verify_spacing: Nanos,
    /// … one more so long after it (B8: 30 s) …
    pub verify_later: Nanos,
    /// … and how long it is watched (B8: 24 h).
    pub watch: Nanos,
    /// The way back.
    pub failback: Failback,
    /// What lowers a score.
    pub limits: score::Limits,
}

/// When the drive returns (B9).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Failback {
    /// Between two tries (300 s).
    pub every: Nanos,
    /// Most tries (10).
    pub tries: u32,
    /// Score that a returning driver needs (85).
    pub score: u8,
    /// Stable checks that it needs (3) …
    pub checks: u32,
    /// … and how far they are apart (30 s).
    pub spacing: Nanos,
}

impl Default for Failback {
    fn default() -> Self {
        Self { every: Nanos::from_secs(300), tries: 10, score: 85, checks: 3, spacing: Nanos::from_secs(30) }
    }
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            suspect_after: 2,
            fail_after: 3,
            probes: 2,
            jitter: Nanos::from_secs(5),
            max_reference_age: Nanos::from_secs(3_600),
            flap_window: Nanos::from_secs(3_600),
            verify_checks: 3,
            verify_spacing: Nanos::SECOND,
            verify_later: Nanos::from_secs(30),
            watch: Nanos::from_secs(24 * 3_600),
            failback: Failback::default(),
            limits: score::Limits::default(),
        }
    }
}

/// One planned association that may be selected (no witness), at one look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// TimeSource name.
    pub source: String,
    /// Its address in chronyd: what options are set by.
    pub address: IpAddr,
    /// When it drives: 1 = by the plan, 2 when all of 1 have failed, …; none = it only votes (`use: Vote`).
    pub order: Option<u8>,
    /// Its poll interval now, log2 seconds.
    pub poll: i8,
    /// Polls in a row without a valid reply, by chronyd's own counters.
    pub unanswered: u32,
    /// It has enough samples to be selected (chronyd's floor: 3).
    pub sampled: bool,
    /// A falseticker by chronyd's letter or the agreeing group's word: outvoted, not taken out.
    pub rejected: bool,
    /// Evidence against it that chronyd cannot see.
    pub doubt: Option<Doubt>,
    /// What our own probes say.
    pub probed: Probed,
    /// Health score, 0 to 100 (B7).
    pub score: u8,
    /// Its weight, 0 to 100: score × weight ranks those that may come in again.
    pub weight: u8,
}

impl Sighting {
    /// Rank among candidates (B7: health × weight / 100).
    pub fn rank(&self) -> u16 {
        u16::from(self.score) * u16::from(self.weight) / 100
    }
}

/// One look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// All associations that may be selected.
    pub sightings: Vec<Sighting>,
    /// The node itself is suspect (its clock was disrupted, everything moved at once): nothing is decided.
    pub frozen: bool,
}

/// What is remembered from look to look; lives in the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    associations: BTreeMap<IpAddr, Tracked>,
    drive: Drive,
}

impl State {
    /// How an association stands; none = it was not seen.
    pub fn health(&self, address: IpAddr) -> Option<Health> {
        self.associations.get(&address).map(|tracked| tracked.health)
    }
    /// Which order drives.
    pub const fn drive(&self) -> &Drive {
        &self.drive
    }
    /// Who is out of chronyd's selection by our decision.
    pub const fn excluded(&self) -> &BTreeSet<IpAddr> {
        &self.drive.excluded
    }
    /// A person asks for the best order that works now, without waiting for proof.
    pub fn reselect(&mut self) {
        self.drive.asked = true;
    }
    /// Of how many associations probes are wanted now: those that are Suspect for want of answers.
    pub fn wants_probes(&self) -> impl Iterator<Item = IpAddr> {
        let suspect = |tracked: &Tracked| matches!(tracked.health, Health::Suspect { .. });
        self.associations.iter().filter(move |(_, tracked)| suspect(tracked)).map(|(address, _)| *address)
    }
}

/// One look: the state after it, and what chronyd's options should be. `phase` spreads nodes over the jitter: any
/// number that differs between nodes and stays on each.
pub fn step(state: &State, look: &Look, figures: &Figures, phase: u64, now: BootTime) -> (State, Overlay) {
    let mut next = state.clone();
    next.associations.retain(|address, _| look.sightings.iter().any(|sighting| sighting.address == *address));
    if look.frozen {
        next.associations.values_mut().for_each(|tracked| tracked.freeze(now));
        next.drive.freeze(now);
        let overlay = Overlay::of(&look.sightings, &next.drive);
        return (next, overlay);
    }
    for sighting in &look.sightings {
        next.associations.entry(sighting.address).or_default().step(sighting, figures, now);
    }
    let mut excluded = overlay::excluded(&look.sightings, &next.associations, &state.drive, figures);
    next.drive.step(&look.sightings, &next.associations, &excluded, figures, phase, now);
    if next.drive.waits() {
        // The last drivers stay until the drive moves: taken out sooner, chronyd would move without any jitter.
        let drives = |address: &IpAddr| {
            look.sightings.iter().any(|one| one.address == *address && one.order == Some(next.drive.order))
        };
        excluded.retain(|address| state.drive.excluded.contains(address) || !drives(address));
    }
    next.drive.excluded = excluded;
    let overlay = Overlay::of(&look.sightings, &next.drive);
    (next, overlay)
}

/// All that failover remembers, for one boot of one machine: lives in the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    boot_id: String,
    /// The machine.
    pub state: State,
    /// What is different in the file where chronyd has no `selectopts`.
    pub lines: lines::Lines,
    /// The last switches; these outlive a boot.
    pub record: record::Record,
}

impl Memory {
    /// What still holds in this boot: another one begins with the plan.
    pub fn of_boot(self, boot_id: &str) -> Self {
        if self.boot_id == boot_id {
            return self;
        }
        Self { boot_id: boot_id.to_owned(), record: self.record, ..Self::default() }
    }
}
