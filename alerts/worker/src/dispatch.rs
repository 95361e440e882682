//! From the queue of messages to the people.
//!
//! Each channel has a loop of its own, so that a mail server that hangs does not hold up webhooks.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use alerts::{route::Channel, sms, text};
use casedb::{
    Database,
    notification::{self, Handed, Job, Places},
};
use jiff::Timestamp;
use rand::{SeedableRng, rngs::StdRng};
use tokio::{sync::watch, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

use crate::{
    WorkerConfig, WorkerError, backoff,
    channel::{SendError, mail::Mail, sms::Sms, webhook::Webhook},
};

/// How often the backlog is counted and old messages are given up.
const HOUSEKEEPING: Duration = Duration::from_secs(15);

#[derive(Debug)]
enum Sender {
    Mail(Box<Mail>),
    Webhook(Webhook),
    Sms(Box<Sms>),
}

impl Sender {
    const fn channel(&self) -> Channel {
        match self {
            Self::Mail(_) => Channel::Mail,
            Self::Webhook(_) => Channel::Webhook,
            Self::Sms(_) => Channel::Sms,
        }
    }

    async fn send(&self, job: &Job, console_url: Option<&str>) -> Result<Handed, SendError> {
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
            own_kind: job.own_kind.as_deref(),
            severity: job.severity,
            onset_at: job.onset_at,
            time_zone: &job.time_zone,
            news: job.news,
            late: job.late,
            link: link.as_deref(),
        };
        let message = || text::render(&facts, job.channel, job.locale);
        match self {
            Self::Mail(mail) => mail.send(job, &message()).await?,
            Self::Webhook(webhook) => webhook.send(job, &message(), Timestamp::now()).await?,
            Self::Sms(gateway) => {
                let text = sms::render(&facts, job.locale, gateway.segments());
                return gateway.send(job, &text, Timestamp::now()).await;
            }
        }
        Ok(Handed::default())
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
    if let Some(gateway) = &config.sms {
        senders.push(Sender::Sms(Box::new(Sms::new(gateway)?)));
    }
    let loops = senders
        .into_iter()
        .map(|sender| serve(db, config, Arc::new(sender), woken.clone(), stop));
    let (outcomes, (), ()) = tokio::join!(
        futures::future::join_all(loops),
        fail_over(db, config, stop),
        keep_house(db, config, stop)
    );
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
    let mut recipients: HashMap<tokio::task::Id, String> = HashMap::new();
    let mut failures = 0;
    while !stop.is_cancelled() {
        // Only as many as can be sent now: a lease must not run out while its message waits for its turn.
        let free = config.parallel.max(1).saturating_sub(flying.len());
        let mut wait = config.poll;
        if free > 0 {
            let leased = async {
                let client = db.client().await?;
                let limit = i64::try_from(free).unwrap_or(i64::MAX);
                let places = places(config, recipients.values());
                notification::lease_within(&client, &config.name, &channels, limit, config.lease, &places).await
            };
            match leased.await {
                Ok(jobs) => {
                    failures = 0;
                    if jobs.len() == free {
                        wait = Duration::ZERO;
                    }
                    for job in jobs {
                        let recipient = job.recipient.clone();
                        let task = flying.spawn(deliver(db.clone(), config.clone(), Arc::clone(&sender), job));
                        recipients.insert(task.id(), recipient);
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
            Some(ended) = flying.join_next_with_id() => {
                let task = ended.map_or_else(|error| error.id(), |(task, ())| task);
                recipients.remove(&task);
            }
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

/// How many messages a recipient may have in flight, and who has how many.
fn places<'a>(config: &WorkerConfig, recipients: impl Iterator<Item = &'a String>) -> Places {
    let mut flying: BTreeMap<&str, i64> = BTreeMap::new();
    for recipient in recipients {
        *flying.entry(recipient).or_default() += 1;
    }
    Places {
        each: i64::try_from(config.parallel_each.max(1)).unwrap_or(i64::MAX),
        flying: flying.into_iter().map(|(who, count)| (who.to_owned(), count)).collect(),
    }
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
        Ok(said) => (
            "sent",
            notification::handed(&db, &job.lease, &said, Timestamp::now())
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
        // It has said when to come: coming then is no failure. What lasts too long expires.
        SendError::Later { .. } => i32::MAX,
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
    let pause = backoff::pause(config.backoff, config.backoff_max, attempt, &mut rng);
    let asked = match failure {
        SendError::Later { after, .. } => Some(*after),
        SendError::Transient(_) | SendError::Refused(_) => None,
    };
    // Never sooner than it was asked for, and those that wait together do not all come at once.
    let after = asked.map_or(pause, |asked| asked + pause.min(asked / 2));
    warn!(notification_id = %job.lease.notification_id, channel = %job.channel, attempt, error = text, "message not sent");
    let reported = async {
        let client = db.client().await?;
        if let Some(asked) = asked {
            // All short messages go to one gateway; of webhooks each address is a receiver of its own.
            let whom = if job.channel == Channel::Sms {
                ""
            } else {
                &job.recipient
            };
            notification::hold(&client, job.channel, whom, asked).await?;
        }
        notification::retry(&client, &job.lease, &text, after).await
    };
    ("retry", reported.await.map_err(WorkerError::from))
}

/// Passes on what a channel has not handed over in time.
async fn fail_over(db: &Database, config: &WorkerConfig, stop: &CancellationToken) {
    let served = config.served();
    while !stop.is_cancelled() {
        let passed = async {
            let mut client = db.client().await?;
            let transaction = client.transaction().await?;
            let passed = notification::pass_on(&transaction, &served).await?;
            transaction.commit().await?;
            Ok::<_, WorkerError>(passed)
        };
        match passed.await {
            Ok(passed) => {
                for (outcome, count) in [
                    ("next", passed.on),
                    ("exhausted", passed.exhausted),
                    ("needless", passed.needless),
                ] {
                    metrics::counter!("homeward_alerts_failovers_total", "outcome" => outcome).increment(count);
                }
                if passed.on + passed.exhausted > 0 {
                    warn!(
                        next = passed.on,
                        exhausted = passed.exhausted,
                        "messages not handed over in time were passed on"
                    );
                }
            }
            Err(error) => warn!(%error, "could not look for messages that are late"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(config.pass_on) => {}
        }
    }
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
            notification::sweep_holds(&client).await?;
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
