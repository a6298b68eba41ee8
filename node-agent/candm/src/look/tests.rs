//! Looks over scripted answers: the ordinary one, the list that shifts, the report that is unknown.

use super::*;
use crate::bytes::Writer;
use crate::reply::SourceState;
use crate::testing::{hex, ipv4, received};
use meantime_core::chrony::Letter;
use meantime_core::units::Nanos;

fn source_body(last: u8, mode: u8) -> Vec<u8> {
    let mut body = ipv4(last);
    body.extend([0, 1, 0, 3, 0, 4, 0, mode, 0, 0, 0, 0xff]);
    body.extend([0; 16]);
    body
}
fn stats_body(last: u8) -> Vec<u8> {
    let mut body = [vec![127, 0, 0, last], ipv4(last)].concat();
    body.extend(hex("00000004 00000001 00000004 c889705f 00000000 04800000 02800000 06c00000"));
    body
}
fn select_body(last: u8, letter: u8) -> Vec<u8> {
    let mut body = [vec![127, 0, 0, last], ipv4(last), vec![letter, 0, 0, 0]].concat();
    body.extend([0; 20]);
    body
}
fn tracking_body() -> Vec<u8> {
    let mut writer = Writer::default();
    writer.bytes(&[127, 0, 0, 1]).bytes(&ipv4(1)).bytes(&[0; 52]);
    writer.0
}
fn ntp_body(last: u8) -> Vec<u8> {
    let mut body = [ipv4(last), ipv4(1)].concat();
    body.resize(128, 0);
    body
}

/// A daemon with two sources; `twist` may answer otherwise.
fn run(twist: impl Fn(&Request) -> Option<Result<Reply, Error>>) -> Looked {
    let mut look = Look::new();
    let mut asked = 0;
    while let Some(request) = look.next_request().cloned() {
        asked += 1;
        assert!(asked < 100, "a look ends");
        let ordinary = || match &request {
            Request::Tracking => received(request.clone(), 5, 0, &tracking_body()),
            Request::SourceCount => received(request.clone(), 2, 0, &[0, 0, 0, 2]),
            Request::SourceData(index) => {
                received(request.clone(), 3, 0, &source_body(index_to_last(*index), 0))
            }
            Request::SourceStats(index) => {
                received(request.clone(), 6, 0, &stats_body(index_to_last(*index)))
            }
            Request::SelectData(index) => {
                received(request.clone(), 23, 0, &select_body(index_to_last(*index), b'*'))
            }
            Request::NtpData(std::net::IpAddr::V4(ip)) => {
                received(request.clone(), 16, 0, &ntp_body(ip.octets()[3]))
            }
            Request::SourceName(_) => received(request.clone(), 19, 0, &[b'n'; 256]),
            other => panic!("a look never asks {other}"),
        };
        look.answer(twist(&request).unwrap_or_else(ordinary)).unwrap();
    }
    look.finish().unwrap()
}
fn index_to_last(index: u32) -> u8 {
    11 + u8::try_from(index).unwrap()
}

#[test]
fn an_ordinary_look_joins_everything() {
    let looked = run(|_| None);
    assert!(looked.complete, "{looked:?}");
    assert_eq!(looked.sources.len(), 2);
    for (seen, last) in looked.sources.iter().zip([11, 12]) {
        let address = Address::Ip([127, 0, 0, last].into());
        assert_eq!(seen.source.address, address);
        assert_eq!(seen.source.state, SourceState::Combined);
        assert_eq!(seen.stats.as_ref().unwrap().address, address);
        assert_eq!(seen.select.as_ref().unwrap().letter, Letter::Selected);
        assert_eq!(seen.ntp.as_ref().unwrap().remote, address);
        assert_eq!(seen.name.as_ref().unwrap().len(), 256);
    }
}

#[test]
fn a_list_that_shifts_under_the_look_is_noticed_and_never_mixed() {
    // The first source goes after SOURCE_DATA 0: everything else is the second one's, then "no such source".
    let looked = run(|request| match request {
        Request::SourceStats(0) => Some(received(request.clone(), 6, 0, &stats_body(12))),
        Request::SelectData(0) => Some(received(request.clone(), 23, 0, &select_body(12, b'x'))),
        Request::SourceData(1) | Request::SourceStats(1) | Request::SelectData(1) => {
            Some(received(request.clone(), 1, 4, &[]))
        }
        Request::NtpData(_) | Request::SourceName(_) => Some(received(request.clone(), 1, 4, &[])),
        _ => None,
    });
    assert!(!looked.complete);
    assert_eq!(looked.errors, vec![]);
    let [seen] = looked.sources.as_slice() else { panic!("one is left: {looked:?}") };
    assert_eq!((seen.stats.is_none(), seen.select.is_none()), (true, true));
}

#[test]
fn an_unknown_report_costs_itself_only() {
    let looked = run(|request| match request {
        Request::NtpData(_) => Some(received(request.clone(), 77, 0, &[0; 200])),
        _ => None,
    });
    assert!(!looked.complete);
    assert_eq!(looked.errors.len(), 2);
    assert!(
        looked.sources.iter().all(|seen| seen.ntp.is_none() && seen.stats.is_some() && seen.select.is_some())
    );
}

#[test]
fn a_reference_clock_is_joined_by_its_id_and_not_asked_for_packets() {
    let looked = run(|request| match request {
        Request::SourceData(1) => Some(received(request.clone(), 3, 0, &source_body(12, 2))),
        Request::SourceStats(1) => {
            let mut body = stats_body(12);
            body[4..24].fill(0);
            Some(received(request.clone(), 6, 0, &body))
        }
        Request::NtpData(std::net::IpAddr::V4(ip)) if ip.octets()[3] == 12 => panic!("it has no packets"),
        _ => None,
    });
    assert!(looked.complete, "{looked:?}");
    assert_eq!(looked.sources[1].stats.as_ref().unwrap().deviation, Nanos(1));
}

#[test]
fn without_tracking_there_is_no_look() {
    let mut look = Look::new();
    let refusal = received(Request::Tracking, 1, 2, &[]);
    assert!(look.answer(refusal).is_err());
    assert!(look.finish().is_none());
}

#[test]
fn a_look_given_up_early_is_incomplete() {
    let mut look = Look::new();
    look.answer(received(Request::Tracking, 5, 0, &tracking_body())).unwrap();
    assert!(!look.finish().unwrap().complete);
}
