//! What `meantime_core::conf` writes, read by real chronyd: 4.0 (bullseye), 4.3 (bookworm), 4.6.1 (trixie), 4.9 (sid).
//!
//! Each version parses the whole main file with everything switched on and every kind of source line, word for word;
//! then runs `-x` on a planned main text, takes the planned sources by reload, and tells by its own reports which
//! sources, polls and roles it understood. Only sid may be skipped (its archive moves), and says so.

use meantime_candm::request::SelectOptions;
use meantime_candm::{Reply, Request};
use meantime_core::chrony::ChronyVersion;
use meantime_core::conf::{
    ConfPath, Kind, Local, MAKE_STEP, MEASURING, Main, SourceLine, Sources, UserName, compose,
};
use meantime_core::policy::Mode;
use meantime_core::snapshot::Role;
use meantime_core::source::PollRange;
use meantime_core::tolerances::Preset;
use meantime_core::validate::Address;
use meantime_tests::chronyd::{ChronyRoot, Chronyd};
use rstest::rstest;
use std::fs;
use std::io::Write as _;
use std::path::Path;

/// Past libtest's capture: these lines are the record of what ran.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[rstest]
#[case::v4_0("bullseye")]
#[case::v4_3("bookworm")]
#[case::v4_6_1("trixie")]
#[case::v4_9("sid")]
fn conf(#[case] suite: &str) {
    let root = match ChronyRoot::of_suite(suite) {
        Ok(root) => root,
        Err(why) if suite == "sid" => return say(&format!("conf sid: SKIPPED, it could not be had: {why}")),
        Err(why) => panic!("{suite} must run: {why}"),
    };
    let folder = tempfile::tempdir().unwrap();
    main_file(&root, folder.path());
    interval_needs_4_7(&root, folder.path());
    source_lines(&root, folder.path());
    live(&root);
    say(&format!("conf {}: parsed and run", root.version()));
}

fn local(folder: &Path) -> Local {
    let path = |name: &str| ConfPath::new(folder.join(name).to_str().unwrap()).unwrap();
    Local {
        drift_file: path("drift"),
        dump_dir: path("dumps"),
        pid_file: path("pid"),
        command_socket: path("chronyd.sock"),
        source_dir: path("sources"),
        user: Some(UserName::new("root").unwrap()),
        acquisition: vec!["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()],
        test_server: None,
    }
}

/// What chronyd says it read, without comments and empty lines.
fn parsed(root: &ChronyRoot, folder: &Path, text: &str) -> Result<Vec<String>, String> {
    let file = folder.join("parsed.conf");
    fs::write(&file, text).unwrap();
    let printed = root.parse(&file).map_err(|error| error.to_string())?;
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    Ok(printed.lines().map(words).filter(|line| !line.is_empty() && !line.starts_with('#')).collect())
}

fn directives(text: &str) -> Vec<String> {
    text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

fn main_file(root: &ChronyRoot, folder: &Path) {
    let mut local = local(folder);
    fs::create_dir_all(folder.join("sources")).unwrap();
    let everything = Main::for_policy(Mode::Managed, &Preset::Kubernetes.tolerances(), 4);
    assert_eq!(everything.make_step, Some(MAKE_STEP));
    for test_server in [None, Some("127.0.0.1:11123".parse().unwrap()), Some("[::1]:11123".parse().unwrap())]
    {
        local.test_server = test_server;
        let text = compose(&local, &everything, root.version()) + MEASURING;
        assert_eq!(parsed(root, folder, &text).unwrap(), directives(&text));
    }
}

/// The reason for `compose`'s version: what 4.9 gets would keep an older one from starting at all.
fn interval_needs_4_7(root: &ChronyRoot, folder: &Path) {
    let main = Main::for_policy(Mode::Observe, &Preset::Kubernetes.tolerances(), 1);
    let text = compose(&local(folder), &main, ChronyVersion::new(4, 7, 0));
    let taken = parsed(root, folder, &text);
    assert_eq!(taken.is_ok(), root.version() >= ChronyVersion::new(4, 7, 0), "{taken:?}");
}

fn line(address: &str, polls: (i8, i8), role: Role) -> SourceLine {
    let address = Address::parse(address).unwrap();
    let polls = PollRange { min: polls.0, max: polls.1 };
    SourceLine { kind: Kind::Server, address, port: 123, polls, iburst: false, role }
}

fn source_lines(root: &ChronyRoot, folder: &Path) {
    let pool = |address, max_sources| SourceLine {
        kind: Kind::Pool { max_sources },
        iburst: true,
        ..line(address, (6, 10), Role::Voter)
    };
    let sources = Sources(vec![
        line("127.0.0.1", (-4, 17), Role::Driver),
        SourceLine { port: 1, iburst: true, ..line("2001:db8::1", (6, 10), Role::Driver) },
        SourceLine { port: 65_535, ..line("time.invalid", (0, 0), Role::Witness) },
        line("time.absolute.invalid.", (17, 17), Role::Voter),
        pool("pool.invalid", 1),
        SourceLine { port: 11_123, ..pool("other.pool.invalid", 7) },
    ]);
    let text = sources.render();
    assert_eq!(Sources::read(&text).as_ref(), Ok(&sources));
    assert_eq!(parsed(root, folder, &text).unwrap(), directives(&text));
}

/// chronyd's own reports of what a planned text made of it.
fn live(root: &ChronyRoot) {
    let main = Main::for_policy(Mode::Observe, &Preset::Kubernetes.tolerances(), 4);
    let daemon = Chronyd::start(root, &main.render()).unwrap();
    let mut client = daemon.client().unwrap();
    let here = |last| format!("127.43.{}.{last}", root.version().minor);
    let sources = Sources(vec![
        line(&here(1), (4, 6), Role::Driver),
        line(&here(2), (6, 10), Role::Voter),
        line(&here(3), (2, 2), Role::Witness),
        SourceLine { port: 9, ..line("::1", (3, 17), Role::Driver) },
    ]);
    fs::write(daemon.folder().join("sources/meantime.sources"), sources.render()).unwrap();
    client.ask(&Request::ReloadSources).unwrap();
    let mut understood = Vec::new();
    for index in 0..4 {
        let Reply::Select(select) = client.ask(&Request::SelectData(index)).unwrap() else {
            panic!("SELECT_DATA of {index}")
        };
        let Reply::Source(source) = client.ask(&Request::SourceData(index)).unwrap() else {
            panic!("SOURCE_DATA of {index}")
        };
        let role = match select.configured {
            SelectOptions::PREFER => Role::Driver,
            SelectOptions::NONE => Role::Voter,
            SelectOptions::NOSELECT => Role::Witness,
            other => panic!("{other:?}"),
        };
        understood.push((select.address.to_string(), source.poll, role));
    }
    let meant = sources.0.iter().map(|line| (line.address.to_string(), line.polls.min, line.role));
    assert_eq!(understood, meant.collect::<Vec<_>>());
    assert!(client.ask(&Request::SourceData(4)).is_err(), "there is no fifth");
}
