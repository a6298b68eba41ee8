//! When the status is written (law 9): at once when something meaningful changed, else every five minutes. Pure.
//!
//! *Meaningful*: any condition's status or reason, the source followed, what is applied, any association's part in
//! the vote, the number of usable voters, why a source cannot be used, which peers answer, or an offset that moved by more than a quarter of
//! its tolerance. chronyd's shuffling among sources that all stay usable (`+`, `-`, `*`) is no news by itself.

use meantime_core::clocks::BootTime;
use meantime_core::conditions::ConditionKind;
use meantime_core::hash::fnv;
use meantime_core::units::Nanos;
use meantime_crds::common::Condition;
use meantime_crds::nodetime::{
    AssociationStatus, HealthWord, NodeTimeStatus, PeersWord, Reachability, Switch, TroubleWord, Verified,
};

/// At least this often, ± 10 %.
pub const HEARTBEAT: Nanos = Nanos::from_secs(300);
/// Writes are this far apart at least: what happens together is told together.
pub const COALESCE: Nanos = Nanos::SECOND;
/// Changes that nobody is paged for (which source is followed, how the offset wanders, what a source's silence is called)
/// are this far apart.
pub const MINOR: Nanos = Nanos::from_secs(10);
/// Pauses after failed writes, by failures in a row; the last one repeats.
pub const RETRIES: [Nanos; 6] = [
    Nanos::from_secs(1),
    Nanos::from_secs(2),
    Nanos::from_secs(4),
    Nanos::from_secs(8),
    Nanos::from_secs(16),
    Nanos::from_secs(30),
];

/// A started agent has looked at its chronyd by then, or says that it could not.
pub const FIRST_LOOK: Nanos = Nanos::from_secs(30);

/// How long to wait before the first write: none = not at all. An agent that starts again has no verdict yet, and what its
/// last one says stands in the object with its transition times: a status without conditions would wipe both.
pub fn first_look(says_something: bool, standing: &[Condition], since_start: Nanos) -> Option<Nanos> {
    let told = standing.iter().any(|one| one.type_ == ConditionKind::TimeSynchronized.name());
    (!says_something && told && since_start < FIRST_LOOK).then(|| FIRST_LOOK - since_start)
}

/// One association's part in the vote.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    source: Option<String>,
    address: Option<String>,
    usable: bool,
    rejected: bool,
    reachability: Reachability,
    health: HealthWord,
}

/// What makes a change urgent: everything in it is compared for equality.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Urgent {
    conditions: Vec<(String, String, String)>,
    associations: Vec<Part>,
    generation: Option<i64>,
    rest: String,
}

/// The part of a status that decides whether it is news.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    urgent: Urgent,
    source: Option<String>,
    offset: Option<i64>,
    /// Why each association cannot be used.
    troubles: Vec<Option<TroubleWord>>,
    /// Which peers answer, and why none is answered. What they measure is told with the next write.
    peers: (Vec<(String, bool)>, Option<PeersWord>),
}

impl Digest {
    /// Of a composed status.
    pub fn of(status: &NodeTimeStatus) -> Self {
        let conditions = status.conditions.iter();
        let associations = status.associations.iter();
        Self {
            urgent: Urgent {
                conditions: conditions
                    .map(|c| (c.type_.clone(), c.status.clone(), c.reason.clone()))
                    .collect(),
                associations: associations
                    .map(|a| Part {
                        source: a.source.clone(),
                        address: a.address.clone(),
                        usable: a.usable,
                        rejected: a.rejected,
                        // One lost packet is no news.
                        reachability: match a.reachability {
                            Reachability::Losing => Reachability::Answering,
                            other => other,
                        },
                        health: match a.health {
                            HealthWord::Suspect => HealthWord::Healthy,
                            other => other,
                        },
                    })
                    .collect(),
                generation: status.observed_generation,
                rest: format!(
                    "{:?}{:?}{:?}{:?}{:?}{:?}{:?}{:?}",
                    status.drive_order,
                    status.switches.iter().map(switched).collect::<Vec<_>>(),
                    status.applied,
                    status.clock,
                    status.chrony,
                    status.retired,
                    status.request,
                    status.boot_id
                ),
            },
            source: status.source.clone(),
            offset: status.offset_nanoseconds,
            troubles: status.associations.iter().map(trouble).collect(),
            peers: (
                status.peers.iter().map(|peer| (peer.node.clone(), peer.answers)).collect(),
                status.peers_trouble,
            ),
        }
    }

    /// How soon the change from `before` has to be told after the last write; none = no news.
    fn pause(&self, before: &Self, max_offset: Nanos) -> Option<Nanos> {
        if self.urgent != before.urgent {
            return Some(COALESCE);
        }
        let moved = match (self.offset, before.offset) {
            (Some(now), Some(then)) => now.saturating_sub(then).saturating_abs() > max_offset.0 / 4,
            (now, then) => now.is_some() != then.is_some(),
        };
        let others = self.troubles != before.troubles || self.peers != before.peers;
        (moved || self.source != before.source || others).then_some(MINOR)
    }
}

/// What is news of a trouble. That a source is silent is urgent by its reachability; what its silence is called is told at
/// leisure. One packet in which it says of itself that it has no time is a suspicion: news when failover has acted on it.
fn trouble(association: &AssociationStatus) -> Option<TroubleWord> {
    let answers = matches!(association.reachability, Reachability::Answering | Reachability::Losing);
    let suspected = answers && association.health != HealthWord::Failed;
    association
        .trouble
        .filter(|word| !(suspected && matches!(word, TroubleWord::Stale | TroubleWord::Unsynchronised)))
}

/// What is news of a switch: that it is, where it went, that it stood up to its checks or did not. Each single check is
/// not.
fn switched(switch: &Switch) -> (&str, Option<&str>, bool, bool) {
    let passed = matches!(switch.verification, Verified::Watching | Verified::Held | Verified::Ended);
    (&switch.id, switch.to.as_deref(), switch.verification == Verified::Failed, passed)
}

/// The writer's memory.
#[derive(Clone, Debug)]
pub struct Cadence {
    node: u64,
    written: Option<(BootTime, Digest)>,
    failures: usize,
    tried: Option<BootTime>,
    beats: u64,
}

impl Cadence {
    /// Nothing is written yet. The node's name spreads the heartbeats of a fleet.
    pub fn new(node: &str) -> Self {
        Self { node: fnv(node.as_bytes()), written: None, failures: 0, tried: None, beats: 0 }
    }

    /// When this status is due.
    pub fn due(&self, digest: &Digest, max_offset: Nanos) -> BootTime {
        let due = match &self.written {
            None => BootTime(0),
            Some((at, before)) => {
                *at + digest.pause(before, max_offset).unwrap_or(Nanos::MAX).min(self.heartbeat())
            }
        };
        match (self.failures, self.tried) {
            (0, _) | (_, None) => due,
            (failures, Some(tried)) => {
                due.max(tried + self.jittered(RETRIES[(failures - 1).min(RETRIES.len() - 1)]))
            }
        }
    }

    /// It was written.
    pub fn written(&mut self, digest: Digest, now: BootTime) {
        self.written = Some((now, digest));
        self.failures = 0;
        self.beats += 1;
    }

    /// It could not be written.
    pub fn failed(&mut self, now: BootTime) {
        self.failures += 1;
        self.tried = Some(now);
        self.beats += 1;
    }

    /// Everything written so far is gone (the object is another one): write at once.
    pub fn forget(&mut self) {
        self.written = None;
    }

    fn heartbeat(&self) -> Nanos {
        self.jittered(HEARTBEAT)
    }

    /// ± 10 %, the same for the same node and write: no randomness is needed to spread a fleet.
    fn jittered(&self, span: Nanos) -> Nanos {
        let mixed = fnv(&(self.node ^ self.beats).to_le_bytes());
        let permille = i64::try_from(mixed % 201).unwrap_or(100) - 100;
        span + span.scaled(permille, 1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const LIMIT: Nanos = Nanos::from_millis(40);

    fn status(source: &str, offset: i64, voters: &str) -> Digest {
        Digest::of(&NodeTimeStatus {
            source: Some(source.into()),
            offset_nanoseconds: Some(offset),
            voters: Some(voters.into()),
            ..NodeTimeStatus::default()
        })
    }

    fn at(seconds: i64) -> BootTime {
        BootTime(Nanos::from_secs(seconds).0)
    }

    fn written() -> Cadence {
        let mut cadence = Cadence::new("n1");
        assert_eq!(cadence.due(&status("a", 0, ""), LIMIT), BootTime(0), "the first one at once");
        cadence.written(status("a", 0, ""), at(1_000));
        cadence
    }

    /// What the agent before it said stands until it has looked itself: else transition times were lost under load.
    #[test]
    fn a_started_agent_wipes_no_conditions() {
        let condition = |kind: &str| {
            Condition { type_: kind.into(), ..serde_json::from_value(serde_json::json!({
            "type": "", "status": "True", "reason": "R", "message": "", "lastTransitionTime": "2026-11-22T10:00:00Z"
        })).unwrap() }
        };
        let told = [condition("Ready"), condition("TimeSynchronized")];
        let seconds = Nanos::from_secs;
        assert_eq!(first_look(false, &told, seconds(2)), Some(seconds(28)));
        assert_eq!(first_look(false, &told, seconds(30)), None, "then it says that it could not look");
        assert_eq!(first_look(true, &told, seconds(2)), None);
        assert_eq!(
            first_look(false, &told[..1], seconds(2)),
            None,
            "nothing to wipe: what it can do is told at once"
        );
    }

    #[test]
    fn no_news_waits_for_the_heartbeat() {
        let due = written().due(&status("a", 9_999_999, ""), LIMIT);
        assert!(due >= at(1_270) && due <= at(1_330), "{due:?}");
    }

    #[test]
    fn an_offset_that_moved_by_a_quarter_of_its_tolerance_is_news_and_so_is_another_source() {
        assert_eq!(written().due(&status("a", 10_000_001, ""), LIMIT), at(1_000) + MINOR);
        assert_eq!(written().due(&status("b", 0, ""), LIMIT), at(1_000) + MINOR);
    }

    fn associated(reachability: Reachability, health: HealthWord) -> NodeTimeStatus {
        let mut association: AssociationStatus = serde_json::from_value(serde_json::json!({
            "source": "a", "role": "Driver", "state": "Selected", "letter": "*", "usable": true,
        }))
        .unwrap();
        (association.reachability, association.health) = (reachability, health);
        NodeTimeStatus { associations: vec![association], ..NodeTimeStatus::default() }
    }
    fn pause(before: &NodeTimeStatus, after: &NodeTimeStatus) -> Option<Nanos> {
        Digest::of(after).pause(&Digest::of(before), LIMIT)
    }

    #[test]
    fn a_lost_packet_and_a_suspicion_are_no_news_and_a_failure_is() {
        let healthy = associated(Reachability::Answering, HealthWord::Healthy);
        let suspect = associated(Reachability::Losing, HealthWord::Suspect);
        assert_eq!(pause(&healthy, &suspect), None);
        assert_eq!(pause(&suspect, &healthy), None);
        assert_eq!(pause(&suspect, &associated(Reachability::Losing, HealthWord::Failed)), Some(COALESCE));
        assert_eq!(pause(&suspect, &associated(Reachability::Silent, HealthWord::Suspect)), Some(COALESCE));
    }

    #[test]
    fn what_silence_is_called_is_told_at_leisure_and_a_doubt_when_it_is_acted_on() {
        let told = |reachability, health, word: Option<TroubleWord>| {
            let mut status = associated(reachability, health);
            status.associations[0].trouble = word;
            status
        };
        let silent = |word| told(Reachability::Silent, HealthWord::Failed, word);
        let timed_out = silent(Some(TroubleWord::TimedOut));
        assert_eq!(pause(&timed_out, &silent(Some(TroubleWord::Refused))), Some(MINOR));
        assert_eq!(pause(&timed_out, &timed_out), None);
        let healthy = associated(Reachability::Answering, HealthWord::Healthy);
        assert_eq!(pause(&healthy, &timed_out), Some(COALESCE));
        for word in [TroubleWord::Stale, TroubleWord::Unsynchronised] {
            for health in [HealthWord::Healthy, HealthWord::Suspect] {
                assert_eq!(pause(&healthy, &told(Reachability::Answering, health, Some(word))), None);
            }
            let failed = |word| told(Reachability::Answering, HealthWord::Failed, word);
            assert_eq!(pause(&healthy, &failed(Some(word))), Some(COALESCE));
            assert_eq!(pause(&failed(None), &failed(Some(word))), Some(MINOR));
        }
    }

    #[test]
    fn of_a_switch_each_single_check_is_no_news() {
        let told = |to: Option<&str>, verification: Verified| NodeTimeStatus {
            switches: vec![Switch {
                id: "b-1".into(),
                at: meantime_crds::common::Time(jiff::Timestamp::UNIX_EPOCH),
                age_seconds: 0,
                from: Some("a".into()),
                to: to.map(str::to_owned),
                evidence: "a does not answer".into(),
                duration_nanoseconds: None,
                verification,
                failure: None,
            }],
            ..NodeTimeStatus::default()
        };
        let at = |verification| told(Some("b"), verification);
        let acted = told(None, Verified::Waiting);
        assert_eq!(pause(&NodeTimeStatus::default(), &acted), Some(COALESCE));
        assert_eq!(pause(&acted, &at(Verified::Checking)), Some(COALESCE));
        assert_eq!(pause(&at(Verified::Checking), &at(Verified::Passed)), None);
        assert_eq!(pause(&at(Verified::Passed), &at(Verified::Watching)), Some(COALESCE));
        assert_eq!(pause(&at(Verified::Watching), &at(Verified::Held)), None);
        for before in [Verified::Checking, Verified::Watching] {
            assert_eq!(pause(&at(before), &at(Verified::Failed)), Some(COALESCE));
        }
        let mut older = at(Verified::Checking);
        older.switches[0].age_seconds = 9;
        assert_eq!(pause(&at(Verified::Checking), &older), None, "nor is its age");
    }

    #[test]
    fn that_a_peer_answers_or_does_not_is_news_and_what_it_measures_is_not() {
        let told = |answers: bool, offset: Option<i64>| NodeTimeStatus {
            peers: vec![meantime_crds::nodetime::PeerStatus {
                node: "n2".into(),
                answers,
                ever: true,
                offset_nanoseconds: offset,
                uncertainty_nanoseconds: offset,
                trouble: None,
            }],
            ..NodeTimeStatus::default()
        };
        let answers = told(true, Some(5));
        assert_eq!(pause(&answers, &told(true, Some(5_000_000_000))), None);
        assert_eq!(pause(&answers, &told(true, None)), None);
        assert_eq!(pause(&answers, &told(false, None)), Some(MINOR));
        assert_eq!(pause(&answers, &NodeTimeStatus::default()), Some(MINOR));
        let without = NodeTimeStatus { peers_trouble: Some(PeersWord::NoKeys), ..NodeTimeStatus::default() };
        assert_eq!(pause(&NodeTimeStatus::default(), &without), Some(MINOR));
    }

    #[test]
    fn a_generation_is_told_within_a_second() {
        let mut seen = NodeTimeStatus { source: Some("a".into()), ..NodeTimeStatus::default() };
        seen.observed_generation = Some(2);
        assert_eq!(written().due(&Digest::of(&seen), LIMIT), at(1_001));
    }

    #[test]
    fn failures_are_retried_ever_slower_and_not_at_the_same_moment_everywhere() {
        let mut cadence = written();
        let news = Digest::of(&NodeTimeStatus { observed_generation: Some(2), ..NodeTimeStatus::default() });
        let mut last = Nanos::ZERO;
        for _ in 0..5 {
            cadence.failed(at(2_000));
            let pause = cadence.due(&news, LIMIT) - at(2_000);
            assert!(pause > last);
            last = pause;
        }
        let beats: BTreeSet<_> = (0..50)
            .map(|node| {
                let mut cadence = Cadence::new(&format!("node-{node}"));
                cadence.written(status("a", 0, ""), at(0));
                cadence.due(&status("a", 0, ""), LIMIT)
            })
            .collect();
        assert!(beats.len() > 25, "only {} different heartbeats", beats.len());
    }

    #[test]
    fn another_object_is_written_at_once() {
        let mut cadence = written();
        cadence.forget();
        assert_eq!(cadence.due(&status("a", 0, ""), LIMIT), BootTime(0));
    }
}
