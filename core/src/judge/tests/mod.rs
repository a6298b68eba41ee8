//! The judge against a small deterministic world: virtual clocks, sources and chronyd, with the truth known.

pub(crate) mod build;
pub(in crate::judge) mod sim;

mod coverage;
mod jumps;
mod properties;
mod rows;
mod scenes;
