//! `homeward-bench rolling`: two gateways on one port, restarted one after the other under load.

use std::time::Duration;

use anyhow::Result;
use clap::Args;

use crate::{
    descriptors,
    load::{Load, Milliseconds, Plan, Speech, Start, Verdict, settled},
    machine,
    process::free_port,
    site::{Place, Running, Site, Stream, say},
};

const WARM: f64 = 3.0;

/// What to measure.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Devices.
    #[arg(long, default_value_t = 1_000)]
    devices: usize,
    /// Seconds from one report of a device to the next.
    #[arg(long, default_value_t = 2.0)]
    every: f64,
    /// Restarts.
    #[arg(long, default_value_t = 6)]
    restarts: usize,
    /// Seconds from one restart to the next.
    #[arg(long, default_value_t = 8.0)]
    pause: f64,
    /// Where the stream lives.
    #[arg(long, value_enum, default_value = "postgres")]
    stream: Stream,
    /// What the devices speak.
    #[arg(long, value_enum, default_value = "jt808")]
    protocol: Speech,
}

/// Runs and prints; false when something is lost or doubled.
pub async fn run(arguments: Arguments) -> Result<bool> {
    descriptors::need(arguments.devices as u64)?;
    let site = Site::new(&arguments.place, arguments.stream).await?;
    let result = measure(&arguments, &site).await;
    site.close().await?;
    result
}

async fn measure(arguments: &Arguments, site: &Site) -> Result<bool> {
    site.register(arguments.protocol, arguments.devices).await?;
    let history = site.start("history", &["history"], &[("HOMEWARD_METRICS_LISTEN", String::new())])?;
    let address = format!("127.0.0.1:{}", free_port()?);
    let mut gateways = Vec::new();
    for number in 0..2 {
        gateways.push(gateway(arguments, site, &address, number).await?);
    }
    let ramp = 500.0;
    let begins = arguments.devices as f64 / ramp + WARM;
    let end = begins + arguments.pause * (arguments.restarts + 1) as f64;
    let plan = Plan {
        speech: arguments.protocol,
        gateway: address.parse()?,
        first: 0,
        devices: arguments.devices,
        addresses: arguments.devices.div_ceil(4).min(1_000),
        ramp,
        every: Duration::from_secs_f64(arguments.every),
        live_from: Duration::from_secs_f64(begins),
        live_until: Duration::from_secs_f64(end),
        help: 0,
        backlog: None,
        give_up: Duration::from_secs_f64(end + 60.0),
    };
    let load = Load::start(&plan, Start::now());
    let mut drains = Vec::new();
    for number in 0..arguments.restarts {
        let at = begins + arguments.pause * (number + 1) as f64;
        tokio::time::sleep_until(load.start.instant + Duration::from_secs_f64(at)).await;
        let old = gateways.remove(0);
        let held = old.metric("homeward_gateway_sessions").await.unwrap_or_default();
        let begun = std::time::Instant::now();
        tokio::task::spawn_blocking(move || old.process.stop()).await??;
        drains.push(begun.elapsed().as_secs_f64());
        say(&format!(
            "restart {} of {}: it had {held:.0} sessions",
            number + 1,
            arguments.restarts
        ));
        gateways.push(gateway(arguments, site, &address, number + 2).await?);
    }
    let told = load.finish().await;
    let acknowledged: usize = told.iter().map(|told| told.acknowledged.len()).sum();
    let client = site.client().await?;
    settled(&client, acknowledged, Duration::from_secs(15)).await?;
    let verdict = Verdict::find(&client, &told).await?;
    for gateway in gateways {
        gateway.process.stop()?;
    }
    history.stop()?;

    let latency = Milliseconds::new(
        told.iter()
            .flat_map(|told| told.live.iter().map(|(_, took)| *took))
            .collect(),
    );
    let breaks: u32 = told.iter().map(|told| told.breaks).sum();
    let away = told.iter().map(|told| told.longest_away_ms).fold(0.0, f64::max);
    println!("# rolling, {}, load {:.2}", machine::describe(), machine::load());
    println!("| what | figure |\n|---|---|");
    println!(
        "| stream; devices; seconds between reports | {:?}; {}; {} |",
        arguments.stream, arguments.devices, arguments.every
    );
    println!(
        "| restarts; longest orderly end | {}; {:.1} s |",
        arguments.restarts,
        drains.iter().copied().fold(0.0, f64::max)
    );
    println!("| lines that broke; longest until the device was back | {breaks}; {away:.0} ms |");
    println!("| report due to acknowledgement, over all of it, p50 / p99 / max | {latency} |");
    println!(
        "| reports made / acknowledged / in history | {} / {} / {} |",
        verdict.made, verdict.acknowledged, verdict.stored
    );
    println!(
        "| lost / stored twice / never sent | {} / {} / {} |",
        verdict.lost, verdict.doubled, verdict.invented
    );
    let kept = verdict.is_perfect();
    println!(
        "\n{}",
        if kept {
            "kept: nothing lost, nothing doubled"
        } else {
            "NOT kept: see the figures above"
        }
    );
    Ok(kept)
}

async fn gateway(arguments: &Arguments, site: &Site, address: &str, number: usize) -> Result<Running> {
    let name = format!("gateway-{number}");
    let mut gateway = Running::launch(site, &name, "gateway", arguments.protocol, address, &[])?;
    gateway.ready(&site.log(&name)).await?;
    Ok(gateway)
}
