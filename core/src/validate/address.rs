//! Where packets may go: an IP literal or a DNS name, and nothing that chronyd could read as more than that.
//!
//! [`Address`] is the only way by which text of a user reaches chrony's configuration, so it is a parser, not a
//! check: what comes out is re-written canonically and can hold no white space, comment sign or second word.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

/// Longest DNS name without the final dot (RFC 1035: 255 octets on the wire).
const MAX_NAME: usize = 253;
/// Longest label of it (RFC 1035).
const MAX_LABEL: usize = 63;
/// How much of a refused text is repeated in a message.
const SHOWN: usize = 64;

/// A checked address in canonical form: names in lower case, IP addresses as RFC 5952 writes them, IPv4-mapped
/// IPv6 as the IPv4 address it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// An IPv4 or IPv6 address.
    Ip(IpAddr),
    /// A DNS name in lower case, with its final dot if it was written with one.
    Name(String),
}

/// Why a text is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no usable address: {fault}")]
pub struct BadAddress {
    /// The text as given, cut after 64 characters.
    pub text: String,
    /// What is wrong with it.
    pub fault: AddressFault,
}

/// What can be wrong with an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressFault {
    /// Nothing there.
    #[error("it is empty")]
    Empty,
    /// More than 253 characters.
    #[error("it is longer than 253 characters")]
    TooLong,
    /// A character that neither an IP address nor a DNS name has.
    #[error(
        "{0:?} is not allowed; only IPv4, IPv6 or a DNS name of letters, digits, '-' and '.' (other scripts in their xn-- form)"
    )]
    Character(char),
    /// `fe80::1%eth0`.
    #[error("a zone id (%) names an interface of one machine; give an address that every node can use")]
    ZoneId,
    /// An IPv6 address in brackets.
    #[error("write IPv6 addresses without brackets, and the port in its own field")]
    Brackets,
    /// Looks like IPv6, but is not.
    #[error("it has a ':' but is no IPv6 address; a port goes into its own field")]
    BadIpv6,
    /// `10.1.2` or `300.1.1.1` or `010.1.1.1`.
    #[error(
        "its last label is a number, so it is no DNS name, and it is no IPv4 address of four plain numbers 0-255 either"
    )]
    NumericLastLabel,
    /// An empty label, one longer than 63, or a dash at its edge.
    #[error("each part between dots needs 1-63 letters, digits or '-', and no '-' at its edges")]
    Label,
    /// 0.0.0.0, ::, multicast or broadcast.
    #[error("no single server can have it (unspecified, multicast or broadcast)")]
    NotUnicast,
    /// fe80::/10 without a zone id can not be sent to.
    #[error("link-local IPv6 works only with an interface name, which differs from node to node")]
    LinkLocal,
    /// 127.127.x.y
    #[error(
        "127.127.x.y is how ntpd names clock hardware; chrony has no such driver and would send packets to it"
    )]
    NtpdRefclock,
    /// A pool given by IP address.
    #[error("a pool is a DNS name that resolves to several servers; use server for one address")]
    PoolIsIp,
}

impl Address {
    /// Reads an IPv4 or IPv6 literal or a DNS name.
    pub fn parse(text: &str) -> Result<Self, BadAddress> {
        parse(text).map_err(|fault| BadAddress { text: text.chars().take(SHOWN).collect(), fault })
    }

    /// Reads a DNS name only, as pools need it.
    pub fn parse_name(text: &str) -> Result<Self, BadAddress> {
        match Self::parse(text)? {
            Self::Ip(_) => {
                Err(BadAddress { text: text.chars().take(SHOWN).collect(), fault: AddressFault::PoolIsIp })
            }
            name @ Self::Name(_) => Ok(name),
        }
    }

    /// What chronyd tells sources apart by, as far as it can be known without resolving: equal identities can
    /// never be two associations. The port is no part of it (measured: the second one is silently not added).
    pub fn identity(&self) -> String {
        match self {
            Self::Ip(address) => address.to_string(),
            Self::Name(name) => name.strip_suffix('.').unwrap_or(name).to_owned(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => write!(f, "{address}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

fn parse(text: &str) -> Result<Address, AddressFault> {
    if text.is_empty() {
        return Err(AddressFault::Empty);
    }
    if text.len() > MAX_NAME + 1 {
        return Err(AddressFault::TooLong);
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return unicast(address.to_canonical()).map(Address::Ip);
    }
    if text.contains('%') && text.contains(':') {
        return Err(AddressFault::ZoneId);
    }
    if text.starts_with('[') {
        return Err(AddressFault::Brackets);
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':');
    if let Some(wrong) = text.chars().find(|c| !allowed(*c)) {
        return Err(AddressFault::Character(wrong));
    }
    if text.contains(':') {
        return Err(AddressFault::BadIpv6);
    }
    name(text)
}

fn unicast(address: IpAddr) -> Result<IpAddr, AddressFault> {
    if address.is_unspecified() || address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST) {
        return Err(AddressFault::NotUnicast);
    }
    match address {
        IpAddr::V4(four) if four.octets()[..2] == [127, 127] => Err(AddressFault::NtpdRefclock),
        IpAddr::V6(six) if six.is_unicast_link_local() => Err(AddressFault::LinkLocal),
        IpAddr::V4(_) | IpAddr::V6(_) => Ok(address),
    }
}

fn name(text: &str) -> Result<Address, AddressFault> {
    let bare = text.strip_suffix('.').unwrap_or(text);
    if bare.len() > MAX_NAME {
        return Err(AddressFault::TooLong);
    }
    let sound = |label: &str| {
        (1..=MAX_LABEL).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    if !bare.split('.').all(sound) {
        return Err(AddressFault::Label);
    }
    // `inet_aton` reads "0x7f.1" and "10.1" as addresses: such a text would be two things to two readers.
    let last = bare.rsplit('.').next().unwrap_or_default();
    let hexadecimal = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    let numeric = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit());
    if numeric(last) || hexadecimal.is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_hexdigit())) {
        return Err(AddressFault::NumericLastLabel);
    }
    Ok(Address::Name(text.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("10.1.0.5", "10.1.0.5")]
    #[case("2001:DB8:0:0::5", "2001:db8::5")]
    #[case("::1", "::1")]
    #[case("::ffff:10.1.0.5", "10.1.0.5")]
    #[case("127.0.0.17", "127.0.0.17")]
    #[case("169.254.169.123", "169.254.169.123")]
    #[case("Time.Example.COM", "time.example.com")]
    #[case("time.example.com.", "time.example.com.")]
    #[case("ntp1", "ntp1")]
    #[case("3.de.pool.ntp.org", "3.de.pool.ntp.org")]
    #[case("xn--bcher-kva.example", "xn--bcher-kva.example")]
    fn taken_and_written_canonically(#[case] text: &str, #[case] canonical: &str) {
        assert_eq!(Address::parse(text).unwrap().to_string(), canonical);
    }

    #[rstest]
    #[case("", AddressFault::Empty)]
    #[case("10.1.2", AddressFault::NumericLastLabel)]
    #[case("300.1.1.1", AddressFault::NumericLastLabel)]
    #[case("010.1.1.1", AddressFault::NumericLastLabel)]
    #[case("time.0x7f", AddressFault::NumericLastLabel)]
    #[case("123", AddressFault::NumericLastLabel)]
    #[case("time.example.com prefer", AddressFault::Character(' '))]
    #[case("time\nallow 0/0", AddressFault::Character('\n'))]
    #[case("time#x", AddressFault::Character('#'))]
    #[case("!time", AddressFault::Character('!'))]
    #[case("time_1.example", AddressFault::Character('_'))]
    #[case("zeit.müller.example", AddressFault::Character('ü'))]
    #[case("fe80::1%eth0", AddressFault::ZoneId)]
    #[case("fe80::1", AddressFault::LinkLocal)]
    #[case("[::1]", AddressFault::Brackets)]
    #[case("time.example:123", AddressFault::BadIpv6)]
    #[case("-a.example", AddressFault::Label)]
    #[case("a..example", AddressFault::Label)]
    #[case(".", AddressFault::Label)]
    #[case("0.0.0.0", AddressFault::NotUnicast)]
    #[case("::ffff:224.0.1.1", AddressFault::NotUnicast)]
    #[case("ff05::101", AddressFault::NotUnicast)]
    #[case("127.127.1.0", AddressFault::NtpdRefclock)]
    fn refused(#[case] text: &str, #[case] fault: AddressFault) {
        assert_eq!(Address::parse(text).unwrap_err().fault, fault);
    }

    #[test]
    fn lengths() {
        let label = "a".repeat(63);
        assert!(Address::parse(&format!("{label}.{label}.{label}.{}", "a".repeat(61))).is_ok());
        let fault = |text: String| Address::parse(&text).unwrap_err().fault;
        assert_eq!(fault(format!("{label}.{label}.{label}.{}", "a".repeat(62))), AddressFault::TooLong);
        assert_eq!(fault("a".repeat(64)), AddressFault::Label);
    }

    #[test]
    fn one_place_has_one_identity() {
        let identity = |text: &str| Address::parse(text).unwrap().identity();
        assert_eq!(identity("TIME.example."), identity("time.example"));
        assert_eq!(identity("::ffff:10.0.0.1"), identity("10.0.0.1"));
        assert_eq!(Address::parse_name("10.0.0.1").unwrap_err().fault, AddressFault::PoolIsIp);
    }

    #[test]
    fn the_message_shows_what_was_written_on_one_line() {
        let message = Address::parse("time\nallow").unwrap_err().to_string();
        assert!(
            message.starts_with(r#""time\nallow" is no usable address: '\n' is not allowed"#),
            "{message}"
        );
    }
}
