//! How trouble is made and healed: the lab's control port (by `docker exec`), a packet filter inside one node
//! container, signals to one node's chronyd. Nothing here reaches beyond containers that the demo made.

use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// Name of a lab server's container: `meantime-lab-gps-a`.
pub fn container(server: &str) -> String {
    format!("meantime-lab-{server}")
}

/// A command that failed, with what it said.
#[derive(Debug, thiserror::Error)]
#[error("`{command}` failed: {output}")]
pub struct Failed {
    command: String,
    output: String,
}

/// Runs a command, bounded to 30 s, and gives back what it printed.
pub async fn run(program: &str, args: &[&str]) -> Result<String, Failed> {
    let command = format!("{program} {}", args.join(" "));
    let failed = |output: String| Failed { command: command.clone(), output };
    let running = Command::new(program).args(args).stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(Duration::from_secs(30), running)
        .await
        .map_err(|_| failed("no end within 30 s".into()))?
        .map_err(|error| failed(error.to_string()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        Ok(text)
    } else {
        Err(failed(format!("{text}{}", String::from_utf8_lossy(&output.stderr))))
    }
}

/// One fault, made or healed.
#[derive(Clone, Debug)]
pub enum Fault {
    /// A lab server's behaviour, as `meantime-lab set` takes it.
    Lab {
        /// Server name.
        server: &'static str,
        /// `offset=200ms`, `dead=true`, …
        set: String,
    },
    /// All NTP out of one node is dropped (or no longer).
    Cut {
        /// Node name.
        node: String,
        /// Drop or undo.
        cut: bool,
    },
    /// A signal to the chronyd that Meantime runs on one node.
    Signal {
        /// Node name.
        node: String,
        /// KILL, STOP, CONT.
        signal: &'static str,
    },
}

impl Fault {
    /// Makes it so.
    pub async fn inject(&self) -> Result<(), Failed> {
        match self {
            Self::Lab { server, set } => {
                let container = container(server);
                let mut args = vec!["exec", container.as_str(), "meantime-lab", "set"];
                args.extend(set.split_whitespace());
                run("docker", &args).await?;
            }
            Self::Cut { node, cut } => {
                for table in ["iptables", "ip6tables"] {
                    let rule = "OUTPUT -p udp --dport 123 -j DROP";
                    let script = if *cut {
                        format!("{table} -w -C {rule} 2>/dev/null || {table} -w -I {rule}")
                    } else {
                        format!("while {table} -w -D {rule} 2>/dev/null; do :; done")
                    };
                    run("docker", &["exec", node, "sh", "-c", &script]).await?;
                }
            }
            Self::Signal { node, signal } => {
                // The node's own process table: Meantime's chronyd is the one below meantime-agent.
                let script = format!(
                    "agent=$(pgrep -o -f '^/usr/local/bin/meantime-agent') && pkill -{signal} -P \"$agent\" -x chronyd"
                );
                run("docker", &["exec", node, "sh", "-c", &script]).await?;
            }
        }
        Ok(())
    }
}
