//! What the last probes of one association say together.

use super::Answer;
use crate::clocks::BootTime;
use crate::units::Nanos;
use std::collections::VecDeque;

/// Probes that count, as in chronyd's own register of the last eight polls.
const PROBES: usize = 8;
/// Older ones are no longer news: twice the time that eight probes take at the slowest level.
const STALE: Nanos = Nanos::from_secs(480);

/// The last eight probes, none older than eight minutes. Kisses are not in it: they say nothing of the path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// How many there are, 0–8.
    pub probes: u32,
    /// Those without an answer, of a million; none without probes.
    pub loss_millionths: Option<u32>,
    /// Mean size of the change from one offset to the next; none with fewer than two answers. Its own changes cancel a
    /// constant error of this clock; a slew is in it with what it moves in one interval.
    pub jitter: Option<Nanos>,
    /// The last answer.
    pub last: Option<Answer>,
}

/// What is remembered for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Past(VecDeque<(BootTime, Option<Answer>)>);

impl Past {
    pub(super) fn push(&mut self, answer: Option<Answer>, now: BootTime) {
        self.0.push_back((now, answer));
        if self.0.len() > PROBES {
            self.0.pop_front();
        }
    }

    pub(super) fn forget(&mut self, now: BootTime) {
        self.0.retain(|(at, _)| now - *at < STALE);
    }

    pub(super) fn last_answer(&self) -> Option<(Answer, BootTime)> {
        self.0.iter().rev().find_map(|(at, answer)| Some(((*answer)?, *at)))
    }

    pub(super) fn window(&self) -> Window {
        let answers: Vec<Answer> = self.0.iter().filter_map(|(_, answer)| *answer).collect();
        let changes: Nanos = answers.windows(2).map(|pair| (pair[1].offset - pair[0].offset).abs()).sum();
        let among = |part: usize| i64::try_from(part).unwrap_or(i64::MAX);
        let lost = self.0.len() - answers.len();
        Window {
            probes: u32::try_from(self.0.len()).unwrap_or(u32::MAX),
            loss_millionths: (lost * 1_000_000)
                .checked_div(self.0.len())
                .and_then(|millionths| u32::try_from(millionths).ok()),
            jitter: (answers.len() > 1).then(|| changes.scaled(1, among(answers.len() - 1))),
            last: answers.last().copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::answer;
    use super::*;

    fn at(seconds: i64) -> BootTime {
        BootTime(Nanos::from_secs(seconds).0)
    }

    #[test]
    fn nothing_asked_is_nothing_known() {
        assert_eq!(Past::default().window(), Window::default());
    }

    #[test]
    fn loss_jitter_and_the_last_answer_of_eight() {
        let mut past = Past::default();
        past.push(Some(answer(900)), at(0)); // pushed out by the eight that follow
        for (second, offset) in
            (1..).zip([Some(10), None, Some(13), Some(9), None, Some(9), Some(8), Some(9)])
        {
            past.push(offset.map(answer), at(second));
        }
        let window = past.window();
        assert_eq!((window.probes, window.loss_millionths), (8, Some(250_000)));
        assert_eq!(window.jitter, Some(Nanos::from_micros(1_800)), "(3 + 4 + 0 + 1 + 1) ms / 5");
        assert_eq!(window.last, Some(answer(9)));
    }

    #[test]
    fn one_answer_has_no_jitter_and_losses_alone_no_answer() {
        let mut past = Past::default();
        past.push(None, at(0));
        assert_eq!((past.window().loss_millionths, past.window().last), (Some(1_000_000), None));
        past.push(Some(answer(1)), at(1));
        assert_eq!((past.window().loss_millionths, past.window().jitter), (Some(500_000), None));
    }

    #[test]
    fn what_is_old_is_forgotten() {
        let mut past = Past::default();
        past.push(None, at(0));
        past.push(Some(answer(1)), at(400));
        past.forget(at(500));
        assert_eq!((past.window().probes, past.window().loss_millionths), (1, Some(0)));
        past.forget(at(10_000));
        assert_eq!(past.window(), Window::default());
    }

    #[test]
    fn offsets_at_the_end_of_the_range_saturate() {
        let mut past = Past::default();
        for offset in [i64::MIN, i64::MAX, i64::MIN] {
            past.push(Some(Answer { offset: Nanos(offset), ..answer(0) }), at(0));
        }
        assert!(past.window().jitter.is_some_and(|jitter| jitter > Nanos::from_secs(1_000_000)));
    }
}
