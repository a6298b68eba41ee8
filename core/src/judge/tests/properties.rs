//! Laws that hold for whatever comes in.

use super::sim::{MS, World};
use crate::conditions::{ConditionKind, Status};
use crate::judge::{JudgeState, judge};
use crate::observation::{Answer, ClockProfile};
use crate::units::Nanos;
use crate::verdict::Verdict;
use proptest::prelude::*;

/// What may happen between two looks.
#[derive(Clone, Copy, Debug)]
enum Event {
    Jump { source: usize, by: i64 },
    Die(usize),
    Live(usize),
    Silence,
    Answer,
    Restart { dumps: bool },
    Step(i64),
    Pause(i64),
    Run(i64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (0_usize..4, -300_i64..300).prop_map(|(source, by)| Event::Jump { source, by }),
        (0_usize..4).prop_map(Event::Die),
        (0_usize..4).prop_map(Event::Live),
        Just(Event::Silence),
        Just(Event::Answer),
        any::<bool>().prop_map(|dumps| Event::Restart { dumps }),
        (-3_000_i64..3_000).prop_map(Event::Step),
        (0_i64..5_000).prop_map(Event::Pause),
        (1_i64..60).prop_map(Event::Run),
    ]
}

/// What was told after each second, and whether the contradiction held then.
fn apply(world: &mut World, event: Event) -> Vec<(Verdict, bool)> {
    let mut seconds = 1;
    match event {
        Event::Jump { source, by } => world.sources[source].error += by * MS,
        Event::Die(source) => world.sources[source].alive = false,
        Event::Live(source) => world.sources[source].alive = true,
        Event::Silence => world.answering = false,
        Event::Answer => world.answering = true,
        Event::Restart { dumps } => world.restart_daemon(dumps),
        Event::Step(by) => world.step_wall(by * MS),
        Event::Pause(span) => world.pause(span * MS),
        Event::Run(given) => seconds = given,
    }
    let told = |world: &mut World| (world.run(1).remove(0).1, world.state.contradicted());
    (0..seconds).map(|_| told(world)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens(
        real in any::<bool>(),
        seed in 1_u64..1_000,
        rtc in any::<bool>(),
        events in prop::collection::vec(event(), 1..25),
    ) {
        let profile = if real { ClockProfile::Real } else { ClockProfile::Virtual };
        let mut world = World::new(4, profile, seed);
        world.rtc = rtc;
        world.run(60);
        let mut carried: Option<(Nanos, bool)> = None;
        for event in events {
            for (verdict, contradicted) in apply(&mut world, event) {
                let synchronized = verdict.conditions.synchronized.status;
                // Never True without a bound, and never without saying that it is carried when nobody answers.
                if synchronized == Status::True {
                    prop_assert!(verdict.bound.is_some() && verdict.offset.is_some());
                    if matches!(world.observe().answer, Answer::Nothing { .. }) || verdict.usable_voters == 0 {
                        prop_assert!(verdict.bound.unwrap().carried, "{event:?} {verdict:?}");
                    }
                }
                if let Some(bound) = verdict.bound {
                    prop_assert!(bound.expected <= bound.guaranteed);
                    prop_assert!(bound.expected >= Nanos::ZERO);
                    // Carried bounds only grow, unless the contradiction puts another figure in their place.
                    if let (true, Some((before, was))) = (bound.carried, carried) && was == contradicted && !contradicted {
                        prop_assert!(bound.guaranteed >= before, "{event:?} {before} {verdict:?}");
                    }
                    carried = bound.carried.then_some((bound.guaranteed, contradicted));
                } else {
                    carried = None;
                }
                for (kind, judgement) in verdict.conditions.iter() {
                    prop_assert!(!judgement.message.is_empty() && judgement.message.len() < 400, "{kind:?} {judgement:?}");
                    prop_assert!(!judgement.message.contains('\n'));
                }
            }
            // The ledger keeps all of it, and the same look gives the same verdict.
            let text = serde_json::to_string(&world.state).unwrap();
            prop_assert!(text.len() < 8_000, "{}", text.len());
            let back: JudgeState = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&back, &world.state);
            let look = world.observe();
            prop_assert_eq!(judge(&back, &look, &world.plan), judge(&world.state, &look, &world.plan));
        }
    }
}

/// Law 9: in steady state no text moves, so equal writes are skipped.
#[test]
fn a_quiet_hour_is_one_text() {
    for profile in [ClockProfile::Virtual, ClockProfile::Real] {
        let mut world = World::new(5, profile, 11);
        world.run(60);
        let mut texts: Vec<_> = world.run(3_600).into_iter().map(|(_, verdict)| verdict.conditions).collect();
        texts.dedup();
        assert_eq!(texts.len(), 1, "{texts:#?}");
    }
}

/// Outages too: a growing bound is quoted in quarters of its limit.
#[test]
fn an_outage_is_told_in_few_texts() {
    let mut world = World::new(5, ClockProfile::Real, 11);
    world.run(60);
    for source in &mut world.sources {
        source.alive = false;
    }
    let mut texts: Vec<_> = world.run(4 * 3_600).into_iter().map(|(_, verdict)| verdict.conditions).collect();
    texts.dedup();
    // As before, voters dying one by one (5), the outage, carried.
    assert!(texts.len() <= 9, "{texts:#?}");
}

#[test]
fn an_empty_ledger_is_a_new_judge() {
    assert_eq!(serde_json::from_str::<JudgeState>("{}").unwrap(), JudgeState::default());
    assert_eq!(serde_json::from_str::<JudgeState>(r#"{"boot_id":"x","later":1}"#).unwrap().boot_id, "x");
}

#[test]
fn the_judge_is_deterministic() {
    let run = || {
        let mut world = World::new(4, ClockProfile::Virtual, 5);
        world.run(120).into_iter().map(|(_, verdict)| verdict).collect::<Vec<_>>()
    };
    let (first, second) = (run(), run());
    assert_eq!(first, second);
    assert!(first.iter().all(|verdict| {
        ConditionKind::ALL.iter().all(|kind| !verdict.conditions.get(*kind).message.is_empty())
    }));
}
