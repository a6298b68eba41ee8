//! Real chronyd processes for tests: any version, no container, never touching the clock.
//!
//! **In.** A Debian root that holds a chrony ([`ChronyRoot`], made by `tests/cluster/provider root SUITE`) and a
//! configuration. **Out.** A running `chronyd -x` ([`Chronyd`]), a command client ([`Client`]), `chronyc`'s own words.
//!
//! The root's binaries run under the root's own dynamic loader and libraries, in this network namespace and file
//! system: loopback addresses, sockets and temporary folders are the test's own, no chroot is entered.
//! **Must never** run chronyd without `-x`, nor leave one behind: it is killed on drop, and by the kernel when the
//! thread that started it ends (`setpriv --pdeathsig`), so start it in the thread that keeps it.

use crate::lab::clock;
use meantime_candm::look::{Look, Looked};
use meantime_candm::{Error as CandmError, Exchange, Reply, Request};
use meantime_core::chrony::ChronyVersion;
use meantime_core::units::Nanos;
use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// What went wrong around a chronyd.
#[derive(Debug, thiserror::Error)]
pub enum HarnessError {
    /// A file, socket or process of the test.
    #[error("{what}: {source}")]
    System {
        /// What was tried, on what.
        what: String,
        /// The system's word.
        source: io::Error,
    },
    /// A command that a test needs.
    #[error("`{command}` failed: {said}")]
    Command {
        /// As typed.
        command: String,
        /// What it said.
        said: String,
    },
    /// The root is not what it should be.
    #[error("{root} is no root with a chrony that runs here: {why}")]
    Root {
        /// Where.
        root: PathBuf,
        /// What is missing.
        why: String,
    },
    /// chronyd ended or stayed mute.
    #[error("chronyd {version} {what}; its log says:\n{log}")]
    Daemon {
        /// Version.
        version: ChronyVersion,
        /// What it did.
        what: String,
        /// The whole log.
        log: String,
    },
    /// No answer in time.
    #[error("no answer to '{0}' in time")]
    Silence(Request),
    /// An answer that is not what was asked for.
    #[error(transparent)]
    Answer(#[from] CandmError),
}

fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> HarnessError {
    let what = what.into();
    move |source| HarnessError::System { what, source }
}

/// A folder that holds a Debian system with chrony.
#[derive(Clone, Debug)]
pub struct ChronyRoot {
    root: PathBuf,
    loader: PathBuf,
    libraries: String,
    version: ChronyVersion,
}

impl ChronyRoot {
    /// The root of a Debian suite, made by the provider if it is not there yet (about a minute, once).
    pub fn of_suite(suite: &str) -> Result<Self, HarnessError> {
        let provider = Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster/provider");
        let command = format!("{} root {suite}", provider.display());
        let output = Command::new(&provider)
            .args(["root", suite])
            .stdin(Stdio::null())
            .output()
            .map_err(system(command.clone()))?;
        let printed = String::from_utf8_lossy(&output.stdout);
        match printed.lines().last() {
            Some(root) if output.status.success() => Self::at(Path::new(root)),
            _ => Err(HarnessError::Command {
                command,
                said: format!("{printed}{}", String::from_utf8_lossy(&output.stderr)),
            }),
        }
    }

    /// The root in a folder.
    pub fn at(root: &Path) -> Result<Self, HarnessError> {
        let bad = |why: String| HarnessError::Root { root: root.to_owned(), why };
        let (loader, triplet) = [("ld-linux-x86-64.so.2", "x86_64"), ("ld-linux-aarch64.so.1", "aarch64")]
            .into_iter()
            .find_map(|(name, machine)| {
                let triplet = format!("{machine}-linux-gnu");
                // Beside the libraries it is never an absolute link, which would lead out of the root.
                let loader = root.join("usr/lib").join(&triplet).join(name);
                loader.exists().then_some((loader, triplet))
            })
            .ok_or_else(|| bad("no dynamic loader in usr/lib/*-linux-gnu".to_owned()))?;
        let [usr, plain] = ["usr/lib", "lib"].map(|folder| root.join(folder).join(&triplet));
        let libraries = format!("{}:{}", plain.display(), usr.display());
        let mut found = Self { root: root.to_owned(), loader, libraries, version: ChronyVersion::OLDEST };
        let printed = run(found.program("usr/sbin/chronyd").arg("-v"))?;
        found.version =
            ChronyVersion::parse(&printed).ok_or_else(|| bad(format!("chronyd -v says {printed:?}")))?;
        Ok(found)
    }

    /// Which chrony it is.
    pub fn version(&self) -> ChronyVersion {
        self.version
    }

    /// What its `chronyd -p` makes of a configuration file: the directives as read, or its complaint. Starts nothing.
    pub fn parse(&self, file: &Path) -> Result<String, HarnessError> {
        run(self.program("usr/sbin/chronyd").arg("-p").arg("-f").arg(file))
    }

    /// A program of the root, under the root's loader.
    fn program(&self, path: &str) -> Command {
        let mut command = Command::new(&self.loader);
        command.arg("--library-path").arg(&self.libraries).arg(self.root.join(path)).stdin(Stdio::null());
        command
    }
}

/// Runs to the end (programs here take milliseconds); what it printed.
fn run(command: &mut Command) -> Result<String, HarnessError> {
    let typed = format!("{command:?}");
    let output = command.output().map_err(system(typed.clone()))?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        Ok(printed)
    } else {
        let said = format!("{}: {printed}{}", output.status, String::from_utf8_lossy(&output.stderr));
        Err(HarnessError::Command { command: typed, said })
    }
}

/// How long a daemon may take to open its command socket, on a busy machine.
const START: Nanos = Nanos::from_secs(10);
/// How long it may take to end on request, dumps included.
const END: Nanos = Nanos::from_secs(5);

/// A running `chronyd -x` with a folder of its own.
#[derive(Debug)]
pub struct Chronyd {
    child: Child,
    folder: TempDir,
    root: ChronyRoot,
}

impl Chronyd {
    /// Starts one with `configuration`, to which its own paths are added, and waits for its command socket.
    /// `{dir}` in the text stands for its folder.
    pub fn start(root: &ChronyRoot, configuration: &str) -> Result<Self, HarnessError> {
        Self::start_in(root, configuration, Network::Ours)
    }

    /// The same in a network namespace of its own that holds nothing: names stay unresolved, and nobody is asked.
    /// Needs root.
    pub fn start_cut_off(root: &ChronyRoot, configuration: &str) -> Result<Self, HarnessError> {
        Self::start_in(root, configuration, Network::None)
    }

    fn start_in(root: &ChronyRoot, configuration: &str, network: Network) -> Result<Self, HarnessError> {
        let folder =
            tempfile::Builder::new().prefix("chronyd-").tempdir().map_err(system("a folder for chronyd"))?;
        let at = folder.path().to_owned();
        // chronyd refuses a socket folder that others may enter.
        fs::set_permissions(&at, Permissions::from_mode(0o770)).map_err(system("its mode"))?;
        let daemon = Self { child: spawn(root, &at, configuration, network)?, folder, root: root.clone() };
        daemon.wait_for_socket()
    }

    /// Ends it and starts it again on the same folder (dumps and drift are there).
    pub fn restart(mut self, configuration: &str) -> Result<Self, HarnessError> {
        self.end()?;
        self.child = spawn(&self.root, self.folder.path(), configuration, Network::Ours)?;
        self.wait_for_socket()
    }

    fn wait_for_socket(mut self) -> Result<Self, HarnessError> {
        let begin = clock::now().boot;
        loop {
            if let Some(status) = self.child.try_wait().map_err(system("waiting for chronyd"))? {
                return Err(self.complaint(format!("ended at once, {status}")));
            }
            if self.client().is_ok_and(|mut client| client.ask(&Request::SourceCount).is_ok()) {
                return Ok(self);
            }
            if clock::now().boot - begin > START {
                return Err(self.complaint("did not open its command socket".to_owned()));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it with SIGTERM, as an orderly stop does; its dumps are then written.
    pub fn end(&mut self) -> Result<(), HarnessError> {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)
            .map_err(|errno| system("ending chronyd")(errno.into()))?;
        let begin = clock::now().boot;
        while self.child.try_wait().map_err(system("waiting for chronyd"))?.is_none() {
            if clock::now().boot - begin > END {
                return Err(self.complaint("did not end".to_owned()));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn complaint(&self, what: String) -> HarnessError {
        HarnessError::Daemon { version: self.root.version, what, log: self.log() }
    }

    /// Its folder: `chronyd.sock`, `chronyd.conf`, `log`, `drift`, `dumps/`, `sources/`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
    /// Its command socket.
    pub fn socket(&self) -> PathBuf {
        self.folder().join("chronyd.sock")
    }
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
    /// Which chrony it is.
    pub fn version(&self) -> ChronyVersion {
        self.root.version
    }
    /// All that it logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder().join("log")).unwrap_or_default()
    }

    /// A client of its command socket.
    pub fn client(&self) -> Result<Client, HarnessError> {
        Client::connect(&self.socket(), self.folder())
    }

    /// What its own chronyc prints with `-c` (comma-separated, no names) for one command.
    pub fn chronyc(&self, command: &str) -> Result<String, HarnessError> {
        let mut chronyc = self.root.program("usr/bin/chronyc");
        chronyc.arg("-h").arg(self.socket()).args(["-c", "-n"]);
        if self.version() >= ChronyVersion::new(4, 8, 0) {
            chronyc.args(["-u", "root"]); // since then it drops to a user that this machine need not have
        }
        run(chronyc.args(command.split_whitespace()))
    }
}

/// Where a daemon's packets go.
#[derive(Clone, Copy)]
enum Network {
    /// This machine's loopback.
    Ours,
    /// Nowhere.
    None,
}

fn spawn(
    root: &ChronyRoot,
    folder: &Path,
    configuration: &str,
    network: Network,
) -> Result<Child, HarnessError> {
    let at = folder.display();
    let text = format!(
        "{configuration}\nbindcmdaddress {{dir}}/chronyd.sock\ncmdport 0\npidfile {{dir}}/pid\n\
         driftfile {{dir}}/drift\ndumpdir {{dir}}/dumps\nsourcedir {{dir}}/sources\n"
    )
    .replace("{dir}", &at.to_string());
    fs::create_dir_all(folder.join("sources")).map_err(system("its source folder"))?;
    let file = folder.join("chronyd.conf");
    fs::write(&file, text).map_err(system("its configuration"))?;
    let log =
        File::options().create(true).append(true).open(folder.join("log")).map_err(system("its log"))?;
    let inner = root.program("usr/sbin/chronyd");
    let namespace: &[&str] = match network {
        Network::Ours => &[],
        Network::None => &["unshare", "--net"],
    };
    // Each of these becomes the next (exec), so the child is chronyd itself.
    Command::new("setpriv")
        .args(["--pdeathsig", "KILL"])
        .args(namespace)
        .arg(inner.get_program())
        .args(inner.get_args())
        .args(["-x", "-d", "-r", "-u", "root", "-f"])
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .map_err(system("starting chronyd (by setpriv, of util-linux)"))
}

impl Drop for Chronyd {
    fn drop(&mut self) {
        // Both fail only when it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Patience for one attempt, and attempts. A busy machine may take a while to schedule chronyd.
const PATIENCE: Duration = Duration::from_millis(500);
const ATTEMPTS: u32 = 4;

static CLIENTS: AtomicU32 = AtomicU32::new(0);

/// A blocking client of a command socket.
#[derive(Debug)]
pub struct Client {
    socket: UnixDatagram,
    path: PathBuf,
    sequence: u32,
}

impl Client {
    /// Connects to the command socket `server`; its own socket is made in `folder`, where chronyd must be able to write.
    pub fn connect(server: &Path, folder: &Path) -> Result<Self, HarnessError> {
        let number = CLIENTS.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("client.{}.{number}.sock", std::process::id()));
        let socket = UnixDatagram::bind(&path).map_err(system(format!("binding {}", path.display())))?;
        let client = Self { socket, path, sequence: number.wrapping_mul(0x0100_0001) };
        // chronyd answers to this path, and only if its user may write there.
        fs::set_permissions(&client.path, Permissions::from_mode(0o666))
            .map_err(system("a socket's mode"))?;
        client.socket.connect(server).map_err(system(format!("connecting to {}", server.display())))?;
        client.socket.set_read_timeout(Some(PATIENCE)).map_err(system("a read timeout"))?;
        Ok(client)
    }

    /// Asks, and waits for the answer. Repeats after silence only what may be repeated.
    pub fn ask(&mut self, request: &Request) -> Result<Reply, HarnessError> {
        let attempts = if request.may_repeat() { ATTEMPTS } else { 1 };
        for _ in 0..attempts {
            self.sequence = self.sequence.wrapping_add(1);
            let (exchange, frame) = Exchange::begin(request.clone(), self.sequence);
            self.socket.send(&frame).map_err(system(format!("asking chronyd '{request}'")))?;
            if let Some(reply) = self.wait_for(&exchange)? {
                return Ok(reply?);
            }
        }
        Err(HarnessError::Silence(request.clone()))
    }

    fn wait_for(&self, exchange: &Exchange) -> Result<Option<Result<Reply, CandmError>>, HarnessError> {
        let mut buffer = [0; 1024];
        loop {
            match self.socket.recv(&mut buffer) {
                Ok(length) => {
                    let answer = exchange.receive(buffer.get(..length).unwrap_or_default());
                    if answer.is_some() {
                        return Ok(answer);
                    }
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Ok(None);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(system("reading chronyd's answer")(error)),
            }
        }
    }

    /// Sends bytes as they are and returns what came back within `patience`, if anything: for frames that no
    /// [`Request`] makes.
    pub fn exchange_raw(&self, frame: &[u8], patience: Duration) -> Result<Option<Vec<u8>>, HarnessError> {
        self.socket.set_read_timeout(Some(patience)).map_err(system("a read timeout"))?;
        self.socket.send(frame).map_err(system("sending a raw frame"))?;
        let mut buffer = vec![0; 1024];
        let came = self.socket.recv(&mut buffer).ok();
        self.socket.set_read_timeout(Some(PATIENCE)).map_err(system("a read timeout"))?;
        Ok(came.map(|length| {
            buffer.truncate(length);
            buffer
        }))
    }

    /// One whole look.
    pub fn look(&mut self) -> Result<Looked, HarnessError> {
        let mut look = Look::new();
        while let Some(request) = look.next_request().cloned() {
            let answer = match self.ask(&request) {
                Ok(reply) => Ok(reply),
                Err(HarnessError::Answer(error)) => Err(error),
                Err(other) => return Err(other),
            };
            look.answer(answer)?;
        }
        look.finish().ok_or(HarnessError::Silence(Request::Tracking))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Fails only when the whole folder is gone already.
        let _ = fs::remove_file(&self.path);
    }
}
