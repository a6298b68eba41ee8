//! Answers put together by hand: what chronyd does, for tests of the reading side.

use crate::bytes::Writer;
use crate::{Error, Exchange, Reply, Request};

/// Header and body of an answer to `request` (sequence `sequence`).
pub fn answer(request: &Request, sequence: u32, report: u16, status: u16, body: &[u8]) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.u8(6).u8(2).u16(0).u16(request.code()).u16(report).u16(status);
    writer.bytes(&[0; 6]).u32(sequence).u32(0).u32(0).bytes(body);
    writer.0
}

/// What an exchange makes of such an answer.
pub fn received(request: Request, report: u16, status: u16, body: &[u8]) -> Result<Reply, Error> {
    let datagram = answer(&request, 7, report, status, body);
    Exchange::begin(request, 7).0.receive(&datagram).expect("it is ours")
}

/// Hexadecimal digits, spaces and bars ignored.
pub fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|d| d.to_be_bytes()[3]).collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// A 20-byte IPv4 address.
pub fn ipv4(last: u8) -> Vec<u8> {
    let mut writer = Writer::default();
    crate::Address::Ip([127, 0, 0, last].into()).write(&mut writer);
    writer.0
}
