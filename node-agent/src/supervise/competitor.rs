//! Who else may be steering this machine's clock: a scan of the host's processes and of its UDP ports.
//!
//! **In:** a /proc directory and the pid of our own chronyd. **Out:** [`Competitor`]s, in a stable order.
//! **Must never** touch another process, and never take a `chronyd -x` for a competitor: it is only an instrument.

use std::fmt;
use std::fs;
use std::path::Path;

/// Process names (as the kernel cuts them: 15 characters) of programs that steer CLOCK_REALTIME.
/// `ptp4l` steers a network card's clock, but is almost never run without `phc2sys`.
const STEERING: [&str; 7] =
    ["chronyd", "ntpd", "ntp-daemon", "openntpd", "systemd-timesyn", "ptp4l", "phc2sys"];

/// UDP ports of time daemons: NTP, and chronyd's command port (open by default, so it tells of a host's chronyd
/// whose process we can't see).
const PORTS: [u16; 2] = [123, 323];

/// Something that may steer the clock besides us.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Competitor {
    /// A process.
    Process {
        /// Its name.
        name: String,
        /// Its pid in the namespace that was scanned.
        pid: u32,
    },
    /// A holder of a time daemon's UDP port that no process in sight explains.
    Port(u16),
}

impl fmt::Display for Competitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process { name, pid } => write!(f, "{name} (pid {pid})"),
            Self::Port(port) => write!(f, "a holder of UDP port {port}"),
        }
    }
}

/// Scans `proc`. `ours` is our own chronyd, which never counts. Processes that vanish meanwhile are skipped.
pub fn scan(proc: &Path, ours: Option<u32>) -> Vec<Competitor> {
    let mut found = Vec::new();
    for entry in fs::read_dir(proc).into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        if Some(pid) == ours {
            continue;
        }
        let Ok(name) = fs::read_to_string(entry.path().join("comm")) else { continue };
        let name = name.trim_end();
        if !STEERING.contains(&name) {
            continue;
        }
        let cmdline = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        // A zombie has no command line and steers nothing.
        if cmdline.is_empty() || (name == "chronyd" && is_instrument(&cmdline)) {
            continue;
        }
        found.push(Competitor::Process { name: name.to_owned(), pid });
    }
    if found.is_empty() {
        let bound =
            ["net/udp", "net/udp6"].map(|file| fs::read_to_string(proc.join(file)).unwrap_or_default());
        let held = |port: &u16| bound.iter().any(|text| bound_ports(text).any(|bound| bound == *port));
        found.extend(PORTS.into_iter().filter(held).map(Competitor::Port));
    }
    found.sort();
    found
}

/// Whether a chronyd was started with `-x` (alone or among other one-letter flags): it steers nothing.
fn is_instrument(cmdline: &[u8]) -> bool {
    cmdline.split(|byte| *byte == 0).skip(1).any(|arg| arg == b"-x")
}

/// Local ports in the text of /proc/net/udp or udp6.
fn bound_ports(text: &str) -> impl Iterator<Item = u16> + '_ {
    text.lines().skip(1).filter_map(|line| {
        let local = line.split_whitespace().nth(1)?;
        u16::from_str_radix(local.rsplit(':').next()?, 16).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(proc: &Path, pid: u32, comm: &str, cmdline: &str) {
        let dir = proc.join(pid.to_string());
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("comm"), format!("{comm}\n")).unwrap();
        fs::write(dir.join("cmdline"), cmdline).unwrap();
    }

    #[test]
    fn a_steering_daemon_is_found_and_an_instrument_is_not() {
        let proc = tempfile::tempdir().unwrap();
        process(proc.path(), 7, "systemd-timesyn", "/lib/systemd/systemd-timesyncd\0");
        process(proc.path(), 8, "chronyd", "chronyd\0-d\0-x\0-f\0/x\0");
        process(proc.path(), 9, "chronyd", "/usr/sbin/chronyd\0-F\0-s\0");
        process(proc.path(), 10, "chronyd", "chronyd\0-d\0");
        process(proc.path(), 11, "chronyd", ""); // a zombie
        process(proc.path(), 12, "bash", "bash\0");
        let names: Vec<_> = scan(proc.path(), Some(10)).iter().map(ToString::to_string).collect();
        assert_eq!(names, ["chronyd (pid 9)", "systemd-timesyn (pid 7)"]);
    }

    #[test]
    fn a_bound_ntp_port_tells_of_a_daemon_out_of_sight() {
        let proc = tempfile::tempdir().unwrap();
        fs::create_dir_all(proc.path().join("net")).unwrap();
        let udp = "  sl  local_address rem_address\n 1: 00000000:007B 00000000:0000 07\n 2: 0100007F:A143 00000000:0000 07\n";
        fs::write(proc.path().join("net/udp"), udp).unwrap();
        assert_eq!(scan(proc.path(), None), [Competitor::Port(123)]);
        process(proc.path(), 5, "ntpd", "ntpd\0");
        assert_eq!(scan(proc.path(), None).len(), 1, "the process explains the port");
    }
}
