//! What an order says of how urgent events are ([`alerts::priority::order`]): revisions, each with a reason and its author.

use alerts::{
    blank::is_blank,
    priority::order::{self, Rule, Wrong},
};
use jiff::Timestamp;
use proto::{OrderId, PersonId};
use serde::Serialize;
use tokio_postgres::Row;
use tracing::warn;
use utoipa::ToSchema;
use uuid::Uuid;

use super::steps::lock;
use crate::{
    Error, Refused,
    pool::{GenericClient, optional, row},
};

/// All rules of an order, from a time on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Priorities {
    /// Counts up for the order.
    pub revision: i64,
    /// They hold for violations that begin from then on, until the next revision.
    #[schema(value_type = String, format = DateTime)]
    pub valid_from: Timestamp,
    /// As `silence=+1` (a step more urgent), `late_return=-1`, `jamming=P1`, `all=-1`; empty: none any more.
    #[serde(serialize_with = "as_words")]
    #[schema(value_type = Vec<String>)]
    pub rules: Vec<Rule>,
    /// Why.
    pub reason: String,
    /// Who, by the name to sign in.
    pub set_by: String,
    /// Since when it is known.
    #[schema(value_type = String, format = DateTime)]
    pub recorded_at: Timestamp,
}

impl From<&Wrong> for Refused {
    fn from(wrong: &Wrong) -> Self {
        let refused = |code| Self::new(code, format!("priorities: {wrong}"));
        match wrong {
            Wrong::Unreadable(text) => refused("priority_unreadable").with("rule", text),
            Wrong::Kind(word) => refused("priority_kind").with("kind", word),
            Wrong::Steps(rule) => refused("priority_steps")
                .with("rule", rule)
                .with("most", order::STEPS_MAX),
            Wrong::Twice(rule) => refused("priority_twice").with("rule", rule),
            Wrong::TooLow { rule, least } => refused("priority_too_low").with("rule", rule).with("least", least),
        }
    }
}

fn as_words<S: serde::Serializer>(rules: &[Rule], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(rules.iter().map(ToString::to_string))
}

const SET: &str = "INSERT INTO order_priority (order_id, revision, valid_from, rules, reason, set_by)
    SELECT $1, coalesce(max(revision), 0) + 1, $2, $3, $4, $5 FROM order_priority WHERE order_id = $1 RETURNING revision";
/// Of the orders in force at a time the one that began last says what holds, as everywhere.
const IN_FORCE: &str = "SELECT q.order_id, q.revision, q.rules FROM (
        SELECT t.order_id FROM order_term t WHERE t.person_id = $1 AND t.starts_at <= $2 AND t.ends_at > $2
        ORDER BY t.starts_at DESC, t.order_id DESC LIMIT 1) o
    JOIN LATERAL (SELECT * FROM order_priority p WHERE p.order_id = o.order_id AND p.valid_from <= $2
        ORDER BY p.revision DESC LIMIT 1) q ON true";

/// Replaces the rules of an order; those before stay on record, and hold for what began under them. An order that has not taken effect has
/// its rules from its start on. Refused where a rule goes below what may be. Call it in a transaction; returns whose order it is, and the
/// revision.
pub async fn set_priorities(
    transaction: &impl GenericClient,
    order_id: OrderId,
    rules: &[Rule],
    reason: &str,
    by: Uuid,
    now: Timestamp,
) -> Result<(PersonId, i64), Error> {
    let locked = lock(transaction, order_id).await?;
    locked.not_over(order_id, now)?;
    if is_blank(reason) {
        return Err(Refused::new("reason_needed", "priorities: say why").into());
    }
    order::check(rules).map_err(|wrong| Refused::from(&wrong))?;
    let valid_from = if locked.effective {
        now
    } else {
        now.min(locked.starts_at)
    };
    let stored = serde_json::to_value(rules).map_err(|error| Error::Input(error.to_string()))?;
    let values: [&(dyn postgres_types::ToSql + Sync); 5] = [&order_id.uuid(), &valid_from, &stored, &reason, &by];
    let revision = row(transaction, SET, &values).await?.try_get(0)?;
    Ok((locked.person_id, revision))
}

/// What the order in force at a time said then: which order, which revision, its rules. `None`: it says nothing.
pub async fn priorities_at(
    client: &impl GenericClient,
    person_id: PersonId,
    when: Timestamp,
) -> Result<Option<(OrderId, i64, Vec<Rule>)>, Error> {
    let Some(found) = optional(client, IN_FORCE, &[&person_id.uuid(), &when]).await? else {
        return Ok(None);
    };
    let order_id: Uuid = found.try_get(0)?;
    let rules = readable(order_id, found.try_get(2)?);
    Ok(Some((OrderId::new(order_id), found.try_get(1)?, rules)))
}

/// The rules of an order as they are stored. What is none is passed over, and said: an event keeps the priority of its kind, and is told.
pub(crate) fn readable(order_id: Uuid, stored: serde_json::Value) -> Vec<Rule> {
    let serde_json::Value::Array(stored) = stored else {
        warn!(%order_id, "the priorities of an order are no list");
        return Vec::new();
    };
    let rules = stored.into_iter().filter_map(|rule| {
        serde_json::from_value(rule)
            .inspect_err(|error| warn!(%order_id, %error, "a priority of an order cannot be read"))
            .ok()
    });
    rules.collect()
}

pub(super) const REVISIONS: &str =
    "SELECT q.order_id, q.revision, q.valid_from, q.rules, q.reason, u.username, q.recorded_at
    FROM order_priority q JOIN supervision_order o USING (order_id) JOIN app_user u ON u.user_id = q.set_by
    WHERE o.person_id = $1 AND q.recorded_at <= $2 ORDER BY q.order_id, q.revision";

pub(super) fn revision(row: &Row) -> Result<Priorities, Error> {
    Ok(Priorities {
        revision: row.try_get(1)?,
        valid_from: row.try_get(2)?,
        rules: readable(row.try_get(0)?, row.try_get(3)?),
        reason: row.try_get(4)?,
        set_by: row.try_get(5)?,
        recorded_at: row.try_get(6)?,
    })
}
