//! One look at a server by rsntp, an implementation that shares no line with ours: it checks the lab itself, and
//! gives the micro-VM's true error.

use meantime_core::units::Nanos;
use rsntp::{Config, LeapIndicator, SntpClient, SntpDuration};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::time::Duration;

/// What rsntp saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// This machine's clock minus the server's: > 0 = this clock is ahead (rsntp's own figure has the other sign).
    pub offset_nanoseconds: Nanos,
    /// Round trip; the offset is wrong by at most half of it.
    pub delay_nanoseconds: Nanos,
    /// As answered.
    pub stratum: u8,
    /// 0–3 as answered.
    pub leap: u8,
    /// As answered: letters, an address, or the hash of one.
    pub refid: String,
}

/// No usable answer.
#[derive(Debug, thiserror::Error)]
#[error("no usable answer from {server}: {source}")]
pub struct ProbeError {
    server: SocketAddr,
    source: rsntp::SynchronizationError,
}

/// Asks once.
pub fn probe(server: SocketAddr, patience: Duration) -> Result<Probe, ProbeError> {
    let any = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let mut config = Config::default().timeout(patience);
    if let Ok(address) = any.parse() {
        config = config.bind_address(address);
    }
    let result = SntpClient::with_config(config)
        .synchronize(server)
        .map_err(|source| ProbeError { server, source })?;
    Ok(Probe {
        offset_nanoseconds: -nanos(result.clock_offset()),
        delay_nanoseconds: nanos(result.round_trip_delay()),
        stratum: result.stratum(),
        leap: match result.leap_indicator() {
            LeapIndicator::NoWarning => 0,
            LeapIndicator::LastMinuteHas61Seconds => 1,
            LeapIndicator::LastMinuteHas59Seconds => 2,
            LeapIndicator::AlarmCondition => 3,
        },
        refid: result.reference_identifier().to_string(),
    })
}

fn nanos(span: SntpDuration) -> Nanos {
    let size = span
        .abs_as_std_duration()
        .ok()
        .and_then(|size| i64::try_from(size.as_nanos()).ok())
        .map_or(Nanos::MAX, Nanos);
    if span.signum() < 0 { -size } else { size }
}
