//! Figures of `make bench`: what our parts cost, beside what users have now.
//!
//! **In:** real parts – a `chronyd -x`, an API server, the release build of the agent. **Out:** rows for a table and
//! for `target/figures/bench.jsonl`. **Never** an assertion on time: a missed aim is said, the exit code is the same.
//! This machine may be busy with other things, so everything is a median beside its spread, what is compared is
//! measured in turns, and a figure that looks disturbed is measured again.
//!
//! - [`candm`]: our client of chronyd's command socket against `chronyc`
//! - [`agent`]: memory and CPU of a settled agent
//! - [`plan`]: planning a large cluster
//! - [`spread`]: medians, quartiles, repetition
//! - [`failover`]: our agent against chrony alone, when sources die or lie (`make bench-failover`)

pub mod agent;
pub mod candm;
pub mod failover;
pub mod plan;
pub mod spread;

use crate::apiserver::{ApiServer, ApiServerError};
use crate::figures::Figure;
use crate::size;
use std::fmt::{self, Write as _};

/// Whatever stops a measurement; it is printed, and the other groups of figures go on.
pub type Error = Box<dyn std::error::Error>;

/// What a figure should be.
#[derive(Clone, Copy, Debug)]
pub enum Aim {
    /// This much or more.
    AtLeast(f64),
    /// This much or less.
    AtMost(f64),
    /// Only beside others.
    None,
}

impl Aim {
    fn met(self, value: f64) -> Option<bool> {
        match self {
            Self::AtLeast(least) => Some(value >= least),
            Self::AtMost(most) => Some(value <= most),
            Self::None => None,
        }
    }
}

impl fmt::Display for Aim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(least) => f.pad(&format!(">= {least}")),
            Self::AtMost(most) => f.pad(&format!("<= {most}")),
            Self::None => f.pad("-"),
        }
    }
}

/// One figure with its aim.
#[derive(Clone, Debug)]
pub struct Row {
    /// What is written.
    pub figure: Figure,
    /// What it should be.
    pub aim: Aim,
}

impl Row {
    /// `how` says against what and how it was measured; aim and load are put before it.
    pub fn new(figure: &str, value: f64, unit: &'static str, runs: usize, aim: Aim, how: &str) -> Self {
        let aimed = if matches!(aim, Aim::None) { String::new() } else { format!("aim {aim}; ") };
        let against = format!("{aimed}{how}; load average {}", load());
        let runs = u64::try_from(runs).unwrap_or(u64::MAX);
        Self { figure: Figure { figure: figure.to_owned(), value, unit, runs, against }, aim }
    }
}

/// The table, and below it how each figure was measured.
pub fn table(rows: &[Row]) -> String {
    let mut text = format!("{:<34} {:>9} {:<11} {:<9}\n", "figure", "value", "unit", "aim");
    for Row { figure, aim } in rows {
        let met = match aim.met(figure.value) {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "",
        };
        let value = format!("{:.2}", figure.value);
        let line = format!("{:<34} {value:>9} {:<11} {aim:<9} {met}", figure.figure, figure.unit);
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text.push_str("\nhow:\n");
    for Row { figure, .. } in rows {
        let _ = writeln!(text, "  {}: {} ({} runs)", figure.figure, figure.against, figure.runs);
    }
    text
}

/// Load averages over 1, 5 and 15 minutes, as the kernel prints them.
pub fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

/// `nodetime_bytes_4` and `nodetime_bytes_12`: the same code as the api layer's test of them.
pub async fn sizes(server: &ApiServer) -> Result<Vec<Row>, ApiServerError> {
    let mut rows = Vec::new();
    for (sources, most) in [(4, 6_000.0), (12, 10_000.0)] {
        let object = size::node_time(&format!("size-{sources}"), sources);
        let bytes = size::stored_bytes(server, &object).await?;
        #[expect(clippy::cast_precision_loss, reason = "kilobytes")]
        let whole = bytes.whole as f64;
        let how = format!(
            "{sources} associations, every field written, as JSON from a real API server: spec {}, status {}, \
             metadata and managedFields the rest",
            bytes.spec, bytes.status
        );
        rows.push(Row::new(&format!("nodetime_bytes_{sources}"), whole, "bytes", 1, Aim::AtMost(most), &how));
    }
    Ok(rows)
}
