//! The fuzz targets' checks of the configuration readers over committed texts and seeded mutations of them.
#![allow(clippy::expect_used, reason = "shared with the fuzz crate; in a test a panic is the message")]

#[path = "../../node-agent/fuzz/src/conf.rs"]
mod conf;
#[path = "../../node-agent/fuzz/src/seeded.rs"]
mod seeded;

#[test]
fn committed_texts_are_what_their_names_say() {
    for (name, text) in seeded::corpus("conf_main") {
        assert_eq!(conf::check_main(&text).is_some(), name.starts_with("good"), "{name}");
    }
    for (name, text) in seeded::corpus("conf_sources") {
        assert_eq!(conf::check_sources(&text).is_some(), name.starts_with("good"), "{name}");
    }
}

#[test]
fn mutated_texts_never_panic_and_never_ride_along() {
    assert!(seeded::run("conf_main", 4_000, conf::check_main) > 10_000);
    assert!(seeded::run("conf_sources", 4_000, conf::check_sources) > 10_000);
}
