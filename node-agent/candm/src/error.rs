//! What an answer can say instead of what was asked for.

use std::fmt;

/// chronyd's word on a request, when it is not "done".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// 1: it tried and could not.
    Failed,
    /// 2: only the Unix socket may ask for this.
    Unauthorised,
    /// 3: it does not know the command, or an argument is out of range. An older chronyd says so to newer commands.
    Invalid,
    /// 4: no association of that index or address.
    NoSuchSource,
    /// 6: that function is off in its configuration.
    NotEnabled,
    /// 11: an association with that address exists.
    AlreadyKnown,
    /// 12: no room for more associations.
    TooManySources,
    /// 17: an address family that it has no socket for.
    BadFamily,
    /// 18: it speaks another version of the protocol.
    BadVersion,
    /// 19: our frame is too short for it.
    BadLength,
    /// 21: not a name.
    BadName,
    /// Any other number.
    Other(u16),
}

impl Status {
    /// From the wire; none = success.
    pub(crate) const fn from_code(code: u16) -> Option<Self> {
        Some(match code {
            0 => return None,
            1 => Self::Failed,
            2 => Self::Unauthorised,
            3 => Self::Invalid,
            4 => Self::NoSuchSource,
            6 => Self::NotEnabled,
            11 => Self::AlreadyKnown,
            12 => Self::TooManySources,
            17 => Self::BadFamily,
            18 => Self::BadVersion,
            19 => Self::BadLength,
            21 => Self::BadName,
            other => Self::Other(other),
        })
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed => f.write_str("it failed"),
            Self::Unauthorised => f.write_str("not authorised (ask over its Unix socket)"),
            Self::Invalid => f.write_str("it does not know the command or an argument (is it older?)"),
            Self::NoSuchSource => f.write_str("it has no such source"),
            Self::NotEnabled => f.write_str("not enabled in its configuration"),
            Self::AlreadyKnown => f.write_str("it has that source already"),
            Self::TooManySources => f.write_str("it has no room for more sources"),
            Self::BadFamily => f.write_str("it has no socket of that address family"),
            Self::BadVersion => f.write_str("it speaks another protocol version (ours is 6: chrony 4.x)"),
            Self::BadLength => f.write_str("it expected a longer request"),
            Self::BadName => f.write_str("not a usable name"),
            Self::Other(code) => write!(f, "status {code}"),
        }
    }
}

/// Why a request has no result. Whatever it is, chronyd runs on unchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// chronyd understood, and said no.
    #[error("chronyd refused '{request}': {status}")]
    Refused {
        /// What was asked.
        request: String,
        /// Its word.
        status: Status,
    },
    /// An answer of a kind that this build does not know: a newer chronyd changed the report.
    #[error(
        "chronyd answered '{request}' with the unknown report {code} ({length} bytes); that one report is left out"
    )]
    UnknownReport {
        /// What was asked.
        request: String,
        /// Reply code.
        code: u16,
        /// Bytes in all.
        length: usize,
    },
    /// A known kind that ends too early.
    #[error(
        "chronyd's answer to '{request}' ended early (report {code}, {length} bytes); that one report is left out"
    )]
    Truncated {
        /// What was asked.
        request: String,
        /// Reply code.
        code: u16,
        /// Bytes in all.
        length: usize,
    },
    /// A known report, but not the one that was asked for.
    #[error("chronyd answered with another report than the {wanted} that was asked for; it is left out")]
    OtherReport {
        /// The report that was wanted.
        wanted: &'static str,
    },
}

impl Error {
    /// chronyd's word, if it refused.
    pub const fn status(&self) -> Option<Status> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            Self::UnknownReport { .. } | Self::Truncated { .. } | Self::OtherReport { .. } => None,
        }
    }
}
