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

#[cfg(test)]
mod tests {
    use super::*;
    use meantime_core::fsm::failover::Figures;
    use meantime_core::ledger::Fence;
    use meantime_core::policy::Mode;
    use meantime_core::snapshot::{NodePlan, ObjectRef, PlannedAssociation, Role};
    use meantime_core::source::{Endpoint, PollRange, Scope, Timescale};
    use meantime_core::tolerances::Preset;

    fn plan() -> NodePlan {
        let tolerances = Preset::Kubernetes.tolerances();
        let associations = vec![PlannedAssociation {
            source: "s".into(),
            tier: 1,
            role: Role::Driver,
            endpoint: Endpoint::Server { address: "10.0.0.1".into(), port: 123 },
            polls: PollRange { min: 4, max: 6 },
            iburst: true,
            scope: Scope::Local,
            independence: "s".into(),
            timescale: Timescale::Utc,
            drive_order: Some(1),
            weight: 100,
            power_failing: false,
        }];
        NodePlan {
            policy: ObjectRef { name: "p".into(), uid: "u".into(), generation: 1 },
            mode: Mode::Managed,
            main: Main::for_policy(Mode::Managed, &tolerances, 1).render(),
            sources: Sources::of(&associations).unwrap().render(),
            associations,
            tolerances,
            failover: Figures::default(),
            hash: "h".into(),
        }
    }

    /// A host without a chronyd: a plan that gets as far as chronyd's own parser ends there.
    async fn fate(plan: NodePlan) -> Unfit {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(&dir.path().join("run"), &dir.path().join("state"));
        let program = Program { path: dir.path().join("chronyd"), user: "_chrony".into(), paths };
        let local = local(&program.paths, &program.user).unwrap();
        let held = HeldPlan { fence: Fence { uid: "u".into(), generation: 1 }, plan };
        admit(held, &local, ChronyVersion::new(4, 6, 1), &program).await.unwrap_err()
    }

    #[tokio::test]
    async fn only_what_core_would_have_written_reaches_chronyds_parser() {
        assert!(matches!(fate(plan()).await, Unfit::Process(_)));
        let served = NodePlan { main: format!("{}allow 0.0.0.0/0\n", plan().main), ..plan() };
        assert!(matches!(fate(served).await, Unfit::Read(_)));
        let trusted = NodePlan { sources: plan().sources.replace(" prefer", " trust"), ..plan() };
        assert!(matches!(fate(trusted).await, Unfit::Read(_)));
    }

    #[tokio::test]
    async fn a_text_that_says_something_else_than_the_typed_plan_is_refused() {
        let elsewhere = NodePlan { sources: plan().sources.replace("10.0.0.1", "10.0.0.2"), ..plan() };
        assert!(matches!(fate(elsewhere).await, Unfit::Inconsistent));
    }
}
