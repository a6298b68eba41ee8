//! A policy's failover figures ↔ core's, with every default of theirs.

use super::{At, ConvertError};
use crate::failover::{PolicyFailback, PolicyFailover, PolicyScore, PolicyVerify};
use meantime_core::duration;
use meantime_core::fsm::failover::score::Limits;
use meantime_core::fsm::failover::{Failback, Figures};
use meantime_core::units::Nanos;

/// The figures in force; what is not told is usual. Fails on a text that is no duration and on numbers out of range.
pub(super) fn to_core(
    at: &At<'_>,
    root: &str,
    given: Option<&PolicyFailover>,
) -> Result<Figures, ConvertError> {
    let usual = Figures::default();
    let Some(given) = given else { return Ok(usual) };
    let span = |field: &str, text: &Option<String>, usual: Nanos| -> Result<Nanos, ConvertError> {
        let Some(text) = text else { return Ok(usual) };
        duration::parse(text).map_err(|error| at.bad(&format!("{root}.{field}"), error.to_string()))
    };
    let count = |field: &str, value: Option<i32>, usual: u32| -> Result<u32, ConvertError> {
        value.map_or(Ok(usual), |value| at.number(&format!("{root}.{field}"), value))
    };
    let verify = given.verify.clone().unwrap_or_default();
    let back = given.failback.clone().unwrap_or_default();
    let score = given.score.clone().unwrap_or_default();
    let fail_after = count("failAfter", given.fail_after, usual.fail_after)?.max(1);
    Ok(Figures {
        // A CRD older than the rule may let it through.
        suspect_after: count("suspectAfter", given.suspect_after, usual.suspect_after)?.clamp(1, fail_after),
        fail_after,
        probes: count("confirmProbes", given.confirm_probes, usual.probes)?,
        jitter: span("jitter", &given.jitter, usual.jitter)?,
        max_reference_age: span("maxReferenceAge", &given.max_reference_age, usual.max_reference_age)?,
        flap_window: span("flapWindow", &given.flap_window, usual.flap_window)?,
        verify_checks: count("verify.checks", verify.checks, usual.verify_checks)?,
        verify_spacing: span("verify.spacing", &verify.spacing, usual.verify_spacing)?,
        verify_later: span("verify.later", &verify.later, usual.verify_later)?,
        watch: span("verify.watch", &verify.watch, usual.watch)?,
        failback: Failback {
            every: span("failback.every", &back.every, usual.failback.every)?,
            tries: count("failback.tries", back.tries, usual.failback.tries)?,
            score: match back.min_score {
                Some(score) => at.number(&format!("{root}.failback.minScore"), score)?,
                None => usual.failback.score,
            },
            checks: count("failback.checks", back.checks, usual.failback.checks)?,
            spacing: span("failback.spacing", &back.spacing, usual.failback.spacing)?,
        },
        limits: Limits {
            response: span("score.maxResponse", &score.max_response, usual.limits.response)?,
            offset: span("score.maxOffset", &score.max_offset, usual.limits.offset)?,
            jitter: span("score.maxJitter", &score.max_jitter, usual.limits.jitter)?,
            stratum: match score.max_stratum {
                Some(stratum) => at.number(&format!("{root}.score.maxStratum"), stratum)?,
                None => usual.limits.stratum,
            },
        },
    })
}

/// What of the figures is not usual; none = nothing.
pub(super) fn unusual(figures: &Figures) -> Option<PolicyFailover> {
    let usual = Figures::default();
    let span = |is: Nanos, usual: Nanos| (is != usual).then(|| duration::exact(is));
    let count = |is: u32, usual: u32| (is != usual).then(|| super::count(is));
    let verify = PolicyVerify {
        checks: count(figures.verify_checks, usual.verify_checks),
        spacing: span(figures.verify_spacing, usual.verify_spacing),
        later: span(figures.verify_later, usual.verify_later),
        watch: span(figures.watch, usual.watch),
    };
    let (back, usual_back) = (&figures.failback, &usual.failback);
    let failback = PolicyFailback {
        every: span(back.every, usual_back.every),
        tries: count(back.tries, usual_back.tries),
        min_score: (back.score != usual_back.score).then_some(i32::from(back.score)),
        checks: count(back.checks, usual_back.checks),
        spacing: span(back.spacing, usual_back.spacing),
    };
    let (limits, usual_limits) = (&figures.limits, &usual.limits);
    let score = PolicyScore {
        max_response: span(limits.response, usual_limits.response),
        max_offset: span(limits.offset, usual_limits.offset),
        max_jitter: span(limits.jitter, usual_limits.jitter),
        max_stratum: (limits.stratum != usual_limits.stratum).then_some(i32::from(limits.stratum)),
    };
    let told = PolicyFailover {
        suspect_after: count(figures.suspect_after, usual.suspect_after),
        fail_after: count(figures.fail_after, usual.fail_after),
        confirm_probes: count(figures.probes, usual.probes),
        jitter: span(figures.jitter, usual.jitter),
        max_reference_age: span(figures.max_reference_age, usual.max_reference_age),
        flap_window: span(figures.flap_window, usual.flap_window),
        verify: (verify != PolicyVerify::default()).then_some(verify),
        failback: (failback != PolicyFailback::default()).then_some(failback),
        score: (score != PolicyScore::default()).then_some(score),
    };
    (told != PolicyFailover::default()).then_some(told)
}
