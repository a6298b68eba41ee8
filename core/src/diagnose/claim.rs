//! What a rule says of one moment; whether it is told is decided over time.

use super::digest::Reporter;
use super::finding::{Confidence, Coverage, Kind, Subject};
use crate::units::Nanos;

/// One rule's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub kind: Kind,
    pub subject: Subject,
    pub coverage: Coverage,
    pub evidence: Vec<String>,
    pub nodes: Vec<String>,
    /// Beyond the usual hold: reports of one moment may be so far apart.
    pub patience: Nanos,
}

impl Claim {
    /// The same, to be told after so long only.
    pub fn after(self, patience: Nanos) -> Self {
        Self { patience, ..self }
    }
    /// How much speaks for it: heads count only within their failure domains.
    pub fn confidence(&self) -> Confidence {
        let Coverage { reporters, nodes, domains, .. } = self.coverage;
        let most = u64::from(reporters) * 10 >= u64::from(nodes) * 8;
        match (domains >= 2, most, reporters) {
            (true, true, 3..) => Confidence::High,
            (true, _, 3..) | (false, true, 3..) => Confidence::Medium,
            _ => Confidence::Low,
        }
    }
}

/// The first names of a list, for a line that a person reads.
pub(super) fn some(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN { format!("{shown}, …") } else { shown }
}

/// Their names.
pub(super) fn names<'r, 'f: 'r>(reporters: impl IntoIterator<Item = &'r Reporter<'f>>) -> Vec<String> {
    reporters.into_iter().map(|reporter| reporter.name.to_owned()).collect()
}

/// Words of a list.
pub(super) fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().collect::<Vec<_>>().join(", ")
}
