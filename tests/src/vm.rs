//! The micro-VM: one Linux with a CLOCK_REALTIME of its own, which may really be stepped, slewed, paused.
//!
//! Role: what `chronyd -x` cannot show (DESIGN "Testing without lying to ourselves", *real* profile). In: an image
//! (tests/vm/image.sh), files to bring along, lab servers of this process. Out: commands run in the guest, its
//! clocks, its true error. It must never touch this machine's clock, and a dropped [`Vm`] leaves no process.
//!
//! Guest: busybox, chronyd and chronyc of one Debian suite, `meantime-lab`; two serial lines (console → a file, commands
//! → [`Vm::run`]); user networking, where the host's loopback is 10.0.2.2. Lab servers appear under addresses of their
//! own by `meantime-lab relay`, since chronyd tells sources apart by address alone.

mod text;

use crate::lab::clock::{self, Clocks};
use crate::lab::probe::Probe;
use crate::lab::{Lab, LabError};
use meantime_core::units::Nanos;
use serde::de::DeserializeOwned;
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use text::{base64, from_base64, utc};

/// From qemu's start to the guest's `ready`: 3 s alone, 20 s seen on a busy two-core machine.
const BOOT: Duration = Duration::from_secs(90);
/// What [`Vm::run`] waits for a command.
const COMMAND: Duration = Duration::from_secs(30);
/// The host's loopback as the guest sees it.
const HOST: &str = "10.0.2.2";

/// What went wrong with a VM.
#[derive(Debug, thiserror::Error)]
pub enum VmError {
    /// The system refused something.
    #[error("micro-VM: {what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// The system's word.
        source: io::Error,
    },
    /// A tool on this machine failed.
    #[error("micro-VM: {what} failed: {output}")]
    Tool {
        /// Which.
        what: String,
        /// What it said.
        output: String,
    },
    /// The guest did not come up or stopped answering.
    #[error("micro-VM: {what}; the console's end:\n{console}")]
    Silent {
        /// What was awaited.
        what: String,
        /// The last lines of the console.
        console: String,
    },
    /// A command in the guest ended with another code than 0.
    #[error("micro-VM: `{command}` ended with {code}: {output}")]
    Failed {
        /// The command.
        command: String,
        /// Its exit code.
        code: i32,
        /// stdout and stderr.
        output: String,
    },
    /// A command printed something else than was expected.
    #[error("micro-VM: `{command}` printed something unexpected: {output}")]
    Unreadable {
        /// The command.
        command: String,
        /// stdout and stderr.
        output: String,
    },
    /// The truth server did not come up.
    #[error(transparent)]
    Lab(#[from] LabError),
}

fn failed<E: Into<io::Error>>(what: impl Into<String>) -> impl FnOnce(E) -> VmError {
    let what = what.into();
    move |source| VmError::Io { what, source: source.into() }
}

/// How the guest's hardware clock starts. It runs on while the VM is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rtc {
    /// This machine's time.
    Right,
    /// Off by whole seconds (> 0 = ahead).
    Off(i64),
}

/// What to boot.
#[derive(Clone, Debug)]
pub struct VmOptions {
    /// The Debian suite whose chronyd runs: `bookworm` (4.3), `trixie` (4.6.1), …
    pub suite: &'static str,
    /// The hardware clock; the kernel sets CLOCK_REALTIME from it at boot, within a second.
    pub rtc: Rtc,
    /// Files to bring: (here, path in the guest). Programs lose their debug sections on the way.
    pub files: Vec<(PathBuf, &'static str)>,
    /// Lab servers: (in the guest, here). Each has an address of its own in the guest. The agent takes a holder of
    /// port 123 for a time daemon, so its sources are better at another one.
    pub servers: Vec<(SocketAddr, SocketAddr)>,
}

impl Default for VmOptions {
    fn default() -> Self {
        Self { suite: "trixie", rtc: Rtc::Right, files: Vec::new(), servers: Vec::new() }
    }
}

/// A command's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Exit code.
    pub code: i32,
    /// stdout and stderr as they came.
    pub output: String,
}

/// The guest's true error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockError {
    /// Guest CLOCK_REALTIME minus true time: > 0 = the guest is ahead.
    pub error: Nanos,
    /// The error is known within ± this.
    pub within: Nanos,
}

/// A running micro-VM. Killed when dropped.
#[derive(Debug)]
pub struct Vm {
    qemu: Child,
    commands: BufReader<UnixStream>,
    monitor: BufReader<UnixStream>,
    /// Never lies: the measure of the guest's true error.
    truth: Lab,
    sequence: u64,
    folder: tempfile::TempDir,
}

impl Vm {
    /// Boots and waits until the guest answers. Installs and builds what is missing first, saying so on stderr.
    pub fn boot(options: &VmOptions) -> Result<Self, VmError> {
        let image = image(options.suite)?;
        let folder = tempfile::Builder::new()
            .prefix("meantime-vm-")
            .tempdir()
            .map_err(failed("a temporary folder"))?;
        let lab = program("meantime-lab")?;
        let mut files = vec![(lab, "/bin/meantime-lab")];
        files.extend(options.files.iter().cloned());
        initrd(&image, folder.path(), &files)?;
        let at = |name: &str| folder.path().join(name).display().to_string();
        let base = match options.rtc {
            Rtc::Right => "utc".to_owned(),
            Rtc::Off(seconds) => utc(clock::now().wall.0 / 1_000_000_000 + seconds),
        };
        let qemu = Command::new("qemu-system-x86_64")
            .args([
                "-nodefaults",
                "-accel",
                "tcg",
                "-cpu",
                "max",
                "-m",
                "384",
                "-display",
                "none",
                "-no-reboot",
            ])
            .arg("-kernel")
            .arg(image.join("vmlinuz"))
            .args(["-initrd", &at("initrd")])
            // tsc=reliable: no watchdog that changes the oscillator in mid-test on a busy machine.
            .args(["-append", "console=ttyS0 quiet panic=-1 tsc=reliable"])
            .args(["-serial", &format!("file:{}", at("console"))])
            .args(["-chardev", &format!("socket,id=commands,path={},server=on,wait=off", at("commands"))])
            .args(["-serial", "chardev:commands"])
            .args(["-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile="])
            .args(["-device", "virtio-rng-pci"])
            // clock=host: the battery-backed clock goes on while the machine is paused, as a real one does.
            .args(["-rtc", &format!("base={base},clock=host")])
            .args(["-qmp", &format!("unix:{},server=on,wait=off", at("monitor"))])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("qemu-stderr")).map_err(failed("qemu's log"))?)
            .spawn()
            .map_err(failed("qemu-system-x86_64 did not start (by setpriv, of util-linux)"))?;
        // From here on `qemu` is killed by the guard whatever happens.
        let mut starting = Starting(Some(qemu));
        let commands = connect(&folder.path().join("commands"), folder.path())?;
        let monitor = connect(&folder.path().join("monitor"), folder.path())?;
        let truth = Lab::anywhere()?;
        let Some(qemu) = starting.0.take() else { unreachable!("taken once") };
        let mut vm = Self { qemu, commands, monitor, truth, sequence: 0, folder };
        let greeting = vm.read_line(BOOT, "the guest's start")?;
        if greeting != "ready" {
            return Err(vm.silent(format!("expected `ready`, got {greeting:?}")));
        }
        vm.monitor("qmp_capabilities")?;
        vm.relay(&options.servers)?;
        Ok(vm)
    }

    /// Runs a shell command in the guest and waits for its end, at most 30 s.
    pub fn run(&mut self, command: &str) -> Result<Ended, VmError> {
        self.run_within(COMMAND, command)
    }

    /// The same with its own patience.
    pub fn run_within(&mut self, patience: Duration, command: &str) -> Result<Ended, VmError> {
        self.sequence += 1;
        let line = format!("{} {}\n", self.sequence, base64(command.as_bytes()));
        self.commands.get_mut().write_all(line.as_bytes()).map_err(failed("the guest's command line"))?;
        let answer = self.read_line(patience, &format!("the end of `{command}`"))?;
        let unreadable = || VmError::Unreadable { command: command.to_owned(), output: answer.clone() };
        let mut words = answer.split(' ');
        let (id, code) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        if id != self.sequence.to_string() {
            return Err(unreadable());
        }
        let output = from_base64(words.next().unwrap_or("")).ok_or_else(unreadable)?;
        Ok(Ended {
            code: code.parse().map_err(|_| unreadable())?,
            output: String::from_utf8_lossy(&output).into_owned(),
        })
    }

    /// Runs a command that must end with 0; its output.
    pub fn ok(&mut self, command: &str) -> Result<String, VmError> {
        let ended = self.run(command)?;
        if ended.code == 0 {
            return Ok(ended.output);
        }
        Err(VmError::Failed { command: command.to_owned(), code: ended.code, output: ended.output })
    }

    /// Runs a command that must end with 0 and print JSON.
    pub fn json<T: DeserializeOwned>(&mut self, command: &str) -> Result<T, VmError> {
        let output = self.ok(command)?;
        serde_json::from_str(&output).map_err(|_| VmError::Unreadable { command: command.to_owned(), output })
    }

    /// Writes a small text file in the guest.
    pub fn write(&mut self, path: &str, text: &str) -> Result<(), VmError> {
        self.ok(&format!("echo {} | base64 -d >{path}", base64(text.as_bytes()))).map(drop)
    }

    /// Starts a command that goes on; its output is appended to `log` in the guest.
    pub fn start(&mut self, command: &str, log: &str) -> Result<(), VmError> {
        self.ok(&format!("setsid {command} >>{log} 2>&1 </dev/null &")).map(drop)
    }

    /// The guest's clocks.
    pub fn clocks(&mut self) -> Result<Clocks, VmError> {
        self.json("meantime-lab clocks")
    }

    /// How wrong the guest's CLOCK_REALTIME is, by an SNTP exchange with a server of this process that never lies.
    /// The best of three exchanges counts (the shortest round trip).
    pub fn clock_error(&mut self) -> Result<ClockError, VmError> {
        let ask = format!("meantime-lab probe {HOST}:{}", self.truth.address().port());
        let mut best: Option<Probe> = None;
        for _ in 0..3 {
            let probe: Probe = self.json(&ask)?;
            if best.as_ref().is_none_or(|best| probe.delay_nanoseconds < best.delay_nanoseconds) {
                best = Some(probe);
            }
        }
        best.map_or_else(
            || Err(self.silent("no exchange with the truth server".to_owned())),
            |probe| {
                Ok(ClockError {
                    error: probe.offset_nanoseconds,
                    within: probe.delay_nanoseconds.abs().half_up(),
                })
            },
        )
    }

    /// The measure of the true error serves the time that it is at another date: as far ahead of this machine's.
    pub fn true_time_is(&self, ahead: Nanos) -> Result<(), VmError> {
        self.truth
            .set(&ahead_by(ahead))
            .map_err(|bad| VmError::Tool { what: "setting the truth server".into(), output: bad.to_string() })
    }

    /// Stops the machine's processor: the guest's clocks stand still, its hardware clock goes on.
    pub fn pause(&mut self) -> Result<(), VmError> {
        self.monitor("stop")
    }

    /// Lets it go on.
    pub fn resume(&mut self) -> Result<(), VmError> {
        self.monitor("cont")
    }

    /// Makes lab servers appear in the guest, each at an address of its own.
    fn relay(&mut self, servers: &[(SocketAddr, SocketAddr)]) -> Result<(), VmError> {
        if servers.is_empty() {
            return Ok(());
        }
        let mut routes = String::new();
        for (guest, here) in servers {
            self.ok(&format!("ip addr add {} dev lo", guest.ip()))?;
            let _ = write!(routes, " {guest}={HOST}:{}", here.port());
        }
        self.start(&format!("meantime-lab relay{routes}"), "/tmp/relay.log")?;
        self.ok("for i in $(seq 100); do grep -q ready /tmp/relay.log && exit; sleep 0.1; done; cat /tmp/relay.log; exit 1").map(drop)
    }

    fn monitor(&mut self, order: &str) -> Result<(), VmError> {
        let line = format!("{{\"execute\":\"{order}\"}}\n");
        self.monitor.get_mut().write_all(line.as_bytes()).map_err(failed("qemu's monitor"))?;
        self.monitor.get_ref().set_read_timeout(Some(COMMAND)).map_err(failed("qemu's monitor"))?;
        loop {
            let mut answer = String::new();
            let length =
                self.monitor.read_line(&mut answer).map_err(failed(format!("qemu's answer to {order}")))?;
            if length == 0 {
                return Err(self.silent(format!("qemu closed its monitor at {order}")));
            }
            // Greetings and events come in between.
            if answer.contains("\"return\"") {
                return Ok(());
            }
            if answer.contains("\"error\"") {
                return Err(VmError::Tool { what: format!("qemu's monitor order {order}"), output: answer });
            }
        }
    }

    fn read_line(&mut self, patience: Duration, what: &str) -> Result<String, VmError> {
        self.commands
            .get_ref()
            .set_read_timeout(Some(patience))
            .map_err(failed("the guest's command line"))?;
        let mut line = String::new();
        match self.commands.read_line(&mut line) {
            Ok(length) if length > 0 && line.ends_with('\n') => Ok(line.trim_end().to_owned()),
            Ok(_) => Err(self.silent(format!("the guest ended while {what} was awaited"))),
            Err(error) => {
                Err(self.silent(format!("{what} did not come within {} s ({error})", patience.as_secs())))
            }
        }
    }

    fn silent(&self, what: String) -> VmError {
        VmError::Silent { what, console: console(self.folder.path()) }
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

/// A lab's word for so far ahead.
pub fn ahead_by(ahead: Nanos) -> String {
    format!("offset={}s{}ns", ahead.0 / Nanos::SECOND.0, ahead.0 % Nanos::SECOND.0)
}

/// Kills qemu if the boot does not get as far as a [`Vm`].
struct Starting(Option<Child>);

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(qemu) = &mut self.0 {
            let _ = qemu.kill();
            let _ = qemu.wait();
        }
    }
}

fn console(folder: &Path) -> String {
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap_or_default();
    let text = [read("qemu-stderr"), read("console")].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(25)..].join("\n")
}

/// qemu makes its sockets some milliseconds after its start.
fn connect(path: &Path, folder: &Path) -> Result<BufReader<UnixStream>, VmError> {
    for _ in 0..500 {
        if let Ok(stream) = UnixStream::connect(path) {
            return Ok(BufReader::new(stream));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(VmError::Silent { what: format!("qemu did not open {}", path.display()), console: console(folder) })
}

/// The folder with kernel and initramfs, made if need be.
fn image(suite: &str) -> Result<PathBuf, VmError> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("vm/image.sh");
    let output = Command::new(&script)
        .arg(suite)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(failed(script.display().to_string()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.lines().last().filter(|_| output.status.success()) {
        Some(folder) => Ok(PathBuf::from(folder)),
        None => Err(VmError::Tool { what: script.display().to_string(), output: text.into_owned() }),
    }
}

/// A program of this workspace, beside the test that is running (`target/debug/…`).
pub fn program(name: &str) -> Result<PathBuf, VmError> {
    let missing = |output: String| VmError::Tool { what: format!("finding {name}"), output };
    let test = std::env::current_exe().map_err(failed("the path of this test"))?;
    let found = test.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.ok_or_else(|| missing(format!("not beside {}; run `cargo build --bins` first", test.display())))
}

/// The image's archive followed by one with this boot's files: the kernel unpacks both.
fn initrd(image: &Path, folder: &Path, files: &[(PathBuf, &str)]) -> Result<(), VmError> {
    let tree = folder.join("tree");
    for (here, guest) in files {
        let to = tree.join(guest.trim_start_matches('/'));
        std::fs::create_dir_all(to.parent().unwrap_or(&tree)).map_err(failed("the guest's files"))?;
        std::fs::copy(here, &to).map_err(failed(format!("{} for the guest", here.display())))?;
        // Smaller by far without debug sections; a text file or a machine without binutils keeps what it has.
        let _ = Command::new("strip").arg(&to).stderr(Stdio::null()).status();
    }
    let script =
        "cd \"$1\" && find . | cpio --quiet -o -H newc | gzip -1 | cat \"$2\" - >\"$3\" && rm -rf \"$1\"";
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", script, "initrd"])
        .args([&tree, &image.join("initrd.gz"), &folder.join("initrd")])
        .output()
        .map_err(failed("bash"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(VmError::Tool {
        what: "packing the guest's files".into(),
        output: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
