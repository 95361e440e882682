//! Listening, and the end of it.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use casedb::Database;
use codec::Protocol;
use stream::Log;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpSocket, TcpStream},
    sync::Semaphore,
};
use tokio_util::{
    sync::CancellationToken,
    task::{AbortOnDropHandle, TaskTracker},
};
use tracing::{info, warn};

use crate::{
    Config, Directory,
    limits::Registry,
    presence::Presence,
    quarantine::Quarantine,
    session::{self, Shared, jt808::Jt808, native::Native},
};

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 4_096;
/// After a failure to accept, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address cannot be listened on.
    #[error("cannot listen on {address} for {protocol}: {source}")]
    Listen {
        /// For which protocol.
        protocol: Protocol,
        /// Which address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

impl Error {
    /// Tells what to do: there is nothing to try again.
    pub const fn class(&self) -> casedb::Class {
        casedb::Class::Fatal
    }
}

/// Starts gateways.
#[derive(Debug)]
pub struct Gateway;

/// A running gateway. Dropping it ends every session at once; [`Handle::drain`] ends them in good order.
pub struct Handle {
    /// Where the native protocol is spoken.
    pub native: Option<SocketAddr>,
    /// Where JT/T 808 is spoken.
    pub jt808: Option<SocketAddr>,
    shared: Arc<Shared>,
    database: Option<Database>,
    sessions: TaskTracker,
    listeners: Vec<AbortOnDropHandle<()>>,
    _writers: Vec<AbortOnDropHandle<()>>,
    abort: CancellationToken,
}

impl Gateway {
    /// Listens. `database`: where refusals, bad frames and signs of life are written; `None`: they are only counted.
    pub async fn start(
        config: Config,
        log: Arc<dyn Log>,
        directory: Directory,
        database: Option<Database>,
    ) -> Result<Handle, Error> {
        let (quarantine, waiting) = Quarantine::new();
        let presence = Arc::new(Presence::default());
        let writers = vec![
            AbortOnDropHandle::new(tokio::spawn(waiting.write(database.clone()))),
            AbortOnDropHandle::new(tokio::spawn(
                Arc::clone(&presence).write(database.clone(), config.name.clone()),
            )),
        ];
        let room = Arc::new(Semaphore::new(config.max_sessions.min(Semaphore::MAX_PERMITS)));
        let addresses = [
            (Protocol::Native, config.native_listen),
            (Protocol::Jt808, config.jt808_listen),
        ];
        let shared = Arc::new(Shared {
            config,
            log,
            directory,
            quarantine,
            presence,
            registry: Registry::default(),
            draining: CancellationToken::new(),
            next_session: AtomicU64::new(1),
        });
        let mut handle = Handle {
            native: None,
            jt808: None,
            shared: Arc::clone(&shared),
            database,
            sessions: TaskTracker::new(),
            listeners: Vec::new(),
            _writers: writers,
            abort: CancellationToken::new(),
        };
        for (protocol, address) in addresses {
            let Some(address) = address else { continue };
            let listen = || async move {
                let listener = listen(address)?;
                let bound = listener.local_addr()?;
                Ok((listener, bound))
            };
            let (listener, bound) = listen().await.map_err(|source| Error::Listen {
                protocol,
                address,
                source,
            })?;
            info!(%protocol, address = %bound, "gateway listens");
            match protocol {
                Protocol::Native => handle.native = Some(bound),
                Protocol::Jt808 => handle.jt808 = Some(bound),
            }
            let accept = Accept {
                protocol,
                listener,
                shared: Arc::clone(&shared),
                room: Arc::clone(&room),
                sessions: handle.sessions.clone(),
                abort: handle.abort.clone(),
            };
            handle
                .listeners
                .push(AbortOnDropHandle::new(tokio::spawn(accept.run())));
        }
        Ok(handle)
    }
}

impl Handle {
    /// Sessions open now.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Stops listening and reading, waits for the appends under way and their answers, and closes. What is not done
    /// `within` is dropped without an answer.
    pub async fn drain(mut self, within: Duration) {
        self.listeners.clear();
        self.shared.draining.cancel();
        self.sessions.close();
        if tokio::time::timeout(within, self.sessions.wait()).await.is_err() {
            warn!(
                sessions = self.sessions.len(),
                "sessions dropped: the stream or the device did not answer in time"
            );
            self.abort.cancel();
            self.sessions.wait().await;
        }
        let flush = self
            .shared
            .presence
            .flush(self.database.as_ref(), &self.shared.config.name);
        let _ = tokio::time::timeout(within, flush).await;
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.abort.cancel();
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

struct Accept {
    protocol: Protocol,
    listener: TcpListener,
    shared: Arc<Shared>,
    room: Arc<Semaphore>,
    sessions: TaskTracker,
    abort: CancellationToken,
}

impl Accept {
    async fn run(self) {
        loop {
            let (stream, remote) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    warn!(%error, protocol = %self.protocol, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            metrics::counter!("homeward_gateway_connections_total", "protocol" => self.protocol.name()).increment(1);
            let Ok(place) = Arc::clone(&self.room).try_acquire_owned() else {
                self.turn_away(stream);
                continue;
            };
            let shared = Arc::clone(&self.shared);
            let abort = self.abort.clone();
            let protocol = self.protocol;
            self.sessions.spawn(async move {
                let session = async {
                    match protocol {
                        Protocol::Native => session::run(Native::default(), stream, remote, shared).await,
                        Protocol::Jt808 => session::run(Jt808::default(), stream, remote, shared).await,
                    }
                };
                tokio::select! {
                    () = session => {}
                    () = abort.cancelled() => {}
                }
                drop(place);
            });
        }
    }

    /// Says that there is no room, where the protocol has a word for it.
    fn turn_away(&self, mut stream: TcpStream) {
        metrics::counter!("homeward_gateway_turned_away_total", "protocol" => self.protocol.name()).increment(1);
        if self.protocol == Protocol::Native {
            self.sessions.spawn(async move {
                let farewell = async {
                    stream.write_all(&session::native::busy()).await?;
                    stream.shutdown().await
                };
                let _ = tokio::time::timeout(Duration::from_secs(1), farewell).await;
            });
        }
    }
}
