//! The agent's command line; each flag can also be given as an environment variable.

use clap::Parser;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Runs chronyd on one node, judges its clock, reports.
#[derive(Clone, Debug, Parser)]
#[command(name = "meantime-agent", version)]
pub struct Args {
    /// Name of the Node that this agent runs on; its NodeTime has the same name.
    #[arg(long, env = "NODE_NAME")]
    pub node: String,
    /// Sockets, the pid file and chronyd's configuration. Made with mode 0770. At most 80 characters, because
    /// socket paths end at 107.
    #[arg(long, env = "MEANTIME_RUN_DIR", default_value = "/run/meantime")]
    pub run_dir: PathBuf,
    /// The ledger, the drift file and chronyd's dumps. On the host, so that they outlive the pod.
    #[arg(long, env = "MEANTIME_STATE_DIR", default_value = "/var/lib/meantime")]
    pub state_dir: PathBuf,
    /// The chronyd to run.
    #[arg(long, env = "MEANTIME_CHRONYD", default_value = "/usr/sbin/chronyd")]
    pub chronyd: PathBuf,
    /// The user that chronyd runs as. Root by default: with all capabilities but SYS_TIME dropped that is less than
    /// what switching users would need (SETUID, SETGID, CHOWN).
    #[arg(long, env = "MEANTIME_CHRONYD_USER", default_value = "root")]
    pub chronyd_user: String,
    /// Allows real discipline of the host's clock where a plan says Managed. Without it chronyd always runs `-x`.
    #[arg(long, env = "MEANTIME_ALLOW_CLOCK_CONTROL")]
    pub allow_clock_control: bool,
    /// Where /metrics, /healthz and /readyz are served; nothing is served without it.
    #[arg(long, env = "MEANTIME_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// The host's /proc, for the scan for other time daemons.
    #[arg(long, env = "MEANTIME_PROC", default_value = "/proc")]
    pub proc: PathBuf,
    /// The host's /etc/systemd/system, read-only: does the host set its clock at boot? Without it that is not known.
    #[arg(long, env = "MEANTIME_HOST_UNITS")]
    pub host_units: Option<PathBuf>,
    /// Fixed time between two looks at chronyd, for example 500ms; by default half of the shortest poll interval,
    /// 250 ms to 8 s.
    #[arg(long, env = "MEANTIME_OBSERVE_INTERVAL", value_parser = interval)]
    pub observe_interval: Option<Duration>,
    /// Runs without Kubernetes, from the ledger (and --plan-file) alone.
    #[arg(long, env = "MEANTIME_STANDALONE")]
    pub standalone: bool,
    /// With --standalone: a NodeTime as JSON, read again whenever it changes.
    #[arg(long, env = "MEANTIME_PLAN_FILE", requires = "standalone")]
    pub plan_file: Option<PathBuf>,
    /// With --standalone: where the status is written as JSON instead of to the API server.
    #[arg(long, env = "MEANTIME_STATUS_FILE", requires = "standalone")]
    pub status_file: Option<PathBuf>,
    /// This node's own address: where peers are answered, and where they are asked from. 0.0.0.0 = every address.
    #[arg(long, env = "MEANTIME_PEER_ADDRESS", default_value = "0.0.0.0")]
    pub peer_address: IpAddr,
    /// UDP port on which peers are answered.
    #[arg(long, env = "MEANTIME_PEER_PORT", default_value_t = meantime_core::peers::PORT)]
    pub peer_port: u16,
    /// The keys under which agents ask each other (the mounted Secret's keys.json); without it none is asked or answered.
    #[arg(long, env = "MEANTIME_PEER_KEYS")]
    pub peer_keys: Option<PathBuf>,
    /// For laboratories: how often each peer is asked and the keys are read. By default a minute.
    #[arg(long, env = "MEANTIME_PEER_INTERVAL", value_parser = interval, hide = true)]
    pub peer_interval: Option<Duration>,
    /// Log lines as JSON.
    #[arg(long, env = "MEANTIME_LOG_JSON")]
    pub log_json: bool,
}

fn interval(text: &str) -> Result<Duration, String> {
    let nanos = meantime_core::duration::parse(text).map_err(|error| error.to_string())?;
    let nanos = u64::try_from(nanos.0).unwrap_or(0);
    if nanos < 50_000_000 {
        return Err("shorter than 50ms: chronyd would spend its time answering".to_owned());
    }
    Ok(Duration::from_nanos(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_flags_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_plan_file_needs_standalone() {
        assert!(Args::try_parse_from(["a", "--node", "n1", "--plan-file", "/x"]).is_err());
        let args = Args::try_parse_from(["a", "--node", "n1", "--standalone", "--observe-interval", "500ms"])
            .unwrap();
        assert_eq!(args.observe_interval, Some(Duration::from_millis(500)));
        assert!(Args::try_parse_from(["a", "--node", "n1", "--observe-interval", "1ms"]).is_err());
    }
}
