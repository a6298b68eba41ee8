//! The Secret with the peers' keys, on a real API server, with the rights in the chart and no more.

use super::harness::{Cluster, NAMESPACE, Operator};
use base64::Engine as _;
use kube::api::Api;
use meantime_core::names::{PEER_KEYS, PEER_KEYS_ENTRY};
use meantime_core::peers::keys::Keyring;
use meantime_core::units::Nanos;
use meantime_operator::silence::Limits;
use std::time::Duration;

async fn ring(cluster: &Cluster) -> Option<Keyring> {
    let secret = cluster.api("v1", "Secret", "secrets", Some(NAMESPACE)).get_opt(PEER_KEYS).await.unwrap()?;
    let text = secret.data["data"][PEER_KEYS_ENTRY].as_str()?;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).ok()?;
    Keyring::parse(std::str::from_utf8(&bytes).ok()?).ok()
}

/// Polls each 100 ms for at most a minute.
async fn wait(cluster: &Cluster, what: &str, wanted: impl Fn(&Keyring) -> bool) -> Keyring {
    for _ in 0..600 {
        if let Some(ring) = ring(cluster).await.filter(|ring| wanted(ring)) {
            return ring;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{what}: not within a minute")
}

#[tokio::test]
async fn the_leader_makes_the_keys_and_turns_them_and_another_leader_takes_none_away() {
    let cluster = Cluster::start().await;
    let first = Operator::start(cluster.operator_client().await, "first");
    let made = wait(&cluster, "keys", |_| true).await;
    first.end().await;
    // Somebody else leads, on another machine for all it knows: the key in use stays.
    let second = Operator::start(cluster.operator_client().await, "second");
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(ring(&cluster).await.as_ref(), Some(&made));
    second.end().await;
    let often = Nanos::from_secs(4);
    let third = Operator::turning(cluster.operator_client().await, "third", Limits::default(), often);
    let id = made.current().id;
    let turned = wait(&cluster, "a rotation", |ring| ring.current().id == id + 1).await;
    assert_eq!(turned.find(id), Some(made.current()), "whoever has not seen it is still understood");
    assert_eq!(made.find(id + 1), Some(turned.current()), "and understands");
    third.end().await;
    // What an agent's account may do with it: nothing.
    let agent = "system:serviceaccount:meantime-system:meantime-agent";
    let client = cluster.server.user(agent, &["system:serviceaccounts"]).await.unwrap();
    let secrets: Api<k8s_openapi::api::core::v1::Secret> = Api::namespaced(client, NAMESPACE);
    assert!(matches!(secrets.get(PEER_KEYS).await, Err(kube::Error::Api(status)) if status.code == 403));
    // And the operator's with another: nothing either.
    let secrets: Api<k8s_openapi::api::core::v1::Secret> =
        Api::namespaced(cluster.operator_client().await, NAMESPACE);
    assert!(matches!(secrets.get("another").await, Err(kube::Error::Api(status)) if status.code == 403));
}
