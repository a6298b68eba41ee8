//! Brings a plan to chronyd: read (known directives only), checked by chronyd's own parser, written, reloaded, read
//! back, confirmed or reverted. What is decided lies in pure files (machine.rs, steps.rs, facts.rs); this one does it.
//!
//! **Must never** leave a plan in force that was not read back, nor remove a majority of sources at once, nor write
//! a text that core's readers refused.

pub mod facts;
pub mod machine;
pub mod model;
pub mod steps;

use crate::files::Paths;
use crate::supervise::process::{ProcessError, Program};
use machine::Change;
use meantime_core::chrony::ChronyVersion;
use meantime_core::conf::{self, BadLocal, ConfPath, Local, Main, Sources, UserName};
use meantime_core::ledger::HeldPlan;

/// Why a plan is not even tried.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// A directive outside of the known set, or not as we write it.
    #[error(transparent)]
    Read(#[from] conf::ReadError),
    /// The sources text does not say what the typed associations say.
    #[error("the plan's sources text and its associations differ; what was in force stays")]
    Inconsistent,
    /// chronyd's own parser.
    #[error("chronyd {version} refuses the configuration: {said}; what was in force stays")]
    Parser {
        /// Which one.
        version: ChronyVersion,
        /// Its words.
        said: String,
    },
    /// It could not be asked.
    #[error(transparent)]
    Process(#[from] ProcessError),
}

/// This host's part of the main file.
pub fn local(paths: &Paths, user: &str) -> Result<Local, BadLocal> {
    let path = |path: std::path::PathBuf| ConfPath::new(&path.to_string_lossy());
    Ok(Local {
        drift_file: path(paths.drift())?,
        dump_dir: path(paths.dump_dir())?,
        pid_file: path(paths.pid_file())?,
        command_socket: path(paths.socket())?,
        source_dir: path(paths.source_dir())?,
        user: Some(UserName::new(user)?),
        acquisition: Vec::new(),
        test_server: None,
    })
}

/// Reads and checks a plan. The agent gets it over the network and feeds it to a daemon that may steer the clock:
/// only what core itself would have written passes.
pub async fn admit(
    held: HeldPlan,
    local: &Local,
    version: ChronyVersion,
    program: &Program,
) -> Result<Change, Unfit> {
    let main = Main::read(&held.plan.main)?;
    let sources = Sources::read(&held.plan.sources)?;
    if Sources::of(&held.plan.associations).ok().as_ref() != Some(&sources) {
        return Err(Unfit::Inconsistent);
    }
    let main = conf::compose(local, &main, version);
    // The sourcedir is not read by `-p`: both parts in one text, so that chronyd's parser sees every line.
    let whole = format!("{main}{}", sources.render());
    if let Err(said) = program.check(&whole).await? {
        return Err(Unfit::Parser { version, said });
    }
    Ok(Change { held, main, sources })
}
