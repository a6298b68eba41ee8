//! `NodeTime.spec.plan` ↔ NodePlan, both ways without loss.

use super::{At, ConvertError, count, timescale, timescale_text};
use crate::nodetime::{ChronyText, NodeTime, Plan, PlanAssociation, PlanTolerances, PolicyRef};
use kube::ResourceExt;
use meantime_core::snapshot::{NodePlan, ObjectRef, PlannedAssociation};
use meantime_core::source::{Endpoint, PollRange};
use meantime_core::tolerances::Tolerances;
use meantime_core::units::{Nanos, Ppb};

impl NodeTime {
    /// Its plan in core's types; none while it has none. Fails on numbers out of range (somebody edited it).
    pub fn plan(&self) -> Result<Option<NodePlan>, ConvertError> {
        self.spec.plan.as_ref().map(|plan| plan.to_core(&self.name_any())).transpose()
    }
}

impl From<&NodePlan> for Plan {
    fn from(plan: &NodePlan) -> Self {
        let NodePlan { policy, mode, associations, tolerances, failover, main, sources, hash } = plan;
        Self {
            hash: hash.clone(),
            policy: PolicyRef {
                name: policy.name.clone(),
                uid: policy.uid.clone(),
                generation: policy.generation,
            },
            mode: (*mode).into(),
            chrony: ChronyText { main: main.clone(), sources: sources.clone() },
            associations: associations.iter().map(Into::into).collect(),
            tolerances: tolerances.into(),
            failover: super::failover::unusual(failover),
        }
    }
}

impl Plan {
    /// The plan in core's types. `node` names the object in errors.
    pub fn to_core(&self, node: &str) -> Result<NodePlan, ConvertError> {
        let Self { hash, policy, mode, chrony, associations, tolerances, failover } = self;
        let at = At { kind: "NodeTime", name: node };
        Ok(NodePlan {
            policy: ObjectRef {
                name: policy.name.clone(),
                uid: policy.uid.clone(),
                generation: policy.generation,
            },
            mode: (*mode).into(),
            associations: associations
                .iter()
                .map(|planned| association(&at, planned))
                .collect::<Result<_, _>>()?,
            tolerances: tolerances_to_core(&at, tolerances)?,
            failover: super::failover::to_core(&at, "plan.failover", failover.as_ref())?,
            main: chrony.main.clone(),
            sources: chrony.sources.clone(),
            hash: hash.clone(),
        })
    }
}

impl From<&PlannedAssociation> for PlanAssociation {
    fn from(planned: &PlannedAssociation) -> Self {
        let PlannedAssociation {
            source,
            tier,
            role,
            endpoint,
            polls,
            iburst,
            scope,
            independence,
            timescale,
            drive_order,
            weight,
            power_failing,
        } = planned;
        Self {
            source: source.clone(),
            tier: i32::from(*tier),
            role: (*role).into(),
            address: endpoint.address().to_owned(),
            port: i32::from(endpoint.port()),
            max_sources: match endpoint {
                Endpoint::Server { .. } => None,
                Endpoint::Pool { max_sources, .. } => Some(count(*max_sources)),
            },
            min_poll: i32::from(polls.min),
            max_poll: i32::from(polls.max),
            iburst: *iburst,
            scope: (*scope).into(),
            independence: independence.clone(),
            timescale: timescale_text(timescale),
            drive_order: drive_order.map(i32::from),
            weight: i32::from(*weight),
            power_failing: *power_failing,
        }
    }
}

fn association(at: &At<'_>, planned: &PlanAssociation) -> Result<PlannedAssociation, ConvertError> {
    let field = |name: &str| format!("plan.associations[{}].{name}", planned.source);
    let port = at.number(&field("port"), planned.port)?;
    let endpoint = match planned.max_sources {
        None => Endpoint::Server { address: planned.address.clone(), port },
        Some(kept) => Endpoint::Pool {
            name: planned.address.clone(),
            port,
            max_sources: at.number(&field("maxSources"), kept)?,
        },
    };
    Ok(PlannedAssociation {
        source: planned.source.clone(),
        tier: at.number(&field("tier"), planned.tier)?,
        role: planned.role.into(),
        endpoint,
        polls: PollRange {
            min: at.number(&field("minPoll"), planned.min_poll)?,
            max: at.number(&field("maxPoll"), planned.max_poll)?,
        },
        iburst: planned.iburst,
        scope: planned.scope.into(),
        independence: planned.independence.clone(),
        timescale: timescale(Some(&planned.timescale)),
        drive_order: planned.drive_order.map(|order| at.number(&field("driveOrder"), order)).transpose()?,
        weight: at.number(&field("weight"), planned.weight)?,
        power_failing: planned.power_failing,
    })
}

impl From<&Tolerances> for PlanTolerances {
    fn from(tolerances: &Tolerances) -> Self {
        let Tolerances {
            preset,
            max_offset,
            warn_offset,
            max_error_bound,
            warn_error_bound,
            min_sources,
            max_frequency_error,
            max_update_intervals,
            breach_hold,
            clear_hold,
            guaranteed_rate,
            step_at_boot,
        } = tolerances;
        Self {
            preset: (*preset).into(),
            max_offset_nanoseconds: max_offset.0,
            warn_offset_nanoseconds: warn_offset.0,
            max_error_bound_nanoseconds: max_error_bound.0,
            warn_error_bound_nanoseconds: warn_error_bound.0,
            min_sources: count(*min_sources),
            max_frequency_error_ppb: max_frequency_error.map(|rate| rate.0),
            max_update_intervals: max_update_intervals.map(count),
            breach_hold_nanoseconds: breach_hold.0,
            clear_hold_nanoseconds: clear_hold.0,
            guaranteed_rate_ppb: guaranteed_rate.0,
            step_at_boot: *step_at_boot,
        }
    }
}

fn tolerances_to_core(at: &At<'_>, given: &PlanTolerances) -> Result<Tolerances, ConvertError> {
    let intervals = given
        .max_update_intervals
        .map(|count| at.number("plan.tolerances.maxUpdateIntervals", count))
        .transpose()?;
    Ok(Tolerances {
        preset: given.preset.into(),
        max_offset: Nanos(given.max_offset_nanoseconds),
        warn_offset: Nanos(given.warn_offset_nanoseconds),
        max_error_bound: Nanos(given.max_error_bound_nanoseconds),
        warn_error_bound: Nanos(given.warn_error_bound_nanoseconds),
        min_sources: at.number("plan.tolerances.minSources", given.min_sources)?,
        max_frequency_error: given.max_frequency_error_ppb.map(Ppb),
        max_update_intervals: intervals,
        breach_hold: Nanos(given.breach_hold_nanoseconds),
        clear_hold: Nanos(given.clear_hold_nanoseconds),
        guaranteed_rate: Ppb(given.guaranteed_rate_ppb),
        step_at_boot: given.step_at_boot,
    })
}
