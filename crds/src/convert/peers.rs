//! `NodeTime.spec.peers` → whom to ask; what is told of peers → `NodeTime.status.peers`.

use crate::nodetime::{NodeTimeSpec, NodeTimeStatus, PeerStatus, PeerWord, PlanPeer};
use meantime_core::peers::ask::{Told, Trouble};
use meantime_core::peers::{NEIGHBOURS, Planned};

/// Most peers that the schema takes: an operator of another version may plan more than ours.
pub(super) const MOST: usize = 8;

/// Whom the agent asks; none = it neither asks nor answers. What cannot be an address is left out, and no more than
/// [`NEIGHBOURS`] are asked whatever is written there.
pub fn planned_peers(spec: &NodeTimeSpec) -> Option<Vec<Planned>> {
    let planned = |peer: &PlanPeer| {
        let (address, port) = (peer.address.parse().ok()?, u16::try_from(peer.port).ok()?);
        Some(Planned { node: peer.node.clone(), address, port })
    };
    spec.peers.as_ref().map(|peers| peers.iter().filter_map(planned).take(NEIGHBOURS).collect())
}

/// Writes what is told of the peers into `status`.
pub fn peers(status: &mut NodeTimeStatus, told: &[Told]) {
    let one = |told: &Told| PeerStatus {
        node: told.node.clone(),
        answers: told.answers,
        ever: told.ever,
        offset_nanoseconds: told.offset.map(|offset| offset.0),
        uncertainty_nanoseconds: told.uncertainty.map(|half| half.0),
        trouble: told.trouble.map(|trouble| match trouble {
            Trouble::TimedOut => PeerWord::TimedOut,
            Trouble::Refused => PeerWord::Refused,
            Trouble::Unreachable => PeerWord::Unreachable,
            Trouble::Unsure => PeerWord::Unsure,
        }),
    };
    status.peers = told.iter().take(MOST).map(one).collect();
}
