//! What sessions of all protocols share: reading, appending in order, answering, time limits, the end.

pub(crate) mod jt808;
pub(crate) mod native;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use codec::{Fault, Protocol};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesOrdered};
use jiff::Timestamp;
use proto::{DeviceId, Topic};
use stream::{Log, NewRecord};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpStream, tcp::OwnedWriteHalf},
    time::Instant,
};
use tokio_util::{
    codec::{Decoder, FramedRead},
    sync::CancellationToken,
};
use tracing::{debug, warn};

use crate::{Config, Directory, Known, limits::Registry, presence::Presence, quarantine::Quarantine};

/// Records of one append.
const APPEND_RECORDS: usize = 512;
/// Room of a session for bytes that have come; grows for a longer frame. Most sessions are quiet most of the time.
const READ_BYTES: usize = 2_048;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Why a session ends; the text is the metric's label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stop(pub(crate) &'static str);

/// What all sessions of a gateway share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) directory: Directory,
    pub(crate) quarantine: Quarantine,
    pub(crate) presence: Arc<Presence>,
    pub(crate) registry: Registry,
    pub(crate) draining: CancellationToken,
    pub(crate) next_session: AtomicU64,
}

/// A protocol's part of a session.
pub(crate) trait Dialect: Send {
    /// Finds frames.
    type Framer: Decoder<Item = Self::Item, Error = io::Error> + Default + Send;
    /// What it finds.
    type Item: Send;
    /// The protocol.
    const PROTOCOL: Protocol;

    /// Handles one item; an error ends the session.
    fn handle(&mut self, item: Self::Item, peer: &mut Peer) -> impl Future<Output = Result<(), Stop>> + Send;
}

/// The other side of a session.
pub(crate) struct Peer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) remote: SocketAddr,
    pub(crate) protocol: Protocol,
    session: u64,
    writer: OwnedWriteHalf,
    in_flight: FuturesOrdered<BoxFuture<'static, Result<Bytes, Stop>>>,
    /// When silence ends the session.
    deadline: Instant,
    /// Nothing good has come yet.
    fresh: bool,
    /// Cancelled when a newer session of the same device opens.
    replaced: CancellationToken,
    device: Option<DeviceId>,
    /// The device is a protected person's: no frame of it may be kept.
    protected: bool,
}

impl Peer {
    /// Notes a good frame: silence counts from now.
    pub(crate) fn alive(&mut self) {
        self.fresh = false;
        self.deadline = Instant::now() + self.shared.config.idle_after;
        if let Some(device) = self.device {
            self.shared.presence.saw(device, Timestamp::now());
        }
    }

    /// Notes which device has shown who it is; an older session of it ends.
    pub(crate) fn belongs_to(&mut self, known: &Known) {
        let device = known.device_id;
        self.protected = known.protected.is_some();
        if self.device == Some(device) {
            return;
        }
        if let Some(before) = self.device.replace(device) {
            self.shared.registry.leave(before, self.session);
        }
        if self.shared.registry.enter(device, self.session, &self.replaced) {
            metrics::counter!("homeward_gateway_sessions_replaced_total", "protocol" => self.protocol.name())
                .increment(1);
        }
    }

    /// Sends bytes now.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        if bytes.is_empty() {
            return Ok(());
        }
        match tokio::time::timeout(self.shared.config.write_within, self.writer.write_all(bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Stop("closed")),
            Err(_) => Err(Stop("write_timeout")),
        }
    }

    /// Sends `answer` once all records are durable, and after the answers of all appends before.
    pub(crate) fn append(&mut self, records: Vec<NewRecord>, received_at: Timestamp, answer: Bytes) {
        let log = Arc::clone(&self.shared.log);
        let protocol = self.protocol.name();
        let count = if self.protected { count_protected } else { count_reports };
        let append = async move {
            for chunk in records.chunks(APPEND_RECORDS) {
                append(log.as_ref(), chunk, protocol).await?;
                count(protocol, chunk.len());
                let seconds = Timestamp::now().duration_since(received_at).as_secs_f64().max(0.0);
                metrics::histogram!("homeward_stage_seconds", "stage" => "appended").record(seconds);
            }
            Ok(answer)
        };
        self.in_flight.push_back(append.boxed());
    }

    /// Puts a frame into quarantine; counts it in any case. Of a frame of a protected person's device, which may say where they
    /// are, only the sort of fault is kept.
    pub(crate) fn malformed(&self, identity: &str, fault: &Fault, raw: &Bytes) {
        let raw = (!self.protected).then_some(raw);
        self.shared
            .quarantine
            .frame(self.protocol, identity, fault, raw, self.remote, Timestamp::now());
    }

    /// Puts a device into quarantine.
    pub(crate) fn refused(&self, identity: &str, reason: &str) {
        self.shared
            .quarantine
            .device(self.protocol, identity, reason, self.remote, Timestamp::now());
    }

    /// Waits for the appends under way, and answers them.
    async fn finish(&mut self) -> Result<(), Stop> {
        while let Some(done) = self.in_flight.next().await {
            let answer = done?;
            self.send(&answer).await?;
        }
        Ok(())
    }
}

impl Drop for Peer {
    /// Also when the session is cut off.
    fn drop(&mut self) {
        if let Some(device) = self.device {
            self.shared.registry.leave(device, self.session);
        }
        metrics::gauge!("homeward_gateway_sessions", "protocol" => self.protocol.name()).decrement(1.0);
    }
}

fn count_reports(protocol: &'static str, records: usize) {
    metrics::counter!("homeward_gateway_reports_total", "protocol" => protocol, "outcome" => "appended")
        .increment(records as u64);
}

/// One for each supervised person whom a protected person's fix concerns.
fn count_protected(protocol: &'static str, records: usize) {
    metrics::counter!("homeward_gateway_protected_fixes_total", "protocol" => protocol).increment(records as u64);
}

/// Appends until it has worked. Drop it to give up.
async fn append(log: &dyn Log, records: &[NewRecord], protocol: &'static str) -> Result<(), Stop> {
    let mut pause = FIRST_PAUSE;
    loop {
        match log.append(Topic::Reports, records.to_vec()).await {
            Ok(_) => return Ok(()),
            Err(error) if error.is_retryable() => {
                metrics::counter!("homeward_gateway_append_retries_total", "protocol" => protocol).increment(1);
                debug!(%error, "append failed; trying again");
            }
            Err(error) => {
                warn!(%error, records = records.len(), "append failed for good; the session ends without acknowledgement");
                return Err(Stop("stream"));
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Runs a session from the first byte to the last.
pub(crate) async fn run<D: Dialect>(mut dialect: D, stream: TcpStream, remote: SocketAddr, shared: Arc<Shared>) {
    let protocol = D::PROTOCOL.name();
    metrics::gauge!("homeward_gateway_sessions", "protocol" => protocol).increment(1.0);
    let _ = stream.set_nodelay(true);
    let (reader, writer) = stream.into_split();
    let mut frames = FramedRead::with_capacity(reader, D::Framer::default(), READ_BYTES);
    let mut peer = Peer {
        session: shared.next_session.fetch_add(1, Ordering::Relaxed),
        remote,
        protocol: D::PROTOCOL,
        writer,
        in_flight: FuturesOrdered::new(),
        deadline: Instant::now() + shared.config.hello_within,
        fresh: true,
        replaced: CancellationToken::new(),
        device: None,
        protected: false,
        shared,
    };
    let Err(stop) = converse(&mut dialect, &mut frames, &mut peer).await;
    // What is still under way is dropped: it may come to lie in the stream, but nobody is told.
    let _ = tokio::time::timeout(peer.shared.config.write_within, peer.writer.shutdown()).await;
    metrics::counter!("homeward_gateway_sessions_ended_total", "protocol" => protocol, "reason" => stop.0).increment(1);
    debug!(protocol, session = peer.session, reason = stop.0, "session ended");
}

async fn converse<D: Dialect>(
    dialect: &mut D,
    frames: &mut FramedRead<tokio::net::tcp::OwnedReadHalf, D::Framer>,
    peer: &mut Peer,
) -> Result<std::convert::Infallible, Stop> {
    let draining = peer.shared.draining.clone();
    let replaced = peer.replaced.clone();
    loop {
        let reading = peer.in_flight.len() < peer.shared.config.window;
        tokio::select! {
            biased;
            () = draining.cancelled() => {
                peer.finish().await?;
                return Err(Stop("drained"));
            }
            () = replaced.cancelled() => return Err(Stop("replaced")),
            // Before the frames: somebody who never stops sending cannot keep a session open by that.
            () = tokio::time::sleep_until(peer.deadline) => {
                if peer.in_flight.is_empty() {
                    return Err(Stop(if peer.fresh { "hello_timeout" } else { "idle" }));
                }
                // The stream keeps the device waiting, not the other way round.
                peer.deadline = Instant::now() + peer.shared.config.idle_after;
            }
            Some(done) = peer.in_flight.next(), if !peer.in_flight.is_empty() => {
                let answer = done?;
                peer.send(&answer).await?;
            }
            item = frames.next(), if reading => match item {
                Some(Ok(item)) => dialect.handle(item, peer).await?,
                Some(Err(_)) => return Err(Stop("closed")),
                None => {
                    // The device has said all it will; it may still be listening for answers.
                    peer.finish().await?;
                    return Err(Stop("closed"));
                }
            },
        }
    }
}
