//! Contracts with service providers: contracted social organisations, which see only their people and only what a contract covers.
//!
//! Whom and what a contract covers at a moment is said by the database itself: `contract_people`, `contract_covers`.

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
    /// What a contract covers. There is no word for positions.
    Scope, "scope of a contract", {
        /// Who is around the person and how to reach them.
        Contacts = "contacts",
        /// When the person must be where, without the place.
        Schedule = "schedule",
        /// Visits, and writing of them.
        Visits = "visits",
        /// Notes for social work and for both.
        Notes = "notes",
        /// Which device the person wears, and how it is.
        Device = "device",
        /// Incidents for social work and for both, without positions.
        Incidents = "incidents",
    }
}

/// A contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Contract {
    /// Its id.
    pub contract_id: Uuid,
    /// As it is called on paper; unique.
    pub reference: String,
    /// The provider.
    pub provider_id: Uuid,
    /// Who contracts.
    pub client_id: Uuid,
    /// Everybody in this branch; `None`: only those listed.
    pub area_id: Option<Uuid>,
    /// What it covers.
    pub scope: Vec<Scope>,
    /// First moment.
    pub starts_at: Timestamp,
    /// First moment after it.
    pub ends_at: Timestamp,
    /// Ended before its term.
    pub ended_at: Option<Timestamp>,
}

/// Somebody whom a contract covers now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Covered {
    /// Which contract.
    pub contract_id: Uuid,
    /// Who.
    pub person_id: Uuid,
    /// Their case reference.
    pub reference: String,
    /// What it covers.
    pub scope: Vec<Scope>,
}

const ADD: &str = "INSERT INTO service_contract
    (contract_id, reference, provider_id, client_id, area_id, scope, starts_at, ends_at, created_by)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
const END: &str = "UPDATE service_contract SET ended_at = $2, ended_by = $3
    WHERE contract_id = $1 AND (ended_at IS NULL OR ended_at > $2)";
/// Only somebody in the branch of the client.
const INCLUDE: &str = "INSERT INTO service_contract_person (contract_id, person_id, added_at, added_by)
    SELECT c.contract_id, p.person_id, $3, $4
    FROM service_contract c JOIN agency cl ON cl.agency_id = c.client_id
    JOIN person p ON p.person_id = $2
    JOIN agency pa ON pa.agency_id = p.police_agency_id JOIN agency sa ON sa.agency_id = p.social_agency_id
    WHERE c.contract_id = $1 AND (pa.path <@ cl.path OR sa.path <@ cl.path)
    ON CONFLICT (contract_id, person_id) WHERE removed_at IS NULL DO NOTHING";
const LISTED: &str =
    "SELECT 1 FROM service_contract_person WHERE contract_id = $1 AND person_id = $2 AND removed_at IS NULL";
const EXCLUDE: &str = "UPDATE service_contract_person SET removed_at = GREATEST($3, added_at), removed_by = $4
    WHERE contract_id = $1 AND person_id = $2 AND removed_at IS NULL";
macro_rules! contracts {
    ($rest:literal) => {
        concat!(
            "SELECT contract_id, reference, provider_id, client_id, area_id, scope, starts_at, ends_at, ended_at
            FROM service_contract ",
            $rest
        )
    };
}
const BY_REFERENCE: &str = contracts!("WHERE reference = $1");
const LIST: &str = contracts!("WHERE $1::uuid IS NULL OR provider_id = $1 ORDER BY reference");
const COVERED: &str = "SELECT c.contract_id, c.person_id, p.reference, c.scope
    FROM contract_people($2) c JOIN person p USING (person_id) WHERE c.provider_id = $1 ORDER BY p.reference, c.contract_id";
const COVERS: &str = "SELECT contract_covers($1, $2, $3, $4)";

/// Adds a contract.
pub async fn add(client: &impl GenericClient, contract: &Contract, created_by: Option<Uuid>) -> Result<(), Error> {
    plain::CONTRACT_REFERENCE.check(&contract.reference)?;
    if contract.ends_at <= contract.starts_at {
        return Err(Error::Input(format!(
            "contract {}: its end {} is not after its start {}",
            contract.reference, contract.ends_at, contract.starts_at
        )));
    }
    let scope: Vec<&str> = contract.scope.iter().map(|scope| scope.as_str()).collect();
    let values: [&(dyn postgres_types::ToSql + Sync); 9] = [
        &contract.contract_id,
        &contract.reference,
        &contract.provider_id,
        &contract.client_id,
        &contract.area_id,
        &scope,
        &contract.starts_at,
        &contract.ends_at,
        &created_by,
    ];
    execute(client, ADD, &values).await?;
    Ok(())
}

/// Ends a contract from a moment on, before its term.
pub async fn end(client: &impl GenericClient, contract_id: Uuid, at: Timestamp, by: Uuid) -> Result<(), Error> {
    match execute(client, END, &[&contract_id, &at, &by]).await? {
        0 => Err(Error::not_found("contract that runs", contract_id)),
        _ => Ok(()),
    }
}

/// Puts a person under a contract, from a moment on.
pub async fn include(
    client: &impl GenericClient,
    contract_id: Uuid,
    person_id: PersonId,
    at: Timestamp,
    by: Uuid,
) -> Result<(), Error> {
    let added = execute(client, INCLUDE, &[&contract_id, &person_id.uuid(), &at, &by]).await?;
    if added == 0
        && optional(client, LISTED, &[&contract_id, &person_id.uuid()])
            .await?
            .is_none()
    {
        return Err(Error::Input(format!(
            "person {person_id} is not in the branch of the agency that contracts"
        )));
    }
    Ok(())
}

/// Takes a person out of a contract, from a moment on.
pub async fn exclude(
    client: &impl GenericClient,
    contract_id: Uuid,
    person_id: PersonId,
    at: Timestamp,
    by: Uuid,
) -> Result<(), Error> {
    match execute(client, EXCLUDE, &[&contract_id, &person_id.uuid(), &at, &by]).await? {
        0 => Err(Error::not_found("person under this contract", person_id)),
        _ => Ok(()),
    }
}

/// Finds a contract by its reference.
pub async fn by_reference(client: &impl GenericClient, reference: &str) -> Result<Option<Contract>, Error> {
    let found = optional(client, BY_REFERENCE, &[&reference]).await?;
    found.as_ref().map(contract).transpose()
}

/// Lists contracts, of one provider or all.
pub async fn list(client: &impl GenericClient, provider_id: Option<Uuid>) -> Result<Vec<Contract>, Error> {
    rows(client, LIST, &[&provider_id])
        .await?
        .iter()
        .map(contract)
        .collect()
}

/// Lists whom a provider's contracts cover at a moment.
pub async fn covered(client: &impl GenericClient, provider_id: Uuid, at: Timestamp) -> Result<Vec<Covered>, Error> {
    let found = rows(client, COVERED, &[&provider_id, &at]).await?;
    let covered = found.iter().map(|row| {
        Ok(Covered {
            contract_id: row.try_get(0)?,
            person_id: row.try_get(1)?,
            reference: row.try_get(2)?,
            scope: scope(row, 3)?,
        })
    });
    covered.collect()
}

/// Says whether users of an agency may see this of a person; `None`: the reference and the name.
pub async fn covers(
    client: &impl GenericClient,
    agency_id: Uuid,
    person_id: PersonId,
    what: Option<Scope>,
    at: Timestamp,
) -> Result<bool, Error> {
    let what = what.map_or("person", Scope::as_str);
    let found = row(client, COVERS, &[&agency_id, &person_id.uuid(), &what, &at]).await?;
    Ok(found.try_get(0)?)
}

fn scope(row: &Row, column: usize) -> Result<Vec<Scope>, Error> {
    let words: Vec<&str> = row.try_get(column)?;
    words.into_iter().map(str::parse).collect()
}

fn contract(row: &Row) -> Result<Contract, Error> {
    Ok(Contract {
        contract_id: row.try_get(0)?,
        reference: row.try_get(1)?,
        provider_id: row.try_get(2)?,
        client_id: row.try_get(3)?,
        area_id: row.try_get(4)?,
        scope: scope(row, 5)?,
        starts_at: row.try_get(6)?,
        ends_at: row.try_get(7)?,
        ended_at: row.try_get(8)?,
    })
}
