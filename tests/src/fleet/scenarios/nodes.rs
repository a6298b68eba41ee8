//! Each finding about a node's reach, alone.

use super::{Scenario, nd};
use crate::fleet::fault::Fault::{
    AgentDead, ApiCut, Block, Competitor, DaemonDown, Nameless, PeersBlocked, PowerOff, Step,
};
use crate::fleet::fault::{To, Way, node};
use crate::fleet::world::FAULT;
use meantime_core::diagnose::finding::Kind;
use meantime_core::units::Nanos;

pub(super) fn all() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "port-123-blocked-on-a-node",
            "no source answers it, its peers do on their own port",
            |w| {
                w.standard().fault(Block(node("a1"), To::All, Way::TimedOut));
            },
        )
        .says(Kind::NtpBlockedOnNode, nd("a1")),
        Scenario::new(
            "node-isolated",
            "neither source nor peer, nor does any peer hear it; its report comes another way",
            |w| {
                w.standard().fault(Block(node("a1"), To::All, Way::TimedOut)).fault(PeersBlocked(node("a1")));
            },
        )
        .says(Kind::NodeIsolated, nd("a1")),
        Scenario::new(
            "node-cut-off-without-peers",
            "no source answers it; nobody is there to say how far it is cut off",
            |w| {
                w.standard().fault(Block(node("a1"), To::All, Way::TimedOut));
                w.peers = false;
            },
        )
        .says(Kind::NodeCutOff, nd("a1")),
        Scenario::new(
            "node-cut-off-peers-never-worked",
            "its peers never answered: that they do not now proves nothing",
            |w| {
                w.standard()
                    .fault(Block(node("a1"), To::All, Way::TimedOut))
                    .always(PeersBlocked(node("a1")));
            },
        )
        .says(Kind::NodeCutOff, nd("a1")),
        Scenario::new(
            "control-plane-cut",
            "the operator does not hear it, its peers do and find its time right",
            |w| {
                w.standard().fault(ApiCut(node("a1")));
            },
        )
        .says(Kind::ControlPlaneCut, nd("a1")),
        Scenario::new(
            "agent-gone",
            "neither operator nor peers hear the agent: its machine may be well",
            |w| {
                w.standard().fault(AgentDead(node("a1")));
            },
        )
        .says(Kind::AgentSilent, nd("a1")),
        Scenario::new(
            "node-without-power",
            "the same evidence as a dead agent: nothing proves that it is isolated",
            |w| {
                w.standard().fault(PowerOff(node("a1")));
            },
        )
        .says(Kind::AgentSilent, nd("a1")),
        Scenario::new("agent-silent-without-peers", "nobody else can say more", |w| {
            w.standard().fault(ApiCut(node("a1")));
            w.peers = false;
        })
        .says(Kind::AgentSilent, nd("a1")),
        Scenario::new(
            "cut-off-then-unheard",
            "what it said last is old (law 2): of now only its silence is known",
            |w| {
                w.standard().fault(Block(node("a1"), To::All, Way::TimedOut)).fault(PeersBlocked(node("a1")));
                w.during(FAULT + 16, u32::MAX, ApiCut(node("a1")));
            },
        )
        .says(Kind::AgentSilent, nd("a1")),
        Scenario::new("competing-daemon", "its agent saw the other program and stands back", |w| {
            w.standard().fault(Competitor(node("a1")));
        })
        .says(Kind::CompetingDaemon, nd("a1")),
        Scenario::new(
            "competing-daemon-steps",
            "the other program steps the clock: whose doing it is is known",
            |w| {
                w.standard().fault(Competitor(node("a1")));
                w.during(FAULT, FAULT + 1, Step(node("a1"), Nanos::from_millis(90)));
            },
        )
        .says(Kind::CompetingDaemon, nd("a1"))
        .may(&[Kind::NodeClockFaulty]),
        Scenario::new(
            "chronyd-down-on-a-node",
            "its own condition says it all; the fleet has nothing to add",
            |w| {
                w.standard().fault(DaemonDown(node("a1")));
            },
        ),
        Scenario::new(
            "one-node-without-names",
            "its own resolver: both names have addresses everywhere else",
            |w| {
                w.standard();
                w.always(Nameless("pub-1".into(), node("a1"))).always(Nameless("pub-2".into(), node("a1")));
            },
        ),
    ]
}
