//! chronyd as a child process: clears the way, starts it, hears it, signals it.
//!
//! **Must never** start it with flags that law 4 did not give, nor signal a process that is not our child or our
//! orphan (recognised by our configuration file in its command line).

use crate::files::{self, FileError, Paths};
use crate::supervise::law4::Flags;
use meantime_core::chrony::ChronyVersion;
use meantime_core::conf::MEASURING;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tracing::{info, warn};

/// Lines of chronyd's own log that are kept for the message when it dies.
const KEPT_LINES: usize = 4;
/// How long an orphan of an agent before us may take to dump and go.
const ORPHAN_GRACE: Duration = Duration::from_secs(5);

/// Why chronyd could not be run.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// One of its files.
    #[error(transparent)]
    File(#[from] FileError),
    /// The program itself.
    #[error("cannot run {program}: {source}; check --chronyd and the image")]
    Run {
        /// The program.
        program: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// `-v` printed no version.
    #[error("{program} -v printed no version that is understood: {printed:?}")]
    NoVersion {
        /// The program.
        program: PathBuf,
        /// The head of what it printed.
        printed: String,
    },
}

/// What the child did.
#[derive(Debug)]
pub enum Heard {
    /// It is gone; the last lines of its log.
    Exited(io::Result<ExitStatus>, String),
}

/// How chronyd is run here.
#[derive(Clone, Debug)]
pub struct Program {
    /// The binary.
    pub path: PathBuf,
    /// Its user.
    pub user: String,
    /// Where its files lie.
    pub paths: Paths,
}

impl Program {
    /// Its version, from `-v`.
    pub async fn version(&self) -> Result<ChronyVersion, ProcessError> {
        let output = Command::new(&self.path)
            .arg("-v")
            .stdin(Stdio::null())
            .output()
            .await
            .map_err(|source| ProcessError::Run { program: self.path.clone(), source })?;
        let printed = String::from_utf8_lossy(&output.stdout);
        ChronyVersion::parse(&printed).ok_or_else(|| ProcessError::NoVersion {
            program: self.path.clone(),
            printed: printed.chars().take(80).collect(),
        })
    }

    /// chronyd's own parser on a whole configuration: its complaint, if it has one.
    pub async fn check(&self, text: &str) -> Result<Result<(), String>, ProcessError> {
        // The directory may be gone after a retirement.
        self.paths.make()?;
        let candidate = self.paths.candidate();
        files::replace(&candidate, text)?;
        let output = Command::new(&self.path)
            .args(["-p", "-f"])
            .arg(&candidate)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .output()
            .await
            .map_err(|source| ProcessError::Run { program: self.path.clone(), source })?;
        files::remove(&candidate)?;
        if output.status.success() {
            return Ok(Ok(()));
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().last().map_or("it gave no reason", without_time);
        Ok(Err(said.chars().take(200).collect()))
    }

    /// Clears the way (directories, an orphan of ours, a stale pid file and socket) and starts it.
    pub async fn start(&self, main: &str, flags: Flags) -> Result<Running, ProcessError> {
        self.paths.make()?;
        self.end_orphan().await?;
        // A dead daemon's or a stranger's; chronyd would remove it too, but until then a stranger could answer in its
        // name and be taken for it.
        files::remove(&self.paths.socket())?;
        files::replace(&self.paths.main(), &written(main, flags))?;
        let mut command = Command::new(&self.path);
        command.arg("-d").arg("-f").arg(self.paths.main()).args(["-u", &self.user]);
        for (wanted, flag) in
            [(flags.virtual_clock, "-x"), (flags.reload_samples, "-r"), (flags.no_initial_step, "-R")]
        {
            if wanted {
                command.arg(flag);
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child =
            command.spawn().map_err(|source| ProcessError::Run { program: self.path.clone(), source })?;
        let log = child.stderr.take().map(|stderr| BufReader::with_capacity(1024, stderr).lines());
        info!(pid = child.id(), ?flags, "chronyd started");
        Ok(Running { child, log, last: VecDeque::with_capacity(KEPT_LINES) })
    }

    /// A chronyd left behind by an agent that was killed holds our socket and our dump directory: it is asked to
    /// dump and go. The pid file is then removed in any case, because chronyd refuses to start while *some*
    /// process has the pid in it.
    async fn end_orphan(&self) -> Result<(), FileError> {
        let pid_file = self.paths.pid_file();
        let pid = files::read(&pid_file)?.and_then(|text| text.trim().parse::<i32>().ok());
        if let Some(pid) = pid.and_then(Pid::from_raw).filter(|pid| self.is_ours(*pid)) {
            info!(pid = pid.as_raw_nonzero(), "ending a chronyd that an earlier agent left behind");
            signal(pid, Signal::TERM);
            let step = Duration::from_millis(50);
            let mut waited = Duration::ZERO;
            while test_kill_process(pid).is_ok() && self.is_ours(pid) {
                if waited >= ORPHAN_GRACE {
                    signal(pid, Signal::KILL);
                }
                if waited >= ORPHAN_GRACE * 2 {
                    warn!(pid = pid.as_raw_nonzero(), "it does not go; starting ours beside it");
                    break;
                }
                tokio::time::sleep(step).await;
                waited += step;
            }
        }
        files::remove(&pid_file)
    }

    fn is_ours(&self, pid: Pid) -> bool {
        let cmdline = std::fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
        names_file(&cmdline, &self.paths.main())
    }
}

/// Whether a NUL-separated command line has `path` as one of its arguments.
fn names_file(cmdline: &[u8], path: &Path) -> bool {
    use std::os::unix::ffi::OsStrExt;
    cmdline.split(|byte| *byte == 0).any(|arg| arg == path.as_os_str().as_bytes())
}

/// The running child.
#[derive(Debug)]
pub struct Running {
    child: Child,
    log: Option<Lines<BufReader<ChildStderr>>>,
    last: VecDeque<String>,
}

impl Running {
    /// Its pid; none once it was reaped.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Passes its log on until it exits. Cancel-safe.
    pub async fn heard(&mut self) -> Heard {
        loop {
            let line = async {
                match &mut self.log {
                    Some(log) => log.next_line().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                line = line => match line {
                    Ok(Some(line)) => note(&mut self.last, &line),
                    Ok(None) | Err(_) => self.log = None,
                },
                status = self.child.wait() => {
                    let last = self.last.iter().map(String::as_str).collect::<Vec<_>>().join(" / ");
                    return Heard::Exited(status, last);
                }
            }
        }
    }

    /// SIGTERM: it dumps its samples, writes its drift file and goes.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// SIGKILL.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    fn signal(&self, which: Signal) {
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            signal(pid, which);
        }
    }
}

fn signal(pid: Pid, which: Signal) {
    if let Err(error) = kill_process(pid, which) {
        warn!(pid = pid.as_raw_nonzero(), ?which, %error, "cannot signal chronyd");
    }
}

fn note(last: &mut VecDeque<String>, line: &str) {
    let line = without_time(line);
    // Its log levels are not in the line; these words are all that ask for a person.
    if ["Fatal", "Could not", "Wrong", "Disabled command", "interference"]
        .iter()
        .any(|word| line.contains(word))
    {
        warn!(target: "chronyd", "{line}");
    } else {
        info!(target: "chronyd", "{line}");
    }
    if last.len() == KEPT_LINES {
        last.pop_front();
    }
    last.push_back(line.chars().take(200).collect());
}

/// chronyd's lines start with its own time (`2026-11-21T23:28:01Z `); ours have one already.
fn without_time(line: &str) -> &str {
    match line.split_once("Z ") {
        Some((time, rest)) if time.len() == 19 => rest,
        _ => line,
    }
}

/// The file for one start: what is run as an instrument reads more.
fn written(main: &str, flags: Flags) -> String {
    let besides = if flags.virtual_clock { MEASURING } else { "" };
    format!("{main}{besides}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_own_time_is_cut_off() {
        assert_eq!(without_time("2026-11-21T23:28:01Z chronyd exiting"), "chronyd exiting");
        assert_eq!(without_time("NZ Z time"), "NZ Z time");
    }

    #[test]
    fn an_instrument_makes_no_leap_second() {
        let flags = |virtual_clock| Flags { virtual_clock, reload_samples: false, no_initial_step: true };
        assert_eq!(written("port 0\n", flags(true)), "port 0\nleapsecmode ignore\n");
        assert_eq!(written("port 0\n", flags(false)), "port 0\n", "one that steers arms the kernel");
    }

    #[test]
    fn only_a_whole_argument_names_our_file() {
        let cmdline = b"/usr/sbin/chronyd\0-d\0-f\0/run/meantime/chrony/chrony.conf\0";
        assert!(names_file(cmdline, Path::new("/run/meantime/chrony/chrony.conf")));
        assert!(!names_file(cmdline, Path::new("/run/meantime/chrony/chrony")));
        assert!(!names_file(b"", Path::new("/x")));
    }
}
