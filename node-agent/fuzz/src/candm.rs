//! A datagram on the command socket.

use meantime_candm::request::{AddSource, AddSourceLayout, SelectOptions, SourceName};
use meantime_candm::{Address, Exchange, Reply, Request};
use std::net::{IpAddr, Ipv4Addr};

/// One request per command number.
fn requests() -> Vec<Request> {
    let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let mut requests = vec![
        Request::SourceCount,
        Request::SourceData(0),
        Request::Tracking,
        Request::SourceStats(0),
        Request::Activity,
        Request::ServerStats,
        Request::NtpData(ip),
        Request::SourceName(Address::Ip(ip)),
        Request::AuthData(Address::Ip(ip)),
        Request::SelectData(0),
        Request::ReloadSources,
        Request::DeleteSource(Address::Ip(ip)),
        Request::Dump,
        Request::ResetSources,
        Request::Reselect,
        Request::Burst { address: None, good: 1, total: 1 },
        Request::SelectOptions { address: ip, set: SelectOptions::NONE, clear: SelectOptions::NONE },
    ];
    if let Ok(name) = SourceName::new("127.0.0.1") {
        for layout in [AddSourceLayout::First, AddSourceLayout::Second] {
            requests.push(Request::AddSource(AddSource::server(layout, name.clone())));
        }
    }
    requests
}

/// The exchange to which the datagram would be the answer, by command and sequence; any if its command is none of ours.
fn exchange_for(datagram: &[u8]) -> Exchange {
    let word = |at: usize| {
        datagram.get(at..).and_then(|rest| rest.first_chunk()).map(|bytes| u32::from_be_bytes(*bytes))
    };
    let sequence = word(16).unwrap_or(0);
    for request in requests() {
        let (exchange, frame) = Exchange::begin(request, sequence);
        if frame.get(4..6) == datagram.get(4..6) {
            return exchange;
        }
    }
    Exchange::begin(Request::Tracking, sequence).0
}

/// Never panics; what follows a whole report changes nothing; a report that ended early is not read; another
/// sequence is not ours. Returns the reply, for drivers that know what the bytes are.
pub fn check(datagram: &[u8]) -> Option<Reply> {
    let exchange = exchange_for(datagram);
    let answer = exchange.receive(datagram)?;
    let mut longer = datagram.to_vec();
    longer.extend_from_slice(&[0xa5; 32]);
    if let Ok(reply) = &answer {
        assert_eq!(exchange.receive(&longer), Some(Ok(reply.clone())), "trailing bytes");
        assert!(format!("{reply:?}").len() > 1);
    }
    if let Err(error) = &answer {
        assert!(!error.to_string().is_empty());
    }
    assert_eq!(exchange.receive(&datagram[..datagram.len().min(27)]), None, "a part of a header");
    longer[19] ^= 1;
    assert_eq!(exchange.receive(&longer), None, "another sequence");
    answer.ok()
}
