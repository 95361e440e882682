//! From the case database into the stream: rows that a transaction left in `outbox` become records of the reports.
//!
//! A row goes when its record is durable, so a crash between the two publishes it again: readers pass over a revision that
//! they have. No row is skipped when transactions commit out of order, because what is published next is whatever is there,
//! not what comes after a number. The records of one person keep their order: [`crate::rules::publish`] locks the person
//! until the commit.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use jiff::Timestamp;
use proto::{PersonId, Topic, topic::partition_of};
use stream::{Class, Log, NewRecord};
use tokio::time::Instant;
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};
use uuid::Uuid;

use crate::{
    Database, Error, Listener,
    leader::{Role, lead},
    rules::{OUTBOX_CHANNEL, SWEPT_AT_ONCE, sweep},
};

/// A notification may be lost with its connection; the table is looked at this often in any case.
const POLL_EVERY: Duration = Duration::from_secs(1);
/// How soon an order's beginning or end takes effect.
const SWEEP_EVERY: Duration = Duration::from_secs(5);
/// A stopped relay gives way after this long.
const SILENCE: Duration = Duration::from_secs(15);

const WAITING: &str =
    "SELECT outbox_id, person_id, payload FROM outbox WHERE refused_at IS NULL ORDER BY outbox_id LIMIT 500";
const DELETE: &str = "DELETE FROM outbox WHERE outbox_id = ANY($1)";
const REFUSE: &str = "UPDATE outbox SET refused_at = now(), refusal = $2 WHERE outbox_id = $1";

/// Relays the outbox, and publishes rules anew when orders begin and end, in one process at a time, until `shutdown`.
///
/// Fails only for reasons that the operator must mend ([`Class::Fatal`]); everything else is tried again.
pub async fn run(database: Database, log: Arc<dyn Log>, shutdown: CancellationToken) -> Result<(), Error> {
    while let Some(session) = lead(&database, Role::Outbox, SILENCE, &shutdown).await {
        match relay_while_active(&database, &session, log.as_ref(), &shutdown).await {
            Ok(()) => break,
            Err(error) if error.class() == Class::Fatal && matches!(error, Error::Stream(_)) => return Err(error),
            Err(error) => warn!(%error, "outbox relay was interrupted, asking for the role again"),
        }
    }
    Ok(())
}

async fn relay_while_active(
    database: &Database,
    session: &Client,
    log: &dyn Log,
    shutdown: &CancellationToken,
) -> Result<(), Error> {
    let mut listener = database.listen(&[OUTBOX_CHANNEL]).await?;
    let mut next_sweep = Instant::now();
    loop {
        if Instant::now() >= next_sweep {
            next_sweep = Instant::now() + SWEEP_EVERY;
            match sweep(database, Timestamp::now()).await {
                // A calendar of very many people: go on as soon as what was published is on its way.
                Ok(published) if published.len() >= SWEPT_AT_ONCE => next_sweep = Instant::now(),
                Ok(_) => {}
                Err(error) => warn!(%error, "orders could not be looked through"),
            }
        }
        while relay_once(session, log).await? {
            if shutdown.is_cancelled() {
                return Ok(());
            }
        }
        if Instant::now() >= next_sweep && !shutdown.is_cancelled() {
            continue;
        }
        tokio::select! {
            () = woken(&mut listener) => {}
            () = tokio::time::sleep(POLL_EVERY) => {}
            () = shutdown.cancelled() => return Ok(()),
        }
    }
}

/// Waits for any notice and swallows those that wait with it: one look at the table answers them all.
async fn woken(listener: &mut Listener) {
    if listener.recv().await.is_none() {
        std::future::pending::<()>().await;
    }
    while listener.try_recv().is_some() {}
}

struct Row {
    outbox_id: i64,
    person_id: Option<PersonId>,
    payload: Bytes,
}

impl Row {
    fn records(&self, log: &dyn Log) -> Vec<NewRecord> {
        let (partitions, key) = match self.person_id {
            Some(person) => {
                let partition = partition_of(person, log.partitions());
                (partition..partition + 1, Bytes::copy_from_slice(person.as_bytes()))
            }
            None => (0..log.partitions(), Bytes::new()),
        };
        let record = |partition| NewRecord {
            partition,
            key: key.clone(),
            payload: self.payload.clone(),
        };
        partitions.map(record).collect()
    }
}

/// Publishes what waits, oldest first, and deletes it once durable. False: nothing was there.
async fn relay_once(session: &Client, log: &dyn Log) -> Result<bool, Error> {
    let mut waiting = Vec::new();
    for row in session.query(WAITING, &[]).await? {
        let person_id: Option<Uuid> = row.try_get(1)?;
        let payload: Vec<u8> = row.try_get(2)?;
        waiting.push(Row {
            outbox_id: row.try_get(0)?,
            person_id: person_id.map(PersonId::new),
            payload: payload.into(),
        });
    }
    if waiting.is_empty() {
        return Ok(false);
    }
    let records = waiting.iter().flat_map(|row| row.records(log)).collect();
    match log.append(Topic::Reports, records).await {
        Ok(_) => delete(session, &waiting).await?,
        Err(error) if error.class() == Class::Input => relay_singly(session, log, &waiting).await?,
        Err(error) => return Err(error.into()),
    }
    Ok(true)
}

/// Finds the row that the stream refuses, so that it does not hold up the others.
async fn relay_singly(session: &Client, log: &dyn Log, waiting: &[Row]) -> Result<(), Error> {
    for row in waiting {
        match log.append(Topic::Reports, row.records(log)).await {
            Ok(_) => delete(session, std::slice::from_ref(row)).await?,
            Err(refusal) if refusal.class() == Class::Input => {
                error!(outbox_id = row.outbox_id, error = %refusal, "the stream refuses an outbox row for good");
                metrics::counter!("homeward_outbox_refused_total").increment(1);
                session.execute(REFUSE, &[&row.outbox_id, &refusal.to_string()]).await?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

async fn delete(session: &Client, published: &[Row]) -> Result<(), Error> {
    let ids: Vec<i64> = published.iter().map(|row| row.outbox_id).collect();
    session.execute(DELETE, &[&ids]).await?;
    metrics::counter!("homeward_outbox_published_total").increment(published.len() as u64);
    Ok(())
}
