//! Looks every hour whether somebody could be called at every instant of the next two weeks.

use std::{collections::BTreeSet, time::Duration};

use alerts::{roster::Via, route::Channel};
use casedb::{
    Database,
    escalation::{self, Look},
};
use jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::WorkerConfig;

/// How often, beginning at the start.
const EVERY: Duration = Duration::from_hours(1);
/// After a look that failed.
const AGAIN: Duration = Duration::from_mins(1);

/// Looks until `stop`. Any number of workers may: a gap is one incident.
pub(crate) async fn run(db: &Database, config: &WorkerConfig, queued: &watch::Sender<()>, stop: &CancellationToken) {
    let set_up = set_up(config);
    loop {
        let pause = match escalation::watch(db, &set_up, Timestamp::now()).await {
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

/// The ways to a user's own addresses that this worker can go.
fn set_up(config: &WorkerConfig) -> BTreeSet<Via> {
    let own = |channel| match channel {
        Channel::Console => Some(Via::Console),
        Channel::Mail => Some(Via::Mail),
        Channel::Sms => Some(Via::Sms),
        Channel::Push => Some(Via::Push),
        Channel::Webhook => None,
    };
    config.served().into_iter().filter_map(own).collect()
}
