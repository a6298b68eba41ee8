//! The agent's own part of chronyd's main file, and the whole file.

use super::policy_part::{Main, PORT};
use crate::chrony::ChronyVersion;
use std::fmt::Write as _;
use std::fmt::{self, Display};
use std::net::{IpAddr, SocketAddr};

/// Longest path: what fits into a Unix socket's address with its end mark.
const LONGEST_PATH: usize = 107;
/// Longest user name (useradd's limit).
const LONGEST_USER: usize = 32;
/// How often chronyd ≥ 4.7 saves its drift, seconds; before, it does so at most hourly, and a SIGKILL loses that.
const DRIFT_INTERVAL: u32 = 600;

/// A text of the agent's own settings that would not survive chronyd's parser as one word.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} can not stand in chronyd's configuration as a {what}: {why}")]
pub struct BadLocal {
    /// As given.
    pub text: String,
    /// `path` or `user`.
    pub what: &'static str,
    /// What is allowed.
    pub why: &'static str,
}

/// An absolute path of letters, digits and `/ . _ -`, at most 107 bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ConfPath(String);

impl ConfPath {
    /// Checks it.
    pub fn new(path: &str) -> Result<Self, BadLocal> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'.' | b'_' | b'-');
        if path.starts_with('/') && path.len() <= LONGEST_PATH && path.bytes().all(plain) {
            return Ok(Self(path.to_owned()));
        }
        let why = "absolute, at most 107 bytes, only letters, digits and / . _ -";
        Err(BadLocal { text: path.to_owned(), what: "path", why })
    }
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Display for ConfPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A Unix user name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UserName(String);

impl UserName {
    /// Checks it.
    pub fn new(name: &str) -> Result<Self, BadLocal> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-');
        let first = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b == b'_');
        if first && name.len() <= LONGEST_USER && name.bytes().all(plain) {
            return Ok(Self(name.to_owned()));
        }
        let why = "1 to 32 of a-z, 0-9, _ and -, beginning with a letter or _";
        Err(BadLocal { text: name.to_owned(), what: "user", why })
    }
}

impl Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where one agent's chronyd keeps its things. Decided by the agent's flags, never by the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// `driftfile`: the oscillator's rate, kept over restarts.
    pub drift_file: ConfPath,
    /// `dumpdir`: samples, kept over restarts (`-r`).
    pub dump_dir: ConfPath,
    /// `pidfile`.
    pub pid_file: ConfPath,
    /// `bindcmdaddress`: the command socket. Its directory must be 0770 or stricter and owned by [`Local::user`].
    pub command_socket: ConfPath,
    /// `sourcedir`: chronyd reads every `*.sources` file in it.
    pub source_dir: ConfPath,
    /// `user`; none = what chronyd was built with (Debian: `_chrony`), not root.
    pub user: Option<UserName>,
    /// `bindacqaddress`: where requests come from, at most one per address family.
    pub acquisition: Vec<IpAddr>,
    /// Tests only: serve the (virtual) clock there, to loopback clients. Never set by the chart.
    pub test_server: Option<SocketAddr>,
}

/// What a chronyd that only measures (`-x`) reads besides. It can't arm the kernel, and would make a leap second by a step
/// of its virtual clock: together with the kernel's own step, which another program has armed, its time would be a second
/// off until it has measured anew. Known since chrony 2.0.
pub const MEASURING: &str = "leapsecmode ignore\n";

/// chronyd's whole main file. The sources come from files in [`Local::source_dir`].
pub fn compose(local: &Local, main: &Main, version: ChronyVersion) -> String {
    let mut text = String::from("# Written by meantime-agent, overwritten at every change.\n");
    // Writing to a String can not fail.
    let mut put = |line: fmt::Arguments<'_>| {
        let _ = text.write_fmt(line);
        text.push('\n');
    };
    if version.saves_drift_at_interval() {
        put(format_args!("driftfile {} interval {DRIFT_INTERVAL}", local.drift_file));
    } else {
        put(format_args!("driftfile {}", local.drift_file));
    }
    put(format_args!("dumpdir {}", local.dump_dir));
    put(format_args!("pidfile {}", local.pid_file));
    put(format_args!("bindcmdaddress {}", local.command_socket));
    put(format_args!("sourcedir {}", local.source_dir));
    if let Some(user) = &local.user {
        put(format_args!("user {user}"));
    }
    for address in &local.acquisition {
        put(format_args!("bindacqaddress {address}"));
    }
    let rendered = main.render();
    let Some(server) = local.test_server else { return text + &rendered };
    put(format_args!("bindaddress {}", server.ip()));
    put(format_args!("port {}", server.port()));
    put(format_args!("allow {}", if server.is_ipv4() { "127.0.0.0/8" } else { "::1" }));
    text + &rendered.replacen(PORT, "", 1)
}
