//! What the canary's event does: an incident that nobody sees and that calls nobody, and a message to each watcher.

use alerts::{
    Locale,
    route::{Channel, Recipient},
};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::{
    Error,
    event::Event,
    incident::{self, IncidentError},
    notification,
    pool::{GenericClient, Transaction, execute, row, rows},
};

/// A watcher that has not said for so long that it is there hears nothing more.
const SINK_HOLDS: SignedDuration = SignedDuration::from_mins(2);
/// What the canary left behind goes after so long: it is the record of nothing.
const KEPT: SignedDuration = SignedDuration::from_hours(24);
/// Messages about it go sooner: what a watcher did not take by then it need not hear.
const WAITS: SignedDuration = SignedDuration::from_mins(5);
/// So much of it goes at most with each beat, which brings one: what a stopped watcher left is caught up with.
const AT_A_TIME: i64 = 8;

const SINKS: &str = "SELECT t.target_id, t.address FROM canary_sink s JOIN notification_target t USING (target_id)
    WHERE s.seen_at > $1 ORDER BY t.target_id";

/// Raises and closes the incident of the canary's onset, and queues a message about it for each watcher. In the transaction that stores the
/// event. Returns how many messages wait.
pub async fn pass(transaction: &impl GenericClient, event: &Event, now: Timestamp) -> Result<i64, IncidentError> {
    let raised = incident::raise_canary(transaction, event, now).await?;
    let since = now.saturating_sub(SINK_HOLDS).unwrap_or(Timestamp::MIN);
    let mut recipients = Vec::new();
    for sink in rows(transaction, SINKS, &[&since]).await? {
        recipients.push(Recipient {
            channel: Channel::Webhook,
            address: sink.try_get(1)?,
            target: Some(sink.try_get(0)?),
            user: None,
            failover: Vec::new(),
            locale: Locale::default(),
        });
    }
    let event_id = event.event_id.uuid();
    Ok(notification::enqueue(transaction, raised.incident_id, event_id, &recipients).await?)
}

const TARGET: &str = "INSERT INTO notification_target (target_id, agency_id, channel, address, secret)
    SELECT $1, agency_id, 'webhook', $3, $4 FROM agency WHERE path = $2::text::ltree
    ON CONFLICT (agency_id, channel, address) DO UPDATE SET secret = excluded.secret
    RETURNING target_id";
const SINK: &str = "INSERT INTO canary_sink (watcher, target_id, seen_at) VALUES ($1, $2, clock_timestamp())
    ON CONFLICT (watcher) DO UPDATE SET target_id = excluded.target_id, seen_at = excluded.seen_at";
const SEEN: &str = "UPDATE canary_sink SET seen_at = clock_timestamp() WHERE watcher = $1";
const SINKS_GONE: &str = "DELETE FROM canary_sink WHERE seen_at < $1";
const TARGETS_GONE: &str =
    "DELETE FROM notification_target t USING agency a WHERE a.agency_id = t.agency_id AND a.path = $1::text::ltree
    AND NOT EXISTS (SELECT FROM canary_sink s WHERE s.target_id = t.target_id)";

/// Says where a watcher hears messages about the canary, each signed with `secret`.
pub async fn listen(transaction: &Transaction<'_>, watcher: &str, address: &str, secret: &[u8]) -> Result<(), Error> {
    let new = Uuid::now_v7();
    let target: Uuid = row(transaction, TARGET, &[&new, &super::AGENCY, &address, &secret])
        .await?
        .try_get(0)?;
    execute(transaction, SINK, &[&watcher, &target]).await?;
    execute(transaction, TARGETS_GONE, &[&super::AGENCY]).await?;
    Ok(())
}

const ALLOW: &str = "SELECT set_config('homeward.erasure', 'on', true), set_config('homeward.deletion', 'on', true)";
const OLD_MESSAGES: &str = "DELETE FROM notification n USING incident i, canary c
    WHERE i.person_id = c.person_id AND n.incident_id = i.incident_id AND n.created_at < $1";
const OLD: &str = "SELECT i.incident_id FROM incident i JOIN canary c USING (person_id)
    WHERE i.raised_at < $1 AND i.state = 'closed' ORDER BY i.raised_at LIMIT $2";
const GONE: [&str; 4] = [
    "DELETE FROM notification WHERE incident_id = ANY ($1)",
    "DELETE FROM incident_event WHERE incident_id = ANY ($1)",
    "DELETE FROM incident_action WHERE incident_id = ANY ($1)",
    "DELETE FROM incident WHERE incident_id = ANY ($1)",
];

/// A watcher is there still; what is left of the canary of yesterday goes. False where nobody knows (any more) where it hears messages.
pub async fn keep(transaction: &Transaction<'_>, watcher: &str, now: Timestamp) -> Result<bool, Error> {
    let before = |span| now.saturating_sub(span).unwrap_or(Timestamp::MIN);
    let known = execute(transaction, SEEN, &[&watcher]).await? > 0;
    execute(transaction, SINKS_GONE, &[&before(SINK_HOLDS * 5)]).await?;
    execute(transaction, TARGETS_GONE, &[&super::AGENCY]).await?;
    row(transaction, ALLOW, &[]).await?;
    execute(transaction, OLD_MESSAGES, &[&before(WAITS)]).await?;
    let mut old: Vec<Uuid> = Vec::new();
    for found in rows(transaction, OLD, &[&before(KEPT), &AT_A_TIME]).await? {
        old.push(found.try_get(0)?);
    }
    if !old.is_empty() {
        for delete in GONE {
            execute(transaction, delete, &[&old]).await?;
        }
    }
    Ok(known)
}
