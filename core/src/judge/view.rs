//! One source's *view* of the judged clock: an interval for its error, as that source alone would put it.
//!
//! Estimate (SOURCESTATS) plus residual, ± ((peer + root delay)/2 + root and peer dispersion + skew × age).
//! Voters and witnesses alike: SELECT_DATA has no limits for `noselect`.
//!
//! The residual is added in both clock profiles. chronyd's estimates are against its own corrected time, which is
//! the host's clock minus the residual, also while a real clock is still being slewed; under `-x` the residual
//! stays, on a real clock it is nothing most of the time.

use super::interval::Interval;
use super::polls::{Polls, distance};
use crate::observation::{Association, Leap};
use crate::snapshot::Role;
use crate::source::Timescale;
use crate::units::Nanos;

/// A view that may take part in an agreeing group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View<'a> {
    /// Position of its association in the observation.
    pub index: usize,
    /// What stands for its independence.
    pub root: &'a str,
    /// The judged clock against it, > 0 = ahead.
    pub offset: Nanos,
    /// Half-width.
    pub half: Nanos,
}

impl View<'_> {
    /// Where the judged clock's error lies as this source sees it.
    pub fn interval(&self) -> Interval {
        Interval::around(self.offset, self.half)
    }
}

/// The figures of one association's view; none without an estimate (fewer than three samples) or a packet.
pub fn figures(association: &Association, residual: Nanos) -> Option<(Nanos, Nanos)> {
    let (estimate, packet) = (association.estimate.as_ref()?, association.packet.as_ref()?);
    let age = association.sample_age?;
    Some((estimate.offset + residual, distance(packet) + estimate.skew.abs().over(age)))
}

/// The views that count now: planned, answering, synchronised by their own word, on the voters' timescale.
pub fn live<'a>(associations: &'a [Association], polls: &Polls, residual: Nanos) -> Vec<View<'a>> {
    let scale = timescale(associations);
    let mut views = Vec::with_capacity(associations.len());
    for (index, association) in associations.iter().enumerate() {
        let says_unsynchronised =
            association.packet.as_ref().is_some_and(|packet| packet.leap == Leap::Unsynchronised);
        if association.source.is_none()
            || says_unsynchronised
            || scale.is_some_and(|scale| *scale != association.timescale)
            || !polls.answers(association)
        {
            continue;
        }
        if let Some((offset, half)) = figures(association, residual) {
            views.push(View { index, root: &association.independence, offset, half });
        }
    }
    views
}

/// The timescale that is judged: the voters' (a plan never mixes two among them).
fn timescale(associations: &[Association]) -> Option<&Timescale> {
    associations
        .iter()
        .find(|one| one.source.is_some() && one.role != Role::Witness)
        .map(|voter| &voter.timescale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::tests::build::association;
    use crate::observation::Estimate;
    use crate::units::Ppb;

    #[test]
    fn the_interval_is_the_design_s_formula() {
        let mut one = association("10.0.0.1", "a");
        one.estimate = Some(Estimate { offset: Nanos(1_000), skew: Ppb::from_ppm(2), deviation: Nanos(0) });
        one.sample_age = Some(Nanos::from_secs(10));
        let packet = one.packet.as_mut().unwrap();
        packet.peer_delay = Nanos(100);
        packet.root_delay = Nanos(301);
        packet.root_dispersion = Nanos(7);
        packet.peer_dispersion = Nanos(2);
        // (100 + 301)/2 rounded up + 7 + 2 + 2 ppm × 10 s
        assert_eq!(figures(&one, Nanos(-400)), Some((Nanos(600), Nanos(201 + 9 + 20_000))));
    }

    #[test]
    fn dead_unplanned_unsynchronised_or_smeared_sources_have_no_live_view() {
        let good = association("10.0.0.1", "a");
        let mut dead = association("10.0.0.2", "b");
        dead.counters = None;
        dead.sample_age = Some(Nanos::from_secs(3_600));
        let mut strange = association("10.0.0.3", "c");
        strange.source = None;
        let mut lost = association("10.0.0.4", "d");
        lost.packet.as_mut().unwrap().leap = Leap::Unsynchronised;
        let mut smeared = association("10.0.0.5", "e");
        smeared.timescale = Timescale::Smear("google24h".into());
        let all = [good, dead, strange, lost, smeared];
        let mut polls = Polls::default();
        polls.look(&all, |_| None, crate::clocks::BootTime(0));
        let views = live(&all, &polls, Nanos::ZERO);
        assert_eq!(views.iter().map(|view| view.index).collect::<Vec<_>>(), [0]);
    }
}
