use super::*;
use crate::chrony::ChronyVersion;
use crate::policy::Mode;
use crate::snapshot::Role;
use crate::source::PollRange;
use crate::tolerances::Preset;
use crate::units::{Nanos, Ppb};
use crate::validate::{Address, MAX_POLL, MIN_POLL};
use proptest::prelude::*;
use rstest::rstest;

const MAIN: &str = "port 0\ncmdport 0\nminsources 2\nmaxupdateskew 100\nlogchange 0.1\n";

fn local() -> Local {
    let path = |path| ConfPath::new(path).unwrap();
    Local {
        drift_file: path("/var/lib/meantime/drift"),
        dump_dir: path("/var/lib/meantime/dumps"),
        pid_file: path("/run/meantime/chronyd.pid"),
        command_socket: path("/run/meantime/chronyd.sock"),
        source_dir: path("/run/meantime/sources"),
        user: None,
        acquisition: Vec::new(),
        test_server: None,
    }
}

fn managed() -> Main {
    Main::for_policy(Mode::Managed, &Preset::Kubernetes.tolerances(), 4)
}

#[test]
fn an_observed_node_is_neither_stepped_nor_its_rtc_set() {
    let main = Main::for_policy(Mode::Observe, &Preset::Kubernetes.tolerances(), 4);
    assert_eq!(main.render(), MAIN);
}

#[test]
fn a_managed_node_may_be_stepped_at_boot_only_where_the_policy_allows_it() {
    assert_eq!(managed().render(), format!("{MAIN}rtcsync\nmakestep 1 3\n"));
    let mut tolerances = Preset::Kubernetes.tolerances();
    tolerances.step_at_boot = false;
    assert_eq!(Main::for_policy(Mode::Managed, &tolerances, 4).render(), format!("{MAIN}rtcsync\n"));
}

#[rstest]
#[case(0, 1)]
#[case(1, 1)]
#[case(2, 1)]
#[case(3, 2)]
#[case(12, 2)]
fn minsources_leaves_room_for_losses(#[case] roots: usize, #[case] min_sources: u8) {
    let strict = Preset::Finance.tolerances();
    assert_eq!(Main::for_policy(Mode::Observe, &strict, roots).min_sources, min_sources);
}

#[rstest]
#[case::unknown("allow 0.0.0.0/0", ReadFault::Unknown)]
#[case::include("include /etc/passwd", ReadFault::Unknown)]
#[case::comment("# rtcsync", ReadFault::Unknown)]
#[case::empty("", ReadFault::Unknown)]
#[case::serves("port 123", ReadFault::Unknown)]
#[case::udp_commands("cmdport 323", ReadFault::Unknown)]
#[case::case_matters("RTCSYNC", ReadFault::Unknown)]
#[case::unlimited_steps("makestep 1 -1", ReadFault::Value { word: "makestep" })]
#[case::many_steps("makestep 1 11", ReadFault::Value { word: "makestep" })]
#[case::zero_step("makestep 0 3", ReadFault::Value { word: "makestep" })]
#[case::no_sources("minsources 0", ReadFault::Value { word: "minsources" })]
#[case::unit("logchange 100us", ReadFault::Value { word: "logchange" })]
#[case::double("cmdport 0", ReadFault::NotCanonical { expected: String::new() })]
#[case::tab("rtcsync\t", ReadFault::Unknown)]
fn main_takes_no_other_line(#[case] line: &str, #[case] fault: ReadFault) {
    let error = Main::read(&format!("{MAIN}{line}\n")).unwrap_err();
    assert_eq!((error.part, error.line, error.text.as_str(), &error.fault), (Part::Main, 6, line, &fault));
}

#[test]
fn main_refuses_what_is_missing_or_moved_and_says_what_it_expected() {
    let error = Main::read("port 0\nminsources 2\ncmdport 0\n").unwrap_err();
    assert_eq!(
        error.to_string(),
        "main text refused at line 2 (\"minsources 2\"): expected \"cmdport 0\"; what was in force stays"
    );
    assert_eq!(Main::read("").unwrap_err().fault, ReadFault::NotCanonical { expected: "port 0".into() });
    assert_eq!(Main::read(MAIN.trim_end()).unwrap_err().fault, ReadFault::Unterminated);
    assert_eq!(Main::read(&"port 0\n".repeat(1_000)).unwrap_err().fault, ReadFault::TooLong(2_048));
    assert!(Main::read(&MAIN.replace("logchange 0.1", "logchange 0.10")).is_err());
}

#[rstest]
#[case("server 10.0.0.1 minpoll 4 maxpoll 6 iburst prefer")]
#[case("server 2001:db8::1 port 11123 minpoll -4 maxpoll 17")]
#[case("server time.example.com. minpoll 6 maxpoll 10 noselect")]
#[case("pool pool.ntp.org maxsources 12 minpoll 6 maxpoll 10 iburst")]
fn source_lines_go_both_ways(#[case] line: &str) {
    let text = format!("{line}\n");
    assert_eq!(Sources::read(&text).unwrap().render(), text);
}

#[rstest]
#[case::directive("refclock PHC /dev/ptp0 minpoll 4 maxpoll 6", ReadFault::Unknown)]
#[case::peer("peer 10.0.0.1 minpoll 4 maxpoll 6", ReadFault::Unknown)]
#[case::unknown_option("server 10.0.0.1 minpoll 4 maxpoll 6 trust", ReadFault::Unknown)]
#[case::offset("server 10.0.0.1 minpoll 4 maxpoll 6 offset 0.5", ReadFault::Unknown)]
#[case::fast("server 10.0.0.1 minpoll -5 maxpoll 6", ReadFault::Value { word: "minpoll" })]
#[case::inverted("server 10.0.0.1 minpoll 7 maxpoll 6", ReadFault::Value { word: "maxpoll" })]
#[case::cut_off("server 10.0.0.1 minpoll", ReadFault::Value { word: "minpoll" })]
#[case::port("server 10.0.0.1 port 0 minpoll 4 maxpoll 6", ReadFault::Value { word: "port" })]
#[case::pool_size("pool a.example maxsources 13 minpoll 4 maxpoll 6", ReadFault::Value { word: "maxsources" })]
#[case::no_pool_size("pool a.example minpoll 4 maxpoll 6", ReadFault::Value { word: "maxsources" })]
#[case::server_size("server a.example maxsources 2 minpoll 4 maxpoll 6", ReadFault::Unknown)]
#[case::implicit(
    "server 10.0.0.1 iburst",
    ReadFault::NotCanonical { expected: "server 10.0.0.1 minpoll 6 maxpoll 10 iburst".into() }
)]
#[case::upper_case(
    "server A.example minpoll 4 maxpoll 6",
    ReadFault::NotCanonical { expected: "server a.example minpoll 4 maxpoll 6".into() }
)]
#[case::two_spaces("server  10.0.0.1 minpoll 4 maxpoll 6", ReadFault::Address(Address::parse("").unwrap_err()))]
#[case::plus("server 10.0.0.1 minpoll +4 maxpoll 6",
    ReadFault::NotCanonical { expected: "server 10.0.0.1 minpoll 4 maxpoll 6".into() }
)]
fn sources_take_no_other_line(#[case] line: &str, #[case] fault: ReadFault) {
    let error = Sources::read(&format!("server 10.0.0.9 minpoll 4 maxpoll 6\n{line}\n")).unwrap_err();
    assert_eq!((error.part, error.line, error.text.as_str(), &error.fault), (Part::Sources, 2, line, &fault));
}

#[test]
fn sources_that_chronyd_would_silently_drop_are_refused() {
    let line = |address: &str| format!("server {address} minpoll 4 maxpoll 6\n");
    let fault = |text: &str| Sources::read(text).unwrap_err().fault;
    let other_port = "server 10.0.0.1 port 124 minpoll 4 maxpoll 6\n";
    assert_eq!(fault(&(line("10.0.0.1") + other_port)), ReadFault::Duplicate);
    assert_eq!(fault(&(line("a.example") + &line("a.example."))), ReadFault::Duplicate);
    assert_eq!(fault(line("10.0.0.1").trim_end()), ReadFault::Unterminated);
    assert_eq!(fault(""), ReadFault::NoSources);
    let thirteen: String = (1..14).map(|n| line(&format!("10.0.0.{n}"))).collect();
    assert_eq!(fault(&thirteen), ReadFault::TooManySources);
}

#[test]
fn the_whole_file() {
    let mut local = local();
    local.user = Some(UserName::new("_chrony").unwrap());
    local.acquisition = vec!["127.0.0.2".parse().unwrap(), "::1".parse().unwrap()];
    insta::assert_snapshot!("whole_4_6_1", compose(&local, &managed(), ChronyVersion::new(4, 6, 1)));
    local.test_server = Some("127.0.0.2:11123".parse().unwrap());
    insta::assert_snapshot!(
        "whole_4_9_test_server",
        compose(&local, &managed(), ChronyVersion::new(4, 9, 0))
    );
}

#[test]
fn paths_and_users_are_single_words() {
    for path in ["", "relative", "/a b", "/a\nallow", "/a#b", "/ä", &format!("/{}", "a".repeat(107))] {
        assert!(ConfPath::new(path).is_err(), "{path:?} was taken");
    }
    for user in ["", "1a", "a b", "Root", "a\n", &"a".repeat(33)] {
        assert!(UserName::new(user).is_err(), "{user:?} was taken");
    }
}

fn some_main() -> impl Strategy<Value = Main> {
    let step = (1_i64..1_000_000_000_000, 1_u8..=10)
        .prop_map(|(threshold, limit)| MakeStep { threshold: Nanos(threshold), limit });
    (1_u8..=12, 1_i64..1_000_000_000, 1_i64..1_000_000_000_000, any::<bool>(), proptest::option::of(step))
        .prop_map(|(min_sources, skew, log_change, rtc_sync, make_step)| Main {
            min_sources,
            max_update_skew: Ppb(skew),
            log_change: Nanos(log_change),
            rtc_sync,
            make_step,
        })
}

fn some_address() -> impl Strategy<Value = Address> {
    prop_oneof![
        any::<u32>().prop_map(|bits| std::net::Ipv4Addr::from(bits).to_string()),
        any::<u128>().prop_map(|bits| std::net::Ipv6Addr::from(bits).to_string()),
        "[a-z0-9][a-z0-9-]{0,20}[a-z0-9](\\.[a-z]{1,10}){0,4}\\.?",
    ]
    .prop_filter_map("no unicast address", |text| Address::parse(&text).ok())
}

fn some_sources() -> impl Strategy<Value = Sources> {
    let role = prop_oneof![Just(Role::Driver), Just(Role::Voter), Just(Role::Witness)];
    let line = (some_address(), 1_u16.., MIN_POLL..=MAX_POLL, MIN_POLL..=MAX_POLL, any::<bool>(), role)
        .prop_map(|(address, port, a, b, iburst, role)| {
            // Only names can be pools.
            let kind = match (&address, port % 3) {
                (Address::Name(_), 0) => Kind::Pool { max_sources: u32::from(port % 4) + 1 },
                _ => Kind::Server,
            };
            let polls = PollRange { min: a.min(b), max: a.max(b) };
            SourceLine { kind, address, port: if port < 9_000 { 123 } else { port }, polls, iburst, role }
        });
    proptest::collection::vec(line, 1..=12).prop_map(|lines| {
        let mut seen = std::collections::BTreeSet::new();
        let mut weight = 0;
        let fits = |line: &SourceLine| {
            weight += line.weight();
            weight <= 12 && seen.insert(line.address.identity())
        };
        Sources(lines.into_iter().filter(fits).collect())
    })
}

proptest! {
    #[test]
    fn main_render_then_read_is_the_identity(main in some_main()) {
        prop_assert_eq!(Main::read(&main.render()), Ok(main));
    }

    #[test]
    fn sources_render_then_read_is_the_identity(sources in some_sources()) {
        let text = sources.render();
        prop_assert_eq!(Sources::read(&text), Ok(sources));
    }

    /// Whatever one edit makes of a text: it is refused, or it is still exactly what we would write.
    #[test]
    fn an_edited_text_is_refused_or_is_one_of_ours(
        main in some_main(), sources in some_sources(), at in 0_usize..400, cut in 0_usize..8, add in "[ -~\n\t]{0,8}",
    ) {
        let edit = |text: &str| {
            let from = at.min(text.len());
            let to = (from + cut).min(text.len());
            format!("{}{add}{}", &text[..from], &text[to..])
        };
        let text = edit(&main.render());
        if let Ok(read) = Main::read(&text) {
            prop_assert_eq!(read.render(), text);
        }
        let text = edit(&sources.render());
        if let Ok(read) = Sources::read(&text) {
            prop_assert_eq!(read.render(), text);
        }
    }

    #[test]
    fn readers_survive_anything(text in "\\PC*") {
        prop_assert!(Main::read(&text).is_err());
        prop_assert!(Sources::read(&text).is_err());
    }
}
