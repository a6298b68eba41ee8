//! Nodes, zones and ways out that are cut off. A node that hears nothing accuses no source, a zone that hears nothing no
//! node: who is found here has no say on sources.

use super::claim::{Claim, list, names};
use super::digest::{Digest, Reporter};
use super::finding::{Kind, Subject};
use super::fleet::Heard;
use super::past::Ask;
use super::vote::Vote;
use crate::clocks::BootTime;
use crate::peers::ask;
use crate::source::Scope;
use crate::units::Nanos;
use std::collections::{BTreeMap, BTreeSet};

/// What was found, and whose word on sources does not count because of it.
#[derive(Debug, Default)]
pub(super) struct Cut<'f> {
    pub claims: Vec<Claim>,
    pub excused: BTreeSet<&'f str>,
    /// Sources whose silence is explained, by domain.
    pub explained: BTreeSet<(&'f str, &'f str)>,
}

/// Nodes and domains that hear nothing, or nothing from outside.
pub(super) fn cut<'f>(digest: &Digest<'f>) -> Cut<'f> {
    let mut cut = Cut::default();
    for (domain, reporters) in digest.by_domain() {
        let deaf: Vec<(&Reporter<'f>, BootTime)> =
            reporters.iter().filter_map(|one| Some((*one, one.deaf()?))).collect();
        // Deaf nodes accuse nobody of what others hear, whether or not it is proven yet that they hear it still.
        let heard = |one: &Reporter<'f>| {
            let mut users = one.words.iter().flat_map(|word| digest.users(word.source));
            users.any(|(_, word)| word.hears == Some(true))
        };
        cut.excused.extend(deaf.iter().filter(|(one, _)| heard(one)).map(|(one, _)| one.name));
        if deaf.len() == reporters.len() && deaf.len() >= 2 {
            cut.whole(digest, domain, &deaf);
        } else {
            for (reporter, since) in deaf {
                cut.node(digest, reporter, since);
            }
        }
        cut.outside(digest, domain, &reporters);
    }
    cut.dark(digest);
    cut
}

/// Where a source stands, as one domain sees it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Inside,
    Elsewhere,
    Public,
}

/// Those of a deaf node's sources that two other nodes – or the only other one – heard after it went deaf.
fn heard_by_others<'f>(digest: &Digest<'f>, reporter: &Reporter<'f>, since: BootTime) -> Vec<&'f str> {
    let heard = |source: &&str| {
        let others =
            digest.users(source).filter(|(one, word)| one.name != reporter.name && word.hears.is_some());
        let (mut all, mut well) = (0_usize, 0_usize);
        for (_, word) in others {
            all += 1;
            well += usize::from(word.hears == Some(true) && word.proof.stands(since, digest.now));
        }
        well >= all.clamp(1, 2)
    };
    reporter.words.iter().filter(|word| word.hears.is_some()).map(|word| word.source).filter(heard).collect()
}

/// Who says so may be about to hear again, as others already do.
fn patience(reporters: &[&Reporter<'_>]) -> Nanos {
    let polls = reporters.iter().flat_map(|one| &one.words).map(super::digest::Word::poll);
    polls.max().unwrap_or(Nanos::ZERO).times(2)
}

/// After so long a peer that is told to answer has answered since: three questions in a row, a tenth apart from their minute,
/// would have told otherwise, and the way here.
pub(super) fn peers_tell() -> Nanos {
    ask::EVERY.times(i64::from(ask::SILENT)).scaled(11, 10) + ask::DEADLINE.times(2)
}

impl<'f> Cut<'f> {
    fn node(&mut self, digest: &Digest<'f>, reporter: &Reporter<'f>, since: BootTime) {
        let heard = heard_by_others(digest, reporter, since);
        if heard.is_empty() {
            return;
        }
        let peers = reporter.report.peers.iter().filter(|peer| peer.ever);
        let answers: Vec<bool> = peers.map(|peer| peer.answers).collect();
        let (kind, more) = if answers.is_empty() {
            (Kind::NodeCutOff, "it has no peers that could tell how far it is cut off")
        } else if !answers.contains(&true) {
            (Kind::NodeIsolated, "nor does any of its peers answer it")
        } else if reporter.node.ready && digest.now - since >= peers_tell() {
            (
                Kind::NtpBlockedOnNode,
                "its peers answer it on their own port: only the way to port 123 is closed",
            )
        } else {
            (Kind::NodeCutOff, "whether its peers have answered it since then is not known yet")
        };
        let evidence = vec![
            format!(
                "{} hears none of its {} sources, other nodes hear {}",
                reporter.name,
                reporter.words.len(),
                list(heard),
            ),
            more.to_owned(),
        ];
        let claim = Claim {
            kind,
            subject: Subject::Node(reporter.name.to_owned()),
            coverage: digest.coverage(&digest.reporters),
            evidence,
            nodes: vec![reporter.name.to_owned()],
            patience: patience(&[reporter]),
        };
        self.claims.push(claim);
    }

    /// Every node of a domain is deaf, and others hear what they asked.
    fn whole(&mut self, digest: &Digest<'f>, domain: &'f str, deaf: &[(&Reporter<'f>, BootTime)]) {
        let heard =
            |(one, since): &(&Reporter<'f>, BootTime)| !heard_by_others(digest, one, *since).is_empty();
        if !deaf.iter().any(heard) {
            return;
        }
        let nodes: Vec<&Reporter<'f>> = deaf.iter().map(|(one, _)| *one).collect();
        let words = nodes.iter().flat_map(|one| &one.words);
        let inside = words.into_iter().any(|word| place(digest, &nodes, word.source) == Place::Inside);
        let (kind, subject) = match zone(digest, &nodes) {
            // What stands inside should answer whoever is only cut off from outside.
            Some(zone) if inside => (Kind::ZoneSilent, Subject::Zone(zone.to_owned())),
            Some(zone) => (Kind::ZoneCut, Subject::Zone(zone.to_owned())),
            None => (Kind::ZoneSilent, Subject::Egress(domain.to_owned())),
        };
        let why = format!("none of {} nodes hears a source, nodes elsewhere hear the same ones", deaf.len());
        self.claims.push(Claim {
            kind,
            subject,
            coverage: digest.coverage(&digest.reporters),
            evidence: vec![why],
            nodes: names(nodes.iter().copied()),
            patience: patience(&nodes),
        });
    }

    /// A domain that hears what is near and nothing from further out: a whole zone, or its way to the public ones.
    fn outside(&mut self, digest: &Digest<'f>, domain: &'f str, all: &[&Reporter<'f>]) {
        let reporters: Vec<&Reporter<'f>> =
            all.iter().copied().filter(|one| !self.excused.contains(one.name)).collect();
        if reporters.len() < 2 {
            return;
        }
        let silence = |one: &&Reporter<'f>| one.words.iter().any(|word| word.since(Ask::Silent).is_some());
        if !reporters.iter().any(silence) {
            return;
        }
        // Silent with since when, or not: by where they stand.
        let mut silent: BTreeMap<&'f str, (Place, BootTime)> = BTreeMap::new();
        let mut other: BTreeMap<&'f str, Place> = BTreeMap::new();
        let sources: BTreeSet<&'f str> =
            reporters.iter().flat_map(|one| one.words.iter().map(|word| word.source)).collect();
        let mut votes = BTreeMap::new();
        for source in sources {
            let vote = Vote::of(digest, source, Ask::Silent, |one| !self.excused.contains(one.name));
            let Some(tally) = vote.domains.get(domain) else { continue };
            let place = place(digest, &reporters, source);
            match tally.since().filter(|_| tally.agreed()) {
                Some(since) => drop(silent.insert(source, (place, since))),
                None => drop(other.insert(source, place)),
            }
            votes.insert(source, vote);
        }
        let Some(since) = silent.values().map(|(_, since)| *since).max() else { return };
        let of = |wanted: Place| {
            silent.iter().filter(move |(_, (place, _))| *place == wanted).map(|(source, _)| *source)
        };
        let answers = |wanted: Place| other.values().any(|place| *place == wanted);
        // What answers in spite of it: heard after all else had gone.
        let well = |place: &Place, source: &str| {
            let tally = votes.get(source).and_then(|vote| vote.domains.get(domain));
            (*place != Place::Public) && tally.is_some_and(|tally| tally.well(since, digest.now) >= 2)
        };
        let near: Vec<(&str, Place)> =
            other.iter().filter(|(source, place)| well(place, source)).map(|(s, p)| (*s, *p)).collect();
        let elsewhere = |sources: &[&str]| {
            sources.iter().any(|source| {
                let others = votes.get(source).into_iter().flat_map(|vote| &vote.domains);
                let others: Vec<_> =
                    others.filter(|(name, _)| **name != domain).map(|(_, tally)| tally).collect();
                let all: usize = others.iter().map(|tally| tally.yes.len() + tally.no.len()).sum();
                let well: usize = others.iter().map(|tally| tally.well(since, digest.now)).sum();
                all > 0 && well >= all.min(2)
            })
        };
        let outer: Vec<&'f str> = of(Place::Elsewhere).chain(of(Place::Public)).collect();
        let public: Vec<&'f str> = of(Place::Public).collect();
        let claim = |kind, subject, sources: &[&str]| Claim {
            kind,
            subject,
            coverage: digest.coverage(reporters.iter().copied()),
            evidence: vec![format!(
                "nothing from outside answers ({}), what is inside does ({})",
                list(sources.iter().copied()),
                list(near.iter().map(|(source, _)| *source))
            )],
            nodes: names(reporters.iter().copied()),
            patience: patience(&reporters),
        };
        let cut_off = of(Place::Elsewhere).next().is_some()
            && !answers(Place::Elsewhere)
            && !answers(Place::Public)
            && near.iter().any(|(_, place)| *place == Place::Inside);
        if cut_off
            && let Some(zone) = zone(digest, &reporters)
            && roots(digest, &outer) >= 2
            && elsewhere(&outer)
        {
            self.claims.push(claim(Kind::ZoneCut, Subject::Zone(zone.to_owned()), &outer));
            self.explained.extend(outer.iter().map(|source| (domain, *source)));
            self.hidden(digest, zone);
        } else if !answers(Place::Public)
            && roots(digest, &public) >= 2
            && !near.is_empty()
            && (digest.domains.len() == 1 || elsewhere(&public))
        {
            self.claims.push(claim(Kind::UplinkLost, Subject::Egress(domain.to_owned()), &public));
            self.explained.extend(public.iter().map(|source| (domain, *source)));
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
            for word in &reporter.words {
                let there =
                    digest.fleet.sources.get(word.source).and_then(|declared| declared.zone.as_deref());
                if there == Some(zone) {
                    self.explained.insert((reporter.domain, word.source));
                }
            }
        }
    }
}

/// The one zone that these are all of, and that has no fresh reporter besides.
fn zone<'f>(digest: &Digest<'f>, reporters: &[&Reporter<'f>]) -> Option<&'f str> {
    let zones: BTreeSet<Option<&'f str>> = reporters.iter().map(|one| one.node.zone.as_deref()).collect();
    let zone = zones.first().copied().flatten().filter(|_| zones.len() == 1)?;
    let domain = reporters.first()?.domain;
    let of_it = digest.reporters.iter().filter(|one| one.node.zone.as_deref() == Some(zone));
    of_it.into_iter().all(|one| one.domain == domain).then_some(zone)
}

pub(super) fn place(digest: &Digest<'_>, reporters: &[&Reporter<'_>], source: &str) -> Place {
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
    let views = sources.iter().flat_map(|source| digest.users(source)).flat_map(|(_, word)| &word.views);
    views.map(|view| view.root.as_str()).collect::<BTreeSet<_>>().len()
}
