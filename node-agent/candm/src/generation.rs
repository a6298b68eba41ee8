//! Which chrony releases can have sent what we saw: the protocol has no version query, but its reports grew.

use crate::reply::{NtpData, ServerStats, ServerStatsLayout};
use meantime_core::chrony::ChronyVersion;

/// A range of releases. Only a lower bound for planning: where the daemon's binary can be asked (`chronyd -v`),
/// that is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generation {
    /// At least this one.
    pub at_least: ChronyVersion,
    /// Older than this one; none = open.
    pub before: Option<ChronyVersion>,
}

impl Generation {
    /// Nothing seen yet: any 4.x.
    pub const ANY: Self = Self { at_least: ChronyVersion::OLDEST, before: None };

    /// Narrowed by a SERVER_STATS report: its layout changed with 4.2 and 4.4.
    #[must_use]
    pub fn seen_server_stats(self, stats: &ServerStats) -> Self {
        let [four_two, four_four] = [ChronyVersion::new(4, 2, 0), ChronyVersion::new(4, 4, 0)];
        match stats.layout {
            ServerStatsLayout::Eight => self.narrowed(ChronyVersion::OLDEST, Some(four_two)),
            ServerStatsLayout::Eleven => self.narrowed(four_two, Some(four_four)),
            ServerStatsLayout::Seventeen => self.narrowed(four_four, None),
        }
    }

    /// Narrowed by an NTP_DATA report: it grew with 4.6.
    #[must_use]
    pub fn seen_ntp_data(self, data: &NtpData) -> Self {
        let four_six = ChronyVersion::new(4, 6, 0);
        match data.timestamps {
            None => self.narrowed(ChronyVersion::OLDEST, Some(four_six)),
            Some(_) => self.narrowed(four_six, None),
        }
    }

    fn narrowed(self, at_least: ChronyVersion, before: Option<ChronyVersion>) -> Self {
        let before = match (self.before, before) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        Self { at_least: self.at_least.max(at_least), before }
    }

    /// Whether a release is in the range.
    pub fn contains(self, version: ChronyVersion) -> bool {
        version >= self.at_least && self.before.is_none_or(|before| version < before)
    }
}
