//! SOURCE_DATA (3): one association as `chronyc sources` shows it.

use crate::address::Address;
use crate::bytes::{Ended, Reader};
use meantime_core::units::Nanos;

/// What chronyd makes of it, coarsely: [`super::SelectData::letter`] says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceState {
    /// `*`.
    Selected,
    /// `?`: can't be selected now.
    NotSelectable,
    /// `x`.
    Falseticker,
    /// `~`: too variable.
    TooJittery,
    /// `+`: combined with the selected one.
    Combined,
    /// `-`: could be selected, is not combined.
    NotCombined,
    /// A number that this build does not know.
    Unknown(u16),
}

/// What it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceMode {
    /// We ask it.
    Server,
    /// Both ask each other.
    Peer,
    /// A reference clock; its address is its reference id.
    ReferenceClock,
    /// A number that this build does not know.
    Unknown(u16),
}

/// The report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceData {
    /// Its address; the reference id in the guise of an IPv4 address for a reference clock.
    pub address: Address,
    /// Poll interval, log2 seconds.
    pub poll: i8,
    /// Its stratum as last told; 0 = never told.
    pub stratum: u16,
    /// Coarse state.
    pub state: SourceState,
    /// What it is.
    pub mode: SourceMode,
    /// The last eight polls, newest in the lowest bit.
    pub reach: u8,
    /// Age of the last good sample by chronyd's count, whole seconds; none = never.
    pub sample_age: Option<Nanos>,
    /// The last sample as it was measured; > 0 = chronyd's clock is ahead.
    pub measured_offset: Nanos,
    /// The same, corrected for slews since; > 0 = chronyd's clock is ahead.
    pub adjusted_offset: Nanos,
    /// Error margin of that sample.
    pub error: Nanos,
}

impl SourceData {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Ended> {
        let address = Address::read(reader)?;
        let poll = reader.i16()?;
        let stratum = reader.u16()?;
        let state = match reader.u16()? {
            0 => SourceState::Selected,
            1 => SourceState::NotSelectable,
            2 => SourceState::Falseticker,
            3 => SourceState::TooJittery,
            4 => SourceState::Combined,
            5 => SourceState::NotCombined,
            other => SourceState::Unknown(other),
        };
        let mode = match reader.u16()? {
            0 => SourceMode::Server,
            1 => SourceMode::Peer,
            2 => SourceMode::ReferenceClock,
            other => SourceMode::Unknown(other),
        };
        reader.skip::<2>()?; // flags: always 0
        let reach = reader.u16()?;
        Ok(Self {
            address,
            poll: i8::try_from(poll).unwrap_or(if poll < 0 { i8::MIN } else { i8::MAX }),
            stratum,
            state,
            mode,
            reach: reach.to_be_bytes()[1],
            sample_age: reader.age()?,
            // Both are "this clock minus source" on the wire already.
            measured_offset: reader.seconds()?,
            adjusted_offset: reader.seconds()?,
            error: reader.seconds()?,
        })
    }
}
