//! Builders for tests: one good association, a good TRACKING, an empty plan, a verdict, seeded noise.

use crate::chrony::Letter;
use crate::clocks::WallTime;
use crate::conditions::{Conditions, Reason};
use crate::observation::{Association, Estimate, Leap, Packet, PollCounters, Tracking};
use crate::policy::Mode;
use crate::snapshot::{NodePlan, ObjectRef, Role};
use crate::source::Timescale;
use crate::tolerances::Tolerances;
use crate::units::{Nanos, Ppb};
use crate::verdict::{AssociationVerdict, Verdict};

/// Some moment in 2026, nanoseconds since 1970.
pub const EPOCH: i64 = 1_790_000_000 * 1_000_000_000;

/// One association that answers well, for unit tests.
pub fn association(address: &str, source: &str) -> Association {
    Association {
        address: Some(address.parse().unwrap()),
        source: Some(source.to_owned()),
        tier: 1,
        role: Role::Driver,
        independence: source.to_owned(),
        timescale: Timescale::Utc,
        letter: Letter::Combined,
        poll: 1,
        reach: 0xff,
        counters: Some(PollCounters { sent: 10, valid: 10, good: 10 }),
        samples: 8,
        sample_age: Some(Nanos::SECOND),
        estimate: Some(Estimate { offset: Nanos::ZERO, skew: Ppb(100), deviation: Nanos(10_000) }),
        packet: Some(Packet {
            root_delay: Nanos(20_000),
            root_dispersion: Nanos(10_000),
            peer_delay: Nanos(300_000),
            peer_dispersion: Nanos(1_000),
            stratum: 1,
            leap: Leap::Normal,
            refid: 0x4750_5300,
            reference_time: WallTime(EPOCH),
        }),
    }
}

/// A TRACKING that follows 10.0.0.1 well, for unit tests.
pub fn tracking() -> Tracking {
    Tracking {
        refid: 0x0a00_0001,
        address: Some("10.0.0.1".parse().unwrap()),
        stratum: 2,
        leap: Leap::Normal,
        reference_time: WallTime(EPOCH),
        residual: Nanos::ZERO,
        last_offset: Nanos::ZERO,
        rms_offset: Nanos(10_000),
        frequency: Ppb::ZERO,
        residual_frequency: Ppb::ZERO,
        skew: Ppb(100),
        root_delay: Nanos(320_000),
        root_dispersion: Nanos(50_000),
        update_interval: Nanos::from_secs(2),
    }
}

/// A verdict that knows of its associations alone.
pub fn verdict(associations: Vec<AssociationVerdict>) -> Verdict {
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

/// xorshift64*: seeded noise.
#[derive(Clone)]
pub struct Noise(u64);

impl Noise {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }
    /// 0 … most−1.
    pub fn below(&mut self, most: i64) -> i64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 1;
        i64::try_from(drawn).unwrap() % most.max(1)
    }
}

/// A plan with these tolerances and no associations yet.
pub fn plan(tolerances: Tolerances) -> NodePlan {
    NodePlan {
        policy: ObjectRef { name: "p".into(), uid: "u".into(), generation: 1 },
        mode: Mode::Observe,
        associations: Vec::new(),
        tolerances,
        failover: crate::fsm::failover::Figures::default(),
        main: String::new(),
        sources: String::new(),
        hash: "plan-1".into(),
    }
}
