//! Reports from bytes: what was measured, corners, and arbitrary bytes.

use super::*;
use crate::testing::{answer, hex, ipv4, received};
use crate::{Address, Exchange, Generation, Request, Status};
use meantime_core::chrony::{ChronyVersion, Letter};
use meantime_core::clocks::WallTime;
use meantime_core::observation::PollCounters;
use meantime_core::units::{Nanos, Ppb};
use proptest::prelude::*;
use rstest::rstest;

const SOURCE: Address = Address::Ip(std::net::IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 12)));

/// chronyd 4.3's answer, sequence 0x01020304.
const TRACKING: &str = "0602000000210005000000000000000001020304 0000000000000000 | 7f00000c \
    7f00000c000000000000000000000000 0001 0000 | 0004 0000 | 00000000 6b0211a0 219393c3 | df5ff3d1 dd7b9490 dc846b70 \
    ef53c1fa f8cb3b89 f8934a60 e0f0511d de8a2344 0681b518";

fn tracking_exchange() -> Exchange {
    Exchange::begin(Request::Tracking, 0x0102_0304).0
}

#[test]
fn tracking_as_measured() {
    let report = tracking_exchange().receive(&hex(TRACKING)).unwrap().unwrap().tracking().unwrap();
    assert_eq!(
        report,
        Tracking {
            refid: 0x7f00_000c,
            address: SOURCE.ip(),
            stratum: 4,
            leap: Leap::Normal,
            reference_time: WallTime(1_795_297_696_563_319_747),
            residual: Nanos(2_385), // on the wire −2.38489e-6: put back by 2.4 µs, so ahead
            last_offset: Nanos(-987),
            rms_offset: Nanos(987),
            frequency: Ppb(-1),
            residual_frequency: Ppb(25),
            skew: Ppb(18),
            root_delay: Nanos(7_162),
            root_dispersion: Nanos(2_058),
            update_interval: Nanos(2_026_678_085),
        }
    );
}

#[test]
fn source_data_as_measured() {
    let body = hex(
        "7f00000b 000000000000000000000000 00010000 | 0001 0003 0004 0000 0000 00ff | 00000000 | dd3dc975 dd3dc975 e08a0c86",
    );
    let report = received(Request::SourceData(0), 3, 0, &body).unwrap().source().unwrap();
    assert_eq!(report.address, Address::Ip([127, 0, 0, 11].into()));
    assert_eq!((report.poll, report.stratum, report.reach), (1, 3, 0o377));
    assert_eq!((report.state, report.mode), (SourceState::Combined, SourceMode::Server));
    assert_eq!(report.sample_age, Some(Nanos::ZERO));
    assert!(report.measured_offset < Nanos::ZERO && report.error > Nanos::ZERO);
}

#[test]
fn select_data_as_measured() {
    let body = hex(
        "7f00000b 7f00000b000000000000000000000000 00010000 | 2b 00 00 00 | 0000 0000 | 00000000 | 04800000 e1456560 deb2febe",
    );
    let report = received(Request::SelectData(0), 23, 0, &body).unwrap().select().unwrap();
    assert_eq!((report.letter, report.score_thousandths), (Letter::Combined, 1_000));
    assert!(report.low < report.high);
}

#[test]
fn activity_during_a_burst() {
    let body = hex("00000000 00000000 00000002 00000000 00000000");
    let report = received(Request::Activity, 12, 0, &body).unwrap().activity().unwrap();
    assert_eq!(report, Activity { burst_online: 2, ..Activity::default() });
}

#[test]
fn server_stats_tell_the_generation() {
    let words: Vec<u8> = (1..=11_u32).flat_map(u32::to_be_bytes).collect();
    let wide: Vec<u8> = (1..=21_u64).flat_map(u64::to_be_bytes).collect();
    let read = |code, body: &[u8]| received(Request::ServerStats, code, 0, body).unwrap().server().unwrap();
    let oldest = read(22, &words[..32]);
    assert_eq!((oldest.ntp_hits, oldest.ntp_authenticated, oldest.ntp_interleaved), (1, 8, None));
    let middle = read(24, &words);
    assert_eq!(
        (middle.ntp_interleaved, middle.timestamps_span, middle.receive_timestamps),
        (Some(9), Some(11), None)
    );
    let newest = read(25, &wide);
    assert_eq!(
        (newest.receive_timestamps, newest.transmit_timestamps),
        (Some([12, 14, 16]), Some([13, 15, 17]))
    );

    let version = ChronyVersion::parse;
    for (stats, inside, outside) in [(oldest, "4.1", "4.2"), (middle, "4.3", "4.4"), (newest, "4.9", "4.3")] {
        let generation = Generation::ANY.seen_server_stats(&stats);
        assert!(generation.contains(version(inside).unwrap()), "{inside} in {generation:?}");
        assert!(!generation.contains(version(outside).unwrap()), "{outside} not in {generation:?}");
    }
}

/// An NTP_DATA body whose every number differs from every other.
fn ntp_data_body() -> Vec<u8> {
    let mut body = [ipv4(12), ipv4(1)].concat();
    body.extend(hex("007b 00 04 04 02 02 ec"));
    body.extend(hex("02800000 e72e48e9 7f000001 | 00000000 6b0211a0 00000000"));
    body.extend(hex("02800000 0280000004800000 c889705f 00000000 43ff 4b 44"));
    body.extend([100_u32, 99, 98, 97].into_iter().flat_map(u32::to_be_bytes));
    body
}

#[test]
fn ntp_data_of_both_generations() {
    let mut old = ntp_data_body();
    old.extend([0xff; 12]);
    let report = received(Request::NtpData([127, 0, 0, 12].into()), 16, 0, &old).unwrap().ntp().unwrap();
    assert_eq!((report.remote, report.port), (SOURCE, 123));
    // On the wire +0.5, source minus this clock.
    assert_eq!(report.offset, Nanos::from_millis(-500));
    assert_eq!((report.peer_delay, report.peer_dispersion), (Nanos::from_millis(500), Nanos::SECOND));
    assert!(report.passed_all_tests() && report.interleaved && !report.authenticated);
    assert_eq!(
        (report.transmit_stamp, report.receive_stamp),
        (TimestampSource::Kernel, TimestampSource::Daemon)
    );
    assert_eq!((report.sent, report.received, report.valid, report.good), (100, 99, 98, Some(97)));
    assert_eq!(report.counters(), PollCounters { sent: 100, valid: 98, good: 97 });
    assert_eq!(report.packet().unwrap().root_delay, Nanos::from_millis(500));
    assert_eq!(report.timestamps, None);
    old[108..112].fill(0xff); // as 4.0 sends it
    let report = received(Request::NtpData([127, 0, 0, 12].into()), 16, 0, &old).unwrap().ntp().unwrap();
    assert_eq!((report.good, report.counters().good), (None, 98));

    let mut new = ntp_data_body();
    new.extend([1_u32, 2, 3, 4].into_iter().flat_map(u32::to_be_bytes));
    new.extend([0xff; 16]);
    let report = received(Request::NtpData([127, 0, 0, 12].into()), 26, 0, &new).unwrap().ntp().unwrap();
    let counts =
        TimestampCounts { kernel_sent: 1, kernel_received: 2, hardware_sent: 3, hardware_received: 4 };
    assert_eq!(report.timestamps, Some(counts));
    assert!(!Generation::ANY.seen_ntp_data(&report).contains(ChronyVersion::new(4, 5, 0)));
}

#[test]
fn before_the_first_packet_there_is_none() {
    let mut body = ntp_data_body();
    body[104..108].fill(0);
    body.extend([0xff; 12]);
    let report = received(Request::NtpData([127, 0, 0, 12].into()), 16, 0, &body).unwrap().ntp().unwrap();
    assert_eq!(report.packet(), None);
}

#[test]
fn few_samples_are_no_estimate() {
    let mut body = [hex("7f00000c"), ipv4(12)].concat();
    body.extend(hex("00000002 00000001 00000004 c889705f 00000000 16fa0000 02800000 06c00000"));
    let read = |body: &[u8]| received(Request::SourceStats(0), 6, 0, body).unwrap().stats().unwrap();
    assert_eq!(read(&body).estimate(), None);
    body[27] = 3;
    let estimate = read(&body).estimate().unwrap();
    assert_eq!((estimate.offset, estimate.skew), (Nanos::from_millis(500), Ppb::from_ppm(1_000)));
}

#[test]
fn names_end_at_nul_or_at_the_end() {
    let mut body = [b'x'; 256];
    let read = |body: &[u8]| received(Request::SourceName(SOURCE), 19, 0, body).unwrap().name().unwrap();
    assert_eq!(read(&body).len(), 256);
    body[3] = 0;
    assert_eq!(read(&body), "xxx");
}

#[test]
fn authentication_data() {
    let body = hex("0002 0000 0000001e 0100 0001 ffffffff 0008 0064 0000 0000");
    let report = received(Request::AuthData(SOURCE), 20, 0, &body).unwrap().auth().unwrap();
    assert_eq!(
        (report.mode, report.key_bits, report.exchange_age, report.cookies),
        (AuthMode::Nts, 256, None, 8)
    );
}

// Accept and drop.

#[test]
fn what_is_not_ours_is_dropped() {
    let exchange = tracking_exchange();
    let good = hex(TRACKING);
    let dropped = |change: fn(&mut Vec<u8>)| {
        let mut datagram = good.clone();
        change(&mut datagram);
        exchange.receive(&datagram).is_none()
    };
    assert!(!dropped(|_| {}));
    assert!(dropped(|d| d.truncate(27)));
    assert!(dropped(|d| d[0] = 5), "a version that is not ours, without status 18");
    assert!(dropped(|d| d[1] = 1), "a request, not a reply");
    assert!(dropped(|d| d[2] = 1));
    assert!(dropped(|d| d[5] = 0x22), "another command");
    assert!(dropped(|d| d[19] = 5), "another sequence: a late answer");
}

#[test]
fn another_protocol_version_is_told() {
    let mut datagram = answer(&Request::Tracking, 0x0102_0304, 1, 18, &[]);
    for version in [4, 7] {
        datagram[0] = version;
        let error = tracking_exchange().receive(&datagram).unwrap().unwrap_err();
        assert_eq!(error.status(), Some(Status::BadVersion));
    }
    datagram[0] = 3;
    assert_eq!(tracking_exchange().receive(&datagram), None);
}

#[rstest]
#[case(1, "it failed")]
#[case(2, "not authorised")]
#[case(3, "does not know the command")]
#[case(4, "no such source")]
#[case(6, "not enabled")]
#[case(11, "has that source already")]
#[case(12, "no room")]
#[case(13, "status 13")]
#[case(17, "address family")]
#[case(19, "longer request")]
#[case(21, "not a usable name")]
fn refusals_say_what_and_why(#[case] status: u16, #[case] words: &str) {
    let error = received(Request::DeleteSource(SOURCE), 1, status, &[]).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("delete source 127.0.0.12") && text.contains(words), "{text}");
}

#[test]
fn unknown_and_short_reports_cost_only_themselves() {
    let error = received(Request::ServerStats, 99, 0, &[0; 40]).unwrap_err();
    assert!(error.to_string().contains("unknown report 99 (68 bytes)"), "{error}");
    let error = received(Request::SourceCount, 2, 0, &[0; 3]).unwrap_err();
    assert!(error.to_string().contains("ended early"), "{error}");
    assert_eq!(
        received(Request::SourceCount, 2, 0, &[0, 0, 0, 5, 9, 9]),
        Ok(Reply::SourceCount(5)),
        "longer is fine"
    );
    let other = received(Request::Tracking, 2, 0, &[0, 0, 0, 5]).unwrap().tracking().unwrap_err();
    assert!(other.to_string().contains("tracking"), "{other}");
}

/// Reply codes and nominal lengths (header included), as measured.
const NOMINAL: [(u16, usize); 14] = [
    (1, 28),
    (2, 32),
    (3, 76),
    (5, 104),
    (6, 84),
    (12, 48),
    (16, 152),
    (19, 284),
    (20, 52),
    (22, 60),
    (23, 76),
    (24, 72),
    (25, 196),
    (26, 172),
];

#[test]
fn each_report_is_read_from_its_nominal_length_on() {
    for (code, length) in NOMINAL {
        let full = vec![0; length - 28];
        assert!(received(Request::Tracking, code, 0, &full).is_ok(), "report {code} at {length} bytes");
        if let Some(shorter) = full.len().checked_sub(1) {
            assert!(
                received(Request::Tracking, code, 0, &full[..shorter]).is_err(),
                "report {code} a byte short"
            );
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..700)) {
        let _ = tracking_exchange().receive(&bytes);
    }

    /// The same with a header that is accepted, so that every report's reader sees arbitrary bodies.
    #[test]
    fn arbitrary_bodies_never_panic(
        at in 0..NOMINAL.len(), body in proptest::collection::vec(any::<u8>(), 0..400), cut in any::<bool>(),
    ) {
        let (code, length) = NOMINAL[at];
        let mut body = body;
        if !cut {
            body.resize(body.len().max(length - 28), 0xa5);
        }
        let enough = body.len() + 28 >= length;
        prop_assert_eq!(received(Request::Tracking, code, 0, &body).is_ok(), enough);
    }

    #[test]
    fn tracking_survives(
        refid in any::<u32>(), stratum in any::<u16>(), residual in -4_000_000_000_000_i64..4_000_000_000_000,
        delay in 0_i64..60_000_000_000, ppm in -500_000_i64..500_000,
    ) {
        let mut writer = crate::bytes::Writer::default();
        writer.u32(refid);
        SOURCE.write(&mut writer);
        writer.u16(stratum).u16(1).u32(0).u32(9).u32(7);
        writer.seconds(Nanos(-residual)).seconds(Nanos(3)).seconds(Nanos(4));
        writer.u32(crate::float::Float::from_scaled(ppm, 1_000).0).u32(0).u32(0);
        writer.seconds(Nanos(delay)).seconds(Nanos::ZERO).seconds(Nanos::SECOND);
        let report = received(Request::Tracking, 5, 0, &writer.0).unwrap().tracking().unwrap();
        let near = |one: i64, other: i64| (one - other).abs() <= (other.abs() >> 24) + 1;
        prop_assert_eq!((report.refid, report.stratum, report.leap), (refid, stratum, Leap::Insert));
        prop_assert_eq!(report.reference_time, WallTime(9_000_000_007));
        prop_assert!(near(report.residual.0, residual) && near(report.root_delay.0, delay));
        prop_assert!(near(report.frequency.0, ppm));
    }
}
