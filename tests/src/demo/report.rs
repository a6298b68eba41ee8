//! The table for people, and the figures as JSON lines for whoever compares runs.

use super::play::Outcome;
use super::truth::Sampler;
use serde_json::json;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

/// The table.
pub fn table(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    for outcome in outcomes {
        let seconds =
            |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.1}"));
        let _ = writeln!(text, "{}  {}", outcome.id, outcome.title);
        let _ = writeln!(text, "     expected  {}", outcome.expected);
        let _ = writeln!(text, "     seen      {}", outcome.seen);
        let _ = writeln!(
            text,
            "     {}   fault → told {} s, heal → clear {} s",
            if outcome.passed { "ok    " } else { "DIFFERS" },
            seconds(outcome.told_s),
            seconds(outcome.healed_s)
        );
    }
    text
}

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

/// The figures of one demo run; `poll_s` is the lab's poll interval.
pub fn figures(outcomes: &[Outcome], sampler: &Sampler, poll_s: f64) -> Vec<Figure> {
    let mut figures = Vec::new();
    for outcome in outcomes {
        if let (true, Some(told)) = (outcome.passed, outcome.told_s) {
            figures.push(Figure {
                figure: format!("told_{}_s", outcome.id),
                value: told,
                unit: "s",
                runs: 1,
                against: "seen through the API, looked at every 0.2 s".into(),
            });
            if matches!(outcome.id, "b" | "c" | "d") {
                figures.push(Figure {
                    figure: format!("told_{}_polls", outcome.id),
                    value: told / poll_s,
                    unit: "polls",
                    runs: 1,
                    against: "4 polls + 2 s".into(),
                });
            }
        }
    }
    if let Some(coverage) = sampler.coverage_percent() {
        figures.push(Figure {
            figure: "coverage_percent".into(),
            value: coverage,
            unit: "%",
            runs: sampler.samples,
            against: "the lab's injected error".into(),
        });
        #[expect(clippy::cast_precision_loss, reason = "node-seconds of one run")]
        figures.push(Figure {
            figure: "true_while_wrong_s".into(),
            value: sampler.true_while_wrong as f64,
            unit: "s",
            runs: sampler.wrong,
            against: "the lab's injected error".into(),
        });
    }
    figures
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
