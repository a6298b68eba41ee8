//! May chronyd steer the clock? One pure decision over the command line, the plan and the scan.

use crate::supervise::competitor::Competitor;
use meantime_core::clocks::BootTime;
use meantime_core::observation::ClockProfile;
use meantime_core::policy::Mode;
use meantime_core::units::Nanos;

/// A competitor must be out of sight for so long before the clock is taken (again): daemons restart.
pub const COMPETITOR_GONE: Nanos = Nanos::from_secs(60);

/// Whether the clock is ours to steer, and if not, why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClockControl {
    /// Managed: chronyd steers it.
    Steering,
    /// The policy only observes.
    Observing,
    /// Managed, but this agent was started without --allow-clock-control.
    ControlOff,
    /// Managed and allowed, but somebody else steers it.
    Competing(String),
}

impl ClockControl {
    /// The word in status: `Managed`, `Observe`, `ClockControlOff`, `CompetingDaemon`.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Steering => "Managed",
            Self::Observing => "Observe",
            Self::ControlOff => "ClockControlOff",
            Self::Competing(_) => "CompetingDaemon",
        }
    }
    /// One line for people.
    pub fn message(&self) -> String {
        match self {
            Self::Steering => "chronyd disciplines the host's clock".to_owned(),
            Self::Observing => "chronyd measures only (-x); the host's clock is untouched".to_owned(),
            Self::ControlOff => "the policy says Managed, but the chart does not allow clock control \
                (agent.clockControl=false): chronyd measures only (-x)"
                .to_owned(),
            Self::Competing(who) => format!(
                "the policy says Managed, but {who} runs on this host: chronyd measures only (-x); \
                 stop and disable it, or set the policy to Observe"
            ),
        }
    }
    /// What chronyd is started as.
    pub const fn profile(&self) -> ClockProfile {
        match self {
            Self::Steering => ClockProfile::Real,
            Self::Observing | Self::ControlOff | Self::Competing(_) => ClockProfile::Virtual,
        }
    }
}

/// The last competitor seen and when.
pub type LastSeen = Option<(String, BootTime)>;

/// Takes a scan into account.
pub fn seen(last: LastSeen, scan: &[Competitor], now: BootTime) -> LastSeen {
    match scan.first() {
        Some(competitor) => Some((competitor.to_string(), now)),
        None => last.filter(|(_, when)| now - *when < COMPETITOR_GONE),
    }
}

/// The decision. A competitor is looked for only where we would otherwise steer.
pub fn control(mode: Mode, allowed: bool, last: &LastSeen) -> ClockControl {
    match (mode, allowed, last) {
        (Mode::Observe, _, _) => ClockControl::Observing,
        (Mode::Managed, false, _) => ClockControl::ControlOff,
        (Mode::Managed, true, Some((who, _))) => ClockControl::Competing(who.clone()),
        (Mode::Managed, true, None) => ClockControl::Steering,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_steered_only_when_all_agree() {
        let rival: LastSeen = Some(("ntpd (pid 3)".into(), BootTime(0)));
        assert_eq!(control(Mode::Observe, true, &None), ClockControl::Observing);
        assert_eq!(control(Mode::Managed, false, &rival), ClockControl::ControlOff);
        assert_eq!(control(Mode::Managed, true, &rival).reason(), "CompetingDaemon");
        assert!(control(Mode::Managed, true, &rival).message().contains("ntpd (pid 3)"));
        assert_eq!(control(Mode::Managed, true, &None).profile(), ClockProfile::Real);
    }

    #[test]
    fn a_competitor_must_stay_away_for_a_minute() {
        let last = seen(None, &[Competitor::Port(123)], BootTime(0));
        assert!(last.is_some());
        let last = seen(last, &[], BootTime(0) + Nanos::from_secs(59));
        assert!(last.is_some());
        assert_eq!(seen(last, &[], BootTime(0) + COMPETITOR_GONE), None);
    }
}
