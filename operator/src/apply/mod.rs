//! NodeTime specs: what each should be, and whether that is worth a write.
//!
//! **In.** The plan for one node, its NodeTime as it stands, its Node. **Out.** [`SpecChange`].
//! **Must never** touch a NodeTime that can't be decoded, remove one whose agent has neither acknowledged nor been
//! silent for two minutes, or write when nothing differs.

pub mod expect;
pub mod write;

use meantime_core::names::ANNOTATION_REQUEST;
use meantime_core::units::Nanos;
use meantime_crds::nodetime::{Desired, Plan, PlanPeer, PolicyRef, Request, Retired};
use meantime_crds::{NodeTime, NodeTimeSpec};
use std::sync::Arc;

/// An agent that was told to retire and is not heard for so long is left behind as 'not restored'.
pub const RETIRE_PATIENCE: Nanos = Nanos::from_secs(120);

/// What the planner says of one node.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    /// A policy has it, with this plan.
    Active(Arc<Plan>),
    /// A policy has it and stands still: what is there stays, hand-made changes too.
    AsItIs,
    /// No policy has it.
    Nothing,
}

/// One NodeTime as it was just written and the cache does not show yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// The spec.
    pub spec: NodeTimeSpec,
    /// Uid of the Node that owns it.
    pub owner: Option<String>,
}

/// One NodeTime as it stands: in the cache, or just written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InForce<'s> {
    /// The spec.
    pub spec: &'s NodeTimeSpec,
    /// Uid of the Node that owns it.
    pub owner: Option<&'s str>,
}

impl<'s> From<&'s Standing> for InForce<'s> {
    fn from(standing: &'s Standing) -> Self {
        Self { spec: &standing.spec, owner: standing.owner.as_deref() }
    }
}

impl<'s> From<&'s NodeTime> for InForce<'s> {
    fn from(node_time: &'s NodeTime) -> Self {
        let owner = node_time.metadata.owner_references.iter().flatten().find(|owner| owner.kind == "Node");
        Self { spec: &node_time.spec, owner: owner.map(|owner| owner.uid.as_str()) }
    }
}

/// What an agent, and the time since it was heard, say about its retirement.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Retirement {
    /// Its acknowledgement of the very spec that asked for it.
    pub answer: Option<Retired>,
    /// How long it has been asked and not heard, by this machine's BOOTTIME; none = not asked by what the cache shows.
    pub unheard: Option<Nanos>,
}

/// Its acknowledgement, if it tells of the spec as it is now.
pub fn answer(node_time: &NodeTime) -> Option<Retired> {
    let status = node_time.status.as_ref()?;
    (status.observed_generation == node_time.metadata.generation).then(|| status.retired.clone()).flatten()
}

/// What to do with one NodeTime.
#[derive(Clone, Debug, PartialEq)]
pub enum SpecChange {
    /// Nothing.
    Nothing,
    /// Create it or bring it to this spec.
    Apply(Box<NodeTimeSpec>),
    /// Its agent has restored the host, or is lost: remove our conditions, then the object.
    Remove {
        /// False = listed as 'not restored'.
        restored: bool,
        /// The agent's own words, or ours about it.
        message: String,
    },
}

/// Decides for one node. `peers` are whom its agent asks, none = it takes no part; `node_uid` is the Node's, to which the
/// ownerReference must point.
pub fn spec_change(
    wanted: &Wanted,
    standing: Option<InForce<'_>>,
    request: Option<&Request>,
    peers: Option<&[PlanPeer]>,
    node_uid: &str,
    retirement: &Retirement,
) -> SpecChange {
    let active = |plan: Option<&Plan>| {
        let there = standing.is_some_and(|InForce { spec, owner }| {
            let NodeTimeSpec { desired, plan: stands, request: asked, peers: known } = spec;
            *desired == Desired::Active
                && same(stands.as_ref(), plan)
                && asked.as_ref() == request
                && known.as_deref() == peers
                && owner == Some(node_uid)
        });
        if there {
            return SpecChange::Nothing;
        }
        let (request, peers) = (request.cloned(), peers.map(<[_]>::to_vec));
        SpecChange::Apply(Box::new(NodeTimeSpec {
            desired: Desired::Active,
            plan: plan.cloned(),
            request,
            peers,
        }))
    };
    match (wanted, standing) {
        (Wanted::Active(plan), _) => active(Some(plan)),
        (Wanted::Nothing | Wanted::AsItIs, None) => SpecChange::Nothing,
        (Wanted::AsItIs, Some(standing)) => match standing.spec.desired {
            Desired::Active => active(standing.spec.plan.as_ref()),
            Desired::Retired => retire(standing.spec, retirement),
        },
        (Wanted::Nothing, Some(standing)) => retire(standing.spec, retirement),
    }
}

fn retire(standing: &NodeTimeSpec, retirement: &Retirement) -> SpecChange {
    match (standing.desired, &retirement.answer, retirement.unheard) {
        // The plan stays in it until the end: it tells what the host had.
        (Desired::Active, _, _) => SpecChange::Apply(Box::new(NodeTimeSpec {
            desired: Desired::Retired,
            plan: standing.plan.clone(),
            request: None,
            peers: None,
        })),
        (Desired::Retired, Some(answer), _) => {
            SpecChange::Remove { restored: answer.restored, message: answer.message.clone() }
        }
        (Desired::Retired, None, Some(unheard)) if unheard >= RETIRE_PATIENCE => SpecChange::Remove {
            restored: false,
            message:
                "its agent has been silent for two minutes; if it runs again it goes on with its last plan"
                    .to_owned(),
        },
        (Desired::Retired, None, Some(_) | None) => SpecChange::Nothing,
    }
}

/// Equal but for the policy's generation: an edit of a policy that changes nothing for this node touches nothing on it.
/// Not by the hash: what was edited by hand has the old one.
fn same(a: Option<&Plan>, b: Option<&Plan>) -> bool {
    let (a, b) = match (a, b) {
        (Some(a), Some(b)) => (a, b),
        (None, None) => return true,
        (Some(_), None) | (None, Some(_)) => return false,
    };
    let PolicyRef { name, uid, generation: _ } = &a.policy;
    let Plan { hash, policy, mode, chrony, associations, tolerances, failover } = b;
    (name, uid) == (&policy.name, &policy.uid)
        && (&a.hash, &a.mode, &a.chrony) == (hash, mode, chrony)
        && (&a.associations, &a.tolerances, &a.failover) == (associations, tolerances, failover)
}

/// The request in the annotation `<verb>/<id>`; none if there is none, and the text if it is not of that form. Checked
/// here as the schema checks it: a person's slip must not keep the whole spec from being written.
pub fn request(node_time: &NodeTime) -> Result<Option<Request>, &str> {
    let annotations = node_time.metadata.annotations.as_ref();
    let Some(text) = annotations.and_then(|annotations| annotations.get(ANNOTATION_REQUEST)) else {
        return Ok(None);
    };
    parse_request(text).map(Some).ok_or(text)
}

/// A verb of `a-z-` (at most 32) and an id of letters, digits, `.`, `_`, `-` (at most 63), each beginning and ending
/// in a letter or (id) digit.
pub fn parse_request(text: &str) -> Option<Request> {
    let (verb, id) = text.split_once('/')?;
    let edges = |text: &str, good: fn(char) -> bool| text.starts_with(good) && text.ends_with(good);
    let verb_good = verb.len() <= 32
        && verb.chars().all(|c| c.is_ascii_lowercase() || c == '-')
        && edges(verb, |c| c.is_ascii_lowercase());
    let id_good = id.len() <= 63
        && id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
        && edges(id, |c| c.is_ascii_alphanumeric());
    (verb_good && id_good).then(|| Request { verb: verb.to_owned(), id: id.to_owned() })
}

#[cfg(test)]
mod tests;
