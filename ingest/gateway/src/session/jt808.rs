//! Sessions of JT/T 808.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use codec::{
    Fault, Message, Protocol,
    jt808::{
        self, Assembled, Assembler, Delimiter, Frame, Framer, Header, Item, decode_body, decode_body_with, id,
        reply::{self, Kind, Outcome, Registration},
    },
};
use jiff::Timestamp;
use subtle::ConstantTimeEq;

use super::{Dialect, Peer, Stop};
use crate::{
    HandOut,
    commands::Order,
    directory::{Found, Known},
    lanes::Batch,
    records,
};

/// Refusals after which the connection is closed.
const MAX_REFUSED: u32 = 10;
/// Bad frames in a row after which the connection is closed: it speaks another protocol.
const MAX_MALFORMED: u32 = 100;

/// So many bytes may hold a header; fewer where an escape stands at their end.
const HEADER_BYTES: [usize; 4] = [34, 33, 22, 17];

/// A session: registration, authentication, then reports. A device that has no secret needs neither.
#[derive(Debug)]
pub(crate) struct Jt808 {
    /// Number of the platform's next message. The first is random: an answer that belongs to an earlier session fits nothing.
    serial: u16,
    /// Header of the terminal's last good message: ours to it have the same shape.
    heard: Option<Box<Header>>,
    /// The terminal that has authenticated.
    authenticated: Option<String>,
    assembler: Assembler,
    refused: u32,
    malformed: u32,
}

impl Default for Jt808 {
    fn default() -> Self {
        Self {
            serial: rand::random(),
            heard: None,
            authenticated: None,
            assembler: Assembler::default(),
            refused: 0,
            malformed: 0,
        }
    }
}

impl Dialect for Jt808 {
    type Framer = Framer;
    type Item = Item;
    const PROTOCOL: Protocol = Protocol::Jt808;

    async fn handle(&mut self, item: Item, peer: &mut Peer) -> Result<(), Stop> {
        let received_at = Timestamp::now();
        match item {
            Item::Frame(frame) => self.frame(&frame, peer, received_at).await,
            Item::Text(text) => peer.send(&reply::text(&text, received_at).unwrap_or_default()).await,
            Item::Malformed(bad) => {
                let identity = self.authenticated.clone().unwrap_or_default();
                self.concerned(&bad.raw, peer);
                self.bad(&identity, &bad.fault, &bad.raw, peer)
            }
        }
    }

    fn due_at(&self) -> Option<Timestamp> {
        self.assembler.asks_at()
    }

    /// Asks for sub-packages that did not come.
    async fn due(&mut self, peer: &mut Peer) -> Result<(), Stop> {
        let missing = self.assembler.missing(Timestamp::now());
        let Some(header) = self.heard.clone() else {
            return Ok(());
        };
        for missing in missing {
            metrics::counter!("homeward_gateway_jt808_parts_asked_total").increment(missing.numbers.len() as u64);
            let frame = reply::missing(&header, self.next_serial(), &missing);
            peer.send(&frame.to_wire()).await?;
        }
        Ok(())
    }

    async fn order(&mut self, order: Order, peer: &mut Peer) -> Result<(), Stop> {
        let Some(header) = self.heard.clone() else {
            return Ok(());
        };
        let Some(known) = peer.shared.directory.get(Protocol::Jt808, &header.phone.identity()) else {
            return Ok(());
        };
        let serial = self.next_serial();
        let shared = Arc::clone(&peer.shared);
        let profile = shared.profile(Protocol::Jt808, &known);
        match jt808::command::command(&header, serial, order.command(), profile) {
            Ok(frames) => peer.instruct(order, u32::from(serial), &frames).await,
            Err(unsupported) => {
                order.refuse(&unsupported);
                Ok(())
            }
        }
    }
}

impl Jt808 {
    /// Notes whose a frame may be that cannot be read: what its header names, for that may be readable, although the whole is not; and
    /// before that the session's own terminal, which is surer.
    fn concerned(&self, raw: &Bytes, peer: &mut Peer) {
        let named = header_of(raw).map(|header| header.phone.identity());
        let heard = self.heard.as_ref().map(|header| header.phone.identity());
        for identity in [named, heard, self.authenticated.clone()].into_iter().flatten() {
            if let Some(known) = peer.shared.directory.get(Protocol::Jt808, &identity) {
                peer.concerns(&known);
            }
        }
    }

    fn bad(&mut self, identity: &str, fault: &Fault, raw: &Bytes, peer: &Peer) -> Result<(), Stop> {
        peer.malformed(identity, fault, raw);
        self.malformed += 1;
        if self.malformed > MAX_MALFORMED {
            Err(Stop("malformed"))
        } else {
            Ok(())
        }
    }

    fn next_serial(&mut self) -> u16 {
        let serial = self.serial;
        self.serial = self.serial.wrapping_add(1);
        serial
    }

    async fn frame(&mut self, frame: &Frame, peer: &mut Peer, received_at: Timestamp) -> Result<(), Stop> {
        metrics::counter!("homeward_gateway_frames_total", "protocol" => "jt808").increment(1);
        let (header, body) = match frame.parse() {
            Ok(parsed) => parsed,
            Err(fault) => {
                let raw = frame.to_wire();
                self.concerned(&raw, peer);
                return self.bad("", &fault, &raw, peer);
            }
        };
        let identity = header.phone.identity();
        let known = match peer.shared.find(Protocol::Jt808, &identity).await {
            Found::Known(known) => known,
            Found::Unknown => return self.refuse(&header, &identity, "unknown device", peer).await,
            // Without an answer the terminal tries again; an answer would be a lie.
            Found::Unavailable => return Err(Stop("directory")),
        };
        // Before anything of it can fail: no frame of a protected person's device may be kept.
        peer.concerns(&known);
        if !peer.allows(&known) {
            return self.refuse(&header, &identity, "network", peer).await;
        }
        match header.id {
            id::REGISTER => return self.register(&header, &known, peer).await,
            id::AUTHENTICATE => return self.authenticate(&header, &body, &identity, &known, peer).await,
            _ => (),
        }
        if known.secret.is_some() && self.authenticated.as_ref() != Some(&identity) {
            return self.refuse(&header, &identity, "not authenticated", peer).await;
        }
        peer.belongs_to(&known);
        peer.alive();
        self.malformed = 0;
        self.heard = Some(Box::new(header.clone()));
        match self.assembler.take(&header, body, received_at) {
            // Answered with the last one, when all of them are durable.
            Ok(Assembled::Part { .. }) => Ok(()),
            Ok(Assembled::Whole { body, serials }) => {
                self.message(&header, &body, &serials, &known, frame, peer, received_at)
                    .await
            }
            Err(fault) => {
                self.bad(&identity, &fault, &frame.to_wire(), peer)?;
                let answer = self.answer(&header, &[header.serial], Outcome::Wrong, received_at);
                peer.send(&answer).await
            }
        }
    }

    async fn register(&mut self, header: &Header, known: &Known, peer: &mut Peer) -> Result<(), Stop> {
        peer.alive();
        let handed_out = match peer.shared.config.hand_out_code {
            HandOut::Always => true,
            HandOut::Bound => !known.networks.is_empty(),
            HandOut::Never => false,
        };
        if known.secret.is_some() && !handed_out {
            peer.refused(&header.phone.identity(), "code not handed out");
            let answer = reply::registered(header, self.next_serial(), Registration::TerminalRegistered, &[]);
            return peer.send(&answer.to_wire()).await;
        }
        let digits = header.phone.digits();
        let code = known.secret.as_deref().unwrap_or(digits.as_bytes());
        let answer = reply::registered(header, self.next_serial(), Registration::Success, code);
        peer.send(&answer.to_wire()).await
    }

    async fn authenticate(
        &mut self,
        header: &Header,
        body: &[u8],
        identity: &str,
        known: &Known,
        peer: &mut Peer,
    ) -> Result<(), Stop> {
        let content = decode_body(header, body).unwrap_or_default();
        let Some(Message::Authenticate(message)) = content.messages.first() else {
            return self.refuse(header, identity, "wrong authentication code", peer).await;
        };
        let right = known
            .secret
            .as_ref()
            .is_none_or(|secret| bool::from(secret.as_slice().ct_eq(&message.code)));
        if !right {
            return self.refuse(header, identity, "wrong authentication code", peer).await;
        }
        self.authenticated = Some(identity.to_owned());
        // Commands may go out at once: a terminal that has authenticated may say nothing more for a while.
        self.heard = Some(Box::new(header.clone()));
        self.refused = 0;
        peer.belongs_to(known);
        peer.alive();
        let answer = reply::general(header, header.serial, self.next_serial(), Outcome::Success);
        peer.send(&answer.to_wire()).await
    }

    /// Says no, and records who asked.
    async fn refuse(&mut self, header: &Header, identity: &str, reason: &str, peer: &mut Peer) -> Result<(), Stop> {
        peer.refused(identity, reason);
        self.refused += 1;
        let serial = self.next_serial();
        let answer = if header.id == id::REGISTER {
            reply::registered(header, serial, Registration::NoTerminal, &[])
        } else {
            reply::general(header, header.serial, serial, Outcome::Failure)
        };
        peer.send(&answer.to_wire()).await?;
        if self.refused >= MAX_REFUSED {
            Err(Stop("refused"))
        } else {
            Ok(())
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one call, each argument a thing of its own")]
    async fn message(
        &mut self,
        header: &Header,
        body: &Bytes,
        serials: &[u16],
        known: &Arc<Known>,
        frame: &Frame,
        peer: &mut Peer,
        received_at: Timestamp,
    ) -> Result<(), Stop> {
        let identity = header.phone.identity();
        let decoded = decode_body_with(header, body, peer.shared.profile(Protocol::Jt808, known));
        let content = match decoded {
            Ok(content) => content,
            Err(fault) => {
                self.bad(&identity, &fault, &frame.to_wire(), peer)?;
                let answer = self.answer(header, serials, Outcome::Wrong, received_at);
                return peer.send(&answer).await;
            }
        };
        peer.says(known, &content.messages);
        for rejected in &content.rejected {
            peer.malformed(&identity, &records::rejected(rejected), &frame.to_wire());
            records::count(Protocol::Jt808, "rejected");
        }
        let mut batch = Batch::default();
        let mut reports = false;
        for message in &content.messages {
            peer.answered(message);
            let Message::Report(report) = message else { continue };
            reports = true;
            if !known.is_assigned() {
                return self.refuse(header, &identity, "not assigned", peer).await;
            }
            if let Err(fault) = peer.take(known, report, received_at, &mut batch) {
                peer.malformed(&identity, &fault, &frame.to_wire());
                records::count(Protocol::Jt808, "rejected");
            }
        }
        if let [
            Message::Report(report),
            Message::CommandAnswer {
                reference: Some(serial),
                ..
            },
        ] = &content.messages[..]
        {
            peer.located_by(known, *serial, report);
        }
        let answer = self.answer(header, serials, Outcome::Success, received_at);
        if reports {
            peer.append(batch, received_at, answer);
            return Ok(());
        }
        if header.id == id::LOGOUT {
            self.authenticated = None;
        }
        peer.send(&answer).await
    }

    /// The answer that a message gets; empty for those that get none.
    fn answer(&mut self, header: &Header, serials: &[u16], outcome: Outcome, now: Timestamp) -> Bytes {
        let outcome = match reply::kind(header) {
            Kind::None => return Bytes::new(),
            Kind::Compact => return reply::compact(header, outcome).to_wire(),
            Kind::Time => return reply::time(header, self.next_serial(), now).to_wire(),
            Kind::Unsupported => Outcome::Unsupported,
            Kind::General | Kind::Registered => outcome,
        };
        let mut wire = BytesMut::new();
        for answered in serials {
            let frame = reply::general(header, *answered, self.next_serial(), outcome);
            wire.extend_from_slice(&frame.to_wire());
        }
        wire.freeze()
    }
}

/// The header of bytes that are no frame, if it can be read in them.
fn header_of(raw: &Bytes) -> Option<Header> {
    let delimiter = match raw.first() {
        Some(first) if *first == Delimiter::Alternative.byte() => Delimiter::Alternative,
        _ => Delimiter::Standard,
    };
    let start = raw.iter().position(|byte| *byte != delimiter.byte())?;
    let wire = raw.get(start..)?;
    // Behind it may stand what cannot be unescaped.
    HEADER_BYTES.iter().find_map(|length| {
        let content = delimiter.unescape(wire.get(..*length).unwrap_or(wire)).ok()?;
        Some(Header::parse(delimiter, &content).ok()?.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_begin_with_serials_of_their_own() {
        let first = Jt808::default().next_serial();
        assert!((0..16).any(|_| Jt808::default().next_serial() != first));
    }
}
