//! From the API's types to core's and back. Pure: no clock (a moment comes as an argument), no I/O.
//!
//! **Down:** TimeSource → [`SourceSpec`](meantime_core::source::SourceSpec), TimeSyncPolicy →
//! [`PolicySpec`](meantime_core::policy::PolicySpec), `NodeTime.spec.plan` ↔
//! [`NodePlan`](meantime_core::snapshot::NodePlan). **Up:** observation and verdict → pieces of NodeTime's status.
//!
//! Here, and only here, an omitted field gets its default. What a value *means* (is this address usable, is this
//! tolerance sensible) is judged by core's `validate`; a conversion fails only on what can't be said in core's types.

mod failed_over;
mod failover;
pub mod fleet;
mod incident;
mod nodetime;
mod peers;
mod policy;
mod source;
mod status;
#[cfg(test)]
mod tests;

pub use failed_over::failed_over;
pub use peers::{peers, planned_peers};
pub use status::{condition, judged, measured};

use crate::common::{LabelOperator, LabelSelector, Mode, Peers, Preset, Scope};
use crate::nodetime::Role;
use crate::timesource::SourceUse;
use meantime_core as core;

/// An object that can't be said in core's types. It is set aside and reported on its own status; all others, and
/// whatever was in force of this one, stay.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {name}: {field} {why}")]
pub struct ConvertError {
    /// Kind of the object.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// The field in YAML.
    pub field: String,
    /// What is wrong and what to write.
    pub why: String,
}

/// Collects the place for errors of one object.
struct At<'a> {
    kind: &'static str,
    name: &'a str,
}

impl At<'_> {
    fn bad(&self, field: &str, why: impl Into<String>) -> ConvertError {
        ConvertError { kind: self.kind, name: self.name.to_owned(), field: field.to_owned(), why: why.into() }
    }
    /// A number in core's narrower type.
    fn number<F: TryInto<T> + Copy + std::fmt::Display, T>(
        &self,
        field: &str,
        value: F,
    ) -> Result<T, ConvertError> {
        value.try_into().map_err(|_| self.bad(field, format!("({value}) is out of range")))
    }
}

/// Enums that the API and core both have, variant by variant: a new one on either side does not compile.
macro_rules! mirror {
    ($api:ty, $core:ty, $($variant:ident),+) => {
        impl From<$api> for $core {
            fn from(value: $api) -> Self {
                match value { $(<$api>::$variant => Self::$variant),+ }
            }
        }
        impl From<$core> for $api {
            fn from(value: $core) -> Self {
                match value { $(<$core>::$variant => Self::$variant),+ }
            }
        }
    };
}
mirror!(Mode, core::policy::Mode, Observe, Managed);
mirror!(Peers, core::policy::Peers, Enabled, Disabled);
mirror!(Scope, core::source::Scope, Local, Site, Public);
mirror!(SourceUse, core::source::Use, Drive, Vote, Witness);
mirror!(Role, core::snapshot::Role, Driver, Voter, Witness);
mirror!(LabelOperator, core::policy::SelectorOperator, In, NotIn, Exists, DoesNotExist);
mirror!(
    Preset,
    core::tolerances::Preset,
    Web,
    Baseline,
    Logging,
    Kubernetes,
    Database,
    Newsql,
    Ceph,
    Ydb,
    Finra,
    Finance,
    Mifid2
);

impl From<&LabelSelector> for core::policy::Selector {
    fn from(selector: &LabelSelector) -> Self {
        let requirements = selector.match_expressions.iter().map(|requirement| core::policy::Requirement {
            key: requirement.key.clone(),
            operator: requirement.operator.into(),
            values: requirement.values.clone(),
        });
        Self { labels: selector.match_labels.clone(), requirements: requirements.collect() }
    }
}

/// "UTC" or the name of a smear; omitted = UTC.
fn timescale(text: Option<&str>) -> core::source::Timescale {
    match text {
        None | Some("UTC") => core::source::Timescale::Utc,
        Some(smear) => core::source::Timescale::Smear(smear.to_owned()),
    }
}

fn timescale_text(timescale: &core::source::Timescale) -> String {
    match timescale {
        core::source::Timescale::Utc => "UTC".to_owned(),
        core::source::Timescale::Smear(name) => name.clone(),
    }
}

/// Core counts in u32, Kubernetes' schemas in i32; no count of ours comes near either end.
fn count(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}
