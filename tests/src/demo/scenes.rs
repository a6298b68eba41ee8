//! The scenes as data: what is done, what must be seen, what must not.

use super::faults::Fault;
use super::world::World;
use meantime_core::conditions::ConditionKind::{
    self, TimeDaemonDown, TimeOffsetHigh, TimePartitioned, TimeSourcesLow, TimeSynchronized,
};
use std::collections::BTreeMap;

/// `Ok(what was seen)` once told; `Err(what is missing)` until then. Takes the world before the fault, and now.
pub type Told = Box<dyn Fn(&World, &World) -> Result<String, String> + Send>;
/// Whether a changed condition status on a node belongs to the scene.
pub type Allowed = Box<dyn Fn(&str, ConditionKind) -> bool + Send>;

/// One scene.
pub struct Scene {
    /// Short id, also in figures.
    pub id: &'static str,
    /// What happens, in words.
    pub title: String,
    /// What must be seen, in words.
    pub expected: String,
    /// The fault.
    pub inject: Vec<Fault>,
    /// Its end.
    pub heal: Vec<Fault>,
    /// `Ok(what was seen)` once told; `Err(what is missing)` until then.
    pub told: Told,
    /// Whether a changed condition status on a node belongs to the scene; any other change fails it.
    pub allowed: Allowed,
    /// How long to go on looking after it was told, seconds.
    pub watch_s: u64,
    /// It must be told within so many seconds.
    pub limit_s: u64,
    /// The one incident that it has to be; none = incidents are not looked at.
    pub incident: Option<Incident>,
    /// The node whose own clock may be called faulty.
    pub faulty: Option<String>,
    /// A remark under the table.
    pub note: Option<&'static str>,
}

/// All addresses of each node that a lab server may see.
pub type Addresses = BTreeMap<String, Vec<String>>;

/// The one incident of a scene.
pub struct Incident {
    /// Its word.
    pub finding: &'static str,
    /// Whose trouble it is.
    pub about: String,
    /// So many may stand until they are proven to be one.
    pub most: usize,
}

impl Incident {
    /// It is open, and it is the only one.
    pub fn open(&self, before: &World, now: &World) -> Result<String, String> {
        match now.whole_incidents(before).as_slice() {
            [(_, seen)]
                if seen.finding == self.finding && seen.about == self.about && seen.state == "Open" =>
            {
                Ok(format!("one incident: {} {}", seen.severity, seen.summary))
            }
            other => Err(format!("not one open incident {} of {}: {other:?}", self.finding, self.about)),
        }
    }
    /// No more than that were opened, whatever their word is by now.
    pub fn only(&self, before: &World, now: &World) -> Result<(), String> {
        let new = now.whole_incidents(before);
        if new.len() > self.most { Err(format!("{} incidents, not one: {new:?}", new.len())) } else { Ok(()) }
    }
}

/// The quickstart's servers, tier 1 first.
pub const SERVERS: [&str; 5] = ["gps-a", "radio-a", "gps-b", "campus-1", "campus-2"];

pub(super) fn lab(servers: &[&'static str], set: &str) -> Vec<Fault> {
    servers.iter().map(|server| Fault::Lab { server, set: set.to_owned() }).collect()
}

fn all_nodes_have(world: &World, wanted: &[(ConditionKind, &str)]) -> Result<String, String> {
    for node in world.nodes.keys() {
        node_has(world, node, wanted)?;
    }
    let words: Vec<String> =
        wanted.iter().map(|(kind, status)| format!("{}={status}", kind.name())).collect();
    Ok(format!("{} on {} nodes", words.join(" "), world.nodes.len()))
}

pub(super) fn node_has(
    world: &World,
    node: &str,
    wanted: &[(ConditionKind, &str)],
) -> Result<String, String> {
    for (kind, status) in wanted {
        let now = world.status(node, *kind);
        if now != *status {
            return Err(format!("{node} {}={now}, not {status}", kind.name()));
        }
    }
    let words: Vec<String> =
        wanted.iter().map(|(kind, status)| format!("{}={status}", kind.name())).collect();
    Ok(format!("{} on {node}", words.join(" ")))
}

/// The zone that is cut off, and what stands in it.
const ZONE: &str = "a";
const INSIDE: [&str; 2] = ["gps-a", "radio-a"];
const OUTSIDE: [&str; 3] = ["gps-b", "campus-1", "campus-2"];

/// All scenes, for the nodes of `world`; the last worker is the victim of the single-node ones.
pub fn all(world: &World, addresses: &Addresses) -> Vec<Scene> {
    let victim = world.nodes.keys().last().cloned().unwrap_or_default();
    let total = world.nodes.len();
    vec![
        one_source_lies(total),
        zone_cut(world),
        node_isolated(world),
        sources_die(),
        tier_dies(),
        majority_jumps(),
        node_cut_off(&victim),
        chronyd_killed(&victim),
        chronyd_stopped(&victim),
        node_stepped(&victim, addresses.get(&victim).map(Vec::as_slice).unwrap_or_default()),
    ]
}

fn one_source_lies(total: usize) -> Scene {
    Scene {
        id: "h",
        title: "one source lies to all nodes by 200 ms".into(),
        expected: format!(
            "no Node condition changes; TimeSource gps-b rejecting {total}/{total}, SourceLying, one Event on it, one incident"
        ),
        inject: lab(&["gps-b"], "offset=200ms"),
        heal: lab(&["gps-b"], "offset=0s"),
        told: Box::new(move |before, now| {
            let gps = now.sources.get("gps-b").cloned().unwrap_or_default();
            if usize::try_from(gps.rejecting) != Ok(total) {
                return Err(format!("gps-b is rejected by {} of {total}", gps.rejecting));
            }
            let states: Vec<&str> = now
                .nodetimes
                .values()
                .filter_map(|nodetime| nodetime.states.get("gps-b").map(String::as_str))
                .collect();
            if states.iter().filter(|state| **state == "Falseticker").count() != total {
                return Err(format!("NodeTimes say of gps-b: {states:?}"));
            }
            let healthy = gps.healthy.unwrap_or_default();
            if (healthy.status.as_str(), healthy.reason.as_str()) != ("False", "SourceLying") {
                return Err(format!("gps-b Healthy={} {}", healthy.status, healthy.reason));
            }
            let events: Vec<_> = now
                .events
                .difference(&before.events)
                .filter(|event| event.kind == "TimeSource" && event.name == "gps-b")
                .collect();
            match events.as_slice() {
                [event] => Ok(format!("gps-b rejecting {total}/{total}, Event {}", event.reason)),
                other => Err(format!("{} new Events on gps-b, not one", other.len())),
            }
        }),
        allowed: Box::new(|_, _| false),
        watch_s: 5,
        limit_s: 60,
        incident: Some(Incident { finding: "SourceLying", about: "TimeSource/gps-b".into(), most: 1 }),
        faulty: None,
        note: None,
    }
}

fn zone_cut(world: &World) -> Scene {
    let faults = |cut: bool| {
        let of = |(node, zone): (&String, Option<&String>)| {
            let beyond =
                if zone.is_some_and(|zone| zone == ZONE) { OUTSIDE.to_vec() } else { INSIDE.to_vec() };
            Fault::Block { node: node.clone(), servers: beyond, cut }
        };
        world.nodes.keys().map(|node| (node, world.zones.get(node))).map(of).collect::<Vec<_>>()
    };
    Scene {
        id: "i",
        title: format!("zone {ZONE} is cut off from all else: no NTP crosses its border either way"),
        expected:
            "one incident ZoneCut; no source is blamed, no Node condition changes: both sides have time"
                .into(),
        inject: faults(true),
        heal: faults(false),
        told: Box::new(|_, now| {
            let blamed = now
                .sources
                .iter()
                .find(|(_, source)| source.healthy.as_ref().is_some_and(|healthy| healthy.status == "False"));
            match blamed {
                Some((name, source)) => Err(format!("{name} is blamed: {:?}", source.healthy)),
                None => Ok("no source is blamed, all nodes as before".to_owned()),
            }
        }),
        allowed: Box::new(|_, _| false),
        watch_s: 12,
        limit_s: 120,
        incident: Some(Incident { finding: "ZoneCut", about: format!("Zone/{ZONE}"), most: 1 }),
        faulty: None,
        note: Some(
            "i, j: told late by design: that others still hear what these do not is only proven once they would have told of \
             the opposite (four polls and the minute after which Kubernetes calls a silent node not ready).",
        ),
    }
}

fn node_isolated(world: &World) -> Scene {
    // Not the one that other scenes cut off: within half an hour that would be the same incident again.
    let victim = world.zones.keys().find(|node| world.zones.get(*node).is_some_and(|zone| zone != ZONE));
    let victim = victim.cloned().unwrap_or_default();
    let (node, other) = (victim.clone(), victim.clone());
    Scene {
        id: "j",
        title: format!(
            "{victim} alone is isolated: no NTP, no answers from other agents, the API still works"
        ),
        expected: "TimePartitioned=True NodeIsolated on it, the others quiet, no source blamed, one incident"
            .into(),
        inject: vec![Fault::Isolate { node: victim.clone(), cut: true }],
        heal: vec![Fault::Isolate { node: victim.clone(), cut: false }],
        told: Box::new(move |_, now| {
            let seen = node_has(now, &node, &[(TimePartitioned, "True"), (TimeSynchronized, "True")])?;
            let reason = now.reason(&node, TimePartitioned);
            if reason != "NodeIsolated" {
                return Err(format!("{node} TimePartitioned says {reason}"));
            }
            Ok(format!("{seen} ({reason})"))
        }),
        allowed: Box::new(move |node, kind| {
            node == other && matches!(kind, TimePartitioned | TimeSourcesLow)
        }),
        watch_s: 10,
        limit_s: 150,
        incident: Some(Incident { finding: "NodeIsolated", about: format!("Node/{victim}"), most: 1 }),
        faulty: None,
        note: None,
    }
}

fn sources_die() -> Scene {
    Scene {
        id: "b",
        title: "four of five sources die".into(),
        expected: "TimeSourcesLow=True everywhere, nothing else".into(),
        inject: lab(&["radio-a", "gps-b", "campus-1", "campus-2"], "dead=true"),
        heal: lab(&["radio-a", "gps-b", "campus-1", "campus-2"], "dead=false"),
        told: Box::new(|_, now| all_nodes_have(now, &[(TimeSourcesLow, "True"), (TimePartitioned, "False")])),
        allowed: Box::new(|_, kind| kind == TimeSourcesLow),
        watch_s: 5,
        limit_s: 30,
        incident: None,
        faulty: None,
        note: None,
    }
}

fn tier_dies() -> Scene {
    Scene {
        id: "g",
        title: "all of tier 1 dies, and comes back".into(),
        expected:
            "tier 2 drives every node, no Node condition changes, one Event each; tier 1 again after proof"
                .into(),
        inject: lab(&["gps-a", "radio-a", "gps-b"], "dead=true"),
        heal: lab(&["gps-a", "radio-a", "gps-b"], "dead=false"),
        told: Box::new(|before, now| {
            for (name, nodetime) in &now.nodetimes {
                if nodetime.tier != Some(2) || nodetime.order == 1 {
                    return Err(format!("{name} follows tier {:?}, order {}", nodetime.tier, nodetime.order));
                }
                let new = now.events.difference(&before.events);
                let told =
                    new.filter(|event| event.name == *name && event.reason == "SourceSwitched").count();
                if told == 0 {
                    return Err(format!("no Event SourceSwitched on {name}"));
                }
            }
            Ok(format!("tier 2 drives {} nodes, an Event on each", now.nodetimes.len()))
        }),
        allowed: Box::new(|_, _| false),
        watch_s: 2,
        limit_s: 40,
        incident: None,
        faulty: None,
        note: Some(
            "g: healed = every node is back on tier 1, after the proof that the policy asks for (quickstart: 3 checks 1 s \
             apart, tried every 2 s; the defaults are 30 s and 300 s).",
        ),
    }
}

fn majority_jumps() -> Scene {
    Scene {
        id: "c",
        title: "three of five sources jump by 200 ms".into(),
        expected: "BoundContradicted: TimeSynchronized=False, TimeOffsetHigh=True everywhere".into(),
        inject: lab(&["gps-a", "radio-a", "gps-b"], "offset=200ms"),
        heal: lab(&["gps-a", "radio-a", "gps-b"], "offset=0s"),
        told: Box::new(|_, now| {
            let seen = all_nodes_have(now, &[(TimeSynchronized, "False"), (TimeOffsetHigh, "True")])?;
            match now.nodes.keys().find(|node| now.reason(node, TimeSynchronized) != "BoundContradicted") {
                Some(node) => Err(format!("{node} says {}", now.reason(node, TimeSynchronized))),
                None => Ok(format!("{seen}, BoundContradicted")),
            }
        }),
        // In the second in which chrony has no majority, TooFew/NoMajority is the truth as well.
        allowed: Box::new(|_, kind| matches!(kind, TimeSynchronized | TimeOffsetHigh | TimeSourcesLow)),
        watch_s: 5,
        limit_s: 30,
        incident: None,
        faulty: None,
        note: Some(
            "c: these are virtual clocks (chronyd -x): the correction stays visible. A real clock would have been slewed \
             onto the lie and then read 0; only BoundContradicted would still tell.",
        ),
    }
}

fn node_cut_off(victim: &str) -> Scene {
    let node = victim.to_owned();
    let other = victim.to_owned();
    Scene {
        id: "d",
        title: format!("{victim} is cut off from all NTP"),
        expected:
            "TimePartitioned and TimeSourcesLow on it alone; TimeSynchronized stays True by the carried bound"
                .into(),
        inject: vec![Fault::Cut { node: victim.to_owned(), cut: true }],
        heal: vec![Fault::Cut { node: victim.to_owned(), cut: false }],
        told: Box::new(move |_, now| {
            node_has(
                now,
                &node,
                &[(TimePartitioned, "True"), (TimeSourcesLow, "True"), (TimeSynchronized, "True")],
            )
        }),
        allowed: Box::new(move |node, kind| {
            node == other && matches!(kind, TimePartitioned | TimeSourcesLow)
        }),
        watch_s: 5,
        limit_s: 30,
        incident: None,
        faulty: None,
        note: None,
    }
}

fn chronyd_killed(victim: &str) -> Scene {
    Scene {
        id: "e1",
        title: format!("chronyd on {victim} is killed (SIGKILL)"),
        expected: "restarted; no Node condition changes".into(),
        inject: vec![Fault::Signal { node: victim.to_owned(), signal: "KILL" }],
        heal: vec![],
        told: Box::new(|_, _| Ok("no condition changed while watched".into())),
        allowed: Box::new(|_, _| false),
        // Longer than the ten seconds after which TimeDaemonDown would be told.
        watch_s: 15,
        limit_s: 30,
        incident: None,
        faulty: None,
        note: None,
    }
}

fn chronyd_stopped(victim: &str) -> Scene {
    let node = victim.to_owned();
    let other = victim.to_owned();
    Scene {
        id: "e2",
        title: format!("chronyd on {victim} hangs (SIGSTOP)"),
        expected: "TimeDaemonDown=True on it alone".into(),
        inject: vec![Fault::Signal { node: victim.to_owned(), signal: "STOP" }],
        heal: vec![Fault::Signal { node: victim.to_owned(), signal: "CONT" }],
        told: Box::new(move |_, now| node_has(now, &node, &[(TimeDaemonDown, "True")])),
        allowed: Box::new(move |node, kind| {
            node == other && matches!(kind, TimeDaemonDown | TimeSourcesLow | TimePartitioned)
        }),
        watch_s: 4,
        limit_s: 40,
        incident: None,
        faulty: None,
        note: None,
    }
}

fn node_stepped(victim: &str, addresses: &[String]) -> Scene {
    let shift = |span: &str| {
        let words: Vec<String> =
            addresses.iter().map(|address| format!("per-client={address}:offset={span}")).collect();
        lab(&SERVERS, &words.join(" "))
    };
    let node = victim.to_owned();
    let other = victim.to_owned();
    Scene {
        id: "f",
        title: format!("the clock of {victim} alone is 120 ms wrong (all servers answer it so)"),
        expected: "TimeOffsetHigh=True and TimeSynchronized=False on it alone".into(),
        inject: shift("120ms"),
        heal: shift("0s"),
        told: Box::new(move |_, now| {
            let seen = node_has(now, &node, &[(TimeOffsetHigh, "True"), (TimeSynchronized, "False")])?;
            Ok(format!("{seen} ({})", now.reason(&node, TimeSynchronized)))
        }),
        allowed: Box::new(move |node, _| node == other),
        watch_s: 20,
        limit_s: 60,
        incident: None,
        faulty: Some(victim.to_owned()),
        note: Some(
            "f: by the lab's ground truth this node is truly wrong; it makes coverage and true_while_wrong count.",
        ),
    }
}
