//! The source lines: one per planned association, read by chronyd from its `sourcedir`.

use super::words::{lines, refuse, same};
use super::{Part, ReadError, ReadFault};
use crate::names::MAX_ASSOCIATIONS;
use crate::snapshot::{PlannedAssociation, Role};
use crate::source::{Endpoint, PollRange};
use crate::validate::{Address, BadAddress, MAX_POLL, MIN_POLL};
use std::collections::BTreeSet;
use std::fmt;

/// Twelve lines of the longest kind are below 4 kB.
const LONGEST: usize = 8_192;
/// Left away when it is this one.
const NTP_PORT: u16 = 123;

/// One server or a pool of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `server`.
    Server,
    /// `pool`.
    Pool {
        /// How many of its servers chronyd keeps, 1…12.
        max_sources: u32,
    },
}

/// One line. Its address is checked by its type, so nothing can be smuggled through it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SourceLine {
    /// Server or pool.
    pub kind: Kind,
    /// IP or DNS name; a pool has a name.
    pub address: Address,
    /// UDP port, 1…65535.
    pub port: u16,
    /// Poll bounds, [`MIN_POLL`]…[`MAX_POLL`].
    pub polls: PollRange,
    /// Four fast packets at the start.
    pub iburst: bool,
    /// Driver = `prefer`, Witness = `noselect`.
    pub role: Role,
}

impl SourceLine {
    /// The line of a planned association.
    pub fn of(association: &PlannedAssociation) -> Result<Self, BadAddress> {
        let (kind, address) = match &association.endpoint {
            Endpoint::Server { address, .. } => (Kind::Server, Address::parse(address)?),
            Endpoint::Pool { name, max_sources, .. } => {
                (Kind::Pool { max_sources: *max_sources }, Address::parse_name(name)?)
            }
        };
        let port = association.endpoint.port();
        let (polls, iburst, role) = (association.polls, association.iburst, association.role);
        Ok(Self { kind, address, port, polls, iburst, role })
    }

    /// How many associations it may become.
    pub const fn weight(&self) -> u32 {
        match self.kind {
            Kind::Server => 1,
            Kind::Pool { max_sources } => max_sources,
        }
    }
}

/// Without the newline.
impl fmt::Display for SourceLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Server => write!(f, "server {}", self.address)?,
            Kind::Pool { .. } => write!(f, "pool {}", self.address)?,
        }
        if self.port != NTP_PORT {
            write!(f, " port {}", self.port)?;
        }
        if let Kind::Pool { max_sources } = self.kind {
            write!(f, " maxsources {max_sources}")?;
        }
        write!(f, " minpoll {} maxpoll {}", self.polls.min, self.polls.max)?;
        if self.iburst {
            f.write_str(" iburst")?;
        }
        f.write_str(match self.role {
            Role::Driver => " prefer",
            Role::Voter => "",
            Role::Witness => " noselect",
        })
    }
}

/// All source lines of one node, in the plan's order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sources(pub Vec<SourceLine>);

impl Sources {
    /// The lines of a plan's typed associations: what its sources text must say.
    pub fn of(associations: &[PlannedAssociation]) -> Result<Self, BadAddress> {
        associations.iter().map(SourceLine::of).collect::<Result<_, _>>().map(Self)
    }

    /// As chronyd reads it; each line ends in a newline (a last one without is dropped by chronyd, silently).
    pub fn render(&self) -> String {
        self.0.iter().fold(String::with_capacity(64 * self.0.len()), |mut text, line| {
            text.push_str(&line.to_string());
            text.push('\n');
            text
        })
    }

    /// Reads exactly what [`Sources::render`] writes for a plan: at least one line, at most twelve associations,
    /// no address twice.
    pub fn read(text: &str) -> Result<Self, ReadError> {
        let mut sources = Self::default();
        let mut seen = BTreeSet::new();
        let mut weight = 0;
        for (number, text) in lines(Part::Sources, text, LONGEST)? {
            let bad = |fault| refuse(Part::Sources, number, text, fault);
            let line = read_line(text).map_err(bad)?;
            weight += line.weight();
            if weight > MAX_ASSOCIATIONS {
                return Err(bad(ReadFault::TooManySources));
            }
            if !seen.insert(line.address.identity()) {
                return Err(bad(ReadFault::Duplicate));
            }
            sources.0.push(line);
        }
        if sources.0.is_empty() {
            return Err(refuse(Part::Sources, 1, "", ReadFault::NoSources));
        }
        same(Part::Sources, text, &sources.render())?;
        Ok(sources)
    }
}

fn read_line(text: &str) -> Result<SourceLine, ReadFault> {
    let mut words = text.split(' ');
    let word = words.next().unwrap_or_default();
    let address = words.next().unwrap_or_default();
    let (mut kind, address) = match word {
        "server" => (Kind::Server, Address::parse(address)?),
        "pool" => (Kind::Pool { max_sources: 0 }, Address::parse_name(address)?),
        _ => return Err(ReadFault::Unknown),
    };
    let (mut port, mut iburst, mut role) = (NTP_PORT, false, Role::Voter);
    let (mut min, mut max) = (None, None);
    while let Some(option) = words.next() {
        match option {
            "iburst" => iburst = true,
            "prefer" => role = Role::Driver,
            "noselect" => role = Role::Witness,
            "port" => port = number(words.next(), "port", 1..=u16::MAX)?,
            "minpoll" => min = Some(number(words.next(), "minpoll", MIN_POLL..=MAX_POLL)?),
            "maxpoll" => max = Some(number(words.next(), "maxpoll", MIN_POLL..=MAX_POLL)?),
            "maxsources" if kind != Kind::Server => {
                kind = Kind::Pool { max_sources: number(words.next(), "maxsources", 1..=MAX_ASSOCIATIONS)? };
            }
            _ => return Err(ReadFault::Unknown),
        }
    }
    // What a line left out is filled in here and then differs from the canonical text.
    let default = PollRange::default();
    let polls = PollRange { min: min.unwrap_or(default.min), max: max.unwrap_or(default.max) };
    if polls.min > polls.max {
        return Err(ReadFault::Value { word: "maxpoll" });
    }
    if kind == (Kind::Pool { max_sources: 0 }) {
        return Err(ReadFault::Value { word: "maxsources" });
    }
    Ok(SourceLine { kind, address, port, polls, iburst, role })
}

fn number<N: std::str::FromStr + PartialOrd>(
    text: Option<&str>,
    word: &'static str,
    range: std::ops::RangeInclusive<N>,
) -> Result<N, ReadFault> {
    let parsed = text.and_then(|text| text.parse().ok());
    parsed.filter(|value| range.contains(value)).ok_or(ReadFault::Value { word })
}
