//! Teltonika: Codec 8, 8 extended and 16 over TCP and UDP; Codec 12 commands.

use std::io;

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use tokio_util::codec::Decoder;

use crate::{Command, Decoded, Fault, Piece, Profile, Protocol, Talk, Unsupported};

/// Finds frames in a stream.
#[derive(Debug, Default)]
pub struct Framer;

impl Decoder for Framer {
    type Item = Piece;
    type Error = io::Error;

    fn decode(&mut self, source: &mut BytesMut) -> io::Result<Option<Piece>> {
        source.clear();
        Ok(None)
    }
}

/// A conversation.
#[derive(Debug, Default)]
pub struct Teltonika;

impl Talk for Teltonika {
    const PROTOCOL: Protocol = Protocol::Teltonika;
    type Framer = Framer;

    fn identity(_frame: &[u8]) -> Option<String> {
        None
    }

    fn take(&mut self, _frame: &Bytes, _profile: &Profile, _now: Timestamp) -> Result<Decoded, Fault> {
        Err(Fault::Incomplete("not spoken yet"))
    }

    fn datagram_identity(_bytes: &[u8]) -> Option<String> {
        None
    }

    fn datagram(&mut self, _bytes: &Bytes, _profile: &Profile, _now: Timestamp) -> Result<Decoded, Fault> {
        Err(Fault::Incomplete("not spoken yet"))
    }

    fn command(
        &mut self,
        command: &Command,
        _reference: u32,
        profile: &Profile,
        _now: Timestamp,
    ) -> Result<Vec<Bytes>, Unsupported> {
        Err(Unsupported {
            protocol: Self::PROTOCOL,
            profile: profile.name().to_owned(),
            command: command.name(),
        })
    }
}
