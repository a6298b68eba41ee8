//! SOURCESTATS (6): the estimate of one association over its samples.

use crate::address::Address;
use crate::bytes::{Ended, Reader};
use meantime_core::observation::Estimate;
use meantime_core::units::{Nanos, Ppb};

/// Below this many samples chronyd has no regression: it reports 2000 ppm of skew and 4 s of error.
pub const FEWEST_SAMPLES: u32 = 3;

/// The report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceStats {
    /// Reference id (names reference clocks).
    pub refid: u32,
    /// Its address.
    pub address: Address,
    /// Samples in the regression.
    pub samples: u32,
    /// Runs of residuals of one sign.
    pub runs: u32,
    /// From the first to the last sample.
    pub span: Nanos,
    /// Standard deviation of the samples.
    pub deviation: Nanos,
    /// chronyd's clock against the source, as it drifts; > 0 = chronyd's clock is fast.
    pub residual_frequency: Ppb,
    /// Error bound of that frequency.
    pub skew: Ppb,
    /// chronyd's clock against the source; > 0 = chronyd's clock is ahead.
    pub offset: Nanos,
    /// Error of the offset.
    pub offset_error: Nanos,
}

impl SourceStats {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Ended> {
        Ok(Self {
            refid: reader.u32()?,
            address: Address::read(reader)?,
            samples: reader.u32()?,
            runs: reader.u32()?,
            span: reader.age()?.unwrap_or(Nanos::ZERO),
            deviation: reader.seconds()?,
            // Both as "this clock against the source" on the wire already (measured: a source that runs 200 ppm fast
            // shows −200 ppm, one that is ahead a negative offset).
            residual_frequency: reader.ppm()?,
            skew: reader.ppm()?,
            offset: reader.seconds()?,
            offset_error: reader.seconds()?,
        })
    }

    /// For core; none with fewer than three samples.
    pub fn estimate(&self) -> Option<Estimate> {
        (self.samples >= FEWEST_SAMPLES).then_some(Estimate {
            offset: self.offset,
            skew: self.skew,
            deviation: self.deviation,
        })
    }
}
