//! The leased outbox of messages: one row is one message to one recipient over one channel.
//!
//! A worker leases rows, sends, and reports the outcome under its lease (worker and attempt). A lease that runs out gives
//! the row to the next worker, and the report of the first then changes nothing. Times are the database's, so that the
//! clocks of several workers do not matter.

use std::time::Duration;

use alerts::{
    Locale, Severity,
    route::{Channel, Contacts, Recipient, Target},
    text::News,
};
use jiff::Timestamp;
use proto::wire::EventKind;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    Database, Error,
    incident::{IncidentError, IncidentRow, handed_over, undelivered},
    pool::{GenericClient, Transaction, execute, optional, row, rows},
};

const WORKER: &str = "SELECT u.email, u.locale FROM person p JOIN app_user u ON u.user_id = p.social_worker_id
    WHERE p.person_id = $1 AND u.disabled_at IS NULL AND u.email <> ''";
const TARGETS: &str = "SELECT target_id, agency_id, channel, address, max_severity, locale FROM notification_target
    WHERE agency_id = $1 OR agency_id = $2 ORDER BY target_id";

/// Reads who is responsible for an incident's person.
pub async fn contacts(client: &impl GenericClient, incident: &IncidentRow) -> Result<Contacts, Error> {
    let social_worker = match optional(client, WORKER, &[&incident.person_id]).await? {
        Some(row) => Some((row.try_get("email")?, locale(&row)?)),
        None => None,
    };
    let mut targets = Vec::new();
    for row in rows(
        client,
        TARGETS,
        &[&incident.police_agency_id, &incident.social_agency_id],
    )
    .await?
    {
        targets.push(Target {
            target: row.try_get("target_id")?,
            agency: row.try_get("agency_id")?,
            channel: channel(&row)?,
            address: row.try_get("address")?,
            at_least: severity(row.try_get("max_severity")?)?,
            locale: locale(&row)?,
        });
    }
    Ok(Contacts {
        // Nil is nobody's: what concerns everybody goes to the consoles, and to no agency of its own.
        police_agency: incident.police_agency_id.unwrap_or_default(),
        social_agency: incident.social_agency_id.unwrap_or_default(),
        social_worker,
        targets,
    })
}

// A console message is handed over by the commit's NOTIFY, so it is stored as sent.
const ENQUEUE: &str = "WITH queued AS (
        INSERT INTO notification (notification_id, idempotency_key, incident_id, event_id, channel, recipient, target_id, locale,
            state, attempts, sent_at)
        SELECT m.id, concat_ws(':', $1::uuid, $2::uuid, m.channel, m.recipient), $1, $2, m.channel, m.recipient, m.target, m.locale,
            CASE m.channel WHEN 'console' THEN 'sent' ELSE 'queued' END,
            CASE m.channel WHEN 'console' THEN 1 ELSE 0 END,
            CASE m.channel WHEN 'console' THEN clock_timestamp() END
        FROM unnest($3::uuid[], $4::text[], $5::text[], $6::uuid[], $7::text[]) AS m (id, channel, recipient, target, locale)
        ON CONFLICT (idempotency_key) DO NOTHING RETURNING channel
    )
    SELECT count(*) AS messages FROM queued WHERE channel <> 'console'";

/// Queues messages about an event of an incident; each once, however often this is called. Returns how many wait to be sent.
pub async fn enqueue(
    transaction: &impl GenericClient,
    incident_id: Uuid,
    event_id: impl Into<Option<Uuid>>,
    recipients: &[Recipient],
) -> Result<i64, Error> {
    let event_id: Option<Uuid> = event_id.into();
    if recipients.is_empty() {
        return Ok(0);
    }
    let ids: Vec<Uuid> = recipients.iter().map(|_| Uuid::now_v7()).collect();
    let channels: Vec<&str> = recipients.iter().map(|recipient| recipient.channel.name()).collect();
    let addresses: Vec<&str> = recipients.iter().map(|recipient| recipient.address.as_str()).collect();
    let targets: Vec<Option<Uuid>> = recipients.iter().map(|recipient| recipient.target).collect();
    let locales: Vec<&str> = recipients.iter().map(|recipient| recipient.locale.tag()).collect();
    let counted = row(
        transaction,
        ENQUEUE,
        &[&incident_id, &event_id, &ids, &channels, &addresses, &targets, &locales],
    )
    .await?;
    Ok(counted.try_get("messages")?)
}

/// The right to send a message, until it runs out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Which message.
    pub notification_id: Uuid,
    /// Who has it.
    pub worker: String,
    /// Which try this is, counted from 1; tells an older lease of the same worker apart.
    pub attempt: i32,
}

/// A leased message with what its text is made of.
#[derive(Debug, Clone)]
pub struct Job {
    /// The right to send it.
    pub lease: Lease,
    /// How.
    pub channel: Channel,
    /// Mail address or URL.
    pub recipient: String,
    /// In which language.
    pub locale: Locale,
    /// It goes to an agency's target that has been removed since.
    pub target_removed: bool,
    /// Webhook: key of the signature.
    pub secret: Option<Vec<u8>>,
    /// About which incident.
    pub incident_id: Uuid,
    /// Its number.
    pub number: i64,
    /// Its severity now.
    pub severity: Severity,
    /// Its audience now.
    pub audience: String,
    /// Of the event that the message tells of.
    pub kind: EventKind,
    /// When that violation began.
    pub onset_at: Timestamp,
    /// Why the message is sent.
    pub news: News,
    /// That event was judged from reports that the device had stored.
    pub late: bool,
    /// The person's case reference.
    pub reference: String,
    /// The person's time zone.
    pub time_zone: String,
    /// When it was queued.
    pub created_at: Timestamp,
}

const LEASE: &str = "WITH due AS (
        SELECT notification_id FROM notification
        WHERE state IN ('queued', 'sending') AND channel = ANY ($3) AND next_attempt_at <= now()
        ORDER BY next_attempt_at LIMIT $4 FOR UPDATE SKIP LOCKED
    ), leased AS (
        UPDATE notification n SET state = 'sending', leased_by = $1, attempts = attempts + 1,
            lease_until = clock_timestamp() + make_interval(secs => $2),
            next_attempt_at = clock_timestamp() + make_interval(secs => $2)
        FROM due WHERE n.notification_id = due.notification_id RETURNING n.*
    )
    SELECT n.notification_id, n.channel, n.recipient, n.locale, n.attempts, n.created_at, n.incident_id,
        n.target_id IS NOT NULL AND t.target_id IS NULL AS target_removed, t.secret,
        i.number, i.severity, i.audience, coalesce(e.kind, i.kind) AS kind, coalesce(e.onset_at, i.onset_at) AS onset_at,
        coalesce(e.late, false) AS late, coalesce(e.withdrawn, false) AS withdrawn, coalesce(e.edge, 'onset') AS edge,
        coalesce(p.reference, '') AS reference, coalesce(p.time_zone, 'UTC') AS time_zone,
        EXISTS (SELECT FROM incident_action a WHERE a.incident_id = n.incident_id AND a.action = 'raise'
            AND a.event_id IS NOT DISTINCT FROM n.event_id) AS raised
    FROM leased n JOIN incident i USING (incident_id) LEFT JOIN person p USING (person_id) LEFT JOIN event e ON e.event_id = n.event_id
    LEFT JOIN notification_target t ON t.target_id = n.target_id
    ORDER BY i.severity, n.created_at";

/// Leases up to `limit` messages that are due, for `lease`: queued ones, and those whose lease has run out.
pub async fn lease(
    client: &impl GenericClient,
    worker: &str,
    channels: &[Channel],
    limit: i64,
    lease: Duration,
) -> Result<Vec<Job>, Error> {
    let names: Vec<&str> = channels.iter().map(|channel| channel.name()).collect();
    let found = rows(client, LEASE, &[&worker, &lease.as_secs_f64(), &names, &limit]).await?;
    found.iter().map(|row| job(row, worker)).collect()
}

fn job(row: &Row, worker: &str) -> Result<Job, Error> {
    let kind: &str = row.try_get("kind")?;
    Ok(Job {
        lease: Lease {
            notification_id: row.try_get("notification_id")?,
            worker: worker.to_owned(),
            attempt: row.try_get("attempts")?,
        },
        channel: channel(row)?,
        recipient: row.try_get("recipient")?,
        locale: locale(row)?,
        target_removed: row.try_get("target_removed")?,
        secret: row.try_get("secret")?,
        incident_id: row.try_get("incident_id")?,
        number: row.try_get("number")?,
        severity: severity(row.try_get("severity")?)?,
        audience: row.try_get("audience")?,
        kind: proto::event::parse_kind(kind).unwrap_or(EventKind::Unspecified),
        onset_at: row.try_get("onset_at")?,
        news: match row.try_get("edge")? {
            _ if row.try_get("raised")? => News::Raised,
            "correction" if row.try_get("withdrawn")? => News::Withdrawn,
            "correction" => News::Resumed,
            _ => News::Worsened,
        },
        late: row.try_get("late")?,
        reference: row.try_get("reference")?,
        time_zone: row.try_get("time_zone")?,
        created_at: row.try_get("created_at")?,
    })
}

const SENT: &str =
    "UPDATE notification SET state = 'sent', sent_at = clock_timestamp(), lease_until = NULL, last_error = NULL
    WHERE notification_id = $1 AND state = 'sending' AND leased_by = $2 AND attempts = $3 RETURNING incident_id";

/// Notes that a message was handed over. False when the lease was lost meanwhile: the message is somebody else's then.
pub async fn sent(db: &Database, lease: &Lease, now: Timestamp) -> Result<bool, IncidentError> {
    let mut client = db.client().await?;
    let transaction = client.transaction().await?;
    let Some(row) = optional(
        &transaction,
        SENT,
        &[&lease.notification_id, &lease.worker, &lease.attempt],
    )
    .await?
    else {
        return Ok(false);
    };
    handed_over(&transaction, row.try_get("incident_id")?, now).await?;
    transaction.commit().await?;
    Ok(true)
}

const RETRY: &str = "UPDATE notification SET state = 'queued', lease_until = NULL, last_error = $4,
        next_attempt_at = clock_timestamp() + make_interval(secs => $5)
    WHERE notification_id = $1 AND state = 'sending' AND leased_by = $2 AND attempts = $3";

/// Puts a message back, to be tried again after a pause. False when the lease was lost.
pub async fn retry(client: &impl GenericClient, lease: &Lease, error: &str, after: Duration) -> Result<bool, Error> {
    let Lease {
        notification_id,
        worker,
        attempt,
    } = lease;
    Ok(execute(
        client,
        RETRY,
        &[notification_id, worker, attempt, &error, &after.as_secs_f64()],
    )
    .await?
        == 1)
}

const DEAD: &str = "UPDATE notification SET state = 'dead', lease_until = NULL, last_error = $4
    WHERE notification_id = $1 AND state = 'sending' AND leased_by = $2 AND attempts = $3
    RETURNING incident_id, event_id, channel";

/// Gives a message up: it stays, visible, until somebody asks for it again, and the incident's history says so. False when
/// the lease was lost.
pub async fn dead(db: &Database, lease: &Lease, error: &str, now: Timestamp) -> Result<bool, IncidentError> {
    let Lease {
        notification_id,
        worker,
        attempt,
    } = lease;
    let mut client = db.client().await?;
    let transaction = client.transaction().await?;
    let Some(row) = optional(&transaction, DEAD, &[notification_id, worker, attempt, &error]).await? else {
        return Ok(false);
    };
    bury(&transaction, &row, now).await?;
    transaction.commit().await?;
    Ok(true)
}

async fn bury(transaction: &Transaction<'_>, row: &Row, now: Timestamp) -> Result<(), IncidentError> {
    let incident_id = row.try_get("incident_id")?;
    undelivered(
        transaction,
        incident_id,
        row.try_get::<_, Option<Uuid>>("event_id")?,
        row.try_get("channel")?,
        now,
    )
    .await
}

const EXPIRE: &str = "UPDATE notification SET state = 'dead', lease_until = NULL,
        last_error = concat_ws('; ', last_error, 'not delivered in time')
    WHERE notification_id = (SELECT notification_id FROM notification
        WHERE state = 'queued' AND created_at < clock_timestamp() - make_interval(secs => $1)
        ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING incident_id, event_id, channel";

/// Gives up the oldest message that has waited longer than `age` (no mail server was configured, a worker was down for days):
/// late news of an incident long closed would do harm. False when there is none.
pub async fn expire(db: &Database, age: Duration, now: Timestamp) -> Result<bool, IncidentError> {
    let mut client = db.client().await?;
    let transaction = client.transaction().await?;
    let Some(row) = optional(&transaction, EXPIRE, &[&age.as_secs_f64()]).await? else {
        return Ok(false);
    };
    bury(&transaction, &row, now).await?;
    transaction.commit().await?;
    Ok(true)
}

/// A message that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Which.
    pub notification_id: Uuid,
    /// About which incident.
    pub incident_id: Uuid,
    /// Its number.
    pub number: i64,
    /// How.
    pub channel: Channel,
    /// To whom.
    pub recipient: String,
    /// How often it was tried.
    pub attempts: i32,
    /// What went wrong last.
    pub last_error: String,
    /// When it was queued.
    pub created_at: Timestamp,
}

const DEAD_LETTERS: &str = "SELECT n.notification_id, n.incident_id, i.number, n.channel, n.recipient, n.attempts,
        coalesce(n.last_error, '') AS last_error, n.created_at
    FROM notification n JOIN incident i USING (incident_id) WHERE n.state = 'dead' ORDER BY n.created_at DESC LIMIT $1";

/// Lists messages that were given up, newest first.
pub async fn dead_letters(client: &impl GenericClient, limit: i64) -> Result<Vec<DeadLetter>, Error> {
    let found = rows(client, DEAD_LETTERS, &[&limit]).await?;
    found
        .iter()
        .map(|row| {
            Ok(DeadLetter {
                notification_id: row.try_get("notification_id")?,
                incident_id: row.try_get("incident_id")?,
                number: row.try_get("number")?,
                channel: channel(row)?,
                recipient: row.try_get("recipient")?,
                attempts: row.try_get("attempts")?,
                last_error: row.try_get("last_error")?,
                created_at: row.try_get("created_at")?,
            })
        })
        .collect()
}

// Tries and age start anew, so that it is not given up at once.
const REQUEUE: &str = "UPDATE notification SET state = 'queued', next_attempt_at = clock_timestamp(),
        created_at = clock_timestamp(), leased_by = NULL, attempts = 0
    WHERE notification_id = $1 AND state = 'dead'";

/// Queues a message that was given up once more. False when it is not dead.
pub async fn requeue(client: &impl GenericClient, notification_id: Uuid) -> Result<bool, Error> {
    Ok(execute(client, REQUEUE, &[&notification_id]).await? == 1)
}

/// How many messages are in which state, besides those that were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    /// Waiting to be sent, or being sent.
    pub waiting: i64,
    /// Given up.
    pub dead: i64,
}

const BACKLOG: &str = "SELECT (SELECT count(*) FROM notification WHERE state IN ('queued', 'sending')) AS waiting,
    (SELECT count(*) FROM notification WHERE state = 'dead') AS dead";

/// Counts messages, for metrics.
pub async fn backlog(client: &impl GenericClient) -> Result<Backlog, Error> {
    let row = row(client, BACKLOG, &[]).await?;
    Ok(Backlog {
        waiting: row.try_get("waiting")?,
        dead: row.try_get("dead")?,
    })
}

fn channel(row: &Row) -> Result<Channel, Error> {
    let text: &str = row.try_get("channel")?;
    Channel::parse(text).ok_or_else(|| Error::Configuration(format!("notification channel {text:?} is none of ours")))
}

fn locale(row: &Row) -> Result<Locale, Error> {
    // A language that we do not speak is no reason to tell nobody.
    Ok(row.try_get::<_, &str>("locale")?.parse().unwrap_or_default())
}

fn severity(level: i16) -> Result<Severity, Error> {
    Severity::from_level(level).ok_or_else(|| Error::Configuration(format!("severity {level} is not 1 to 4")))
}
