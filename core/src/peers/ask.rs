//! When each peer is asked, and what its answers come to.
//!
//! **In.** The peers of the plan, outcomes of questions, moments. **Out.** Who is due; what is told of each.
//! **Must never** ask more often because somebody does not answer, or tell an offset that no answer of the last
//! [`SILENT`] questions gave.
//!
//! An offset is told with the half-width of what it says about *time*: half of the round trip (the ways may differ), the
//! bound that the peer itself guarantees, and what two free oscillators may have come apart since. A peer that does not
//! know its own bound, or does not judge itself synchronised, answers – that proves the way – and gives no offset.

use super::{Planned, mark, mixed};
use crate::clocks::{BootTime, WallTime};
use crate::judge::leap;
use crate::units::{Nanos, Ppb};
use std::collections::BTreeMap;

/// Between two questions to one peer, ± a tenth.
pub const EVERY: Nanos = Nanos::from_secs(60);
/// An answer that has not come by then is none. Further away, half of the round trip says nothing that a preset could use.
pub const DEADLINE: Nanos = Nanos::from_secs(2);
/// Questions in a row without an answer from which on a peer does not answer.
pub const SILENT: u32 = 3;
/// What two clocks may come apart: each at the rate that the presets guarantee.
const APART: Ppb = Ppb::from_ppm(30);

/// What a peer answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// This clock against the peer's when the question left; > 0 = this one is ahead.
    pub offset: Nanos,
    /// Round trip without the peer's own time.
    pub delay: Nanos,
    /// The peer's guaranteed bound; none = it does not know, or does not judge itself synchronised.
    pub bound: Option<Nanos>,
    /// How far this node's wall clock stood before its BOOTTIME when the question left: tells a step of ours from theirs.
    pub ahead: Nanos,
}

/// Why none came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Miss {
    /// Nothing, or nothing that was authentic.
    TimedOut,
    /// Nobody listens there.
    Refused,
    /// No way there.
    Unreachable,
}

/// How one question ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Authentic and ours.
    Answered(Answer),
    /// It left, and no such answer came.
    Missed(Miss),
    /// No packet left this node for reasons of its own: says nothing of the peer.
    NotSent,
}

/// What is known against a peer, or why it gives no offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trouble {
    /// The last question timed out.
    TimedOut,
    /// … met a closed port.
    Refused,
    /// … found no way.
    Unreachable,
    /// It answers, and does not say how right it is.
    Unsure,
}

/// What is told of one peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its Node.
    pub node: String,
    /// It answered one of the last [`SILENT`] questions.
    pub answers: bool,
    /// It has answered before, at this address.
    pub ever: bool,
    /// This clock against its, now; > 0 = this one is ahead.
    pub offset: Option<Nanos>,
    /// Half-width of that.
    pub uncertainty: Option<Nanos>,
    /// What is known against it.
    pub trouble: Option<Trouble>,
}

/// Since this peer is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Questions that left.
    pub asked: u64,
    /// Answers.
    pub answered: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pair {
    peer: Planned,
    next: BootTime,
    /// Asked then, and not heard of the outcome yet.
    since: Option<BootTime>,
    unanswered: u32,
    ever: bool,
    last: Option<(BootTime, Answer)>,
    miss: Option<Miss>,
    counts: Counts,
}

/// All peers of one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    pairs: BTreeMap<String, Pair>,
    every: Nanos,
}

impl State {
    /// Nobody yet; asks each [`EVERY`], or as often as a laboratory says.
    pub fn new(every: Nanos) -> Self {
        Self { pairs: BTreeMap::new(), every }
    }

    /// The peers of a newer plan. Who stays at the same address keeps its past; another address is another way, of which
    /// nothing is known. `asker` spreads the first questions over a sixth of the interval.
    pub fn plan(&mut self, asker: &str, peers: &[Planned], now: BootTime) {
        let mut before = std::mem::take(&mut self.pairs);
        for peer in peers {
            let fresh = || Pair {
                next: now + self.spread(asker, peer),
                peer: peer.clone(),
                since: None,
                unanswered: 0,
                ever: false,
                last: None,
                miss: None,
                counts: Counts::default(),
            };
            let pair = before.remove(&peer.node).filter(|pair| pair.peer == *peer);
            let pair = pair.unwrap_or_else(fresh);
            self.pairs.insert(peer.node.clone(), pair);
        }
    }

    /// Who is to be asked now. Each is asked once, whenever its outcome comes.
    pub fn due(&mut self, now: BootTime) -> Vec<Planned> {
        let every = self.every;
        let mut due = Vec::new();
        for pair in self.pairs.values_mut().filter(|pair| pair.next <= now) {
            // An outcome that never came (its task was lost) is a question that says nothing.
            pair.since = Some(now);
            pair.next = now + jittered(every, mark(&pair.peer.node) ^ pair.counts.asked);
            pair.counts.asked += 1;
            due.push(pair.peer.clone());
        }
        due
    }

    /// When somebody is due next.
    pub fn next_due(&self) -> Option<BootTime> {
        self.pairs.values().map(|pair| pair.next).min()
    }

    /// The outcome of a question to `peer`. Of one who is no peer any more, or was not asked: nothing.
    pub fn record(&mut self, peer: &Planned, outcome: Outcome, now: BootTime) {
        let Some(pair) = self.pairs.get_mut(&peer.node).filter(|pair| pair.peer == *peer) else { return };
        let Some(since) = pair.since.take() else { return };
        match outcome {
            Outcome::Answered(answer) => {
                pair.ever = true;
                pair.unanswered = 0;
                pair.miss = None;
                pair.counts.answered += 1;
                pair.last = Some((since.min(now), answer));
            }
            Outcome::Missed(miss) => {
                pair.unanswered = pair.unanswered.saturating_add(1);
                pair.miss = Some(miss);
            }
            Outcome::NotSent => pair.counts.asked = pair.counts.asked.saturating_sub(1),
        }
    }

    /// What is told of each, by name; nothing of one that was not asked for as long as makes silence (a machine that slept,
    /// or that could send nothing): that is not known. `ahead` is how far the wall clock stands before BOOTTIME now: if our own clock was
    /// stepped since an answer, its offset is moved with it.
    pub fn told(&self, ahead: Nanos, now: BootTime) -> Vec<Told> {
        self.pairs.values().filter_map(|pair| pair.told(ahead, now, self.every)).collect()
    }

    /// Counts of each peer, by name.
    pub fn counts(&self) -> impl Iterator<Item = (&str, Counts)> {
        self.pairs.iter().map(|(node, pair)| (node.as_str(), pair.counts))
    }

    fn spread(&self, asker: &str, peer: &Planned) -> Nanos {
        let permille = i64::try_from(mixed(mark(asker) ^ mark(&peer.node)) % 1_000).unwrap_or(0);
        self.every.scaled(permille, 6_000)
    }
}

impl Pair {
    fn told(&self, ahead: Nanos, now: BootTime, every: Nanos) -> Option<Told> {
        let answers = self.ever && self.unanswered < SILENT;
        let last = self.last.as_ref().filter(|_| answers);
        if last.is_some_and(|(at, _)| now - *at > every.times(i64::from(SILENT) + 1)) {
            return None;
        }
        let measured = last.and_then(|(at, answer)| {
            let bound = answer.bound?;
            let stepped = ahead - answer.ahead;
            if leap::may_have_been(stepped, WallTime(now.0) + ahead) {
                return None; // the peer may have made the leap second as well: the next answer tells
            }
            let offset = answer.offset + stepped;
            let half = answer.delay.abs().half_up() + bound + APART.over(now - *at);
            Some((offset, half))
        });
        let trouble = match self.miss {
            Some(Miss::TimedOut) => Some(Trouble::TimedOut),
            Some(Miss::Refused) => Some(Trouble::Refused),
            Some(Miss::Unreachable) => Some(Trouble::Unreachable),
            None => last.filter(|(_, answer)| answer.bound.is_none()).map(|_| Trouble::Unsure),
        };
        Some(Told {
            node: self.peer.node.clone(),
            answers,
            ever: self.ever,
            offset: measured.map(|(offset, _)| offset),
            uncertainty: measured.map(|(_, half)| half),
            trouble,
        })
    }
}

/// ± 10 %, the same for the same number: no randomness is needed to spread a fleet.
fn jittered(span: Nanos, number: u64) -> Nanos {
    let permille = i64::try_from(mixed(number) % 201).unwrap_or(100) - 100;
    span + span.scaled(permille, 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::{IpAddr, Ipv4Addr};

    const BOUND: Nanos = Nanos::from_micros(400);

    fn peer(node: &str) -> Planned {
        Planned { node: node.to_owned(), address: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), port: 9925 }
    }
    fn at(seconds: i64) -> BootTime {
        BootTime(Nanos::from_secs(seconds).0)
    }
    fn answered(offset: Nanos) -> Outcome {
        let delay = Nanos::from_micros(200);
        Outcome::Answered(Answer { offset, delay, bound: Some(BOUND), ahead: Nanos::ZERO })
    }
    const TIMED_OUT: Outcome = Outcome::Missed(Miss::TimedOut);

    /// Asks whoever is due, with this outcome; the moment after.
    fn ask(state: &mut State, outcome: Outcome) -> BootTime {
        let now = state.next_due().unwrap();
        for peer in state.due(now) {
            state.record(&peer, outcome, now + Nanos::MILLISECOND);
        }
        now + Nanos::MILLISECOND
    }
    fn one() -> State {
        let mut state = State::new(EVERY);
        state.plan("me", &[peer("b")], at(0));
        state
    }
    fn told(state: &State, now: BootTime) -> Told {
        let [told] = state.told(Nanos::ZERO, now).try_into().unwrap();
        told
    }

    #[test]
    fn three_unanswered_questions_are_silence_and_the_offset_goes_with_them() {
        let mut state = one();
        let now = ask(&mut state, answered(Nanos(500)));
        let first = told(&state, now);
        assert_eq!(
            (first.answers, first.ever, first.offset, first.trouble),
            (true, true, Some(Nanos(500)), None)
        );
        for _ in 0..2 {
            let now = ask(&mut state, TIMED_OUT);
            assert!(told(&state, now).answers && told(&state, now).offset.is_some());
        }
        let now = ask(&mut state, TIMED_OUT);
        let silent = told(&state, now);
        assert_eq!(
            (silent.answers, silent.ever, silent.offset, silent.uncertainty),
            (false, true, None, None)
        );
        assert_eq!(silent.trouble, Some(Trouble::TimedOut));
        let now = ask(&mut state, answered(Nanos(7)));
        assert_eq!(told(&state, now).offset, Some(Nanos(7)), "one answer, and it answers again");
    }

    #[test]
    fn a_pair_that_never_worked_says_so() {
        let mut state = one();
        for _ in 0..9 {
            let now = ask(&mut state, Outcome::Missed(Miss::Refused));
            assert_eq!((told(&state, now).answers, told(&state, now).ever), (false, false));
        }
    }

    #[test]
    fn it_is_uncertain_by_half_the_way_the_peers_bound_and_what_came_since() {
        let mut state = one();
        let now = ask(&mut state, answered(Nanos::ZERO));
        let asked = now - Nanos::MILLISECOND;
        assert_eq!(told(&state, asked).uncertainty, Some(Nanos::from_micros(500)));
        let later = told(&state, asked + Nanos::from_secs(100)).uncertainty.unwrap();
        assert_eq!(later, Nanos::from_micros(3_500), "30 ppm of 100 s");
    }

    #[test]
    fn who_is_not_sure_of_itself_answers_and_gives_no_offset() {
        let mut state = one();
        let unsure = Answer { offset: Nanos(9), delay: Nanos(9), bound: None, ahead: Nanos::ZERO };
        let now = ask(&mut state, Outcome::Answered(unsure));
        let told = told(&state, now);
        assert_eq!((told.answers, told.offset, told.trouble), (true, None, Some(Trouble::Unsure)));
    }

    #[test]
    fn a_step_of_our_own_clock_is_not_laid_to_the_peer() {
        let mut state = one();
        let now = ask(&mut state, answered(Nanos(5)));
        let [told] = state.told(Nanos::from_secs(2), now).try_into().unwrap();
        assert_eq!(told.offset, Some(Nanos::from_secs(2) + Nanos(5)), "we stepped ahead by two seconds");
    }

    #[test]
    fn a_leap_second_of_our_own_clock_is_not_known_of_the_peer() {
        let mut state = one();
        // 2027-01-01T00:00:00Z and some; the answer is from before midnight.
        let midnight = Nanos::from_secs(1_798_761_600);
        let before = midnight + Nanos::from_secs(1);
        let answer = Answer { offset: Nanos(5), delay: Nanos(9), bound: Some(BOUND), ahead: before };
        let now = ask(&mut state, Outcome::Answered(answer));
        let told = |ahead: Nanos| state.told(ahead, now)[0].offset;
        assert_eq!(told(before), Some(Nanos(5)));
        assert_eq!(told(midnight), None);
        assert_eq!(told(before + Nanos::from_secs(9)), Some(Nanos::from_secs(9) + Nanos(5)));
    }

    #[test]
    fn what_did_not_leave_says_nothing() {
        let mut state = one();
        ask(&mut state, answered(Nanos::ZERO));
        for _ in 0..3 {
            let now = ask(&mut state, Outcome::NotSent);
            assert!(told(&state, now).answers);
        }
        ask(&mut state, Outcome::NotSent);
        let now = ask(&mut state, Outcome::NotSent);
        assert_eq!(state.told(Nanos::ZERO, now), [], "neither that it answers nor that it does not");
        assert_eq!(state.counts().next(), Some(("b", Counts { asked: 1, answered: 1 })));
    }

    #[test]
    fn who_stays_keeps_its_past_and_another_address_has_none() {
        let mut state = one();
        let now = ask(&mut state, answered(Nanos(5)));
        state.plan("me", &[peer("a"), peer("b")], now);
        assert_eq!(
            state.told(Nanos::ZERO, now).iter().map(|told| told.ever).collect::<Vec<_>>(),
            [false, true]
        );
        let moved = Planned { address: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2)), ..peer("b") };
        state.plan("me", std::slice::from_ref(&moved), now);
        assert!(!told(&state, now).ever);
        // An outcome of the old address comes late.
        state.due(now + EVERY);
        state.record(&peer("b"), answered(Nanos::ZERO), now + EVERY);
        assert!(!told(&state, now + EVERY).ever);
        state.plan("me", &[], now);
        assert_eq!((state.next_due(), state.told(Nanos::ZERO, now)), (None, Vec::new()));
    }

    #[test]
    fn the_same_answer_does_not_count_twice() {
        let mut state = one();
        let now = state.next_due().unwrap();
        state.due(now);
        state.record(&peer("b"), TIMED_OUT, now);
        state.record(&peer("b"), answered(Nanos::ZERO), now);
        assert!(!told(&state, now).ever);
    }

    proptest! {
        /// Whatever comes back, one question a minute leaves for each peer, ± a tenth.
        #[test]
        fn nobody_is_asked_more_often_because_of_what_it_answers(outcomes in prop::collection::vec(0_u8..4, 40)) {
            let mut state = one();
            let mut last: Option<BootTime> = None;
            for outcome in outcomes {
                let now = state.next_due().unwrap();
                if let Some(last) = last {
                    let gap = now - last;
                    prop_assert!(gap >= Nanos::from_secs(54) && gap <= Nanos::from_secs(66), "{gap}");
                } else {
                    prop_assert!(now - at(0) <= Nanos::from_secs(10));
                }
                last = Some(now);
                let outcome = match outcome {
                    0 => answered(Nanos::ZERO),
                    1 => TIMED_OUT,
                    2 => Outcome::Missed(Miss::Refused),
                    _ => Outcome::NotSent,
                };
                for peer in state.due(now) {
                    state.record(&peer, outcome, now);
                }
                prop_assert!(state.due(now).is_empty(), "once");
            }
        }
    }
}
