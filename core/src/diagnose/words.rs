//! What a source says of itself, as its users heard it: it refuses, it is not synchronised, its upstream is dead, its
//! name has no address, its answers do not authenticate.
//!
//! A majority of each failure domain's reporters makes that domain's vote.

use super::claim::{Claim, names};
use super::cut::Cut;
use super::digest::{Digest, Reporter};
use super::finding::{Kind, Subject};
use super::fleet::Trouble;
use super::past::Ask;
use super::vote::{Outcome, Tally, Vote};
use crate::units::Nanos;

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
    if !digest.is_said(source, Ask::Says(trouble)) {
        return Vec::new();
    }
    let vote = Vote::of(digest, source, Ask::Says(trouble), |one| !cut.excused.contains(one.name));
    let users = digest.count_users(source);
    let claim = |subject, saying: &[&Reporter<'f>]| Claim {
        // That a name has no address one node alone cannot tell from its own resolver's trouble.
        kind: if kind == Kind::NameUnresolved && saying.len() < 2 { Kind::SourceUnusable } else { kind },
        subject,
        coverage: digest.coverage(saying.iter().copied()),
        evidence: vec![format!("{source} {words}: said by {} of {users} nodes that use it", saying.len())],
        nodes: names(saying.iter().copied()),
        patience: Nanos::ZERO,
    };
    let whole = || Subject::Source(source.to_owned());
    let from = |domain: &str| Subject::SourceFrom { source: source.to_owned(), egress: domain.to_owned() };
    let here = |domain: &str| {
        let saying: Vec<&Reporter<'f>> =
            vote.domains.get(domain).into_iter().flat_map(Tally::sayers).collect();
        claim(from(domain), &saying).after(vote.patience(domain))
    };
    match vote.outcome(Tally::mostly) {
        Outcome::Open => Vec::new(),
        // A refusal is for whoever comes from there; who hears nothing is not refused.
        Outcome::Everywhere if kind == Kind::RateLimited && somebody_is_deaf_to_it(digest, source, &vote) => {
            let some = vote.domains.iter().filter(|(_, tally)| tally.yes.len() >= 2);
            some.map(|(domain, _)| here(domain)).collect()
        }
        Outcome::Everywhere => vec![claim(whole(), &vote.sayers(Tally::mostly))],
        Outcome::AllButOne => {
            let saying = vote.sayers(|_| true);
            let patience = vote.domains.keys().map(|domain| vote.patience(domain)).max();
            vec![claim(whole(), &saying).after(patience.unwrap_or_default())]
        }
        // Its own resolver says nothing of a name.
        Outcome::Here(_) if kind == Kind::NameUnresolved => Vec::new(),
        Outcome::Here(domains) => domains.into_iter().map(here).collect(),
    }
}

/// A domain that does not hear it at all.
fn somebody_is_deaf_to_it<'f>(digest: &Digest<'f>, source: &'f str, vote: &Vote<'_, 'f>) -> bool {
    digest
        .users(source)
        .any(|(one, word)| word.hears == Some(false) && !vote.domains.contains_key(one.domain))
}
