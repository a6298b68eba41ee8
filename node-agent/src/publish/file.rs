//! Plan and status as files: for process tests and for machines without Kubernetes.

use super::{Ask, Incoming, Link, Writer};
use crate::clock;
use crate::files;
use meantime_core::ledger::Origin;
use meantime_core::units::Nanos;
use meantime_crds::nodetime::NodeTime;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tracing::warn;

/// How often the plan file is read. It is small.
const EVERY: Duration = Duration::from_millis(200);

/// Runs until the engine is gone.
pub async fn run(node: &str, plan: Option<PathBuf>, status: Option<PathBuf>, mut link: Link) {
    let mut writer = Writer::new(node, link.counters.clone());
    let mut last = None;
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        let origin = tokio::select! {
            _ = ticks.tick() => Origin::Watch,
            ask = link.asks.recv() => match ask {
                Some(Ask::Quorum) => { last = None; Origin::QuorumGet }
                Some(Ask::Rebuild) => continue,
                None => return,
            },
        };
        if let Some(path) = &plan
            && let Ok(text) = std::fs::read_to_string(path)
            && last.as_ref() != Some(&text)
        {
            match serde_json::from_str::<NodeTime>(&text) {
                Ok(object) => {
                    if link.incoming.send(Incoming::Seen(Box::new(object), origin)).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    warn!(%error, file = %path.display(), "the plan file is no NodeTime; it is left out");
                }
            }
            last = Some(text);
        }
        let report = link.reports.borrow_and_update().clone();
        if let (Some(path), Some(report)) = (&status, report) {
            let now = clock::boottime();
            if let Ok(due) = writer.next(&report, now) {
                if write(path, &due.status) {
                    writer.written(due, now);
                } else {
                    writer.failed(now);
                }
            }
        }
    }
}

fn write(path: &Path, status: &meantime_crds::nodetime::NodeTimeStatus) -> bool {
    let text = serde_json::to_string_pretty(status).map_err(|error| error.to_string());
    match text.and_then(|text| files::replace(path, &text).map_err(|error| error.to_string())) {
        Ok(()) => true,
        Err(error) => {
            warn!(error, "the status file was not written");
            false
        }
    }
}

/// Waiting time as tokio wants it, never so long that a timer overflows.
pub(super) fn wait(span: Nanos) -> Duration {
    clock::span(span).min(Duration::from_hours(1))
}
