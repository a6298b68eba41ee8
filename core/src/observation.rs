//! What one node's chronyd said at one moment, in core's units and with core's sign: the judge's input.
//!
//! The agent assembles it from candm reports (node-agent/src/observe/); every clock was read *before* the
//! queries, so that an age is never too small.

use crate::chrony::Letter;
use crate::clocks::{ClockReading, WallTime};
use crate::fsm::probing::KissKind;
use crate::snapshot::Role;
use crate::source::Timescale;
use crate::units::{Nanos, Ppb};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Whether our chronyd moves the host's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClockProfile {
    /// `chronyd -x`: the residual of a followed source *stays* (the host is not moved).
    Virtual,
    /// Real discipline: the residual decays to nothing, also while a lie is followed.
    Real,
}

/// Leap status of tracking or of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Leap {
    /// 0.
    Normal,
    /// 1.
    Insert,
    /// 2.
    Delete,
    /// 3 (or anything else): not synchronised.
    Unsynchronised,
}

/// chronyd's TRACKING report. Raw: in a split it shows 1 s of root delay and 1970, and stays "normal" long after
/// the last source died. Only the judge may draw conclusions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tracking {
    /// Reference id; 0 = none, 0x7f7f0101 = its own local reference.
    pub refid: u32,
    /// Address of the selected source, if it has one.
    pub address: Option<IpAddr>,
    /// Stratum; 0 when not synchronised.
    pub stratum: u16,
    /// Leap status.
    pub leap: Leap,
    /// Time of the last clock update by chronyd's own clock. Display and change detection only.
    pub reference_time: WallTime,
    /// What chronyd has yet to correct; > 0 = the host's clock is ahead.
    pub residual: Nanos,
    /// Offset found by the last update; > 0 = ahead.
    pub last_offset: Nanos,
    /// Long-term average size of it.
    pub rms_offset: Nanos,
    /// How fast the clock would run uncorrected; > 0 = fast.
    pub frequency: Ppb,
    /// Residual frequency of the selected source.
    pub residual_frequency: Ppb,
    /// Error bound of the frequency.
    pub skew: Ppb,
    /// Root delay.
    pub root_delay: Nanos,
    /// Root dispersion (grows by chrony's own drift allowance).
    pub root_dispersion: Nanos,
    /// Interval between the last two updates.
    pub update_interval: Nanos,
}

/// chronyd's SOURCESTATS estimate of one association.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Estimate {
    /// chronyd's clock against the source; > 0 = chronyd's clock is ahead. Under `-x` add the residual to get the host's.
    pub offset: Nanos,
    /// Error bound of the estimated frequency.
    pub skew: Ppb,
    /// Standard deviation of the samples.
    pub deviation: Nanos,
}

/// The last valid packet of one association (NTP_DATA).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packet {
    /// The source's own root delay.
    pub root_delay: Nanos,
    /// The source's own root dispersion.
    pub root_dispersion: Nanos,
    /// Round trip to it.
    pub peer_delay: Nanos,
    /// Dispersion of that measurement.
    pub peer_dispersion: Nanos,
    /// The source's stratum.
    pub stratum: u8,
    /// The source's leap status.
    pub leap: Leap,
    /// The source's reference id.
    pub refid: u32,
    /// The source's own last update, by its own clock.
    pub reference_time: WallTime,
}

impl Packet {
    /// It is no time but a kiss-o'-death (`RATE`, `DENY`, `RSTR`): chronyd counts it among the valid replies.
    pub const fn is_kiss(&self) -> bool {
        let code = KissKind::from_refid(self.refid);
        self.stratum == 0 && matches!(code, KissKind::Rate | KissKind::Deny | KissKind::Restricted)
    }
}

/// Poll counters of one association (NTP_DATA), from which unanswered polls are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PollCounters {
    /// Packets sent.
    pub sent: u32,
    /// Valid replies.
    pub valid: u32,
    /// Replies that passed all tests.
    pub good: u32,
}

/// One association at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Association {
    /// Its address in chronyd; none while a name is unresolved.
    pub address: Option<IpAddr>,
    /// The planned source; none = chronyd has it, the plan has not.
    pub source: Option<String>,
    /// Its tier in the plan.
    pub tier: u8,
    /// Its part in the plan.
    pub role: Role,
    /// What stands for its independence.
    pub independence: String,
    /// The scale it serves.
    pub timescale: Timescale,
    /// chronyd's own word.
    pub letter: Letter,
    /// Current poll interval, log2 seconds.
    pub poll: i8,
    /// The last eight polls, newest in the lowest bit.
    pub reach: u8,
    /// Counters; none where chronyd gave no NTP_DATA.
    pub counters: Option<PollCounters>,
    /// Samples in the estimate.
    pub samples: u32,
    /// Age of the last sample by chronyd's own count; none = never.
    pub sample_age: Option<Nanos>,
    /// The estimate; none with fewer than three samples.
    pub estimate: Option<Estimate>,
    /// The last packet; none before the first.
    pub packet: Option<Packet>,
}

/// chronyd's answer at one look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// It answered tracking and the source reports.
    Full {
        /// TRACKING.
        tracking: Tracking,
        /// All associations, planned or not.
        associations: Vec<Association>,
    },
    /// Nothing came back in time, or nothing that could be understood.
    Nothing {
        /// Why, for the message: "no command socket", "timed out", "unknown reply".
        why: String,
    },
}

/// One look at one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// This machine's clocks, read before the queries.
    pub clocks: ClockReading,
    /// Identifies this boot of the machine.
    pub boot_id: String,
    /// Counts starts of chronyd; a new number means that counters and samples began anew.
    pub daemon_start: u64,
    /// Whether chronyd moves the host's clock.
    pub profile: ClockProfile,
    /// What it said.
    pub answer: Answer,
}
