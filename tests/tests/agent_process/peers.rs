//! Two agents with real keys ask each other on loopback; what comes between them is ours.
//!
//! They share one kernel clock, so the truth about every offset is zero – but for a peer that lies, whose answers are made
//! here. A question a second instead of one a minute, counted per round.

use super::harness::{Node, condition, get};
use meantime_core::clocks::WallTime;
use meantime_core::peers::keys::Keyring;
use meantime_core::peers::{Planned, mark};
use meantime_core::units::Nanos;
use meantime_crds::nodetime::{NodeTimeStatus, PeerStatus, PeerWord, PeersWord, PlanPeer};
use meantime_peer::{Claim, Exchange, SIZE, answer, receive};
use meantime_tests::lab::clock;
use rustix::process::Signal;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

static HOSTS: AtomicU8 = AtomicU8::new(1);

/// An address of this test's own on loopback.
fn address() -> Ipv4Addr {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 0x80 | (high & 0x3f), low, HOSTS.fetch_add(1, Ordering::Relaxed))
}

fn ring(seed: u8) -> Keyring {
    Keyring::first([seed; 32], [seed + 1; 32])
}

/// An agent with a healthy clock; whom it asks is said later.
struct Agent {
    node: Node,
    at: SocketAddr,
    http: u16,
}

impl Agent {
    fn new(name: &str, keys: Option<&Keyring>) -> Self {
        let mut node = Node::new(3);
        name.clone_into(&mut node.name);
        let at = SocketAddr::from((address(), 9925));
        let http = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let file = node.path("keys.json");
        let flags = [
            ("--peer-address", at.ip().to_string()),
            ("--peer-keys", file.display().to_string()),
            ("--peer-interval", "1s".to_owned()),
            ("--listen", format!("127.0.0.1:{http}")),
        ];
        node.flags = flags.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]).collect();
        let agent = Self { node, at, http };
        if let Some(keys) = keys {
            agent.keys(keys);
        }
        agent
    }

    /// As kubelet does it: whole, behind a name.
    fn keys(&self, ring: &Keyring) {
        let (new, file) = (self.node.path("keys.json.new"), self.node.path("keys.json"));
        fs::write(&new, ring.render()).unwrap();
        fs::rename(new, file).unwrap();
    }

    fn asks(&mut self, peers: &[(&str, SocketAddr)]) {
        let peer = |(node, at): &(&str, SocketAddr)| PlanPeer {
            node: (*node).to_owned(),
            address: at.ip().to_string(),
            port: i32::from(at.port()),
        };
        self.node.object.spec.peers = Some(peers.iter().map(peer).collect());
    }

    fn wait_peer(&self, what: &str, wanted: impl Fn(&PeerStatus) -> bool) -> NodeTimeStatus {
        self.node.wait(what, |status| status.peers.first().is_some_and(&wanted))
    }

    /// A number in /metrics; 0 if it is not there.
    fn counted(&self, series: &str) -> u64 {
        let page = get(self.http, "/metrics").unwrap();
        let line =
            page.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).unwrap_or(0)
    }

    fn wait_counted(&self, series: &str, least: u64) {
        self.node.wait_for(series, || (self.counted(series) >= least).then_some(()));
    }
}

/// What the way between two agents does to an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Open,
    /// Brings the first answer again and again.
    Replays,
    /// Brings the question back.
    Reflects,
    /// Cuts the last byte off.
    Cuts,
    /// Turns one bit of the transmit time.
    Turns,
}

/// A way that counts.
struct Between {
    at: SocketAddr,
    way: Arc<Mutex<Way>>,
    asked: Arc<AtomicUsize>,
    largest: Arc<AtomicUsize>,
}

impl Between {
    fn start(to: SocketAddr) -> Self {
        let front = UdpSocket::bind((address(), 9925)).unwrap();
        let between = Self {
            at: front.local_addr().unwrap(),
            way: Arc::new(Mutex::new(Way::Open)),
            asked: Arc::default(),
            largest: Arc::default(),
        };
        let (way, asked, largest) = (between.way.clone(), between.asked.clone(), between.largest.clone());
        std::thread::spawn(move || {
            let mut first: Option<Vec<u8>> = None;
            let mut buffer = [0; 2_048];
            while let Ok((length, from)) = front.recv_from(&mut buffer) {
                asked.fetch_add(1, Ordering::Relaxed);
                largest.fetch_max(length, Ordering::Relaxed);
                let question = buffer[..length].to_vec();
                let back = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
                back.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
                back.send_to(&question, to).unwrap();
                let Ok((length, _)) = back.recv_from(&mut buffer) else { continue };
                largest.fetch_max(length, Ordering::Relaxed);
                let mut answer = buffer[..length].to_vec();
                match *way.lock().unwrap() {
                    Way::Open => {}
                    Way::Replays => answer.clone_from(first.as_ref().unwrap()),
                    Way::Reflects => answer = question,
                    Way::Cuts => drop(answer.pop()),
                    Way::Turns => answer[50] ^= 1,
                }
                first.get_or_insert_with(|| answer.clone());
                let _ = front.send_to(&answer, from);
            }
        });
        between
    }

    fn set(&self, way: Way) {
        *self.way.lock().unwrap() = way;
    }
}

/// A peer with the right key whose clock stands `ahead`.
fn liar(name: &str, keys: &Keyring, ahead: Nanos, claim: Claim) -> SocketAddr {
    let (me, keys) = (mark(name), keys.clone());
    let socket = UdpSocket::bind((address(), 9925)).unwrap();
    let at = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 2_048];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let Ok(question) = receive(&buffer[..length], me, &keys) else { continue };
            let now = WallTime(clock::now().wall.0 + ahead.0);
            let packet = answer(&question, &keys, now, now, claim).unwrap();
            let _ = socket.send_to(&packet, from);
        }
    });
    at
}

fn offset(status: &NodeTimeStatus) -> (i64, i64) {
    let peer = &status.peers[0];
    (peer.offset_nanoseconds.unwrap(), peer.uncertainty_nanoseconds.unwrap())
}

#[test]
fn two_agents_cross_check_each_other_and_chronyd_has_nothing_to_do_with_it() {
    let (mut a, mut b) = (Agent::new("a", Some(&ring(1))), Agent::new("b", Some(&ring(1))));
    let between = Between::start(b.at);
    a.node.up();
    b.node.up();
    let before = (a.node.chronyd(), a.node.starts(), a.counted("meantime_chronyd_reloads_total"));
    let hash = a.node.status().unwrap().applied.unwrap().hash;
    a.asks(&[("b", between.at)]);
    b.asks(&[("a", a.at)]);
    a.node.hand_over();
    b.node.hand_over();
    for agent in [&a, &b] {
        let status = agent.wait_peer("an offset", |peer| peer.offset_nanoseconds.is_some());
        let (offset, half) = offset(&status);
        assert!(offset.abs() <= half, "the truth is 0: {offset} ± {half}");
        assert!(status.peers[0].answers && status.peers[0].ever && status.peers[0].trouble.is_none());
    }
    // A plan that differs in its peers alone is taken up without a word to chronyd.
    let status = a.node.wait_applied("the generation with peers");
    assert_eq!(status.applied.unwrap().hash, hash);
    assert_eq!(before, (a.node.chronyd(), a.node.starts(), a.counted("meantime_chronyd_reloads_total")));
    // One question and one answer a round, counted on the way.
    let (first, began) = (between.asked.load(Ordering::Relaxed), clock::now().boot);
    std::thread::sleep(Duration::from_secs(20));
    let rounds = (clock::now().boot - began).0 / 1_000_000_000;
    let asked = i64::try_from(between.asked.load(Ordering::Relaxed) - first).unwrap();
    println!("{asked} questions in {rounds} rounds of one peer; the largest datagram has {SIZE} bytes");
    let each = 2.0 * f64::from(i32::try_from(asked).unwrap()) / f64::from(i32::try_from(rounds).unwrap());
    println!(
        "{each:.2} packets a round for one peer asked; with three asked and three asking: {:.1}",
        6.0 * each
    );
    assert!((rounds - 3..=rounds + 3).contains(&asked), "{asked} questions in {rounds} rounds");
    assert_eq!(between.largest.load(Ordering::Relaxed), SIZE, "no answer is larger than its question");
    assert!(get(a.http, "/metrics").unwrap().contains("\nmeantime_peer_answers{peer_node=\"b\"} 1.0\n"));
}

/// Each asks three and is asked by three, as in a cluster of four and more.
#[test]
#[ignore = "make test-long: figures"]
fn figures_of_four_agents_that_ask_each_other() {
    const NAMES: [&str; 4] = ["a", "b", "c", "d"];
    let mut agents = NAMES.map(|name| Agent::new(name, Some(&ring(1))));
    let all: Vec<(&str, SocketAddr)> = NAMES.into_iter().zip(agents.iter().map(|agent| agent.at)).collect();
    for agent in &mut agents {
        let others: Vec<(&str, SocketAddr)> = all.iter().copied().filter(|(_, at)| *at != agent.at).collect();
        agent.asks(&others);
        agent.node.up();
    }
    for agent in &agents {
        agent.node.wait("three peers", |status| {
            status.peers.len() == 3 && status.peers.iter().all(|peer| peer.answers)
        });
    }
    // A question out and its answer in, a question in and its answer out.
    let packets = || -> u64 {
        let of = |agent: &Agent| -> u64 {
            let by_peer = |series: &str| -> u64 {
                NAMES.iter().map(|name| agent.counted(&format!("{series}{{peer_node=\"{name}\"}}"))).sum()
            };
            by_peer("meantime_peer_asked_total")
                + by_peer("meantime_peer_answered_total")
                + 2 * agent.counted("meantime_peer_questions_answered_total")
        };
        agents.iter().map(of).sum()
    };
    let (before, began) = (packets(), clock::now().boot);
    std::thread::sleep(Duration::from_mins(1));
    let (after, span) = (packets(), clock::now().boot - began);
    let rounds = f64::from(i32::try_from(span.0 / 1_000_000).unwrap()) / 1e3;
    let each = f64::from(u32::try_from(after - before).unwrap()) / 4.0 / rounds;
    let against = "12 by count; four agents that ask each other for 60 rounds (here a second each, in a cluster a minute)";
    println!("{each:.2} packets a node and round ({rounds:.1} rounds)");
    let figure = meantime_tests::figures::Figure {
        figure: "peer_packets_per_node_minute".to_owned(),
        value: each,
        unit: "/min",
        runs: 1,
        against: against.to_owned(),
    };
    let top = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    meantime_tests::figures::append(&[figure], &top.join("target/figures/findings.jsonl"), "working tree")
        .unwrap();
    assert!((10.0..=12.5).contains(&each), "{each} packets a round");
}

#[test]
fn a_liar_is_told_of_and_steers_nothing() {
    let mut a = Agent::new("a", Some(&ring(1)));
    let sure = Claim { synchronised: true, bound: Some(Nanos::MILLISECOND) };
    let unsure = Claim { synchronised: false, ..sure };
    let lies = liar("b", &ring(1), Nanos::SECOND, sure);
    let doubts = liar("c", &ring(1), Nanos::SECOND, unsure);
    a.asks(&[("b", lies), ("c", doubts)]);
    a.node.up();
    let status = a
        .node
        .wait("both peers", |status| status.peers.len() == 2 && status.peers.iter().all(|peer| peer.answers));
    let (offset, half) = offset(&status);
    assert!((offset + 1_000_000_000).abs() <= half && half < 100_000_000, "{offset} ± {half}");
    assert_eq!((status.peers[1].offset_nanoseconds, status.peers[1].trouble), (None, Some(PeerWord::Unsure)));
    let reloads = a.counted("meantime_chronyd_reloads_total");
    a.node.each_status(40, |status| {
        assert_eq!(condition(status, "TimeSynchronized"), "True");
        assert!(status.offset_nanoseconds.unwrap().abs() < 50_000_000);
    });
    assert_eq!(a.counted("meantime_chronyd_reloads_total"), reloads);
}

#[test]
fn what_is_replayed_reflected_cut_off_or_changed_is_refused_and_told_as_silence() {
    let (mut a, mut b) = (Agent::new("a", Some(&ring(1))), Agent::new("b", Some(&ring(1))));
    let between = Between::start(b.at);
    a.asks(&[("b", between.at)]);
    b.asks(&[]);
    b.node.up();
    a.node.up();
    a.wait_peer("an answer", |peer| peer.answers);
    for (way, reason) in
        [(Way::Replays, "not_ours"), (Way::Reflects, "kind"), (Way::Cuts, "foreign"), (Way::Turns, "forged")]
    {
        between.set(way);
        a.wait_counted(&format!("meantime_peer_refused_total{{reason=\"{reason}\"}}"), 3);
    }
    let status = a.wait_peer("silence", |peer| !peer.answers);
    assert_eq!((status.peers[0].ever, status.peers[0].offset_nanoseconds), (true, None));
    assert_eq!(status.peers[0].trouble, Some(PeerWord::TimedOut));
    between.set(Way::Open);
    a.wait_peer("an honest way again", |peer| peer.answers);
}

#[test]
fn a_wrong_key_is_refused_and_a_rotation_is_lived_through() {
    let (mut a, mut b) = (Agent::new("a", Some(&ring(1))), Agent::new("b", Some(&ring(7))));
    a.asks(&[("b", b.at)]);
    b.asks(&[("a", a.at)]);
    b.node.up();
    a.node.up();
    let status = a.wait_peer("silence", |peer| peer.trouble == Some(PeerWord::TimedOut));
    assert!(!status.peers[0].answers && !status.peers[0].ever, "a pair that never worked");
    b.wait_counted("meantime_peer_refused_total{reason=\"forged\"}", 1);
    assert_eq!(b.counted("meantime_peer_questions_answered_total"), 0);
    b.keys(&ring(1));
    a.wait_peer("an answer under one key", |peer| peer.answers);
    // Twice round: a sees it first, then b, then b first.
    let (mut keys, lost) = (ring(1), AtomicUsize::new(0));
    for (round, agents) in [(50, [&a, &b]), (51, [&b, &a])] {
        keys = keys.rotated([round; 32]);
        for agent in agents {
            agent.keys(&keys);
            let series = "meantime_peer_answered_total{peer_node=";
            let (of_a, of_b) = (format!("{series}\"b\"}}"), format!("{series}\"a\"}}"));
            let counts = (a.counted(&of_a), b.counted(&of_b));
            // Both go on being answered, three rounds and more with one of them late.
            a.wait_counted(&of_a, counts.0 + 4);
            b.wait_counted(&of_b, counts.1 + 4);
        }
        for agent in [&a, &b] {
            let asked = agent.counted("meantime_peer_refused_total{reason=\"unknown_key\"}");
            lost.fetch_add(usize::try_from(asked).unwrap(), Ordering::Relaxed);
        }
    }
    assert_eq!(lost.load(Ordering::Relaxed), 0, "no packet was refused in two rotations");
}

#[test]
fn a_flood_costs_its_sender_and_nobody_else() {
    let (mut a, mut b) = (Agent::new("a", Some(&ring(1))), Agent::new("b", Some(&ring(1))));
    a.asks(&[("b", b.at)]);
    b.asks(&[]);
    b.node.up();
    a.node.up();
    a.wait_peer("an answer", |peer| peer.answers);
    let looks = b.counted("meantime_looks_total");
    let flood = UdpSocket::bind((address(), 0)).unwrap();
    flood.set_nonblocking(true).unwrap();
    let keys = ring(1);
    let (mut sent, mut came, began) = (0, 0, clock::now().boot);
    // With the right key, as one of our own that has gone mad; and with none.
    while clock::now().boot - began < Nanos::from_secs(10) {
        let (_, question) = Exchange::begin(WallTime(0), [1; 16], mark("b"), keys.current());
        for packet in [&question[..], &[0xff; SIZE], &question[..40]] {
            if flood.send_to(packet, b.at).is_ok() {
                sent += 1;
            }
        }
        let mut buffer = [0; 256];
        while flood.recv(&mut buffer).is_ok() {
            came += 1;
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    println!("{sent} packets in 10 s, {came} answered");
    assert!(
        sent > 2_500 && came <= 6,
        "{came} of {sent} were answered: a burst of 4 and one each ten seconds"
    );
    assert!(b.counted("meantime_peer_rate_limited_total") > 0);
    assert!(b.counted("meantime_looks_total") > looks + 10, "the node's own work goes on");
    let answered = a.counted("meantime_peer_answered_total{peer_node=\"b\"}");
    a.wait_counted("meantime_peer_answered_total{peer_node=\"b\"}", answered + 3);
    let status = a.wait_peer("an answer after it", |peer| peer.answers);
    assert_eq!(condition(&status, "TimeSynchronized"), "True");
}

#[test]
fn off_is_a_closed_port_and_no_questions_and_a_node_that_is_gone_is_not_asked() {
    let (mut a, mut b) = (Agent::new("a", Some(&ring(1))), Agent::new("b", Some(&ring(1))));
    a.asks(&[("b", b.at)]);
    b.asks(&[("a", a.at)]);
    b.node.up();
    a.node.up();
    a.wait_peer("b", |peer| peer.answers);
    b.wait_peer("a", |peer| peer.answers);
    b.node.object.spec.peers = None;
    b.node.hand_over();
    let status = a.wait_peer("a closed port", |peer| !peer.answers);
    assert_eq!((status.peers[0].trouble, status.peers[0].ever), (Some(PeerWord::Refused), true));
    let status = b.node.wait("no word of peers", |status| status.peers.is_empty());
    assert_eq!(status.peers_trouble, None, "off is no trouble");
    let answered = a.counted("meantime_peer_questions_answered_total");
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(a.counted("meantime_peer_questions_answered_total"), answered, "it asks nobody any more");
    a.asks(&[]);
    a.node.hand_over();
    a.node.wait("nobody to tell of", |status| status.peers.is_empty());
}

#[test]
fn without_keys_or_port_the_agent_goes_on_and_says_so_and_without_kubernetes_it_still_asks() {
    let mut a = Agent::new("a", None);
    let sure = Claim { synchronised: true, bound: Some(Nanos::MILLISECOND) };
    let b = liar("b", &ring(1), Nanos::ZERO, sure);
    let taken = UdpSocket::bind(a.at).unwrap();
    a.asks(&[("b", b)]);
    a.node.up();
    a.node
        .wait("no keys", |status| status.peers_trouble == Some(PeersWord::NoKeys) && status.peers.is_empty());
    a.keys(&ring(1));
    let status = a.node.wait("no port", |status| {
        status.peers_trouble == Some(PeersWord::NoPort)
            && status.peers.first().is_some_and(|peer| peer.answers)
    });
    assert_eq!(condition(&status, "TimeSynchronized"), "True");
    drop(taken);
    a.node.wait("the port", |status| status.peers_trouble.is_none() && !status.peers.is_empty());
    // The ledger remembers whom to ask.
    a.node.end_agent(Signal::TERM);
    fs::remove_file(a.node.path("plan.json")).unwrap();
    fs::remove_file(a.node.path("status.json")).unwrap();
    a.node.start();
    a.wait_peer("an answer without a plan from anybody", |peer| peer.answers);
    let kept: Planned = Planned { node: "b".into(), address: b.ip(), port: b.port() };
    let ledger = fs::read_to_string(a.node.path("state/ledger.json")).unwrap();
    let ledger: serde_json::Value = serde_json::from_str(&ledger).unwrap();
    assert_eq!(serde_json::from_value::<Vec<Planned>>(ledger["peers"].clone()).unwrap(), [kept]);
}
