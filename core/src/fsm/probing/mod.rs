//! # Probing: which association is asked by us and when, what the answers mean, and what it may cost
//!
//! **Role.** The second witness of [`failover`](super::failover). The first one, chronyd's own packets, is free and comes
//! every poll; ours come where something speaks against a source already (fault levels, mission B5), and twice at once
//! to confirm a suspicion before a source is taken out (law 10). **In.** [`Target`]s at each look, and the [`Outcome`] of
//! each probe. **Out.** Addresses to ask now ([`due`]), [`Probed`] for the failover machine, a [`Window`] for scores.
//! **Must never** ask a public server or one that expects a key, bring a minute's packets to a source above its
//! [budget](per_minute) – chronyd's polls are counted, ours are what gives way –, ask one again that forbade it, or count
//! against a source what never left this node. Nothing here acquits anybody: probes only add doubt.
//!
//! ```text
//!            1 unanswered        3 in a row        5 in a row, off by > 100 ms
//! Quiet ─────────────────▶ One ─────────────▶ Two ─────────────▶ Three        Power (a word from outside)
//! no probes                 30 s              10 s                5 s           5 s
//!
//! wanted (Suspect):  0–1 s ──▶ probe ──1–2 s──▶ probe ──▶ as its level says
//! ```
//!
//! Every span is spread by the node's `phase`, so that a fleet does not ask in one second. The state lives in memory
//! only: after a restart all that is lost is a window of eight answers, and the bucket begins nearly empty.

mod association;
mod budget;
mod level;
mod manners;
mod outcome;
mod targets;
#[cfg(test)]
mod tests;
mod trouble;
mod window;

pub use budget::per_minute;
pub use level::Level;
pub use outcome::{Answer, KissKind, Miss, Outcome};
pub use targets::targets;
pub use trouble::{Known, SILENT, trouble, troubles};
pub use window::Window;

use crate::clocks::BootTime;
use crate::diagnose::fleet::Trouble;
use crate::fsm::failover::Probed;
use crate::source::Scope;
use crate::units::Nanos;
use association::Association;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// How long an association that left the plan is remembered, so that one that is deleted and added again (failover
/// below chrony 4.4) gets no new budget. One that forbade us to ask is remembered until the process ends.
const KEPT: Nanos = Nanos::from_secs(3_600);

/// One association at one look, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its address in chronyd.
    pub address: IpAddr,
    /// Its UDP port (for whoever sends; nothing here reads it).
    pub port: u16,
    /// How near it is. Public: never probed.
    pub scope: Scope,
    /// It answers plain packets: neither NTS nor a key is declared. Else: never probed, for silence would prove nothing.
    pub plain: bool,
    /// Polls in a row without a valid reply, by chronyd's own counters.
    pub unanswered: u32,
    /// Its time against the voters' median; none = not known.
    pub offset: Option<Nanos>,
    /// Its power is at risk (B5 level 4), by a signal from outside.
    pub power: bool,
    /// The failover machine suspects it for want of answers and waits for two probes.
    pub wanted: bool,
    /// chronyd's own counter of packets sent to it; may begin anew.
    pub sent: u32,
}

impl Target {
    /// Whether scope and authentication allow probes at all.
    pub const fn may_be_probed(&self) -> bool {
        self.plain && !matches!(self.scope, Scope::Public)
    }
}

/// What was spent on one association since this process first saw it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Probes that [`due`] gave out.
    pub probes: u64,
    /// chronyd's own packets, which the same budget pays for.
    pub polls: u64,
    /// Probes that the budget refused; they were not sent.
    pub refused: u64,
    /// Probes answered with a header.
    pub answered: u64,
    /// Probes without a usable answer.
    pub unanswered: u64,
    /// Probes answered with a kiss-o'-death.
    pub kisses: u64,
}

/// What is remembered from look to look. In memory only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    associations: BTreeMap<IpAddr, Association>,
}

/// One look: the state after it, and whom to ask now. Those are in flight until their outcome is recorded, or for
/// ten seconds. `phase` spreads nodes: any number that differs between nodes and stays on each (its last six decimal
/// digits count). Calling it more often than needed does no harm; [`State::next_due`] says when it must be.
pub fn due(state: &State, targets: &[Target], phase: u64, now: BootTime) -> (State, Vec<IpAddr>) {
    let mut next = state.clone();
    next.see(targets, now);
    let mut asked = Vec::new();
    for target in once_each(targets) {
        let Some(association) = next.associations.get_mut(&target.address) else { continue };
        let is_due = association.due(target, phase).is_some_and(|at| at <= now);
        if is_due && association.ask(now) {
            asked.push(target.address);
        }
    }
    (next, asked)
}

/// chronyd has one association per address; should a caller have two, the first speaks for both.
fn once_each(targets: &[Target]) -> impl Iterator<Item = &Target> {
    let mut seen = BTreeSet::new();
    targets.iter().filter(move |target| seen.insert(target.address))
}

impl State {
    fn see(&mut self, targets: &[Target], now: BootTime) {
        for target in once_each(targets) {
            let association =
                self.associations.entry(target.address).or_insert_with(|| Association::new(now));
            association.see(target, now);
        }
        self.associations.retain(|_, association| !association.is_forgotten(now, KEPT));
    }

    /// What came of a probe. One that nobody asked for, or that was given up, counts in the window alone.
    pub fn record(&mut self, address: IpAddr, outcome: Outcome, now: BootTime) {
        if let Some(association) = self.associations.get_mut(&address) {
            association.record(outcome, now);
        }
    }

    /// What our probes say of it, for the failover machine. `NotAllowed` also where we could not ask: the budget is
    /// used up, the server asked for a pause, or no packet left this node.
    pub fn probed(&self, target: &Target) -> Probed {
        match self.associations.get(&target.address) {
            _ if !target.may_be_probed() => Probed::NotAllowed,
            Some(association) => association.probed(),
            None => Probed::Unanswered(0),
        }
    }

    /// What its last eight probes say together.
    pub fn window(&self, address: IpAddr) -> Window {
        self.associations.get(&address).map(|association| association.past.window()).unwrap_or_default()
    }

    /// What its silence would be called by our probes: [`Trouble::TimedOut`] where they saw nothing, or none went out.
    pub fn silence(&self, address: IpAddr) -> Trouble {
        self.associations.get(&address).map_or(Trouble::TimedOut, |association| association.signs.word())
    }

    /// Its last answer, and when that came; none in the last eight minutes.
    pub fn last_answer(&self, address: IpAddr) -> Option<(Answer, BootTime)> {
        self.associations.get(&address)?.past.last_answer()
    }

    /// Its fault level, as of the last look.
    pub fn level(&self, address: IpAddr) -> Level {
        self.associations.get(&address).map(|association| association.level).unwrap_or_default()
    }

    /// What was spent on it.
    pub fn counters(&self, address: IpAddr) -> Counters {
        self.associations.get(&address).map(|association| association.counters).unwrap_or_default()
    }

    /// When [`due`] has something to do next if these targets stay as they are; may have passed. None = never.
    pub fn next_due(&self, targets: &[Target], phase: u64, now: BootTime) -> Option<BootTime> {
        let mut then = self.clone();
        then.see(targets, now);
        once_each(targets)
            .filter_map(|target| then.associations.get(&target.address)?.due(target, phase))
            .min()
    }
}
