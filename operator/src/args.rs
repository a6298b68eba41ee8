//! The command line. Everything that a cluster's users decide is in TimeSources and policies; here is only what a
//! process must be told about its place.

use clap::{Args, Parser, Subcommand};
use std::net::SocketAddr;

/// Plans time for all nodes, compares them, writes their conditions.
#[derive(Clone, Debug, Parser)]
#[command(name = "meantime-operator", version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Operator or undertaker.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Run until told to stop.
    Run(RunArgs),
    /// Give every host back what was there, then remove conditions, NodeTimes and the Lease.
    Retire(RetireArgs),
}

/// Who and where this process is.
#[derive(Clone, Debug, Args)]
pub struct Place {
    /// Namespace of Lease, stop mark and agents' pods.
    #[arg(long, env = "POD_NAMESPACE", default_value = "meantime-system")]
    pub namespace: String,
    /// Pod name: half of the identity in the Lease.
    #[arg(long, env = "POD_NAME", default_value = "by-hand")]
    pub pod_name: String,
    /// Pod uid: the other half, so that another pod of the same name is somebody else.
    #[arg(long, env = "POD_UID")]
    pub pod_uid: Option<String>,
    /// The operator's Deployment; it owns the stop mark, so that the mark goes when the release goes.
    #[arg(long, env = "DEPLOYMENT", default_value = "meantime-operator")]
    pub deployment: String,
}

impl Place {
    /// Pod name and uid; a process outside of a pod takes its process id.
    pub fn identity(&self) -> String {
        match &self.pod_uid {
            Some(uid) => format!("{}_{uid}", self.pod_name),
            None => format!("{}_{}", self.pod_name, std::process::id()),
        }
    }
}

/// `run`.
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// Place.
    #[command(flatten)]
    pub place: Place,
    /// Address of /metrics, /healthz, /readyz.
    #[arg(long, env = "LISTEN", default_value = "0.0.0.0:9924")]
    pub listen: SocketAddr,
    /// Label selector of the agents' pods.
    #[arg(long, env = "AGENT_SELECTOR", default_value = "app.kubernetes.io/component=agent")]
    pub agent_selector: String,
    /// Seconds after which the API server ends a watch and it is begun anew; shorter than load balancers keep idle flows.
    #[arg(long, env = "WATCH_SECONDS", default_value_t = 200, value_parser = clap::value_parser!(u32).range(10..=290))]
    pub watch_seconds: u32,
    /// UDP port on which agents answer each other.
    #[arg(long, env = "PEER_PORT", default_value_t = meantime_core::peers::PORT, value_parser = clap::value_parser!(u16).range(1..))]
    pub peer_port: u16,
}

/// `retire`.
#[derive(Clone, Debug, Args)]
pub struct RetireArgs {
    /// Place.
    #[command(flatten)]
    pub place: Place,
    /// All nodes. There is no other choice yet: to retire some nodes, take them out of their policy.
    #[arg(long, required = true)]
    pub all: bool,
    /// Wait until every agent has acknowledged or has been silent for two minutes.
    #[arg(long)]
    pub wait: bool,
    /// Exit with an error if one node could not be restored, and leave its NodeTime: run it again to go on from there.
    #[arg(long)]
    pub strict: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn retiring_must_be_asked_for_in_full() {
        assert!(Cli::try_parse_from(["meantime-operator", "retire"]).is_err());
        assert!(Cli::try_parse_from(["meantime-operator", "retire", "--all", "--wait"]).is_ok());
    }
}
