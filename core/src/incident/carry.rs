//! One record at one look: what a claim adds to it, and what its absence means.

use super::cause::Cause;
use super::claims::breached;
use super::record::{MAX_ACTIONS, MAX_NAMES, Record, Scope, State, What, line};
use super::severity::{Reach, severity};
use super::words::{human, summary};
use super::{Claim, Figures, Look, Switched, Told, record};
use crate::clocks::BootTime;
use crate::diagnose::finding::Subject;
use crate::units::Nanos;

/// More changes of the word are not told: two rules that take turns are no news.
const MAX_REFINED: usize = 4;

fn reach(look: &Look<'_>, claim: &Claim) -> Reach {
    let zones: std::collections::BTreeSet<&str> =
        claim.nodes.iter().filter_map(|node| look.nodes.get(node)?.as_deref()).collect();
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Reach {
        nodes: count(claim.nodes.len()),
        of: count(look.nodes.len()),
        zones: count(zones.len()),
        wrong: count(claim.breaches.len()),
    }
}

pub(super) fn severity_of(look: &Look<'_>, claim: &Claim) -> super::Severity {
    severity(claim.cause.kind(), reach(look, claim))
}

/// A record of what has just begun.
pub(super) fn begin(look: &Look<'_>, claim: &Claim, elapsed: Nanos) -> Record {
    let mut record = Record {
        cause: claim.cause.clone(),
        state: State::Open,
        joined: None,
        severity: severity_of(look, claim),
        summary: String::new(),
        evidence: Vec::new(),
        scope: Scope::default(),
        breached: Vec::new(),
        timeline: Vec::new(),
        actions: Vec::new(),
        detect: elapsed,
        respond: None,
        recover: None,
        relapses: 0,
        elapsed,
        interrupted: false,
        observed: 0,
    };
    widen(&mut record, look, claim);
    let text = format!("{} after the first evidence", human(elapsed));
    record.note(What::Detected, look.wall, elapsed, &text);
    record
}

/// A claim on a record that is there. `elapsed` since the first evidence.
pub(super) fn carry(record: &mut Record, look: &Look<'_>, claim: &Claim, elapsed: Nanos) -> Option<Told> {
    refine(record, look, claim, elapsed);
    let told = match record.state {
        State::Open => None,
        State::Recovered | State::Closed => {
            record.state = State::Open;
            record.joined = None;
            record.recover = None;
            record.relapses = record.relapses.saturating_add(1);
            let text = format!("{} stands again", claim.cause.word());
            record.note(What::Relapsed, look.wall, elapsed, &text);
            Some(Told::Relapsed)
        }
    };
    widen(record, look, claim);
    told
}

fn refine(record: &mut Record, look: &Look<'_>, claim: &Claim, elapsed: Nanos) {
    if record.cause == claim.cause {
        return;
    }
    let less = match (record.cause.kind(), claim.cause.kind()) {
        (Some(known), Some(new)) => known.general() == Some(new),
        (Some(_), None) => true,
        (None, _) => false,
    };
    let told = record.timeline.iter().filter(|entry| entry.what == What::Refined).count();
    // What was proven once is not unproven by weaker evidence.
    if less || told >= MAX_REFINED {
        return;
    }
    let text = format!("{} instead of {}", claim.cause.word(), record.cause.word());
    record.cause = match &claim.cause {
        Cause::Breach { node, reason } => Cause::Breach { node: node.clone(), reason: line(reason) },
        other @ (Cause::Found { .. } | Cause::Fleet) => other.clone(),
    };
    record.note(What::Refined, look.wall, elapsed, &text);
    record.evidence(claim.evidence.iter().cloned());
}

/// Scope, breaches and severity: at their worst.
fn widen(record: &mut Record, look: &Look<'_>, claim: &Claim) {
    let now = reach(look, claim);
    let scope = &mut record.scope;
    scope.nodes = scope.nodes.max(now.nodes);
    scope.of = scope.of.max(now.of);
    scope.zones = scope.zones.max(now.zones);
    scope.wrong = scope.wrong.max(now.wrong);
    for node in &claim.nodes {
        if scope.names.len() < MAX_NAMES && !scope.names.contains(node) {
            scope.names.push(node.clone());
        }
    }
    for breach in &claim.breaches {
        if record.breached.len() < MAX_NAMES && !record.breached.iter().any(|known| known.node == breach.node)
        {
            record.breached.push(breached(breach));
        }
    }
    let louder = severity(claim.cause.kind(), now);
    record.severity = record.severity.min(louder);
    // Evidence is that of the beginning: its figures change with every look.
    if record.evidence.is_empty() {
        record.evidence(claim.evidence.iter().cloned());
    }
    for known in claim.evidence.iter().filter(|text| text.ends_with("follows from this")) {
        record.evidence([known.clone()]);
    }
    record.summary = summary(record);
}

/// What the agents of its nodes did. `began` = the first evidence on this machine's BOOTTIME.
pub(super) fn act(record: &mut Record, look: &Look<'_>, figures: &Figures, began: BootTime) {
    let source = match record.cause.subject() {
        Subject::Source(name) | Subject::SourceFrom { source: name, .. } => Some(name),
        Subject::Node(_) | Subject::Zone(_) | Subject::Egress(_) | Subject::Cluster => None,
    };
    let concerns = |switch: &&Switched| {
        record.scope.names.contains(&switch.node)
            && switch.at - began >= -figures.lead
            && source.as_ref().is_none_or(|source| switch.from.as_ref() == Some(source))
            && !record.actions.iter().any(|known| known.node == switch.node && known.id == switch.id)
    };
    let mut new: Vec<&Switched> = look.switches.iter().filter(concerns).collect();
    new.sort_by_key(|switch| (switch.at, switch.node.clone()));
    for switch in new {
        if record.actions.len() >= MAX_ACTIONS {
            break;
        }
        let after = (switch.at - began).max(Nanos::ZERO);
        let text = line(&switch.text);
        respond(record, look, after, &format!("Node/{}: {text}", switch.node));
        let action = record::Action { node: switch.node.clone(), id: line(&switch.id), after, text };
        record.actions.push(action);
    }
}

/// A person has taken it.
pub(super) fn acknowledge(record: &mut Record, look: &Look<'_>, who: Option<&str>, elapsed: Nanos) {
    let Some(who) = who else { return };
    let text = line(&format!("by {who}"));
    let told = |entry: &record::Entry| entry.what == What::Acknowledged;
    // Once each, and no more than two people's words.
    if record.timeline.iter().any(|entry| told(entry) && entry.text == text)
        || record.timeline.iter().filter(|entry| told(entry)).count() >= 2
    {
        return;
    }
    record.note(What::Acknowledged, look.wall, elapsed, &text);
    respond(record, look, elapsed, &format!("acknowledged {text}"));
}

fn respond(record: &mut Record, look: &Look<'_>, after: Nanos, text: &str) {
    if record.respond.is_none() {
        record.respond = Some(after);
        record.note(What::FirstAction, look.wall, after, text);
    }
}

/// Whether it can be told that this incident's cause is gone: every node that was wrong through it is heard again, or
/// gone, and of all that it touched more than half are.
pub(super) fn can_tell(record: &Record, look: &Look<'_>) -> bool {
    let unknown = |node: &str| look.unknown.contains(node);
    let there: Vec<&String> =
        record.scope.names.iter().filter(|node| look.nodes.contains_key(*node)).collect();
    let silent = there.iter().filter(|node| unknown(node)).count();
    !record.breached.iter().any(|one| unknown(&one.node)) && (silent == 0 || silent * 2 < there.len())
}

/// Its first evidence was earlier than known by `span`.
pub(super) fn began_earlier(record: &mut Record, span: Nanos) {
    record.detect = record.detect + span;
    record.respond = record.respond.map(|respond| respond + span);
    record.recover = record.recover.map(|recover| recover + span);
    record.elapsed = record.elapsed + span;
    for entry in &mut record.timeline {
        entry.after = entry.after + span;
    }
    for action in &mut record.actions {
        action.after = action.after + span;
    }
}
