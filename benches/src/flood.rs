//! `homeward-bench flood`: devices that behave, while very many connections send garbage as fast as they can.

mod garbage;
mod sink;

use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;

pub use garbage::{PartArguments, run as run_part};
pub use sink::run as run_sink;

use crate::{
    descriptors,
    load::{Load, Milliseconds, Plan, Speech, Start},
    machine,
    site::{Place, Running, Site, Stream, say},
};

const MOST_RATIO: f64 = 2.0;
/// Connecting, and the first seconds of a phase, belong to no figure.
const WARM: f64 = 3.0;

/// What to measure.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Devices that behave.
    #[arg(long, default_value_t = 500)]
    devices: usize,
    /// Seconds from one report of such a device to the next.
    #[arg(long, default_value_t = 2.0)]
    every: f64,
    /// Connections that send garbage.
    #[arg(long, default_value_t = 1_000)]
    connections: usize,
    /// Addresses of this machine that the garbage comes from.
    #[arg(long, default_value_t = 50)]
    addresses: usize,
    /// How far the flood's own process stands back for the processor, as nice(1) has it: in earnest it comes from other machines. 0: not at
    /// all.
    #[arg(long, default_value_t = 19)]
    nice: i32,
    /// Of each phase: without the flood, with it at a listener that is not the gateway, at the gateway, after it.
    #[arg(long, default_value_t = 30.0)]
    seconds: f64,
    /// What the devices speak.
    #[arg(long, value_enum, default_value = "jt808")]
    protocol: Speech,
}

/// Runs and prints; false when the devices feel the flood too much.
pub async fn run(arguments: Arguments) -> Result<bool> {
    descriptors::need(arguments.devices as u64)?;
    descriptors::raise(8_192);
    let site = Site::new(&arguments.place, Stream::Postgres).await?;
    let result = measure(&arguments, &site).await;
    site.close().await?;
    result
}

async fn measure(arguments: &Arguments, site: &Site) -> Result<bool> {
    site.register(arguments.protocol, arguments.devices).await?;
    let gateway = Running::start(site, "gateway", "gateway", arguments.protocol, &[]).await?;
    let ramp = 500.0;
    let begins = arguments.devices as f64 / ramp + WARM;
    let phase = |number: f64| begins + number * arguments.seconds;
    let plan = Plan {
        speech: arguments.protocol,
        gateway: gateway.address()?,
        first: 0,
        devices: arguments.devices,
        addresses: arguments.devices.div_ceil(4),
        ramp,
        every: Duration::from_secs_f64(arguments.every),
        live_from: Duration::from_secs_f64(begins),
        live_until: Duration::from_secs_f64(phase(4.0)),
        help: 0,
        backlog: None,
        give_up: Duration::from_secs_f64(phase(4.0) + 30.0),
    };
    let load = Load::start(&plan, Start::now());
    let start = load.start.instant;
    say("without the flood");
    tokio::time::sleep_until(start + Duration::from_secs_f64(phase(1.0))).await;
    say("with it elsewhere on this machine");
    let sink = sink::start().await?;
    garbage::start(arguments, sink.address)?.wait_with_output().await?;
    drop(sink);
    tokio::time::sleep_until(start + Duration::from_secs_f64(phase(2.0))).await;
    let quiet = machine::processor_seconds(gateway.process.id()).unwrap_or_default();
    say("with it");
    let flood = garbage::start(arguments, gateway.address()?)?;
    let output = flood.wait_with_output().await?;
    let loud = machine::processor_seconds(gateway.process.id()).unwrap_or_default();
    let ended = gateway
        .metric("homeward_gateway_sessions_ended_total")
        .await
        .unwrap_or_default();
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).context("what the flood said")?;
    let figure = |name: &str| said.get(name).and_then(serde_json::Value::as_f64).unwrap_or_default();
    say("after it");
    let memory = machine::resident_mib(gateway.process.id()).unwrap_or_default();
    let told = load.finish().await;
    gateway.process.stop()?;

    let within = |number: f64| {
        let (from, until) = ((phase(number) + WARM) * 1e3, phase(number + 1.0) * 1e3);
        let live = told.iter().flat_map(|told| told.live.iter());
        let took = live
            .filter(|(made, _)| (from..until).contains(made))
            .map(|(_, took)| *took);
        Milliseconds::new(took.collect())
    };
    let (without, elsewhere, with, after) = (within(0.0), within(1.0), within(2.0), within(3.0));
    let ratio = with.at(0.99) / without.at(0.99);
    // What the flood costs this machine is in both; what it costs the gateway is in one.
    let own = with.at(0.99) / elsewhere.at(0.99);
    let made: usize = told.iter().map(|told| told.made.len()).sum();
    let acknowledged: usize = told.iter().map(|told| told.acknowledged.len()).sum();
    let breaks: u32 = told.iter().map(|told| told.breaks).sum();
    println!("# flood, {}, load {:.2}", machine::describe(), machine::load());
    println!("| what | figure |\n|---|---|");
    println!(
        "| devices that behave, seconds between reports | {} ({}), {} |",
        arguments.devices,
        arguments.protocol.name(),
        arguments.every
    );
    println!(
        "| garbage: connections at a time / opened in {} s / could not be opened | {} / {} / {} |",
        arguments.seconds,
        arguments.connections,
        figure("opened"),
        figure("refused")
    );
    println!(
        "| sessions that the gateway ended meanwhile; the flood's priority | {ended:.0}; nice {} |",
        arguments.nice
    );
    println!(
        "| garbage: MiB taken by the gateway's side | {:.1} |",
        figure("bytes") / 1_048_576.0
    );
    println!("| acknowledgement without the flood, p50 / p99 / max | {without} |");
    println!("| acknowledgement with it at a listener that is not the gateway | {elsewhere} |");
    println!("| acknowledgement with it | {with} |");
    println!("| acknowledgement after it | {after} |");
    println!("| p99 with / without | {ratio:.2} (aim: at most {MOST_RATIO}) |");
    println!("| p99 with / with it elsewhere on this machine | {own:.2} |");
    println!("| reports made / acknowledged; lines that broke | {made} / {acknowledged}; {breaks} |");
    println!(
        "| processor seconds of the gateway during the flood; its peak memory | {:.1}; {memory:.0} MiB |",
        loud - quiet
    );
    let kept = ratio <= MOST_RATIO && made == acknowledged && breaks == 0;
    println!(
        "\n{}",
        if kept {
            "kept: the devices do not feel it"
        } else {
            "NOT kept: see the figures above"
        }
    );
    Ok(kept)
}
