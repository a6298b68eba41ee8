//! Sources that answer and are not believed: the source, or the way to it?
//!
//! A path can shift what is measured by no more than half of its round trip. An agent rejects a source only when the
//! intervals, which have that half in them, do not meet; so what is rejected in several failure domains by the same
//! amount is the source's own fault. What only one way sees, with a round trip that has grown enough, is the way's.

use super::claim::Claim;
use super::cut::Cut;
use super::digest::{Digest, Reporter};
use super::finding::{Kind, Subject};
use super::fleet::View;
use crate::units::Nanos;
use std::collections::{BTreeMap, BTreeSet};

/// One node's dissent.
#[derive(Clone, Copy, Debug)]
struct Dissent<'f> {
    reporter: Reporter<'f>,
    /// Its agent says so itself; else its figures do.
    rejected: bool,
    /// The source against those that this node believes; > 0 = the node is ahead of it.
    by: Option<Nanos>,
    half: Nanos,
    delay: Option<Nanos>,
}

/// What a node believes: the median of the views that it does not reject, usable or outvoted.
fn believed(reporter: &Reporter<'_>) -> Option<Nanos> {
    let usable = |view: &&View| !view.rejected && !view.is_silent();
    let mut offsets: Vec<Nanos> =
        reporter.report.views.iter().filter(usable).filter_map(|view| view.offset).collect();
    offsets.sort_unstable();
    offsets.get(offsets.len() / 2).copied()
}

pub(super) fn claims<'f>(digest: &Digest<'f>, cut: &Cut<'f>, wrong: &BTreeSet<String>) -> Vec<Claim> {
    let believable = |one: &Reporter<'_>| !cut.excused.contains(one.name) && !wrong.contains(one.name);
    let reporters: Vec<Reporter<'f>> = digest.reporters.iter().copied().filter(believable).collect();
    digest.sources().into_iter().flat_map(|source| of_source(digest, &reporters, source)).collect()
}

fn of_source<'f>(digest: &Digest<'f>, reporters: &[Reporter<'f>], source: &'f str) -> Vec<Claim> {
    let mut domains: BTreeMap<&str, (Vec<Dissent<'f>>, Vec<Reporter<'f>>)> = BTreeMap::new();
    for reporter in reporters.iter().copied() {
        let mut answering = reporter.views(source).filter(|view| view.ever && !view.is_silent()).peekable();
        if answering.peek().is_none() {
            continue;
        }
        let entry = domains.entry(reporter.domain).or_default();
        let middle = believed(&reporter);
        let by = |view: &View| view.offset.zip(middle).map(|(offset, middle)| offset - middle);
        // A long round trip hides from the node itself how far off a source is; others with a shorter one may tell.
        let far = |view: &View| by(view).is_some_and(|by| by.abs() > reporter.report.max_offset);
        match answering.find(|view| view.rejected || far(view)) {
            Some(view) => entry.0.push(Dissent {
                reporter,
                rejected: view.rejected,
                by: by(view),
                half: view.uncertainty.unwrap_or(Nanos::ZERO),
                delay: view.delay,
            }),
            None => entry.1.push(reporter),
        }
    }
    let against: Vec<(&str, &Vec<Dissent<'f>>)> = domains
        .iter()
        .filter(|(_, (no, yes))| no.len() > yes.len())
        .map(|(domain, (no, _))| (*domain, no))
        .collect();
    let users = digest.users(source);
    let dissents: Vec<Dissent<'f>> = against.iter().flat_map(|(_, no)| no.iter().copied()).collect();
    if dissents.is_empty() || (dissents.len() < 2 && users >= 2) {
        return Vec::new();
    }
    let claim = |kind, subject, why: String, of: &[Dissent<'f>]| Claim {
        kind,
        subject,
        coverage: digest.coverage(&of.iter().map(|one| one.reporter).collect::<Vec<_>>()),
        evidence: vec![why],
        nodes: of.iter().map(|one| one.reporter.name.to_owned()).collect(),
    };
    let best: Option<Nanos> = domains
        .values()
        .flat_map(|(_, yes)| yes.iter().flat_map(|one| one.views(source)))
        .filter_map(|view| view.delay)
        .min();
    if against.len() < domains.len() {
        let explained = |one: &Dissent<'_>| {
            let grown = one.delay.zip(best).map(|(delay, best)| delay - best);
            // Half of it, and half of that again for queues.
            one.by.zip(grown).is_some_and(|(by, grown)| by.abs() <= grown.scaled(3, 4))
        };
        return against
            .iter()
            .filter(|(_, no)| no.len() >= 2)
            .filter(|(_, no)| no.iter().all(explained) || no.iter().all(|one| one.rejected))
            .map(|(domain, no)| {
                let subject = Subject::SourceFrom { source: source.to_owned(), egress: (*domain).to_owned() };
                if no.iter().all(explained) {
                    let why = format!("{source} is off for {} nodes here alone, by no more than half of what its round trip grew by", no.len());
                    claim(Kind::PathAsymmetric, subject, why, no)
                } else {
                    let why = format!("{source} is rejected by {} nodes here and believed elsewhere", no.len());
                    claim(Kind::SourceDisagrees, subject, why, no)
                }
            })
            .collect();
    }
    if !dissents.iter().all(|one| one.rejected) {
        return Vec::new();
    }
    let amounts: Vec<(Nanos, Nanos)> = dissents.iter().filter_map(|one| Some((one.by?, one.half))).collect();
    // Reports are minutes apart, and a liar may creep on meanwhile: the same way, and no more than twice as far.
    let alike = |(by, half): &(Nanos, Nanos), (other, other_half): &(Nanos, Nanos)| {
        let near = (*by - *other).abs() <= *half + *other_half;
        near || ((by.0 > 0) == (other.0 > 0) && by.abs() <= other.abs().times(2))
    };
    let same = amounts.len() == dissents.len()
        && amounts
            .iter()
            .all(|one| amounts.first().is_some_and(|first| alike(one, first) && alike(first, one)));
    let shown = amounts.first().map_or_else(|| "an unknown amount".to_owned(), |(by, _)| (-*by).signed());
    let (kind, why) = if against.len() >= 2 && same {
        (
            Kind::SourceLying,
            format!(
                "{source} is off by {shown} for {} of {users} nodes in {} domains, more than any path explains",
                dissents.len(),
                against.len()
            ),
        )
    } else {
        (Kind::SourceDisagrees, format!("{source} is off by {shown} for {} of {users} nodes", dissents.len()))
    };
    vec![claim(kind, Subject::Source(source.to_owned()), why, &dissents)]
}
