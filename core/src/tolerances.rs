//! How right a clock must be: presets, overrides, and the figures in force.

use crate::units::{Nanos, Ppb};
use serde::{Deserialize, Serialize};

/// Named sets of figures for common needs. Sources of the figures: the design's "Presets" row, which took them
/// from the consumers' own documents (Ceph monitors 50 ms, CockroachDB 500 ms × 80 %, FINRA 50 ms, …).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// Web front ends: seconds do not hurt.
    Web,
    /// A floor for anything that writes logs.
    Baseline,
    /// Log pipelines.
    Logging,
    /// Kubernetes itself: leases, tokens, certificates.
    #[default]
    Kubernetes,
    /// Classic databases and replication.
    Database,
    /// CockroachDB, YugabyteDB and kin; no step after boot.
    Newsql,
    /// Ceph monitors.
    Ceph,
    /// YDB.
    Ydb,
    /// FINRA rule 4590; no smear.
    Finra,
    /// Trading in general.
    Finance,
    /// MiFID II RTS 25; needs hardware clocks or timestamps, infeasible until those exist.
    Mifid2,
}

/// The figures that judge one node's clock, all resolved: nothing optional is left but what is off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tolerances {
    /// The preset they started from.
    pub preset: Preset,
    /// Residual or disagreement above this breaches.
    pub max_offset: Nanos,
    /// … above this warns. Never above `max_offset`.
    pub warn_offset: Nanos,
    /// A guaranteed error bound above this breaches.
    pub max_error_bound: Nanos,
    /// … above this warns. Never above `max_error_bound`.
    pub warn_error_bound: Nanos,
    /// Fewer usable voters than this is TimeSourcesLow.
    pub min_sources: u32,
    /// |frequency| above this warns; none = not judged.
    pub max_frequency_error: Option<Ppb>,
    /// No clock update for so many update intervals warns; none = not judged.
    pub max_update_intervals: Option<u32>,
    /// A breach must last so long before it is told.
    pub breach_hold: Nanos,
    /// It must be gone for so long before that is told.
    pub clear_hold: Nanos,
    /// What the oscillator is trusted with when nothing corrects it (15 ppm; 50 ppm for finance and mifid2).
    pub guaranteed_rate: Ppb,
    /// May chronyd step this clock in its boot window (law 4 applies besides).
    pub step_at_boot: bool,
}

/// What a policy may override, each as declared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Overrides {
    /// See [`Tolerances::max_offset`].
    pub max_offset: Option<Nanos>,
    /// See [`Tolerances::warn_offset`].
    pub warn_offset: Option<Nanos>,
    /// See [`Tolerances::max_error_bound`].
    pub max_error_bound: Option<Nanos>,
    /// See [`Tolerances::warn_error_bound`].
    pub warn_error_bound: Option<Nanos>,
    /// See [`Tolerances::min_sources`].
    pub min_sources: Option<u32>,
    /// See [`Tolerances::max_frequency_error`].
    pub max_frequency_error: Option<Ppb>,
    /// See [`Tolerances::max_update_intervals`].
    pub max_update_intervals: Option<u32>,
    /// See [`Tolerances::breach_hold`].
    pub breach_hold: Option<Nanos>,
    /// See [`Tolerances::clear_hold`].
    pub clear_hold: Option<Nanos>,
    /// Largest difference between two clocks of the policy that may be proven: no node's own figure.
    pub max_spread: Option<Nanos>,
}

/// Default hold before a breach is told: longer than one lost packet at a LAN poll, shorter than a pager's patience.
pub const DEFAULT_BREACH_HOLD: Nanos = Nanos::from_secs(30);
/// Default hold before recovery is told: a flapping source must be calm for a minute.
pub const DEFAULT_CLEAR_HOLD: Nanos = Nanos::from_secs(60);

impl Preset {
    /// All of them, in rising strictness as documented.
    pub const ALL: [Self; 11] = [
        Self::Web,
        Self::Baseline,
        Self::Logging,
        Self::Kubernetes,
        Self::Database,
        Self::Newsql,
        Self::Ceph,
        Self::Ydb,
        Self::Finra,
        Self::Finance,
        Self::Mifid2,
    ];

    /// The name in YAML.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Baseline => "baseline",
            Self::Logging => "logging",
            Self::Kubernetes => "kubernetes",
            Self::Database => "database",
            Self::Newsql => "newsql",
            Self::Ceph => "ceph",
            Self::Ydb => "ydb",
            Self::Finra => "finra",
            Self::Finance => "finance",
            Self::Mifid2 => "mifid2",
        }
    }

    /// Its figures without overrides.
    pub const fn tolerances(self) -> Tolerances {
        // (offset warn, max, bound warn, max) in microseconds; minSources
        let (offset_warn, offset_max, bound_warn, bound_max, min_sources) = match self {
            Self::Web => (1_000_000, 5_000_000, 2_000_000, 5_000_000, 1),
            Self::Baseline => (100_000, 500_000, 500_000, 1_000_000, 1),
            Self::Logging => (200_000, 1_000_000, 500_000, 1_000_000, 2),
            Self::Kubernetes => (20_000, 50_000, 250_000, 500_000, 2),
            Self::Database => (25_000, 100_000, 125_000, 175_000, 2),
            Self::Newsql => (50_000, 150_000, 125_000, 175_000, 2),
            Self::Ceph => (15_000, 40_000, 100_000, 250_000, 2),
            Self::Ydb => (1_000, 5_000, 1_000, 5_000, 2),
            Self::Finra => (10_000, 40_000, 30_000, 50_000, 3),
            Self::Finance => (300, 1_000, 300, 1_000, 3),
            Self::Mifid2 => (30, 80, 30, 100, 3),
        };
        Tolerances {
            preset: self,
            max_offset: Nanos::from_micros(offset_max),
            warn_offset: Nanos::from_micros(offset_warn),
            max_error_bound: Nanos::from_micros(bound_max),
            warn_error_bound: Nanos::from_micros(bound_warn),
            min_sources,
            max_frequency_error: None,
            max_update_intervals: None,
            breach_hold: DEFAULT_BREACH_HOLD,
            clear_hold: DEFAULT_CLEAR_HOLD,
            guaranteed_rate: match self {
                Self::Finance | Self::Mifid2 => Ppb::from_ppm(50),
                _ => Ppb::from_ppm(15),
            },
            step_at_boot: true,
        }
    }

    /// Largest difference between two clocks: Ceph's monitors take 50 ms (`mon_clock_drift_allowed`), CockroachDB's
    /// nodes 500 ms (`--max-offset`), of which half leaves room; the others ask about each clock alone.
    pub const fn max_spread(self) -> Option<Nanos> {
        match self {
            Self::Ceph => Some(Nanos::from_millis(40)),
            Self::Newsql => Some(Nanos::from_millis(250)),
            Self::Web
            | Self::Baseline
            | Self::Logging
            | Self::Kubernetes
            | Self::Database
            | Self::Ydb
            | Self::Finra
            | Self::Finance
            | Self::Mifid2 => None,
        }
    }

    /// Whether a smeared timescale is out of the question (clock must follow UTC itself).
    pub const fn refuses_smear(self) -> bool {
        matches!(self, Self::Finra | Self::Finance | Self::Mifid2)
    }
}

/// Why a set of overrides makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTolerances {
    /// A limit of zero or less would be breached for ever.
    #[error("tolerances.{field} must be above zero")]
    NotPositive {
        /// The field in YAML.
        field: &'static str,
    },
    /// The warn level lies above the limit.
    #[error(
        "tolerances.{warn_field} ({warn}) is above {max_field} ({max}, from {from}); a warning must come before the breach"
    )]
    Inverted {
        /// The warn field in YAML.
        warn_field: &'static str,
        /// Its value.
        warn: Nanos,
        /// The limit's field in YAML.
        max_field: &'static str,
        /// Its value.
        max: Nanos,
        /// "the policy" or the preset's name.
        from: &'static str,
    },
}

impl Overrides {
    /// The figures in force: the preset's, overridden. An omitted warn level scales with its limit.
    pub fn resolve(&self, preset: Preset) -> Result<Tolerances, BadTolerances> {
        let mut resolved = preset.tolerances();
        let positive = |field, value: Option<Nanos>| match value {
            Some(value) if value <= Nanos::ZERO => Err(BadTolerances::NotPositive { field }),
            other => Ok(other),
        };
        (resolved.max_offset, resolved.warn_offset) = pair(
            ("maxOffset", positive("maxOffset", self.max_offset)?, resolved.max_offset),
            ("warnOffset", positive("warnOffset", self.warn_offset)?, resolved.warn_offset),
            preset,
        )?;
        (resolved.max_error_bound, resolved.warn_error_bound) = pair(
            ("maxErrorBound", positive("maxErrorBound", self.max_error_bound)?, resolved.max_error_bound),
            ("warnErrorBound", positive("warnErrorBound", self.warn_error_bound)?, resolved.warn_error_bound),
            preset,
        )?;
        resolved.min_sources = self.min_sources.unwrap_or(resolved.min_sources);
        resolved.max_frequency_error = self.max_frequency_error.or(resolved.max_frequency_error);
        resolved.max_update_intervals = self.max_update_intervals.or(resolved.max_update_intervals);
        resolved.breach_hold = self.breach_hold.unwrap_or(resolved.breach_hold);
        resolved.clear_hold = self.clear_hold.unwrap_or(resolved.clear_hold);
        Ok(resolved)
    }
}

type Field = (&'static str, Option<Nanos>, Nanos);

fn pair(max: Field, warn: Field, preset: Preset) -> Result<(Nanos, Nanos), BadTolerances> {
    let (max_field, max_given, max_preset) = max;
    let (warn_field, warn_given, warn_preset) = warn;
    let limit = max_given.unwrap_or(max_preset);
    let level = warn_given.unwrap_or_else(|| warn_preset.scaled(limit.0, max_preset.0));
    if level > limit {
        let from = if max_given.is_some() { "the policy" } else { preset.name() };
        return Err(BadTolerances::Inverted { warn_field, warn: level, max_field, max: limit, from });
    }
    Ok((limit, level))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_omitted_warn_level_scales_with_its_limit() {
        let given = Overrides { max_offset: Some(Nanos::from_millis(25)), ..Overrides::default() };
        let resolved = given.resolve(Preset::Kubernetes).unwrap();
        assert_eq!(resolved.warn_offset, Nanos::from_millis(10));
        assert_eq!(resolved.max_error_bound, Nanos::from_millis(500));
    }

    #[test]
    fn a_warn_level_above_the_presets_limit_is_refused_and_says_which() {
        let given = Overrides { warn_offset: Some(Nanos::from_millis(60)), ..Overrides::default() };
        let error = given.resolve(Preset::Kubernetes).unwrap_err().to_string();
        assert!(error.contains("warnOffset (60ms)") && error.contains("(50ms, from kubernetes)"), "{error}");
    }

    #[test]
    fn zero_is_refused() {
        let given = Overrides { max_error_bound: Some(Nanos::ZERO), ..Overrides::default() };
        assert_eq!(given.resolve(Preset::Web), Err(BadTolerances::NotPositive { field: "maxErrorBound" }));
    }

    #[test]
    fn every_preset_is_consistent() {
        for preset in Preset::ALL {
            let resolved = Overrides::default().resolve(preset).unwrap();
            assert_eq!(resolved, preset.tolerances());
            assert!(resolved.warn_offset <= resolved.max_offset);
        }
    }
}
