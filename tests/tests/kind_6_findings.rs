//! Each word that all nodes together can find and that a cluster of containers can be given, with real packets: one incident
//! each, and no other. In `make test-long`.

use std::process::Command;

#[test]
fn every_finding_is_told_as_one_incident() {
    let status = Command::new(env!("CARGO_BIN_EXE_meantime-demo"))
        .args([
            "--further",
            "--figures",
            concat!(env!("CARGO_MANIFEST_DIR"), "/../target/figures/test-findings.jsonl"),
        ])
        .status()
        .expect("meantime-demo starts");
    assert!(status.success(), "a scene differs: see the table above");
}
