//! What chronyd's options should be besides the plan: as a whole, and what has to be sent for it.

use super::health::{Health, Tracked};
use super::{Drive, Figures, Sighting, VOTERS};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Selection options of all associations of the plan that may be selected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlay {
    /// These carry `prefer`, all others do not.
    pub prefer: BTreeSet<IpAddr>,
    /// These carry `noselect`, all others do not.
    pub noselect: BTreeSet<IpAddr>,
}

/// Options of one association as chronyd tells them (selectdata), and as they should be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `prefer`.
    pub prefer: bool,
    /// `noselect`.
    pub noselect: bool,
}

impl Overlay {
    pub(super) fn of(sightings: &[Sighting], drive: &Drive) -> Self {
        let drives = |sighting: &&Sighting| {
            sighting.order == Some(drive.order) && !drive.excluded.contains(&sighting.address)
        };
        Self {
            prefer: sightings.iter().filter(drives).map(|sighting| sighting.address).collect(),
            noselect: drive.excluded.clone(),
        }
    }

    /// What one association should have.
    pub fn options(&self, address: IpAddr) -> Options {
        Options { prefer: self.prefer.contains(&address), noselect: self.noselect.contains(&address) }
    }

    /// What has to be sent so that chronyd, which tells `seen`, does as wanted; nothing for what it does not have.
    /// Those that come in first, those that go out last: at no moment is nobody left.
    pub fn differences(&self, seen: &BTreeMap<IpAddr, Options>) -> Vec<(IpAddr, Options)> {
        let mut orders: Vec<(IpAddr, Options)> = seen
            .iter()
            .map(|(address, has)| (*address, *has, self.options(*address)))
            .filter(|(_, has, wanted)| has != wanted)
            .map(|(address, _, wanted)| (address, wanted))
            .collect();
        orders.sort_by_key(|(address, wanted)| (wanted.noselect, !wanted.prefer, *address));
        orders
    }
}

/// Who is taken out. Nobody while nobody else is heard and believed: there is nothing to gain, and the old samples of the
/// dead still outvote a liar.
pub(super) fn excluded(
    sightings: &[Sighting],
    tracked: &BTreeMap<IpAddr, Tracked>,
    drive: &Drive,
    figures: &Figures,
) -> BTreeSet<IpAddr> {
    let (mut right, mut heard) = (0, 0);
    let (mut dead, mut wrong, mut returning) = (Vec::new(), Vec::new(), Vec::new());
    for one in sightings {
        let talks = one.sampled && one.unanswered < figures.fail_after;
        match tracked.get(&one.address).map(|tracked| tracked.health).unwrap_or_default() {
            Health::Healthy | Health::Suspect { .. } => {
                heard += usize::from(talks);
                right += usize::from(talks && !one.rejected);
            }
            Health::Recovering { .. } if talks => returning.push(one),
            Health::Failed { doubt: Some(_), .. } if talks => wrong.push(one),
            Health::Failed { .. } | Health::Recovering { .. } => dead.push(one),
        }
    }
    if right == 0 && returning.is_empty() {
        // As it was, without those that chronyd has no more and those that have proven themselves.
        let stays = |one: &&Sighting| drive.excluded.contains(&one.address);
        return dead.into_iter().chain(wrong).filter(stays).map(|one| one.address).collect();
    }
    let mut excluded: BTreeSet<IpAddr> = dead.iter().map(|sighting| sighting.address).collect();
    // Those that talk and are wrong: a minority of all that talk, the ones that are out already first.
    let talking = heard + wrong.len() + returning.len();
    let mut order: Vec<IpAddr> = wrong.iter().map(|sighting| sighting.address).collect();
    order.sort_by_key(|address| (!drive.excluded.contains(address), *address));
    let minority = talking.saturating_sub(1) / 2;
    excluded.extend(order.iter().take(minority));
    // Those that prove themselves wait outside, unless they are needed.
    let inside = right + wrong.len().saturating_sub(minority);
    let needed = VOTERS.saturating_sub(inside);
    // Who is in stays in: a score lets in, it never puts out.
    returning.sort_by_key(|one| {
        (drive.excluded.contains(&one.address), std::cmp::Reverse(one.rank()), one.address)
    });
    excluded.extend(returning.iter().skip(needed).map(|sighting| sighting.address));
    excluded
}
