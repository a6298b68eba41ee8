//! A real Kubernetes API server alone: etcd + kube-apiserver as two processes on 127.0.0.1, RBAC on, no nodes, no
//! controllers, ready in a few seconds. For schemas, CEL, RBAC, admission, server-side apply and outages.
//!
//! **In:** the binaries of `tests/cluster/provider tools --api-only`. **Out:** a kubeconfig, clients for the admin,
//! for any impersonated user and for real pod-bound tokens, the audit log. **Never** listens beyond loopback, never
//! outlives the test: each process hangs on a pipe that the test holds, so it dies with it, even on SIGKILL.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use meantime_tests::apiserver::{ApiServer, Options};
//! let server = ApiServer::start(Options::default()).await?;
//! server.install_crds().await?;
//! let admin = server.admin().await?;
//! # Ok(()) }
//! ```

mod access;
mod process;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, Patch, PatchParams};
pub use process::Process;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Waits are counted in polls of this length, so that no clock is read.
const POLL: Duration = Duration::from_millis(100);
/// Polls until the server must be ready: 60 s on a busy machine (3 s on a quiet one).
const READY_POLLS: u32 = 600;
/// Attempts on fresh ports, since a free port can be taken before it is used.
const ATTEMPTS: u32 = 3;

/// Why there is no API server.
#[derive(Debug, thiserror::Error)]
pub enum ApiServerError {
    /// The provider could not make the binaries.
    #[error(
        "tests/cluster/provider tools --api-only failed ({status}): {stderr}; run it by hand to see more"
    )]
    Tools {
        /// Exit status.
        status: String,
        /// Its last words.
        stderr: String,
    },
    /// A file or process.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// It never became ready.
    #[error("{what} was not ready within 60 s; its last words: {log}")]
    NotReady {
        /// Which process.
        what: &'static str,
        /// End of its log.
        log: String,
    },
    /// A key could not be made.
    #[error("no service account key: {0}")]
    Key(&'static str),
    /// Kubernetes said no.
    #[error("{what}: {source}")]
    Kube {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> ApiServerError {
    |source| ApiServerError::Io { what: what.into(), source }
}

pub(crate) fn kube<E: std::error::Error + Send + Sync + 'static>(
    what: impl Into<String>,
) -> impl FnOnce(E) -> ApiServerError {
    |source| ApiServerError::Kube { what: what.into(), source: Box::new(source) }
}

/// What may differ from the plain server.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Write an audit log (level Metadata, all stages but RequestReceived): [`ApiServer::audit_log`].
    pub audit: bool,
    /// Further kube-apiserver arguments; later ones win.
    pub extra_args: Vec<String>,
}

/// A running etcd and API server. Dropping it ends both.
#[derive(Debug)]
pub struct ApiServer {
    bin: PathBuf,
    options: Options,
    port: u16,
    etcd_port: u16,
    server: Option<Process>,
    etcd: Option<Process>,
    // Last, so that the folder goes after the processes.
    dir: tempfile::TempDir,
}

impl ApiServer {
    /// Starts both and waits until the server is ready and RBAC's roles are there.
    pub async fn start(options: Options) -> Result<Self, ApiServerError> {
        let bin = binaries()?;
        let mut attempt = 1;
        loop {
            match Self::start_once(&bin, options.clone()).await {
                Err(ApiServerError::NotReady { .. }) if attempt < ATTEMPTS => attempt += 1,
                result => return result,
            }
        }
    }

    async fn start_once(bin: &Path, options: Options) -> Result<Self, ApiServerError> {
        let dir =
            tempfile::Builder::new().prefix("meantime-api-").tempdir().map_err(io("no temporary folder"))?;
        access::write_secrets(dir.path())?;
        let [port, etcd_port, peer_port] = free_ports()?;
        access::write_kubeconfig(dir.path(), port)?;
        let mut new = Self { bin: bin.to_owned(), options, port, etcd_port, server: None, etcd: None, dir };
        new.etcd = Some(new.spawn_etcd(peer_port)?);
        new.start_server().await?;
        Ok(new)
    }

    fn spawn_etcd(&self, peer_port: u16) -> Result<Process, ApiServerError> {
        let client = format!("http://127.0.0.1:{}", self.etcd_port);
        let peer = format!("http://127.0.0.1:{peer_port}");
        let arguments = [
            format!("--data-dir={}", self.dir.path().join("etcd").display()),
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster=default={peer}"),
            "--unsafe-no-fsync".to_owned(),
            "--log-level=warn".to_owned(),
        ];
        Process::spawn(&self.bin.join("etcd"), &arguments, &self.dir.path().join("etcd.log"))
    }

    /// Ends the API server at once (SIGKILL); etcd and all objects stay.
    pub async fn stop_server(&mut self) {
        if let Some(server) = self.server.take() {
            server.end().await;
        }
    }

    /// Starts the API server again, on the same port with the same certificates, and waits until it is ready.
    pub async fn start_server(&mut self) -> Result<(), ApiServerError> {
        let path = |name: &str| self.dir.path().join(name).display().to_string();
        let mut arguments = vec![
            format!("--etcd-servers=http://127.0.0.1:{}", self.etcd_port),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={}", self.port),
            format!("--cert-dir={}", path("certificates")),
            format!("--token-auth-file={}", path("tokens.csv")),
            "--authorization-mode=RBAC".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-key-file={}", path("service-account.pub")),
            format!("--service-account-signing-key-file={}", path("service-account.key")),
            "--service-cluster-ip-range=10.96.0.0/24".to_owned(),
            // Its own endpoint would be a loopback address, which Kubernetes refuses.
            "--endpoint-reconciler-type=none".to_owned(),
            "--profiling=false".to_owned(),
        ];
        if self.options.audit {
            arguments.push(format!("--audit-policy-file={}", path("audit-policy.yaml")));
            arguments.push(format!("--audit-log-path={}", path("audit.log")));
            arguments.push("--audit-log-mode=blocking".to_owned());
        }
        arguments.extend(self.options.extra_args.iter().cloned());
        let log = self.dir.path().join("kube-apiserver.log");
        let server = Process::spawn(&self.bin.join("kube-apiserver"), &arguments, &log)?;
        let server = self.server.insert(server);
        for _ in 0..READY_POLLS {
            tokio::time::sleep(POLL).await;
            if !server.is_running() {
                break;
            }
            if access::is_ready(self.dir.path()).await {
                return Ok(());
            }
        }
        Err(ApiServerError::NotReady { what: "kube-apiserver", log: process::last_words(&log) })
    }

    /// Where its log, audit log and kubeconfig are.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder of etcd, kube-apiserver and kubectl.
    pub fn bin(&self) -> &Path {
        &self.bin
    }

    /// A kubeconfig of the admin, for kubectl and child processes.
    pub fn kubeconfig(&self) -> PathBuf {
        access::kubeconfig(self.dir.path())
    }

    /// One JSON object (audit.k8s.io/v1 Event) a line; there only with [`Options::audit`].
    pub fn audit_log(&self) -> PathBuf {
        self.dir.path().join("audit.log")
    }

    /// A client of the admin (group system:masters). Make one per test: a client belongs to its runtime.
    pub async fn admin(&self) -> Result<kube::Client, ApiServerError> {
        access::client(self.dir.path(), access::Who::Admin).await
    }

    /// A client of any user, by impersonation. Groups as given; `system:authenticated` is added by the server.
    pub async fn user(&self, name: &str, groups: &[&str]) -> Result<kube::Client, ApiServerError> {
        access::client(self.dir.path(), access::Who::User { name, groups }).await
    }

    /// A client of a bearer token, for example of [`ApiServer::pod_token`].
    pub async fn bearer(&self, token: &str) -> Result<kube::Client, ApiServerError> {
        access::client(self.dir.path(), access::Who::Token(token)).await
    }

    /// A real service account token bound to a pod on that node, as a DaemonSet's pod gets it: it carries the claim
    /// `authentication.kubernetes.io/node-name`. Makes namespace, service account, node and pod as needed.
    pub async fn pod_token(
        &self,
        namespace: &str,
        account: &str,
        node: &str,
    ) -> Result<String, ApiServerError> {
        access::pod_token(self.admin().await?, namespace, account, node).await
    }

    /// Installs the four CRDs as generated from the types, and waits until they are Established and served.
    pub async fn install_crds(&self) -> Result<(), ApiServerError> {
        let definitions = meantime_crds::schema::definitions().map_err(kube("definitions"))?;
        let api: Api<CustomResourceDefinition> = Api::all(self.admin().await?);
        for definition in &definitions {
            let name = definition.metadata.name.clone().unwrap_or_default();
            let how = PatchParams::apply("meantime-tests").force();
            api.patch(&name, &how, &Patch::Apply(definition))
                .await
                .map_err(kube(format!("install {name}")))?;
        }
        for definition in &definitions {
            let name = definition.metadata.name.clone().unwrap_or_default();
            let established = kube::runtime::conditions::is_crd_established();
            let wait = kube::runtime::wait::await_condition(api.clone(), &name, established);
            match tokio::time::timeout(Duration::from_secs(30), wait).await {
                Ok(result) => result.map(|_| ()).map_err(kube(format!("wait for {name}")))?,
                Err(_) => return Err(ApiServerError::NotReady { what: "a CRD", log: name }),
            }
        }
        // Established says that it will be served; the first list says that it is.
        for definition in &definitions {
            let resource = kube::discovery::ApiResource {
                group: definition.spec.group.clone(),
                version: "v1alpha1".to_owned(),
                api_version: format!("{}/v1alpha1", definition.spec.group),
                kind: definition.spec.names.kind.clone(),
                plural: definition.spec.names.plural.clone(),
            };
            let api: Api<kube::api::DynamicObject> = Api::all_with(self.admin().await?, &resource);
            let mut polls = 0;
            while let Err(error) = api.list(&kube::api::ListParams::default().limit(1)).await {
                polls += 1;
                if polls > READY_POLLS {
                    return Err(kube(format!("list {}", resource.plural))(error));
                }
                tokio::time::sleep(POLL).await;
            }
        }
        Ok(())
    }

    /// Runs the pinned kubectl as admin.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<Output, ApiServerError> {
        Command::new(self.bin.join("kubectl"))
            .arg("--kubeconfig")
            .arg(self.kubeconfig())
            .args(arguments)
            .env("HOME", self.dir.path())
            .output()
            .map_err(io("kubectl"))
    }
}

/// The folder of the binaries, built if need be.
fn binaries() -> Result<PathBuf, ApiServerError> {
    let provider = Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster/provider");
    let output = Command::new(&provider)
        .args(["tools", "--api-only"])
        .output()
        .map_err(io(provider.display().to_string()))?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    match stdout.lines().last() {
        Some(folder) if output.status.success() => Ok(PathBuf::from(folder)),
        Some(_) | None => Err(ApiServerError::Tools {
            status: output.status.to_string(),
            stderr: process::tail(&String::from_utf8_lossy(&output.stderr)),
        }),
    }
}

/// Ports that nobody has now. Held together, so that they differ.
fn free_ports<const N: usize>() -> Result<[u16; N], ApiServerError> {
    let mut ports = [0; N];
    let mut held = Vec::with_capacity(N);
    for port in &mut ports {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").map_err(io("no free port"))?;
        *port = listener.local_addr().map_err(io("no free port"))?.port();
        held.push(listener);
    }
    Ok(ports)
}

/// The server that the tests of one binary share while they run at the same time; it ends with the last of them.
pub async fn shared() -> Result<Arc<ApiServer>, ApiServerError> {
    static SHARED: tokio::sync::Mutex<Weak<ApiServer>> = tokio::sync::Mutex::const_new(Weak::new());
    let mut shared = SHARED.lock().await;
    if let Some(running) = shared.upgrade() {
        return Ok(running);
    }
    let server = Arc::new(ApiServer::start(Options::default()).await?);
    server.install_crds().await?;
    *shared = Arc::downgrade(&server);
    Ok(server)
}
