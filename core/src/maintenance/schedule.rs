//! Five cron fields: minute, hour, day of the month, month, day of the week. Numbers and the usual operators, no names, no
//! seconds, no macros: what every cron reads alike.
//!
//! Own code, for this is a page; the libraries at hand bring a calendar of their own, and core has none.

/// Longest text.
pub const LONGEST: usize = 128;

/// Why a text is no schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {why}; write five fields: minute hour day month weekday, for example \"30 2 * * 0\"")]
pub struct BadSchedule {
    /// `minute` …, or `the schedule`.
    pub field: &'static str,
    /// What is wrong with it.
    pub why: &'static str,
}

/// Sets of numbers, a bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    /// 0 = Sunday.
    weekdays: u64,
    /// Both day fields are given: then either suffices (as in every cron).
    either_day: bool,
}

const FIELDS: [(&str, u8, u8); 5] =
    [("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7)];

impl Schedule {
    /// Reads it.
    pub fn parse(text: &str) -> Result<Self, BadSchedule> {
        if text.len() > LONGEST {
            return Err(BadSchedule { field: "the schedule", why: "is longer than 128 characters" });
        }
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let [minute, hour, day, month, weekday] = words[..] else {
            return Err(BadSchedule { field: "the schedule", why: "does not have five fields" });
        };
        let mut sets = [0; 5];
        for ((set, word), (field, low, high)) in
            sets.iter_mut().zip([minute, hour, day, month, weekday]).zip(FIELDS)
        {
            *set = numbers(word, low, high).map_err(|why| BadSchedule { field, why })?;
        }
        let [minutes, hours, days, months, weekdays] = sets;
        // 7 is Sunday too.
        let weekdays = (weekdays | weekdays >> 7) & 0x7f;
        let either_day = !day.starts_with('*') && !weekday.starts_with('*');
        Ok(Self { minutes, hours, days, months, weekdays, either_day })
    }

    /// Whether it starts on such a day: month 1…12, day 1…31, weekday 0 (Sunday)…6.
    pub const fn on_day(&self, month: u8, day: u8, weekday: u8) -> bool {
        let (by_day, by_weekday) = (has(self.days, day), has(self.weekdays, weekday));
        has(self.months, month) && if self.either_day { by_day || by_weekday } else { by_day && by_weekday }
    }

    /// (Hour, minute) of its starts on such a day, in rising order.
    pub fn times(&self) -> impl DoubleEndedIterator<Item = (u8, u8)> + use<> {
        let Self { minutes, hours, .. } = *self;
        let of_hour =
            move |hour| (0..60).filter(move |minute| has(minutes, *minute)).map(move |minute| (hour, minute));
        (0..24).filter(move |hour| has(hours, *hour)).flat_map(of_hour)
    }
}

const fn has(set: u64, number: u8) -> bool {
    set >> number & 1 == 1
}

/// One field: a list of `*`, `a`, `a-b`, each with an optional `/step`.
fn numbers(field: &str, low: u8, high: u8) -> Result<u64, &'static str> {
    let mut set = 0;
    for item in field.split(',') {
        let (range, step) = match item.split_once('/') {
            None => (item, None),
            Some((range, step)) => (range, Some(number(step)?)),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (low, high),
            Some((from, to)) => (number(from)?, number(to)?),
            // `a/step` goes on to the end, as in most crons.
            None if step.is_some() => (number(range)?, high),
            None => (number(range)?, number(range)?),
        };
        let step = step.unwrap_or(1);
        if step == 0 {
            return Err("has a step of 0");
        }
        if from > to {
            return Err("has a range that ends before it begins");
        }
        if from < low || to > high {
            return Err("has a number that it cannot have");
        }
        set |= (from..=to).step_by(step.into()).fold(0, |set, number| set | 1_u64 << number);
    }
    Ok(set)
}

fn number(text: &str) -> Result<u8, &'static str> {
    let digits = !text.is_empty() && text.len() <= 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or("is neither * nor made of numbers")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[test]
    fn fields_become_sets() {
        let schedule = Schedule::parse("0,30 22-23 * */6 1-5").unwrap();
        assert_eq!(schedule.times().collect::<Vec<_>>(), [(22, 0), (22, 30), (23, 0), (23, 30)]);
        assert_eq!(schedule.times().next_back(), Some((23, 30)));
        assert!(schedule.on_day(1, 31, 1) && schedule.on_day(7, 1, 5));
        assert!(!schedule.on_day(2, 1, 1) && !schedule.on_day(1, 1, 0));
        assert_eq!(Schedule::parse("50/5 0 * * *").unwrap().times().collect::<Vec<_>>(), [(0, 50), (0, 55)]);
    }

    /// The 13th and every Friday, as cron has it; with a star only the other field counts.
    #[test]
    fn two_day_fields_are_either_of_them() {
        let both = Schedule::parse("0 0 13 * 5").unwrap();
        assert!(both.on_day(3, 13, 1) && both.on_day(3, 20, 5) && !both.on_day(3, 14, 1));
        let odd_fridays = Schedule::parse("0 0 */2 * 5").unwrap();
        assert!(
            odd_fridays.on_day(3, 13, 5) && !odd_fridays.on_day(3, 20, 5) && !odd_fridays.on_day(3, 13, 1)
        );
    }

    #[test]
    fn sunday_is_0_and_7() {
        assert_eq!(Schedule::parse("0 0 * * 7"), Schedule::parse("0 0 * * 0"));
        assert!(Schedule::parse("0 0 * * 5-7").unwrap().on_day(1, 1, 0));
    }

    #[rstest]
    #[case("", "the schedule does not have five fields")]
    #[case("* * * *", "the schedule does not have five fields")]
    #[case("* * * * * *", "the schedule does not have five fields")]
    #[case("60 * * * *", "minute has a number that it cannot have")]
    #[case("* 24 * * *", "hour has a number that it cannot have")]
    #[case("* * 0 * *", "day has a number that it cannot have")]
    #[case("* * * 13 *", "month has a number that it cannot have")]
    #[case("* * * * 8", "weekday has a number that it cannot have")]
    #[case("5-1 * * * *", "minute has a range that ends before it begins")]
    #[case("*/0 * * * *", "minute has a step of 0")]
    #[case("a * * * *", "minute is neither * nor made of numbers")]
    #[case("1,,2 * * * *", "minute is neither * nor made of numbers")]
    #[case("+1 * * * *", "minute is neither * nor made of numbers")]
    #[case("* * * JAN *", "month is neither * nor made of numbers")]
    fn what_is_no_schedule_says_why(#[case] text: &str, #[case] why: &str) {
        let said = Schedule::parse(text).unwrap_err().to_string();
        assert!(said.starts_with(why), "{said}");
    }

    #[test]
    fn an_endless_text_is_refused() {
        assert!(Schedule::parse(&format!("{} * * * *", "1,".repeat(200))).is_err());
    }
}
