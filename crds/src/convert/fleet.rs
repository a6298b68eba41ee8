//! NodeTimes and TimeSources → what [`diagnose`](meantime_core::diagnose) compares.
//!
//! **In.** Objects as they were read; what the caller knows besides: where the node stands, how its agent is heard, since
//! when this status is known. **Out.** Plain data. **Must never** panic on what an old, new, broken or lying agent wrote, nor
//! make evidence of it: an impossible value takes its whole view out, one that is merely not told stays none. Nothing here
//! reads a moment of the node's wall clock (law 3).

use super::ConvertError;
use super::status::MAX_ASSOCIATIONS;
use crate::common::Condition;
use crate::nodetime::{AssociationStatus, NodeTime, NodeTimeStatus, PeerStatus, Reachability};
use crate::timesource::TimeSource;
use meantime_core::clocks::BootTime;
use meantime_core::conditions::{ConditionKind, Reason, Status};
use meantime_core::diagnose::fleet::{Declared, Heard, Node, Peer, Report, Trouble, View};
use meantime_core::snapshot::{NodePlan, PlannedAssociation, Role};
use meantime_core::source::{PollRange, Timescale};
use meantime_core::units::{Nanos, Ppb};
use std::collections::BTreeMap;

/// No offset, bound or round trip is longer: such a clock is a matter for a person, and its figures prove nothing.
const LONGEST: Nanos = Nanos::from_secs(366 * 24 * 3_600);

/// chrony's longest poll interval, log2 seconds.
const MOST_POLL: i32 = 24;

/// Where a node stands, by its labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Its zone; none = not labelled. Example: "dc1"
    pub zone: Option<String>,
    /// Its way out; none = the zone's. Example: "nat-1"
    pub egress: Option<String>,
}

/// How its agent is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ear {
    /// Whether.
    pub heard: Heard,
    /// Its pod is ready.
    pub ready: bool,
    /// When this status was first seen, by the operator's own BOOTTIME.
    pub seen: BootTime,
}

/// One node. No report without a status, nor without a plan that can be read: nothing would tell what is tolerated there.
pub fn node(object: &NodeTime, place: Place, ear: Ear) -> Node {
    let plan = object.plan().ok().flatten();
    let mut node = Node {
        egress: None,
        zone: None,
        heard: ear.heard,
        ready: ear.ready,
        timescale: plan.as_ref().and_then(timescale),
        report: object.status.as_ref().zip(plan).map(|(status, plan)| report(status, &plan, ear.seen)),
    };
    again(&mut node, place, ear);
    node
}

/// The same of an object that has not changed since: all that is not of the object itself.
pub fn again(node: &mut Node, place: Place, ear: Ear) {
    let Place { zone, egress } = place;
    node.egress = egress.or_else(|| zone.clone());
    node.zone = zone;
    (node.heard, node.ready) = (ear.heard, ear.ready);
    if let Some(report) = &mut node.report {
        report.seen = ear.seen;
    }
}

/// What the sources serve by which a plan may steer, if that is one scale.
pub fn timescale(plan: &NodePlan) -> Option<Timescale> {
    let mut scales =
        plan.associations.iter().filter(|one| one.role != Role::Witness).map(|one| &one.timescale);
    let first = scales.next()?;
    scales.all(|other| other == first).then(|| first.clone())
}

/// What is declared of a source.
pub fn declared(source: &TimeSource) -> Result<Declared, ConvertError> {
    let core = source.to_core()?;
    Ok(Declared { scope: core.scope, zone: core.zone })
}

/// One agent's status, under this plan. What the plan does not name is no evidence: nobody asked for it.
pub fn report(status: &NodeTimeStatus, plan: &NodePlan, seen: BootTime) -> Report {
    let limits = &plan.tolerances;
    let planned: BTreeMap<&str, &PlannedAssociation> =
        plan.associations.iter().map(|one| (one.source.as_str(), one)).collect();
    // More than the schema takes: nobody of ours wrote that list.
    let told = if status.associations.len() > MAX_ASSOCIATIONS { &[][..] } else { &status.associations };
    // What is told is of the plan that chronyd runs: under another one a source may be another server.
    let applied = status.applied.as_ref().is_some_and(|applied| applied.hash.as_deref() == Some(&plan.hash));
    let growth = status.error_bound_growth_nanoseconds_per_second.filter(|growth| *growth >= 0);
    Report {
        seen,
        conditions: conditions(&status.conditions),
        offset: status.offset_nanoseconds.map(Nanos).filter(|offset| is_sane(*offset)),
        bound: status.error_bound_nanoseconds.map(Nanos).filter(|bound| is_span(*bound)),
        // An agent that does not tell: as bad as the policy allows for.
        growth: growth.map_or(limits.guaranteed_rate, Ppb),
        max_offset: limits.max_offset,
        clock: status.clock.as_ref().map(|clock| clock.reason.clone()),
        views: told
            .iter()
            .filter(|one| told.iter().filter(|other| is_same(one, other)).count() == 1)
            .filter_map(|one| view(one, planned.get(one.source.as_deref()?)?, applied))
            .collect(),
        peers: peers(&status.peers),
    }
}

/// The five that are known here. Told twice = told by nobody of ours: not known.
fn conditions(told: &[Condition]) -> BTreeMap<ConditionKind, (Status, Option<Reason>)> {
    let one = |kind: ConditionKind| {
        let mut of = told.iter().filter(|condition| condition.type_ == kind.name());
        let (condition, None) = (of.next()?, of.next()) else { return None };
        let status = match condition.status.as_str() {
            "True" => Status::True,
            "False" => Status::False,
            _ => Status::Unknown,
        };
        Some((kind, (status, Reason::parse(&condition.reason))))
    };
    ConditionKind::ALL.into_iter().filter_map(one).collect()
}

/// Told twice is told by nobody of ours: it is left out, or one agent's word would count as two.
fn is_same(one: &AssociationStatus, other: &AssociationStatus) -> bool {
    (&one.source, &one.address) == (&other.source, &other.address)
}

/// None: not of the plan, a word of another version, an impossible value, or a contradiction in itself.
fn view(told: &AssociationStatus, planned: &PlannedAssociation, applied: bool) -> Option<View> {
    let role = told.role.to_core()?;
    let trouble = match told.trouble {
        Some(word) => Some(word.to_core()?),
        None => None,
    };
    let (answers, ever) = match told.reachability {
        Reachability::Answering | Reachability::Losing => (true, true),
        Reachability::Silent => (false, true),
        Reachability::NeverAnswered | Reachability::Unresolved => (false, false),
        Reachability::Unknown => return None,
    };
    let [offset, uncertainty, delay, sample_age] = [
        told.offset_nanoseconds,
        told.uncertainty_nanoseconds,
        told.delay_nanoseconds,
        told.sample_age_nanoseconds,
    ]
    .map(|value| value.map(Nanos));
    let spans = [uncertainty, delay];
    let impossible = told.unanswered < 0
        || offset.is_some_and(|offset| !is_sane(offset))
        || spans.into_iter().flatten().any(|span| !is_span(span))
        || told.usable && (!answers || role == Role::Witness)
        || answers && trouble.is_some_and(Trouble::is_silence);
    if impossible {
        return None;
    }
    let address = told.address.as_deref().and_then(|address| address.parse().ok());
    Some(View {
        source: told.source.clone()?,
        address: told.address.clone(),
        server: planned.server().filter(|_| applied),
        root: planned.root_at(address),
        role,
        usable: told.usable,
        rejected: told.rejected,
        trouble,
        ever,
        // An age that cannot be proves nothing of when it was heard; the rest may stand.
        sample_age: sample_age.filter(|age| is_span(*age)),
        poll: interval(told.poll, planned.polls),
        offset,
        uncertainty,
        delay,
    })
}

/// Time between two polls as told, within what is planned; not told = the longest planned.
fn interval(told: Option<i32>, planned: PollRange) -> Nanos {
    let (min, max) = (i32::from(planned.min), i32::from(planned.max).max(i32::from(planned.min)));
    let exponent = told.map_or(max, |told| told.clamp(min, max)).clamp(0, MOST_POLL);
    Nanos::from_secs(1 << exponent)
}

/// Told twice, contradicting itself or impossible: that peer is left out. More than the schema takes: nobody of ours wrote
/// that list.
fn peers(told: &[PeerStatus]) -> Vec<Peer> {
    if told.len() > super::peers::MOST {
        return Vec::new();
    }
    let peer = |one: &PeerStatus| {
        let [offset, uncertainty] =
            [one.offset_nanoseconds, one.uncertainty_nanoseconds].map(|value| value.map(Nanos));
        let impossible = one.answers && !one.ever
            || offset.is_some() != uncertainty.is_some()
            || offset.is_some_and(|offset| !is_sane(offset) || !one.answers)
            || uncertainty.is_some_and(|half| !is_span(half))
            || told.iter().filter(|other| other.node == one.node).count() > 1;
        let node = || one.node.clone();
        (!impossible).then(|| Peer {
            node: node(),
            answers: one.answers,
            ever: one.ever,
            offset,
            uncertainty,
        })
    };
    told.iter().filter_map(peer).collect()
}

fn is_sane(offset: Nanos) -> bool {
    offset <= LONGEST && offset >= -LONGEST
}

fn is_span(span: Nanos) -> bool {
    span >= Nanos::ZERO && span <= LONGEST
}
