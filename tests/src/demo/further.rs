//! Further scenes, for `make test-long`: each word that all nodes together can find and that a cluster of containers can be
//! given, with real packets, a scene each. Not in the demo: it would last half an hour.

use super::faults::Fault;
use super::scenes::{Addresses, Incident, SERVERS, Scene, lab, node_has};
use super::world::World;
use meantime_core::conditions::ConditionKind::{TimePartitioned, TimeSourcesLow, TimeSynchronized};

/// All of them. Each on a source, way out or node of its own: within half an hour the same trouble of the same subject would
/// be the same incident again.
pub fn all(world: &World, addresses: &Addresses) -> Vec<Scene> {
    let of_zone = |wanted: &str| -> Vec<String> {
        let of_it = |node: &&String| world.zones.get(*node).is_some_and(|zone| zone == wanted);
        world.nodes.keys().filter(of_it).cloned().collect()
    };
    let (a, b) = (of_zone("a"), of_zone("b"));
    let first = |zone: &[String]| zone.first().cloned().unwrap_or_default();
    let last = |zone: &[String]| zone.last().cloned().unwrap_or_default();
    vec![
        of_a_source("k", "campus-2 is dead for all", "campus-2", "dead=true", "SourceDead"),
        of_a_source(
            "l",
            "campus-1 says itself that it has no time",
            "campus-1",
            "leap=3",
            "SourceUnsynchronised",
        ),
        of_a_source(
            "m",
            "radio-a goes on answering, its own reference is two hours old",
            "radio-a",
            "reference-age=2h",
            "SourceStale",
        ),
        blocked_from("a", &a),
        port_blocked(&last(&b)),
        faulty(&first(&a), addresses),
        two_groups(&a, addresses),
        of_a_source("n", "gps-a tells all to ask less often", "gps-a", "kod=RATE", "RateLimited"),
        node_is_lost(&last(&a)),
    ]
}

/// A scene in which no Node condition may change, and one incident tells it.
fn quiet(
    id: &'static str,
    title: String,
    finding: &'static str,
    about: String,
    faults: [Vec<Fault>; 2],
) -> Scene {
    let [inject, heal] = faults;
    Scene {
        id,
        title,
        expected: format!("no Node condition changes; one incident: {finding} {about}"),
        inject,
        heal,
        told: Box::new(|_, _| Ok("no Node condition changed".into())),
        allowed: Box::new(|_, _| false),
        watch_s: 8,
        limit_s: 150,
        incident: Some(Incident { finding, about, most: 1 }),
        faulty: None,
        note: None,
    }
}

fn of_a_source(
    id: &'static str,
    title: &str,
    source: &'static str,
    set: &str,
    finding: &'static str,
) -> Scene {
    quiet(
        id,
        title.to_owned(),
        finding,
        format!("TimeSource/{source}"),
        [lab(&[source], set), lab(&[source], "reset")],
    )
}

fn blocked_from(zone: &str, nodes: &[String]) -> Scene {
    let block = |cut: bool| {
        let of = |node: &String| Fault::Block { node: node.clone(), servers: vec!["gps-b"], cut };
        nodes.iter().map(of).collect()
    };
    let about = format!("TimeSource/gps-b from {zone}");
    quiet(
        "o",
        format!("a firewall of zone {zone} drops what is meant for gps-b"),
        "SourceUnreachableFromEgress",
        about,
        [block(true), block(false)],
    )
}

/// One setting of all servers for these nodes.
fn for_nodes(servers: &[&'static str], nodes: &[String], addresses: &Addresses, setting: &str) -> Vec<Fault> {
    let all = nodes.iter().flat_map(|node| addresses.get(node).into_iter().flatten());
    let words: Vec<String> = all.map(|address| format!("per-client={address}:{setting}")).collect();
    lab(servers, &words.join(" "))
}

fn port_blocked(victim: &str) -> Scene {
    let (node, other) = (victim.to_owned(), victim.to_owned());
    let cut = |cut: bool| vec![Fault::Cut { node: victim.to_owned(), cut }];
    Scene {
        expected:
            "TimePartitioned=True NtpBlockedOnNode on it alone, TimeSynchronized stays True; one incident"
                .into(),
        told: Box::new(move |_, now| {
            let seen = node_has(now, &node, &[(TimePartitioned, "True"), (TimeSynchronized, "True")])?;
            let reason = now.reason(&node, TimePartitioned);
            if reason != "NtpBlockedOnNode" {
                return Err(format!("{node} TimePartitioned says {reason}"));
            }
            Ok(format!("{seen} ({reason})"))
        }),
        allowed: Box::new(move |node, kind| {
            node == other && matches!(kind, TimePartitioned | TimeSourcesLow)
        }),
        limit_s: 240,
        ..quiet(
            "p",
            format!("UDP port 123 is blocked on {victim}, all else works"),
            "NtpBlockedOnNode",
            format!("Node/{victim}"),
            [cut(true), cut(false)],
        )
    }
}

fn faulty(victim: &str, addresses: &Addresses) -> Scene {
    let (node, other) = (victim.to_owned(), victim.to_owned());
    let set = |span: &str| for_nodes(&SERVERS, &[victim.to_owned()], addresses, &format!("offset={span}"));
    Scene {
        expected: "TimeSynchronized=False and NodeClockFaulty=True on it alone; one incident".into(),
        told: Box::new(move |_, now| match now.clock_faulty(&node) {
            "True" => node_has(now, &node, &[(TimeSynchronized, "False")]),
            other => Err(format!("{node} NodeClockFaulty={other}")),
        }),
        allowed: Box::new(move |node, _| node == other),
        faulty: Some(victim.to_owned()),
        ..quiet(
            "t",
            format!("the clock of {victim} is 150 ms wrong"),
            "NodeClockFaulty",
            format!("Node/{victim}"),
            [set("150ms"), set("0s")],
        )
    }
}

fn two_groups(nodes: &[String], addresses: &Addresses) -> Scene {
    let inside = nodes.to_vec();
    let set = |span: &str| for_nodes(&SERVERS, nodes, addresses, &format!("offset={span}"));
    Scene {
        expected: "one incident ClockGroupsDisagree, no node is called faulty; conditions change on those nodes alone".into(),
        allowed: Box::new(move |node, _| inside.iter().any(|one| one == node)),
        watch_s: 40,
        // Each node's breach is told before it is proven that they are one trouble.
        incident: Some(Incident { finding: "ClockGroupsDisagree", about: "Cluster".into(), most: nodes.len() }),
        ..quiet(
            "s",
            format!("the clocks of {} agree with each other, and not with all others: 120 ms", nodes.join(", ")),
            "ClockGroupsDisagree",
            "Cluster".into(),
            [set("120ms"), set("0s")],
        )
    }
}

fn node_is_lost(victim: &str) -> Scene {
    let (node, other) = (victim.to_owned(), victim.to_owned());
    let lose = |lost| vec![Fault::Lose { node: victim.to_owned(), lost }];
    Scene {
        expected: "TimeSynchronized=Unknown AgentSilent on it alone; one incident after five minutes of it"
            .into(),
        told: Box::new(move |_, now| node_has(now, &node, &[(TimeSynchronized, "Unknown")])),
        allowed: Box::new(move |node, _| node == other),
        limit_s: 800,
        ..quiet(
            "q",
            format!("nothing is heard from {victim}: kubelet stopped, agent hung"),
            "AgentSilent",
            format!("Node/{victim}"),
            [lose(true), lose(false)],
        )
    }
}
