//! What follows from a look for the sources: who is out, which order drives, what is recorded. The decisions are
//! [`meantime_core::fsm::failover`]'s; this one joins, sends and remembers.
//!
//! **Must never** use `offline` (chronyd keeps an offline source selected: measured), nor act while chronyd does not
//! answer. What was sent is read back at the next look and sent again where chronyd tells otherwise: its options are
//! compared with the overlay at every look, after a restart of chronyd or of this agent as well.

use super::Engine;
use crate::apply::machine::Action;
use meantime_candm::look::Looked;
use meantime_candm::request::SelectOptions;
use meantime_candm::{Reply, Request};
use meantime_core::chrony::ChronyVersion;
use meantime_core::clocks::BootTime;
use meantime_core::conditions::Status;
use meantime_core::fsm::failover::lines::Lines;
use meantime_core::fsm::failover::record::{Complaint, Scene};
use meantime_core::fsm::failover::sight::{self, Sight};
use meantime_core::fsm::failover::{self, Options, Overlay, Sighting};
use meantime_core::fsm::probing;
use meantime_core::hash::fnv;
use meantime_core::observation::{Answer, Observation};
use meantime_core::snapshot::PlannedAssociation;
use meantime_core::source::Scope;
use meantime_core::units::Nanos;
use meantime_core::verdict::Verdict;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use tracing::{info, warn};

/// Samples that a burst should bring, and requests that it may take (chronyc's own `burst 4/8`).
const BURST: (u16, u16) = (4, 8);

/// The selection options that chronyd tells, by address.
pub(super) fn seen(looked: &Looked) -> BTreeMap<IpAddr, Options> {
    let one = |seen: &meantime_candm::look::Seen| {
        let configured = seen.select.as_ref()?.configured;
        let options = Options {
            prefer: configured.contains(SelectOptions::PREFER),
            noselect: configured.contains(SelectOptions::NOSELECT),
        };
        Some((seen.source.address.ip()?, options))
    };
    looked.sources.iter().filter_map(one).collect()
}

/// What one step came to.
struct Decided {
    sightings: Vec<Sighting>,
    lines: Lines,
    /// Worth a line in the ledger.
    news: bool,
}

impl Engine {
    /// One look's consequences.
    pub(super) async fn fail_over(
        &mut self,
        told: &BTreeMap<IpAddr, Options>,
        observation: &Observation,
        verdict: &Verdict,
    ) {
        let Some(Decided { sightings, lines, news }) = self.decide(observation, verdict) else { return };
        if self.version.is_some_and(ChronyVersion::has_selectopts) {
            self.send_options(told, &sightings).await;
        } else if lines != self.failover.lines {
            self.failover.lines = lines;
            self.rewrite().await;
        }
        if news {
            self.save();
        }
    }

    /// Lets the machine and its record take one step. Nothing to decide without a plan or without an answer.
    fn decide(&mut self, observation: &Observation, verdict: &Verdict) -> Option<Decided> {
        let plan = self.plan.clone()?;
        let plan = &plan;
        let Answer::Full { tracking, .. } = &observation.answer else { return None };
        let (now, figures) = (observation.clocks.boot, &plan.failover);
        self.sights = sight::sights(plan, observation, verdict);
        self.targets = probing::targets(plan, observation, &self.sights, &self.failover);
        let probed = self.probed();
        sight::hear(&mut self.sights, &probed);
        self.troubles = probing::troubles(plan, observation, verdict, &self.probing);
        let mut look = sight::look(&self.sights, verdict);
        let absent = self.failover.lines.sightings(plan, &probed);
        let known = |address: IpAddr| look.sightings.iter().any(|one| one.address == address);
        let absent: Vec<Sighting> = absent.into_iter().filter(|one| !known(one.address)).collect();
        look.sightings.extend(absent);

        let before = std::mem::take(&mut self.failover.state);
        let (state, overlay) = failover::step(&before, &look, figures, self.phase, now);
        let name = |address: IpAddr| {
            look.sightings.iter().find(|one| one.address == address).map(|one| one.source.clone())
        };
        let check = |source: &str| check(source, &self.sights, verdict, &self.probing, now);
        let scene = Scene {
            boot_id: &self.boot_id,
            now,
            wall: observation.clocks.wall,
            following: verdict.selected.as_deref(),
            following_order: verdict
                .selected
                .as_deref()
                .and_then(|source| sight::planned(plan, source))
                .and_then(PlannedAssociation::order),
            stamp: tracking.reference_time.0.unsigned_abs(),
            name: &name,
            check: &check,
        };
        let record = &mut self.failover.record;
        let count = record.count();
        record.step(&before, &state, figures, &scene);
        if let Some(newest) = record.switches().last().filter(|_| record.count() != count) {
            info!(number = newest.number, from = newest.from, evidence = newest.evidence, "leaving a source");
        }
        let news = record.count() != count
            || state.excluded() != before.excluded()
            || state.drive().order() != before.drive().order();
        let lines = self.failover.lines.next(&overlay, &state, &look.sightings, plan, now);
        (self.failover.state, self.overlay) = (state, overlay);
        Some(Decided { sightings: look.sightings, lines, news })
    }

    /// Sends what differs, then lets chronyd choose anew. An order whose answer is lost is seen at the next look.
    async fn send_options(&mut self, told: &BTreeMap<IpAddr, Options>, sightings: &[Sighting]) {
        let told: BTreeMap<IpAddr, Options> = told
            .iter()
            .filter(|(address, _)| sightings.iter().any(|one| one.address == **address))
            .map(|(address, options)| (*address, *options))
            .collect();
        let orders = self.overlay.differences(&told);
        if orders.is_empty() {
            return;
        }
        for (address, wanted) in &orders {
            let either = |flag: bool, option: SelectOptions| {
                if flag { (option, SelectOptions::NONE) } else { (SelectOptions::NONE, option) }
            };
            let (prefer, no_prefer) = either(wanted.prefer, SelectOptions::PREFER);
            let (noselect, no_noselect) = either(wanted.noselect, SelectOptions::NOSELECT);
            let request = Request::SelectOptions {
                address: *address,
                set: prefer.union(noselect),
                clear: no_prefer.union(no_noselect),
            };
            info!(%address, prefer = wanted.prefer, noselect = wanted.noselect, "selection options");
            self.order(&request).await;
        }
        self.order(&Request::Reselect).await;
    }

    /// Writes the sources file with what is left out, for a chronyd without `selectopts`.
    async fn rewrite(&mut self) {
        let lines = self.apply.in_force.clone();
        info!(lines = ?self.failover.lines, "the sources file changes");
        self.execute(vec![Action::Write(lines), Action::Reload]).await;
        self.order(&Request::Reselect).await;
    }

    /// One order; what chronyd makes of it is seen at the next look.
    pub(super) async fn order(&mut self, request: &Request) {
        match self.ask(request).await {
            Ok(Reply::Done) => {}
            Ok(other) => warn!(?request, ?other, "chronyd answered something else than done"),
            Err(error) => warn!(%error, "an order was not carried out; tried again with the next look"),
        }
    }

    /// This machine's clock was disrupted: what chronyd measured before is worthless, and fresh samples are wanted soon.
    pub(super) async fn start_over(&mut self) {
        info!("this clock was disrupted: chronyd's samples are dropped, fresh ones asked for");
        self.order(&Request::ResetSources).await;
        self.burst().await;
    }

    /// Fresh samples from everybody who may be asked (law 11: no bursts to somebody else's server); how many were.
    pub(super) async fn burst(&mut self) -> usize {
        let Some(plan) = &self.plan else { return 0 };
        let near: Vec<IpAddr> = self
            .sights
            .iter()
            .filter(|sight| {
                sight::planned(plan, &sight.sighting.source)
                    .is_some_and(|planned| planned.scope != Scope::Public)
            })
            .map(|sight| sight.sighting.address)
            .collect();
        for address in &near {
            let (good, total) = BURST;
            self.order(&Request::Burst { address: Some(*address), good, total }).await;
        }
        near.len()
    }
}

/// How far chronyd's view of a source and our own probe of it may be apart beyond what both say of themselves: a slew in
/// between, and a busy machine.
const SLACK: Nanos = Nanos::from_millis(5);

/// Older answers of our own are not compared with what chronyd sees now.
const FRESH: Nanos = Nanos::from_secs(5);

/// Whether a source stands up to being checked after a switch: by chronyd's word, and by our own probe where it may be
/// asked.
fn check(
    source: &str,
    sights: &[Sight],
    verdict: &Verdict,
    probing: &probing::State,
    now: BootTime,
) -> Result<(), Complaint> {
    let away = |why: &str| Err(Complaint::Away(format!("{source} {why}")));
    let wrong = |why: String| Err(Complaint::Wrong(why));
    let Some(sight) = sights.iter().find(|sight| sight.sighting.source == source) else {
        return away("is not in chronyd any more");
    };
    let judged = verdict.associations.iter().find(|one| one.index == sight.index);
    let synchronized = &verdict.conditions.synchronized;
    if sight.sighting.rejected {
        return wrong(format!("{source} is rejected by the others"));
    }
    let Some(judged) = judged.filter(|judged| judged.usable) else {
        return away("cannot be used");
    };
    if synchronized.status == Status::False {
        return wrong(format!("TimeSynchronized is False ({})", synchronized.reason.as_str()));
    }
    // Only a probe of now: this clock may have been slewed since an older one.
    if let Some((answer, at)) = probing.last_answer(sight.sighting.address)
        && now - at <= FRESH
        && let (Some(view), Some(uncertainty)) = (judged.offset, judged.uncertainty)
        && (view - answer.offset).abs() > uncertainty + answer.delay.half_up() + SLACK
    {
        let (view, probe) = (view.signed(), answer.offset.signed());
        return wrong(format!("chronyd sees {source} at {view}, our own probe at {probe}"));
    }
    Ok(())
}

/// The overlay as one word for status; none while it says what the plan says.
pub(super) fn overlay_hash(overlay: &Overlay, sights: &[Sight]) -> Option<String> {
    let planned = |sight: &&Sight| sight.sighting.order == Some(1);
    let prefer: BTreeSet<IpAddr> =
        sights.iter().filter(planned).map(|sight| sight.sighting.address).collect();
    if overlay.noselect.is_empty() && overlay.prefer == prefer {
        return None;
    }
    let text = format!("{:?} {:?}", overlay.prefer, overlay.noselect);
    Some(format!("{:016x}", fnv(text.as_bytes())))
}

#[cfg(test)]
#[path = "failover_tests.rs"]
mod tests;
