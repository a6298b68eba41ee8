//! The agent's own client of chronyd's command socket against `chronyc`, on one real `chronyd -x` with ten sources.
//!
//! **In:** chrony of bookworm, ten lab servers on loopback. **Out:** two ratios and one beside them. Both sides are
//! measured in turns, so that they meet the same machine, and both start from the same question to the same daemon.
//! `chronyc` runs with `-n -c` (no names looked up, least to print): what its best user pays.

use super::spread::{Spread, begin, calmest, since};
use super::{Aim, Error, Row};
use crate::chronyd::{ChronyRoot, Chronyd};
use crate::lab::Lab;
use meantime_agent::files::Paths;
use meantime_agent::observe::client::Client;
use meantime_candm::Request;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

const SOURCES: u8 = 10;
/// The reports of one look. Ours asks for each source's configured name besides; chronyc's would be a seventh.
const REPORTS: [&str; 6] = ["tracking", "sources", "sourcestats", "selectdata", "ntpdata", "activity"];
/// The same in one process.
const TOGETHER: &str = "-m tracking sources sourcestats selectdata ntpdata activity";
/// Turns of either comparison.
const TURNS: usize = 20;

/// A daemon that follows ten servers, and our client of it.
struct Scene {
    daemon: Chronyd,
    client: Client,
    paths: Paths,
    _labs: Vec<Lab>,
    _home: tempfile::TempDir,
}

/// Both ratios.
pub async fn run() -> Result<Vec<Row>, Error> {
    let mut scene = Scene::new().await?;
    let version = scene.daemon.version();
    let query = calmest("one query", Query::unrest, async || Query::measure(&mut scene).await).await?;
    let look = calmest("a whole look", Look::unrest, async || Look::measure(&mut scene).await).await?;
    let ratio = |name, ratios: &Spread, runs, aim, how: String| {
        let how = format!("{how}; by turn {:.0} to {:.0}", ratios.least(), ratios.most());
        Row::new(name, ratios.median(), "ratio", runs, aim, &how)
    };
    Ok(vec![
        ratio(
            "candm_query_vs_chronyc",
            &query.ratios,
            query.ours.count(),
            Aim::AtLeast(50.0),
            format!(
                "tracking by our client {} (with a fresh socket each {}), one chronyc {version} process {}",
                query.ours.times(),
                query.fresh.times(),
                query.theirs.times()
            ),
        ),
        ratio(
            "candm_snapshot10_vs_chronyc6",
            &look.ratios_six,
            look.ours.count(),
            Aim::AtLeast(5.0),
            format!(
                "look at 10 sources by our client {}, six chronyc processes {}",
                look.ours.times(),
                look.six.times()
            ),
        ),
        ratio(
            "candm_snapshot10_vs_chronyc_m",
            &look.ratios_one,
            look.ours.count(),
            Aim::None,
            format!("the same by one chronyc -m process {}", look.one.times()),
        ),
    ])
}

impl Scene {
    async fn new() -> Result<Self, Error> {
        let root = ChronyRoot::of_suite("bookworm")?;
        let mut configuration = "port 0\nbindacqaddress 127.77.0.1\n".to_owned();
        let mut labs = Vec::new();
        for number in 1..=SOURCES {
            let lab = Lab::start(SocketAddr::from((Ipv4Addr::new(127, 77, 1, number), 0)))?;
            let at = lab.address();
            writeln!(configuration, "server {} port {} minpoll 2 maxpoll 2 iburst", at.ip(), at.port())?;
            labs.push(lab);
        }
        let daemon = Chronyd::start(&root, &configuration)?;
        // The agent's client finds the socket in a folder of that name.
        let home = tempfile::tempdir()?;
        std::os::unix::fs::symlink(daemon.folder(), home.path().join("chrony"))?;
        let paths = Paths::new(home.path(), home.path());
        let client = Client::connect(&paths, 0)?;
        let mut scene = Self { daemon, client, paths, _labs: labs, _home: home };
        scene.settle().await?;
        Ok(scene)
    }

    /// Waits until every source has been measured, so that both sides have everything to tell; and checks that they do.
    async fn settle(&mut self) -> Result<(), Error> {
        for _ in 0..300 {
            let looked = self.client.look().await?;
            let measured = looked.sources.iter().filter(|seen| {
                seen.ntp.is_some() && seen.stats.as_ref().is_some_and(|stats| stats.samples >= 4)
            });
            if looked.complete && measured.count() == usize::from(SOURCES) {
                for (report, lines) in REPORTS.iter().zip([1, 10, 10, 10, 10, 1]) {
                    let printed = self.daemon.chronyc(report)?;
                    if printed.lines().count() != lines {
                        return Err(format!("chronyc {report} should print {lines} lines: {printed}").into());
                    }
                }
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(format!("ten sources were not measured within 30 s; chronyd says: {}", self.daemon.log()).into())
    }

    async fn query(&mut self) -> Result<f64, Error> {
        let start = begin();
        self.client.ask(&Request::Tracking).await?.tracking()?;
        Ok(since(start))
    }

    async fn query_afresh(&mut self, number: usize) -> Result<f64, Error> {
        let start = begin();
        let mut client = Client::connect(&self.paths, u64::try_from(number)? + 1)?;
        client.ask(&Request::Tracking).await?.tracking()?;
        drop(client);
        Ok(since(start))
    }

    async fn look(&mut self) -> Result<f64, Error> {
        let start = begin();
        let looked = self.client.look().await?;
        self.client.ask(&Request::Activity).await?;
        let span = since(start);
        if looked.sources.len() != usize::from(SOURCES) || !looked.complete {
            return Err("a look lost a source".into());
        }
        Ok(span)
    }

    fn chronyc(&self, commands: &[&str]) -> Result<f64, Error> {
        let start = begin();
        for command in commands {
            self.daemon.chronyc(command)?;
        }
        Ok(since(start))
    }
}

/// Tracking alone.
struct Query {
    ours: Spread,
    fresh: Spread,
    theirs: Spread,
    ratios: Spread,
}

impl Query {
    async fn measure(scene: &mut Scene) -> Result<Self, Error> {
        let [mut ours, mut fresh, mut theirs, mut ratios] = [const { Vec::new() }; 4];
        for turn in 0..TURNS {
            let [mut mine, mut others] = [Vec::new(), Vec::new()];
            for _ in 0..50 {
                mine.push(scene.query().await?);
            }
            for number in 0..10 {
                fresh.push(scene.query_afresh(turn * 10 + number).await?);
                others.push(scene.chronyc(&["tracking"])?);
            }
            ratios.push(ratio(&mine, &others)?);
            ours.extend(mine);
            theirs.extend(others);
        }
        Ok(Self {
            ours: Spread::of(ours)?,
            fresh: Spread::of(fresh)?,
            theirs: Spread::of(theirs)?,
            ratios: Spread::of(ratios)?,
        })
    }

    fn unrest(&self) -> f64 {
        self.ours.unrest().max(self.theirs.unrest())
    }
}

/// Everything.
struct Look {
    ours: Spread,
    six: Spread,
    one: Spread,
    ratios_six: Spread,
    ratios_one: Spread,
}

impl Look {
    async fn measure(scene: &mut Scene) -> Result<Self, Error> {
        let [mut ours, mut six, mut one, mut ratios_six, mut ratios_one] = [const { Vec::new() }; 5];
        for _ in 0..TURNS {
            let [mut mine, mut sixes, mut ones] = [const { Vec::new() }; 3];
            for _ in 0..5 {
                mine.push(scene.look().await?);
                sixes.push(scene.chronyc(&REPORTS)?);
                ones.push(scene.chronyc(&[TOGETHER])?);
            }
            ratios_six.push(ratio(&mine, &sixes)?);
            ratios_one.push(ratio(&mine, &ones)?);
            ours.extend(mine);
            six.extend(sixes);
            one.extend(ones);
        }
        Ok(Self {
            ours: Spread::of(ours)?,
            six: Spread::of(six)?,
            one: Spread::of(one)?,
            ratios_six: Spread::of(ratios_six)?,
            ratios_one: Spread::of(ratios_one)?,
        })
    }

    fn unrest(&self) -> f64 {
        self.ours.unrest().max(self.six.unrest())
    }
}

/// How many times longer they take, by medians.
fn ratio(ours: &[f64], theirs: &[f64]) -> Result<f64, Error> {
    Ok(Spread::of(theirs.to_vec())?.median() / Spread::of(ours.to_vec())?.median())
}
