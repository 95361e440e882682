//! Server time in every partition of the reports, so that timers fire where nobody reports.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use prost::Message;
use proto::{Topic, wire};
use stream::{Class, Log, NewRecord};
use tokio::time::{MissedTickBehavior, interval};
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    Database, Error,
    leader::{Role, lead},
};

/// The shortest time without a tick after which another process takes over.
const LEAST_SILENCE: Duration = Duration::from_secs(10);

/// Appends a tick to each partition of the reports `every` so often, in one process at a time, until `shutdown`.
///
/// Fails only for reasons that the operator must mend ([`Class::Fatal`]); everything else is tried again.
pub async fn run(
    database: Database,
    log: Arc<dyn Log>,
    every: Duration,
    shutdown: CancellationToken,
) -> Result<(), Error> {
    let silence = (every * 4).max(LEAST_SILENCE);
    while let Some(session) = lead(&database, Role::Ticker, silence, &shutdown).await {
        match tick_while_active(&session, log.as_ref(), every, &shutdown).await {
            Ok(()) => break,
            Err(error) if error.class() == Class::Fatal && matches!(error, Error::Stream(_)) => return Err(error),
            Err(error) => warn!(%error, "ticker lost its session, asking for the role again"),
        }
    }
    Ok(())
}

async fn tick_while_active(
    session: &Client,
    log: &dyn Log,
    every: Duration,
    shutdown: &CancellationToken,
) -> Result<(), Error> {
    let mut clock = interval(every.max(Duration::from_millis(10)));
    // Late ticks are of no use: the record's own time is what counts.
    clock.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = clock.tick() => {}
            () = shutdown.cancelled() => return Ok(()),
        }
        // Proves that the session, and with it the lock, is still ours.
        session.simple_query("SELECT 1").await?;
        let number = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
        let record = wire::ReportRecord {
            body: Some(wire::report_record::Body::Tick(wire::Tick { number })),
        };
        let payload = Bytes::from(record.encode_to_vec());
        let records = (0..log.partitions())
            .map(|partition| NewRecord {
                partition,
                key: Bytes::new(),
                payload: payload.clone(),
            })
            .collect();
        match log.append(Topic::Reports, records).await {
            Ok(_) => metrics::counter!("homeward_ticker_ticks_total").increment(1),
            Err(error) if error.is_retryable() => warn!(%error, "tick not appended"),
            Err(error) => return Err(error.into()),
        }
    }
}
