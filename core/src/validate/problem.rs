//! What can be wrong with one declared object, in words for its author.

use super::address::BadAddress;
use crate::tolerances::BadTolerances;

/// One fault of one object. Its text names the field in YAML, says what is wrong and what to write instead; the
/// object itself is named by whoever prints it (it stands on that object's own status).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// An address or pool name that can not be used.
    #[error("{field}: {fault}")]
    Address {
        /// `server.address` or `pool.name`.
        field: &'static str,
        /// What is wrong.
        fault: BadAddress,
    },
    /// A number outside its range.
    #[error("{field}: {value} is outside {min}…{max}")]
    OutOfRange {
        /// The field in YAML.
        field: &'static str,
        /// As declared.
        value: i64,
        /// Smallest allowed.
        min: i64,
        /// Largest allowed.
        max: i64,
    },
    /// minPoll above maxPoll.
    #[error("minPoll ({min}) is above maxPoll ({max}); the first is the fastest poll, 2^minPoll seconds")]
    PollsInverted {
        /// As declared.
        min: i8,
        /// As declared.
        max: i8,
    },
    /// A public server polled faster than its operators ask for.
    #[error(
        "minPoll ({min}) polls a public server every {}; public sources take 6 (64 s) or more – set scope: Site or Local if it is your own",
        crate::units::Nanos::from_log2_seconds(*.min)
    )]
    PublicTooFast {
        /// As declared.
        min: i8,
    },
    /// A name or label with characters or a length that it may not have.
    #[error("{field}: {text:?} {why}")]
    Text {
        /// The field in YAML.
        field: &'static str,
        /// As declared, cut after 64 characters.
        text: String,
        /// What is wrong.
        why: &'static str,
    },
    /// A label requirement that Kubernetes would refuse.
    #[error("{field}: the requirement on {key:?} {why}")]
    Selector {
        /// `nodeSelector` or `sources.selector`.
        field: &'static str,
        /// The requirement's key.
        key: String,
        /// What is wrong.
        why: &'static str,
    },
    /// Tolerances that make no sense, alone or against their preset.
    #[error(transparent)]
    Tolerances(#[from] BadTolerances),
    /// The object could not be read at all.
    #[error("the object can not be read: {why}; what was in force before stays")]
    Undecodable {
        /// From the decoder.
        why: String,
    },
}

impl Problem {
    /// One word for a condition's reason.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Address { .. } => "AddressInvalid",
            Self::OutOfRange { .. } => "OutOfRange",
            Self::PollsInverted { .. } => "PollsInverted",
            Self::PublicTooFast { .. } => "PublicTooFast",
            Self::Text { .. } => "TextInvalid",
            Self::Selector { .. } => "SelectorInvalid",
            Self::Tolerances(_) => "TolerancesInvalid",
            Self::Undecodable { .. } => "Undecodable",
        }
    }
}
