//! Breaking the glass: access at once, for a short time, to a person outside the own branch. The supervisors of both sides are told
//! in the same transaction, and one of them says afterwards what they think of it.

use alerts::{Audience, Severity};
use jiff::Timestamp;
use proto::PersonId;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Beyond, step_out};
use crate::{
    Error, Transaction,
    audit::{self, Entry},
    incident::{IncidentError, SystemIncident, raise_system},
    pool::{execute, optional, rows},
    user::{Branch, Role, User},
    view::scoped,
};

/// How long access lasts when nothing else is said.
pub const USUAL_MINUTES: i32 = 60;
/// The longest.
pub const MOST_MINUTES: i32 = 240;

/// Why the glass was not broken, or a review not written.
#[derive(Debug, thiserror::Error)]
pub enum GlassError {
    /// There is no such person, or no such access to be judged by this user.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The user sees the person anyway.
    #[error("you see this person already")]
    NotNeeded,
    /// It was judged already.
    #[error("it was reviewed already, or it is your own")]
    Done,
    /// The supervisors could not be told, so it did not happen.
    #[error(transparent)]
    Untold(#[from] IncidentError),
    /// The case database failed.
    #[error(transparent)]
    Database(#[from] Error),
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Opening<'a> {
    /// Its id.
    pub id: Uuid,
    /// The person's case reference.
    pub reference: &'a str,
    /// Why, at least ten characters.
    pub reason: &'a str,
    /// Case number.
    pub case_number: &'a str,
    /// For how long.
    pub minutes: i32,
}

/// An access by breaking the glass.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct GlassRow {
    /// Id.
    pub break_glass_id: Uuid,
    /// Who.
    pub user: crate::view::UserName,
    /// To whom.
    pub person_id: Uuid,
    /// Their reference, where the reader may know it.
    pub reference: Option<String>,
    /// Why.
    pub reason: String,
    /// Case number.
    pub case_number: String,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub opened_at: Timestamp,
    /// Until when at the latest.
    #[schema(value_type = String, format = DateTime)]
    pub ends_at: Timestamp,
    /// When it was given back.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub closed_at: Option<Timestamp>,
    /// It holds now.
    pub open: bool,
    /// It is the reader's own.
    pub own: bool,
    /// `confirmed` or `misuse`; null: not reviewed yet.
    pub finding: Option<String>,
    /// Who reviewed it.
    pub reviewed_by: Option<String>,
    /// What they wrote.
    pub review_note: String,
}

/// Opens access, in a transaction of [`super::begin`] that the caller commits.
pub async fn open(
    transaction: &Transaction<'_>,
    user: &User,
    opening: Opening<'_>,
    now: Timestamp,
) -> Result<Uuid, GlassError> {
    const OPEN: &str = "SELECT open_break_glass($1, $2, $3, $4, $5)";
    const FIND: &str = "SELECT person_id FROM person WHERE reference = $1 AND NOT canary";
    const SEES: &str = scoped!("SELECT 1 FROM visible_person WHERE reference = $2");
    if optional(transaction, SEES, &[&user.user_id, &opening.reference])
        .await?
        .is_some()
    {
        return Err(GlassError::NotNeeded);
    }
    // Whom it is about the role cannot look up: it does not see the person yet.
    let person_id = find_person(transaction, FIND, opening.reference).await?;
    let id = opening.id;
    let values: [&(dyn postgres_types::ToSql + Sync); 5] =
        [&id, &person_id, &opening.reason, &opening.case_number, &opening.minutes];
    execute(transaction, OPEN, &values).await?;
    let outside = step_out(transaction, Beyond::Tell).await?;
    let told = SystemIncident {
        kind: "break_glass",
        person: None,
        police_agency: (user.branch != Branch::SocialWork).then_some(user.agency_id),
        social_agency: (user.branch == Branch::SocialWork).then_some(user.agency_id),
        grouping_key: &format!("break_glass:{id}"),
        severity: Severity::P2,
        audience: Audience::Both,
        text: "A user of this agency opened access to a person outside their branch; a supervisor reviews it under Emergency access",
        at: now,
    };
    raise_system(transaction, &told).await?;
    let theirs = SystemIncident {
        person: Some(PersonId::new(person_id)),
        police_agency: None,
        social_agency: None,
        text: "A user of another agency opened access to this person; a supervisor reviews it under Emergency access",
        ..told
    };
    raise_system(transaction, &theirs).await?;
    let entry = Entry {
        act: "break_glass",
        table: "person",
        key: &person_id.to_string(),
        detail: serde_json::json!({"break_glass_id": id, "minutes": opening.minutes}),
    };
    audit::append(transaction, &entry).await?;
    outside.back(transaction).await?;
    Ok(id)
}

async fn find_person(transaction: &Transaction<'_>, sql: &'static str, reference: &str) -> Result<Uuid, GlassError> {
    let outside = step_out(transaction, Beyond::Tell).await?;
    let found = optional(transaction, sql, &[&reference]).await?;
    outside.back(transaction).await?;
    let row = found.ok_or(GlassError::NotFound("person"))?;
    Ok(row.try_get(0).map_err(Error::from)?)
}

/// The channel on which a change of an emergency access is told; the payload is the user's id.
pub const CHANNEL: &str = "homeward_glass";

/// Whom the user sees by breaking the glass now, and until when.
pub async fn open_now(transaction: &impl crate::GenericClient, user_id: Uuid) -> Result<Vec<(Uuid, Timestamp)>, Error> {
    const SQL: &str = "SELECT o.person_id, max(b.ends_at) FROM access_opened($1) o (person_id)
        JOIN break_glass b ON b.person_id = o.person_id AND b.user_id = $1 AND b.closed_at IS NULL
        WHERE b.ends_at > now() GROUP BY o.person_id";
    let found = rows(transaction, SQL, &[&user_id]).await?;
    found.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// The user's own, and for supervisors and auditors those of their branch and of people whom they see; the newest first.
pub async fn list(transaction: &Transaction<'_>, user: &User, now: Timestamp) -> Result<Vec<GlassRow>, Error> {
    const SQL: &str = scoped!(
        "SELECT b.break_glass_id, b.user_id, u.display_name, b.person_id, p.reference, b.reason, b.case_number, b.opened_at, b.ends_at,
            b.closed_at, b.closed_at IS NULL AND b.ends_at > $2, b.user_id = $1, b.finding, r.display_name, b.review_note
        FROM break_glass b CROSS JOIN viewer v JOIN app_user u ON u.user_id = b.user_id JOIN agency a ON a.agency_id = u.agency_id
        LEFT JOIN app_user r ON r.user_id = b.reviewed_by LEFT JOIN visible_person p ON p.person_id = b.person_id
        WHERE b.user_id = $1 OR $3 AND (a.path <@ v.path OR p.person_id IS NOT NULL)
        ORDER BY b.opened_at DESC LIMIT 200"
    );
    // Auditors know no people: the rule of the rows says which accesses they see.
    const OF_AUDITOR: &str = "SELECT b.break_glass_id, b.user_id, u.display_name, b.person_id, NULL::text, b.reason, b.case_number, b.opened_at,
            b.ends_at, b.closed_at, b.closed_at IS NULL AND b.ends_at > $2, b.user_id = $1, b.finding, r.display_name, b.review_note
        FROM break_glass b JOIN app_user u ON u.user_id = b.user_id JOIN agency a ON a.agency_id = u.agency_id
        LEFT JOIN app_user r ON r.user_id = b.reviewed_by
        WHERE b.user_id = $1 OR $3 AND (NOT access_unlimited()
            OR EXISTS (SELECT FROM app_user me JOIN agency own USING (agency_id) WHERE me.user_id = $1 AND a.path <@ own.path))
        ORDER BY b.opened_at DESC LIMIT 200";
    let watches = matches!(user.role, Role::Supervisor | Role::Auditor);
    let sql = if user.role == Role::Auditor { OF_AUDITOR } else { SQL };
    let found = rows(transaction, sql, &[&user.user_id, &now, &watches]).await?;
    found
        .iter()
        .map(|row| {
            Ok(GlassRow {
                break_glass_id: row.try_get(0)?,
                user: crate::view::UserName {
                    user_id: row.try_get(1)?,
                    display_name: row.try_get(2)?,
                },
                person_id: row.try_get(3)?,
                reference: row.try_get(4)?,
                reason: row.try_get(5)?,
                case_number: row.try_get(6)?,
                opened_at: row.try_get(7)?,
                ends_at: row.try_get(8)?,
                closed_at: row.try_get(9)?,
                open: row.try_get(10)?,
                own: row.try_get(11)?,
                finding: row.try_get(12)?,
                reviewed_by: row.try_get(13)?,
                review_note: row.try_get(14)?,
            })
        })
        .collect()
}

/// Gives access back before its time; the user's own.
pub async fn close(transaction: &Transaction<'_>, user: &User, id: Uuid, now: Timestamp) -> Result<(), GlassError> {
    const SQL: &str = "UPDATE break_glass SET closed_at = $3
        WHERE break_glass_id = $1 AND user_id = $2 AND closed_at IS NULL AND ends_at > $3";
    if execute(transaction, SQL, &[&id, &user.user_id, &now]).await? == 0 {
        return Err(GlassError::NotFound("open access"));
    }
    Ok(())
}

/// A supervisor's finding. Nobody judges their own.
pub async fn review(
    transaction: &Transaction<'_>,
    user: &User,
    id: Uuid,
    misuse: bool,
    note: &str,
    now: Timestamp,
) -> Result<(), GlassError> {
    const SQL: &str = "UPDATE break_glass SET reviewed_by = $2, reviewed_at = $3, finding = $4, review_note = $5
        WHERE break_glass_id = $1 AND reviewed_at IS NULL AND user_id <> $2";
    let seen = list(transaction, user, now).await?;
    if !seen.iter().any(|row| row.break_glass_id == id) {
        return Err(GlassError::NotFound("access"));
    }
    let finding = if misuse { "misuse" } else { "confirmed" };
    if execute(transaction, SQL, &[&id, &user.user_id, &now, &finding, &note]).await? == 0 {
        return Err(GlassError::Done);
    }
    Ok(())
}
