//! The two text formats that the harness speaks: base64 on the guest's command line, dates for qemu.

/// `2025-11-21T23:00:00`, as qemu takes it.
pub fn utc(unix_seconds: i64) -> String {
    // Days to civil date: H. Hinnant, "chrono-compatible low-level date algorithms".
    let (days, second) = (unix_seconds.div_euclid(86_400), unix_seconds.rem_euclid(86_400));
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}", second / 3_600, second / 60 % 60, second % 60)
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// RFC 4648, for a line protocol that the guest's busybox speaks too.
pub fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_usize, |word, byte| (word << 8) | usize::from(*byte))
            << (8 * (3 - chunk.len()));
        for position in 0..4 {
            let letter = ALPHABET[(word >> (18 - 6 * position)) & 63];
            text.push(if position <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=').bytes().map(|letter| {
        ALPHABET.iter().position(|known| *known == letter).and_then(|digit| u32::try_from(digit).ok())
    });
    let digits: Vec<u32> = digits.collect::<Option<_>>()?;
    let mut bytes = Vec::new();
    for chunk in digits.chunks(4) {
        let word = chunk.iter().fold(0_u32, |word, digit| (word << 6) | digit) << (6 * (4 - chunk.len()));
        bytes.extend_from_slice(&word.to_be_bytes()[1..chunk.len()]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("", "")]
    #[case("f", "Zg==")]
    #[case("fo", "Zm8=")]
    #[case("foo", "Zm9v")]
    #[case("foobar", "Zm9vYmFy")]
    fn rfc_4648_vectors(#[case] text: &str, #[case] encoded: &str) {
        assert_eq!(base64(text.as_bytes()), encoded);
        assert_eq!(from_base64(encoded).unwrap(), text.as_bytes());
    }

    #[rstest]
    #[case(0, "1970-01-01T00:00:00")]
    #[case(951_782_399, "2000-02-28T23:59:59")]
    #[case(951_782_400, "2000-02-29T00:00:00")]
    #[case(1_795_305_600, "2026-11-22T00:00:00")]
    #[case(536_457_599, "1986-12-31T23:59:59")]
    fn known_dates(#[case] unix: i64, #[case] text: &str) {
        assert_eq!(utc(unix), text);
    }
}
