//! Legal holds.

use jiff::Timestamp;
use proto::PersonId;
use serde::Serialize;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    Error, plain,
    pool::{GenericClient, execute, rows},
};

/// A hold, standing or lifted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hold {
    /// Its id.
    pub hold_id: Uuid,
    /// Whose.
    pub person_id: Uuid,
    /// Their case reference.
    pub reference: String,
    /// Why.
    pub reason: String,
    /// Who ordered it.
    pub authority: String,
    /// Since when.
    pub set_at: Timestamp,
    /// Who entered it.
    pub set_by: String,
    /// Until when.
    pub lifted_at: Option<Timestamp>,
    /// Why it was lifted.
    pub lift_reason: Option<String>,
}

const SET: &str = "INSERT INTO legal_hold (hold_id, person_id, reason, authority, set_by) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT DO NOTHING";
const LIFT: &str = "UPDATE legal_hold SET lifted_at = clock_timestamp(), lifted_by = $3, lift_reason = $4
    WHERE person_id = $1 AND lifted_at IS NULL AND ($2::text IS NULL OR authority = $2)";
const LIST: &str =
    "SELECT h.hold_id, h.person_id, p.reference, h.reason, h.authority, h.set_at, h.set_by, h.lifted_at, h.lift_reason
    FROM legal_hold h JOIN person p USING (person_id)
    WHERE ($1 OR h.lifted_at IS NULL) ORDER BY h.set_at, h.hold_id";

/// Sets a hold; `None`: the authority has one on the person already.
pub async fn set(
    client: &impl GenericClient,
    person_id: PersonId,
    reason: &str,
    authority: &str,
    by: &str,
) -> Result<Option<Uuid>, Error> {
    plain::HOLD_REASON.check(reason)?;
    plain::HOLD_AUTHORITY.check(authority)?;
    let id = Uuid::now_v7();
    let new = execute(client, SET, &[&id, &person_id.uuid(), &reason, &authority, &by]).await?;
    Ok((new == 1).then_some(id))
}

/// Lifts the holds on a person, of one authority or of all; returns how many.
pub async fn lift(
    client: &impl GenericClient,
    person_id: PersonId,
    authority: Option<&str>,
    reason: &str,
    by: &str,
) -> Result<u64, Error> {
    plain::HOLD_LIFTED.check(reason)?;
    execute(client, LIFT, &[&person_id.uuid(), &authority, &by, &reason]).await
}

/// Lists holds, `all` with those that were lifted.
pub async fn holds(client: &impl GenericClient, all: bool) -> Result<Vec<Hold>, Error> {
    rows(client, LIST, &[&all]).await?.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Hold, Error> {
    Ok(Hold {
        hold_id: row.try_get(0)?,
        person_id: row.try_get(1)?,
        reference: row.try_get(2)?,
        reason: row.try_get(3)?,
        authority: row.try_get(4)?,
        set_at: row.try_get(5)?,
        set_by: row.try_get(6)?,
        lifted_at: row.try_get(7)?,
        lift_reason: row.try_get(8)?,
    })
}
