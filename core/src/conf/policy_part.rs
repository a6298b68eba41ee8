//! The policy's part of the main file: everything in it is restart-only in chronyd, so as little as possible is.

use super::words::{decimal, lines, parse_decimal, refuse, same};
use super::{Part, ReadError, ReadFault};
use crate::policy::Mode;
use crate::tolerances::Tolerances;
use crate::units::{Nanos, Ppb};
use std::fmt::Write as _;

/// Far longer than any main text of ours.
const LONGEST: usize = 2_048;
/// Corrections above it are worth a line in chronyd's log: twice the default policy's `maxOffset`.
const LOG_CHANGE: Nanos = Nanos::from_millis(100);
/// Frequency estimates less certain than this are not used (the offset still is); what the distributions ship.
const MAX_UPDATE_SKEW: Ppb = Ppb::from_ppm(100);
/// The one step policy there is: an offset above 1 s, in the first three updates.
pub const MAKE_STEP: MakeStep = MakeStep { threshold: Nanos::SECOND, limit: 3 };
/// More steps than that after a boot is not a boot any more.
const MOST_STEPS: u8 = 10;

/// When chronyd may step by itself after its start. The agent starts it with `-R`, which switches this off, at every
/// start that is not a boot; so a limit is required: chrony honours an unlimited `makestep` in spite of `-R`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MakeStep {
    /// Offsets above it are stepped. Above zero.
    pub threshold: Nanos,
    /// In how many first updates, 1…10.
    pub limit: u8,
}

/// The directives that a policy decides, without a node's paths.
///
/// Always in it: `port 0` (nodes serve nobody) and `cmdport 0` (commands over the Unix socket only). Deliberately
/// left at chrony's default:
/// - `maxclockerror` (1 ppm): it feeds chronyd's own choice among sources. Our guaranteed bound adds 15 or 50 ppm on
///   top of what chronyd reports; raising it here would count the drift twice and drop far sources early.
/// - `authselectmode` (mix): without authenticated sources it does nothing.
/// - `maxdistance`, `reselectdist`, `stratumweight`, `combinelimit`: chrony's choice was measured with these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Main {
    /// Fewer selectable sources than this and chronyd stops updating the clock, 1…12. See [`Main::for_policy`].
    pub min_sources: u8,
    /// Frequency estimates less certain than this are not used. Above zero.
    pub max_update_skew: Ppb,
    /// Corrections above it are logged. Above zero.
    pub log_change: Nanos,
    /// Tell the kernel that it is synchronised; it then also keeps the RTC right.
    pub rtc_sync: bool,
    /// Steps at boot; none = slew only.
    pub make_step: Option<MakeStep>,
}

impl Main {
    /// What a policy means for a node whose voters stem from so many independent roots (a pool counting as one:
    /// how many of its servers answer is unknown here).
    ///
    /// `minsources` is **not** the policy's `minSources`, which is an alarm level. chronyd's is a brake: below it
    /// the clock is left alone (at boot: as the host's own boot-time setter left it). It has to leave room for
    /// losses, so it is 1 with one or two roots – there, 2 would turn the first loss into holdover, and two can not
    /// outvote each other anyway – and 2 from three on: a last source that nobody can check any more does not drag
    /// the clock away, while all but two may die. Never more: a third would give up two agreeing survivors of five.
    pub fn for_policy(mode: Mode, tolerances: &Tolerances, roots: usize) -> Self {
        let managed = mode == Mode::Managed;
        Self {
            min_sources: if roots < 3 { 1 } else { 2 },
            max_update_skew: MAX_UPDATE_SKEW,
            log_change: LOG_CHANGE,
            rtc_sync: managed,
            make_step: (managed && tolerances.step_at_boot).then_some(MAKE_STEP),
        }
    }

    /// As chronyd reads it; each line ends in a newline, always the same order.
    pub fn render(&self) -> String {
        let mut text = String::with_capacity(128);
        text.push_str(PORT);
        text.push_str("cmdport 0\n");
        // Writing to a String can not fail.
        let _ = writeln!(text, "minsources {}", self.min_sources);
        let _ = writeln!(text, "maxupdateskew {}", decimal(self.max_update_skew.0, 3));
        let _ = writeln!(text, "logchange {}", decimal(self.log_change.0, 9));
        if self.rtc_sync {
            text.push_str("rtcsync\n");
        }
        if let Some(step) = self.make_step {
            let _ = writeln!(text, "makestep {} {}", decimal(step.threshold.0, 9), step.limit);
        }
        text
    }

    /// Reads exactly what [`Main::render`] writes.
    pub fn read(text: &str) -> Result<Self, ReadError> {
        let mut main = Self {
            min_sources: 1,
            max_update_skew: MAX_UPDATE_SKEW,
            log_change: LOG_CHANGE,
            rtc_sync: false,
            make_step: None,
        };
        for (number, line) in lines(Part::Main, text, LONGEST)? {
            main.take(line).map_err(|fault| refuse(Part::Main, number, line, fault))?;
        }
        same(Part::Main, text, &main.render())?;
        Ok(main)
    }

    fn take(&mut self, line: &str) -> Result<(), ReadFault> {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["port" | "cmdport", "0"] => {}
            ["rtcsync"] => self.rtc_sync = true,
            ["minsources", count] => self.min_sources = small(count, "minsources", 12)?,
            ["maxupdateskew", skew] => self.max_update_skew = Ppb(above_zero(skew, 3, "maxupdateskew")?),
            ["logchange", offset] => self.log_change = Nanos(above_zero(offset, 9, "logchange")?),
            ["makestep", threshold, limit] => {
                self.make_step = Some(MakeStep {
                    threshold: Nanos(above_zero(threshold, 9, "makestep")?),
                    limit: small(limit, "makestep", MOST_STEPS)?,
                });
            }
            _ => return Err(ReadFault::Unknown),
        }
        Ok(())
    }
}

/// Kept apart: [`super::compose`] replaces it in tests, where a virtual clock is asked for the time.
pub(super) const PORT: &str = "port 0\n";

fn above_zero(text: &str, places: u32, word: &'static str) -> Result<i64, ReadFault> {
    parse_decimal(text, places).filter(|value| *value > 0).ok_or(ReadFault::Value { word })
}

fn small(text: &str, word: &'static str, most: u8) -> Result<u8, ReadFault> {
    text.parse().ok().filter(|count| (1..=most).contains(count)).ok_or(ReadFault::Value { word })
}
