//! The fuzz target's check over recorded answers of chronyd 4.0, 4.3, 4.6.1 and 4.9, and over seeded mutations of them.
#![allow(
    clippy::expect_used,
    dead_code,
    reason = "shared with the fuzz crate; in a test a panic is the message"
)]

#[path = "../../fuzz/src/candm.rs"]
mod candm;
#[path = "../../fuzz/src/seeded.rs"]
mod seeded;

use meantime_candm::Reply;

#[test]
fn recorded_answers_are_read() {
    let mut versions = std::collections::BTreeSet::new();
    for (name, answer) in seeded::corpus("candm_reply") {
        let (version, what) = name.split_once('-').expect("version-report");
        versions.insert(version.to_owned());
        let reply = candm::check(&answer);
        let read = match what {
            "tracking" => matches!(reply, Some(Reply::Tracking(_))),
            "source-count" => matches!(reply, Some(Reply::SourceCount(6))),
            "source-data" => matches!(reply, Some(Reply::Source(_))),
            "source-stats" => matches!(reply, Some(Reply::Stats(_))),
            "select-data" => matches!(reply, Some(Reply::Select(_))),
            "ntp-data" | "ntp-data-v6" => matches!(&reply, Some(Reply::Ntp(data)) if data.packet().is_some()),
            "ntp-data-silent" => matches!(&reply, Some(Reply::Ntp(data)) if data.packet().is_none()),
            "source-name" => matches!(&reply, Some(Reply::Name(name)) if name.starts_with("127.40.")),
            "auth-data" => matches!(&reply, Some(Reply::Auth(data)) if data.key_id == 7),
            "activity" => matches!(&reply, Some(Reply::Activity(counts)) if counts.online > 0),
            "server-stats" => matches!(&reply, Some(Reply::Server(stats)) if stats.ntp_hits > 0),
            "done" => reply == Some(Reply::Done),
            "refused" => reply.is_none(),
            other => panic!("what is {other}?"),
        };
        assert!(read, "{name}: {reply:?}");
    }
    assert_eq!(versions.into_iter().collect::<Vec<_>>(), ["4.0", "4.3", "4.6.1", "4.9"]);
}

#[test]
fn mutated_answers_never_panic() {
    assert!(seeded::run("candm_reply", 400, candm::check) > 20_000);
}
