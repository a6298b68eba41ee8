//! The same by the sources file, for a chronyd that knows no `selectopts` (before 4.4): what is out is left out of the
//! file, and chronyd drops it with its history.
//!
//! A changed line would cost a *working* source its history, so nothing but the dead is ever touched: standbys never get
//! `prefer` (with the preferred ones gone they drive anyway, within one poll: measured on 4.3). What comes back comes as
//! a plain voter at once – there is no `noselect` to prove itself under – and gets its `prefer` when the drive returns.
//! Members of a pool stay: chronyd itself replaces those that are dead.

use super::{Health, Overlay, Probed, Sighting, State};
use crate::clocks::BootTime;
use crate::conf::Sources;
use crate::snapshot::{NodePlan, PlannedAssociation, Role};
use crate::source::Endpoint;
use crate::units::Nanos;
use crate::validate::Address;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Polls that a source whose line is back, on trial, has to be heard in.
const TRIAL: i64 = 8;

/// A source that is out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Out {
    /// The address that it had.
    pub address: IpAddr,
    /// Its line is left out since.
    since: BootTime,
    /// Its line is in the file again since: chronyd is to find out.
    back: Option<BootTime>,
}

/// What is different in the file, by TimeSource name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lines {
    out: BTreeMap<String, Out>,
    /// Without `prefer` until the drive is back where the plan has it.
    demoted: BTreeSet<String>,
}

impl Lines {
    /// After one look. Whoever answers our probes gets its line back; whoever must not be probed gets it back for a trial
    /// from time to time.
    pub fn next(
        &self,
        overlay: &Overlay,
        state: &State,
        sightings: &[Sighting],
        plan: &NodePlan,
        now: BootTime,
    ) -> Self {
        let planned = |one: &Sighting| {
            let planned = super::sight::planned(plan, &one.source)?;
            matches!(planned.endpoint, Endpoint::Server { .. }).then_some(planned)
        };
        let one = |sighting: &Sighting| {
            let trial = Nanos::from_log2_seconds(planned(sighting)?.polls.max).times(TRIAL);
            let fresh = Out { address: sighting.address, since: now, back: None };
            let failed = matches!(state.health(sighting.address), Some(Health::Failed { .. }));
            let out = match self.out.get(&sighting.source) {
                None => fresh,
                Some(Out { back: Some(back), .. }) if failed && now - *back >= trial => fresh,
                Some(out @ Out { back: None, .. }) => {
                    let blind = sighting.probed == Probed::NotAllowed;
                    let tried = blind && now - out.since >= plan.failover.failback.every;
                    Out { back: (!failed || tried).then_some(now), ..*out }
                }
                Some(out) => *out,
            };
            Some((sighting.source.clone(), out))
        };
        let out: BTreeMap<String, Out> =
            sightings.iter().filter(|one| overlay.noselect.contains(&one.address)).filter_map(one).collect();
        let first = plan.associations.iter().filter_map(PlannedAssociation::order).min();
        let home = first.is_none_or(|first| state.drive().order() == first);
        let mut demoted: BTreeSet<String> = self.demoted.iter().chain(out.keys()).cloned().collect();
        if home {
            demoted.retain(|source| out.contains_key(source));
        }
        Self { out, demoted }
    }

    /// Sightings of those that chronyd no longer has, or not yet again: our own probes tell whether they answer.
    pub fn sightings(&self, plan: &NodePlan, probed: &BTreeMap<IpAddr, Probed>) -> Vec<Sighting> {
        let one = |(source, out): (&String, &Out)| {
            let planned = super::sight::planned(plan, source)?;
            let probe = probed.get(&out.address).copied().unwrap_or(Probed::NotAllowed);
            Some(Sighting {
                source: source.clone(),
                address: out.address,
                order: planned.order(),
                poll: planned.polls.min,
                unanswered: if probe == Probed::Answered { 0 } else { plan.failover.fail_after },
                sampled: false,
                rejected: false,
                doubt: None,
                probed: probe,
                score: 100,
                weight: planned.weight,
            })
        };
        self.out.iter().filter_map(one).collect()
    }

    /// Identities of the lines that are left out on purpose.
    pub fn absent(&self, plan: &NodePlan) -> BTreeSet<String> {
        identities(self.left_out().map(|(source, _)| source), plan)
    }

    /// Whose line is left out, with the address that it had.
    pub fn left_out(&self) -> impl Iterator<Item = (&String, &IpAddr)> {
        self.out.iter().filter(|(_, out)| out.back.is_none()).map(|(source, out)| (source, &out.address))
    }

    /// The lines of a plan as this file has them.
    pub fn under(&self, lines: &Sources, plan: &NodePlan) -> Sources {
        let absent = self.absent(plan);
        let demoted = identities(self.demoted.iter(), plan);
        let kept = lines.0.iter().filter(|line| !absent.contains(&line.address.identity())).map(|line| {
            let mut line = line.clone();
            if line.role == Role::Driver && demoted.contains(&line.address.identity()) {
                line.role = Role::Voter;
            }
            line
        });
        Sources(kept.collect())
    }
}

fn identities<'s>(sources: impl Iterator<Item = &'s String>, plan: &NodePlan) -> BTreeSet<String> {
    let address = |source| super::sight::planned(plan, source).map(|one| one.endpoint.address());
    let identity = |address| Address::parse(address).ok().map(|address| address.identity());
    sources.filter_map(|source| address(source)).filter_map(identity).collect()
}

#[cfg(test)]
#[path = "lines_tests.rs"]
mod tests;
