//! From the queue of messages to the people.
//!
//! Each channel has a loop of its own, so that a mail server that hangs does not hold up webhooks.

use std::{sync::Arc, time::Duration};

use alerts::{route::Channel, text};
use casedb::{
    Database,
    notification::{self, Job},
};
use jiff::Timestamp;
use rand::{SeedableRng, rngs::StdRng};
use tokio::{sync::watch, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use crate::{
    WorkerConfig, WorkerError, backoff,
    channel::{SendError, mail::Mail, webhook::Webhook},
};

/// How often the backlog is counted and old messages are given up.
const HOUSEKEEPING: Duration = Duration::from_secs(15);

#[derive(Debug)]
enum Sender {
    Mail(Box<Mail>),
    Webhook(Webhook),
}

impl Sender {
    const fn channel(&self) -> Channel {
        match self {
            Self::Mail(_) => Channel::Mail,
            Self::Webhook(_) => Channel::Webhook,
        }
    }

    async fn send(&self, job: &Job, console_url: Option<&str>) -> Result<(), SendError> {
        if job.target_removed {
            return Err(SendError::Refused("the agency has removed this target".to_owned()));
        }
        let link = console_url.map(|url| format!("{}/incidents/{}", url.trim_end_matches('/'), job.incident_id));
        let facts = text::Facts {
            number: job.number,
            reference: &job.reference,
            // These channels leave the house: there is no name and no place to give away.
            name: "",
            place: None,
            kind: job.kind,
            severity: job.severity,
            onset_at: job.onset_at,
            time_zone: &job.time_zone,
            news: job.news,
            late: job.late,
            link: link.as_deref(),
        };
        let message = text::render(&facts, job.channel, job.locale);
        match self {
            Self::Mail(mail) => mail.send(job, &message).await,
            Self::Webhook(webhook) => webhook.send(job, &message, Timestamp::now()).await,
        }
    }
}

/// Sends messages until `stop`; looks at the queue at once when `woken` changes.
pub(crate) async fn run(
    db: &Database,
    config: &WorkerConfig,
    woken: &watch::Receiver<()>,
    stop: &CancellationToken,
) -> Result<(), WorkerError> {
    let mut senders = vec![Sender::Webhook(Webhook::new(config.webhook_timeout)?)];
    if let Some(smtp) = &config.smtp {
        senders.push(Sender::Mail(Box::new(Mail::new(smtp)?)));
    } else {
        warn!("no mail server is configured: social workers get no mail, and mails to targets wait in the queue");
    }
    let loops = senders
        .into_iter()
        .map(|sender| serve(db, config, Arc::new(sender), woken.clone(), stop));
    let (outcomes, ()) = tokio::join!(futures::future::join_all(loops), keep_house(db, config, stop));
    outcomes.into_iter().collect()
}

/// The loop of one channel.
async fn serve(
    db: &Database,
    config: &WorkerConfig,
    sender: Arc<Sender>,
    mut woken: watch::Receiver<()>,
    stop: &CancellationToken,
) -> Result<(), WorkerError> {
    let channels = [sender.channel()];
    let mut flying = JoinSet::new();
    let mut failures = 0;
    while !stop.is_cancelled() {
        // Only as many as can be sent now: a lease must not run out while its message waits for its turn.
        let free = config.parallel.max(1).saturating_sub(flying.len());
        let mut wait = config.poll;
        if free > 0 {
            let leased = async {
                let client = db.client().await?;
                let limit = i64::try_from(free).unwrap_or(i64::MAX);
                notification::lease(&client, &config.name, &channels, limit, config.lease).await
            };
            match leased.await {
                Ok(jobs) => {
                    failures = 0;
                    if jobs.len() == free {
                        wait = Duration::ZERO;
                    }
                    for job in jobs {
                        flying.spawn(deliver(db.clone(), config.clone(), Arc::clone(&sender), job));
                    }
                }
                Err(error) => {
                    failures += 1;
                    let mut rng = StdRng::seed_from_u64(config.seed);
                    wait = backoff::pause(config.poll, Duration::from_secs(10), failures, &mut rng);
                    error!(channel = %sender.channel(), %error, "could not lease messages");
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => {}
            Some(_) = flying.join_next() => {}
            () = tokio::time::sleep(wait), if free > 0 => {}
            // An error says that nobody wakes any more, which is so at shutdown only.
            Ok(()) = woken.changed() => {}
        }
    }
    // What does not end in time keeps its lease; the next worker sends it when the lease runs out.
    if timeout(config.drain, async { while flying.join_next().await.is_some() {} })
        .await
        .is_err()
    {
        warn!(channel = %sender.channel(), messages = flying.len(), "messages in flight were left to their leases");
    }
    Ok(())
}

/// Sends one message and reports the outcome under its lease.
async fn deliver(db: Database, config: WorkerConfig, sender: Arc<Sender>, job: Job) {
    let channel = job.channel;
    let notification_id = job.lease.notification_id;
    let outcome = match timeout(config.lease, sender.send(&job, config.console_url.as_deref())).await {
        Ok(outcome) => outcome,
        Err(_) => Err(SendError::Transient("sending took longer than the lease".to_owned())),
    };
    let (word, reported) = match outcome {
        Ok(()) => (
            "sent",
            notification::sent(&db, &job.lease, Timestamp::now())
                .await
                .map_err(WorkerError::from),
        ),
        Err(failure) => fail(&db, &config, &job, &failure).await,
    };
    match reported {
        Ok(true) => {
            metrics::counter!("homeward_alerts_notifications_total", "channel" => channel.name(), "outcome" => word)
                .increment(1);
            if word == "sent" {
                let seconds = Timestamp::now().duration_since(job.created_at).as_secs_f64().max(0.0);
                metrics::histogram!("homeward_alerts_delivery_seconds", "channel" => channel.name()).record(seconds);
            }
            debug!(%notification_id, %channel, word, attempt = job.lease.attempt, "message handled");
        }
        Ok(false) => warn!(%notification_id, %channel, "the lease ran out before the outcome was reported"),
        // The lease runs out and the message is tried again, with the same key.
        Err(error) => error!(%notification_id, %channel, word, %error, "could not report the outcome"),
    }
}

/// Puts a message back, or gives it up.
async fn fail(
    db: &Database,
    config: &WorkerConfig,
    job: &Job,
    failure: &SendError,
) -> (&'static str, Result<bool, WorkerError>) {
    let attempt = job.lease.attempt;
    let most = match failure {
        SendError::Transient(_) => config.max_attempts,
        SendError::Refused(_) => config.max_refusals,
    };
    let text = failure.to_string();
    // Of each message its own jitter, repeatable with the seed.
    let [id_high, id_low] = <[u64; 2]>::from(job.lease.notification_id.as_u64_pair());
    let mut rng = StdRng::seed_from_u64(config.seed ^ id_high ^ id_low ^ u64::from(attempt.unsigned_abs()));
    if attempt >= most {
        error!(notification_id = %job.lease.notification_id, channel = %job.channel, attempt, error = text, "message given up");
        let reported = notification::dead(db, &job.lease, &text, Timestamp::now()).await;
        return ("dead", reported.map_err(WorkerError::from));
    }
    let after = backoff::pause(config.backoff, config.backoff_max, attempt, &mut rng);
    warn!(notification_id = %job.lease.notification_id, channel = %job.channel, attempt, error = text, "message not sent");
    let reported = async {
        let client = db.client().await?;
        notification::retry(&client, &job.lease, &text, after).await
    };
    ("retry", reported.await.map_err(WorkerError::from))
}

/// Counts the backlog and gives up what has waited too long.
async fn keep_house(db: &Database, config: &WorkerConfig, stop: &CancellationToken) {
    loop {
        let kept = async {
            while !stop.is_cancelled() && notification::expire(db, config.give_up_after, Timestamp::now()).await? {
                error!("a message waited too long and was given up");
                metrics::counter!("homeward_alerts_notifications_expired_total").increment(1);
            }
            let client = db.client().await?;
            Ok::<_, WorkerError>(notification::backlog(&client).await?)
        };
        match kept.await {
            Ok(backlog) => {
                metrics::gauge!("homeward_alerts_notifications_waiting").set(backlog.waiting as f64);
                metrics::gauge!("homeward_alerts_notifications_dead").set(backlog.dead as f64);
            }
            Err(error) => warn!(%error, "could not count messages"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(HOUSEKEEPING) => {}
        }
    }
}
