//! Sources that do not answer those who can be believed. Pairs that never worked are no evidence.

use super::claim::{Claim, names};
use super::cut::{Cut, Place, place};
use super::digest::{Digest, Reporter};
use super::finding::{Kind, Subject};
use super::fleet::Trouble;
use super::past::Ask;
use super::vote::{Outcome, Tally, Vote};
use crate::clocks::BootTime;
use crate::source::Scope;
use std::collections::BTreeSet;

/// Sources that do not answer those who can be believed.
pub(super) fn silent<'f>(digest: &Digest<'f>, cut: &Cut<'f>) -> Vec<Claim> {
    digest.sources().flat_map(|source| of_source(digest, cut, source)).collect()
}

fn of_source<'f>(digest: &Digest<'f>, cut: &Cut<'f>, source: &'f str) -> Vec<Claim> {
    if !digest.is_said(source, Ask::Silent) {
        return Vec::new();
    }
    let may = |one: &Reporter<'f>| {
        !cut.excused.contains(one.name) && !cut.explained.contains(&(one.domain, source))
    };
    let vote = Vote::of(digest, source, Ask::Silent, may);
    let claim = |kind, subject, why: String, nodes: &[&Reporter<'f>]| Claim {
        kind,
        subject,
        coverage: digest.coverage(nodes.iter().copied()),
        evidence: vec![why],
        nodes: names(nodes.iter().copied()),
        patience: crate::units::Nanos::ZERO,
    };
    let whole = || Subject::Source(source.to_owned());
    let missing = vote.sayers(Tally::agreed);
    match vote.outcome(Tally::agreed) {
        Outcome::Open => Vec::new(),
        Outcome::Everywhere => {
            let (kind, why) = everywhere(digest, &vote, source, &missing);
            vec![claim(kind, whole(), why, &missing)]
        }
        Outcome::AllButOne => {
            let all = vote.sayers(|_| true);
            let why =
                format!("{source} answers none of {} nodes, and one: that one may be misled", all.len());
            let patience = vote.domains.keys().map(|domain| vote.patience(domain)).max();
            vec![claim(Kind::SourceUnusable, whole(), why, &all).after(patience.unwrap_or_default())]
        }
        Outcome::Here(domains) => {
            let heard: usize = vote.domains.values().map(|tally| tally.no.len()).sum();
            let here = domains.into_iter().filter_map(|domain| {
                let tally = vote.domains.get(domain)?;
                let since = tally.since()?;
                if !is_of_the_way(digest, &vote, source, domain, since) {
                    return None;
                }
                let nodes: Vec<&Reporter<'f>> = tally.sayers().collect();
                let why =
                    format!("{source} answers none of {} nodes here, and {heard} elsewhere", nodes.len());
                let subject = Subject::SourceFrom { source: source.to_owned(), egress: domain.to_owned() };
                // Nobody but chronyd may ask a public one: blocked and refused by kiss look alike.
                let kind = if is_public(digest, source) {
                    Kind::SourceUnusable
                } else {
                    Kind::SourceUnreachableFromEgress
                };
                Some(claim(kind, subject, why, &nodes).after(vote.patience(domain)))
            });
            here.collect()
        }
    }
}

/// That these do not hear it and others do is about the way to this one source: they hear something else from outside,
/// and if it stands in a zone, that zone is not what is cut off.
fn is_of_the_way<'f>(
    digest: &Digest<'f>,
    vote: &Vote<'_, 'f>,
    source: &str,
    domain: &str,
    since: BootTime,
) -> bool {
    let Some(tally) = vote.domains.get(domain) else { return false };
    let nodes: Vec<&Reporter<'f>> = tally.sayers().collect();
    let outside = |other: &str| place(digest, &nodes, other) != Place::Inside;
    let only =
        nodes.iter().all(|one| one.words.iter().all(|word| word.source == source || !outside(word.source)));
    let reach = |one: &&Reporter<'f>| one.reaches_another(source, since, digest.now, outside);
    if !only && !nodes.iter().any(reach) {
        return false;
    }
    let Some(zone) = digest.fleet.sources.get(source).and_then(|one| one.zone.as_deref()) else {
        return true;
    };
    let hearers = || {
        let others = vote.domains.iter().filter(|(name, _)| **name != domain);
        let well = others.flat_map(|(_, tally)| &tally.no);
        well.filter(|(_, proof)| proof.stands(since, digest.now)).map(|(one, _)| *one)
    };
    let of_it = |one: &Reporter<'f>| one.node.zone.as_deref() == Some(zone);
    hearers().any(|one| !of_it(one))
        || hearers().any(|one| {
            one.reaches_another(source, since, digest.now, |other| {
                place(digest, &[one], other) != Place::Inside
            })
        })
}

/// It answers nobody: dead, or is there one way to it that may be what is broken?
fn everywhere<'f>(
    digest: &Digest<'f>,
    vote: &Vote<'_, 'f>,
    source: &'f str,
    missing: &[&Reporter<'f>],
) -> (Kind, String) {
    let refused = missing.iter().all(|one| {
        let views = one.word(source).into_iter().flat_map(|word| &word.views);
        views.filter(|view| view.is_silent()).all(|view| view.trouble == Some(Trouble::Refused))
    });
    if refused {
        let why = format!("the host of {source} says that nobody listens, to {} nodes", missing.len());
        return (Kind::SourceDead, why);
    }
    // A public one has to be told from the whole way out: by another public one that answers there.
    let public = is_public(digest, source);
    let like_it = |other: &str| !public || is_public(digest, other);
    let reaches = |tally: &Tally<'_, 'f>, since: BootTime| {
        tally.sayers().any(|one| one.reaches_another(source, since, digest.now, like_it))
    };
    let reaching: BTreeSet<&str> = vote
        .domains
        .iter()
        .filter(|(_, tally)| tally.since().is_some_and(|since| reaches(tally, since)))
        .map(|(domain, _)| *domain)
        .collect();
    let nodes = missing.len();
    if reaching.len() >= 2 {
        let domains = vote.domains.len();
        (
            Kind::SourceDead,
            format!("{source} answers none of {nodes} nodes over {domains} ways out, which reach others"),
        )
    } else if public {
        let why = format!(
            "{source} answers none of {nodes} nodes; what else is public does not prove that their ways out are open"
        );
        (Kind::SourceUnusable, why)
    } else {
        let why = format!(
            "{source} answers none of {nodes} nodes; they share one way to it, so the way may be what is broken"
        );
        (Kind::SourceUnusable, why)
    }
}

fn is_public(digest: &Digest<'_>, source: &str) -> bool {
    digest.fleet.sources.get(source).is_some_and(|one| one.scope == Scope::Public)
}
