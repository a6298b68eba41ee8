//! The drive: which order of sources carries `prefer`.

use super::health::{Health, Tracked};
use super::{Figures, Sighting};
use crate::clocks::BootTime;
use crate::units::Nanos;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Moves that are kept for the record.
const MOVES: usize = 5;
/// Most doublings of the time between two tries of a flapping drive: 300 s × 2⁵ = 2 h 40 min.
const MOST_DOUBLINGS: u32 = 5;

/// Why the drive moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Why {
    /// Every driver of that order had failed or is outvoted.
    Failed,
    /// A better order has proven itself.
    Returned,
    /// A person asked for it.
    Asked,
}

/// One move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// Counts up, per boot of the machine's ledger.
    pub id: u64,
    /// When.
    pub at: BootTime,
    /// From this order …
    pub from: u8,
    /// … to this one.
    pub to: u8,
    /// Why.
    pub why: Why,
}

/// Which order drives, and how it may come back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Drive {
    pub(super) order: u8,
    pub(super) excluded: BTreeSet<IpAddr>,
    /// All drivers have been failed since.
    failing: Option<BootTime>,
    /// The next check for a failback.
    next_check: Option<BootTime>,
    /// Checks passed in this try, and by which order.
    passed: Option<(u8, u32)>,
    tries: u32,
    flaps: u32,
    returned: Option<BootTime>,
    moves: Vec<Move>,
    /// See [`Why::Asked`].
    pub(super) asked: bool,
}

impl Default for Drive {
    fn default() -> Self {
        Self {
            order: 1,
            excluded: BTreeSet::new(),
            failing: None,
            next_check: None,
            passed: None,
            tries: 0,
            flaps: 0,
            returned: None,
            moves: Vec::new(),
            asked: false,
        }
    }
}

struct Scene<'a> {
    sightings: &'a [Sighting],
    tracked: &'a BTreeMap<IpAddr, Tracked>,
    excluded: &'a BTreeSet<IpAddr>,
    figures: &'a Figures,
}

impl Scene<'_> {
    fn of(&self, order: u8) -> impl Iterator<Item = (&Sighting, Health)> {
        self.sightings.iter().filter(move |sighting| sighting.order == Some(order)).map(|sighting| {
            (sighting, self.tracked.get(&sighting.address).map(|one| one.health).unwrap_or_default())
        })
    }
    /// It can drive now.
    fn can_drive(&self, sighting: &Sighting, health: Health) -> bool {
        !health.is_out()
            && sighting.sampled
            && !sighting.rejected
            && sighting.unanswered < self.figures.fail_after
            && !self.excluded.contains(&sighting.address)
    }
    /// Somebody of that order can drive now.
    fn works(&self, order: u8) -> bool {
        self.of(order).any(|(sighting, health)| self.can_drive(sighting, health))
    }
    /// Everybody of that order has failed or is outvoted. (Still starting is neither.)
    fn is_gone(&self, order: u8) -> bool {
        self.of(order).all(|(sighting, health)| {
            sighting.rejected || health.is_out() || self.excluded.contains(&sighting.address)
        })
    }
    /// How long outvoted drivers have to stay so: chronyd's letters blink for a second while it selects anew, and it does
    /// not follow them meanwhile. Nothing for those that have failed.
    fn outvoted_for(&self, order: u8) -> Nanos {
        let polls = self
            .of(order)
            .filter(|(_, health)| !health.is_out())
            .map(|(sighting, _)| Nanos::from_log2_seconds(sighting.poll));
        polls.max().unwrap_or(Nanos::ZERO).times(i64::from(self.figures.fail_after))
    }
    /// Somebody of that order would be better than what drives now, for good.
    fn is_fit(&self, order: u8) -> bool {
        self.of(order).any(|(sighting, health)| {
            self.can_drive(sighting, health)
                && health == Health::Healthy
                && sighting.score >= self.figures.failback.score
        })
    }
}

impl Drive {
    /// The order that drives.
    pub const fn order(&self) -> u8 {
        self.order
    }
    /// All its drivers have failed, others could drive, and the jitter is not over.
    pub(super) const fn waits(&self) -> bool {
        self.failing.is_some()
    }
    /// No time counts while the node itself is suspect.
    pub(super) fn freeze(&mut self, now: BootTime) {
        self.failing = self.failing.map(|_| now);
    }
    /// The last moves, oldest first.
    pub fn moves(&self) -> &[Move] {
        &self.moves
    }

    pub(super) fn step(
        &mut self,
        sightings: &[Sighting],
        tracked: &BTreeMap<IpAddr, Tracked>,
        excluded: &BTreeSet<IpAddr>,
        figures: &Figures,
        phase: u64,
        now: BootTime,
    ) {
        let scene = Scene { sightings, tracked, excluded, figures };
        let orders: BTreeSet<u8> = sightings.iter().filter_map(|sighting| sighting.order).collect();
        let Some(first) = orders.first().copied() else { return };
        if !orders.contains(&self.order) {
            // Another plan: it says who drives first.
            *self = Self {
                order: first,
                excluded: self.excluded.clone(),
                moves: self.moves.clone(),
                ..Self::default()
            };
        }
        let asked = std::mem::take(&mut self.asked);
        let better = || orders.iter().copied().take_while(|order| *order < self.order);
        if let Some(to) = better().find(|order| asked && scene.works(*order)) {
            self.go(to, Why::Asked, now);
            (self.tries, self.flaps) = (0, 0);
        } else if scene.is_gone(self.order) {
            self.fail_over(&scene, &orders, phase, now);
        } else {
            self.failing = None;
            if self.order > first {
                self.fail_back(&scene, &orders, now);
            }
        }
    }

    fn fail_over(&mut self, scene: &Scene<'_>, orders: &BTreeSet<u8>, phase: u64, now: BootTime) {
        let Some(to) = orders.iter().copied().find(|order| *order != self.order && scene.works(*order))
        else {
            // Nobody could do better. The jitter is for those who could.
            self.failing = None;
            return;
        };
        let since = *self.failing.get_or_insert(now);
        let share = i64::try_from(phase % 1_000).unwrap_or(0);
        let jitter = scene.figures.jitter.scaled(share, 1_000);
        if now - since < jitter.max(scene.outvoted_for(self.order)) {
            return;
        }
        self.flaps = match self.returned {
            Some(returned) if now - returned < scene.figures.flap_window => self.flaps.saturating_add(1),
            // It held for a whole window: the past is forgiven.
            Some(_) => 0,
            None => self.flaps,
        };
        self.go(to, Why::Failed, now);
        self.tries = 0;
        self.next_check = Some(now + self.pause(scene.figures));
    }

    fn fail_back(&mut self, scene: &Scene<'_>, orders: &BTreeSet<u8>, now: BootTime) {
        let figures = scene.figures;
        let due = *self.next_check.get_or_insert(now + figures.failback.every);
        if now < due {
            return;
        }
        let fit =
            orders.iter().copied().take_while(|order| *order < self.order).find(|order| scene.is_fit(*order));
        let passed = match (fit, self.passed) {
            (Some(order), Some((same, passed))) if order == same => passed + 1,
            (Some(_), _) => 1,
            (None, _) => 0,
        };
        match fit {
            Some(order) if passed >= figures.failback.checks => {
                self.go(order, Why::Returned, now);
                self.returned = Some(now);
                self.tries = 0;
            }
            Some(order) => {
                self.passed = Some((order, passed));
                self.next_check = Some(now + figures.failback.spacing);
            }
            None => {
                // Only a try that had begun counts: a first tier that is dead for a day may still come back.
                self.tries += u32::from(self.passed.take().is_some());
                let pause = if self.tries >= figures.failback.tries {
                    self.tries = 0;
                    figures.flap_window
                } else {
                    self.pause(figures)
                };
                self.next_check = Some(now + pause);
            }
        }
    }

    fn pause(&self, figures: &Figures) -> Nanos {
        figures.failback.every.times(1 << self.flaps.min(MOST_DOUBLINGS))
    }

    fn go(&mut self, to: u8, why: Why, now: BootTime) {
        let id = self.moves.last().map_or(1, |last| last.id + 1);
        self.moves.push(Move { id, at: now, from: self.order, to, why });
        if self.moves.len() > MOVES {
            self.moves.remove(0);
        }
        self.order = to;
        (self.failing, self.next_check, self.passed) = (None, None, None);
    }
}
