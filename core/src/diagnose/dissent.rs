//! Sources that answer and are not believed: the source, or the way to it?
//!
//! A path can shift what is measured by no more than half of its round trip. An agent rejects a source only when the
//! intervals, which have that half in them, do not meet; so what is rejected in several failure domains by the same
//! amount is the source's own fault. What only one way sees, with a round trip that has grown enough, is the way's.

use super::claim::{Claim, names};
use super::cut::Cut;
use super::digest::{Digest, Reporter, Word};
use super::finding::{Kind, Subject};
use super::past::Ask;
use super::vote::{Outcome, Tally, Vote};
use crate::units::Nanos;
use std::collections::BTreeSet;

type Dissent<'d, 'f> = (&'d Reporter<'f>, &'d Word<'f>);

pub(super) fn claims<'f>(digest: &Digest<'f>, cut: &Cut<'f>, wrong: &BTreeSet<String>) -> Vec<Claim> {
    let may = |one: &Reporter<'f>| !cut.excused.contains(one.name) && !wrong.contains(one.name);
    let of = |source| of_source(digest, source, &Vote::of(digest, source, Ask::Rejects, may));
    digest.sources().filter(|source| digest.is_said(source, Ask::Rejects)).flat_map(of).collect()
}

/// Its agent says so itself; else its figures do.
fn rejects(word: &Word<'_>) -> bool {
    word.against.is_some_and(|view| view.rejected)
}

fn sayers<'d, 'f>(tally: &Tally<'d, 'f>) -> Vec<Dissent<'d, 'f>> {
    tally.yes.iter().map(|(one, word, _)| (*one, *word)).collect()
}

fn of_source<'f>(digest: &Digest<'f>, source: &'f str, vote: &Vote<'_, 'f>) -> Vec<Claim> {
    let users = digest.count_users(source);
    let claim = |kind, subject, why: String, of: &[Dissent<'_, 'f>]| Claim {
        kind,
        subject,
        coverage: digest.coverage(of.iter().map(|(one, _)| *one)),
        evidence: vec![why],
        nodes: names(of.iter().map(|(one, _)| *one)),
        patience: Nanos::ZERO,
    };
    let whole = || Subject::Source(source.to_owned());
    match vote.outcome(Tally::mostly) {
        Outcome::Open => Vec::new(),
        Outcome::Here(domains) => {
            let best = vote
                .domains
                .values()
                .flat_map(|tally| tally.no.iter().filter_map(|(one, _)| one.word(source)))
                .flat_map(|word| word.views.iter().filter_map(|view| view.delay))
                .min();
            let here = |domain: &'f str| {
                let dissents = sayers(vote.domains.get(domain)?);
                let subject = Subject::SourceFrom { source: source.to_owned(), egress: domain.to_owned() };
                let count = dissents.len();
                let (kind, why) = if dissents.iter().all(|(_, word)| is_the_paths(word, best)) {
                    let why = format!(
                        "{source} is off for {count} nodes here alone, by no more than half of what its round trip grew by"
                    );
                    (Kind::PathAsymmetric, why)
                } else if dissents.iter().all(|(_, word)| rejects(word)) {
                    (
                        Kind::SourceDisagrees,
                        format!("{source} is rejected by {count} nodes here and believed elsewhere"),
                    )
                } else {
                    return None;
                };
                Some(claim(kind, subject, why, &dissents).after(vote.patience(domain)))
            };
            domains.into_iter().filter_map(here).collect()
        }
        Outcome::AllButOne => {
            let dissents: Vec<Dissent<'_, 'f>> = vote.domains.values().flat_map(sayers).collect();
            if !dissents.iter().all(|(_, word)| rejects(word)) {
                return Vec::new();
            }
            let why = format!("{source} is rejected by all of {users} nodes but one");
            let patience = vote.domains.keys().map(|domain| vote.patience(domain)).max();
            vec![claim(Kind::SourceDisagrees, whole(), why, &dissents).after(patience.unwrap_or_default())]
        }
        Outcome::Everywhere => {
            let dissents: Vec<Dissent<'_, 'f>> = vote.domains.values().flat_map(sayers).collect();
            if !dissents.iter().all(|(_, word)| rejects(word)) {
                return Vec::new();
            }
            let shown = dissents.iter().find_map(|(_, word)| word.by);
            let shown = shown.map_or_else(|| "an unknown amount".to_owned(), |by| (-by).signed());
            let (count, domains) = (dissents.len(), vote.domains.len());
            let (kind, why) = if domains >= 2 && alike(&dissents) {
                (
                    Kind::SourceLying,
                    format!(
                        "{source} is off by {shown} for {count} of {users} nodes over {domains} ways out, more than any path explains"
                    ),
                )
            } else {
                (Kind::SourceDisagrees, format!("{source} is off by {shown} for {count} of {users} nodes"))
            };
            vec![claim(kind, whole(), why, &dissents)]
        }
    }
}

/// Off by no more than half of what the round trip is longer than the best one elsewhere, and half of that again for queues.
fn is_the_paths(word: &Word<'_>, best: Option<Nanos>) -> bool {
    let grown = word.against.and_then(|view| view.delay).zip(best).map(|(delay, best)| delay - best);
    word.by.zip(grown).is_some_and(|(by, grown)| by.abs() <= grown.scaled(3, 4))
}

/// All by a like amount. Reports are minutes apart, and a liar may creep on meanwhile: the same way, and no more than
/// twice as far as the first.
fn alike(dissents: &[Dissent<'_, '_>]) -> bool {
    let amount =
        |(_, word): &Dissent<'_, '_>| Some((word.by?, word.against?.uncertainty.unwrap_or(Nanos::ZERO)));
    let amounts: Vec<(Nanos, Nanos)> = dissents.iter().filter_map(amount).collect();
    let near = |(by, half): &(Nanos, Nanos), (other, other_half): &(Nanos, Nanos)| {
        (*by - *other).abs() <= *half + *other_half
            || ((by.0 > 0) == (other.0 > 0) && by.abs() <= other.abs().times(2))
    };
    amounts.len() == dissents.len()
        && amounts.first().is_some_and(|first| amounts.iter().all(|one| near(one, first) && near(first, one)))
}
