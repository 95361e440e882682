//! Browsers in which users want messages (Web Push).

use uuid::Uuid;

use crate::{
    Error,
    pool::{GenericClient, execute, row, rows},
};

/// More browsers of one user are not kept; the oldest goes.
pub const EACH: i64 = 10;

/// A browser that takes messages.
#[derive(Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Its id.
    pub subscription_id: Uuid,
    /// Where its push service takes messages. Whoever has it can send: it is not for logs.
    pub endpoint: String,
    /// The browser's public key: an uncompressed point of P-256.
    pub p256dh: Vec<u8>,
    /// Its secret.
    pub auth: Vec<u8>,
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription")
            .field("subscription_id", &self.subscription_id)
            .finish_non_exhaustive()
    }
}

const RELEASE: &str = "SELECT push_release($1, $2)";
const FORGET: &str = "DELETE FROM push_subscription WHERE user_id = $1 AND endpoint = $2";
// Not as one statement with an update: no role reads the keys, not even those that it writes.
const SUBSCRIBE: &str =
    "INSERT INTO push_subscription (subscription_id, user_id, endpoint, p256dh, auth) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT DO NOTHING";
const TRIM: &str = "DELETE FROM push_subscription WHERE user_id = $1 AND subscription_id NOT IN (
    SELECT subscription_id FROM push_subscription WHERE user_id = $1 ORDER BY created_at DESC LIMIT $2)";

/// Takes a browser in. One that another user has used before is this user's now. Call it in a transaction.
pub async fn subscribe(
    client: &impl GenericClient,
    user_id: Uuid,
    endpoint: &str,
    p256dh: &[u8],
    auth: &[u8],
) -> Result<(), Error> {
    if p256dh.len() != 65 || auth.len() != 16 || !(8..=2_048).contains(&endpoint.len()) {
        return Err(Error::Input("this is no subscription of a browser".to_owned()));
    }
    execute(client, RELEASE, &[&endpoint, &user_id]).await?;
    execute(client, FORGET, &[&user_id, &endpoint]).await?;
    execute(
        client,
        SUBSCRIBE,
        &[&Uuid::now_v7(), &user_id, &endpoint, &p256dh, &auth],
    )
    .await?;
    execute(client, TRIM, &[&user_id, &EACH]).await?;
    Ok(())
}

/// Removes a user's browser. False when it is not there.
pub async fn unsubscribe(client: &impl GenericClient, user_id: Uuid, endpoint: &str) -> Result<bool, Error> {
    Ok(execute(client, FORGET, &[&user_id, &endpoint]).await? == 1)
}

/// Removes a browser that is gone.
pub async fn remove(client: &impl GenericClient, subscription_id: Uuid) -> Result<(), Error> {
    const SQL: &str = "DELETE FROM push_subscription WHERE subscription_id = $1";
    execute(client, SQL, &[&subscription_id]).await?;
    Ok(())
}

/// How many browsers a user has.
pub async fn count(client: &impl GenericClient, user_id: Uuid) -> Result<i64, Error> {
    const SQL: &str = "SELECT count(*) FROM push_subscription WHERE user_id = $1";
    Ok(row(client, SQL, &[&user_id]).await?.try_get(0)?)
}

/// A user's browsers.
pub async fn of_user(client: &impl GenericClient, user_id: Uuid) -> Result<Vec<Subscription>, Error> {
    const SQL: &str =
        "SELECT subscription_id, endpoint, p256dh, auth FROM push_subscription WHERE user_id = $1 ORDER BY created_at";
    let found = rows(client, SQL, &[&user_id]).await?;
    found
        .iter()
        .map(|row| {
            Ok(Subscription {
                subscription_id: row.try_get(0)?,
                endpoint: row.try_get(1)?,
                p256dh: row.try_get(2)?,
                auth: row.try_get(3)?,
            })
        })
        .collect()
}
