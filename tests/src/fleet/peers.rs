//! Agents that ask each other: who asks whom, who is answered, what they measure.

use super::host::Host;
use super::noise::Noise;
use super::path::Scene;
use super::world::{Machine, World};
use meantime_core::diagnose::fleet::Peer;
use meantime_core::units::Nanos;

/// Questions in a row without an answer after which a peer does not answer.
const SILENT: u32 = 3;
/// Of the own zone, and of others.
const INSIDE: usize = 1;
const OUTSIDE: usize = 2;
/// Half-width of a measurement.
const HALF: Nanos = Nanos::from_micros(300);

/// One pair.
#[derive(Clone, Debug)]
struct Pair {
    other: usize,
    ever: bool,
    missed: u32,
    offset: Option<Nanos>,
}

/// All pairs, by asker.
#[derive(Clone, Debug)]
pub struct Peers {
    pairs: Vec<Vec<Pair>>,
    noise: Noise,
}

impl Peers {
    /// Chooses: the next in the list of the own zone, the next two of other zones, each of another one if there are.
    pub fn new(world: &World) -> Self {
        let machines = &world.machines;
        let chosen = |asker: usize| {
            let others = (1..machines.len()).map(|step| (asker + step) % machines.len());
            let mut taken: Vec<usize> = Vec::new();
            for other in others {
                let zone = |index: &usize| &machines[*index].zone;
                let same = zone(&other) == zone(&asker);
                let known = taken.iter().filter(|one| (zone(one) == zone(&asker)) == same).count();
                let several = machines.iter().any(|one| one.zone != machines[asker].zone);
                let most = match (same, several) {
                    (true, true) => INSIDE,
                    (true, false) => INSIDE + OUTSIDE,
                    (false, _) => OUTSIDE,
                };
                if known < most {
                    taken.push(other);
                }
                if taken.len() == INSIDE + OUTSIDE {
                    break;
                }
            }
            let pair = |other| Pair { other, ever: false, missed: 0, offset: None };
            taken.into_iter().map(pair).collect()
        };
        let pairs = if world.peers { (0..machines.len()).map(chosen).collect() } else { Vec::new() };
        Self { pairs, noise: Noise::new(world.seed.wrapping_add(77)) }
    }

    /// One round of questions. `claims`: what each node's answers add to its own time.
    pub fn ask(&mut self, scene: &Scene<'_>, hosts: &[Host], claims: &[Nanos]) {
        let walls: Vec<i64> = hosts.iter().map(|host| host.wall).collect();
        let told: Vec<i64> = walls.iter().zip(claims).map(|(wall, claim)| wall + claim.0).collect();
        self.ask_each(scene, &walls, &told);
    }

    /// The same of clocks alone, all of which tell the truth of themselves.
    pub fn ask_walls(&mut self, scene: &Scene<'_>, walls: &[i64]) {
        self.ask_each(scene, walls, walls);
    }

    fn ask_each(&mut self, scene: &Scene<'_>, walls: &[i64], told: &[i64]) {
        let machine = |index: usize| -> &Machine { &scene.world.machines[index] };
        for (asker, pairs) in self.pairs.iter_mut().enumerate() {
            if !scene.agent(machine(asker)) {
                // Its memory goes with it.
                for pair in pairs {
                    (pair.ever, pair.missed, pair.offset) = (false, 0, None);
                }
                continue;
            }
            for pair in pairs {
                if scene.peers(machine(asker), machine(pair.other)) {
                    let measured = walls[asker] - told[pair.other] + self.noise.around(100_000);
                    (pair.ever, pair.missed, pair.offset) = (true, 0, Some(Nanos(measured)));
                } else {
                    pair.missed += 1;
                }
            }
        }
    }

    /// What one node says of its peers.
    pub fn of(&self, asker: usize, machines: &[Machine]) -> Vec<Peer> {
        let one = |pair: &Pair| {
            let answers = pair.ever && pair.missed < SILENT;
            Peer {
                node: machines[pair.other].name.clone(),
                answers,
                ever: pair.ever,
                offset: pair.offset.filter(|_| answers),
                uncertainty: pair.offset.filter(|_| answers).map(|_| HALF),
            }
        };
        self.pairs.get(asker).map(|pairs| pairs.iter().map(one).collect()).unwrap_or_default()
    }
}
