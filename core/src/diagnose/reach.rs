//! Sources that do not answer those who can be believed. Pairs that never worked are no evidence.

use super::claim::Claim;
use super::cut::Cut;
use super::digest::{Digest, Reporter};
use super::finding::{Kind, Subject};
use super::fleet::Trouble;
use crate::source::Scope;
use std::collections::BTreeMap;

/// As good as all: one in ten may be late.
pub(super) const fn nearly_all(some: usize, all: usize) -> bool {
    all > 0 && some * 10 >= all * 9
}

pub(super) fn names(reporters: &[Reporter<'_>]) -> Vec<String> {
    reporters.iter().map(|reporter| reporter.name.to_owned()).collect()
}

/// Sources that do not answer those who can be believed.
pub(super) fn silent<'f>(digest: &Digest<'f>, cut: &Cut<'f>) -> Vec<Claim> {
    digest.sources().into_iter().flat_map(|source| of_source(digest, cut, source)).collect()
}

fn of_source<'f>(digest: &Digest<'f>, cut: &Cut<'f>, source: &'f str) -> Vec<Claim> {
    let mut domains: BTreeMap<&str, (Vec<Reporter<'f>>, Vec<Reporter<'f>>)> = BTreeMap::new();
    for reporter in digest.reporters.iter().copied() {
        if cut.excused.contains(reporter.name) || cut.explained.contains(&(reporter.domain, source)) {
            continue;
        }
        match reporter.hears(source) {
            Some(true) => domains.entry(reporter.domain).or_default().0.push(reporter),
            Some(false) => domains.entry(reporter.domain).or_default().1.push(reporter),
            None => {}
        }
    }
    let is_silent = |(hear, miss): &(Vec<_>, Vec<_>)| nearly_all(miss.len(), hear.len() + miss.len());
    let silent: Vec<(&str, &Vec<Reporter<'f>>)> = domains
        .iter()
        .filter(|(_, votes)| is_silent(votes))
        .map(|(domain, (_, miss))| (*domain, miss))
        .collect();
    let users = digest.users(source);
    // Of several nodes one alone proves nothing against a source.
    if silent.is_empty() || (users >= 2 && silent.iter().map(|(_, miss)| miss.len()).sum::<usize>() < 2) {
        return Vec::new();
    }
    let missing: Vec<Reporter<'f>> = silent.iter().flat_map(|(_, miss)| miss.iter().copied()).collect();
    let heard: Vec<Reporter<'f>> = domains.values().flat_map(|(hear, _)| hear.iter().copied()).collect();
    let everybody: Vec<Reporter<'f>> = missing.iter().chain(&heard).copied().collect();
    let coverage = digest.coverage(&everybody);
    let refused = missing.iter().all(|one| {
        one.views(source).filter(|view| view.ever).all(|view| view.trouble == Some(Trouble::Refused))
    });
    let reach_others =
        silent.iter().filter(|(_, miss)| miss.iter().any(|one| one.hears_another(source))).count();
    let claim = |kind, subject, why: String, nodes: &[Reporter<'_>]| Claim {
        kind,
        subject,
        coverage,
        evidence: vec![why],
        nodes: names(nodes),
    };
    let whole = || Subject::Source(source.to_owned());
    let is_public =
        |source: &str| digest.fleet.sources.get(source).is_some_and(|one| one.scope == Scope::Public);
    let public = is_public(source);
    if silent.len() == domains.len() {
        let (kind, why) = if refused {
            (
                Kind::SourceDead,
                format!("the host of {source} says that nobody listens, to {} nodes", missing.len()),
            )
        } else if public && nobody_hears_any(digest, is_public) {
            let why = format!(
                "{source} answers nobody, nor does any other public source: every way out may be closed"
            );
            (Kind::SourceUnusable, why)
        } else if reach_others >= 2 {
            let why = format!(
                "{source} answers none of {} nodes in {} domains, which reach others",
                missing.len(),
                silent.len()
            );
            (Kind::SourceDead, why)
        } else {
            let why = format!(
                "{source} answers none of {} nodes; they share one way to it, so the way may be what is broken",
                missing.len()
            );
            (Kind::SourceUnusable, why)
        };
        return vec![claim(kind, whole(), why, &missing)];
    }
    if heard.is_empty() {
        return Vec::new();
    }
    let from = |(domain, miss): &(&str, &Vec<Reporter<'f>>)| {
        let why =
            format!("{source} answers none of {} nodes here, and {} elsewhere", miss.len(), heard.len());
        let subject = Subject::SourceFrom { source: source.to_owned(), egress: (*domain).to_owned() };
        // Nobody but chronyd may ask a public one: blocked and refused by kiss look alike.
        let kind = if public { Kind::SourceUnusable } else { Kind::SourceUnreachableFromEgress };
        claim(kind, subject, why, miss)
    };
    // One node alone in its domain cannot tell its own filter from the domain's.
    silent.iter().filter(|(_, miss)| miss.len() >= 2).map(from).collect()
}

/// None of such sources is heard by anybody.
fn nobody_hears_any(digest: &Digest<'_>, is_such: impl Fn(&str) -> bool) -> bool {
    let heard = |source: &str| digest.reporters.iter().any(|one| one.hears(source) == Some(true));
    !digest.sources().into_iter().any(|source| is_such(source) && heard(source))
}
