//! ADD_SOURCE: one layout from 4.0 to 4.9. What is not told here has chrony's own default.

use super::SelectOptions;
use crate::bytes::Writer;
use meantime_core::units::Nanos;
use std::fmt;

/// The kind of association.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceKind {
    /// One server.
    Server,
    /// A name that stands for many.
    Pool,
}

/// Longest name, without the final NUL.
const NAME: usize = 255;

/// Not a name or address for chronyd.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{}' is not a source name: 1 to {NAME} printable ASCII characters without space are", .0.escape_debug())]
pub struct BadSourceName(pub String);

/// An IP address or a DNS name, 1–255 printable ASCII characters without space.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceName(String);

impl SourceName {
    /// Checks a name.
    pub fn new(name: &str) -> Result<Self, BadSourceName> {
        if (1..=NAME).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(name.to_owned()))
        } else {
            Err(BadSourceName(name.to_owned()))
        }
    }
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A source to add. It lives until chronyd restarts: the files must say the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddSource {
    /// Server or pool.
    pub kind: SourceKind,
    /// Address or name.
    pub name: SourceName,
    /// UDP port.
    pub port: u16,
    /// Shortest poll interval, log2 seconds, −7…24.
    pub min_poll: i8,
    /// Longest poll interval, log2 seconds, `min_poll`…24.
    pub max_poll: i8,
    /// Four fast packets at the start.
    pub iburst: bool,
    /// Selection options.
    pub options: SelectOptions,
    /// How many servers of a pool are kept, 1…16.
    pub max_sources: u8,
    /// How many samples are kept, 4…64; none = chrony's own choice.
    pub max_samples: Option<u8>,
}

impl AddSource {
    /// A server on port 123 with chrony's defaults (poll 6…10).
    pub const fn server(name: SourceName) -> Self {
        Self {
            kind: SourceKind::Server,
            name,
            port: 123,
            min_poll: 6,
            max_poll: 10,
            iburst: false,
            options: SelectOptions::NONE,
            max_sources: 4,
            max_samples: None,
        }
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        const ONLINE: u32 = 0x1;
        const IBURST: u32 = 0x4;
        let flags = ONLINE | if self.iburst { IBURST } else { 0 } | self.options.source_flags();
        let mut name = [0; NAME + 1];
        for (to, from) in name.iter_mut().zip(self.name.0.bytes().take(NAME)) {
            *to = from;
        }
        writer
            .u32(match self.kind {
                SourceKind::Server => 1,
                SourceKind::Pool => 3,
            })
            .bytes(&name)
            .u32(u32::from(self.port))
            .i32(i32::from(self.min_poll))
            .i32(i32::from(self.max_poll))
            .i32(100) // presend: off
            .u32(0) // lowest stratum taken
            .u32(8) // poll target, samples
            .u32(4) // NTP version
            .u32(u32::from(self.max_sources))
            .i32(-1) // fewest samples: chrony's choice
            .i32(self.max_samples.map_or(-1, i32::from))
            .u32(0) // key: none
            .u32(4460) // NTS-KE port
            .seconds(Nanos::from_secs(3)) // largest delay
            .whole(0) // largest delay ratio: off
            .whole(10) // largest delay deviation ratio
            .seconds(Nanos::ZERO) // smallest delay
            .whole(1) // asymmetry: estimated
            .seconds(Nanos::ZERO) // offset
            .u32(flags)
            .i32(0) // filter: off
            .u32(0) // certificate set
            .whole(0) // delay quantile: off (reserved before 4.3)
            .i32(100_000) // polls unanswered before unselectable: chrony's default, *not* 0, which means one (≥ 4.8)
        ;
    }
}
