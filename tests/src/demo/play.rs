//! One loop that plays any scene: clear before, fault, told, watched, healed, clear after.

use super::faults;
use super::scenes::Scene;
use super::truth::Sampler;
use super::world::{self, World};
use std::time::Duration;
use tokio::time::Instant;

/// How a scene went.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Scene id.
    pub id: &'static str,
    /// What happened.
    pub title: String,
    /// What had to be seen.
    pub expected: String,
    /// What was seen.
    pub seen: String,
    /// Fault → told.
    pub told_s: Option<f64>,
    /// Heal → clear.
    pub healed_s: Option<f64>,
    /// Heal → the incident has recovered.
    pub recovered_s: Option<f64>,
    /// The incident as a user sees it, once when it was told and once when it was over.
    pub incident: Option<String>,
    /// As expected.
    pub passed: bool,
}

const LOOK: Duration = Duration::from_millis(200);
/// Longest wait for a clear world before and after a scene.
const CLEAR: Duration = Duration::from_secs(90);
/// Every node's bound and every source's estimate must be below this before the next fault: for half a minute after a
/// healed lie, chrony's regression mixes samples of both, and a scene begun then would show the last one.
const CALM_S: f64 = 0.005;
/// … for so long.
const CALM_FOR: Duration = Duration::from_secs(4);

#[expect(
    clippy::disallowed_methods,
    reason = "a test bench measures its own elapsed time; nothing is judged by it"
)]
fn now() -> Instant {
    Instant::now()
}

/// Waits until nothing is wrong; gives back the last look, or what is still wrong.
pub async fn wait_clear(
    client: &kube::Client,
    sampler: &mut Sampler,
    limit: Duration,
) -> Result<World, String> {
    let start = now();
    loop {
        let world = look(client, sampler).await?;
        let trouble = world.trouble();
        if trouble.is_empty() {
            return Ok(world);
        }
        if start.elapsed() > limit {
            return Err(trouble.join("; "));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits until the last scene's samples are gone on every node and each has its baseline (eight updates in a row that
/// left the reference where it was; on a machine that is busy they take longer than eight polls). Reads the agents'
/// metrics, to pace scenes; no scene is decided by them.
async fn wait_calm(client: &kube::Client, nodes: &World, sampler: &mut Sampler) -> Result<(), String> {
    let start = now();
    let mut calm_since = now();
    while calm_since.elapsed() < CALM_FOR {
        for node in nodes.nodes.keys() {
            let metrics =
                faults::run("docker", &["exec", node, "curl", "-fsS", "http://127.0.0.1:9923/metrics"])
                    .await
                    .map_err(|error| error.to_string())?;
            let blind = !metrics.lines().any(|line| line == "meantime_baseline 1");
            let unquiet = metrics
                .lines()
                .filter(|line| {
                    line.starts_with("meantime_clock_error_bound_seconds")
                        || line.starts_with("chrony_sourcestats_offset_seconds")
                })
                .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
                .any(|value| value.abs() > CALM_S);
            if unquiet || blind {
                calm_since = now();
            }
        }
        look(client, sampler).await?;
        if start.elapsed() > CLEAR {
            return Err(format!("samples of the last scene are still in use after {} s", CLEAR.as_secs()));
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// Samples until there are `samples`, at most ten minutes; any trouble meanwhile is an error.
pub async fn quiet(client: &kube::Client, sampler: &mut Sampler, samples: u64) -> Result<(), String> {
    let start = now();
    while sampler.samples < samples {
        let trouble = look(client, sampler).await?.trouble();
        if !trouble.is_empty() {
            return Err(trouble.join("; "));
        }
        if start.elapsed() > Duration::from_mins(10) {
            return Err(format!("only {} of {samples} samples in ten minutes", sampler.samples));
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

async fn look(client: &kube::Client, sampler: &mut Sampler) -> Result<World, String> {
    let world = world::look(client).await.map_err(|error| format!("the API could not be read: {error}"))?;
    sampler.sample(&world);
    Ok(world)
}

/// Plays one scene.
pub async fn play(client: &kube::Client, scene: &Scene, sampler: &mut Sampler) -> Outcome {
    let mut outcome = Outcome {
        id: scene.id,
        title: scene.title.clone(),
        expected: scene.expected.clone(),
        seen: String::new(),
        told_s: None,
        healed_s: None,
        recovered_s: None,
        incident: None,
        passed: false,
    };
    let result = stage(client, scene, sampler, &mut outcome).await;
    match result {
        Ok(seen) => {
            outcome.seen = seen;
            outcome.passed = true;
        }
        Err(why) => {
            outcome.seen = why;
            // Whatever went wrong, the fault does not stay.
            for fault in &scene.heal {
                let _ = fault.inject().await;
            }
            sampler.heal(scene);
        }
    }
    outcome
}

async fn stage(
    client: &kube::Client,
    scene: &Scene,
    sampler: &mut Sampler,
    outcome: &mut Outcome,
) -> Result<String, String> {
    let settled = wait_clear(client, sampler, CLEAR)
        .await
        .map_err(|why| format!("not clear before the fault: {why}"))?;
    wait_calm(client, &settled, sampler).await?;
    let before = wait_clear(client, sampler, CLEAR)
        .await
        .map_err(|why| format!("not clear before the fault: {why}"))?;
    sampler.fault(scene);
    let start = now();
    for fault in &scene.inject {
        fault.inject().await.map_err(|error| error.to_string())?;
    }
    let mut told: Option<(String, Instant)> = None;
    let mut missing = String::new();
    loop {
        let world = look(client, sampler).await?;
        if let Some(change) = unexpected(scene, &before, &world) {
            return Err(format!("unexpected: {change}"));
        }
        let seen = (scene.told)(&before, &world).and_then(|seen| match &scene.incident {
            None => Ok(seen),
            Some(wanted) => wanted.open(&before, &world).map(|of_it| format!("{seen}; {of_it}")),
        });
        match (&told, seen) {
            (None, Ok(seen)) => {
                outcome.told_s = Some(start.elapsed().as_secs_f64());
                if scene.incident.is_some() {
                    outcome.incident = Some(show(&before, &world, false).await?);
                }
                told = Some((seen, now()));
            }
            (None, Err(why)) => missing = why,
            (Some(_), _) => {}
        }
        if let Some((_, since)) = &told {
            if since.elapsed() > Duration::from_secs(scene.watch_s) {
                break;
            }
        } else if start.elapsed() > Duration::from_secs(scene.limit_s) {
            return Err(format!("not told within {} s: {missing}", scene.limit_s));
        }
        tokio::time::sleep(LOOK).await;
    }
    let healing = now();
    for fault in &scene.heal {
        fault.inject().await.map_err(|error| error.to_string())?;
    }
    sampler.heal(scene);
    wait_clear(client, sampler, CLEAR).await.map_err(|why| format!("not clear after the heal: {why}"))?;
    if !scene.heal.is_empty() {
        outcome.healed_s = Some(healing.elapsed().as_secs_f64());
    }
    if let Some(wanted) = &scene.incident {
        let world = wait_recovered(client, &before, sampler).await?;
        outcome.recovered_s = Some(healing.elapsed().as_secs_f64());
        wanted.only(&before, &world)?;
        let after = show(&before, &world, true).await?;
        outcome.incident = Some(format!("{}{after}", outcome.incident.take().unwrap_or_default()));
    }
    Ok(told.map(|(seen, _)| seen).unwrap_or_default())
}

/// Waits until no incident of this scene is open, and sources are called healthy again.
async fn wait_recovered(
    client: &kube::Client,
    before: &World,
    sampler: &mut Sampler,
) -> Result<World, String> {
    let start = now();
    loop {
        let world = look(client, sampler).await?;
        let open = world.new_incidents(before).into_iter().find(|(_, seen)| seen.state == "Open");
        let unhealthy = world
            .sources
            .iter()
            .find(|(_, source)| source.healthy.as_ref().is_some_and(|healthy| healthy.status != "True"));
        let why = match (open, unhealthy) {
            (None, None) => return Ok(world),
            (Some((name, seen)), _) => format!("incident {name} is still open: {}", seen.summary),
            (None, Some((name, source))) => format!("source {name} is still {:?}", source.healthy),
        };
        if start.elapsed() > CLEAR {
            return Err(format!("not over {} s after all was clear: {why}", CLEAR.as_secs()));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// The incidents of this scene as kubectl prints them; with `story` what they are remembered by, too.
async fn show(before: &World, world: &World, story: bool) -> Result<String, String> {
    let mut args = vec!["get", "timeincidents"];
    args.extend(world.new_incidents(before).into_iter().map(|(name, _)| name));
    let kubectl = |args: Vec<String>| async move {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        faults::run("kubectl", &args).await.map_err(|error| error.to_string())
    };
    let table = kubectl(args.iter().map(|word| (*word).to_owned()).collect()).await?;
    let mut text = format!("$ kubectl get tinc\n{table}");
    if story {
        for (name, _) in world.new_incidents(before) {
            let path = "jsonpath={range .status.evidence[*]}  evidence  {@}{\"\\n\"}{end}\
                        {range .status.timeline[*]}  {.after}  {.what}  {.text}{\"\\n\"}{end}";
            let words = ["get", "timeincident", name, "-o", path];
            text.push_str(&kubectl(words.map(str::to_owned).to_vec()).await?);
        }
    }
    Ok(text)
}

fn unexpected(scene: &Scene, before: &World, now: &World) -> Option<String> {
    for node in now.nodes.keys() {
        for kind in meantime_core::conditions::ConditionKind::ALL {
            let (then, is) = (before.status(node, kind), now.status(node, kind));
            if then != is && !(scene.allowed)(node, kind) {
                return Some(format!("{node} {} {then}→{is} ({})", kind.name(), now.reason(node, kind)));
            }
        }
        // What robots act on.
        if now.clock_faulty(node) == "True" && scene.faulty.as_ref() != Some(node) {
            return Some(format!("{node} is called faulty: {:?}", now.faulty.get(node)));
        }
    }
    scene.incident.as_ref().and_then(|wanted| wanted.only(before, now).err())
}
