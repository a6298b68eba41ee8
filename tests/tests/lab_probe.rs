//! The agent's probe against the lab's servers, good and bad, and against a real chronyd as server; its figures beside
//! those of rsntp, which shares no code with it; what arrives at a server is what core gave out.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails where it stands")]

use meantime_agent::probe::{self, Prober};
use meantime_core::clocks::BootTime;
use meantime_core::fsm::probing::{self, Answer, KissKind, Miss, Outcome, Target};
use meantime_core::observation::Leap;
use meantime_core::source::Scope;
use meantime_core::units::Nanos;
use meantime_ntp::{NtpTimestamp, Packet};
use meantime_tests::chronyd::{ChronyRoot, Chronyd};
use meantime_tests::lab::{Lab, clock, probe as second};
use rstest::rstest;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;
use tokio::sync::mpsc::Receiver;

/// For answers that come: a busy machine may take its time.
const PATIENCE: Duration = Duration::from_secs(5);
/// For those that do not.
const SHORT: Duration = Duration::from_millis(300);
/// A loopback exchange on a busy machine.
const CLOSE: Nanos = Nanos::from_millis(20);

fn lab(words: &str) -> Lab {
    let lab = Lab::anywhere().unwrap();
    lab.set(words).unwrap();
    lab
}

async fn answer(server: SocketAddr) -> Answer {
    match probe::probe(server, PATIENCE).await {
        Outcome::Answered(answer) => answer,
        other => panic!("{server}: {other:?}"),
    }
}

async fn miss(server: SocketAddr, patience: Duration) -> Miss {
    match probe::probe(server, patience).await {
        Outcome::Unanswered(miss) => miss,
        other => panic!("{server}: {other:?}"),
    }
}

fn is_near(seen: Nanos, wanted: Nanos) -> bool {
    (seen - wanted).abs() < CLOSE
}

#[tokio::test]
async fn an_honest_server_says_what_it_is() {
    let lab = lab("offset=-200ms stratum=2 refid=10.0.0.9 leap=1 root-delay=5ms root-dispersion=6ms");
    let seen = answer(lab.address()).await;
    assert!(is_near(seen.offset, Nanos::from_millis(200)), "we are ahead of it: {seen:?}");
    assert!(seen.delay >= Nanos::ZERO && seen.delay < CLOSE, "{seen:?}");
    assert_eq!((seen.stratum, seen.leap, seen.refid), (2, Leap::Insert, 0x0a00_0009));
    // The wire has steps of 15 µs, rounded up.
    let near =
        |seen: Nanos, milliseconds| (seen - Nanos::from_millis(milliseconds)).abs() < Nanos::from_micros(16);
    assert!(near(seen.root_delay, 5) && near(seen.root_dispersion, 6), "{seen:?}");
    assert_eq!(lab.requests(), 1, "one packet");
}

#[tokio::test]
async fn a_long_way_is_a_delay_and_half_of_its_asymmetry_an_offset() {
    let lab = lab("delay=60ms asymmetry=40ms");
    let seen = answer(lab.address()).await;
    assert!(seen.delay >= Nanos::from_millis(100), "{seen:?}");
    assert!(is_near(seen.offset, Nanos::from_millis(-20)), "{seen:?}");
}

#[tokio::test]
async fn ipv6_answers_and_refuses_too() {
    let lab = Lab::start((Ipv6Addr::LOCALHOST, 0).into()).unwrap();
    lab.set("offset=1s").unwrap();
    let address = lab.address();
    assert!(is_near(answer(address).await.offset, Nanos::from_secs(-1)));
    drop(lab);
    assert_eq!(miss(address, PATIENCE).await, Miss::Refused);
}

/// That port is closed: the kernel says so at once, by ICMP to a connected socket.
#[tokio::test]
async fn a_closed_port_refuses_and_is_not_waited_for() {
    let free = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let began = clock::now().boot;
    assert_eq!(miss(free, PATIENCE).await, Miss::Refused);
    assert!(clock::now().boot - began < Nanos::from_secs(4));
}

#[rstest]
#[case::dead("dead=true", Miss::TimedOut)]
#[case::lost("loss=1", Miss::TimedOut)]
#[case::another_port("other-port=true", Miss::TimedOut)] // the kernel drops it: the socket is connected
#[case::another_question("wrong-origin=true", Miss::Garbled)]
#[case::truncated("truncated=true", Miss::Garbled)]
#[case::version_that_is_none("version=5", Miss::Garbled)]
#[case::rate("kod=RATE", Miss::Kiss(KissKind::Rate))]
#[case::deny("kod=DENY", Miss::Kiss(KissKind::Deny))]
#[case::restricted("kod=RSTR", Miss::Kiss(KissKind::Restricted))]
#[case::no_time_yet("kod=INIT", Miss::Kiss(KissKind::Unsynchronised))]
#[case::a_forged_kiss("kod=DENY wrong-origin=true", Miss::Garbled)] // must not silence us
#[tokio::test]
async fn bad_answers_are_told_apart(#[case] words: &str, #[case] wanted: Miss) {
    let lab = lab(words);
    assert_eq!(miss(lab.address(), SHORT).await, wanted);
    assert_eq!(lab.requests(), 1, "asked once, whatever came");
}

#[rstest]
#[case::leap("leap=3")]
#[case::stratum("stratum=16")]
#[tokio::test]
async fn a_server_that_says_it_is_not_synchronised_is_heard(#[case] words: &str) {
    let seen = answer(lab(words).address()).await;
    assert!(seen.leap == Leap::Unsynchronised || seen.stratum == 16, "{seen:?}");
}

#[tokio::test]
async fn the_age_of_its_reference_is_by_its_own_clock() {
    // A clock that is an hour off makes its reference no older.
    let lab = lab("offset=1h reference-age=20s");
    let age = answer(lab.address()).await.reference_age.unwrap();
    assert!((age - Nanos::from_secs(20)).abs() < Nanos::SECOND, "{age}");
    lab.set("reset reference-age=0 reference-frozen=true").unwrap();
    let frozen = clock::now().boot;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let age = answer(lab.address()).await.reference_age.unwrap();
    let wanted = clock::now().boot - frozen;
    assert!((age - wanted).abs() < Nanos::SECOND && age > Nanos::SECOND, "{age}, {wanted} ago");
}

/// A server by hand, for what the lab has no word for: `answers` to each question, in order.
fn by_hand(answers: impl Fn(&Packet) -> Vec<Packet> + Send + 'static) -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let at = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 100];
        let (length, client) = socket.recv_from(&mut buffer).unwrap();
        for answer in answers(&Packet::decode(&buffer[..length]).unwrap()) {
            socket.send_to(&answer.encode(), client).unwrap();
        }
    });
    at
}

fn right(question: &Packet) -> Packet {
    let now = NtpTimestamp::from_wall(clock::now().wall);
    let header = Packet { stratum: 7, ..Packet::question(NtpTimestamp::NONE) };
    Packet::answer(&header, question, now, now)
}

#[tokio::test]
async fn somebody_elses_answers_are_passed_over() {
    let server = by_hand(|question| {
        let right = right(question);
        let forged = Packet { origin: NtpTimestamp(!question.transmit.0), stratum: 1, ..right };
        vec![forged, Packet { version: 1, ..right }, *question, right]
    });
    let seen = answer(server).await;
    assert_eq!((seen.stratum, seen.reference_age), (7, None));
}

#[tokio::test]
async fn an_answer_from_the_future_is_none() {
    // It left an hour after it came in, it says; the whole exchange took no second.
    let server = by_hand(|question| {
        let right = right(question);
        vec![Packet { transmit: NtpTimestamp(right.transmit.0.wrapping_add(3_600 << 32)), ..right }]
    });
    assert_eq!(miss(server, SHORT).await, Miss::Garbled);
}

/// What chronyd answers without a source is stratum 0 without a code; with `local` it is a header like any other.
#[tokio::test]
async fn a_real_chronyd_without_time_is_no_kiss_of_death() {
    let root = ChronyRoot::of_suite("bookworm").unwrap();
    let start = |extra: &str| {
        let port = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let text = format!("port {port}\nbindaddress 127.0.0.1\nallow 127.0.0.0/8\n{extra}\n");
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        (Chronyd::start(&root, &text).unwrap(), server)
    };
    let (_without, server) = start("");
    assert_eq!(miss(server, PATIENCE).await, Miss::Kiss(KissKind::Unsynchronised));
    let (_local, server) = start("local stratum 5");
    let seen = answer(server).await;
    assert_eq!((seen.stratum, seen.refid), (5, 0x7f7f_0101), "{seen:?}");
}

/// Two programs ask the same server. A scheduler's pause in one of them looks like delay: such rounds tell nothing.
#[rstest]
#[case::honest("offset=0")]
#[case::shifted("offset=-337ms")]
#[case::ahead("offset=2h")]
#[tokio::test]
async fn rsntp_says_the_same(#[case] words: &str) {
    let lab = lab(words);
    for _ in 0..100 {
        let ours = answer(lab.address()).await;
        let theirs = second::probe(lab.address(), PATIENCE).unwrap();
        if ours.delay.0.max(theirs.delay_nanoseconds.0) < 900_000 {
            let apart = (ours.offset - theirs.offset_nanoseconds).abs();
            assert!(apart <= Nanos::MILLISECOND, "{ours:?}, {theirs:?}");
            let truth = -lab.error_for(Ipv4Addr::LOCALHOST.into());
            assert!((ours.offset - truth).abs() <= Nanos::MILLISECOND, "{ours:?}, truly {truth}");
            assert_eq!((ours.stratum, theirs.stratum, theirs.leap), (1, 1, 0));
            return;
        }
    }
    panic!("a hundred rounds, none without a pause of a millisecond");
}

async fn next(outcomes: &mut Receiver<(IpAddr, Outcome)>) -> (IpAddr, Outcome) {
    tokio::time::timeout(PATIENCE, outcomes.recv()).await.unwrap().unwrap()
}

#[tokio::test]
async fn the_prober_sends_one_packet_each_and_sixteen_at_once() {
    let (prober, mut outcomes) = Prober::new(SHORT);
    let good = lab("");
    prober.send(good.address().ip(), good.address().port());
    assert!(matches!(next(&mut outcomes).await, (IpAddr::V4(Ipv4Addr::LOCALHOST), Outcome::Answered(_))));
    let dead = lab("dead=true");
    (0..20).for_each(|_| prober.send(dead.address().ip(), dead.address().port()));
    let mut counted = (0, 0);
    for _ in 0..20 {
        match next(&mut outcomes).await.1 {
            Outcome::NotSent => counted.0 += 1,
            Outcome::Unanswered(Miss::TimedOut) => counted.1 += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((counted, dead.requests()), ((4, 16), 16));
    prober.send(good.address().ip(), good.address().port());
    assert!(matches!(next(&mut outcomes).await.1, Outcome::Answered(_)), "places come free again");
    assert_eq!(good.requests(), 2);
}

/// An hour by core's clock, in a second or two of ours: what core gives out is what arrives, and no probe of ours brings
/// the minute that ends with it, chronyd's own polls included, above the budget.
#[rstest]
#[case::local(Scope::Local, 64)]
#[case::site(Scope::Site, 15)]
#[case::site_that_chronyd_uses_up(Scope::Site, 30)]
#[tokio::test]
async fn a_server_gets_no_more_than_its_budget(#[case] scope: Scope, #[case] polls_a_minute: u32) {
    let lab = lab("");
    let (prober, mut outcomes) = Prober::new(PATIENCE);
    let mut target = Target {
        address: lab.address().ip(),
        port: lab.address().port(),
        scope,
        plain: true,
        unanswered: 9,
        offset: Some(Nanos::SECOND),
        power: true,
        wanted: false,
        sent: 0,
    };
    let budget = u64::from(probing::per_minute(scope));
    let mut state = probing::State::default();
    let (mut now, mut packets) = (BootTime(0), vec![0]);
    for second in 0..3_600_u32 {
        now = now + Nanos::SECOND;
        target.sent = (second + 1) * polls_a_minute / 60;
        target.wanted = second % 7 < 4; // a suspicion again and again
        let (next_state, asked) = probing::due(&state, &[target], 77, now);
        state = next_state;
        for address in &asked {
            prober.send(*address, target.port);
            let (from, outcome) = next(&mut outcomes).await;
            state.record(from, outcome, now);
        }
        packets.push(lab.requests() + u64::from(target.sent));
        if !asked.is_empty() {
            let minute = packets[packets.len() - 1] - packets[packets.len().saturating_sub(61)];
            assert!(minute <= budget, "{minute} packets in the minute that ends at {second} s");
        }
    }
    let counters = state.counters(target.address);
    assert_eq!(lab.requests(), counters.probes, "what core gave out arrived, and nothing else");
    assert_eq!((counters.answered, counters.unanswered), (counters.probes, 0));
    let used_up = u64::from(polls_a_minute) >= budget;
    assert!(if used_up { counters.probes <= 2 } else { counters.probes > 200 }, "{counters:?}");
}
