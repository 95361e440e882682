//! Sessions of the native protocol.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use codec::{
    Fault, Message, Protocol, Rejected,
    native::{self, Framer, Item, gateway, handshake},
};
use jiff::Timestamp;
use proto::{
    DeviceId,
    wire::{DeviceFrame, device_frame::Body},
};

use super::{Dialect, Peer, Stop};
use crate::{
    commands::Order,
    directory::{Found, Known},
    lanes, records,
};

/// Bad frames that a session may send.
const MAX_MALFORMED: u32 = 100;
/// Devices of which an unreadable frame is remembered.
const MOST_UNREADABLE: usize = 10_000;

/// What a device is told that has not proved itself, known or not, and when to come again.
const WRONG_PROOF: &str = "wrong proof";
const WRONG_PROOF_S: u32 = 60;

#[derive(Debug, Default)]
enum Phase {
    #[default]
    Hello,
    Proof {
        device: String,
        device_nonce: Vec<u8>,
        gateway_nonce: [u8; handshake::NONCE_BYTES],
        /// The proof is made over the TLS connection, too.
        bound: bool,
    },
    Open {
        device: String,
    },
}

/// A session: hello, challenge, proof, welcome; then reports and heartbeats.
#[derive(Debug, Default)]
pub(crate) struct Native {
    phase: Phase,
    malformed: u32,
    offer: Option<Box<Offer>>,
}

/// What devices sent that could not be read, so that it is known when it comes again.
#[derive(Debug, Default)]
pub(crate) struct Unreadable {
    last: Mutex<HashMap<DeviceId, blake3::Hash>>,
}

impl Unreadable {
    /// True when this is what the device sent the last time that it could not be read.
    fn again(&self, device: DeviceId, raw: &[u8]) -> bool {
        let hash = blake3::hash(raw);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.get(&device) == Some(&hash) {
            return true;
        }
        if last.len() >= MOST_UNREADABLE {
            last.clear();
        }
        last.insert(device, hash);
        false
    }
}

/// A next key that was sent to the device in this session.
#[derive(Debug)]
struct Offer {
    secret: Vec<u8>,
    nonce: [u8; handshake::NONCE_BYTES],
}

impl Dialect for Native {
    type Framer = Framer<DeviceFrame>;
    type Item = Item<DeviceFrame>;
    const PROTOCOL: Protocol = Protocol::Native;

    async fn handle(&mut self, item: Self::Item, peer: &mut Peer) -> Result<(), Stop> {
        let received_at = Timestamp::now();
        let frame = match item {
            Item::Frame(frame) => frame,
            Item::Malformed(bad) => {
                peer.malformed(self.device(), &bad.fault, &bad.raw);
                self.malformed += 1;
                if let (Phase::Open { .. }, Some(device)) = (&self.phase, peer.device)
                    && !peer.shared.unreadable.again(device, &bad.raw)
                {
                    // An acknowledgement covers everything before it, so none may follow what was not read: the device sends it again,
                    // and what cannot be read twice is skipped.
                    return Err(Stop("malformed"));
                }
                let enough = bad.fatal || self.malformed > MAX_MALFORMED || !matches!(self.phase, Phase::Open { .. });
                return if enough { Err(Stop("malformed")) } else { Ok(()) };
            }
        };
        metrics::counter!("homeward_gateway_frames_total", "protocol" => "native").increment(1);
        match (&self.phase, &frame.body) {
            (Phase::Hello, Some(Body::Hello(_))) => self.hello(frame, peer).await,
            (Phase::Proof { .. }, Some(Body::Proof(proof))) => self.proof(&proof.hmac, peer, received_at).await,
            (Phase::Open { device }, Some(Body::Reports(_))) => {
                let device = device.clone();
                reports(&device, &frame, peer, received_at)?;
                self.offer(&device, peer).await
            }
            (Phase::Open { .. }, Some(Body::CommandResult(_))) => {
                peer.alive();
                if let Some(known) = peer.shared.directory.get(Protocol::Native, self.device()) {
                    peer.says(&known, &[]);
                }
                for message in gateway::decode(&frame).unwrap_or_default().messages {
                    peer.answered(&message);
                }
                Ok(())
            }
            (Phase::Open { device }, Some(Body::Heartbeat(_))) => {
                let device = device.clone();
                peer.alive();
                peer.send(&gateway::heartbeat_reply(received_at)).await?;
                self.offer(&device, peer).await
            }
            (Phase::Open { device }, Some(Body::Rekeyed(rekeyed))) => {
                let device = device.clone();
                peer.alive();
                self.rekeyed(&device, &rekeyed.hmac, peer)
            }
            _ => {
                let fault = Fault::Protobuf("message out of turn".to_owned());
                peer.malformed(self.device(), &fault, &native::to_wire(&frame));
                Err(Stop("malformed"))
            }
        }
    }

    async fn order(&mut self, order: Order, peer: &mut Peer) -> Result<(), Stop> {
        let reference = order.reference();
        let (id, expires_at) = (order.id(), order.expires_at());
        let frame = gateway::command(id.as_bytes(), reference, order.command(), Some(expires_at));
        peer.instruct(order, reference, &[frame]).await
    }
}

impl Native {
    fn device(&self) -> &str {
        match &self.phase {
            Phase::Hello => "",
            Phase::Proof { device, .. } | Phase::Open { device } => device,
        }
    }

    async fn hello(&mut self, frame: DeviceFrame, peer: &mut Peer) -> Result<(), Stop> {
        let Some(Body::Hello(hello)) = frame.body else {
            return Err(Stop("malformed"));
        };
        let bound = hello.version == native::BOUND_VERSION && peer.binding.is_some();
        if hello.version != native::VERSION && !bound {
            return refuse(peer, &hello.device, "unsupported version", 3_600).await;
        }
        if !handshake::is_device_name(&hello.device) || hello.device_nonce.len() != handshake::NONCE_BYTES {
            let fault = Fault::Range {
                what: "hello",
                value: format!("{} bytes of nonce", hello.device_nonce.len()),
            };
            let raw = native::to_wire(&DeviceFrame {
                body: Some(Body::Hello(hello)),
            });
            peer.malformed("", &fault, &raw);
            return Err(Stop("malformed"));
        }
        // Everybody is asked for the proof: a stranger learns nothing of which devices there are.
        if let Found::Unavailable = peer.shared.find(Protocol::Native, &hello.device).await {
            peer.send(&gateway::refusal("try again later", 10)).await?;
            return Err(Stop("directory"));
        }
        let gateway_nonce: [u8; handshake::NONCE_BYTES] = rand::random();
        peer.send(&gateway::challenge(&gateway_nonce)).await?;
        self.phase = Phase::Proof {
            device: hello.device,
            device_nonce: hello.device_nonce,
            gateway_nonce,
            bound,
        };
        Ok(())
    }

    async fn proof(&mut self, proof: &[u8], peer: &mut Peer, now: Timestamp) -> Result<(), Stop> {
        let Phase::Proof {
            device,
            device_nonce,
            gateway_nonce,
            bound,
        } = std::mem::take(&mut self.phase)
        else {
            return Err(Stop("malformed"));
        };
        let known = peer.shared.directory.get(Protocol::Native, &device);
        let Some(known) = known else {
            peer.refused(&device, "unknown device");
            peer.send(&gateway::refusal(WRONG_PROOF, WRONG_PROOF_S)).await?;
            return Err(Stop("refused"));
        };
        let binding = peer.binding.filter(|_| bound);
        let claim = handshake::Claim {
            device_nonce: &device_nonce,
            gateway_nonce: &gateway_nonce,
            binding: binding.as_ref(),
            device: &device,
        };
        let right = |secret: &&Vec<u8>| claim.verify(secret, proof);
        // A device without a secret can prove nothing.
        let by_next = known.next_secret.as_ref().filter(right);
        let by_present = known.secret.as_ref().is_some_and(|secret| right(&secret));
        if by_next.is_none() && !by_present {
            return refuse(peer, &device, WRONG_PROOF, WRONG_PROOF_S).await;
        }
        if !known.is_assigned() {
            return refuse(peer, &device, "not assigned", 300).await;
        }
        if !peer.allows(&known) {
            return refuse(peer, &device, "network", 600).await;
        }
        if let Some(next) = by_next {
            // Its confirmation was lost, or the key was put in by hand.
            peer.shared.rotation.confirmed(known.device_id, next);
        }
        peer.belongs_to(&known);
        peer.alive();
        // What the device sends again all the same is recognised by its sequence number.
        let acknowledged = peer.acknowledged(known.device_id);
        peer.send(&gateway::welcome(acknowledged, now)).await?;
        if by_next.is_none() {
            self.offer(&device, peer).await?;
        }
        self.phase = Phase::Open { device };
        Ok(())
    }

    /// Sends the device its next key, where it is to have one: once a session, and only where nobody else can read it.
    async fn offer(&mut self, device: &str, peer: &mut Peer) -> Result<(), Stop> {
        if peer.binding.is_none() {
            return Ok(());
        }
        let known = peer.shared.directory.get(Protocol::Native, device);
        let next = known.as_ref().and_then(|known| known.next_secret.as_ref());
        let Some(secret) = next.filter(|next| self.offer.as_ref().is_none_or(|offer| offer.secret != **next)) else {
            return Ok(());
        };
        let nonce = rand::random();
        peer.send(&gateway::rekey(secret, &nonce)).await?;
        self.offer = Some(Box::new(Offer {
            secret: secret.clone(),
            nonce,
        }));
        Ok(())
    }

    fn rekeyed(&mut self, device: &str, hmac: &[u8], peer: &Peer) -> Result<(), Stop> {
        let confirmed = |offer: &Offer| handshake::confirmed(&offer.secret, &offer.nonce, device, hmac);
        let Some(offer) = self.offer.as_deref().filter(|offer| confirmed(offer)) else {
            metrics::counter!("homeward_gateway_rekey_failures_total").increment(1);
            return Err(Stop("malformed"));
        };
        if let Some(known) = peer.shared.directory.get(Protocol::Native, device) {
            peer.shared.rotation.confirmed(known.device_id, &offer.secret);
        }
        Ok(())
    }
}

async fn refuse(peer: &mut Peer, device: &str, reason: &'static str, retry_after_s: u32) -> Result<(), Stop> {
    peer.refused(device, reason);
    peer.send(&gateway::refusal(reason, retry_after_s)).await?;
    Err(Stop("refused"))
}

/// Appends a batch; its acknowledgement follows when it is durable.
fn reports(device: &str, frame: &DeviceFrame, peer: &mut Peer, received_at: Timestamp) -> Result<(), Stop> {
    peer.alive();
    let known = peer.shared.directory.get(Protocol::Native, device);
    let Some(known) = known.filter(|known| known.is_assigned()) else {
        return Err(Stop("unassigned")); // since the welcome; the next hello is refused with the reason
    };
    peer.belongs_to(&known);
    let decoded = match gateway::decode(frame) {
        Ok(decoded) => decoded,
        Err(fault) => {
            peer.malformed(device, &fault, &native::to_wire(frame));
            return Ok(());
        }
    };
    peer.says(&known, &decoded.messages);
    let mut batch = Batch::default();
    for rejected in decoded.rejected {
        batch.reject(rejected);
    }
    for message in decoded.messages {
        if let Message::Report(report) = message {
            batch.take(&report, &known, peer, received_at);
        }
    }
    if !batch.rejected.is_empty() {
        let fault = Fault::Range {
            what: "reports",
            value: format!("{} of a batch rejected", batch.rejected.len()),
        };
        peer.malformed(device, &fault, &native::to_wire(frame));
    }
    let answer = gateway::acknowledgement(batch.last, &batch.rejected);
    peer.append_upto(batch.records, received_at, answer, batch.last);
    Ok(())
}

#[derive(Default)]
struct Batch {
    records: lanes::Batch,
    rejected: Vec<Rejected>,
    last: u64,
}

impl Batch {
    fn take(&mut self, report: &codec::Report, known: &Known, peer: &Peer, received_at: Timestamp) {
        if let Err(fault) = peer.take(known, report, received_at, &mut self.records) {
            return self.reject(Rejected {
                index: 0,
                sequence: report.sequence,
                reason: fault.to_string(),
            });
        }
        self.last = self.last.max(report.sequence);
    }

    /// Refuses a report for good: its sequence number is acknowledged, and listed.
    fn reject(&mut self, rejected: Rejected) {
        records::count(Protocol::Native, "rejected");
        if i64::try_from(rejected.sequence).is_ok() {
            self.last = self.last.max(rejected.sequence);
        }
        self.rejected.push(rejected);
    }
}

/// Bytes that refuse a connection for want of room.
pub(crate) fn busy() -> Bytes {
    gateway::refusal("too many sessions", 30)
}
