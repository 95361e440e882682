//! The duty room's server: the HTTP API under `/api/v1`, live updates, and the page itself, embedded.
//!
//! [`start`] serves until [`Handle::shutdown`]. Who may call a route is said in [`router::ROUTES`] and enforced by
//! [`authorise::Authorised`]; who sees which row is decided in `casedb::view`.

pub mod api;
pub mod assets;
pub mod authorise;
pub mod error;
pub mod events;
pub mod matrix;
pub mod once;
pub mod openapi;
pub mod owner;
pub mod preview;
pub mod receipts;
pub mod router;
pub mod session;
pub mod users;

use std::{collections::BTreeSet, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use alerts::roster::Via;
use casedb::Database;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub use error::ApiError;

/// What the operator sets.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// A PMTiles file with vector tiles, drawn under the zones and fixes.
    pub basemap: Option<PathBuf>,
    /// Marks the session cookie `Secure`: set it wherever the page is reached over HTTPS.
    pub secure_cookies: bool,
    /// GeoJSON of the invented town's streets, drawn where there is no basemap.
    pub demo_town: Option<serde_json::Value>,
    /// Signs evidence and the states of the audit chain that it rests on.
    pub evidence_key: Option<casedb::audit::sealer::Signer>,
    /// What the console does for the channels of messages.
    pub channels: Channels,
    /// How many partitions the stream has.
    pub partitions: u32,
    /// For how long somebody has an incident whom no sign follows.
    pub patience: alerts::lifecycle::course::Patience,
}

impl Config {
    /// On an address, with nothing that needs more than a database.
    pub fn plain(listen: SocketAddr) -> Self {
        Self {
            listen,
            basemap: None,
            secure_cookies: false,
            demo_town: None,
            evidence_key: None,
            channels: Channels::default(),
            partitions: 16,
            patience: alerts::lifecycle::course::Patience::default(),
        }
    }
}

/// What the console does for the channels of messages.
#[derive(Debug, Clone, Default)]
pub struct Channels {
    /// The public key of Web Push; none: it is not offered.
    pub push_key: Option<String>,
    /// Push services that browsers may name: hosts, or `*.` and the end of a host.
    pub push_hosts: Vec<String>,
    /// Reports of the gateway for short messages; none: they are not taken.
    pub sms_reports: Option<receipts::Reports>,
    /// The channels over which ladders can call here.
    pub calls: BTreeSet<Via>,
}

/// Says whether the rest of the process is ready; the reason when it is not.
pub type Ready = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// The console cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken or not ours.
    #[error("console cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The basemap cannot be read.
    #[error("basemap {path}: {reason}")]
    Basemap {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The database's notifications cannot be had.
    #[error(transparent)]
    Database(#[from] casedb::Error),
    /// The password hash against which unknown users are checked cannot be made.
    #[error(transparent)]
    Password(#[from] casedb::user::PasswordError),
}

/// What every handler can reach.
#[derive(Clone)]
pub struct App(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) users: users::UserPool,
    pub(crate) owner: owner::Owner,
    pub(crate) config: Config,
    pub(crate) hub: events::Hub,
    pub(crate) door: session::Door,
    pub(crate) counts: api::counts::Counts,
    pub(crate) fresh: api::fresh::Fresh,
    pub(crate) previews: api::preview::Turns,
    pub(crate) ready: Ready,
    pub(crate) stop: CancellationToken,
    pub(crate) town: Option<bytes::Bytes>,
    pub(crate) basemap: Option<assets::Basemap>,
}

/// A console that runs.
#[derive(Debug)]
pub struct Handle {
    /// Where it listens.
    pub address: SocketAddr,
    stop: CancellationToken,
    server: JoinHandle<()>,
}

impl Handle {
    /// Ends live streams, lets requests under way finish for at most five seconds, and stops.
    pub async fn shutdown(self) {
        self.stop.cancel();
        let abort = self.server.abort_handle();
        if tokio::time::timeout(Duration::from_secs(5), self.server).await.is_err() {
            warn!("console did not finish its requests in time");
            abort.abort();
        }
    }

    /// Waits until the console has stopped by itself, which is a failure.
    pub async fn stopped(&mut self) {
        let _ = (&mut self.server).await;
    }
}

/// Starts the console. `ready` is asked by `/readyz`, after the database.
pub async fn start(config: Config, database: Database, ready: Ready) -> Result<Handle, StartError> {
    let basemap = match &config.basemap {
        Some(path) => {
            let opened = assets::Basemap::open(path).await;
            Some(opened.map_err(|reason| StartError::Basemap {
                path: path.clone(),
                reason,
            })?)
        }
        None => None,
    };
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|source| StartError::Listen {
            address: config.listen,
            source,
        })?;
    let address = listener.local_addr().map_err(|source| StartError::Listen {
        address: config.listen,
        source,
    })?;
    let stop = CancellationToken::new();
    let owner = owner::Owner::new(database.clone());
    let hub = events::Hub::start(&owner, stop.clone()).await?;
    let town = config
        .demo_town
        .as_ref()
        .map(|town| bytes::Bytes::from(town.to_string()));
    let door = session::Door::new().await?;
    let app = App(Arc::new(Inner {
        users: users::UserPool::new(database),
        owner,
        config,
        hub,
        door,
        counts: api::counts::Counts::default(),
        fresh: api::fresh::Fresh::default(),
        previews: api::preview::Turns::default(),
        ready,
        stop: stop.clone(),
        town,
        basemap,
    }));
    tokio::spawn(session::sweep(app.clone()));
    tokio::spawn(api::commands::sweep(app.clone()));
    let service = router::build(app).into_make_service_with_connect_info::<SocketAddr>();
    let until = stop.clone();
    let server = tokio::spawn(async move {
        let serving = axum::serve(listener, service).with_graceful_shutdown(async move { until.cancelled().await });
        if let Err(error) = serving.await {
            warn!(%error, "console stopped");
        }
    });
    info!(%address, "console listens");
    Ok(Handle { address, stop, server })
}
