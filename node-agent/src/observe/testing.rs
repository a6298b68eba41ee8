//! Builders for the agent's unit tests.

use meantime_core::chrony::Letter;
use meantime_core::clocks::{BootTime, ClockReading, RawTime, WallTime};
use meantime_core::conditions::{Conditions, Reason};
use meantime_core::observation::{
    Answer, Association, ClockProfile, Estimate, Leap, Observation, PollCounters, Tracking,
};
use meantime_core::snapshot::Role;
use meantime_core::source::Timescale;
use meantime_core::units::{Nanos, Ppb};
use meantime_core::verdict::{AssociationVerdict, Verdict};

/// A healthy voter.
pub(crate) fn association(source: &str, poll: i8) -> Association {
    Association {
        address: None,
        source: Some(source.to_owned()),
        tier: 1,
        role: Role::Voter,
        independence: source.to_owned(),
        timescale: Timescale::Utc,
        letter: Letter::Combined,
        poll,
        reach: 0xff,
        counters: Some(PollCounters { sent: 20, valid: 20, good: 20 }),
        samples: 8,
        sample_age: Some(Nanos::SECOND),
        estimate: Some(Estimate { offset: Nanos::ZERO, skew: Ppb::ZERO, deviation: Nanos::ZERO }),
        packet: None,
    }
}

/// A healthy answer.
pub(crate) fn observation(associations: Vec<Association>) -> Observation {
    Observation {
        clocks: ClockReading { wall: WallTime(0), boot: BootTime(0), raw: RawTime(0), rtc: None, tick: None },
        boot_id: "boot".to_owned(),
        daemon_start: 1,
        profile: ClockProfile::Virtual,
        answer: Answer::Full { tracking: tracking(), associations },
    }
}

/// A synchronised clock.
pub(crate) fn tracking() -> Tracking {
    Tracking {
        refid: 1,
        address: None,
        stratum: 2,
        leap: Leap::Normal,
        reference_time: WallTime(0),
        residual: Nanos(100),
        last_offset: Nanos::ZERO,
        rms_offset: Nanos::ZERO,
        frequency: Ppb::ZERO,
        residual_frequency: Ppb::ZERO,
        skew: Ppb::ZERO,
        root_delay: Nanos(1_000),
        root_dispersion: Nanos(1_000),
        update_interval: Nanos::SECOND,
    }
}

/// A verdict that knows of its associations alone.
pub(crate) fn verdict(associations: Vec<AssociationVerdict>) -> Verdict {
    Verdict {
        conditions: Conditions::unknown(Reason::Booting, ""),
        offset: None,
        residual: None,
        disagreement: None,
        bound: None,
        headroom: None,
        holdover: None,
        selected: None,
        tier: None,
        usable_voters: 0,
        voters: 0,
        baseline: false,
        associations,
    }
}
