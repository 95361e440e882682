//! Datagrams: each names its device, is read by itself, and is answered once it is durable. Where the device can be told something is in
//! [`peers`].

mod peers;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use codec::{Fault, Message, Talk};
use jiff::Timestamp;
use tokio::{net::UdpSocket, sync::Semaphore, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::warn;

use crate::{
    clone::{self, Voice},
    commands::Reference,
    directory::Found,
    lanes::Batch,
    limits,
    quarantine::Quarantine,
    records,
    server::ACCEPT_PAUSE,
    session::{Shared, Stop},
};
use peers::Peers;

/// Datagrams of known devices under way; the device sends again what is dropped beyond.
const UNDER_WAY: usize = 4_096;
/// Those of others: each may wait for the database, and there is no end of names that can be invented.
const STRANGERS_UNDER_WAY: usize = 64;
/// How long datagrams are still read in a drain while others are under way, and how often that is looked at.
const LAST: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(20);
/// The longest datagram there is.
const MAX_DATAGRAM: usize = 65_535;

/// Reads datagrams until told to drain; what is under way then goes on in `tasks`.
pub(crate) async fn run<T: Talk>(socket: UdpSocket, shared: Arc<Shared>, tasks: TaskTracker, abort: CancellationToken) {
    let socket = Arc::new(socket);
    let peers = Peers::<T>::new(Arc::clone(&socket), Arc::clone(&shared), tasks.clone(), abort.clone());
    let room = Arc::new(Semaphore::new(UNDER_WAY));
    let strangers = Arc::new(Semaphore::new(STRANGERS_UNDER_WAY));
    let protocol = T::PROTOCOL.name();
    let mut buffer = vec![0; MAX_DATAGRAM];
    let mut until = None;
    loop {
        let received = tokio::select! {
            () = shared.draining.cancelled(), if until.is_none() => {
                until = Some(Instant::now() + LAST);
                continue;
            }
            () = tokio::time::sleep(LOOK), if until.is_some() => {
                // While an answer is under way the socket is open, and the kernel goes on giving it datagrams: they are not left lying.
                let free = room.available_permits() + strangers.available_permits();
                if free == UNDER_WAY + STRANGERS_UNDER_WAY || until.is_some_and(|until| Instant::now() >= until) {
                    return;
                }
                continue;
            }
            received = socket.recv_from(&mut buffer) => received,
        };
        let (length, remote) = match received {
            Ok(received) => received,
            Err(error) => {
                warn!(%error, protocol, "cannot receive a datagram");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        metrics::counter!("homeward_gateway_datagrams_total", "protocol" => protocol).increment(1);
        let received = buffer.get(..length).unwrap_or_default();
        // Strangers must not take the room of devices.
        let known = T::datagram_identity(received)
            .is_some_and(|identity| shared.directory.get(T::PROTOCOL, &identity).is_some());
        let (room, reason) = if known {
            (&room, "full")
        } else {
            (&strangers, "strangers_full")
        };
        let (Ok(place), true) = (Arc::clone(room).try_acquire_owned(), shared.lanes.has_room()) else {
            metrics::counter!("homeward_gateway_datagrams_dropped_total", "protocol" => protocol, "reason" => reason)
                .increment(1);
            continue;
        };
        let datagram = Bytes::copy_from_slice(received);
        let (shared, socket, abort) = (Arc::clone(&shared), Arc::clone(&socket), abort.clone());
        let peers = Arc::clone(&peers);
        tasks.spawn(async move {
            let handled = async {
                if let Ok(answer) = handle(&datagram, remote, &shared, &peers).await
                    && !answer.is_empty()
                {
                    let _ = socket.send_to(&answer, remote).await;
                }
            };
            tokio::select! {
                () = handled => {}
                () = abort.cancelled() => {}
            }
            drop(place);
        });
    }
}

/// Reads a datagram and returns its answer once everything in it is durable.
async fn handle<T: Talk>(
    datagram: &Bytes,
    remote: SocketAddr,
    shared: &Arc<Shared>,
    peers: &Arc<Peers<T>>,
) -> Result<Bytes, Stop> {
    let received_at = Timestamp::now();
    let malformed = |identity: &str, fault: &Fault, kept: bool| {
        let raw = kept.then_some(datagram);
        shared
            .quarantine
            .frame(T::PROTOCOL, identity, fault, raw, remote, received_at);
    };
    let address = limits::source(remote.ip());
    // Addresses of datagrams can be invented: what names no known device must cost little.
    let dropped = |reason| {
        metrics::counter!("homeward_gateway_datagrams_dropped_total", "protocol" => T::PROTOCOL.name(), "reason" => reason)
            .increment(1);
        Ok(Bytes::new())
    };
    let Some(identity) = T::datagram_identity(datagram) else {
        let fault = Fault::Incomplete("datagram without a device");
        if shared.limits.stranger(address, datagram.len()) && shared.limits.keeps(address) {
            malformed("", &fault, true);
        } else {
            Quarantine::count(T::PROTOCOL, &fault);
        }
        return Ok(Bytes::new());
    };
    if shared.directory.get(T::PROTOCOL, &identity).is_none() && !shared.limits.stranger(address, datagram.len()) {
        return dropped("address_rate");
    }
    let refused = |reason| {
        shared
            .quarantine
            .device(T::PROTOCOL, &identity, reason, remote, received_at);
    };
    let known = match shared.directory.find(T::PROTOCOL, &identity).await {
        Found::Known(known) => known,
        Found::Unknown => {
            if shared.limits.lists(address) {
                refused("unknown device");
            } else {
                Quarantine::count_device(T::PROTOCOL);
            }
            return Ok(Bytes::new());
        }
        // Without an answer the device sends again.
        Found::Unavailable => return Err(Stop("directory")),
    };
    if !known.allows(remote.ip()) {
        metrics::counter!("homeward_gateway_network_refusals_total", "protocol" => T::PROTOCOL.name()).increment(1);
        refused("network");
        return Ok(Bytes::new());
    }
    // The device sends again what is not answered.
    if shared.limits.pause(known.device_id, 1, 0).is_some() {
        return dropped("device_rate");
    }
    let mut kept = known.may_be_kept(received_at);
    let profile = shared.profile(T::PROTOCOL, &known);
    let (decoded, [reply, refusal]) = match peers.read(datagram, &known, remote, profile, received_at) {
        Ok(read) => read,
        Err(fault) => {
            malformed(&identity, &fault, kept);
            return Ok(Bytes::new());
        }
    };
    shared.presence.saw(known.device_id, received_at);
    kept &= !decoded.messages.iter().any(|message| {
        matches!(message, Message::Report(report) if known.person_id.is_some() && !known.is_monitored(report.fix_time))
    });
    for rejected in &decoded.rejected {
        malformed(&identity, &records::rejected(rejected), kept);
        records::count(T::PROTOCOL, "rejected");
    }
    let mut batch = Batch::default();
    let voice = Voice {
        device: known.device_id,
        session: clone::number(remote),
        address,
    };
    for message in &decoded.messages {
        if let Message::CommandAnswer { reference, text, done } = message {
            // Its words may say where it is.
            let text = if kept { text } else { "" };
            let reference = reference.map(Reference::Lasting);
            let (device, session) = (known.device_id, voice.session);
            shared.commands.answered(device, session, reference, *done, text);
        }
        let Message::Report(report) = message else { continue };
        if !known.is_assigned() {
            refused("not assigned");
            return Ok(refusal);
        }
        if let Err(fault) = records::heard(shared, T::PROTOCOL, &known, voice, report, received_at, &mut batch) {
            malformed(&identity, &fault, kept);
            records::count(T::PROTOCOL, "rejected");
        }
    }
    let held = shared.lanes.hold(&batch);
    let records = batch.len();
    shared.lanes.append(&mut batch, T::PROTOCOL.name()).await?;
    records::appended(T::PROTOCOL.name(), known.protected.is_some(), records, received_at);
    drop(held);
    Ok(reply)
}
