//! What one contestant's chronyd said, sample by sample; and the questions that are asked of it. Pure.

use meantime_core::clocks::{BootTime, WallTime};
use meantime_core::units::Nanos;
use std::net::IpAddr;

/// TRACKING, as far as a race needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When the answer was here, by our own CLOCK_BOOTTIME.
    pub at: BootTime,
    /// The source of the last clock update.
    pub followed: Option<IpAddr>,
    /// chronyd's stamp of that update. Only whether it changed means anything.
    pub stamp: WallTime,
    /// What a user of chronyc would believe: leap not 3, a reference id, and not chronyd's own local reference.
    pub synchronised: bool,
    /// What chronyd holds the host's clock to be wrong by; > 0 = ahead.
    pub residual: Nanos,
}

/// How long something took, or at least took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// Measured.
    Known(f64),
    /// It had not happened when the watch ended: `≥`.
    AtLeast(f64),
}

impl Value {
    /// Seconds, or `≥` the limit.
    pub fn seconds(span: Option<Nanos>, limit: Nanos) -> Self {
        span.map_or_else(|| Self::AtLeast(seconds(limit)), |span| Self::Known(seconds(span)))
    }
    /// The number alone.
    pub fn number(self) -> f64 {
        let (Self::Known(number) | Self::AtLeast(number)) = self;
        number
    }
    /// Whether it is open towards the top.
    pub fn is_open(self) -> bool {
        matches!(self, Self::AtLeast(_))
    }
    /// The same in a unit of which one is so large.
    pub fn per(self, unit: f64) -> Self {
        match self {
            Self::Known(number) => Self::Known(number / unit),
            Self::AtLeast(number) => Self::AtLeast(number / unit),
        }
    }
    /// By number; of two with one number, the open one is the larger.
    pub fn order(self, other: Self) -> std::cmp::Ordering {
        self.number().total_cmp(&other.number()).then(self.is_open().cmp(&other.is_open()))
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Small ones are compared with small aims: 2.03 polls are not 2.
        let places = if self.number().abs() < 10.0 { 2 } else { 1 };
        let number = format!("{:.places$}", self.number());
        let number = number.trim_end_matches('0').trim_end_matches('.');
        f.pad(&format!("{}{number}", if self.is_open() { "≥" } else { "" }))
    }
}

/// A span in seconds.
#[expect(clippy::cast_precision_loss, reason = "spans of a race are far below 2^53 ns")]
pub fn seconds(span: Nanos) -> f64 {
    span.0 as f64 / 1e9
}

/// All samples of one contestant, in order.
#[derive(Clone, Debug, Default)]
pub struct Timeline(Vec<Sample>);

impl Timeline {
    /// The next sample.
    pub fn push(&mut self, sample: Sample) {
        self.0.push(sample);
    }
    /// The newest.
    pub fn last(&self) -> Option<&Sample> {
        self.0.last()
    }
    fn since(&self, from: BootTime) -> impl Iterator<Item = &Sample> {
        let begin = self.0.partition_point(|sample| sample.at < from);
        self.0[begin..].iter()
    }
    fn stamp_before(&self, at: BootTime) -> Option<WallTime> {
        let end = self.0.partition_point(|sample| sample.at < at);
        end.checked_sub(1).map(|last| self.0[last].stamp)
    }

    /// From `fault` to the first sample that shows a clock update which came after it from none of `bad`. What is
    /// followed changes in TRACKING only with an update; the stamp tells it from an update before the fault.
    pub fn left(&self, fault: BootTime, bad: &[IpAddr]) -> Option<Nanos> {
        let before = self.stamp_before(fault);
        self.since(fault)
            .find(|sample| {
                Some(sample.stamp) != before && sample.followed.is_some_and(|address| !bad.contains(&address))
            })
            .map(|sample| sample.at - fault)
    }

    /// In how many samples from `from` on a clock update from one of `bad` stood that came after `young`. TRACKING goes
    /// on naming the last source as long as no other update comes: an old update is not followed, it only stands.
    pub fn following(&self, from: BootTime, young: BootTime, bad: &[IpAddr]) -> usize {
        let old = self.stamp_before(young);
        let follows = |sample: &&Sample| {
            Some(sample.stamp) != old && sample.followed.is_some_and(|address| bad.contains(&address))
        };
        self.since(from).filter(follows).count()
    }

    /// How often another source was followed than just before, from then on. Following none for a while is no switch.
    pub fn switches(&self, from: BootTime) -> usize {
        let followed: Vec<_> = self.since(from).filter_map(|sample| sample.followed).collect();
        followed.windows(2).filter(|pair| pair[0] != pair[1]).count()
    }

    /// From `fault` to the first sample in which chronyd itself says that it is not synchronised.
    pub fn gave_up(&self, fault: BootTime) -> Option<Nanos> {
        self.since(fault).find(|sample| !sample.synchronised).map(|sample| sample.at - fault)
    }

    /// How far chronyd's idea of the host's error was from `truth` at most, from then on.
    pub fn pulled(&self, from: BootTime, truth: Nanos) -> Option<Nanos> {
        self.since(from).map(|sample| (sample.residual - truth).abs()).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use std::net::Ipv4Addr;

    fn address(last: u8) -> IpAddr {
        Ipv4Addr::new(127, 200, 1, last).into()
    }
    fn second(seconds: i64) -> BootTime {
        BootTime(Nanos::from_secs(seconds).0)
    }
    /// `(second, followed source or 0, stamp)`.
    fn timeline(samples: &[(i64, u8, i64)]) -> Timeline {
        let mut timeline = Timeline::default();
        for (at, followed, stamp) in samples {
            timeline.push(Sample {
                at: second(*at),
                followed: (*followed > 0).then(|| address(*followed)),
                stamp: WallTime(*stamp),
                synchronised: *followed > 0,
                residual: Nanos::from_millis(i64::from(*followed)),
            });
        }
        timeline
    }

    #[rstest]
    #[case::kept(&[(0, 1, 1), (2, 1, 2), (4, 1, 2), (90, 1, 2)], None)]
    #[case::left(&[(0, 1, 1), (2, 1, 2), (4, 1, 2), (9, 2, 3)], Some(6))]
    #[case::a_last_update_from_the_dead_one_is_none(&[(2, 1, 2), (4, 1, 3), (9, 2, 4)], Some(6))]
    #[case::followed_another_already_but_no_update_yet(&[(0, 1, 1), (2, 2, 2), (4, 2, 2), (6, 2, 3)], Some(3))]
    #[case::nothing_followed_is_no_switch(&[(0, 1, 1), (4, 0, 2), (8, 2, 3)], Some(5))]
    #[case::no_sample_before(&[(4, 2, 2)], Some(1))]
    fn the_moment_of_the_switch(#[case] samples: &[(i64, u8, i64)], #[case] wanted: Option<i64>) {
        let left = timeline(samples).left(second(3), &[address(1)]);
        assert_eq!(left, wanted.map(Nanos::from_secs));
    }

    #[test]
    fn a_liar_is_followed_by_the_sample() {
        let timeline = timeline(&[(1, 1, 1), (2, 1, 2), (3, 2, 3), (4, 3, 4), (5, 1, 5), (6, 1, 5)]);
        let (one, both) = ([address(1)], [address(1), address(2)]);
        assert_eq!(timeline.following(second(2), second(1), &both), 4);
        // What stood already when the lie was a poll old is an update from before it.
        assert_eq!(timeline.following(second(2), second(4), &both), 3);
        assert_eq!(timeline.following(second(5), second(6), &one), 0);
        assert_eq!(timeline.pulled(second(2), Nanos::from_millis(1)), Some(Nanos::from_millis(2)));
    }

    #[test]
    fn switches_and_giving_up() {
        let timeline = timeline(&[(1, 1, 1), (2, 2, 2), (3, 2, 3), (4, 0, 0), (5, 2, 4), (6, 1, 5)]);
        assert_eq!((timeline.switches(second(0)), timeline.switches(second(3))), (2, 1));
        assert_eq!(timeline.gave_up(second(2)), Some(Nanos::from_secs(2)));
        assert_eq!(timeline.gave_up(second(5)), None);
    }

    #[test]
    fn an_open_value_is_the_larger_one() {
        let limit = Nanos::from_secs(200);
        let (open, known) =
            (Value::seconds(None, limit), Value::seconds(Some(Nanos::from_millis(8_540)), limit));
        assert_eq!((open.to_string(), known.to_string()), ("≥200".to_owned(), "8.54".to_owned()));
        assert_eq!(open.order(Value::Known(200.0)), std::cmp::Ordering::Greater);
        assert_eq!(known.order(open), std::cmp::Ordering::Less);
        assert_eq!(open.per(2.0), Value::AtLeast(100.0));
    }
}
