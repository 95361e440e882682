//! `homeward-bench pipeline`: the whole way under load, everything on this machine.
//!
//! A database of its own, `homeward run` and `homeward simulate` as they are; the figures come from the database (each
//! event carries the times of the report that triggered it) and from the simulator's acknowledgements.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use prost::Message;
use proto::wire;
use serde_json::Value;
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

use crate::{
    machine,
    process::{Process, free_port},
};

/// What to measure.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A server on which this may create a database: postgres://user:password@host:port/name.
    #[arg(long, env = "HOMEWARD_DATABASE_URL", hide_env_values = true)]
    database_url: String,
    /// `postgres`, or `kafka://host:port`.
    #[arg(long, default_value = "postgres")]
    stream: String,
    /// Reports a second, over all devices.
    #[arg(long, default_value_t = 10_000.0)]
    rate: f64,
    /// For how long.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Devices, each with a connection of its own.
    #[arg(long, default_value_t = 2_000)]
    devices: u64,
    /// The binary to measure.
    #[arg(long, default_value = "target/release/homeward")]
    homeward: PathBuf,
    /// Logs and results of the run.
    #[arg(long, default_value = "target/bench")]
    folder: PathBuf,
    /// Leaves the bench's database behind, to look at.
    #[arg(long)]
    keep_database: bool,
}

/// Runs and prints; false when the rate was not kept or something was lost.
pub async fn run(arguments: Arguments) -> Result<bool> {
    if !arguments.homeward.is_file() {
        bail!(
            "there is no {}: cargo build --release -p homeward",
            arguments.homeward.display()
        );
    }
    std::fs::create_dir_all(&arguments.folder)?;
    let name = format!("bench_{}", Uuid::now_v7().simple());
    let admin = connect(&arguments.database_url).await?;
    admin
        .batch_execute(&format!("CREATE DATABASE {name}"))
        .await
        .context("create the bench's database")?;
    let (base, _) = arguments
        .database_url
        .rsplit_once('/')
        .context("database URL without a database name")?;
    let result = measure(&arguments, &format!("{base}/{name}"), &name).await;
    if !arguments.keep_database {
        admin
            .batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
            .await?;
    }
    result
}

async fn measure(arguments: &Arguments, url: &str, name: &str) -> Result<bool> {
    let settings = settings(arguments, url, name)?;
    let log = |what: &str| arguments.folder.join(format!("{what}.log"));
    let binary = arguments.homeward.as_path();
    let interval = arguments.devices as f64 / arguments.rate;
    let (devices, interval) = (arguments.devices.to_string(), interval.to_string());
    let world = [
        "--devices",
        &devices,
        "--interval",
        &interval,
        "--scenario",
        "soak",
        "--seed",
        "1",
    ];
    let with =
        |head: &[&'static str]| -> Vec<String> { head.iter().chain(&world).map(|part| (*part).to_owned()).collect() };

    say("migrate and seed");
    start(binary, &["migrate".to_owned()], &settings, &log("migrate"))?.wait()?;
    start(binary, &with(&["demo", "seed"]), &settings, &log("seed"))?.wait()?;
    say("run");
    let mut server = start(binary, &["run".to_owned()], &settings, &log("run"))?;
    wait_ready(&mut server, &settings, &log("run")).await?;

    let mut load = with(&["simulate"]);
    load.extend([
        "--duration".to_owned(),
        arguments.seconds.to_string(),
        "--patience".to_owned(),
        "120".to_owned(),
    ]);
    let simulator = start(binary, &load, &settings, &log("simulate"))?;
    progress(arguments.seconds).await;
    let (server_id, simulator_id) = (server.id(), simulator.id());
    let used = (
        machine::processor_seconds(server_id),
        machine::processor_seconds(simulator_id),
    );
    tokio::task::spawn_blocking(move || simulator.wait())
        .await?
        .context("see simulate.log")?;
    let simulated = Instant::now();
    let done = last_line(&log("simulate"), "done")?;
    let reports = done.get("reports").and_then(Value::as_u64).context("reports")?;
    let acknowledged = done
        .get("acknowledged")
        .and_then(Value::as_u64)
        .context("acknowledged")?;

    let client = connect(url).await?;
    let stored = wait_for_history(&client, reports).await?;
    let drained = simulated.elapsed();
    let latencies = incident_latencies(&client).await?;
    let incidents: i64 = client.query_one("SELECT count(*) FROM incident", &[]).await?.get(0);
    let reference = reference_copy(&client).await?;
    let memory = machine::resident_mib(server_id);
    server.stop()?;

    let rate = reports as f64 / arguments.seconds as f64;
    println!("# pipeline, {}", machine::describe());
    println!("| what | figure |\n|---|---|");
    println!(
        "| stream | {} |",
        arguments.stream.split("://").next().unwrap_or_default()
    );
    println!("| devices, each with its own connection | {} |", arguments.devices);
    println!(
        "| reports made in {} s | {reports} ({rate:.0} a second) |",
        arguments.seconds
    );
    println!("| acknowledged | {acknowledged} |");
    println!("| in history | {stored} |");
    println!(
        "| history complete after the last acknowledgement | {:.1} s |",
        drained.as_secs_f64()
    );
    if let Some(latency) = done.get("acknowledge_ms") {
        println!(
            "| frame sent to acknowledgement, p50 / p99 / max | {} / {} / {} ms |",
            latency["p50"], latency["p99"], latency["max"]
        );
    }
    println!("| incidents | {incidents} |");
    println!(
        "| frame received to incident stored, p50 / p99 / max of {} | {:.0} / {:.0} / {:.0} ms |",
        latencies.len(),
        percentile(&latencies, 0.50),
        percentile(&latencies, 0.99),
        percentile(&latencies, 1.0)
    );
    if let (Some(server), Some(simulator)) = used {
        println!("| processor seconds: homeward / simulator | {server:.1} / {simulator:.1} |");
    }
    if let Some(memory) = memory {
        println!("| peak memory of homeward | {memory:.0} MiB |");
    }
    println!(
        "| reference: one INSERT … SELECT of these rows into a table like history's, same server | {reference:.0} rows/s |"
    );
    println!("| ratio to the reference | {:.3} |", rate / reference);
    let kept = rate >= arguments.rate * 0.98 && acknowledged == reports && stored == reports;
    println!(
        "\n{}",
        if kept {
            "kept: the rate, every acknowledgement, every report"
        } else {
            "NOT kept: see the figures above"
        }
    );
    Ok(kept)
}

fn settings(arguments: &Arguments, url: &str, name: &str) -> Result<HashMap<String, String>> {
    let mut settings = HashMap::from([
        ("HOMEWARD_DATABASE_URL".to_owned(), url.to_owned()),
        ("HOMEWARD_STREAM".to_owned(), arguments.stream.clone()),
        ("HOMEWARD_STREAM_TOPIC_PREFIX".to_owned(), format!("{name}.")),
        ("HOMEWARD_LOG_LEVEL".to_owned(), "warn".to_owned()),
    ]);
    for key in [
        "CONSOLE",
        "GATEWAY_NATIVE",
        "GATEWAY_JT808",
        "GATEWAY_TELTONIKA",
        "GATEWAY_TELTONIKA_UDP",
        "GATEWAY_GT06",
        "GATEWAY_EELINK",
        "GATEWAY_EELINK_UDP",
        "METRICS",
    ] {
        settings.insert(format!("HOMEWARD_{key}_LISTEN"), format!("127.0.0.1:{}", free_port()?));
    }
    Ok(settings)
}

fn start(binary: &Path, arguments: &[String], settings: &HashMap<String, String>, log: &Path) -> Result<Process> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Process::start(binary, &arguments, settings, log)
}

/// Waits until the gateways accept connections.
async fn wait_ready(server: &mut Process, settings: &HashMap<String, String>, log: &Path) -> Result<()> {
    let address = settings
        .get("HOMEWARD_GATEWAY_NATIVE_LISTEN")
        .context("gateway address")?;
    for _ in 0..300 {
        if tokio::net::TcpStream::connect(address).await.is_ok() {
            // Consumers of the stream take their partitions meanwhile.
            tokio::time::sleep(Duration::from_secs(3)).await;
            return Ok(());
        }
        if server.has_ended()? {
            bail!("homeward run ended at once; see {}", log.display());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("homeward run does not listen after 30 s; see {}", log.display())
}

async fn progress(seconds: u64) {
    let bar = ProgressBar::new(seconds);
    if let Ok(style) = ProgressStyle::with_template("load {bar:40} {pos}/{len} s") {
        bar.set_style(style);
    }
    for _ in 0..seconds {
        tokio::time::sleep(Duration::from_secs(1)).await;
        bar.inc(1);
    }
    bar.finish_and_clear();
}

fn last_line(log: &Path, kind: &str) -> Result<Value> {
    let text = std::fs::read_to_string(log)?;
    let found = text
        .lines()
        .rev()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    found
        .into_iter()
        .find(|line| line["type"] == kind)
        .with_context(|| format!("{} has no line of type {kind}", log.display()))
}

/// Waits until history has all reports or stops growing; returns how many it has.
async fn wait_for_history(client: &Client, reports: u64) -> Result<u64> {
    let mut before = 0;
    for round in 0..600 {
        let count: i64 = client.query_one("SELECT count(*) FROM position", &[]).await?.get(0);
        let count = count.unsigned_abs();
        if count >= reports || (round > 50 && count == before) {
            return Ok(count);
        }
        if round % 50 == 0 {
            before = count;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(before)
}

/// Milliseconds from frame received to incident stored, ascending: of each incident's first event.
async fn incident_latencies(client: &Client) -> Result<Vec<f64>> {
    const SQL: &str = "SELECT DISTINCT ON (i.incident_id) e.payload, extract(epoch FROM i.raised_at)::float8
        FROM incident i JOIN incident_event ie USING (incident_id) JOIN event e USING (event_id)
        ORDER BY i.incident_id, e.stored_at, e.event_id";
    let mut latencies = Vec::new();
    for row in client.query(SQL, &[]).await? {
        let event = wire::Event::decode(row.get::<_, &[u8]>(0)).context("stored event")?;
        let Some(trace) = event.trace.filter(|trace| trace.received_at_us > 0) else {
            continue;
        };
        latencies.push(row.get::<_, f64>(1) * 1e3 - trace.received_at_us as f64 / 1e3);
    }
    latencies.sort_by(f64::total_cmp);
    Ok(latencies)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an index within the list"
)]
fn percentile(ascending: &[f64], share: f64) -> f64 {
    let index = ((ascending.len() as f64 * share).ceil() as usize).clamp(1, ascending.len().max(1)) - 1;
    ascending.get(index).copied().unwrap_or(f64::NAN)
}

/// Rows a second of one `INSERT … SELECT` of the history just written into an empty table of its kind.
async fn reference_copy(client: &Client) -> Result<f64> {
    client
        .batch_execute("CREATE TABLE reference_position (LIKE position INCLUDING ALL)")
        .await
        .context("reference table")?;
    let begun = Instant::now();
    let rows = client
        .execute("INSERT INTO reference_position SELECT * FROM position", &[])
        .await
        .context("reference")?;
    Ok(rows as f64 / begun.elapsed().as_secs_f64())
}

async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.context("database")?;
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(client)
}

fn say(what: &str) {
    eprintln!("homeward-bench: {what}");
}
