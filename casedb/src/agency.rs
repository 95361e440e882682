//! Agencies: a tree by `ltree` path, of police, social work and administration.

use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    Error,
    law::Level,
    pool::{GenericClient, execute, optional, rows},
    text::{check_time_zone, words},
};

words! {
    /// What an agency is; decides what its users may see.
    AgencyKind, "kind of agency", {
        /// A police unit.
        Police = "police",
        /// A social work station.
        SocialWork = "social_work",
        /// Runs the installation.
        Administration = "administration",
    }
}

/// An agency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agency {
    /// Its id.
    pub agency_id: Uuid,
    /// Place in the tree: labels of letters, digits and `_`, from the root, joined by dots: `harbour.east.police`.
    pub path: String,
    /// For people to read.
    pub name: String,
    /// What it is.
    pub kind: AgencyKind,
    /// IANA name.
    pub time_zone: String,
}

const CREATE: &str =
    "INSERT INTO agency (agency_id, path, name, kind, time_zone) VALUES ($1, $2::text::ltree, $3, $4, $5)";
const UPDATE: &str =
    "UPDATE agency SET path = $2::text::ltree, name = $3, kind = $4, time_zone = $5 WHERE agency_id = $1";
const READ: &str = "SELECT agency_id, path::text, name, kind, time_zone FROM agency WHERE agency_id = $1";
const BY_PATH: &str = "SELECT agency_id, path::text, name, kind, time_zone FROM agency WHERE path = $1::text::ltree";
const BRANCH: &str =
    "SELECT agency_id, path::text, name, kind, time_zone FROM agency WHERE path <@ $1::text::ltree ORDER BY path";

/// Adds an agency.
pub async fn create(client: &impl GenericClient, agency: &Agency) -> Result<(), Error> {
    check_time_zone(&agency.time_zone)?;
    execute(
        client,
        CREATE,
        &[
            &agency.agency_id,
            &agency.path,
            &agency.name,
            &agency.kind.as_str(),
            &agency.time_zone,
        ],
    )
    .await?;
    Ok(())
}

/// Changes an agency.
pub async fn update(client: &impl GenericClient, agency: &Agency) -> Result<(), Error> {
    check_time_zone(&agency.time_zone)?;
    let values: [&(dyn postgres_types::ToSql + Sync); 5] = [
        &agency.agency_id,
        &agency.path,
        &agency.name,
        &agency.kind.as_str(),
        &agency.time_zone,
    ];
    match execute(client, UPDATE, &values).await? {
        0 => Err(Error::not_found("agency", agency.agency_id)),
        _ => Ok(()),
    }
}

/// Reads one agency.
pub async fn read(client: &impl GenericClient, agency_id: Uuid) -> Result<Agency, Error> {
    let found = optional(client, READ, &[&agency_id]).await?;
    from_row(&found.ok_or_else(|| Error::not_found("agency", agency_id))?)
}

/// Finds an agency by its path.
pub async fn by_path(client: &impl GenericClient, path: &str) -> Result<Option<Agency>, Error> {
    optional(client, BY_PATH, &[&path])
        .await?
        .as_ref()
        .map(from_row)
        .transpose()
}

const SET_LEVEL: &str = "UPDATE agency SET level = $2 WHERE path = $1::text::ltree";

/// Says where an agency stands in the administration of its country; false when there is none of the path.
pub async fn set_level(client: &impl GenericClient, path: &str, level: Level) -> Result<bool, Error> {
    Ok(execute(client, SET_LEVEL, &[&path, &level.as_str()]).await? == 1)
}

/// Lists an agency and everything below it.
pub async fn branch(client: &impl GenericClient, path: &str) -> Result<Vec<Agency>, Error> {
    rows(client, BRANCH, &[&path]).await?.iter().map(from_row).collect()
}

fn from_row(row: &Row) -> Result<Agency, Error> {
    Ok(Agency {
        agency_id: row.try_get(0)?,
        path: row.try_get(1)?,
        name: row.try_get(2)?,
        kind: row.try_get::<_, &str>(3)?.parse()?,
        time_zone: row.try_get(4)?,
    })
}
