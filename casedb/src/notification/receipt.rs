//! What a provider says after it has taken a message.

use std::str::FromStr;

use alerts::route::Channel;
use jiff::Timestamp;
use uuid::Uuid;

use super::bury;
use crate::{
    Database,
    incident::{IncidentError, handed_over},
    pool::optional,
};

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receipt {
    /// The provider has it.
    Accepted,
    /// It has arrived.
    Delivered,
    /// It will not arrive.
    Failed,
}

impl Receipt {
    /// The word in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

// By the provider's name for it, or by the key that we gave it: it may report sooner than the hand-over is stored, and it may
// report what a worker that crashed could not. Delivered is final; a failure makes the next channel due, or is the end.
const RECEIPT: &str = "UPDATE notification SET receipt = $3, receipt_at = clock_timestamp(),
        state = CASE $3 WHEN 'failed' THEN 'dead' ELSE 'sent' END,
        sent_at = CASE $3 WHEN 'failed' THEN sent_at ELSE coalesce(sent_at, clock_timestamp()) END,
        lease_until = NULL, leased_by = CASE WHEN state = 'sending' THEN NULL ELSE leased_by END,
        last_error = CASE $3 WHEN 'failed' THEN 'the provider says that it was not delivered' END,
        fail_over_at = CASE $3 WHEN 'delivered' THEN NULL
            WHEN 'failed' THEN CASE WHEN cardinality(failover) > position + 1 THEN clock_timestamp() END ELSE fail_over_at END
    WHERE notification_id = (SELECT notification_id FROM notification
            WHERE channel = $1 AND (provider_id = $2 OR notification_id = $4 OR send_key = $4) ORDER BY created_at DESC LIMIT 1)
        AND receipt IS DISTINCT FROM 'delivered' AND receipt IS DISTINCT FROM 'failed'
        AND (state IN ('sending', 'sent') OR state = 'queued' AND $3 <> 'failed')
    RETURNING incident_id, event_id, channel, state";
const KNOWN: &str = "SELECT 1 FROM notification
    WHERE channel = $1 AND (provider_id = $2 OR notification_id = $3 OR send_key = $3) LIMIT 1";

/// Stores a provider's report. False when no message has this name.
pub async fn receipt(
    db: &Database,
    channel: Channel,
    name: &str,
    receipt: Receipt,
    now: Timestamp,
) -> Result<bool, IncidentError> {
    let key = Uuid::from_str(name).ok();
    let mut client = db.client().await?;
    let transaction = client.transaction().await?;
    let Some(row) = optional(&transaction, RECEIPT, &[&channel.name(), &name, &receipt.name(), &key]).await? else {
        // A copy of a report, or one that comes after the last word.
        return Ok(optional(&transaction, KNOWN, &[&channel.name(), &name, &key])
            .await?
            .is_some());
    };
    match row.try_get("state")? {
        "dead" => bury(&transaction, &row, now).await?,
        _ => handed_over(&transaction, row.try_get("incident_id")?, now).await?,
    }
    transaction.commit().await?;
    Ok(true)
}
