//! Who hears whom: nodes, zones and ways out that are cut off, then sources that do not answer the rest.
//!
//! What explains more is looked at first: a node that hears nothing accuses no source, a zone that hears nothing no node.
//! Pairs that never worked are no evidence.

use super::claim::Claim;
use super::digest::{Digest, Reporter};
use super::finding::{Kind, Subject};
use super::fleet::{Heard, Trouble};
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
        .flat_map(|one| one.sources().into_iter().filter(|source| one.hears(source) == Some(true)))
        .collect();
    for (domain, reporters) in digest.by_domain() {
        let deaf: Vec<Reporter<'f>> = reporters.iter().copied().filter(Reporter::is_deaf).collect();
        let shares = |reporter: &Reporter<'_>| reporter.sources().iter().any(|source| heard.contains(source));
        if deaf.len() == reporters.len() && deaf.len() >= 2 {
            if deaf.iter().any(shares) {
                cut.whole(digest, domain, &deaf);
            }
        } else {
            for reporter in deaf.into_iter().filter(|reporter| shares(reporter)) {
                cut.node(digest, reporter);
            }
        }
        cut.outside(digest, domain, &reporters, &heard);
    }
    cut.dark(digest);
    cut
}

/// Where a source stands, as one domain sees it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Inside,
    Elsewhere,
    Public,
}

impl<'f> Cut<'f> {
    fn node(&mut self, digest: &Digest<'f>, reporter: Reporter<'f>) {
        let peers = reporter.report.peers.iter().filter(|peer| peer.ever);
        let answers: Vec<bool> = peers.map(|peer| peer.answers).collect();
        let (kind, more) = match (answers.contains(&true), answers.is_empty()) {
            (true, _) => (
                Kind::NtpBlockedOnNode,
                "its peers answer it on their own port: only the way to port 123 is closed",
            ),
            (false, false) => (Kind::NodeIsolated, "nor does any of its peers answer it"),
            (false, true) => (Kind::NodeCutOff, "it has no peers that could tell how far it is cut off"),
        };
        let sources = reporter.sources();
        let evidence = vec![
            format!(
                "{} hears none of its {} sources, other nodes hear {}",
                reporter.name,
                sources.len(),
                list(sources.iter().copied()),
            ),
            more.to_owned(),
        ];
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
        let inside = deaf
            .iter()
            .flat_map(Reporter::sources)
            .any(|source| place(digest, deaf, source) == Place::Inside);
        let (kind, subject) = match zone(deaf) {
            // What stands inside should answer whoever is only cut off from outside.
            Some(zone) if inside => (Kind::ZoneSilent, Subject::Zone(zone.to_owned())),
            Some(zone) => (Kind::ZoneCut, Subject::Zone(zone.to_owned())),
            None => (Kind::UplinkLost, Subject::Egress(domain.to_owned())),
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

    /// A domain that hears what is near and nothing from further out: a whole zone, or its way to the public ones.
    fn outside(
        &mut self,
        digest: &Digest<'f>,
        domain: &'f str,
        all: &[Reporter<'f>],
        heard: &BTreeSet<&str>,
    ) {
        let reporters: Vec<Reporter<'f>> =
            all.iter().copied().filter(|one| !self.excused.contains(one.name)).collect();
        if reporters.len() < 2 {
            return;
        }
        // Heard, silent: by where they stand.
        let (mut near, mut site, mut public) = ((vec![], vec![]), (vec![], vec![]), (vec![], vec![]));
        for source in reporters.iter().flat_map(Reporter::sources).collect::<BTreeSet<_>>() {
            let votes: Vec<bool> = reporters.iter().filter_map(|one| one.hears(source)).collect();
            if votes.is_empty() {
                continue;
            }
            let silent = votes.iter().filter(|hears| !**hears).count();
            let pile = match place(digest, &reporters, source) {
                Place::Inside => &mut near,
                Place::Elsewhere => &mut site,
                Place::Public => &mut public,
            };
            if nearly_all(silent, votes.len()) { pile.1.push(source) } else { pile.0.push(source) }
        }
        let elsewhere = |sources: &[&str]| sources.iter().any(|source| heard.contains(source));
        let alone = digest.domains().len() == 1;
        let outer: Vec<&'f str> = site.1.iter().chain(&public.1).copied().collect();
        let cut_off = site.0.is_empty() && public.0.is_empty() && !site.1.is_empty() && !near.0.is_empty();
        let coverage = digest.coverage(&reporters);
        let nodes = names(&reporters);
        let claim = |kind, subject, sources: &[&str]| Claim {
            kind,
            subject,
            coverage,
            evidence: vec![format!(
                "nothing from outside answers ({}), what is inside does ({})",
                list(sources.iter().copied()),
                list(near.0.iter().chain(&site.0).copied())
            )],
            nodes: nodes.clone(),
        };
        if let Some(zone) = zone(&reporters)
            && cut_off
            && roots(digest, &outer) >= 2
            && elsewhere(&outer)
        {
            self.claims.push(claim(Kind::ZoneCut, Subject::Zone(zone.to_owned()), &outer));
            self.explained.extend(outer.iter().map(|source| (domain, *source)));
            self.hidden(digest, zone);
        } else if public.0.is_empty()
            && roots(digest, &public.1) >= 2
            && !(near.0.is_empty() && site.0.is_empty())
            && (alone || elsewhere(&public.1))
        {
            self.claims.push(claim(Kind::UplinkLost, Subject::Egress(domain.to_owned()), &public.1));
            self.explained.extend(public.1.iter().map(|source| (domain, *source)));
        }
    }

    /// Zones whose agents are all silent: what stands there is as unheard as they are.
    fn dark(&mut self, digest: &Digest<'f>) {
        let mut zones: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for node in digest.fleet.nodes.values() {
            if let Some(zone) = &node.zone {
                let counts = zones.entry(zone).or_default();
                counts.0 += usize::from(matches!(node.heard, Heard::Silent(_)));
                counts.1 += 1;
            }
        }
        for (zone, (silent, all)) in zones {
            if silent == all && all >= 2 {
                self.hidden(digest, zone);
            }
        }
    }

    /// What stands in that zone cannot be heard from outside it.
    fn hidden(&mut self, digest: &Digest<'f>, zone: &str) {
        for reporter in digest.reporters.iter().filter(|one| one.node.zone.as_deref() != Some(zone)) {
            for source in reporter.sources() {
                let there = digest.fleet.sources.get(source).and_then(|declared| declared.zone.as_deref());
                if there == Some(zone) {
                    self.explained.insert((reporter.domain, source));
                }
            }
        }
    }
}

/// The one zone that these are all of.
fn zone<'f>(reporters: &[Reporter<'f>]) -> Option<&'f str> {
    let zones: BTreeSet<Option<&'f str>> = reporters.iter().map(|one| one.node.zone.as_deref()).collect();
    zones.first().copied().flatten().filter(|_| zones.len() == 1)
}

fn place(digest: &Digest<'_>, reporters: &[Reporter<'_>], source: &str) -> Place {
    let Some(declared) = digest.fleet.sources.get(source) else { return Place::Public };
    let here = |zone: &str| reporters.iter().any(|one| one.node.zone.as_deref() == Some(zone));
    match (declared.scope, declared.zone.as_deref()) {
        (Scope::Public, _) => Place::Public,
        (_, Some(zone)) if here(zone) => Place::Inside,
        (Scope::Local, None) => Place::Inside,
        _ => Place::Elsewhere,
    }
}

fn roots(digest: &Digest<'_>, sources: &[&str]) -> usize {
    let root = |source: &&str| Some(digest.fleet.sources.get(*source)?.independence.as_str());
    sources.iter().filter_map(root).collect::<BTreeSet<_>>().len()
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
    let users = digest.reporters.iter().filter(|one| one.views(source).next().is_some()).count();
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
    let all: BTreeSet<&str> =
        digest.reporters.iter().flat_map(Reporter::sources).filter(|one| is_such(one)).collect();
    let heard = |source: &&str| digest.reporters.iter().any(|one| one.hears(source) == Some(true));
    !all.iter().any(heard)
}
