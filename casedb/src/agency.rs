//! Agencies: a tree by `ltree` path, of police, social work, administration and contracted service providers.

use alerts::lifecycle::course::Patience;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    Error,
    law::Level,
    plain,
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
        /// A contracted social organisation: sees whom its contracts cover, and of them what the contracts say.
        ServiceProvider = "service_provider",
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

const LOCK: &str = "LOCK TABLE agency IN SHARE ROW EXCLUSIVE MODE";
const MOVE: &str = "UPDATE agency SET path = CASE WHEN path = $1::text::ltree THEN $2::text::ltree
            ELSE $2::text::ltree || subpath(path, nlevel($1::text::ltree)) END
    WHERE path <@ $1::text::ltree";
/// Why a branch cannot be disabled: people in its charge with an order that runs or will, and contracts of its own.
const IN_USE: &str = "SELECT
        (SELECT count(DISTINCT p.person_id) FROM person p
         JOIN agency a ON a.agency_id IN (p.police_agency_id, p.social_agency_id)
         JOIN supervision_order o USING (person_id)
         WHERE a.path <@ $1::text::ltree AND LEAST(o.ends_at, o.revoked_at) > $2),
        (SELECT count(*) FROM service_contract c
         JOIN agency a ON a.agency_id IN (c.provider_id, c.client_id)
         WHERE a.path <@ $1::text::ltree AND LEAST(c.ends_at, c.ended_at) > $2)";
const DISABLE: &str =
    "UPDATE agency SET disabled_at = COALESCE(disabled_at, $2) WHERE path <@ $1::text::ltree AND disabled_at IS NULL";
const ENABLE: &str = "UPDATE agency SET disabled_at = NULL WHERE path <@ $1::text::ltree AND disabled_at IS NOT NULL";
const END_SESSIONS: &str = "DELETE FROM user_session WHERE user_id IN
    (SELECT u.user_id FROM app_user u JOIN agency a USING (agency_id) WHERE a.path <@ $1::text::ltree)";
const IS_DISABLED: &str =
    "SELECT EXISTS (SELECT FROM agency WHERE path @> $1::text::ltree AND disabled_at IS NOT NULL)";
const LIST: &str = "SELECT a.agency_id, a.path::text, a.name, a.kind, a.time_zone, a.disabled_at,
        (SELECT count(*) FROM app_user u WHERE u.agency_id = a.agency_id AND u.disabled_at IS NULL),
        CASE a.kind WHEN 'service_provider'
            THEN (SELECT count(DISTINCT c.person_id) FROM contract_person c WHERE c.provider_id = a.agency_id)
            ELSE (SELECT count(*) FROM person p WHERE a.agency_id IN (p.police_agency_id, p.social_agency_id)) END
    FROM agency a WHERE ($1::text IS NULL OR a.path <@ $1::text::ltree) AND ($2 OR a.disabled_at IS NULL) ORDER BY a.path";

/// Adds an agency.
pub async fn create(client: &impl GenericClient, agency: &Agency) -> Result<(), Error> {
    check_path(&agency.path)?;
    plain::AGENCY_NAME.check(&agency.name)?;
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
    plain::AGENCY_NAME.check(&agency.name)?;
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
    if check_path(path).is_err() {
        return Ok(None);
    }
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

const SET_PATIENCE: &str = "UPDATE agency SET acknowledged_min = $2, in_action_min = $3 WHERE path = $1::text::ltree";
const PATIENCE: &str = "SELECT acknowledged_min, in_action_min FROM incident_patience($1, $2)";
const SET_LAWS: &str = "UPDATE agency SET law_profiles = $2 WHERE path = $1::text::ltree";

/// Says which law profiles hold for the people of an agency, and of those below it that say nothing of their own; none: any. False when
/// there is none of the path.
pub async fn set_laws(client: &impl GenericClient, path: &str, profiles: &[String]) -> Result<bool, Error> {
    for profile in profiles {
        crate::law::require(profile)?;
    }
    Ok(execute(client, SET_LAWS, &[&path, &profiles]).await? == 1)
}

/// Says for how long somebody who has an incident of an agency's people has it, and of those below it that say nothing of their own; `None`: as long as
/// the agency above says. False when there is none of the path.
pub async fn set_patience(client: &impl GenericClient, path: &str, patience: Option<&Patience>) -> Result<bool, Error> {
    let minutes =
        |lengths: [SignedDuration; 4]| lengths.map(|length| i32::try_from(length.as_mins()).unwrap_or(i32::MAX));
    let checked = patience
        .map(|patience| patience.check())
        .transpose()
        .map_err(|error| Error::Input(error.to_string()))?;
    let acknowledged = checked.map(|patience| minutes(patience.acknowledged).to_vec());
    let in_action = checked.map(|patience| minutes(patience.in_action).to_vec());
    Ok(execute(client, SET_PATIENCE, &[&path, &acknowledged, &in_action]).await? == 1)
}

/// What the agencies say for a user who takes an incident on; `None`: nothing, so the installation's settings hold.
pub async fn patience(
    client: &impl GenericClient,
    incident_id: Uuid,
    user_id: Uuid,
) -> Result<Option<Patience>, Error> {
    let Some(row) = optional(client, PATIENCE, &[&incident_id, &user_id]).await? else {
        return Ok(None);
    };
    let lengths = |minutes: Vec<i32>| -> Result<[SignedDuration; 4], Error> {
        let lengths: Vec<SignedDuration> = minutes
            .into_iter()
            .map(|minutes| SignedDuration::from_mins(minutes.into()))
            .collect();
        <[SignedDuration; 4]>::try_from(lengths)
            .map_err(|_| Error::Configuration("an agency's patience has four lengths".to_owned()))
    };
    Ok(Some(Patience {
        acknowledged: lengths(row.try_get(0)?)?,
        in_action: lengths(row.try_get(1)?)?,
    }))
}

/// Lists an agency and everything below it.
pub async fn branch(client: &impl GenericClient, path: &str) -> Result<Vec<Agency>, Error> {
    rows(client, BRANCH, &[&path]).await?.iter().map(from_row).collect()
}

/// An agency as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Its id.
    pub agency_id: Uuid,
    /// Place in the tree.
    pub path: String,
    /// For people to read.
    pub name: String,
    /// What it is.
    pub kind: AgencyKind,
    /// IANA name.
    pub time_zone: String,
    /// Out of use since then.
    pub disabled_at: Option<Timestamp>,
    /// Accounts that may sign in.
    pub users: i64,
    /// People in its own charge (not of agencies below); of a provider, those whom its contracts cover now.
    pub people: i64,
}

/// Lists the tree, or the branch under a path; `disabled`: agencies out of use, too.
pub async fn list(client: &impl GenericClient, path: Option<&str>, disabled: bool) -> Result<Vec<Listed>, Error> {
    let found = rows(client, LIST, &[&path, &disabled]).await?;
    let listed = found.iter().map(|row| {
        Ok(Listed {
            agency_id: row.try_get(0)?,
            path: row.try_get(1)?,
            name: row.try_get(2)?,
            kind: row.try_get::<_, &str>(3)?.parse()?,
            time_zone: row.try_get(4)?,
            disabled_at: row.try_get(5)?,
            users: row.try_get(6)?,
            people: row.try_get(7)?,
        })
    });
    listed.collect()
}

/// Checks a path: labels of letters, digits and `_`, joined by dots; at most 250 characters.
pub fn check_path(path: &str) -> Result<(), Error> {
    let label =
        |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if path.len() <= 250 && path.split('.').all(label) {
        return Ok(());
    }
    Err(Error::Input(format!(
        "agency path {:?} is not of labels of a-z, A-Z, 0-9 and _ joined by dots, such as county.east, at most 250 characters in all",
        path.chars().take(60).collect::<String>()
    )))
}

/// The path above a path; `None`: it is a root.
pub fn parent(path: &str) -> Option<&str> {
    path.rsplit_once('.').map(|(parent, _)| parent)
}

/// Adds an agency under one that is there and in use. A root needs none above it.
pub async fn add(transaction: &impl GenericClient, agency: &Agency) -> Result<(), Error> {
    check_path(&agency.path)?;
    execute(transaction, LOCK, &[]).await?;
    if let Some(parent) = parent(&agency.path) {
        in_use(transaction, parent).await?;
    }
    create(transaction, agency).await
}

/// Refuses a path at which there is no agency, or one that is out of use.
pub async fn in_use(client: &impl GenericClient, path: &str) -> Result<Agency, Error> {
    let found = by_path(client, path).await?;
    let found = found.ok_or_else(|| Error::not_found("agency", path))?;
    if crate::pool::row(client, IS_DISABLED, &[&path]).await?.try_get(0)? {
        return Err(Error::Input(format!("agency {path} is out of use")));
    }
    Ok(found)
}

/// Moves an agency with everything under it to another place of the tree; returns how many agencies moved. Nothing moves under
/// itself, and nothing onto a place that is taken. Call it in a transaction: others wait.
pub async fn relocate(transaction: &impl GenericClient, from: &str, to: &str) -> Result<u64, Error> {
    check_path(to)?;
    execute(transaction, LOCK, &[]).await?;
    if by_path(transaction, from).await?.is_none() {
        return Err(Error::not_found("agency", from));
    }
    if to == from {
        return Ok(0);
    }
    if to.strip_prefix(from).is_some_and(|rest| rest.starts_with('.')) {
        return Err(Error::Input(format!("agency {from} cannot move under itself ({to})")));
    }
    if let Some(parent) = parent(to) {
        in_use(transaction, parent).await?;
    }
    if by_path(transaction, to).await?.is_some() {
        return Err(Error::Input(format!("there is an agency {to} already")));
    }
    execute(transaction, MOVE, &[&from, &to]).await
}

/// Takes an agency and everything under it out of use: their users cannot sign in any more, and are signed out. Refused while
/// people in its charge have an order that runs or will, and while a contract of it runs. Returns how many agencies it was.
pub async fn disable(transaction: &impl GenericClient, path: &str, now: Timestamp) -> Result<u64, Error> {
    execute(transaction, LOCK, &[]).await?;
    if by_path(transaction, path).await?.is_none() {
        return Err(Error::not_found("agency", path));
    }
    let used = crate::pool::row(transaction, IN_USE, &[&path, &now]).await?;
    let (people, contracts): (i64, i64) = (used.try_get(0)?, used.try_get(1)?);
    if people > 0 || contracts > 0 {
        return Err(Error::Input(format!(
            "agency {path} is in use: {people} people in its charge have an order that runs or will, and {contracts} contracts run"
        )));
    }
    execute(transaction, END_SESSIONS, &[&path]).await?;
    execute(transaction, DISABLE, &[&path, &now]).await
}

/// Takes an agency and everything under it into use again; refused under one that is out of use.
pub async fn enable(transaction: &impl GenericClient, path: &str) -> Result<u64, Error> {
    if by_path(transaction, path).await?.is_none() {
        return Err(Error::not_found("agency", path));
    }
    if let Some(parent) = parent(path).filter(|parent| !parent.is_empty())
        && by_path(transaction, parent).await?.is_some()
    {
        in_use(transaction, parent).await?;
    }
    execute(transaction, ENABLE, &[&path]).await
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_labels_joined_by_dots() {
        for path in ["a", "demo.police", "A_1.b.c"] {
            assert!(check_path(path).is_ok(), "{path}");
        }
        for path in ["", ".", "a.", ".a", "a..b", "a b", "a-b", "ä"] {
            assert!(check_path(path).is_err(), "{path}");
        }
        assert_eq!(parent("a.b.c"), Some("a.b"));
        assert_eq!(parent("a"), None);
    }
}
