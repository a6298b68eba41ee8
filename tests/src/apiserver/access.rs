//! Who may enter: tokens, keys, kubeconfig, clients.

use super::{ApiServerError, io, kube};
use ::kube::api::{Api, Patch, PatchParams, PostParams};
use ::kube::config::{KubeConfigOptions, Kubeconfig};
use ::kube::{Client, Config, Resource};
use base64::Engine as _;
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Namespace, Node, Pod, ServiceAccount};
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Names of namespace, service account and pod differ; this is who writes them.
const MANAGER: &str = "meantime-tests";
/// How long a pod's token lives; the API server refuses less than 10 minutes.
const TOKEN_SECONDS: i64 = 3600;
/// Head of a SubjectPublicKeyInfo of curve P-256 (RFC 5480); the 65 octets of the point follow.
const SPKI_P256: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// Everything that was asked, without bodies.
const AUDIT_POLICY: &str =
    "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules: [{level: Metadata}]\n";

/// Whom a client speaks for.
pub enum Who<'a> {
    /// system:masters.
    Admin,
    /// Impersonated by the admin.
    User {
        /// User name.
        name: &'a str,
        /// Groups.
        groups: &'a [&'a str],
    },
    /// The owner of a bearer token.
    Token(&'a str),
}

pub fn kubeconfig(dir: &Path) -> PathBuf {
    dir.join("kubeconfig")
}

fn write(path: &Path, text: &str) -> Result<(), ApiServerError> {
    fs::write(path, text).map_err(io(path.display().to_string()))
}

/// Admin token, service account key, audit policy. Worth nothing outside this run on loopback.
pub fn write_secrets(dir: &Path) -> Result<(), ApiServerError> {
    let random = ring::rand::SystemRandom::new();
    let mut token = [0_u8; 16];
    ring::rand::SecureRandom::fill(&random, &mut token)
        .map_err(|_| ApiServerError::Key("no random bytes"))?;
    let token = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(token);
    write(&dir.join("admin.token"), &token)?;
    write(&dir.join("tokens.csv"), &format!("{token},admin,admin,system:masters\n"))?;
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random)
        .map_err(|_| ApiServerError::Key("ring made none"))?;
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random)
        .map_err(|_| ApiServerError::Key("ring does not read its own"))?;
    let public = [SPKI_P256, pair.public_key().as_ref()].concat();
    write(&dir.join("service-account.key"), &pem("PRIVATE KEY", key.as_ref()))?;
    write(&dir.join("service-account.pub"), &pem("PUBLIC KEY", &public))?;
    write(&dir.join("audit-policy.yaml"), AUDIT_POLICY)
}

fn pem(label: &str, der: &[u8]) -> String {
    let body = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

/// The admin's kubeconfig. The server's certificate is made by itself at its first start.
pub fn write_kubeconfig(dir: &Path, port: u16) -> Result<(), ApiServerError> {
    let token = fs::read_to_string(dir.join("admin.token")).map_err(io("admin.token"))?;
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {
            "server": format!("https://127.0.0.1:{port}"),
            "certificate-authority": dir.join("certificates/apiserver.crt"),
        }}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
        "users": [{"name": "admin", "user": {"token": token}}],
    });
    // JSON is YAML.
    write(&kubeconfig(dir), &config.to_string())
}

pub async fn client(dir: &Path, who: Who<'_>) -> Result<Client, ApiServerError> {
    let mut file = Kubeconfig::read_from(kubeconfig(dir)).map_err(kube("kubeconfig"))?;
    if let Some(info) = file.auth_infos.first_mut().and_then(|named| named.auth_info.as_mut()) {
        match who {
            Who::Admin => {}
            Who::User { name, groups } => {
                info.impersonate = Some(name.to_owned());
                info.impersonate_groups = Some(groups.iter().map(|group| (*group).to_owned()).collect());
            }
            Who::Token(token) => info.token = Some(token.to_owned().into()),
        }
    }
    let config =
        Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.map_err(kube("config"))?;
    Client::try_from(config).map_err(kube("client"))
}

/// One question to /readyz.
pub async fn is_ready(dir: &Path) -> bool {
    let Ok(client) = client(dir, Who::Admin).await else { return false };
    let Ok(request) = http::Request::get("/readyz").body(Vec::new()) else { return false };
    let answer = tokio::time::timeout(Duration::from_secs(2), client.request_text(request)).await;
    matches!(answer, Ok(Ok(text)) if text == "ok")
}

async fn apply<K>(api: &Api<K>, name: &str, object: &serde_json::Value) -> Result<K, ApiServerError>
where
    K: Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let how = PatchParams::apply(MANAGER).force();
    api.patch(name, &how, &Patch::Apply(object)).await.map_err(kube(format!("apply {name}")))
}

pub async fn pod_token(
    admin: Client,
    namespace: &str,
    account: &str,
    node: &str,
) -> Result<String, ApiServerError> {
    let namespaces: Api<Namespace> = Api::all(admin.clone());
    apply(
        &namespaces,
        namespace,
        &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}),
    )
    .await?;
    let nodes: Api<Node> = Api::all(admin.clone());
    apply(&nodes, node, &json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}})).await?;
    let accounts: Api<ServiceAccount> = Api::namespaced(admin.clone(), namespace);
    apply(
        &accounts,
        account,
        &json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account}}),
    )
    .await?;
    let name = format!("{account}-{node}");
    let pods: Api<Pod> = Api::namespaced(admin, namespace);
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {
            "nodeName": node, "serviceAccountName": account,
            "containers": [{"name": "none", "image": "none"}],
        },
    });
    let pod = apply(&pods, &name, &pod).await?;
    let request = TokenRequest {
        spec: TokenRequestSpec {
            // The issuer itself, which the server takes when no other audience is set.
            audiences: vec!["https://kubernetes.default.svc".to_owned()],
            expiration_seconds: Some(TOKEN_SECONDS),
            bound_object_ref: Some(BoundObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Pod".to_owned()),
                name: Some(name),
                uid: pod.metadata.uid,
            }),
        },
        ..TokenRequest::default()
    };
    let answer = accounts.create_token_request(account, &PostParams::default(), &request).await;
    let answer = answer.map_err(kube(format!("token of {account}")))?;
    let status = answer.status.ok_or(ApiServerError::Key("the server answered without a token"))?;
    Ok(status.token)
}
