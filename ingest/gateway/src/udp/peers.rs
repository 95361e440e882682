//! Where devices that speak in datagrams can be told something: the address that one last spoke from, as long as the translations of
//! addresses on the way still know it. So long that address is to the device's commands what a session is elsewhere.
//!
//! A datagram proves nothing, not even where it comes from. The rules for whom a command goes to are those of sessions that have
//! proved nothing (`docs/commands.md`, "Two sessions of one device"): a first datagram from a new address counts as if it had been said a
//! minute ago, the address that spoke last is told, and while the device is suspected of being two, the one that was there first.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use codec::{Decoded, Fault, Profile, Talk, Unsupported};
use jiff::Timestamp;
use proto::DeviceId;
use tokio::{net::UdpSocket, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Known, clone,
    commands::{Order, Orders, Reference},
    session::Shared,
};

/// Addresses of one device at a time: a carrier may give it a new one with each datagram.
const MOST: usize = 4;

/// One device at one address, with its conversation.
#[derive(Debug)]
struct Peer<T> {
    device: DeviceId,
    identity: String,
    remote: SocketAddr,
    talk: Mutex<T>,
    /// The last datagram.
    heard: Mutex<Instant>,
    words: AtomicU32,
    orders: Orders,
    gone: CancellationToken,
}

impl<T> Peer<T> {
    fn talk(&self) -> MutexGuard<'_, T> {
        self.talk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn heard(&self) -> Instant {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spoke(&self, now: Timestamp) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.words.fetch_add(1, Ordering::Relaxed);
        self.orders.spoke(now);
    }
}

/// All of a socket's.
pub(super) struct Peers<T> {
    socket: Arc<UdpSocket>,
    shared: Arc<Shared>,
    tasks: TaskTracker,
    abort: CancellationToken,
    of: Mutex<HashMap<DeviceId, Vec<Arc<Peer<T>>>>>,
}

impl<T: Talk> Peers<T> {
    pub(super) fn new(
        socket: Arc<UdpSocket>,
        shared: Arc<Shared>,
        tasks: TaskTracker,
        abort: CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self {
            socket,
            shared,
            tasks,
            abort,
            of: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<DeviceId, Vec<Arc<Peer<T>>>>> {
        self.of.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fresh(&self) -> Duration {
        self.shared.config.udp_fresh
    }

    /// Reads a datagram of a device in its conversation from that address; one that can be read makes the address the device's. Gives
    /// back the reply to everything in it, and the reply that says no, each as a datagram.
    pub(super) fn read(
        self: &Arc<Self>,
        datagram: &Bytes,
        known: &Known,
        remote: SocketAddr,
        profile: &Profile,
        now: Timestamp,
    ) -> Result<(Decoded, [Bytes; 2]), Fault> {
        let read = |talk: &mut T| {
            let mut decoded = talk.datagram(datagram, profile, now)?;
            let replies = [decoded.reply.take(), decoded.refusal.take()]
                .map(|reply| reply.map_or_else(Bytes::new, |reply| talk.enclose(reply)));
            Ok((decoded, replies))
        };
        let device = known.device_id;
        let before = {
            let of = self.lock();
            let mut of_device = of.get(&device).into_iter().flatten();
            of_device.find(|peer| peer.remote == remote).cloned()
        };
        if let Some(peer) = before {
            let found = read(&mut peer.talk())?;
            peer.spoke(now);
            return Ok(found);
        }
        let mut talk = T::default();
        let found = read(&mut talk)?;
        // Once draining, nobody is told anything any more.
        if !self.shared.draining.is_cancelled() && !self.fresh().is_zero() {
            self.enter(device, found.0.device.clone(), remote, talk, now);
        }
        Ok(found)
    }

    fn enter(self: &Arc<Self>, device: DeviceId, identity: String, remote: SocketAddr, talk: T, now: Timestamp) {
        let peer = {
            let mut of = self.lock();
            let of_device = of.entry(device).or_default();
            // Another datagram from there may have been quicker.
            if of_device.iter().any(|peer| peer.remote == remote) {
                return;
            }
            if of_device.len() >= MOST {
                // Whoever only says the name, from many addresses, must not push out the address that reports.
                let least = of_device
                    .iter()
                    .enumerate()
                    .min_by_key(|(_, peer)| peer.words.load(Ordering::Relaxed));
                if let Some(least) = least.map(|(at, _)| at) {
                    of_device.remove(least).gone.cancel();
                }
            }
            let peer = Arc::new(Peer {
                device,
                identity,
                remote,
                talk: Mutex::new(talk),
                heard: Mutex::new(Instant::now()),
                words: AtomicU32::new(0),
                orders: self.shared.commands.enter(device, clone::number(remote)),
                gone: CancellationToken::new(),
            });
            of_device.push(Arc::clone(&peer));
            peer
        };
        peer.spoke(now);
        metrics::gauge!("homeward_gateway_datagram_peers", "protocol" => T::PROTOCOL.name()).increment(1.0);
        let peers = Arc::clone(self);
        self.tasks.spawn(async move {
            peers.tell(&peer).await;
            peers.leave(&peer);
            metrics::gauge!("homeward_gateway_datagram_peers", "protocol" => T::PROTOCOL.name()).decrement(1.0);
        });
    }

    fn leave(&self, gone: &Arc<Peer<T>>) {
        let mut of = self.lock();
        if let Some(of_device) = of.get_mut(&gone.device) {
            of_device.retain(|peer| !Arc::ptr_eq(peer, gone));
            if of_device.is_empty() {
                of.remove(&gone.device);
            }
        }
    }

    /// Sends what there is for a device to its address, as long as that is fresh.
    async fn tell(&self, peer: &Peer<T>) {
        loop {
            let until = peer.heard() + self.fresh();
            let order = tokio::select! {
                biased;
                () = self.shared.draining.cancelled() => return,
                () = self.abort.cancelled() => return,
                () = peer.gone.cancelled() => return,
                () = tokio::time::sleep_until(until) => {
                    if peer.heard() + self.fresh() <= Instant::now() {
                        return;
                    }
                    continue;
                }
                order = peer.orders.next() => order,
            };
            self.send(peer, order).await;
        }
    }

    async fn send(&self, peer: &Peer<T>, order: Order) {
        // As it is now: the device may have been taken back, or bound to other networks. The order goes back into the queue then.
        let known = self.shared.directory.get(T::PROTOCOL, &peer.identity);
        let Some(known) = known.filter(|known| known.allows(peer.remote.ip())) else {
            return;
        };
        let reference = order.reference();
        let datagrams = match Self::words(peer, &order, self.shared.profile(T::PROTOCOL, &known)) {
            Ok(datagrams) => datagrams,
            Err(unsupported) => return order.refuse(&unsupported),
        };
        let sending = order.sending(Reference::Lasting(reference));
        for datagram in datagrams {
            if self.socket.send_to(&datagram, peer.remote).await.is_err() {
                return;
            }
        }
        sending.sent();
    }

    fn words(peer: &Peer<T>, order: &Order, profile: &Profile) -> Result<Vec<Bytes>, Unsupported> {
        let mut talk = peer.talk();
        let packages = talk.command(order.command(), order.reference(), profile, Timestamp::now())?;
        Ok(packages.into_iter().map(|package| talk.enclose(package)).collect())
    }
}
