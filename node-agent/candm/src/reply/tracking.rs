//! TRACKING (5): the clock as a whole, straight into core's type.

use super::leap;
use crate::address::Address;
use crate::bytes::{Ended, Reader};
use meantime_core::observation::Tracking;

pub(super) fn read(reader: &mut Reader<'_>) -> Result<Tracking, Ended> {
    Ok(Tracking {
        refid: reader.u32()?,
        address: Address::read(reader)?.ip(),
        stratum: reader.u16()?,
        leap: leap(reader.u16()?),
        reference_time: reader.moment()?,
        // On the wire > 0 = the clock is slow and has to be put forward: turned round.
        residual: -reader.seconds()?,
        // The rest has core's sign already (measured: a source that jumps ahead gives a negative last offset).
        last_offset: reader.seconds()?,
        rms_offset: reader.seconds()?,
        frequency: reader.ppm()?,
        residual_frequency: reader.ppm()?,
        skew: reader.ppm()?,
        root_delay: reader.seconds()?,
        root_dispersion: reader.seconds()?,
        update_interval: reader.seconds()?,
    })
}
