//! The generated schemas against the rules of this crate: documented, bounded, structural, small, and the files in
//! git are what the types say.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use meantime_crds::schema;
use serde_json::Value;
use std::path::Path;

/// Above this, client-side apply can't store its annotation.
const LARGEST: usize = 262_144;

fn schemas() -> Vec<(String, Value)> {
    let definitions = schema::definitions().unwrap();
    let root = |definition: &CustomResourceDefinition| {
        let version = &definition.spec.versions[0];
        serde_json::to_value(version.schema.as_ref().unwrap().open_api_v3_schema.as_ref().unwrap()).unwrap()
    };
    definitions.iter().map(|definition| (definition.spec.names.kind.clone(), root(definition))).collect()
}

/// Our bounds and examples are far below 2^53.
#[expect(clippy::cast_precision_loss, reason = "see above")]
fn as_float(number: i64) -> f64 {
    number as f64
}

/// Calls `check` on every schema below `schema`, with its path; items and values of maps have `[]` and `{}`.
fn walk(path: &str, schema: &Value, check: &mut dyn FnMut(&str, &Value)) {
    check(path, schema);
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        walk(&format!("{path}.{name}"), property, check);
    }
    for (key, mark) in [("items", "[]"), ("additionalProperties", "{}")] {
        if let Some(inner) = schema.get(key) {
            walk(&format!("{path}{mark}"), inner, check);
        }
    }
}

fn refuse(fault: impl Fn(&str, &Value) -> Option<String>) {
    let mut faults = Vec::new();
    for (kind, schema) in schemas() {
        walk(&kind, &schema, &mut |path, schema| {
            faults.extend(fault(path, schema).map(|fault| format!("{path}: {fault}")));
        });
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// A field: not the root, not spec and status themselves, not the items of a list.
fn is_field(path: &str) -> bool {
    path.matches('.').count() >= 2 && !path.ends_with("[]") && !path.ends_with("{}")
}

#[test]
fn every_field_tells_what_it_is_with_an_example() {
    refuse(|path, schema| {
        let text = schema["description"].as_str().unwrap_or_default();
        (is_field(path) && !(text.len() > 30 && text.contains("Example: ")))
            .then(|| format!("{text:?} is too little"))
    });
}

#[test]
fn examples_of_plain_fields_are_valid() {
    refuse(|path, schema| {
        let kind = schema["type"].as_str()?;
        if !is_field(path) || !matches!(kind, "integer" | "boolean" | "string") {
            return None;
        }
        let text = schema["description"].as_str()?.rsplit("Example: ").next()?;
        let Ok(example) = serde_json::from_str::<Value>(text) else {
            return Some(format!("{text} is not JSON"));
        };
        let fits = match kind {
            "integer" => example.as_i64().is_some_and(|number| {
                let above = schema["minimum"].as_f64().is_none_or(|minimum| as_float(number) >= minimum);
                above && schema["maximum"].as_f64().is_none_or(|maximum| as_float(number) <= maximum)
            }),
            "boolean" => example.is_boolean(),
            _ => example.as_str().is_some_and(|text| {
                let listed = schema["enum"].as_array().is_none_or(|words| words.contains(&example));
                let short =
                    schema["maxLength"].as_u64().is_none_or(|most| text.chars().count() as u64 <= most);
                listed && short && schema["minLength"].as_u64().is_none_or(|least| text.len() as u64 >= least)
            }),
        };
        (!fits).then(|| format!("{text} does not fit its own field"))
    });
}

#[test]
fn everything_is_bounded_and_plain() {
    refuse(|_, schema| {
        let has = |key: &str| schema.get(key).is_some();
        let fault = match schema["type"].as_str() {
            Some("string") if !has("enum") && !has("maxLength") && schema["format"] != "date-time" => {
                "no maxLength"
            }
            Some("array") if !has("maxItems") => "no maxItems",
            Some("array") if !has("x-kubernetes-list-type") => "no list type",
            Some("object") if has("additionalProperties") && !has("maxProperties") => "no maxProperties",
            Some("object") if !has("properties") && !has("additionalProperties") => "unknown content",
            Some("integer") if schema["format"] != "int32" && schema["format"] != "int64" => {
                "not int32 or int64"
            }
            Some("integer")
                if schema["format"] == "int32" && !(has("minimum") && has("maximum") || has("minimum")) =>
            {
                "no bounds"
            }
            Some("string" | "array" | "object" | "integer" | "boolean") => [
                "default",
                "nullable",
                "oneOf",
                "anyOf",
                "allOf",
                "not",
                "x-kubernetes-preserve-unknown-fields",
            ]
            .into_iter()
            .find(|key| has(key))?,
            Some(_) | None => "not a plain type",
        };
        Some(fault.to_owned())
    });
}

/// A CRD that is older than an agent must take that agent's words: one that it refuses costs the whole status. The three
/// words of a condition's status are Kubernetes' own and stay.
#[test]
fn a_status_of_an_agent_has_no_closed_lists_of_words() {
    refuse(|path, schema| {
        let closed = path.starts_with("NodeTime.status") && schema.get("enum").is_some();
        (closed && path != "NodeTime.status.conditions[].status")
            .then(|| "an older CRD would refuse a newer agent's word".to_owned())
    });
}

/// Server-side apply of `{}` over fields leaves null behind, which the API server then refuses: tried.
#[test]
fn objects_that_may_be_empty_are_atomic() {
    refuse(|path, schema| {
        let may_be_empty = schema["type"] == "object" && schema.get("required").is_none();
        let declared = path.contains(".spec.") && schema.get("properties").is_some();
        (declared && may_be_empty && schema["x-kubernetes-map-type"] != "atomic")
            .then(|| "can not be emptied by server-side apply".to_owned())
    });
}

#[test]
fn every_rule_says_what_to_do() {
    refuse(|_, schema| {
        let rules = schema["x-kubernetes-validations"].as_array()?;
        let poor =
            rules.iter().find(|rule| rule["message"].as_str().is_none_or(|message| message.len() < 20))?;
        Some(format!("a rule without a message: {poor}"))
    });
}

#[test]
fn the_files_in_git_are_what_the_types_say() {
    for definition in schema::definitions().unwrap() {
        let name = format!("{}.yaml", definition.spec.names.plural);
        let text = schema::yaml(&definition).unwrap();
        println!("{name}: {} bytes", text.len());
        assert!(text.len() * 4 < LARGEST, "{name} has {} bytes: keep far below {LARGEST}", text.len());
        let stored =
            std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(&name)).unwrap_or_default();
        assert!(stored == text, "{name} is not what the types say; run: make crds");
        let parsed: CustomResourceDefinition = serde_yaml::from_str(&text).unwrap();
        assert_eq!(serde_json::to_value(parsed).unwrap(), serde_json::to_value(definition).unwrap());
    }
}

#[test]
fn kinds_have_short_names_and_the_category() {
    let names: Vec<String> = schema::definitions()
        .unwrap()
        .iter()
        .map(|definition| {
            let names = &definition.spec.names;
            assert_eq!(names.categories, Some(vec![meantime_core::names::CATEGORY.to_owned()]));
            assert_eq!(definition.spec.scope, "Cluster");
            assert_eq!(definition.spec.group, meantime_core::names::GROUP);
            assert_eq!(definition.spec.versions[0].name, meantime_core::names::VERSION);
            names.short_names.clone().unwrap().join(",")
        })
        .collect();
    assert_eq!(names, ["tsrc", "tsp", "nt", "tinc"]);
}

#[test]
fn nodetimes_print_the_columns_of_the_design() {
    let definitions = schema::definitions().unwrap();
    let columns = definitions[2].spec.versions[0].additional_printer_columns.as_ref().unwrap();
    let shown = columns.iter().filter(|column| column.priority.unwrap_or_default() == 0);
    let names: Vec<&str> = shown.map(|column| column.name.as_str()).collect();
    let design = ["Policy", "Synced", "Offset", "Bound", "Source", "Tier", "Voters", "Reason", "Seen", "Age"];
    assert_eq!(names, design);
}
