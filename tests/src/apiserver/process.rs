//! One child process that can't outlive the test: a small shell holds it and kills it as soon as the pipe that the
//! test holds is closed, by whatever end of the test.

use super::{ApiServerError, io};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Starts "$@", writes its pid to $PID_FILE, waits for the pipe to close, kills it.
const HOLDER: &str =
    r#""$@" </dev/null & child=$!; echo $child >"$PID_FILE"; read -r _; kill -KILL $child; wait $child"#;

/// A held process.
#[derive(Debug)]
pub struct Process {
    holder: Child,
    pid_file: PathBuf,
}

impl Process {
    /// Starts `program`; both outputs are appended to `log`.
    pub fn spawn(program: &Path, arguments: &[String], log: &Path) -> Result<Self, ApiServerError> {
        let open = || File::options().create(true).append(true).open(log);
        let pid_file = log.with_extension("pid");
        let _ = fs::remove_file(&pid_file);
        let holder = Command::new("sh")
            .args(["-c", HOLDER, "sh"])
            .arg(program)
            .args(arguments)
            .env("PID_FILE", &pid_file)
            .stdin(Stdio::piped())
            .stdout(open().map_err(io(log.display().to_string()))?)
            .stderr(open().map_err(io(log.display().to_string()))?)
            .spawn()
            .map_err(io(program.display().to_string()))?;
        Ok(Self { holder, pid_file })
    }

    /// Whether the program (not its holder) runs; true until its pid is known.
    pub fn is_running(&self) -> bool {
        let Ok(text) = fs::read_to_string(&self.pid_file) else { return true };
        let pid = text.trim();
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return pid.is_empty() };
        // A zombie waits for its holder.
        !stat.contains(") Z ")
    }

    /// Kills it and waits until it is gone.
    pub async fn end(mut self) {
        drop(self.holder.stdin.take());
        for _ in 0..100 {
            if matches!(self.holder.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}

/// The end of a log file.
pub fn last_words(log: &Path) -> String {
    tail(&fs::read_to_string(log).unwrap_or_default())
}

/// The last lines of a text.
pub fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(12)..].join("\n")
}
