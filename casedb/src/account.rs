//! Accounts, as an administrator looks after them: those of the own agency and of the agencies below it. No contents of cases.
//!
//! Call all of it in a transaction of [`crate::access::begin`]: the database lets an administrator change these and no others.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    Error, plain,
    pool::{GenericClient, execute, optional, row, rows},
    user::Role,
};

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Account {
    /// Id.
    pub user_id: Uuid,
    /// Name to sign in.
    pub username: String,
    /// Name as shown to colleagues.
    pub display_name: String,
    /// What the user may do.
    pub role: String,
    /// The agency.
    pub agency_id: Uuid,
    /// Its name.
    pub agency: String,
    /// `en` or `zh-CN`.
    pub locale: String,
    /// Since when nobody can log in with it.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub disabled_at: Option<Timestamp>,
}

/// An agency in which accounts can be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Place {
    /// Id.
    pub agency_id: Uuid,
    /// Its name.
    pub name: String,
    /// Its place in the tree.
    pub path: String,
    /// `police`, `social_work`, `administration` or `service_provider`.
    pub kind: String,
}

/// What is changed of an account; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct Changes<'a> {
    /// Name as shown to colleagues.
    pub display_name: Option<&'a str>,
    /// Role.
    pub role: Option<Role>,
    /// Agency.
    pub agency_id: Option<Uuid>,
    /// Whether somebody can log in.
    pub disabled: Option<bool>,
}

macro_rules! accounts {
    ($rest:literal) => {
        concat!(
            "SELECT u.user_id, u.username, u.display_name, u.role, u.agency_id, a.name, u.locale, u.disabled_at
            FROM app_user u JOIN agency a USING (agency_id) ",
            $rest
        )
    };
}
const LIST: &str = accounts!("ORDER BY a.path, u.username");
const ONE: &str = accounts!("WHERE u.user_id = $1");
const PLACES: &str = "SELECT agency_id, name, path::text, kind FROM agency
    WHERE agency_id IN (SELECT access_subtree(current_user)) AND disabled_at IS NULL ORDER BY path";
const CHANGE: &str = "UPDATE app_user SET display_name = coalesce($2, display_name), role = coalesce($3, role),
        agency_id = coalesce($4, agency_id),
        disabled_at = CASE WHEN $5::boolean IS NULL THEN disabled_at WHEN NOT $5 THEN NULL ELSE coalesce(disabled_at, $6) END
    WHERE user_id = $1";
const PASSWORD: &str = "UPDATE app_user SET password_hash = $2 WHERE user_id = $1";
const END_SESSIONS: &str = "SELECT end_sessions($1)";

/// The accounts that the administrator looks after.
pub async fn list(client: &impl GenericClient) -> Result<Vec<Account>, Error> {
    rows(client, LIST, &[]).await?.iter().map(from_row).collect()
}

/// One of them.
pub async fn read(client: &impl GenericClient, user_id: Uuid) -> Result<Account, Error> {
    let found = optional(client, ONE, &[&user_id]).await?;
    from_row(&found.ok_or_else(|| Error::not_found("account", user_id))?)
}

fn from_row(row: &tokio_postgres::Row) -> Result<Account, Error> {
    Ok(Account {
        user_id: row.try_get(0)?,
        username: row.try_get(1)?,
        display_name: row.try_get(2)?,
        role: row.try_get(3)?,
        agency_id: row.try_get(4)?,
        agency: row.try_get(5)?,
        locale: row.try_get(6)?,
        disabled_at: row.try_get(7)?,
    })
}

/// The agencies in which the administrator may put accounts.
pub async fn places(client: &impl GenericClient) -> Result<Vec<Place>, Error> {
    let found = rows(client, PLACES, &[]).await?;
    found
        .iter()
        .map(|row| {
            Ok(Place {
                agency_id: row.try_get(0)?,
                name: row.try_get(1)?,
                path: row.try_get(2)?,
                kind: row.try_get(3)?,
            })
        })
        .collect()
}

/// Refuses a role that an agency has no work for: service providers belong to agencies of that kind, and nobody else does; social workers
/// do not belong to the police. The database holds users' roles to the same (`app_user_fits`).
pub fn fits(role: Role, kind: &str, agency: &str) -> Result<(), Error> {
    let provides = (role == Role::ServiceProvider) == (kind == "service_provider");
    if provides && !(role == Role::SocialWorker && kind == "police") {
        return Ok(());
    }
    let text = format!(
        "role {} does not go with agency {agency}, which is of the kind {kind}",
        role.name()
    );
    Err(Error::Input(text))
}

/// Changes an account; one that is disabled or has another role or agency is logged out everywhere.
pub async fn change(
    transaction: &impl GenericClient,
    user_id: Uuid,
    changes: &Changes<'_>,
    now: Timestamp,
) -> Result<(), Error> {
    if let Some(name) = changes.display_name {
        plain::USER_NAME.check(name)?;
    }
    let role = changes.role.map(Role::name);
    let values: [&(dyn postgres_types::ToSql + Sync); 6] = [
        &user_id,
        &changes.display_name,
        &role,
        &changes.agency_id,
        &changes.disabled,
        &now,
    ];
    // Before the change, which may take the account out of the administrator's branch.
    if changes.disabled == Some(true) || changes.role.is_some() || changes.agency_id.is_some() {
        row(transaction, END_SESSIONS, &[&user_id]).await?;
    }
    if execute(transaction, CHANGE, &values).await? == 0 {
        return Err(Error::not_found("account", user_id));
    }
    Ok(())
}

/// Sets a password and logs the account out everywhere.
pub async fn set_password(transaction: &impl GenericClient, user_id: Uuid, hash: &str) -> Result<(), Error> {
    if execute(transaction, PASSWORD, &[&user_id, &hash]).await? == 0 {
        return Err(Error::not_found("account", user_id));
    }
    row(transaction, END_SESSIONS, &[&user_id]).await?;
    Ok(())
}
