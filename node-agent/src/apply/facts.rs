//! What one look means to a change under way. Pure reading of observation and verdict.

use meantime_core::conditions::{Reason, Status};
use meantime_core::conf::{Kind, Sources};
use meantime_core::observation::{Answer, Association, Observation};
use meantime_core::snapshot::Role;
use meantime_core::units::Nanos;
use meantime_core::validate::Address;
use meantime_core::verdict::Verdict;
use std::collections::{BTreeMap, BTreeSet};

/// How right the node's time is, as far as a change can make it worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// BoundContradicted holds.
    pub contradicted: bool,
    /// TimeSynchronized is False.
    pub breached: bool,
    /// Size of the published offset.
    pub offset: Option<Nanos>,
    /// The guaranteed bound.
    pub bound: Option<Nanos>,
    /// The bound is of now, not carried forward.
    pub fresh: bool,
    /// Voters that count.
    pub usable: u32,
}

impl Health {
    /// From a verdict.
    pub fn of(verdict: &Verdict) -> Self {
        let synchronized = &verdict.conditions.synchronized;
        Self {
            contradicted: synchronized.reason == Reason::BoundContradicted,
            breached: synchronized.status == Status::False,
            offset: verdict.offset.map(Nanos::abs),
            bound: verdict.bound.map(|bound| bound.guaranteed),
            fresh: verdict.bound.is_some_and(|bound| !bound.carried),
            usable: verdict.usable_voters,
        }
    }

    /// Whether `self`, after a change, is worse than `before` it, and how (law 6). Noise is not worse: offset and
    /// bound may double as long as they stay under the plan's warn levels.
    pub fn worse_than(&self, before: &Self, warn_offset: Nanos, warn_bound: Nanos) -> Option<&'static str> {
        let grew = |now: Option<Nanos>, then: Option<Nanos>, warn: Nanos| match (now, then) {
            (Some(now), Some(then)) => now > warn.max(then.times(2)),
            // It was known and is not any more.
            (None, Some(_)) => true,
            (_, None) => false,
        };
        if self.contradicted && !before.contradicted {
            Some("the new sources contradict this machine's oscillator")
        } else if self.usable == 0 && before.usable > 0 {
            Some("no voter can be used any more")
        } else if grew(self.offset, before.offset, warn_offset) {
            Some("the offset grew beyond its warn level")
        } else if grew(self.bound, before.bound, warn_bound) {
            Some("the error bound grew beyond its warn level")
        } else {
            None
        }
    }
}

/// One look as a change under way sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// chronyd answered.
    pub answered: bool,
    /// Identities of the lines in force that chronyd has, with the number of associations each became.
    pub present: BTreeMap<String, u32>,
    /// Those of them that could be selected (or, as witnesses, measured) now.
    pub selectable: BTreeSet<String>,
    /// Health by the verdict of this look.
    pub health: Option<Health>,
}

impl Facts {
    /// From one look. `names` gives each association's configured name, in the observation's order.
    pub fn of(observation: &Observation, identities: &[Option<String>], verdict: Option<&Verdict>) -> Self {
        let Answer::Full { associations, .. } = &observation.answer else { return Self::default() };
        let mut facts = Self { answered: true, health: verdict.map(Health::of), ..Self::default() };
        for (association, identity) in associations.iter().zip(identities) {
            let Some(identity) = identity else { continue };
            *facts.present.entry(identity.clone()).or_default() += 1;
            if is_selectable(association) {
                facts.selectable.insert(identity.clone());
            }
        }
        facts
    }

    /// Lines that are left out of the file on purpose (failover on a chronyd without `selectopts`) are no difference.
    pub fn left_out(&mut self, identities: BTreeSet<String>) {
        if self.answered {
            for identity in identities {
                self.present.entry(identity).or_insert(1);
            }
        }
    }

    /// How chronyd's associations differ from the lines, if they do. A pool may have fewer than it asks for.
    pub fn differs(&self, lines: &Sources) -> Option<String> {
        for line in &lines.0 {
            let identity = line.address.identity();
            let most = match line.kind {
                Kind::Server => 1,
                // chronyd tries up to twice as many at first and drops the slower half later.
                Kind::Pool { max_sources } => max_sources.saturating_mul(2),
            };
            match self.present.get(&identity) {
                None => return Some(format!("chronyd does not have {identity}")),
                Some(count) if *count > most => {
                    return Some(format!(
                        "chronyd has {identity} {count} times, {most} at most were asked for"
                    ));
                }
                Some(_) => {}
            }
        }
        let wanted: BTreeSet<_> = lines.0.iter().map(|line| line.address.identity()).collect();
        let extra = self.present.keys().find(|identity| !wanted.contains(*identity));
        extra.map(|identity| format!("chronyd has {identity}, which nobody asked for"))
    }
}

/// A witness can never be selected; it counts once it is measured.
fn is_selectable(association: &Association) -> bool {
    association.letter.may_vote() || (association.role == Role::Witness && association.samples >= 3)
}

/// The identity of a configured name, as lines have it.
pub fn identity(name: &str) -> Option<String> {
    Address::parse(name).ok().map(|address| address.identity())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::testing::{association, observation};
    use meantime_core::chrony::Letter;
    use rstest::rstest;

    const GOOD: Health = Health {
        contradicted: false,
        breached: false,
        offset: Some(Nanos::from_millis(1)),
        bound: Some(Nanos::from_millis(2)),
        fresh: true,
        usable: 3,
    };

    #[rstest]
    #[case::same(GOOD, GOOD, false)]
    #[case::noise(Health { offset: Some(Nanos::from_millis(9)), bound: Some(Nanos::from_millis(9)), ..GOOD }, GOOD, false)]
    #[case::offset(Health { offset: Some(Nanos::from_millis(11)), ..GOOD }, GOOD, true)]
    #[case::bound(Health { bound: Some(Nanos::from_millis(11)), ..GOOD }, GOOD, true)]
    #[case::lost_the_bound(Health { bound: None, ..GOOD }, GOOD, true)]
    #[case::starved(Health { usable: 0, ..GOOD }, GOOD, true)]
    #[case::contradicted(Health { contradicted: true, ..GOOD }, GOOD, true)]
    #[case::it_was_bad_before(
        Health { usable: 0, bound: None, offset: None, ..GOOD },
        Health { usable: 0, bound: None, offset: None, ..GOOD },
        false
    )]
    fn worse(#[case] after: Health, #[case] before: Health, #[case] is_worse: bool) {
        let ten = Nanos::from_millis(10);
        assert_eq!(after.worse_than(&before, ten, ten).is_some(), is_worse);
    }

    #[test]
    fn reading_back_finds_missing_extra_and_multiplied_ones() {
        let mut stale = association("b", 4);
        stale.letter = Letter::Stale;
        let observation =
            observation(vec![association("a", 4), stale, association("p", 4), association("p", 4)]);
        let names = ["10.0.0.1", "10.0.0.2", "pool.example.com", "pool.example.com"].map(identity);
        let facts = Facts::of(&observation, &names, None);
        assert_eq!(facts.selectable.len(), 2);
        let lines = |text: &str| Sources::read(text).unwrap();
        let one = "server 10.0.0.1 minpoll 4 maxpoll 6\n";
        let two = "server 10.0.0.2 minpoll 4 maxpoll 6\n";
        let pool = |count| format!("pool pool.example.com maxsources {count} minpoll 6 maxpoll 10\n");
        assert_eq!(facts.differs(&lines(&format!("{one}{two}{}", pool(2)))), None);
        assert_eq!(facts.differs(&lines(&format!("{one}{two}{}", pool(4)))), None);
        assert_eq!(
            facts.differs(&lines(&format!("{one}{two}{}", pool(1)))),
            None,
            "twice as many are tried at first"
        );
        let mut multiplied = facts.clone();
        multiplied.present.insert("pool.example.com".into(), 3);
        assert!(multiplied.differs(&lines(&format!("{one}{two}{}", pool(1)))).unwrap().contains("3 times"));
        assert!(facts.differs(&lines(&format!("{one}{}", pool(2)))).unwrap().contains("nobody asked"));
        let more = format!("{one}{two}{}server 10.0.0.9 minpoll 4 maxpoll 6\n", pool(2));
        assert!(facts.differs(&lines(&more)).unwrap().contains("does not have 10.0.0.9"));
    }
}
