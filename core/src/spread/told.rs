//! What of a spread is told: rounded, and not anew at every look (law 9).

use super::Spread;
use crate::units::Nanos;

/// A spread as a policy's status has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Proven, rounded down to two digits.
    pub proven: Nanos,
    /// Possible, rounded up to two digits; none = not known.
    pub possible: Option<Nanos>,
    /// Nodes: who is ahead and who is behind; none = no two are proven to differ.
    pub between: Option<(String, String)>,
    /// The source that both measured.
    pub through: Option<String>,
}

/// Two decimal digits, downwards.
fn rounded(span: Nanos) -> Nanos {
    let mut step = 1;
    while span.0 / step >= 100 {
        step *= 10;
    }
    Nanos(span.0 / step * step)
}

fn rounded_up(span: Nanos) -> Nanos {
    let down = rounded(span);
    if down == span {
        return down;
    }
    let mut step = 1;
    while down.0 / step >= 100 {
        step *= 10;
    }
    Nanos(down.0 + step)
}

/// What to tell of `now`, while `standing` is told. It stays until a figure moves by more than a quarter of `limit` and of
/// itself, comes or goes, or crosses `limit`.
pub fn told(standing: Option<Told>, now: &Spread, limit: Nanos) -> Told {
    let proven = now.proven_span();
    let near = |told: Nanos, now: Nanos| {
        let slack = Nanos(limit.0 / 4).max(Nanos(told.0 / 4));
        (told - now).abs() <= slack && (told > limit) == (now > limit)
    };
    let holds = |told: &Told| {
        near(told.proven, proven)
            && match (told.possible, now.possible) {
                (Some(told), Some(now)) => near(told, now),
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            }
    };
    standing.filter(holds).unwrap_or_else(|| Told {
        proven: rounded(proven),
        possible: now.possible.map(rounded_up),
        between: now.proven.as_ref().map(|pair| (pair.ahead.clone(), pair.behind.clone())),
        through: now.proven.as_ref().map(|pair| pair.through.clone()),
    })
}

#[cfg(test)]
mod tests {
    use super::super::Pair;
    use super::*;

    fn ms(span: i64) -> Nanos {
        Nanos::from_millis(span)
    }

    fn spread(proven: Nanos, possible: Nanos) -> Spread {
        let pair = Pair { apart: proven, ahead: "a".into(), behind: "b".into(), through: "gps".into() };
        Spread { proven: Some(pair), possible: Some(possible), nodes: 2 }
    }

    #[test]
    fn it_stays_told_until_it_moves_by_a_quarter_of_the_limit() {
        let first = told(None, &spread(Nanos::from_micros(12_345), Nanos::from_micros(20_345)), ms(40));
        assert_eq!((first.proven, first.possible), (ms(12), Some(ms(21))));
        assert_eq!(first.between, Some(("a".to_owned(), "b".to_owned())));
        for (proven, possible) in [(3, 12), (22, 31), (12, 30)] {
            let again = told(Some(first.clone()), &spread(ms(proven), ms(possible)), ms(40));
            assert_eq!(again, first, "{proven} {possible}");
        }
        let moved = told(Some(first.clone()), &spread(ms(23), ms(25)), ms(40));
        assert_eq!(moved.proven, ms(23));
        let unknown = told(Some(first), &Spread { possible: None, ..spread(ms(12), ms(20)) }, ms(40));
        assert_eq!(unknown.possible, None);
    }

    #[test]
    fn it_is_told_anew_when_it_crosses_the_limit() {
        let below = told(None, &spread(ms(39), ms(60)), ms(40));
        assert_eq!(told(Some(below), &spread(ms(41), ms(60)), ms(40)).proven, ms(41));
    }

    #[test]
    fn proven_is_rounded_down_and_possible_up() {
        for span in [0, 1, 99, 100, 101, 999, 12_345, 40_000_001] {
            let (down, up) = (rounded(Nanos(span)), rounded_up(Nanos(span)));
            assert!(
                down.0 <= span && span <= up.0 && up.0 - down.0 <= span / 10 + 1,
                "{down:?} {span} {up:?}"
            );
        }
    }
}
