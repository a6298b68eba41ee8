//! What must hold for any bytes, one module per reader. Two drivers use each check: the fuzz target here, and the
//! crate's own `tests/corpus.rs`, which runs it in `make test` over the committed corpus and seeded mutations.
//! A check must never depend on the driver, on time or on chance.

pub mod candm;
pub mod conf;
pub mod ntp;
