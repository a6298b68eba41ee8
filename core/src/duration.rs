//! Durations as users write them: Go's grammar with bounded digits, the very grammar that the CRDs' CEL guard
//! (`matches`) lets through, so that the API server and this parser agree on every string.
//!
//! Grammar: one to four of `<digits>[.<digits>]<unit>`, digits 1–9 before (1–5 for `m` and `h`, so that no sum can
//! overflow, here or in CEL's `duration()`) and 1–9 after the point, unit one of `ns us µs ms s m h`; no sign, no
//! bare `0`, no spaces.

use crate::units::Nanos;

/// The grammar as the CRDs' pattern (RE2 syntax; also used as the CEL guard).
pub const PATTERN: &str = r"^([0-9]{1,9}(\.[0-9]{1,9})?(ns|us|µs|ms|s)|[0-9]{1,5}(\.[0-9]{1,9})?(m|h)){1,4}$";

/// Why a string is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a duration: {why}; write for example 50ms, 1.5s or 2h30m")]
pub struct BadDuration {
    /// The string as given.
    pub text: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// Reads a duration such as `50ms`, `1.5s`, `2h30m`. Fractions of a nanosecond are cut off.
pub fn parse(text: &str) -> Result<Nanos, BadDuration> {
    let bad = |why| BadDuration { text: text.chars().take(64).collect(), why };
    if text.is_empty() {
        return Err(bad("it is empty"));
    }
    let mut rest = text;
    let mut total: i128 = 0;
    let mut parts = 0;
    while !rest.is_empty() {
        parts += 1;
        if parts > 4 {
            return Err(bad("more than four parts"));
        }
        let (whole, after) = digits(rest);
        if whole.is_empty() || whole.len() > 9 {
            return Err(bad("each part starts with one to nine digits"));
        }
        let (fraction, after) = match after.strip_prefix('.') {
            Some(tail) => {
                let (fraction, after) = digits(tail);
                if fraction.is_empty() || fraction.len() > 9 {
                    return Err(bad("one to nine digits follow the point"));
                }
                (fraction, after)
            }
            None => ("", after),
        };
        let (unit, after) = unit(after).ok_or_else(|| bad("each number needs a unit: ns us ms s m h"))?;
        if unit >= MINUTE && whole.len() > 5 {
            return Err(bad("minutes and hours have at most five digits"));
        }
        let number = |part: &str| part.bytes().fold(0_i128, |n, d| n * 10 + i128::from(d - b'0'));
        total += number(whole) * unit;
        if !fraction.is_empty() {
            let scale = 10_i128.pow(u32::try_from(fraction.len()).unwrap_or(9));
            total += number(fraction) * unit / scale;
        }
        rest = after;
    }
    i64::try_from(total).map(Nanos).map_err(|_| bad("longer than 292 years"))
}

/// Writes one so that [`parse`] reads the same again: `300s`, `0.05s`. Negative ones and those above 31 years, which no
/// field takes, are bent to what the grammar can say.
pub fn exact(span: Nanos) -> String {
    let nanoseconds = span.0.clamp(0, 999_999_999_999_999_999);
    let text = format!("{}.{:09}", nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
    format!("{}s", text.trim_end_matches('0').trim_end_matches('.'))
}

/// One minute in nanoseconds: from this unit on, fewer digits are allowed.
const MINUTE: i128 = 60_000_000_000;

fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}

/// The unit at the head of `text` in nanoseconds, and the rest. `ms` before `m`: the longest match wins.
fn unit(text: &str) -> Option<(i128, &str)> {
    const UNITS: [(&str, i128); 7] = [
        ("ns", 1),
        ("us", 1_000),
        ("µs", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", MINUTE),
        ("h", 3_600_000_000_000),
    ];
    UNITS.iter().find_map(|(name, size)| text.strip_prefix(name).map(|rest| (*size, rest)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("500us", 500_000)]
    #[case("500µs", 500_000)]
    #[case("1.5ms", 1_500_000)]
    #[case("0s", 0)]
    #[case("2h30m", 9_000_000_000_000)]
    #[case("1m0.5s", 60_500_000_000)]
    #[case("0.9ns", 0)]
    #[case("99999h99999h99999h99999h", 1_439_985_600_000_000_000)]
    fn good(#[case] text: &str, #[case] nanoseconds: i64) {
        assert_eq!(parse(text), Ok(Nanos(nanoseconds)));
    }

    #[rstest]
    #[case(0, "0s")]
    #[case(50_000_000, "0.05s")]
    #[case(300_000_000_000, "300s")]
    #[case(999_999_999_999_999_999, "999999999.999999999s")]
    #[case(1, "0.000000001s")]
    fn written_and_read_again(#[case] nanoseconds: i64, #[case] text: &str) {
        assert_eq!(exact(Nanos(nanoseconds)), text);
        assert_eq!(parse(text), Ok(Nanos(nanoseconds)));
    }

    #[rstest]
    #[case("")]
    #[case("0")]
    #[case("1d")]
    #[case("3 weeks")]
    #[case("-5ms")]
    #[case("5ms ")]
    #[case(".5s")]
    #[case("5.s")]
    #[case("9999999999s")]
    #[case("999999999h")]
    #[case("100000m")]
    #[case("1h1m1s1ms1us")]
    fn bad(#[case] text: &str) {
        assert!(parse(text).is_err(), "{text} was taken");
    }
}
