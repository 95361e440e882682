//! Texts: commands and their answers (Codec 12, 14), and what came over a serial port (Codec 13, 15).

use bytes::{BufMut, Bytes, BytesMut};
use jiff::Timestamp;

use super::{codec, reader::Reader};
use crate::Fault;

/// A command to the device.
pub(super) const COMMAND: u8 = 0x05;
/// An answer to one.
pub(super) const ANSWER: u8 = 0x06;
/// Codec 14: the command was for another device.
const REFUSED: u8 = 0x11;
/// A camera's picture, in parts.
const PICTURE: u8 = 0x0d;

/// One of the texts of a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Serial {
    /// Server to device.
    Command(String),
    /// Device to server, an answer or what an attached thing says.
    Answer { text: String, refused: bool },
    /// From a serial port, and when.
    Port { time: Option<Timestamp> },
    /// A part of a picture.
    Picture,
}

/// Reads the texts of a frame's data.
pub(super) fn read(data: &[u8]) -> Result<Vec<Serial>, Fault> {
    let mut reader = Reader::new(data);
    let parts = parts(&mut reader);
    parts.ok_or_else(|| Fault::Truncated {
        what: "text",
        needed: reader.rest().len() + 1,
        at: data.len() - reader.rest().len(),
        left: reader.rest().len(),
    })
}

fn parts(reader: &mut Reader<'_>) -> Option<Vec<Serial>> {
    let codec = reader.u8()?;
    let count = reader.u8()?;
    let mut found = Vec::with_capacity(usize::from(count.min(8)));
    for _ in 0..count {
        let kind = reader.u8()?;
        let size = usize::try_from(reader.u32()?).ok()?;
        // Some forget to count the time.
        let size = match (codec, count) {
            (codec::THIRTEEN | codec::FIFTEEN, 1) => reader.rest().len().checked_sub(1)?.min(size + 4),
            _ => size,
        };
        let mut part = Reader::new(reader.take(size)?);
        found.push(match (codec, kind) {
            (codec::THIRTEEN | codec::FIFTEEN, _) => Serial::Port {
                time: part.u32().and_then(|second| Timestamp::from_second(second.into()).ok()),
            },
            (codec::TWELVE, PICTURE) => Serial::Picture,
            (codec::TWELVE, COMMAND) => Serial::Command(text(part.rest())),
            (codec::FOURTEEN, _) => {
                part.take(8)?; // the identity
                match kind {
                    COMMAND => Serial::Command(text(part.rest())),
                    _ => Serial::Answer {
                        text: text(part.rest()),
                        refused: kind == REFUSED,
                    },
                }
            }
            _ => Serial::Answer {
                text: text(part.rest()),
                refused: false,
            },
        });
    }
    Some(found)
}

/// A text as it reads, or else as hexadecimal.
fn text(bytes: &[u8]) -> String {
    let bytes = bytes.trim_ascii();
    let readable = |text: &&str| {
        !text
            .chars()
            .any(|letter| letter.is_control() && !letter.is_ascii_whitespace())
    };
    let text = str::from_utf8(bytes).ok().filter(readable);
    text.map_or_else(|| hex::encode(bytes), str::to_owned)
}

/// Writes a Codec 12 frame's data.
pub(super) fn write(kind: u8, text: &[u8]) -> Bytes {
    let mut data = BytesMut::with_capacity(text.len() + 8);
    data.put_slice(&[codec::TWELVE, 1, kind]);
    data.put_u32(u32::try_from(text.len()).unwrap_or(u32::MAX));
    data.put_slice(text);
    data.put_u8(1);
    data.freeze()
}
