//! The API-server harness itself: who may enter, what an outage does, and that nothing is left behind.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::core::v1::{ConfigMap, Node};
use kube::api::{Api, ListParams, PostParams};
use meantime_tests::apiserver::{ApiServer, Options};
use serde_json::json;
use std::fs;
use std::time::Duration;

fn refused_with(code: u16, error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == code)
}

/// Processes whose command line names that folder.
fn processes_of(folder: &str) -> Vec<String> {
    let entries =
        fs::read_dir("/proc").unwrap().filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok());
    let lines = entries.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(folder)).collect()
}

#[tokio::test]
async fn an_api_server_with_rbac_tokens_outages_and_an_audit_log() {
    let mut server = ApiServer::start(Options { audit: true, ..Options::default() }).await.unwrap();
    let folder = server.dir().display().to_string();
    assert!(processes_of(&folder).len() >= 2);

    // RBAC is on: an impersonated nobody may not even list.
    let nobody = server.user("nobody", &["tests"]).await.unwrap();
    let error = Api::<Node>::all(nobody).list(&ListParams::default()).await.unwrap_err();
    assert!(refused_with(403, &error), "{error}");

    // A pod's token carries the node's name, as an admission policy sees it.
    let token = server.pod_token("meantime", "agent", "n1").await.unwrap();
    let pod = server.bearer(&token).await.unwrap();
    let reviews = Api::<SelfSubjectReview>::all(pod);
    let review = reviews.create(&PostParams::default(), &SelfSubjectReview::default()).await.unwrap();
    let user = review.status.unwrap().user_info.unwrap();
    assert_eq!(user.username.as_deref(), Some("system:serviceaccount:meantime:agent"));
    assert_eq!(user.extra.unwrap()["authentication.kubernetes.io/node-name"], ["n1"]);

    // An outage: refused connections, then the same objects on the same port for the same client.
    let admin = server.admin().await.unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(admin, "default");
    let map = serde_json::from_value(json!({"metadata": {"name": "kept"}, "data": {"a": "b"}})).unwrap();
    let made = maps.create(&PostParams::default(), &map).await.unwrap();
    server.stop_server().await;
    let asked = tokio::time::timeout(Duration::from_secs(20), maps.get("kept")).await;
    assert!(!matches!(asked, Ok(Ok(_))), "the API server still answers");
    server.start_server().await.unwrap();
    let found = maps.get("kept").await.unwrap();
    assert_eq!(found.metadata.uid, made.metadata.uid);

    // Everything that was asked is in the audit log, with who asked.
    let audit = fs::read_to_string(server.audit_log()).unwrap();
    let events: Vec<serde_json::Value> =
        audit.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let by_nobody = events.iter().any(|event| {
        event["impersonatedUser"]["username"] == "nobody"
            && event["objectRef"]["resource"] == "nodes"
            && event["responseStatus"]["code"] == 403
    });
    assert!(by_nobody, "{} events, none of nobody", events.len());

    drop(server);
    assert_eq!(processes_of(&folder), Vec::<String>::new());
    assert!(!std::path::Path::new(&folder).exists());
}
