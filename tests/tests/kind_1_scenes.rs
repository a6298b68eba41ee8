//! The demo's scenes, on the test cluster.

use std::process::Command;

#[test]
fn every_scene_is_told_as_expected() {
    let status = Command::new(env!("CARGO_BIN_EXE_meantime-demo"))
        .args(["--figures", concat!(env!("CARGO_MANIFEST_DIR"), "/../target/figures/test-kind.jsonl")])
        // Ground truth is void as a figure below a thousand samples.
        .args(["--samples", "1000"])
        .status()
        .expect("meantime-demo starts");
    assert!(status.success(), "a scene differs: see the table above");
}
