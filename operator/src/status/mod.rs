//! Status of TimeSources and TimeSyncPolicies, as pure functions of what was planned and what the nodes say.
//!
//! **Must never** depend on the moment ("now" is only handed in for lastTransitionTime): the same facts give the same
//! status, or every write would wake the operator for the next one.

pub mod broken;
pub mod conditions;
pub mod policy;
pub mod source;

use meantime_core::conditions::Status;

/// How many faults are spelled out; a person fixes them one after the other anyway.
const SHOWN: usize = 4;

/// Faults or warnings (reason, text) as one line.
pub(crate) fn lines(items: &[(&'static str, String)]) -> String {
    let text = items.iter().take(SHOWN).map(|(_, text)| text.as_str()).collect::<Vec<_>>().join("; ");
    if items.len() > SHOWN { format!("{text}; and {} more", items.len() - SHOWN) } else { text }
}

/// Kubernetes' three words; anything else is not known.
pub(crate) fn parse(status: &str) -> Status {
    match status {
        "True" => Status::True,
        "False" => Status::False,
        _ => Status::Unknown,
    }
}
