//! The fleet as the rules look at it: who may speak, from which failure domain, and what each says of each source.

use super::cut::peers_tell;
use super::finding::{Coverage, Subject};
use super::fleet::{Fleet, Node, Report, Trouble, View};
use super::past::{Ask, Past};
use super::vote::{Proof, notice};
use crate::clocks::BootTime;
use crate::conditions::{ConditionKind, Reason, Status};
use crate::snapshot::Role;
use crate::units::Nanos;
use std::collections::{BTreeMap, BTreeSet};

/// A report reaches us so late at most: a write, a watch event, and a pass.
const WAY: Nanos = Nanos::from_secs(2);

/// What one node says of one source. A pool's members are one source.
#[derive(Clone, Debug)]
pub(super) struct Word<'f> {
    pub source: &'f str,
    /// Those of its views that were planned.
    pub views: Vec<&'f View>,
    /// Whether it hears it; none = it never worked from here (no evidence).
    pub hears: Option<bool>,
    /// What all that answer say of themselves.
    pub trouble: Option<Trouble>,
    /// The answering view that it does not believe, or that its figures do not.
    pub against: Option<&'f View>,
    /// How far it is off against those that this node believes; > 0 = the node is ahead of it.
    pub by: Option<Nanos>,
    /// How good its word is that it hears or believes it.
    pub proof: Proof,
    since: [Option<BootTime>; 3],
}

impl Word<'_> {
    /// Since when it says yes to that; none = it does not.
    pub fn since(&self, ask: Ask) -> Option<BootTime> {
        match ask {
            Ask::Silent => self.since[0],
            Ask::Says(trouble) if self.trouble == Some(trouble) => self.since[1],
            Ask::Says(_) | Ask::Off => None,
            Ask::Rejects => self.since[2],
        }
    }
    /// All that it says yes to.
    fn says(&self) -> impl Iterator<Item = Ask> + use<> {
        let [silent, says, rejects] = self.since;
        let silent = silent.map(|_| Ask::Silent);
        let says = says.and(self.trouble).map(Ask::Says);
        [silent, says, rejects.map(|_| Ask::Rejects)].into_iter().flatten()
    }
    /// It has an answer to that question, yes or no.
    pub fn knows(&self, ask: Ask) -> bool {
        match ask {
            Ask::Silent => self.hears.is_some(),
            // Who does not hear it cannot say what it says. A name without an address never was heard.
            Ask::Says(_) => self.hears != Some(false) && (self.trouble.is_some() || self.hears == Some(true)),
            Ask::Rejects => self.hears == Some(true),
            Ask::Off => false,
        }
    }
    /// The longest time between two polls of it.
    pub fn poll(&self) -> Nanos {
        self.views.iter().map(|view| view.poll).max().unwrap_or(Nanos::ZERO)
    }
}

/// A fresh reporter.
#[derive(Clone, Debug)]
pub(super) struct Reporter<'f> {
    pub name: &'f str,
    /// Its failure domain: its egress, else its zone.
    pub domain: &'f str,
    pub node: &'f Node,
    pub report: &'f Report,
    /// By source, in order.
    pub words: Vec<Word<'f>>,
    /// Since when its own agent says that its clock is off.
    pub off: Option<BootTime>,
}

impl<'f> Reporter<'f> {
    fn of(name: &'f str, node: &'f Node, report: &'f Report, past: &mut Past) -> Self {
        let middle = believed(report);
        let mut views: Vec<&View> = report.views.iter().collect();
        views.sort_by(|one, other| one.source.cmp(&other.source));
        let of_one = |views: &[&'f View]| word(name, node, report, views, middle, past);
        let mut words: Vec<Word<'_>> =
            views.chunk_by(|one, other| one.source == other.source).map(of_one).collect();
        let mut yes: Vec<(&str, Ask)> = Vec::new();
        for word in &words {
            if word.hears == Some(false) {
                yes.push((word.source, Ask::Silent));
            }
            if let Some(trouble) = word.trouble {
                yes.push((word.source, Ask::Says(trouble)));
            }
            if word.against.is_some() {
                yes.push((word.source, Ask::Rejects));
            }
        }
        if is_off(report) {
            yes.push(("", Ask::Off));
        }
        let since = past.says(name, &yes, report.seen);
        let at = |source: &str, ask: Ask| {
            let mut said = yes.iter().zip(&since);
            said.find(|(one, _)| **one == (source, ask)).map(|(_, since)| *since)
        };
        for word in words.iter_mut().filter(|_| !since.is_empty()) {
            word.since = [
                at(word.source, Ask::Silent),
                word.trouble.and_then(|trouble| at(word.source, Ask::Says(trouble))),
                at(word.source, Ask::Rejects),
            ];
        }
        Self { name, domain: domain(node), node, report, off: at("", Ask::Off), words }
    }

    /// What it says of that source.
    pub fn word(&self, source: &str) -> Option<&Word<'f>> {
        self.words.binary_search_by(|word| word.source.cmp(source)).ok().and_then(|at| self.words.get(at))
    }
    /// What it measures, where it hears: its view of each.
    pub fn measured(&self) -> impl Iterator<Item = (&'f View, Nanos, Nanos)> + use<'f> {
        let heard = self.report.views.iter().filter(|view| !view.is_silent());
        heard.filter_map(|view| Some((view, view.offset?, view.uncertainty?)))
    }
    /// Since when it hears none of those that it once heard; none = it hears one, or never heard any.
    pub fn deaf(&self) -> Option<BootTime> {
        let mut known = self.words.iter().filter(|word| word.hears.is_some()).peekable();
        known.peek()?;
        known.map(|word| word.since(Ask::Silent)).collect::<Option<Vec<_>>>()?.into_iter().max()
    }
    /// It heard a source other than this one, and of that kind, after that moment.
    pub fn reaches_another(
        &self,
        source: &str,
        after: BootTime,
        now: BootTime,
        is_such: impl Fn(&str) -> bool,
    ) -> bool {
        self.words.iter().any(|word| {
            word.source != source
                && word.hears == Some(true)
                && is_such(word.source)
                && word.proof.stands(after, now)
        })
    }
}

fn word<'f>(
    node_name: &str,
    node: &Node,
    report: &Report,
    views: &[&'f View],
    middle: Option<Nanos>,
    past: &Past,
) -> Word<'f> {
    let source = views.first().map_or("", |view| view.source.as_str());
    let worked = |view: &View| view.ever || past.worked(node_name, view);
    let mut known = views.iter().filter(|view| worked(view)).peekable();
    let hears = known.peek().is_some().then(|| known.any(|view| !view.is_silent()));
    let mut answering = views.iter().filter(|view| !view.is_silent()).peekable();
    let first = answering.peek().and_then(|view| view.trouble);
    let trouble = first.filter(|first| answering.all(|view| view.trouble == Some(*first)));
    let by = |view: &View| view.offset.zip(middle).map(|(offset, middle)| offset - middle);
    // A long round trip hides from the node itself how far off a source is; others with a shorter one may tell.
    let far = |view: &View| by(view).is_some_and(|by| by.abs() > report.max_offset);
    let answered = || views.iter().copied().filter(|view| view.ever && !view.is_silent());
    let against = answered().find(|view| view.rejected || far(view));
    let age = answered().filter_map(|view| view.sample_age).min();
    let poll = views.iter().map(|view| view.poll).max().unwrap_or(Nanos::ZERO);
    Word {
        source,
        hears,
        trouble,
        against,
        by: against.and_then(by),
        proof: Proof::new(age.map(|age| report.seen - age - WAY), poll, node.ready),
        since: [None; 3],
        views: views.to_vec(),
    }
}

/// What a node believes: the median of the views that it does not reject, usable or outvoted.
fn believed(report: &Report) -> Option<Nanos> {
    let usable = |view: &&View| !view.rejected && !view.is_silent();
    let mut offsets: Vec<Nanos> = report.views.iter().filter(usable).filter_map(|view| view.offset).collect();
    offsets.sort_unstable();
    offsets.get(offsets.len() / 2).copied()
}

/// Its own agent says that its clock is off, and by how much.
fn is_off(report: &Report) -> bool {
    let word = ConditionKind::TimeSynchronized;
    report.status(word) == Some(Status::False)
        && matches!(
            report.reason(word),
            Some(Reason::OffsetExceeded | Reason::BoundContradicted | Reason::ErrorBoundExceeded)
        )
        && report.offset.is_some_and(|offset| offset.abs() > report.max_offset)
}

/// Fresh reporters, and who else there is.
#[derive(Debug)]
pub(super) struct Digest<'f> {
    pub fleet: &'f Fleet,
    pub now: BootTime,
    pub reporters: Vec<Reporter<'f>>,
    /// All failure domains with a node.
    pub domains: BTreeSet<&'f str>,
    /// Who has a source, by its position among the reporters, and that of its word.
    by_source: BTreeMap<&'f str, Vec<(usize, usize)>>,
    /// What at least one says yes to.
    said: BTreeSet<(&'f str, Ask)>,
}

/// A node's failure domain.
pub(super) fn domain(node: &Node) -> &str {
    node.egress.as_deref().or(node.zone.as_deref()).unwrap_or("")
}

impl<'f> Digest<'f> {
    /// What is said now, with since when it is said.
    pub fn of(fleet: &'f Fleet, past: &mut Past) -> Self {
        past.look(fleet);
        let mut reporters = Vec::new();
        for (name, node) in &fleet.nodes {
            match node.fresh() {
                Some(report) => reporters.push(Reporter::of(name, node, report, past)),
                None => past.unheard(name),
            }
        }
        let mut by_source: BTreeMap<&str, Vec<(usize, usize)>> = BTreeMap::new();
        let mut said = BTreeSet::new();
        for (index, reporter) in reporters.iter().enumerate() {
            for (at, word) in reporter.words.iter().enumerate() {
                by_source.entry(word.source).or_default().push((index, at));
                said.extend(word.says().map(|ask| (word.source, ask)));
            }
        }
        let domains = fleet.nodes.values().map(domain).collect();
        Self { fleet, now: fleet.now, reporters, domains, by_source, said }
    }
    /// Names of all sources that a reporter has.
    pub fn sources(&self) -> impl Iterator<Item = &'f str> {
        self.by_source.keys().copied()
    }
    /// Reporters that have that source, whether or not it ever worked, with their word on it.
    pub fn users(&self, source: &str) -> impl Iterator<Item = (&Reporter<'f>, &Word<'f>)> {
        let users = self.by_source.get(source).map(Vec::as_slice).unwrap_or_default();
        users.iter().filter_map(|(index, at)| {
            let one = self.reporters.get(*index)?;
            Some((one, one.words.get(*at)?))
        })
    }
    /// Whether anybody says yes: where nobody does, nothing follows of a vote ([`super::vote::Outcome::Open`]).
    pub fn is_said(&self, source: &'f str, ask: Ask) -> bool {
        self.said.contains(&(source, ask))
    }
    /// How many.
    pub fn count_users(&self, source: &str) -> usize {
        self.by_source.get(source).map_or(0, Vec::len)
    }
    /// Fresh reporters by domain.
    pub fn by_domain(&self) -> BTreeMap<&'f str, Vec<&Reporter<'f>>> {
        let mut all: BTreeMap<&str, Vec<&Reporter<'_>>> = BTreeMap::new();
        for reporter in &self.reporters {
            all.entry(reporter.domain).or_default().push(reporter);
        }
        all
    }
    /// A source that nobody is steered by.
    pub fn is_witness(&self, subject: &Subject) -> bool {
        let (Subject::Source(name) | Subject::SourceFrom { source: name, .. }) = subject else {
            return false;
        };
        self.users(name).flat_map(|(_, word)| &word.views).all(|view| view.role == Role::Witness)
    }
    /// The next moment at which something is proven by the time that has passed alone: whoever had to tell of the opposite
    /// by then has not ([`super::vote::Proof`]), or a peer of a deaf node had.
    pub fn next_proof(&self) -> Option<BootTime> {
        let words = || self.reporters.iter().flat_map(|one| &one.words);
        let said: BTreeSet<BootTime> = words()
            .flat_map(|word| word.since.iter().flatten())
            .chain(self.reporters.iter().filter_map(|one| one.off.as_ref()))
            .copied()
            .collect();
        if said.is_empty() {
            return None;
        }
        let spans: BTreeSet<Nanos> = words().map(|word| notice(word.poll())).collect();
        let proofs = said.iter().flat_map(|since| spans.iter().map(|span| *since + *span));
        let deaf = self.reporters.iter().filter_map(Reporter::deaf).map(|since| since + peers_tell());
        proofs.chain(deaf).filter(|moment| *moment > self.now).min()
    }
    /// Whether so few speak that nothing can be said of others: of several nodes at least two, of five and more a
    /// third.
    pub fn is_mute(&self) -> bool {
        let (fresh, all) = (self.reporters.len(), self.fleet.nodes.len());
        fresh == 0 || (all > 1 && fresh < 2) || fresh * 3 < all
    }
    /// Who says so, of all who could know.
    pub fn coverage<'r>(&self, heard: impl IntoIterator<Item = &'r Reporter<'f>>) -> Coverage
    where
        'f: 'r,
    {
        let (mut reporters, mut domains) = (0, BTreeSet::new());
        for one in heard {
            reporters += 1;
            domains.insert(one.domain);
        }
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Coverage {
            reporters,
            nodes: count(self.fleet.nodes.len()),
            domains: count(domains.len()),
            all_domains: count(self.domains.len()),
        }
    }
}
