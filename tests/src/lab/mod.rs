//! The time lab: NTP servers that misbehave exactly as they are told.
//!
//! Role: the sources that agents under test follow, and the *ground truth* (DESIGN "Testing without lying to
//! ourselves"): true time is this machine's CLOCK_REALTIME, and what a lab server adds to it is known to the
//! nanosecond. [`model`] decides what to answer (pure: no I/O, no clock, seeded chance); [`server`] is the thin
//! UDP shell around it, in process or behind `meantime-lab serve`; [`control`] changes it at run time; [`relay`]
//! brings servers to where they cannot be bound; [`probe`] looks at a server with an independent implementation.
//! It must never set a clock.

pub mod clock;
pub mod control;
pub mod model;
pub mod probe;
pub mod relay;
mod rng;
pub mod server;
pub mod settings;

pub use server::{Lab, LabError, LabOptions};
pub use settings::{BadSetting, Settings};
