//! Protected people, and who must keep how far away from them.
//!
//! A protected person is not supervised: no order, no rules, no history. Their device's fixes go, with their consent, to the
//! engine and nowhere else; no table has a place of theirs. A restriction is the police's matter alone.

pub mod cloned;
mod distance;

pub use distance::{Kept, keep_away, keep_away_no_more};

use jiff::Timestamp;
use proto::{PersonId, Revision, ZoneId};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    Error, plain,
    pool::{GenericClient, execute, optional, row, rows},
    rules::{DIRECTORY_CHANNEL, revision},
    zone::{self, Audience, Schedule, Zone, ZoneKind},
};

/// A protected person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protected {
    /// Their id; of the same sort as a supervised person's, and never the same.
    pub protected_id: PersonId,
    /// The police's own reference; unique.
    pub reference: String,
    /// For those who may see it; may be empty.
    pub display_name: String,
    /// The police unit that is responsible.
    pub police_agency_id: Uuid,
    /// Since when they consent to their device being followed; `None`: they do not.
    pub consent_at: Option<Timestamp>,
    /// When they took the consent back.
    pub withdrawn_at: Option<Timestamp>,
}

impl Protected {
    /// Tells whether their device may be listened to.
    pub fn consents(&self) -> bool {
        self.consent_at.is_some() && self.withdrawn_at.is_none()
    }
}

/// Keep away from a protected person.
#[derive(Debug, Clone, PartialEq)]
pub struct Proximity {
    /// Its id, also of the zone without a shape that events and incidents name.
    pub proximity_id: ZoneId,
    /// The newest revision.
    pub revision: Revision,
    /// Who must keep away.
    pub person_id: PersonId,
    /// From whom.
    pub protected_id: PersonId,
    /// What it asks.
    pub terms: Terms,
}

/// What a restriction asks.
#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    /// Nearer is a violation, metres.
    pub distance_m: f64,
    /// Warning this much farther out, metres; 0: none.
    pub buffer_m: f64,
    /// When it holds; `None`: always.
    pub schedule: Option<Schedule>,
}

const CREATE: &str = "INSERT INTO protected_person
    (protected_id, reference, display_name, police_agency_id, consent_at, withdrawn_at) VALUES ($1, $2, $3, $4, $5, $6)";
const BY_REFERENCE: &str = "SELECT protected_id, reference, display_name, police_agency_id, consent_at, withdrawn_at
    FROM protected_person WHERE reference = $1";
const LIST: &str = "SELECT protected_id, reference, display_name, police_agency_id, consent_at, withdrawn_at
    FROM protected_person ORDER BY reference";
const CONSENT: &str = "UPDATE protected_person
    SET consent_at = CASE WHEN withdrawn_at IS NULL THEN COALESCE(consent_at, $2) ELSE $2 END, withdrawn_at = NULL
    WHERE protected_id = $1";
const WITHDRAW: &str = "UPDATE protected_person
    SET withdrawn_at = CASE WHEN consent_at IS NULL THEN NULL ELSE COALESCE(withdrawn_at, $2) END WHERE protected_id = $1";
/// Rules name only people who consent: theirs are published anew.
const OUTDATE: &str = "UPDATE person_rules SET stale = true WHERE person_id IN
    (SELECT person_id FROM proximity WHERE protected_id = $1 AND removed_at IS NULL)";
const BIND: &str = "INSERT INTO proximity (proximity_id, person_id, protected_id) VALUES ($1, $2, $3)";
const LOCK: &str = "SELECT proximity_id FROM proximity WHERE proximity_id = $1 AND removed_at IS NULL FOR UPDATE";
const REVISE: &str =
    "INSERT INTO proximity_revision (proximity_id, revision, distance_m, buffer_m, schedule, created_by)
    SELECT $1, COALESCE(max(revision), 0) + 1, $2, $3, $4, $5 FROM proximity_revision WHERE proximity_id = $1
    RETURNING revision";
const REMOVE: &str = "UPDATE proximity SET removed_at = $2 WHERE proximity_id = $1 AND removed_at IS NULL
    RETURNING person_id";
macro_rules! restrictions {
    ($condition:literal) => {
        concat!(
            "SELECT x.proximity_id, r.revision, x.person_id, x.protected_id, r.distance_m, r.buffer_m, r.schedule
            FROM proximity x
            JOIN protected_person p USING (protected_id)
            JOIN LATERAL (SELECT * FROM proximity_revision pr WHERE pr.proximity_id = x.proximity_id
                          ORDER BY revision DESC LIMIT 1) r ON true
            WHERE x.removed_at IS NULL AND ",
            $condition,
            " ORDER BY x.proximity_id"
        )
    };
}
const OF_PERSON: &str =
    restrictions!("x.person_id = $1 AND ($2 OR p.consent_at IS NOT NULL AND p.withdrawn_at IS NULL)");
const OF_PROTECTED: &str = restrictions!("x.protected_id = $1");
const NOTIFY: &str = "SELECT pg_notify($1, '')";

/// Adds a protected person.
pub async fn create(client: &impl GenericClient, protected: &Protected) -> Result<(), Error> {
    plain::PROTECTED_REFERENCE.check(&protected.reference)?;
    plain::PROTECTED_NAME.check(&protected.display_name)?;
    let values: [&(dyn postgres_types::ToSql + Sync); 6] = [
        &protected.protected_id.uuid(),
        &protected.reference,
        &protected.display_name,
        &protected.police_agency_id,
        &protected.consent_at,
        &protected.withdrawn_at,
    ];
    execute(client, CREATE, &values).await?;
    Ok(())
}

/// Finds a protected person by the police's reference.
pub async fn by_reference(client: &impl GenericClient, reference: &str) -> Result<Option<Protected>, Error> {
    let found = optional(client, BY_REFERENCE, &[&reference]).await?;
    found.as_ref().map(protected).transpose()
}

/// Lists the protected people.
pub async fn list(client: &impl GenericClient) -> Result<Vec<Protected>, Error> {
    rows(client, LIST, &[]).await?.iter().map(protected).collect()
}

/// Notes that a protected person consents, or takes the consent back. Gateways follow within seconds, and the rules of those
/// who must keep away.
pub async fn consent(
    transaction: &impl GenericClient,
    protected_id: PersonId,
    consents: bool,
    now: Timestamp,
) -> Result<(), Error> {
    let sql = if consents { CONSENT } else { WITHDRAW };
    if execute(transaction, sql, &[&protected_id.uuid(), &now]).await? == 0 {
        return Err(Error::not_found("protected person", protected_id));
    }
    execute(transaction, OUTDATE, &[&protected_id.uuid()]).await?;
    tell_gateways(transaction).await
}

/// Makes a supervised person keep away from a protected one; returns the restriction. Call it in a transaction, and publish
/// the person's rules in the same one.
pub async fn bind(
    transaction: &impl GenericClient,
    person_id: PersonId,
    protected: &Protected,
    terms: &Terms,
    created_by: Option<Uuid>,
) -> Result<Proximity, Error> {
    check(terms)?;
    let proximity_id = ZoneId::new(Uuid::now_v7());
    // The zone that events name: it has no shape, and only the police sees it.
    let zone = Zone {
        zone_id: proximity_id,
        label: format!("protected person {}", protected.reference),
        kind: ZoneKind::Exclusion,
        audience: Audience::Police,
    };
    zone::create(transaction, &zone).await?;
    let values: [&(dyn postgres_types::ToSql + Sync); 3] =
        [&proximity_id.uuid(), &person_id.uuid(), &protected.protected_id.uuid()];
    execute(transaction, BIND, &values).await?;
    let revision = revise(transaction, proximity_id, terms, created_by).await?;
    Ok(Proximity {
        proximity_id,
        revision,
        person_id,
        protected_id: protected.protected_id,
        terms: terms.clone(),
    })
}

/// Changes what a restriction asks; returns the revision. Call it in a transaction, and publish the person's rules in the same
/// one.
pub async fn revise(
    transaction: &impl GenericClient,
    proximity_id: ZoneId,
    terms: &Terms,
    created_by: Option<Uuid>,
) -> Result<Revision, Error> {
    check(terms)?;
    if optional(transaction, LOCK, &[&proximity_id.uuid()]).await?.is_none() {
        return Err(Error::not_found("restriction", proximity_id));
    }
    let schedule = terms.schedule.as_ref().map(Schedule::to_json).transpose()?;
    let values: [&(dyn postgres_types::ToSql + Sync); 5] = [
        &proximity_id.uuid(),
        &terms.distance_m,
        &terms.buffer_m,
        &schedule,
        &created_by,
    ];
    let number = revision(row(transaction, REVISE, &values).await?.try_get(0)?)?;
    tell_gateways(transaction).await?;
    Ok(number)
}

/// Ends a restriction; returns whose it was. Publish the person's rules in the same transaction.
pub async fn remove(transaction: &impl GenericClient, proximity_id: ZoneId, now: Timestamp) -> Result<PersonId, Error> {
    let found = optional(transaction, REMOVE, &[&proximity_id.uuid(), &now]).await?;
    let found = found.ok_or_else(|| Error::not_found("restriction", proximity_id))?;
    tell_gateways(transaction).await?;
    Ok(PersonId::new(found.try_get(0)?))
}

/// Lists the restrictions of a supervised person; `all`: also those that rest because the protected person does not consent.
pub async fn of_person(client: &impl GenericClient, person_id: PersonId, all: bool) -> Result<Vec<Proximity>, Error> {
    let found = rows(client, OF_PERSON, &[&person_id.uuid(), &all]).await?;
    found.iter().map(proximity).collect()
}

/// Lists the restrictions for the sake of a protected person.
pub async fn of_protected(client: &impl GenericClient, protected_id: PersonId) -> Result<Vec<Proximity>, Error> {
    let found = rows(client, OF_PROTECTED, &[&protected_id.uuid()]).await?;
    found.iter().map(proximity).collect()
}

fn check(terms: &Terms) -> Result<(), Error> {
    let within = |name: &str, value: f64, least: f64| {
        if (least..=1_000_000.0).contains(&value) {
            Ok(())
        } else {
            Err(Error::Input(format!(
                "{name} of {value} m is outside {least}..1000000 m"
            )))
        }
    };
    within("distance", terms.distance_m, 1.0)?;
    within("buffer", terms.buffer_m, 0.0)?;
    terms.schedule.as_ref().map_or(Ok(()), Schedule::holds_sometime)
}

async fn tell_gateways(client: &impl GenericClient) -> Result<(), Error> {
    row(client, NOTIFY, &[&DIRECTORY_CHANNEL]).await?;
    Ok(())
}

fn protected(row: &Row) -> Result<Protected, Error> {
    Ok(Protected {
        protected_id: PersonId::new(row.try_get(0)?),
        reference: row.try_get(1)?,
        display_name: row.try_get(2)?,
        police_agency_id: row.try_get(3)?,
        consent_at: row.try_get(4)?,
        withdrawn_at: row.try_get(5)?,
    })
}

fn proximity(row: &Row) -> Result<Proximity, Error> {
    let schedule: Option<serde_json::Value> = row.try_get(6)?;
    Ok(Proximity {
        proximity_id: ZoneId::new(row.try_get(0)?),
        revision: revision(row.try_get(1)?)?,
        person_id: PersonId::new(row.try_get(2)?),
        protected_id: PersonId::new(row.try_get(3)?),
        terms: Terms {
            distance_m: row.try_get(4)?,
            buffer_m: row.try_get(5)?,
            schedule: schedule.map(Schedule::from_json).transpose()?,
        },
    })
}
