//! Measured figures, as JSON lines for whoever compares runs.
//!
//! **In:** figures of one door (demo, bench). **Out:** `target/figures/<door>.jsonl`, one object a line, appended.
//! **Never** judges: a figure is no assertion.

use serde_json::json;
use std::io::Write as _;
use std::path::Path;

/// One figure.
#[derive(Clone, Debug)]
pub struct Figure {
    /// Its id.
    pub figure: String,
    /// Its value.
    pub value: f64,
    /// Its unit.
    pub unit: &'static str,
    /// Over how many runs or samples.
    pub runs: u64,
    /// What it is held against.
    pub against: String,
}

/// Appends figures to `file`, one JSON object a line.
pub fn append(figures: &[Figure], file: &Path, commit: &str) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut out = std::fs::OpenOptions::new().create(true).append(true).open(file)?;
    for figure in figures {
        let line = json!({
            "figure": figure.figure, "value": (figure.value * 1e3).round() / 1e3, "unit": figure.unit,
            "runs": figure.runs, "against": figure.against, "commit": commit,
        });
        writeln!(out, "{line}")?;
    }
    Ok(())
}
