//! Sessions of the console. The table holds hashes: whoever reads it gets no session.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use rand::Rng;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    Error, GenericClient, once,
    pool::{execute, optional},
    user::{self, User},
};

/// The channel on which it is told that a session has ended, or that its user is another; the payload is the user's id.
pub const CHANNEL: &str = "homeward_session";

/// How long a session lives after its last use.
pub const LIFETIME: SignedDuration = SignedDuration::from_hours(12);

/// How often use is written down; between, reading is enough.
const TOUCH_EVERY: SignedDuration = SignedDuration::from_mins(5);

/// What the browser carries: 32 random bytes, as 64 hexadecimal digits.
#[derive(Clone, PartialEq, Eq)]
pub struct Token([u8; 32]);

impl Token {
    fn random() -> Self {
        let mut bytes = [0; 32];
        rand::rng().fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// Reads the cookie's text.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        let mut bytes = [0; 32];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// The cookie's text.
    pub fn to_text(&self) -> String {
        use fmt::Write as _;
        self.0.iter().fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    fn hash(&self) -> Vec<u8> {
        Sha256::digest(self.0).to_vec()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Opens a session.
pub async fn open(client: &impl GenericClient, user_id: Uuid, now: Timestamp) -> Result<Token, Error> {
    const SQL: &str = "INSERT INTO user_session (token_hash, user_id, created_at, last_seen_at, expires_at)
        VALUES ($1, $2, $3, $3, $4)";
    let token = Token::random();
    execute(client, SQL, &[&token.hash(), &user_id, &now, &(now + LIFETIME)]).await?;
    Ok(token)
}

/// The user of a session that has not expired and whose account is not disabled; prolongs the session.
pub async fn find(client: &impl GenericClient, token: &Token, now: Timestamp) -> Result<Option<User>, Error> {
    const SQL: &str = "SELECT u.user_id, u.username, u.display_name, u.role, u.agency_id, a.name, a.path::text, a.kind,
            a.time_zone, u.locale, s.last_seen_at
        FROM user_session s JOIN app_user u USING (user_id) JOIN agency a USING (agency_id)
        WHERE s.token_hash = $1 AND s.expires_at > $2 AND u.disabled_at IS NULL";
    const TOUCH: &str = "UPDATE user_session SET last_seen_at = $2, expires_at = $3 WHERE token_hash = $1";
    let Some(row) = optional(client, SQL, &[&token.hash(), &now]).await? else {
        return Ok(None);
    };
    let last_seen_at: Timestamp = row.try_get(10)?;
    if now.duration_since(last_seen_at) > TOUCH_EVERY {
        execute(client, TOUCH, &[&token.hash(), &now, &(now + LIFETIME)]).await?;
    }
    user::from_row(&row).map(Some)
}

/// Ends a session.
pub async fn end(client: &impl GenericClient, token: &Token) -> Result<(), Error> {
    execute(
        client,
        "DELETE FROM user_session WHERE token_hash = $1",
        &[&token.hash()],
    )
    .await?;
    Ok(())
}

/// Deletes sessions that have expired, attempts older than 30 days, and keys of requests older than a day.
pub async fn sweep(client: &impl GenericClient, now: Timestamp) -> Result<u64, Error> {
    let ended = execute(client, "DELETE FROM user_session WHERE expires_at <= $1", &[&now]).await?;
    let month_ago = now - SignedDuration::from_hours(30 * 24);
    execute(
        client,
        "DELETE FROM sign_in_attempt WHERE attempted_at < $1",
        &[&month_ago],
    )
    .await?;
    once::sweep(client, now).await?;
    Ok(ended)
}

/// Writes down an attempt to log in. Only names that an account could have: a password typed into the wrong field is not kept.
pub async fn record_attempt(
    client: &impl GenericClient,
    username: &str,
    succeeded: bool,
    now: Timestamp,
) -> Result<(), Error> {
    const SQL: &str = "INSERT INTO sign_in_attempt (username, attempted_at, succeeded)
        SELECT $1, $2, $3 WHERE EXISTS (SELECT FROM app_user WHERE username = $1)";
    execute(client, SQL, &[&username, &now, &succeeded]).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_read_back_and_garbage_is_not_a_token() {
        let token = Token::random();
        assert_eq!(Token::parse(&token.to_text()), Some(token.clone()));
        assert_eq!(Token::parse(""), None);
        assert_eq!(Token::parse(&"g".repeat(64)), None);
        assert_eq!(Token::parse(&"é".repeat(32)), None);
        assert_eq!(format!("{token:?}"), "Token(…)");
    }
}
