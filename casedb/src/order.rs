//! Supervision orders: the legal basis of monitoring, with its term.
//!
//! An order is made under a law profile ([`crate::law`]). Whether it is in force is asked of the view `order_term` alone: it knows
//! approval, required steps and reviews. What is on record (`order_approval`, `order_notice`, `order_review` …) is only added to; [`as_of`] tells what held at any time,
//! as it was known at any time.

mod act;
mod asof;
mod extend;
mod make;
mod over;
pub(crate) mod priority;
mod records;
mod review;
mod steps;
mod sweep;

pub use act::{Act, may};
pub use asof::{AsOf, Dossier, as_of, dossiers};
pub use extend::{extend, vary};
pub use make::{Draft, make, prescribed};
pub use priority::{Priorities, priorities_at, set_priorities};
pub use records::{Approval, Extension, Notice, Review, Revision};
pub use review::{Outcome, ReviewKind, force_review, review};
pub use steps::{Court, Deciding, Decision, Noting, Settled, approver, decide, note, note_step};
pub use sweep::{Raise, due, sweep, watch};

use alerts::blank::is_blank;
use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};
use proto::{OrderId, PersonId};
use tokio_postgres::Row;

use crate::{
    Error, Refused,
    pool::{GenericClient, execute, optional, row, rows},
};

/// A supervision order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its id.
    pub order_id: OrderId,
    /// Whom it is about.
    pub person_id: PersonId,
    /// The law and the decision.
    pub legal_basis: String,
    /// Why.
    pub grounds: String,
    /// First moment in force.
    pub starts_at: Timestamp,
    /// First moment no longer in force.
    pub ends_at: Timestamp,
    /// Set aside from this moment on: revoked, or (of an order in force) suspended because a review is due then.
    pub revoked_at: Option<Timestamp>,
}

impl Order {
    /// Where the order ends, be it by its term or by revocation.
    pub fn valid_until(&self) -> Timestamp {
        self.revoked_at
            .map_or(self.ends_at, |revoked| revoked.min(self.ends_at))
    }
}

const CREATE: &str = "INSERT INTO supervision_order
    (order_id, person_id, legal_basis, grounds, starts_at, ends_at, revoked_at) VALUES ($1, $2, $3, $4, $5, $6, $7)";
const READ: &str = "SELECT order_id, person_id, legal_basis, grounds, starts_at, ends_at, revoked_at
    FROM supervision_order WHERE order_id = $1";
const OF_PERSON: &str = "SELECT order_id, person_id, legal_basis, grounds, starts_at, ends_at, revoked_at
    FROM supervision_order WHERE person_id = $1 ORDER BY starts_at, order_id";
/// Where terms overlap, the order that began last says what holds.
const IN_FORCE: &str = "SELECT o.order_id, o.person_id, o.legal_basis, o.grounds, t.starts_at, o.ends_at,
        LEAST(o.revoked_at, CASE WHEN t.ends_at < o.ends_at THEN t.ends_at END)
    FROM order_term t JOIN supervision_order o USING (order_id)
    WHERE t.person_id = $1 AND t.starts_at <= $2 AND t.ends_at > $2
    ORDER BY t.starts_at DESC, o.order_id DESC LIMIT 1";
const PROFILE_OF: &str = "SELECT profile, ends_at FROM supervision_order WHERE order_id = $1";
const END: &str = "UPDATE supervision_order SET ends_at = $2 WHERE order_id = $1";
const SAY: &str = "SELECT set_config('homeward.order_what', $1, true), set_config('homeward.order_reason', $2, true)";
const SAY_WHO: &str = "SELECT set_config('homeward.user_id', $1, true)";
/// In force at `$2`.
const HOLDS: &str = "SELECT EXISTS (SELECT FROM order_term WHERE order_id = $1 AND starts_at <= $2 AND ends_at > $2)";
/// A release may be so much over when it is entered.
const ENTERED_LATE: SignedDuration = SignedDuration::from_mins(10);
const REVOKE: &str = "UPDATE supervision_order SET revoked_at = LEAST(revoked_at, $2::timestamptz) WHERE order_id = $1";

/// Adds an order of the profile `generic`, which asks for nothing. Publish the person's rules in the same transaction.
pub async fn create(client: &impl GenericClient, order: &Order) -> Result<(), Error> {
    execute(
        client,
        CREATE,
        &[
            &order.order_id.uuid(),
            &order.person_id.uuid(),
            &order.legal_basis,
            &order.grounds,
            &order.starts_at,
            &order.ends_at,
            &order.revoked_at,
        ],
    )
    .await?;
    Ok(())
}

/// Reads one order.
pub async fn read(client: &impl GenericClient, order_id: OrderId) -> Result<Order, Error> {
    let found = optional(client, READ, &[&order_id.uuid()]).await?;
    from_row(&found.ok_or_else(|| Error::not_found("order", order_id))?)
}

/// Lists a person's orders, oldest first.
pub async fn of_person(client: &impl GenericClient, person_id: PersonId) -> Result<Vec<Order>, Error> {
    rows(client, OF_PERSON, &[&person_id.uuid()])
        .await?
        .iter()
        .map(from_row)
        .collect()
}

/// Finds the order in force, the latest where several are: with the start and the end (`valid_until`) of the stretch in which it is,
/// approval, required steps and reviews taken into account.
pub async fn in_force(
    client: &impl GenericClient,
    person_id: PersonId,
    now: Timestamp,
) -> Result<Option<Order>, Error> {
    optional(client, IN_FORCE, &[&person_id.uuid(), &now])
        .await?
        .as_ref()
        .map(from_row)
        .transpose()
}

/// Moves the end of an order's term: shortened, or, where the order's law profile has no limit, extended. Publish the person's rules
/// in the same transaction.
pub async fn end(client: &impl GenericClient, order_id: OrderId, ends_at: Timestamp) -> Result<(), Error> {
    let found = optional(client, PROFILE_OF, &[&order_id.uuid()]).await?;
    let found = found.ok_or_else(|| Error::not_found("order", order_id))?;
    let (profile, before): (String, Timestamp) = (found.try_get(0)?, found.try_get(1)?);
    if ends_at > before && profile != "generic" {
        let source = crate::law::require(&profile)?;
        let source = source
            .extension
            .as_ref()
            .map_or(source.law.as_str(), |rule| rule.source.as_str());
        return Err(Error::Input(format!(
            "the end moves on only by an approved extension: `homeward order extend` (law profile {profile}: {source})"
        )));
    }
    say(client, if ends_at < before { "shortened" } else { "extended" }, "").await?;
    touched(execute(client, END, &[&order_id.uuid(), &ends_at]).await?, order_id)
}

/// Sets the release: the order's term ends at a local time of the person's zone; returns when that is. A time that comes twice
/// is the later one. An order in force ends at no time that is over ([`ends_to_come`]). Publish the person's rules in the same transaction.
pub async fn release(
    client: &impl GenericClient,
    order_id: OrderId,
    local: DateTime,
    time_zone: &TimeZone,
    now: Timestamp,
) -> Result<Timestamp, Error> {
    let ends_at = time_zone
        .to_ambiguous_timestamp(local)
        .later()
        .map_err(|error| Error::Input(format!("release at {local}: {error}")))?;
    let order = read(client, order_id).await?;
    if ends_at <= order.starts_at {
        return Err(Error::Input(format!(
            "release at {local}: not after the order's start, {}",
            order.starts_at
        )));
    }
    ends_to_come(client, order_id, ends_at, now).await?;
    end(client, order_id, ends_at).await?;
    Ok(ends_at)
}

/// Refuses an end that is over for an order that is in force: what was stored with a basis since would be erased as if there had been none.
pub async fn ends_to_come(
    client: &impl GenericClient,
    order_id: OrderId,
    ends_at: Timestamp,
    now: Timestamp,
) -> Result<(), Error> {
    if ends_at >= now - ENTERED_LATE {
        return Ok(());
    }
    if !row(client, HOLDS, &[&order_id.uuid(), &now])
        .await?
        .try_get::<_, bool>(0)?
    {
        return Ok(());
    }
    Err(Error::Input(format!(
        "release at {ends_at}: that is over, and the order is in force; what was stored since would be erased. Revoke it: it ends from now on \
         (`homeward order revoke {order_id} --reason TEXT --by USER`)"
    )))
}

/// Revokes an order; of two revocations the earlier holds. Publish the person's rules in the same transaction.
pub async fn revoke(client: &impl GenericClient, order_id: OrderId, revoked_at: Timestamp) -> Result<(), Error> {
    say(client, "revoked", "").await?;
    touched(
        execute(client, REVOKE, &[&order_id.uuid(), &revoked_at]).await?,
        order_id,
    )
}

/// Revokes an order with a reason and who did it, from now on.
pub async fn revoke_for(
    transaction: &impl GenericClient,
    order_id: OrderId,
    reason: &str,
    by: uuid::Uuid,
    now: Timestamp,
) -> Result<(), Error> {
    if is_blank(reason) {
        return Err(Refused::new("reason_needed", "revocation: say why").into());
    }
    say_who(transaction, by).await?;
    say(transaction, "revoked", reason).await?;
    touched(execute(transaction, REVOKE, &[&order_id.uuid(), &now]).await?, order_id)
}

/// Says in the transaction what its next change of an order is, for the revision that the change leaves.
pub(crate) async fn say(transaction: &impl GenericClient, what: &str, reason: &str) -> Result<(), Error> {
    optional(transaction, SAY, &[&what, &reason]).await?;
    Ok(())
}

/// Says in the transaction who changes an order.
pub async fn say_who(transaction: &impl GenericClient, user_id: uuid::Uuid) -> Result<(), Error> {
    optional(transaction, SAY_WHO, &[&user_id.to_string()]).await?;
    Ok(())
}

fn touched(count: u64, order_id: OrderId) -> Result<(), Error> {
    if count == 0 {
        Err(Error::not_found("order", order_id))
    } else {
        Ok(())
    }
}

fn from_row(row: &Row) -> Result<Order, Error> {
    Ok(Order {
        order_id: OrderId::new(row.try_get(0)?),
        person_id: PersonId::new(row.try_get(1)?),
        legal_basis: row.try_get(2)?,
        grounds: row.try_get(3)?,
        starts_at: row.try_get(4)?,
        ends_at: row.try_get(5)?,
        revoked_at: row.try_get(6)?,
    })
}
