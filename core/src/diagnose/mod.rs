//! # Diagnose: what all nodes together prove that one alone cannot
//!
//! **Role.** One node cannot tell "my source lies" from "I am cut off" from "the upstream is dead". All nodes together
//! often can; where they cannot, the general word is said and not the specific one. **In.** A [`Fleet`](fleet::Fleet):
//! what each agent published last and how fresh that is, and what is declared of the sources; and what was found before.
//! **Out.** [`Finding`]s. **Must never** compare two machines' wall clocks (law 3): every offset here is one node's own
//! measurement against a source that others measured too; take silence for evidence (law 2); or count heads where
//! failure domains vote. Half built: tested in simulation, asked by nobody yet (docs/findings.md).
//!
//! ```text
//! fleet ─▶ who may speak ([`digest`]) ─▶ who is cut off ([`cut`]) ─▶ who does not answer ([`reach`])
//!       ─▶ what sources say of themselves ([`words`])
//!       ─▶ whose clock is wrong ([`clocks`]) ─▶ who is not believed ([`dissent`]) ─▶ what is left ([`alone`])
//!       ─▶ held for as long as it takes to be no blink ([`Memory`]) ─▶ findings
//! ```
//!
//! What explains more is looked at first and takes its nodes out of what follows: a node that hears nothing accuses no
//! source, a clock that is wrong calls no source a liar.

mod alone;
mod claim;
mod clocks;
mod cut;
mod digest;
mod dissent;
pub mod finding;
pub mod fleet;
mod reach;
#[cfg(test)]
mod tests;
mod words;

use crate::clocks::BootTime;
use crate::units::Nanos;
use claim::Claim;
use finding::{Finding, Kind, Subject};
use fleet::Fleet;
use std::collections::{BTreeMap, BTreeSet};

/// How long things have to be so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// Before a finding is told: reports of one fault arrive seconds apart.
    pub hold: Nanos,
    /// Before it is taken back.
    pub clear: Nanos,
}

impl Default for Figures {
    fn default() -> Self {
        Self { hold: Nanos::from_secs(10), clear: Nanos::from_secs(30) }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Standing {
    finding: Finding,
    told: bool,
    last_seen: BootTime,
    /// It was not found at the last look.
    gone: bool,
}

/// What was found before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    standing: BTreeMap<(Kind, Subject), Standing>,
}

/// One look at the fleet: what is remembered, and what is found now, in order of word and subject.
pub fn diagnose(memory: &Memory, fleet: &Fleet, figures: &Figures) -> (Memory, Vec<Finding>) {
    let mut next = memory.clone();
    next.standing.values_mut().for_each(|one| one.gone = true);
    let claims = claims(fleet);
    for claim in claims {
        let key = (claim.kind, claim.subject.clone());
        let (since, told) =
            next.standing.get(&key).map_or((fleet.now, false), |known| (known.finding.since, known.told));
        let told = told || fleet.now - since >= figures.hold;
        let confidence = claim.confidence();
        let Claim { kind, subject, coverage, evidence, mut nodes } = claim;
        nodes.sort_unstable();
        nodes.truncate(100);
        let finding = Finding { kind, subject, since, confidence, coverage, evidence, nodes };
        next.standing.insert(key, Standing { finding, told, last_seen: fleet.now, gone: false });
    }
    next.standing.retain(|_, one| !one.gone || (one.told && fleet.now - one.last_seen < figures.clear));
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

/// What all rules say of one moment.
fn claims(fleet: &Fleet) -> Vec<Claim> {
    let digest = digest::Digest::of(fleet);
    let mut claims = alone::silent(&digest);
    claims.extend(alone::competing(&digest));
    if digest.is_mute() {
        // Too few speak to say anything of what they speak of.
        return claims;
    }
    let mut cut = cut::cut(&digest);
    claims.append(&mut cut.claims);
    claims.extend(reach::silent(&digest, &cut));
    claims.extend(words::claims(&digest, &cut));
    let faulty = clocks::faulty(&digest, &cut);
    let wrong: BTreeSet<String> = faulty.iter().flat_map(|claim| claim.nodes.clone()).collect();
    claims.extend(faulty);
    let scales = alone::timescales(&digest);
    // Never across timescales.
    let groups = clocks::groups(&digest, &cut).filter(|_| scales.is_none());
    let mut dissents = dissent::claims(&digest, &cut, &wrong);
    if groups.is_some() {
        // A witness that one of two groups rejects is what told them apart.
        dissents.retain(|claim| !digest.is_witness(&claim.subject));
    }
    claims.extend(groups);
    claims.extend(scales);
    claims.extend(dissents);
    claims.extend(alone::voters(&digest, &cut));
    claims
}
