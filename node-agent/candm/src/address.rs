//! The 20-byte address: 16 bytes, then the family in 2, then 2 bytes of padding.

use crate::bytes::{Ended, Reader, Writer};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How chronyd names an association, or what it follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// None: not synchronised, a reference clock, or "all".
    Unspecified,
    /// An IP address. A reference clock's name also comes as one of IPv4: look at the mode.
    Ip(IpAddr),
    /// A name that has not been resolved yet; chronyd's own number for it.
    Unresolved(u32),
    /// A family that this build does not know.
    Unknown(u16),
}

const IPV4: u16 = 1;
const IPV6: u16 = 2;
const UNRESOLVED: u16 = 3;

impl Address {
    /// The IP address, if it is one.
    pub const fn ip(self) -> Option<IpAddr> {
        match self {
            Self::Ip(ip) => Some(ip),
            Self::Unspecified | Self::Unresolved(_) | Self::Unknown(_) => None,
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Ended> {
        let bytes: [u8; 16] = reader.array()?;
        let family = reader.u16()?;
        reader.skip::<2>()?;
        let first = [bytes[0], bytes[1], bytes[2], bytes[3]];
        Ok(match family {
            0 => Self::Unspecified,
            IPV4 => Self::Ip(Ipv4Addr::from(first).into()),
            IPV6 => Self::Ip(Ipv6Addr::from(bytes).into()),
            UNRESOLVED => Self::Unresolved(u32::from_be_bytes(first)),
            other => Self::Unknown(other),
        })
    }

    pub(crate) fn write(self, writer: &mut Writer) {
        let (bytes, family) = match self {
            Self::Unspecified => ([0; 16], 0),
            Self::Ip(IpAddr::V4(ip)) => (lead(ip.octets()), IPV4),
            Self::Ip(IpAddr::V6(ip)) => (ip.octets(), IPV6),
            Self::Unresolved(id) => (lead(id.to_be_bytes()), UNRESOLVED),
            Self::Unknown(family) => ([0; 16], family),
        };
        writer.bytes(&bytes).u16(family).u16(0);
    }
}

fn lead(first: [u8; 4]) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&first);
    bytes
}

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Self {
        Self::Ip(ip)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unspecified => f.write_str("(no address)"),
            Self::Ip(ip) => ip.fmt(f),
            Self::Unresolved(id) => write!(f, "(unresolved name {id})"),
            Self::Unknown(family) => write!(f, "(address of unknown family {family})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_family_comes_behind_the_address() {
        let mut writer = Writer::default();
        Address::Ip(Ipv4Addr::new(127, 0, 0, 12).into()).write(&mut writer);
        assert_eq!(writer.0, [127, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    proptest! {
        #[test]
        fn addresses_survive(v4 in any::<u32>(), v6 in any::<u128>(), family in 4_u16..) {
            for address in [
                Address::Unspecified,
                Address::Ip(Ipv4Addr::from(v4).into()),
                Address::Ip(Ipv6Addr::from(v6).into()),
                Address::Unresolved(v4),
                Address::Unknown(family),
            ] {
                let mut writer = Writer::default();
                address.write(&mut writer);
                prop_assert_eq!(writer.0.len(), 20);
                prop_assert_eq!(Address::read(&mut Reader(&writer.0)), Ok(address));
            }
        }
    }
}
