//! Nodes, zones and ways out that are cut off. A node that hears nothing accuses no source, a zone that hears nothing no
//! node: who is found here has no say on sources.

use super::claim::Claim;
use super::digest::{Digest, Reporter};
use super::finding::{Kind, Subject};
use super::fleet::Heard;
use super::reach::{names, nearly_all};
use crate::source::Scope;
use std::collections::{BTreeMap, BTreeSet};

/// What was found, and whose word on sources does not count because of it.
#[derive(Debug, Default)]
pub(super) struct Cut<'f> {
    pub claims: Vec<Claim>,
    pub excused: BTreeSet<&'f str>,
    /// Sources whose silence is explained, by domain.
    pub explained: BTreeSet<(&'f str, &'f str)>,
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
