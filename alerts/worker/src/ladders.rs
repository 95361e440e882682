//! Looks whether somebody could be called at every instant: every hour, and at once when something that decides it has changed.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use alerts::{roster::Via, route::Channel};
use casedb::{
    Database, Listener,
    escalation::{self, Look},
};
use jiff::Timestamp;
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::WorkerConfig;

/// How often, beginning at the start.
const EVERY: Duration = Duration::from_hours(1);
/// After a look that failed.
const AGAIN: Duration = Duration::from_secs(10);
/// What is changed at once is looked at once.
const TOGETHER: Duration = Duration::from_millis(300);
/// Of the time, a worker looks for no more than one part in so many, however much is changed.
const PARTS: u32 = 5;

/// Looks until `stop`. Any number of workers may: a gap is one incident.
pub(crate) async fn run(db: &Database, config: &WorkerConfig, queued: &watch::Sender<()>, stop: &CancellationToken) {
    let set_up = set_up(config);
    let mut listener: Option<Listener> = None;
    while !stop.is_cancelled() {
        if listener.is_none() {
            listener = db.listen(&[escalation::CHANNEL]).await.ok();
        }
        let began = Instant::now();
        let looked = escalation::watch(db, &set_up, Timestamp::now()).await;
        let pause = match looked {
            Ok(look) => {
                if look == Look::Gap(true) {
                    error!("nobody could be called at some instant: `homeward ladder check` names it");
                    queued.send_replace(());
                }
                if listener.is_some() { EVERY } else { AGAIN }
            }
            Err(error) => {
                warn!(%error, "ladders were not checked");
                AGAIN
            }
        };
        let rest = TOGETHER.max(began.elapsed() * PARTS);
        tokio::select! {
            () = sleep(pause) => {}
            () = async { changed(&mut listener).await; sleep(rest).await } => {}
            () = stop.cancelled() => return,
        }
        // What was said so far is seen by the look that comes now.
        while listener.as_mut().is_some_and(|open| open.try_recv().is_some()) {}
    }
}

/// Waits until something was changed, or may have been while nobody listened.
async fn changed(listener: &mut Option<Listener>) {
    match listener {
        Some(open) => {
            if open.recv().await.is_none() {
                *listener = None;
            }
        }
        None => std::future::pending().await,
    }
}

/// The ways to a user's own addresses that this worker can go.
pub(crate) fn set_up(config: &WorkerConfig) -> BTreeSet<Via> {
    let own = |channel| match channel {
        Channel::Console => Some(Via::Console),
        Channel::Mail => Some(Via::Mail),
        Channel::Sms => Some(Via::Sms),
        Channel::Push => Some(Via::Push),
        Channel::Webhook => None,
    };
    config.served().into_iter().filter_map(own).collect()
}
