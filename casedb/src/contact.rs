//! Contacts of a person: who is around them and how to reach them. A change is a revision; all stay.

use jiff::Timestamp;
use proto::PersonId;
use serde::Serialize;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    Error, plain,
    pool::{GenericClient, execute, optional, row, rows},
    text::words,
};

words! {
    /// What a contact is to the person.
    Kind, "kind of contact", {
        /// The person's own telephone or address.
        Own = "self",
        /// Family.
        Family = "family",
        /// Who vouches for the person.
        Guarantor = "guarantor",
        /// Employer.
        Employer = "employer",
        /// School.
        School = "school",
        /// Lawyer.
        Lawyer = "lawyer",
        /// Doctor.
        Doctor = "doctor",
        /// Neighbourhood committee and the like.
        Community = "community",
        /// Somebody else.
        Other = "other",
    }
}

/// What is known of a contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Content {
    /// What it is to the person.
    pub kind: Kind,
    /// Name.
    pub name: String,
    /// How they are related, in words.
    pub relation: String,
    /// Telephone.
    pub phone: String,
    /// Address; empty for those who may not see a protected one, in every revision of a contact that ever protected it.
    pub address: String,
    /// The address is the police's matter alone.
    pub protected_address: bool,
    /// A remark.
    pub note: String,
    /// Since when it is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<Timestamp>,
    /// Until when, where it is known to end.
    pub valid_until: Option<Timestamp>,
}

/// A contact at a revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Contact {
    /// Its id.
    pub contact_id: Uuid,
    /// The revision.
    pub revision: i64,
    /// What is known.
    #[serde(flatten)]
    pub content: Content,
    /// When it was written.
    pub changed_at: Timestamp,
    /// By whom: the name to sign in.
    pub changed_by: Option<String>,
}

const ADD: &str = "INSERT INTO contact (contact_id, person_id, created_at) VALUES ($1, $2, $3)";
/// One who revises at a time.
const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended($1, 21))";
const NEXT: &str =
    "SELECT COALESCE(max(r.revision), 0) + 1 FROM contact c LEFT JOIN access_contact r USING (contact_id)
    WHERE c.contact_id = $1 HAVING count(*) > 0";
const REVISE: &str = "INSERT INTO contact_revision
        (contact_id, revision, kind, name, relation, phone, address, protected_address, note, valid_from, valid_until, changed_at, changed_by)
    VALUES ($1, $13, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
macro_rules! contacts {
    ($rest:literal) => {
        concat!(
            "SELECT r.contact_id, r.revision, r.kind, r.name, r.relation, r.phone,
                CASE WHEN r.ever_protected AND NOT $2 THEN '' ELSE r.address END,
                r.protected_address, r.note, r.valid_from, r.valid_until, r.changed_at, u.username
            FROM access_contact r LEFT JOIN app_user u ON u.user_id = r.changed_by ",
            $rest
        )
    };
}
/// The revision that holds at a moment is the newest one written by then; it must not have ended.
const AS_OF: &str = contacts!(
    "WHERE r.person_id = $1 AND r.valid_from <= $3 AND (r.valid_until IS NULL OR r.valid_until > $3)
        AND r.revision = (SELECT max(n.revision) FROM access_contact n WHERE n.contact_id = r.contact_id AND n.valid_from <= $3)
    ORDER BY r.kind, r.created_at, r.contact_id"
);
const HISTORY: &str = contacts!("WHERE r.person_id = $1 ORDER BY r.created_at, r.contact_id, r.revision");

/// Adds a contact; returns its id. Call it in a transaction.
pub async fn add(
    transaction: &impl GenericClient,
    person_id: PersonId,
    content: &Content,
    by: Option<Uuid>,
    now: Timestamp,
) -> Result<Uuid, Error> {
    let contact_id = Uuid::now_v7();
    execute(transaction, ADD, &[&contact_id, &person_id.uuid(), &now]).await?;
    revise(transaction, contact_id, content, by, now).await?;
    Ok(contact_id)
}

/// Writes a further revision; returns its number. Call it in a transaction.
pub async fn revise(
    transaction: &impl GenericClient,
    contact_id: Uuid,
    content: &Content,
    by: Option<Uuid>,
    now: Timestamp,
) -> Result<i64, Error> {
    if [&content.name, &content.phone, &content.address]
        .iter()
        .all(|text| text.is_empty())
    {
        return Err(Error::Input(
            "a contact has a name, a telephone or an address".to_owned(),
        ));
    }
    if content
        .valid_until
        .is_some_and(|until| until <= content.valid_from.unwrap_or(now))
    {
        return Err(Error::Input("a contact ends after it begins".to_owned()));
    }
    for at in content.valid_from.iter().chain(&content.valid_until) {
        plain::time("a contact's time", *at)?;
    }
    plain::CONTACT_NAME.check(&content.name)?;
    plain::CONTACT_RELATION.check(&content.relation)?;
    plain::CONTACT_PHONE.check(&content.phone)?;
    plain::CONTACT_ADDRESS.check(&content.address)?;
    plain::CONTACT_NOTE.check(&content.note)?;
    row(transaction, LOCK, &[&contact_id.to_string()]).await?;
    // In a statement of its own, after the lock; and the new row is not read back: who writes need not see a protected address.
    let next = optional(transaction, NEXT, &[&contact_id]).await?;
    let revision: i64 = next
        .ok_or_else(|| Error::not_found("contact", contact_id))?
        .try_get(0)?;
    let values: [&(dyn postgres_types::ToSql + Sync); 13] = [
        &contact_id,
        &content.kind.as_str(),
        &content.name,
        &content.relation,
        &content.phone,
        &content.address,
        &content.protected_address,
        &content.note,
        &content.valid_from.unwrap_or(now),
        &content.valid_until,
        &now,
        &by,
        &revision,
    ];
    execute(transaction, REVISE, &values).await?;
    Ok(revision)
}

/// The number of its newest revision; 0: it has none. Until the end of the transaction nobody else revises it.
pub async fn newest(client: &impl GenericClient, contact_id: Uuid) -> Result<i64, Error> {
    const SQL: &str = "SELECT COALESCE(max(revision), 0) FROM access_contact WHERE contact_id = $1";
    row(client, LOCK, &[&contact_id.to_string()]).await?;
    Ok(row(client, SQL, &[&contact_id]).await?.try_get(0)?)
}

/// Whose contact it is.
pub async fn person(client: &impl GenericClient, contact_id: Uuid) -> Result<PersonId, Error> {
    const SQL: &str = "SELECT person_id FROM contact WHERE contact_id = $1";
    let found = optional(client, SQL, &[&contact_id]).await?;
    let found = found.ok_or_else(|| Error::not_found("contact", contact_id))?;
    Ok(PersonId::new(found.try_get(0)?))
}

/// Lists a person's contacts as they were at a moment; `protected`: with protected addresses.
pub async fn of_person(
    client: &impl GenericClient,
    person_id: PersonId,
    protected: bool,
    at: Timestamp,
) -> Result<Vec<Contact>, Error> {
    let found = rows(client, AS_OF, &[&person_id.uuid(), &protected, &at]).await?;
    found.iter().map(contact).collect()
}

/// Lists every revision of a person's contacts.
pub async fn history(client: &impl GenericClient, person_id: PersonId, protected: bool) -> Result<Vec<Contact>, Error> {
    let found = rows(client, HISTORY, &[&person_id.uuid(), &protected]).await?;
    found.iter().map(contact).collect()
}

fn contact(row: &Row) -> Result<Contact, Error> {
    Ok(Contact {
        contact_id: row.try_get(0)?,
        revision: row.try_get(1)?,
        content: Content {
            kind: row.try_get::<_, &str>(2)?.parse()?,
            name: row.try_get(3)?,
            relation: row.try_get(4)?,
            phone: row.try_get(5)?,
            address: row.try_get(6)?,
            protected_address: row.try_get(7)?,
            note: row.try_get(8)?,
            valid_from: row.try_get(9)?,
            valid_until: row.try_get(10)?,
        },
        changed_at: row.try_get(11)?,
        changed_by: row.try_get(12)?,
    })
}
