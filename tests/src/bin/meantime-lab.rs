//! `meantime-lab`: the time lab at a shell prompt. One binary for containers, the micro-VM and people.
//!
//! It must never set a clock.

use clap::{Parser, Subcommand};
use meantime_tests::lab::{Lab, LabOptions, clock, control, probe, relay};
use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

/// NTP servers that misbehave exactly as they are told; true time is this machine's clock.
#[derive(Parser)]
#[command(name = "meantime-lab", version)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Answer NTP requests until ended.
    Serve {
        /// Where to answer.
        #[arg(long, default_value = "0.0.0.0:123")]
        listen: SocketAddr,
        /// Where to take orders (`set`, `get`).
        #[arg(long, default_value = control::DEFAULT)]
        control: SocketAddr,
        /// Seed of losses and jitter.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// First settings, as for `set`.
        words: Vec<String>,
    },
    /// Change a running server; prints its report.
    #[command(after_help = SETTINGS)]
    Set {
        /// The server's control port.
        #[arg(long, default_value = control::DEFAULT)]
        control: SocketAddr,
        /// key=value …
        #[arg(required = true, allow_hyphen_values = true)]
        words: Vec<String>,
    },
    /// Print a running server's report: settings, its error, requests per client.
    Get {
        /// The server's control port.
        #[arg(long, default_value = control::DEFAULT)]
        control: SocketAddr,
    },
    /// Ask a server once, by an independent implementation; prints JSON (offset > 0 = this clock is ahead).
    Probe {
        /// The server.
        server: SocketAddr,
        /// How long to wait, in milliseconds.
        #[arg(long, default_value_t = 1_000)]
        patience: u64,
    },
    /// Make servers appear under other addresses.
    Relay {
        /// ADDR:PORT=ADDR:PORT …
        #[arg(required = true)]
        routes: Vec<relay::Route>,
    },
    /// Print this machine's clocks as JSON, read back to back.
    Clocks,
}

const SETTINGS: &str = "\
offset=200ms        the server's clock is ahead (negative: behind)   drift=10ppm      and gains this much from now on
jitter=1ms          both timestamps move by a uniform ± this         loss=0.02        share of requests unanswered
delay=20ms          added round trip, half each way                  asymmetry=6ms    added on the request's way (-: the answer's)
delay-jitter=5ms    each way takes a uniform 0 to this longer
stratum=2 leap=3 version=5 refid=GPS root-delay=5ms root-dispersion=5ms reference-age=1h    as answered
reference-frozen=true   the upstream died now; orphan-rate=15ppm: its dispersion grows by that      kod=RATE|DENY|none   kiss of death
wrong-origin=true dead=true truncated=true other-port=true
per-client=10.0.0.5:offset=300ms, per-client=10.0.0.5:dead=true,
per-client=10.0.0.5:reference-frozen=true, per-client=none                             for one client only
reset               an honest stratum-1 server again
A line with one bad word changes nothing.";

fn main() -> ExitCode {
    match run(Arguments::parse().verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("meantime-lab: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> Result<(), Box<dyn Error>> {
    match verb {
        Verb::Serve { listen, control, seed, words } => {
            let lab = Lab::start_with(&LabOptions {
                listen,
                control: Some(control),
                seed,
                settings: words.join(" "),
            })?;
            println!("{}", serde_json::json!({ "listen": lab.address(), "control": lab.control_address() }));
            lab.wait();
        }
        Verb::Set { control, words } => {
            println!("{}", control::order(control, &format!("set {}", words.join(" ")))?);
        }
        Verb::Get { control } => println!("{}", control::order(control, "get")?),
        Verb::Probe { server, patience } => {
            let seen = probe::probe(server, Duration::from_millis(patience))?;
            println!("{}", serde_json::to_string(&seen)?);
        }
        Verb::Relay { routes } => relay::run(&routes, || println!("ready"))?,
        Verb::Clocks => println!("{}", serde_json::to_string(&clock::clocks())?),
    }
    Ok(())
}
