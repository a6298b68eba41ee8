//! What a source says of itself, as its users heard it: it refuses, it is not synchronised, its upstream is dead, its
//! name has no address, its answers do not authenticate.
//!
//! A majority of each failure domain's reporters makes that domain's vote; of a fleet of several nodes one alone proves
//! nothing against a source.

use super::claim::Claim;
use super::cut::Cut;
use super::digest::{Digest, Reporter};
use super::finding::{Kind, Subject};
use super::fleet::Trouble;
use std::collections::BTreeMap;

const WORDS: [(Trouble, Kind, &str); 5] = [
    (
        Trouble::Stale,
        Kind::SourceStale,
        "answers, and was last corrected longer ago than allowed, by its own clock",
    ),
    (
        Trouble::Unsynchronised,
        Kind::SourceUnsynchronised,
        "answers, and says itself that it is not synchronised",
    ),
    (Trouble::Kissed, Kind::RateLimited, "answers with a kiss-o'-death"),
    (Trouble::NotAuthentic, Kind::AuthFailed, "answers what does not authenticate"),
    (Trouble::Unresolved, Kind::NameUnresolved, "has a name without an address"),
];

pub(super) fn claims<'f>(digest: &Digest<'f>, cut: &Cut<'f>) -> Vec<Claim> {
    let mut claims = Vec::new();
    for source in digest.sources() {
        for (trouble, kind, words) in WORDS {
            claims.extend(of_source(digest, cut, source, trouble, kind, words));
        }
    }
    claims
}

fn of_source<'f>(
    digest: &Digest<'f>,
    cut: &Cut<'f>,
    source: &'f str,
    trouble: Trouble,
    kind: Kind,
    words: &str,
) -> Vec<Claim> {
    let mut domains: BTreeMap<&str, (Vec<Reporter<'f>>, usize)> = BTreeMap::new();
    for reporter in digest.reporters.iter().copied().filter(|one| !cut.excused.contains(one.name)) {
        let mut views = reporter.views(source).filter(|view| !view.is_silent()).peekable();
        // Who does not hear it cannot say what it says. A name without an address never was heard.
        if views.peek().is_none() {
            continue;
        }
        let entry = domains.entry(reporter.domain).or_default();
        if views.all(|view| view.trouble == Some(trouble)) {
            entry.0.push(reporter);
        } else {
            entry.1 += 1;
        }
    }
    let users = digest.users(source);
    let says: Vec<(&str, Vec<Reporter<'f>>)> = domains
        .iter()
        .filter(|(_, (yes, no))| yes.len() > *no)
        .map(|(domain, (yes, _))| (*domain, yes.clone()))
        .collect();
    let saying: Vec<Reporter<'f>> = says.iter().flat_map(|(_, yes)| yes.iter().copied()).collect();
    if saying.is_empty() || (saying.len() < 2 && users >= 2) {
        return Vec::new();
    }
    let silent = |domain: &str| {
        digest.reporters.iter().any(|one| one.domain == domain && one.hears(source) == Some(false))
            && !domains.contains_key(domain)
    };
    // A refusal is for whoever comes from there; who hears nothing is not refused.
    let all = says.len() == domains.len()
        && !(kind == Kind::RateLimited && digest.domains().into_iter().any(silent));
    // That a name has no address one node alone cannot tell from its own resolver's trouble.
    let kind = if kind == Kind::NameUnresolved && saying.len() < 2 { Kind::SourceUnusable } else { kind };
    let claim = |subject, saying: &[Reporter<'f>]| Claim {
        kind,
        subject,
        coverage: digest.coverage(saying),
        evidence: vec![format!("{source} {words}: said by {} of {users} nodes that use it", saying.len())],
        nodes: saying.iter().map(|one| one.name.to_owned()).collect(),
    };
    if all {
        return vec![claim(Subject::Source(source.to_owned()), &saying)];
    }
    let from = |(domain, yes): &(&str, Vec<Reporter<'f>>)| {
        claim(Subject::SourceFrom { source: source.to_owned(), egress: (*domain).to_owned() }, yes)
    };
    // One node alone in its domain cannot tell its own trouble from the domain's; its own resolver says nothing of a name.
    says.iter().filter(|(_, yes)| yes.len() >= 2 && kind != Kind::NameUnresolved).map(from).collect()
}
