//! TimeSyncPolicy → PolicySpec, and the figures in force for its status.

use super::{At, ConvertError, count};
use crate::timesyncpolicy::{EffectivePolicy, PolicyTolerances, SpreadStatus, TimeSyncPolicy};
use kube::ResourceExt;
use meantime_core::duration;
use meantime_core::policy::{Mode, Peers, PolicySpec};
use meantime_core::spread::Told;
use meantime_core::tolerances::{Overrides, Tolerances};
use meantime_core::units::{Nanos, Ppb};

impl TimeSyncPolicy {
    /// What the planner sees of it. Fails on a text that is no duration and on numbers out of range.
    pub fn to_core(&self) -> Result<PolicySpec, ConvertError> {
        let name = self.name_any();
        let at = At { kind: "TimeSyncPolicy", name: &name };
        let spec = &self.spec;
        let tolerances = spec.tolerances.clone().unwrap_or_default();
        Ok(PolicySpec {
            uid: self.uid().unwrap_or_default(),
            generation: self.metadata.generation.unwrap_or_default(),
            created: self.creation_timestamp().map_or(0, |created| created.0.as_second()),
            node_selector: spec.node_selector.as_ref().map(Into::into),
            priority: spec.priority.unwrap_or_default(),
            sources: (&spec.sources.selector).into(),
            mode: spec.mode.map_or_else(Mode::default, Into::into),
            preset: tolerances.preset.map(Into::into).unwrap_or_default(),
            overrides: overrides(&at, &tolerances)?,
            failover: super::failover::to_core(&at, "failover", spec.failover.as_ref())?,
            peers: spec.peers.map(Into::into).unwrap_or_default(),
            name,
        })
    }
}

fn overrides(at: &At<'_>, given: &PolicyTolerances) -> Result<Overrides, ConvertError> {
    let span = |field: &str, text: &Option<String>| -> Result<Option<Nanos>, ConvertError> {
        let Some(text) = text else { return Ok(None) };
        let parsed =
            duration::parse(text).map_err(|error| at.bad(&format!("tolerances.{field}"), error.to_string()));
        parsed.map(Some)
    };
    let number = |field: &str, value: Option<i32>| -> Result<Option<u32>, ConvertError> {
        value.map(|value| at.number(&format!("tolerances.{field}"), value)).transpose()
    };
    Ok(Overrides {
        max_offset: span("maxOffset", &given.max_offset)?,
        warn_offset: span("warnOffset", &given.warn_offset)?,
        max_error_bound: span("maxErrorBound", &given.max_error_bound)?,
        warn_error_bound: span("warnErrorBound", &given.warn_error_bound)?,
        min_sources: number("minSources", given.min_sources)?,
        max_frequency_error: given.max_frequency_error_ppb.map(Ppb),
        max_update_intervals: number("maxUpdateIntervals", given.max_update_intervals)?,
        breach_hold: span("breachHold", &given.breach_hold)?,
        clear_hold: span("clearHold", &given.clear_hold)?,
        max_spread: span("maxSpread", &given.max_spread)?,
    })
}

impl EffectivePolicy {
    /// The figures in force, for a policy's status.
    pub fn new(mode: Mode, peers: Peers, tolerances: &Tolerances, max_spread: Option<Nanos>) -> Self {
        let mode = match mode {
            Mode::Observe => "Observe",
            Mode::Managed => "Managed",
        };
        let peers = match peers {
            Peers::Enabled => "Enabled",
            Peers::Disabled => "Disabled",
        };
        Self {
            mode: mode.to_owned(),
            peers: Some(peers.to_owned()),
            preset: tolerances.preset.name().to_owned(),
            max_offset: tolerances.max_offset.to_string(),
            warn_offset: tolerances.warn_offset.to_string(),
            max_error_bound: tolerances.max_error_bound.to_string(),
            warn_error_bound: tolerances.warn_error_bound.to_string(),
            min_sources: count(tolerances.min_sources),
            max_frequency_error: tolerances.max_frequency_error.map(|rate| rate.to_string()),
            max_update_intervals: tolerances.max_update_intervals.map(count),
            breach_hold: tolerances.breach_hold.to_string(),
            clear_hold: tolerances.clear_hold.to_string(),
            max_spread: max_spread.map(|span| span.to_string()),
        }
    }
}

impl SpreadStatus {
    /// As it is told.
    pub fn new(told: &Told) -> Self {
        Self {
            proven: told.proven.to_string(),
            proven_nanoseconds: told.proven.0,
            possible: told.possible.map(|span| span.to_string()),
            possible_nanoseconds: told.possible.map(|span| span.0),
            between: told
                .between
                .iter()
                .flat_map(|(ahead, behind)| [ahead.clone(), behind.clone()])
                .collect(),
            through: told.through.clone(),
        }
    }
    /// What was told with it.
    pub fn told(&self) -> Told {
        let between = match self.between.as_slice() {
            [ahead, behind] => Some((ahead.clone(), behind.clone())),
            _ => None,
        };
        Told {
            proven: Nanos(self.proven_nanoseconds),
            possible: self.possible_nanoseconds.map(Nanos),
            between,
            through: self.through.clone(),
        }
    }
}
