//! From the lines in force to the lines wanted, a minority of sources at a time (law 5). Pure.

use meantime_core::conf::{SourceLine, Sources};
use meantime_core::units::Nanos;
use std::collections::BTreeSet;

/// One step of a rollout on one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What the sources file says after it.
    pub lines: Sources,
    /// Identities that must be selectable before the next step: added or changed ones.
    pub fresh: BTreeSet<String>,
    /// What the file says in between, where this chronyd mishandles a changed line for the same address in one
    /// reload (before 4.5): without the changed ones.
    pub without_changed: Option<Sources>,
}

impl Step {
    /// The slowest of the fresh lines' first polls: what "16 polls" is counted in.
    pub fn poll(&self) -> Nanos {
        let fresh = self.lines.0.iter().filter(|line| self.fresh.contains(&line.address.identity()));
        fresh.map(|line| Nanos::from_log2_seconds(line.polls.min)).max().unwrap_or(Nanos::SECOND)
    }
}

/// The next step, or none when nothing is left to do. `at_once` = no minority rule: a first plan, a restart of
/// chronyd, or no usable voter whose history could be lost.
///
/// Additions come first, then changes, then removals, so that the number of voters never falls below the smaller
/// of both ends.
pub fn next(now: &Sources, wanted: &Sources, at_once: bool, reloads_changed: bool) -> Option<Step> {
    let batch = if at_once { usize::MAX } else { minority(now.0.len()) };
    let mut left = batch;
    let mut lines = now.0.clone();
    let mut fresh = BTreeSet::new();
    let mut changed = BTreeSet::new();
    for want in &wanted.0 {
        let identity = want.address.identity();
        if left > 0 && position(&lines, &identity).is_none() {
            left -= 1;
            lines.push(want.clone());
            fresh.insert(identity);
        }
    }
    for want in &wanted.0 {
        let identity = want.address.identity();
        if let Some(at) = position(&lines, &identity)
            && lines[at] != *want
            && left > 0
        {
            left -= 1;
            lines[at] = want.clone();
            fresh.insert(identity.clone());
            changed.insert(identity);
        }
    }
    let mut kept = Vec::with_capacity(lines.len());
    for line in lines {
        if left > 0 && position(&wanted.0, &line.address.identity()).is_none() {
            left -= 1;
        } else {
            kept.push(line);
        }
    }
    if left == batch {
        // Only their order may differ, which chronyd does not care for.
        return None;
    }
    let without_changed = (!reloads_changed && !changed.is_empty()).then(|| {
        Sources(kept.iter().filter(|line| !changed.contains(&line.address.identity())).cloned().collect())
    });
    Some(Step { lines: Sources(kept), fresh, without_changed })
}

/// Fewer than half of `count`, at least one.
fn minority(count: usize) -> usize {
    (count.saturating_sub(1) / 2).max(1)
}

fn position(lines: &[SourceLine], identity: &str) -> Option<usize> {
    lines.iter().position(|line| line.address.identity() == identity)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// `1 2' 3`: hosts 10.0.0.1 … , a dash = changed options.
    fn sources(text: &str) -> Sources {
        let line = |word: &str| {
            let poll = if word.ends_with('\'') { 5 } else { 4 };
            let text = format!("server 10.0.0.{} minpoll {poll} maxpoll 6\n", word.trim_end_matches('\''));
            Sources::read(&text).unwrap().0.remove(0)
        };
        Sources(text.split_whitespace().map(line).collect())
    }

    /// All steps until nothing is left, as the lines after each.
    fn walk(from: &str, to: &str) -> Vec<Sources> {
        let (mut now, wanted) = (sources(from), sources(to));
        let mut steps = Vec::new();
        while let Some(step) = next(&now, &wanted, false, true) {
            now = step.lines.clone();
            steps.push(step.lines);
            assert!(steps.len() < 50, "it never ends");
        }
        steps
    }

    #[test]
    fn a_whole_exchange_goes_one_by_one_and_never_falls_below_either_end() {
        let steps = walk("1 2 3", "4 5 6");
        assert!(steps.iter().all(|step| step.0.len() >= 3));
        let last: BTreeSet<_> = steps.last().unwrap().0.iter().map(ToString::to_string).collect();
        assert_eq!(last, sources("4 5 6").0.iter().map(ToString::to_string).collect());
    }

    #[rstest]
    #[case(1, 1)]
    #[case(2, 1)]
    #[case(3, 1)]
    #[case(4, 1)]
    #[case(5, 2)]
    #[case(12, 5)]
    fn never_half(#[case] count: usize, #[case] most: usize) {
        assert_eq!(minority(count), most);
    }

    #[test]
    fn each_step_changes_at_most_a_minority() {
        let (mut now, wanted) = (sources("1 2 3 4 5"), sources("1' 2' 3' 4' 5'"));
        let mut count = 0;
        while let Some(step) = next(&now, &wanted, false, true) {
            assert!(step.fresh.len() <= 2, "{step:?}");
            assert_eq!(step.lines.0.len(), 5);
            now = step.lines;
            count += 1;
        }
        assert_eq!((count, now), (3, wanted));
    }

    #[test]
    fn equal_lines_in_another_order_are_nothing_to_do() {
        assert_eq!(next(&sources("1 2"), &sources("2 1"), false, true), None);
    }

    #[test]
    fn all_at_once_where_no_history_is_at_stake() {
        let step = next(&Sources::default(), &sources("1 2 3"), true, true).unwrap();
        assert_eq!((step.lines, step.fresh.len()), (sources("1 2 3"), 3));
    }

    #[test]
    fn an_old_chronyd_gets_a_changed_line_in_two_reloads() {
        let step = next(&sources("1 2 3"), &sources("1' 2 3"), false, false).unwrap();
        assert_eq!(step.without_changed, Some(sources("2 3")));
        let step = next(&sources("1 2 3"), &sources("1 2 3 4"), false, false).unwrap();
        assert_eq!(step.without_changed, None);
    }

    #[test]
    fn sixteen_polls_are_counted_in_the_fresh_lines_polls() {
        let step = next(&sources("1"), &sources("1 2'"), false, true).unwrap();
        assert_eq!(step.poll(), Nanos::from_secs(32));
    }
}
