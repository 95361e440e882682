//! `homeward-bench backlog`: every device uploads twelve hours of stored reports at once and goes on reporting.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use clap::Args;
use jiff::Timestamp;
use prost::Message;
use proto::wire;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::{
    descriptors,
    load::{Backlog, Load, Milliseconds, Plan, Speech, Start, Verdict, settled},
    machine,
    site::{Place, Running, Site, Stream, say},
};

/// Devices whose reports are watched for in history.
const WATCHED: usize = 100;
const LOOK: Duration = Duration::from_millis(50);
const WARM: f64 = 3.0;
/// Live reports may take so long to history although a backlog comes in.
const MOST_MS: f64 = 1_000.0;

/// What to measure.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Devices.
    #[arg(long, default_value_t = 1_000)]
    devices: usize,
    /// Seconds from one live report of a device to the next.
    #[arg(long, default_value_t = 10.0)]
    every: f64,
    /// Hours of stored reports of each device, one a minute.
    #[arg(long, default_value_t = 12)]
    hours: i64,
    /// Seconds without the backlog, and as many from its beginning at least.
    #[arg(long, default_value_t = 60.0)]
    seconds: f64,
    /// Where the stream lives.
    #[arg(long, value_enum, default_value = "postgres")]
    stream: Stream,
    /// What the devices speak.
    #[arg(long, value_enum, default_value = "jt808")]
    protocol: Speech,
}

/// Runs and prints; false when live reports wait, or something is lost or doubled.
pub async fn run(arguments: Arguments) -> Result<bool> {
    descriptors::need(arguments.devices as u64)?;
    let site = Site::new(&arguments.place, arguments.stream).await?;
    let result = measure(&arguments, &site).await;
    site.close().await?;
    result
}

async fn measure(arguments: &Arguments, site: &Site) -> Result<bool> {
    site.register(arguments.protocol, arguments.devices).await?;
    let server = Running::start(site, "run", "run", arguments.protocol, &[]).await?;
    let client = site.client().await?;
    say("wait for the rules to be published");
    site.ruled().await?;
    let ramp = 500.0;
    let begins = arguments.devices as f64 / ramp + WARM;
    let upload = begins + arguments.seconds;
    let end = upload + arguments.seconds;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small number")]
    let reports_of_one = (2.0 * arguments.seconds / arguments.every) as u32;
    let plan = Plan {
        speech: arguments.protocol,
        gateway: server.address()?,
        first: 0,
        devices: arguments.devices,
        addresses: arguments.devices.div_ceil(4).min(1_000),
        ramp,
        every: Duration::from_secs_f64(arguments.every),
        live_from: Duration::from_secs_f64(begins),
        live_until: Duration::from_secs_f64(end),
        help: reports_of_one,
        backlog: Some(Backlog {
            at: Duration::from_secs_f64(upload),
            reports: arguments.hours * 60,
        }),
        give_up: Duration::from_secs_f64(end + 600.0),
    };
    say(&format!("{} s without the backlog, then with it", arguments.seconds));
    let start = Start::now();
    let begun = start.wall;
    let watch = Arc::new(AtomicBool::new(true));
    let watcher = tokio::spawn(seen(site.client().await?, Arc::clone(&watch), arguments.devices));
    let told = Load::start(&plan, start).finish().await;
    let acknowledged: usize = told.iter().map(|told| told.acknowledged.len()).sum();
    settled(&client, acknowledged, Duration::from_secs(30)).await?;
    let drained = start.instant.elapsed().as_secs_f64() - upload;
    watch.store(false, Ordering::Relaxed);
    let rows = watcher.await??;
    let verdict = Verdict::find(&client, &told).await?;
    let memory = machine::resident_mib(server.process.id()).unwrap_or_default();
    server.process.stop()?;

    let uploaded = told
        .iter()
        .filter_map(|told| told.backlog_done_s)
        .fold(upload, f64::max);
    // With the backlog: while it was being uploaded, of what was made then.
    let phases = [(begins + WARM, upload), (upload, end.min(uploaded.max(upload + 5.0)))];
    let within = |samples: &[(f64, f64)], (from, until): (f64, f64)| {
        let in_time = samples
            .iter()
            .filter(|(made, _)| (from * 1e3..until * 1e3).contains(made));
        Milliseconds::new(in_time.map(|(_, took)| *took).collect())
    };
    let zero = begun.as_microsecond() as f64 / 1e3;
    let acks: Vec<(f64, f64)> = told.iter().flat_map(|told| told.live.iter().copied()).collect();
    // A device and a second name a report: when it was due is known from the device.
    let due: HashMap<(usize, i64), f64> = told
        .iter()
        .flat_map(|told| {
            told.live
                .iter()
                .map(|(made, _)| ((told.index, whole_seconds(*made)), *made))
        })
        .collect();
    let (mut taken, mut stored) = (Vec::new(), Vec::new());
    for row in rows {
        if let Some(made) = due.get(&(row.index, row.second - start.second)) {
            taken.push((*made, row.received_ms - zero - made));
            stored.push((*made, row.stored_ms - zero - made));
        }
    }
    let events: Vec<_> = events(&client)
        .await?
        .into_iter()
        .map(|(received, took)| (received - zero, took))
        .collect();
    println!("# backlog, {}, load {:.2}", machine::describe(), machine::load());
    println!("| what | without the backlog | with it |\n|---|---|---|");
    println!(
        "| stream; devices; seconds between live reports | {:?} | {}; {} |",
        arguments.stream, arguments.devices, arguments.every
    );
    let row = |what: &str, samples: &[(f64, f64)]| {
        let [without, with] = phases.map(|phase| within(samples, phase));
        println!("| {what}, p50 / p99 / max | {without} | {with} |");
        with.at(0.99)
    };
    row("live report due to received by the gateway", &taken);
    let history = row("live report due to history (seen by looking every 50 ms)", &stored);
    let incident = row("frame received to incident stored", &events);
    row(
        "live report due to acknowledgement; a session's are in order, so behind its stored ones",
        &acks,
    );
    println!(
        "| stored reports uploaded at once | | {} ({} hours of each device) |",
        arguments.devices * usize::try_from(arguments.hours * 60).unwrap_or(0),
        arguments.hours
    );
    println!(
        "| until all of them were acknowledged / in history | | {:.1} / {drained:.1} s |",
        uploaded - upload
    );
    println!(
        "| reports made / acknowledged / in history | | {} / {} / {} |",
        verdict.made, verdict.acknowledged, verdict.stored
    );
    println!(
        "| lost / stored twice / never sent | | {} / {} / {} |",
        verdict.lost, verdict.doubled, verdict.invented
    );
    println!("| peak memory of homeward | | {memory:.0} MiB |");
    let kept = verdict.is_perfect() && history <= MOST_MS && incident <= MOST_MS;
    println!(
        "\n{}",
        if kept {
            "kept: nothing lost, nothing doubled, live reports first"
        } else {
            "NOT kept: see the figures above"
        }
    );
    Ok(kept)
}

/// A live report in history.
struct Seen {
    index: usize,
    second: i64,
    /// Milliseconds since 1970.
    received_ms: f64,
    /// The same, when it was seen.
    stored_ms: f64,
}

/// Looks again and again for new live reports of some people.
async fn seen(client: Client, go_on: Arc<AtomicBool>, devices: usize) -> Result<Vec<Seen>> {
    const NEW: &str =
        "SELECT p.person_id, extract(epoch FROM p.fix_time)::bigint, extract(epoch FROM p.received_at)::float8 * 1000
        FROM position p WHERE p.person_id = ANY ($1) AND p.fix_time > now() - interval '1 minute' AND NOT p.backfill";
    let step = devices.div_ceil(WATCHED).max(1);
    let people: HashMap<Uuid, usize> = (0..devices)
        .step_by(step)
        .map(|index| {
            (
                Uuid::from_u128(0x0b00_0000_0000_7000_9000_0000_0000_0000 + index as u128),
                index,
            )
        })
        .collect();
    let ids: Vec<Uuid> = people.keys().copied().collect();
    let statement = client.prepare(NEW).await.context("looking into history")?;
    let mut first: HashMap<(usize, i64), Seen> = HashMap::new();
    while go_on.load(Ordering::Relaxed) {
        let rows = client.query(&statement, &[&ids]).await?;
        let stored_ms = Timestamp::now().as_microsecond() as f64 / 1e3;
        for row in rows {
            let (Some(index), second) = (people.get(&row.get::<_, Uuid>(0)).copied(), row.get(1)) else {
                continue;
            };
            first.entry((index, second)).or_insert_with(|| Seen {
                index,
                second,
                received_ms: row.get(2),
                stored_ms,
            });
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(first.into_values().collect())
}

#[expect(clippy::cast_possible_truncation, reason = "seconds of a run")]
const fn whole_seconds(milliseconds: f64) -> i64 {
    (milliseconds / 1e3) as i64
}

/// Of every event: milliseconds of the receipt of the report that triggered it, and from there until it and its incident were stored.
async fn events(client: &Client) -> Result<Vec<(f64, f64)>> {
    let rows = client
        .query(
            "SELECT payload, extract(epoch FROM stored_at)::float8 * 1000 FROM event WHERE kind = 'sos'",
            &[],
        )
        .await?;
    let mut samples = Vec::new();
    for row in rows {
        let event = wire::Event::decode(row.get::<_, &[u8]>(0)).context("stored event")?;
        if let Some(trace) = event.trace.filter(|trace| trace.received_at_us > 0) {
            let received = trace.received_at_us as f64 / 1e3;
            samples.push((received, row.get::<_, f64>(1) - received));
        }
    }
    Ok(samples)
}
