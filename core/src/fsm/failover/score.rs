//! How good a source is, as a number that ranks and never evicts (law 10), with its reasons.
//!
//! Figures from the mission: deductions of B7, grades of B2. A policy may move the limits. Unknown deducts nothing: a
//! source whose jitter was never measured is not a worse one.

use crate::units::Nanos;
use serde::{Deserialize, Serialize};

/// What is measured of one source over its window; none = not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quality {
    /// Round trip.
    pub response: Option<Nanos>,
    /// Its time against the median of the voters: never against this clock, which may be what is wrong.
    pub offset: Option<Nanos>,
    /// Deviation of that over the window.
    pub jitter: Option<Nanos>,
    /// Unanswered polls and probes, of a million.
    pub loss_millionths: Option<u32>,
    /// Stratum.
    pub stratum: Option<u16>,
}

/// From where on a figure is fair, and above what it is poor (B2): response, offset, jitter.
const GRADES: [(Nanos, Nanos); 3] = [
    (Nanos::from_millis(100), Nanos::from_millis(500)),
    (Nanos::from_millis(10), Nanos::from_millis(50)),
    (Nanos::from_millis(5), Nanos::from_millis(20)),
];
/// Loss likewise, of a million (B2: 1 %, 5 %).
const LOSS: (u32, u32) = (10_000, 50_000);

/// Limits of B7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Limits {
    /// Response above this costs 20 (200 ms).
    pub response: Nanos,
    /// Offset above this costs 30 (50 ms).
    pub offset: Nanos,
    /// Jitter above this costs 15 (10 ms).
    pub jitter: Nanos,
    /// Stratum above this costs 10 (3).
    pub stratum: u16,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            response: Nanos::from_millis(200),
            offset: Nanos::from_millis(50),
            jitter: Nanos::from_millis(10),
            stratum: 3,
        }
    }
}

/// A grade of B2; the worst of a source's figures is its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Grade {
    /// Nothing known against it.
    #[default]
    Good,
    /// Worth a look.
    Fair,
    /// Poor.
    Poor,
}

/// What a score was lowered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deduction {
    /// 20.
    Response,
    /// 30.
    Offset,
    /// 15.
    Jitter,
    /// 10.
    Stratum,
}

impl Deduction {
    /// Points (B7).
    pub const fn points(self) -> u8 {
        match self {
            Self::Response => 20,
            Self::Offset => 30,
            Self::Jitter => 15,
            Self::Stratum => 10,
        }
    }
}

/// A score with its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Score {
    /// 25 to 100.
    pub points: u8,
    /// What lowered it.
    pub deductions: Vec<Deduction>,
    /// The worst grade of its figures.
    pub grade: Grade,
}

/// Scores one source.
pub fn score(quality: &Quality, limits: &Limits) -> Score {
    let above = |value: Option<Nanos>, limit: Nanos| value.is_some_and(|value| value.abs() > limit);
    let deductions: Vec<Deduction> = [
        (above(quality.response, limits.response), Deduction::Response),
        (above(quality.offset, limits.offset), Deduction::Offset),
        (above(quality.jitter, limits.jitter), Deduction::Jitter),
        (quality.stratum.is_some_and(|stratum| stratum > limits.stratum), Deduction::Stratum),
    ]
    .into_iter()
    .filter_map(|(is_above, deduction)| is_above.then_some(deduction))
    .collect();
    let taken: u8 = deductions.iter().map(|deduction| deduction.points()).sum();
    let graded = |value: Option<Nanos>, (fair, poor): (Nanos, Nanos)| match value.map(Nanos::abs) {
        Some(value) if value > poor => Grade::Poor,
        Some(value) if value >= fair => Grade::Fair,
        Some(_) | None => Grade::Good,
    };
    let packets = match quality.loss_millionths {
        Some(loss) if loss > LOSS.1 => Grade::Poor,
        Some(loss) if loss >= LOSS.0 => Grade::Fair,
        Some(_) | None => Grade::Good,
    };
    let [response, offset, jitter] = GRADES;
    let all = [
        graded(quality.response, response),
        graded(quality.offset, offset),
        graded(quality.jitter, jitter),
        packets,
    ];
    Score { points: 100 - taken, deductions, grade: all.into_iter().max().unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn good() -> Quality {
        Quality {
            response: Some(Nanos::from_millis(1)),
            offset: Some(Nanos::from_micros(-300)),
            jitter: Some(Nanos::from_micros(50)),
            loss_millionths: Some(0),
            stratum: Some(1),
        }
    }

    #[rstest]
    #[case::good(|_: &mut Quality| {}, 100, Grade::Good)]
    #[case::nothing_known(|q: &mut Quality| *q = Quality::default(), 100, Grade::Good)]
    #[case::slow(|q: &mut Quality| q.response = Some(Nanos::from_millis(201)), 80, Grade::Fair)]
    #[case::far_off(|q: &mut Quality| q.offset = Some(Nanos::from_millis(-51)), 70, Grade::Poor)]
    #[case::at_the_limit(|q: &mut Quality| q.offset = Some(Nanos::from_millis(50)), 100, Grade::Fair)]
    #[case::jittery(|q: &mut Quality| q.jitter = Some(Nanos::from_millis(21)), 85, Grade::Poor)]
    #[case::deep(|q: &mut Quality| q.stratum = Some(4), 90, Grade::Good)]
    #[case::losing(|q: &mut Quality| q.loss_millionths = Some(20_000), 100, Grade::Fair)]
    #[case::all_of_it(
        |q: &mut Quality| *q = Quality {
            response: Some(Nanos::SECOND), offset: Some(Nanos::SECOND), jitter: Some(Nanos::SECOND),
            loss_millionths: Some(500_000), stratum: Some(15),
        },
        25,
        Grade::Poor
    )]
    fn the_missions_figures(#[case] change: fn(&mut Quality), #[case] points: u8, #[case] grade: Grade) {
        let mut quality = good();
        change(&mut quality);
        let score = score(&quality, &Limits::default());
        assert_eq!((score.points, score.grade), (points, grade), "{score:?}");
        let lost: u8 = score.deductions.iter().map(|one| one.points()).sum();
        assert_eq!(score.points + lost, 100, "every point has its reason");
    }
}
