//! The demo's scenes, on the test cluster. In `make test-long` it goes on sampling ground truth afterwards, until there
//! are a thousand samples (`MEANTIME_TRUTH_SAMPLES`): below that it is void as a figure.

use std::process::Command;

#[test]
fn every_scene_is_told_as_expected() {
    let status = Command::new(env!("CARGO_BIN_EXE_meantime-demo"))
        .args(["--figures", concat!(env!("CARGO_MANIFEST_DIR"), "/../target/figures/test-kind.jsonl")])
        .args(["--samples", &std::env::var("MEANTIME_TRUTH_SAMPLES").unwrap_or_else(|_| "0".into())])
        .status()
        .expect("meantime-demo starts");
    assert!(status.success(), "a scene differs: see the table above");
}
