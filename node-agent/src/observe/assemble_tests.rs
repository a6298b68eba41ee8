//! Joining reports to the plan.

use super::*;
use meantime_candm::reply::{SourceData, SourceMode, SourceState};
use meantime_core::clocks::{BootTime, RawTime, WallTime};
use meantime_core::observation::{Leap, Tracking};
use meantime_core::source::{Endpoint, PollRange, Scope};
use meantime_core::units::{Nanos, Ppb};
use std::net::IpAddr;

fn planned(source: &str, endpoint: Endpoint, independence: &str) -> PlannedAssociation {
    PlannedAssociation {
        source: source.into(),
        tier: 2,
        role: Role::Voter,
        endpoint,
        polls: PollRange::default(),
        iburst: true,
        scope: Scope::Local,
        independence: independence.into(),
        timescale: Timescale::Utc,
        drive_order: None,
        weight: 100,
        power_failing: false,
    }
}

fn server(address: &str) -> Endpoint {
    Endpoint::Server { address: address.into(), port: 123 }
}

fn seen(address: meantime_candm::Address, name: Option<&str>) -> Seen {
    let source = SourceData {
        address,
        poll: 0,
        stratum: 1,
        state: SourceState::Selected,
        mode: SourceMode::Server,
        reach: 1,
        sample_age: None,
        measured_offset: Nanos::ZERO,
        adjusted_offset: Nanos::ZERO,
        error: Nanos::ZERO,
    };
    Seen { source, stats: None, select: None, ntp: None, name: name.map(str::to_owned) }
}

fn ip(text: &str) -> meantime_candm::Address {
    text.parse::<IpAddr>().unwrap().into()
}

fn source_of(seen: &Seen, plan: &[PlannedAssociation]) -> Option<String> {
    association(seen, plan).source
}

#[test]
fn an_association_is_known_by_its_configured_name() {
    let plan = [
        planned("lit", server("10.0.0.1"), "lit"),
        planned("dns", server("ntp.example.com"), "dns"),
        planned("six", server("2001:db8::1"), "six"),
    ];
    let found = |seen: &Seen| source_of(seen, &plan);
    assert_eq!(found(&seen(ip("10.0.0.1"), Some("10.0.0.1"))).as_deref(), Some("lit"));
    assert_eq!(found(&seen(ip("192.0.2.7"), Some("NTP.example.com"))).as_deref(), Some("dns"));
    assert_eq!(found(&seen(ip("2001:db8::1"), Some("2001:0db8::1"))).as_deref(), Some("six"));
    // A name that happens to resolve to a literal's address is still the name's association.
    assert_eq!(found(&seen(ip("10.0.0.1"), Some("ntp.example.com"))).as_deref(), Some("dns"));
    // Without a name report the address has to do.
    assert_eq!(found(&seen(ip("10.0.0.1"), None)).as_deref(), Some("lit"));
    assert_eq!(
        found(&seen(meantime_candm::Address::Unresolved(3), Some("ntp.example.com"))).as_deref(),
        Some("dns")
    );
}

#[test]
fn what_nobody_planned_is_a_witness_without_a_source() {
    let stranger =
        association(&seen(ip("10.9.9.9"), Some("10.9.9.9")), &[planned("a", server("10.0.0.1"), "a")]);
    assert_eq!(
        (stranger.source, stranger.role, stranger.letter),
        (None, Role::Witness, Letter::Unknown('?'))
    );
}

#[test]
fn members_of_a_pool_are_roots_of_their_own_unless_said_otherwise() {
    let pool = || Endpoint::Pool { name: "pool.example.com".into(), port: 123, max_sources: 4 };
    let member = seen(ip("192.0.2.1"), Some("pool.example.com"));
    assert_eq!(association(&member, &[planned("p", pool(), "p")]).independence, "p/192.0.2.1");
    assert_eq!(association(&member, &[planned("p", pool(), "one-root")]).independence, "one-root");
}

#[test]
fn no_answer_is_said_with_its_reason_and_the_clocks_stay() {
    let frame = Frame {
        clocks: ClockReading { wall: WallTime(1), boot: BootTime(2), raw: RawTime(3), rtc: None, tick: None },
        boot_id: "b",
        daemon_start: 7,
        profile: ClockProfile::Virtual,
    };
    let observation = assemble(&frame, &[], Err("timed out".into()));
    assert_eq!(observation.answer, Answer::Nothing { why: "timed out".into() });
    assert_eq!((observation.clocks.raw, observation.daemon_start), (RawTime(3), 7));
    let tracking = Tracking {
        refid: 0,
        address: None,
        stratum: 0,
        leap: Leap::Unsynchronised,
        reference_time: WallTime(0),
        residual: Nanos(-5),
        last_offset: Nanos::ZERO,
        rms_offset: Nanos::ZERO,
        frequency: Ppb::ZERO,
        residual_frequency: Ppb::ZERO,
        skew: Ppb::ZERO,
        root_delay: Nanos::SECOND,
        root_dispersion: Nanos::SECOND,
        update_interval: Nanos::ZERO,
    };
    let looked = Looked { tracking: tracking.clone(), sources: vec![], complete: true, errors: vec![] };
    let observation = assemble(&frame, &[], Ok(looked));
    assert_eq!(observation.answer, Answer::Full { tracking, associations: vec![] });
}
