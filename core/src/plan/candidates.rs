//! What a policy may choose from: everything that can be decided without knowing the node.

use super::finding::StarveCause;
use crate::policy::PolicySpec;
use crate::source::{Timescale, Use};
use crate::validate::{ValidSource, Validated};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// The sources of one policy, and those that its selector takes but that can not be used together.
pub(super) struct Candidates<'a> {
    /// To choose from, by tier, then name.
    pub sources: Vec<&'a ValidSource<'a>>,
    /// Names of smeared sources that the preset refuses.
    pub smeared: Vec<&'a str>,
    /// The scale that stays when there were several.
    pub scale: Option<&'a Timescale>,
    /// Names of sources of another scale than that.
    pub other_scale: Vec<&'a str>,
    /// (Left out, the source with the same address that stays.)
    pub duplicates: Vec<(&'a str, &'a str)>,
    /// Whether the selector took any sound source.
    selected: bool,
}

impl<'a> Candidates<'a> {
    pub(super) fn of(policy: &PolicySpec, valid: &'a Validated<'a>) -> Self {
        let mut sources: Vec<&ValidSource<'_>> =
            valid.sources().iter().filter(|source| policy.sources.matches(&source.spec().labels)).collect();
        let selected = !sources.is_empty();
        sources.sort_by_key(|source| (source.spec().tier, &source.spec().name, &source.spec().uid));

        let mut smeared = Vec::new();
        if policy.preset.refuses_smear() {
            sources.retain(|source| keep(source.spec().timescale == Timescale::Utc, source, &mut smeared));
        }
        let (mut scale, mut other_scale) = (None, Vec::new());
        if sources.iter().any(|source| source.spec().timescale != sources[0].spec().timescale) {
            scale = majority(&sources);
            sources.retain(|source| keep(Some(&source.spec().timescale) == scale, source, &mut other_scale));
        }
        let mut duplicates = Vec::new();
        let mut used: BTreeMap<String, &str> = BTreeMap::new();
        sources.retain(|source| {
            let name: &str = &source.spec().name;
            let first = *used.entry(source.address().identity()).or_insert(name);
            if first != name {
                duplicates.push((name, first));
            }
            first == name
        });
        Self { sources, smeared, scale, other_scale, duplicates, selected }
    }

    /// Why nothing in it could steer a clock; none = something can.
    pub(super) fn starved(&self) -> Option<StarveCause> {
        if self.sources.iter().any(|source| source.spec().usage != Use::Witness) {
            None
        } else if !self.sources.is_empty() {
            Some(StarveCause::OnlyWitnesses)
        } else if self.selected {
            Some(StarveCause::AllSetAside)
        } else {
            Some(StarveCause::NothingSelected)
        }
    }
}

fn keep<'a>(good: bool, source: &ValidSource<'a>, others: &mut Vec<&'a str>) -> bool {
    if !good {
        others.push(&source.spec().name);
    }
    good
}

/// The scale of most addresses in the best tier: the lowest with a source that may drive, else the lowest with one
/// that votes, else the lowest. On a tie UTC, then by name.
fn majority<'a>(sources: &[&ValidSource<'a>]) -> Option<&'a Timescale> {
    let best = sources.iter().min_by_key(|source| (source.spec().usage, source.spec().tier))?.spec();
    let mut addresses: BTreeMap<&Timescale, BTreeSet<String>> = BTreeMap::new();
    let rivals = sources.iter().filter(|s| (s.spec().usage, s.spec().tier) == (best.usage, best.tier));
    for source in rivals {
        addresses.entry(&source.spec().timescale).or_default().insert(source.address().identity());
    }
    addresses.into_iter().min_by_key(|(scale, found)| (Reverse(found.len()), *scale)).map(|(scale, _)| scale)
}
