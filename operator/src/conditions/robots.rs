//! What we ship for other controllers (`examples/remediation`) acts on what is proven, and on nothing else.

use super::NodeCondition;
use meantime_core::conditions::ConditionKind;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

fn read(path: &Path) -> Value {
    serde_yaml::from_str(&fs::read_to_string(path).unwrap())
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn are_given_what_is_proven() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files: Vec<PathBuf> =
        fs::read_dir(top.join("examples/remediation")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 4, "{files:?}");
    let chart = read(&top.join("charts/meantime/values.yaml"));
    let faulty = NodeCondition::ClockFaulty.node_type();
    for path in &files {
        let (object, name) = (read(path), path.display());
        let spec = &object["spec"];
        match object["kind"].as_str().unwrap() {
            // Only the gate, which looks once, may ask for TimeSynchronized. What looks always sees Unknown as trouble, on a
            // whole fleet at once: nothing but a preference of the scheduler may hang on that.
            "NodeReadinessRule" => {
                let gate = spec["enforcementMode"] == "bootstrap-only";
                let wanted = if gate {
                    let kind = NodeCondition::Agents(ConditionKind::TimeSynchronized).node_type();
                    json!([{"type": kind, "requiredStatus": "True"}])
                } else {
                    json!([{"type": faulty, "requiredStatus": "False", "defaultStatus": "False"}])
                };
                assert_eq!(spec["conditions"], wanted, "{name}");
                let effect = if gate { "NoSchedule" } else { "PreferNoSchedule" };
                assert_eq!(spec["taint"]["effect"], effect, "{name}");
                if gate {
                    let key = &spec["taint"]["key"];
                    let ours = chart["operator"]["tolerations"].as_array().unwrap();
                    assert!(
                        ours.iter().any(|one| one["key"] == *key),
                        "{name} keeps our operator out: {key}"
                    );
                }
            }
            "NodeHealthCheck" => {
                let wanted = json!([{"type": faulty, "status": "True", "duration": "10m"}]);
                assert_eq!(spec["unhealthyConditions"], wanted, "{name}");
                assert_eq!(spec["maxUnhealthy"], 1, "{name}");
                assert!(
                    !spec["pauseRequests"].as_array().unwrap().is_empty(),
                    "{name} acts when it is applied"
                );
            }
            "MachineHealthCheck" => {
                let wanted = json!([{"type": faulty, "status": "True", "timeoutSeconds": 600}]);
                assert_eq!(spec["checks"]["unhealthyNodeConditions"], wanted, "{name}");
                assert_eq!(spec["remediation"]["triggerIf"]["unhealthyLessThanOrEqualTo"], 1, "{name}");
            }
            kind => panic!("{name}: nobody has thought about a {kind}"),
        }
    }
}
