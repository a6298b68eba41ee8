//! From candm's reports to core's [`Observation`]: pure joining, no judging.

use meantime_candm::look::{Looked, Seen};
use meantime_core::chrony::Letter;
use meantime_core::clocks::ClockReading;
use meantime_core::observation::{Answer, Association, ClockProfile, Observation};
use meantime_core::snapshot::{PlannedAssociation, Role};
use meantime_core::source::Timescale;
use meantime_core::validate::Address;

/// What one look needs to know besides chronyd's reports.
#[derive(Clone, Debug)]
pub struct Frame<'a> {
    /// All clocks, read before the first question.
    pub clocks: ClockReading,
    /// This boot.
    pub boot_id: &'a str,
    /// Starts of chronyd so far.
    pub daemon_start: u64,
    /// What the running chronyd was started as.
    pub profile: ClockProfile,
}

/// One observation from one look. `Err` carries why there was no answer.
pub fn assemble(
    frame: &Frame<'_>,
    plan: &[PlannedAssociation],
    looked: Result<Looked, String>,
) -> Observation {
    let answer = match looked {
        Ok(looked) => {
            let associations = looked.sources.iter().map(|seen| association(seen, plan)).collect();
            Answer::Full { tracking: looked.tracking, associations }
        }
        Err(why) => Answer::Nothing { why },
    };
    Observation {
        clocks: frame.clocks,
        boot_id: frame.boot_id.to_owned(),
        daemon_start: frame.daemon_start,
        profile: frame.profile,
        answer,
    }
}

fn association(seen: &Seen, plan: &[PlannedAssociation]) -> Association {
    let address = seen.source.address.ip();
    let planned = plan.iter().find(|planned| is_of(seen, planned));
    Association {
        address,
        source: planned.map(|planned| planned.source.clone()),
        tier: planned.map_or(0, |planned| planned.tier),
        // Nobody planned it: it never votes for us.
        role: planned.map_or(Role::Witness, |planned| planned.role),
        independence: planned.map_or_else(String::new, |planned| planned.root_at(address)),
        timescale: planned.map_or(Timescale::Utc, |planned| planned.timescale.clone()),
        letter: seen.select.as_ref().map_or(Letter::Unknown('?'), |select| select.letter),
        poll: seen.source.poll,
        reach: seen.source.reach,
        counters: seen.ntp.as_ref().map(meantime_candm::reply::NtpData::counters),
        samples: seen.stats.as_ref().map_or(0, |stats| stats.samples),
        sample_age: seen.source.sample_age,
        estimate: seen.stats.as_ref().and_then(meantime_candm::reply::SourceStats::estimate),
        packet: seen.ntp.as_ref().and_then(meantime_candm::reply::NtpData::packet),
    }
}

/// chronyd keeps the name as it was configured: that, not the address, tells which line an association came from
/// (a name may resolve to anything, a pool to many).
fn is_of(seen: &Seen, planned: &PlannedAssociation) -> bool {
    let Ok(wanted) = Address::parse(planned.endpoint.address()) else { return false };
    match (&seen.name, &wanted) {
        (Some(name), _) => Address::parse(name).is_ok_and(|name| name.identity() == wanted.identity()),
        (None, Address::Ip(wanted)) => seen.source.address.ip() == Some(*wanted),
        (None, Address::Name(_)) => false,
    }
}

#[cfg(test)]
#[path = "assemble_tests.rs"]
mod tests;
