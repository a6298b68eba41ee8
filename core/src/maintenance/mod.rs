//! # Maintenance: when a person wants to be left alone, and about what
//!
//! **Role.** Whether a policy's alerts are to be marked suppressed now. State stays truthful and visible: nothing here
//! reaches a verdict, a node's condition or a plan. **In.** What is declared ([`schedule`]), and by whoever has a calendar
//! which openings of it touch this moment. **Out.** One [`State`]. **Must never** suppress on what it cannot read: a
//! window with a fault is told and opens never.
//!
//! The calendar (time zones, daylight saving, leap years) lives at the edge, with the operator. A window is a statement
//! about the operator's own wall clock, and no two machines are compared (law 3): a wall clock that is wrong opens
//! windows at the wrong time, and neither moves a clock nor changes what is said of one.

pub mod schedule;

/// One declared window at this moment, in seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Its name.
    pub name: String,
    /// The latest start that is not in the future and when that ends; none = it never started. Or what is wrong with it.
    pub last: Result<Option<(i64, i64)>, String>,
}

/// What follows for a policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// No window is open.
    #[default]
    Closed,
    /// A window is open.
    Open {
        /// The one that ends last, then by name.
        name: String,
        /// When it ends, seconds since 1970.
        until: i64,
    },
    /// None is open, and one can not be read: whether it should be open is not known.
    Faulty {
        /// The first such window.
        name: String,
        /// What is wrong.
        why: String,
    },
}

/// Whether any is open at `now`. Its start belongs to a window, its end does not.
pub fn state(openings: &[Opening], now: i64) -> State {
    let open = openings.iter().filter_map(|opening| {
        let (start, end) = opening.last.as_ref().ok().copied().flatten()?;
        (start <= now && now < end).then_some((end, &opening.name))
    });
    if let Some((until, name)) = open.max() {
        return State::Open { name: name.clone(), until };
    }
    let faulty = openings.iter().find_map(|opening| Some((&opening.name, opening.last.as_ref().err()?)));
    faulty.map_or(State::Closed, |(name, why)| State::Faulty { name: name.clone(), why: why.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opening(name: &str, start: i64, end: i64) -> Opening {
        Opening { name: name.into(), last: Ok(Some((start, end))) }
    }

    #[test]
    fn the_window_that_ends_last_is_told() {
        let all = [opening("a", 10, 20), opening("b", 12, 30), Opening { name: "c".into(), last: Ok(None) }];
        assert_eq!(state(&all, 9), State::Closed);
        assert_eq!(state(&all, 10), State::Open { name: "a".into(), until: 20 });
        assert_eq!(state(&all, 15), State::Open { name: "b".into(), until: 30 });
        assert_eq!(state(&all, 30), State::Closed, "the end is outside");
    }

    #[test]
    fn what_can_not_be_read_suppresses_nothing_and_is_told() {
        let broken = Opening { name: "x".into(), last: Err("no such time zone".into()) };
        let faulty = State::Faulty { name: "x".into(), why: "no such time zone".into() };
        assert_eq!(state(&[broken.clone(), opening("a", 10, 20)], 5), faulty);
        assert_eq!(state(&[broken, opening("a", 10, 20)], 15), State::Open { name: "a".into(), until: 20 });
    }
}
