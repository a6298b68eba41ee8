//! The fuzz target's check over committed packets and seeded mutations of them.
#![allow(clippy::expect_used, reason = "shared with the fuzz crate; in a test a panic is the message")]

#[path = "../../fuzz/src/ntp.rs"]
mod ntp;
#[path = "../../fuzz/src/seeded.rs"]
mod seeded;

#[test]
fn committed_packets_are_what_their_names_say() {
    for (name, packet) in seeded::corpus("ntp_packet") {
        assert_eq!(ntp::check(&packet).is_some(), name.starts_with("answer"), "{name}");
    }
}

#[test]
fn mutated_packets_never_panic() {
    assert!(seeded::run("ntp_packet", 4_000, ntp::check) > 20_000);
}
