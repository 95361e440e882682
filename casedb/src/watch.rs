//! What auditors see: how the audit stands, who read whose positions and why, who broke the glass. No contents of cases.
//!
//! Call all of it in a transaction of [`crate::access::begin`]: the rules of the rows say what is in the reader's branch.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Error,
    pool::{GenericClient, row, rows},
};

/// How the audit's chain stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Chain {
    /// Entries in the chain.
    #[serde(with = "crate::exact")]
    #[schema(schema_with = crate::exact::schema)]
    pub entries: i64,
    /// The hash of the last one, hexadecimal.
    pub head: String,
    /// When the last one was made.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub sealed_at: Option<Timestamp>,
    /// Entries that wait to be sealed.
    #[serde(with = "crate::exact")]
    #[schema(schema_with = crate::exact::schema)]
    pub waiting: i64,
    /// Since when the oldest of them does.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub waiting_since: Option<Timestamp>,
    /// The last signed state; null: nothing was signed ever.
    pub signed: Option<Signed>,
}

/// A signed state of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Signed {
    /// The last entry that it covers.
    #[serde(with = "crate::exact")]
    #[schema(schema_with = crate::exact::schema)]
    pub through: i64,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// By which key.
    pub key_id: String,
}

/// A reading of positions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Reading {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// By whom: the name to sign in.
    pub username: String,
    /// Their role.
    pub role: String,
    /// Their agency.
    pub agency: String,
    /// Whose positions: the case reference, where the reader's branch has the person.
    pub reference: Option<String>,
    /// Why.
    pub purpose: String,
    /// Under which case number.
    pub case_number: String,
    /// What was read: an interval, an incident.
    pub scope: String,
    /// How many fixes there were; null: not known beforehand.
    pub fixes: Option<i64>,
}

/// An emergency access.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Opened {
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub opened_at: Timestamp,
    /// Until when, or when it was given back.
    #[schema(value_type = String, format = DateTime)]
    pub ended_at: Timestamp,
    /// By whom: the name to sign in.
    pub username: String,
    /// Their role.
    pub role: String,
    /// Their agency.
    pub agency: String,
    /// To whom: the case reference, where the reader's branch has the person.
    pub reference: Option<String>,
    /// Under which case number.
    pub case_number: String,
    /// `confirmed` or `misuse`; null: not reviewed.
    pub finding: Option<String>,
    /// By whom.
    pub reviewed_by: Option<String>,
    /// When.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub reviewed_at: Option<Timestamp>,
}

/// Which rows are wanted.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// From this moment.
    pub from: Timestamp,
    /// To before this one.
    pub to: Timestamp,
    /// Only of the user with this name to sign in.
    pub username: Option<&'a str>,
    /// At most so many, the newest.
    pub limit: i64,
}

const CHAIN: &str = "SELECT h.entry_id, encode(h.hash, 'hex'), e.at, w.waiting, w.since, r.through_id, r.at, r.key_id
    FROM audit_head h CROSS JOIN audit_waiting() w LEFT JOIN audit_entry e ON e.entry_id = h.entry_id
    LEFT JOIN LATERAL (SELECT through_id, at, key_id FROM audit_root ORDER BY through_id DESC LIMIT 1) r ON true";
const READINGS: &str =
    "SELECT a.accessed_at, u.username, u.role, g.name, p.reference, a.purpose, a.case_number, a.scope, a.fixes
    FROM position_access a JOIN app_user u USING (user_id) JOIN agency g USING (agency_id)
    LEFT JOIN person p ON p.person_id = a.person_id
    WHERE a.accessed_at >= $1 AND a.accessed_at < $2 AND ($3::text IS NULL OR u.username = $3)
    ORDER BY a.accessed_at DESC, a.access_id DESC LIMIT $4";
const OPENED: &str =
    "SELECT b.opened_at, coalesce(b.closed_at, b.ends_at), u.username, u.role, g.name, p.reference, b.case_number,
        b.finding, r.username, b.reviewed_at
    FROM break_glass b JOIN app_user u ON u.user_id = b.user_id JOIN agency g ON g.agency_id = u.agency_id
    LEFT JOIN app_user r ON r.user_id = b.reviewed_by LEFT JOIN person p ON p.person_id = b.person_id
    WHERE b.opened_at >= $1 AND b.opened_at < $2 AND ($3::text IS NULL OR u.username = $3)
    ORDER BY b.opened_at DESC, b.break_glass_id DESC LIMIT $4";

/// How the chain stands; for auditors.
pub async fn chain(client: &impl GenericClient) -> Result<Chain, Error> {
    let found = row(client, CHAIN, &[]).await?;
    let signed = match found.try_get::<_, Option<i64>>(5)? {
        None => None,
        Some(through) => Some(Signed {
            through,
            at: found.try_get(6)?,
            key_id: found.try_get(7)?,
        }),
    };
    Ok(Chain {
        entries: found.try_get(0)?,
        head: found.try_get(1)?,
        sealed_at: found.try_get(2)?,
        waiting: found.try_get(3)?,
        waiting_since: found.try_get(4)?,
        signed,
    })
}

/// Who read whose positions, the newest first.
pub async fn readings(client: &impl GenericClient, wanted: &Wanted<'_>) -> Result<Vec<Reading>, Error> {
    let values: [&(dyn postgres_types::ToSql + Sync); 4] = [&wanted.from, &wanted.to, &wanted.username, &wanted.limit];
    let found = rows(client, READINGS, &values).await?;
    found
        .iter()
        .map(|row| {
            Ok(Reading {
                at: row.try_get(0)?,
                username: row.try_get(1)?,
                role: row.try_get(2)?,
                agency: row.try_get(3)?,
                reference: row.try_get(4)?,
                purpose: row.try_get(5)?,
                case_number: row.try_get(6)?,
                scope: row.try_get(7)?,
                fixes: row.try_get(8)?,
            })
        })
        .collect()
}

/// Emergency accesses, the newest first.
pub async fn opened(client: &impl GenericClient, wanted: &Wanted<'_>) -> Result<Vec<Opened>, Error> {
    let values: [&(dyn postgres_types::ToSql + Sync); 4] = [&wanted.from, &wanted.to, &wanted.username, &wanted.limit];
    let found = rows(client, OPENED, &values).await?;
    found
        .iter()
        .map(|row| {
            Ok(Opened {
                opened_at: row.try_get(0)?,
                ended_at: row.try_get(1)?,
                username: row.try_get(2)?,
                role: row.try_get(3)?,
                agency: row.try_get(4)?,
                reference: row.try_get(5)?,
                case_number: row.try_get(6)?,
                finding: row.try_get(7)?,
                reviewed_by: row.try_get(8)?,
                reviewed_at: row.try_get(9)?,
            })
        })
        .collect()
}
