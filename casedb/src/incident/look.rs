//! Parts of the program that look every so often for something that becomes an incident, each in a transaction of its own.

use std::time::Duration;

use jiff::Timestamp;
use proto::PersonId;
use tokio_postgres::types::ToSql;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{IncidentError, SystemIncident, end_system, raise_system};
use crate::{Client, Database, Error, pool::optional};

/// Raises an incident that is not told yet: `told` finds a row where it is. False: it was. Two who do it at once raise it once.
pub(crate) async fn tell(
    client: &mut Client,
    (told, values): (&'static str, &[&(dyn ToSql + Sync)]),
    system: &SystemIncident<'_>,
) -> Result<bool, IncidentError> {
    let transaction = client.transaction().await.map_err(Error::from)?;
    if optional(&transaction, told, values).await?.is_some() {
        return Ok(false);
    }
    let new = raise_system(&transaction, system).await?.new;
    transaction.commit().await.map_err(Error::from)?;
    Ok(new)
}

/// Says of an incident that its cause is gone.
pub(crate) async fn over(
    client: &mut Client,
    person: Option<PersonId>,
    grouping_key: &str,
    text: &str,
    now: Timestamp,
) -> Result<(), IncidentError> {
    let transaction = client.transaction().await.map_err(Error::from)?;
    end_system(&transaction, person, grouping_key, text, now).await?;
    transaction.commit().await.map_err(Error::from)?;
    Ok(())
}

/// Looks until it is stopped. What goes wrong is tried again the next time; `what` cannot be told then.
pub(crate) async fn watch<F, R>(
    database: Database,
    every: Duration,
    stop: CancellationToken,
    what: &'static str,
    look: F,
) where
    F: Fn(Database, Timestamp) -> R + Send,
    R: Future<Output = Result<usize, IncidentError>> + Send,
{
    loop {
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = stop.cancelled() => return,
        }
        if let Err(error) = look(database.clone(), Timestamp::now()).await {
            warn!(%error, what, "this cannot be told of yet");
        }
    }
}
