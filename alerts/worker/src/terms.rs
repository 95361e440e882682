//! Watches the terms of orders: warnings before they and their reviews end, reviews that a faulty device forces.

use std::time::Duration;

use casedb::{Database, order};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How often: a warning is due on a day, so a minute is soon enough.
const EVERY: Duration = Duration::from_mins(1);

/// Looks until `stop`. Any number of workers may: each warning is given once.
pub(crate) async fn run(db: &Database, stop: &CancellationToken) {
    loop {
        match order::watch(db, Timestamp::now()).await {
            Ok(0) => {}
            Ok(warnings) => info!(warnings, "orders or reviews end soon"),
            Err(error) => warn!(%error, "terms of orders were not looked at"),
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = stop.cancelled() => return,
        }
    }
}
