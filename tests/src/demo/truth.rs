//! Ground truth: the lab knows by how much each node's clock is wrong, because it made it so.
//!
//! All clocks here are the machine's one clock, which is also the lab's idea of true time. A node whose every
//! answer is shifted by S is, by that definition, S behind. *Coverage* is the share of samples in which
//! |true error| ≤ published bound; *True while wrong* is the time in which TimeSynchronized was True although
//! |true error| was above maxOffset. Both are void below 1,000 samples or without a node that was truly wrong.

use super::faults::Fault;
use super::scenes::Scene;
use super::world::World;
use meantime_core::conditions::ConditionKind::TimeSynchronized;
use meantime_core::duration;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// Samples once a second.
#[derive(Debug)]
pub struct Sampler {
    max_offset: i64,
    errors: BTreeMap<String, i64>, // by client address
    last: Option<Instant>,
    /// Samples with a published bound.
    pub samples: u64,
    /// … of them covered.
    pub covered: u64,
    /// Samples of a node that was wrong by more than maxOffset.
    pub wrong: u64,
    /// … of them with TimeSynchronized=True, in node-seconds.
    pub true_while_wrong: u64,
    /// The first misses, for explaining.
    pub misses: Vec<String>,
}

impl Sampler {
    /// A sampler for a policy with this maxOffset (ns).
    pub fn new(max_offset: i64) -> Self {
        Self {
            max_offset,
            errors: BTreeMap::new(),
            last: None,
            samples: 0,
            covered: 0,
            wrong: 0,
            true_while_wrong: 0,
            misses: Vec::new(),
        }
    }

    /// Notes what a scene does to single nodes.
    pub fn fault(&mut self, scene: &Scene) {
        self.note(&scene.inject);
    }
    /// Notes its end.
    pub fn heal(&mut self, scene: &Scene) {
        self.note(&scene.heal);
    }
    fn note(&mut self, faults: &[Fault]) {
        for fault in faults {
            let Fault::Lab { set, .. } = fault else { continue };
            for word in set.split_whitespace() {
                let Some(rest) = word.strip_prefix("per-client=") else { continue };
                let Some((address, offset)) = rest.rsplit_once(":offset=") else { continue };
                // The servers seem ahead by S: this clock is S behind.
                let shift = duration::parse(offset).map_or(0, |shift| shift.0);
                self.errors.insert(address.to_owned(), -shift);
            }
        }
    }

    /// Takes a sample if a second has passed since the last.
    #[expect(
        clippy::disallowed_methods,
        reason = "a test bench measures its own elapsed time; nothing is judged by it"
    )]
    pub fn sample(&mut self, world: &World) {
        let now = Instant::now();
        if self.last.is_some_and(|last| now.duration_since(last) < Duration::from_secs(1)) {
            return;
        }
        self.last = Some(now);
        for (node, nodetime) in &world.nodetimes {
            let error =
                world.addresses.get(node).and_then(|address| self.errors.get(address)).copied().unwrap_or(0);
            let status = world.status(node, TimeSynchronized);
            if let Some(bound) = nodetime.bound {
                self.samples += 1;
                if error.abs() <= bound {
                    self.covered += 1;
                } else if self.misses.len() < 20 {
                    self.misses.push(format!(
                        "{node}: true error {error} ns, bound {bound} ns, {status} {}",
                        world.reason(node, TimeSynchronized)
                    ));
                }
            }
            if error.abs() > self.max_offset {
                self.wrong += 1;
                self.true_while_wrong += u64::from(status == "True");
            }
        }
    }

    /// Coverage in percent; none when void.
    pub fn coverage_percent(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "sample counts are far below 2^52")]
        let percent = 100.0 * self.covered as f64 / self.samples as f64;
        (self.samples >= 1_000 && self.wrong > 0).then_some(percent)
    }
}
