//! What our agent published, change by change; and the questions that are asked of it. Pure but for the decoding.

use meantime_core::clocks::BootTime;
use meantime_core::units::{Nanos, Ppb};
use meantime_crds::nodetime::{HoldoverStatus, NodeTimeStatus};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// One published status, as far as a race needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// When we found it, by our own CLOCK_BOOTTIME.
    pub at: BootTime,
    /// `(type, status, reason)`.
    pub conditions: Vec<(String, String, String)>,
    /// The sources that are told to lie.
    pub rejected: BTreeSet<IpAddr>,
    /// The guaranteed bound, as of when it was told …
    pub bound: Option<Nanos>,
    /// … and how fast it has to be taken to grow since.
    pub growth: Ppb,
    /// What the agent itself decided besides the plan.
    pub overlay: Option<String>,
    /// In how long the limit will be breached, as expected.
    pub forecast: Option<Nanos>,
    /// In how long at the earliest, with the oscillator as bad as the policy allows for.
    pub guarantee: Option<Nanos>,
}

impl Told {
    /// Reads a status file; none if it is not (yet) one.
    pub fn read(text: &str, at: BootTime) -> Option<Self> {
        let status: NodeTimeStatus = serde_json::from_str(text).ok()?;
        let foreseen = |seconds: fn(&HoldoverStatus) -> Option<i64>| {
            status.holdover.as_ref().and_then(seconds).map(Nanos::from_secs)
        };
        let forecast = foreseen(|holdover| holdover.expected_breach_seconds);
        let guarantee = foreseen(|holdover| holdover.guaranteed_breach_seconds);
        let rejected = status.associations.iter().filter(|one| one.rejected);
        Some(Self {
            at,
            conditions: status.conditions.into_iter().map(|c| (c.type_, c.status, c.reason)).collect(),
            rejected: rejected.filter_map(|one| one.address.as_ref()?.parse().ok()).collect(),
            bound: status.error_bound_nanoseconds.map(Nanos),
            growth: Ppb(status.error_bound_growth_nanoseconds_per_second.unwrap_or(0)),
            overlay: status.applied.and_then(|applied| applied.overlay_hash),
            forecast,
            guarantee,
        })
    }

    /// The status of one condition; empty when it is not there.
    pub fn condition(&self, kind: &str) -> &str {
        self.conditions.iter().find(|(name, _, _)| name == kind).map_or("", |(_, status, _)| status)
    }

    /// The guaranteed bound as a reader has to take it now.
    pub fn bound_at(&self, now: BootTime) -> Option<Nanos> {
        Some(self.bound? + self.growth.over((now - self.at).max(Nanos::ZERO)))
    }

    fn says_the_same(&self, other: &Self) -> bool {
        Self { at: other.at, ..self.clone() } == *other
    }
}

/// The guaranteed bound of this very moment, from the agent's /metrics.
pub fn live_bound(metrics: &str) -> Option<Nanos> {
    let line = metrics.lines().find_map(|line| line.strip_prefix("meantime_clock_error_bound_seconds "))?;
    let seconds: f64 = line.trim().parse().ok()?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a bound of centuries would be cut off, and still be one"
    )]
    let nanos = (seconds * 1e9) as i64;
    Some(Nanos(nanos))
}

/// All that differs from what stood before, in order.
#[derive(Clone, Debug, Default)]
pub struct Words(Vec<Told>);

impl Words {
    /// The next one; kept when it says something new.
    pub fn push(&mut self, told: Told) {
        if self.0.last().is_none_or(|last| !last.says_the_same(&told)) {
            self.0.push(told);
        }
    }
    /// What stands now.
    pub fn last(&self) -> Option<&Told> {
        self.0.last()
    }
    /// What stood at `from`, then everything new.
    fn since(&self, from: BootTime) -> &[Told] {
        let begin = self.0.partition_point(|told| told.at <= from);
        &self.0[begin.saturating_sub(1)..]
    }
    fn first(&self, from: BootTime, wanted: impl Fn(&Told) -> bool) -> Option<Nanos> {
        self.since(from).iter().find(|told| wanted(told)).map(|told| (told.at - from).max(Nanos::ZERO))
    }

    /// From `from` until a condition stands at `status`.
    pub fn until(&self, from: BootTime, kind: &str, status: &str) -> Option<Nanos> {
        self.first(from, |told| told.condition(kind) == status)
    }
    /// From `from` until all of them are told to lie.
    pub fn named(&self, from: BootTime, liars: &[IpAddr]) -> Option<Nanos> {
        self.first(from, |told| liars.iter().all(|liar| told.rejected.contains(liar)))
    }
    /// The first status after `from` that foresees a breach.
    pub fn forecast(&self, from: BootTime) -> Option<&Told> {
        self.since(from).iter().find(|told| told.at >= from && told.forecast.is_some())
    }
    /// How often any condition's status or reason became another one.
    pub fn condition_changes(&self, from: BootTime) -> usize {
        let told = self.since(from).windows(2);
        told.map(|pair| {
            let before = &pair[0].conditions;
            pair[1].conditions.iter().filter(|condition| !before.contains(condition)).count()
        })
        .sum()
    }
    /// How often the agent changed what it decided besides the plan.
    pub fn moves(&self, from: BootTime) -> usize {
        self.since(from).windows(2).filter(|pair| pair[0].overlay != pair[1].overlay).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(seconds: i64) -> BootTime {
        BootTime(Nanos::from_secs(seconds).0)
    }
    fn told(at: i64, partitioned: &str, rejected: &[u8], overlay: Option<&str>) -> Told {
        Told {
            at: second(at),
            conditions: vec![("TimePartitioned".into(), partitioned.into(), "R".into())],
            rejected: rejected.iter().map(|last| IpAddr::from([127, 200, 1, *last])).collect(),
            overlay: overlay.map(str::to_owned),
            ..Told::default()
        }
    }
    fn words() -> Words {
        let mut words = Words::default();
        for told in [
            told(1, "False", &[], None),
            told(2, "False", &[], None),
            told(5, "False", &[1], Some("a")),
            told(8, "True", &[1, 2], Some("a")),
            told(9, "False", &[], None),
        ] {
            words.push(told);
        }
        words
    }

    #[test]
    fn what_is_said_again_is_not_kept() {
        assert_eq!(words().0.len(), 4);
        assert_eq!(words().last().unwrap().at, second(9));
    }

    #[test]
    fn moments_are_counted_from_the_fault() {
        let (words, liars) = (words(), [IpAddr::from([127, 200, 1, 1]), IpAddr::from([127, 200, 1, 2])]);
        assert_eq!(words.until(second(4), "TimePartitioned", "True"), Some(Nanos::from_secs(4)));
        // What stood at the fault counts from the fault on, not from before it.
        assert_eq!(words.until(second(4), "TimePartitioned", "False"), Some(Nanos::ZERO));
        assert_eq!(words.named(second(4), &liars), Some(Nanos::from_secs(4)));
        assert_eq!(words.named(second(4), &liars[..1]), Some(Nanos::from_secs(1)));
        assert_eq!(words.named(second(9), &liars), None);
    }

    #[test]
    fn changes_are_counted_against_what_stood_before() {
        let words = words();
        assert_eq!((words.condition_changes(second(3)), words.moves(second(3))), (2, 2));
        assert_eq!((words.condition_changes(second(8)), words.moves(second(8))), (1, 1));
        assert_eq!((words.condition_changes(second(30)), words.moves(second(30))), (0, 0));
        assert_eq!(words.forecast(second(0)), None);
    }

    #[test]
    fn a_bound_is_found_among_the_metrics() {
        let text = "# TYPE x gauge\nmeantime_clock_error_bound_seconds 0.000521\nmeantime_baseline 1\n";
        assert_eq!(live_bound(text), Some(Nanos::from_micros(521)));
        assert_eq!(live_bound("meantime_baseline 1\n"), None);
    }

    #[test]
    fn a_status_is_read_and_a_torn_one_is_not() {
        let text = r#"{"conditions": [{"type": "TimePartitioned", "status": "True", "reason": "NoUsableSource",
            "message": "", "lastTransitionTime": "2026-11-22T00:00:00Z"}], "errorBoundNanoseconds": 5,
            "holdover": {"lastsSeconds": 1, "expectedBreachSeconds": 90, "guaranteedBreachSeconds": 60}}"#;
        let told = Told::read(text, second(1)).unwrap();
        assert_eq!((told.condition("TimePartitioned"), told.bound), ("True", Some(Nanos(5))));
        let foreseen = (Some(Nanos::from_secs(90)), Some(Nanos::from_secs(60)));
        assert_eq!((told.forecast, told.guarantee), foreseen);
        assert_eq!(Told::read(&text[..40], second(1)), None);
    }
}
