//! What chronyd is, as far as decisions need it: its version and what that version can do, the letters by which
//! it says why a source is used or not.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A chronyd release, for example 4.6.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ChronyVersion {
    /// 4 in 4.6.1.
    pub major: u16,
    /// 6 in 4.6.1.
    pub minor: u16,
    /// 1 in 4.6.1; 0 when there is none.
    pub patch: u16,
}

impl ChronyVersion {
    /// The oldest release that Meantime speaks to (sourcedir and selectdata came with it: NEWS 4.0).
    pub const OLDEST: Self = Self::new(4, 0, 0);

    /// A version from its parts.
    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self { major, minor, patch }
    }

    /// Finds the version in what `chronyd -v` prints (`chronyd (chrony) version 4.6.1 (+CMDMON …)`) or in `4.6.1`.
    pub fn parse(text: &str) -> Option<Self> {
        text.split_whitespace().find_map(|word| {
            let mut parts = word.split(['.', '-', '+']);
            let major = parts.next()?.parse().ok()?;
            let minor = parts.next()?.parse().ok()?;
            let patch = parts.next().and_then(|part| part.parse().ok()).unwrap_or(0);
            Some(Self { major, minor, patch })
        })
    }

    /// `selectopts` works on live associations (NEWS 4.4).
    pub fn has_selectopts(self) -> bool {
        self >= Self::new(4, 4, 0)
    }
    /// `reload sources` handles changed sources given by IP (fixed in 4.5; below, delete and add by command).
    pub fn reloads_changed_addresses(self) -> bool {
        self >= Self::new(4, 5, 0)
    }
    /// `reload sources` no longer multiplies sources (fixed in 4.7).
    pub fn reload_never_multiplies(self) -> bool {
        self >= Self::new(4, 7, 0)
    }
    /// `driftfile` takes an `interval` (NEWS 4.7; a fatal error before).
    pub fn saves_drift_at_interval(self) -> bool {
        self >= Self::new(4, 7, 0)
    }
    /// `maxunreach` is a source option (NEWS 4.8; a fatal error before).
    pub fn has_maxunreach(self) -> bool {
        self >= Self::new(4, 8, 0)
    }
}

impl fmt::Display for ChronyVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)?;
        if self.patch == 0 { Ok(()) } else { write!(f, ".{}", self.patch) }
    }
}

/// chronyd's own word on one association (the state character of its selectdata report).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Letter {
    /// `N`: noselect.
    NoSelect,
    /// `M`: fewer than three samples.
    TooFewSamples,
    /// `s`: the source says that it is not synchronised.
    Unsynchronised,
    /// `r`: stratum out of range (after 4.8).
    StratumOutOfRange,
    /// `d`: distance above maxdistance.
    TooDistant,
    /// `~`: jitter above maxjitter.
    TooJittery,
    /// `w`: waits for others' samples.
    WaitsForOthers,
    /// `S`: stale or unreachable (lags by many polls: count unanswered polls instead).
    Stale,
    /// `O`: orphan.
    Orphan,
    /// `T`: conflicts with trusted sources.
    Untrusted,
    /// `x`: falseticker.
    Falseticker,
    /// `W`: fewer than minsources, or a required source is missing.
    WaitsForMore,
    /// `P`: others are preferred.
    OthersPreferred,
    /// `U`: waits for a new sample.
    WaitsForUpdate,
    /// `D`: too distant to combine.
    NotCombined,
    /// `+`: combined.
    Combined,
    /// `*`: selected.
    Selected,
    /// Anything that this build does not know; never counted as usable.
    Unknown(char),
}

impl Letter {
    /// From the wire.
    pub const fn from_char(letter: char) -> Self {
        match letter {
            'N' => Self::NoSelect,
            'M' => Self::TooFewSamples,
            's' => Self::Unsynchronised,
            'r' => Self::StratumOutOfRange,
            'd' => Self::TooDistant,
            '~' => Self::TooJittery,
            'w' => Self::WaitsForOthers,
            'S' => Self::Stale,
            'O' => Self::Orphan,
            'T' => Self::Untrusted,
            'x' => Self::Falseticker,
            'W' => Self::WaitsForMore,
            'P' => Self::OthersPreferred,
            'U' => Self::WaitsForUpdate,
            'D' => Self::NotCombined,
            '+' => Self::Combined,
            '*' => Self::Selected,
            other => Self::Unknown(other),
        }
    }
    /// As chronyc prints it.
    pub const fn to_char(self) -> char {
        match self {
            Self::NoSelect => 'N',
            Self::TooFewSamples => 'M',
            Self::Unsynchronised => 's',
            Self::StratumOutOfRange => 'r',
            Self::TooDistant => 'd',
            Self::TooJittery => '~',
            Self::WaitsForOthers => 'w',
            Self::Stale => 'S',
            Self::Orphan => 'O',
            Self::Untrusted => 'T',
            Self::Falseticker => 'x',
            Self::WaitsForMore => 'W',
            Self::OthersPreferred => 'P',
            Self::WaitsForUpdate => 'U',
            Self::NotCombined => 'D',
            Self::Combined => '+',
            Self::Selected => '*',
            Self::Unknown(other) => other,
        }
    }
    /// Whether the letter alone lets it count as a usable voter: none of `N M s r d ~ S O T x`, and known.
    pub const fn may_vote(self) -> bool {
        match self {
            Self::WaitsForOthers
            | Self::WaitsForMore
            | Self::OthersPreferred
            | Self::WaitsForUpdate
            | Self::NotCombined
            | Self::Combined
            | Self::Selected => true,
            Self::NoSelect
            | Self::TooFewSamples
            | Self::Unsynchronised
            | Self::StratumOutOfRange
            | Self::TooDistant
            | Self::TooJittery
            | Self::Stale
            | Self::Orphan
            | Self::Untrusted
            | Self::Falseticker
            | Self::Unknown(_) => false,
        }
    }
    /// A person's word for it, used in status and messages.
    pub const fn word(self) -> &'static str {
        match self {
            Self::NoSelect => "Witness",
            Self::TooFewSamples => "TooFewSamples",
            Self::Unsynchronised => "Unsynchronised",
            Self::StratumOutOfRange => "StratumOutOfRange",
            Self::TooDistant => "TooDistant",
            Self::TooJittery => "TooJittery",
            Self::WaitsForOthers => "WaitsForOthers",
            Self::Stale => "Stale",
            Self::Orphan => "Orphan",
            Self::Untrusted => "Untrusted",
            Self::Falseticker => "Falseticker",
            Self::WaitsForMore => "WaitsForMore",
            Self::OthersPreferred => "Standby",
            Self::WaitsForUpdate => "WaitsForUpdate",
            Self::NotCombined => "NotCombined",
            Self::Combined => "Combined",
            Self::Selected => "Selected",
            Self::Unknown(_) => "Unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_chronyd_prints() {
        let printed = "chronyd (chrony) version 4.6.1 (+CMDMON +NTP +REFCLOCK +RTC +PRIVDROP)";
        assert_eq!(ChronyVersion::parse(printed), Some(ChronyVersion::new(4, 6, 1)));
        assert_eq!(ChronyVersion::parse("4.0"), Some(ChronyVersion::OLDEST));
        assert_eq!(ChronyVersion::parse("chronyd version unknown"), None);
        assert_eq!(ChronyVersion::new(4, 6, 1).to_string(), "4.6.1");
    }

    #[test]
    fn letters_go_both_ways() {
        for letter in "NMsrd~wSOTxWPUD+*?".chars() {
            assert_eq!(Letter::from_char(letter).to_char(), letter);
        }
        let usable: String =
            "NMsrd~wSOTxWPUD+*?".chars().filter(|l| Letter::from_char(*l).may_vote()).collect();
        assert_eq!(usable, "wWPUD+*");
    }
}
