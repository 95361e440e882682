//! `homeward quarantine list`: what was turned away, and is kept and counted.

use anyhow::{Context, Result};
use casedb::{Database, quarantine};
use jiff::{Timestamp, ToSpan};
use serde_json::json;

use super::table::aligned;
use crate::{cli::QuarantineCommand, config::Config};

/// Rows of each list.
const LIMIT: i64 = 1_000;

pub async fn run(config: Config, command: QuarantineCommand) -> Result<()> {
    let QuarantineCommand::List { days, json: as_json } = command;
    let database = Database::connect(config.database_url()?, 2)
        .await
        .context("case database")?;
    let client = database.client().await?;
    let since = Timestamp::now().checked_sub((24 * i64::from(days)).hours())?;
    let reports = quarantine::reports(&client, since, LIMIT).await?;
    let devices = quarantine::devices(&client, LIMIT).await?;
    let frames = quarantine::frames(&client, LIMIT).await?;
    if as_json {
        println!("{}", json!({"reports": reports, "devices": devices, "frames": frames}));
        return Ok(());
    }
    let head = |names: &[&str; 7]| names.map(str::to_owned);
    println!("Reports whose clock or place cannot be right, last {days} days:");
    let mut rows = vec![head(&[
        "protocol",
        "device",
        "reason",
        "reports",
        "first received",
        "last received",
        "its clock said",
    ])];
    rows.extend(reports.iter().map(|row| {
        [
            row.protocol.clone(),
            if row.identity.is_empty() {
                row.device_id.to_string()
            } else {
                row.identity.clone()
            },
            row.reason.clone(),
            row.reports.to_string(),
            second(row.first_received_at),
            second(row.last_received_at),
            row.last_fix_time
                .map_or_else(|| "outside the calendar".to_owned(), second),
        ]
    }));
    print(&rows);
    println!("\nDevices that were refused:");
    let mut rows = vec![head(&[
        "protocol", "device", "reason", "attempts", "first", "last", "from",
    ])];
    rows.extend(devices.iter().map(|row| {
        [
            row.protocol.clone(),
            row.identity.clone(),
            row.reason.clone(),
            row.attempts.to_string(),
            second(row.first_seen_at),
            second(row.last_seen_at),
            row.remote_address.clone(),
        ]
    }));
    print(&rows);
    println!("\nFrames that could not be read:");
    let mut rows = vec![head(&[
        "protocol", "device", "reason", "detail", "bytes", "received", "from",
    ])];
    rows.extend(frames.iter().map(|row| {
        [
            row.protocol.clone(),
            row.identity.clone(),
            row.reason.clone(),
            row.detail.clone(),
            row.raw_length.to_string(),
            second(row.received_at),
            row.remote_address.clone(),
        ]
    }));
    print(&rows);
    Ok(())
}

fn print(rows: &[[String; 7]]) {
    if rows.len() == 1 {
        println!("  none");
    } else {
        print!("{}", aligned(rows, "  "));
    }
}

fn second(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
