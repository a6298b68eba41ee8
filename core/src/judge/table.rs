//! The conditions table of the design, row by row: which one TimeSynchronized takes (first match wins), and what
//! TimeOffsetHigh follows from it. The three other columns are decided in [`super::sources`].

use crate::conditions::{Reason, Status};

/// What the rows ask for. Each is already held where the table says "after hold".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "one for each row of the table")]
pub struct Facts {
    /// Row 2: this machine's clocks came apart, and no two fresh samples from a majority since.
    pub disrupted: bool,
    /// Row 3.
    pub booting: bool,
    /// Row 4: the contradiction holds and its gap is over maxOffset.
    pub contradicted: bool,
    /// Row 5.
    pub offset_breach: bool,
    /// Row 6.
    pub bound_breach: bool,
    /// Row 7.
    pub holdover: bool,
    /// Row 8: chronyd follows itself, or nothing and there never was a good bound.
    pub not_synchronized: bool,
    /// There is a bound, of now or carried. Without one nothing is healthy.
    pub known: bool,
    /// Row 9.
    pub infeasible: bool,
    /// Row 10: above a warn level, or a contradiction below maxOffset.
    pub warning: bool,
}

/// TimeSynchronized: the first row that matches.
pub fn synchronized(facts: &Facts) -> (Status, Reason) {
    match facts {
        Facts { disrupted: true, .. } => (Status::Unknown, Reason::ClockDisrupted),
        Facts { booting: true, .. } => (Status::Unknown, Reason::Booting),
        Facts { contradicted: true, .. } => (Status::False, Reason::BoundContradicted),
        Facts { offset_breach: true, .. } => (Status::False, Reason::OffsetExceeded),
        // Below what the path allows every bound is over the limit: row 9 speaks for those, or it never would.
        Facts { bound_breach: true, infeasible: false, .. } => (Status::False, Reason::ErrorBoundExceeded),
        Facts { holdover: true, infeasible: false, .. } => (Status::False, Reason::HoldoverExceeded),
        Facts { not_synchronized: true, .. } => (Status::False, Reason::NotSynchronized),
        Facts { known: false, .. } => (Status::Unknown, Reason::NoAnswer),
        Facts { infeasible: true, .. } => (Status::Unknown, Reason::ToleranceInfeasible),
        Facts { warning: true, .. } => (Status::True, Reason::Warning),
        Facts { .. } => (Status::True, Reason::InTolerance),
    }
}

/// TimeOffsetHigh beside it. Rows 7 and 8 leave it to the figures: there are none over the limit when they match,
/// so it is False; without any figure it is Unknown.
pub fn offset_high(facts: &Facts, reason: Reason) -> Status {
    match reason {
        Reason::BoundContradicted | Reason::OffsetExceeded | Reason::ErrorBoundExceeded => Status::True,
        Reason::ClockDisrupted | Reason::Booting | Reason::NoAnswer | Reason::AgentSilent => Status::Unknown,
        Reason::HoldoverExceeded
        | Reason::NotSynchronized
        | Reason::ToleranceInfeasible
        | Reason::Warning
        | Reason::InTolerance
        | Reason::TooFew
        | Reason::NoMajority
        | Reason::Enough
        | Reason::NoUsableSource
        | Reason::SourceUsable
        | Reason::VotersDisagree
        | Reason::Answering => {
            if facts.known {
                Status::False
            } else {
                Status::Unknown
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn all() -> Facts {
        Facts {
            disrupted: true,
            booting: true,
            contradicted: true,
            offset_breach: true,
            bound_breach: true,
            holdover: true,
            not_synchronized: true,
            known: true,
            infeasible: false,
            warning: true,
        }
    }

    /// Rows are taken away from the top: the next one must show.
    #[rstest]
    #[case(0, Status::Unknown, Reason::ClockDisrupted, Status::Unknown)]
    #[case(1, Status::Unknown, Reason::Booting, Status::Unknown)]
    #[case(2, Status::False, Reason::BoundContradicted, Status::True)]
    #[case(3, Status::False, Reason::OffsetExceeded, Status::True)]
    #[case(4, Status::False, Reason::ErrorBoundExceeded, Status::True)]
    #[case(5, Status::False, Reason::HoldoverExceeded, Status::False)]
    #[case(6, Status::False, Reason::NotSynchronized, Status::False)]
    #[case(7, Status::True, Reason::Warning, Status::False)]
    #[case(8, Status::True, Reason::InTolerance, Status::False)]
    fn first_match_wins(
        #[case] taken: usize,
        #[case] status: Status,
        #[case] reason: Reason,
        #[case] high: Status,
    ) {
        let mut facts = all();
        let rows: [&mut bool; 8] = [
            &mut facts.disrupted,
            &mut facts.booting,
            &mut facts.contradicted,
            &mut facts.offset_breach,
            &mut facts.bound_breach,
            &mut facts.holdover,
            &mut facts.not_synchronized,
            &mut facts.warning,
        ];
        rows.into_iter().take(taken).for_each(|row| *row = false);
        assert_eq!(synchronized(&facts), (status, reason));
        assert_eq!(offset_high(&facts, reason), high);
    }

    #[test]
    fn what_is_not_known_is_unknown() {
        let nothing = Facts::default();
        assert_eq!(synchronized(&nothing), (Status::Unknown, Reason::NoAnswer));
        let never = Facts { not_synchronized: true, ..Facts::default() };
        assert_eq!(synchronized(&never), (Status::False, Reason::NotSynchronized));
        assert_eq!(offset_high(&never, Reason::NotSynchronized), Status::Unknown);
    }

    #[test]
    fn infeasible_hides_a_bound_breach_but_not_an_offset_breach() {
        let mut facts = Facts { bound_breach: true, infeasible: true, known: true, ..Facts::default() };
        assert_eq!(synchronized(&facts), (Status::Unknown, Reason::ToleranceInfeasible));
        assert_eq!(offset_high(&facts, Reason::ToleranceInfeasible), Status::False);
        facts.offset_breach = true;
        assert_eq!(synchronized(&facts), (Status::False, Reason::OffsetExceeded));
    }
}
