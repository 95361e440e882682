//! `homeward simulate`: simulated monitors on real sockets.

mod journal;
mod monitor;
mod session;

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use casedb::{Database, device};
use codec::Protocol;
use jiff::Timestamp;
use sim::World;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::info;

use self::journal::Journal;
use super::world;
use crate::{cli::SimulateArgs, config::Config};

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
    let addresses = addresses(&config, &world)?;
    world::lay(&database, &world, now).await?;
    let secrets = secrets(&database, &world).await?;
    let tls = tls(&arguments)?.map(Arc::new);
    let journal = Arc::new(Journal::open(arguments.acknowledged.as_deref())?);
    journal.say(&serde_json::json!({"type": "start", "start": start, "devices": world.people.len()}));
    info!(devices = world.people.len(), gateways = ?addresses, "simulating");

    let stop = CancellationToken::new();
    let mut devices = JoinSet::new();
    for (index, secret) in secrets.into_iter().enumerate() {
        let Some(person) = world.people.get(index) else {
            continue;
        };
        let Some(&address) = addresses.get(&person.speaks.protocol()) else {
            continue;
        };
        let monitor = monitor::Monitor {
            world: Arc::clone(&world),
            index,
            address,
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

/// The devices' secrets, in the order of the world's people.
async fn secrets(database: &Database, world: &World) -> Result<Vec<Vec<u8>>> {
    let client = database.client().await?;
    let directory = device::directory(&client, &Protocol::ALL.map(Protocol::name))
        .await
        .context("devices")?;
    let secrets: HashMap<_, _> = directory
        .into_iter()
        .map(|entry| ((entry.device.device_id, entry.person_id), entry.device.secret))
        .collect();
    let of = |person: &sim::person::Person| match secrets.get(&(person.device_id, Some(person.person_id))) {
        Some(secret) => Ok(secret.clone().unwrap_or_default()),
        None => bail!(
            "device {} of the simulated world is not registered, or not worn by {}: `homeward demo seed` with the same --devices, --seed, --scenario and --protocol first",
            person.identity,
            person.reference
        ),
    };
    world.people.iter().map(of).collect()
}

/// Where the gateways of the devices listen, as seen from this machine.
fn addresses(config: &Config, world: &World) -> Result<BTreeMap<Protocol, SocketAddr>> {
    let mut addresses = BTreeMap::new();
    for protocol in world.people.iter().map(|person| person.speaks.protocol()) {
        if addresses.contains_key(&protocol) {
            continue;
        }
        let text = world::gateway(config, protocol);
        let mut address: SocketAddr = text
            .parse()
            .with_context(|| format!("gateway.{protocol}_listen: {text:?} is no address to connect to"))?;
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
