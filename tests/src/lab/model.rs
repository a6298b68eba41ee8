//! What a lab server answers: a pure function of its settings, the request, the moment and seeded chance.
//!
//! In: settings (words), requests as bytes, the moment (handed in). Out: what to send, when, from which port; the
//! injected error, which is the ground truth; counts per client. It must never read a clock, touch a socket or let
//! real chance in.

use crate::lab::clock::Moment;
use crate::lab::rng::Rng;
use crate::lab::settings::{BadSetting, Settings};
use meantime_core::clocks::{BootTime, WallTime};
use meantime_core::observation::Leap;
use meantime_core::units::Nanos;
use meantime_ntp::{Mode, NtpTimestamp, Packet};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// log2 seconds: about a microsecond, as chronyd on an ordinary machine says.
const PRECISION: i8 = -20;

/// What to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The datagram.
    pub bytes: Vec<u8>,
    /// To be sent this long after the request came.
    pub after: Nanos,
    /// From a port other than the one that was asked.
    pub other_port: bool,
}

/// What one client did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientCount {
    /// Requests that came.
    pub requests: u64,
    /// Answers that were sent (kisses of death are answers too).
    pub answers: u64,
    /// The shortest time between two requests: manners. None before the second.
    pub shortest_gap: Option<Nanos>,
    /// When the last request came, by the lab's CLOCK_BOOTTIME.
    last: Option<BootTime>,
}

/// One lab server.
#[derive(Clone, Debug)]
pub struct Model {
    settings: Settings,
    /// `offset` was the error at this moment; drift counts from here.
    since: BootTime,
    frozen: Option<Moment>,
    frozen_for: BTreeMap<IpAddr, Moment>,
    clients: BTreeMap<IpAddr, ClientCount>,
    rng: Rng,
}

impl Model {
    /// An honest server.
    pub fn new(seed: u64, now: Moment) -> Self {
        Self {
            settings: Settings::default(),
            since: now.boot,
            frozen: None,
            frozen_for: BTreeMap::new(),
            clients: BTreeMap::new(),
            rng: Rng::seeded(seed),
        }
    }

    /// Applies `key=value` words, all or none.
    pub fn set<'a>(
        &mut self,
        words: impl IntoIterator<Item = &'a str>,
        now: Moment,
    ) -> Result<(), BadSetting> {
        let mut offset_given = false;
        let words: Vec<&str> = words.into_iter().collect();
        let mut next = self.settings.changed(words.iter().copied())?;
        for word in &words {
            offset_given |= word.starts_with("offset=") || *word == "reset";
        }
        if !offset_given {
            // The error that drift has built up is kept, whatever else changes.
            next.offset = self.error(None, now.boot);
        }
        self.frozen = match (next.reference_frozen, self.frozen) {
            (true, None) => Some(now),
            (true, since) => since,
            (false, _) => None,
        };
        // As above: other words do not move the moment of freezing.
        self.frozen_for = next
            .per_client
            .iter()
            .filter(|(_, client)| client.reference_frozen)
            .map(|(address, _)| (*address, self.frozen_for.get(address).copied().unwrap_or(now)))
            .collect();
        self.settings = next;
        self.since = now.boot;
        Ok(())
    }

    /// The settings as last set (`offset` is the error at that moment).
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Ground truth: how far ahead of true time this server is, in answers to `client` (none: to clients without
    /// settings of their own). Jitter and added delay are noise on top, not error of the server.
    pub fn error(&self, client: Option<IpAddr>, at: BootTime) -> Nanos {
        let shift = client
            .and_then(|address| self.settings.per_client.get(&address))
            .map_or(Nanos::ZERO, |client| client.shift);
        self.settings.offset + self.settings.drift.over(at - self.since) + shift
    }

    /// Who asked, and how often.
    pub fn clients(&self) -> &BTreeMap<IpAddr, ClientCount> {
        &self.clients
    }

    /// The answer to one datagram; none if it is no request or stays unanswered.
    pub fn answer(&mut self, datagram: &[u8], client: IpAddr, came: Moment) -> Option<Answer> {
        let client = client.to_canonical();
        let question = Packet::decode(datagram).ok().filter(|packet| packet.mode == Mode::Client)?;
        let count = self.clients.entry(client).or_default();
        count.requests += 1;
        if let Some(last) = count.last.replace(came.boot) {
            let gap = came.boot - last;
            count.shortest_gap = Some(count.shortest_gap.map_or(gap, |shortest| shortest.min(gap)));
        }
        let lost = self.rng.chance(self.settings.loss_millionths);
        let jitter = self.rng.around_zero(self.settings.jitter);
        let cut_off = self.settings.per_client.get(&client).is_some_and(|client| client.dead);
        if lost || cut_off || self.settings.dead {
            return None;
        }
        count.answers += 1;

        let there = self.settings.delay.half_up() + self.settings.asymmetry.max(Nanos::ZERO) + self.queue();
        let back = self.settings.delay - self.settings.delay.half_up()
            + (-self.settings.asymmetry).max(Nanos::ZERO)
            + self.queue();
        let error = self.error(Some(client), came.boot);
        // The request reaches "the server" only after `there`; it answers at once, and `back` follows.
        let stamp = NtpTimestamp::from_wall(came.wall + there + error + jitter);
        let mut packet = Packet::answer(&self.header(client, came, error), &question, stamp, stamp);
        if let Some(version) = self.settings.version {
            packet.version = version;
        }
        if let Some(code) = self.settings.kod {
            packet.leap = Leap::Unsynchronised;
            packet.stratum = 0;
            packet.refid = u32::from_be_bytes(code);
        }
        if self.settings.wrong_origin {
            packet.origin = NtpTimestamp(!question.transmit.0);
        }
        let mut bytes = packet.encode().to_vec();
        if self.settings.truncated {
            bytes.pop();
        }
        Some(Answer { bytes, after: there + back, other_port: self.settings.other_port })
    }

    /// How long one way takes longer this time. Without such delays nothing is drawn: a seed's story stays as it was.
    fn queue(&mut self) -> Nanos {
        let most = self.settings.delay_jitter;
        if most <= Nanos::ZERO {
            return Nanos::ZERO;
        }
        let half = most.half_up();
        (self.rng.around_zero(half) + half).min(most)
    }

    /// What the server says of its own clock to `client`.
    fn header(&self, client: IpAddr, now: Moment, error: Nanos) -> Packet {
        let (reference, orphaned_for) = match self.frozen.or(self.frozen_for.get(&client).copied()) {
            Some(frozen) => (frozen.wall, now.boot - frozen.boot),
            None => (now.wall, Nanos::ZERO),
        };
        let reference: WallTime = reference + error - self.settings.reference_age;
        Packet {
            leap: match self.settings.leap {
                0 => Leap::Normal,
                1 => Leap::Insert,
                2 => Leap::Delete,
                _ => Leap::Unsynchronised,
            },
            mode: Mode::Server,
            stratum: self.settings.stratum,
            precision: PRECISION,
            root_delay: self.settings.root_delay,
            root_dispersion: self.settings.root_dispersion + self.settings.orphan_rate.over(orphaned_for),
            refid: u32::from_be_bytes(self.settings.refid),
            reference: NtpTimestamp::from_wall(reference),
            ..Packet::question(NtpTimestamp::NONE)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use meantime_ntp::{Exchange, Refusal, Sample};
    use rstest::rstest;

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 5));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 6));

    fn moment(seconds: i64) -> Moment {
        Moment {
            wall: WallTime((1_800_000_000 + seconds) * 1_000_000_000),
            boot: BootTime(seconds * 1_000_000_000),
        }
    }

    fn model(words: &str) -> Model {
        let mut model = Model::new(1, moment(0));
        model.set(words.split_whitespace(), moment(0)).unwrap();
        model
    }

    /// An exchange over a wire without delay, by a client whose clock is right; the agent's own rules accept it.
    fn ask(model: &mut Model, client: IpAddr, at: Moment) -> Option<Result<Sample, Refusal>> {
        let (exchange, request) = Exchange::begin(at.wall, 77);
        let answer = model.answer(&request, client, at)?;
        Some(exchange.accept(&answer.bytes, answer.after))
    }

    fn offset(model: &mut Model, client: IpAddr, at: Moment) -> Nanos {
        ask(model, client, at).unwrap().unwrap().offset
    }

    #[test]
    fn the_injected_error_is_what_a_right_client_sees_with_the_other_sign() {
        let mut model = model("offset=200ms drift=10ppm");
        assert_eq!(offset(&mut model, CLIENT, moment(0)), Nanos::from_millis(-200));
        assert_eq!(offset(&mut model, CLIENT, moment(100)), Nanos::from_millis(-201));
        assert_eq!(model.error(Some(CLIENT), moment(100).boot), Nanos::from_millis(201));
        // Another word leaves what drift has built up; a new offset starts afresh.
        model.set(["drift=0"], moment(100)).unwrap();
        assert_eq!(offset(&mut model, CLIENT, moment(500)), Nanos::from_millis(-201));
        model.set(["offset=0"], moment(500)).unwrap();
        assert_eq!(offset(&mut model, CLIENT, moment(600)), Nanos::ZERO);
    }

    #[test]
    fn one_client_can_be_shifted_or_cut_off_alone() {
        let mut model = model("offset=10ms per-client=10.0.0.5:offset=300ms");
        assert_eq!(offset(&mut model, CLIENT, moment(1)), Nanos::from_millis(-310));
        assert_eq!(offset(&mut model, OTHER, moment(1)), Nanos::from_millis(-10));
        assert_eq!(model.error(Some(CLIENT), moment(1).boot), Nanos::from_millis(310));
        // A dual-stack socket shows the same client as ::ffff:10.0.0.5.
        assert_eq!(
            offset(&mut model, "::ffff:10.0.0.5".parse().unwrap(), moment(2)),
            Nanos::from_millis(-310)
        );
        model.set(["per-client=10.0.0.6:dead=true"], moment(3)).unwrap();
        assert!(ask(&mut model, OTHER, moment(3)).is_none());
        assert!(ask(&mut model, CLIENT, moment(3)).is_some());
    }

    #[test]
    fn delay_is_seen_as_delay_and_asymmetry_as_half_an_error() {
        let mut model = model("delay=20ms");
        let sample = ask(&mut model, CLIENT, moment(0)).unwrap().unwrap();
        assert_eq!((sample.offset, sample.delay), (Nanos::ZERO, Nanos::from_millis(20)));
        model.set(["asymmetry=6ms"], moment(0)).unwrap();
        let sample = ask(&mut model, CLIENT, moment(0)).unwrap().unwrap();
        assert_eq!((sample.offset, sample.delay), (Nanos::from_millis(-3), Nanos::from_millis(26)));
        model.set(["asymmetry=-6ms"], moment(0)).unwrap();
        assert_eq!(ask(&mut model, CLIENT, moment(0)).unwrap().unwrap().offset, Nanos::from_millis(3));
    }

    #[test]
    fn queues_are_seen_as_delay_and_never_err_by_more_than_half_of_it() {
        let mut model = model("delay=2ms delay-jitter=5ms");
        let samples: Vec<_> =
            (0..200).map(|at| ask(&mut model, CLIENT, moment(at)).unwrap().unwrap()).collect();
        let (least, most) = (Nanos::from_millis(2), Nanos::from_millis(12));
        assert!(samples.iter().all(|sample| (least..=most).contains(&sample.delay)), "{samples:?}");
        assert!(samples.iter().all(|sample| sample.offset.abs().times(2) <= sample.delay), "{samples:?}");
        assert!(samples.iter().any(|sample| sample.offset.abs() > Nanos::MILLISECOND), "{samples:?}");
    }

    #[test]
    fn jitter_and_loss_repeat_with_the_seed() {
        let run = |seed| {
            let mut model = Model::new(seed, moment(0));
            model.set(["jitter=1ms", "loss=0.25"], moment(0)).unwrap();
            (0..400)
                .map(|second| ask(&mut model, CLIENT, moment(second)).map(|sample| sample.unwrap().offset))
                .collect::<Vec<_>>()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
        let lost = run(1).iter().filter(|answer| answer.is_none()).count();
        assert!((60..140).contains(&lost), "a quarter of 400 was {lost}");
        assert!(run(1).iter().flatten().all(|offset| offset.abs() <= Nanos::MILLISECOND));
    }

    #[rstest]
    #[case("kod=RATE", |refusal: Refusal| matches!(refusal, Refusal::Kiss(_)))]
    #[case("wrong-origin=true", |refusal: Refusal| refusal == Refusal::NotOurs)]
    #[case("truncated=true", |refusal: Refusal| matches!(refusal, Refusal::TooShort(_)))]
    #[case("version=5", |refusal: Refusal| refusal == Refusal::Version { version: 5 })]
    fn each_bad_answer_is_refused_for_its_own_reason(
        #[case] word: &str,
        #[case] wanted: fn(Refusal) -> bool,
    ) {
        let mut model = model(word);
        let refusal = ask(&mut model, CLIENT, moment(0)).unwrap().unwrap_err();
        assert!(wanted(refusal), "{word} gave {refusal:?}");
    }

    #[test]
    fn an_orphaned_server_shows_it_only_by_age_and_dispersion() {
        let mut model = model("stratum=2 reference-age=0 root-dispersion=1ms");
        model.set(["reference-frozen=true"], moment(10)).unwrap();
        model.set(["stratum=2"], moment(60)).unwrap(); // other words do not move the moment of freezing
        let packet = ask(&mut model, CLIENT, moment(110)).unwrap().unwrap().packet;
        assert_eq!((packet.leap, packet.stratum), (Leap::Normal, 2));
        assert_eq!(packet.reference.to_wall(moment(0).wall), moment(10).wall);
        // 100 s at 15 ppm on top of 1 ms, rounded up to the wire's 15 µs.
        assert!((packet.root_dispersion - Nanos::from_micros(2_500)).abs() < Nanos::from_micros(16));
        model.set(["orphan-rate=2ppm"], moment(110)).unwrap();
        let packet = ask(&mut model, CLIENT, moment(110)).unwrap().unwrap().packet;
        assert!((packet.root_dispersion - Nanos::from_micros(1_200)).abs() < Nanos::from_micros(16));
    }

    #[test]
    fn an_upstream_can_be_dead_for_one_client_alone() {
        let mut model = model("reference-age=0");
        model.set(["per-client=10.0.0.5:reference-frozen=true"], moment(10)).unwrap();
        model.set(["per-client=10.0.0.6:dead=false"], moment(60)).unwrap();
        let mut reference = |client| {
            let packet = ask(&mut model, client, moment(110)).unwrap().unwrap().packet;
            packet.reference.to_wall(moment(0).wall)
        };
        assert_eq!((reference(CLIENT), reference(OTHER)), (moment(10).wall, moment(110).wall));
        model.set(["per-client=none"], moment(120)).unwrap();
        let packet = ask(&mut model, CLIENT, moment(130)).unwrap().unwrap().packet;
        assert_eq!(packet.reference.to_wall(moment(0).wall), moment(130).wall);
    }

    #[test]
    fn requests_are_counted_per_client_and_only_requests() {
        let mut model = model("per-client=10.0.0.6:dead=true");
        for second in [0, 8, 10] {
            ask(&mut model, CLIENT, moment(second));
        }
        ask(&mut model, OTHER, moment(11));
        assert!(model.answer(&[0x24; 48], CLIENT, moment(12)).is_none(), "a server's answer is no request");
        assert!(model.answer(&[], CLIENT, moment(12)).is_none());
        let client = model.clients()[&CLIENT];
        assert_eq!((client.requests, client.answers, client.shortest_gap), (3, 3, Some(Nanos::from_secs(2))));
        assert_eq!((model.clients()[&OTHER].requests, model.clients()[&OTHER].answers), (1, 0));
    }
}
