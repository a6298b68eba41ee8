//! NodeTime specs: what each should be, and whether that is worth a write.
//!
//! **In.** The plan for one node, its NodeTime as it stands, its Node. **Out.** [`SpecChange`].
//! **Must never** touch a NodeTime that can't be decoded, remove one whose agent has neither acknowledged nor been
//! silent for two minutes, or write when nothing differs.

pub mod expect;
pub mod write;

use meantime_core::names::ANNOTATION_REQUEST;
use meantime_core::units::Nanos;
use meantime_crds::nodetime::{Desired, Plan, PlanPeer, Request, Retired};
use meantime_crds::{NodeTime, NodeTimeSpec};

/// An agent that was told to retire and is not heard for so long is left behind as 'not restored'.
pub const RETIRE_PATIENCE: Nanos = Nanos::from_secs(120);

/// What the planner says of one node.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    /// A policy has it, with this plan.
    Active(Box<Plan>),
    /// A policy has it and stands still: what is there stays, hand-made changes too.
    AsItIs,
    /// No policy has it.
    Nothing,
}

/// One NodeTime as it stands (or as it was just written and the cache does not show yet).
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// The spec.
    pub spec: NodeTimeSpec,
    /// Uid of the Node that owns it.
    pub owner: Option<String>,
}

impl Standing {
    /// Of an object in the cache.
    pub fn of(node_time: &NodeTime) -> Self {
        let owner = node_time.metadata.owner_references.iter().flatten().find(|owner| owner.kind == "Node");
        Self { spec: node_time.spec.clone(), owner: owner.map(|owner| owner.uid.clone()) }
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
    standing: Option<&Standing>,
    request: Option<&Request>,
    peers: Option<&[PlanPeer]>,
    node_uid: &str,
    retirement: &Retirement,
) -> SpecChange {
    let active = |plan: Option<Plan>| {
        let (request, peers) = (request.cloned(), peers.map(<[_]>::to_vec));
        let spec = NodeTimeSpec { desired: Desired::Active, plan, request, peers };
        let there = standing.is_some_and(|standing| {
            same(&standing.spec, &spec) && standing.owner.as_deref() == Some(node_uid)
        });
        if there { SpecChange::Nothing } else { SpecChange::Apply(Box::new(spec)) }
    };
    match (wanted, standing) {
        (Wanted::Active(plan), _) => active(Some((**plan).clone())),
        (Wanted::Nothing | Wanted::AsItIs, None) => SpecChange::Nothing,
        (Wanted::AsItIs, Some(standing)) => match standing.spec.desired {
            Desired::Active => active(standing.spec.plan.clone()),
            Desired::Retired => retire(standing, retirement),
        },
        (Wanted::Nothing, Some(standing)) => retire(standing, retirement),
    }
}

fn retire(standing: &Standing, retirement: &Retirement) -> SpecChange {
    match (standing.spec.desired, &retirement.answer, retirement.unheard) {
        // The plan stays in it until the end: it tells what the host had.
        (Desired::Active, _, _) => SpecChange::Apply(Box::new(NodeTimeSpec {
            desired: Desired::Retired,
            plan: standing.spec.plan.clone(),
            request: None,
            peers: None,
        })),
        (Desired::Retired, Some(answer), _) => {
            SpecChange::Remove { restored: answer.restored, message: answer.message.clone() }
        }
        (Desired::Retired, None, Some(unheard)) if unheard >= RETIRE_PATIENCE => SpecChange::Remove {
            restored: false,
            message:
                "its agent has been silent for two minutes; when it runs again it restores the host by itself"
                    .to_owned(),
        },
        (Desired::Retired, None, Some(_) | None) => SpecChange::Nothing,
    }
}

/// Equal but for the policy's generation: an edit of a policy that changes nothing for this node touches nothing on it.
pub fn same(a: &NodeTimeSpec, b: &NodeTimeSpec) -> bool {
    let blank = |spec: &NodeTimeSpec| {
        let mut spec = spec.clone();
        if let Some(plan) = &mut spec.plan {
            plan.policy.generation = 0;
        }
        spec
    };
    blank(a) == blank(b)
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
