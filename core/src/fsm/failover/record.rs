//! The record: the last five switches, each with its evidence, how long it took and how it stood up to being checked.
//!
//! **In.** The machine's state before and after a look, and what chronyd follows now. **Out.** The next record.
//! **Must never** act: a switch that does not stand up is the machine's to mend, here it is only said.
//!
//! ```text
//! acted ─▶ Waiting ──chronyd follows another one, and the clock was updated──▶ Checking 1…3 ─▶ Later ─▶ Watching ─▶ Held
//!                                                                                  └──────any check fails──────▶ Failed
//! ```

use super::drive::Why;
use super::health::{Doubt, Health};
use super::{Figures, State};
use crate::clocks::{BootTime, WallTime};
use crate::units::Nanos;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Switches that are kept.
pub const KEPT: usize = 5;

/// How a switch stood up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verification {
    /// No other source has updated the clock yet.
    Waiting,
    /// So many of the first checks have passed; the next one is due then.
    Checking {
        /// Passed.
        passed: u32,
        /// When the next one is due.
        next: BootTime,
    },
    /// All of them have; one more later.
    Later {
        /// When.
        next: BootTime,
    },
    /// That too; it is watched.
    Watching {
        /// Until then.
        until: BootTime,
    },
    /// It held for as long as it was watched.
    Held,
    /// A check failed.
    Failed {
        /// Which one: 1 to 3 the first ones, 4 the later one, 5 while it was watched.
        check: u32,
        /// Why.
        why: String,
    },
    /// It was not watched to its end: another switch, or this machine was restarted.
    Ended,
}

/// One switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch {
    /// Counts up over all switches of this ledger.
    pub number: u64,
    /// In which boot.
    pub boot_id: String,
    /// When we acted, by BOOTTIME of that boot.
    pub at: BootTime,
    /// When we acted, for people.
    pub wall: WallTime,
    /// What chronyd followed; none = nothing.
    pub from: Option<String>,
    /// What it follows now; none = nothing yet.
    pub to: Option<String>,
    /// Why, in one line.
    pub evidence: String,
    /// Since when something was wrong.
    pub since: BootTime,
    /// From then to the first clock update by another source.
    pub duration: Option<Nanos>,
    /// How it stood up.
    pub verification: Verification,
    /// The clock's last update when we acted.
    stamp: u64,
    /// The order that was given the drive; none = another source of the same order takes over. Until chronyd follows one
    /// of it, or one that only votes and stands up, there is no switch: it may be held by a majority that we doubt.
    toward: Option<u8>,
}

/// The last switches, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Record {
    switches: Vec<Switch>,
    /// Begun, ever: numbers them.
    count: u64,
    /// Of those, complete: another source has updated the clock.
    complete: u64,
}

/// What is wrong with a source that is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Complaint {
    /// It cannot be used now. Right after a switch that is a failure; hours later it is other trouble, with a switch of
    /// its own.
    Away(String),
    /// It can be used and is wrong.
    Wrong(String),
}

/// What the record has to know of one look.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    /// This boot.
    pub boot_id: &'a str,
    /// Now.
    pub now: BootTime,
    /// Now, for people.
    pub wall: WallTime,
    /// The source that chronyd follows; none = nothing.
    pub following: Option<&'a str>,
    /// The order of that source; none = it only votes, or nothing is followed.
    pub following_order: Option<u8>,
    /// Tells one clock update from the next.
    pub stamp: u64,
    /// The source's name at an address.
    pub name: &'a dyn Fn(IpAddr) -> Option<String>,
    /// Whether a source stands up to a check now, and if not, why.
    pub check: &'a dyn Fn(&str) -> Result<(), Complaint>,
}

impl Record {
    /// Oldest first.
    pub fn switches(&self) -> &[Switch] {
        &self.switches
    }
    /// Switches begun, ever.
    pub const fn count(&self) -> u64 {
        self.count
    }
    /// Switches that came to an end, ever: another source updated the clock.
    pub const fn complete(&self) -> u64 {
        self.complete
    }
    /// Whether the newest switch is to be checked now or soon: looks should be close together.
    pub fn is_checking(&self) -> bool {
        let newest = self.switches.last().map(|switch| &switch.verification);
        matches!(newest, Some(Verification::Waiting | Verification::Checking { .. }))
    }
    /// The source that is being checked and should be probed.
    pub fn checked(&self) -> Option<&str> {
        let newest = self.switches.last()?;
        match newest.verification {
            Verification::Checking { .. } | Verification::Later { .. } => newest.to.as_deref(),
            _ => None,
        }
    }

    /// After one look.
    pub fn step(&mut self, before: &State, after: &State, figures: &Figures, scene: &Scene<'_>) {
        if let Some(newest) = self.switches.last_mut() {
            let waited = newest.to.is_none();
            newest.advance(figures, scene);
            self.complete += u64::from(waited && newest.to.is_some());
        }
        if let Some(act) = acted(before, after, scene) {
            self.begin(act, scene);
        }
    }

    fn begin(&mut self, Act { evidence, since, toward }: Act, scene: &Scene<'_>) {
        if let Some(newest) = self.switches.last_mut() {
            if newest.boot_id == scene.boot_id && newest.verification == Verification::Waiting {
                // The same trouble goes on: the source that took over died as well, the drive moves after its jitter.
                newest.toward = toward.or(newest.toward);
                return;
            }
            newest.end();
        }
        self.count += 1;
        self.switches.push(Switch {
            number: self.count,
            boot_id: scene.boot_id.to_owned(),
            at: scene.now,
            wall: scene.wall,
            from: scene.following.map(str::to_owned),
            to: None,
            evidence,
            since,
            duration: None,
            verification: Verification::Waiting,
            stamp: scene.stamp,
            toward,
        });
        if self.switches.len() > KEPT {
            self.switches.remove(0);
        }
    }
}

impl Switch {
    fn end(&mut self) {
        let over = matches!(self.verification, Verification::Held | Verification::Failed { .. });
        if !over {
            self.verification = Verification::Ended;
        }
    }

    fn advance(&mut self, figures: &Figures, scene: &Scene<'_>) {
        if self.boot_id != scene.boot_id {
            // Its moments are another boot's.
            return self.end();
        }
        let check = || self.to.as_deref().map_or(Ok(()), scene.check);
        let now = scene.now;
        let failed = |check, complaint| {
            let (Complaint::Away(why) | Complaint::Wrong(why)) = complaint;
            Verification::Failed { check, why }
        };
        let next = match &self.verification {
            Verification::Waiting => {
                let other = scene.following.filter(|name| self.from.as_deref() != Some(*name));
                // Below 4.4 chronyd may turn to one that only votes: none of those that were left, if it stands up.
                let votes = || {
                    scene.following_order.is_none() && other.is_some_and(|name| (scene.check)(name).is_ok())
                };
                let there = self.toward.is_none() || self.toward == scene.following_order || votes();
                let Some(other) = other.filter(|_| there && scene.stamp != self.stamp) else { return };
                self.to = Some(other.to_owned());
                self.duration = Some(now - self.since);
                Verification::Checking { passed: 0, next: now + figures.verify_spacing }
            }
            Verification::Checking { next, .. } | Verification::Later { next } if now < *next => return,
            Verification::Checking { passed, .. } => match check() {
                Err(why) => failed(passed + 1, why),
                Ok(()) if passed + 1 < figures.verify_checks => {
                    Verification::Checking { passed: passed + 1, next: now + figures.verify_spacing }
                }
                Ok(()) => Verification::Later { next: now + figures.verify_later },
            },
            Verification::Later { .. } => match check() {
                Err(why) => failed(figures.verify_checks + 1, why),
                Ok(()) => Verification::Watching { until: self.at + figures.watch },
            },
            Verification::Watching { until } => match check() {
                Err(Complaint::Away(_)) if now < *until => return,
                Err(why) => failed(figures.verify_checks + 2, why),
                Ok(()) if now >= *until => Verification::Held,
                Ok(()) => return,
            },
            Verification::Held | Verification::Failed { .. } | Verification::Ended => return,
        };
        self.verification = next;
    }
}

struct Act {
    evidence: String,
    since: BootTime,
    toward: Option<u8>,
}

/// Whether what the machine just decided makes chronyd follow another source, why, and since when it was wrong.
fn acted(before: &State, after: &State, scene: &Scene<'_>) -> Option<Act> {
    let newest = |state: &State| state.drive.moves().last().copied();
    let moved = newest(after).filter(|last| newest(before).is_none_or(|known| known.id != last.id));
    // Whoever follows one of that order already needs no switch.
    let moved = moved.filter(|last| scene.following_order != Some(last.to));
    let out = after
        .excluded()
        .difference(before.excluded())
        .find(|address| scene.following.is_some() && (scene.name)(**address).as_deref() == scene.following);
    let toward = moved.map(|last| last.to);
    match (moved, out) {
        (Some(last), _) if last.why == Why::Returned => {
            let evidence = format!("back to order {} of sources: it has proven itself stable", last.to);
            Some(Act { evidence, since: scene.now, toward })
        }
        (Some(last), _) if last.why == Why::Asked => {
            let evidence = format!("back to order {} of sources: a person asked for it", last.to);
            Some(Act { evidence, since: scene.now, toward })
        }
        (_, Some(address)) => {
            let (evidence, since) = accuse(before, after, *address, scene);
            // Where the drive has not moved, who takes over is chronyd's choice.
            Some(Act { evidence, since, toward })
        }
        (Some(last), None) => {
            // The drivers were outvoted, or chronyd followed none of them any more.
            let evidence =
                format!("all sources of order {} are out or outvoted; order {} drives", last.from, last.to);
            Some(Act { evidence, since: scene.now, toward })
        }
        (None, None) => None,
    }
}

fn accuse(before: &State, after: &State, address: IpAddr, scene: &Scene<'_>) -> (String, BootTime) {
    let since = match before.health(address) {
        Some(Health::Suspect { since } | Health::Failed { since, .. }) => since,
        Some(Health::Healthy | Health::Recovering { .. }) | None => scene.now,
    };
    let name = scene.following.unwrap_or("it");
    let why = match after.health(address) {
        Some(Health::Failed { doubt: Some(Doubt::Stale), .. }) => {
            format!("{name} answers, but its own upstream is silent")
        }
        Some(Health::Failed { doubt: Some(Doubt::Unsynchronised), .. }) => {
            format!("{name} says itself that it is not synchronised")
        }
        _ => format!("{name} does not answer"),
    };
    (why, since)
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
