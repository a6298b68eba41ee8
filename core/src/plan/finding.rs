//! What can be said about policies and sources, in words for their authors.

use crate::source::Timescale;
use crate::tolerances::Preset;
use crate::units::{Nanos, Ppb};
use std::fmt;

/// Independent voters below which a liar can not be outvoted while another one is silent (RFC 8633: four).
pub(super) const ENOUGH_ROOTS: u32 = 4;
/// Independent voters below which a liar can not be outvoted at all.
const FEWEST_ROOTS: u32 = 3;
/// How many names a message gives.
const EXAMPLES: usize = 5;

/// How many, and the first five of them by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sample {
    /// How many there are.
    pub count: usize,
    /// At most five of them, sorted.
    pub names: Vec<String>,
}

impl Sample {
    /// Counts them all, keeps the first five by name.
    pub fn of<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        let mut sample = Self::default();
        names.into_iter().for_each(|name| sample.add(name));
        sample
    }
    /// Counts one more.
    pub fn add(&mut self, name: &str) {
        self.count += 1;
        let place = self.names.partition_point(|known| known.as_str() < name);
        if place < EXAMPLES {
            self.names.insert(place, name.to_owned());
            self.names.truncate(EXAMPLES);
        }
    }
    pub(super) fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.names.extend_from_slice(&other.names);
        self.names.sort_unstable();
        self.names.truncate(EXAMPLES);
    }
}

/// `a, b, c, d, e and 7 more`
impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names.join(", "))?;
        match self.count - self.names.len().min(self.count) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// Which condition of a policy a finding belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Concern {
    /// `Stalled`: nodes keep what they have.
    Stalled,
    /// `Conflicted`: another policy of the same priority has some of its nodes.
    Conflicted,
    /// `Feasible` (False): the tolerances can not be kept.
    Feasible,
    /// No condition of its own: said in the message and in an Event.
    Advice,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The policy does not do what it says.
    Error,
    /// It does, with less margin than it should have.
    Warning,
}

/// Why a policy has no source that can steer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StarveCause {
    /// The selector takes no sound source.
    NothingSelected,
    /// All that it takes were set aside.
    AllSetAside,
    /// All that are left only witness.
    OnlyWitnesses,
}

impl fmt::Display for StarveCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NothingSelected => "its source selector takes no valid TimeSource",
            Self::AllSetAside => "every TimeSource that its selector takes was set aside",
            Self::OnlyWitnesses => "every TimeSource left to it has use: Witness",
        })
    }
}

/// Why tolerances can not be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Infeasible {
    /// The preset needs hardware clocks or timestamps, which this version does not drive.
    NeedsHardware,
    /// The oscillator alone may break the limit between two updates.
    Drift {
        /// The fastest driver's slowest poll, log2 seconds.
        max_poll: i8,
        /// What the oscillator is trusted with.
        rate: Ppb,
        /// rate × 3 × 2^maxPoll.
        drift: Nanos,
        /// `maxErrorBound`.
        limit: Nanos,
        /// The largest maxPoll that would do, if any.
        workable: Option<i8>,
    },
}

/// One thing to say about a policy. Ordered, so that reports are stable.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Finding {
    /// Nothing would be left to steer by; nodes keep the plan they have.
    WouldStarve(StarveCause),
    /// A policy of the same priority took some nodes.
    Conflicted {
        /// The policy that has them.
        with: String,
    },
    /// The tolerances can not be kept.
    Infeasible(Infeasible),
    /// The bound will be above its warn level for ever.
    AlwaysWarns {
        /// The fastest driver's slowest poll, log2 seconds.
        max_poll: i8,
        /// What the oscillator is trusted with.
        rate: Ppb,
        /// rate × 3 × 2^maxPoll.
        drift: Nanos,
        /// The warn level of the bound.
        limit: Nanos,
        /// The largest maxPoll that would do, if any.
        workable: Option<i8>,
    },
    /// The selector takes no node, or there is none.
    NoNodes {
        /// nodeSelector is left out.
        omitted: bool,
    },
    /// Too few independent voters: an error below 3, a warning below 4.
    FewRoots {
        /// How many.
        roots: u32,
    },
    /// Fewer voters than `minSources`: the nodes will always be TimeSourcesLow.
    BelowMinSources {
        /// How many.
        voters: u32,
        /// The policy's figure.
        min_sources: u32,
    },
    /// No source may drive; chronyd follows whichever voter it likes.
    NoDriver,
    /// More than twelve associations.
    OverLimit {
        /// Sources without a place.
        left_out: Sample,
    },
    /// Several timescales; one stays.
    MixedTimescales {
        /// The one that stays.
        kept: Timescale,
        /// Sources of others.
        left_out: Sample,
    },
    /// The preset refuses smeared time.
    SmearRefused {
        /// The preset.
        preset: Preset,
        /// The smeared sources.
        left_out: Sample,
    },
    /// Two sources with one address.
    DuplicateAddress {
        /// The one that stays.
        kept: String,
        /// The other.
        left_out: String,
    },
}

impl Finding {
    /// One word for a condition's or an Event's reason.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::WouldStarve(_) => "WouldStarve",
            Self::Conflicted { .. } => "Conflicted",
            Self::Infeasible(Infeasible::NeedsHardware) => "NeedsHardware",
            Self::Infeasible(Infeasible::Drift { .. }) => "DriftExceedsBound",
            Self::AlwaysWarns { .. } => "DriftExceedsWarnLevel",
            Self::NoNodes { .. } => "NoNodes",
            Self::FewRoots { .. } => "TooFewIndependentSources",
            Self::BelowMinSources { .. } => "BelowMinSources",
            Self::NoDriver => "NoDriver",
            Self::OverLimit { .. } => "TooManySources",
            Self::MixedTimescales { .. } => "MixedTimescales",
            Self::SmearRefused { .. } => "SmearRefused",
            Self::DuplicateAddress { .. } => "DuplicateAddress",
        }
    }
    /// The policy condition that it turns.
    pub const fn concern(&self) -> Concern {
        match self {
            Self::WouldStarve(_) => Concern::Stalled,
            Self::Conflicted { .. } => Concern::Conflicted,
            Self::Infeasible(_) => Concern::Feasible,
            Self::AlwaysWarns { .. }
            | Self::NoNodes { .. }
            | Self::FewRoots { .. }
            | Self::BelowMinSources { .. }
            | Self::NoDriver
            | Self::OverLimit { .. }
            | Self::MixedTimescales { .. }
            | Self::SmearRefused { .. }
            | Self::DuplicateAddress { .. } => Concern::Advice,
        }
    }
    /// How bad it is.
    pub const fn severity(&self) -> Severity {
        match self {
            Self::FewRoots { roots } if *roots < FEWEST_ROOTS => Severity::Error,
            Self::WouldStarve(_)
            | Self::Conflicted { .. }
            | Self::Infeasible(_)
            | Self::BelowMinSources { .. }
            | Self::MixedTimescales { .. } => Severity::Error,
            Self::FewRoots { .. }
            | Self::AlwaysWarns { .. }
            | Self::NoNodes { .. }
            | Self::NoDriver
            | Self::OverLimit { .. }
            | Self::SmearRefused { .. }
            | Self::DuplicateAddress { .. } => Severity::Warning,
        }
    }
}

fn remedy(workable: Option<i8>) -> String {
    workable.map_or_else(
        || "no poll interval is short enough".to_owned(),
        |poll| format!("maxPoll {poll} ({}) would do", Nanos::from_log2_seconds(poll)),
    )
}

impl fmt::Display for Infeasible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeedsHardware => f.write_str(
                "the preset needs a hardware clock or hardware timestamps, which this version does not drive",
            ),
            Self::Drift { max_poll, rate, drift, limit, workable } => write!(
                f,
                "between polls of 2^{max_poll} s a clock trusted to {rate} may drift {drift}, more than maxErrorBound ({limit}); {}",
                remedy(*workable)
            ),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WouldStarve(cause) => {
                write!(f, "no source would be left: {cause}; nodes keep the plan they have")
            }
            Self::Conflicted { with } => write!(
                f,
                "policy {with} has the same priority and is older (or first by name) and keeps the nodes that both select; set different priorities"
            ),
            Self::Infeasible(why) => write!(f, "{why}"),
            Self::AlwaysWarns { max_poll, rate, drift, limit, workable } => write!(
                f,
                "between polls of 2^{max_poll} s a clock trusted to {rate} may drift {drift}, more than the warn level of the error bound ({limit}), so it will warn for ever; {}",
                remedy(*workable)
            ),
            Self::NoNodes { omitted: true } => {
                f.write_str("nodeSelector is left out, which selects no node; {} selects all")
            }
            Self::NoNodes { omitted: false } => f.write_str("nodeSelector matches no node"),
            Self::FewRoots { roots } => write!(
                f,
                "{roots} independent {}: {}; four or more are asked for",
                if *roots == 1 { "voter" } else { "voters" },
                match roots {
                    0 | 1 => "whatever it says is believed",
                    2 => "when they disagree nobody can tell which one lies, and the clock is left alone",
                    _ => "one may lie or be silent, not both",
                }
            ),
            Self::BelowMinSources { voters, min_sources } => write!(
                f,
                "{voters} voters planned, but minSources is {min_sources}: the nodes will always be TimeSourcesLow"
            ),
            Self::NoDriver => {
                f.write_str("no source has use: Drive; chronyd follows whichever voter it likes best")
            }
            Self::OverLimit { left_out } => {
                write!(f, "more than {} associations; left out: {left_out}", crate::names::MAX_ASSOCIATIONS)
            }
            Self::MixedTimescales { kept, left_out } => write!(
                f,
                "sources of several timescales can be half a second apart for a day; {} stays, left out: {left_out}",
                scale(kept)
            ),
            Self::SmearRefused { preset, left_out } => {
                write!(f, "preset {} follows UTC itself; smeared sources left out: {left_out}", preset.name())
            }
            Self::DuplicateAddress { kept, left_out } => {
                write!(f, "TimeSources {kept} and {left_out} have the same address; {left_out} is left out")
            }
        }
    }
}

fn scale(scale: &Timescale) -> &str {
    match scale {
        Timescale::Utc => "UTC",
        Timescale::Smear(name) => name,
    }
}

/// A finding and the nodes that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFinding {
    /// What.
    pub what: Finding,
    /// Where; empty = the policy as a whole.
    pub nodes: Sample,
}

/// `what (nodes: a, b and 3 more)`
impl fmt::Display for PolicyFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.what)?;
        if self.nodes.count == 0 { Ok(()) } else { write!(f, " (nodes: {})", self.nodes) }
    }
}

/// One thing to say about a source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SourceFinding {
    /// No policy's source selector takes it.
    Unselected,
    /// Left out of a policy because another source has its address.
    DuplicateAddress {
        /// The other source.
        of: String,
        /// The policy.
        policy: String,
    },
    /// Left out of a policy because of its timescale.
    OtherTimescale {
        /// The scale that stays.
        kept: Timescale,
        /// The policy.
        policy: String,
    },
    /// Left out of a policy whose preset refuses smeared time.
    SmearRefused {
        /// The policy.
        policy: String,
    },
    /// Left out on nodes that would have more than twelve associations.
    OverLimit {
        /// The policy.
        policy: String,
        /// The nodes.
        nodes: Sample,
    },
    /// So many nodes of one way out use it that they poll it more slowly than declared.
    PollsRaised {
        /// minPoll as declared, log2 seconds.
        from: i8,
        /// minPoll as planned.
        to: i8,
        /// Its packets a minute.
        budget: u32,
        /// The ways out.
        ways: Sample,
    },
    /// So many nodes of one way out use it that the slowest polls do not help.
    OverBudget {
        /// minPoll as planned, log2 seconds.
        to: i8,
        /// Its packets a minute.
        budget: u32,
        /// The ways out.
        ways: Sample,
    },
}

impl SourceFinding {
    /// One word for a condition's or an Event's reason.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Unselected => "Unselected",
            Self::DuplicateAddress { .. } => "DuplicateAddress",
            Self::OtherTimescale { .. } => "MixedTimescales",
            Self::SmearRefused { .. } => "SmearRefused",
            Self::OverLimit { .. } => "TooManySources",
            Self::PollsRaised { .. } => "PollsRaised",
            Self::OverBudget { .. } => "OverBudget",
        }
    }
}

impl fmt::Display for SourceFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unselected => f.write_str("no TimeSyncPolicy selects it"),
            Self::DuplicateAddress { of, policy } => {
                write!(f, "left out of policy {policy}: TimeSource {of} has the same address")
            }
            Self::OtherTimescale { kept, policy } => {
                write!(f, "left out of policy {policy}: the others there serve {}", scale(kept))
            }
            Self::SmearRefused { policy } => {
                write!(f, "left out of policy {policy}: its preset refuses smeared time")
            }
            Self::OverLimit { policy, nodes } => write!(
                f,
                "left out by policy {policy} on {nodes}: more than {} associations",
                crate::names::MAX_ASSOCIATIONS
            ),
            Self::PollsRaised { from, to, budget, ways } => write!(
                f,
                "polled every {} instead of {} from {ways}: the nodes there may send it {budget} packets a minute \
                 together; set packetsPerMinute if it takes more, or give them a server of their own",
                Nanos::from_log2_seconds(*to),
                Nanos::from_log2_seconds(*from),
            ),
            Self::OverBudget { to, budget, ways } => write!(
                f,
                "polled every {} from {ways}, and still by too many nodes for {budget} packets a minute; give them \
                 a server of their own",
                Nanos::from_log2_seconds(*to),
            ),
        }
    }
}
