//! Listening, and the end of it.

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use casedb::Database;
use codec::{Protocol, eelink::Eelink, gt06::Gt06, teltonika::Teltonika};
use futures::FutureExt;
use jiff::Timestamp;
use socket2::{Domain, Socket, Type};
use stream::Log;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpSocket, TcpStream, UdpSocket},
    task::{JoinHandle, unconstrained},
};
use tokio_util::{
    sync::CancellationToken,
    task::{AbortOnDropHandle, TaskTracker},
};
use tracing::{info, warn};

use crate::{
    Config, Directory,
    clone::Registry,
    commands::{self, Commands},
    config::Transport,
    elsewhere::Elsewhere,
    failed::Failed,
    home::Home,
    lanes::{Health, Lanes},
    limits::{Limits, Place},
    presence::Presence,
    quarantine::Quarantine,
    refusals::Refusals,
    rotation::Rotation,
    session::{self, Line, Shared, Writer, jt808::Jt808, native::Native, vendor::Vendor},
    slow::SlowClocks,
    threads::{Plan, Threads},
    tls, udp,
};

/// At the end, for what cannot be read to be kept.
const QUARANTINE_WITHIN: Duration = Duration::from_secs(3);
/// Connections that may wait to be accepted.
const BACKLOG: u32 = 4_096;
/// Bytes of one connection that the kernel holds before they are read; it takes twice as many, for its own purposes.
const RECEIVE_BUFFER: u32 = 32 * 1024;
/// How often what is remembered is looked through.
const SWEEP: Duration = Duration::from_secs(10);
/// After a failure to accept, such as too many open files.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Bytes of datagrams that may wait to be read; the kernel grants as much of it as it may.
const UDP_BUFFER: usize = 4 * 1024 * 1024;

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
    /// The native protocol would be spoken in clear where others can listen.
    #[error(
        "gateway.native_listen: {0} can be reached from other machines, and there is no certificate: set \
         gateway.native_tls_certificate and gateway.native_tls_key; or gateway.native_plaintext = true where a VPN or a TLS proxy \
         stands before it"
    )]
    Plaintext(SocketAddr),
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
    /// There are no threads with tables of open files of their own.
    #[error("gateway.file_tables: no {tables} threads with tables of open files of their own: {source}; set it to 1")]
    Tables {
        /// How many there were to be.
        tables: usize,
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
    addresses: BTreeMap<(Protocol, Transport), SocketAddr>,
    shared: Arc<Shared>,
    database: Option<Database>,
    sessions: TaskTracker,
    listeners: Vec<JoinHandle<()>>,
    threads: Option<Threads>,
    _writers: Vec<AbortOnDropHandle<()>>,
    commands: commands::Tasks,
    abort: CancellationToken,
    failed: Failed,
}

/// A socket that is bound, and what is spoken on it.
enum Bound {
    Tcp(Protocol, TcpListener),
    /// Its connections are taken by threads; this keeps the address until they listen.
    Kept(TcpSocket),
    Udp(Protocol, UdpSocket),
}

impl Gateway {
    /// Listens. `database`: where refusals, bad frames and signs of life are written; `None`: they are only counted.
    pub async fn start(
        config: Config,
        log: Arc<dyn Log>,
        directory: Directory,
        database: Option<Database>,
    ) -> Result<Handle, Error> {
        let acceptor = acceptor(&config)?.map(Arc::new);
        let tables = config.file_tables.max(1);
        // All addresses before anything runs: a gateway that cannot listen everywhere does not start.
        let mut addresses = BTreeMap::new();
        let mut sockets = Vec::new();
        for (protocol, transport, address) in config.listeners() {
            let bound = bind(protocol, transport, address, tables).map_err(|source| Error::Listen {
                protocol,
                address,
                source,
            });
            let (socket, bound) = bound?;
            info!(%protocol, %transport, address = %bound, "gateway listens");
            addresses.insert((protocol, transport), bound);
            sockets.push(socket);
        }
        let (quarantine, waiting) = Quarantine::new();
        let presence = Arc::new(Presence::default());
        let draining = CancellationToken::new();
        let lanes = Lanes::new(
            Arc::clone(&log),
            config.room_bytes,
            config.backlog_per_second,
            draining.clone(),
        );
        let spawn = |future| AbortOnDropHandle::new(tokio::spawn(future));
        let limits = Arc::new(Limits::new(config.limits.clone(), config.max_sessions));
        let registry = Arc::new(Registry::default());
        let sweep = AbortOnDropHandle::new(tokio::spawn(sweep(Arc::clone(&limits), Arc::clone(&registry))));
        let (rotation, confirmed) = Rotation::new();
        let mut writers = vec![
            AbortOnDropHandle::new(tokio::spawn(waiting.write(database.clone()))),
            AbortOnDropHandle::new(tokio::spawn(Arc::clone(&presence).write(
                database.clone(),
                config.name.clone(),
                Elsewhere::new(Arc::clone(&registry)),
                config.presence_every,
            ))),
            spawn(Arc::clone(&lanes).govern(database.clone())),
            sweep,
            AbortOnDropHandle::new(tokio::spawn(confirmed.write(database.clone()))),
        ];
        let refusals = Arc::new(Refusals::default());
        let (commands, command_tasks) = Commands::start(
            database.clone(),
            &config.name,
            Arc::clone(&registry),
            Arc::clone(&refusals),
        );
        let counted = {
            let (refusals, database) = (Arc::clone(&refusals), database.clone());
            async move { refusals.write(database).await }
        };
        writers.push(AbortOnDropHandle::new(tokio::spawn(counted)));
        let home = if tables > 1 {
            let (home, keep) = Home::there();
            writers.push(AbortOnDropHandle::new(tokio::spawn(keep)));
            home
        } else {
            Home::Here
        };
        let shared = Arc::new(Shared {
            config,
            home,
            commands,
            log,
            lanes,
            directory,
            quarantine,
            presence,
            refusals,
            registry,
            rotation,
            limits,
            draining,
            next_session: AtomicU64::new(1),
            unreadable: session::native::Unreadable::default(),
            clocks: session::Clocks::default(),
            slow: SlowClocks::default(),
            #[cfg(test)]
            fault: tokio::sync::Notify::new(),
        });
        let address = |protocol| addresses.get(&(protocol, Transport::Tcp)).copied();
        let mut handle = Handle {
            native: address(Protocol::Native),
            jt808: address(Protocol::Jt808),
            addresses,
            shared: Arc::clone(&shared),
            database,
            sessions: TaskTracker::new(),
            listeners: Vec::new(),
            threads: None,
            _writers: writers,
            commands: command_tasks,
            abort: CancellationToken::new(),
            failed: Failed::default(),
        };
        if tables > 1 {
            let tcp = |((protocol, transport), address): (&(Protocol, Transport), &SocketAddr)| {
                (*transport == Transport::Tcp).then_some((*protocol, *address))
            };
            let plan = Plan {
                tables,
                addresses: handle.addresses.iter().filter_map(tcp).collect(),
                acceptor: acceptor.clone(),
                shared: Arc::clone(&shared),
                sessions: handle.sessions.clone(),
                abort: handle.abort.clone(),
                failed: handle.failed.clone(),
            };
            handle.threads = Some(Threads::start(plan).await?);
        }
        metrics::gauge!("homeward_gateway_file_tables").set(tables as f64);
        for socket in sockets {
            let (shared, tasks, abort) = (Arc::clone(&shared), handle.sessions.clone(), handle.abort.clone());
            let failed = handle.failed.clone();
            let draining = shared.draining.clone();
            let task = match socket {
                Bound::Tcp(protocol, listener) => {
                    let accept = Accept {
                        protocol,
                        listener,
                        acceptor: acceptor.clone().filter(|_| protocol == Protocol::Native),
                        shared,
                        sessions: tasks,
                        abort,
                    };
                    tokio::spawn(failed.watch(draining, accept.run()))
                }
                Bound::Kept(socket) => {
                    drop(socket);
                    continue;
                }
                Bound::Udp(Protocol::Eelink, socket) => {
                    tokio::spawn(failed.watch(draining, udp::run::<Eelink>(socket, shared, tasks, abort)))
                }
                Bound::Udp(_, socket) => {
                    tokio::spawn(failed.watch(draining, udp::run::<Teltonika>(socket, shared, tasks, abort)))
                }
            };
            handle.listeners.push(task);
        }
        Ok(handle)
    }
}

impl Handle {
    /// Where a protocol is spoken.
    pub fn address(&self, protocol: Protocol, transport: Transport) -> Option<SocketAddr> {
        self.addresses.get(&(protocol, transport)).copied()
    }

    /// Sessions open now.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Whether devices are heard and reports get into the stream, for as long as this gateway runs.
    pub fn health(&self) -> Health {
        Health {
            lanes: Arc::downgrade(&self.shared.lanes),
            failed: self.failed.clone(),
        }
    }

    /// Waits until a panic has ended a listener or a thread of sessions: devices may then come to where nobody answers. What is left of the
    /// gateway goes on; [`Handle::drain`] it, and end the process, so that it is started anew.
    pub fn failed(&self) -> impl Future<Output = ()> + Send + use<> {
        self.failed.clone().happens()
    }

    /// Stops listening and reading, waits for the appends under way and their answers, and closes. What is not done
    /// `within` is dropped without an answer.
    ///
    /// Another gateway may listen on the same addresses from before this call (SO_REUSEPORT): it takes every later connection.
    pub async fn drain(mut self, within: Duration) {
        self.shared.draining.cancel();
        // Listeners take what the kernel had accepted for them, then close.
        for listener in self.listeners.drain(..) {
            let _ = listener.await;
        }
        for closed in self.threads.iter_mut().flat_map(|threads| threads.closed.drain(..)) {
            let _ = closed.await;
        }
        self.sessions.close();
        if tokio::time::timeout(within, self.sessions.wait()).await.is_err() {
            warn!(
                sessions = self.sessions.len(),
                "sessions dropped: the stream or the device did not answer in time"
            );
            self.abort.cancel();
            self.sessions.wait().await;
        }
        if let Some(threads) = self.threads.take() {
            let _ = tokio::time::timeout(within, threads.ended).await;
        }
        let flush = self
            .shared
            .presence
            .flush(self.database.as_ref(), &self.shared.config.name, None);
        let _ = tokio::time::timeout(within, flush).await;
        let refused = self.shared.refusals.flush(self.database.as_ref());
        let _ = tokio::time::timeout(within, refused).await;
        let _ = tokio::time::timeout(within.min(QUARANTINE_WITHIN), self.shared.quarantine.written()).await;
        self.commands.flush(within).await;
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        for listener in &self.listeners {
            listener.abort();
        }
        // Threads of sessions end when there are none.
        self.sessions.close();
        self.abort.cancel();
    }
}

/// Forgets what is no longer needed of addresses, devices and sessions.
async fn sweep(limits: Arc<Limits>, registry: Arc<Registry>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        limits.sweep();
        registry.sweep(Timestamp::now());
    }
}

/// What speaks TLS for the native protocol, if it is to.
fn acceptor(config: &Config) -> Result<Option<tls::Acceptor>, Error> {
    let Some(address) = config.native_listen else {
        return Ok(None);
    };
    match &config.native_tls {
        Some(files) => Ok(Some(tls::Acceptor::new(files.clone(), config.hello_within)?)),
        None if address.ip().is_loopback() || config.native_plaintext => Ok(None),
        None => Err(Error::Plaintext(address)),
    }
}

fn bind(
    protocol: Protocol,
    transport: Transport,
    address: SocketAddr,
    tables: usize,
) -> io::Result<(Bound, SocketAddr)> {
    match transport {
        Transport::Tcp if tables > 1 => {
            let socket = tcp(address)?;
            let bound = socket.local_addr()?;
            Ok((Bound::Kept(socket), bound))
        }
        Transport::Tcp => {
            let listener = listen(address)?;
            let bound = listener.local_addr()?;
            Ok((Bound::Tcp(protocol, listener), bound))
        }
        Transport::Udp => {
            let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
            socket.set_reuse_port(true)?;
            socket.set_nonblocking(true)?;
            let _ = socket.set_recv_buffer_size(UDP_BUFFER);
            socket.bind(&address.into())?;
            let socket = UdpSocket::from_std(socket.into())?;
            let bound = socket.local_addr()?;
            Ok((Bound::Udp(protocol, socket), bound))
        }
    }
}

pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    tcp(address)?.listen(BACKLOG)
}

/// Several gateways, and threads of one, may listen on one address, so that one takes over from another without a gap; the kernel shares
/// connections out among them, of the same user only.
fn tcp(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    // Every connection has it from here; the kernel would hold megabytes for one that sends and is not read.
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Takes the connections of one listener.
pub(crate) struct Accept {
    pub(crate) protocol: Protocol,
    pub(crate) listener: TcpListener,
    pub(crate) acceptor: Option<Arc<tls::Acceptor>>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) sessions: TaskTracker,
    pub(crate) abort: CancellationToken,
}

impl Accept {
    /// Until the gateway drains.
    pub(crate) async fn run(self) {
        let draining = self.shared.draining.clone();
        loop {
            let accepted = tokio::select! {
                biased;
                () = draining.cancelled() => break,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, remote)) => self.admit(stream, remote),
                Err(error) => {
                    warn!(%error, protocol = %self.protocol, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        // Connections that the kernel has made already would be reset: they get an orderly end instead.
        while let Some(Ok((stream, remote))) = unconstrained(self.listener.accept()).now_or_never() {
            self.admit(stream, remote);
        }
    }

    fn admit(&self, stream: TcpStream, remote: SocketAddr) {
        metrics::counter!("homeward_gateway_connections_total", "protocol" => self.protocol.name()).increment(1);
        let place = match self.shared.limits.admit(remote.ip()) {
            Ok(place) => Arc::new(place),
            Err(reason) => return self.turn_away(stream, reason.0),
        };
        let shared = Arc::clone(&self.shared);
        let abort = self.abort.clone();
        let (protocol, acceptor) = (self.protocol, self.acceptor.clone());
        self.sessions.spawn(async move {
            tokio::select! {
                () = converse(protocol, acceptor, stream, remote, place, shared) => {}
                () = abort.cancelled() => {}
            }
        });
    }

    /// Says that there is no room, where the protocol has a word for it.
    fn turn_away(&self, mut stream: TcpStream, reason: &'static str) {
        metrics::counter!("homeward_gateway_turned_away_total", "protocol" => self.protocol.name(), "reason" => reason)
            .increment(1);
        // Not to those who come too fast: each farewell is a task.
        if self.protocol == Protocol::Native && self.acceptor.is_none() && reason != "address_rate" {
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

async fn converse(
    protocol: Protocol,
    acceptor: Option<Arc<tls::Acceptor>>,
    stream: TcpStream,
    remote: SocketAddr,
    place: Arc<Place>,
    shared: Arc<Shared>,
) {
    let _ = stream.set_nodelay(true);
    if let Some(acceptor) = acceptor {
        return native_over_tls(&acceptor, stream, remote, place, shared).await;
    }
    let line = Line {
        remote,
        place,
        binding: None,
    };
    let (reader, writer) = stream.into_split();
    let writer: Writer = Box::new(writer);
    // Boxed: the state of the largest dialect must not be the size of every session.
    let session = match protocol {
        Protocol::Native => session::run(Native::default(), reader, writer, line, shared).boxed(),
        Protocol::Jt808 => session::run(Jt808::default(), reader, writer, line, shared).boxed(),
        Protocol::Teltonika => session::run(Vendor::<Teltonika>::default(), reader, writer, line, shared).boxed(),
        Protocol::Gt06 => session::run(Vendor::<Gt06>::default(), reader, writer, line, shared).boxed(),
        Protocol::Eelink => session::run(Vendor::<Eelink>::default(), reader, writer, line, shared).boxed(),
    };
    session.await;
}

async fn native_over_tls(
    acceptor: &tls::Acceptor,
    stream: TcpStream,
    remote: SocketAddr,
    place: Arc<Place>,
    shared: Arc<Shared>,
) {
    // Boxed: most of what a handshake needs is needed no more afterwards.
    let accepted = tokio::select! {
        accepted = acceptor.accept(stream).boxed() => accepted,
        () = place.evicted().cancelled() => return,
        () = shared.draining.cancelled() => return,
    };
    match accepted {
        Ok((stream, binding)) => {
            let (reader, writer) = tokio::io::split(stream);
            let line = Line {
                remote,
                place,
                binding: Some(binding),
            };
            session::run(Native::default(), reader, Box::new(writer), line, shared)
                .boxed()
                .await;
        }
        Err(error) => {
            metrics::counter!("homeward_gateway_sessions_ended_total", "protocol" => "native", "reason" => error.reason())
                .increment(1);
            tracing::debug!(%error, "no TLS session");
        }
    }
}
