//! Metrics. The names of chrony_exporter where the meaning is the same, so that its dashboards go on working;
//! `meantime_*` for what is ours. Built anew at each scrape: no series outlives what it tells of.
//!
//! Seconds and ppm as floats only here, at the edge.

use crate::clock;
use crate::peers::PeerCounters;
use crate::publish::report::Report;
use meantime_core::conditions::Status;
use meantime_core::fsm::failover::Memory;
use meantime_core::observation::{Answer, Association, Tracking};
use meantime_core::units::{Nanos, Ppb};
use meantime_core::verdict::Verdict;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::{Registry, Unit};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is counted while the agent runs.
#[derive(Debug, Default)]
pub struct Counters {
    /// Sequence of the last status write. Rises over restarts.
    pub sequence: AtomicU64,
    /// Statuses written.
    pub status_writes: AtomicU64,
    /// Statuses that could not be written.
    pub status_failures: AtomicU64,
    /// Looks after which nothing had to be written.
    pub status_skipped: AtomicU64,
    /// Failures of the watch on our NodeTime.
    pub watch_errors: AtomicU64,
    /// Looks at chronyd.
    pub looks: AtomicU64,
    /// Looks without an answer.
    pub looks_failed: AtomicU64,
    /// Starts of chronyd.
    pub daemon_starts: AtomicU64,
    /// `reload sources` sent to chronyd.
    pub daemon_reloads: AtomicU64,
    /// Starts that failed and exits that nobody asked for.
    pub daemon_failures: AtomicU64,
    /// Turns of the engine's loop: liveness.
    pub turns: AtomicU64,
    /// Nanoseconds for which `TimeSynchronized` was True or False …
    pub judged_nanos: AtomicU64,
    /// … and of those, True.
    pub in_policy_nanos: AtomicU64,
    /// Of peers.
    pub peers: Arc<PeerCounters>,
}

/// Longest time between two looks that is counted: a longer one (the slowest pace is 8 s) was a pause of the machine, of
/// which no verdict speaks.
const LONGEST_SPAN: Nanos = Nanos::from_secs(60);

impl Counters {
    /// Counts the time between two looks by what was said at the first of them. Unknown is neither in policy nor out of it.
    pub fn lived(&self, synchronized: Status, span: Nanos) {
        let Ok(nanos) = u64::try_from(span.0) else { return };
        if span > LONGEST_SPAN {
            return;
        }
        match synchronized {
            Status::True => {
                self.in_policy_nanos.fetch_add(nanos, Ordering::Relaxed);
                self.judged_nanos.fetch_add(nanos, Ordering::Relaxed);
            }
            Status::False => {
                self.judged_nanos.fetch_add(nanos, Ordering::Relaxed);
            }
            Status::Unknown => {}
        }
    }
}

type Labels = Vec<(&'static str, String)>;
type Gauges = Family<Labels, Gauge<f64, AtomicU64>>;

/// The text of one scrape.
pub fn scrape(counters: &Counters, report: Option<&Report>) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    count(&mut registry, counters);
    peers(&mut registry, &counters.peers);
    if let Some(report) = report {
        tell(&mut registry, report);
    }
    let mut text = String::with_capacity(8 * 1024);
    encode(&mut text, &registry)?;
    Ok(text)
}

fn count(registry: &mut Registry, counters: &Counters) {
    let mut counter = |name: &str, help: &str, value: &AtomicU64| {
        registry.register(name, help, ConstCounter::new(value.load(Ordering::Relaxed)));
    };
    counter("meantime_status_writes", "NodeTime statuses written", &counters.status_writes);
    counter("meantime_status_write_failures", "NodeTime statuses not written", &counters.status_failures);
    counter("meantime_status_writes_skipped", "Looks without news", &counters.status_skipped);
    counter("meantime_watch_errors", "Failures of the watch on our NodeTime", &counters.watch_errors);
    counter("meantime_looks", "Looks at chronyd", &counters.looks);
    counter("meantime_looks_unanswered", "Looks without an answer", &counters.looks_failed);
    counter("meantime_chronyd_starts", "Starts of chronyd by this agent", &counters.daemon_starts);
    counter("meantime_chronyd_reloads", "Source reloads asked of chronyd", &counters.daemon_reloads);
    counter(
        "meantime_chronyd_failures",
        "Failed starts and unexpected exits of chronyd",
        &counters.daemon_failures,
    );
    let mut lived = |name: &str, help: &str, value: &AtomicU64| {
        let seconds = secs(Nanos(i64::try_from(value.load(Ordering::Relaxed)).unwrap_or(i64::MAX)));
        registry.register_with_unit(name, help, Unit::Seconds, ConstCounter::new(seconds));
    };
    lived("meantime_judged", "Time for which TimeSynchronized was True or False", &counters.judged_nanos);
    lived("meantime_in_policy", "Of the judged time, TimeSynchronized was True", &counters.in_policy_nanos);
    registry.register_with_unit(
        "meantime_wall_clock",
        "This node's CLOCK_REALTIME at the scrape: for a person, or an alert, who doubts the scraper's clock",
        Unit::Seconds,
        ConstGauge::new(secs(Nanos(clock::wall().0))),
    );
}

/// A peer's name as a label: three at most.
fn peers(registry: &mut Registry, counters: &PeerCounters) {
    let counts: [Family<Labels, Counter>; 3] = std::array::from_fn(|_| Family::default());
    let [asked, answered, refused] = counts;
    let [answers, offset, uncertainty] = std::array::from_fn(|_| Gauges::default());
    for seen in counters.peers() {
        let labels = vec![("peer_node", seen.node.clone())];
        asked.get_or_create(&labels).inc_by(seen.counts.asked);
        answered.get_or_create(&labels).inc_by(seen.counts.answered);
        let Some(told) = seen.told else { continue };
        answers.get_or_create(&labels).set(f64::from(u8::from(told.answers)));
        for (gauge, value) in [(&offset, told.offset), (&uncertainty, told.uncertainty)] {
            if let Some(value) = value {
                gauge.get_or_create(&labels).set(secs(value));
            }
        }
    }
    for (why, count) in counters.refusals() {
        refused.get_or_create(&vec![("reason", why.word().to_owned())]).inc_by(count);
    }
    registry.register("meantime_peer_asked", "Questions to each peer", asked);
    registry.register("meantime_peer_answered", "Answers of each peer", answered);
    registry.register("meantime_peer_answers", "1 = the peer answers", answers);
    registry.register("meantime_peer_offset_seconds", "This clock against each peer's, > 0 = ahead", offset);
    registry.register("meantime_peer_uncertainty_seconds", "Half-width of that", uncertainty);
    registry.register("meantime_peer_refused", "Packets that were refused, never answered", refused);
    registry.register(
        "meantime_peer_questions_answered",
        "Questions of peers that were answered",
        ConstCounter::new(counters.answers()),
    );
    registry.register(
        "meantime_peer_rate_limited",
        "Packets that were not answered because too many came",
        ConstCounter::new(counters.limits()),
    );
}

fn tell(registry: &mut Registry, report: &Report) {
    let Some((observation, verdict)) = &report.judged else { return };
    let up = matches!(observation.answer, Answer::Full { .. });
    registry.register("chrony_up", "Whether chronyd answers", ConstGauge::new(i64::from(up)));
    verdicts(registry, verdict);
    failovers(registry, report, verdict);
    if let Answer::Full { tracking, associations } = &observation.answer {
        track(registry, tracking);
        sources(registry, associations);
    }
}

fn verdicts(registry: &mut Registry, verdict: &Verdict) {
    let mut seconds = |name: &str, help: &str, value: Option<Nanos>| {
        if let Some(value) = value {
            registry.register_with_unit(name, help, Unit::Seconds, ConstGauge::new(secs(value)));
        }
    };
    seconds("meantime_clock_offset", "Error of the clock, > 0 = ahead", verdict.offset);
    seconds("meantime_clock_residual", "What chronyd has yet to correct, > 0 = ahead", verdict.residual);
    seconds("meantime_clock_disagreement", "The clock against the agreeing sources", verdict.disagreement);
    seconds("meantime_clock_headroom", "Smallest tolerance left, negative = breach", verdict.headroom);
    seconds(
        "meantime_clock_error_bound",
        "Guaranteed error bound of the clock",
        verdict.bound.map(|bound| bound.guaranteed),
    );
    registry.register(
        "meantime_usable_voters",
        "Voters that count now",
        ConstGauge::new(i64::from(verdict.usable_voters)),
    );
    registry.register(
        "meantime_baseline",
        "1 = a majority of sources that jumps by maxOffset would be told (BoundContradicted)",
        ConstGauge::new(i64::from(verdict.baseline)),
    );
    let conditions = Gauges::default();
    for (kind, judgement) in verdict.conditions.iter() {
        for status in [Status::True, Status::False, Status::Unknown] {
            let labels = vec![
                ("condition", kind.name().to_owned()),
                ("status", status.as_str().to_owned()),
                ("reason", judgement.reason.as_str().to_owned()),
            ];
            conditions.get_or_create(&labels).set(f64::from(u8::from(judgement.status == status)));
        }
    }
    registry.register("meantime_condition", "Conditions of this node, 1 = in this status", conditions);
}

fn failovers(registry: &mut Registry, report: &Report, verdict: &Verdict) {
    let Memory { state, record, .. } = &report.failover;
    registry.register(
        "meantime_failover_switches",
        "Switches of this agent from one source to another",
        ConstCounter::new(record.complete()),
    );
    registry.register(
        "meantime_failover_drive_order",
        "Which order of sources drives, 1 = as planned",
        ConstGauge::new(i64::from(state.drive().order())),
    );
    registry.register(
        "meantime_holdover",
        "1 = no source can be used, the clock runs on alone",
        ConstGauge::new(i64::from(verdict.holdover.is_some())),
    );
    let breach = Gauges::default();
    let forecasts = verdict
        .holdover
        .map(|alone| [("expected", alone.expected_breach), ("guaranteed", alone.guaranteed_breach)]);
    for (kind, left) in forecasts.into_iter().flatten() {
        if let Some(left) = left {
            breach.get_or_create(&vec![("kind", kind.to_owned())]).set(secs(left));
        }
    }
    registry.register(
        "meantime_holdover_breach_seconds",
        "Until a limit of the policy is reached while no source can be used",
        breach,
    );
    let [unanswered, score, health] = std::array::from_fn(|_| Gauges::default());
    for sight in &report.sights {
        let labels = vec![
            ("source_address", sight.sighting.address.to_string()),
            ("source_name", sight.sighting.source.clone()),
        ];
        unanswered.get_or_create(&labels).set(f64::from(sight.sighting.unanswered));
        score.get_or_create(&labels).set(f64::from(sight.score.points));
        let is = state.health(sight.sighting.address).unwrap_or_default();
        for word in ["Healthy", "Suspect", "Failed", "Recovering"] {
            let mut with_state = labels.clone();
            with_state.push(("state", word.to_owned()));
            health.get_or_create(&with_state).set(f64::from(u8::from(is.word() == word)));
        }
    }
    let asked = Family::<Labels, Counter>::default();
    for (address, counters) in &report.asked {
        let counts = [
            ("answered", counters.answered),
            ("unanswered", counters.unanswered),
            ("kiss", counters.kisses),
            ("refused_by_budget", counters.refused),
        ];
        for (result, count) in counts {
            let labels = vec![("source_address", address.to_string()), ("result", result.to_owned())];
            asked.get_or_create(&labels).inc_by(count);
        }
    }
    registry.register("meantime_probes", "Our own probes of each source, by what came of them", asked);
    registry.register("meantime_source_unanswered_polls", "Polls in a row without a valid reply", unanswered);
    registry.register("meantime_source_score", "Health score, 0 to 100: ranks, never takes out", score);
    registry.register("meantime_source_health", "How failover sees each source, 1 = in this state", health);
}

fn track(registry: &mut Registry, tracking: &Tracking) {
    let seconds = [
        ("last_offset", "Offset found by the last update, > 0 = ahead", secs(tracking.last_offset)),
        ("rms_offset", "Long-term average of the offset", secs(tracking.rms_offset)),
        // chrony_exporter's sign: what chronyd calls "system time", > 0 = the clock is behind.
        ("system_time", "Current correction, > 0 = slow", -secs(tracking.residual)),
        ("root_delay", "Root delay", secs(tracking.root_delay)),
        ("root_dispersion", "Root dispersion", secs(tracking.root_dispersion)),
        ("update_interval", "Interval between the last two updates", secs(tracking.update_interval)),
        ("reference_timestamp", "Last update of the clock", secs(Nanos(tracking.reference_time.0))),
    ];
    for (name, help, value) in seconds {
        registry.register_with_unit(
            format!("chrony_tracking_{name}"),
            help,
            Unit::Seconds,
            ConstGauge::new(value),
        );
    }
    let rates = [
        ("frequency_ppms", "How fast the clock runs uncorrected", tracking.frequency),
        ("residual_frequency_ppms", "Residual frequency", tracking.residual_frequency),
        ("skew_ppms", "Error bound of the frequency", tracking.skew),
    ];
    for (name, help, value) in rates {
        registry.register(format!("chrony_tracking_{name}"), help, ConstGauge::new(ppm(value)));
    }
    registry.register(
        "chrony_tracking_stratum",
        "Stratum of this clock",
        ConstGauge::new(i64::from(tracking.stratum)),
    );
}

fn sources(registry: &mut Registry, associations: &[Association]) {
    let [state, poll, age, stratum, offset, reach, delay] = std::array::from_fn(|_| Gauges::default());
    for association in associations {
        let address =
            association.address.map_or_else(|| "unresolved".to_owned(), |address| address.to_string());
        let name = association.source.clone().unwrap_or_default();
        let labels = vec![("source_address", address), ("source_name", name)];
        let mut with_state = labels.clone();
        with_state.push(("source_state", association.letter.word().to_owned()));
        state.get_or_create(&with_state).set(1.0);
        poll.get_or_create(&labels).set(secs(Nanos::from_log2_seconds(association.poll)));
        reach.get_or_create(&labels).set(f64::from(association.reach.count_ones()) / 8.0);
        if let Some(value) = association.sample_age {
            age.get_or_create(&labels).set(secs(value));
        }
        if let Some(packet) = &association.packet {
            stratum.get_or_create(&labels).set(f64::from(packet.stratum));
            delay.get_or_create(&labels).set(secs(packet.peer_delay));
        }
        if let Some(estimate) = association.estimate {
            offset.get_or_create(&labels).set(secs(estimate.offset));
        }
    }
    registry.register("chrony_sources_state_info", "State of each source", state);
    registry.register("chrony_sources_polling_interval_seconds", "Poll interval", poll);
    registry.register("chrony_sources_last_sample_age_seconds", "Age of the last good sample", age);
    registry.register("chrony_sources_stratum", "Stratum of the source", stratum);
    registry.register("chrony_sources_reachability_ratio", "Answered share of the last eight polls", reach);
    registry.register("meantime_source_delay_seconds", "Round trip of the last reply", delay);
    registry.register(
        "chrony_sourcestats_offset_seconds",
        "Estimated offset, > 0 = chronyd is ahead",
        offset,
    );
}

/// Exact below 104 days; a wall clock, of which whole seconds matter, to a quarter of a microsecond.
#[expect(clippy::cast_precision_loss, reason = "a display value at the edge")]
fn secs(nanos: Nanos) -> f64 {
    nanos.0 as f64 / 1e9
}

#[expect(clippy::cast_precision_loss, reason = "a display value at the edge")]
fn ppm(ppb: Ppb) -> f64 {
    ppb.0 as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::machine::Outcome;
    use crate::observe::testing::{association, observation, verdict};

    #[test]
    fn a_scrape_has_the_known_names_and_units_once() {
        let verdict = Verdict {
            offset: Some(Nanos(-1_500)),
            usable_voters: 1,
            voters: 1,
            baseline: true,
            ..verdict(vec![])
        };
        let report = Report {
            protection: None,
            boot_id: "b".into(),
            generation: None,
            version: None,
            outcome: Outcome::Nothing,
            runs: None,
            control: None,
            failover: Memory::default(),
            sights: Vec::new(),
            troubles: std::collections::BTreeMap::new(),
            asked: Vec::new(),
            overlay_hash: None,
            now: meantime_core::clocks::BootTime(0),
            judged: Some((observation(vec![association("a", -2)]), verdict)),
            max_offset: Nanos(1),
            retired: None,
            answered: None,
            trouble: None,
            peers: crate::peers::Heard::default(),
        };
        let counters = Counters::default();
        counters.looks.store(3, Ordering::Relaxed);
        let text = scrape(&counters, Some(&report)).unwrap();
        for line in [
            "meantime_looks_total 3",
            "chrony_up 1",
            "chrony_tracking_system_time_seconds -1e-7",
            "chrony_tracking_stratum 2",
            "meantime_clock_offset_seconds -0.0000015",
            "chrony_sources_polling_interval_seconds{source_address=\"unresolved\",source_name=\"a\"} 0.25",
            "meantime_condition{condition=\"TimeSynchronized\",status=\"Unknown\",reason=\"Booting\"} 1.0",
        ] {
            assert!(text.contains(&format!("\n{line}\n")), "{line} is not in\n{text}");
        }
        assert!(scrape(&counters, None).unwrap().ends_with("# EOF\n"));
    }

    #[test]
    fn time_in_policy_counts_what_was_known_while_somebody_looked() {
        let counters = Counters::default();
        let wait = Nanos::from_secs(8);
        for status in [Status::True, Status::True, Status::False, Status::Unknown] {
            counters.lived(status, wait);
        }
        // Paused for an hour; a clock that reads backwards.
        counters.lived(Status::True, Nanos::from_secs(3_600));
        counters.lived(Status::True, Nanos(-1));
        let text = scrape(&counters, None).unwrap();
        for line in ["meantime_judged_seconds_total 24.0", "meantime_in_policy_seconds_total 16.0"] {
            assert!(text.contains(&format!("\n{line}\n")), "{line} is not in\n{text}");
        }
    }
}
