//! An agent's switches between sources as Events on its Node: once each, also over operators.
//!
//! An Event's name is made of the NodeTime's uid and the switch's id, so whoever tells it again is refused by the API
//! server (409). (The id alone begins anew when an agent is uninstalled and comes back within one boot.) What is old
//! when this operator first sees it is not told at all: its Event may have expired. Ages are the agent's own, by its
//! BOOTTIME at the moment of writing: no clock of two machines is compared.

use super::{Loudness, Note, Regarding};
use meantime_core::hash::fnv;
use meantime_core::units::Nanos;
use meantime_crds::nodetime::{Switch, Verified};
use std::collections::{BTreeMap, BTreeSet};

/// Older switches are no news to an operator that sees them for the first time.
const NEWS_SECONDS: i32 = 600;

/// What was told, by NodeTime uid.
#[derive(Debug, Default)]
pub struct SwitchNews {
    told: BTreeMap<String, BTreeSet<String>>,
}

impl SwitchNews {
    /// What is new among the switches of one NodeTime.
    pub fn look(
        &mut self,
        uid: &str,
        switches: &[Switch],
        node: &Regarding,
        policy: Option<&Regarding>,
    ) -> Vec<Note> {
        let known = self.told.contains_key(uid);
        let told = self.told.entry(uid.to_owned()).or_default();
        let mut notes = Vec::new();
        let mut current = BTreeSet::new();
        for switch in switches {
            for (mark, loudness, reason, message) in words(uid, switch) {
                current.insert(mark.clone());
                if told.contains(&mark) || (!known && switch.age_seconds > NEWS_SECONDS) {
                    continue;
                }
                notes.push(Note {
                    regarding: node.clone(),
                    related: policy.cloned(),
                    loudness,
                    reason: reason.to_owned(),
                    message,
                    once: Some(mark),
                });
            }
        }
        *told = current;
        notes
    }

    /// Forgets NodeTimes that are gone.
    pub fn keep_only(&mut self, alive: impl Fn(&str) -> bool) {
        self.told.retain(|uid, _| alive(uid));
    }
}

/// A switch is told when it is complete; when it does not stand up to its checks, once more.
fn words(uid: &str, switch: &Switch) -> Vec<(String, Loudness, &'static str, String)> {
    let id: String = switch.id.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    let mark = format!("switch-{:08x}-{}", fnv(uid.as_bytes()) & 0xffff_ffff, id.to_ascii_lowercase());
    let from = switch.from.as_deref().unwrap_or("no source");
    let Some(to) = switch.to.as_deref() else { return Vec::new() };
    let took = switch.duration_nanoseconds.map(|span| format!(" after {}", Nanos(span))).unwrap_or_default();
    let mut all = vec![(
        mark.clone(),
        Loudness::Normal,
        "SourceSwitched",
        format!("follows {to} instead of {from}{took}: {}", switch.evidence),
    )];
    if switch.verification == Verified::Failed {
        let why = switch.failure.as_deref().unwrap_or("no reason given");
        all.push((
            format!("{mark}-failed"),
            Loudness::Warning,
            "SwitchNotVerified",
            format!(
                "the switch from {from} to {to} does not stand up to its checks: {why}; see kubectl get nt"
            ),
        ));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use meantime_crds::common::Time;

    fn switch(id: &str, to: Option<&str>, verification: Verified, age_seconds: i32) -> Switch {
        Switch {
            id: id.into(),
            at: Time(jiff::Timestamp::UNIX_EPOCH),
            age_seconds,
            from: Some("a".into()),
            to: to.map(str::to_owned),
            evidence: "a does not answer".into(),
            duration_nanoseconds: Some(4_200_000_000),
            verification,
            failure: None,
        }
    }
    fn told(news: &mut SwitchNews, switches: &[Switch]) -> Vec<String> {
        let node = Regarding { api_version: "v1", kind: "Node", name: "n".into(), uid: "n".into() };
        let marks = news.look("u", switches, &node, None).into_iter().map(|note| note.once.unwrap());
        marks.map(|mark| mark.replace(&format!("{:08x}-", fnv(b"u") & 0xffff_ffff), "")).collect()
    }

    /// Uninstalled and installed again within one boot, an agent counts from 1 anew.
    #[test]
    fn the_same_id_on_another_node_time_is_another_event() {
        let node = Regarding { api_version: "v1", kind: "Node", name: "n".into(), uid: "n".into() };
        let done = [switch("b-1", Some("b"), Verified::Checking, 3)];
        let once = |uid| SwitchNews::default().look(uid, &done, &node, None).remove(0).once;
        assert_ne!(once("u"), once("another"));
        assert_eq!(once("u"), once("u"), "the same for every operator");
        let failed = [switch("12345678-18446744073709551615", Some("b"), Verified::Failed, 3)];
        let longest = SwitchNews::default().look("u", &failed, &node, None).remove(1).once.unwrap();
        assert!(longest.len() <= 52, "room that a name leaves for it: {longest}");
    }

    #[test]
    fn a_switch_is_told_once_when_it_is_complete_and_once_more_when_it_fails() {
        let mut news = SwitchNews::default();
        assert!(told(&mut news, &[switch("B-1", None, Verified::Waiting, 0)]).is_empty());
        let done = [switch("B-1", Some("b"), Verified::Checking, 3)];
        assert_eq!(told(&mut news, &done), ["switch-b-1"]);
        assert!(told(&mut news, &done).is_empty());
        let failed = [switch("B-1", Some("b"), Verified::Failed, 9)];
        assert_eq!(told(&mut news, &failed), ["switch-b-1-failed"]);
        assert!(told(&mut news, &failed).is_empty());
    }

    /// A switch is watched for a day.
    #[test]
    fn a_check_that_fails_after_hours_is_told() {
        let mut news = SwitchNews::default();
        told(&mut news, &[switch("b-1", Some("b"), Verified::Watching, 20)]);
        let failed = [switch("b-1", Some("b"), Verified::Failed, 40_000)];
        assert_eq!(told(&mut news, &failed), ["switch-b-1-failed"]);
    }

    #[test]
    fn a_new_operator_tells_what_is_fresh_and_leaves_what_is_old() {
        let old = switch("b-1", Some("b"), Verified::Watching, 4_000);
        let fresh = switch("b-2", Some("c"), Verified::Checking, 20);
        assert_eq!(told(&mut SwitchNews::default(), &[old, fresh]), ["switch-b-2"]);
    }
}
