//! The labelled scenarios: one file per family. A label says what the *evidence in the statuses* can prove, not what is
//! broken: two faults that look alike from all nodes carry one label, the general word or none. Labels come from the
//! design and the issue and stood before `diagnose` did; who changes one says why in `about`.

mod abstain;
mod clocks;
mod confusable;
mod healthy;
mod misled;
mod nodes;
mod paths;
mod sizes;
mod sources;
mod zones;

use super::world::World;
use meantime_core::diagnose::finding::{Kind, Subject};

/// One labelled scenario.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its name, unique.
    pub name: &'static str,
    /// Why the label is what it is.
    pub about: &'static str,
    /// Builds it.
    pub build: fn(&mut World),
    /// What has to be said at the end. Empty = nothing may be said.
    pub expect: Vec<(Kind, Subject)>,
    /// True as well, but not asked for: saying it is neither right nor wrong.
    pub may: Vec<Kind>,
    /// True on the way: before the end it was so.
    pub meanwhile: Vec<(Kind, Subject)>,
    /// Every node's own five conditions are healthy at the end.
    pub healthy: bool,
}

impl Scenario {
    fn new(name: &'static str, about: &'static str, build: fn(&mut World)) -> Self {
        Self {
            name,
            about,
            build,
            expect: Vec::new(),
            may: Vec::new(),
            meanwhile: Vec::new(),
            healthy: false,
        }
    }
    /// One more expected finding.
    fn says(mut self, kind: Kind, subject: Subject) -> Self {
        self.expect.push((kind, subject));
        self
    }
    /// The same of several subjects.
    fn says_each(mut self, kind: Kind, subjects: impl IntoIterator<Item = Subject>) -> Self {
        self.expect.extend(subjects.into_iter().map(|subject| (kind, subject)));
        self
    }
    /// True as well, not asked for.
    fn may(mut self, kinds: &[Kind]) -> Self {
        self.may.extend_from_slice(kinds);
        self
    }
    /// True before the end.
    fn meanwhile(mut self, kind: Kind, subjects: impl IntoIterator<Item = Subject>) -> Self {
        self.meanwhile.extend(subjects.into_iter().map(|subject| (kind, subject)));
        self
    }
    /// Nothing is said, and no node complains.
    fn all_well(mut self) -> Self {
        self.healthy = true;
        self
    }
    /// The world that it describes, its noise decided by `seed`.
    pub fn world(&self, seed: u64) -> World {
        let mut world = World::empty(seed);
        (self.build)(&mut world);
        world
    }
}

/// All of them, by family.
pub fn all() -> Vec<Scenario> {
    let families = [
        sources::all(),
        paths::all(),
        nodes::all(),
        zones::all(),
        clocks::all(),
        confusable::all(),
        abstain::all(),
        misled::all(),
        sizes::all(),
        healthy::all(),
    ];
    families.into_iter().flatten().collect()
}

/// A source, whoever looks.
fn src(name: &str) -> Subject {
    Subject::Source(name.to_owned())
}
/// A source as one egress sees it.
fn from(source: &str, egress: &str) -> Subject {
    Subject::SourceFrom { source: source.to_owned(), egress: egress.to_owned() }
}
/// A node.
fn nd(name: &str) -> Subject {
    Subject::Node(name.to_owned())
}
/// A zone.
fn zn(name: &str) -> Subject {
    Subject::Zone(name.to_owned())
}
/// An egress.
fn eg(name: &str) -> Subject {
    Subject::Egress(name.to_owned())
}
