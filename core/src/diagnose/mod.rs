//! # Diagnose: what all nodes together prove that one alone cannot
//!
//! **Role.** One node cannot tell "my source lies" from "I am cut off" from "the upstream is dead". All nodes together
//! often can; where they cannot, the general word is said and not the specific one. **In.** A [`Fleet`](fleet::Fleet):
//! what each agent published last and how fresh that is, and what is declared of the sources; and what was found before.
//! **Out.** [`Finding`]s. **Must never** compare two machines' wall clocks (law 3): every offset here is one node's own
//! measurement against a source that others measured too; take silence for evidence (law 2); or count heads where
//! failure domains vote.
//!
//! ```text
//! fleet ─▶ who says what since when ([`past`], [`digest`]) ─▶ agents that are not heard ([`agents`])
//!       ─▶ who is cut off ([`cut`]) ─▶ who does not answer ([`reach`]) ─▶ what sources say of themselves ([`words`])
//!       ─▶ whose clock is wrong ([`clocks`], [`groups`]) ─▶ who is not believed ([`dissent`]) ─▶ what is left ([`alone`])
//!       ─▶ held for as long as it takes to be no blink ([`Memory`]) ─▶ findings
//! ```
//!
//! What explains more is looked at first and takes its nodes out of what follows: a node that hears nothing accuses no
//! source, a clock that is wrong calls no source a liar. What rests on others' being well rests on words of the same time
//! ([`vote`]).

mod agents;
mod alone;
mod claim;
mod clocks;
mod cut;
mod digest;
mod dissent;
pub mod finding;
pub mod fleet;
mod groups;
mod past;
mod reach;
#[cfg(test)]
mod tests;
mod vote;
mod words;

use crate::clocks::BootTime;
use crate::units::Nanos;
use claim::Claim;
use digest::Digest;
use finding::{Finding, Kind, Subject};
use fleet::Fleet;
use past::Past;
use std::collections::{BTreeMap, BTreeSet};

/// How long things have to be so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Before a finding is told: reports of one fault arrive seconds apart. Some words wait longer by themselves.
    pub hold: Nanos,
    /// Before it is taken back.
    pub clear: Nanos,
    /// Evidence and numbers of a standing finding are told anew no oftener than this (law 9).
    pub refresh: Nanos,
}

impl Default for Figures {
    fn default() -> Self {
        Self { hold: Nanos::from_secs(10), clear: Nanos::from_secs(30), refresh: Nanos::from_secs(300) }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Standing {
    finding: Finding,
    /// It may be told from here.
    from: BootTime,
    told: bool,
    last_seen: BootTime,
    refreshed: BootTime,
    /// It was not found at the last look.
    gone: bool,
}

/// What was found before, and what the nodes said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    standing: BTreeMap<(Kind, Subject), Standing>,
    past: Past,
    unjudged: BTreeSet<String>,
    /// When time alone proves something more.
    proof: Option<BootTime>,
}

impl Memory {
    /// Nodes whose own clock looks faulty, and so many at once that it is no node's own fault.
    pub fn unjudged(&self) -> &BTreeSet<String> {
        &self.unjudged
    }

    /// Nothing could be heard until now: no time has passed for what is held or about to be taken back.
    pub fn after_gap(&mut self, now: BootTime) {
        for one in self.standing.values_mut() {
            one.last_seen = now;
            if !one.told {
                one.from = one.from + (now - one.finding.since);
                one.finding.since = now;
            }
        }
    }

    /// The next moment at which something may be told or taken back though nobody writes.
    pub fn next_look(&self, figures: &Figures) -> Option<BootTime> {
        let moment = |one: &Standing| match (one.gone, one.told) {
            (true, _) => Some(one.last_seen + figures.clear),
            (false, false) => Some(one.from),
            (false, true) => None,
        };
        self.standing.values().filter_map(moment).chain(self.proof).min()
    }
}

/// One look at the fleet: what is remembered, and what is found now, in order of word and subject.
pub fn diagnose(memory: Memory, fleet: &Fleet, figures: &Figures) -> (Memory, Vec<Finding>) {
    let mut next = memory;
    let now = fleet.now;
    next.standing.values_mut().for_each(|one| one.gone = true);
    let digest = Digest::of(fleet, &mut next.past);
    let (claims, unjudged) = claims(&digest);
    next.unjudged = unjudged;
    next.proof = digest.next_proof();
    for claim in claims {
        let key = (claim.kind, claim.subject.clone());
        let before = next.standing.remove(&key);
        // The same trouble by a more general or more specific word has been waiting already.
        let alike = |(kind, subject): &(Kind, Subject)| {
            *subject == key.1 && (kind.general() == Some(key.0) || key.0.general() == Some(*kind))
        };
        let waiting =
            next.standing.iter().filter(|(other, _)| alike(other)).map(|(_, one)| one.finding.since);
        let since = before.as_ref().map(|known| known.finding.since).or_else(|| waiting.min()).unwrap_or(now);
        next.standing.insert(key, stand(before, claim, since, now, figures));
    }
    next.standing.retain(|_, one| !one.gone || (one.told && now - one.last_seen < figures.clear));
    let told = |kind: Kind, subject: &Subject| {
        next.standing.get(&(kind, subject.clone())).is_some_and(|one| one.told)
    };
    // Where the specific word is told the general one is not said besides.
    let covered: BTreeSet<(Kind, Subject)> = next
        .standing
        .keys()
        .filter(|(kind, subject)| told(*kind, subject))
        .filter_map(|(kind, subject)| Some((kind.general()?, subject.clone())))
        .collect();
    let findings = next
        .standing
        .iter()
        .filter(|(key, one)| one.told && !covered.contains(*key))
        .map(|(_, one)| one.finding.clone())
        .collect();
    (next, findings)
}

/// A claim made once more, or for the first time.
fn stand(
    before: Option<Standing>,
    claim: Claim,
    since: BootTime,
    now: BootTime,
    figures: &Figures,
) -> Standing {
    let confidence = claim.confidence();
    let Claim { kind, subject, coverage, evidence, mut nodes, patience } = claim;
    nodes.sort_unstable();
    nodes.truncate(MOST_NODES);
    let from = before.as_ref().map_or(since + figures.hold.max(patience), |known| known.from);
    let told = before.as_ref().is_some_and(|known| known.told) || now >= from;
    let finding = Finding { kind, subject, since, confidence, coverage, evidence, nodes };
    let fresh = |finding| Standing { finding, from, told, last_seen: now, refreshed: now, gone: false };
    match before {
        // Numbers that wander are no news, and every telling is a write.
        Some(known)
            if known.told
                && known.finding.confidence == confidence
                && (known.finding == finding || now - known.refreshed < figures.refresh) =>
        {
            Standing { last_seen: now, gone: false, ..known }
        }
        Some(_) | None => fresh(finding),
    }
}

/// Names in a finding at most.
const MOST_NODES: usize = 100;

/// What all rules say of one moment; and whose clock cannot be judged.
fn claims(digest: &Digest<'_>) -> (Vec<Claim>, BTreeSet<String>) {
    let mut claims = agents::silent(digest);
    claims.extend(alone::competing(digest));
    if digest.is_mute() {
        // Too few speak to say anything of what they speak of.
        return (claims, BTreeSet::new());
    }
    let mut cut = cut::cut(digest);
    claims.append(&mut cut.claims);
    claims.extend(reach::silent(digest, &cut));
    claims.extend(words::claims(digest, &cut));
    let faulty = clocks::faulty(digest, &cut);
    let wrong: BTreeSet<String> =
        faulty.claims.iter().flat_map(|claim| claim.nodes.clone()).chain(faulty.unjudged.clone()).collect();
    claims.extend(faulty.claims);
    let groups = groups::groups(digest, &cut);
    let mut dissents = dissent::claims(digest, &cut, &wrong);
    if groups.is_some() {
        // A witness that one of two groups rejects is what told them apart.
        dissents.retain(|claim| !digest.is_witness(&claim.subject));
    }
    claims.extend(groups);
    claims.extend(alone::timescales(digest));
    claims.extend(dissents);
    claims.extend(alone::voters(digest, &cut));
    (claims, faulty.unjudged)
}
