//! The roles of the one binary: what runs in this process, and how it ends.

mod capacity;
mod descriptors;
mod readiness;
mod stage;

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use casedb::Database;
use stream::{Log, kafka::KafkaLog, postgres::PostgresLog};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::{
    config::{Config, StreamKind},
    telemetry,
};

use stage::Stage;

pub use readiness::Readiness;
pub use stage::smtp;

/// How long an orderly end may take before the process leaves anyway.
const DRAIN: Duration = Duration::from_secs(10);

/// A role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Device gateways.
    Gateway,
    /// Geofence engine and ticker.
    Geofence,
    /// History writer, outbox relay, retention.
    History,
    /// Alert workers.
    Alerts,
    /// Console.
    Console,
    /// The test device and its watcher, inside: where `canary.enabled` is set.
    Canary,
}

impl Role {
    /// All of them: `homeward run`.
    pub const ALL: [Self; 5] = [
        Self::Gateway,
        Self::Geofence,
        Self::History,
        Self::Alerts,
        Self::Console,
    ];
}

/// Opens the stream of the settings.
pub async fn open_stream(config: &Config) -> Result<Arc<dyn Log>> {
    Ok(match config.stream.kind()? {
        StreamKind::Postgres => {
            let settings = stream::postgres::Config {
                partitions: config.stream.partitions,
                ..Default::default()
            };
            Arc::new(
                PostgresLog::connect(config.database_url()?, settings)
                    .await
                    .context("stream in PostgreSQL")?,
            )
        }
        StreamKind::Kafka(brokers) => {
            let settings = stream::kafka::Config {
                partitions: config.stream.partitions,
                topic_prefix: config.stream.topic_prefix.clone(),
                instance: (!config.stream.instance.is_empty()).then(|| config.stream.instance.clone()),
                retention: Some(Duration::from_secs(u64::from(config.stream.retention_hours) * 3_600)),
                ..Default::default()
            };
            Arc::new(KafkaLog::connect(&brokers, settings).await.context("stream on Kafka")?)
        }
    })
}

/// Runs roles until a signal or the first fatal error, then ends them in the order of the data's way.
pub async fn run(config: Config, roles: &[Role]) -> Result<()> {
    let database = database(&config, roles).await.context("case database")?;
    let log = open_stream(&config).await?;
    info!(kind = log.kind(), partitions = log.partitions(), "stream");

    let sources = CancellationToken::new();
    let stages = CancellationToken::new();
    let readiness = Readiness::watch(needs_database(roles).then(|| database.clone()), Arc::clone(&log));
    if !config.metrics.listen.is_empty() {
        let handle = telemetry::metrics()?;
        let address = telemetry::serve(&config.metrics.listen, handle, Arc::clone(&readiness), stages.clone()).await?;
        info!(%address, "metrics");
    }

    let mut stage = Stage {
        config,
        database,
        log,
        readiness,
        sources,
        stages,
        tasks: JoinSet::new(),
    };
    let canary = (roles == Role::ALL && stage.config.canary.enabled).then_some(Role::Canary);
    for role in roles.iter().chain(&canary) {
        stage
            .start(*role)
            .await
            .with_context(|| format!("{role:?}").to_lowercase())?;
    }
    let Stage {
        log,
        readiness,
        sources,
        stages,
        mut tasks,
        ..
    } = stage;
    readiness.started();
    info!(roles = ?roles, "ready");

    let outcome = tokio::select! {
        () = signal() => Ok(()),
        Some(ended) = tasks.join_next() => match ended {
            Ok((name, Ok(()))) => Err(anyhow::anyhow!("{name} ended by itself")),
            Ok((name, Err(error))) => Err(error.context(name)),
            Err(error) => Err(error.into()),
        },
    };
    if let Err(error) = &outcome {
        error!(error = format!("{error:#}"), "stopping");
    }
    info!("draining");
    readiness.stopping();
    // Sources first: devices get their last acknowledgements while the stages behind still run.
    sources.cancel();
    let drained = tokio::time::timeout(DRAIN, async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        stages.cancel();
        while tasks.join_next().await.is_some() {}
        log.close(DRAIN / 2).await;
    })
    .await;
    if drained.is_err() {
        info!(
            seconds = DRAIN.as_secs(),
            "not all ended in time; leaving, nothing acknowledged is lost"
        );
    }
    outcome
}

/// Gateways alone do their work without the database: for known devices, from their copy of the directory.
fn needs_database(roles: &[Role]) -> bool {
    roles != [Role::Gateway]
}

/// Opens the case database. Who can work without it only says that it is away.
async fn database(config: &Config, roles: &[Role]) -> Result<Database> {
    let database = Database::later(config.database_url()?, config.database.max_connections)?;
    match database.check().await {
        Err(error) if error.is_retryable() && !needs_database(roles) => {
            warn!(%error, "the case database is away; known devices are heard all the same");
            Ok(database)
        }
        checked => checked.map(|()| database).map_err(Into::into),
    }
}

/// Waits for the first signal to end.
pub async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => info!("interrupt"),
        _ = terminate.recv() => info!("terminate"),
    }
}
