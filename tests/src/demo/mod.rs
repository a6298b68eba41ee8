//! The demo: ten scenes of trouble on a real cluster, each seen as a user would see it.
//!
//! **In:** a cluster with Meantime installed, lab servers as containers, `examples/quickstart` applied.
//! **Out:** a table scene / expected / seen / seconds, where *seen* is read from Node conditions, Events and
//! TimeSource status only; figures as JSON lines; an exit code that is non-zero if one scene differs.
//! **Never** reads the agents' memory or chrony's opinion to decide a scene; never touches a clock.
//!
//! - [`world`]: what a user can see, read in one go
//! - [`faults`]: how trouble is made and healed (docker, the lab's control port)
//! - [`scenes`]: the scenes as data
//! - [`further`]: more of them, for `make test-long`
//! - [`play`]: one loop that plays any scene
//! - [`truth`]: coverage and "True while wrong", sampled each second against the lab's injected error
//! - [`report`]: the table and the figures

pub mod faults;
pub mod further;
pub mod play;
pub mod report;
pub mod scenes;
pub mod truth;
pub mod world;
