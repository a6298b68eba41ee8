//! Documents that can go wrong are tested: links lead somewhere, every reason has a page, the two walks of
//! ARCHITECTURE are short, examples are what they say.

use meantime_core::conditions::{ConditionKind, Reason};
use meantime_operator::conditions::NodeCondition;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn tracked(ending: &str) -> Vec<PathBuf> {
    let output = Command::new("git").args(["ls-files"]).current_dir(top()).output().unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .filter(|name| name.ends_with(ending))
        .map(|name| top().join(name))
        .filter(|path| path.exists())
        .collect()
}

/// Targets of `[text](target)` outside of code fences.
fn links(text: &str) -> Vec<String> {
    let mut fenced = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        let mut rest = line;
        while let Some(at) = rest.find("](") {
            rest = &rest[at + 2..];
            if let Some(end) = rest.find(')') {
                found.push(rest[..end].to_owned());
            }
        }
    }
    found
}

#[test]
fn every_relative_link_leads_to_a_file() {
    let mut checked = 0;
    let mut broken = Vec::new();
    for page in tracked(".md") {
        let text = fs::read_to_string(&page).unwrap();
        for link in links(&text) {
            let path = link.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains("://") {
                continue;
            }
            checked += 1;
            if !page.parent().unwrap().join(path).exists() {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(checked > 10, "only {checked} links found: the search is broken");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_reason_and_condition_is_explained() {
    let page = fs::read_to_string(top().join("docs/conditions.md")).unwrap();
    for reason in Reason::ALL {
        assert!(
            page.contains(&format!("### {}\n", reason.as_str())),
            "docs/conditions.md has no ### {}",
            reason.as_str()
        );
    }
    for kind in ConditionKind::ALL {
        assert!(
            page.contains(&format!("| {} |", kind.name())),
            "docs/conditions.md has no row {}",
            kind.name()
        );
    }
}

#[test]
fn each_walk_of_the_architecture_takes_fewer_than_ten_files() {
    let page = fs::read_to_string(top().join("ARCHITECTURE.md")).unwrap();
    let walks: Vec<&str> = page.split("\n## ").filter(|part| part.starts_with("Walk")).collect();
    assert_eq!(walks.len(), 2, "ARCHITECTURE.md has one walk down and one walk up");
    for walk in walks {
        let files: BTreeSet<String> = links(walk)
            .into_iter()
            .filter(|link| Path::new(link).extension().is_some_and(|ending| ending == "rs"))
            .collect();
        assert!((4..10).contains(&files.len()), "{} files: {files:?}", files.len());
    }
}

/// The one object of a file of examples/remediation.
fn robot(path: &Path) -> Value {
    serde_yaml::from_str(&fs::read_to_string(path).unwrap())
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn robots_are_given_what_is_proven() {
    let files: Vec<PathBuf> =
        tracked(".yaml").into_iter().filter(|path| path.parent().unwrap().ends_with("remediation")).collect();
    assert!(files.len() >= 4, "{files:?}");
    let chart = fs::read_to_string(top().join("charts/meantime/values.yaml")).unwrap();
    let chart: Value = serde_yaml::from_str(&chart).unwrap();
    let faulty = NodeCondition::ClockFaulty.node_type();
    for path in &files {
        let (object, name) = (robot(path), path.display());
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
