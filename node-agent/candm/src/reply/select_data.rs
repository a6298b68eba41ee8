//! SELECT_DATA (23): why one association is selected or not.

use super::leap;
use crate::address::Address;
use crate::bytes::{Ended, Reader};
use crate::request::SelectOptions;
use meantime_core::chrony::Letter;
use meantime_core::observation::Leap;
use meantime_core::units::Nanos;

/// The report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelectData {
    /// Reference id (names reference clocks).
    pub refid: u32,
    /// Its address.
    pub address: Address,
    /// chronyd's own word.
    pub letter: Letter,
    /// Whether its packets are authenticated.
    pub authenticated: bool,
    /// Its leap status.
    pub leap: Leap,
    /// Options as configured.
    pub configured: SelectOptions,
    /// Options in force (authentication may add `trust` and `require`).
    pub effective: SelectOptions,
    /// Age of its last sample, whole seconds; none = never.
    pub sample_age: Option<Nanos>,
    /// Its score against the selected source, in thousandths: at 10,000 it takes over.
    pub score_thousandths: i64,
    /// Lower end of the interval that holds chronyd's clock against the true time, by this source; > 0 = ahead (on the
    /// wire already: measured).
    /// Zero while it can't be selected (always so with `noselect`).
    pub low: Nanos,
    /// Upper end of it.
    pub high: Nanos,
}

impl SelectData {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Ended> {
        let refid = reader.u32()?;
        let address = Address::read(reader)?;
        let letter = Letter::from_char(char::from(reader.u8()?));
        let authenticated = reader.u8()? != 0;
        let leap = leap(u16::from(reader.u8()?));
        reader.skip::<1>()?;
        Ok(Self {
            refid,
            address,
            letter,
            authenticated,
            leap,
            configured: SelectOptions::from_report(reader.u16()?),
            effective: SelectOptions::from_report(reader.u16()?),
            sample_age: reader.age()?,
            score_thousandths: reader.thousandths()?,
            low: reader.seconds()?,
            high: reader.seconds()?,
        })
    }
}
