//! Selection options of an association. chrony has two numberings of the same four bits.

/// A set of noselect, prefer, trust, require.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SelectOptions(u8);

impl SelectOptions {
    /// None of them.
    pub const NONE: Self = Self(0);
    /// Never selected: measured only.
    pub const NOSELECT: Self = Self(1);
    /// Preferred over sources without it.
    pub const PREFER: Self = Self(2);
    /// Outvotes any number of sources without it.
    pub const TRUST: Self = Self(4);
    /// Selection needs at least one of these.
    pub const REQUIRE: Self = Self(8);

    /// Both sets together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    /// Whether all options of `other` are in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// As SELECT_DATA numbers them; bits that this build does not know are dropped.
    pub(crate) const fn from_report(bits: u16) -> Self {
        Self(bits.to_be_bytes()[1] & 0xf)
    }
    pub(crate) const fn report_bits(self) -> u8 {
        self.0
    }

    /// As ADD_SOURCE numbers them.
    pub(crate) fn source_flags(self) -> u32 {
        [(Self::NOSELECT, 0x10), (Self::PREFER, 0x8), (Self::TRUST, 0x20), (Self::REQUIRE, 0x40)]
            .into_iter()
            .filter(|(option, _)| self.contains(*option))
            .map(|(_, flag)| flag)
            .sum()
    }
}
