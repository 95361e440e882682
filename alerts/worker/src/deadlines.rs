//! What time makes of incidents: acknowledgements and suspensions that end, and the steps of escalation ladders.
//!
//! Any number of workers do this at once: each takes one incident on which something is due, which the others pass over, and writes all
//! that is due on it in one transaction.

use std::{collections::BTreeSet, time::Duration};

use alerts::roster::Via;
use casedb::{
    Class, Database, escalation,
    incident::{self, Worked},
};
use jiff::Timestamp;
use rand::{SeedableRng, rngs::StdRng};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use uuid::Uuid;

use crate::{WorkerConfig, WorkerError, backoff, ladders::set_up};

/// A deadline is not waited for more exactly than this.
const SHORTEST: Duration = Duration::from_millis(5);

/// Keeps deadlines until `stop`; sends on `queued` when messages wait.
pub(crate) async fn run(
    db: &Database,
    config: &WorkerConfig,
    queued: &watch::Sender<()>,
    stop: &CancellationToken,
) -> Result<(), WorkerError> {
    let set_up = set_up(config);
    let mut failures = 0;
    while !stop.is_cancelled() {
        let wait = match tick(db, &set_up, Timestamp::now(), stop).await {
            Ok(done) => {
                failures = 0;
                if done.iter().any(|worked| worked.queued > 0) {
                    queued.send_replace(());
                }
                pause(db, config).await.unwrap_or(config.poll)
            }
            Err(error) if matches!(error.class(), Class::Retry | Class::Abort) => {
                failures += 1;
                warn!(%error, "deadlines could not be looked at, trying again");
                let mut rng = StdRng::seed_from_u64(config.seed);
                backoff::pause(config.poll, Duration::from_secs(5), failures, &mut rng)
            }
            Err(error) => return Err(error),
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
    Ok(())
}

/// Until the next deadline; no longer than between two looks, for others raise incidents as well.
async fn pause(db: &Database, config: &WorkerConfig) -> Result<Duration, WorkerError> {
    let client = db.client().await?;
    let Some(next) = incident::next_deadline(&client).await? else {
        return Ok(config.poll);
    };
    let left = Duration::try_from(next.duration_since(Timestamp::now())).unwrap_or(SHORTEST);
    Ok(left.clamp(SHORTEST, config.poll.max(SHORTEST)))
}

/// Does all that is due at `now`, one incident after the other, over the channels that are `set_up`. An incident that cannot be done is left for the next time, and does not
/// hold up the others.
pub async fn tick(
    db: &Database,
    set_up: &BTreeSet<Via>,
    now: Timestamp,
    stop: &CancellationToken,
) -> Result<Vec<Worked>, WorkerError> {
    let mut client = db.client().await?;
    match incident::next_deadline(&client).await? {
        Some(next) if next <= now => {}
        _ => return Ok(Vec::new()),
    }
    let mut plan = escalation::load(&client).await?;
    plan.only_over(set_up);
    let mut done = Vec::new();
    let mut broken: Vec<Uuid> = Vec::new();
    while !stop.is_cancelled() {
        let transaction = client.transaction().await?;
        match incident::work(&transaction, &plan, &broken, now).await {
            Ok(None) => break,
            Ok(Some(worked)) => {
                transaction.commit().await?;
                count(&worked);
                done.push(worked);
            }
            Err((Some(incident_id), failure)) if !matches!(failure.class(), Class::Retry | Class::Abort) => {
                error!(%incident_id, error = %failure, "a deadline could not be kept");
                metrics::counter!("homeward_alerts_deadlines_failed_total").increment(1);
                transaction.rollback().await?;
                broken.push(incident_id);
            }
            Err((_, failure)) => return Err(failure.into()),
        }
    }
    Ok(done)
}

fn count(worked: &Worked) {
    for (outcome, number) in [
        ("called", worked.called),
        ("nobody", worked.nobody),
        ("failed", u32::from(worked.failed)),
    ] {
        metrics::counter!("homeward_alerts_ladder_steps_total", "outcome" => outcome).increment(u64::from(number));
    }
    metrics::counter!("homeward_alerts_holds_ended_total").increment(u64::from(worked.ended));
    if worked.called > 0 {
        metrics::histogram!("homeward_alerts_step_late_seconds").record(worked.late_s.max(0.0));
    }
    if worked.failed {
        info!(incident_id = %worked.incident, "escalation failed: nobody came");
    }
}
