//! Who races: the same five servers, asked by three.
//!
//! All are the same build of chronyd with `-x`, in one race at one time, each from an address of its own, so that the
//! lab can fail a server for one of them alone: for each the one that *it* follows.

use super::course::Course;
use crate::agent::Node;
use meantime_core::chrony::ChronyVersion;
use meantime_core::snapshot::{PlannedAssociation, Role};
use meantime_core::source::{Endpoint, FULL_WEIGHT, PollRange, Scope, Timescale};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// How many of the servers are preferred by those who prefer any.
pub const PREFERRED: usize = 2;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Contestant {
    /// chronyd with what Debian bookworm ships.
    Debian,
    /// chronyd as an expert sets it.
    Tuned,
    /// Our agent with its chronyd.
    Meantime,
}

impl Contestant {
    /// In the order of the table.
    pub const ALL: [Self; 3] = [Self::Debian, Self::Tuned, Self::Meantime];

    /// In figures' ids.
    pub fn name(self) -> &'static str {
        match self {
            Self::Debian => "debian",
            Self::Tuned => "tuned",
            Self::Meantime => "meantime",
        }
    }

    /// Where its packets come from. Our agent has no setting for that, so it has the one that the kernel takes.
    pub fn client(self) -> IpAddr {
        let last = match self {
            Self::Meantime => 1,
            Self::Debian => 2,
            Self::Tuned => 3,
        };
        Ipv4Addr::new(127, 0, 0, last).into()
    }

    /// A rival's configuration.
    ///
    /// *debian*: `/etc/chrony/chrony.conf` of bookworm without what is a path, and without `leapsectz` (no leap second
    /// is near); the pool is the race's servers. *tuned*: the same, and what shortens failover in chrony alone
    /// (time-sync reference §0.2): few samples, the near servers preferred, and `maxunreach` where it exists.
    pub fn configuration(self, servers: &[SocketAddr], poll: i8, version: ChronyVersion) -> String {
        let mut text =
            format!("bindacqaddress {}\nmaxupdateskew 100.0\nrtcsync\nmakestep 1 3\n", self.client());
        for (index, server) in servers.iter().enumerate() {
            let (ip, port) = (server.ip(), server.port());
            // Writing to a String can not fail.
            let _ = write!(text, "server {ip} port {port} minpoll {poll} maxpoll {poll} iburst");
            if self == Self::Tuned {
                text.push_str(" maxsamples 8");
                if version.has_maxunreach() {
                    text.push_str(" maxunreach 3");
                }
                if index < PREFERRED {
                    text.push_str(" prefer");
                }
            }
            text.push('\n');
        }
        text
    }
}

/// Our plan for a race: the first two servers are tier 1 and drive, the others are tier 2, vote, and drive
/// when nobody of the first can. **The one place
/// where a plan of a race is made.**
pub fn plan(node: &mut Node, course: &Course) {
    node.plan.tolerances = course.tolerances.clone();
    node.plan.failover.max_reference_age = course.max_reference_age;
    node.plan.associations = node
        .labs
        .iter()
        .enumerate()
        .map(|(index, lab)| {
            let first = index < PREFERRED;
            PlannedAssociation {
                source: format!("s{index}"),
                tier: if first { 1 } else { 2 },
                role: if first { Role::Driver } else { Role::Voter },
                endpoint: Endpoint::Server {
                    address: lab.address().ip().to_string(),
                    port: lab.address().port(),
                },
                polls: PollRange { min: course.poll, max: course.poll },
                iburst: true,
                scope: Scope::Local,
                independence: format!("s{index}"),
                timescale: Timescale::Utc,
                drive_order: Some(if first { 1 } else { 2 }),
                weight: FULL_WEIGHT,
                power_failing: false,
            }
        })
        .collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rival_has_what_its_version_can_take() {
        let servers: Vec<SocketAddr> =
            (1..=3).map(|last| (Ipv4Addr::new(127, 200, 1, last), 1_123).into()).collect();
        let old = Contestant::Tuned.configuration(&servers, 1, ChronyVersion::new(4, 6, 1));
        assert_eq!(
            old,
            "bindacqaddress 127.0.0.3\nmaxupdateskew 100.0\nrtcsync\nmakestep 1 3\n\
             server 127.200.1.1 port 1123 minpoll 1 maxpoll 1 iburst maxsamples 8 prefer\n\
             server 127.200.1.2 port 1123 minpoll 1 maxpoll 1 iburst maxsamples 8 prefer\n\
             server 127.200.1.3 port 1123 minpoll 1 maxpoll 1 iburst maxsamples 8\n"
        );
        let new = Contestant::Tuned.configuration(&servers, 1, ChronyVersion::new(4, 8, 0));
        assert_eq!(new.matches(" maxunreach 3").count(), 3);
        let debian = Contestant::Debian.configuration(&servers, 4, ChronyVersion::new(4, 8, 0));
        assert!(debian.ends_with("server 127.200.1.3 port 1123 minpoll 4 maxpoll 4 iburst\n"), "{debian}");
        assert!(!debian.contains("prefer") && !debian.contains("maxunreach"), "{debian}");
    }
}
