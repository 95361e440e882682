//! One thing told to one user over one channel after the other.
//!
//! The messages of a chain have one `chain_key`; each has its own place in the list of channels, its own id, and with that its
//! own key at the provider. A message that is not handed over in time (nor receipted, where the channel gives receipts) has the
//! next channel due, once; it goes on trying all the same, for a message that comes twice is better than one that is lost.

use std::time::Duration;

use alerts::route::Channel;
use tokio_postgres::Row;
use uuid::Uuid;

use super::{locale, parse_channel, words};
use crate::{
    Error,
    pool::{GenericClient, execute, optional, rows},
};

/// How long a channel has before the next one is due. With the pause between two looks and the lease of the next message, that
/// is under way within a minute.
pub const FAIL_OVER: Duration = Duration::from_secs(45);

/// Messages passed on in one transaction, at most.
pub const PASS_ON_EACH: i64 = 100;

/// A user to be called.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// About which incident.
    pub incident_id: Uuid,
    /// About which event of it; `None`: about the incident.
    pub event_id: Option<Uuid>,
    /// What the call is, for instance a step of a ladder: with the user, one key is one call.
    pub key: &'a str,
    /// Who.
    pub user_id: Uuid,
    /// Over which channels, in this order.
    pub channels: &'a [Channel],
}

/// What a call came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Called {
    /// The first message of the chain is queued.
    Queued {
        /// Which.
        notification_id: Uuid,
        /// How.
        channel: Channel,
    },
    /// This call was made already.
    Known,
    /// The user has no address on any of the channels, or has no account any more.
    Nobody,
}

const ADDRESSES: &str = "SELECT u.email, u.phone, u.locale,
        EXISTS (SELECT FROM push_subscription s WHERE s.user_id = u.user_id) AS push
    FROM app_user u JOIN agency a USING (agency_id) WHERE u.user_id = $1 AND u.disabled_at IS NULL AND a.disabled_at IS NULL";

fn address(row: &Row, user_id: Uuid, channel: Channel) -> Result<Option<String>, Error> {
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    Ok(match channel {
        Channel::Console => Some(format!("user:{user_id}")),
        Channel::Mail => filled(row.try_get("email")?),
        Channel::Sms => filled(row.try_get("phone")?),
        Channel::Push => row.try_get::<_, bool>("push")?.then(|| format!("user:{user_id}")),
        // Webhooks are agencies' targets.
        Channel::Webhook => None,
    })
}

/// A user's own addresses on these channels, in their order; none where the account is disabled.
pub async fn addresses(
    client: &impl GenericClient,
    user_id: Uuid,
    channels: &[Channel],
) -> Result<Vec<(Channel, String)>, Error> {
    let Some(row) = optional(client, ADDRESSES, &[&user_id]).await? else {
        return Ok(Vec::new());
    };
    let mut list = Vec::new();
    for channel in channels {
        if let Some(address) = address(&row, user_id, *channel)? {
            list.push((*channel, address));
        }
    }
    Ok(list)
}

// The console has it with the commit; it counts as told when somebody takes the incident on.
const INSERT: &str =
    "INSERT INTO notification (notification_id, idempotency_key, incident_id, event_id, channel, recipient, locale,
        user_id, chain_key, failover, position, fail_over_at, state, attempts, sent_at)
    VALUES ($1, concat_ws(':', $2::text, $3::text), $4, $5, $3, $6, $7, $8, $2, $9, $10,
        CASE WHEN $11::float8 IS NOT NULL THEN clock_timestamp() + make_interval(secs => $11) END,
        CASE $3 WHEN 'console' THEN 'sent' ELSE 'queued' END, CASE $3 WHEN 'console' THEN 1 ELSE 0 END,
        CASE $3 WHEN 'console' THEN clock_timestamp() END)
    ON CONFLICT DO NOTHING";

/// A place in a chain.
struct Link<'a> {
    chain_key: &'a str,
    incident_id: Uuid,
    event_id: Option<Uuid>,
    user_id: Uuid,
    failover: &'a [Channel],
}

/// Puts the first message at `from` or behind that the user has an address for.
async fn put(transaction: &impl GenericClient, link: &Link<'_>, from: usize) -> Result<Called, Error> {
    let Some(row) = optional(transaction, ADDRESSES, &[&link.user_id]).await? else {
        return Ok(Called::Nobody);
    };
    for (position, channel) in link.failover.iter().enumerate().skip(from) {
        let Some(address) = address(&row, link.user_id, *channel)? else {
            continue;
        };
        let notification_id = Uuid::now_v7();
        let next = (position + 1 < link.failover.len()).then_some(FAIL_OVER.as_secs_f64());
        let place = i16::try_from(position).map_err(|_| Error::Input("a chain is too long".to_owned()))?;
        let put = execute(
            transaction,
            INSERT,
            &[
                &notification_id,
                &link.chain_key,
                &channel.name(),
                &link.incident_id,
                &link.event_id,
                &address,
                &locale(&row)?.tag(),
                &link.user_id,
                &words(link.failover),
                &place,
                &next,
            ],
        )
        .await?;
        return Ok(if put == 1 {
            Called::Queued {
                notification_id,
                channel: *channel,
            }
        } else {
            Called::Known
        });
    }
    Ok(Called::Nobody)
}

/// Calls a user, in the caller's transaction; once, however often this is called with the same key.
pub async fn call(transaction: &impl GenericClient, call: &Call<'_>) -> Result<Called, Error> {
    const KNOWN: &str = "SELECT 1 FROM notification WHERE chain_key = $1 LIMIT 1";
    let chain_key = format!("{}:{}", call.key, call.user_id);
    if optional(transaction, KNOWN, &[&chain_key]).await?.is_some() {
        return Ok(Called::Known);
    }
    let mut failover: Vec<Channel> = Vec::new();
    for channel in call.channels {
        if !failover.contains(channel) {
            failover.push(*channel);
        }
    }
    let link = Link {
        chain_key: &chain_key,
        incident_id: call.incident_id,
        event_id: call.event_id,
        user_id: call.user_id,
        failover: &failover,
    };
    put(transaction, &link, 0).await
}

/// How many messages were passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Passed {
    /// The next channel has it.
    pub on: u64,
    /// The list was at its end: nobody is left to be tried.
    pub exhausted: u64,
    /// There was no need: the incident was taken on.
    pub needless: u64,
}

// Due, or on a channel that is not configured here and that nobody will serve. A console message is told when somebody has taken
// the incident on.
const DUE: &str =
    "SELECT n.notification_id, n.chain_key, n.incident_id, n.event_id, n.user_id, n.failover, n.position, n.channel,
        n.channel = ANY ($1) OR n.channel = 'console' AS served,
        n.channel = 'console' AND i.state NOT IN ('raised', 'notified') AS needless
    FROM notification n JOIN incident i USING (incident_id)
    WHERE n.fail_over_at IS NOT NULL AND (n.fail_over_at <= clock_timestamp()
        OR n.state = 'queued' AND n.channel <> ALL ($1) AND n.channel <> 'console')
    ORDER BY n.fail_over_at LIMIT $2 FOR UPDATE OF n SKIP LOCKED";
const DONE: &str = "UPDATE notification SET fail_over_at = NULL,
        state = CASE WHEN $2 OR state <> 'queued' THEN state ELSE 'dead' END,
        last_error = CASE WHEN $2 OR state <> 'queued' THEN last_error ELSE 'this channel is not configured' END
    WHERE notification_id = $1";

/// Passes on what was not handed over in time, in the caller's transaction. `served`: the channels that are configured.
pub async fn pass_on(transaction: &impl GenericClient, served: &[Channel]) -> Result<Passed, Error> {
    let mut passed = Passed::default();
    for row in rows(transaction, DUE, &[&words(served), &PASS_ON_EACH]).await? {
        let notification_id: Uuid = row.try_get("notification_id")?;
        let names: Vec<String> = row.try_get("failover")?;
        let failover: Vec<Channel> = names.iter().map(|name| parse_channel(name)).collect::<Result<_, _>>()?;
        let position: i16 = row.try_get("position")?;
        let (chain_key, user_id): (Option<String>, Option<Uuid>) = (row.try_get("chain_key")?, row.try_get("user_id")?);
        if row.try_get("needless")? {
            passed.needless += 1;
        } else if let (Some(chain_key), Some(user_id)) = (chain_key, user_id) {
            let link = Link {
                chain_key: &chain_key,
                incident_id: row.try_get("incident_id")?,
                event_id: row.try_get("event_id")?,
                user_id,
                failover: &failover,
            };
            match put(transaction, &link, usize::from(position.unsigned_abs()) + 1).await? {
                Called::Queued { .. } | Called::Known => passed.on += 1,
                Called::Nobody => passed.exhausted += 1,
            }
        }
        let served: bool = row.try_get("served")?;
        execute(transaction, DONE, &[&notification_id, &served]).await?;
    }
    Ok(passed)
}
