//! What the vendors' protocols have in common: frames found in a stream, one conversation a device, answers and commands.
//!
//! A conversation is pure: bytes and the time go in, messages and the bytes of the answer come out. The gateway holds one for each
//! session and sends [`Decoded::reply`] once everything in it is durable; `homeward decode` holds one for its input.

use std::{fmt::Debug, io};

use bytes::Bytes;
use jiff::Timestamp;
use tokio_util::codec::Decoder;

use crate::{Command, Decoded, Fault, Profile, Protocol};

/// Bytes that are no frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// Why.
    pub fault: Fault,
    /// As on the wire, at most what the framer holds.
    pub raw: Bytes,
}

/// What a framer finds in a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// A frame as on the wire, from its first byte to its last; its checksum has not been looked at.
    Frame(Bytes),
    /// Something else.
    Malformed(Malformed),
}

/// A framer that may hold bytes of what is not whole yet beside those that it leaves in its source.
pub trait Held {
    /// How many.
    fn held(&self) -> usize {
        0
    }
}

/// A command that a protocol, or the device's profile, has no words for; or a text that would be more than a text to the device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.reason())]
pub struct Unsupported {
    /// The protocol.
    pub protocol: Protocol,
    /// The profile's name.
    pub profile: String,
    /// The command's name.
    pub command: &'static str,
    /// What in the text would end, begin or split a command.
    pub refused: Option<char>,
    /// What in the text the protocol's character set does not have.
    pub lacks: Option<char>,
}

impl Unsupported {
    /// A command to a device of a profile.
    pub fn new(protocol: Protocol, profile: &Profile, command: &Command) -> Self {
        Self {
            protocol,
            profile: profile.name().to_owned(),
            command: command.name(),
            refused: profile.refused(command),
            lacks: None,
        }
    }

    /// The same, where the protocol has no such letter.
    #[must_use]
    pub(crate) fn lacking(mut self, letter: Option<char>) -> Self {
        self.lacks = letter;
        self
    }

    fn reason(&self) -> String {
        let Self {
            protocol,
            profile,
            command,
            refused,
            lacks,
        } = self;
        match (refused, lacks) {
            (Some(letter), _) => format!(
                "the text has {letter:?}, with which a device of {protocol} with profile {profile:?} takes a text for a command"
            ),
            (None, Some(letter)) => {
                format!("the text has {letter:?}, which the character set of {protocol} does not have")
            }
            (None, None) => format!("{protocol} with profile {profile:?} has no words for {command}"),
        }
    }
}

/// What a conversation has learnt of a device's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// The zone that the device states, in seconds east of Greenwich.
    pub offset_s: i64,
    /// Whether its times are by that zone; otherwise they are UTC.
    pub local: bool,
}

/// One device's conversation in a vendor's protocol.
pub trait Talk: Debug + Default + Send + 'static {
    /// The protocol.
    const PROTOCOL: Protocol;

    /// Finds frames in a stream. Any split of the stream gives the same pieces; it holds a fixed number of bytes at most, never stalls
    /// on garbage, and finds the next good frame after it.
    type Framer: Decoder<Item = Piece, Error = io::Error> + Held + Debug + Default + Send;

    /// Whom a frame names by itself, as a log-in does: the canonical identity. `None`: it names nobody.
    fn identity(frame: &[u8]) -> Option<String>;

    /// Reads a frame of a stream.
    ///
    /// [`Decoded::device`] is the device that the conversation belongs to as far as it is known. A frame that is broken as a whole is a
    /// fault; a record that is broken while others of the frame are good is listed in [`Decoded::rejected`].
    fn take(&mut self, frame: &Bytes, profile: &Profile, now: Timestamp) -> Result<Decoded, Fault>;

    /// Whom a datagram names. `None`: nobody, or the protocol is not spoken over UDP.
    fn datagram_identity(bytes: &[u8]) -> Option<String>;

    /// Reads a datagram (UDP).
    fn datagram(&mut self, bytes: &Bytes, profile: &Profile, now: Timestamp) -> Result<Decoded, Fault>;

    /// What was learnt of the device's clock so far. `None`: nothing, or the protocol leaves no doubt.
    fn clock(&self) -> Option<Clock> {
        None
    }

    /// Goes on, after a log-in, with what an earlier conversation with this device has learnt.
    fn recall(&mut self, _clock: Clock) {}

    /// Puts packages for the device ([`Decoded::reply`], commands) into a datagram, where datagrams have an envelope of their own.
    fn enclose(&self, packages: Bytes) -> Bytes {
        packages
    }

    /// The bytes that tell a device to do something. `reference` comes back in the device's answer where the protocol has room for it.
    fn command(
        &mut self,
        command: &Command,
        reference: u32,
        profile: &Profile,
        now: Timestamp,
    ) -> Result<Vec<Bytes>, Unsupported>;
}
