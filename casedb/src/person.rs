//! Supervised people.

use proto::PersonId;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    Error, plain,
    pool::{GenericClient, execute, optional, rows},
    text::check_time_zone,
};

/// A supervised person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Their id.
    pub person_id: PersonId,
    /// The agency's own case reference; unique.
    pub reference: String,
    /// For those who may see it.
    pub display_name: String,
    /// 1 = highest risk … 4.
    pub risk_level: i16,
    /// The police unit that is responsible.
    pub police_agency_id: Uuid,
    /// The social work station that is responsible.
    pub social_agency_id: Uuid,
    /// The social worker, where one is assigned.
    pub social_worker_id: Option<Uuid>,
    /// IANA name; of all schedules of this person.
    pub time_zone: String,
    /// Invented for a demonstration.
    pub demo: bool,
}

const CREATE: &str = "WITH made AS (
        INSERT INTO person (person_id, reference, display_name, risk_level, police_agency_id, social_agency_id,
                            social_worker_id, time_zone, demo)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING person_id)
    INSERT INTO person_rules (person_id) SELECT person_id FROM made";
const UPDATE: &str = "UPDATE person SET reference = $2, display_name = $3, risk_level = $4, police_agency_id = $5,
    social_agency_id = $6, social_worker_id = $7, time_zone = $8, demo = $9 WHERE person_id = $1";
const READ: &str = "SELECT person_id, reference, display_name, risk_level, police_agency_id, social_agency_id,
    social_worker_id, time_zone, demo FROM person WHERE person_id = $1";
const BY_REFERENCE: &str = "SELECT person_id, reference, display_name, risk_level, police_agency_id, social_agency_id,
    social_worker_id, time_zone, demo FROM person WHERE reference = $1";
const LIST: &str = "SELECT person_id, reference, display_name, risk_level, police_agency_id, social_agency_id,
    social_worker_id, time_zone, demo FROM person WHERE person_id > $1 ORDER BY person_id LIMIT $2";

/// Adds a person, with the default settings of their rules. Nothing is published: see [`crate::rules::publish`].
pub async fn create(client: &impl GenericClient, person: &Person) -> Result<(), Error> {
    write(client, CREATE, person).await?;
    Ok(())
}

/// Changes a person. A changed time zone takes effect with the next [`crate::rules::publish`].
pub async fn update(client: &impl GenericClient, person: &Person) -> Result<(), Error> {
    match write(client, UPDATE, person).await? {
        0 => Err(Error::not_found("person", person.person_id)),
        _ => Ok(()),
    }
}

/// Reads one person.
pub async fn read(client: &impl GenericClient, person_id: PersonId) -> Result<Person, Error> {
    let found = optional(client, READ, &[&person_id.uuid()]).await?;
    from_row(&found.ok_or_else(|| Error::not_found("person", person_id))?)
}

/// Finds a person by the agency's reference.
pub async fn by_reference(client: &impl GenericClient, reference: &str) -> Result<Option<Person>, Error> {
    optional(client, BY_REFERENCE, &[&reference])
        .await?
        .as_ref()
        .map(from_row)
        .transpose()
}

/// Lists up to `limit` people in the order of their ids, after `after` (`None`: from the first).
pub async fn list(client: &impl GenericClient, after: Option<PersonId>, limit: i64) -> Result<Vec<Person>, Error> {
    let after = after.map_or(Uuid::nil(), PersonId::uuid);
    rows(client, LIST, &[&after, &limit])
        .await?
        .iter()
        .map(from_row)
        .collect()
}

async fn write(client: &impl GenericClient, sql: &'static str, person: &Person) -> Result<u64, Error> {
    plain::PERSON_REFERENCE.check(&person.reference)?;
    plain::PERSON_NAME.check(&person.display_name)?;
    check_time_zone(&person.time_zone)?;
    execute(
        client,
        sql,
        &[
            &person.person_id.uuid(),
            &person.reference,
            &person.display_name,
            &person.risk_level,
            &person.police_agency_id,
            &person.social_agency_id,
            &person.social_worker_id,
            &person.time_zone,
            &person.demo,
        ],
    )
    .await
}

fn from_row(row: &Row) -> Result<Person, Error> {
    Ok(Person {
        person_id: PersonId::new(row.try_get(0)?),
        reference: row.try_get(1)?,
        display_name: row.try_get(2)?,
        risk_level: row.try_get(3)?,
        police_agency_id: row.try_get(4)?,
        social_agency_id: row.try_get(5)?,
        social_worker_id: row.try_get(6)?,
        time_zone: row.try_get(7)?,
        demo: row.try_get(8)?,
    })
}
