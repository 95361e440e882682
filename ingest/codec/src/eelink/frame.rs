//! Packages and datagrams: where they begin and end.

use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio_util::codec::Decoder;

use super::{id, location};
use crate::{Fault, Malformed, Piece, cursor::Cursor};

/// Most bytes of a package as on the wire. The longest that devices are known to send has some 1,100.
pub const MAX_PACKAGE_BYTES: usize = 4_096;

/// Mark, identifier, size.
const HEADER_BYTES: usize = 5;

/// Most bytes behind the sequence number.
const MAX_CONTENT_BYTES: usize = MAX_PACKAGE_BYTES - HEADER_BYTES - 2;

const MARK: [u8; 2] = [0x67, 0x67];
const ENVELOPE: [u8; 2] = *b"EL";

/// Mark, size, checksum, IMEI.
const ENVELOPE_BYTES: usize = 14;

/// A package: the unit that is numbered and answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// What it is: see [`id`].
    pub id: u8,
    /// The sender's number; an answer has the same.
    pub sequence: u16,
    /// What follows the number.
    pub content: Bytes,
}

impl Package {
    /// Reads the package at the beginning of `bytes`; returns it and its length.
    pub fn parse(bytes: &Bytes) -> Result<(Self, usize), Fault> {
        let mut cursor = Cursor::new(bytes);
        let mark = cursor.take(MARK.len(), "package mark")?;
        if mark != MARK {
            return Err(Fault::Range {
                what: "package mark",
                value: format!("0x{}", hex::encode(mark)),
            });
        }
        let id = cursor.u8("package identifier")?;
        let size = usize::from(cursor.u16("package size")?);
        let body = cursor.take(size, "package")?;
        let sequence = Cursor::new(body).u16("package sequence")?;
        let content = bytes.slice_ref(body.get(2..).unwrap_or_default());
        Ok((Self { id, sequence, content }, HEADER_BYTES + size))
    }

    /// The package as on the wire.
    pub fn to_wire(&self) -> Bytes {
        let mut wire = BytesMut::with_capacity(HEADER_BYTES + 2 + self.content.len());
        self.write(&mut wire);
        wire.freeze()
    }

    /// Appends the package as on the wire.
    pub fn write(&self, wire: &mut BytesMut) {
        // Nothing that this module makes is longer, and no framer would take it.
        let content = self.content.get(..MAX_CONTENT_BYTES).unwrap_or(&self.content);
        wire.put_slice(&MARK);
        wire.put_u8(self.id);
        wire.put_u16(u16::try_from(2 + content.len()).unwrap_or(u16::MAX));
        wire.put_u16(self.sequence);
        wire.put_slice(content);
    }
}

/// An IMEI as on the wire: sixteen digits, of which the first is no part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Imei([u8; 8]);

impl Imei {
    /// From fifteen digits.
    pub fn from_digits(digits: &str) -> Option<Self> {
        let digits = digits.as_bytes();
        if digits.len() != 15 || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let mut packed = [0; 8];
        hex::decode_to_slice([b"0", digits].concat(), &mut packed).ok()?;
        Some(Self(packed))
    }

    /// From the wire; `None` when it is no number, or zero, which devices send that were never given one.
    pub fn from_wire(bytes: &[u8]) -> Option<Self> {
        let packed: [u8; 8] = bytes.try_into().ok()?;
        let digits = packed.iter().all(|byte| byte >> 4 <= 9 && byte & 15 <= 9);
        (digits && packed.iter().any(|byte| *byte != 0)).then_some(Self(packed))
    }

    /// As on the wire.
    pub const fn packed(&self) -> &[u8; 8] {
        &self.0
    }

    /// Its fifteen digits.
    pub fn digits(self) -> String {
        hex::encode(self.0).split_off(1)
    }
}

/// The sum over a datagram from the IMEI to the end: rotate left by one, add a byte.
pub fn checksum(bytes: &[u8]) -> u16 {
    bytes
        .iter()
        .fold(0_u16, |sum, byte| sum.rotate_left(1).wrapping_add(u16::from(*byte)))
}

/// Puts packages into a datagram.
pub fn enclose(imei: Imei, packages: &[u8]) -> Bytes {
    let mut wire = BytesMut::with_capacity(ENVELOPE_BYTES + packages.len());
    wire.put_slice(&ENVELOPE);
    wire.put_u16(u16::try_from(packages.len() + 10).unwrap_or(u16::MAX));
    wire.put_u16(0);
    wire.put_slice(&imei.0);
    wire.put_slice(packages);
    let sum = checksum(wire.get(6..).unwrap_or_default()).to_be_bytes();
    if let Some(place) = wire.get_mut(4..6) {
        place.copy_from_slice(&sum);
    }
    wire.freeze()
}

/// Whom a datagram names, whether it is good or not.
pub fn envelope_imei(bytes: &[u8]) -> Option<Imei> {
    if !bytes.starts_with(&ENVELOPE) {
        return None;
    }
    Imei::from_wire(bytes.get(6..ENVELOPE_BYTES)?)
}

/// Opens a datagram whose checksum is right: whom it names, and its packages.
pub fn open(bytes: &Bytes) -> Result<(Imei, Bytes), Fault> {
    let mut cursor = Cursor::new(bytes);
    let mark = cursor.take(ENVELOPE.len(), "datagram mark")?;
    if mark != ENVELOPE {
        return Err(Fault::Range {
            what: "datagram mark",
            value: format!("0x{}", hex::encode(mark)),
        });
    }
    let size = usize::from(cursor.u16("datagram size")?);
    if cursor.left() > size {
        return Err(Fault::Garbage {
            size: cursor.left() - size,
        });
    }
    let mut cursor = Cursor::new(cursor.take(size, "datagram")?);
    let got = cursor.u16("checksum")?;
    let summed = cursor.rest();
    let expected = checksum(summed);
    if got != expected {
        return Err(Fault::Checksum { expected, got });
    }
    let mut cursor = Cursor::new(summed);
    let imei = cursor.take(8, "IMEI")?;
    let imei = Imei::from_wire(imei).ok_or_else(|| Fault::Range {
        what: "IMEI",
        value: hex::encode(imei),
    })?;
    Ok((imei, bytes.slice_ref(cursor.rest())))
}

/// What the first bytes of a stream are.
enum Look {
    /// Too few to tell.
    More,
    /// A package of this many bytes.
    Package(usize),
    /// The first byte belongs to no package.
    Astray,
    /// The same, because the package would be too long.
    Oversize(usize),
}

/// The most that a package of this kind may announce; 0: there is no such kind. What has no checksum is known by little else.
const fn limit(identifier: u8) -> usize {
    match identifier {
        id::LOGIN | id::HEARTBEAT => 128,
        id::GPS | id::ALARM | id::STATE => 256,
        id::SMS | id::OBD | 0x08..=0x3f | id::COMMAND..=0x8f => MAX_PACKAGE_BYTES - HEADER_BYTES,
        _ => 0,
    }
}

/// Finds packages in a stream.
///
/// Packages have no checksum. Right after a good one, or at the start, whatever looks like a header is believed; after anything else the
/// content has to make sense, too, or the search goes on behind the mark's first byte. What it finds depends on the bytes alone, not on
/// how they arrive; it waits for at most [`MAX_PACKAGE_BYTES`] and holds as many of garbage.
#[derive(Debug, Default)]
pub struct Framer {
    garbage: Vec<u8>,
    fault: Option<Fault>,
    astray: bool,
}

impl Framer {
    /// Bytes held of what is no package.
    pub fn held(&self) -> usize {
        self.garbage.len()
    }

    fn look(&self, bytes: &[u8]) -> Look {
        match bytes {
            [] | [0x67] | [0x67, 0x67] => return Look::More,
            [0x67, 0x67, identifier, ..] if limit(*identifier) > 0 => {}
            _ => return Look::Astray,
        }
        let [_, _, identifier, high, low, body @ ..] = bytes else {
            return Look::More;
        };
        let size = usize::from(u16::from_be_bytes([*high, *low]));
        if size < 2 {
            return Look::Astray;
        }
        if size > limit(*identifier) {
            return Look::Oversize(HEADER_BYTES + size);
        }
        let Some(body) = body.get(..size) else {
            return Look::More;
        };
        if self.astray && !location::is_plausible(*identifier, body.get(2..).unwrap_or_default()) {
            return Look::Astray;
        }
        Look::Package(HEADER_BYTES + size)
    }

    /// Moves the first byte, and all up to the next that may begin a package, to the garbage.
    fn skip(&mut self, source: &mut BytesMut, fault: Option<Fault>) -> Option<Piece> {
        if self.garbage.is_empty() {
            self.fault = fault;
        }
        self.astray = true;
        let next = source.iter().skip(1).position(|byte| *byte == 0x67);
        let count = next.map_or(source.len(), |next| next + 1);
        let room = MAX_PACKAGE_BYTES - self.garbage.len();
        self.garbage.extend_from_slice(&source.split_to(count.min(room)));
        (self.garbage.len() >= MAX_PACKAGE_BYTES).then(|| self.malformed())
    }

    fn malformed(&mut self) -> Piece {
        let raw = Bytes::from(std::mem::take(&mut self.garbage));
        let fault = self.fault.take().unwrap_or(Fault::Garbage { size: raw.len() });
        Piece::Malformed(Malformed { fault, raw })
    }

    fn next(&mut self, source: &mut BytesMut, ended: bool) -> Option<Piece> {
        loop {
            let piece = match self.look(source) {
                Look::Package(_) if !self.garbage.is_empty() => Some(self.malformed()),
                Look::Package(size) => {
                    self.astray = false;
                    Some(Piece::Frame(source.split_to(size).freeze()))
                }
                Look::Astray => self.skip(source, None),
                Look::Oversize(size) => self.skip(
                    source,
                    Some(Fault::Oversize {
                        size,
                        limit: MAX_PACKAGE_BYTES,
                    }),
                ),
                Look::More if ended && source.has_remaining() => {
                    self.skip(source, Some(Fault::Incomplete("the package is longer than what came")))
                }
                Look::More if ended && !self.garbage.is_empty() => Some(self.malformed()),
                Look::More => return None,
            };
            if piece.is_some() {
                return piece;
            }
        }
    }
}

impl crate::Held for Framer {
    fn held(&self) -> usize {
        Self::held(self)
    }
}

impl Decoder for Framer {
    type Item = Piece;
    type Error = io::Error;

    fn decode(&mut self, source: &mut BytesMut) -> io::Result<Option<Piece>> {
        Ok(self.next(source, false))
    }

    fn decode_eof(&mut self, source: &mut BytesMut) -> io::Result<Option<Piece>> {
        Ok(self.next(source, true))
    }
}
