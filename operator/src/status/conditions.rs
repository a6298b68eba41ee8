//! `metav1.Condition` lists, kstatus-true: observedGeneration on each, lastTransitionTime moving with the status only.

use jiff::Timestamp;
use meantime_core::conditions::Status;
use meantime_crds::common::Condition;
use meantime_crds::convert::condition;

/// The schema's limit for a message.
const MAX_MESSAGE: usize = 512;

/// One condition as it should be, without times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    kind: &'static str,
    status: Status,
    reason: String,
    message: String,
}

impl Fact {
    /// From its parts.
    pub fn new(kind: &'static str, status: Status, reason: impl Into<String>, message: String) -> Self {
        Self { kind, status, reason: reason.into(), message }
    }

    /// One that stands, to stay as it is.
    pub fn standing(kind: &'static str, standing: &Condition) -> Self {
        let message = standing.message.clone();
        Self { kind, status: super::parse(&standing.status), reason: standing.reason.clone(), message }
    }
}

/// Conditions as they should be, given those that stand: equal input gives equal output, whatever the time.
pub fn merge<const N: usize>(
    before: &[Condition],
    generation: Option<i64>,
    wall: Timestamp,
    facts: [Fact; N],
) -> Vec<Condition> {
    facts
        .into_iter()
        .map(|fact| {
            condition(before, fact.kind, fact.status, &fact.reason, &shorten(&fact.message), generation, wall)
        })
        .collect()
}

/// At most 512 characters, and an ellipsis where something was cut.
fn shorten(message: &str) -> String {
    if message.chars().count() <= MAX_MESSAGE {
        return message.to_owned();
    }
    message.chars().take(MAX_MESSAGE - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use meantime_crds::common::Time;

    #[test]
    fn times_move_with_the_status_only() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        let fact = |status, message: &str| Fact::new("Ready", status, "Because", message.to_owned());
        let first = merge(&[], Some(1), at(10), [fact(Status::True, "a")]);
        let same = merge(&first, Some(1), at(20), [fact(Status::True, "a")]);
        assert_eq!(first, same);
        let edited = merge(&first, Some(2), at(30), [fact(Status::True, "b")]);
        assert_eq!(edited[0].last_transition_time, Time(at(10)));
        assert_eq!(edited[0].observed_generation, Some(2));
        let broken = merge(&edited, Some(2), at(40), [fact(Status::False, "c")]);
        assert_eq!(broken[0].last_transition_time, Time(at(40)));
    }

    #[test]
    fn a_long_message_is_cut_where_the_schema_ends() {
        assert_eq!(shorten(&"µ".repeat(600)).chars().count(), 512);
        assert_eq!(shorten("short"), "short");
    }
}
