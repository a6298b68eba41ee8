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

/// All addresses of a container of ours.
pub async fn addresses(container: &str) -> Result<Vec<String>, Failed> {
    let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.GlobalIPv6Address}} {{end}}";
    let text = run("docker", &["inspect", "-f", format, container]).await?;
    Ok(text.split_whitespace().map(str::to_owned).collect())
}

/// UDP of a node that matches one of these (`CHAIN MATCH`) is dropped, or no longer. What names an address is of its family
/// alone.
async fn drop_udp(node: &str, matches: &[String], cut: bool) -> Result<(), Failed> {
    for table in ["iptables", "ip6tables"] {
        let of_it = |one: &&String| !one.contains("-d ") || one.contains(':') == (table == "ip6tables");
        let rule = |one: &String| {
            let (chain, one) = one.split_once(' ').unwrap_or(("OUTPUT", one));
            let rule = format!("{chain} -p udp {one} -j DROP");
            if cut {
                format!("{table} -w -C {rule} 2>/dev/null || {table} -w -I {rule}")
            } else {
                format!("while {table} -w -D {rule} 2>/dev/null; do :; done")
            }
        };
        let script: Vec<String> = matches.iter().filter(of_it).map(rule).collect();
        if !script.is_empty() {
            run("docker", &["exec", node, "sh", "-ec", &script.join("\n")]).await?;
        }
    }
    Ok(())
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
    /// NTP from one node to some lab servers is dropped (or no longer).
    Block {
        /// Node name.
        node: String,
        /// Server names.
        servers: Vec<&'static str>,
        /// Drop or undo.
        cut: bool,
    },
    /// All NTP out of one node is dropped, and what its agent and other nodes' agents ask each other (or no longer).
    Isolate {
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
    /// Nothing is heard from one node: its kubelet is stopped (it would start a hung agent anew after a minute), its agent hangs.
    Lose {
        /// Node name.
        node: String,
        /// Lose or undo.
        lost: bool,
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
            Self::Cut { node, cut } => drop_udp(node, &["OUTPUT --dport 123".to_owned()], *cut).await?,
            Self::Block { node, servers, cut } => {
                let mut rules = Vec::new();
                for server in servers {
                    let addresses = addresses(&container(server)).await?;
                    rules.extend(addresses.iter().map(|address| format!("OUTPUT --dport 123 -d {address}")));
                }
                drop_udp(node, &rules, *cut).await?;
            }
            Self::Isolate { node, cut } => {
                let port = meantime_core::peers::PORT;
                // On the way in: what the node itself may not send tells its agent nothing of its peers (EPERM).
                let rules = [
                    "OUTPUT --dport 123".to_owned(),
                    format!("INPUT --dport {port}"),
                    format!("INPUT --sport {port}"),
                ];
                drop_udp(node, &rules, *cut).await?;
            }
            Self::Signal { node, signal } => {
                // The node's own process table: Meantime's chronyd is the one below meantime-agent.
                let script = format!(
                    "agent=$(pgrep -o -f '^/usr/local/bin/meantime-agent') && pkill -{signal} -P \"$agent\" -x chronyd"
                );
                run("docker", &["exec", node, "sh", "-c", &script]).await?;
            }
            Self::Lose { node, lost } => {
                let agent = |signal| format!("pkill -{signal} -o -f '^/usr/local/bin/meantime-agent'");
                let script = if *lost {
                    format!("systemctl stop kubelet && {}", agent("STOP"))
                } else {
                    format!("{}; systemctl start kubelet", agent("CONT"))
                };
                run("docker", &["exec", node, "sh", "-c", &script]).await?;
            }
        }
        Ok(())
    }
}
