//! NTP_DATA (16 up to 4.5, 26 from 4.6): the last valid packet of one association, and its counters.

use super::leap;
use crate::address::Address;
use crate::bytes::{Ended, Reader};
use meantime_core::clocks::WallTime;
use meantime_core::observation::{Leap, Packet, PollCounters};
use meantime_core::units::Nanos;

/// Who stamped a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampSource {
    /// `D`: chronyd itself.
    Daemon,
    /// `K`: the kernel.
    Kernel,
    /// `H`: the network card.
    Hardware,
    /// Anything else (0 before the first packet).
    Unknown(u8),
}

impl TimestampSource {
    const fn from_byte(byte: u8) -> Self {
        match byte {
            b'D' => Self::Daemon,
            b'K' => Self::Kernel,
            b'H' => Self::Hardware,
            other => Self::Unknown(other),
        }
    }
}

/// How packets were stamped so far (chrony ≥ 4.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampCounts {
    /// Sent, by the kernel.
    pub kernel_sent: u32,
    /// Received, by the kernel.
    pub kernel_received: u32,
    /// Sent, by the network card.
    pub hardware_sent: u32,
    /// Received, by the network card.
    pub hardware_received: u32,
}

/// The report. Everything from `local` to `receive_stamp` says nothing while `valid` is 0 (leap "normal", root delay
/// 1 s; 4.0 does not even give the remote address: measured).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NtpData {
    /// Its address; chronyd 4.0 gives none before the first packet.
    pub remote: Address,
    /// Our address towards it.
    pub local: Address,
    /// Its port.
    pub port: u16,
    /// Its leap status.
    pub leap: Leap,
    /// NTP version.
    pub version: u8,
    /// NTP mode of the packet (4 = server).
    pub mode: u8,
    /// Its stratum.
    pub stratum: u8,
    /// Its poll field, log2 seconds.
    pub poll: i8,
    /// Resolution of its clock, log2 seconds.
    pub precision: i8,
    /// Its root delay.
    pub root_delay: Nanos,
    /// Its root dispersion.
    pub root_dispersion: Nanos,
    /// Its reference id.
    pub refid: u32,
    /// When its clock was last corrected, by its clock.
    pub reference_time: WallTime,
    /// This sample; > 0 = chronyd's clock is ahead.
    pub offset: Nanos,
    /// Round trip.
    pub peer_delay: Nanos,
    /// Dispersion of the sample.
    pub peer_dispersion: Nanos,
    /// How long the source held the question.
    pub response_time: Nanos,
    /// Estimated asymmetry of the jitter, −500…500 thousandths.
    pub jitter_asymmetry_thousandths: i64,
    /// The ten packet tests 1 2 3 5 6 7 A B C D, highest bit first: 0x3ff = all passed.
    pub tests: u16,
    /// In interleaved mode.
    pub interleaved: bool,
    /// Authenticated.
    pub authenticated: bool,
    /// Who stamped our question.
    pub transmit_stamp: TimestampSource,
    /// Who stamped its answer.
    pub receive_stamp: TimestampSource,
    /// Packets sent since the association was made.
    pub sent: u32,
    /// Packets received of any kind.
    pub received: u32,
    /// Answers that were authentic and ours: from sent − valid come the unanswered polls.
    pub valid: u32,
    /// Answers that passed all tests and became samples; none where chronyd does not count them (4.0: measured).
    pub good: Option<u32>,
    /// Counts by who stamped; none before 4.6.
    pub timestamps: Option<TimestampCounts>,
}

/// What chronyd puts into fields that it does not have.
const RESERVED: u32 = u32::MAX;
/// All packet tests passed.
const ALL_TESTS: u16 = 0x3ff;

impl NtpData {
    pub(super) fn read(reader: &mut Reader<'_>, with_timestamps: bool) -> Result<Self, Ended> {
        let remote = Address::read(reader)?;
        let local = Address::read(reader)?;
        let port = reader.u16()?;
        let leap = leap(u16::from(reader.u8()?));
        let version = reader.u8()?;
        let mode = reader.u8()?;
        let stratum = reader.u8()?;
        let poll = reader.i8()?;
        let precision = reader.i8()?;
        let root_delay = reader.seconds()?;
        let root_dispersion = reader.seconds()?;
        let refid = reader.u32()?;
        let reference_time = reader.moment()?;
        // On the wire "source minus this clock": turned round.
        let offset = -reader.seconds()?;
        let peer_delay = reader.seconds()?;
        let peer_dispersion = reader.seconds()?;
        let response_time = reader.seconds()?;
        let jitter_asymmetry_thousandths = reader.thousandths()?;
        let flags = reader.u16()?;
        let transmit_stamp = TimestampSource::from_byte(reader.u8()?);
        let receive_stamp = TimestampSource::from_byte(reader.u8()?);
        let sent = reader.u32()?;
        let received = reader.u32()?;
        let valid = reader.u32()?;
        let good = Some(reader.u32()?).filter(|good| *good != RESERVED);
        let timestamps = if with_timestamps {
            let [kernel_sent, kernel_received] = [reader.u32()?, reader.u32()?];
            let [hardware_sent, hardware_received] = [reader.u32()?, reader.u32()?];
            reader.skip::<16>()?; // reserved
            Some(TimestampCounts { kernel_sent, kernel_received, hardware_sent, hardware_received })
        } else {
            reader.skip::<12>()?; // reserved
            None
        };
        Ok(Self {
            remote,
            local,
            port,
            leap,
            version,
            mode,
            stratum,
            poll,
            precision,
            root_delay,
            root_dispersion,
            refid,
            reference_time,
            offset,
            peer_delay,
            peer_dispersion,
            response_time,
            jitter_asymmetry_thousandths,
            tests: flags & ALL_TESTS,
            interleaved: flags & 0x4000 != 0,
            authenticated: flags & 0x8000 != 0,
            transmit_stamp,
            receive_stamp,
            sent,
            received,
            valid,
            good,
            timestamps,
        })
    }

    /// Whether the last packet passed every test.
    pub const fn passed_all_tests(&self) -> bool {
        self.tests == ALL_TESTS
    }

    /// For core. Where chronyd does not count good answers, valid ones stand for them.
    pub fn counters(&self) -> PollCounters {
        PollCounters { sent: self.sent, valid: self.valid, good: self.good.unwrap_or(self.valid) }
    }

    /// For core; none before the first valid packet.
    pub fn packet(&self) -> Option<Packet> {
        (self.valid > 0).then_some(Packet {
            root_delay: self.root_delay,
            root_dispersion: self.root_dispersion,
            peer_delay: self.peer_delay,
            peer_dispersion: self.peer_dispersion,
            stratum: self.stratum,
            leap: self.leap,
            refid: self.refid,
            reference_time: self.reference_time,
        })
    }
}
