//! SERVER_STATS (22, 24, 25): packets served and dropped. The report grew with 4.2 and with 4.4.

use crate::bytes::{Ended, Reader};

/// Which of the three layouts came: it tells the age of the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerStatsLayout {
    /// 4.0, 4.1.
    Eight,
    /// 4.2, 4.3.
    Eleven,
    /// 4.4 and newer.
    Seventeen,
}

/// The report; counters that a layout lacks are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerStats {
    /// The layout.
    pub layout: ServerStatsLayout,
    /// NTP requests served.
    pub ntp_hits: u64,
    /// NTS key exchanges served.
    pub nke_hits: u64,
    /// Command requests over UDP served.
    pub command_hits: u64,
    /// NTP requests dropped by the rate limit.
    pub ntp_drops: u64,
    /// Key exchanges dropped.
    pub nke_drops: u64,
    /// Command requests dropped.
    pub command_drops: u64,
    /// Client records dropped for want of memory.
    pub log_drops: u64,
    /// Authenticated NTP requests served.
    pub ntp_authenticated: u64,
    /// NTP requests served interleaved.
    pub ntp_interleaved: Option<u64>,
    /// Transmit timestamps kept for that.
    pub timestamps_held: Option<u64>,
    /// Seconds that they span.
    pub timestamps_span: Option<u64>,
    /// Receive timestamps by daemon, kernel, hardware.
    pub receive_timestamps: Option<[u64; 3]>,
    /// Transmit timestamps by daemon, kernel, hardware.
    pub transmit_timestamps: Option<[u64; 3]>,
}

impl ServerStats {
    pub(super) fn read(reader: &mut Reader<'_>, layout: ServerStatsLayout) -> Result<Self, Ended> {
        let mut next = || match layout {
            ServerStatsLayout::Eight | ServerStatsLayout::Eleven => reader.u32().map(u64::from),
            ServerStatsLayout::Seventeen => reader.u64(),
        };
        let mut stats = Self {
            layout,
            ntp_hits: next()?,
            nke_hits: next()?,
            command_hits: next()?,
            ntp_drops: next()?,
            nke_drops: next()?,
            command_drops: next()?,
            log_drops: next()?,
            ntp_authenticated: next()?,
            ntp_interleaved: None,
            timestamps_held: None,
            timestamps_span: None,
            receive_timestamps: None,
            transmit_timestamps: None,
        };
        if layout == ServerStatsLayout::Eight {
            return Ok(stats);
        }
        stats.ntp_interleaved = Some(next()?);
        stats.timestamps_held = Some(next()?);
        stats.timestamps_span = Some(next()?);
        if layout == ServerStatsLayout::Eleven {
            return Ok(stats);
        }
        let [daemon_rx, daemon_tx, kernel_rx] = [next()?, next()?, next()?];
        let [kernel_tx, hardware_rx, hardware_tx] = [next()?, next()?, next()?];
        stats.receive_timestamps = Some([daemon_rx, kernel_rx, hardware_rx]);
        stats.transmit_timestamps = Some([daemon_tx, kernel_tx, hardware_tx]);
        reader.skip::<32>()?; // reserved
        Ok(stats)
    }
}
