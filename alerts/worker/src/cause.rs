//! Looks for root causes, every some seconds.

use std::time::Duration;

use alerts::group::cause::Thresholds;
use casedb::{
    Database,
    cause::{self, Swept},
};
use jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{WorkerConfig, WorkerError};

/// Sweeps until `stop`. A sweep that fails is tried again with the next: incidents stand by themselves meanwhile, which is the safe way to be wrong.
pub(crate) async fn run(db: &Database, config: &WorkerConfig, queued: &watch::Sender<()>, stop: &CancellationToken) {
    let thresholds = Thresholds::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(config.causes_every.max(Duration::from_millis(100))) => {}
        }
        match once(db, &thresholds).await {
            Ok(Swept { raised: 0, merged: 0 }) => {}
            Ok(Swept { raised, merged }) => {
                info!(raised, merged, "root causes");
                metrics::counter!("homeward_alerts_causes_total").increment(raised as u64);
                metrics::counter!("homeward_alerts_caused_total").increment(merged as u64);
                queued.send_replace(());
            }
            Err(error) => warn!(%error, "could not look for root causes"),
        }
    }
}

async fn once(db: &Database, thresholds: &Thresholds) -> Result<Swept, WorkerError> {
    let mut client = db.client().await?;
    let transaction = client.transaction().await.map_err(casedb::Error::from)?;
    let swept = cause::sweep(&transaction, thresholds, Timestamp::now()).await?;
    transaction.commit().await.map_err(casedb::Error::from)?;
    Ok(swept)
}
