//! Frames as bytes, from the measured vectors and the tables of the protocol description.

use super::*;
use crate::{Exchange, FRAME};
use meantime_core::units::Nanos;
use proptest::prelude::*;
use rstest::rstest;

fn frame(request: &Request) -> Vec<u8> {
    Exchange::begin(request.clone(), 0x0102_0304).1
}
fn server(layout: AddSourceLayout, name: &str) -> AddSource {
    AddSource::server(layout, SourceName::new(name).unwrap())
}
fn word(frame: &[u8], body_offset: usize) -> u32 {
    u32::from_be_bytes(*frame[20 + body_offset..].first_chunk().unwrap())
}

#[test]
fn tracking_as_measured() {
    let sent = frame(&Request::Tracking);
    assert_eq!(sent.len(), FRAME);
    assert_eq!(sent[..12], [6, 1, 0, 0, 0, 0x21, 0, 0, 1, 2, 3, 4]);
    assert!(sent[12..].iter().all(|byte| *byte == 0));
}

#[rstest]
#[case(Request::Burst { address: None, good: 4, total: 8 }, 3, 48)]
#[case(Request::Dump, 6, 4)]
#[case(Request::SourceCount, 14, 0)]
#[case(Request::SourceData(7), 15, 4)]
#[case(Request::DeleteSource(Address::Unresolved(9)), 29, 20)]
#[case(Request::Tracking, 33, 0)]
#[case(Request::SourceStats(7), 34, 4)]
#[case(Request::Activity, 44, 0)]
#[case(Request::Reselect, 48, 0)]
#[case(Request::ServerStats, 54, 0)]
#[case(Request::NtpData([127, 0, 0, 1].into()), 57, 20)]
#[case(Request::AddSource(server(AddSourceLayout::First, "a")), 64, 352)]
#[case(Request::AddSource(server(AddSourceLayout::Second, "a")), 75, 388)]
#[case(Request::SourceName(Address::Ip([127, 0, 0, 1].into())), 65, 20)]
#[case(Request::ResetSources, 66, 0)]
#[case(Request::AuthData(Address::Ip([127, 0, 0, 1].into())), 67, 20)]
#[case(Request::SelectData(7), 69, 4)]
#[case(Request::ReloadSources, 70, 0)]
#[case(
    Request::SelectOptions { address: [127, 0, 0, 1].into(), set: SelectOptions::NONE, clear: SelectOptions::NONE },
    72,
    32
)]
fn every_command_has_its_number_and_body(#[case] request: Request, #[case] code: u16, #[case] body: usize) {
    let sent = frame(&request);
    assert_eq!(sent.len(), FRAME);
    assert_eq!(sent[4..6], code.to_be_bytes());
    let mut written = crate::bytes::Writer::default();
    request.write_body(&mut written);
    assert_eq!(written.0.len(), body);
    assert!(!request.to_string().is_empty());
}

/// The words of both layouts beside what chronyc 4.6.1 and 4.9 were seen to send (all but the version, which they
/// leave at 0 for "the newest").
#[rstest]
#[case(
    AddSourceLayout::First,
    &[(300, 0), (304, 4460), (308, 0x06c0_0000), (312, 0), (316, 0x0aa0_0000), (320, 0), (324, 0x0480_0000), (328, 0),
      (332, 0x1 | 0x4 | 0x8 | 0x20), (336, 0), (340, 0), (344, 0), (348, 100_000)],
)]
#[case(
    AddSourceLayout::Second,
    &[(300, 100_000), (304, 0), (308, 0), (312, 4460), (316, 0), (320, 19), (324, 0x06c0_0000), (328, 0),
      (332, 0x0aa0_0000), (336, 0), (340, 0), (344, 0x0480_0000), (348, 0), (352, 0x1 | 0x4 | 0x8 | 0x20), (356, 0)],
)]
fn add_source_is_laid_out_as_measured(#[case] layout: AddSourceLayout, #[case] rest: &[(usize, u32)]) {
    let sent = frame(&Request::AddSource(AddSource {
        port: 1123,
        min_poll: -2,
        max_poll: 0,
        iburst: true,
        options: SelectOptions::PREFER.union(SelectOptions::TRUST),
        max_samples: Some(8),
        ..server(layout, "127.0.0.12")
    }));
    assert_eq!(word(&sent, 0), 1);
    assert_eq!(&sent[24..35], b"127.0.0.12\0");
    let common = [
        (260, 1123),
        (264, (-2_i32).cast_unsigned()),
        (268, 0),
        (272, 100),
        (276, 0),
        (280, 8),
        (284, 4),
        (288, 4),
        (292, u32::MAX),
        (296, 8),
    ];
    for (at, value) in common.iter().chain(rest) {
        assert_eq!(word(&sent, *at), *value, "body offset {at}");
    }
}

#[test]
fn the_longest_name_keeps_its_final_nul() {
    let name = "a".repeat(255);
    let sent = frame(&Request::AddSource(server(AddSourceLayout::First, &name)));
    assert_eq!(&sent[24..279], name.as_bytes());
    assert_eq!(sent[279], 0);
    assert_eq!(word(&sent, 260), 123);
}

#[rstest]
#[case("")]
#[case("two words")]
#[case("a\nb")]
#[case("zürich")]
#[case(&"a".repeat(256))]
fn what_is_not_a_name_is_refused(#[case] name: &str) {
    assert!(SourceName::new(name).unwrap_err().to_string().contains("255 printable"));
}

#[test]
fn select_options_have_two_numberings() {
    let sent = frame(&Request::SelectOptions {
        address: [127, 0, 0, 12].into(),
        set: SelectOptions::PREFER,
        clear: SelectOptions::NOSELECT,
    });
    assert_eq!((word(&sent, 20), word(&sent, 24), word(&sent, 28)), (0, 1 | 2, 0x8));
    let all = SelectOptions::from_report(0xfff);
    assert_eq!(all.source_flags(), 0x10 | 0x8 | 0x20 | 0x40);
}

#[test]
fn burst_masks_one_address_or_none() {
    let one = frame(&Request::Burst { address: Some([127, 0, 0, 12].into()), good: 4, total: 8 });
    assert_eq!((word(&one, 0), word(&one, 20)), (u32::MAX, 0x7f00_000c));
    assert_eq!((word(&one, 40), word(&one, 44)), (4, 8));
    let all = frame(&Request::Burst { address: None, good: 4, total: 8 });
    assert!(all[20..60].iter().all(|byte| *byte == 0));
}

proptest! {
    /// Encode → decode identity, read back by offsets alone.
    #[test]
    fn fields_survive(
        index in any::<u32>(), sequence in any::<u32>(), v6 in any::<u128>(), port in any::<u16>(),
        polls in any::<(i8, i8)>(), name in "[!-~]{1,255}", iburst: bool, bits in 0_u16..16,
        max_sources in any::<u8>(), max_samples in any::<Option<u8>>(), pool: bool, second: bool,
    ) {
        for request in [Request::SourceData(index), Request::SourceStats(index), Request::SelectData(index)] {
            let (exchange, sent) = Exchange::begin(request.clone(), sequence);
            prop_assert_eq!(exchange.request(), &request);
            prop_assert_eq!(word(&sent, 0), index);
            prop_assert_eq!(u32::from_be_bytes(*sent[8..].first_chunk().unwrap()), sequence);
        }
        let ip: IpAddr = std::net::Ipv6Addr::from(v6).into();
        let sent = frame(&Request::NtpData(ip));
        prop_assert_eq!(Address::read(&mut crate::bytes::Reader(&sent[20..])), Ok(Address::Ip(ip)));
        let source = AddSource {
            layout: if second { AddSourceLayout::Second } else { AddSourceLayout::First },
            kind: if pool { SourceKind::Pool } else { SourceKind::Server },
            name: SourceName::new(&name).unwrap(),
            port, min_poll: polls.0, max_poll: polls.1, iburst,
            options: SelectOptions::from_report(bits), max_sources, max_samples,
        };
        let sent = frame(&Request::AddSource(source.clone()));
        prop_assert_eq!(read_back(&sent), source);
    }
}

/// The reader that the product does not need: chronyd is the one who reads these.
fn read_back(sent: &[u8]) -> AddSource {
    let (layout, flags, delay) = match sent[5] {
        64 => (AddSourceLayout::First, word(sent, 332), word(sent, 308)),
        _ => (AddSourceLayout::Second, word(sent, 352), word(sent, 324)),
    };
    let has = |flag: u32| flags & flag != 0;
    let mut options = SelectOptions::NONE;
    for (flag, option) in [
        (0x10, SelectOptions::NOSELECT),
        (0x8, SelectOptions::PREFER),
        (0x20, SelectOptions::TRUST),
        (0x40, SelectOptions::REQUIRE),
    ] {
        if has(flag) {
            options = options.union(option);
        }
    }
    let name: Vec<u8> = sent[24..280].iter().copied().take_while(|byte| *byte != 0).collect();
    assert_eq!(crate::float::Float(delay).seconds(), Nanos::from_secs(3));
    AddSource {
        layout,
        kind: if word(sent, 0) == 3 { SourceKind::Pool } else { SourceKind::Server },
        name: SourceName::new(std::str::from_utf8(&name).unwrap()).unwrap(),
        port: word(sent, 260).try_into().unwrap(),
        min_poll: word(sent, 264).cast_signed().try_into().unwrap(),
        max_poll: word(sent, 268).cast_signed().try_into().unwrap(),
        iburst: has(0x4),
        options,
        max_sources: word(sent, 288).try_into().unwrap(),
        max_samples: u8::try_from(word(sent, 296).cast_signed()).ok(),
    }
}
