//! The machine: one look, and what this operator's own BOOTTIME knows between two looks.

use super::carry;
use super::cause::{Cause, Family};
use super::claims::{Sorted, is_live, sort};
use super::record::{Record, State, What};
use super::retention::{self, Aged};
use super::severity::Severity;
use super::words::{human, mark, name};
use super::{Change, Claim, Figures, Kept, Look, Told};
use crate::clocks::BootTime;
use crate::units::Nanos;
use std::collections::{BTreeMap, BTreeSet};

/// A breach that began longer before a finding has a story of its own. Proving a finding takes some polls of 64 s.
const ADOPTED: Nanos = Nanos::from_secs(15 * 60);

/// The time between two attempts at an object that becomes somebody else's doubles this often: half an hour to 16 hours.
const LOST: u32 = 5;
/// A trouble that comes and goes does not begin to count anew within a day.
const FORGOTTEN: Nanos = Nanos::from_secs(86_400);

/// Moments of this operator. Lost with it; everything else is in the objects.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    figures: Figures,
    /// There was a look in contact.
    pub(super) looked: bool,
    contact_since: Option<BootTime>,
    counting: BTreeMap<String, Counting>,
    /// Since when nodes are out of tolerance.
    pub(super) breaching: BTreeMap<String, BootTime>,
    /// To which incident nodes out of tolerance belong.
    pub(super) held: BTreeMap<String, Family>,
    /// Troubles that followed from another one, and when they last did.
    pub(super) followed: BTreeMap<Family, BootTime>,
    /// Names of incidents that are being created.
    opening: BTreeMap<Family, String>,
    /// Families whose new object was not ours to read once it was there: when that was last seen, and how often.
    lost: BTreeMap<Family, (BootTime, u32)>,
    aged: Aged,
}

/// The moments of one incident.
#[derive(Clone, Debug)]
struct Counting {
    anchor: BootTime,
    base: Nanos,
    /// It was there before this operator.
    inherited: bool,
    state: State,
    gone_since: Option<BootTime>,
    recovered_at: Option<BootTime>,
    closed_at: Option<BootTime>,
    written_at: Option<BootTime>,
}

impl Counting {
    fn elapsed(&self, now: BootTime) -> Nanos {
        self.base + (now - self.anchor)
    }
    /// The first evidence.
    fn began(&self) -> BootTime {
        self.anchor - self.base
    }
}

/// What one look wants.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Changes to objects, at most one each.
    pub changes: Vec<Change>,
    /// When to look again though nothing is seen to change.
    pub next: Option<BootTime>,
    /// Incidents by severity and state, as they are after the changes.
    pub counts: BTreeMap<(Severity, State), i64>,
    /// Names that were to be ours and are somebody else's: said at the look that found it.
    pub lost: Vec<String>,
}

impl Outcome {
    fn again(&mut self, moment: BootTime, now: BootTime) {
        if moment > now {
            self.next = Some(self.next.map_or(moment, |next| next.min(moment)));
        }
    }
}

impl Memory {
    /// Blank.
    pub fn new(figures: Figures) -> Self {
        Self { figures, ..Self::default() }
    }

    /// There was a time in which nothing could be heard: what is counted towards recovery and all-clear begins anew.
    pub fn gap(&mut self) {
        self.contact_since = None;
        for counting in self.counting.values_mut() {
            (counting.gone_since, counting.recovered_at) = (None, None);
        }
    }

    /// One look. `kept` must be all incidents that there are, as written last.
    pub fn look(&mut self, look: &Look<'_>, kept: &BTreeMap<String, Kept>) -> Outcome {
        let mut out = Outcome::default();
        if look.in_contact {
            self.contact_since.get_or_insert(look.now);
        } else {
            self.gap();
        }
        self.see(look, kept);
        let figures = self.figures;
        let live = self.live(look, kept);
        let open: BTreeMap<Family, (Cause, bool)> = live
            .iter()
            .filter_map(|(family, name)| {
                let record = kept.get(name)?.record.as_ref().filter(|record| record.state == State::Open)?;
                let more = usize::try_from(record.scope.wrong).unwrap_or(usize::MAX) > record.breached.len();
                Some((family.clone(), (record.cause.clone(), more)))
            })
            .collect();
        let known: BTreeSet<Family> = live.keys().cloned().collect();
        let sorted = sort(self, look, &figures, &open, &known);
        for moment in &sorted.waiting {
            out.again(*moment, look.now);
        }
        let adopted = self.adopted(&sorted, &live, kept);
        let mut next: BTreeMap<String, (Record, Option<Told>)> = BTreeMap::new();
        self.opening.retain(|family, _| sorted.claims.contains_key(family));
        self.lost.retain(|family, (at, _)| sorted.claims.contains_key(family) || look.now - *at < FORGOTTEN);
        let mut used: BTreeSet<&str> = BTreeSet::new();
        for (family, claim) in &sorted.claims {
            if let Some(name) = live.get(family).or_else(|| adopted.get(family)) {
                used.insert(name);
                let Some(record) = kept.get(name).and_then(|one| one.record.clone()) else { continue };
                next.insert(name.clone(), self.claimed(record, name, look, claim));
                self.opening.remove(family);
            } else if let Some(name) = self.blank(family, kept) {
                used.insert(name);
                next.insert(name.to_owned(), self.begun(name, look, claim));
            } else {
                let change = self.create(family, look, claim, kept, &mut out);
                out.changes.extend(change);
            }
        }
        for (family, name) in live.iter().filter(|(_, name)| !used.contains(name.as_str())) {
            let Some(record) = kept.get(name).and_then(|one| one.record.clone()) else { continue };
            let whole = sorted.parts.get(family).filter(|_| record.state == State::Open);
            let Some(whole) = whole else {
                let ended = self.unclaimed(record, name, look, &mut out);
                next.extend(ended.map(|ended| (name.clone(), ended)));
                continue;
            };
            // A whole that is only being created is waited for.
            let whole = live.get(whole).or_else(|| adopted.get(whole));
            if let Some(whole) = whole.filter(|name| next.contains_key(*name)).cloned() {
                let part = self.join(record, name, &whole, look, &mut next);
                next.insert(name.clone(), part);
            }
        }
        for (name, one) in kept {
            let Some(record) = one.record.as_ref().filter(|record| is_live(record.state)) else { continue };
            let first = live.get(&record.cause.family()).filter(|first| *first != name);
            if let Some(first) = first.filter(|first| next.contains_key(*first)).cloned() {
                let part = self.join(record.clone(), name, &first, look, &mut next);
                next.insert(name.clone(), part);
            }
        }
        self.finish(look, kept, next, &mut out);
        self.retain(look, kept, &used, &mut out);
        self.looked |= look.in_contact;
        out
    }

    /// Moments of what is there, and of what changed since the last look, by whoever changed it.
    fn see(&mut self, look: &Look<'_>, kept: &BTreeMap<String, Kept>) {
        self.counting.retain(|name, _| kept.contains_key(name));
        for (name, one) in kept {
            let Some(record) = &one.record else { continue };
            let inherited = !self.looked;
            if !self.counting.contains_key(name) {
                for breached in record.breached.iter().filter(|_| record.state == State::Open) {
                    self.held.entry(breached.node.clone()).or_insert_with(|| record.cause.family());
                }
            }
            let counting = self.counting.entry(name.clone()).or_insert_with(|| Counting {
                anchor: look.now,
                base: record.elapsed,
                inherited,
                state: record.state,
                gone_since: None,
                recovered_at: None,
                closed_at: None,
                written_at: None,
            });
            if counting.state != record.state {
                counting.state = record.state;
                counting.gone_since = None;
                counting.recovered_at = None;
                counting.closed_at = (record.state == State::Closed).then_some(look.now);
            }
        }
    }

    /// Incidents that may be gone on with, one for each family: open ones first, then those that are watched, then those
    /// that were closed a moment ago.
    fn live(&self, look: &Look<'_>, kept: &BTreeMap<String, Kept>) -> BTreeMap<Family, String> {
        let mut live: BTreeMap<Family, (State, &String)> = BTreeMap::new();
        for (name, one) in kept {
            let Some(record) = &one.record else { continue };
            let again = || {
                let closed_at = self.counting.get(name).and_then(|counting| counting.closed_at);
                closed_at.is_some_and(|at| look.now - at < self.figures.reopen)
            };
            if is_live(record.state) || again() {
                let candidate = (record.state, name);
                let best = live.entry(record.cause.family()).or_insert(candidate);
                *best = candidate.min(*best);
            }
        }
        live.into_iter().map(|(family, (_, name))| (family, name.clone())).collect()
    }

    /// A breach is told before it can be proven whose fault it is. The incident that told it first goes on as that finding's:
    /// one trouble, one incident.
    fn adopted(
        &self,
        sorted: &Sorted,
        live: &BTreeMap<Family, String>,
        kept: &BTreeMap<String, Kept>,
    ) -> BTreeMap<Family, String> {
        let mut first: BTreeMap<&Family, (BootTime, &String)> = BTreeMap::new();
        for (part, whole) in &sorted.parts {
            let found = matches!(whole, Family::Found(..)) && sorted.claims.contains_key(whole);
            if !found || matches!(part, Family::Found(..)) || live.contains_key(whole) {
                continue;
            }
            let known = live.get(part).and_then(|name| {
                let record = kept.get(name)?.record.as_ref()?;
                Some((name, record, self.counting.get(name)?))
            });
            let (Some((name, record, counting)), Some(claim)) = (known, sorted.claims.get(whole)) else {
                continue;
            };
            // An old trouble with a story of its own is no finding's, nor is one of more nodes than the finding explains.
            let explains = record.breached.iter().all(|one| claim.nodes.contains(&one.node))
                && usize::try_from(record.scope.wrong).is_ok_and(|wrong| wrong <= claim.nodes.len());
            if claim.since - counting.began() > ADOPTED || !explains {
                continue;
            }
            let candidate = (counting.began(), name);
            let best = first.entry(whole).or_insert(candidate);
            *best = candidate.min(*best);
        }
        first.into_iter().map(|(whole, (_, name))| (whole.clone(), name.clone())).collect()
    }

    /// An object that was created for this family and tells nothing yet, by whichever operator.
    fn blank<'k>(&self, family: &Family, kept: &'k BTreeMap<String, Kept>) -> Option<&'k str> {
        let is_blank = |one: &Kept| one.record.is_none();
        let own = self.opening.get(family).and_then(|name| kept.get_key_value(name));
        let end = format!("-{}", mark(family));
        own.filter(|(_, one)| is_blank(one))
            .or_else(|| kept.iter().find(|(name, one)| is_blank(one) && name.ends_with(&end)))
            .map(|(name, _)| name.as_str())
    }

    fn create(
        &mut self,
        family: &Family,
        look: &Look<'_>,
        claim: &Claim,
        kept: &BTreeMap<String, Kept>,
        out: &mut Outcome,
    ) -> Option<Change> {
        if let Some(name) = self.opening.get(family).filter(|name| look.others.contains(*name)) {
            out.lost.push(name.clone());
            self.opening.remove(family);
            let (at, times) = self.lost.entry(family.clone()).or_insert((look.now, 0));
            (*at, *times) = (look.now, times.saturating_add(1));
        }
        // Once it is chance. What makes every object of ours somebody else's, as a webhook can, must not make us fill the
        // cluster with them.
        if let Some((at, times)) = self.lost.get(family).filter(|(_, times)| *times > 1) {
            let patience = self.figures.reopen.times(1_i64 << (times - 2).min(LOST));
            if look.now - *at < patience {
                out.again(*at + patience, look.now);
                return None;
            }
        }
        let taken = |name: &str| {
            kept.contains_key(name)
                || look.others.contains(name)
                || self.opening.values().any(|opening| opening == name)
        };
        let fresh = name(&look.stamp, &claim.cause, taken);
        let name = self.opening.entry(family.clone()).or_insert(fresh).clone();
        Some(Change::Create {
            name,
            word: claim.cause.word().to_owned(),
            severity: carry::severity_of(look, claim),
        })
    }

    fn begun(&mut self, name: &str, look: &Look<'_>, claim: &Claim) -> (Record, Option<Told>) {
        let counting = Counting {
            anchor: claim.since.min(look.now),
            base: Nanos::ZERO,
            inherited: false,
            state: State::Open,
            gone_since: None,
            recovered_at: None,
            closed_at: None,
            written_at: None,
        };
        let mut record = carry::begin(look, claim, counting.elapsed(look.now));
        carry::act(&mut record, look, &self.figures, counting.began());
        self.counting.insert(name.to_owned(), counting);
        (record, Some(Told::Opened))
    }

    fn claimed(
        &mut self,
        mut record: Record,
        name: &str,
        look: &Look<'_>,
        claim: &Claim,
    ) -> (Record, Option<Told>) {
        let Some(counting) = self.counting.get_mut(name) else { return (record, None) };
        counting.gone_since = None;
        let elapsed = counting.elapsed(look.now);
        let told = carry::carry(&mut record, look, claim, elapsed);
        carry::act(&mut record, look, &self.figures, counting.began());
        (record, told)
    }

    /// The record as part of another one, which gets the earlier beginning of the two.
    fn join(
        &mut self,
        mut part: Record,
        name: &str,
        whole: &str,
        look: &Look<'_>,
        next: &mut BTreeMap<String, (Record, Option<Told>)>,
    ) -> (Record, Option<Told>) {
        let Some(mine) =
            self.counting.get(name).map(|counting| (counting.began(), counting.elapsed(look.now)))
        else {
            return (part, None);
        };
        let (began, elapsed) = mine;
        if let (Some(counting), Some((record, _))) = (self.counting.get_mut(whole), next.get_mut(whole)) {
            let earlier = counting.began() - began;
            if earlier > Nanos::ZERO {
                counting.base = counting.base + earlier;
                carry::began_earlier(record, earlier);
            }
            let text = format!("{name} ({}) is part of this", part.cause.word());
            record.note(What::Absorbed, look.wall, counting.elapsed(look.now), &text);
        }
        part.state = State::Closed;
        part.joined = Some(whole.to_owned());
        part.note(What::Joined, look.wall, elapsed, &format!("part of {whole}"));
        (part, Some(Told::Joined))
    }

    /// No claim: recovered, once that can be told and has lasted; closed, once that was watched to the end.
    fn unclaimed(
        &mut self,
        mut record: Record,
        name: &str,
        look: &Look<'_>,
        out: &mut Outcome,
    ) -> Option<(Record, Option<Told>)> {
        let figures = self.figures;
        let warm = self.contact_since.map(|since| since + figures.warm);
        let counting = self.counting.get_mut(name)?;
        let told = match record.state {
            State::Closed => return None,
            State::Open | State::Recovered if !look.in_contact || !carry::can_tell(&record, look) => {
                (counting.gone_since, counting.recovered_at) = (None, None);
                None
            }
            State::Open => {
                let since = *counting.gone_since.get_or_insert(look.now);
                let due = warm.map_or(since + figures.recover, |warm| warm.max(since + figures.recover));
                out.again(due, look.now);
                if look.now < due {
                    None
                } else {
                    let recover = counting.elapsed(since);
                    record.state = State::Recovered;
                    record.recover = Some(recover);
                    let text = format!("after {}; watched for {}", human(recover), human(figures.observe));
                    record.note(What::Recovered, look.wall, recover, &text);
                    Some(Told::Recovered)
                }
            }
            State::Recovered => {
                let since = *counting.recovered_at.get_or_insert(look.now);
                let due = since + figures.observe;
                out.again(due, look.now);
                if look.now < due {
                    None
                } else {
                    record.state = State::Closed;
                    let text = format!("no relapse in {}", human(figures.observe));
                    record.note(What::Closed, look.wall, counting.elapsed(look.now), &text);
                    Some(Told::Closed)
                }
            }
        };
        Some((record, told))
    }

    /// What has really changed, and is worth a write now.
    fn finish(
        &mut self,
        look: &Look<'_>,
        kept: &BTreeMap<String, Kept>,
        next: BTreeMap<String, (Record, Option<Told>)>,
        out: &mut Outcome,
    ) {
        let mut after: BTreeMap<&str, (Severity, State)> = kept
            .iter()
            .filter_map(|(name, one)| {
                one.record.as_ref().map(|record| (name.as_str(), (record.severity, record.state)))
            })
            .collect();
        let mut written = Vec::new();
        // A note by a person on one that is long closed is seen too.
        let noted = |one: &Kept| one.record.as_ref().is_some_and(|record| record.observed != one.generation);
        let untouched = kept.iter().filter(|(name, one)| noted(one) && !next.contains_key(*name));
        let untouched = untouched
            .filter_map(|(name, one)| Some((name.clone(), (one.record.clone()?, None))))
            .collect::<Vec<_>>();
        for (name, (mut record, told)) in next.into_iter().chain(untouched) {
            let Some(standing) = kept.get_key_value(&name) else { continue };
            let Some(counting) = self.counting.get_mut(&name) else { continue };
            let elapsed = counting.elapsed(look.now);
            record.observed = standing.1.generation;
            if record.state != State::Closed {
                carry::acknowledge(&mut record, look, standing.1.acknowledged.as_deref(), elapsed);
            }
            after.insert(standing.0, (record.severity, record.state));
            let before = standing.1.record.as_ref();
            if before.is_some_and(|before| before.same(&record)) {
                continue;
            }
            let due = counting.written_at.map_or(look.now, |at| at + self.figures.pause);
            if before.is_some_and(|before| only_wider(before, &record)) && look.now < due {
                out.again(due, look.now);
                continue;
            }
            let was_open = before.is_none_or(|before| before.state == State::Open);
            record.interrupted |= counting.inherited && (was_open || told == Some(Told::Relapsed));
            record.elapsed = elapsed;
            counting.written_at = Some(look.now);
            written.push(Change::Write { name, record: Box::new(record), told });
        }
        out.changes.extend(written);
        for (severity, state) in after.into_values() {
            *out.counts.entry((severity, state)).or_default() += 1;
        }
    }

    /// Deletes what is over and old, and what was created for nothing.
    fn retain(
        &mut self,
        look: &Look<'_>,
        kept: &BTreeMap<String, Kept>,
        used: &BTreeSet<&str>,
        out: &mut Outcome,
    ) {
        let warm = self.contact_since.is_some_and(|since| look.now - since >= self.figures.warm);
        if !warm || !look.in_contact {
            return;
        }
        let mut closed = Vec::new();
        for (name, one) in kept.iter().filter(|(name, _)| !used.contains(name.as_str())) {
            match &one.record {
                None => out.changes.push(Change::Delete { name: name.clone() }),
                Some(record) if record.state == State::Closed => closed.push((name.clone(), one.age)),
                Some(_) => {}
            }
        }
        let gone = retention::gone(&mut closed, &mut self.aged, &self.figures, look.now);
        out.changes.extend(gone.into_iter().map(|name| Change::Delete { name }));
    }
}

/// Nothing but scope and further actions: that may wait.
fn only_wider(before: &Record, after: &Record) -> bool {
    let told = |one: &Record| {
        (
            one.state,
            one.severity,
            one.timeline.len(),
            one.timeline.last().cloned(),
            one.observed,
            one.joined.clone(),
        )
    };
    told(before) == told(after)
}
