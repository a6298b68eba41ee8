//! One race: five lab servers, three contestants, all looked at over and over.
//!
//! **In:** a [`Course`]. **Out:** what each chronyd said of itself (TRACKING over its command socket), what our agent
//! published, how wrong this host truly was, how many packets came. **Must** be made and dropped in one thread: the
//! kernel ends the processes with the thread that started them.

use super::Error;
use super::contestant::{self, Contestant};
use super::course::Course;
use super::packets::Requests;
use super::timeline::{Sample, Timeline};
use super::told::{Told, Words, live_bound};
use super::truth::Truth;
use crate::agent::{self, Node};
use crate::chronyd::{ChronyRoot, Chronyd, Client, HarnessError};
use crate::lab::{Lab, LabOptions, clock};
use meantime_candm::Request;
use meantime_core::clocks::BootTime;
use meantime_core::observation::{Leap, Tracking};
use meantime_core::units::Nanos;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, SystemTime};

/// How many servers: two may lie together.
pub const SERVERS: u8 = 5;
/// Between two looks: more than twelve a second.
const LOOK: Duration = Duration::from_millis(75);
/// Truth and packets are sampled this far apart.
const SECOND: Nanos = Nanos::SECOND;
/// Longer without an answer from a rival's chronyd, and there is no race.
const SILENCE: Nanos = Nanos::from_secs(20);
/// chronyd's own `local` reference.
const ITSELF: u32 = 0x7f7f_0101;

/// A running race.
pub struct Race {
    /// Its course.
    pub course: Course,
    /// Our node; it holds the servers, too.
    pub node: Node,
    rivals: BTreeMap<Contestant, Chronyd>,
    clients: BTreeMap<Contestant, Client>,
    timelines: BTreeMap<Contestant, Timeline>,
    /// What our agent published.
    pub words: Words,
    /// How wrong this host was, against the published status.
    pub truth: Truth,
    /// The same against what /metrics said at the moment.
    pub live: Truth,
    /// Where they are.
    port: u16,
    /// The status file as last read.
    status: Option<SystemTime>,
    requests: BTreeMap<(Contestant, usize), Requests>,
    /// A server that tells the truth, for the truth.
    honest: usize,
    next_second: BootTime,
}

/// What goes wrong for one contestant.
pub struct Fault {
    /// The lab's word, put behind `per-client=ADDR:`.
    pub word: &'static str,
    /// At how many servers: the one followed, then others from the first on.
    pub servers: usize,
}

/// When it happened, and at which servers for whom.
pub struct Struck {
    /// By CLOCK_BOOTTIME.
    pub at: BootTime,
    faulty: BTreeMap<Contestant, Vec<IpAddr>>,
}

impl Struck {
    /// The faulty servers of one contestant.
    pub fn faulty(&self, contestant: Contestant) -> &[IpAddr] {
        self.faulty.get(&contestant).map_or(&[], Vec::as_slice)
    }
}

impl Race {
    /// Starts servers and contestants and lets them run for the course's warm-up.
    pub fn start(course: Course, root: &ChronyRoot) -> Result<Self, Error> {
        let mut node = Node::new(0);
        for number in 1..=SERVERS {
            // The same addresses in all races: only the port has to be free. Each server has its own dice.
            let listen = SocketAddr::new(Ipv4Addr::new(127, 200, 1, number).into(), 0);
            node.labs.push(Lab::start_with(&LabOptions {
                seed: u64::from(number),
                settings: course.servers.clone(),
                ..LabOptions::at(listen)
            })?);
        }
        let servers: Vec<_> = node.labs.iter().map(Lab::address).collect();
        let mut rivals = BTreeMap::new();
        for rival in [Contestant::Debian, Contestant::Tuned] {
            let text = rival.configuration(&servers, course.poll, root.version());
            rivals.insert(rival, Chronyd::start(root, &text)?);
        }
        contestant::plan(&mut node, &course);
        node.publish();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        node.flags = vec!["--listen".to_owned(), format!("127.0.0.1:{port}")];
        node.start();
        let now = clock::now().boot;
        let mut race = Self {
            course,
            node,
            rivals,
            clients: BTreeMap::new(),
            timelines: Contestant::ALL.map(|each| (each, Timeline::default())).into(),
            words: Words::default(),
            truth: Truth::default(),
            live: Truth::default(),
            port,
            status: None,
            requests: BTreeMap::new(),
            honest: usize::from(SERVERS) - 1,
            next_second: now,
        };
        let warm_up = race.course.polls(race.course.warm_up);
        race.watch(warm_up, |_| false)?;
        Ok(race)
    }

    /// Looks until `done`, at most for `span`.
    pub fn watch(&mut self, span: Nanos, done: impl Fn(&Self) -> bool) -> Result<(), Error> {
        let begin = clock::now().boot;
        while clock::now().boot - begin < span && !done(self) {
            self.look();
            std::thread::sleep(LOOK);
            for (rival, chronyd) in &self.rivals {
                let heard = self.timeline(*rival).last().map_or(begin, |sample| sample.at).max(begin);
                if clock::now().boot - heard > SILENCE {
                    let log = chronyd.log();
                    return Err(format!("{}'s chronyd is silent\n{log}", rival.name()).into());
                }
            }
        }
        Ok(())
    }

    /// What one of them said.
    pub fn timeline(&self, contestant: Contestant) -> &Timeline {
        &self.timelines[&contestant]
    }

    /// Packets of one of them at one server in the worst minute, at the server that had most.
    pub fn worst_minute(&self, contestant: Contestant) -> u64 {
        let mine = self.requests.iter().filter(|((whose, _), _)| *whose == contestant);
        mine.map(|(_, requests)| requests.worst_minute()).max().unwrap_or(0)
    }

    /// How far this host's clock is ahead, if the honest servers are right.
    pub fn true_error(&self) -> Nanos {
        -self.node.labs[self.honest].error_for(Contestant::Meantime.client())
    }

    /// The position of the server that one of them follows.
    fn followed(&self, contestant: Contestant) -> Result<usize, Error> {
        let last = self.timeline(contestant).last();
        let address = last.and_then(|sample| sample.followed);
        let found = self.node.labs.iter().position(|lab| Some(lab.address().ip()) == address);
        found.ok_or_else(|| {
            let story = if contestant == Contestant::Meantime { self.node.story() } else { String::new() };
            format!("{} follows no server: {last:?}\n{story}", contestant.name()).into()
        })
    }

    /// Lets something go wrong at the server that each follows, for that one alone. Fails when one follows nothing.
    pub fn strike(&mut self, fault: &Fault) -> Result<Struck, Error> {
        let mut faulty = BTreeMap::new();
        let mut orders = Vec::new();
        for each in Contestant::ALL {
            let followed = self.followed(each)?;
            let others = (0..self.node.labs.len()).filter(|at| *at != followed);
            let at: Vec<usize> = std::iter::once(followed).chain(others).take(fault.servers).collect();
            if each == Contestant::Meantime {
                // The truth of our node is told by a server that stays honest to it.
                self.honest = (0..self.node.labs.len()).rfind(|server| !at.contains(server)).unwrap_or(0);
            }
            let word = format!("per-client={}:{}", each.client(), fault.word);
            orders.extend(at.iter().map(|server| (*server, word.clone())));
            faulty.insert(each, at.iter().map(|server| self.node.labs[*server].address().ip()).collect());
        }
        // All at one moment, after all the thinking.
        for (server, word) in orders {
            self.node.labs[server].set(&word)?;
        }
        Ok(Struck { at: clock::now().boot, faulty })
    }

    /// The same words to all servers, for everybody.
    pub fn strike_all(&mut self, words: &str) -> Result<BootTime, Error> {
        for lab in &self.node.labs {
            lab.set(words)?;
        }
        Ok(clock::now().boot)
    }

    /// Everything that is looked at, once.
    fn look(&mut self) {
        for each in Contestant::ALL {
            match self.tracking(each) {
                Ok(tracking) => {
                    let sample = sample(clock::now().boot, &tracking);
                    self.timelines.entry(each).or_default().push(sample);
                }
                // It may be starting, or its agent restarted it: a new connection next time.
                Err(_) => drop(self.clients.remove(&each)),
            }
        }
        let now = clock::now().boot;
        let status = std::fs::metadata(self.node.path("status.json")).and_then(|file| file.modified()).ok();
        if status != self.status
            && let Ok(text) = std::fs::read_to_string(self.node.path("status.json"))
            && let Some(told) = Told::read(&text, now)
        {
            self.words.push(told);
            self.status = status;
        }
        if now >= self.next_second {
            self.next_second = now + SECOND;
            self.each_second(now);
        }
    }

    fn each_second(&mut self, now: BootTime) {
        let error = self.true_error();
        if let Some(told) = self.words.last() {
            let limit = self.course.tolerances.max_offset;
            self.truth.sample(now, error, told, told.bound_at(now), limit);
            let live = agent::get(self.port, "/metrics").and_then(|text| live_bound(&text));
            self.live.sample(now, error, told, live, limit);
        }
        for (server, lab) in self.node.labs.iter().enumerate() {
            let clients = lab.report().clients;
            for each in Contestant::ALL {
                let count = clients.get(&each.client()).map_or(0, |count| count.requests);
                self.requests.entry((each, server)).or_default().push(now, count);
            }
        }
    }

    fn tracking(&mut self, contestant: Contestant) -> Result<Tracking, HarnessError> {
        let client = match self.clients.entry(contestant) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(free) => {
                let client = match self.rivals.get(&contestant) {
                    Some(chronyd) => chronyd.client()?,
                    None => Client::connect(&self.node.path("run/chrony/chronyd.sock"), &self.node.path(""))?,
                };
                free.insert(client)
            }
        };
        Ok(client.ask(&Request::Tracking)?.tracking()?)
    }
}

fn sample(at: BootTime, tracking: &Tracking) -> Sample {
    Sample {
        at,
        followed: tracking.address,
        stamp: tracking.reference_time,
        synchronised: tracking.leap != Leap::Unsynchronised
            && tracking.refid != 0
            && tracking.refid != ITSELF,
        residual: tracking.residual,
    }
}
