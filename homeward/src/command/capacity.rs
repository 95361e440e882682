//! `homeward capacity`: how long ids, disk, days made ahead, the stream and the write-ahead log will do.

use std::process::ExitCode;

use anyhow::{Context, Result};
use casedb::{
    Database,
    capacity::{self, Line, Report, Standing, Surroundings},
};
use jiff::Timestamp;

use super::table::aligned;
use crate::config::Config;

pub async fn run(config: Config, as_json: bool, all: bool) -> Result<ExitCode> {
    let database = Database::connect(config.database_url()?, 1)
        .await
        .context("case database")?;
    let report = read(&database, &config, Timestamp::now()).await?;
    if as_json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print(&report, all);
    }
    Ok(if report.standing == Standing::Short {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Keeps a sample, where it is time for one, and makes the report.
pub async fn read(database: &Database, config: &Config, now: Timestamp) -> Result<Report> {
    let client = database.client().await?;
    let around = Surroundings {
        free: free_bytes(&client, config).await,
        stream_keeps_hours: f64::from(config.stream.retention_hours),
    };
    let reading = capacity::measure(&client, around, now).await?;
    capacity::sample(&client, now).await?;
    Ok(capacity::report(&reading))
}

/// Bytes free where the database's files are: in the folder of the settings, or in the server's own, where it says which that is and the
/// server is on this machine.
async fn free_bytes(client: &impl casedb::GenericClient, config: &Config) -> Option<f64> {
    let folder = if config.database.data_directory.is_empty() {
        // Said to the superuser and to members of pg_read_all_settings alone; the address is null over a local socket.
        let row = client
            .query_one(
                "SELECT current_setting('data_directory', true), coalesce(inet_server_addr() <<= '127.0.0.0/8', true)
                    OR inet_server_addr() = '::1'",
                &[],
            )
            .await
            .ok()?;
        let here: bool = row.try_get(1).ok()?;
        here.then(|| row.try_get::<_, Option<String>>(0).ok().flatten())
            .flatten()?
    } else {
        config.database.data_directory.clone()
    };
    let room = rustix::fs::statvfs(folder).ok()?;
    Some(room.f_bavail as f64 * room.f_frsize as f64)
}

fn print(report: &Report, all: bool) {
    let mut rows = vec![["", "what", "days left", "now", "a day", "note"].map(str::to_owned)];
    // Sequences that would do for a hundred years are not what somebody looks for.
    let shown = |line: &&Line| all || line.standing != Standing::Enough || !line.what.starts_with("sequence ");
    rows.extend(report.lines.iter().filter(shown).map(|line| {
        [
            line.standing.to_string(),
            line.what.clone(),
            line.days_left.map_or_else(|| "-".to_owned(), days),
            amount(line, line.now),
            line.per_day
                .map_or_else(|| "not known yet".to_owned(), |rate| amount(line, rate)),
            line.note.clone(),
        ]
    }));
    print!("{}", aligned(&rows, ""));
    let quiet = report.lines.len() - (rows.len() - 1);
    if quiet > 0 {
        println!("and {quiet} sequences with enough left; --all shows them");
    }
}

fn days(days: f64) -> String {
    if days >= 36_525.0 {
        "over 100 years".to_owned()
    } else {
        format!("{days:.1}")
    }
}

fn amount(line: &Line, value: f64) -> String {
    match line.what.as_str() {
        "disk" | "movement history" | "stream" | "write-ahead log" => capacity::bytes(value),
        "history days ahead" => format!("{value:.1} days"),
        _ => format!("{value:.0}"),
    }
}
