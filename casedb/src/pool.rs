//! Connections: a bounded pool, connections of their own for locks, and a listener that reconnects.

mod clock;

use std::{future::poll_fn, str::FromStr, time::Duration};

pub use deadpool_postgres::{GenericClient, Object, Transaction};
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use jiff::Timestamp;
use postgres_types::ToSql;
use tokio::sync::mpsc;
use tokio_postgres::{AsyncMessage, Client, Config, NoTls, Row};
use tracing::{info, warn};
use uuid::Uuid;

use crate::{Class, Error};

/// The oldest server that serves: `MERGE`, `security_invoker` views and fast default partitions.
pub const OLDEST_VERSION: i32 = 150_000;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a caller waits for a free connection before it gets [`Error::Unavailable`].
const WAIT_TIMEOUT: Duration = Duration::from_secs(10);
/// A statement that runs longer is a defect; an idle transaction would hold back vacuum and locks.
const SESSION_OPTIONS: &str =
    "-c statement_timeout=60s -c lock_timeout=30s -c idle_in_transaction_session_timeout=60s -c timezone=UTC";
/// Notifications that a slow consumer may leave waiting before the listener stops reading its socket.
const NOTICES_WAITING: usize = 4_096;

/// The case database. Cheap to clone; all clones share one bounded pool.
#[derive(Debug, Clone)]
pub struct Database {
    pool: Pool,
    config: Config,
    url: String,
}

impl Database {
    /// Connects once to prove that the URL works and that the server is recent enough; keeps at most `max` connections.
    pub async fn connect(url: &str, max: usize) -> Result<Self, Error> {
        let database = Self::later(url, max)?;
        database.check().await?;
        Ok(database)
    }

    /// The same without connecting: for those who can do their work while the database is away.
    pub fn later(url: &str, max: usize) -> Result<Self, Error> {
        let config = config(url)?;
        let manager = Manager::from_config(
            config.clone(),
            NoTls,
            ManagerConfig {
                recycling_method: RecyclingMethod::Fast,
            },
        );
        let pool = Pool::builder(manager)
            .max_size(max.max(1))
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(WAIT_TIMEOUT))
            .create_timeout(Some(CONNECT_TIMEOUT))
            .recycle_timeout(Some(CONNECT_TIMEOUT))
            .build()
            .map_err(|error| Error::Configuration(error.to_string()))?;
        Ok(Self {
            pool,
            config,
            url: url.to_owned(),
        })
    }

    /// Proves that the URL works and that the server is recent enough.
    pub async fn check(&self) -> Result<(), Error> {
        let client = self.client().await?;
        check_version(&client).await.map(|_| ())
    }

    /// The URL given; it holds a password, so it is not for logs.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Takes a connection from the pool, waiting at most 10 s for one.
    pub async fn client(&self) -> Result<Object, Error> {
        Ok(self.pool.get().await?)
    }

    /// Opens a connection outside the pool, for what lives as long as its session (advisory locks).
    pub async fn dedicated(&self, purpose: &str) -> Result<Client, Error> {
        let mut config = self.config.clone();
        config.application_name(format!("homeward {purpose}"));
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(async move {
            // The client's calls return the error; here it would be said twice.
            let _ = connection.await;
        });
        Ok(client)
    }

    /// Says whether the database answers now, and by about the same clock; for `/readyz`.
    pub async fn ready(&self) -> Result<(), Error> {
        let client = self.client().await?;
        let asked = Timestamp::now();
        let theirs = client.query_one("SELECT clock_timestamp()", &[]).await?.try_get(0)?;
        match clock::ahead(asked, theirs, Timestamp::now()) {
            Some(ahead) => Err(Error::Clocks {
                seconds: ahead.as_secs(),
            }),
            None => Ok(()),
        }
    }

    /// Listens on channels. When this returns, notifications sent from now on arrive. The connection is restored by itself.
    pub async fn listen(&self, channels: &[&str]) -> Result<Listener, Error> {
        let statements = listen_statements(channels)?;
        let session = ListenSession::open(&self.config, &statements).await?;
        let (sender, receiver) = mpsc::channel(NOTICES_WAITING);
        tokio::spawn(keep_listening(self.config.clone(), statements, session, sender));
        Ok(Listener { receiver })
    }
}

/// What a [`Listener`] tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A notification.
    Notification {
        /// Its channel.
        channel: String,
        /// Its payload, maybe empty.
        payload: String,
    },
    /// The connection was lost: notifications sent from about now on are missed.
    Lost,
    /// The connection is back: read anew whatever the notifications would have told.
    Resumed,
}

/// Receives notifications; ends listening when dropped.
#[derive(Debug)]
pub struct Listener {
    receiver: mpsc::Receiver<Notice>,
}

impl Listener {
    /// Waits for the next notice. `None` when the runtime shuts down. Dropping the future loses nothing.
    pub async fn recv(&mut self) -> Option<Notice> {
        self.receiver.recv().await
    }

    /// Takes a notice that already waits.
    pub fn try_recv(&mut self) -> Option<Notice> {
        self.receiver.try_recv().ok()
    }
}

/// Runs a constant query and returns its rows; the statement is prepared once per connection.
pub async fn rows(
    client: &impl GenericClient,
    sql: &'static str,
    values: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, Error> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.query(&statement, values).await?)
}

/// Reads rows of which one that cannot be read costs itself alone: it is left out, said by the id in its first column, and counted.
pub(crate) fn readable<T>(
    found: &[Row],
    table: &'static str,
    read: impl Fn(&Row) -> Result<T, Error>,
) -> Result<Vec<T>, Error> {
    let mut all = Vec::with_capacity(found.len());
    for row in found {
        match read(row) {
            Ok(one) => all.push(one),
            Err(error) if error.class() == Class::Input => {
                let id: Option<Uuid> = row.try_get(0).ok();
                warn!(table, ?id, %error, "a row is left out");
                metrics::counter!("homeward_casedb_unreadable_rows_total", "table" => table).increment(1);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}

/// Runs a constant query that returns exactly one row.
pub async fn row(client: &impl GenericClient, sql: &'static str, values: &[&(dyn ToSql + Sync)]) -> Result<Row, Error> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.query_one(&statement, values).await?)
}

/// Runs a constant query that returns one row or none.
pub async fn optional(
    client: &impl GenericClient,
    sql: &'static str,
    values: &[&(dyn ToSql + Sync)],
) -> Result<Option<Row>, Error> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.query_opt(&statement, values).await?)
}

/// Runs a constant statement and returns how many rows it touched.
pub async fn execute(
    client: &impl GenericClient,
    sql: &'static str,
    values: &[&(dyn ToSql + Sync)],
) -> Result<u64, Error> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.execute(&statement, values).await?)
}

/// Parses a URL and adds time-outs, keep-alives and session settings.
pub(crate) fn config(url: &str) -> Result<Config, Error> {
    // The driver's message does not repeat the URL, which holds the password.
    let mut config = Config::from_str(url).map_err(|error| Error::Configuration(format!("database URL: {error}")))?;
    if config.get_application_name().is_none() {
        config.application_name("homeward");
    }
    let options = match config.get_options() {
        // The operator's own options come last and win.
        Some(own) => format!("{SESSION_OPTIONS} {own}"),
        None => SESSION_OPTIONS.to_owned(),
    };
    config
        .options(options)
        .connect_timeout(CONNECT_TIMEOUT)
        .keepalives(true)
        .keepalives_idle(Duration::from_secs(10))
        .keepalives_interval(Duration::from_secs(5))
        .keepalives_retries(3)
        .tcp_user_timeout(Duration::from_secs(20));
    Ok(config)
}

/// Refuses servers older than [`OLDEST_VERSION`].
pub(crate) async fn check_version(client: &Client) -> Result<i32, Error> {
    let row = client
        .query_one("SELECT current_setting('server_version_num')::int4", &[])
        .await?;
    let version: i32 = row.try_get(0)?;
    if version < OLDEST_VERSION {
        return Err(Error::Configuration(format!(
            "PostgreSQL {}.{} is too old, 15 or later is needed",
            version / 10_000,
            version % 10_000
        )));
    }
    Ok(version)
}

fn listen_statements(channels: &[&str]) -> Result<String, Error> {
    let mut statements = String::new();
    for channel in channels {
        if channel.is_empty() || !channel.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
            return Err(Error::Input(format!("channel name {channel:?} is not of a-z and _")));
        }
        statements.push_str("LISTEN ");
        statements.push_str(channel);
        statements.push(';');
    }
    Ok(statements)
}

/// One connection that listens; its notifications come over `receiver`, which closes when the connection ends.
struct ListenSession {
    _client: Client,
    receiver: mpsc::Receiver<Notice>,
}

impl ListenSession {
    async fn open(config: &Config, statements: &str) -> Result<Self, Error> {
        let mut config = config.clone();
        config.application_name("homeward listener");
        let (client, mut connection) = config.connect(NoTls).await?;
        let (sender, receiver) = mpsc::channel(NOTICES_WAITING);
        tokio::spawn(async move {
            while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
                if let AsyncMessage::Notification(note) = message {
                    let notice = Notice::Notification {
                        channel: note.channel().to_owned(),
                        payload: note.payload().to_owned(),
                    };
                    if sender.send(notice).await.is_err() {
                        break;
                    }
                }
            }
        });
        client.batch_execute(statements).await?;
        Ok(Self {
            _client: client,
            receiver,
        })
    }
}

async fn keep_listening(config: Config, statements: String, first: ListenSession, sender: mpsc::Sender<Notice>) {
    let mut session = first;
    loop {
        loop {
            let notice = tokio::select! {
                notice = session.receiver.recv() => notice,
                () = sender.closed() => return,
            };
            let Some(notice) = notice else { break };
            if sender.send(notice).await.is_err() {
                return;
            }
        }
        warn!("database listener lost its connection");
        if sender.send(Notice::Lost).await.is_err() {
            return;
        }
        let mut pause = Duration::from_millis(100);
        session = loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = sender.closed() => return,
            }
            match ListenSession::open(&config, &statements).await {
                Ok(session) => break session,
                Err(error) => warn!(%error, "database listener cannot reconnect yet"),
            }
            pause = (pause * 2).min(Duration::from_secs(2));
        };
        info!("database listener is connected again");
        if sender.send(Notice::Resumed).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channel_names_are_checked() {
        assert_eq!(
            listen_statements(&["homeward_outbox", "b"]).unwrap(),
            "LISTEN homeward_outbox;LISTEN b;"
        );
        assert!(listen_statements(&["a; DROP TABLE person"]).is_err());
    }

    #[test]
    fn a_bad_url_is_named_without_its_password() {
        let error = config("postgres://u:geheim@host:port/x").unwrap_err().to_string();
        assert!(error.contains("database URL") && !error.contains("geheim"), "{error}");
    }
}
