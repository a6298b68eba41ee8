//! The codecs against real chronyd: 4.0 (bullseye), 4.3 (bookworm), 4.6.1 (trixie), 4.9 (sid).
//!
//! Every report that the agent reads is compared, value by value, with what the same version's `chronyc -c` prints;
//! signs are checked against the lab's ground truth, orders by reading back. A listed version that does not run fails
//! its test; only sid's may be skipped (its archive moves), and says so.
//!
//! What was seen to differ (all else is the same from 4.0 to 4.9):
//!
//! | | 4.0 | 4.3 | 4.6.1 | 4.9 |
//! |---|---|---|---|---|
//! | SERVER_STATS | code 22, 60 bytes, 8 values | 24, 72, 11 | 25, 196, 17 | 25, 196, 17 |
//! | NTP_DATA | code 16, 152 bytes, no count of good answers (`0xffffffff`) | 16, 152 | 26, 172, timestamp counts | 26, 172 |
//! | NTP_DATA before the first answer | no remote address | remote address | remote address | remote address |
//! | `selectopts` | status 3 | status 3 | yes | yes |
//! | ADD_SOURCE | command 64 | 64 | 64 | 75, another layout; 64 is refused as invalid |
//! | longest request | 860 bytes | 860 | 860 | more |
//! | last line of a `.sources` file without end | read | dropped, source removed, "done" | as 4.3 | as 4.3 |
//! | chronyc | as root | as root | as root | drops to `_chrony` unless `-u` |

#![expect(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the message")]

#[path = "wire/compare.rs"]
mod compare;

use compare::{Tally, server_values};
use meantime_candm::look::{Looked, Seen};
use meantime_candm::request::{AddSource, AddSourceLayout, SelectOptions, SourceName};
use meantime_candm::{Address, Error, Exchange, Generation, Reply, Request, Status};
use meantime_core::chrony::{ChronyVersion, Letter};
use meantime_core::observation::Leap;
use meantime_core::units::Nanos;
use meantime_tests::chronyd::{ChronyRoot, Chronyd, Client, HarnessError};
use meantime_tests::lab::{Lab, clock};
use rstest::rstest;
use std::fs;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::path::PathBuf;
use std::time::Duration;

const AHEAD: Nanos = Nanos::from_millis(500);
/// A sample on loopback of a busy machine may be off by this.
const NOISE: Nanos = Nanos::from_millis(20);

/// Past libtest's capture: these lines are the record of what ran.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Waits for something that is true soon.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begin = clock::now().boot;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(clock::now().boot - begin < Nanos::from_secs(15), "waited 15 s for: {what}");
        std::thread::sleep(Duration::from_millis(25));
    }
}

fn near(value: Nanos, wanted: Nanos) -> bool {
    (value - wanted).abs() < NOISE
}

/// One version's stage: four voters (one on ::1, one that lies), a witness, a keyed source that never answers.
struct Stage {
    voters: Vec<Lab>,
    liar: Lab,
    witness: Lab,
    keyed: Lab,
    spare: Lab,
    daemon: Chronyd,
    client: Client,
    served: u16,
    here: IpAddr,
}

impl Stage {
    fn set(root: &ChronyRoot) -> Self {
        // Addresses of its own for each version: the four run at the same time.
        let net = u8::try_from(root.version().minor).unwrap();
        let v4 = |last| Lab::start((Ipv4Addr::new(127, 40, net, last), 0).into()).unwrap();
        let voters = vec![v4(1), v4(2), Lab::start((Ipv6Addr::LOCALHOST, 0).into()).unwrap()];
        for voter in &voters {
            voter.set("offset=500ms root-delay=2ms root-dispersion=3ms stratum=2 refid=10.0.0.1").unwrap();
        }
        let [liar, witness, keyed, spare] = [v4(4), v4(5), v4(6), v4(7)];
        liar.set("offset=700ms").unwrap();
        witness.set("offset=500ms").unwrap();
        spare.set("offset=500ms").unwrap();
        let here = IpAddr::V4(Ipv4Addr::new(127, 40, net, 100));
        let served = UdpSocket::bind((here, 0)).unwrap().local_addr().unwrap().port();
        let keys = tempfile::NamedTempFile::new().unwrap();
        fs::write(keys.path(), "7 SHA1 HEX:0123456789abcdef0123456789abcdef01234567\n").unwrap();
        // At first nobody drives: the clock stays where it is, and 0.5 s stays to be seen.
        let configuration = format!(
            "{}\n{}\nkeyfile {}\nbindaddress {here}\nport {served}\nallow\n",
            line(&witness, "noselect"),
            line(&keyed, "noselect key 7").replace("iburst", ""), // no burst: those are counted below
            keys.path().display()
        );
        let daemon = Chronyd::start(root, &configuration).unwrap();
        let client = daemon.client().unwrap();
        Self { voters, liar, witness, keyed, spare, daemon, client, served, here }
    }

    fn ask(&mut self, request: &Request) -> Result<Reply, Error> {
        match self.client.ask(request) {
            Ok(reply) => Ok(reply),
            Err(HarnessError::Answer(error)) => Err(error),
            Err(other) => panic!("{request}: {other}\n{}", self.daemon.log()),
        }
    }
    fn ordered(&mut self, request: &Request) {
        assert_eq!(self.ask(request), Ok(Reply::Done));
    }
    fn look(&mut self) -> Looked {
        let looked = self.client.look().unwrap();
        assert_eq!(looked.errors, vec![]);
        assert!(looked.complete);
        looked
    }
    fn seen(&mut self, lab: &Address) -> Option<Seen> {
        self.look().sources.into_iter().find(|seen| seen.source.address == *lab)
    }
    fn write_sources(&mut self, file: &str, lines: &[String]) {
        let mut text = lines.join("\n");
        text.push('\n');
        fs::write(self.daemon.folder().join("sources").join(file), text).unwrap();
        self.ordered(&Request::ReloadSources);
    }
}

fn line(lab: &Lab, options: &str) -> String {
    let at = lab.address();
    format!("server {} port {} minpoll -2 maxpoll -2 iburst {options}", at.ip(), at.port())
}
fn name(lab: &Lab) -> Address {
    Address::Ip(lab.address().ip())
}

#[rstest]
#[case::v4_0("bullseye", ChronyVersion::new(4, 0, 0))]
#[case::v4_3("bookworm", ChronyVersion::new(4, 3, 0))]
#[case::v4_6_1("trixie", ChronyVersion::new(4, 6, 1))]
#[case::v4_9("sid", ChronyVersion::new(4, 9, 0))]
fn wire(#[case] suite: &str, #[case] listed: ChronyVersion) {
    let root = match ChronyRoot::of_suite(suite) {
        Ok(root) => root,
        Err(why) if suite == "sid" => {
            say(&format!("wire {listed}: SKIPPED, sid could not be had: {why}"));
            return;
        }
        Err(why) => panic!("{listed} ({suite}) must run: {why}"),
    };
    let version = root.version();
    assert!(
        version == listed || (suite == "sid" && version > listed),
        "{suite} has {version}, {listed} is listed"
    );

    let mut stage = Stage::set(&root);
    nobody_followed(&mut stage);
    sources_by_file(&mut stage);
    followed(&mut stage);
    let tally = compared(&mut stage);
    served(&stage);
    recorded(&stage);
    a_jump(&mut stage);
    orders(&mut stage, version);
    options(&mut stage, version);
    frames(&stage);
    generation(&mut stage, version);
    after_a_restart(stage);
    unresolved_name(&root);
    say(&format!("wire {version}: {} reports, {} values compared", tally.reports.len(), tally.values));
}

/// A source is 0.5 s ahead and nothing follows it: we are behind, in every report that has a sign.
fn nobody_followed(stage: &mut Stage) {
    let (witness, keyed) = (name(&stage.witness), name(&stage.keyed));
    let seen = until("three samples of the witness", || {
        let seen = stage.seen(&witness)?;
        seen.stats.as_ref()?.estimate()?;
        Some(seen)
    });
    let (stats, ntp) = (seen.stats.unwrap(), seen.ntp.unwrap());
    for (what, offset) in [
        ("SOURCE_DATA measured", seen.source.measured_offset),
        ("SOURCE_DATA adjusted", seen.source.adjusted_offset),
        ("SOURCESTATS", stats.offset),
        ("NTP_DATA", ntp.offset),
    ] {
        assert!(near(offset, -AHEAD), "{what}: {}", offset.signed());
    }
    assert_eq!(seen.select.unwrap().letter, Letter::NoSelect);
    assert!(ntp.passed_all_tests());

    let looked = stage.look();
    assert_eq!((looked.tracking.leap, looked.tracking.refid), (Leap::Unsynchronised, 0));
    assert_eq!((looked.tracking.address, looked.tracking.stratum), (None, 0));
    // Answers without the key's MAC are not valid, so the keyed source has none: no packet, growing silence.
    let unanswered = until("three unanswered polls", || {
        let ntp = stage.seen(&keyed)?.ntp?;
        (ntp.sent >= 3).then_some(ntp)
    });
    assert_eq!((unanswered.valid, unanswered.packet()), (0, None));
}

/// Sources come by file and reload, go when the file says so, and vanish silently when a line has no end.
fn sources_by_file(stage: &mut Stage) {
    let mut lines: Vec<String> = stage.voters.iter().map(|voter| line(voter, "")).collect();
    lines.push(line(&stage.liar, ""));
    stage.write_sources("base.sources", &lines);
    assert_eq!(stage.look().sources.len(), 6);
    let spare = name(&stage.spare);
    stage.write_sources("spare.sources", &[line(&stage.spare, "noselect")]);
    assert!(stage.seen(&spare).is_some());
    let unfinished = line(&stage.spare, "noselect");
    fs::write(stage.daemon.folder().join("sources/spare.sources"), unfinished).unwrap();
    stage.ordered(&Request::ReloadSources);
    // 4.0 still read a last line without end; from 4.3 on the answer is 'done' as well, and the source is gone.
    assert_eq!(stage.seen(&spare).is_none(), stage.daemon.version() >= ChronyVersion::new(4, 3, 0));
    stage.write_sources("spare.sources", &[]);
}

/// Three agree, one lies: the residual is theirs, the liar shows what it is, ::1 is a source like any other.
fn followed(stage: &mut Stage) {
    let liar = name(&stage.liar);
    until("the voters to be followed and the liar found", || {
        let looked = stage.look();
        let letters: Vec<Letter> =
            looked.sources.iter().filter_map(|seen| Some(seen.select.as_ref()?.letter)).collect();
        let followed = looked.tracking.leap == Leap::Normal && near(looked.tracking.residual, -AHEAD);
        (followed && letters.contains(&Letter::Falseticker) && letters.contains(&Letter::Selected))
            .then_some(())
    });
    let looked = stage.look();
    assert!(looked.tracking.residual < Nanos::ZERO, "still behind: under -x the host is not moved");
    assert!(stage.voters.iter().any(|voter| looked.tracking.address == Some(voter.address().ip())));
    let lie = -(Nanos::from_millis(700) - AHEAD);
    // The interval is that of the last selection: it may lie a poll behind the estimate.
    let select = until("the liar's lie in its estimate and interval", || {
        let seen = stage.seen(&liar)?;
        let (select, stats) = (seen.select?, seen.stats?);
        let told = near(stats.offset, lie) && near(select.low, lie) && near(select.high, lie);
        (told && select.letter == Letter::Falseticker).then_some(select)
    });
    assert!(select.low <= select.high);

    let v6 = stage.voters.iter().find(|voter| voter.address().is_ipv6()).map(name).unwrap();
    let seen = stage.seen(&v6).unwrap();
    let packet = seen.ntp.as_ref().unwrap().packet().unwrap();
    assert_eq!(seen.name.as_deref(), Some("::1"));
    assert_eq!((packet.stratum, packet.refid), (2, 0x0a00_0001));
    assert!(near(packet.root_delay, Nanos::from_millis(2)) && packet.root_delay > Nanos::MILLISECOND);
    assert_eq!(seen.source.reach & 1, 1);
}

/// Every report against chronyc's own words.
fn compared(stage: &mut Stage) -> Tally {
    let mut tally = Tally::default();
    let sources: Vec<IpAddr> =
        stage.voters.iter().chain([&stage.liar, &stage.witness]).map(|lab| lab.address().ip()).collect();
    tally.all(&stage.daemon, &mut stage.client, &sources);
    let printed = stage.daemon.chronyc("serverstats").unwrap();
    assert_eq!(printed.trim().split(',').count(), server_values(stage.daemon.version()));
    tally
}

/// Where to write the answers as they came, for the corpus of the fuzz targets (`node-agent/fuzz/corpus/candm_reply`).
const RECORD: &str = "MEANTIME_RECORD_ANSWERS";

/// Renews the corpus when asked to; else nothing.
fn recorded(stage: &Stage) {
    let Some(folder) = std::env::var_os(RECORD).map(PathBuf::from) else { return };
    let voter = stage.voters[0].address().ip();
    let requests = [
        ("tracking", Request::Tracking),
        ("source-count", Request::SourceCount),
        ("source-data", Request::SourceData(1)),
        ("source-stats", Request::SourceStats(1)),
        ("select-data", Request::SelectData(1)),
        ("ntp-data", Request::NtpData(voter)),
        ("ntp-data-v6", Request::NtpData(Ipv6Addr::LOCALHOST.into())),
        ("ntp-data-silent", Request::NtpData(stage.keyed.address().ip())),
        ("source-name", Request::SourceName(Address::Ip(voter))),
        ("auth-data", Request::AuthData(name(&stage.keyed))),
        ("activity", Request::Activity),
        ("server-stats", Request::ServerStats),
        ("done", Request::ReloadSources),
        ("refused", Request::SourceData(99)),
    ];
    for (what, request) in requests {
        let (_, frame) = Exchange::begin(request, 0x0102_0304);
        let answer = stage.client.exchange_raw(&frame, Duration::from_secs(2)).unwrap().unwrap();
        fs::write(folder.join(format!("{}-{what}", stage.daemon.version())), answer).unwrap();
    }
}

/// chronyd serves its virtual clock: our own NTP codec sees it 0.5 s ahead of this machine.
fn served(stage: &Stage) {
    let socket = UdpSocket::bind((stage.here, 0)).unwrap();
    socket.connect((stage.here, stage.served)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let sent = clock::now();
    let (exchange, question) = meantime_ntp::Exchange::begin(sent.wall, 0x1122_3344_5566_7788);
    socket.send(&question).unwrap();
    let mut buffer = [0; 256];
    let length = socket.recv(&mut buffer).unwrap();
    let sample = exchange.accept(&buffer[..length], clock::now().boot - sent.boot).unwrap();
    assert!(near(sample.offset, -AHEAD), "{}", sample.offset.signed());
    assert!(sample.packet.claims_synchronised());
    assert!((2..=3).contains(&sample.packet.stratum), "one below its source");
}

/// All voters jump ahead by 0.1 s: the next update finds us behind, by name of `last_offset`.
fn a_jump(stage: &mut Stage) {
    for voter in &stage.voters {
        voter.set("offset=600ms root-delay=2ms root-dispersion=3ms stratum=2 refid=10.0.0.1").unwrap();
    }
    let last = until("an update that saw the jump", || {
        let last = stage.look().tracking.last_offset;
        (last.abs() > Nanos::from_millis(10)).then_some(last)
    });
    assert!(last < Nanos::ZERO, "{}", last.signed());
}

/// Orders, each read back.
fn orders(stage: &mut Stage, version: ChronyVersion) {
    let spare = stage.spare.address();
    for (address, port) in
        [(spare.ip(), spare.port()), (IpAddr::V6(Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 9)), 123)]
    {
        let request = Request::AddSource(AddSource {
            port,
            min_poll: 0,
            max_poll: 1,
            options: SelectOptions::NOSELECT,
            ..AddSource::server(AddSourceLayout::of(version), SourceName::new(&address.to_string()).unwrap())
        });
        stage.ordered(&request);
        let seen = stage.seen(&Address::Ip(address)).unwrap();
        assert_eq!((seen.name, seen.source.poll), (Some(address.to_string()), 0));
        assert_eq!(seen.select.unwrap().configured, SelectOptions::NOSELECT);
        assert_eq!(stage.ask(&request).unwrap_err().status(), Some(Status::AlreadyKnown));
    }
    let answered = until("an answer to the added source", || {
        let ntp = stage.seen(&Address::Ip(spare.ip()))?.ntp?;
        (ntp.valid > 0).then_some(ntp)
    });
    assert_eq!(answered.good.is_some(), version >= ChronyVersion::new(4, 3, 0), "{answered:?}");

    until("the end of all first bursts", || {
        let activity = stage.ask(&Request::Activity).unwrap().activity().unwrap();
        (activity.burst_online == 0).then_some(())
    });
    stage.ordered(&Request::Burst { address: Some(spare.ip()), good: 2, total: 4 });
    let activity = stage.ask(&Request::Activity).unwrap().activity().unwrap();
    assert_eq!((activity.burst_online, activity.unresolved), (1, 0), "{activity:?}");

    for address in
        [Address::Ip(spare.ip()), Address::Ip(IpAddr::V6(Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 9)))]
    {
        stage.ordered(&Request::DeleteSource(address));
        assert!(stage.seen(&address).is_none());
        let error = stage.ask(&Request::DeleteSource(address)).unwrap_err();
        assert_eq!(error.status(), Some(Status::NoSuchSource));
    }
    assert_eq!(stage.ask(&Request::NtpData(spare.ip())).unwrap_err().status(), Some(Status::NoSuchSource));
    assert_eq!(stage.ask(&Request::SourceData(99)).unwrap_err().status(), Some(Status::NoSuchSource));

    stage.ordered(&Request::Reselect);
    stage.ordered(&Request::Dump);
    let voter = stage.voters[0].address().ip();
    let dumped = fs::read_to_string(stage.daemon.folder().join(format!("dumps/{voter}.dat")));
    assert!(dumped.is_ok_and(|text| text.lines().count() > 3), "a dump of {voter}");
}

/// `selectopts` came with 4.4; it moves options of a live association.
fn options(stage: &mut Stage, version: ChronyVersion) {
    let liar = stage.liar.address().ip();
    let request = Request::SelectOptions {
        address: liar,
        set: SelectOptions::NOSELECT.union(SelectOptions::REQUIRE),
        clear: SelectOptions::PREFER,
    };
    if !version.has_selectopts() {
        assert_eq!(stage.ask(&request).unwrap_err().status(), Some(Status::Invalid));
        return;
    }
    let effective = |stage: &mut Stage| stage.seen(&Address::Ip(liar)).unwrap().select.unwrap().effective;
    stage.ordered(&request);
    assert_eq!(effective(stage), SelectOptions::NOSELECT.union(SelectOptions::REQUIRE));
    let back = Request::SelectOptions {
        address: liar,
        set: SelectOptions::NONE,
        clear: SelectOptions::NOSELECT.union(SelectOptions::REQUIRE),
    };
    stage.ordered(&back);
    assert_eq!(effective(stage), SelectOptions::NONE);
}

/// What chronyd makes of frames that no request of ours is: other versions, lengths, commands.
fn frames(stage: &Stage) {
    let (exchange, frame) = Exchange::begin(Request::Tracking, 0x5eed);
    let patience = Duration::from_millis(150);
    let sent = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut frame = frame.clone();
        change(&mut frame);
        stage.client.exchange_raw(&frame, patience).unwrap()
    };
    let status = |answer: Option<Vec<u8>>| exchange.receive(&answer.unwrap()).unwrap().unwrap_err().status();
    assert!(matches!(exchange.receive(&sent(&|_| {}).unwrap()), Some(Ok(Reply::Tracking(_)))));
    assert!(matches!(
        exchange.receive(&sent(&|frame| frame.truncate(104)).unwrap()),
        Some(Ok(Reply::Tracking(_)))
    ));
    assert!(matches!(
        exchange.receive(&sent(&|frame| frame.resize(860, 0)).unwrap()),
        Some(Ok(Reply::Tracking(_)))
    ));
    assert_eq!(status(sent(&|frame| frame.truncate(103))), Some(Status::BadLength));
    assert_eq!(status(sent(&|frame| frame[0] = 5)), Some(Status::BadVersion));
    assert_eq!(status(sent(&|frame| frame[0] = 7)), Some(Status::BadVersion));
    assert_eq!(sent(&|frame| frame.truncate(27)), None);
    let longest_is_860 = stage.daemon.version() < ChronyVersion::new(4, 9, 0);
    assert_eq!(sent(&|frame| frame.resize(861, 0)).is_none(), longest_is_860);
    assert_eq!(sent(&|frame| frame[0] = 4), None);
    // A command that does not exist: the answer echoes it, so it is not an answer to ours.
    let unknown = sent(&|frame| frame[5] = 200).unwrap();
    assert_eq!((unknown.len(), unknown[9]), (28, 3));
    assert_eq!(exchange.receive(&unknown), None);
}

/// The reports alone tell the age of the daemon.
fn generation(stage: &mut Stage, version: ChronyVersion) {
    let stats = stage.ask(&Request::ServerStats).unwrap().server().unwrap();
    let witness = stage.witness.address().ip();
    let data = stage.ask(&Request::NtpData(witness)).unwrap().ntp().unwrap();
    let generation = Generation::ANY.seen_server_stats(&stats).seen_ntp_data(&data);
    assert!(generation.contains(version), "{version} in {generation:?}");
    assert_eq!(generation.contains(ChronyVersion::new(4, 9, 0)), version >= ChronyVersion::new(4, 6, 0));
    assert!(stats.ntp_hits > 0, "it served our own question");
}

/// An orderly stop leaves dumps; the next start has the samples at once, and reset forgets them.
fn after_a_restart(mut stage: Stage) {
    let voter = name(&stage.voters[0]);
    let samples =
        |stage: &mut Stage| stage.seen(&voter).and_then(|seen| seen.stats).map_or(0, |stats| stats.samples);
    until("eight samples", || (samples(&mut stage) >= 8).then_some(()));
    let configuration = line(&stage.witness, "noselect");
    stage.daemon = stage.daemon.restart(&configuration).unwrap();
    stage.client = stage.daemon.client().unwrap();
    let kept = samples(&mut stage);
    assert!(kept >= 4, "{kept} samples right after the start");
    stage.ordered(&Request::ResetSources);
    let left = samples(&mut stage);
    assert!(left < kept, "{left} samples after a reset, {kept} before");
}

/// A name without an address has a number instead; it can be named and deleted by that.
fn unresolved_name(root: &ChronyRoot) {
    let daemon = Chronyd::start_cut_off(root, "server clock.meantime.invalid\n").unwrap();
    let mut client = daemon.client().unwrap();
    let looked = client.look().unwrap();
    assert!(looked.complete, "{looked:?}");
    let [seen] = looked.sources.as_slice() else { panic!("one source: {looked:?}") };
    assert!(matches!(seen.source.address, Address::Unresolved(_)), "{:?}", seen.source);
    assert_eq!(seen.name.as_deref(), Some("clock.meantime.invalid"));
    assert_eq!((seen.ntp.as_ref(), seen.source.sample_age), (None, None));
    let activity = client.ask(&Request::Activity).unwrap().activity().unwrap();
    assert_eq!(activity.unresolved, 1);
    assert_eq!(client.ask(&Request::DeleteSource(seen.source.address)).unwrap(), Reply::Done);
    assert_eq!(client.ask(&Request::SourceCount).unwrap(), Reply::SourceCount(0));
}
