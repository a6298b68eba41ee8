//! # Spread: how far apart two clocks of a policy are
//!
//! **Role.** A quorum, a lease or a timestamp order breaks on two nodes that differ, whoever of them is right. **In.** What
//! fresh nodes measured of sources that others measured too, and their guaranteed bounds. **Out.** The largest
//! difference that is *proven* and the largest that is *possible*, the worst of all timescales. **Must never** compare two machines' wall clocks (law 3), compare across timescales, or take a node that says nothing for a good
//! one: who has neither view nor bound makes *possible* unknown (law 2).
//!
//! Two nodes a and b that measure one source s differ by o(a,s) − o(b,s), give or take both half-widths. So with
//! low = o − h and high = o + h
//! - **proven** = the largest low(a) − high(b) over all sources: at least this far apart are two of them. 0 = no two
//!   are proven to differ.
//! - **possible** = the smallest of what covers *all* nodes: for a source that all of them measure the largest
//!   high(a) − low(b); and the two largest guaranteed bounds together. No two of them differ by more.
//!
//! One pass over all views, never a look at each pair. Half-widths are as of each node's report and widened by
//! the growth of its bound since then; reports are at most a heartbeat old, and an agent reports when its offset has
//! moved by a quarter of its tolerance, so that is how sharp *proven* is while clocks are being slewed.

mod told;

pub use told::{Told, told};

use crate::clocks::BootTime;
use crate::diagnose::fleet::{Fleet, Report};
use crate::source::Timescale;
use crate::units::Nanos;
use std::collections::BTreeMap;

/// Two clocks, and what tells them apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// How far apart.
    pub apart: Nanos,
    /// The clock that is ahead, by node name.
    pub ahead: String,
    /// The one that is behind.
    pub behind: String,
    /// The source that both measured.
    pub through: String,
}

/// The spread of some nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    /// The two that are proven to differ most; none = no two are proven to differ.
    pub proven: Option<Pair>,
    /// No two differ by more; none = nothing covers all of them.
    pub possible: Option<Nanos>,
    /// Nodes that were compared: those with a view or a bound.
    pub nodes: usize,
}

impl Spread {
    /// [`Self::proven`] as a span.
    pub fn proven_span(&self) -> Nanos {
        self.proven.as_ref().map_or(Nanos::ZERO, |pair| pair.apart)
    }
}

/// What one node knows of its clock: an interval against something.
#[derive(Clone, Copy)]
struct View<'f> {
    node: &'f str,
    low: Nanos,
    high: Nanos,
}

/// All views of one source.
#[derive(Default)]
struct Views<'f> {
    lowest_high: Option<View<'f>>,
    highest_low: Option<View<'f>>,
    lowest: Option<Nanos>,
    highest: Option<Nanos>,
    nodes: usize,
}

impl<'f> Views<'f> {
    fn add(&mut self, view: View<'f>) {
        let better = |kept: Option<View<'f>>, wins: fn(&View<'f>, &View<'f>) -> bool| {
            Some(kept.filter(|kept| !wins(&view, kept)).unwrap_or(view))
        };
        self.lowest_high =
            better(self.lowest_high, |new, kept| (new.high, new.node) < (kept.high, kept.node));
        self.highest_low = better(self.highest_low, |new, kept| (kept.low, new.node) < (new.low, kept.node));
        self.lowest = Some(self.lowest.map_or(view.low, |low| low.min(view.low)));
        self.highest = Some(self.highest.map_or(view.high, |high| high.max(view.high)));
        self.nodes += 1;
    }

    fn proven(&self, source: &str) -> Option<Pair> {
        let (ahead, behind) = (self.highest_low?, self.lowest_high?);
        let apart = ahead.low - behind.high;
        (apart > Nanos::ZERO && ahead.node != behind.node).then(|| Pair {
            apart,
            ahead: ahead.node.to_owned(),
            behind: behind.node.to_owned(),
            through: source.to_owned(),
        })
    }
}

/// The two largest guaranteed bounds.
#[derive(Default)]
struct Bounds {
    largest: Nanos,
    second: Nanos,
    nodes: usize,
}

impl Bounds {
    fn add(&mut self, bound: Nanos) {
        self.nodes += 1;
        if bound > self.largest {
            (self.largest, self.second) = (bound, self.largest);
        } else if bound > self.second {
            self.second = bound;
        }
    }
}

/// One server: two nodes that measure a pool, or a name, need not measure the same.
type Server<'f> = (&'f str, Option<&'f str>);

/// The nodes of one timescale.
#[derive(Default)]
struct Scale<'f> {
    servers: BTreeMap<Server<'f>, Views<'f>>,
    bounds: Bounds,
    nodes: usize,
}

/// The spread of the fresh ones among `members`, the worst of all timescales.
pub fn spread<'f>(fleet: &'f Fleet, members: impl IntoIterator<Item = &'f str>) -> Spread {
    let mut scales: BTreeMap<&Timescale, Scale<'f>> = BTreeMap::new();
    for name in members {
        let Some((name, node)) = fleet.nodes.get_key_value(name) else { continue };
        let (Some(report), Some(timescale)) = (node.fresh(), &node.timescale) else { continue };
        add(scales.entry(timescale).or_default(), fleet.now, name, report);
    }
    let mut all = Spread::default();
    let mut unknown = false;
    for scale in scales.values() {
        all.nodes += scale.nodes;
        let proven = scale.servers.iter().filter_map(|((source, _), views)| views.proven(source));
        // The last of equals: names in rising order, so the answer hangs on nothing but the data.
        all.proven = all.proven.into_iter().chain(proven).max_by_key(|pair| pair.apart);
        if scale.nodes < 2 {
            continue;
        }
        let possible = scale.possible();
        unknown |= possible.is_none();
        all.possible = all.possible.max(possible);
    }
    if unknown {
        all.possible = None;
    }
    all
}

fn add<'f>(scale: &mut Scale<'f>, now: BootTime, name: &'f str, report: &'f Report) {
    let since = age(now, report.seen);
    let growth = report.growth.over(since).abs();
    scale.nodes += 1;
    if let Some(bound) = report.bound {
        scale.bounds.add(bound + growth);
    }
    for view in report.views.iter().filter(|view| view.trouble.is_none()) {
        let Some((offset, half)) = view.offset.zip(view.uncertainty) else { continue };
        let half = half + growth;
        let seen = View { node: name, low: offset - half, high: offset + half };
        scale.servers.entry((&view.source, view.address.as_deref())).or_default().add(seen);
    }
}

/// How long ago, by the operator's own BOOTTIME.
fn age(now: BootTime, seen: BootTime) -> Nanos {
    (now - seen).max(Nanos::ZERO)
}

impl Scale<'_> {
    fn possible(&self) -> Option<Nanos> {
        let by_bounds = (self.bounds.nodes == self.nodes).then(|| self.bounds.largest + self.bounds.second);
        let everybody = self.servers.values().filter(|views| views.nodes == self.nodes);
        let by_sources = everybody.filter_map(|views| Some(views.highest? - views.lowest?));
        by_sources.chain(by_bounds).min()
    }
}

#[cfg(test)]
mod tests;
