//! Which agents have fallen silent, and which report and give no verdict.
//!
//! **In.** At each look: this machine's BOOTTIME, whether the operator itself is in contact with the API server
//! (its Lease renewals succeed and its NodeTime watch is healthy), and per node the rising number that its agent
//! last wrote. **Out.** Per node: silent or not, and why; whether a verdict has been missing for too long.
//! **Must never** compare a timestamp that another machine wrote; call an agent silent for time during which the
//! operator could not have heard it; or take silence back without a new word from the agent.

use meantime_core::clocks::BootTime;
use meantime_core::units::Nanos;
use std::collections::BTreeMap;

/// How long is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// No new word for so long is silence, whatever the pod says. Two heartbeats of 5 min + 10 %.
    pub overdue: Nanos,
    /// A word younger than this is fresh: one heartbeat of 5 min + 10 %. A pod that is not ready is silent as soon as
    /// its last word is no longer fresh, so that a rolling update of the agents changes no condition.
    pub fresh: Nanos,
    /// An agent that has never said anything gets so long from the first sight of its NodeTime: as long as `Booting`. One
    /// that reports and gives no verdict gets as long.
    pub never_heard: Nanos,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            overdue: Nanos::from_secs(660),
            fresh: Nanos::from_secs(330),
            never_heard: Nanos::from_secs(120),
        }
    }
}

/// The number that an agent raises with every write, and the boot in which it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rising {
    /// The machine's boot id.
    pub boot_id: String,
    /// Rises with every write within that boot.
    pub sequence: i64,
}

/// What is known of one agent at this look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beat {
    /// Uid of its NodeTime: another object is another story.
    pub object_uid: String,
    /// What it last wrote; none = it never wrote.
    pub rising: Option<Rising>,
    /// Its pod is there and ready.
    pub pod_ready: bool,
    /// What it wrote has a verdict in it. An agent that can't apply its first plan, or whose chronyd can't be run, has none.
    pub judged: bool,
    /// The Node's conditions say AgentSilent already. A new operator goes on from there.
    pub declared_silent: bool,
}

/// Why an agent counts as silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// No new word for [`Limits::overdue`].
    Overdue,
    /// Its pod is not ready and its last word is not fresh.
    PodNotReady,
    /// It has never written at all.
    NeverHeard,
    /// An earlier operator said so, and nothing was heard since.
    Inherited,
}

impl Silence {
    /// For the condition's message.
    pub const fn explain(self) -> &'static str {
        match self {
            Self::Overdue => "its agent has not written for 11 minutes (two heartbeats)",
            Self::PodNotReady => "its agent's pod is not ready and its last report is no longer fresh",
            Self::NeverHeard => "its agent has never reported; is its pod running on this node?",
            Self::Inherited => "its agent had fallen silent and has not been heard since",
        }
    }
}

#[derive(Clone, Debug)]
struct Heard {
    object_uid: String,
    rising: Option<Rising>,
    since: BootTime,
    /// When what it last wrote was first seen, or earlier; none = it stood there when this operator began.
    seen: Option<BootTime>,
    silent: Option<Silence>,
    /// Since when what it wrote has had no verdict; none = it has one.
    wordless: Option<BootTime>,
}

/// What was heard of all agents, and when by this machine's own clock.
#[derive(Clone, Debug)]
pub struct Tracker {
    limits: Limits,
    heard: BTreeMap<String, Heard>,
    in_contact: bool,
    /// The last look in contact.
    contact: Option<BootTime>,
}

impl Tracker {
    /// Nothing heard yet.
    pub fn new(limits: Limits) -> Self {
        Self { limits, heard: BTreeMap::new(), in_contact: false, contact: None }
    }

    /// There was a time in which nothing could be heard (no contact, or this machine stood still): all counts start anew
    /// with the next look in contact.
    pub fn gap(&mut self) {
        self.in_contact = false;
    }

    /// One look. `beats` must be all NodeTimes of the cluster: a node that is not in it is forgotten.
    /// While out of contact nobody becomes silent, and every count starts anew when contact returns.
    pub fn look(&mut self, now: BootTime, in_contact: bool, beats: &BTreeMap<String, Beat>) {
        let regained = in_contact && !self.in_contact;
        self.in_contact = in_contact;
        self.heard
            .retain(|node, heard| beats.get(node).is_some_and(|beat| beat.object_uid == heard.object_uid));
        for (node, beat) in beats {
            let heard = self.heard.entry(node.clone()).or_insert_with(|| Heard {
                object_uid: beat.object_uid.clone(),
                rising: beat.rising.clone(),
                since: now,
                seen: None,
                silent: beat.declared_silent.then_some(Silence::Inherited),
                wordless: None,
            });
            if heard.rising != beat.rising {
                heard.rising.clone_from(&beat.rising);
                heard.since = now;
                heard.silent = None;
                // After a gap it may have been written at any time since.
                heard.seen = if in_contact && !regained { Some(now) } else { self.contact };
            }
            if regained || !in_contact {
                (heard.since, heard.wordless) = (now, None);
            }
            heard.wordless = match (&heard.rising, beat.judged) {
                (Some(_), false) => heard.wordless.or(Some(now)),
                (Some(_), true) | (None, _) => None,
            };
            let age = now - heard.since;
            if heard.silent.is_none() && in_contact {
                heard.silent = match (&heard.rising, beat.pod_ready) {
                    (None, _) if age >= self.limits.never_heard => Some(Silence::NeverHeard),
                    (Some(_), _) if age >= self.limits.overdue => Some(Silence::Overdue),
                    (Some(_), false) if age >= self.limits.fresh => Some(Silence::PodNotReady),
                    (None | Some(_), _) => None,
                };
            }
        }
        if in_contact {
            self.contact = Some(now);
        }
    }

    /// Whether the agent of `node` is silent, and why.
    pub fn silent(&self, node: &str) -> Option<Silence> {
        self.heard.get(node).and_then(|heard| heard.silent)
    }

    /// Whether that agent has reported for [`Limits::never_heard`] without a verdict.
    pub fn wordless(&self, node: &str, now: BootTime) -> bool {
        let since = self.heard.get(node).and_then(|heard| heard.wordless);
        self.in_contact && since.is_some_and(|since| now - since >= self.limits.never_heard)
    }

    /// How many are silent.
    pub fn silent_count(&self) -> usize {
        self.heard.values().filter(|heard| heard.silent.is_some()).count()
    }

    /// Own time since the last new word of that agent; none = unknown node.
    pub fn quiet_for(&self, node: &str, now: BootTime) -> Option<Nanos> {
        self.heard.get(node).map(|heard| now - heard.since)
    }

    /// When its last word was first seen, or earlier; none = not known: it stood there when this operator began.
    pub fn seen(&self, node: &str) -> Option<BootTime> {
        self.heard.get(node).and_then(|heard| heard.seen)
    }

    /// The earliest moment after `now` at which somebody may become silent if nothing is heard: when to look again.
    pub fn next_look(&self, now: BootTime) -> Option<BootTime> {
        let limits = &self.limits;
        let verdicts = self.heard.values().filter_map(|heard| Some(heard.wordless? + limits.never_heard));
        self.heard
            .values()
            .filter(|heard| heard.silent.is_none())
            .flat_map(|heard| match heard.rising {
                None => [heard.since + limits.never_heard; 2],
                Some(_) => [heard.since + limits.fresh, heard.since + limits.overdue],
            })
            .chain(verdicts)
            .filter(|moment| *moment > now)
            .min()
    }
}

#[cfg(test)]
mod tests;
