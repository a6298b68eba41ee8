//! # Incidents: one trouble, one record, from the first evidence to the all-clear
//!
//! **Role.** Findings come and go with the evidence, breaches with each node. An incident is what a person remembers of
//! them: one per cause, with when, how far, who did what, and how long it took. **In.** What stands at this look
//! ([`Look`]: findings, nodes out of tolerance, agents' switches) and the incidents as their objects tell them ([`Kept`]).
//! **Out.** [`Change`]s to the objects, and what is worth an Event. **Must never** open a second incident for one cause;
//! take missing data for recovery (law 2); delete what is not closed; or need anything that is not in the objects: the
//! [`Memory`] holds only this machine's own moments, and may be lost.
//!
//! ```text
//! findings ─▶ one per family, consequences under their cause ([`cause`]) ─┐
//! breaches ─▶ to the finding that explains them, else on their own ───────┴▶ claims ─▶ records ([`record`])
//!                                                    Open ─▶ Recovered ─▶ (30 min watched) Closed ─▶ kept for a while
//!                                                      ▲────────┴──────────(30 min)──────────┘ the same one again
//! ```
//!
//! **Time.** All spans are counted on CLOCK_BOOTTIME of the operator that leads, from the first evidence that reached it.
//! A new operator goes on from what was counted when the object was last written and says so
//! ([`record::Record::interrupted`]): what it has not seen is not in the span, which is then the least that it was. Wall
//! time stands beside for people. The one exception is retention by age ([`Kept::age`], see [`mod@retention`]).

mod carry;
pub mod cause;
mod claims;
mod memory;
pub mod record;
pub mod retention;
pub mod severity;
#[cfg(test)]
mod tests;
pub mod words;

pub use memory::{Memory, Outcome};

use crate::clocks::{BootTime, WallTime};
use crate::diagnose::finding::Finding;
use crate::units::Nanos;
use cause::Cause;
use record::Record;
use severity::Severity;
use std::collections::{BTreeMap, BTreeSet};

/// The spans and counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// A breach that no finding explains waits so long for one before it opens an incident of its own. Longer than a
    /// finding is held.
    pub settle: Nanos,
    /// So long must a cause be gone before that is called recovery. (A finding is taken back later than it ends, besides.)
    pub recover: Nanos,
    /// So long must an operator have been in contact before it calls anything recovered: what stood is found anew by then.
    pub warm: Nanos,
    /// So long is a recovery watched before the all-clear.
    pub observe: Nanos,
    /// Within so long after the all-clear the same trouble is the same incident.
    pub reopen: Nanos,
    /// Between two writes to one incident that tell no more than a wider scope or further actions.
    pub pause: Nanos,
    /// A switch so long before the first evidence may still be its consequence: the agent was faster than its report.
    pub lead: Nanos,
    /// So many nodes may be out of tolerance without a finding, each with an incident of its own; more are one.
    pub apart: usize,
    /// So many closed incidents are kept …
    pub keep: usize,
    /// … and for so long.
    pub keep_for: Nanos,
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            settle: Nanos::from_secs(30),
            recover: Nanos::from_secs(30),
            warm: Nanos::from_secs(120),
            observe: Nanos::from_secs(1_800),
            reopen: Nanos::from_secs(1_800),
            pause: Nanos::from_secs(30),
            lead: Nanos::from_secs(60),
            apart: 5,
            keep: 200,
            keep_for: Nanos::from_secs(90 * 86_400),
        }
    }
}

/// A node whose TimeSynchronized is False (its agent has held it for as long as the policy says).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The node.
    pub node: String,
    /// The condition's reason, as the agent wrote it.
    pub reason: String,
    /// Its clock's error; > 0 = ahead.
    pub offset: Option<Nanos>,
    /// Its guaranteed bound.
    pub bound: Option<Nanos>,
    /// What is tolerated of the one that is exceeded.
    pub limit: Option<Nanos>,
}

/// A switch of an agent from one source to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switched {
    /// On which node.
    pub node: String,
    /// The agent's own id of it.
    pub id: String,
    /// When, by the operator's BOOTTIME: when its report was seen, less its age in that report.
    pub at: BootTime,
    /// The source that was left; none = there was none.
    pub from: Option<String>,
    /// One line.
    pub text: String,
}

/// All that is seen at one moment.
#[derive(Clone, Debug, Default)]
pub struct Look<'a> {
    /// Now, by the operator's BOOTTIME.
    pub now: BootTime,
    /// The same for people.
    pub wall: WallTime,
    /// The same as names begin with it: `20261122-1530`.
    pub stamp: String,
    /// Agents could be heard.
    pub in_contact: bool,
    /// What all nodes together prove.
    pub findings: &'a [Finding],
    /// Nodes out of tolerance.
    pub breaches: Vec<Breach>,
    /// What the agents did.
    pub switches: Vec<Switched>,
    /// Nodes of which nothing is known now: silent, starting, undecodable, or not telling.
    pub unknown: BTreeSet<String>,
    /// All nodes that are looked after, with their zone.
    pub nodes: BTreeMap<String, Option<String>>,
    /// Names of objects that are there and not ours to go on with (another version's words, somebody else's label, or being
    /// deleted): no new one can have them.
    pub others: BTreeSet<String>,
}

/// One incident as its object stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What it tells; none = it was created and nothing is told yet.
    pub record: Option<Record>,
    /// metadata.generation.
    pub generation: i64,
    /// By wall clocks, of the API server and the operator; only for [`mod@retention`].
    pub age: Nanos,
    /// The person who has taken it.
    pub acknowledged: Option<String>,
}

/// What is worth an Event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// A new incident.
    Opened,
    /// It came back.
    Relapsed,
    /// Its cause is gone.
    Recovered,
    /// The all-clear.
    Closed,
    /// It is part of another one.
    Joined,
}

/// One change to the objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Create an object; what it tells is written at the look that sees it.
    Create {
        /// Its name.
        name: String,
        /// Its labels: the word …
        word: String,
        /// … and how loud.
        severity: Severity,
    },
    /// Write what an object tells.
    Write {
        /// Its name.
        name: String,
        /// What it tells.
        record: Box<Record>,
        /// What to say of it.
        told: Option<Told>,
    },
    /// Delete an object, which is closed and old, or never told anything.
    Delete {
        /// Its name.
        name: String,
    },
}

/// What a family of troubles gets at one look.
#[derive(Clone, Debug)]
struct Claim {
    cause: Cause,
    since: BootTime,
    evidence: Vec<String>,
    nodes: BTreeSet<String>,
    breaches: Vec<Breach>,
}
