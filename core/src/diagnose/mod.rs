//! # Diagnose: what all nodes together prove that one alone cannot
//!
//! **Role.** One node cannot tell "my source lies" from "I am cut off" from "the upstream is dead". All nodes together
//! often can; where they cannot, the general word is said and not the specific one. **In.** A [`Fleet`](fleet::Fleet):
//! what each agent published last and how fresh that is, and what is declared of the sources. **Out.**
//! [`Finding`](finding::Finding)s. **Must never** compare two machines' wall clocks (law 3): every offset here is one
//! node's own measurement against a source that others measured too; take silence for evidence (law 2); or
//! count heads where failure domains vote.
//!
//! Half built: the words ([`finding`]) and the input ([`fleet`]) stand, the rules do not yet. Nothing uses them.

pub mod finding;
pub mod fleet;
