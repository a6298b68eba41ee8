//! What the poll counters tell from look to look: polls that went unanswered, and samples that are fresh.
//!
//! `reach` lags: after all sources died its third zero came at 8.1 s where sent − valid showed three unanswered
//! polls at 6.1 s (chronyd 4.3, poll 2 s). So unanswered polls are counted from NTP_DATA's sent and valid
//! counters. Keyed by address: chronyd's indices move whenever a source is added or deleted.
//!
//! chronyd looks for another address of a name whose server went silent, and counts from zero there: that is the same server,
//! as silent as before until it answers (seen on kind: of a dead server with an IPv4 and an IPv6 address each node said in
//! turn that it had never answered, so that nothing proved it dead).

use crate::clocks::BootTime;
use crate::observation::{Association, Packet, PollCounters};
use crate::units::Nanos;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// From so many unanswered polls on, a voter does not count (DESIGN, "usable voter").
pub const UNANSWERED_LIMIT: u32 = 3;

/// A kiss-o'-death is remembered for so long at fast polls (as long as one that our probes got).
const KISS_MEMORY: Nanos = Nanos::from_secs(120);

/// A path's lowest distance is forgotten after so long (DESIGN: "lowest … in 24 h").
const FLOOR_MEMORY: Nanos = Nanos::from_secs(24 * 3600);

/// The counters of all associations, as they were at the last look.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Polls {
    tracks: BTreeMap<IpAddr, Track>,
}

/// One association across looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Track {
    counters: Option<PollCounters>,
    /// `sent` as it was when the last valid reply was seen.
    anchor: u32,
    /// Polls in a row without a valid reply. A request that may still be under way is not counted.
    pub unanswered: u32,
    /// Good samples since the association began, or since [`Polls::expect_fresh`].
    pub fresh: u32,
    /// Good samples since [`Polls::watch_from_here`].
    pub watched: u32,
    /// Its view has left the oscillator since [`Polls::watch_from_here`].
    pub left: bool,
    /// Good samples since the association is known.
    pub samples: u32,
    /// Lowest distance (RTT/2 + root distance) of a packet, and when it was seen.
    floor: Option<(Nanos, BootTime)>,
    looked: BootTime,
    /// Observed time without a valid reply. A packet filter on this very node makes chronyd's sends fail, and what was
    /// never sent is in no counter (seen on a kind node with an OUTPUT rule: told after 11 polls instead of 5).
    #[serde(default)]
    silent: Nanos,
    /// [`PlannedAssociation::server`](crate::snapshot::PlannedAssociation::server) of what it is.
    #[serde(default)]
    server: Option<u64>,
    /// That server has answered, here or at another address of its name.
    #[serde(default)]
    pub ever: bool,
    /// When the last that came was a kiss-o'-death; none = it was not, or nothing came for a while after it.
    #[serde(default)]
    kissed: Option<BootTime>,
}

impl Track {
    fn begin(association: &Association, now: BootTime) -> Self {
        // What was sent before we looked is not held against a source that has answered before.
        let counters = association.counters.unwrap_or_default();
        let anchor = if answered(association) { counters.sent } else { 0 };
        let unanswered = match association.counters {
            Some(_) => counters.sent.saturating_sub(anchor).saturating_sub(1),
            None => unanswered_by_age(association),
        };
        let floor = association.packet.as_ref().map(|packet| (distance(packet), now));
        Self {
            counters: association.counters,
            anchor,
            unanswered,
            fresh: counters.good,
            watched: 0,
            left: false,
            samples: counters.good,
            floor,
            looked: now,
            silent: Nanos::ZERO,
            server: None,
            ever: heard(association),
            kissed: kissed(association).then_some(now),
        }
    }

    /// Begins as the same server under another address, or under another association of chronyd's.
    fn after(self, before: Self) -> Self {
        if self.ever {
            self
        } else {
            Self { unanswered: self.unanswered.max(before.unanswered), ever: before.ever, ..self }
        }
    }

    fn advance(&mut self, association: &Association, now: BootTime) {
        let gained = if let (Some(old), Some(new)) = (self.counters, association.counters) {
            let (sent, valid) = (new.sent - old.sent, new.valid - old.valid);
            if valid > 0 {
                self.kissed = kissed(association).then_some(now);
            }
            if valid > 0 && !kissed(association) {
                // The order within a look is unknown: what reach shows as lost after the last reply, but
                // never more than was lost in this look (a source that says leap 3 is valid, with reach 0).
                let lost = association.reach.trailing_zeros().min(sent.saturating_sub(valid));
                self.anchor = new.sent - lost.min(new.sent);
                self.unanswered = lost;
                self.silent = Nanos::ZERO;
            } else {
                // The newest request may be under way when it was sent after the last look.
                let pending = u32::from(sent > 0);
                let counted = new.sent.saturating_sub(self.anchor).saturating_sub(pending);
                // A gap between looks (a stopped agent or daemon) counts as one poll at most.
                let interval = Nanos::from_log2_seconds(association.poll).max(Nanos(1));
                self.silent = self.silent + (now - self.looked).max(Nanos::ZERO).min(interval);
                let unsent = u32::try_from(self.silent.0 / interval.0).unwrap_or(u32::MAX).saturating_sub(1);
                self.unanswered = self.unanswered.max(counted).max(unsent);
            }
            new.good.saturating_sub(old.good)
        } else {
            self.unanswered = unanswered_by_age(association);
            u32::from(association.sample_age.is_some_and(|age| age < now - self.looked))
        };
        // The packet is the last one that came, however long ago.
        let interval = Nanos::from_log2_seconds(association.poll);
        let lasts = KISS_MEMORY.max(interval.times(i64::from(UNANSWERED_LIMIT) + 1));
        self.kissed = self.kissed.filter(|at| now - *at <= lasts);
        self.ever |= heard(association);
        self.counters = association.counters;
        self.fresh = self.fresh.saturating_add(gained);
        self.watched = self.watched.saturating_add(gained);
        self.samples = self.samples.saturating_add(gained);
        self.looked = now;
        if let Some(packet) = &association.packet {
            let candidate = distance(packet);
            if self.floor.is_none_or(|(lowest, at)| candidate <= lowest || now - at > FLOOR_MEMORY) {
                self.floor = Some((candidate, now));
            }
        }
    }

    /// Whether the counters run on from the last look (false: the association or the daemon began anew).
    fn continues(&self, association: &Association) -> bool {
        match (self.counters, association.counters) {
            (Some(old), Some(new)) => new.sent >= old.sent && new.valid >= old.valid,
            (_, None) | (None, Some(_)) => true,
        }
    }

    /// Lowest distance seen within a day; none before the first packet.
    pub fn floor(&self) -> Option<Nanos> {
        self.floor.map(|(lowest, _)| lowest)
    }
}

/// It has given a reply that counts, by chronyd's counters.
fn answered(association: &Association) -> bool {
    // After a kiss only what chronyd made a sample of is known to have been an answer.
    association
        .counters
        .is_some_and(|counters| if kissed(association) { counters.good > 0 } else { counters.valid > 0 })
}

/// It has answered since chronyd has it.
fn heard(association: &Association) -> bool {
    answered(association) || association.packet.is_some() && !kissed(association)
}

/// The last that came from it was a kiss-o'-death, which is no answer though chronyd counts it as valid (seen on kind with a
/// source that said RATE: `reaching 4/4`).
fn kissed(association: &Association) -> bool {
    association.packet.as_ref().is_some_and(Packet::is_kiss)
}

/// Without counters (no NTP_DATA) the sample's age tells, at the current poll interval.
fn unanswered_by_age(association: &Association) -> u32 {
    let interval = Nanos::from_log2_seconds(association.poll).0.max(1);
    association.sample_age.map_or(0, |age| u32::try_from(age.0.max(0) / interval).unwrap_or(u32::MAX))
}

/// RTT/2 + root distance of one packet.
pub fn distance(packet: &Packet) -> Nanos {
    (packet.peer_delay + packet.root_delay).half_up() + packet.root_dispersion + packet.peer_dispersion
}

impl Polls {
    /// Takes one answer in. Associations that chronyd no longer has are forgotten, but for those that have only moved.
    pub fn look(
        &mut self,
        associations: &[Association],
        server: impl Fn(&Association) -> Option<u64>,
        now: BootTime,
    ) {
        let before: BTreeMap<u64, Track> =
            self.tracks.values().filter_map(|track| Some((track.server?, *track))).collect();
        let begin = |association: &Association| {
            let server = server(association);
            let begun = Track { server, ..Track::begin(association, now) };
            server.and_then(|server| before.get(&server)).map_or(begun, |before| begun.after(*before))
        };
        self.tracks.retain(|address, _| associations.iter().any(|known| known.address == Some(*address)));
        for association in associations {
            let Some(address) = association.address else { continue };
            match self.tracks.get_mut(&address) {
                Some(track) if track.continues(association) => {
                    track.advance(association, now);
                    track.server = server(association);
                }
                Some(track) => *track = begin(association),
                None => {
                    self.tracks.insert(address, begin(association));
                }
            }
        }
    }

    /// chronyd began anew: its counters did too.
    pub fn restart(&mut self) {
        self.tracks.clear();
    }
    /// From here on only new samples are fresh.
    pub fn expect_fresh(&mut self) {
        self.tracks.values_mut().for_each(|track| track.fresh = 0);
    }
    /// Starts [`Track::watched`] and [`Track::left`] anew.
    pub fn watch_from_here(&mut self) {
        self.tracks.values_mut().for_each(|track| (track.watched, track.left) = (0, false));
    }
    /// The view of this association does not agree with the oscillator now.
    pub fn leaves(&mut self, association: &Association) {
        if let Some(track) = association.address.and_then(|address| self.tracks.get_mut(&address)) {
            track.left = true;
        }
    }
    /// Whether its view has stayed with the oscillator all the time, a new sample included.
    pub fn stayed(&self, association: &Association) -> bool {
        self.of(association).is_some_and(|track| !track.left && track.watched > 0)
    }
    /// The track of an association; none while its name is unresolved.
    pub fn of(&self, association: &Association) -> Option<&Track> {
        self.tracks.get(&association.address?)
    }
    /// Polls in a row without a valid reply.
    pub fn unanswered(&self, association: &Association) -> u32 {
        self.of(association).map_or(0, |track| track.unanswered)
    }
    /// Whether that server has ever answered since chronyd began, whatever its address was.
    pub fn ever(&self, association: &Association) -> bool {
        self.of(association).is_some_and(|track| track.ever)
    }
    /// Whether the last that came from it was a kiss-o'-death, a moment ago: two minutes, or four polls.
    pub fn kissed(&self, association: &Association) -> bool {
        self.of(association).is_some_and(|track| track.kissed.is_some())
    }
    /// Whether it has answered lately: fewer than three polls went unanswered.
    pub fn answers(&self, association: &Association) -> bool {
        self.of(association).is_some_and(|track| track.unanswered < UNANSWERED_LIMIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::tests::build::association;

    fn at(seconds: i64) -> BootTime {
        BootTime(seconds * 1_000_000_000)
    }
    fn counted(sent: u32, valid: u32, reach: u8) -> Vec<Association> {
        let mut one = association("10.0.0.1", "a");
        one.counters = Some(PollCounters { sent, valid, good: valid });
        one.reach = reach;
        vec![one]
    }
    fn run(looks: &[(u32, u32, u8)]) -> u32 {
        let mut polls = Polls::default();
        let mut last = Vec::new();
        for (second, (sent, valid, reach)) in looks.iter().enumerate() {
            last = counted(*sent, *valid, *reach);
            polls.look(&last, |_| None, at(i64::try_from(second).unwrap()));
        }
        polls.unanswered(&last[0])
    }

    #[test]
    fn a_request_under_way_is_not_unanswered() {
        assert_eq!(run(&[(5, 5, 0xff), (6, 5, 0xff)]), 0);
        assert_eq!(run(&[(5, 5, 0xff), (6, 5, 0xff), (6, 5, 0xff)]), 1);
    }

    #[test]
    fn three_lost_polls_are_seen_before_reach_shows_them() {
        assert_eq!(run(&[(5, 5, 0xff), (6, 5, 0xff), (7, 5, 0xfe), (8, 5, 0xfc), (8, 5, 0xfc)]), 3);
    }

    #[test]
    fn polls_that_could_not_be_sent_are_counted_by_time() {
        let mut polls = Polls::default();
        let mut last = counted(5, 5, 0xff);
        last[0].poll = 0;
        for second in 0..=4 {
            polls.look(&last, |_| None, at(second));
        }
        assert_eq!(polls.unanswered(&last[0]), 3, "four seconds of silence at a poll of one second");
        // Stopped for an hour: one poll more at the most, not thousands.
        polls.look(&last, |_| None, at(3_604));
        assert_eq!(polls.unanswered(&last[0]), 4);
        let mut back = counted(6, 6, 0xff);
        back[0].poll = 0;
        polls.look(&back, |_| None, at(3_605));
        assert_eq!(polls.unanswered(&back[0]), 0);
    }

    #[test]
    fn a_reply_ends_the_count() {
        assert_eq!(run(&[(5, 5, 0xff), (8, 5, 0xfc), (8, 5, 0xfc), (9, 6, 0xf9)]), 0);
    }

    #[test]
    fn several_polls_between_two_looks() {
        // Two answered, then three lost, all within one look.
        assert_eq!(run(&[(5, 5, 0xff), (10, 7, 0b1111_1000)]), 3);
    }

    #[test]
    fn a_source_that_says_it_is_unsynchronised_does_answer() {
        assert_eq!(run(&[(5, 5, 0), (6, 6, 0), (7, 7, 0), (8, 8, 0)]), 0);
    }

    #[test]
    fn counters_that_go_back_begin_anew() {
        assert_eq!(run(&[(50, 50, 0xff), (53, 50, 0xf8), (53, 50, 0xf8), (1, 0, 0)]), 0);
        assert_eq!(run(&[(50, 50, 0xff), (1, 1, 1)]), 0);
    }

    #[test]
    fn never_answered_counts_from_the_first_request() {
        assert_eq!(run(&[(1, 0, 0), (2, 0, 0), (3, 0, 0), (3, 0, 0)]), 3);
    }

    #[test]
    fn without_counters_the_age_tells() {
        let mut silent = association("10.0.0.1", "a");
        silent.counters = None;
        silent.poll = 1;
        silent.sample_age = Some(Nanos::from_secs(7));
        let mut polls = Polls::default();
        polls.look(std::slice::from_ref(&silent), |_| None, at(0));
        assert_eq!(polls.unanswered(&silent), 3);
    }

    #[test]
    fn fresh_counts_from_the_mark() {
        let mut polls = Polls::default();
        polls.look(&counted(5, 5, 0xff), |_| None, at(0));
        polls.expect_fresh();
        polls.look(&counted(7, 7, 0xff), |_| None, at(4));
        assert_eq!(polls.of(&counted(7, 7, 0xff)[0]).unwrap().fresh, 2);
    }

    /// At this address, with these counters.
    fn at_address(address: &str, sent: u32, valid: u32) -> Vec<Association> {
        let mut one = association(address, "a");
        one.counters = Some(PollCounters { sent, valid, good: valid });
        one.reach = u8::from(valid > 0);
        one.packet = one.packet.filter(|_| valid > 0);
        vec![one]
    }

    #[test]
    fn a_silent_server_is_as_silent_at_the_next_address_of_its_name() {
        let mut polls = Polls::default();
        let mut look = |seen: Vec<Association>, server: u64, second: i64| {
            polls.look(&seen, |_| Some(server), at(second));
            (polls.unanswered(&seen[0]), polls.ever(&seen[0]))
        };
        assert_eq!(look(at_address("10.0.0.1", 9, 9), 1, 0), (0, true));
        assert_eq!(look(at_address("10.0.0.1", 14, 9), 1, 5), (4, true));
        assert_eq!(look(at_address("fd00::1", 0, 0), 1, 6), (4, true), "chronyd counts from zero");
        assert_eq!(look(at_address("fd00::1", 2, 0), 1, 8), (4, true));
        assert_eq!(look(at_address("10.0.0.1", 0, 0), 1, 9), (4, true), "and back again");
        assert_eq!(look(at_address("10.0.0.1", 1, 1), 1, 10), (0, true));
        // Declared anew, with another address.
        assert_eq!(look(at_address("10.0.0.2", 4, 0), 2, 14), (3, false), "it never answered");
    }

    #[test]
    fn a_kiss_is_no_answer() {
        let mut polls = Polls::default();
        let mut look = |sent: u32, kiss: bool, second: i64| {
            let mut seen = at_address("10.0.0.1", sent, sent);
            let packet = seen[0].packet.as_mut().unwrap();
            if kiss {
                (packet.stratum, packet.refid) = (0, u32::from_be_bytes(*b"RATE"));
                seen[0].reach = 0;
            }
            polls.look(&seen, |_| Some(1), at(second));
            (polls.unanswered(&seen[0]), polls.ever(&seen[0]))
        };
        assert_eq!(look(9, false, 0), (0, true));
        assert_eq!(look(14, true, 5), (4, true), "chronyd calls each of them valid");
        assert_eq!(look(15, false, 6), (0, true));
        let mut polls = Polls::default();
        let mut seen = at_address("10.0.0.1", 5, 5);
        (seen[0].packet.as_mut().unwrap().stratum, seen[0].packet.as_mut().unwrap().refid) =
            (0, u32::from_be_bytes(*b"DENY"));
        seen[0].counters = Some(PollCounters { sent: 5, valid: 5, good: 0 });
        polls.look(&seen, |_| Some(1), at(0));
        assert_eq!((polls.unanswered(&seen[0]), polls.ever(&seen[0])), (4, false));
        // An agent without a memory meets one that has answered for hours, just after a kiss.
        seen[0].counters = Some(PollCounters { sent: 5_000, valid: 4_990, good: 4_989 });
        let mut polls = Polls::default();
        polls.look(&seen, |_| Some(1), at(0));
        assert_eq!((polls.unanswered(&seen[0]), polls.ever(&seen[0])), (0, true));
    }

    /// chronyd goes on showing the kiss when nothing comes any more: that is silence then.
    #[test]
    fn a_kiss_is_not_the_last_word_for_ever() {
        let mut polls = Polls::default();
        let mut look = |sent: u32, valid: u32, second: i64| {
            let mut seen = at_address("10.0.0.1", sent, valid);
            let packet = seen[0].packet.as_mut().unwrap();
            (packet.stratum, packet.refid) = (0, u32::from_be_bytes(*b"RATE"));
            seen[0].poll = 6;
            seen[0].reach = 0;
            polls.look(&seen, |_| Some(1), at(second));
            polls.kissed(&seen[0])
        };
        assert!(look(9, 9, 0));
        assert!(look(10, 10, 64), "another one");
        assert!(look(14, 10, 64 + 256));
        assert!(!look(15, 10, 64 + 257));
        assert!(look(16, 11, 64 + 320));
    }

    #[test]
    fn another_member_of_a_pool_is_another_server() {
        let mut polls = Polls::default();
        polls.look(&at_address("10.0.0.1", 9, 9), |_| None, at(0));
        polls.look(&at_address("10.0.0.1", 14, 9), |_| None, at(5));
        let other = at_address("10.0.0.2", 1, 0);
        polls.look(&other, |_| None, at(6));
        assert_eq!((polls.unanswered(&other[0]), polls.ever(&other[0])), (0, false));
    }
}
