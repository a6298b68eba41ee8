//! What the judge says of one node at one moment: five conditions and the numbers behind them.

use crate::conditions::Conditions;
use crate::units::{Nanos, Ppb};
use serde::{Deserialize, Serialize};

/// The error bound of the judged clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBound {
    /// With chrony's own drift allowance.
    pub expected: Nanos,
    /// With the guaranteed rate × age besides. Policies are judged on this one.
    pub guaranteed: Nanos,
    /// Carried forward from the last good one and grown, because there is none of now.
    pub carried: bool,
    /// How fast the guaranteed one has to be taken to grow: whoever reads it later adds this × its age.
    #[serde(default)]
    pub growth: Ppb,
}

impl ErrorBound {
    /// The clock may be wrong by this much besides.
    #[must_use]
    pub fn wider(self, by: Nanos) -> Self {
        Self { expected: self.expected + by.abs(), guaranteed: self.guaranteed + by.abs(), ..self }
    }
}

/// The clock runs on alone: no source can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holdover {
    /// For how long already.
    pub lasts: Nanos,
    /// From now until a limit of the policy is reached, by what is known of this oscillator; none = not foreseeable.
    pub expected_breach: Option<Nanos>,
    /// The same if the oscillator is as bad as the policy allows for.
    pub guaranteed_breach: Option<Nanos>,
}

/// How one association is seen at this node (input to the fleet's comparison and to TimeSource status).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts of one source, named")]
pub struct AssociationVerdict {
    /// Position in the observation.
    pub index: usize,
    /// Polls in a row without a valid reply, at whichever address of its name.
    pub unanswered: u32,
    /// It has answered since chronyd began, at whichever address of its name.
    pub ever: bool,
    /// The last that came from it was a kiss-o'-death, a moment ago.
    pub kissed: bool,
    /// A voter that counts now.
    pub usable: bool,
    /// chronyd, or the agreeing group, says that it lies.
    pub rejected: bool,
    /// The judged clock against it, > 0 = ahead; none without an estimate.
    pub offset: Option<Nanos>,
    /// Half-width of that view.
    pub uncertainty: Option<Nanos>,
}

/// The verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The five conditions.
    pub conditions: Conditions,
    /// The judged clock's error as published: the larger of residual and disagreement, or, while
    /// BoundContradicted holds, against the carried baseline. None when unknown.
    pub offset: Option<Nanos>,
    /// What chronyd has yet to correct.
    pub residual: Option<Nanos>,
    /// The judged clock against the agreeing group; none when no group agrees.
    pub disagreement: Option<Nanos>,
    /// The error bound; none before there ever was one.
    pub bound: Option<ErrorBound>,
    /// Smallest tolerance left; negative = breach.
    pub headroom: Option<Nanos>,
    /// No source can be used; none = at least one can, or there never was a bound to carry.
    pub holdover: Option<Holdover>,
    /// The planned source that chronyd follows now.
    pub selected: Option<String>,
    /// Its tier.
    pub tier: Option<u8>,
    /// Voters that count now.
    pub usable_voters: u32,
    /// Voters planned and known to chronyd.
    pub voters: u32,
    /// There is a baseline, sharp enough that a majority which jumps by maxOffset would be told from a clock that did.
    /// False for the first eight updates or longer, and after a disruption.
    pub baseline: bool,
    /// Per association, in the observation's order.
    pub associations: Vec<AssociationVerdict>,
}
