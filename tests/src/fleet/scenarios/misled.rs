//! Agents that mislead: broken in, broken down, older or newer than the operator. A node can harm only itself.

use super::Scenario;
use crate::fleet::fault::Fault::Forged;
use crate::fleet::fault::{Forgery, Who, node};

pub(super) fn all() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "agent-says-all-sources-lie",
            "one of nine against eight, each source by another amount: no source lies",
            |w| {
                w.standard().fault(Forged(node("a1"), Forgery::AllLie));
            },
        ),
        Scenario::new(
            "agent-says-impossible-figures",
            "figures at the ends of their ranges: no evidence of anything",
            |w| {
                w.standard().fault(Forged(node("a1"), Forgery::Impossible));
            },
        ),
        Scenario::new(
            "agents-of-an-old-version",
            "no newer fields and words from anybody: nothing is wrong",
            |w| {
                w.standard().always(Forged(Who::All, Forgery::OldVersion));
            },
        ),
        Scenario::new(
            "agents-of-a-newer-version",
            "words that this build does not know are no evidence",
            |w| {
                w.standard().always(Forged(Who::All, Forgery::NewVersion));
            },
        ),
        Scenario::new(
            "agent-lies-to-its-peers",
            "peers hear half a second, its own sources say it is right: a claim that nothing supports",
            |w| {
                w.standard().fault(Forged(node("a1"), Forgery::LiesToPeers));
            },
        ),
        Scenario::new(
            "agent-slanders-its-peers",
            "one observer against each: two in two zones would be needed",
            |w| {
                w.standard().fault(Forged(node("a1"), Forgery::SlandersPeers));
            },
        ),
        Scenario::new(
            "slanderer-among-few",
            "two nodes: nobody else is there to contradict: one observer is none",
            |w| {
                w.zones(&["a", "b"], 1);
                for name in ["s1", "s2", "s3", "s4"] {
                    w.site(name, None);
                }
                w.fault(Forged(node("a1"), Forgery::SlandersPeers));
            },
        ),
    ]
}
