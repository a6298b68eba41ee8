//! Stores without watches: what is made of them when they have synced, and what is not before.

use super::{Stores, Watched};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::core::{ObjectMeta, PartialObjectMeta};
use meantime_core::names::STOP_MARK;

/// Empty stores, with or without a stop mark. `unsynced`: the number of the one that has not synced, 0…6 in the order of
/// [`Stores`]'s fields; none = all have.
pub fn stores(unsynced: Option<usize>, stop_mark: bool) -> Stores {
    let synced = |number| unsynced != Some(number);
    let mark = PartialObjectMeta::<ConfigMap> {
        metadata: ObjectMeta { name: Some(STOP_MARK.to_owned()), ..ObjectMeta::default() },
        ..PartialObjectMeta::default()
    };
    Stores {
        sources: Watched::still(vec![], synced(0)),
        policies: Watched::still(vec![], synced(1)),
        node_times: Watched::still(vec![], synced(2)),
        nodes: Watched::still(vec![], synced(3)),
        pods: Watched::still(vec![], synced(4)),
        mark: Watched::still(if stop_mark { vec![mark] } else { vec![] }, synced(5)),
        incidents: Watched::still(vec![], synced(6)),
    }
}

#[test]
fn no_world_before_every_store_has_synced() {
    for number in 0..6 {
        assert!(stores(Some(number), false).world().is_none(), "store {number} has not synced");
    }
    assert!(stores(None, false).world().is_some_and(|world| !world.stopped));
}

/// Without their CRD nodes are planned all the same.
#[test]
fn incidents_are_not_waited_for_and_absent_is_not_empty() {
    assert!(stores(Some(6), false).world().is_some_and(|world| world.incidents.is_none()));
    assert!(stores(None, false).world().is_some_and(|world| world.incidents.is_some()));
}

#[test]
fn the_stop_mark_is_unknown_until_it_was_looked_for() {
    assert_eq!(stores(Some(5), false).stopped(), None);
    assert_eq!(stores(None, false).stopped(), Some(false));
    assert_eq!(stores(None, true).stopped(), Some(true));
}
