//! Decimals and lines, shared by the parts.

use super::{Part, ReadError, ReadFault};

/// How much of a refused line is repeated in a message.
const SHOWN: usize = 120;

/// `value / 10^places` as chrony reads numbers: no exponent, no trailing zeros. Never negative here.
pub(super) fn decimal(value: i64, places: u32) -> String {
    let unit = 10_u64.pow(places);
    let size = value.unsigned_abs();
    let (whole, rest) = (size / unit, size % unit);
    if rest == 0 {
        return whole.to_string();
    }
    let fraction = format!("{rest:0width$}", width = places as usize);
    format!("{whole}.{}", fraction.trim_end_matches('0'))
}

/// The other way round; none if it is not digits, or finer or larger than can be told.
pub(super) fn parse_decimal(text: &str, places: u32) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits =
        |part: &str| !part.is_empty() && part.len() <= 10 && part.bytes().all(|b| b.is_ascii_digit());
    let missing = places.checked_sub(u32::try_from(fraction.len()).ok()?);
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let fraction = fraction.parse::<i64>().ok()?.checked_mul(10_i64.pow(missing?))?;
    whole.parse::<i64>().ok()?.checked_mul(10_i64.pow(places))?.checked_add(fraction)
}

/// The lines of a text with their numbers, after the checks that concern the whole.
pub(super) fn lines(
    part: Part,
    text: &str,
    longest: usize,
) -> Result<impl Iterator<Item = (usize, &str)>, ReadError> {
    if text.len() > longest {
        return Err(refuse(part, 1, text, ReadFault::TooLong(longest)));
    }
    if !text.is_empty() && !text.ends_with('\n') {
        let last = text.split('\n').next_back().unwrap_or_default();
        return Err(refuse(part, text.split('\n').count(), last, ReadFault::Unterminated));
    }
    Ok(text.split_terminator('\n').enumerate().map(|(index, line)| (index + 1, line)))
}

/// What was understood must be what was written: the first line that differs from the canonical text is refused.
pub(super) fn same(part: Part, text: &str, canonical: &str) -> Result<(), ReadError> {
    if text == canonical {
        return Ok(());
    }
    let (mut given, mut expected) = (text.split_terminator('\n'), canonical.split_terminator('\n'));
    let mut line = 0;
    loop {
        line += 1;
        match (given.next(), expected.next()) {
            (None, None) => return Err(refuse(part, line, "", ReadFault::Unterminated)),
            (given, expected) if given == expected => {}
            (given, expected) => {
                let expected = expected.unwrap_or_default().to_owned();
                return Err(refuse(
                    part,
                    line,
                    given.unwrap_or_default(),
                    ReadFault::NotCanonical { expected },
                ));
            }
        }
    }
}

pub(super) fn refuse(part: Part, line: usize, text: &str, fault: ReadFault) -> ReadError {
    ReadError { part, line, text: text.chars().take(SHOWN).collect(), fault }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case(100_000_000, 9, "0.1")]
    #[case(1_000_000_000, 9, "1")]
    #[case(1, 9, "0.000000001")]
    #[case(100_000, 3, "100")]
    #[case(12_345, 3, "12.345")]
    fn decimals(#[case] value: i64, #[case] places: u32, #[case] text: &str) {
        assert_eq!(decimal(value, places), text);
        assert_eq!(parse_decimal(text, places), Some(value));
    }

    #[rstest]
    #[case("")]
    #[case(".5")]
    #[case("5.")]
    #[case("-1")]
    #[case("+1")]
    #[case("1e3")]
    #[case("0x1")]
    #[case("100us")]
    #[case("0.0001")]
    #[case("99999999999")]
    fn no_decimal(#[case] text: &str) {
        assert_eq!(parse_decimal(text, 3), None);
    }

    proptest! {
        #[test]
        fn decimals_go_both_ways(value in 0_i64..9_000_000_000_000_000_000) {
            prop_assert_eq!(parse_decimal(&decimal(value, 9), 9), Some(value));
        }
    }
}
