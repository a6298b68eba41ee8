//! State machines that decide on a node over time: `step(state, what is seen, now) → (state, what is wanted)`.

pub mod failover;
pub mod probing;
