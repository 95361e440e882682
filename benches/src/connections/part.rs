//! The devices of one process: a process may have only so many sockets, and a device's memory is not the gateway's.

use std::{net::SocketAddr, process::Stdio, time::Duration};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use super::Arguments;
use crate::{
    descriptors,
    load::{Load, Plan, Speech, Start},
};

/// Devices of one process at most.
const PART: usize = 18_000;
/// How long acknowledgements may take at the end.
const PATIENCE: Duration = Duration::from_secs(30);

/// A part of the devices.
#[derive(Debug, Args)]
pub struct PartArguments {
    #[arg(long)]
    gateway: SocketAddr,
    #[arg(long)]
    first: usize,
    #[arg(long)]
    devices: usize,
    #[arg(long)]
    addresses: usize,
    #[arg(long)]
    ramp: f64,
    #[arg(long)]
    every: u64,
    #[arg(long)]
    live_from: f64,
    #[arg(long)]
    live_until: f64,
    #[arg(long, value_enum)]
    protocol: Speech,
}

/// Runs the devices and prints one line of JSON.
pub async fn run(part: PartArguments) -> Result<bool> {
    descriptors::need(part.devices as u64)?;
    let plan = Plan {
        speech: part.protocol,
        gateway: part.gateway,
        first: part.first,
        devices: part.devices,
        addresses: part.addresses,
        ramp: part.ramp,
        every: Duration::from_secs(part.every),
        live_from: Duration::from_secs_f64(part.live_from),
        live_until: Duration::from_secs_f64(part.live_until),
        help: 0,
        backlog: None,
        give_up: Duration::from_secs_f64(part.live_until) + PATIENCE,
    };
    let told = Load::start(&plan, Start::now()).finish().await;
    let made: usize = told.iter().map(|told| told.made.len()).sum();
    let acknowledged: usize = told.iter().map(|told| told.acknowledged.len()).sum();
    let breaks: u32 = told.iter().map(|told| told.breaks).sum();
    let live: Vec<f64> = told
        .iter()
        .flat_map(|told| told.live.iter().map(|(_, took)| (took * 1e3).round() / 1e3))
        .collect();
    println!(
        "{}",
        json!({"made": made, "acknowledged": acknowledged, "breaks": breaks, "live": live})
    );
    Ok(true)
}

/// Starts the parts.
pub(super) fn start(arguments: &Arguments, gateway: &str) -> Result<Vec<Child>> {
    let mut parts = Vec::new();
    let connect = arguments.sessions as f64 / arguments.ramp;
    for first in (0..arguments.sessions).step_by(PART) {
        let devices = PART.min(arguments.sessions - first);
        let ramp = devices as f64 / connect;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("connections-part").args([
            format!("--gateway={gateway}"),
            format!("--first={first}"),
            format!("--devices={devices}"),
            format!("--addresses={}", arguments.addresses),
            format!("--ramp={ramp}"),
            format!("--every={}", arguments.every),
            format!("--live-from={}", connect + 2.0),
            format!("--live-until={}", connect + 2.0 + arguments.seconds as f64),
            format!("--protocol={}", arguments.protocol.name()),
        ]);
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        parts.push(child.context("start the devices")?);
    }
    Ok(parts)
}

/// What the parts found.
pub(super) async fn finish(parts: Vec<Child>) -> Result<Vec<Value>> {
    let mut told = Vec::new();
    for part in parts {
        let output = part.wait_with_output().await?;
        if !output.status.success() {
            bail!("a process of devices ended with {}", output.status);
        }
        told.push(serde_json::from_slice(&output.stdout).context("what a process of devices said")?);
    }
    Ok(told)
}
