//! Plays the demo's scenes on the cluster of the current kubeconfig and prints the table. See `tests/demo/run`.

use clap::Parser;
use meantime_tests::demo::{faults, further, play, report, scenes, truth::Sampler};
use meantime_tests::figures;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Plays the demo's scenes.
#[derive(Parser)]
struct Args {
    /// Only these scenes, by id (h, i, j, b, g, c, d, e1, e2, f; further: k to t).
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Where figures are appended.
    #[arg(long)]
    figures: Option<PathBuf>,
    /// Commit that is written beside each figure.
    #[arg(long, default_value = "unknown")]
    commit: String,
    /// Poll interval of the quickstart's sources, seconds.
    #[arg(long, default_value_t = 1.0)]
    poll: f64,
    /// maxOffset of the quickstart's policy.
    #[arg(long, default_value = "50ms")]
    max_offset: String,
    /// After the scenes, go on sampling a quiet world until there are so many samples of ground truth: nothing may
    /// move meanwhile.
    #[arg(long, default_value_t = 0)]
    samples: u64,
    /// Play the further scenes instead: half an hour.
    #[arg(long)]
    further: bool,
    /// Only wait until every node is True, then end.
    #[arg(long)]
    wait_only: bool,
    /// How long to wait for that, seconds.
    #[arg(long, default_value_t = 120)]
    wait: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Result<bool, String> {
    let client = kube::Client::try_default().await.map_err(|error| format!("no cluster: {error}"))?;
    let max_offset = meantime_core::duration::parse(&args.max_offset).map_err(|error| error.to_string())?;
    let mut sampler = Sampler::new(max_offset.0);
    let clear = play::wait_clear(&client, &mut sampler, Duration::from_secs(args.wait))
        .await
        .map_err(|why| format!("not every node is in tolerance after {} s: {why}", args.wait))?;
    if args.wait_only {
        return Ok(true);
    }
    let mut outcomes = Vec::new();
    let mut notes = Vec::new();
    let mut addresses = scenes::Addresses::new();
    for node in clear.nodes.keys() {
        addresses.insert(node.clone(), faults::addresses(node).await.map_err(|error| error.to_string())?);
    }
    let scenes =
        if args.further { further::all(&clear, &addresses) } else { scenes::all(&clear, &addresses) };
    for scene in scenes {
        if !args.only.is_empty() && !args.only.iter().any(|id| id == scene.id) {
            continue;
        }
        println!("… {}: {}", scene.id, scene.title);
        let outcome = play::play(&client, &scene, &mut sampler).await;
        println!("  {}: {}", if outcome.passed { "ok" } else { "DIFFERS" }, outcome.seen);
        if let Some(incident) = &outcome.incident {
            println!("{incident}");
        }
        outcomes.push(outcome);
        notes.extend(scene.note);
    }
    let quiet = play::quiet(&client, &mut sampler, args.samples).await;
    println!("\n{}", report::table(&outcomes));
    for note in notes {
        println!("{note}");
    }
    println!(
        "ground truth: {} samples, {} covered; {} samples of a node truly wrong, {} of them TimeSynchronized=True{}",
        sampler.samples,
        sampler.covered,
        sampler.wrong,
        sampler.true_while_wrong,
        if sampler.coverage_percent().is_none() {
            " (void as a figure: below 1,000 samples, or no node was wrong)"
        } else {
            ""
        }
    );
    for miss in &sampler.misses {
        println!("  not covered: {miss}");
    }
    if let Some(file) = &args.figures {
        let figures = report::figures(&outcomes, &sampler, args.poll);
        figures::append(&figures, file, &args.commit)
            .map_err(|error| format!("{}: {error}", file.display()))?;
    }
    let failed = outcomes.iter().filter(|outcome| !outcome.passed).count();
    println!("{} passed, {failed} failed", outcomes.len() - failed);
    quiet.map_err(|why| format!("not quiet after the scenes: {why}"))?;
    Ok(failed == 0)
}
