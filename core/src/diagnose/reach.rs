//! Who hears whom: nodes, zones and ways out that are cut off, then sources that do not answer the rest.
//!
//! What explains more is looked at first: a node that hears nothing accuses no source, a zone that hears nothing no node.
//! Pairs that never worked are no evidence.

use super::claim::Claim;
use super::digest::{Digest, Reporter};
use super::finding::{Kind, Subject};
use super::fleet::Trouble;
use crate::source::Scope;
use std::collections::{BTreeMap, BTreeSet};

/// What was found, and whose word on sources does not count because of it.
#[derive(Debug, Default)]
pub(super) struct Cut<'f> {
    pub claims: Vec<Claim>,
    pub excused: BTreeSet<&'f str>,
    /// Sources whose silence is explained, by domain.
    explained: BTreeSet<(&'f str, &'f str)>,
}

/// As good as all: one in ten may be late.
const fn nearly_all(some: usize, all: usize) -> bool {
    all > 0 && some * 10 >= all * 9
}

fn names(reporters: &[Reporter<'_>]) -> Vec<String> {
    reporters.iter().map(|reporter| reporter.name.to_owned()).collect()
}

fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().collect::<Vec<_>>().join(", ")
}

/// Nodes and domains that hear nothing, or nothing from outside.
pub(super) fn cut<'f>(digest: &Digest<'f>) -> Cut<'f> {
    let mut cut = Cut::default();
    let heard: BTreeSet<&str> = digest
        .reporters
        .iter()
        .flat_map(|reporter| {
            reporter.sources().into_iter().filter(|source| reporter.hears(source) == Some(true))
        })
        .collect();
    for (domain, reporters) in digest.by_domain() {
        let deaf: Vec<Reporter<'f>> = reporters.iter().copied().filter(Reporter::is_deaf).collect();
        let shares = |reporter: &Reporter<'_>| reporter.sources().iter().any(|source| heard.contains(source));
        if deaf.len() == reporters.len() && deaf.len() >= 2 {
            if deaf.iter().any(shares) {
                cut.whole(digest, domain, &deaf);
            } else if deaf.iter().any(|one| one.report.peers.iter().any(|peer| peer.answers)) {
                cut.uplink(digest, domain, &deaf, "no source answers, peers do");
            }
            continue;
        }
        for reporter in deaf.into_iter().filter(|reporter| shares(reporter)) {
            cut.node(digest, reporter);
        }
        cut.outside(digest, domain, &reporters, &heard);
    }
    cut
}

impl<'f> Cut<'f> {
    fn node(&mut self, digest: &Digest<'f>, reporter: Reporter<'f>) {
        let peers = &reporter.report.peers;
        let answered = peers.iter().any(|peer| peer.answers);
        let kind = if answered { Kind::NtpBlockedOnNode } else { Kind::NodeCutOff };
        let sources = reporter.sources();
        let mut evidence = vec![format!(
            "{} hears none of its {} sources, other nodes hear {}",
            reporter.name,
            sources.len(),
            list(sources.iter().copied()),
        )];
        if answered {
            evidence
                .push("its peers answer it on their own port: only the way to port 123 is closed".to_owned());
        }
        self.excused.insert(reporter.name);
        self.claims.push(Claim {
            kind,
            subject: Subject::Node(reporter.name.to_owned()),
            coverage: digest.coverage(&digest.reporters),
            evidence,
            nodes: vec![reporter.name.to_owned()],
        });
    }

    /// Every node of a domain is deaf, and others hear what they asked.
    fn whole(&mut self, digest: &Digest<'f>, domain: &'f str, deaf: &[Reporter<'f>]) {
        let zones: BTreeSet<Option<&str>> = deaf.iter().map(|one| one.node.zone.as_deref()).collect();
        let inside = deaf.iter().flat_map(Reporter::sources).any(|source| {
            let declared = digest.fleet.sources.get(source);
            declared
                .is_some_and(|declared| declared.zone.is_some() && zones.contains(&declared.zone.as_deref()))
        });
        let (kind, subject) = match zones.first() {
            Some(Some(zone)) if zones.len() == 1 && *zone == domain => {
                // What stands inside should answer whoever is only cut off from outside.
                let kind = if inside { Kind::ZoneSilent } else { Kind::ZoneCut };
                (kind, Subject::Zone(domain.to_owned()))
            }
            _ => (Kind::UplinkLost, Subject::Egress(domain.to_owned())),
        };
        self.excused.extend(deaf.iter().map(|one| one.name));
        self.claims.push(Claim {
            kind,
            subject,
            coverage: digest.coverage(&digest.reporters),
            evidence: vec![format!(
                "none of {} nodes hears a source, nodes elsewhere hear the same ones",
                deaf.len()
            )],
            nodes: names(deaf),
        });
    }

    fn uplink(&mut self, digest: &Digest<'f>, domain: &'f str, reporters: &[Reporter<'f>], why: &str) {
        self.claims.push(Claim {
            kind: Kind::UplinkLost,
            subject: Subject::Egress(domain.to_owned()),
            coverage: digest.coverage(reporters),
            evidence: vec![why.to_owned()],
            nodes: names(reporters),
        });
        let sources = reporters.iter().flat_map(Reporter::sources);
        self.explained.extend(sources.map(|source| (domain, source)));
    }

    /// A domain that hears what is inside and nothing of at least two roots outside.
    fn outside(
        &mut self,
        digest: &Digest<'f>,
        domain: &'f str,
        all: &[Reporter<'f>],
        heard: &BTreeSet<&str>,
    ) {
        let reporters: Vec<Reporter<'f>> =
            all.iter().copied().filter(|one| !self.excused.contains(one.name)).collect();
        let mut outside: BTreeMap<&str, bool> = BTreeMap::new();
        let mut inside = false;
        for source in reporters.iter().flat_map(Reporter::sources).collect::<BTreeSet<_>>() {
            let Some(declared) = digest.fleet.sources.get(source) else { continue };
            let votes: Vec<bool> = reporters.iter().filter_map(|one| one.hears(source)).collect();
            if votes.is_empty() {
                continue;
            }
            let silent = votes.iter().filter(|hears| !**hears).count();
            let zones: BTreeSet<Option<&str>> =
                reporters.iter().map(|one| one.node.zone.as_deref()).collect();
            let near = declared.scope != Scope::Public
                && (declared.zone.as_deref().is_some_and(|zone| zones.contains(&Some(zone)))
                    || (declared.zone.is_none() && declared.scope == Scope::Local));
            if near {
                inside |= silent < votes.len();
            } else {
                outside.insert(source, nearly_all(silent, votes.len()));
            }
        }
        let roots: BTreeSet<&str> = outside
            .keys()
            .filter_map(|source| Some(digest.fleet.sources.get(*source)?.independence.as_str()))
            .collect();
        let lost = roots.len() >= 2 && outside.values().all(|silent| *silent);
        let elsewhere = outside.keys().any(|source| heard.contains(source));
        // Where another way out tried the same and failed too, it may be the sources.
        let alone = digest.domains().len() == 1 || elsewhere;
        if lost && inside && alone && reporters.len() >= 2 {
            let why = format!(
                "nothing from outside answers ({}), what is inside does",
                list(outside.keys().copied())
            );
            self.uplink(digest, domain, &reporters, &why);
        }
    }
}

/// Sources that do not answer those who can be believed.
pub(super) fn silent<'f>(digest: &Digest<'f>, cut: &Cut<'f>) -> Vec<Claim> {
    let sources: BTreeSet<&str> = digest.reporters.iter().flat_map(Reporter::sources).collect();
    sources.into_iter().flat_map(|source| of_source(digest, cut, source)).collect()
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
    if silent.is_empty() {
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
    if silent.len() == domains.len() {
        let (kind, why) = if refused && everybody.len() >= 2 {
            (
                Kind::SourceDead,
                format!("the host of {source} says that nobody listens, to {} nodes", missing.len()),
            )
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
        claim(Kind::SourceUnreachableFromEgress, subject, why, miss)
    };
    // One node alone in its domain cannot tell its own filter from the domain's.
    silent.iter().filter(|(_, miss)| miss.len() >= 2).map(from).collect()
}
