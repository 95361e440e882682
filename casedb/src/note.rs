//! Notes on a person: what those in charge write of visits, calls and whatever else. Rows are only added.

use jiff::Timestamp;
use proto::PersonId;
use serde::Serialize;
use uuid::Uuid;

use crate::{
    Error, plain,
    pool::{GenericClient, row, rows},
    text::words,
    zone::Audience,
};

words! {
    /// What a note is of.
    Kind, "kind of note", {
        /// Nothing in particular.
        Note = "note",
        /// A visit.
        Visit = "visit",
        /// A telephone call.
        Call = "call",
        /// A hearing.
        Hearing = "hearing",
    }
}

/// A note to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written<'a> {
    /// What it is of.
    pub kind: Kind,
    /// Who may read it.
    pub audience: Audience,
    /// The words; at most 10,000 characters.
    pub text: &'a str,
    /// When it happened.
    pub happened_at: Timestamp,
    /// The note that this one puts right.
    pub corrects: Option<i64>,
}

/// A note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// Its id.
    pub note_id: i64,
    /// What it is of.
    pub kind: Kind,
    /// Who may read it.
    pub audience: String,
    /// The words.
    pub text: String,
    /// When it happened.
    pub happened_at: Timestamp,
    /// When it was written.
    pub written_at: Timestamp,
    /// By whom: the name as shown.
    pub written_by: String,
    /// The note that this one puts right.
    pub corrects: Option<i64>,
}

const WRITE: &str =
    "INSERT INTO person_note (person_id, kind, audience, text, happened_at, written_at, written_by, corrects)
    SELECT $1, $2, $3, $4, $5, $6, $7, $8
    WHERE $8::bigint IS NULL OR EXISTS (SELECT FROM person_note WHERE note_id = $8 AND person_id = $1)
    RETURNING note_id";
const OF_PERSON: &str =
    "SELECT n.note_id, n.kind, n.audience, n.text, n.happened_at, n.written_at, u.display_name, n.corrects
    FROM person_note n JOIN app_user u ON u.user_id = n.written_by
    WHERE n.person_id = $1 AND n.audience = ANY ($2) AND n.happened_at >= $3 AND n.happened_at < $4
    ORDER BY n.note_id DESC LIMIT $5";

/// Writes a note; returns its id.
pub async fn write(
    client: &impl GenericClient,
    person_id: PersonId,
    note: &Written<'_>,
    by: Uuid,
    now: Timestamp,
) -> Result<i64, Error> {
    let text = note.text.trim();
    if text.is_empty() || text.chars().count() > 10_000 {
        return Err(Error::Input("a note has 1 to 10000 characters".to_owned()));
    }
    plain::NOTE_TEXT.check(text)?;
    if note.happened_at > now {
        return Err(Error::Input(format!("a note of {} is of the future", note.happened_at)));
    }
    plain::time("a note's time", note.happened_at)?;
    let values: [&(dyn postgres_types::ToSql + Sync); 8] = [
        &person_id.uuid(),
        &note.kind.as_str(),
        &note.audience.as_str(),
        &text,
        &note.happened_at,
        &now,
        &by,
        &note.corrects,
    ];
    match rows(client, WRITE, &values).await?.first() {
        Some(written) => Ok(written.try_get(0)?),
        None => Err(Error::not_found(
            "note of this person",
            note.corrects.unwrap_or_default(),
        )),
    }
}

/// Lists the newest notes on a person that are for one of these audiences, and that tell of between two moments.
pub async fn of_person(
    client: &impl GenericClient,
    person_id: PersonId,
    audiences: &[&str],
    (from, until): (Timestamp, Timestamp),
    limit: i64,
) -> Result<Vec<Note>, Error> {
    let found = rows(
        client,
        OF_PERSON,
        &[&person_id.uuid(), &audiences, &from, &until, &limit],
    )
    .await?;
    let notes = found.iter().map(|row| {
        Ok(Note {
            note_id: row.try_get(0)?,
            kind: row.try_get::<_, &str>(1)?.parse()?,
            audience: row.try_get(2)?,
            text: row.try_get(3)?,
            happened_at: row.try_get(4)?,
            written_at: row.try_get(5)?,
            written_by: row.try_get(6)?,
            corrects: row.try_get(7)?,
        })
    });
    notes.collect()
}

/// Says who acts in this transaction, for the audit trail.
pub async fn act_as(transaction: &impl GenericClient, user_id: Uuid) -> Result<(), Error> {
    const SQL: &str = "SELECT set_config('homeward.user_id', $1, true)";
    row(transaction, SQL, &[&user_id.to_string()]).await?;
    Ok(())
}
