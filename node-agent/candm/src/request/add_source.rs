//! ADD_SOURCE: one command up to chrony 4.8, another one with another layout from 4.9 on, which refuses the old one as
//! invalid (measured). What is not told here has chronyc's own default.

use super::SelectOptions;
use crate::bytes::Writer;
use meantime_core::chrony::ChronyVersion;
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

/// Which of the two commands a daemon takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddSourceLayout {
    /// Command 64: 4.0 to 4.8.
    First,
    /// Command 75: from 4.9 on.
    Second,
}

impl AddSourceLayout {
    /// By the daemon's version.
    pub fn of(version: ChronyVersion) -> Self {
        if version >= ChronyVersion::new(4, 9, 0) { Self::Second } else { Self::First }
    }
}

/// A source to add. It lives until chronyd restarts: the files must say the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddSource {
    /// Which command the daemon takes; the other one is refused as [`crate::Status::Invalid`].
    pub layout: AddSourceLayout,
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
    pub const fn server(layout: AddSourceLayout, name: SourceName) -> Self {
        Self {
            layout,
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

    pub(super) const fn code(&self) -> u16 {
        match self.layout {
            AddSourceLayout::First => 64,
            AddSourceLayout::Second => 75,
        }
    }

    pub(super) fn write(&self, writer: &mut Writer) {
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
            .i32(self.max_samples.map_or(-1, i32::from));
        match self.layout {
            AddSourceLayout::First => self.write_rest_of_first(writer),
            AddSourceLayout::Second => self.write_rest_of_second(writer),
        }
    }

    fn write_rest_of_first(&self, writer: &mut Writer) {
        writer.u32(KEY).u32(NTS_PORT);
        write_delays(writer);
        writer
            .seconds(Nanos::ZERO) // smallest delay
            .whole(1) // asymmetry: estimated
            .seconds(Nanos::ZERO) // offset
            .u32(self.flags())
            .i32(0) // filter: off
            .u32(0) // certificate set
            .whole(0) // delay quantile: off (reserved before 4.3)
            .i32(MAX_UNREACH); // reserved before 4.8
    }

    fn write_rest_of_second(&self, writer: &mut Writer) {
        writer
            .i32(MAX_UNREACH)
            .i32(0) // filter: off
            .u32(KEY)
            .u32(NTS_PORT)
            .u32(0) // certificate set
            .u32(19); // as chronyc 4.9 sends it; no option that moves it was found
        write_delays(writer);
        writer
            .whole(0) // delay quantile: off
            .seconds(Nanos::ZERO) // smallest delay
            .whole(1) // asymmetry: estimated
            .seconds(Nanos::ZERO) // offset
            .u32(self.flags())
            .bytes(&[0; 32]); // reserved
    }

    fn flags(&self) -> u32 {
        const ONLINE: u32 = 0x1;
        const IBURST: u32 = 0x4;
        ONLINE | if self.iburst { IBURST } else { 0 } | self.options.source_flags()
    }
}

/// No symmetric key.
const KEY: u32 = 0;
/// NTS-KE (RFC 8915 §6).
const NTS_PORT: u32 = 4460;
/// Polls unanswered before unselectable: chrony's default. *Not* 0, which means "at the first" (≥ 4.8).
const MAX_UNREACH: i32 = 100_000;

fn write_delays(writer: &mut Writer) {
    writer
        .seconds(Nanos::from_secs(3)) // largest delay
        .whole(0) // largest delay ratio: off
        .whole(10); // largest delay deviation ratio
}
