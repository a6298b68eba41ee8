//! One request and the search for its answer: headers, sequence numbers, what to drop.
//!
//! Late answers of an earlier attempt arrive on the same socket, so a datagram that is not ours is dropped and the
//! caller goes on waiting.

use crate::FRAME;
use crate::bytes::{Ended, Reader, Writer};
use crate::error::{Error, Status};
use crate::reply::Reply;
use crate::request::Request;

const VERSION: u8 = 6;
/// A daemon of another version answers with status 18 and its own version, if that is at least this.
const OLDEST_READABLE: u8 = 4;
const REQUEST: u8 = 1;
const REPLY: u8 = 2;

/// A request under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    request: Request,
    sequence: u32,
}

struct Header {
    version: u8,
    kind: u8,
    reserved: u16,
    command: u16,
    report: u16,
    status: u16,
    sequence: u32,
}

impl Header {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Ended> {
        let header = Self {
            version: reader.u8()?,
            kind: reader.u8()?,
            reserved: reader.u16()?,
            command: reader.u16()?,
            report: reader.u16()?,
            status: reader.u16()?,
            sequence: {
                reader.skip::<6>()?;
                reader.u32()?
            },
        };
        reader.skip::<8>()?;
        Ok(header)
    }
}

impl Exchange {
    /// Begins one: the state to keep, and the frame to send. Each attempt needs a fresh `sequence` (any number that
    /// the socket has not seen lately; chronyd only echoes it).
    pub fn begin(request: Request, sequence: u32) -> (Self, Vec<u8>) {
        let mut writer = Writer(Vec::with_capacity(FRAME));
        // The attempt (second zero) is ignored by chronyd; a fresh sequence per attempt says more.
        writer.u8(VERSION).u8(REQUEST).u16(0).u16(request.code()).u16(0).u32(sequence).u32(0).u32(0);
        request.write_body(&mut writer);
        writer.0.resize(FRAME, 0);
        (Self { request, sequence }, writer.0)
    }

    /// What was asked.
    pub const fn request(&self) -> &Request {
        &self.request
    }

    /// Judges one datagram. None = not the answer to this request: drop it and go on waiting.
    pub fn receive(&self, datagram: &[u8]) -> Option<Result<Reply, Error>> {
        let mut reader = Reader(datagram);
        let header = Header::read(&mut reader).ok()?;
        let status = Status::from_code(header.status);
        let readable = header.version == VERSION
            || (header.version >= OLDEST_READABLE && status == Some(Status::BadVersion));
        let ours = header.kind == REPLY
            && header.reserved == 0
            && header.command == self.request.code()
            && header.sequence == self.sequence;
        if !(readable && ours) {
            return None;
        }
        if let Some(status) = status {
            return Some(Err(Error::Refused { request: self.request.to_string(), status }));
        }
        let (code, length) = (header.report, datagram.len());
        Some(match Reply::read(code, &mut reader) {
            Ok(Some(reply)) => Ok(reply),
            Ok(None) => Err(Error::UnknownReport { request: self.request.to_string(), code, length }),
            Err(Ended) => Err(Error::Truncated { request: self.request.to_string(), code, length }),
        })
    }
}
