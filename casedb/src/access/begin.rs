//! The transaction of a user.

use deadpool_postgres::{ClientWrapper, Transaction};
use uuid::Uuid;

use crate::{
    Error,
    pool::row,
    user::{Role, User},
};

/// Begins the transaction in which a user's request is served: everything in it is done as the database role of the user's role
/// (`homeward_duty_officer` and so on), and the database's rules and the audit know the user as `homeward.user_id`. Both end with
/// the transaction; without a commit nothing of it stays.
///
/// Work of the program itself (gateways, workers, history, retention, the command line) does not go through here: it is done as the
/// owner of the tables, whom the rules do not limit.
pub async fn begin<'a>(client: &'a mut ClientWrapper, user: &User) -> Result<Transaction<'a>, Error> {
    begin_as(client, user.user_id, user.role).await
}

/// The same for who has only the id and the role at hand.
pub async fn begin_as(client: &mut ClientWrapper, user_id: Uuid, role: Role) -> Result<Transaction<'_>, Error> {
    // The table of rules is empty where the cluster lacks the roles; `enforced` tells who wants to know.
    const SQL: &str = "SELECT set_config('homeward.user_id', $1, true), set_config('homeward.role', $2, true),
            CASE WHEN r.only_row THEN set_config('role', 'homeward_' || $2, true) END,
            CASE WHEN r.only_row AND $2 = 'analyst' THEN set_config('search_path', 'pseudonym, public', true) END
        FROM (VALUES (1)) one LEFT JOIN access_rules r ON true";
    let transaction = client.transaction().await?;
    row(&transaction, SQL, &[&user_id.to_string(), &role.name()]).await?;
    Ok(transaction)
}
