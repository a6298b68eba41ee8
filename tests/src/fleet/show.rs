//! One moment of a fleet as lines for a person: what each node said last, source by source. For reading evidence; no
//! rule reads it.

use super::seen::{SeenNode, Snapshot};
use std::fmt::{self, Write as _};

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, node) in &self.nodes {
            writeln!(f, "  {name} {}", line(node))?;
        }
        Ok(())
    }
}

fn line(node: &SeenNode) -> String {
    let Some(said) = &node.said else { return format!("{:?} never said anything", node.heard) };
    let status = &said.status;
    let micros = |nanoseconds: Option<i64>| {
        nanoseconds.map_or("?".to_owned(), |nanoseconds| (nanoseconds / 1_000).to_string())
    };
    let reasons =
        status.conditions.iter().skip(1).map(|one| one.reason.as_str()).collect::<Vec<_>>().join(",");
    let mut text = format!("{:?} {reasons} {}us", node.heard, micros(status.offset_nanoseconds));
    for one in &status.associations {
        let source = one.source.as_deref().unwrap_or("-");
        // Writing into a String cannot fail.
        let _ = write!(
            text,
            " [{source} {}{}{} {:?} {:?} {}+-{} d{}]",
            one.letter,
            if one.usable { "u" } else { "" },
            if one.rejected { "R" } else { "" },
            one.reachability,
            said.trouble.get(source),
            micros(one.offset_nanoseconds),
            micros(one.uncertainty_nanoseconds),
            micros(one.delay_nanoseconds),
        );
    }
    for peer in &said.peers {
        let word = if peer.answers { "" } else { "!" };
        let _ = write!(text, " {word}{}:{}", peer.node, micros(peer.offset.map(|offset| offset.0)));
    }
    text
}
