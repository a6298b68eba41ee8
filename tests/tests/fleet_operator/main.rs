//! The operator over a simulated fleet: its whole decision, every pass, on statuses as agents publish them.
//!
//! **In.** The hosts, chronyds and agents of the labelled scenarios ([`cluster`]). **Out.** What an operator would have
//! written, counted ([`desk`]). **Must never** stand in for an API server where versions, watches or refusals matter:
//! that is `operator_api`'s.

#![expect(clippy::disallowed_methods, reason = "a bench measures its own elapsed time")]

mod bad_days;
mod calendar;
mod cluster;
mod desk;
mod figures;
mod month;
