//! TimeSource → SourceSpec, with every default of a source.

use super::{At, ConvertError, timescale};
use crate::timesource::{Power, TimeSource};
use kube::ResourceExt;
use meantime_core::source::{Endpoint, FULL_WEIGHT, PollRange, Scope, SourceSpec, Use};
use std::net::IpAddr;

/// NTP's port.
const NTP: u16 = 123;
/// Servers kept of a pool, as chrony's own default.
const POOL_SOURCES: u32 = 4;

impl TimeSource {
    /// What the planner sees of it. Fails on both or neither of server and pool, and on numbers far out of range.
    pub fn to_core(&self) -> Result<SourceSpec, ConvertError> {
        let name = self.name_any();
        let at = At { kind: "TimeSource", name: &name };
        let spec = &self.spec;
        let port = |field, port: Option<i32>| port.map_or(Ok(NTP), |port| at.number(field, port));
        let (endpoint, polls, iburst, default_scope) = match (&spec.server, &spec.pool) {
            (Some(server), None) => (
                Endpoint::Server { address: server.address.clone(), port: port("server.port", server.port)? },
                polls(&at, server.min_poll, server.max_poll)?,
                server.iburst,
                default_scope(&server.address),
            ),
            (None, Some(pool)) => (
                Endpoint::Pool {
                    name: pool.name.clone(),
                    port: port("pool.port", pool.port)?,
                    max_sources: match pool.max_sources {
                        Some(kept) => at.number("pool.maxSources", kept)?,
                        None => POOL_SOURCES,
                    },
                },
                polls(&at, pool.min_poll, pool.max_poll)?,
                pool.iburst,
                Scope::Public,
            ),
            (Some(_), Some(_)) | (None, None) => {
                return Err(at.bad("spec", "needs exactly one of server and pool"));
            }
        };
        Ok(SourceSpec {
            uid: self.uid().unwrap_or_default(),
            generation: self.metadata.generation.unwrap_or_default(),
            labels: self.labels().clone(),
            tier: at.number("tier", spec.tier)?,
            usage: spec.usage.map_or_else(Use::default, Into::into),
            endpoint,
            polls,
            iburst: iburst.unwrap_or(true),
            scope: spec.scope.map_or(default_scope, Into::into),
            zone: spec.location.as_ref().and_then(|location| location.zone.clone()),
            independence: spec.independence.clone(),
            timescale: timescale(spec.timescale.as_deref()),
            weight: spec.weight.map_or(Ok(FULL_WEIGHT), |weight| at.number("weight", weight))?,
            power_failing: spec.power == Some(Power::Failing),
            packets_per_minute: spec
                .packets_per_minute
                .map(|packets| at.number("packetsPerMinute", packets))
                .transpose()?,
            name,
        })
    }
}

/// chrony's own range, bent around whichever end was given.
fn polls(at: &At<'_>, min: Option<i32>, max: Option<i32>) -> Result<PollRange, ConvertError> {
    let standard = PollRange::default();
    let given = |field, poll: Option<i32>| poll.map(|poll| at.number(field, poll)).transpose();
    let (min, max): (Option<i8>, Option<i8>) = (given("minPoll", min)?, given("maxPoll", max)?);
    Ok(match (min, max) {
        (Some(min), Some(max)) => PollRange { min, max },
        (Some(min), None) => PollRange { min, max: standard.max.max(min) },
        (None, Some(max)) => PollRange { min: standard.min.min(max), max },
        (None, None) => standard,
    })
}

/// Private, unique local, loopback and link-local addresses are Local, all other addresses and every name Public:
/// to be too polite to one's own server costs little.
fn default_scope(address: &str) -> Scope {
    let near = match address.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => address.is_private() || address.is_loopback() || address.is_link_local(),
        Ok(IpAddr::V6(address)) => {
            address.is_unique_local() || address.is_loopback() || address.is_unicast_link_local()
        }
        Err(_) => false,
    };
    if near { Scope::Local } else { Scope::Public }
}
