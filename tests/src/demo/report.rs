//! The table for people, and the figures for whoever compares runs.

use super::play::Outcome;
use super::truth::Sampler;
use crate::figures::Figure;
use std::fmt::Write as _;

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
            "     {}   fault → told {} s, heal → clear {} s{}",
            if outcome.passed { "ok    " } else { "DIFFERS" },
            seconds(outcome.told_s),
            seconds(outcome.healed_s),
            outcome.recovered_s.map(|span| format!(", incident recovered {span:.1} s")).unwrap_or_default()
        );
    }
    text
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
