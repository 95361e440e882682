//! Brings the schema of the stream and of the case database to this program's version.

use tokio_postgres::NoTls;
use tracing::{info, warn};

use crate::{Edition, Error, access, audit, law, pool};

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// Our own name: the stream keeps a migration table in the same database.
const HISTORY_TABLE: &str = "casedb_migration";
/// Session advisory lock that makes concurrent starts take turns ("migrate" in ASCII).
const LOCK_KEY: i64 = 0x006d_6967_7261_7465;

/// What [`migrate`] did and found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Names of the migrations applied now; empty when the schema was up to date.
    pub applied: Vec<String>,
    /// What the server is.
    pub edition: Edition,
    /// Whether the database's own rules of access are in force.
    pub access: access::Enforced,
}

/// Applies what is missing. Safe when several processes start at once: one works, the others wait and find nothing to do.
///
/// `partitions` is the number of partitions of each topic of the stream in PostgreSQL; fixed by the first call.
pub async fn migrate(url: &str, partitions: u32) -> Result<Report, Error> {
    let mut config = pool::config(url)?;
    // Waiting for another process and building an index may both take long.
    config
        .options("-c statement_timeout=0 -c lock_timeout=0 -c timezone=UTC -c homeward.migrating=on")
        .application_name("homeward migrate");
    let (mut client, connection) = config.connect(NoTls).await?;
    tokio::spawn(async move {
        let _ = connection.await;
    });
    pool::check_version(&client).await?;
    // Released with the session, so also when this process dies.
    client.execute("SELECT pg_advisory_lock($1)", &[&LOCK_KEY]).await?;
    stream::postgres::migrate(url, partitions).await?;
    let report = embedded::migrations::runner()
        .set_migration_table_name(HISTORY_TABLE)
        .run_async(&mut client)
        .await
        .map_err(|error| refinery_error(&error))?;
    law::database::install(&client).await?;
    attach_audit(url).await?;
    let applied: Vec<String> = report
        .applied_migrations()
        .iter()
        .map(|applied| format!("V{:04} {}", applied.version(), applied.name()))
        .collect();
    let edition = Edition::detect(&client).await?;
    edition.prepare(&client).await?;
    let access = access::apply(&mut client).await?;
    info!(applied = applied.len(), %edition, %access, "case database is up to date");
    if !access.holds() {
        warn!("{access}: print what the database's superuser must run once with `homeward migrate --roles-sql`");
    }
    Ok(Report {
        applied,
        edition,
        access,
    })
}

/// Brings an empty database to an earlier version's tables and no further: for tests of upgrades, which put in what that version had.
#[doc(hidden)]
pub async fn migrate_to(url: &str, partitions: u32, version: i32) -> Result<(), Error> {
    let mut config = pool::config(url)?;
    config.options("-c timezone=UTC -c homeward.migrating=on");
    let (mut client, connection) = config.connect(NoTls).await?;
    tokio::spawn(async move {
        let _ = connection.await;
    });
    stream::postgres::migrate(url, partitions).await?;
    embedded::migrations::runner()
        .set_target(refinery::Target::Version(version))
        .set_migration_table_name(HISTORY_TABLE)
        .run_async(&mut client)
        .await
        .map_err(|error| refinery_error(&error))?;
    Ok(())
}

/// The same with its tables under the audit.
#[doc(hidden)]
pub async fn migrate_audited_to(url: &str, partitions: u32, version: i32) -> Result<(), Error> {
    migrate_to(url, partitions, version).await?;
    attach_audit(url).await
}

/// Takes tables that are new, or whose columns changed, under the audit.
async fn attach_audit(url: &str) -> Result<(), Error> {
    let database = pool::Database::later(url, 1)?;
    let mut client = database.client().await?;
    let transaction = client.transaction().await?;
    // What a migration did to rows is no act of anybody; a first look at a large table takes long.
    transaction
        .batch_execute(
            "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; SET LOCAL homeward.migrating = 'on'",
        )
        .await?;
    audit::cover::attach(&transaction).await?;
    transaction.commit().await?;
    Ok(())
}

fn refinery_error(error: &refinery::Error) -> Error {
    // Its own text has the database's detail, which may hold a row.
    let text = error.to_string();
    let mut message = text.split("DETAIL:").next().unwrap_or_default().trim_end().to_owned();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if let Some(error) = inner.downcast_ref::<tokio_postgres::Error>() {
            if let Some(reported) = error.as_db_error() {
                message = format!("{message}: {}", reported.message());
            } else if error.is_closed() {
                return Error::Unavailable(message);
            }
        }
        source = inner.source();
    }
    Error::Configuration(format!("migration failed: {message}"))
}
