//! The cases of `tests/cases/` without an API server: what the schemas take, core takes too (no schema is laxer than
//! the code behind it), and it survives the way through our types (no field is lost).

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at what it did not expect")]

use kube::Resource;
use meantime_core::snapshot::Snapshot;
use meantime_core::validate::validate;
use meantime_crds::{NodeTime, TimeIncident, TimeSource, TimeSyncPolicy};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::Path;

fn cases<K: Resource + DeserializeOwned + serde::Serialize>(file: &str) -> Vec<K> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(file);
    let text = std::fs::read_to_string(path).unwrap();
    let objects = serde_yaml::Deserializer::from_str(&text).map(|document| {
        let value: Value = serde::Deserialize::deserialize(document).unwrap();
        let typed: K =
            serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{error}: {value}"));
        assert_eq!(serde_json::to_value(&typed).unwrap()["spec"], value["spec"], "a field was lost");
        typed
    });
    let objects: Vec<K> = objects.collect();
    assert!(objects.len() > 3, "{file} has hardly any case");
    objects
}

#[test]
fn accepted_sources_and_policies_are_sound_for_core() {
    let sources: Vec<TimeSource> = cases("accept-timesources.yaml");
    let policies: Vec<TimeSyncPolicy> = cases("accept-timesyncpolicies.yaml");
    let snapshot = Snapshot {
        sources: sources.iter().map(|source| source.to_core().unwrap()).collect(),
        policies: policies.iter().map(|policy| policy.to_core().unwrap()).collect(),
        ..Snapshot::default()
    };
    let valid = validate(&snapshot);
    assert_eq!(valid.source_problems().len(), 0, "{:?}", valid.source_problems());
    assert_eq!(valid.policy_problems().len(), 0, "{:?}", valid.policy_problems());
    assert_eq!((valid.sources().len(), valid.policies().len()), (sources.len(), policies.len()));
}

#[test]
fn accepted_incidents_lose_nothing() {
    assert_eq!(cases::<TimeIncident>("accept-timeincidents.yaml").len(), 4);
}

#[test]
fn accepted_plans_are_plans_for_core() {
    let plans =
        cases::<NodeTime>("accept-nodetimes.yaml").iter().filter_map(|node| node.plan().unwrap()).count();
    assert_eq!(plans, 2);
}
