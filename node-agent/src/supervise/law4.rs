//! Law 4 as one pure function: with which flags may chronyd start now?

use meantime_core::ledger::LastRun;
use meantime_core::observation::ClockProfile;
use meantime_core::units::Nanos;

/// Uptime beyond which a start is never taken for a boot, whatever the ledger says: a step is for the minutes in
/// which nothing depends on the clock yet (design, law 4).
pub const BOOT_WINDOW: Nanos = Nanos::from_secs(600);

/// What the ledger says of this boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownBoot {
    /// There is no ledger, or it holds another boot id: we have not started chronyd in this boot.
    New,
    /// The ledger holds this boot's id.
    Known,
    /// There is a ledger, but it could not be read. Treated as known: no step from ignorance.
    Unreadable,
}

/// The flags besides `-d -f -u`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags {
    /// `-x`: moves nothing.
    pub virtual_clock: bool,
    /// `-r`: load the dumped samples.
    pub reload_samples: bool,
    /// `-R`: no initial steps.
    pub no_initial_step: bool,
}

/// The flags for one start.
///
/// Dumps of a virtual clock hold samples against *that* clock, which is gone with its process: reloaded with a
/// residual above w they lie for seconds (measured). Dumps of a boot ago are worth nothing.
pub fn flags(
    profile: ClockProfile,
    boot: KnownBoot,
    uptime: Nanos,
    step_at_boot: bool,
    last: Option<LastRun>,
) -> Flags {
    let is_boot = boot == KnownBoot::New && uptime < BOOT_WINDOW;
    let samples_hold = last.is_some_and(|last| match last.profile {
        ClockProfile::Real => true,
        ClockProfile::Virtual => last.residual.abs() < last.width,
    });
    Flags {
        virtual_clock: profile == ClockProfile::Virtual,
        reload_samples: boot != KnownBoot::New && samples_hold,
        no_initial_step: !(is_boot && step_at_boot && profile == ClockProfile::Real),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const GOOD: LastRun =
        LastRun { profile: ClockProfile::Virtual, residual: Nanos(-900), width: Nanos(1_000) };
    const OFF: LastRun = LastRun { residual: Nanos(1_000), ..GOOD };

    #[rstest]
    #[case::true_boot(KnownBoot::New, 30, true, false)]
    #[case::late_first_start(KnownBoot::New, 600, true, true)]
    #[case::restart(KnownBoot::Known, 30, true, true)]
    #[case::unreadable_ledger(KnownBoot::Unreadable, 30, true, true)]
    #[case::policy_forbids(KnownBoot::New, 30, false, true)]
    fn only_a_true_boot_may_step(
        #[case] boot: KnownBoot,
        #[case] uptime: i64,
        #[case] allowed: bool,
        #[case] no_step: bool,
    ) {
        let flags = flags(ClockProfile::Real, boot, Nanos::from_secs(uptime), allowed, None);
        assert_eq!(flags.no_initial_step, no_step);
    }

    #[test]
    fn an_instrument_never_steps() {
        let flags = flags(ClockProfile::Virtual, KnownBoot::New, Nanos::ZERO, true, None);
        assert!(flags.no_initial_step && flags.virtual_clock);
    }

    #[rstest]
    #[case::virtual_near(ClockProfile::Virtual, Some(GOOD), true)]
    #[case::virtual_off(ClockProfile::Virtual, Some(OFF), false)]
    #[case::real_always(ClockProfile::Real, Some(LastRun { profile: ClockProfile::Real, ..OFF }), true)]
    #[case::virtual_samples_do_not_fit_the_real_clock(ClockProfile::Real, Some(OFF), false)]
    #[case::nothing_known(ClockProfile::Real, None, false)]
    fn samples_are_reloaded_only_where_that_is_truthful(
        #[case] profile: ClockProfile,
        #[case] last: Option<LastRun>,
        #[case] reload: bool,
    ) {
        let known = flags(profile, KnownBoot::Known, Nanos::from_secs(9_999), true, last);
        assert_eq!(known.reload_samples, reload);
        let new = flags(profile, KnownBoot::New, Nanos::from_secs(5), true, last);
        assert!(!new.reload_samples, "dumps of a boot ago");
    }
}
