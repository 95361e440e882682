//! Messages that were given up: they stay, visible, until somebody asks for them again.

use alerts::route::Channel;
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::{channel, parse_channel};
use crate::{
    Error,
    pool::{GenericClient, execute, optional, rows},
    user::User,
    view,
};

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

// Tries and age start anew, so that it is not given up at once. What the provider had taken, and then could not deliver, it
// would now take for a copy: it gets a new key.
const REQUEUE: &str = "UPDATE notification SET state = 'queued', next_attempt_at = clock_timestamp(),
        created_at = clock_timestamp(), leased_by = NULL, attempts = 0,
        send_key = CASE WHEN receipt IS NOT NULL THEN gen_random_uuid() ELSE send_key END,
        provider_id = NULL, receipt = NULL, receipt_at = NULL
    WHERE notification_id = $1 AND state = 'dead'";

/// Queues a message that was given up once more. False when it is not dead.
pub async fn requeue(client: &impl GenericClient, notification_id: Uuid) -> Result<bool, Error> {
    Ok(execute(client, REQUEUE, &[&notification_id]).await? == 1)
}

/// A message that was given up, as the console shows it: without the whole address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Undelivered {
    /// Which.
    pub notification_id: Uuid,
    /// About which incident.
    pub incident_id: Uuid,
    /// Its number.
    pub number: i64,
    /// Its severity, 1 to 4.
    pub severity: i16,
    /// `mail`, `webhook`, `sms` or `push`.
    pub channel: String,
    /// To whom, masked: neither an address of a person nor the key in a URL belongs onto a page.
    pub recipient: String,
    /// How often it was tried.
    pub attempts: i32,
    /// What went wrong last.
    pub last_error: String,
    /// When it was queued.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// The channel over which the same user was reached instead.
    pub reached: Option<String>,
}

const VISIBLE: &str = view::scoped!(
    "SELECT n.notification_id, n.incident_id, i.number, i.severity, n.channel, n.recipient, u.username, n.attempts,
        coalesce(n.last_error, '') AS last_error, n.created_at,
        (SELECT c.channel FROM notification c WHERE c.chain_key = n.chain_key AND c.position > n.position AND c.state = 'sent'
            AND c.receipt IS DISTINCT FROM 'failed' ORDER BY c.position LIMIT 1) AS reached
    FROM notification n JOIN visible_incident i USING (incident_id) CROSS JOIN viewer v
    LEFT JOIN notification_target t ON t.target_id = n.target_id LEFT JOIN agency a ON a.agency_id = t.agency_id
    LEFT JOIN app_user u ON u.user_id = n.user_id LEFT JOIN agency b ON b.agency_id = u.agency_id
    WHERE n.state = 'dead' AND (v.branch = 'administration' OR coalesce(a.path, b.path) IS NULL OR coalesce(a.path, b.path) <@ v.path)
    ORDER BY reached IS NOT NULL, n.created_at DESC LIMIT $2"
);

/// Lists messages that were given up about incidents that the user may see, to agencies and users below the user's own agency.
/// Those who were not reached otherwise come first.
pub async fn undelivered_visible(
    client: &impl GenericClient,
    user: &User,
    limit: i64,
) -> Result<Vec<Undelivered>, Error> {
    let found = rows(client, VISIBLE, &[&user.user_id, &limit]).await?;
    found
        .iter()
        .map(|row| {
            let word: String = row.try_get("channel")?;
            let username: Option<&str> = row.try_get("username")?;
            Ok(Undelivered {
                notification_id: row.try_get("notification_id")?,
                incident_id: row.try_get("incident_id")?,
                number: row.try_get("number")?,
                severity: row.try_get("severity")?,
                recipient: mask(parse_channel(&word)?, row.try_get("recipient")?, username),
                channel: word,
                attempts: row.try_get("attempts")?,
                last_error: row.try_get("last_error")?,
                created_at: row.try_get("created_at")?,
                reached: row.try_get("reached")?,
            })
        })
        .collect()
}

const MAY: &str = view::scoped!(
    "SELECT 1 FROM notification n JOIN visible_incident i USING (incident_id) CROSS JOIN viewer v
    LEFT JOIN notification_target t ON t.target_id = n.target_id LEFT JOIN agency a ON a.agency_id = t.agency_id
    LEFT JOIN app_user u ON u.user_id = n.user_id LEFT JOIN agency b ON b.agency_id = u.agency_id
    WHERE n.notification_id = $2
        AND (v.branch = 'administration' OR coalesce(a.path, b.path) IS NULL OR coalesce(a.path, b.path) <@ v.path)"
);

/// Queues a message that was given up once more, where the user may see it. `None` where not; false when it is not dead.
pub async fn requeue_visible(
    client: &impl GenericClient,
    user: &User,
    notification_id: Uuid,
) -> Result<Option<bool>, Error> {
    if optional(client, MAY, &[&user.user_id, &notification_id])
        .await?
        .is_none()
    {
        return Ok(None);
    }
    requeue(client, notification_id).await.map(Some)
}

/// An address as it may be shown.
fn mask(channel: Channel, address: &str, username: Option<&str>) -> String {
    let shown = match channel {
        Channel::Console | Channel::Push => String::new(),
        Channel::Mail => match address.trim_end_matches('>').rsplit_once('@') {
            Some((_, domain)) => format!("…@{domain}"),
            None => "…".to_owned(),
        },
        // Scheme and host; the path of a robot's address is its key.
        Channel::Webhook => address.split_once("://").map_or_else(
            || "…".to_owned(),
            |(scheme, rest)| {
                let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
                format!("{scheme}://{}/…", host.rsplit_once('@').map_or(host, |(_, host)| host))
            },
        ),
        Channel::Sms => {
            let digits: Vec<char> = address.chars().collect();
            let tail: String = digits.iter().skip(digits.len().saturating_sub(3)).collect();
            format!("…{tail}")
        }
    };
    match username {
        Some(username) if shown.is_empty() => username.to_owned(),
        Some(username) => format!("{username} ({shown})"),
        None => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_masked() {
        let robot = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=secret";
        assert_eq!(mask(Channel::Webhook, robot, None), "https://qyapi.weixin.qq.com/…");
        assert_eq!(
            mask(Channel::Webhook, "https://u:secret@h.example/x", None),
            "https://h.example/…"
        );
        assert_eq!(mask(Channel::Webhook, "secret", None), "…");
        assert_eq!(mask(Channel::Sms, "+8613800000123", Some("worker")), "worker (…123)");
        assert_eq!(mask(Channel::Mail, "W <anna@social.example>", None), "…@social.example");
        assert_eq!(mask(Channel::Push, "user:1", Some("worker")), "worker");
    }
}
