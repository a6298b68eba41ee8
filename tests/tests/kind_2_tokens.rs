//! Law 8 on a live cluster: a node's agent can write the status of its own NodeTime and nothing else.

use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::config::{AuthInfo, KubeConfigOptions};
use meantime_tests::demo::world;
use meantime_tests::kind::{NAMESPACE, agent_pod, nodes, sh};
use serde_json::json;

/// A client that holds nothing but the token of the agent on `node`, as a thief would.
async fn as_agent(node: &str) -> kube::Client {
    let pod = agent_pod(node).unwrap();
    let token = sh(&format!(
        "kubectl -n {NAMESPACE} exec {pod} -- cat /var/run/secrets/kubernetes.io/serviceaccount/token"
    ))
    .unwrap();
    let mut config = kube::Config::from_kubeconfig(&KubeConfigOptions::default()).await.unwrap();
    config.auth_info = AuthInfo { token: Some(token.into()), ..AuthInfo::default() };
    kube::Client::try_from(config).unwrap()
}

fn code<T: std::fmt::Debug>(answer: Result<T, kube::Error>) -> u16 {
    match answer {
        Ok(_) => 200,
        Err(kube::Error::Api(status)) => status.code,
        Err(other) => panic!("no answer by the API server: {other}"),
    }
}

#[tokio::test]
async fn an_agents_token_opens_its_own_status_only() {
    let names = nodes().unwrap();
    let (own, other) = (&names[0], &names[1]);
    let client = as_agent(own).await;
    let nodetimes = world::kind(&client, "NodeTime", "nodetimes");
    let merge = PatchParams::default();
    // A message that changes nothing of meaning: the agent's next write takes it back.
    let status = Patch::Merge(json!({"status": {"applied": {"message": "written by a test"}}}));

    assert_eq!(code(nodetimes.patch_status(own, &merge, &status).await), 200, "its own status");
    assert_eq!(code(nodetimes.patch_status(other, &merge, &status).await), 403, "another node's status");
    let spec = Patch::Merge(json!({"spec": {"desired": "Retired"}}));
    assert_eq!(code(nodetimes.patch(own, &merge, &spec).await), 403, "its own spec");
    assert_eq!(
        code(nodetimes.delete(own, &kube::api::DeleteParams::default()).await),
        403,
        "its own NodeTime away"
    );

    let node: Api<k8s_openapi::api::core::v1::Node> = Api::all(client.clone());
    let label = Patch::Merge(json!({"metadata": {"labels": {"stolen": "yes"}}}));
    assert_eq!(code(node.patch(own, &merge, &label).await), 403, "its Node");
    let condition = Patch::Merge(json!({"status": {"conditions": []}}));
    assert_eq!(code(node.patch_status(own, &merge, &condition).await), 403, "its Node's status");
    let secrets: Api<k8s_openapi::api::core::v1::Secret> = Api::namespaced(client.clone(), NAMESPACE);
    assert_eq!(code(secrets.list(&kube::api::ListParams::default()).await), 403, "Secrets");
    let sources: Api<DynamicObject> = world::kind(&client, "TimeSource", "timesources");
    let tier = Patch::Merge(json!({"spec": {"tier": 9}}));
    assert_eq!(code(sources.patch("gps-a", &merge, &tier).await), 403, "a TimeSource");
}
