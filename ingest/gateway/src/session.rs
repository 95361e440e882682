//! What sessions of all protocols share: reading, appending in order, answering, time limits, the end.

mod clocks;
pub(crate) mod jt808;
pub(crate) mod native;
mod peer;
pub(crate) mod vendor;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use codec::{Held, Profile, Protocol};
use futures::StreamExt;
use jiff::Timestamp;
use stream::Log;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    time::Instant,
};
use tokio_util::{
    codec::{Decoder, FramedRead},
    sync::CancellationToken,
};
use tracing::debug;

use crate::{
    Config, Directory, Known,
    clone::Registry,
    commands::{Commands, Order, Orders},
    directory::Found,
    home::Home,
    lanes::Lanes,
    limits::{self, Guard, Limits, Paced, Place},
    presence::Presence,
    quarantine::Quarantine,
    refusals::Refusals,
    rotation::Rotation,
    slow::SlowClocks,
    tls,
};

pub(crate) use clocks::Clocks;
use peer::UnderWay;
pub(crate) use peer::{Peer, Writer};

/// Room of a session for bytes that have come; grows for a longer frame. Most sessions are quiet most of the time.
const READ_BYTES: usize = 1_024;
/// What is read of a device, and how long, after a drained session has said good-bye.
const DISCARDED_BYTES: u64 = 1024 * 1024;
const DISCARD_WITHIN: Duration = Duration::from_secs(1);

/// Why a session ends; the text is the metric's label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stop(pub(crate) &'static str);

/// What all sessions of a gateway share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) home: Home,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) lanes: Arc<Lanes>,
    pub(crate) directory: Directory,
    pub(crate) quarantine: Quarantine,
    pub(crate) presence: Arc<Presence>,
    pub(crate) refusals: Arc<Refusals>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) rotation: Rotation,
    pub(crate) limits: Arc<Limits>,
    pub(crate) commands: Commands,
    pub(crate) draining: CancellationToken,
    pub(crate) next_session: AtomicU64,
    pub(crate) unreadable: native::Unreadable,
    pub(crate) clocks: Clocks,
    pub(crate) slow: SlowClocks,
    /// Makes a thread of sessions panic.
    #[cfg(test)]
    pub(crate) fault: tokio::sync::Notify,
}

impl Shared {
    /// What a device means by its codes: its own profile, or the protocol's.
    pub(crate) fn profile(&self, protocol: Protocol, known: &Known) -> &Profile {
        self.config.profiles.of_device(&known.profile, protocol)
    }

    /// Looks a device up; one that is not in the copy is asked for where the database is.
    pub(crate) async fn find(&self, protocol: Protocol, identity: &str) -> Found {
        if let Some(known) = self.directory.get(protocol, identity) {
            return Found::Known(known);
        }
        let (directory, identity) = (self.directory.clone(), identity.to_owned());
        let asked = async move { directory.find(protocol, &identity).await };
        self.home.run(asked).await.unwrap_or(Found::Unavailable)
    }
}

/// The connection of a session.
pub(crate) struct Line {
    pub(crate) remote: SocketAddr,
    pub(crate) place: Arc<Place>,
    /// What only the two ends of this connection know; `None`: it is not TLS.
    pub(crate) binding: Option<tls::Binding>,
}

/// A protocol's part of a session.
pub(crate) trait Dialect: Send {
    /// Finds frames.
    type Framer: Decoder<Item = Self::Item, Error = io::Error> + Held + Default + Send;
    /// What it finds.
    type Item: Send;
    /// The protocol.
    const PROTOCOL: Protocol;

    /// Handles one item; an error ends the session.
    fn handle(&mut self, item: Self::Item, peer: &mut Peer) -> impl Future<Output = Result<(), Stop>> + Send;

    /// When it has something to say of its own accord; `None`: not at all.
    fn due_at(&self) -> Option<Timestamp> {
        None
    }

    /// Says it; an error ends the session.
    fn due(&mut self, _peer: &mut Peer) -> impl Future<Output = Result<(), Stop>> + Send {
        async { Ok(()) }
    }

    /// Sends a command to the device; an error ends the session.
    fn order(&mut self, order: Order, peer: &mut Peer) -> impl Future<Output = Result<(), Stop>> + Send;
}

/// The same by the clock of timers.
fn due_at<D: Dialect>(dialect: &D) -> Option<Instant> {
    let left = dialect.due_at()?.duration_since(Timestamp::now());
    Some(Instant::now() + Duration::try_from(left).unwrap_or_default())
}

/// Waits for a command to the session's device, once that is known.
async fn next_order(orders: Option<&Orders>) -> Order {
    match orders {
        Some(orders) => orders.next().await,
        None => std::future::pending().await,
    }
}

/// Runs a session from the first byte to the last.
pub(crate) async fn run<D: Dialect>(
    mut dialect: D,
    reader: impl AsyncRead + Send + Unpin,
    writer: Writer,
    line: Line,
    shared: Arc<Shared>,
) {
    let protocol = D::PROTOCOL.name();
    metrics::gauge!("homeward_gateway_sessions", "protocol" => protocol).increment(1.0);
    let guard = Guard::new(D::Framer::default(), Arc::clone(&line.place));
    let reader = Paced::new(reader, Arc::clone(&line.place));
    let mut frames = FramedRead::with_capacity(reader, guard, READ_BYTES);
    let mut peer = Peer {
        session: shared.next_session.fetch_add(1, Ordering::Relaxed),
        remote: line.remote,
        place: line.place,
        binding: line.binding,
        reports: 0,
        paused: None,
        protocol: D::PROTOCOL,
        writer,
        under_way: UnderWay::default(),
        deadline: Instant::now() + shared.config.hello_within,
        fresh: true,
        replaced: CancellationToken::new(),
        device: None,
        orders: None,
        protected: false,
        unkept: false,
        named: None,
        shared,
    };
    let Err(stop) = converse(&mut dialect, &mut frames, &mut peer).await;
    peer.place.part(stop.0, &peer.shared.draining).await;
    // What is still under way is dropped: it may come to lie in the stream, but nobody is told.
    let _ = tokio::time::timeout(peer.shared.config.write_within, peer.writer.shutdown()).await;
    if stop.0 == "drained" {
        discard(frames.get_mut()).await;
    }
    metrics::counter!("homeward_gateway_sessions_ended_total", "protocol" => protocol, "reason" => stop.0).increment(1);
    debug!(protocol, session = peer.session, reason = stop.0, "session ended");
}

/// Reads what a device was still sending, for a moment. A connection that is closed with unread bytes is reset, and a reset may take
/// from the device the acknowledgements that it has not read yet.
async fn discard(reader: &mut (impl AsyncRead + Send + Unpin)) {
    let mut rest = reader.take(DISCARDED_BYTES);
    let _ = tokio::time::timeout(DISCARD_WITHIN, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
}

async fn converse<D: Dialect, R: AsyncRead + Send + Unpin>(
    dialect: &mut D,
    frames: &mut FramedRead<R, Guard<D::Framer>>,
    peer: &mut Peer,
) -> Result<std::convert::Infallible, Stop> {
    let draining = peer.shared.draining.clone();
    let replaced = peer.replaced.clone();
    let place = Arc::clone(&peer.place);
    // The device has said all it will; it may still be listening for answers, but not for ever.
    let mut ended = false;
    loop {
        if ended && peer.under_way.is_empty() {
            return Err(Stop("closed"));
        }
        let reading = !ended && peer.may_read();
        // What is not read is not missed.
        let due = if reading { due_at(dialect) } else { None };
        tokio::select! {
            biased;
            () = draining.cancelled() => {
                peer.finish().await?;
                return Err(Stop("drained"));
            }
            () = replaced.cancelled() => return Err(Stop("replaced")),
            () = place.evicted().cancelled() => return Err(Stop("evicted")),
            // Before the frames: somebody who never stops sending cannot keep a session open by that.
            () = tokio::time::sleep_until(due.map_or(peer.wake(), |due| due.min(peer.wake()))) => {
                if due.is_some() && peer.wake() > Instant::now() {
                    dialect.due(peer).await?;
                    continue;
                }
                if ended {
                    return Err(Stop("closed"));
                }
                if peer.resumes() {
                    continue;
                }
                if peer.under_way.is_empty() {
                    return Err(Stop(if peer.fresh { "hello_timeout" } else { "idle" }));
                }
                // The stream keeps the device waiting, not the other way round.
                peer.deadline = Instant::now() + peer.shared.config.idle_after;
            }
            Some(done) = peer.under_way.next(), if !peer.under_way.is_empty() => {
                let answer = done?;
                peer.durable();
                peer.send(&answer).await?;
            }
            order = next_order(peer.orders.as_ref()) => dialect.order(order, peer).await?,
            item = frames.next(), if reading => match item {
                Some(Ok(item)) => {
                    dialect.handle(item, peer).await?;
                    peer.heard()?;
                }
                Some(Err(error)) => return Err(Stop(limits::reason(&error))),
                None => {
                    ended = true;
                    peer.paused = None;
                    peer.deadline = Instant::now() + peer.shared.config.write_within;
                }
            },
        }
    }
}
