//! Supervision orders: the legal basis of monitoring, with its term.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use proto::{OrderId, PersonId};
use tokio_postgres::Row;

use crate::{
    Error,
    pool::{GenericClient, execute, optional, rows},
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
    /// Set aside from this moment on.
    pub revoked_at: Option<Timestamp>,
}

impl Order {
    /// Where the order ends, be it by its term or by revocation.
    pub fn valid_until(&self) -> Timestamp {
        self.revoked_at
            .map_or(self.ends_at, |revoked| revoked.min(self.ends_at))
    }

    /// Tells whether the order is in force.
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        self.starts_at <= now && now < self.valid_until()
    }
}

const CREATE: &str = "INSERT INTO supervision_order
    (order_id, person_id, legal_basis, grounds, starts_at, ends_at, revoked_at) VALUES ($1, $2, $3, $4, $5, $6, $7)";
const READ: &str = "SELECT order_id, person_id, legal_basis, grounds, starts_at, ends_at, revoked_at
    FROM supervision_order WHERE order_id = $1";
const OF_PERSON: &str = "SELECT order_id, person_id, legal_basis, grounds, starts_at, ends_at, revoked_at
    FROM supervision_order WHERE person_id = $1 ORDER BY starts_at, order_id";
/// Where terms overlap, the order that began last says what holds.
const IN_FORCE: &str = "SELECT order_id, person_id, legal_basis, grounds, starts_at, ends_at, revoked_at
    FROM supervision_order
    WHERE person_id = $1 AND starts_at <= $2 AND ends_at > $2 AND (revoked_at IS NULL OR revoked_at > $2)
    ORDER BY starts_at DESC, order_id DESC LIMIT 1";
const END: &str = "UPDATE supervision_order SET ends_at = $2 WHERE order_id = $1";
const REVOKE: &str = "UPDATE supervision_order SET revoked_at = LEAST(revoked_at, $2::timestamptz) WHERE order_id = $1";

/// Adds an order. Publish the person's rules in the same transaction.
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

/// Finds the order in force, the latest where several are.
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

/// Moves the end of an order's term (shortened or extended). Publish the person's rules in the same transaction.
pub async fn end(client: &impl GenericClient, order_id: OrderId, ends_at: Timestamp) -> Result<(), Error> {
    touched(execute(client, END, &[&order_id.uuid(), &ends_at]).await?, order_id)
}

/// Sets the release: the order's term ends at a local time of the person's zone; returns when that is. A time that comes twice
/// is the later one. Publish the person's rules in the same transaction.
pub async fn release(
    client: &impl GenericClient,
    order_id: OrderId,
    local: DateTime,
    time_zone: &TimeZone,
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
    end(client, order_id, ends_at).await?;
    Ok(ends_at)
}

/// Revokes an order; of two revocations the earlier holds. Publish the person's rules in the same transaction.
pub async fn revoke(client: &impl GenericClient, order_id: OrderId, revoked_at: Timestamp) -> Result<(), Error> {
    touched(
        execute(client, REVOKE, &[&order_id.uuid(), &revoked_at]).await?,
        order_id,
    )
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
