//! What chronyd answers, by reply code. Known codes are read to their nominal length, whatever follows is ignored;
//! unknown codes are an error of that one report, never of all.

mod activity;
mod auth_data;
mod ntp_data;
mod select_data;
mod server_stats;
mod source_data;
mod source_stats;
mod tracking;

pub use activity::Activity;
pub use auth_data::{AuthData, AuthMode};
pub use ntp_data::{NtpData, TimestampCounts, TimestampSource};
pub use select_data::SelectData;
pub use server_stats::{ServerStats, ServerStatsLayout};
pub use source_data::{SourceData, SourceMode, SourceState};
pub use source_stats::SourceStats;

use crate::bytes::{Ended, Reader};
use crate::error::Error;
use meantime_core::observation::{Leap, Tracking};

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// An order was taken. For `reload sources` that says nothing of the result: read back.
    Done,
    /// How many associations there are.
    SourceCount(u32),
    /// One association: state, reach, last sample.
    Source(SourceData),
    /// The clock as a whole.
    Tracking(Tracking),
    /// The estimate of one association.
    Stats(SourceStats),
    /// Why one association is selected or not.
    Select(SelectData),
    /// The last packet and the counters of one association.
    Ntp(NtpData),
    /// How many are online, offline, unresolved.
    Activity(Activity),
    /// Packets served and dropped.
    Server(ServerStats),
    /// The name of one association, as configured.
    Name(String),
    /// The authentication state of one association.
    Auth(AuthData),
}

impl Reply {
    /// Reads a body; none = a code that this build does not know.
    pub(crate) fn read(code: u16, reader: &mut Reader<'_>) -> Result<Option<Self>, Ended> {
        Ok(Some(match code {
            1 => Self::Done,
            2 => Self::SourceCount(reader.u32()?),
            3 => Self::Source(SourceData::read(reader)?),
            5 => Self::Tracking(tracking::read(reader)?),
            6 => Self::Stats(SourceStats::read(reader)?),
            12 => Self::Activity(Activity::read(reader)?),
            16 => Self::Ntp(NtpData::read(reader, false)?),
            19 => Self::Name(read_name(reader)?),
            20 => Self::Auth(AuthData::read(reader)?),
            22 => Self::Server(ServerStats::read(reader, ServerStatsLayout::Eight)?),
            23 => Self::Select(SelectData::read(reader)?),
            24 => Self::Server(ServerStats::read(reader, ServerStatsLayout::Eleven)?),
            25 => Self::Server(ServerStats::read(reader, ServerStatsLayout::Seventeen)?),
            26 => Self::Ntp(NtpData::read(reader, true)?),
            _ => return Ok(None),
        }))
    }
}

/// `reply.tracking()?` and its like: the report that was asked for, or [`Error::OtherReport`].
macro_rules! expect_report {
    ($($(#[$doc:meta])* $method:ident: $variant:ident => $report:ty, $wanted:literal;)*) => {
        impl Reply {
            $(
                $(#[$doc])*
                pub fn $method(self) -> Result<$report, Error> {
                    if let Self::$variant(report) = self { Ok(report) } else { Err(Error::OtherReport { wanted: $wanted }) }
                }
            )*
        }
    };
}
expect_report! {
    /// The source count.
    source_count: SourceCount => u32, "source count";
    /// The SOURCE_DATA report.
    source: Source => SourceData, "source data";
    /// The TRACKING report.
    tracking: Tracking => Tracking, "tracking";
    /// The SOURCESTATS report.
    stats: Stats => SourceStats, "source statistics";
    /// The SELECT_DATA report.
    select: Select => SelectData, "selection data";
    /// The NTP_DATA report.
    ntp: Ntp => NtpData, "NTP data";
    /// The ACTIVITY report.
    activity: Activity => Activity, "activity";
    /// The SERVER_STATS report.
    server: Server => ServerStats, "server statistics";
    /// The name.
    name: Name => String, "source name";
    /// The AUTH_DATA report.
    auth: Auth => AuthData, "authentication data";
}

/// Leap status as a number; everything beyond 2 is "not synchronised".
fn leap(number: u16) -> Leap {
    match number {
        0 => Leap::Normal,
        1 => Leap::Insert,
        2 => Leap::Delete,
        _ => Leap::Unsynchronised,
    }
}

/// 256 bytes, padded with NUL, perhaps without a final one.
fn read_name(reader: &mut Reader<'_>) -> Result<String, Ended> {
    let bytes: [u8; 256] = reader.array()?;
    let name = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(String::from_utf8_lossy(name).into_owned())
}

#[cfg(test)]
mod tests;
