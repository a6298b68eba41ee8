//! The one line for the person at 3 a.m.: number ± bound (limit), following what, who disagrees, what next.
//!
//! Equal texts are not written again, so a text must not move with every look: figures are rounded to two digits
//! and *quoted* – kept until the reason changes or they moved by more than a quarter of their limit (law 9). A
//! healthy line has no figures at all; `kubectl get nt` shows them.

use super::disruption::Cause;
use super::sources::Voters;
use crate::conditions::Reason;
use crate::tolerances::Tolerances;
use crate::units::Nanos;
use crate::verdict::ErrorBound;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// At most so many names in a line; the rest is counted.
const MOST_NAMES: usize = 3;

/// The figures in the text as it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quote {
    reason: Reason,
    offset: Option<Nanos>,
    bound: Option<Nanos>,
    gap: Option<Nanos>,
    warnings: Warnings,
}

/// What is above its warn level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "four independent levels, named")]
pub struct Warnings {
    /// Offset.
    pub offset: bool,
    /// Guaranteed error bound.
    pub bound: bool,
    /// Frequency error.
    pub frequency: bool,
    /// Age of the last update.
    pub age: bool,
}

impl Warnings {
    const NAMES: [&str; 4] = ["warnOffset", "warnErrorBound", "maxFrequencyError", "maxUpdateIntervals"];

    const fn flags(self) -> [bool; 4] {
        [self.offset, self.bound, self.frequency, self.age]
    }
    /// Whether anything is.
    pub fn any(self) -> bool {
        self.flags().contains(&true)
    }
    fn within(self, other: Self) -> bool {
        self.flags().iter().zip(other.flags()).all(|(own, theirs)| !own || theirs)
    }
    fn words(self) -> String {
        let named = self.flags().into_iter().zip(Self::NAMES).filter(|(set, _)| *set).map(|(_, name)| name);
        named.collect::<Vec<_>>().join(" and ")
    }
}

impl Quote {
    /// Keeps what `old` quoted while it still tells the same.
    pub fn update(
        old: Option<Self>,
        reason: Reason,
        offset: Option<Nanos>,
        bound: Option<ErrorBound>,
        gap: Option<Nanos>,
        warnings: Warnings,
        tolerances: &Tolerances,
    ) -> Self {
        let new = Self { reason, offset, bound: bound.map(|bound| bound.guaranteed), gap, warnings };
        let Some(old) = old else { return new };
        let near = |old: Option<Nanos>, new: Option<Nanos>, limit: Nanos| match (old, new) {
            (Some(old), Some(new)) => (old - new).abs() <= Nanos(limit.0 / 4),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        let same = old.reason == reason
            && warnings.within(old.warnings)
            && near(old.offset, new.offset, tolerances.max_offset)
            && near(old.bound, new.bound, tolerances.max_error_bound)
            && near(old.gap, new.gap, tolerances.max_offset);
        if same { old } else { new }
    }
}

/// Who and what the line may name.
#[derive(Clone, Debug, Default)]
pub struct Scene<'a> {
    /// The source that chronyd follows, with its tier.
    pub following: Option<(&'a str, u8)>,
    /// Sources that disagree: rejected, or, in a contradiction, still with our oscillator.
    pub dissenters: Vec<&'a str>,
    /// The bound is carried, and that is told (not in the seconds of a restart).
    pub carried: bool,
    /// What disrupted the clock.
    pub cause: Option<Cause>,
    /// Row 9's floor.
    pub floor: Option<Nanos>,
    /// Row 8: chronyd follows its own local reference.
    pub local: bool,
}

/// Two significant digits: what a person reads, and what does not jitter.
pub fn rounded(span: Nanos) -> Nanos {
    let mut scale = 1_i64;
    while span.0.saturating_abs() / scale >= 100 {
        scale = scale.saturating_mul(10);
    }
    let half = if span.0 < 0 { -(scale / 2) } else { scale / 2 };
    Nanos((span.0.saturating_add(half) / scale).saturating_mul(scale))
}

/// `90s`, `12min`, `8h`, `3d`.
fn roughly(span: Nanos) -> String {
    let seconds = span.0 / Nanos::SECOND.0;
    match seconds {
        ..120 => format!("{seconds}s"),
        120..7_200 => format!("{}min", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

fn signed(span: Option<Nanos>) -> String {
    span.map_or_else(|| "unknown".to_owned(), |span| rounded(span).signed())
}
fn plain(span: Option<Nanos>) -> String {
    span.map_or_else(|| "unknown".to_owned(), |span| rounded(span).to_string())
}

/// `a, b, c and 2 more`.
fn names(list: &[&str]) -> String {
    let mut text = list.iter().take(MOST_NAMES).copied().collect::<Vec<_>>().join(", ");
    if list.len() > MOST_NAMES {
        let _ = write!(text, " and {} more", list.len() - MOST_NAMES);
    }
    text
}

/// TimeSynchronized's and TimeOffsetHigh's line.
pub fn clock(quote: &Quote, scene: &Scene<'_>, tolerances: &Tolerances) -> String {
    let Tolerances { max_offset, max_error_bound, clear_hold, .. } = tolerances;
    let (offset, bound, gap) = (signed(quote.offset), plain(quote.bound), signed(quote.gap));
    let mut line = match quote.reason {
        Reason::ClockDisrupted => match scene.cause {
            Some(Cause::Stepped(by)) => {
                format!("this machine's clock was stepped by {}", rounded(by).signed())
            }
            Some(Cause::Slept(by)) => format!("this machine slept for about {}", rounded(by.abs())),
            Some(Cause::Paused { by, within }) => format!(
                "this machine was paused: the hardware clock ran on by {} ± {}",
                rounded(by).signed(),
                rounded(within)
            ),
            Some(Cause::ViewsMoved(by)) => {
                format!("every source moved by {} against this clock at once", rounded(by).signed())
            }
            None => "this machine's clocks came apart".to_owned(),
        },
        Reason::Booting => {
            return "started; waits for three samples from a majority of its sources".to_owned();
        }
        Reason::BoundContradicted => format!(
            "the sources moved by {gap} while this machine's oscillator did not (limit {max_offset}); \
             clock {offset} ± {bound} by the oscillator"
        ),
        Reason::OffsetExceeded => format!("{offset} off, bound {bound} (maxOffset {max_offset})"),
        Reason::ErrorBoundExceeded => {
            format!("error bound {bound} (maxErrorBound {max_error_bound}), offset {offset}")
        }
        Reason::HoldoverExceeded => format!(
            "no usable source: the carried error bound is {bound}, 90% of maxErrorBound {max_error_bound} reached"
        ),
        Reason::NotSynchronized if scene.local => {
            "chronyd follows its own local reference, which is no time source".to_owned()
        }
        Reason::NotSynchronized => "chronyd has never been synchronised since it started".to_owned(),
        Reason::ToleranceInfeasible => format!(
            "maxErrorBound {max_error_bound} is below what the path to the sources allows ({}); \
             use nearer sources or a wider policy",
            plain(scene.floor)
        ),
        Reason::Warning if quote.gap.is_some() => format!(
            "the sources moved by {gap} while this machine's oscillator did not (maxOffset {max_offset})"
        ),
        Reason::Warning if quote.warnings.any() => {
            format!("{offset} off, bound {bound}: above {}", quote.warnings.words())
        }
        Reason::Warning => {
            format!("{offset} off, bound {bound}: was above a warn level less than {clear_hold} ago")
        }
        Reason::InTolerance => {
            format!("within maxOffset {max_offset} and maxErrorBound {max_error_bound}")
        }
        Reason::NoAnswer => "chronyd does not answer and never had a good bound".to_owned(),
        Reason::AgentSilent
        | Reason::TooFew
        | Reason::NoMajority
        | Reason::Enough
        | Reason::NoUsableSource
        | Reason::SourceUsable
        | Reason::VotersDisagree
        | Reason::Answering => quote.reason.as_str().to_owned(),
    };
    if scene.carried && quote.reason != Reason::HoldoverExceeded {
        line.push_str(", by the last good bound carried forward");
    }
    // A node that is right stays quiet: one bad source is told at the source, and which one chronyd prefers among
    // good ones stands in the NodeTime.
    if quote.reason == Reason::InTolerance {
        return line;
    }
    if let Some((name, tier)) = scene.following {
        let _ = write!(line, "; following {name} (tier {tier})");
    }
    if !scene.dissenters.is_empty() {
        let verb = if quote.gap.is_some() { "with the oscillator" } else { "rejected" };
        let _ = write!(line, "; {verb}: {}", names(&scene.dissenters));
    }
    match quote.reason {
        Reason::BoundContradicted => line.push_str("; check the sources before believing them"),
        Reason::ClockDisrupted => line.push_str("; waits for two fresh samples from a majority"),
        _ => {}
    }
    line
}

/// TimeSourcesLow's line.
pub fn sources_low(reason: Reason, voters: &Voters, tolerances: &Tolerances) -> String {
    let Voters { known, usable, answering, .. } = voters;
    let least = tolerances.min_sources;
    if reason == Reason::NoMajority {
        return format!(
            "{answering} of {known} sources answer but no majority agrees; find who is wrong: kubectl get nt"
        );
    }
    if reason == Reason::Enough {
        return format!("enough sources usable (minSources {least})");
    }
    format!("{usable} of {known} sources usable (minSources {least})")
}

/// TimePartitioned's line.
pub fn partitioned(
    reason: Reason,
    voters: &Voters,
    forecast: Option<Nanos>,
    tolerances: &Tolerances,
) -> String {
    let Voters { known, answering, .. } = voters;
    match reason {
        Reason::NoUsableSource => {
            let mut line =
                format!("none of {known} sources can be used ({answering} answer); the clock runs on alone");
            if let Some(left) = forecast {
                let limit = tolerances.max_error_bound;
                let _ = write!(
                    line,
                    ", out of policy ({limit}) at the earliest {} after this began",
                    roughly(left)
                );
            }
            line.push_str("; check UDP 123 from this node");
            line
        }
        Reason::VotersDisagree => format!("{answering} of {known} sources answer, but contradict each other"),
        _ => "at least one source can be used".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tolerances::Preset;
    use rstest::rstest;

    #[rstest]
    #[case(0, 0)]
    #[case(99, 99)]
    #[case(104, 100)]
    #[case(-1_250_000, -1_300_000)]
    #[case(199_600_000, 200_000_000)]
    #[case(i64::MAX, 9_200_000_000_000_000_000)]
    fn two_digits(#[case] nanoseconds: i64, #[case] expected: i64) {
        assert_eq!(rounded(Nanos(nanoseconds)), Nanos(expected));
    }

    #[test]
    fn a_quote_stays_until_it_matters() {
        let limits = Preset::Kubernetes.tolerances(); // 50 ms
        let at = |offset| (Reason::Warning, Some(Nanos::from_millis(offset)));
        let quote = |old, (reason, offset)| {
            Quote::update(old, reason, offset, None, None, Warnings::default(), &limits)
        };
        let first = quote(None, at(30));
        assert_eq!(quote(Some(first), at(42)), first);
        assert_ne!(quote(Some(first), at(43)), first);
        assert_ne!(quote(Some(first), (Reason::OffsetExceeded, first.offset)), first);
    }

    #[test]
    fn a_warning_that_is_over_names_its_hold_and_no_level() {
        let limits = Preset::Kubernetes.tolerances();
        let quote = |warnings| {
            Quote::update(None, Reason::Warning, Some(Nanos::from_millis(30)), None, None, warnings, &limits)
        };
        let told = |warnings| clock(&quote(warnings), &Scene::default(), &limits);
        let over = Warnings { offset: true, ..Warnings::default() };
        assert_eq!(told(over), "+30ms off, bound unknown: above warnOffset");
        let hold = limits.clear_hold;
        let calm = told(Warnings::default());
        assert_eq!(calm, format!("+30ms off, bound unknown: was above a warn level less than {hold} ago"));
    }

    #[test]
    fn names_are_bounded() {
        assert_eq!(names(&["a", "b", "c", "d", "e"]), "a, b, c and 2 more");
    }
}
