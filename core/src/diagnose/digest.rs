//! The fleet as the rules look at it: who may speak, from which failure domain, and what each hears at all.

use super::finding::{Coverage, Subject};
use super::fleet::{Fleet, Node, Report, View};
use crate::snapshot::Role;
use crate::units::Nanos;
use std::collections::{BTreeMap, BTreeSet};

/// A fresh reporter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reporter<'f> {
    pub name: &'f str,
    /// Its failure domain: its egress, else its zone.
    pub domain: &'f str,
    pub node: &'f Node,
    pub report: &'f Report,
}

impl<'f> Reporter<'f> {
    /// Its views of one source: a pool has several.
    pub fn views<'s>(&self, source: &'s str) -> impl Iterator<Item = &'f View> + use<'f, 's> {
        self.report.views.iter().filter(move |view| view.source == source)
    }
    /// What it measures, where it hears: source, offset of this clock, half-width.
    pub fn offsets(&self) -> impl Iterator<Item = (&'f str, Nanos, Nanos)> + use<'f> {
        let heard = self.report.views.iter().filter(|view| !view.is_silent());
        heard.filter_map(|view| Some((view.source.as_str(), view.offset?, view.uncertainty?)))
    }
    /// How it hears one source; none = it does not use it, or it never worked from here (no evidence).
    pub fn hears(&self, source: &str) -> Option<bool> {
        let mut worked = self.views(source).filter(|view| view.ever).peekable();
        worked.peek()?;
        Some(worked.any(|view| !view.is_silent()))
    }
    /// It hears a source other than this one.
    pub fn hears_another(&self, source: &str) -> bool {
        self.sources().into_iter().any(|other| other != source && self.hears(other) == Some(true))
    }
    /// It hears none of at least one that it once heard.
    pub fn is_deaf(&self) -> bool {
        let heard: Vec<bool> = self.sources().into_iter().filter_map(|source| self.hears(source)).collect();
        !heard.is_empty() && !heard.contains(&true)
    }
    /// Names of its sources.
    pub fn sources(&self) -> BTreeSet<&'f str> {
        self.report.views.iter().map(|view| view.source.as_str()).collect()
    }
}

/// Fresh reporters, and who else there is.
#[derive(Debug)]
pub(super) struct Digest<'f> {
    pub fleet: &'f Fleet,
    pub reporters: Vec<Reporter<'f>>,
}

/// A node's failure domain.
pub(super) fn domain(node: &Node) -> &str {
    node.egress.as_deref().or(node.zone.as_deref()).unwrap_or("")
}

impl<'f> Digest<'f> {
    pub fn of(fleet: &'f Fleet) -> Self {
        let one = |(name, node): (&'f String, &'f Node)| {
            Some(Reporter { name, domain: domain(node), node, report: node.fresh()? })
        };
        Self { fleet, reporters: fleet.nodes.iter().filter_map(one).collect() }
    }
    /// All failure domains with a node.
    pub fn domains(&self) -> BTreeSet<&'f str> {
        self.fleet.nodes.values().map(domain).collect()
    }
    /// Names of all sources that a reporter has.
    pub fn sources(&self) -> BTreeSet<&'f str> {
        self.reporters.iter().flat_map(Reporter::sources).collect()
    }
    /// How many reporters have that source, whether or not it ever worked.
    pub fn users(&self, source: &str) -> usize {
        self.reporters.iter().filter(|one| one.views(source).next().is_some()).count()
    }
    /// Fresh reporters by domain.
    pub fn by_domain(&self) -> BTreeMap<&'f str, Vec<Reporter<'f>>> {
        let mut all: BTreeMap<&str, Vec<Reporter<'_>>> = BTreeMap::new();
        for reporter in &self.reporters {
            all.entry(reporter.domain).or_default().push(*reporter);
        }
        all
    }
    /// A source that nobody is steered by.
    pub fn is_witness(&self, subject: &Subject) -> bool {
        let (Subject::Source(name) | Subject::SourceFrom { source: name, .. }) = subject else {
            return false;
        };
        self.reporters.iter().flat_map(|one| one.views(name)).all(|view| view.role == Role::Witness)
    }
    /// Whether so few speak that nothing can be said of others: of several nodes at least two, of five and more a
    /// third.
    pub fn is_mute(&self) -> bool {
        let (fresh, all) = (self.reporters.len(), self.fleet.nodes.len());
        fresh == 0 || (all > 1 && fresh < 2) || fresh * 3 < all
    }
    /// Who was heard, of all who could know.
    pub fn coverage(&self, heard: &[Reporter<'_>]) -> Coverage {
        let domains: BTreeSet<&str> = heard.iter().map(|reporter| reporter.domain).collect();
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Coverage {
            reporters: count(heard.len()),
            nodes: count(self.fleet.nodes.len()),
            domains: count(domains.len()),
            all_domains: count(self.domains().len()),
        }
    }
}
