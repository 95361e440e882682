//! `homeward-bench connections`: very many devices on one gateway.
//!
//! The devices run in processes of their own (this binary once more), the gateway in another, its stream in a PostgreSQL that the bench
//! starts; so the gateway's memory is the gateway's alone.

mod part;

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use serde_json::Value;

pub use part::{PartArguments, run as run_part};

use crate::{
    descriptors,
    load::{Milliseconds, Speech},
    machine,
    process::free_port,
    site::{Place, Running, Site, Stream, say},
};

/// Before the first devices come, the gateway has read all of them.
const SETTLE: Duration = Duration::from_secs(6);
const MOST_KIB: f64 = 12.0;
const MOST_MS: f64 = 250.0;

/// What to measure.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    place: Place,
    /// Sessions at a time.
    #[arg(long, default_value_t = 50_000)]
    sessions: usize,
    /// Gateway processes that share them on one port.
    #[arg(long, default_value_t = 1)]
    gateways: usize,
    /// Tables of open files of each gateway (gateway.file_tables): 0 is one, or as many as the limit of open files needs.
    #[arg(long, default_value_t = 0)]
    file_tables: usize,
    /// Seconds from one report of a device to the next.
    #[arg(long, default_value_t = 60)]
    every: u64,
    /// For how long, once all are connected.
    #[arg(long, default_value_t = 180)]
    seconds: u64,
    /// New connections a second.
    #[arg(long, default_value_t = 1_000.0)]
    ramp: f64,
    /// Addresses of this machine that the devices come from.
    #[arg(long, default_value_t = 250)]
    addresses: usize,
    /// What the devices speak.
    #[arg(long, value_enum, default_value = "jt808")]
    protocol: Speech,
}

/// Memory of all gateways, KiB, and what they have used of the processor, seconds.
#[derive(Debug, Clone, Copy, Default)]
struct Used {
    kib: f64,
    processor: f64,
}

fn used(gateways: &[Running]) -> Used {
    gateways.iter().fold(Used::default(), |sum, gateway| Used {
        kib: sum.kib + machine::resident_kib(gateway.process.id()).unwrap_or_default(),
        processor: sum.processor + machine::processor_seconds(gateway.process.id()).unwrap_or_default(),
    })
}

async fn held(gateways: &[Running]) -> f64 {
    let mut sum = 0.0;
    for gateway in gateways {
        sum += gateway.metric("homeward_gateway_sessions").await.unwrap_or_default();
    }
    sum
}

/// Runs and prints; false when a target is missed.
pub async fn run(arguments: Arguments) -> Result<bool> {
    let limit = descriptors::raise(arguments.sessions as u64);
    if descriptors::sessions(limit) < arguments.sessions as u64 {
        say(&descriptors::how(limit, arguments.sessions as u64 + 200));
        say(
            "so the gateway spreads its sessions over several tables of open files, and the devices run in several processes",
        );
    }
    let site = Site::new(&arguments.place, Stream::Postgres).await?;
    let result = measure(&arguments, &site, limit).await;
    site.close().await?;
    result
}

async fn measure(arguments: &Arguments, site: &Site, limit: u64) -> Result<bool> {
    say(&format!("register {} devices", arguments.sessions));
    site.register(arguments.protocol, arguments.sessions).await?;
    let mut gateways = Vec::new();
    // All on one port: the kernel spreads the connections.
    let address = format!("127.0.0.1:{}", free_port()?);
    let own = [
        (
            "HOMEWARD_GATEWAY_MAX_SESSIONS",
            (arguments.sessions + 1_000).to_string(),
        ),
        ("HOMEWARD_GATEWAY_FILE_TABLES", arguments.file_tables.to_string()),
    ];
    for number in 0..arguments.gateways.max(1) {
        let name = format!("gateway-{number}");
        let mut gateway = Running::launch(site, &name, "gateway", arguments.protocol, &address, &own)?;
        gateway.ready(&site.log(&name)).await?;
        gateways.push(gateway);
    }
    tokio::time::sleep(SETTLE).await;
    let mut tables = 0.0;
    for gateway in &gateways {
        tables += gateway.metric("homeward_gateway_file_tables").await.unwrap_or_default();
    }
    let before = used(&gateways);

    let ramp = arguments.sessions as f64 / arguments.ramp;
    say(&format!(
        "connect {} devices in {ramp:.0} s, then {} s",
        arguments.sessions, arguments.seconds
    ));
    let parts = part::start(arguments, &address)?;
    tokio::time::sleep(Duration::from_secs_f64(ramp + 2.0)).await;
    let mut connected = held(&gateways).await;
    let idle = used(&gateways);
    let (mut peak, mut least) = (idle.kib, connected);
    // The devices leave when their time is over; the last look is before that.
    let until = tokio::time::Instant::now() + Duration::from_secs(arguments.seconds.saturating_sub(4));
    while tokio::time::Instant::now() < until {
        tokio::time::sleep(Duration::from_secs(1)).await;
        peak = peak.max(used(&gateways).kib);
        least = least.min(held(&gateways).await);
        connected = connected.max(least);
    }
    let after = used(&gateways);
    let told = part::finish(parts).await?;
    let figure = |name: &str| -> u64 { told.iter().filter_map(|part| part.get(name)?.as_u64()).sum() };
    let (made, acknowledged, breaks) = (figure("made"), figure("acknowledged"), figure("breaks"));
    let count = gateways.len();
    let live: Vec<f64> = told
        .iter()
        .filter_map(|part| part.get("live")?.as_array())
        .flatten()
        .filter_map(Value::as_f64)
        .collect();
    let latency = Milliseconds::new(live);
    let kib = (peak - before.kib) / connected.max(1.0);
    let rows = site
        .client()
        .await?
        .query_one("SELECT count(*) FROM stream.record WHERE topic = 0", &[])
        .await?;
    let stored: i64 = rows.get(0);
    for gateway in gateways {
        gateway.process.stop()?;
    }

    println!("# connections, {}, load {:.2}", machine::describe(), machine::load());
    println!("| what | figure |\n|---|---|");
    println!(
        "| protocol, stream | {}, PostgreSQL ({}) |",
        arguments.protocol.name(),
        arguments.place.edition
    );
    println!(
        "| gateway processes on the port; their tables of open files; open files allowed in one | {count}; {tables:.0}; {limit} |"
    );
    println!(
        "| sessions wanted / held, by the gateways' count: most, least while measuring | {} / {connected:.0}, {least:.0} |",
        arguments.sessions
    );
    println!("| new connections a second | {} |", arguments.ramp);
    println!(
        "| seconds between reports; measured seconds | {}; {} |",
        arguments.every, arguments.seconds
    );
    println!("| reports made / acknowledged / in the stream | {made} / {acknowledged} / {stored} |");
    println!("| connections that broke or were refused | {breaks} |");
    println!("| report due to acknowledgement, p50 / p99 / max | {latency} |");
    println!(
        "| gateway memory without sessions / all connected / most while reporting | {:.1} / {:.1} / {:.1} MiB |",
        before.kib / 1_024.0,
        idle.kib / 1_024.0,
        peak / 1_024.0
    );
    println!(
        "| gateway memory a session: growth / all of it, devices' directory included | {kib:.2} / {:.2} KiB |",
        peak / connected.max(1.0)
    );
    println!(
        "| processor seconds of the gateway: connecting / reporting | {:.1} / {:.1} |",
        idle.processor - before.processor,
        after.processor - idle.processor
    );
    let one = count == 1;
    let all = least >= arguments.sessions as f64 && breaks == 0;
    let lean = kib <= MOST_KIB;
    let prompt = latency.at(0.99) <= MOST_MS;
    let kept = made == acknowledged && u64::try_from(stored).unwrap_or(0) >= acknowledged;
    println!("\n| aim | |\n|---|---|");
    let met = |yes: bool| if yes { "met" } else { "**missed**" };
    println!("| one gateway process | {} |", met(one));
    println!("| all sessions held throughout | {} |", met(all));
    println!("| at most {MOST_KIB} KiB a session | {} |", met(lean));
    println!("| p99 at most {MOST_MS} ms | {} |", met(prompt));
    println!("| every report acknowledged and in the stream | {} |", met(kept));
    Ok(one && all && lean && prompt && kept)
}
