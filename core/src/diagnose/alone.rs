//! What a node's own word, or its plan, is enough for.

use super::claim::Claim;
use super::cut::Cut;
use super::digest::{Digest, Reporter};
use super::finding::{Kind, Subject};
use super::vote::notice;
use crate::conditions::{ConditionKind, Status};
use crate::source::Timescale;
use crate::units::Nanos;
use std::collections::BTreeMap;

/// Fewer usable voters of different roots cannot outvote one liar.
const VOTERS: usize = 3;
/// More nodes with too few voters than this are one finding on all: one plan is to blame, not each node.
const EACH: usize = 3;
/// Longer than the hold of [`super::Figures`], with the seconds in which reports of one fault arrive.
const EXPLAINED: Nanos = Nanos::from_secs(15);

/// Another program steers the clock.
pub(super) fn competing(digest: &Digest<'_>) -> Vec<Claim> {
    let one = |reporter: &Reporter<'_>| Claim {
        kind: Kind::CompetingDaemon,
        subject: Subject::Node(reporter.name.to_owned()),
        coverage: digest.coverage([reporter]),
        evidence: vec![format!("the agent on {} found another program that steers its clock", reporter.name)],
        nodes: vec![reporter.name.to_owned()],
        patience: Nanos::ZERO,
    };
    let competes = |reporter: &&Reporter<'_>| reporter.report.clock.as_deref() == Some("CompetingDaemon");
    digest.reporters.iter().filter(competes).map(one).collect()
}

/// Too few roots among a node's usable voters. Not of nodes that are cut off, whose chronyd does not answer, that believe
/// nobody (their own trouble is another one), or that have not heard all of their sources yet.
pub(super) fn voters<'f>(digest: &Digest<'f>, cut: &Cut<'f>) -> Vec<Claim> {
    let few = |reporter: &&Reporter<'f>| {
        let views = &reporter.report.views;
        let down = reporter.report.status(ConditionKind::TimeDaemonDown) != Some(Status::False);
        let rejected = views.iter().filter(|view| view.rejected).count();
        let usable = views.iter().filter(|view| view.usable && !view.rejected);
        let mut roots: Vec<&str> = usable.map(|view| view.root.as_str()).collect();
        roots.sort_unstable();
        roots.dedup();
        let young = reporter.words.iter().any(|word| word.hears.is_none() && word.trouble.is_none());
        let knows = !down && !young && !views.is_empty() && rejected * 2 <= views.len();
        knows && !cut.excused.contains(reporter.name) && roots.len() < VOTERS
    };
    let short: Vec<&Reporter<'f>> = digest.reporters.iter().filter(few).collect();
    if short.len() > EACH {
        let names: Vec<String> = short.iter().map(|one| one.name.to_owned()).collect();
        return vec![Claim {
            kind: Kind::TooFewIndependentVoters,
            subject: Subject::Cluster,
            coverage: digest.coverage(short.iter().copied()),
            evidence: vec![format!(
                "{} nodes ({}) have fewer than {VOTERS} usable voters of different roots",
                names.len(),
                super::claim::some(&names)
            )],
            nodes: names,
            patience: patience(&short),
        }];
    }
    let claim = |reporter: &&Reporter<'f>| Claim {
        kind: Kind::TooFewIndependentVoters,
        subject: Subject::Node(reporter.name.to_owned()),
        coverage: digest.coverage([*reporter]),
        evidence: vec![format!("{} has fewer than {VOTERS} usable voters of different roots", reporter.name)],
        nodes: vec![reporter.name.to_owned()],
        patience: patience(&[reporter]),
    };
    short.iter().map(claim).collect()
}

/// A node that is being cut off, or boots, has too few on the way: its slowest source tells last. And what explains it is
/// told first: a zone that is cut off is proven after `notice`, and held for as long as [`EXPLAINED`] and two polls.
fn patience(of: &[&Reporter<'_>]) -> Nanos {
    let slowest =
        of.iter().flat_map(|one| &one.words).map(super::digest::Word::poll).max().unwrap_or_default();
    notice(slowest) + slowest.times(2) + EXPLAINED
}

/// Nodes that are compared follow different timescales, by their plans.
pub(super) fn timescales<'f>(digest: &Digest<'f>) -> Option<Claim> {
    let mut scales: BTreeMap<&Timescale, Vec<&Reporter<'f>>> = BTreeMap::new();
    for reporter in &digest.reporters {
        if let Some(scale) = &reporter.node.timescale {
            scales.entry(scale).or_default().push(reporter);
        }
    }
    let fewest = scales.values().min_by_key(|nodes| nodes.len()).filter(|_| scales.len() >= 2)?;
    Some(Claim {
        kind: Kind::MixedTimescales,
        subject: Subject::Cluster,
        coverage: digest.coverage(&digest.reporters),
        evidence: vec![format!(
            "{} timescales among the nodes: up to half a second apart for a day",
            scales.len()
        )],
        nodes: super::claim::names(fewest.iter().copied()),
        patience: Nanos::ZERO,
    })
}
