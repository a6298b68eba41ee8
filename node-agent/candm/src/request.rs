//! What can be asked of chronyd, or ordered.

mod add_source;
mod select;

pub use add_source::{AddSource, AddSourceLayout, BadSourceName, SourceKind, SourceName};
pub use select::SelectOptions;

use crate::address::Address;
use crate::bytes::Writer;
use std::fmt;
use std::net::IpAddr;

/// One request. Indices are positions in chronyd's list, 0…n−1: they shift when a source comes or goes, so key
/// everything by address and take [`crate::Status::NoSuchSource`] for an ordinary answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// How many associations there are.
    SourceCount,
    /// One association: state, reach, last sample.
    SourceData(u32),
    /// The clock as a whole.
    Tracking,
    /// The estimate of one association.
    SourceStats(u32),
    /// How many are online, offline, unresolved.
    Activity,
    /// Packets served and dropped.
    ServerStats,
    /// The last valid packet and the counters of one association.
    NtpData(IpAddr),
    /// The name of one association, as configured.
    SourceName(Address),
    /// The authentication state of one association.
    AuthData(Address),
    /// Why one association is selected or not.
    SelectData(u32),

    /// Read the source directories again. chronyd answers "done" even when it dropped a bad line: read back.
    ReloadSources,
    /// Add one association. A name is answered at once and resolved later.
    AddSource(AddSource),
    /// Remove one association and its samples.
    DeleteSource(Address),
    /// Write the samples of all sources to its dump directory.
    Dump,
    /// Forget all samples.
    ResetSources,
    /// Choose a source anew now.
    Reselect,
    /// Poll fast for a while. None = all associations.
    Burst {
        /// Which.
        address: Option<IpAddr>,
        /// Stop after so many good samples.
        good: u16,
        /// Stop after so many polls.
        total: u16,
    },
    /// Change selection options of one association (chrony ≥ 4.4; refused as invalid before).
    SelectOptions {
        /// Which.
        address: IpAddr,
        /// Options to switch on.
        set: SelectOptions,
        /// Options to switch off.
        clear: SelectOptions,
    },
}

impl Request {
    /// The command number.
    pub(crate) const fn code(&self) -> u16 {
        match self {
            Self::Burst { .. } => 3,
            Self::Dump => 6,
            Self::SourceCount => 14,
            Self::SourceData(_) => 15,
            Self::DeleteSource(_) => 29,
            Self::Tracking => 33,
            Self::SourceStats(_) => 34,
            Self::Activity => 44,
            Self::Reselect => 48,
            Self::ServerStats => 54,
            Self::NtpData(_) => 57,
            Self::AddSource(source) => source.code(),
            Self::SourceName(_) => 65,
            Self::ResetSources => 66,
            Self::AuthData(_) => 67,
            Self::SelectData(_) => 69,
            Self::ReloadSources => 70,
            Self::SelectOptions { .. } => 72,
        }
    }

    /// Whether it may be sent again when no answer came. After the others, read the state back instead: the first
    /// attempt may have been carried out.
    pub const fn may_repeat(&self) -> bool {
        match self {
            Self::SourceCount
            | Self::SourceData(_)
            | Self::Tracking
            | Self::SourceStats(_)
            | Self::Activity
            | Self::ServerStats
            | Self::NtpData(_)
            | Self::SourceName(_)
            | Self::AuthData(_)
            | Self::SelectData(_)
            | Self::Dump
            | Self::Reselect
            | Self::SelectOptions { .. } => true,
            // Before chrony 4.7 a second reload could multiply the sources of a pool.
            Self::ReloadSources
            | Self::AddSource(_)
            | Self::DeleteSource(_)
            | Self::ResetSources
            | Self::Burst { .. } => false,
        }
    }

    pub(crate) fn write_body(&self, writer: &mut Writer) {
        match self {
            Self::SourceCount
            | Self::Tracking
            | Self::Activity
            | Self::ServerStats
            | Self::ReloadSources
            | Self::ResetSources
            | Self::Reselect => {}
            Self::Dump => {
                writer.i32(0);
            }
            Self::SourceData(index) | Self::SourceStats(index) | Self::SelectData(index) => {
                writer.u32(*index);
            }
            Self::NtpData(ip) => Address::Ip(*ip).write(writer),
            Self::SourceName(address) | Self::AuthData(address) | Self::DeleteSource(address) => {
                address.write(writer);
            }
            Self::AddSource(source) => source.write(writer),
            Self::Burst { address, good, total } => {
                // An all-ones mask picks one address; two unspecified addresses pick all.
                let (mask, address) = match address {
                    None => (Address::Unspecified, Address::Unspecified),
                    Some(ip @ IpAddr::V4(_)) => (Address::Ip([0xff; 4].into()), Address::Ip(*ip)),
                    Some(ip @ IpAddr::V6(_)) => (Address::Ip([0xff_u8; 16].into()), Address::Ip(*ip)),
                };
                mask.write(writer);
                address.write(writer);
                writer.i32(i32::from(*good)).i32(i32::from(*total));
            }
            Self::SelectOptions { address, set, clear } => {
                Address::Ip(*address).write(writer);
                // The refid names reference clocks only. The mask says which options are meant, the last word gives
                // their values – in the bits of another command (measured).
                writer.u32(0).u32(u32::from(set.union(*clear).report_bits())).u32(set.source_flags());
            }
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SourceCount => f.write_str("number of sources"),
            Self::SourceData(index) => write!(f, "source {index}"),
            Self::Tracking => f.write_str("tracking"),
            Self::SourceStats(index) => write!(f, "source statistics {index}"),
            Self::Activity => f.write_str("activity"),
            Self::ServerStats => f.write_str("server statistics"),
            Self::NtpData(ip) => write!(f, "NTP data of {ip}"),
            Self::SourceName(address) => write!(f, "name of source {address}"),
            Self::AuthData(address) => write!(f, "authentication data of {address}"),
            Self::SelectData(index) => write!(f, "selection data {index}"),
            Self::ReloadSources => f.write_str("reload sources"),
            Self::AddSource(source) => write!(f, "add source {}", source.name),
            Self::DeleteSource(address) => write!(f, "delete source {address}"),
            Self::Dump => f.write_str("dump"),
            Self::ResetSources => f.write_str("reset sources"),
            Self::Reselect => f.write_str("reselect"),
            Self::Burst { address: Some(ip), .. } => write!(f, "burst {ip}"),
            Self::Burst { address: None, .. } => f.write_str("burst of all sources"),
            Self::SelectOptions { address, .. } => write!(f, "selection options of {address}"),
        }
    }
}

#[cfg(test)]
mod tests;
