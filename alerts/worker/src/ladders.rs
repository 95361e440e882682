//! Looks every day whether somebody could be called at every instant of the next two weeks.

use std::time::Duration;

use casedb::{
    Database,
    escalation::{self, Look},
};
use jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

/// How often, beginning at the start.
const EVERY: Duration = Duration::from_hours(24);
/// After a look that failed.
const AGAIN: Duration = Duration::from_mins(1);

/// Looks until `stop`. Any number of workers may: a gap is one incident.
pub(crate) async fn run(db: &Database, queued: &watch::Sender<()>, stop: &CancellationToken) {
    loop {
        let pause = match escalation::watch(db, Timestamp::now()).await {
            Ok(look) => {
                if look == Look::Gap(true) {
                    error!("nobody could be called at some instant of the next two weeks");
                    queued.send_replace(());
                }
                EVERY
            }
            Err(error) => {
                warn!(%error, "ladders were not checked");
                AGAIN
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
    }
}
