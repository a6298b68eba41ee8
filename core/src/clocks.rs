//! The clocks of one machine, each a type of its own, so that no two can be confused or compared by accident.
//!
//! Only `node-agent/src/clock.rs` and `operator/src/clock.rs` read them; everything else is handed a
//! [`ClockReading`].

use crate::units::Nanos;
use serde::{Deserialize, Serialize};
use std::ops::{Add, Sub};

macro_rules! instant {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl Sub for $name {
            type Output = Nanos;
            fn sub(self, earlier: Self) -> Nanos {
                Nanos(self.0.saturating_sub(earlier.0))
            }
        }
        impl Add<Nanos> for $name {
            type Output = Self;
            fn add(self, span: Nanos) -> Self {
                Self(self.0.saturating_add(span.0))
            }
        }
        impl Sub<Nanos> for $name {
            type Output = Self;
            fn sub(self, span: Nanos) -> Self {
                Self(self.0.saturating_sub(span.0))
            }
        }
    };
}

instant! {
    /// CLOCK_BOOTTIME in nanoseconds: runs through suspend, never steps. All ages, holds and leases count on it.
    BootTime
}
instant! {
    /// CLOCK_MONOTONIC_RAW in nanoseconds: the bare oscillator, not slewed by anybody. The baseline's witness.
    RawTime
}
instant! {
    /// CLOCK_REALTIME in nanoseconds since 1970: the *judged clock*. Never compared between machines.
    WallTime
}

/// All clocks of this machine, read within one look (the agent reads them back to back, without awaiting).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockReading {
    /// CLOCK_REALTIME.
    pub wall: WallTime,
    /// CLOCK_BOOTTIME.
    pub boot: BootTime,
    /// CLOCK_MONOTONIC_RAW.
    pub raw: RawTime,
    /// The hardware clock (`/sys/class/rtc/rtc0/since_epoch`, whole seconds); none where it can't be read.
    pub rtc: Option<WallTime>,
    /// When it was last seen to begin a second; none where nobody watches it.
    #[serde(default)]
    pub tick: Option<Tick>,
}

/// The hardware clock, seen in the moment in which it begins a second: tells what its whole seconds can't.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tick {
    /// The second that it began.
    pub second: WallTime,
    /// By then it had begun.
    pub raw: RawTime,
    /// Not earlier than this before.
    pub within: Nanos,
}
