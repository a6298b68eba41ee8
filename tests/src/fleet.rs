//! A seeded simulation of a whole fleet, whose output is what an operator sees: NodeTime statuses as agents publish
//! them, how fresh each is, what is declared. And labelled scenarios over it, with a matrix of what a diagnosis makes
//! of them.
//!
//! **Must never** hand a fault itself to the diagnosis, read a clock, or draw randomness that the seed does not decide.

pub mod chronyd;
pub mod diagnosis;
pub mod fault;
pub mod host;
pub mod matrix;
pub mod noise;
pub mod path;
pub mod peers;
pub mod plan;
pub mod publish;
pub mod run;
pub mod scenarios;
pub mod seen;
mod show;
pub mod world;
