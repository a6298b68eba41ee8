//! Status of one TimeSource: what the fleet says of it.
//!
//! Counted from NodeTimes alone: *using* = the node's plan holds it; *reaching* = of those, nodes that get answers;
//! *rejecting* = of those, nodes where chronyd or the agreeing group says that it lies. A node whose agent is silent
//! uses it still, but is no evidence of anything.

use super::conditions::{Fact, merge};
use crate::reconcile::findings::Found;
use jiff::Timestamp;
use meantime_core::conditions::Status;
use meantime_core::diagnose::finding::{Coverage, Finding};
use meantime_core::plan::{SourceFinding, SourceReport};
use meantime_crds::common::Condition;
use meantime_crds::nodetime::{Desired, NodeTimeSpec, NodeTimeStatus, Reachability};
use meantime_crds::{TimeSource, TimeSourceStatus};
use std::collections::BTreeMap;

/// Nodes by what they say of one source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Their plan holds it.
    pub using: u32,
    /// … and their agent is heard and lists it.
    pub reporting: u32,
    /// … and they get answers from it.
    pub reaching: u32,
    /// … and they say that it lies.
    pub rejecting: u32,
}

/// Counts per source name over all nodes. `silent` agents are no evidence.
pub fn count<'a>(
    nodes: impl Iterator<Item = (&'a NodeTimeSpec, Option<&'a NodeTimeStatus>, bool)>,
) -> BTreeMap<String, Counts> {
    let mut all: BTreeMap<String, Counts> = BTreeMap::new();
    for (spec, status, silent) in nodes {
        let planned = match (spec.desired, &spec.plan) {
            (Desired::Active, Some(plan)) => &plan.associations,
            (Desired::Retired, _) | (_, None) => continue,
        };
        for association in planned {
            let counts = all.entry(association.source.clone()).or_default();
            counts.using += 1;
            let Some(status) = status.filter(|_| !silent) else { continue };
            // a pool is one source and several associations: any that answers reaches it, any that lies is told
            let associations = status.associations.iter();
            let seen = associations.filter(|seen| seen.source.as_ref() == Some(&association.source));
            let (mut reported, mut reached, mut rejected) = (false, false, false);
            for seen in seen {
                rejected |= seen.rejected;
                let answers = match seen.reachability {
                    Reachability::Answering | Reachability::Losing => Some(true),
                    Reachability::Silent | Reachability::NeverAnswered | Reachability::Unresolved => {
                        Some(false)
                    }
                    // a newer agent's word is no evidence; but who is called a liar has answered
                    Reachability::Unknown => seen.rejected.then_some(true),
                };
                reported |= answers.is_some();
                reached |= answers == Some(true);
            }
            counts.reporting += u32::from(reported);
            counts.reaching += u32::from(reached);
            counts.rejecting += u32::from(rejected);
        }
    }
    all
}

/// The status as it should be; `standing` is the one that stands. `wall` goes into lastTransitionTime only where a condition's status changes.
pub fn desired(
    source: &TimeSource,
    standing: Option<&TimeSourceStatus>,
    report: &SourceReport,
    (counts, found): (Counts, Found<'_>),
    wall: Timestamp,
) -> TimeSourceStatus {
    let generation = source.metadata.generation;
    let before = standing.map(|status| status.conditions.as_slice()).unwrap_or_default();
    let Counts { using, reaching, rejecting, .. } = counts;
    let (ready, stalled) = readiness(report, using);
    let healthy = healthy(before, counts, found);
    TimeSourceStatus {
        observed_generation: generation,
        conditions: merge(before, generation, wall, [ready, stalled, healthy]),
        address: Some(address(source)),
        nodes_using: Some(int(using)),
        nodes_reaching: Some(int(reaching)),
        nodes_rejecting: Some(int(rejecting)),
        summary: Some(summary(counts)),
    }
}

/// What is known of its time. False only if all nodes together prove it: one node's word may be its own trouble (law 8).
fn healthy(before: &[Condition], counts: Counts, found: Found<'_>) -> Fact {
    let Counts { using, reporting, reaching, rejecting } = counts;
    let fact = |status, reason: &'static str, message: String| Fact::new("Healthy", status, reason, message);
    let told = |found: &Finding| {
        let Coverage { reporters, nodes, domains, all_domains } = found.coverage;
        format!(
            "{} (said by {reporters} of {nodes} nodes over {domains} of {all_domains} ways out); {}",
            found.evidence.join("; "),
            summary(counts)
        )
    };
    if using == 0 || reporting == 0 {
        return fact(Status::Unknown, "NotObserved", "no node reports on it yet".to_owned());
    }
    if let Some(whole) = found.whole {
        return fact(Status::False, whole.kind.word(), told(whole));
    }
    if let Some(standing) =
        before.iter().find(|one| one.type_ == "Healthy" && !found.warm && one.status == "False")
    {
        // A new operator has not heard enough yet to take it back.
        return Fact::standing("Healthy", standing);
    }
    if let Some(from) = found.from {
        // Others get their time from it: the way is what is wrong, or nobody knows.
        let status = if reaching > rejecting { Status::True } else { Status::Unknown };
        return fact(status, from.kind.word(), told(from));
    }
    if rejecting > 0 {
        let message = format!(
            "rejecting {rejecting}/{using}: its time disagrees with other sources there; that it is its fault is not proven"
        );
        return fact(Status::Unknown, "Disputed", message);
    }
    if reaching == 0 {
        let message = format!("reaching 0/{using}: no node gets valid answers from it; why is not proven");
        return fact(Status::Unknown, "NotReached", message);
    }
    let message = format!("reaching {reaching}/{using}, rejecting 0/{using}");
    fact(Status::True, if reaching < reporting { "PartlyReached" } else { "Agreeing" }, message)
}

/// Ready = valid and in at least one plan, or selected by nobody. Left out everywhere waits for a person as much as a fault.
fn readiness(report: &SourceReport, using: u32) -> (Fact, Fact) {
    let faults: Vec<_> = report.problems.iter().map(|fault| (fault.reason(), fault.to_string())).collect();
    let blocked = |all: &[(&'static str, String)]| {
        let reason = all.first().map_or("Invalid", |(reason, _)| *reason);
        (
            Fact::new("Ready", Status::False, reason, super::lines(all)),
            Fact::new("Stalled", Status::True, reason, super::lines(all)),
        )
    };
    if !faults.is_empty() {
        return blocked(&faults);
    }
    let left_out: Vec<_> = report
        .findings
        .iter()
        .filter(|finding| **finding != SourceFinding::Unselected)
        .map(|finding| (finding.reason(), finding.to_string()))
        .collect();
    if report.policies.is_empty() && using == 0 && !left_out.is_empty() {
        return blocked(&left_out);
    }
    let (reason, message) = match using {
        0 => ("Unused", "valid; no node's plan holds it".to_owned()),
        1 => ("Planned", "in the plan of 1 node".to_owned()),
        nodes => ("Planned", format!("in the plans of {nodes} nodes")),
    };
    let stalled = match left_out.first() {
        None => Fact::new("Stalled", Status::False, "Valid", "nothing here waits for a person".to_owned()),
        Some((reason, _)) => Fact::new("Stalled", Status::False, *reason, super::lines(&left_out)),
    };
    (Fact::new("Ready", Status::True, reason, message), stalled)
}

fn summary(counts: Counts) -> String {
    let Counts { using, reaching, rejecting, .. } = counts;
    if using == 0 {
        "unused".to_owned()
    } else if rejecting > 0 {
        format!("rejecting {rejecting}/{using}")
    } else {
        format!("reaching {reaching}/{using}")
    }
}

fn address(source: &TimeSource) -> String {
    let (address, port) = match (&source.spec.server, &source.spec.pool) {
        (Some(server), _) => (server.address.clone(), server.port),
        (None, Some(pool)) => (pool.name.clone(), pool.port),
        (None, None) => (String::new(), None),
    };
    let text = match port {
        None | Some(123) => address,
        Some(port) if address.contains(':') => format!("[{address}]:{port}"),
        Some(port) => format!("{address}:{port}"),
    };
    text.chars().take(264).collect()
}

fn int(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests;
