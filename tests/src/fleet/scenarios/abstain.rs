//! Not enough to tell: the general word or none is right here, and a specific one is wrong.

use super::{Scenario, nd, src};
use crate::fleet::fault::Fault::{AgentDead, Ahead, Block, Dead, OperatorRestart};
use crate::fleet::fault::{To, Way, Who, node};
use crate::fleet::world::{FAULT, World};
use meantime_core::diagnose::finding::Kind;
use meantime_core::units::Nanos;

fn two_sources(w: &mut World) {
    w.small(3);
    w.servers.truncate(2);
}

pub(super) fn all() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "two-sources-disagree-from-the-start",
            "no baseline, no third source: who is right is unknown",
            |w| {
                two_sources(w);
                w.of("s1").ahead = Nanos::from_millis(200);
            },
        )
        .says_each(Kind::TooFewIndependentVoters, [nd("n1"), nd("n2"), nd("n3")])
        .may(&[Kind::SourceDisagrees]),
        Scenario::new(
            "two-sources-one-jumps",
            "three oscillators in one domain saw which one moved: it disagrees; a second domain is missing",
            |w| {
                two_sources(w);
                w.fault(Ahead("s1".into(), Nanos::from_millis(200), Who::All));
            },
        )
        .says(Kind::SourceDisagrees, src("s1"))
        .says_each(Kind::TooFewIndependentVoters, [nd("n1"), nd("n2"), nd("n3")]),
        Scenario::new(
            "two-against-two",
            "a tie from the start: four roots, two times, nobody to arbitrate",
            |w| {
                w.standard();
                w.servers.pop();
                w.of("gps-a").ahead = Nanos::from_millis(300);
                w.of("gps-b").ahead = Nanos::from_millis(300);
            },
        )
        .may(&[Kind::SourceDisagrees, Kind::TooFewIndependentVoters]),
        Scenario::new(
            "one-domain-sees-a-liar",
            "four nodes in one zone, three sources against one: it may be that path",
            |w| {
                w.small(4).fault(Ahead("s1".into(), Nanos::from_millis(200), Who::All));
            },
        )
        .says(Kind::SourceDisagrees, src("s1")),
        Scenario::new(
            "no-labels-at-all",
            "nodes without zones are one failure domain: dead and blocked look the same",
            |w| {
                for number in 1..=4 {
                    w.machine(&format!("n{number}"), None, None);
                    w.site(&format!("s{number}"), None);
                }
                w.fault(Dead("s1".into()));
            },
        )
        .says(Kind::SourceUnusable, src("s1")),
        Scenario::new(
            "half-the-agents-silent",
            "one or two in each zone: silence of agents, of no source and no zone",
            |w| {
                w.standard();
                for name in ["a1", "b1", "b2", "c1"] {
                    w.fault(AgentDead(node(name)));
                }
            },
        )
        .says_each(Kind::AgentSilent, [nd("a1"), nd("b1"), nd("b2"), nd("c1")]),
        Scenario::new(
            "all-agents-silent",
            "nobody is heard: it may as well be the operator that hears nothing",
            |w| {
                w.standard().fault(AgentDead(Who::All));
            },
        )
        .may(&[Kind::AgentSilent, Kind::ZoneSilent]),
        Scenario::new(
            "all-silent-with-a-source-in-trouble",
            "the last statuses blame a source, and all are old",
            |w| {
                w.standard().during(FAULT, u32::MAX, Dead("gps-a".into()));
                w.during(FAULT + 8, u32::MAX, AgentDead(Who::All));
            },
        )
        .meanwhile(Kind::SourceDead, [src("gps-a")])
        .may(&[Kind::AgentSilent, Kind::ZoneSilent]),
        Scenario::new(
            "everything-silent-in-one-zone-cluster",
            "no node hears any source: no other zone, no other way out to compare",
            |w| {
                w.small(3).fault(Block(Who::All, To::All, Way::TimedOut));
            },
        )
        .may(&[
            Kind::SourceUnusable,
            Kind::ZoneSilent,
            Kind::UplinkLost,
            Kind::TooFewIndependentVoters,
        ]),
        Scenario::new(
            "lone-reporter-of-nine",
            "one fresh agent says that a source is silent: one is no majority of anything",
            |w| {
                w.standard().during(FAULT + 4, u32::MAX, Dead("gps-c".into()));
                for machine in w.machines.clone().iter().filter(|machine| machine.name != "a1") {
                    w.fault(AgentDead(node(&machine.name)));
                }
            },
        )
        .may(&[Kind::AgentSilent, Kind::ZoneSilent, Kind::SourceUnusable]),
        Scenario::new(
            "operator-restarted-mid-incident",
            "what agents say has not changed: the same finding again, once they were heard",
            |w| {
                w.standard().fault(Dead("gps-a".into())).during(FAULT + 30, FAULT + 31, OperatorRestart);
            },
        )
        .says(Kind::SourceDead, src("gps-a")),
        Scenario::new("operator-just-restarted", "nobody had time to be heard: no agent is silent", |w| {
            let last = w.ticks;
            w.standard().during(last - 3, last - 2, OperatorRestart);
        })
        .all_well(),
        Scenario::new(
            "operator-restarted-one-agent-long-silent",
            "a new operator knows of no age: silent once its pod says so",
            |w| {
                w.standard().fault(AgentDead(node("a1"))).during(FAULT + 30, FAULT + 31, OperatorRestart);
            },
        )
        .says(Kind::AgentSilent, nd("a1")),
        Scenario::new(
            "last-status-of-the-dead",
            "an agent that died complaining is silent; what it said last is of then",
            |w| {
                w.standard().during(FAULT, FAULT + 8, Block(node("a1"), To::All, Way::TimedOut));
                w.during(FAULT + 7, u32::MAX, AgentDead(node("a1")));
            },
        )
        .says(Kind::AgentSilent, nd("a1")),
    ]
}
