//! When the fleet's word on a source is worth one Event: one bad upstream is one line on that source, not one alarm
//! per node.
//!
//! Nodes report seconds apart, so the first report of a fault would read "rejecting 1/4". It is told as soon as all
//! nodes that use the source agree, else after it has lasted for [`SETTLE`]; and its end after it has lasted for
//! [`SETTLE`] too. Ages on the operator's own BOOTTIME.

use super::{Loudness, Note, Regarding};
use crate::status::source::Counts;
use meantime_core::clocks::BootTime;
use meantime_core::units::Nanos;
use std::collections::BTreeMap;

/// Longer than the agents' jitter between two reports of one fault.
pub const SETTLE: Nanos = Nanos::from_secs(10);

/// What can be wrong with a source in the eyes of the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    /// Nodes reject it: its time disagrees.
    Rejected,
    /// No node that uses it gets answers.
    Unreachable,
}

#[derive(Clone, Copy, Debug)]
struct Watch {
    /// What was last told.
    told: bool,
    /// Since when the truth differs from what was told; none = it does not.
    differs_since: Option<BootTime>,
}

/// What was told of each source. Seeded by what the source's own status said when this operator first saw it, so
/// that a new operator does not tell again.
#[derive(Clone, Debug, Default)]
pub struct SourceNews {
    watched: BTreeMap<(String, Fault), Watch>,
}

impl SourceNews {
    /// One look at one source: counts now, and the counts in its status as published before (none = never).
    pub fn look(
        &mut self,
        source: &Regarding,
        now: BootTime,
        counts: Counts,
        published: Option<Counts>,
    ) -> Vec<Note> {
        [Fault::Rejected, Fault::Unreachable]
            .into_iter()
            .filter_map(|fault| {
                let watch = self.watched.entry((source.uid.clone(), fault)).or_insert_with(|| Watch {
                    told: published.is_some_and(|counts| holds(fault, counts)),
                    differs_since: None,
                });
                let holds_now = holds(fault, counts);
                if holds_now == watch.told {
                    watch.differs_since = None;
                    return None;
                }
                let since = *watch.differs_since.get_or_insert(now);
                let unanimous = holds_now && everybody(fault, counts);
                if !unanimous && now - since < SETTLE {
                    return None;
                }
                *watch = Watch { told: holds_now, differs_since: None };
                Some(note(source, fault, holds_now, counts))
            })
            .collect()
    }

    /// Forgets sources that are gone (by uid).
    pub fn keep_only(&mut self, alive: impl Fn(&str) -> bool) {
        self.watched.retain(|(uid, _), _| alive(uid));
    }

    /// When something may become worth telling though nothing else changes.
    pub fn next_look(&self) -> Option<BootTime> {
        self.watched.values().filter_map(|watch| watch.differs_since).min().map(|since| since + SETTLE)
    }
}

fn holds(fault: Fault, counts: Counts) -> bool {
    match fault {
        Fault::Rejected => counts.rejecting > 0,
        Fault::Unreachable => counts.reporting > 0 && counts.reaching == 0,
    }
}

fn everybody(fault: Fault, counts: Counts) -> bool {
    match fault {
        Fault::Rejected => counts.rejecting >= counts.using,
        // Young associations have not been answered yet: wait, also when nobody reaches it.
        Fault::Unreachable => false,
    }
}

fn note(source: &Regarding, fault: Fault, begins: bool, counts: Counts) -> Note {
    let Counts { using, reaching, rejecting, .. } = counts;
    let (loudness, reason, message) = match (fault, begins) {
        (Fault::Rejected, true) => (
            Loudness::Warning,
            "Falseticker",
            format!(
                "rejecting {rejecting}/{using}: its time disagrees with the other sources of {rejecting} of the {using} nodes that use it; check this server"
            ),
        ),
        (Fault::Rejected, false) => (
            Loudness::Normal,
            "Recovered",
            format!("rejecting 0/{using}: its time agrees with the other sources again"),
        ),
        (Fault::Unreachable, true) => (
            Loudness::Warning,
            "Unreachable",
            format!(
                "reaching {reaching}/{using}: no node gets valid answers from it; check the server, UDP port and network policies"
            ),
        ),
        (Fault::Unreachable, false) => {
            (Loudness::Normal, "Reachable", format!("reaching {reaching}/{using}"))
        }
    };
    Note {
        regarding: source.clone(),
        related: None,
        loudness,
        reason: reason.to_owned(),
        message,
        once: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Regarding {
        Regarding {
            api_version: "meantime.dev/v1alpha1",
            kind: "TimeSource",
            name: "dc1".into(),
            uid: "u".into(),
        }
    }
    fn at(seconds: i64) -> BootTime {
        BootTime(Nanos::from_secs(1_000 + seconds).0)
    }
    fn counts(reaching: u32, rejecting: u32) -> Counts {
        Counts { using: 4, reporting: 4, reaching, rejecting }
    }
    fn told(notes: &[Note]) -> Vec<(&str, &str)> {
        notes
            .iter()
            .map(|note| (note.reason.as_str(), note.message.split(':').next().unwrap_or("")))
            .collect()
    }

    #[test]
    fn one_event_when_all_nodes_agree_and_one_when_it_is_over() {
        let mut news = SourceNews::default();
        let fine = Some(counts(4, 0));
        assert_eq!(news.look(&source(), at(0), counts(4, 0), fine), []);
        assert_eq!(news.look(&source(), at(1), counts(4, 1), fine), []);
        assert_eq!(news.look(&source(), at(2), counts(4, 3), fine), []);
        assert_eq!(
            told(&news.look(&source(), at(3), counts(4, 4), fine)),
            [("Falseticker", "rejecting 4/4")]
        );
        assert_eq!(news.look(&source(), at(60), counts(4, 4), fine), []);
        assert_eq!(news.look(&source(), at(61), counts(4, 2), fine), []);
        assert_eq!(news.look(&source(), at(62), counts(4, 0), fine), []);
        assert_eq!(news.next_look(), Some(at(72)));
        assert_eq!(told(&news.look(&source(), at(72), counts(4, 0), fine)), [("Recovered", "rejecting 0/4")]);
        assert_eq!(news.next_look(), None);
    }

    #[test]
    fn a_lasting_rejection_by_some_nodes_is_told_too() {
        let mut news = SourceNews::default();
        assert_eq!(news.look(&source(), at(0), counts(4, 1), None), []);
        assert_eq!(
            told(&news.look(&source(), at(10), counts(4, 1), None)),
            [("Falseticker", "rejecting 1/4")]
        );
    }

    #[test]
    fn a_flicker_is_not_told() {
        let mut news = SourceNews::default();
        assert_eq!(news.look(&source(), at(0), counts(4, 1), None), []);
        assert_eq!(news.look(&source(), at(5), counts(4, 0), None), []);
        assert_eq!(news.look(&source(), at(30), counts(4, 1), None), []);
    }

    #[test]
    fn a_new_operator_does_not_tell_again() {
        let mut news = SourceNews::default();
        assert_eq!(news.look(&source(), at(0), counts(4, 4), Some(counts(4, 4))), []);
        assert_eq!(news.look(&source(), at(99), counts(4, 4), Some(counts(4, 4))), []);
        // … and tells the end of what its predecessor told
        news.look(&source(), at(100), counts(4, 0), Some(counts(4, 4)));
        assert_eq!(
            told(&news.look(&source(), at(110), counts(4, 0), Some(counts(4, 4)))),
            [("Recovered", "rejecting 0/4")]
        );
    }

    #[test]
    fn nobody_reaching_it_is_told_after_a_moment() {
        let mut news = SourceNews::default();
        assert_eq!(news.look(&source(), at(0), counts(0, 0), None), []);
        assert_eq!(
            told(&news.look(&source(), at(10), counts(0, 0), None)),
            [("Unreachable", "reaching 0/4")]
        );
        let nobody_knows = Counts { using: 4, reporting: 0, reaching: 0, rejecting: 0 };
        let mut news = SourceNews::default();
        news.look(&source(), at(0), nobody_knows, None);
        assert_eq!(news.look(&source(), at(99), nobody_knows, None), [], "no report is no evidence");
    }
}
