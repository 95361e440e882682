//! Turns events into incidents and tells people about them.
//!
//! [`run`] starts its parts: [`consume`] reads the stream's `events`, and stores event, incident, actions, queued
//! messages and its own offset in one transaction; [`dispatch`] leases queued messages and sends them;
//! [`deadlines`] ends what was to last for a time, and climbs escalation ladders. Any number of
//! workers may run at once: partitions have one owner, and messages one lease.

pub mod alarm;
mod apply;
mod backoff;
mod cause;
pub mod channel;
mod config;
pub mod consume;
pub mod deadlines;
pub mod dispatch;
mod error;
mod ladders;
mod terms;

use std::sync::Arc;

use casedb::Database;
use stream::Log;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use config::{Credentials, SmsConfig, SmsSettings, SmtpConfig, SmtpTls, WorkerConfig};
pub use error::WorkerError;

/// Runs until `shutdown` is cancelled, or until something fails that trying again cannot help. Messages in flight get
/// [`WorkerConfig::drain`] to finish; what does not is sent by the next worker once its lease runs out.
pub async fn run(
    db: Database,
    log: Arc<dyn Log>,
    config: WorkerConfig,
    shutdown: CancellationToken,
) -> Result<(), WorkerError> {
    // Each part stops the others when it fails: a worker that half works would look healthy.
    let stop = shutdown.child_token();
    let (queued, woken) = watch::channel(());
    // Boxed: together they are too large for a caller's stack.
    let consumer = Box::pin(async {
        let _guard = stop.clone().drop_guard();
        consume::run(&db, log.as_ref(), &config, &queued, &stop).await
    });
    let dispatcher = Box::pin(async {
        let _guard = stop.clone().drop_guard();
        dispatch::run(&db, &config, &woken, &stop).await
    });
    let keeper = Box::pin(async {
        let _guard = stop.clone().drop_guard();
        deadlines::run(&db, &config, &queued, &stop).await
    });
    let sweeper = Box::pin(cause::run(&db, &config, &queued, &stop));
    // Warnings before orders and reviews end. They fail with a log line and come again: nothing here stops the worker.
    let terms = Box::pin(terms::run(&db, &stop));
    let ladders = Box::pin(ladders::run(&db, &config, &queued, &stop));
    let (consumed, dispatched, kept, (), (), ()) = tokio::join!(consumer, dispatcher, keeper, sweeper, terms, ladders);
    consumed.and(dispatched).and(kept)
}
