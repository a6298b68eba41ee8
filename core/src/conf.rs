//! chrony's configuration as types: what Meantime may say to chronyd, how it is written, and a reader that takes
//! exactly that and refuses everything else.
//!
//! **In:** typed parts. **Out:** text for chronyd, and typed parts again from text. **Must never** write a word
//! that chronyd 4.0 does not know unless the version given knows it (an unknown option is fatal to chronyd), nor
//! read a text that [`Main::render`] or [`Sources::render`] would not have written: the agent gets its texts over
//! the network and feeds them to a daemon that runs with CAP_SYS_TIME.
//!
//! Two parts travel in a plan, each with its own hash, because chronyd takes them differently (measured):
//! - [`Main`], the policy's directives: a change needs a restart;
//! - [`Sources`], one line per source, read from a `sourcedir`: a change needs `reload sources` only.
//!
//! The third, [`Local`], are the agent's own paths; it never travels. What chronyd runs is
//! [`compose`]`(local, main, version)` and [`Sources::render`]; what the agent itself decides later on (failover)
//! is a change of the typed [`Sources`] between reading and rendering.
//!
//! No directive of [`Main`] or [`Sources`] is younger than chrony 4.0, so those two need no version; `Local` uses
//! what newer versions offer. `tests/tests/wire_conf.rs` parses all of it with real releases.

mod local;
mod policy_part;
mod sources;
mod words;

pub use local::{BadLocal, ConfPath, Local, MEASURING, UserName, compose};
pub use policy_part::{MAKE_STEP, Main, MakeStep};
pub use sources::{Kind, SourceLine, Sources};

use std::fmt;

/// Which text a [`ReadError`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The policy's directives.
    Main,
    /// The source lines.
    Sources,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Main => "main",
            Self::Sources => "sources",
        })
    }
}

/// A text that is not one of ours. Nothing of it may be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{part} text refused at line {line} ({text:?}): {fault}; what was in force stays")]
pub struct ReadError {
    /// Which text.
    pub part: Part,
    /// Line number, from 1.
    pub line: usize,
    /// That line, cut after 120 characters.
    pub text: String,
    /// What is wrong.
    pub fault: ReadFault,
}

/// Why a line was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadFault {
    /// More text than any plan can have.
    #[error("the text is longer than {0} bytes")]
    TooLong(usize),
    /// chronyd drops an unterminated last line without a word, and the source with it (measured).
    #[error("the last line has no newline")]
    Unterminated,
    /// Not a directive that Meantime uses, or not with these arguments.
    #[error("not a directive that this version knows")]
    Unknown,
    /// A known word with a value that it may not have.
    #[error("{word} can not have this value")]
    Value {
        /// The directive or option.
        word: &'static str,
    },
    /// The server's address is none.
    #[error(transparent)]
    Address(#[from] crate::validate::BadAddress),
    /// Known words, but not as we write them: order, spaces, doubles, something left out.
    #[error("expected {expected:?}")]
    NotCanonical {
        /// What this version would write there; empty = nothing more.
        expected: String,
    },
    /// A plan without sources is never sent: it would starve the clock.
    #[error("no source at all")]
    NoSources,
    /// More associations than a plan may hold.
    #[error("more than {} associations", crate::names::MAX_ASSOCIATIONS)]
    TooManySources,
    /// chronyd tells sources apart by address alone and would silently not add the second.
    #[error("the same address twice")]
    Duplicate,
}

#[cfg(test)]
mod tests;
