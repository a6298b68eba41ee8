//! The UDP shell around [`Model`]: one thread per server, ended when its [`Lab`] is dropped.
//!
//! In: datagrams. Out: what the model says, at the moment it says. Receive times are read in user space right after
//! the wake-up: a late wake-up looks like path delay to the client, which no test may mistake for an error of time.

use crate::lab::clock::{self, Moment};
use crate::lab::control;
use crate::lab::model::{Answer, ClientCount, Model};
use crate::lab::settings::{BadSetting, Settings};
use meantime_core::clocks::BootTime;
use meantime_core::units::Nanos;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// How often a sleeping server looks whether it should end, should the wake-up datagram get lost.
const LOOK_UP: Nanos = Nanos::from_millis(500);
/// Answers under way at most; more are dropped, as a real queue would.
const QUEUE: usize = 4_096;

/// Why a lab server did not come up.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// No socket.
    #[error(
        "the lab cannot listen on {address}: {source}; nothing was started (is another lab or chronyd there?)"
    )]
    Listen {
        /// Where.
        address: SocketAddr,
        /// The system's word.
        source: io::Error,
    },
    /// The first settings were no good.
    #[error(transparent)]
    Setting(#[from] BadSetting),
}

/// How to start one.
#[derive(Clone, Debug)]
pub struct LabOptions {
    /// Where to answer; port 0 = any free one.
    pub listen: SocketAddr,
    /// Where to take orders (none = only in process).
    pub control: Option<SocketAddr>,
    /// Seed of losses and jitter.
    pub seed: u64,
    /// First settings, as words.
    pub settings: String,
}

impl LabOptions {
    /// An honest server here.
    pub fn at(listen: SocketAddr) -> Self {
        Self { listen, control: None, seed: 1, settings: String::new() }
    }
}

/// What `meantime-lab get` prints.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Where it answers.
    pub listen: SocketAddr,
    /// Ground truth now: how far ahead of true time it is for clients without settings of their own.
    pub error_nanoseconds: Nanos,
    /// The settings as last set.
    pub settings: Settings,
    /// Who asked.
    pub clients: BTreeMap<IpAddr, ClientCount>,
}

/// One running lab server. Ends when dropped.
#[derive(Debug)]
pub struct Lab {
    shared: Shared,
    threads: Vec<JoinHandle<()>>,
}

/// What the threads and the handle share.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    listen: SocketAddr,
    control: Option<SocketAddr>,
    model: Arc<Mutex<Model>>,
    stop: Arc<AtomicBool>,
}

impl Shared {
    fn model(&self) -> MutexGuard<'_, Model> {
        // A panicking holder cannot leave the model half-changed: `set` swaps whole settings.
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub(super) fn stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
    pub(super) fn set(&self, line: &str) -> Result<(), BadSetting> {
        self.model().set(line.split_whitespace(), clock::now())
    }
    pub(super) fn report(&self) -> Report {
        let model = self.model();
        Report {
            listen: self.listen,
            error_nanoseconds: model.error(None, clock::now().boot),
            settings: model.settings().clone(),
            clients: model.clients().clone(),
        }
    }
}

impl Lab {
    /// An honest server at `listen` (port 0 = any free one), ruled in process.
    pub fn start(listen: SocketAddr) -> Result<Self, LabError> {
        Self::start_with(&LabOptions::at(listen))
    }

    /// An honest server on a free port of 127.0.0.1.
    pub fn anywhere() -> Result<Self, LabError> {
        Self::start((Ipv4Addr::LOCALHOST, 0).into())
    }

    /// A server with all its options.
    pub fn start_with(options: &LabOptions) -> Result<Self, LabError> {
        let failed = |address| move |source| LabError::Listen { address, source };
        let socket = UdpSocket::bind(options.listen).map_err(failed(options.listen))?;
        let listen = socket.local_addr().map_err(failed(options.listen))?;
        let other = UdpSocket::bind(SocketAddr::new(listen.ip(), 0)).map_err(failed(listen))?;
        socket.set_nonblocking(true).map_err(failed(listen))?;
        let mut model = Model::new(options.seed, clock::now());
        model.set(options.settings.split_whitespace(), clock::now())?;
        let mut shared = Shared {
            listen,
            control: None,
            model: Arc::new(Mutex::new(model)),
            stop: Arc::new(AtomicBool::new(false)),
        };
        let mut threads = Vec::new();
        if let Some(address) = options.control {
            let listener = TcpListener::bind(address).map_err(failed(address))?;
            shared.control = Some(listener.local_addr().map_err(failed(address))?);
            let shared = shared.clone();
            threads.push(std::thread::spawn(move || control::serve(&listener, &shared)));
        }
        let for_thread = shared.clone();
        threads.push(std::thread::spawn(move || serve(&socket, &other, &for_thread)));
        Ok(Self { shared, threads })
    }

    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        self.shared.listen
    }

    /// Where it takes orders, if it does.
    pub fn control_address(&self) -> Option<SocketAddr> {
        self.shared.control
    }

    /// Changes the behaviour by words (`offset=200ms dead=true`), all or none, from the next request on.
    pub fn set(&self, words: &str) -> Result<(), BadSetting> {
        self.shared.set(words)
    }

    /// Ground truth now: how far ahead of true time the answers to `client` are.
    pub fn error_for(&self, client: IpAddr) -> Nanos {
        self.shared.model().error(Some(client), clock::now().boot)
    }

    /// Requests of all clients so far.
    pub fn requests(&self) -> u64 {
        self.shared.model().clients().values().map(|client| client.requests).sum()
    }

    /// Everything there is to know.
    pub fn report(&self) -> Report {
        self.shared.report()
    }

    /// Waits for the end, which never comes by itself (`meantime-lab serve`).
    pub fn wait(mut self) {
        for thread in std::mem::take(&mut self.threads) {
            let _ = thread.join();
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        // Both threads sleep in the kernel: one empty datagram, one connection wake them.
        let awake = |address: SocketAddr| match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => {
                SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port())
            }
            IpAddr::V6(ip) if ip.is_unspecified() => {
                SocketAddr::new(Ipv6Addr::LOCALHOST.into(), address.port())
            }
            IpAddr::V4(_) | IpAddr::V6(_) => address,
        };
        let target = awake(self.shared.listen);
        if let Ok(socket) = UdpSocket::bind(SocketAddr::new(target.ip(), 0)) {
            let _ = socket.send_to(&[], target);
        }
        if let Some(address) = self.shared.control {
            let _ =
                std::net::TcpStream::connect_timeout(&awake(address), std::time::Duration::from_millis(200));
        }
        for thread in std::mem::take(&mut self.threads) {
            let _ = thread.join();
        }
    }
}

fn serve(socket: &UdpSocket, other: &UdpSocket, shared: &Shared) {
    let mut waiting: BTreeMap<(BootTime, u64), (SocketAddr, Answer)> = BTreeMap::new();
    let mut sequence = 0_u64;
    let mut buffer = [0; 2_048];
    while !shared.stopping() {
        let now = clock::now().boot;
        while let Some(entry) = waiting.first_entry().filter(|entry| entry.key().0 <= now) {
            let (client, answer) = entry.remove();
            send(socket, other, client, &answer);
        }
        let due = waiting.first_key_value().map_or(LOOK_UP, |((at, _), _)| (*at - now).min(LOOK_UP));
        let patience = Timespec { tv_sec: due.0 / 1_000_000_000, tv_nsec: due.0 % 1_000_000_000 };
        let mut readable = [PollFd::new(socket, PollFlags::IN)];
        if poll(&mut readable, Some(&patience)).unwrap_or(0) == 0 {
            continue;
        }
        while let Ok((length, client)) = socket.recv_from(&mut buffer) {
            let came: Moment = clock::now();
            let Some(answer) = shared.model().answer(&buffer[..length], client.ip(), came) else { continue };
            if answer.after <= Nanos::ZERO {
                send(socket, other, client, &answer);
            } else if waiting.len() < QUEUE {
                sequence += 1;
                waiting.insert((came.boot + answer.after, sequence), (client, answer));
            }
        }
    }
}

fn send(socket: &UdpSocket, other: &UdpSocket, client: SocketAddr, answer: &Answer) {
    let from = if answer.other_port { other } else { socket };
    // A client that has gone away is no concern of ours.
    let _ = from.send_to(&answer.bytes, client);
}
