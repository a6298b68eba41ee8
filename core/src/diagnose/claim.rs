//! What a rule says of one moment; whether it is told is decided over time.

use super::finding::{Confidence, Coverage, Kind, Subject};

/// One rule's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub kind: Kind,
    pub subject: Subject,
    pub coverage: Coverage,
    pub evidence: Vec<String>,
    pub nodes: Vec<String>,
}

impl Claim {
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
