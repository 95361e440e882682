//! Teltonika: Codec 8, 8 extended and 16 over TCP and UDP, the GH series' Codec 7, and the texts of Codec 12 to 15.
//!
//! The way of a frame: [`Framer`] → checksum → records ([`avl`]) → reports, element by element through the device's [`Profile`]. See
//! `docs/protocols/teltonika.md`.

pub mod avl;
pub mod codec;
mod crc;
mod datagram;
pub mod frame;
mod reader;
pub mod reply;
mod report;
mod serial;
pub mod terminal;

use std::collections::VecDeque;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

pub use crc::crc16;
pub use frame::Framer;
pub use report::{EVENT, GH3000_IDS, PRIORITY};

use crate::{Command, Decoded, Fault, Heartbeat, Message, Profile, Protocol, Talk, Unsupported};
use frame::Kind;
use serial::Serial;

/// Most commands that wait for an answer.
const MAX_ASKED: usize = 16;

/// How long an answer is waited for. A later text is no answer to that command.
const ASKED_FOR: SignedDuration = SignedDuration::from_mins(3);

/// A conversation.
#[derive(Debug, Default)]
pub struct Teltonika {
    /// Who has logged in.
    device: String,
    /// Commands without an answer, oldest first. Codec 12 carries no reference; devices answer in order.
    asked: VecDeque<(u32, Timestamp)>,
}

impl Teltonika {
    fn decoded(&self) -> Decoded {
        Decoded {
            device: self.device.clone(),
            ..Decoded::default()
        }
    }

    /// Reads a frame's data, without an answer to its records yet; how many records it says it has.
    fn data(
        &mut self,
        frame: &Bytes,
        data: &[u8],
        profile: &Profile,
        now: Timestamp,
    ) -> Result<(Decoded, Option<u8>), Fault> {
        let (id, count) = match data {
            [id, count, ..] => (*id, *count),
            _ => return Err(Fault::Incomplete("no codec and count")),
        };
        let mut decoded = self.decoded();
        if report::is_records(id) {
            let records = report::read(frame, data, profile)?;
            decoded.messages = records.messages;
            decoded.rejected = records.rejected;
            return Ok((decoded, Some(count)));
        }
        if !codec::KNOWN.contains(&id) {
            return Err(Fault::Range {
                what: "codec",
                value: format!("0x{id:02x}"),
            });
        }
        let texts = serial::read(data)?;
        decoded.messages = texts.into_iter().map(|text| self.text(text, now)).collect();
        Ok((decoded, None))
    }

    fn text(&mut self, text: Serial, now: Timestamp) -> Message {
        match text {
            Serial::Answer { text, refused } => Message::CommandAnswer {
                reference: self.answered(now),
                done: (refused || is_complaint(&text)).then_some(false),
                text,
            },
            Serial::Port { time } => Message::Status {
                kind: "serial",
                device_time: time,
            },
            Serial::Picture => Message::Status {
                kind: "picture",
                device_time: None,
            },
            Serial::Command(_) => Message::Status {
                kind: "command",
                device_time: None,
            },
        }
    }

    /// The oldest command that may still be answered.
    fn answered(&mut self, now: Timestamp) -> Option<u32> {
        while let Some((reference, at)) = self.asked.pop_front() {
            if now.duration_since(at) <= ASKED_FOR {
                return Some(reference);
            }
        }
        None
    }
}

/// True for answers that say that a command was not carried out. There is no word that all models use for the opposite.
fn is_complaint(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["unknown command", "invalid", "error"]
        .iter()
        .any(|word| text.contains(word))
}

impl Talk for Teltonika {
    const PROTOCOL: Protocol = Protocol::Teltonika;
    type Framer = Framer;

    fn identity(frame: &[u8]) -> Option<String> {
        match frame::open(frame) {
            Ok(Kind::LogIn(identity)) => Some(identity.to_owned()),
            _ => None,
        }
    }

    fn take(&mut self, frame: &Bytes, profile: &Profile, now: Timestamp) -> Result<Decoded, Fault> {
        match frame::open(frame)? {
            Kind::KeepAlive => Ok(Decoded {
                messages: vec![Message::Heartbeat(Heartbeat::default())],
                ..self.decoded()
            }),
            Kind::LogIn(identity) => {
                identity.clone_into(&mut self.device);
                self.asked.clear();
                Ok(Decoded {
                    messages: vec![Message::Status {
                        kind: "login",
                        device_time: None,
                    }],
                    reply: Some(reply::WELCOME),
                    refusal: Some(reply::UNWELCOME),
                    ..self.decoded()
                })
            }
            Kind::Data(data) => {
                let (mut decoded, count) = self.data(frame, data, profile, now)?;
                decoded.reply = count.map(reply::records);
                decoded.refusal = count.map(|_| reply::records(0));
                Ok(decoded)
            }
        }
    }

    fn datagram_identity(bytes: &[u8]) -> Option<String> {
        datagram::identity(bytes).map(str::to_owned)
    }

    fn datagram(&mut self, bytes: &Bytes, profile: &Profile, now: Timestamp) -> Result<Decoded, Fault> {
        let datagram = datagram::read(bytes)?;
        datagram.identity.clone_into(&mut self.device);
        let (mut decoded, count) = self.data(bytes, datagram.data, profile, now)?;
        decoded.reply = count.map(|count| reply::datagram(datagram.avl_packet, count));
        decoded.refusal = count.map(|_| reply::datagram(datagram.avl_packet, 0));
        Ok(decoded)
    }

    fn command(
        &mut self,
        command: &Command,
        reference: u32,
        profile: &Profile,
        now: Timestamp,
    ) -> Result<Vec<Bytes>, Unsupported> {
        let Some(text) = profile.command_text(command) else {
            return Err(Unsupported::new(Self::PROTOCOL, profile, command));
        };
        if self.asked.len() == MAX_ASKED {
            self.asked.pop_front();
        }
        self.asked.push_back((reference, now));
        Ok(vec![reply::command(&text)])
    }
}
