//! `homeward simulate`: simulated monitors on real sockets.

mod journal;
mod monitor;
mod session;

use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    io::{BufWriter, Write},
    net::SocketAddr,
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use casedb::{Database, device};
use clap::ValueEnum;
use codec::Protocol;
use jiff::Timestamp;
use sim::{World, person::time_at};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::info;

use self::journal::Journal;
use super::world;
use crate::{
    cli::{SimulateArgs, Story},
    config::Config,
};

/// From laying the schedules to the first report: time for the rules to reach the engine.
const LEAD: Duration = Duration::from_secs(3);

pub async fn run(config: Config, arguments: SimulateArgs) -> Result<ExitCode> {
    let database = Database::connect(config.database_url()?, 4)
        .await
        .context("case database")?;
    // Whole seconds: schedules are, and so onsets can be compared between runs.
    let now = Timestamp::now();
    let start = Timestamp::from_second(now.as_second() + LEAD.as_secs().cast_signed()).context("clock")?;
    let world = Arc::new(world::build(&config, &arguments.world, start)?);
    let protected = Arc::new(world.protected());
    let addresses = addresses(&config, &[&world, &protected], arguments.udp)?;
    if let Some(path) = &arguments.truth {
        truth(path, &world)?;
    }
    world::lay(&database, &world, now).await?;
    let secrets = secrets(&database, &[&world, &protected]).await?;
    let tls = tls(&arguments)?.map(Arc::new);
    let journal = Arc::new(Journal::open(arguments.acknowledged.as_deref())?);
    journal.say(&serde_json::json!({"type": "start", "start": start, "devices": world.people.len()}));
    info!(devices = world.people.len(), gateways = ?addresses, "simulating");

    let stop = CancellationToken::new();
    let mut devices = JoinSet::new();
    let worlds = [&world, &protected];
    let everybody = worlds
        .iter()
        .flat_map(|world| (0..world.people.len()).map(move |index| (world, index)));
    for ((world, index), secret) in everybody.zip(secrets) {
        let Some(person) = world.people.get(index) else {
            continue;
        };
        let Some(&address) = addresses.get(&person.speaks.protocol()) else {
            continue;
        };
        let monitor = monitor::Monitor {
            world: Arc::clone(world),
            index,
            address,
            udp: is_datagrams(person.speaks.protocol(), arguments.udp),
            secret,
            tls: tls.clone(),
            journal: Arc::clone(&journal),
            duration_s: arguments.duration,
        };
        devices.spawn(monitor.run(stop.clone()));
    }
    let finished = async { while devices.join_next().await.is_some() {} };
    let patience = arguments
        .duration
        .map(|seconds| seconds + arguments.patience + LEAD.as_secs_f64());
    let in_time = tokio::select! {
        () = finished => true,
        () = interrupted() => true,
        () = sleep_or_forever(patience) => false,
    };
    stop.cancel();
    while devices.join_next().await.is_some() {}
    let (sent, acknowledged) = journal.finish()?;
    journal.say(&serde_json::json!({"type": "done", "reports": sent, "acknowledged": acknowledged, "acknowledge_ms": journal.acknowledge_ms()}));
    if !in_time {
        bail!(
            "{} of {sent} reports were not acknowledged in time",
            sent - acknowledged
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the scenarios.
pub fn list() {
    for story in Story::value_variants() {
        let Some(value) = story.to_possible_value() else {
            continue;
        };
        let help = value.get_help().map(ToString::to_string).unwrap_or_default();
        println!("{:8}{help}", value.get_name());
    }
}

/// Writes what is going to happen.
fn truth(path: &Path, world: &World) -> Result<()> {
    let failed = || format!("--truth {}", path.display());
    let mut file = BufWriter::new(File::create(path).with_context(failed)?);
    for person in &world.people {
        for violation in &person.violations {
            let line = serde_json::json!({
                "kind": proto::event::kind_name(violation.kind), "person_id": person.person_id, "reference": person.reference,
                "onset": time_at(world.config.start, violation.onset_s),
                "known_by": time_at(world.config.start, violation.proof_s),
            });
            writeln!(file, "{line}").with_context(failed)?;
        }
    }
    file.flush().with_context(failed)
}

/// Whether devices of a protocol speak in datagrams.
const fn is_datagrams(protocol: Protocol, udp: bool) -> bool {
    udp && matches!(protocol, Protocol::Teltonika | Protocol::Eelink)
}

/// How native devices know their gateway; `None`: they speak in clear.
fn tls(arguments: &SimulateArgs) -> Result<Option<session::Tls>> {
    let (Some(name), Some(path)) = (&arguments.tls_name, &arguments.tls_roots) else {
        return Ok(None);
    };
    let roots = std::fs::read(path).with_context(|| format!("--tls-roots {}", path.display()))?;
    Ok(Some(session::Tls {
        name: name.clone(),
        roots,
    }))
}

/// The devices' secrets, in the order of the worlds' people.
async fn secrets(database: &Database, worlds: &[&Arc<World>]) -> Result<Vec<Vec<u8>>> {
    let client = database.client().await?;
    let directory = device::directory(&client, &Protocol::ALL.map(Protocol::name))
        .await
        .context("devices")?;
    let secrets: HashMap<_, _> = directory
        .into_iter()
        .map(|entry| {
            let bearer = entry.person_id.or(entry.protected.map(|carrier| carrier.protected_id));
            ((entry.device.device_id, bearer), entry.device.secret)
        })
        .collect();
    let of = |person: &sim::person::Person| match secrets.get(&(person.device_id, Some(person.person_id))) {
        Some(secret) => Ok(secret.clone().unwrap_or_default()),
        None => bail!(
            "device {} of the simulated world is not registered, or not worn by {}: `homeward demo seed` with the same --devices, --seed, --scenario and --protocol first",
            person.identity,
            person.reference
        ),
    };
    worlds.iter().flat_map(|world| &world.people).map(of).collect()
}

/// Where the gateways of the devices listen, as seen from this machine.
fn addresses(config: &Config, worlds: &[&Arc<World>], udp: bool) -> Result<BTreeMap<Protocol, SocketAddr>> {
    let mut addresses = BTreeMap::new();
    let everybody = worlds.iter().flat_map(|world| &world.people);
    for protocol in everybody.map(|person| person.speaks.protocol()) {
        if addresses.contains_key(&protocol) {
            continue;
        }
        let (text, setting) = if is_datagrams(protocol, udp) {
            (world::datagram_gateway(config, protocol), "udp_listen")
        } else {
            (world::gateway(config, protocol), "listen")
        };
        let mut address: SocketAddr = text
            .parse()
            .with_context(|| format!("gateway.{protocol}_{setting}: {text:?} is no address to connect to"))?;
        if address.ip().is_unspecified() {
            address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        addresses.insert(protocol, address);
    }
    Ok(addresses)
}

async fn sleep_or_forever(seconds: Option<f64>) {
    match seconds {
        Some(seconds) => tokio::time::sleep(Duration::from_secs_f64(seconds.max(0.0))).await,
        None => std::future::pending().await,
    }
}

async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
