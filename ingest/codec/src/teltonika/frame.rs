//! Frames found in any stream of bytes: log-ins, keep-alive bytes, data frames.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use tokio_util::codec::Decoder;

use super::{codec, crc16};
use crate::{Fault, Malformed, Piece};

/// Most bytes of a frame. Modules send some 1,300 bytes at a time; 255 records with a few elements each have about 12,000.
pub const MAX_FRAME_BYTES: usize = 16_384;

/// Most bytes of one run of garbage that are reported at once.
pub const MAX_GARBAGE_BYTES: usize = 4_096;

/// Most bytes that wait for the rest of a frame, besides what the last read brought.
pub const MAX_HELD_BYTES: usize = MAX_FRAME_BYTES + MAX_GARBAGE_BYTES;

/// Preamble and length before the data, checksum after it.
pub(super) const OVERHEAD: usize = 12;

/// Codec and both counts.
const MIN_DATA: usize = 3;

/// Digits of an identity. Fifteen are an IMEI.
const IDENTITY: std::ops::RangeInclusive<u8> = 10..=20;

/// No frame but a keep-alive byte is shorter, and no more bytes are needed to tell whether one may begin.
const MIN_FRAME: usize = 12;

/// Digits of an identity that are looked at before the rest is there.
const DIGITS_SEEN: usize = 8;

/// Most places at which a frame may have begun, while there is garbage. Bounds the work for bytes made to look like many frames.
const MAX_OPEN: usize = 16;

/// A single byte that devices send to keep a connection open.
pub(super) const KEEP_ALIVE: u8 = 0xff;

/// What may begin at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begin {
    /// Too few bytes to tell.
    Unclear,
    /// Nothing.
    Nothing,
    /// A data frame longer than [`MAX_FRAME_BYTES`].
    Oversize(usize),
    /// A frame of so many bytes.
    Frame(usize),
}

/// Tells what begins with the first of these bytes. `proven`: only what is unlikely to be chance.
fn begin(bytes: &[u8], proven: bool) -> Begin {
    match bytes {
        [] | [0] | [0, 0] | [0, 0, 0] => Begin::Unclear,
        [KEEP_ALIVE, ..] if !proven => Begin::Frame(1),
        [0, 0, 0, 0, rest @ ..] => data(rest, proven),
        [0, length, digits @ ..] if IDENTITY.contains(length) => {
            let seen = digits.get(..DIGITS_SEEN.min(digits.len())).unwrap_or_default();
            if !seen.iter().all(u8::is_ascii_digit) {
                Begin::Nothing
            } else if seen.len() < DIGITS_SEEN {
                Begin::Unclear
            } else {
                Begin::Frame(2 + usize::from(*length))
            }
        }
        _ => Begin::Nothing,
    }
}

/// The same, after a preamble.
fn data(rest: &[u8], proven: bool) -> Begin {
    let Some((length, rest)) = rest.split_first_chunk() else {
        return if rest.first().is_none_or(|byte| *byte == 0 || !proven) {
            Begin::Unclear
        } else {
            Begin::Nothing
        };
    };
    let Ok(length) = usize::try_from(u32::from_be_bytes(*length)) else {
        return Begin::Nothing;
    };
    match (length, rest.first()) {
        (..MIN_DATA, _) => Begin::Nothing,
        _ if length > MAX_FRAME_BYTES - OVERHEAD => Begin::Oversize(length.saturating_add(OVERHEAD)),
        (_, None) if proven => Begin::Unclear,
        (_, Some(id)) if proven && !codec::KNOWN.contains(id) => Begin::Nothing,
        _ => Begin::Frame(length + OVERHEAD),
    }
}

/// A whole frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    /// [`KEEP_ALIVE`].
    KeepAlive,
    /// The digits of an identity.
    LogIn(&'a str),
    /// From the codec's id to the second count.
    Data(&'a [u8]),
}

/// Reads a whole frame, whose checksum must be right.
pub(super) fn open(frame: &[u8]) -> Result<Kind<'_>, Fault> {
    match frame {
        [KEEP_ALIVE] => Ok(Kind::KeepAlive),
        [0, 0, 0, 0, rest @ ..] => {
            let truncated = Fault::Truncated {
                what: "frame",
                needed: OVERHEAD + MIN_DATA,
                at: 0,
                left: frame.len(),
            };
            let (length, rest) = rest.split_first_chunk().ok_or_else(|| truncated.clone())?;
            let (data, sum) = rest.split_last_chunk().ok_or(truncated)?;
            let (length, got) = (u32::from_be_bytes(*length), u32::from_be_bytes(*sum));
            if usize::try_from(length) != Ok(data.len()) {
                return Err(Fault::Range {
                    what: "length",
                    value: format!("{length}, with {} bytes of data", data.len()),
                });
            }
            let expected = crc16(data);
            match u16::try_from(got) {
                Ok(got) if got == expected => Ok(Kind::Data(data)),
                Ok(got) => Err(Fault::Checksum { expected, got }),
                Err(_) => Err(Fault::Range {
                    what: "checksum",
                    value: format!("0x{got:08x}, expected 0x{expected:04x}"),
                }),
            }
        }
        [0, length, digits @ ..] if usize::from(*length) == digits.len() => {
            identity(digits).map(Kind::LogIn).ok_or_else(|| Fault::Range {
                what: "identity",
                value: hex::encode(digits),
            })
        }
        _ => Err(Fault::Garbage { size: frame.len() }),
    }
}

/// An identity, when these are its digits.
pub(super) fn identity(digits: &[u8]) -> Option<&str> {
    let fits = u8::try_from(digits.len()).is_ok_and(|length| IDENTITY.contains(&length));
    let digits = digits
        .iter()
        .all(u8::is_ascii_digit)
        .then_some(digits)
        .filter(|_| fits)?;
    str::from_utf8(digits).ok()
}

/// A place at which a frame may have begun.
#[derive(Debug, Clone, Copy)]
struct Open {
    start: usize,
    end: usize,
}

/// Finds frames in a stream.
///
/// After a good frame the next one is taken at its word, and given back as [`Piece::Frame`] when its checksum is right. Once something was
/// not, the framer is lost: it looks at every place at which a frame may begin, and the first that is complete with the right checksum ends the
/// garbage. So no false beginning makes it miss a good frame, or wait for more than that frame. What it does depends on the bytes alone,
/// not on how they are split, and it leaves at most [`MAX_HELD_BYTES`] in the source.
#[derive(Debug, Default)]
pub struct Framer {
    lost: bool,
    /// While lost: before this place of the source nothing begins but what is in `open`.
    scanned: usize,
    open: Vec<Open>,
    /// Why it is lost, until that is reported.
    fault: Option<Fault>,
}

impl Framer {
    fn lose(&mut self, fault: Option<Fault>, scanned: usize) {
        self.lost = true;
        self.scanned = scanned;
        self.open.clear();
        self.fault = fault;
    }

    /// Takes the next frame where one is expected.
    fn next(&mut self, source: &mut BytesMut) -> Option<Piece> {
        let size = match begin(source, false) {
            Begin::Unclear => return None,
            Begin::Nothing => {
                self.lose(None, 1);
                return self.search(source, false);
            }
            Begin::Oversize(size) => {
                let limit = MAX_FRAME_BYTES;
                self.lose(Some(Fault::Oversize { size, limit }), 1);
                return self.search(source, false);
            }
            Begin::Frame(size) => size,
        };
        let frame = source.get(..size)?;
        let Err(fault) = open(frame) else {
            return Some(Piece::Frame(source.split_to(size).freeze()));
        };
        // If its length was wrong, the next frame began inside it.
        let inside = (1..size).find(|at| {
            let begins = begin(frame.get(*at..).unwrap_or_default(), true);
            matches!(begins, Begin::Frame(_) | Begin::Unclear)
        });
        if inside.is_some() {
            self.lose(None, 0);
        }
        let raw = source.split_to(inside.unwrap_or(size)).freeze();
        Some(Piece::Malformed(Malformed { fault, raw }))
    }

    /// Looks for the next good frame. `last`: no more bytes will come.
    fn search(&mut self, source: &mut BytesMut, last: bool) -> Option<Piece> {
        loop {
            let dead = self.open.first().map_or(self.scanned, |open| open.start);
            if dead >= MAX_GARBAGE_BYTES {
                return Some(self.garbage(source, MAX_GARBAGE_BYTES));
            }
            let next = self.open.iter().copied().enumerate().min_by_key(|(_, open)| open.end);
            // Nothing that begins after `scanned` is complete before it.
            if let Some((place, Open { start, end })) = next
                && self.scanned + MIN_FRAME > end
            {
                match source.get(start..end) {
                    Some(frame) if open(frame).is_ok() => return Some(self.found(source, start, end)),
                    None if !last => return None,
                    _ => {
                        self.open.remove(place);
                    }
                }
                continue;
            }
            match begin(source.get(self.scanned..).unwrap_or_default(), true) {
                Begin::Unclear if self.scanned < source.len() && last => {}
                Begin::Unclear if last && !self.open.is_empty() => {
                    // No frame begins any more; what is open may still be complete.
                    self.open.retain(|open| open.end <= source.len());
                    self.scanned = source.len() + MIN_FRAME;
                    continue;
                }
                Begin::Unclear => return (last && !source.is_empty()).then(|| self.garbage(source, source.len())),
                Begin::Frame(size) => self.add(self.scanned, size),
                Begin::Nothing | Begin::Oversize(_) => {}
            }
            self.scanned += 1;
        }
    }

    fn add(&mut self, start: usize, size: usize) {
        let end = start + size;
        if self.open.len() == MAX_OPEN {
            // The one that would be waited for longest is the least likely.
            let farthest = self.open.iter().enumerate().max_by_key(|(_, open)| open.end);
            match farthest.map(|(place, open)| (place, open.end)) {
                Some((place, far)) if far > end => {
                    self.open.remove(place);
                }
                _ => return,
            }
        }
        self.open.push(Open { start, end });
    }

    fn found(&mut self, source: &mut BytesMut, start: usize, end: usize) -> Piece {
        if start >= MAX_GARBAGE_BYTES {
            self.open = vec![Open { start, end }];
            self.scanned = end;
            return self.garbage(source, MAX_GARBAGE_BYTES);
        }
        self.open.clear();
        if start > 0 {
            let piece = self.garbage(source, start);
            self.lost = false;
            return piece;
        }
        self.lost = false;
        self.fault = None;
        Piece::Frame(source.split_to(end).freeze())
    }

    fn garbage(&mut self, source: &mut BytesMut, size: usize) -> Piece {
        let size = size.min(source.len());
        self.scanned = self.scanned.saturating_sub(size);
        for open in &mut self.open {
            open.start = open.start.saturating_sub(size);
            open.end = open.end.saturating_sub(size);
        }
        let raw: Bytes = source.split_to(size).freeze();
        let fault = self.fault.take().unwrap_or(Fault::Garbage { size });
        Piece::Malformed(Malformed { fault, raw })
    }
}

impl crate::Held for Framer {}

impl Decoder for Framer {
    type Item = Piece;
    type Error = io::Error;

    fn decode(&mut self, source: &mut BytesMut) -> io::Result<Option<Piece>> {
        Ok(if self.lost {
            self.search(source, false)
        } else {
            self.next(source)
        })
    }

    fn decode_eof(&mut self, source: &mut BytesMut) -> io::Result<Option<Piece>> {
        if let Some(piece) = self.decode(source)? {
            return Ok(Some(piece));
        }
        if !source.has_remaining() {
            return Ok(None);
        }
        if !self.lost {
            self.lose(Some(Fault::Incomplete("the bytes end within a frame")), 1);
        }
        Ok(self.search(source, true))
    }
}
