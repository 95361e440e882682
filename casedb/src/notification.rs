//! The leased outbox of messages: one row is one message to one recipient over one channel.
//!
//! A worker leases rows, sends, and reports the outcome under its lease (worker and attempt). A lease that runs out gives
//! the row to the next worker, and the report of the first then changes nothing. Times are the database's, so that the
//! clocks of several workers do not matter.

mod chain;
mod letters;
mod receipt;

use std::time::Duration;

use alerts::{
    Locale, Severity, redact,
    route::{Channel, Contacts, Own, Recipient, Target},
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

pub use chain::{Call, Called, FAIL_OVER, PASS_ON_EACH, Passed, addresses, call, pass_on};
pub use letters::{DeadLetter, Undelivered, dead_letters, requeue, requeue_visible, undelivered_visible};
pub use receipt::{Receipt, receipt};

const WORKER: &str = "SELECT u.user_id, u.locale FROM person p JOIN app_user u ON u.user_id = p.social_worker_id
    WHERE p.person_id = $1 AND u.disabled_at IS NULL";
const TARGETS: &str = "SELECT target_id, agency_id, channel, address, max_severity, locale FROM notification_target
    WHERE agency_id = $1 OR agency_id = $2 ORDER BY target_id";

/// A user's own channels in the order in which they are tried, where nothing else is said.
const OWN: [Channel; 3] = [Channel::Mail, Channel::Push, Channel::Sms];

/// Reads who is responsible for an incident's person.
pub async fn contacts(client: &impl GenericClient, incident: &IncidentRow) -> Result<Contacts, Error> {
    let social_worker = match optional(client, WORKER, &[&incident.person_id]).await? {
        Some(row) => {
            let user = row.try_get("user_id")?;
            Some(Own {
                user,
                addresses: addresses(client, user, &OWN).await?,
                locale: locale(&row)?,
            })
        }
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

// A console message is handed over by the commit's NOTIFY, so it is stored as sent. A user's own addresses make a chain.
const ENQUEUE: &str = "WITH queued AS (
        INSERT INTO notification (notification_id, idempotency_key, incident_id, event_id, channel, recipient, target_id, locale,
            state, attempts, sent_at, user_id, chain_key, failover, fail_over_at)
        SELECT m.id, concat_ws(':', $1::uuid, $2::uuid, m.channel, m.recipient), $1, $2, m.channel, m.recipient, m.target, m.locale,
            CASE m.channel WHEN 'console' THEN 'sent' ELSE 'queued' END,
            CASE m.channel WHEN 'console' THEN 1 ELSE 0 END,
            CASE m.channel WHEN 'console' THEN clock_timestamp() END,
            m.member, CASE WHEN m.member IS NOT NULL THEN concat_ws(':', $1::uuid, $2::uuid, m.member) END,
            coalesce(string_to_array(nullif(m.failover, ''), ','), '{}'),
            CASE WHEN m.failover LIKE '%,%' THEN clock_timestamp() + make_interval(secs => $10) END
        FROM unnest($3::uuid[], $4::text[], $5::text[], $6::uuid[], $7::text[], $8::uuid[], $9::text[])
            AS m (id, channel, recipient, target, locale, member, failover)
        ON CONFLICT DO NOTHING RETURNING channel
    )
    SELECT count(*) AS messages FROM queued WHERE channel <> 'console'";

/// Queues messages about an event of an incident (or about the incident itself, where it has none); each once, however often
/// this is called. Returns how many wait to be sent.
pub async fn enqueue(
    transaction: &impl GenericClient,
    incident_id: Uuid,
    event_id: impl Into<Option<Uuid>>,
    recipients: &[Recipient],
) -> Result<i64, Error> {
    if recipients.is_empty() {
        return Ok(0);
    }
    let event_id: Option<Uuid> = event_id.into();
    let ids: Vec<Uuid> = recipients.iter().map(|_| Uuid::now_v7()).collect();
    let channels: Vec<&str> = recipients.iter().map(|recipient| recipient.channel.name()).collect();
    let addresses: Vec<&str> = recipients.iter().map(|recipient| recipient.address.as_str()).collect();
    let targets: Vec<Option<Uuid>> = recipients.iter().map(|recipient| recipient.target).collect();
    let locales: Vec<&str> = recipients.iter().map(|recipient| recipient.locale.tag()).collect();
    let users: Vec<Option<Uuid>> = recipients.iter().map(|recipient| recipient.user).collect();
    let failovers: Vec<String> = recipients
        .iter()
        .map(|recipient| words(&recipient.failover).join(","))
        .collect();
    let counted = row(
        transaction,
        ENQUEUE,
        &[
            &incident_id,
            &event_id,
            &ids,
            &channels,
            &addresses,
            &targets,
            &locales,
            &users,
            &failovers,
            &FAIL_OVER.as_secs_f64(),
        ],
    )
    .await?;
    Ok(counted.try_get("messages")?)
}

fn words(channels: &[Channel]) -> Vec<&'static str> {
    channels.iter().map(|channel| channel.name()).collect()
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
    /// The key by which a provider knows a copy: the same at each try.
    pub key: Uuid,
    /// How.
    pub channel: Channel,
    /// Mail address, URL, telephone number or `user:<id>`.
    pub recipient: String,
    /// The user whose own address it is.
    pub user_id: Option<Uuid>,
    /// In which language.
    pub locale: Locale,
    /// Webhook: the form of the request.
    pub template: String,
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
    /// The word of an incident that no event made.
    pub own_kind: Option<String>,
    /// When that violation began.
    pub onset_at: Timestamp,
    /// Why the message is sent.
    pub news: News,
    /// That event was judged from reports that the device had stored.
    pub late: bool,
    /// The person's case reference; empty where it would give away a name or a place, or where there is no person.
    pub reference: String,
    /// The person's time zone.
    pub time_zone: String,
    /// When it was queued.
    pub created_at: Timestamp,
}

// Recipients are walked through one by one (each a probe of the index), and of each no more is taken than it has places: a
// receiver that is slow, however long its queue, takes the places of no other.
const LEASE: &str = "WITH RECURSIVE reached AS (
        (SELECT channel, recipient FROM notification WHERE state IN ('queued', 'sending') AND channel = ANY ($3)
            ORDER BY channel, recipient LIMIT 1)
        UNION ALL
        SELECT n.channel, n.recipient FROM reached r CROSS JOIN LATERAL (
            SELECT channel, recipient FROM notification WHERE state IN ('queued', 'sending') AND channel = ANY ($3)
                AND (channel, recipient) > (r.channel, r.recipient) ORDER BY channel, recipient LIMIT 1) n
    ), open AS (
        SELECT r.channel, r.recipient, $5::bigint - coalesce((SELECT sum(b.flying) FROM unnest($6::text[], $7::bigint[])
            AS b (recipient, flying) WHERE b.recipient = r.recipient), 0)::bigint AS places
        FROM reached r WHERE NOT EXISTS (SELECT FROM notification_hold h WHERE h.channel = r.channel
            AND h.recipient IN (r.recipient, '') AND h.until > clock_timestamp())
    ), picked AS (
        SELECT p.notification_id FROM open o CROSS JOIN LATERAL (
            SELECT n.notification_id, n.next_attempt_at FROM notification n WHERE n.state IN ('queued', 'sending')
                AND n.channel = o.channel AND n.recipient = o.recipient AND n.next_attempt_at <= now()
            ORDER BY n.next_attempt_at LIMIT greatest(o.places, 0)) p
        ORDER BY p.next_attempt_at LIMIT $4
    ), due AS (
        SELECT n.notification_id FROM notification n JOIN picked USING (notification_id)
        WHERE n.state IN ('queued', 'sending') AND n.next_attempt_at <= now() FOR UPDATE OF n SKIP LOCKED
    ), leased AS (
        UPDATE notification n SET state = 'sending', leased_by = $1, attempts = attempts + 1,
            lease_until = clock_timestamp() + make_interval(secs => $2),
            next_attempt_at = clock_timestamp() + make_interval(secs => $2)
        FROM due WHERE n.notification_id = due.notification_id RETURNING n.*
    )
    SELECT n.notification_id, coalesce(n.send_key, n.notification_id) AS key, n.channel, n.recipient, n.user_id, n.locale,
        n.attempts, n.created_at, n.incident_id, n.target_id IS NOT NULL AND t.target_id IS NULL AS target_removed, t.secret,
        coalesce(t.template, 'homeward') AS template, i.number, i.severity, i.audience, coalesce(e.kind, i.kind) AS kind,
        coalesce(e.onset_at, i.onset_at) AS onset_at, coalesce(e.late, false) AS late, coalesce(e.withdrawn, false) AS withdrawn,
        coalesce(e.edge, 'onset') AS edge, coalesce(p.reference, '') AS reference, coalesce(p.display_name, '') AS display_name,
        coalesce(p.time_zone, 'UTC') AS time_zone, z.label AS place,
        n.event_id IS NULL OR EXISTS (SELECT FROM incident_action a WHERE a.incident_id = n.incident_id AND a.action = 'raise'
            AND a.event_id = n.event_id) AS raised
    FROM leased n JOIN incident i USING (incident_id) LEFT JOIN person p USING (person_id)
    LEFT JOIN event e ON e.event_id = n.event_id LEFT JOIN zone z ON z.zone_id = coalesce(e.zone_id, i.zone_id)
    LEFT JOIN notification_target t ON t.target_id = n.target_id
    ORDER BY i.severity, n.created_at";

/// How many messages one recipient may have in flight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// At most.
    pub each: i64,
    /// What is in flight already, by recipient.
    pub flying: Vec<(String, i64)>,
}

/// Leases up to `limit` messages that are due, for `lease`: queued ones, and those whose lease has run out.
pub async fn lease(
    client: &impl GenericClient,
    worker: &str,
    channels: &[Channel],
    limit: i64,
    lease: Duration,
) -> Result<Vec<Job>, Error> {
    let places = Places {
        each: limit,
        flying: Vec::new(),
    };
    lease_within(client, worker, channels, limit, lease, &places).await
}

/// The same with a bound per recipient.
pub async fn lease_within(
    client: &impl GenericClient,
    worker: &str,
    channels: &[Channel],
    limit: i64,
    lease: Duration,
    places: &Places,
) -> Result<Vec<Job>, Error> {
    let (busy, flying): (Vec<&str>, Vec<i64>) = places.flying.iter().map(|(who, count)| (who.as_str(), *count)).unzip();
    let found = rows(
        client,
        LEASE,
        &[
            &worker,
            &lease.as_secs_f64(),
            &words(channels),
            &limit,
            &places.each,
            &busy,
            &flying,
        ],
    )
    .await?;
    found.iter().map(|row| job(row, worker)).collect()
}

fn job(row: &Row, worker: &str) -> Result<Job, Error> {
    let word: &str = row.try_get("kind")?;
    let kind = proto::event::parse_kind(word);
    // Name and place are read to be left out, and go no further than this.
    let (name, place): (&str, Option<&str>) = (row.try_get("display_name")?, row.try_get("place")?);
    let reference = redact::discreet(row.try_get("reference")?, name, place);
    Ok(Job {
        lease: Lease {
            notification_id: row.try_get("notification_id")?,
            worker: worker.to_owned(),
            attempt: row.try_get("attempts")?,
        },
        key: row.try_get("key")?,
        channel: channel(row)?,
        recipient: row.try_get("recipient")?,
        user_id: row.try_get("user_id")?,
        locale: locale(row)?,
        template: row.try_get("template")?,
        target_removed: row.try_get("target_removed")?,
        secret: row.try_get("secret")?,
        incident_id: row.try_get("incident_id")?,
        number: row.try_get("number")?,
        severity: severity(row.try_get("severity")?)?,
        audience: row.try_get("audience")?,
        own_kind: kind.is_none().then(|| word.to_owned()),
        kind: kind.unwrap_or(EventKind::Unspecified),
        onset_at: row.try_get("onset_at")?,
        news: match row.try_get("edge")? {
            _ if row.try_get("raised")? => News::Raised,
            "correction" if row.try_get("withdrawn")? => News::Withdrawn,
            "correction" => News::Resumed,
            _ if kind == Some(EventKind::Sos) => News::CalledAgain,
            _ => News::Worsened,
        },
        late: row.try_get("late")?,
        reference: reference.to_owned(),
        time_zone: row.try_get("time_zone")?,
        created_at: row.try_get("created_at")?,
    })
}

/// What a provider said when it took a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Handed {
    /// Its name for the message.
    pub provider_id: Option<String>,
    /// It will say later whether the message arrived; until it does, the next channel stays due.
    pub receipt_follows: bool,
}

// A provider may report sooner than the hand-over is stored: what it has said stays.
const SENT: &str =
    "UPDATE notification SET state = 'sent', sent_at = clock_timestamp(), lease_until = NULL, last_error = NULL,
        provider_id = coalesce($4, provider_id), receipt = CASE WHEN $4::text IS NOT NULL OR $5 THEN coalesce(receipt, 'accepted') END,
        receipt_at = CASE WHEN $4::text IS NOT NULL OR $5 THEN coalesce(receipt_at, clock_timestamp()) END,
        fail_over_at = CASE WHEN $5 AND receipt IS DISTINCT FROM 'delivered' OR receipt = 'failed' THEN fail_over_at END
    WHERE notification_id = $1 AND state = 'sending' AND leased_by = $2 AND attempts = $3 RETURNING incident_id";

/// Notes that a message was handed over. False when the lease was lost meanwhile: the message is somebody else's then.
pub async fn sent(db: &Database, lease: &Lease, now: Timestamp) -> Result<bool, IncidentError> {
    handed(db, lease, &Handed::default(), now).await
}

/// The same, with what the provider said.
pub async fn handed(db: &Database, lease: &Lease, said: &Handed, now: Timestamp) -> Result<bool, IncidentError> {
    let mut client = db.client().await?;
    let transaction = client.transaction().await?;
    let Some(row) = optional(
        &transaction,
        SENT,
        &[
            &lease.notification_id,
            &lease.worker,
            &lease.attempt,
            &said.provider_id,
            &said.receipt_follows,
        ],
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

const HOLD: &str = "INSERT INTO notification_hold AS h (channel, recipient, until)
    VALUES ($1, $2, clock_timestamp() + make_interval(secs => $3))
    ON CONFLICT (channel, recipient) DO UPDATE SET until = greatest(h.until, excluded.until)";

/// Leaves a receiver alone for a while, as it has asked: everything of the channel where `recipient` is empty.
pub async fn hold(client: &impl GenericClient, channel: Channel, recipient: &str, time: Duration) -> Result<(), Error> {
    execute(client, HOLD, &[&channel.name(), &recipient, &time.as_secs_f64()]).await?;
    Ok(())
}

/// Forgets holds that have passed.
pub async fn sweep_holds(client: &impl GenericClient) -> Result<u64, Error> {
    execute(
        client,
        "DELETE FROM notification_hold WHERE until < clock_timestamp()",
        &[],
    )
    .await
}

// What is given up has its next channel due at once.
const DEAD: &str = "UPDATE notification SET state = 'dead', lease_until = NULL, last_error = $4,
        fail_over_at = CASE WHEN fail_over_at IS NOT NULL THEN clock_timestamp() END
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
    let event_id: Option<Uuid> = row.try_get("event_id")?;
    undelivered(
        transaction,
        row.try_get("incident_id")?,
        event_id,
        row.try_get("channel")?,
        now,
    )
    .await
}

const EXPIRE: &str = "UPDATE notification SET state = 'dead', lease_until = NULL,
        fail_over_at = CASE WHEN fail_over_at IS NOT NULL THEN clock_timestamp() END,
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
    parse_channel(text)
}

fn parse_channel(text: &str) -> Result<Channel, Error> {
    Channel::parse(text).ok_or_else(|| Error::Configuration(format!("notification channel {text:?} is none of ours")))
}

fn locale(row: &Row) -> Result<Locale, Error> {
    // A language that we do not speak is no reason to tell nobody.
    Ok(row.try_get::<_, &str>("locale")?.parse().unwrap_or_default())
}

fn severity(level: i16) -> Result<Severity, Error> {
    Severity::from_level(level).ok_or_else(|| Error::Configuration(format!("severity {level} is not 1 to 4")))
}
