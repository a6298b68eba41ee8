//! The same by the sources file, for a chronyd that knows no `selectopts` (before 4.4): what is out is left out of the
//! file, and chronyd drops it with its history.
//!
//! A changed line would cost a *working* source its history, so nothing but the dead is ever touched: standbys never get
//! `prefer` (with the preferred ones gone they drive anyway, within one poll: measured on 4.3). What comes back comes as
//! a plain voter, and gets its `prefer` back when the drive returns to it. Members of a pool stay: chronyd itself
//! replaces those that are dead.

use super::{Overlay, Probed, Sighting, State};
use crate::conf::Sources;
use crate::snapshot::{NodePlan, Role};
use crate::source::Endpoint;
use crate::validate::Address;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// What is different in the file, by TimeSource name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lines {
    /// Left out, with the address that it had.
    absent: BTreeMap<String, IpAddr>,
    /// Without `prefer` until the drive is back where the plan has it.
    demoted: BTreeSet<String>,
}

impl Lines {
    /// After one look.
    pub fn next(&self, overlay: &Overlay, state: &State, sightings: &[Sighting], plan: &NodePlan) -> Self {
        let servers: BTreeSet<&str> = plan
            .associations
            .iter()
            .filter(|planned| matches!(planned.endpoint, Endpoint::Server { .. }))
            .map(|planned| planned.source.as_str())
            .collect();
        let absent: BTreeMap<String, IpAddr> = sightings
            .iter()
            .filter(|one| servers.contains(one.source.as_str()) && overlay.noselect.contains(&one.address))
            .map(|one| (one.source.clone(), one.address))
            .collect();
        let first = plan.associations.iter().filter_map(crate::snapshot::PlannedAssociation::order).min();
        let home = first.is_none_or(|first| state.drive().order() == first);
        let mut demoted: BTreeSet<String> =
            self.demoted.union(&absent.keys().cloned().collect()).cloned().collect();
        if home {
            demoted.retain(|source| absent.contains_key(source));
        }
        Self { absent, demoted }
    }

    /// Sightings of those that chronyd no longer has: our own probes tell whether they answer. Where none are allowed
    /// they are tried again when `retry` says so.
    pub fn sightings(
        &self,
        plan: &NodePlan,
        probed: &BTreeMap<IpAddr, Probed>,
        retry: bool,
        fail_after: u32,
    ) -> Vec<Sighting> {
        let one = |(source, address): (&String, &IpAddr)| {
            let planned = super::sight::planned(plan, source)?;
            let probe = probed.get(address).copied().unwrap_or(Probed::NotAllowed);
            let answers = probe == Probed::Answered || (probe == Probed::NotAllowed && retry);
            Some(Sighting {
                source: source.clone(),
                address: *address,
                order: planned.order(),
                poll: planned.polls.min,
                unanswered: if answers { 0 } else { fail_after },
                // Nothing else can be known of it before it is back.
                sampled: true,
                rejected: false,
                doubt: None,
                probed: probe,
                score: 100,
                weight: planned.weight,
            })
        };
        self.absent.iter().filter_map(one).collect()
    }

    /// Identities of the lines that are left out on purpose.
    pub fn absent(&self, plan: &NodePlan) -> BTreeSet<String> {
        identities(self.absent.keys(), plan)
    }

    /// Who is left out, with the address that it had.
    pub const fn left_out(&self) -> &BTreeMap<String, IpAddr> {
        &self.absent
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

    /// Nothing is different.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
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
