//! Supervised people.

use jiff::Timestamp;
use proto::PersonId;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    Error,
    access::{Beyond, step_out},
    change::{self, What},
    plain,
    pool::{GenericClient, execute, optional, rows},
    rules,
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

/// Changes a person in somebody's name, who is known to be allowed to; the line of it in the account of changes names no value but risk and time
/// zone. The schedules are of the person's time zone: with another the rules are published anew. Call it in a transaction.
pub async fn change(
    transaction: &impl GenericClient,
    before: &Person,
    after: &Person,
    by: Option<Uuid>,
    now: Timestamp,
) -> Result<(), Error> {
    if let Some(by) = by {
        change::note(
            transaction,
            by,
            Some(after.person_id),
            What::Person,
            &differences(before, after),
        )
        .await?;
    }
    let outside = step_out(transaction, Beyond::Person).await?;
    update(transaction, after).await?;
    if after.time_zone != before.time_zone {
        rules::publish(transaction, after.person_id, now).await?;
    }
    outside.back(transaction).await
}

/// Makes a person's schedules go by a calendar, or by none, in somebody's name; `name`: the calendar's, for the account of changes. Call it in
/// a transaction, and publish the person's rules in the same one.
pub async fn go_by(
    transaction: &impl GenericClient,
    person_id: PersonId,
    calendar: Option<(Uuid, &str)>,
    by: Uuid,
) -> Result<(), Error> {
    let name = calendar.map_or("none", |(_, name)| name);
    change::note(transaction, by, Some(person_id), What::Calendar, name).await?;
    let outside = step_out(transaction, Beyond::Person).await?;
    rules::use_calendar(transaction, person_id, calendar.map(|(id, _)| id)).await?;
    outside.back(transaction).await
}

/// What is different, without names.
fn differences(before: &Person, after: &Person) -> String {
    let mut found = Vec::new();
    let mut word = |differs: bool, words: String| found.extend(differs.then_some(words));
    word(before.reference != after.reference, "reference".to_owned());
    word(before.display_name != after.display_name, "name".to_owned());
    let risk = format!("risk level {} to {}", before.risk_level, after.risk_level);
    word(before.risk_level != after.risk_level, risk);
    word(
        before.police_agency_id != after.police_agency_id,
        "police unit".to_owned(),
    );
    word(
        before.social_agency_id != after.social_agency_id,
        "social work station".to_owned(),
    );
    word(
        before.social_worker_id != after.social_worker_id,
        "social worker".to_owned(),
    );
    let zone = format!("time zone {} to {}", before.time_zone, after.time_zone);
    word(before.time_zone != after.time_zone, zone);
    found.join(", ")
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
    if !(1..=4).contains(&person.risk_level) {
        let level = person.risk_level;
        return Err(Error::Input(format!(
            "risk level {level}: give 1 (the highest) to 4 (the lowest)"
        )));
    }
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
