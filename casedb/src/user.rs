//! People who use the console: accounts, roles, passwords.

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use rand::Rng;
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{
    Error, GenericClient, plain,
    pool::{execute, optional},
};

/// What a user may do. What a user may *see* follows from the agency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Handles incidents for the police unit on duty.
    DutyOfficer,
    /// Handles incidents for the people in the worker's charge.
    SocialWorker,
    /// Keeps devices running for an agency; sees no positions.
    ServiceProvider,
    /// Queries history.
    Analyst,
    /// Handles incidents and looks after a unit.
    Supervisor,
    /// Reads, changes nothing.
    Auditor,
    /// Keeps accounts, devices and settings.
    Administrator,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 7] = [
        Self::DutyOfficer,
        Self::SocialWorker,
        Self::ServiceProvider,
        Self::Analyst,
        Self::Supervisor,
        Self::Auditor,
        Self::Administrator,
    ];

    /// The word in the database and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DutyOfficer => "duty_officer",
            Self::SocialWorker => "social_worker",
            Self::ServiceProvider => "service_provider",
            Self::Analyst => "analyst",
            Self::Supervisor => "supervisor",
            Self::Auditor => "auditor",
            Self::Administrator => "administrator",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == text)
    }
}

/// Which side of the work a user's agency is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Branch {
    /// Sees what is for the police, and what is for both.
    Police,
    /// Sees what is for social work, and what is for both.
    SocialWork,
    /// Sees both.
    Administration,
}

impl Branch {
    /// The word in the database and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Police => "police",
            Self::SocialWork => "social_work",
            Self::Administration => "administration",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Police, Self::SocialWork, Self::Administration]
            .into_iter()
            .find(|branch| branch.name() == text)
    }
}

/// An account with what the console needs of its agency.
#[derive(Debug, Clone)]
pub struct User {
    /// Id.
    pub user_id: Uuid,
    /// Log-in name.
    pub username: String,
    /// Name as shown to colleagues.
    pub display_name: String,
    /// What the user may do.
    pub role: Role,
    /// The agency.
    pub agency_id: Uuid,
    /// The agency's name.
    pub agency_name: String,
    /// The agency's place in the tree, as `ltree` text.
    pub agency_path: String,
    /// The agency's branch.
    pub branch: Branch,
    /// The agency's time zone, an IANA name.
    pub time_zone: String,
    /// `en` or `zh-CN`.
    pub locale: String,
}

/// An account to be made.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Log-in name: `[a-z0-9._-]{1,64}`.
    pub username: String,
    /// Name as shown to colleagues.
    pub display_name: String,
    /// What the user may do.
    pub role: Role,
    /// The agency.
    pub agency_id: Uuid,
    /// `en` or `zh-CN`.
    pub locale: String,
    /// Where notifications by mail go.
    pub email: Option<String>,
}

pub(crate) fn from_row(row: &Row) -> Result<User, Error> {
    Ok(User {
        user_id: row.try_get(0)?,
        username: row.try_get(1)?,
        display_name: row.try_get(2)?,
        // The table's CHECK lists the same words; an unknown one gets the least.
        role: Role::parse(row.try_get(3)?).unwrap_or(Role::ServiceProvider),
        agency_id: row.try_get(4)?,
        agency_name: row.try_get(5)?,
        agency_path: row.try_get(6)?,
        branch: Branch::parse(row.try_get(7)?).unwrap_or(Branch::SocialWork),
        time_zone: row.try_get(8)?,
        locale: row.try_get(9)?,
    })
}

/// Makes an account. `password_hash` comes from [`hash_password`].
pub async fn create(client: &impl GenericClient, user: &NewUser, password_hash: &str) -> Result<Uuid, Error> {
    const SQL: &str =
        "INSERT INTO app_user (user_id, username, display_name, role, agency_id, password_hash, locale, email)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    plain::USER_NAME.check(&user.display_name)?;
    let user_id = Uuid::now_v7();
    execute(
        client,
        SQL,
        &[
            &user_id,
            &user.username,
            &user.display_name,
            &user.role.name(),
            &user.agency_id,
            &password_hash,
            &user.locale,
            &user.email,
        ],
    )
    .await?;
    Ok(user_id)
}

/// Finds an account that may log in, with the hash of its password.
pub async fn find(client: &impl GenericClient, username: &str) -> Result<Option<(User, String)>, Error> {
    const SQL: &str = "SELECT u.user_id, u.username, u.display_name, u.role, u.agency_id, a.name, a.path::text, a.kind,
            a.time_zone, u.locale, u.password_hash
        FROM app_user u JOIN agency a USING (agency_id) WHERE u.username = $1 AND u.disabled_at IS NULL AND a.disabled_at IS NULL";
    let Some(row) = optional(client, SQL, &[&username]).await? else {
        return Ok(None);
    };
    Ok(Some((from_row(&row)?, row.try_get(10)?)))
}

/// The same by its id; `None`: there is none that may log in.
pub async fn read(client: &impl GenericClient, user_id: Uuid) -> Result<Option<User>, Error> {
    const SQL: &str = "SELECT u.user_id, u.username, u.display_name, u.role, u.agency_id, a.name, a.path::text, a.kind,
            a.time_zone, u.locale
        FROM app_user u JOIN agency a USING (agency_id) WHERE u.user_id = $1 AND u.disabled_at IS NULL AND a.disabled_at IS NULL";
    optional(client, SQL, &[&user_id])
        .await?
        .as_ref()
        .map(from_row)
        .transpose()
}

/// Sets the password and ends the account's sessions. False when there is no such account.
pub async fn set_password(client: &impl GenericClient, user_id: Uuid, password_hash: &str) -> Result<bool, Error> {
    const SQL: &str = "WITH ended AS (DELETE FROM user_session WHERE user_id = $1)
        UPDATE app_user SET password_hash = $2 WHERE user_id = $1";
    Ok(execute(client, SQL, &[&user_id, &password_hash]).await? == 1)
}

/// Sets a user's own addresses: `None` leaves one as it is, an empty text removes it. False when there is no such account.
pub async fn set_contact(
    client: &impl GenericClient,
    username: &str,
    mail: Option<&str>,
    phone: Option<&str>,
) -> Result<bool, Error> {
    const SQL: &str = "UPDATE app_user SET email = CASE WHEN $2::text IS NULL THEN email ELSE nullif($2, '') END,
            phone = CASE WHEN $3::text IS NULL THEN phone ELSE nullif($3, '') END
        WHERE username = $1";
    Ok(execute(client, SQL, &[&username, &mail, &phone]).await? == 1)
}

/// Hashes a password: argon2id, the library's recommended cost (19 MiB, two passes), as a PHC string.
///
/// Takes tens of milliseconds of processor time: call it off the async threads.
pub fn hash_password(password: &str) -> Result<String, PasswordError> {
    let mut salt = [0_u8; 16];
    rand::rng().fill_bytes(&mut salt);
    Argon2::default()
        .hash_password_with_salt(password.as_bytes(), &salt)
        .map(|hash| hash.to_string())
        .map_err(|error| PasswordError(error.to_string()))
}

/// True when the password is the one that was hashed. As costly as [`hash_password`].
pub fn verify_password(password: &str, hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|parsed| Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok())
}

/// A random password of 20 letters and digits that are not mistaken for one another (about 116 bits).
pub fn random_password() -> String {
    const ALPHABET: &[u8; 56] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let mut bytes = rand::rng();
    let mut password = String::with_capacity(20);
    while password.len() < 20 {
        let mut byte = [0_u8; 1];
        bytes.fill_bytes(&mut byte);
        // 224 is the greatest multiple of 56 in a byte: taking the rest would favour some letters.
        if byte[0] < 224 {
            password.extend(
                ALPHABET
                    .get(usize::from(byte[0] % 56))
                    .map(|letter| char::from(*letter)),
            );
        }
    }
    password
}

/// The password could not be hashed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("password cannot be hashed: {0}")]
pub struct PasswordError(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_verifies_against_its_own_hash_only() {
        let hash = hash_password("correct horse").unwrap();
        assert!(hash.starts_with("$argon2id$"), "{hash}");
        assert!(verify_password("correct horse", &hash));
        assert!(!verify_password("correct horse ", &hash));
        assert!(!verify_password("correct horse", "no hash"));
    }

    #[test]
    fn random_passwords_differ_and_have_their_length() {
        let (a, b) = (random_password(), random_password());
        assert_eq!(a.len(), 20);
        assert_ne!(a, b);
    }

    #[test]
    fn words_of_roles_are_read_back() {
        for role in Role::ALL {
            assert_eq!(Role::parse(role.name()), Some(role));
            assert_eq!(serde_json::to_value(role).unwrap(), role.name());
        }
        assert_eq!(Role::parse("root"), None);
    }
}
