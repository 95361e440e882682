//! Frames between delimiters, with escaping (4.4.2), found in any stream of bytes.

use std::{io, mem};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use super::header::Header;
use crate::{Fault, checksum};

/// Most bytes of a frame as on the wire. The standard's longest (1,023 bytes of body, 2019 header, all escaped) has 2,094.
pub const MAX_FRAME_BYTES: usize = 4_096;

/// Most bytes of a text frame.
const MAX_TEXT_BYTES: usize = 1_024;

/// Shortest content: id, properties, phone, one-byte serial, checksum.
const MIN_CONTENT_BYTES: usize = 12;

/// What stands at both ends of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Delimiter {
    /// `0x7e`, the standard's.
    #[default]
    Standard,
    /// `0xe7`, with escapes and a phone number of their own: some locks.
    Alternative,
}

impl Delimiter {
    /// The byte.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Standard => 0x7e,
            Self::Alternative => 0xe7,
        }
    }

    /// What each escaped byte becomes.
    const fn escapes(self) -> &'static [(u8, [u8; 2])] {
        match self {
            Self::Standard => &[(0x7d, [0x7d, 0x01]), (0x7e, [0x7d, 0x02])],
            Self::Alternative => &[
                (0xe6, [0xe6, 0x01]),
                (0xe7, [0xe6, 0x02]),
                (0x3e, [0x3e, 0x01]),
                (0x3d, [0x3e, 0x02]),
            ],
        }
    }

    /// Where the next escape byte is.
    fn next_escape(self, wire: &[u8]) -> Option<usize> {
        match self {
            Self::Standard => memchr::memchr(0x7d, wire),
            Self::Alternative => memchr::memchr2(0xe6, 0x3e, wire),
        }
    }

    /// Undoes escaping of what stands between the delimiters.
    pub fn unescape(self, wire: &[u8]) -> Result<Bytes, Fault> {
        let Some(first) = self.next_escape(wire) else {
            return Ok(Bytes::copy_from_slice(wire)); // most frames
        };
        let mut content = Vec::with_capacity(wire.len());
        let (mut rest, mut length) = (wire, first);
        while let Some((plain, escaped)) = rest.split_at_checked(length) {
            content.extend_from_slice(plain);
            let at = wire.len() - escaped.len();
            match escaped {
                [] => break,
                [lead, next, after @ ..] => {
                    let pair = [*lead, *next];
                    let found = self.escapes().iter().find(|(_, escaped)| *escaped == pair);
                    let (plain, _) = found.ok_or(Fault::Escape {
                        lead: *lead,
                        next: *next,
                        at,
                    })?;
                    content.push(*plain);
                    rest = after;
                }
                [_] => {
                    return Err(Fault::Truncated {
                        what: "escape",
                        needed: 2,
                        at,
                        left: 1,
                    });
                }
            }
            length = self.next_escape(rest).unwrap_or(rest.len());
        }
        Ok(content.into())
    }

    /// Escapes content and puts it between delimiters.
    pub fn escape(self, content: &[u8], wire: &mut BytesMut) {
        wire.reserve(content.len() + content.len() / 8 + 2);
        wire.put_u8(self.byte());
        for byte in content {
            match self.escapes().iter().find(|(plain, _)| plain == byte) {
                Some((_, escaped)) => wire.put_slice(escaped),
                None => wire.put_u8(*byte),
            }
        }
        wire.put_u8(self.byte());
    }
}

/// A frame whose checksum is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Which delimiter it had; an answer has the same.
    pub delimiter: Delimiter,
    /// Header and body, unescaped, without checksum.
    pub content: Bytes,
}

impl Frame {
    /// Checks what stood between two delimiters.
    pub fn from_wire(delimiter: Delimiter, wire: &[u8]) -> Result<Self, Fault> {
        let mut content = delimiter.unescape(wire)?;
        if content.len() < MIN_CONTENT_BYTES {
            return Err(Fault::Truncated {
                what: "header",
                needed: MIN_CONTENT_BYTES,
                at: 0,
                left: content.len(),
            });
        }
        let got = content
            .split_off(content.len() - 1)
            .first()
            .copied()
            .unwrap_or_default();
        let expected = checksum::xor(&content);
        if got == expected {
            Ok(Self { delimiter, content })
        } else {
            Err(Fault::Checksum {
                expected: expected.into(),
                got: got.into(),
            })
        }
    }

    /// Splits header and body.
    pub fn parse(&self) -> Result<(Header, Bytes), Fault> {
        Header::parse(self.delimiter, &self.content)
    }

    /// The frame as on the wire.
    pub fn to_wire(&self) -> Bytes {
        let mut wire = BytesMut::new();
        self.write(&mut wire);
        wire.freeze()
    }

    fn write(&self, wire: &mut BytesMut) {
        let mut content = BytesMut::with_capacity(self.content.len() + 1);
        content.put_slice(&self.content);
        content.put_u8(checksum::xor(&self.content));
        self.delimiter.escape(&content, wire);
    }
}

/// Bytes that are no frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// Why.
    pub fault: Fault,
    /// As on the wire, with the delimiters that were there.
    pub raw: Bytes,
}

/// What a [`Framer`] finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A good frame.
    Frame(Frame),
    /// A text in parentheses, as some locks send beside frames.
    Text(Bytes),
    /// Something else.
    Malformed(Malformed),
}

#[derive(Debug, Default)]
enum State {
    /// Between frames; holds bytes that belong to none so far.
    #[default]
    Outside,
    /// After a `0x7e`.
    Inside,
    /// After a `0xe7`; where the last `0x7e` was seen, should the `0xe7` turn out to be garbage.
    InsideAlternative { standard_at: Option<usize> },
    /// After a `(`.
    Text,
}

/// Finds frames in a stream.
///
/// Goes byte by byte, so that any split of the stream gives the same items. Holds at most [`MAX_FRAME_BYTES`]. The `0x7e`
/// that ends bad bytes may begin the next frame, so a good frame after garbage is never lost; two frames may also share one.
#[derive(Debug, Default)]
pub struct Framer {
    state: State,
    held: Vec<u8>,
    /// Bytes of an oversize run that are no longer held.
    dropped: usize,
    /// Of the last good frame. After one of the standard's, the other delimiter is garbage.
    delimiter: Option<Delimiter>,
}

impl Framer {
    /// Bytes held.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Tells what an end of the stream leaves unfinished.
    pub fn finish(&mut self) -> Option<Item> {
        let inside = !matches!(self.state, State::Outside);
        self.state = State::Outside;
        if self.held.is_empty() {
            return None;
        }
        let fault = if inside {
            Some(Fault::Incomplete("no closing delimiter"))
        } else {
            None
        };
        Some(self.malformed(fault))
    }

    /// A good frame of the standard's that lies in the bytes as a whole: what nearly all bytes are. Anything else goes byte by byte,
    /// with the same result.
    fn whole(&self, source: &mut BytesMut) -> Option<Frame> {
        if !self.held.is_empty() || self.dropped != 0 {
            return None;
        }
        let start = match self.state {
            State::Inside => 0,
            State::Outside if source.first() == Some(&0x7e) => 1,
            _ => return None,
        };
        // Delimiters in a row are one.
        let start = start + source.get(start..)?.iter().position(|byte| *byte != 0x7e)?;
        let rest = source.get(start..)?;
        let length = memchr::memchr(0x7e, rest.get(..rest.len().min(MAX_FRAME_BYTES + 1))?)?;
        let frame = Frame::from_wire(Delimiter::Standard, rest.get(..length)?).ok()?;
        source.advance(start + length + 1);
        Some(frame)
    }

    /// Takes one byte; at most one item comes of it.
    fn push(&mut self, byte: u8) -> Option<Item> {
        match self.state {
            State::Outside => self.push_outside(byte),
            State::Inside => self.push_inside(byte),
            State::InsideAlternative { standard_at } => self.push_alternative(byte, standard_at),
            State::Text => self.push_text(byte),
        }
    }

    fn push_outside(&mut self, byte: u8) -> Option<Item> {
        let clean = self.held.is_empty() && self.dropped == 0;
        match byte {
            0x7e => {
                if clean {
                    self.state = State::Inside;
                    return None;
                }
                // Two frames may share a delimiter: what looked like garbage may be one.
                if self.dropped == 0
                    && let Ok(frame) = Frame::from_wire(Delimiter::Standard, &self.held)
                    && frame.parse().is_ok()
                {
                    return Some(self.good(frame));
                }
                self.state = State::Inside;
                Some(self.malformed(None))
            }
            0xe7 if clean && self.delimiter != Some(Delimiter::Standard) => {
                self.state = State::InsideAlternative { standard_at: None };
                None
            }
            b'(' if clean => {
                self.state = State::Text;
                self.held.push(byte);
                None
            }
            _ => {
                self.hold(byte);
                None
            }
        }
    }

    fn push_inside(&mut self, byte: u8) -> Option<Item> {
        if byte != 0x7e {
            return self.hold_or_overflow(byte);
        }
        if self.held.is_empty() {
            return None; // the second of two delimiters in a row
        }
        match Frame::from_wire(Delimiter::Standard, &self.held) {
            Ok(frame) => Some(self.good(frame)),
            Err(fault) => Some(self.malformed(Some(fault))), // stays inside: this delimiter may begin a frame
        }
    }

    fn push_alternative(&mut self, byte: u8, standard_at: Option<usize>) -> Option<Item> {
        match byte {
            0xe7 if self.held.is_empty() => None,
            0xe7 => match Frame::from_wire(Delimiter::Alternative, &self.held) {
                Ok(frame) => Some(self.good(frame)),
                Err(fault) => {
                    let standard = standard_at.and_then(|at| self.held.get(at + 1..)).map(<[u8]>::to_vec);
                    let item = self.malformed(Some(fault));
                    if self.delimiter.is_none()
                        && let Some(mut started) = standard
                    {
                        started.push(byte);
                        self.held = started;
                        self.state = State::Inside;
                    }
                    Some(item)
                }
            },
            0x7e if self.delimiter.is_none() => {
                let standard = standard_at.and_then(|at| self.held.get(at + 1..));
                if let Some(Ok(frame)) = standard.map(|wire| Frame::from_wire(Delimiter::Standard, wire)) {
                    return Some(self.good(frame));
                }
                self.state = State::InsideAlternative {
                    standard_at: Some(self.held.len()),
                };
                self.hold_or_overflow(byte)
            }
            _ => self.hold_or_overflow(byte),
        }
    }

    fn push_text(&mut self, byte: u8) -> Option<Item> {
        match byte {
            b')' => {
                self.held.push(byte);
                self.state = State::Outside;
                Some(Item::Text(mem::take(&mut self.held).into()))
            }
            b' '..=b'}' if self.held.len() < MAX_TEXT_BYTES => {
                self.held.push(byte);
                None
            }
            _ => {
                self.state = State::Outside;
                self.push_outside(byte)
            }
        }
    }

    fn hold(&mut self, byte: u8) {
        if self.held.len() < MAX_FRAME_BYTES {
            self.held.push(byte);
        } else {
            self.dropped += 1;
        }
    }

    fn hold_or_overflow(&mut self, byte: u8) -> Option<Item> {
        if self.held.len() < MAX_FRAME_BYTES {
            self.held.push(byte);
            return None;
        }
        self.state = State::Outside;
        let fault = Fault::Oversize {
            size: self.held.len() + 1,
            limit: MAX_FRAME_BYTES,
        };
        let item = self.malformed(Some(fault));
        // What follows up to the next delimiter still belongs to the oversize run.
        self.dropped = 1;
        Some(item)
    }

    fn good(&mut self, frame: Frame) -> Item {
        self.delimiter = Some(frame.delimiter);
        self.held.clear();
        self.dropped = 0;
        self.state = State::Outside;
        Item::Frame(frame)
    }

    fn malformed(&mut self, fault: Option<Fault>) -> Item {
        let fault = fault.unwrap_or(Fault::Garbage {
            size: self.held.len() + self.dropped,
        });
        self.dropped = 0;
        Item::Malformed(Malformed {
            fault,
            raw: mem::take(&mut self.held).into(),
        })
    }
}

impl crate::Held for Framer {
    fn held(&self) -> usize {
        Self::held(self)
    }
}

impl Decoder for Framer {
    type Item = Item;
    type Error = io::Error;

    fn decode(&mut self, source: &mut BytesMut) -> Result<Option<Item>, io::Error> {
        while source.has_remaining() {
            if let Some(frame) = self.whole(source) {
                return Ok(Some(self.good(frame)));
            }
            if let Some(item) = self.push(source.get_u8()) {
                return Ok(Some(item));
            }
        }
        Ok(None)
    }

    fn decode_eof(&mut self, source: &mut BytesMut) -> Result<Option<Item>, io::Error> {
        Ok(self.decode(source)?.or_else(|| self.finish()))
    }
}

/// Writes frames as on the wire.
#[derive(Debug, Default, Clone, Copy)]
pub struct Writer;

impl Encoder<Frame> for Writer {
    type Error = io::Error;

    fn encode(&mut self, frame: Frame, wire: &mut BytesMut) -> Result<(), io::Error> {
        frame.write(wire);
        Ok(())
    }
}
