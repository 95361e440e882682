//! Sessions of the vendors' protocols: a log-in that proves nothing, then frames.

use std::sync::Arc;

use bytes::Bytes;
use casedb::device::Zone;
use codec::{Decoded, Fault, Message, Piece, Protocol, Talk};
use jiff::Timestamp;

use super::{Dialect, Peer, Stop};
use crate::{
    commands::Order,
    directory::{Found, Known},
    lanes::Batch,
    records,
};

/// The protocol whose answers carry no number: they come in the order of the frames.
const POSITIONAL: Protocol = Protocol::Teltonika;
/// Refusals after which the connection is closed.
const MAX_REFUSED: u32 = 3;
/// Bad frames in a row after which the connection is closed: it speaks another protocol.
const MAX_MALFORMED: u32 = 100;
/// The same before the device has named itself.
const MAX_MALFORMED_UNKNOWN: u32 = 5;

/// A session of one of them.
#[derive(Debug, Default)]
pub(crate) struct Vendor<T> {
    talk: T,
    /// The device that has logged in.
    identity: Option<String>,
    refused: u32,
    malformed: u32,
}

impl<T: Talk> Dialect for Vendor<T> {
    type Framer = T::Framer;
    type Item = Piece;
    const PROTOCOL: Protocol = T::PROTOCOL;

    async fn handle(&mut self, piece: Piece, peer: &mut Peer) -> Result<(), Stop> {
        let received_at = Timestamp::now();
        match piece {
            Piece::Malformed(bad) => self.bad(&bad.fault, &bad.raw, peer),
            Piece::Frame(frame) => self.frame(&frame, peer, received_at).await,
        }
    }

    async fn order(&mut self, order: Order, peer: &mut Peer) -> Result<(), Stop> {
        let known = self
            .identity
            .as_ref()
            .and_then(|identity| peer.shared.directory.get(T::PROTOCOL, identity));
        let Some(known) = known else { return Ok(()) };
        let shared = Arc::clone(&peer.shared);
        let profile = shared.profile(T::PROTOCOL, &known);
        let reference = order.reference();
        match self.talk.command(order.command(), reference, profile, Timestamp::now()) {
            Ok(frames) => peer.instruct(order, reference, &frames).await,
            Err(unsupported) => {
                order.refuse(&unsupported);
                Ok(())
            }
        }
    }
}

impl<T: Talk> Vendor<T> {
    fn bad(&mut self, fault: &Fault, raw: &Bytes, peer: &Peer) -> Result<(), Stop> {
        peer.malformed(self.identity.as_deref().unwrap_or_default(), fault, raw);
        self.malformed += 1;
        let limit = if self.identity.is_some() {
            MAX_MALFORMED
        } else {
            MAX_MALFORMED_UNKNOWN
        };
        if self.malformed > limit {
            Err(Stop("malformed"))
        } else {
            Ok(())
        }
    }

    async fn frame(&mut self, frame: &Bytes, peer: &mut Peer, received_at: Timestamp) -> Result<(), Stop> {
        metrics::counter!("homeward_gateway_frames_total", "protocol" => T::PROTOCOL.name()).increment(1);
        let named = T::identity(frame);
        let Some(identity) = named.clone().or_else(|| self.identity.clone()) else {
            return self.bad(&Fault::Incomplete("frame before the log-in"), frame, peer);
        };
        let known = match peer.shared.find(T::PROTOCOL, &identity).await {
            Found::Known(known) => known,
            Found::Unknown => return self.refuse(frame, &identity, "unknown device", peer, received_at).await,
            // Without an answer the device tries again; an answer would be a lie.
            Found::Unavailable => return Err(Stop("directory")),
        };
        // Before anything of it can fail: no frame of a protected person's device may be kept.
        peer.concerns(&known);
        if !peer.allows(&known) {
            return self.refuse(frame, &identity, "network", peer, received_at).await;
        }
        // Two devices over one connection would be believed under one name.
        if named.is_some() && self.identity.as_ref().is_some_and(|before| *before != identity) {
            self.talk = T::default();
        }
        let shared = Arc::clone(&peer.shared);
        let profile = shared.profile(T::PROTOCOL, &known);
        let learnt = self.talk.clock();
        let decoded = match self.talk.take(frame, profile, received_at) {
            Ok(decoded) => decoded,
            Err(fault) => {
                peer.alive_if(self.identity.is_some());
                return self.bad(&fault, frame, peer);
            }
        };
        if named.is_some() {
            if let Some(clock) = shared.clocks.of(&known) {
                self.talk.recall(clock);
            }
        } else if let Some(clock) = self.talk.clock().filter(|clock| Some(*clock) != learnt) {
            shared.clocks.learn(known.device_id, clock);
            if let Ok(offset_s) = clock.offset_s.try_into() {
                let local = clock.local;
                shared
                    .presence
                    .learnt(known.device_id, Zone { offset_s, local }, received_at);
            }
        }
        self.identity = Some(identity);
        peer.belongs_to(&known);
        peer.alive();
        self.malformed = 0;
        self.messages(decoded, frame, &known, peer, received_at).await
    }

    async fn messages(
        &mut self,
        decoded: Decoded,
        frame: &Bytes,
        known: &Arc<Known>,
        peer: &mut Peer,
        received_at: Timestamp,
    ) -> Result<(), Stop> {
        let identity = self.identity.clone().unwrap_or_default();
        peer.says(known, &decoded.messages);
        for rejected in &decoded.rejected {
            peer.malformed(&identity, &records::rejected(rejected), frame);
            records::count(T::PROTOCOL, "rejected");
        }
        let reports = |message: &Message| matches!(message, Message::Report(_));
        if decoded.messages.iter().any(reports) && !known.is_assigned() {
            return self.refuse(frame, &identity, "not assigned", peer, received_at).await;
        }
        let mut batch = Batch::default();
        for message in &decoded.messages {
            peer.answered(message);
            if let Message::Report(report) = message
                && let Err(fault) = peer.take(known, report, received_at, &mut batch)
            {
                peer.malformed(&identity, &fault, frame);
                records::count(T::PROTOCOL, "rejected");
            }
        }
        let reply = decoded.reply.unwrap_or_default();
        if decoded.messages.iter().any(reports) {
            peer.append(batch, received_at, reply);
            return Ok(());
        }
        // Signs of life are answered also while the stream is away.
        peer.reply(POSITIONAL == T::PROTOCOL, reply).await
    }

    /// Says no where the protocol has a word for it, and records who asked.
    async fn refuse(
        &mut self,
        frame: &Bytes,
        identity: &str,
        reason: &str,
        peer: &mut Peer,
        now: Timestamp,
    ) -> Result<(), Stop> {
        peer.refused(identity, reason);
        self.refused += 1;
        let profile = codec::Profile::default_for(T::PROTOCOL);
        let refusal = T::default()
            .take(frame, profile, now)
            .ok()
            .and_then(|decoded| decoded.refusal);
        if let Some(refusal) = refusal {
            peer.reply(POSITIONAL == T::PROTOCOL, refusal).await?;
        }
        if self.refused >= MAX_REFUSED {
            Err(Stop("refused"))
        } else {
            Ok(())
        }
    }
}
