//! The lab by itself: its program, its control port, its relay, IPv6; looked at by rsntp, which shares no code with it.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use meantime_core::units::Nanos;
use meantime_tests::lab::server::Report;
use meantime_tests::lab::{Lab, LabOptions, control, probe, relay};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(2);
/// A loopback exchange on a busy machine.
const CLOSE: Nanos = Nanos::from_millis(20);

fn offset(server: SocketAddr) -> Nanos {
    probe::probe(server, PATIENCE).unwrap().offset_nanoseconds
}

fn is_near(seen: Nanos, wanted: Nanos) -> bool {
    (seen - wanted).abs() < CLOSE
}

struct KilledOnDrop(Child);
impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run(arguments: &[&str]) -> (bool, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_meantime-lab")).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

/// What the demo does with `docker exec`.
#[test]
fn the_program_serves_is_set_asked_and_probed() {
    let child = Command::new(env!("CARGO_BIN_EXE_meantime-lab"))
        .args(["serve", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0", "stratum=2", "refid=10.0.0.9"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = KilledOnDrop(child);
    let mut line = String::new();
    BufReader::new(child.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let started: Value = serde_json::from_str(&line).unwrap();
    let (listen, control) = (started["listen"].as_str().unwrap(), started["control"].as_str().unwrap());

    let (fine, printed, said) =
        run(&["set", "--control", control, "offset=-200ms", "per-client", "10.0.0.5:offset=300ms"]);
    assert!(fine, "{said}");
    assert_eq!(serde_json::from_str::<Value>(&printed).unwrap()["error_nanoseconds"], -200_000_000);

    let (fine, printed, said) = run(&["probe", listen]);
    assert!(fine, "{said}");
    let seen: probe::Probe = serde_json::from_str(&printed).unwrap();
    assert!(is_near(seen.offset_nanoseconds, Nanos::from_millis(200)), "{seen:?}"); // we are ahead of it
    assert_eq!((seen.stratum, seen.refid.as_str()), (2, "10.0.0.9"));

    let (fine, printed, said) = run(&["get", "--control", control]);
    assert!(fine, "{said}");
    let report: Report = serde_json::from_str(&printed).unwrap();
    assert_eq!(report.clients[&Ipv4Addr::LOCALHOST.into()].requests, 1);

    let (fine, _, said) = run(&["set", "--control", control, "stratum=5", "offset=tomorrow"]);
    assert!(!fine && said.contains("nothing was changed"), "{said}");
    let after: Report = serde_json::from_str(&run(&["get", "--control", control]).1).unwrap();
    assert_eq!((after.settings.stratum, after.settings.offset), (2, Nanos::from_millis(-200)));

    run(&["set", "--control", control, "dead=true"]);
    let (fine, _, said) = run(&["probe", "--patience", "200", listen]);
    assert!(!fine && said.contains("no usable answer"), "{said}");
}

#[test]
fn an_unreachable_control_port_says_what_to_do() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = control::order(free, "get").unwrap_err().to_string();
    assert!(error.contains("meantime-lab serve"), "{error}");
}

#[test]
fn a_silent_caller_does_not_block_the_control_port() {
    let options = LabOptions {
        control: Some("127.0.0.1:0".parse().unwrap()),
        ..LabOptions::at("127.0.0.1:0".parse().unwrap())
    };
    let lab = Lab::start_with(&options).unwrap();
    let control = lab.control_address().unwrap();
    let _silent = std::net::TcpStream::connect(control).unwrap();
    std::thread::sleep(Duration::from_millis(2_200)); // until it is cut off
    control::order(control, "set offset=1s").unwrap();
    assert_eq!(lab.report().error_nanoseconds, Nanos::SECOND);
    assert!(control::order(control, "dance").is_err());
}

#[test]
fn ipv6_answers_too() {
    let lab = Lab::start((Ipv6Addr::LOCALHOST, 0).into()).unwrap();
    lab.set("offset=1s per-client=[::1]:offset=-3s").unwrap();
    assert!(is_near(offset(lab.address()), Nanos::from_secs(2)));
}

#[test]
fn a_dropped_lab_is_silent_and_its_address_free() {
    let lab = Lab::anywhere().unwrap();
    let address = lab.address();
    offset(address);
    drop(lab);
    assert!(probe::probe(address, Duration::from_millis(200)).is_err());
    UdpSocket::bind(address).unwrap();
}

#[test]
fn a_delay_is_measured_as_a_delay() {
    let lab = Lab::anywhere().unwrap();
    lab.set("delay=60ms asymmetry=40ms").unwrap();
    // On a busy machine an answer may come late: the fastest of a few counts.
    let all = (0..5).map(|_| probe::probe(lab.address(), PATIENCE).unwrap());
    let seen = all.min_by_key(|seen| seen.delay_nanoseconds).unwrap();
    assert!(seen.delay_nanoseconds >= Nanos::from_millis(100), "{seen:?}");
    assert!(is_near(seen.offset_nanoseconds, Nanos::from_millis(-20)), "half of the asymmetry: {seen:?}");
}

/// Two servers on one address, told apart through relays as in the micro-VM.
#[test]
fn a_relay_gives_a_server_an_address_of_its_own() {
    let (ahead, behind) = (Lab::anywhere().unwrap(), Lab::anywhere().unwrap());
    ahead.set("offset=10s").unwrap();
    behind.set("offset=-10s").unwrap();
    // A route needs a port that is known beforehand.
    let free = |ip: [u8; 4]| UdpSocket::bind((Ipv4Addr::from(ip), 0)).unwrap().local_addr().unwrap();
    let routes = [([127, 0, 5, 1], ahead.address()), ([127, 0, 5, 2], behind.address())]
        .map(|(ip, to)| relay::Route { at: free(ip), to });
    let words: Vec<String> = routes.iter().map(|route| format!("{}={}", route.at, route.to)).collect();
    assert_eq!(words.iter().map(|word| word.parse().unwrap()).collect::<Vec<relay::Route>>(), routes);
    let child = Command::new(env!("CARGO_BIN_EXE_meantime-lab"))
        .arg("relay")
        .args(&words)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = KilledOnDrop(child);
    let mut line = String::new();
    BufReader::new(child.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    assert!(is_near(offset(routes[0].at), Nanos::from_secs(-10)));
    assert!(is_near(offset(routes[1].at), Nanos::from_secs(10)));
}
