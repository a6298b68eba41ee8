//! Our reading of a report against what the same version's chronyc prints of it, cell by cell.
//!
//! Reports move while they are compared, so ours is read before and after chronyc's: a cell agrees when chronyc's
//! value lies between the two (with the tolerance of its printing), and a report is tried again when a clock update
//! fell in between.

use meantime_candm::reply::{
    AuthMode, NtpData, SelectData, ServerStats, SourceMode, SourceState, TimestampSource,
};
use meantime_candm::request::SelectOptions;
use meantime_candm::{Address, Reply, Request};
use meantime_core::chrony::ChronyVersion;
use meantime_core::clocks::WallTime;
use meantime_core::observation::{Leap, Tracking};
use meantime_core::units::{Nanos, Ppb};
use meantime_tests::chronyd::{Chronyd, Client};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

/// One cell of a report as we read it.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Text(String),
    /// Value and half of the last digit that chronyc prints.
    Number(f64, f64),
    /// Not compared: chronyc computes it from other cells or by a hash.
    Skipped,
}

type Row = Vec<Cell>;

fn text(value: impl Into<String>) -> Cell {
    Cell::Text(value.into())
}
/// Seconds, printed with so many decimals.
#[expect(clippy::cast_precision_loss, reason = "compared with seven digits")]
fn seconds(span: Nanos, decimals: i32) -> Cell {
    Cell::Number(span.0 as f64 / 1e9, 0.5 * 10_f64.powi(-decimals))
}
/// Parts per million, printed with three decimals.
#[expect(clippy::cast_precision_loss, reason = "compared with seven digits")]
fn ppm(frequency: Ppb) -> Cell {
    Cell::Number(frequency.0 as f64 / 1e3, 0.5e-3)
}
#[expect(clippy::cast_precision_loss, reason = "compared with seven digits")]
fn thousandths(value: i64, decimals: i32) -> Cell {
    Cell::Number(value as f64 / 1e3, 0.5 * 10_f64.powi(-decimals) + 0.5e-3)
}
#[expect(clippy::cast_precision_loss, reason = "counters of a test are small")]
fn count(value: impl Into<u64>) -> Cell {
    Cell::Number(value.into() as f64, 0.0)
}
fn moment(wall: WallTime) -> Cell {
    text(format!("{}.{:09}", wall.0 / 1_000_000_000, wall.0 % 1_000_000_000))
}
/// Whole seconds, all ones for "never".
fn age(age: Option<Nanos>) -> Cell {
    age.map_or_else(|| count(u32::MAX), |age| seconds(age, 9))
}
fn leap(leap: Leap) -> Cell {
    text(match leap {
        Leap::Normal => "Normal",
        Leap::Insert => "Insert second",
        Leap::Delete => "Delete second",
        Leap::Unsynchronised => "Not synchronised",
    })
}
fn address(address: Address) -> Cell {
    text(address.ip().map_or_else(|| "[UNSPEC]".to_owned(), |ip| ip.to_string()))
}
fn yes(flag: bool) -> Cell {
    text(if flag { "Yes" } else { "No" })
}

fn tracking(report: &Tracking) -> Row {
    vec![
        text(format!("{:08X}", report.refid)),
        text(report.address.map_or_else(String::new, |ip| ip.to_string())),
        count(report.stratum),
        moment(report.reference_time),
        seconds(-report.residual, 9), // chronyc prints what is to be added to the clock
        seconds(report.last_offset, 9),
        seconds(report.rms_offset, 9),
        ppm(report.frequency),
        ppm(report.residual_frequency),
        ppm(report.skew),
        seconds(report.root_delay, 9),
        seconds(report.root_dispersion, 9),
        seconds(report.update_interval, 1),
        leap(report.leap),
    ]
}

fn source(client: &mut Client, index: u32) -> Row {
    let report = client.ask(&Request::SourceData(index)).unwrap().source().unwrap();
    vec![
        text(match report.mode {
            SourceMode::Server => "^",
            SourceMode::Peer => "=",
            SourceMode::ReferenceClock => "#",
            SourceMode::Unknown(_) => "unknown",
        }),
        text(match report.state {
            SourceState::Selected => "*",
            SourceState::NotSelectable => "?",
            SourceState::Falseticker => "x",
            SourceState::TooJittery => "~",
            SourceState::Combined => "+",
            SourceState::NotCombined => "-",
            SourceState::Unknown(_) => "unknown",
        }),
        address(report.address),
        count(report.stratum),
        text(report.poll.to_string()),
        text(format!("{:o}", report.reach)),
        age(report.sample_age),
        seconds(report.adjusted_offset, 9),
        seconds(report.measured_offset, 9),
        seconds(report.error, 9),
    ]
}

fn stats(client: &mut Client, index: u32) -> Row {
    let report = client.ask(&Request::SourceStats(index)).unwrap().stats().unwrap();
    vec![
        address(report.address),
        count(report.samples),
        count(report.runs),
        seconds(report.span, 9),
        ppm(report.residual_frequency),
        ppm(report.skew),
        seconds(report.offset, 9),
        seconds(report.deviation, 9),
    ]
}

fn select(client: &mut Client, index: u32) -> Row {
    let report: SelectData = client.ask(&Request::SelectData(index)).unwrap().select().unwrap();
    let mut row = vec![
        text(report.letter.to_char()),
        address(report.address),
        text(if report.authenticated { "Y" } else { "N" }),
    ];
    for options in [report.configured, report.effective] {
        for (option, letter) in [
            (SelectOptions::NOSELECT, "N"),
            (SelectOptions::PREFER, "P"),
            (SelectOptions::TRUST, "T"),
            (SelectOptions::REQUIRE, "R"),
        ] {
            row.push(text(if options.contains(option) { letter } else { "-" }));
        }
        row.push(text("-")); // a place for an option to come
    }
    row.extend([
        age(report.sample_age),
        thousandths(report.score_thousandths, 1),
        seconds(report.low, 9),
        seconds(report.high, 9),
        leap(report.leap),
    ]);
    row
}

fn ntp(client: &mut Client, remote: IpAddr) -> Row {
    let report: NtpData = client.ask(&Request::NtpData(remote)).unwrap().ntp().unwrap();
    let stamp = |stamp| match stamp {
        TimestampSource::Daemon => text("Daemon"),
        TimestampSource::Kernel => text("Kernel"),
        TimestampSource::Hardware => text("Hardware"),
        TimestampSource::Unknown(_) => text("Invalid"),
    };
    let tests = format!("{:010b}", report.tests);
    let mut row = vec![
        address(report.remote),
        Cell::Skipped,
        count(report.port),
        address(report.local),
        Cell::Skipped,
        leap(report.leap),
        count(report.version),
        text(if report.mode == 4 { "Server" } else { "Invalid" }),
        count(report.stratum),
        text(report.poll.to_string()),
        Cell::Skipped,
        text(report.precision.to_string()),
        Cell::Skipped,
        seconds(report.root_delay, 6),
        seconds(report.root_dispersion, 6),
        text(format!("{:08X}", report.refid)),
        Cell::Skipped,
        moment(report.reference_time),
        seconds(-report.offset, 9), // chronyc prints source minus clock
        seconds(report.peer_delay, 9),
        seconds(report.peer_dispersion, 9),
        seconds(report.response_time, 9),
        thousandths(report.jitter_asymmetry_thousandths, 2),
        text(&tests[..3]),
        text(&tests[3..6]),
        text(&tests[6..]),
        yes(report.interleaved),
        yes(report.authenticated),
        stamp(report.transmit_stamp),
        stamp(report.receive_stamp),
        count(report.sent),
        count(report.received),
        count(report.valid),
    ];
    row.extend(report.good.map(count));
    if let Some(stamps) = report.timestamps {
        row.extend(
            [stamps.kernel_sent, stamps.kernel_received, stamps.hardware_sent, stamps.hardware_received]
                .map(count),
        );
    }
    row
}

fn server(report: &ServerStats) -> Row {
    let mut row = vec![
        count(report.ntp_hits),
        count(report.ntp_drops),
        count(report.command_hits),
        count(report.command_drops),
        count(report.log_drops),
        count(report.nke_hits),
        count(report.nke_drops),
        count(report.ntp_authenticated),
    ];
    row.extend(
        [report.ntp_interleaved, report.timestamps_held, report.timestamps_span]
            .into_iter()
            .flatten()
            .map(count),
    );
    if let (Some(received), Some(sent)) = (report.receive_timestamps, report.transmit_timestamps) {
        row.extend(received.into_iter().zip(sent).flat_map(|(received, sent)| [received, sent]).map(count));
    }
    row
}

fn authentication(client: &mut Client, index: u32) -> Row {
    let which = client.ask(&Request::SourceData(index)).unwrap().source().unwrap().address;
    let report = client.ask(&Request::AuthData(which)).unwrap().auth().unwrap();
    vec![
        address(which),
        text(match report.mode {
            AuthMode::None => "-",
            AuthMode::Key => "SK",
            AuthMode::Nts => "NTS",
            AuthMode::Unknown(_) => "unknown",
        }),
        count(report.key_id),
        count(report.key_type),
        count(report.key_bits),
        age(report.exchange_age),
        count(report.exchange_attempts),
        count(report.naks),
        count(report.cookies),
        count(report.cookie_length),
    ]
}

/// What was compared so far for one version.
#[derive(Default)]
pub struct Tally {
    pub reports: BTreeSet<&'static str>,
    pub values: usize,
}

const ATTEMPTS: u32 = 20;

impl Tally {
    /// Compares one report; panics when it never agrees.
    fn report(
        &mut self,
        daemon: &Chronyd,
        name: &'static str,
        command: &str,
        mut ours: impl FnMut() -> Vec<Row>,
    ) {
        let mut last = String::new();
        for _ in 0..ATTEMPTS {
            let before = ours();
            let printed = daemon.chronyc(command).unwrap();
            let after = ours();
            match compare(&before, &printed, &after) {
                Ok(values) => {
                    assert!(values > 0, "{name} has values");
                    self.reports.insert(name);
                    self.values += values;
                    return;
                }
                Err(why) => last = format!("{why}\nchronyc {command}:\n{printed}"),
            }
            std::thread::sleep(Duration::from_millis(40));
        }
        panic!("{}: {name} never agreed with chronyc: {last}", daemon.version());
    }

    /// All reports of one daemon. `sources` are the NTP addresses that it has.
    pub fn all(&mut self, daemon: &Chronyd, client: &mut Client, sources: &[IpAddr]) {
        let ask = |client: &mut Client, request: Request| client.ask(&request).unwrap();
        let length = |client: &mut Client| client.ask(&Request::SourceCount).unwrap().source_count().unwrap();
        let n = length(client);
        self.report(daemon, "tracking", "tracking", || {
            vec![tracking(&ask(client, Request::Tracking).tracking().unwrap())]
        });
        let printed = daemon.chronyc("sources").unwrap();
        assert_eq!(printed.lines().count(), n as usize, "the source count agrees with chronyc's list");
        self.reports.insert("source count");
        self.values += 1;
        self.report(daemon, "sources", "sources", || (0..n).map(|index| source(client, index)).collect());
        self.report(daemon, "sourcestats", "sourcestats", || {
            (0..n).map(|index| stats(client, index)).collect()
        });
        self.report(daemon, "selectdata", "selectdata", || {
            (0..n).map(|index| select(client, index)).collect()
        });
        self.report(daemon, "authdata", "authdata", || {
            (0..n).map(|index| authentication(client, index)).collect()
        });
        self.report(daemon, "activity", "activity", || {
            let report = ask(client, Request::Activity).activity().unwrap();
            let modes =
                [report.online, report.offline, report.burst_online, report.burst_offline, report.unresolved];
            vec![modes.map(count).to_vec()]
        });
        self.report(daemon, "serverstats", "serverstats", || {
            vec![server(&ask(client, Request::ServerStats).server().unwrap())]
        });
        for remote in sources {
            self.report(daemon, "ntpdata", &format!("ntpdata {remote}"), || vec![ntp(client, *remote)]);
            let named = Request::SourceName(Address::Ip(*remote));
            self.report(daemon, "sourcename", &format!("sourcename {remote}"), || {
                vec![vec![text(ask(client, named.clone()).name().unwrap())]]
            });
        }
    }
}

/// The number of values that agree, or the first that does not.
fn compare(before: &[Row], printed: &str, after: &[Row]) -> Result<usize, String> {
    let lines: Vec<&str> = printed.lines().filter(|line| !line.is_empty()).collect();
    if before.len() != lines.len() || after.len() != lines.len() {
        return Err(format!("{} rows of ours, {} of chronyc's", before.len(), lines.len()));
    }
    let mut values = 0;
    for ((before, after), line) in before.iter().zip(after).zip(lines) {
        let cells: Vec<&str> = line.split(',').collect();
        if before.len() != cells.len() || after.len() != cells.len() {
            return Err(format!("{} cells of ours, {} of chronyc's: {before:?}", before.len(), cells.len()));
        }
        for (at, ((before, after), cell)) in before.iter().zip(after).zip(cells).enumerate() {
            let agrees = match (before, after) {
                (Cell::Skipped, Cell::Skipped) => continue,
                (Cell::Text(one), Cell::Text(other)) => cell == one || cell == other,
                (Cell::Number(one, tolerance), Cell::Number(other, _)) => {
                    cell.parse().is_ok_and(|value: f64| {
                        // The wire has seven digits, chronyc and we round them differently.
                        let slack = tolerance * 1.01 + 1e-9 + value.abs() * 2e-7;
                        value >= one.min(*other) - slack && value <= one.max(*other) + slack
                    })
                }
                (Cell::Text(_) | Cell::Number(..) | Cell::Skipped, _) => false,
            };
            if !agrees {
                return Err(format!("cell {at} is {cell:?} by chronyc, {before:?} … {after:?} by us"));
            }
            values += 1;
        }
    }
    Ok(values)
}

/// How many values a serverstats report of a version has.
pub fn server_values(version: ChronyVersion) -> usize {
    if version < ChronyVersion::new(4, 2, 0) {
        8
    } else if version < ChronyVersion::new(4, 4, 0) {
        11
    } else {
        17
    }
}

/// Whether the comparison itself can fail.
#[test]
fn a_wrong_cell_is_seen() {
    let row = |offset| vec![vec![text("^"), seconds(offset, 9), count(7_u32)]];
    let [ours, other] = [row(Nanos(1_500)), row(Nanos(1_700))];
    assert_eq!(compare(&ours, "^,0.000001600,7\n", &other), Ok(3), "a value that moved meanwhile");
    for wrong in
        ["^,-0.000001600,7", "^,0.000002600,7", "x,0.000001600,7", "^,0.000001600,8", "^,0.000001600", ""]
    {
        assert!(compare(&ours, wrong, &other).is_err(), "{wrong:?}");
    }
    assert!(matches!(Reply::Done.tracking(), Err(meantime_candm::Error::OtherReport { .. })));
}
