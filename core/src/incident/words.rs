//! Names and lines.

use super::cause::{Cause, Family, about};
use super::record::{Record, line};
use crate::hash::fnv;
use crate::units::Nanos;

/// Characters of a summary.
pub const MAX_SUMMARY: usize = 120;

/// The end of the names of all incidents of a family: six hexadecimal digits.
pub fn mark(family: &Family) -> String {
    format!("{:06x}", fnv(family.text().as_bytes()) & 0x00ff_ffff)
}

/// A name that nobody has: when it began (for people: `kubectl get` sorts by name), the word, the family's mark.
pub(super) fn name(stamp: &str, cause: &Cause, taken: impl Fn(&str) -> bool) -> String {
    let word: String =
        cause.word().chars().filter(char::is_ascii_alphanumeric).take(32).collect::<String>().to_lowercase();
    let stamp: String = stamp.chars().filter(|c| c.is_ascii_digit() || *c == '-').take(20).collect();
    let mark = mark(&cause.family());
    let plain = format!("{stamp}-{word}-{mark}");
    if !taken(&plain) {
        return plain;
    }
    // Two openings of one family in one minute: somebody deleted the first, or the clock was set back.
    (2..=u32::MAX)
        .map(|count| format!("{stamp}-{count}-{word}-{mark}"))
        .find(|name| !taken(name))
        .unwrap_or(plain)
}

/// A span for a person, two units at most: `45.2s`, `4m12s`, `2h5m`, `3d4h`.
pub fn human(span: Nanos) -> String {
    let seconds = span.0 / 1_000_000_000;
    match seconds {
        ..120 => span.to_string(),
        120..7_200 => format!("{}m{}s", seconds / 60, seconds % 60),
        7_200..172_800 => format!("{}h{}m", seconds / 3_600, seconds % 3_600 / 60),
        172_800.. => format!("{}d{}h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// The one line of an incident. Says nothing that changes while nothing happens.
pub(super) fn summary(record: &Record) -> String {
    let scope = &record.scope;
    let text = match &record.cause {
        Cause::Found { kind, subject } => {
            let wrong = match scope.wrong {
                0 => "all clocks in tolerance".to_owned(),
                1 => "1 clock out of tolerance".to_owned(),
                many => format!("{many} clocks out of tolerance"),
            };
            format!("{} {}: {} of {} nodes, {wrong}", about(subject), kind.word(), scope.nodes, scope.of)
        }
        Cause::Breach { node, reason } => match record.breached.first() {
            Some(one) => format!("Node/{node} {reason}: {}", figures(one)),
            None => format!("Node/{node} {reason}"),
        },
        Cause::Fleet => {
            format!("{} of {} nodes out of tolerance, no finding says why", scope.wrong, scope.of)
        }
    };
    line(&text).chars().take(MAX_SUMMARY).collect()
}

/// `+91ms ± 410µs (limit 50ms)`.
pub(super) fn figures(one: &super::record::Breached) -> String {
    let offset = one.offset.map_or_else(|| "offset unknown".to_owned(), Nanos::signed);
    let bound = one.bound.map(|bound| format!(" ± {bound}")).unwrap_or_default();
    let limit = one.limit.map(|limit| format!(" (limit {limit})")).unwrap_or_default();
    format!("{offset}{bound}{limit}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::finding::{Kind, Subject};
    use rstest::rstest;

    #[rstest]
    #[case(1_250, "1.25s")]
    #[case(119_000, "119s")]
    #[case(252_000, "4m12s")]
    #[case(7_500_000, "2h5m")]
    #[case(273_600_000, "3d4h")]
    fn spans(#[case] milliseconds: i64, #[case] text: &str) {
        assert_eq!(human(Nanos::from_millis(milliseconds)), text);
    }

    /// A name of a Kubernetes object, whatever the reason's text is.
    #[test]
    fn names_are_names() {
        let long = Kind::ALL.iter().copied().max_by_key(|kind| kind.word().len()).unwrap();
        let causes = [
            Cause::Found { kind: long, subject: Subject::Cluster },
            Cause::Breach { node: "N_1/ä".into(), reason: "Some Réason_of/tomorrow".repeat(9) },
            Cause::Fleet,
        ];
        for cause in causes {
            let name = name("20261122-1530", &cause, |_| false);
            assert!(name.len() <= 63, "{name}");
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{name}");
            assert!(name.starts_with("20261122-1530-") && name.ends_with(&mark(&cause.family())), "{name}");
            let second = super::name("20261122-1530", &cause, |taken| taken == name);
            assert_ne!(name, second);
        }
    }
}
