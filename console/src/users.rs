//! The database as handlers get it: in the name of a user, as the database role of the user's role, and in no other way.

use casedb::{Client, Database, Transaction, access, user::User};

use crate::ApiError;

/// Gives transactions of users. What is behind it nobody else reaches: the program's own access is [`crate::owner::Owner`].
#[derive(Debug)]
pub struct UserPool {
    database: Database,
}

/// A connection that serves users.
#[derive(Debug)]
pub struct UserClient {
    client: Client,
}

impl UserPool {
    pub(crate) const fn new(database: Database) -> Self {
        Self { database }
    }

    /// Takes a connection; it can do nothing yet.
    pub async fn client(&self) -> Result<UserClient, ApiError> {
        Ok(UserClient {
            client: self.database.client().await?,
        })
    }
}

impl UserClient {
    /// Begins a transaction of a user; without a commit nothing of it stays.
    pub async fn begin(&mut self, user: &User) -> Result<Transaction<'_>, ApiError> {
        Ok(access::begin(&mut self.client, user).await?)
    }
}
