//! The *agreeing group*: the most independent views with one common point.
//!
//! Counted in independent roots, not in servers: four servers behind one GPS are one opinion. On a tie the group
//! that holds the baseline counts; else who is right is unknown, and nobody is blamed.

use super::interval::Interval;
use super::view::View;

/// Views beyond this many are not looked at (a plan holds at most 12; a foreign daemon may have more).
const MOST_VIEWS: usize = 64;

/// What the views say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// There is no view.
    Nobody,
    /// Two or more groups are equally large and nothing tells them apart.
    Tied,
    /// This group counts.
    Group(Group),
}

/// The group that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// Where the judged clock's error lies by all its members.
    pub region: Interval,
    /// Independent roots in it.
    pub roots: u32,
    members: u64,
}

impl Group {
    /// Whether the view at `position` (in the slice that was given) belongs to it.
    pub const fn has(&self, position: usize) -> bool {
        position < MOST_VIEWS && self.members & (1 << position) != 0
    }
}

/// Finds the agreeing group. `baseline`: where the carried baseline puts the judged clock's error.
pub fn agreeing(views: &[View<'_>], baseline: Option<Interval>) -> Agreement {
    let views = &views[..views.len().min(MOST_VIEWS)];
    // Every largest common region begins at the low end of one of its members.
    let mut best: Vec<Group> = Vec::with_capacity(2);
    for start in views {
        let point = start.interval().low;
        let (mut members, mut roots, mut high) = (0_u64, 0_u32, start.interval().high);
        for (position, view) in views.iter().enumerate() {
            let interval = view.interval();
            if interval.low <= point && point <= interval.high {
                let known = views[..position]
                    .iter()
                    .enumerate()
                    .any(|(earlier, other)| members & (1 << earlier) != 0 && other.root == view.root);
                roots += u32::from(!known);
                members |= 1 << position;
                high = high.min(interval.high);
            }
        }
        let found = Group { region: Interval { low: point, high }, roots, members };
        match best.first().map_or(0, |group| group.roots) {
            most if roots > most => {
                best.clear();
                best.push(found);
            }
            most if roots == most && best.iter().all(|group| group.members != members) => best.push(found),
            _ => {}
        }
    }
    // A group inside another one of equally many roots (one root seen through two addresses) is no rival.
    let rivals: Vec<Group> = best
        .iter()
        .filter(|group| {
            !best
                .iter()
                .any(|other| other.members != group.members && other.members & group.members == group.members)
        })
        .copied()
        .collect();
    match rivals.as_slice() {
        [] => Agreement::Nobody,
        [only] => Agreement::Group(*only),
        several => {
            let mut holding =
                several.iter().filter(|group| baseline.is_some_and(|base| base.overlaps(group.region)));
            match (holding.next(), holding.next()) {
                (Some(only), None) => Agreement::Group(*only),
                (Some(_), Some(_)) | (None, _) => Agreement::Tied,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Nanos;

    fn view(index: usize, root: &str, offset: i64, half: i64) -> View<'_> {
        View { index, root, offset: Nanos(offset), half: Nanos(half) }
    }
    fn group(agreement: Agreement) -> Group {
        match agreement {
            Agreement::Group(group) => group,
            Agreement::Nobody | Agreement::Tied => panic!("no group: {agreement:?}"),
        }
    }

    #[test]
    fn the_larger_group_counts_and_its_region_is_the_intersection() {
        let views = [view(0, "a", 0, 10), view(1, "b", 5, 10), view(2, "c", 200, 10)];
        let found = group(agreeing(&views, None));
        assert_eq!((found.region.low, found.region.high), (Nanos(-5), Nanos(10)));
        assert!(found.has(0) && found.has(1) && !found.has(2));
    }

    #[test]
    fn one_root_behind_four_addresses_is_one_opinion() {
        let views = [
            view(0, "gps", 200, 5),
            view(1, "gps", 200, 5),
            view(2, "gps", 200, 5),
            view(3, "a", 0, 5),
            view(4, "b", 0, 5),
        ];
        assert_eq!(group(agreeing(&views, None)).roots, 2);
        assert!(!group(agreeing(&views, None)).has(0));
    }

    #[test]
    fn a_tie_goes_to_the_group_that_holds_the_baseline_else_it_is_unknown() {
        let views = [view(0, "a", 0, 5), view(1, "b", 0, 5), view(2, "c", 200, 5), view(3, "d", 200, 5)];
        assert_eq!(agreeing(&views, None), Agreement::Tied);
        let found = group(agreeing(&views, Some(Interval::around(Nanos(198), Nanos(4)))));
        assert!(found.has(2) && !found.has(0));
        let both = Some(Interval::around(Nanos(100), Nanos(150)));
        assert_eq!(agreeing(&views, both), Agreement::Tied);
    }

    #[test]
    fn nobody_and_one() {
        assert_eq!(agreeing(&[], None), Agreement::Nobody);
        assert_eq!(group(agreeing(&[view(0, "a", 7, 1)], None)).region.middle(), Nanos(7));
    }

    #[test]
    fn an_alias_of_a_member_is_no_rival() {
        // "a" seen twice: {0,1} and {0,1,2} both count two roots.
        let views = [view(0, "a", 0, 10), view(1, "b", 0, 10), view(2, "a", 8, 3)];
        assert!(group(agreeing(&views, None)).has(0));
    }
}
