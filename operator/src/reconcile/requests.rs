//! Requests in annotations: what is asked of an agent, and one word to who asked in a way that can't be understood.
//!
//! **In.** NodeTimes. **Out.** The request for the spec, or an Event on the NodeTime: once per value, for it stands there
//! until somebody mends it. **Must never** guess at what was meant.

use super::decide::API_VERSION;
use crate::apply::request;
use crate::events::{Loudness, Note, Regarding};
use kube::ResourceExt;
use meantime_core::hash::fnv;
use meantime_core::names::ANNOTATION_REQUEST;
use meantime_crds::NodeTime;
use meantime_crds::nodetime::Request;
use std::collections::BTreeMap;

/// As much of a value as an Event repeats, in characters: an annotation may hold 256 KiB.
const SHOWN: usize = 80;

/// What was told of which NodeTime (by uid).
#[derive(Debug, Default)]
pub struct Requests {
    told: BTreeMap<String, u64>,
}

impl Requests {
    /// What this NodeTime's annotation asks for, and what has to be said about it.
    pub fn look(&mut self, node_time: &NodeTime) -> (Option<Request>, Option<Note>) {
        let value = match request(node_time) {
            Ok(asked) => return (asked, None),
            Err(value) => value,
        };
        let uid = node_time.metadata.uid.clone().unwrap_or_default();
        let print = fnv(format!("{uid} {value}").as_bytes());
        if self.told.insert(uid.clone(), print) == Some(print) {
            return (None, None);
        }
        let shown: String = value.chars().take(SHOWN).collect();
        let note = Note {
            regarding: Regarding {
                api_version: API_VERSION,
                kind: "NodeTime",
                name: node_time.name_any(),
                uid,
            },
            related: None,
            loudness: Loudness::Warning,
            reason: "RequestInvalid".to_owned(),
            message: format!(
                "the annotation {ANNOTATION_REQUEST} is {shown:?}, which is not <verb>/<id> (a verb of a-z and -, an id of \
                 letters, digits, '.', '_' and -): nothing is asked of this node's agent; write for example \
                 {ANNOTATION_REQUEST}=acknowledge/$(date +%s)"
            ),
            once: Some(format!("request-{print:016x}")),
        };
        (None, Some(note))
    }

    /// Forgets NodeTimes that are gone (by uid).
    pub fn keep_only(&mut self, alive: impl Fn(&str) -> bool) {
        self.told.retain(|uid, _| alive(uid));
    }
}
