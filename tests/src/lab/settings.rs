//! How a lab server behaves, and the words by which that is changed at run time (`key=value`).
//!
//! | key | value | effect |
//! |---|---|---|
//! | `offset` | span | the server's clock is ahead by this much (negative: behind) |
//! | `drift` | `10ppm`, `-500ppb` | and gains this much from now on; a later `offset` starts afresh, a later `drift` goes on from where it is |
//! | `jitter` | span | both timestamps of an answer moved by a uniform ± this |
//! | `delay` | span | added round trip, half each way |
//! | `delay-jitter` | span | each way of each answer takes a uniform 0 to this longer: queues, as networks have them |
//! | `asymmetry` | span | one-way delay added to the request's way (negative: to the answer's); a client errs by half of it |
//! | `loss` | `0.02` or `2%` | share of requests without an answer |
//! | `stratum` `leap` `version` | number | as answered; leap 3 = not synchronised; version 5 exists nowhere |
//! | `refid` | `GPS`, `10.0.0.1`, `0x7f7f0101` | reference id |
//! | `root-delay` `root-dispersion` | span | as answered |
//! | `reference-age` | span | the reference timestamp lies this far back |
//! | `reference-frozen` | bool | the upstream died now: reference time stands still, dispersion grows |
//! | `orphan-rate` | `15ppm` | by so much; the default is RFC 5905's PHI, chronyd serves less (2.4 ppm measured) |
//! | `kod` | `RATE`, `DENY`, `RSTD`, `none` | kiss of death instead of time |
//! | `wrong-origin` `dead` `truncated` `other-port` | bool | answers nobody asked for; none; 47 octets; from another port |
//! | `per-client` | `ADDR:offset=SPAN`, `ADDR:dead=BOOL`, `ADDR:reference-frozen=BOOL`, `none` | for one client only: all its answers shifted (that node is then truly wrong), it is cut off, or it alone sees the upstream dead |
//! | `reset` | (no value) | back to an honest stratum-1 server |
//!
//! Spans are Go durations with an optional sign, or `0`; bools `true` or `false`. A line with one bad word changes
//! nothing.

use meantime_core::duration;
use meantime_core::units::{Nanos, Ppb};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

/// What one client sees apart from the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PerClient {
    /// Added to the server's error in every answer to this client.
    pub shift: Nanos,
    /// No answers to this client.
    pub dead: bool,
    /// To this client the reference timestamp stands still since the moment of setting.
    #[serde(default)]
    pub reference_frozen: bool,
}

/// The whole behaviour. The default is an honest stratum-1 server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent switches of a fault injector, any set of them may be on"
)]
pub struct Settings {
    /// The server's clock is ahead by this much at the moment of setting.
    pub offset: Nanos,
    /// And gains this much.
    pub drift: Ppb,
    /// Both timestamps of an answer move by a uniform ± this.
    pub jitter: Nanos,
    /// Added round trip, half each way. Not negative.
    pub delay: Nanos,
    /// Each way of each answer takes a uniform 0 to this longer. Not negative.
    pub delay_jitter: Nanos,
    /// Added one-way delay: > 0 on the request's way, < 0 on the answer's.
    pub asymmetry: Nanos,
    /// Requests without an answer, in millionths.
    pub loss_millionths: u32,
    /// 0–255 as answered.
    pub stratum: u8,
    /// 0–3 as answered.
    pub leap: u8,
    /// 0–7; none = the request's own.
    pub version: Option<u8>,
    /// Reference id as on the wire.
    pub refid: [u8; 4],
    /// Root delay as answered.
    pub root_delay: Nanos,
    /// Root dispersion as answered.
    pub root_dispersion: Nanos,
    /// How far back the reference timestamp lies.
    pub reference_age: Nanos,
    /// The reference timestamp stands still since the moment of setting.
    pub reference_frozen: bool,
    /// How fast the root dispersion grows since then.
    pub orphan_rate: Ppb,
    /// Kiss code instead of time.
    pub kod: Option<[u8; 4]>,
    /// The origin timestamp is not the request's.
    pub wrong_origin: bool,
    /// No answers at all.
    pub dead: bool,
    /// Answers of 47 octets.
    pub truncated: bool,
    /// Answers come from another port.
    pub other_port: bool,
    /// What single clients see.
    pub per_client: BTreeMap<IpAddr, PerClient>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            offset: Nanos::ZERO,
            drift: Ppb::ZERO,
            jitter: Nanos::ZERO,
            delay: Nanos::ZERO,
            delay_jitter: Nanos::ZERO,
            asymmetry: Nanos::ZERO,
            loss_millionths: 0,
            stratum: 1,
            leap: 0,
            version: None,
            refid: *b"LAB\0",
            root_delay: Nanos::ZERO,
            root_dispersion: Nanos::ZERO,
            reference_age: Nanos::SECOND,
            reference_frozen: false,
            orphan_rate: Ppb::from_ppm(15),
            kod: None,
            wrong_origin: false,
            dead: false,
            truncated: false,
            other_port: false,
            per_client: BTreeMap::new(),
        }
    }
}

/// A word that cannot be followed; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("lab setting {word:?} was not taken, nothing was changed: {why}")]
pub struct BadSetting {
    /// The word as given.
    pub word: String,
    /// What is expected.
    pub why: String,
}

impl Settings {
    /// Applies `key=value` words, all or none.
    pub fn changed<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Result<Self, BadSetting> {
        let mut next = self.clone();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            // `per-client 10.0.0.5:offset=300ms` reads well at a shell prompt, so the blank is taken too.
            let joined = if word == "per-client" {
                format!("per-client={}", words.next().unwrap_or(""))
            } else {
                word.to_owned()
            };
            next.change(&joined).map_err(|why| BadSetting { word: joined.clone(), why })?;
        }
        Ok(next)
    }

    fn change(&mut self, word: &str) -> Result<(), String> {
        if word == "reset" {
            *self = Self::default();
            return Ok(());
        }
        let (key, value) = word.split_once('=').ok_or("expected key=value")?;
        match key {
            "offset" => self.offset = span(value)?,
            "drift" => self.drift = frequency(value)?,
            "jitter" => self.jitter = size(value)?,
            "delay" => self.delay = size(value)?,
            "delay-jitter" => self.delay_jitter = size(value)?,
            "asymmetry" => self.asymmetry = span(value)?,
            "loss" => self.loss_millionths = share(value)?,
            "stratum" => self.stratum = number(value, u8::MAX)?,
            "leap" => self.leap = number(value, 3)?,
            "version" => self.version = Some(number(value, 7)?),
            "refid" => self.refid = refid(value)?,
            "root-delay" => self.root_delay = size(value)?,
            "root-dispersion" => self.root_dispersion = size(value)?,
            "reference-age" => self.reference_age = span(value)?,
            "reference-frozen" => self.reference_frozen = switch(value)?,
            "orphan-rate" => self.orphan_rate = frequency(value)?,
            "kod" => self.kod = if value == "none" { None } else { Some(code(value)?) },
            "wrong-origin" => self.wrong_origin = switch(value)?,
            "dead" => self.dead = switch(value)?,
            "truncated" => self.truncated = switch(value)?,
            "other-port" => self.other_port = switch(value)?,
            "per-client" => self.change_client(value)?,
            _ => return Err("no such key; the list is in `meantime-lab set --help`".to_owned()),
        }
        Ok(())
    }

    fn change_client(&mut self, value: &str) -> Result<(), String> {
        if value == "none" {
            self.per_client.clear();
            return Ok(());
        }
        let wanted = "expected ADDR:offset=SPAN, ADDR:dead=true, ADDR:reference-frozen=true or none";
        let (left, setting) = value.split_once('=').ok_or(wanted)?;
        let (address, key) = left.rsplit_once(':').ok_or(wanted)?;
        let address: IpAddr = address
            .trim_matches(['[', ']'])
            .parse()
            .map_err(|_| format!("{address:?} is no address; {wanted}"))?;
        let client = self.per_client.entry(address).or_default();
        match key {
            "offset" => client.shift = span(setting)?,
            "dead" => client.dead = switch(setting)?,
            "reference-frozen" => client.reference_frozen = switch(setting)?,
            _ => return Err(wanted.to_owned()),
        }
        if *client == PerClient::default() {
            self.per_client.remove(&address);
        }
        Ok(())
    }
}

fn span(text: &str) -> Result<Nanos, String> {
    if text == "0" {
        return Ok(Nanos::ZERO);
    }
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let size = duration::parse(digits).map_err(|bad| bad.to_string())?;
    Ok(if negative { -size } else { size })
}

fn size(text: &str) -> Result<Nanos, String> {
    span(text).and_then(
        |value| if value < Nanos::ZERO { Err("must not be negative".to_owned()) } else { Ok(value) },
    )
}

/// `10ppm`, `-2.5ppm`, `300ppb`: through the duration grammar, since 1 ppm is 1 µs per second.
fn frequency(text: &str) -> Result<Ppb, String> {
    let as_span = match (text.strip_suffix("ppm"), text.strip_suffix("ppb")) {
        (Some(number), _) => format!("{number}us"),
        (None, Some(number)) => format!("{number}ns"),
        (None, None) if text == "0" => "0".to_owned(),
        (None, None) => return Err("expected a frequency such as 10ppm or -300ppb".to_owned()),
    };
    span(&as_span).map(|value| Ppb(value.0))
}

/// `0.02` or `2%` in millionths: through the duration grammar again (1 = one second = a billion).
fn share(text: &str) -> Result<u32, String> {
    let bad = || "expected a share from 0 to 1 such as 0.02, or 2%".to_owned();
    let (number, divisor) = text.strip_suffix('%').map_or((text, 1_000), |percent| (percent, 100_000));
    let billionths = duration::parse(&format!("{number}s")).map_err(|_| bad())?.0;
    u32::try_from(billionths / divisor).ok().filter(|millionths| *millionths <= 1_000_000).ok_or_else(bad)
}

fn number(text: &str, most: u8) -> Result<u8, String> {
    text.parse::<u8>()
        .ok()
        .filter(|value| *value <= most)
        .ok_or_else(|| format!("expected a number from 0 to {most}"))
}

fn switch(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "expected true or false".to_owned())
}

fn code(text: &str) -> Result<[u8; 4], String> {
    let bad = "expected one to four ASCII letters";
    if text.is_empty() || text.len() > 4 || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(bad.to_owned());
    }
    let mut octets = [0; 4];
    octets.iter_mut().zip(text.bytes()).for_each(|(octet, byte)| *octet = byte);
    Ok(octets)
}

fn refid(text: &str) -> Result<[u8; 4], String> {
    if let Some(hexadecimal) = text.strip_prefix("0x") {
        return u32::from_str_radix(hexadecimal, 16)
            .map(u32::to_be_bytes)
            .map_err(|_| "expected up to eight hex digits after 0x".to_owned());
    }
    text.parse::<Ipv4Addr>().map(|address| address.octets()).or_else(|_| code(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn after(line: &str) -> Result<Settings, BadSetting> {
        Settings::default().changed(line.split_whitespace())
    }

    #[test]
    fn every_word_lands_where_it_says() {
        let got = after(
            "offset=-200ms drift=10.5ppm jitter=1ms delay=20ms delay-jitter=4ms orphan-rate=2.4ppm asymmetry=-3ms loss=2% stratum=2 leap=3 version=5 \
             refid=10.0.0.1 root-delay=5ms root-dispersion=6ms reference-age=1h reference-frozen=true kod=RATE \
             wrong-origin=true dead=true truncated=true other-port=true per-client 10.0.0.5:offset=300ms \
             per-client=[fd00::1]:dead=true per-client=[fd00::1]:reference-frozen=true",
        )
        .unwrap();
        let wanted = Settings {
            offset: Nanos::from_millis(-200),
            drift: Ppb(10_500),
            jitter: Nanos::from_millis(1),
            delay: Nanos::from_millis(20),
            delay_jitter: Nanos::from_millis(4),
            orphan_rate: Ppb(2_400),
            asymmetry: Nanos::from_millis(-3),
            loss_millionths: 20_000,
            stratum: 2,
            leap: 3,
            version: Some(5),
            refid: [10, 0, 0, 1],
            root_delay: Nanos::from_millis(5),
            root_dispersion: Nanos::from_millis(6),
            reference_age: Nanos::from_secs(3600),
            reference_frozen: true,
            kod: Some(*b"RATE"),
            wrong_origin: true,
            dead: true,
            truncated: true,
            other_port: true,
            per_client: BTreeMap::from([
                (
                    "10.0.0.5".parse().unwrap(),
                    PerClient { shift: Nanos::from_millis(300), ..PerClient::default() },
                ),
                (
                    "fd00::1".parse().unwrap(),
                    PerClient { shift: Nanos::ZERO, dead: true, reference_frozen: true },
                ),
            ]),
        };
        assert_eq!(got, wanted);
        assert_eq!(got.changed(["reset"]).unwrap(), Settings::default());
        assert!(got.changed(["per-client=none"]).unwrap().per_client.is_empty());
        assert_eq!(got.changed(["kod=none"]).unwrap().kod, None);
    }

    #[rstest]
    #[case("loss=0.02", 20_000)]
    #[case("loss=1", 1_000_000)]
    #[case("loss=100%", 1_000_000)]
    #[case("loss=0", 0)]
    fn shares(#[case] word: &str, #[case] millionths: u32) {
        assert_eq!(after(word).unwrap().loss_millionths, millionths);
    }

    #[rstest]
    #[case("offset")]
    #[case("offset=5")]
    #[case("jitter=-1ms")]
    #[case("loss=1.5")]
    #[case("drift=10")]
    #[case("leap=4")]
    #[case("kod=TOOLONG")]
    #[case("per-client")]
    #[case("per-client=node1:offset=1ms")]
    #[case("per-client=10.0.0.5:stratum=3")]
    #[case("colour=blue")]
    fn bad_words_change_nothing(#[case] word: &str) {
        let before = after("stratum=3").unwrap();
        let error = before.changed(["stratum=9"].into_iter().chain(word.split_whitespace())).unwrap_err();
        assert!(error.to_string().contains("nothing was changed"), "{error}");
    }

    #[test]
    fn a_client_healed_is_forgotten() {
        let shifted = after("per-client=10.0.0.5:offset=300ms").unwrap();
        assert_eq!(shifted.changed(["per-client=10.0.0.5:offset=0"]).unwrap(), Settings::default());
    }
}
