//! Runs a world tick by tick and hands out what an operator saw of it.

use super::fault::{Fault, Forgery};
use super::host::Host;
use super::path::Scene;
use super::peers::Peers;
use super::plan;
use super::publish::{CLAIM, Publisher};
use super::seen::{Seen, SeenNode, Snapshot};
use super::world::{FAULT, TICK, World};
use meantime_core::clocks::BootTime;
use meantime_core::diagnose::fleet::Heard;
use meantime_core::units::Nanos;

/// A heartbeat that is so old is overdue (the design's 11 min).
const OVERDUE: Nanos = Nanos::from_secs(660);
/// Kubernetes needs about so many ticks to say that a pod is not ready.
const NOT_READY: u32 = 3;
/// The trail begins so long before the usual first fault.
const BEFORE: u32 = 2;
/// The operator's BOOTTIME at the first tick.
const OPERATOR_UP: Nanos = Nanos::from_secs(5_000);

/// What the operator knows of one agent's voice.
#[derive(Clone, Copy, Debug, Default)]
struct Voice {
    /// The last write that this operator process saw happen.
    written: Option<u32>,
    /// Nothing could have arrived since.
    out: Option<u32>,
}

/// Runs it to its end.
pub fn run(world: &World) -> Seen {
    let mut hosts: Vec<Host> = (0..world.machines.len()).map(|index| Host::new(world, index)).collect();
    let mut publishers: Vec<Publisher> =
        world.machines.iter().map(|machine| Publisher::new(&machine.name)).collect();
    let mut voices = vec![Voice::default(); hosts.len()];
    let mut lived = vec![true; hosts.len()];
    let mut peers = Peers::new(world);
    let mut seen = Seen { declared: plan::declared(world), ..Seen::default() };
    for host in &hosts {
        seen.plans.insert(host.machine.name.clone(), host.plan.clone());
    }
    let mut operator = 0;
    for tick in 0..world.ticks {
        let scene = Scene { world, tick };
        if scene.beginning().any(|fault| *fault == Fault::OperatorRestart) {
            operator = tick;
            seen.trail.clear();
            for voice in &mut voices {
                voice.written = None;
            }
        }
        for host in &mut hosts {
            host.run(&scene);
        }
        peers.ask(&scene, &hosts, &claims(&scene));
        for (at, host) in hosts.iter_mut().enumerate() {
            let lives = scene.agent(&world.machines[at]);
            if lives {
                if !lived[at] {
                    publishers[at].forget();
                }
                host.poll(&scene);
                let looked = host.look(&scene);
                let told = peers.of(at, &world.machines);
                if publishers[at].publish(&scene, host, looked, told) {
                    voices[at].written = Some(tick);
                }
            }
            lived[at] = lives;
            let voice = &mut voices[at];
            voice.out = if scene.heard(&world.machines[at]) { None } else { voice.out.or(Some(tick)) };
        }
        if tick + BEFORE >= FAULT {
            seen.trail.push(snapshot(&scene, &publishers, &voices, operator));
        }
    }
    seen
}

/// What each node's answers to its peers add to its own time.
fn claims(scene: &Scene<'_>) -> Vec<Nanos> {
    let mut claims = vec![Nanos::ZERO; scene.world.machines.len()];
    for fault in scene.faults() {
        if let Fault::Forged(who, Forgery::LiesToPeers) = fault {
            for (claim, machine) in claims.iter_mut().zip(&scene.world.machines) {
                if who.has(machine) {
                    *claim = CLAIM;
                }
            }
        }
    }
    claims
}

fn snapshot(scene: &Scene<'_>, publishers: &[Publisher], voices: &[Voice], operator: u32) -> Snapshot {
    let at = |tick: u32| BootTime(0) + OPERATOR_UP + TICK.times(i64::from(tick));
    let one = |index: usize| {
        let machine = &scene.world.machines[index];
        let voice = voices[index];
        let node = SeenNode {
            zone: machine.zone.clone(),
            egress: machine.egress.clone(),
            heard: heard(scene.tick, voice, operator),
            ready: voice.out.is_none_or(|since| scene.tick - since < NOT_READY),
            seen: at(voice.written.unwrap_or(operator)),
            said: publishers[index].said.clone(),
        };
        (machine.name.clone(), node)
    };
    Snapshot { now: at(scene.tick), nodes: (0..voices.len()).map(one).collect() }
}

/// The design's rules: overdue after 11 minutes; a pod that is not ready, and no fresh status, is silent at once; a new
/// operator waits for the next write or for overdue.
fn heard(tick: u32, voice: Voice, operator: u32) -> Heard {
    let span = |since: u32| TICK.times(i64::from(tick - since));
    let out = voice.out.filter(|since| tick - since >= NOT_READY);
    match (voice.written, out) {
        (Some(written), None) if span(written) < OVERDUE => Heard::Fresh,
        (Some(written), _) => Heard::Silent(span(written)),
        (None, Some(since)) => Heard::Silent(span(since.max(operator))),
        (None, None) if span(operator) < OVERDUE => Heard::Starting,
        (None, None) => Heard::Silent(span(operator)),
    }
}
