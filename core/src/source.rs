//! A declared source of time, as the planner sees a valid or invalid `TimeSource`.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a source is for on a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Use {
    /// May drive the clock when its tier drives; votes otherwise.
    #[default]
    Drive,
    /// Votes on who lies, never preferred.
    Vote,
    /// Measured, never steered by (`noselect`).
    Witness,
}

/// How near a source is: manners and budgets follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// On this node's network; may be polled fast.
    Local,
    /// In this organisation's sites.
    Site,
    /// Somebody else's server: minPoll ≥ 6, no bursts beyond iburst, KoD honoured.
    Public,
}

/// The scale a source serves. Two scales never mix on one node: they may be half a second apart for a day.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Timescale {
    /// UTC with leap seconds as they are.
    #[default]
    Utc,
    /// A named leap smear, for example `google24h`.
    Smear(String),
}

/// Where packets go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Endpoint {
    /// One NTP server.
    Server {
        /// IP literal or DNS name, as declared.
        address: String,
        /// UDP port, 123 unless told.
        port: u16,
    },
    /// A DNS name that resolves to many servers.
    Pool {
        /// DNS name, as declared.
        name: String,
        /// UDP port, 123 unless told.
        port: u16,
        /// How many of them chronyd keeps, 1…12; counts towards the association limit.
        max_sources: u32,
    },
}

impl Endpoint {
    /// The address or name as declared.
    pub fn address(&self) -> &str {
        match self {
            Self::Server { address, .. } => address,
            Self::Pool { name, .. } => name,
        }
    }
    /// The UDP port.
    pub fn port(&self) -> u16 {
        match self {
            Self::Server { port, .. } | Self::Pool { port, .. } => *port,
        }
    }
    /// How many associations it may become.
    pub fn weight(&self) -> u32 {
        match self {
            Self::Server { .. } => 1,
            Self::Pool { max_sources, .. } => *max_sources,
        }
    }
}

/// Poll interval bounds as chrony's log2 seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PollRange {
    /// Fastest poll, log2 seconds, −4…17.
    pub min: i8,
    /// Slowest poll, log2 seconds, −4…17, never below `min`.
    pub max: i8,
}

impl PollRange {
    /// Never faster than this.
    pub const fn at_least(self, poll: i8) -> Self {
        let Self { min, max } = self;
        Self { min: if min < poll { poll } else { min }, max: if max < poll { poll } else { max } }
    }
}

impl Default for PollRange {
    /// chrony's own defaults: 64 s … 1024 s.
    fn default() -> Self {
        Self { min: 6, max: 10 }
    }
}

/// The weight of a source that declares none, and the highest one.
pub const FULL_WEIGHT: u8 = 100;

/// A TimeSource as declared. Nothing here is trusted until [`crate::snapshot`] has been validated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceSpec {
    /// Object name.
    pub name: String,
    /// Object uid.
    pub uid: String,
    /// Object generation.
    pub generation: i64,
    /// Object labels, what policies select by.
    pub labels: BTreeMap<String, String>,
    /// 1 preferred … 9.
    pub tier: u8,
    /// What it is for.
    pub usage: Use,
    /// Where packets go.
    pub endpoint: Endpoint,
    /// Poll bounds.
    pub polls: PollRange,
    /// Four fast packets at the start.
    pub iburst: bool,
    /// How near it is.
    pub scope: Scope,
    /// `location.zone`; compared with the node's zone label.
    pub zone: Option<String>,
    /// Provider or root label: sources with the same one count as one when independence is asked for.
    pub independence: Option<String>,
    /// The scale it serves.
    pub timescale: Timescale,
    /// Rank among equals, 0…[`FULL_WEIGHT`].
    pub weight: u8,
    /// Its power is failing: it drives only when nobody else can.
    pub power_failing: bool,
    /// What it may cost; none = as its scope has it, see [`SourceSpec::budget`].
    pub packets_per_minute: Option<u32>,
}

/// Polls a minute that a Public server gets from one way out, all nodes behind it together. A server that limits rates
/// sees one address there, and begins to drop at one packet in 8 s: ntpd's `discard average 3` (with `restrict …
/// limited`, as distributions ship it) and chronyd's `ratelimit interval 3`. 7.5 is that; 7 stays below it.
pub const PUBLIC_PACKETS_PER_MINUTE: u32 = 7;

impl SourceSpec {
    /// What stands for its independence: the declared label, else the source itself.
    pub fn root(&self) -> &str {
        self.independence.as_deref().unwrap_or(&self.name)
    }
    /// Polls a minute from one way out; none = as many as there are nodes.
    pub const fn budget(&self) -> Option<u32> {
        match (self.packets_per_minute, self.scope) {
            (Some(declared), _) => Some(declared),
            (None, Scope::Public) => Some(PUBLIC_PACKETS_PER_MINUTE),
            (None, Scope::Local | Scope::Site) => None,
        }
    }
}
