//! Who asks whom: the same for whoever computes it, bounded both ways, and hardly moved by a node that joins or leaves.
//!
//! **In.** Names and zones of the nodes that take part. **Out.** At most [`NEIGHBOURS`] others for each.
//! **Must never** depend on the order of its input.
//!
//! Each node has a place on [`NEIGHBOURS`] rings, by a hash of its name. On all but the first it asks who comes next. On
//! the first it asks the nearest of the next [`WINDOW`] that stands in another zone, or who comes next if there is none. So
//! whoever joins or leaves changes one predecessor on each plain ring and at most `WINDOW` on the first: [`TOUCHED`]
//! others in all, and no more than that can ask one node.
//!
//! No bound can be kept if *every* node must have a peer elsewhere: ninety nodes of a hundred in one zone cannot all ask
//! the ten others. A node stays within its zone only where the next `WINDOW` on the first ring, and its other neighbours,
//! happen to stand there too: 1 of 128 nodes with two equal zones, 1 of 2,187 with three.
//!
//! Up to [`TOUCHED`] nodes any change touches few: there each asks as many as there are, up to `NEIGHBOURS`, and one
//! elsewhere whenever there is one.

use super::{NEIGHBOURS, TOUCHED, mark, mixed};
use std::collections::BTreeMap;

/// How far a node looks for a peer in another zone: what [`TOUCHED`] leaves for the first ring.
const WINDOW: usize = TOUCHED - (NEIGHBOURS - 1);

/// One who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// Node name.
    pub node: &'a str,
    /// Its zone; those without one stand in one zone together.
    pub zone: Option<&'a str>,
}

/// Whom each asks, each list sorted by name. A name that is given twice counts once.
pub fn choose<'a>(members: &[Member<'a>]) -> BTreeMap<&'a str, Vec<&'a str>> {
    let unique: BTreeMap<&str, Member<'a>> = members.iter().map(|member| (member.node, *member)).collect();
    let members: Vec<Member<'a>> = unique.into_values().collect();
    let rings: Vec<Vec<usize>> = (0..NEIGHBOURS as u64).map(|ring| order(&members, ring)).collect();
    let mut chosen: Vec<Vec<usize>> = vec![Vec::with_capacity(NEIGHBOURS); members.len()];
    if members.len() <= TOUCHED {
        few(&members, &rings, &mut chosen);
    } else {
        many(&members, &rings, &mut chosen);
    }
    let names = |asked: Vec<usize>| {
        let mut names: Vec<&str> = asked.into_iter().map(|at| members[at].node).collect();
        names.sort_unstable();
        names.dedup();
        names
    };
    members.iter().zip(chosen).map(|(member, asked)| (member.node, names(asked))).collect()
}

/// Positions in `members` in the order of one ring.
fn order(members: &[Member<'_>], ring: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..members.len()).collect();
    order.sort_by_cached_key(|at| {
        let node = members[*at].node;
        (mixed(mark(node).wrapping_add(ring)), node)
    });
    order
}

fn many(members: &[Member<'_>], rings: &[Vec<usize>], chosen: &mut [Vec<usize>]) {
    for (number, ring) in rings.iter().enumerate() {
        for (place, at) in ring.iter().enumerate() {
            let next = |step: usize| ring[(place + step) % ring.len()];
            let elsewhere = |other: &usize| members[*other].zone != members[*at].zone;
            let first = (1..=WINDOW).map(next).find(elsewhere).filter(|_| number == 0);
            chosen[*at].push(first.unwrap_or_else(|| next(1)));
        }
    }
}

/// The plain rings' next one first, so that everybody is asked by somebody; then elsewhere; then whoever is left.
fn few(members: &[Member<'_>], rings: &[Vec<usize>], chosen: &mut [Vec<usize>]) {
    let Some((first, plain)) = rings.split_first() else { return };
    let Some((second, rest)) = plain.split_first() else { return };
    for (ring, needs_elsewhere) in
        [(second, false), (first, true)].into_iter().chain(rest.iter().map(|r| (r, false)))
    {
        for (place, at) in ring.iter().enumerate() {
            let others = || (1..ring.len()).map(|step| ring[(place + step) % ring.len()]);
            let elsewhere = |other: &usize| members[*other].zone != members[*at].zone;
            let has = chosen[*at].iter().any(elsewhere);
            let free = |other: &usize| !chosen[*at].contains(other);
            let wanted =
                others().find(|other| free(other) && elsewhere(other)).filter(|_| needs_elsewhere && !has);
            if let Some(other) = wanted.or_else(|| others().find(free)) {
                chosen[*at].push(other);
            }
        }
    }
}

#[cfg(test)]
mod tests;
