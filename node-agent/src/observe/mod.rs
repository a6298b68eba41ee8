//! Looks at chronyd: asks (client.rs), joins (assemble.rs), decides when to look again (pace.rs).
//!
//! **Out:** an [`Observation`](meantime_core::observation::Observation) whose clocks were read before the first
//! question, so that no age is too small. **Must never** judge: that is core's.

pub mod assemble;
pub mod client;
pub mod pace;
#[cfg(test)]
pub(crate) mod testing;
