//! `homeward-bench chaos`: faults drawn from a seed while devices report and upload twelve hours of stored reports, on the way through zones
//! that they must not enter or leave; afterwards what was acknowledged is held against what is in history, and what was raised against an
//! undisturbed judgement of the same reports.

mod fault;
mod judgement;
mod stage;

use std::{path::Path, time::Duration};

use anyhow::{Result, bail};
use clap::Args;
use rand::{RngExt, SeedableRng, rngs::StdRng};

pub use fault::Fault;
pub use judgement::Judgement;

use crate::{
    descriptors,
    load::{Backlog, Load, Milliseconds, Plan, Speech, Start, Verdict, Walk, settled},
    machine,
    server::Disk,
    site::{Place, Site, Stream, say},
};
use stage::Stage;

/// Everything runs undisturbed at first.
const CALM: f64 = 4.0;
/// Each device calls for help at one of its first so many reports.
const HELP: u32 = 5;
/// After the last fault, for everything to be acknowledged.
const PATIENCE: f64 = 180.0;

/// What to do.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Where the stream lives.
    #[arg(long, value_enum, default_value = "postgres")]
    stream: Stream,
    /// Same seed, same faults.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Rounds, each on new servers with the next seed.
    #[arg(long, default_value_t = 1)]
    rounds: u64,
    /// Seconds of faults in a round; longer if not every fault has happened by then.
    #[arg(long, default_value_t = 120.0)]
    seconds: f64,
    /// Devices.
    #[arg(long, default_value_t = 100)]
    devices: usize,
    /// Seconds from one live report of a device to the next.
    #[arg(long, default_value_t = 2.0)]
    every: f64,
    /// Hours of stored reports of each device, one a minute, uploaded when a quarter of the time is over.
    #[arg(long, default_value_t = 12)]
    hours: i64,
    /// MiB of the small disk of the stream. 0: none, and so no full disk.
    #[arg(long, default_value_t = 1_536)]
    disk: u64,
    /// Only these faults.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Fault>,
}

/// What a round came to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Reports.
    pub verdict: Verdict,
    /// Violations and incidents.
    pub judgement: Judgement,
    /// Each fault with how often it struck.
    pub faults: Vec<(Fault, usize)>,
    /// Why no disk was filled, where that was to be.
    pub no_disk: Option<String>,
}

impl Outcome {
    /// Nothing was lost or doubled, and everything was told once and no more.
    pub fn is_kept(&self) -> bool {
        self.verdict.is_perfect() && self.judgement.agrees()
    }
}

/// Runs and prints; false when a round lost or doubled something, or told what an undisturbed one would not.
pub async fn run(arguments: Arguments) -> Result<bool> {
    println!("# chaos, {}, load {:.2}", machine::describe(), machine::load());
    println!(
        "| stream | seed | faults | lines that broke | made / acknowledged / in history | lost / twice / never sent | violations (while the faults were on) / taken back / different | slowest acknowledgement | drained | |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let mut kept = true;
    for round in 0..arguments.rounds {
        let seed = arguments.seed + round;
        let outcome = once(&arguments, seed).await?;
        kept &= outcome.is_kept();
        for difference in &outcome.judgement.differences {
            say(&format!("seed {seed}: {difference}"));
        }
        if let Some(why) = outcome.no_disk {
            say(&format!("no disk was filled: {why}"));
        }
    }
    println!(
        "\n{}",
        if kept {
            "kept: what was acknowledged is in history, exactly once, and nothing else is; what was raised is what an undisturbed \
            judgement of it raises, each event on one incident"
        } else {
            "NOT kept: see the figures above"
        }
    );
    Ok(kept)
}

/// One round on servers of its own.
pub async fn once(arguments: &Arguments, seed: u64) -> Result<Outcome> {
    if arguments.place.database_url.is_some() {
        bail!("chaos kills its database server, so it takes none from elsewhere");
    }
    descriptors::need(arguments.devices as u64)?;
    let folder = arguments.place.folder.join("chaos");
    let (postgres, kafka) = (folder.join("postgres"), folder.join("kafka"));
    clear(&postgres)?;
    clear(&kafka)?;
    std::fs::create_dir_all(&folder)?;
    // The stream's disk is the one that is filled.
    let small = match arguments.stream {
        Stream::Postgres => &postgres,
        Stream::Kafka => &kafka,
    };
    let (disk, no_disk) = match arguments.disk {
        0 => (None, Some("--disk 0".to_owned())),
        size => match Disk::mount(small, size) {
            Ok(disk) => (Some(disk), None),
            Err(error) => (None, Some(format!("{error:#}"))),
        },
    };
    let place = Place {
        folder,
        ..arguments.place.clone()
    };
    let site = Site::within(&place, arguments.stream, &postgres, &kafka).await?;
    site.register(arguments.speech(), arguments.devices).await?;
    site.zones(arguments.devices).await?;
    let mut stage = Stage::new(site, disk, arguments.speech()).await?;
    let result = strike(arguments, seed, &mut stage).await;
    stage.close();
    let _ = (clear(&postgres), clear(&kafka));
    Ok(Outcome { no_disk, ..result? })
}

impl Arguments {
    #[expect(clippy::unused_self, reason = "an option one day")]
    const fn speech(&self) -> Speech {
        Speech::Jt808
    }
}

async fn strike(arguments: &Arguments, seed: u64, stage: &mut Stage) -> Result<Outcome> {
    say("wait for the rules to be published");
    stage.site.ruled().await?;
    let until = CALM + arguments.seconds;
    let plan = Plan {
        speech: arguments.speech(),
        gateway: stage.gateway()?,
        first: 0,
        devices: arguments.devices,
        addresses: arguments.devices.div_ceil(4),
        ramp: 200.0,
        every: Duration::from_secs_f64(arguments.every),
        live_from: Duration::from_secs_f64(1.0),
        live_until: Duration::from_secs_f64(until),
        help: HELP,
        backlog: Some(Backlog {
            at: Duration::from_secs_f64(arguments.seconds / 4.0),
            reports: arguments.hours * 60,
        }),
        give_up: Duration::from_secs_f64(until + PATIENCE),
    };
    let load = Load::walking(&plan, Start::now(), Walk::Zones);
    let (start, begun) = (load.start.instant, load.start.wall);
    let mut random = StdRng::seed_from_u64(seed);
    let possible = stage.possible(&arguments.only);
    let mut struck = Vec::new();
    stage.wait(Duration::from_secs_f64(CALM)).await?;
    // Each of them once, in an order of the seed, then any; now and then two at a time.
    let mut first = possible.clone();
    while (start.elapsed().as_secs_f64() < until || !first.is_empty()) && !possible.is_empty() {
        let fault = if first.is_empty() {
            possible.get(random.random_range(0..possible.len())).copied()
        } else {
            Some(first.swap_remove(random.random_range(0..first.len())))
        };
        let Some(fault) = fault else { break };
        let second = possible.get(random.random_range(0..possible.len())).copied();
        let second = second.filter(|second| random.random_bool(0.3) && second.victim() != fault.victim());
        let lasts = Duration::from_secs_f64(random.random_range(0.3..3.5));
        let pause = Duration::from_secs_f64(random.random_range(0.5..3.0));
        let at = start.elapsed().as_secs_f64();
        say(&format!(
            "{at:6.1} s: {fault} for {:.1} s{}",
            lasts.as_secs_f64(),
            second.map_or_else(String::new, |second| format!(", and {second}"))
        ));
        stage.strike(fault)?;
        struck.push(fault);
        stage.wait(lasts / 2).await?;
        if let Some(second) = second {
            stage.strike(second)?;
            struck.push(second);
        }
        stage.wait(lasts / 2).await?;
        stage.heal()?;
        stage.wait(pause).await?;
    }
    say("all healed; wait until everything is acknowledged and in history");
    stage.heal()?;
    let healed = std::time::Instant::now();
    let told = loop_until_done(load, stage).await?;
    let acknowledged: usize = told.iter().map(|told| told.acknowledged.len()).sum();
    let client = stage.site.client().await?;
    settled(&client, acknowledged, Duration::from_secs(45)).await?;
    let drained = healed.elapsed().as_secs_f64();
    let verdict = Verdict::find(&client, &told).await?;
    say("compare what was raised");
    let judgement = Judgement::find(&stage.site, begun).await?;

    let mut faults: Vec<(Fault, usize)> = Vec::new();
    for fault in possible {
        faults.push((fault, struck.iter().filter(|struck| **struck == fault).count()));
    }
    let breaks: u32 = told.iter().map(|told| told.breaks).sum();
    let live = Milliseconds::new(
        told.iter()
            .flat_map(|told| told.live.iter().map(|(_, took)| *took))
            .collect(),
    );
    let outcome = Outcome {
        verdict,
        judgement,
        faults,
        no_disk: None,
    };
    let (faults, judgement) = (&outcome.faults, &outcome.judgement);
    let list: Vec<_> = faults.iter().map(|(fault, count)| format!("{fault} {count}")).collect();
    println!(
        "| {:?} | {seed} | {} | {breaks} | {} / {} / {} | {} / {} / {} | {} ({}) / {} / {} | {:.1} s | {drained:.1} s | {} |",
        arguments.stream,
        list.join(", "),
        verdict.made,
        verdict.acknowledged,
        verdict.stored,
        verdict.lost,
        verdict.doubled,
        verdict.invented,
        judgement.wanted,
        judgement.live,
        judgement.withdrawn,
        judgement.differences.len(),
        live.at(1.0) / 1e3,
        if outcome.is_kept() { "kept" } else { "**NOT kept**" }
    );
    Ok(outcome)
}

/// Waits for the devices, and goes on starting what has ended.
async fn loop_until_done(load: Load, stage: &mut Stage) -> Result<Vec<crate::load::Told>> {
    let finish = load.finish();
    tokio::pin!(finish);
    loop {
        tokio::select! {
            told = &mut finish => return Ok(told),
            () = tokio::time::sleep(Duration::from_millis(500)) => stage.revive()?,
        }
    }
}

/// Removes a server's folder and what lies beside it, which an earlier run may have left.
fn clear(data: &Path) -> Result<()> {
    let remove = |path: &Path| match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(_) => Ok(()),
    };
    for ending in ["", ".env", ".lock", ".initialising", ".pid"] {
        let mut path = data.to_path_buf().into_os_string();
        path.push(ending);
        remove(Path::new(&path))?;
    }
    Ok(())
}
