//! Documents that can go wrong are tested: links lead somewhere, every reason has a page, the two walks of
//! ARCHITECTURE are short, examples are what they say.

use meantime_core::conditions::{ConditionKind, Reason};
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
