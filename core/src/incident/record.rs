//! What is kept of one incident: all of it is in the object, so that any operator can go on from it.
//!
//! **Bounds** are here too: each list has its most, and what is dropped is never the first.

use super::cause::Cause;
use super::severity::Severity;
use crate::clocks::WallTime;
use crate::units::Nanos;
use serde::{Deserialize, Serialize};

/// Names of nodes kept; the counts go on.
pub const MAX_NAMES: usize = 20;
/// Lines of evidence.
pub const MAX_EVIDENCE: usize = 12;
/// Entries of the timeline.
pub const MAX_TIMELINE: usize = 24;
/// Actions.
pub const MAX_ACTIONS: usize = 16;
/// Characters of one line.
pub const MAX_LINE: usize = 256;

/// Where an incident stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum State {
    /// Its cause stands, or it can't be told whether it does.
    Open,
    /// Its cause is gone; it is watched.
    Recovered,
    /// Watched to the end, or part of another incident.
    Closed,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Open, Self::Recovered, Self::Closed];
    /// As columns and metrics write it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "Open",
            Self::Recovered => "Recovered",
            Self::Closed => "Closed",
        }
    }
    /// The state of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.word() == text)
    }
}

/// A kind of entry in the timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum What {
    /// Opened.
    Detected,
    /// A more exact word.
    Refined,
    /// The first thing that anybody did: an agent's switch, or a person's acknowledgement.
    FirstAction,
    /// A person has taken it.
    Acknowledged,
    /// Another incident is part of this one.
    Absorbed,
    /// Cause and breaches are gone.
    Recovered,
    /// It came back.
    Relapsed,
    /// Watched to the end.
    Closed,
    /// It is part of another incident.
    Joined,
}

impl What {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Detected,
        Self::Refined,
        Self::FirstAction,
        Self::Acknowledged,
        Self::Absorbed,
        Self::Recovered,
        Self::Relapsed,
        Self::Closed,
        Self::Joined,
    ];
    /// As the object says it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Detected => "Detected",
            Self::Refined => "Refined",
            Self::FirstAction => "FirstAction",
            Self::Acknowledged => "Acknowledged",
            Self::Absorbed => "Absorbed",
            Self::Recovered => "Recovered",
            Self::Relapsed => "Relapsed",
            Self::Closed => "Closed",
            Self::Joined => "Joined",
        }
    }
    /// The entry of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.word() == text)
    }
}

/// One line of the timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// What happened.
    pub what: What,
    /// When, by the operator's wall clock: for people only.
    pub at: WallTime,
    /// How long after the first evidence, counted on operators' BOOTTIME.
    pub after: Nanos,
    /// One line.
    pub text: String,
}

/// Something that was done: an agent's switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// On which node.
    pub node: String,
    /// The agent's own id of it.
    pub id: String,
    /// How long after the first evidence; never below zero.
    pub after: Nanos,
    /// One line.
    pub text: String,
}

/// A node that is or was out of tolerance through this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breached {
    /// The node.
    pub node: String,
    /// Its condition's reason when it joined.
    pub reason: String,
    /// Its clock's error then; > 0 = ahead.
    pub offset: Option<Nanos>,
    /// Its guaranteed bound then.
    pub bound: Option<Nanos>,
    /// What is tolerated of the one that is exceeded.
    pub limit: Option<Nanos>,
}

/// How far it reached, at its worst.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// Nodes …
    pub nodes: u32,
    /// … of all that were looked after.
    pub of: u32,
    /// Zones in which they are.
    pub zones: u32,
    /// Of the nodes, those out of tolerance.
    pub wrong: u32,
    /// The first of them by the order in which they were seen, at most [`MAX_NAMES`].
    pub names: Vec<String>,
}

/// One incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Why, in the most exact word so far.
    pub cause: Cause,
    /// Where it stands.
    pub state: State,
    /// The incident that it is part of (then [`State::Closed`]).
    pub joined: Option<String>,
    /// At its worst.
    pub severity: Severity,
    /// One line for a person.
    pub summary: String,
    /// Why, in lines.
    pub evidence: Vec<String>,
    /// How far.
    pub scope: Scope,
    /// Nodes out of tolerance through it, the first [`MAX_NAMES`].
    pub breached: Vec<Breached>,
    /// What happened, in order.
    pub timeline: Vec<Entry>,
    /// What was done, the first [`MAX_ACTIONS`].
    pub actions: Vec<Action>,
    /// From the first evidence that reached an operator to the opening.
    pub detect: Nanos,
    /// From the first evidence to the first action; none = nobody did anything yet.
    pub respond: Option<Nanos>,
    /// From the first evidence to the (last) recovery; none = not yet.
    pub recover: Option<Nanos>,
    /// How often it came back.
    pub relapses: u32,
    /// Time since the first evidence as counted when this was written.
    pub elapsed: Nanos,
    /// Another operator went on with it while it was open: what was counted is the least that it was.
    pub interrupted: bool,
    /// metadata.generation that this was told of.
    pub observed: i64,
}

impl Record {
    /// When that happened first, for people.
    pub fn first(&self, what: What) -> Option<WallTime> {
        self.timeline.iter().find(|entry| entry.what == what).map(|entry| entry.at)
    }
    /// When that happened last, for people.
    pub fn last(&self, what: What) -> Option<WallTime> {
        self.timeline.iter().rev().find(|entry| entry.what == what).map(|entry| entry.at)
    }
    pub(super) fn note(&mut self, what: What, at: WallTime, after: Nanos, text: &str) {
        if self.timeline.len() >= MAX_TIMELINE {
            // Never how it began.
            self.timeline.remove(1);
        }
        self.timeline.push(Entry { what, at, after, text: line(text) });
    }
    pub(super) fn evidence(&mut self, lines: impl IntoIterator<Item = String>) {
        for text in lines.into_iter().map(|text| line(&text)) {
            if !self.evidence.contains(&text) && self.evidence.len() < MAX_EVIDENCE {
                self.evidence.push(text);
            }
        }
    }
    /// The same but for what changes with every look.
    pub(super) fn same(&self, other: &Self) -> bool {
        let still = |one: &Self| Self { elapsed: Nanos::ZERO, interrupted: false, ..one.clone() };
        still(self) == still(other)
    }
}

/// A text cut to one bounded line.
pub(super) fn line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_LINE).collect()
}
