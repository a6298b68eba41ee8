//! One look at a chronyd: every question that one observation needs, in order, and the answers joined by address.
//!
//! Sans-IO like the rest: ask [`Look::next_request`], carry it over, give the result to [`Look::answer`], until there
//! is no next. Indices shift when a source comes or goes in the middle; answers are therefore joined by address and a
//! look that lost a piece says so ([`Looked::complete`]): look again at once.

use crate::address::Address;
use crate::error::{Error, Status};
use crate::reply::{NtpData, Reply, SelectData, SourceData, SourceMode, SourceStats};
use crate::request::Request;
use meantime_core::observation::Tracking;
use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;

/// More than any plan makes chronyd hold (12 associations); bounds what one look may cost. A look that stops here says
/// that it is incomplete.
const MOST_SOURCES: u32 = 256;

/// One association as all reports together show it. The reports that failed are none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// State, reach, last sample.
    pub source: SourceData,
    /// The estimate.
    pub stats: Option<SourceStats>,
    /// Why it is selected or not.
    pub select: Option<SelectData>,
    /// The last packet and the counters; NTP sources with an address only.
    pub ntp: Option<NtpData>,
    /// Its name as configured; NTP sources only.
    pub name: Option<String>,
}

/// The result of one look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// The clock as a whole.
    pub tracking: Tracking,
    /// All associations, in chronyd's order.
    pub sources: Vec<Seen>,
    /// False when associations came or went meanwhile, or a report could not be had: [`Self::errors`] has the latter.
    pub complete: bool,
    /// What went wrong on the way, one per failed report.
    pub errors: Vec<Error>,
}

/// By which reports of one association find each other: a reference clock may come without an address, or with its
/// reference id in the guise of one.
fn join_key(address: Address, refid: u32) -> Address {
    match address {
        Address::Unspecified => Address::Ip(Ipv4Addr::from(refid).into()),
        Address::Ip(_) | Address::Unresolved(_) | Address::Unknown(_) => address,
    }
}

/// A look under way.
#[derive(Clone, Debug)]
pub struct Look {
    waiting: VecDeque<Request>,
    tracking: Option<Tracking>,
    order: Vec<Address>,
    sources: BTreeMap<Address, Seen>,
    stats: BTreeMap<Address, SourceStats>,
    select: BTreeMap<Address, SelectData>,
    shifted: bool,
    errors: Vec<Error>,
}

impl Default for Look {
    fn default() -> Self {
        Self::new()
    }
}

impl Look {
    /// A fresh one. It asks for tracking first: without that there is no look.
    pub fn new() -> Self {
        Self {
            waiting: VecDeque::from([Request::Tracking, Request::SourceCount]),
            tracking: None,
            order: Vec::new(),
            sources: BTreeMap::new(),
            stats: BTreeMap::new(),
            select: BTreeMap::new(),
            shifted: false,
            errors: Vec::new(),
        }
    }

    /// The next question; none = ask [`Self::finish`]. The same one again until it is answered.
    pub fn next_request(&self) -> Option<&Request> {
        self.waiting.front()
    }

    /// Takes the answer to the question that [`Self::next_request`] gave. Fails only where going on makes no sense:
    /// no tracking or no source count. Silence is the caller's: give the look up.
    pub fn answer(&mut self, answer: Result<Reply, Error>) -> Result<(), Error> {
        let Some(request) = self.waiting.pop_front() else { return Ok(()) };
        match request {
            Request::Tracking => self.tracking = Some(answer?.tracking()?),
            Request::SourceCount => {
                let count = answer?.source_count()?;
                self.shifted |= count > MOST_SOURCES;
                for index in 0..count.min(MOST_SOURCES) {
                    self.waiting.extend([
                        Request::SourceData(index),
                        Request::SourceStats(index),
                        Request::SelectData(index),
                    ]);
                }
            }
            Request::SourceData(_) => {
                if let Some(source) = self.kept(answer.and_then(Reply::source)) {
                    self.take_source(source);
                }
            }
            Request::SourceStats(_) => {
                if let Some(stats) = self.kept(answer.and_then(Reply::stats)) {
                    self.stats.insert(join_key(stats.address, stats.refid), stats);
                }
            }
            Request::SelectData(_) => {
                if let Some(select) = self.kept(answer.and_then(Reply::select)) {
                    self.select.insert(join_key(select.address, select.refid), select);
                }
            }
            Request::NtpData(ip) => {
                let data = self.kept(answer.and_then(Reply::ntp));
                if let Some(seen) = self.sources.get_mut(&Address::Ip(ip)) {
                    seen.ntp = data;
                }
            }
            Request::SourceName(address) => {
                let name = self.kept(answer.and_then(Reply::name));
                if let Some(seen) = self.sources.get_mut(&address) {
                    seen.name = name;
                }
            }
            // Never asked by a look.
            Request::Activity
            | Request::ServerStats
            | Request::AuthData(_)
            | Request::ReloadSources
            | Request::AddSource(_)
            | Request::DeleteSource(_)
            | Request::Dump
            | Request::ResetSources
            | Request::Reselect
            | Request::Burst { .. }
            | Request::SelectOptions { .. } => {}
        }
        Ok(())
    }

    /// A report, or a note of why it is missing. "No such source" is the ordinary sign of a shifted list.
    fn kept<T>(&mut self, report: Result<T, Error>) -> Option<T> {
        match report {
            Ok(report) => Some(report),
            Err(error) => {
                if error.status() == Some(Status::NoSuchSource) {
                    self.shifted = true;
                } else {
                    self.errors.push(error);
                }
                None
            }
        }
    }

    fn take_source(&mut self, source: SourceData) {
        let address = source.address;
        let (is_ntp, ip) = (source.mode != SourceMode::ReferenceClock, address.ip());
        let seen = Seen { source, stats: None, select: None, ntp: None, name: None };
        if self.sources.insert(address, seen).is_some() {
            self.shifted = true; // the same one twice: the list moved under us
            return;
        }
        self.order.push(address);
        if is_ntp {
            self.waiting.extend(ip.map(Request::NtpData));
            self.waiting.push_back(Request::SourceName(address));
        }
    }

    /// Joins what came; none while tracking or the count is still missing.
    pub fn finish(mut self) -> Option<Looked> {
        let tracking = self.tracking.take()?;
        if self.waiting.front().is_some() {
            self.shifted = true; // given up early
        }
        let mut sources = Vec::with_capacity(self.order.len());
        for address in &self.order {
            let Some(mut seen) = self.sources.remove(address) else { continue };
            seen.stats = self.stats.remove(address);
            seen.select = self.select.remove(address);
            self.shifted |= seen.stats.is_none() || seen.select.is_none();
            sources.push(seen);
        }
        // A report of an association that SOURCE_DATA did not show.
        self.shifted |= !self.stats.is_empty() || !self.select.is_empty();
        Some(Looked {
            tracking,
            sources,
            complete: !self.shifted && self.errors.is_empty(),
            errors: self.errors,
        })
    }
}

#[cfg(test)]
mod tests;
