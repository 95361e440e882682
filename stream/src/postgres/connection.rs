//! Connections, and what their errors mean.

use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use tokio_postgres::{Client, Connection, NoTls, Socket, tls::NoTlsStream};
use tokio_util::sync::CancellationToken;

use crate::Error;

/// Settings of every session of ours.
///
/// Plans are generic and made once, perhaps while the tables were empty: a sequential scan chosen then would stay for good.
/// The time-outs bound how long a paused or lost process can hold a partition's lock.
const OPTIONS: &str = "-c enable_seqscan=off -c enable_bitmapscan=off -c jit=off -c statement_timeout=30s \
    -c lock_timeout=15s -c idle_in_transaction_session_timeout=10s";

const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// The server and a pool of connections for short queries.
#[derive(Clone)]
pub(super) struct Server {
    config: tokio_postgres::Config,
    pool: Pool,
}

/// A connection of its own, driven in the background.
pub(super) struct Session {
    pub(super) client: Client,
    /// Cancelled when the connection ends, whoever ended it.
    pub(super) ended: CancellationToken,
}

impl Server {
    pub(super) fn new(url: &str, connections: usize) -> Result<Self, Error> {
        // The message of a bad URL may quote it, and it holds a password.
        let mut config: tokio_postgres::Config = url
            .parse()
            .map_err(|_| Error::Configuration("the database URL cannot be understood".to_owned()))?;
        let options = config
            .get_options()
            .map_or_else(|| OPTIONS.to_owned(), |own| format!("{OPTIONS} {own}"));
        config
            .options(options)
            .application_name("homeward-stream")
            .connect_timeout(CONNECT_WITHIN)
            .keepalives_idle(Duration::from_secs(10))
            .keepalives_interval(Duration::from_secs(3))
            .keepalives_retries(3)
            .tcp_user_timeout(Duration::from_secs(20));
        let recycling = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let pool = Pool::builder(Manager::from_config(config.clone(), NoTls, recycling))
            .max_size(connections.max(1))
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(Duration::from_secs(30)))
            .create_timeout(Some(CONNECT_WITHIN))
            .build()
            .map_err(|error| Error::Configuration(error.to_string()))?;
        Ok(Self { config, pool })
    }

    /// Borrows a connection for a short query.
    pub(super) async fn pooled(&self) -> Result<Object, Error> {
        self.pool.get().await.map_err(|error| match error {
            deadpool_postgres::PoolError::Backend(error) => failure(&error),
            other => Error::Unavailable(other.to_string()),
        })
    }

    /// Opens a connection whose messages the caller handles.
    pub(super) async fn raw(&self) -> Result<(Client, Connection<Socket, NoTlsStream>), Error> {
        // `connect_timeout` bounds the TCP handshake alone.
        tokio::time::timeout(CONNECT_WITHIN, self.config.connect(NoTls))
            .await
            .map_err(|_| Error::Unavailable("connecting to the database took too long".to_owned()))?
            .map_err(|error| failure(&error))
    }

    /// Opens a connection that is driven in the background.
    pub(super) async fn session(&self) -> Result<Session, Error> {
        let (client, connection) = self.raw().await?;
        let ended = CancellationToken::new();
        let guard = ended.clone().drop_guard();
        tokio::spawn(async move {
            let _guard = guard;
            if let Err(error) = connection.await {
                tracing::debug!(error = %describe(&error), "stream connection ended");
            }
        });
        Ok(Session { client, ended })
    }
}

/// Sorts a database error by what the caller should do. A statement refused for what it says is configuration or damage
/// (missing tables, permissions, password, constraint); everything else may pass.
pub(super) fn failure(error: &tokio_postgres::Error) -> Error {
    let fatal = error.code().is_some_and(|state| {
        ["22", "23", "28", "3D", "3F", "42"]
            .iter()
            .any(|class| state.code().starts_with(class))
    });
    let message = describe(error);
    if fatal {
        Error::Configuration(message)
    } else {
        Error::Unavailable(message)
    }
}

/// The message with its cause; the error's own text is only "db error".
fn describe(error: &tokio_postgres::Error) -> String {
    use std::error::Error as _;
    match (error.as_db_error(), error.source()) {
        (Some(refused), _) => format!("{} ({})", refused.message(), refused.code().code()),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}

/// The pause before try `attempt` (from 0): doubling from 50 ms to 1.6 s, half of it by chance.
pub(super) fn pause(attempt: u32) -> Duration {
    let full = 50_u64 << attempt.min(5);
    Duration::from_millis(full / 2 + rand::random_range(0..=full / 2))
}
