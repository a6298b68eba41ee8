//! ACTIVITY (12): how many associations are in which mode.

use crate::bytes::{Ended, Reader};

/// The report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// Polled.
    pub online: u32,
    /// Not polled, by order.
    pub offline: u32,
    /// In a burst, online afterwards.
    pub burst_online: u32,
    /// In a burst, offline afterwards.
    pub burst_offline: u32,
    /// Names without an address yet.
    pub unresolved: u32,
}

impl Activity {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Ended> {
        Ok(Self {
            online: reader.u32()?,
            offline: reader.u32()?,
            burst_online: reader.u32()?,
            burst_offline: reader.u32()?,
            unresolved: reader.u32()?,
        })
    }
}
