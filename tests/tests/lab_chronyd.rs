//! The lab's misbehaviour has the effect on a real `chronyd -x` (4.3) that it should have: so a scene that uses it
//! tests what it says. What chronyd's clock became is read from the time that it *serves*, by an independent client.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails where it stands")]

use meantime_candm::look::{Looked, Seen};
use meantime_candm::reply::SourceState;
use meantime_core::units::Nanos;
use meantime_tests::chronyd::{ChronyRoot, Chronyd};
use meantime_tests::lab::{Lab, clock, probe};
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

/// Four polls a second; a busy machine may still take this long over what needs a dozen polls.
const PATIENCE: Nanos = Nanos::from_secs(30);

/// One chronyd at an address of its own, following lab servers at addresses of their own.
struct Scene {
    labs: Vec<Lab>,
    chronyd: Chronyd,
    /// Where chronyd serves its virtual clock.
    serves: SocketAddr,
}

/// `net` keeps scenes apart: servers at 127.`net`.1.N, chronyd at 127.`net`.0.1.
fn labs(net: u8, count: u8) -> Vec<Lab> {
    (1..=count).map(|number| Lab::start((Ipv4Addr::new(127, net, 1, number), 0).into()).unwrap()).collect()
}

fn follow(labs: &[Lab], from: Ipv4Addr, extra: &str) -> (Chronyd, SocketAddr) {
    let root = ChronyRoot::of_suite("bookworm").unwrap();
    let port = UdpSocket::bind((from, 0)).unwrap().local_addr().unwrap().port();
    let mut configuration =
        format!("port {port}\nbindaddress {from}\nbindacqaddress {from}\nallow 127.0.0.0/8\n{extra}\n");
    for lab in labs {
        let SocketAddr::V4(at) = lab.address() else { panic!("servers are at IPv4 addresses here") };
        writeln!(configuration, "server {} port {} minpoll -2 maxpoll -2 iburst", at.ip(), at.port())
            .unwrap();
    }
    (Chronyd::start(&root, &configuration).unwrap(), (from, port).into())
}

impl Scene {
    fn new(net: u8, servers: u8, extra: &str) -> Self {
        let labs = labs(net, servers);
        let (chronyd, at) = follow(&labs, Ipv4Addr::new(127, net, 0, 1), extra);
        Self { labs, chronyd, serves: at }
    }

    fn look(&self) -> Looked {
        self.chronyd.client().unwrap().look().unwrap()
    }

    fn source(&self, index: usize) -> Seen {
        let ip = self.labs[index].address().ip();
        self.look().sources.into_iter().find(|seen| seen.source.address.ip() == Some(ip)).unwrap()
    }

    /// How far chronyd's served clock is ahead of true time.
    fn served_error(&self) -> Option<Nanos> {
        served_error(self.serves)
    }

    fn set_all(&self, words: &str) {
        self.labs.iter().for_each(|lab| lab.set(words).unwrap());
    }

    fn wait_until_followed(&self) {
        wait(&self.chronyd, "a selected source", || {
            self.look().sources.iter().any(|seen| seen.source.state == SourceState::Selected)
        });
    }
}

/// None while chronyd itself is not synchronised: rsntp takes no time from such a server.
fn served_error(serves: SocketAddr) -> Option<Nanos> {
    probe::probe(serves, Duration::from_secs(1)).ok().map(|seen| -seen.offset_nanoseconds)
}

fn wait(chronyd: &Chronyd, what: &str, mut come: impl FnMut() -> bool) {
    let begin = clock::now().boot;
    while !come() {
        assert!(
            clock::now().boot - begin < PATIENCE,
            "{what}: not within {PATIENCE}; sources:\n{}\nlog:\n{}",
            chronyd.chronyc("sources").unwrap_or_default(),
            chronyd.log()
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn near(seen: impl Into<Option<Nanos>>, wanted: Nanos, within: Nanos) -> bool {
    seen.into().is_some_and(|seen| (seen - wanted).abs() <= within)
}

/// Loopback on a busy machine: far below what the scenes inject.
const CLOSE: Nanos = Nanos::from_millis(10);

#[test]
fn an_honest_server_is_followed_and_counted() {
    let scene = Scene::new(10, 1, "");
    scene.wait_until_followed();
    assert!(near(scene.served_error(), Nanos::ZERO, CLOSE), "{:?}", scene.served_error());
    let report = scene.labs[0].report();
    assert_eq!(report.error_nanoseconds, Nanos::ZERO);
    let client = report.clients[&IpAddr::V4(Ipv4Addr::new(127, 10, 0, 1))];
    assert!(client.requests >= 4, "iburst sends four: {client:?}");
    assert_eq!(client.requests, client.answers);
}

#[test]
fn an_offset_moves_the_follower_the_same_way_and_healing_moves_it_back() {
    let scene = Scene::new(11, 1, "");
    scene.wait_until_followed();
    for offset in ["offset=200ms", "offset=-150ms", "offset=0"] {
        scene.set_all(offset);
        let wanted = scene.labs[0].error_for(scene.serves.ip());
        wait(&scene.chronyd, offset, || near(scene.served_error(), wanted, CLOSE));
    }
}

#[test]
fn drift_is_followed_as_a_frequency() {
    let scene = Scene::new(12, 1, "");
    scene.wait_until_followed();
    scene.set_all("drift=2000ppm");
    wait(&scene.chronyd, "the lab 30 ms off", || {
        scene.labs[0].error_for(scene.serves.ip()) > Nanos::from_millis(30)
    });
    // chronyd's frequency has the host's sense: a host 2000 ppm slow against its source.
    wait(&scene.chronyd, "a frequency of -2000 ppm", || {
        (scene.look().tracking.frequency.0 + 2_000_000).abs() < 300_000
    });
    wait(&scene.chronyd, "the served clock drifting with it", || {
        near(scene.served_error(), scene.labs[0].error_for(scene.serves.ip()), CLOSE)
    });
}

#[test]
fn loss_shows_in_the_counters_and_a_dead_server_in_reach() {
    let scene = Scene::new(13, 1, "");
    scene.wait_until_followed();
    scene.set_all("loss=50%");
    let before = scene.source(0).ntp.unwrap();
    wait(&scene.chronyd, "lost answers beside valid ones", || {
        let now = scene.source(0).ntp.unwrap();
        let (sent, valid) = (now.sent - before.sent, now.valid - before.valid);
        valid >= 3 && sent - valid >= 3
    });
    scene.set_all("loss=0 dead=true");
    wait(&scene.chronyd, "reach 0", || scene.source(0).source.reach == 0);
    let valid = scene.source(0).ntp.unwrap().valid;
    let asked = scene.labs[0].requests();
    wait(&scene.chronyd, "still asked", || scene.labs[0].requests() > asked + 3);
    assert_eq!(scene.source(0).ntp.unwrap().valid, valid, "a dead server answered");
    scene.set_all("dead=false");
    wait(&scene.chronyd, "answers again", || scene.source(0).ntp.unwrap().valid > valid + 3);
}

/// Each of these is sent, received and must not count as an answer.
#[test]
fn broken_answers_are_never_valid() {
    let scene = Scene::new(14, 1, "");
    scene.wait_until_followed();
    for (bad, good) in [
        ("wrong-origin=true", "wrong-origin=false"),
        ("truncated=true", "truncated=false"),
        ("other-port=true", "other-port=false"),
        ("version=5", "reset"),
    ] {
        scene.set_all(bad);
        // One answer may be under way while the word is set.
        std::thread::sleep(Duration::from_millis(300));
        let (valid, asked) = (scene.source(0).ntp.unwrap().valid, scene.labs[0].requests());
        wait(&scene.chronyd, &format!("{bad}: asked on"), || scene.labs[0].requests() >= asked + 4);
        assert_eq!(scene.source(0).ntp.unwrap().valid, valid, "{bad} was taken for an answer");
        scene.set_all(good);
        wait(&scene.chronyd, &format!("{good}: answers again"), || {
            scene.source(0).ntp.unwrap().valid > valid
        });
    }
}

/// chronyd counts a refusal as valid (somebody answers there) and not towards reach (nobody gives the time).
#[test]
fn a_refusal_is_an_answer_without_time() {
    let scene = Scene::new(19, 1, "");
    scene.wait_until_followed();
    scene.set_all("kod=DENY");
    wait(&scene.chronyd, "reach 0", || scene.source(0).source.reach == 0);
    let valid = scene.source(0).ntp.unwrap().valid;
    wait(&scene.chronyd, "valid answers all the same", || scene.source(0).ntp.unwrap().valid > valid + 3);
    assert_eq!(scene.source(0).source.reach, 0);
}

#[test]
fn a_kiss_of_death_slows_the_asker_down() {
    let scene = Scene::new(15, 1, "");
    scene.wait_until_followed();
    let asked_in = |seconds: u64| {
        let before = scene.labs[0].requests();
        std::thread::sleep(Duration::from_secs(seconds));
        scene.labs[0].requests() - before
    };
    let usual = asked_in(4);
    scene.set_all("kod=RATE");
    std::thread::sleep(Duration::from_secs(1));
    let slowed = asked_in(4);
    assert!(slowed * 2 < usual, "asked {usual} times in 4 s before RATE and {slowed} times after");
    assert!(scene.chronyd.log().contains("KoD RATE"), "{}", scene.chronyd.log());
}

#[test]
fn one_client_alone_is_shifted() {
    let labs = labs(16, 3);
    let (right, serves_right) = follow(&labs, Ipv4Addr::new(127, 16, 0, 1), "");
    let (wrong, serves_wrong) = follow(&labs, Ipv4Addr::new(127, 16, 0, 2), "");
    for lab in &labs {
        lab.set("per-client 127.16.0.2:offset=300ms").unwrap();
    }
    wait(&wrong, "the shifted node 300 ms ahead", || {
        near(served_error(serves_wrong), Nanos::from_millis(300), CLOSE)
    });
    assert_eq!(labs[0].error_for(serves_wrong.ip()), Nanos::from_millis(300));
    assert_eq!(labs[0].error_for(serves_right.ip()), Nanos::ZERO);
    wait(&right, "the other one right", || near(served_error(serves_right), Nanos::ZERO, CLOSE));
    let letters: Vec<_> =
        right.client().unwrap().look().unwrap().sources.iter().map(|seen| seen.source.state).collect();
    assert!(!letters.contains(&SourceState::Falseticker), "{letters:?}");
}

#[test]
fn one_liar_of_three_is_found_and_not_followed() {
    let scene = Scene::new(17, 3, "");
    wait(&scene.chronyd, "three selectable sources", || {
        scene.look().sources.iter().all(|seen| {
            matches!(
                seen.source.state,
                SourceState::Selected | SourceState::Combined | SourceState::NotCombined
            )
        })
    });
    scene.labs[2].set("offset=100ms").unwrap();
    wait(&scene.chronyd, "a falseticker", || scene.source(2).source.state == SourceState::Falseticker);
    assert!(near(scene.served_error(), Nanos::ZERO, CLOSE), "{:?}", scene.served_error());
}

#[test]
fn what_a_server_says_of_itself_arrives() {
    let scene = Scene::new(18, 1, "");
    scene.wait_until_followed();
    scene.set_all("stratum=3 refid=10.0.0.1 root-delay=8ms root-dispersion=4ms delay=6ms reference-age=90s");
    wait(&scene.chronyd, "stratum 3", || {
        scene.source(0).ntp.is_some_and(|ntp| ntp.stratum == 3 && ntp.peer_delay > Nanos::from_millis(6))
    });
    let ntp = scene.source(0).ntp.unwrap();
    assert_eq!(ntp.refid, 0x0a00_0001);
    let field = Nanos::from_micros(16); // resolution on the wire
    assert!(
        near(ntp.root_delay, Nanos::from_millis(8), field)
            && near(ntp.root_dispersion, Nanos::from_millis(4), field),
        "{ntp:?}"
    );
    assert!(near(ntp.offset, Nanos::ZERO, CLOSE), "a symmetric delay is no offset: {ntp:?}");
    let age = clock::now().wall - ntp.reference_time;
    assert!((Nanos::from_secs(88)..Nanos::from_secs(99)).contains(&age), "{age}");
    scene.set_all("leap=3");
    wait(&scene.chronyd, "an unsynchronised server is not selectable", || {
        scene.source(0).source.state == SourceState::NotSelectable
    });
}
